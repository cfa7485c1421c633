/* What a line of a script does or asks beside segments: user calls, states, events. */
#ifndef NOD_TEST_CALLS_H
#define NOD_TEST_CALLS_H

#include "stage.h"

/* Runs "open 10.0.0.2:80 -> ok", "state ESTABLISHED" and the like. */
bool calls_run(struct stage *stage, char *text);

/* Is it a user's call? Calls at one moment are made one after the other, and only then does
 * nod send. */
bool calls_is_call(const char *text);

/* Lines without a time: "nod 10.0.0.1", "config nagle 0". */
bool calls_directive(struct stage *stage, char *text);

/* Reads seconds, as "0.2". */
bool calls_seconds(const char *text, nod_usec *out);

#endif
