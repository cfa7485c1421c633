/* netem_options.h: what `nod netem` is asked for. */
#ifndef NOD_CMD_NETEM_OPTIONS_H
#define NOD_CMD_NETEM_OPTIONS_H

#include "path_options.h"

enum netem_side { LEFT, RIGHT };

struct netem_options {
    struct netem_end {
        const char *device;
        const char *netns; /* NULL: here */
        nod_addr addr4, addr6;
        int prefix4, prefix6;
    } end[2];
    nod_path_config to[2]; /* the way to LEFT, to RIGHT */
    uint16_t mtu;
    uint64_t seed;
    bool seed_given;
    nod_usec time; /* 0: until it is told to end */
    bool quiet, json;
};

/* -1 to go on, or an exit code after help or a complaint. */
int netem_options_read(int argc, char **argv, struct netem_options *options);

#endif
