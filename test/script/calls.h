/* User calls: "open 10.0.0.2:80 -> ok", "send 1000 -> 1000". */
#ifndef NOD_TEST_CALLS_H
#define NOD_TEST_CALLS_H

#include "stage.h"

/* Is it one? Calls at one moment are made one after the other, and only then does nod send. */
bool calls_is_call(const char *text);

/* Makes it. False when the result is not the expected one, or the line makes no sense. */
bool calls_run(struct stage *stage, char *text);

#endif
