/* scenario.h: small plays on the simulator, each of which shows one thing: what applications
 * at both ends do, and what the network does to single packets. */
#ifndef NOD_CMD_SCENARIO_H
#define NOD_CMD_SCENARIO_H

#include <stdio.h>

#include "ladder.h"
#include "nod/sim.h"

enum verb {
    DO_LISTEN,
    DO_CONNECT,
    DO_WRITE, /* n bytes */
    DO_CLOSE,
    DO_ABORT,
    DO_IGNORE, /* reads nothing from now on */
    DO_READ,   /* reads everything, from now on */
    DO_REBOOT,
};

/* What an action waits for, at its own end. Actions wait for those before them. */
enum until {
    AT_ONCE,
    OPENED,
    HEARD,    /* everything that the other end has written so far has been read */
    ANSWERED, /* everything sent has been acknowledged */
    PEER_CLOSED,
    ENDED, /* the connection is gone */
};

#define THE_BYTES UINT32_MAX /* as many as --bytes says */

struct action {
    enum until until;
    uint16_t pause_ms; /* then so much longer */
    uint8_t side, verb;
    uint32_t n;
};

/* The next packet after `skip` others that `side` sends meets this fate. */
struct mishap {
    uint8_t side, skip;
    unsigned fate;
};

struct scenario {
    const char *name, *what; /* what: for --list and for the title */
    bool equals;             /* two peers, rather than a client and a server */
    uint32_t bytes;          /* THE_BYTES, unless --bytes says otherwise */
    uint32_t receive_buffer; /* of RIGHT; 0: the default */
    uint32_t held_back_ms;   /* how long a reordered packet is held back; 0: the default */
    uint64_t rate_bps;       /* unless --rate says otherwise; 0: no limit */
    uint16_t path_mtu;       /* of a link in the middle; 0: as at the ends */
    bool black_hole;         /* which does not say so */
    bool no_nagle;
    bool path_known; /* to keep the order: what is overtaken is lost (rack_patient) */
    int action_count, mishap_count;
    const struct action *actions;
    const struct mishap *mishaps;
};

extern const struct scenario scenarios[];
extern const int scenario_count;

/* NULL when there is none of that name. */
const struct scenario *scenario_find(const char *name);

/* What the world is like. */
struct world {
    uint64_t seed;
    nod_path_config path; /* both ways */
    uint16_t mtu;
    uint32_t bytes;   /* 0: as the scenario says */
    nod_usec msl_us;  /* 0: the default */
    uint8_t ecn;      /* enum nod_ecn, of both ends */
    int family;       /* 4 or 6 */
    const char *pcap; /* or NULL */
};

/* Plays it from beginning to end. Fills the ladder, and address[2] with the ends' addresses
 * and ports. Returns 0, or a negative error and a sentence in why[256]. */
int scenario_play(const struct scenario *scenario, const struct world *world, struct ladder *ladder,
                  char address[2][64], char *why);

#endif
