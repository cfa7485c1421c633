/* ss.h: the parts of `nod ss`. */
#ifndef NOD_CMD_SS_H
#define NOD_CMD_SS_H

#include "stacks.h"

struct ss_options {
    unsigned states;          /* a bit 1 << enum nod_state for each that is shown */
    bool only4, only6;        /* both: everything */
    bool timers, info, users; /* -o, -i, -p */
    bool one_line, no_header; /* -O, -H */
    bool json;
};

/* ss_options.c. Returns -1 to go on, or the exit code to end with. */
int ss_options_read(int argc, char **argv, struct ss_options *options);

/* Whether a connection is asked for. */
bool ss_wants(const struct ss_options *options, const nod_status *status);

/* ss_text.c: the table as `ss` of iproute2 prints it. */
void ss_print(const struct stacks *stacks, const struct ss_options *options);

/* ss_json.c: adds "connections" to the object of a stack. */
void ss_describe(const nod_report *report, const struct ss_options *options, json_t *object);

/* What both say about a timer: "on", "keepalive", "timewait", "persist"; NULL: none runs. */
const char *ss_timer(const nod_status *status);
/* Its name in the table: "ESTAB". */
const char *ss_state(enum nod_state state);

#endif
