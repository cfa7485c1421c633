/* What the receiver remembers of how much its user reads in a round trip. */
#ifndef NOD_TCP_TUNE_H
#define NOD_TCP_TUNE_H

#include "nod/types.h"

struct nod_tune {
    uint32_t buffer;      /* octets that the receive buffer has grown to; less than it begins with
                             counts as that */
    uint32_t space;       /* the most octets that were read in a round trip */
    uint32_t rtt_us;      /* as the receiver sees it; 0: it has not */
    uint32_t mark;        /* how far reading had come when this round began */
    nod_usec since;       /* and when that was */
    nod_usec timed_at;    /* with `timing`: since when a round trip is being timed */
    uint32_t timed;       /* which ends with an echo of this timestamp, or without such with
                             this octet */
    uint32_t said;        /* the timestamp that left last */
    bool running, timing; /* running: a round has begun */
};

#endif
