/* What a line asks: "state ESTABLISHED", "event OPEN", "status mss 1460", "drop paws 1"; and what
 * befalls a flow: "restart", "reboot"; or nothing: "quiet". */
#ifndef NOD_TEST_CHECKS_H
#define NOD_TEST_CHECKS_H

#include "stage.h"

bool checks_run(struct stage *stage, char *text);

#endif
