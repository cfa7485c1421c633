/* What `nod listen` and `nod connect` were asked to do. */
#ifndef NOD_CMD_NETCAT_OPTIONS_H
#define NOD_CMD_NETCAT_OPTIONS_H

#include "net_options.h"

typedef struct netcat_options {
    bool listen;
    const char *host; /* connect only, as written */
    uint16_t port;
    char **command; /* to be run at the kernel's side, ended by NULL; or NULL */

    net_options net;
    nod_usec timeout_us; /* how long an open may take; 0: as the RFC says */
    bool keep;           /* -k */
} netcat_options;

/* Fills in the options. Returns -1 to go on, or the exit code to end with at once (0 after
 * --help, which it has printed; CMD_USAGE after a complaint on stderr). */
int netcat_parse(netcat_options *options, bool listen, int argc, char **argv);

#endif
