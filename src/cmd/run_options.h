/* run_options.h: what `nod run` was asked to do. */
#ifndef NOD_CMD_RUN_OPTIONS_H
#define NOD_CMD_RUN_OPTIONS_H

#include "net_options.h"

typedef struct run_options {
    net_options net;
    nod_addr gateway4, gateway6; /* by default the kernel's own end */
    char **program;              /* and its arguments, ended by NULL */
} run_options;

/* Fills in the options. Returns -1 to go on, or the exit code to end with at once (0 after
 * --help, which it has printed; CMD_USAGE after a complaint on stderr). */
int run_parse(run_options *options, int argc, char **argv);

#endif
