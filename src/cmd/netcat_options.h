/* What `nod listen` and `nod connect` were asked to do. */
#ifndef NOD_CMD_NETCAT_OPTIONS_H
#define NOD_CMD_NETCAT_OPTIONS_H

#include "nod/path.h"
#include "nod/types.h"

typedef struct netcat_options {
    bool listen;
    const char *host; /* connect only, as written */
    uint16_t port;
    char **command; /* to be run at the kernel's side, ended by NULL; or NULL */

    const char *tun;   /* name of the device; NULL: the kernel picks */
    bool want4, want6; /* families of the device; both unless -4, -6 or an address says one */
    bool only4, only6; /* as asked */
    nod_addr own4, own6, host4, host6;
    int prefix4, prefix6;
    uint16_t mtu;
    bool no_offload;
    bool netns;

    bool harm;            /* any of what follows was given */
    nod_path_config path; /* both ways */
    uint64_t seed;
    bool seed_given;

    nod_usec msl_us;     /* 0: the default */
    nod_usec timeout_us; /* how long an open may take; 0: as the RFC says */
    bool keep;           /* -k */
    int verbose;
    const char *pcap;
} netcat_options;

/* Fills in the options. Returns -1 to go on, or the exit code to end with at once (0 after
 * --help, which it has printed; CMD_USAGE after a complaint on stderr). */
int netcat_parse(netcat_options *options, bool listen, int argc, char **argv);

#endif
