/* Lines without a time: what the stage is like; and settings by name. */
#ifndef NOD_TEST_SETTINGS_H
#define NOD_TEST_SETTINGS_H

#include "stage.h"
#include "words.h"

/* "nod 10.0.0.1", "peer a 40001 to 80", "config nagle off". */
bool settings_directive(struct stage *stage, char *text);

/* "config NAME VALUE", into any configuration. */
bool settings_apply(struct stage *stage, nod_tcp_config *config, const struct words *w);

#endif
