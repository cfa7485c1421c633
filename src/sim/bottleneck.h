/* The narrow place of a path: a line of so many bits a second, and before it a queue that
 * takes so many bytes or packets and turns away what does not fit (drop-tail). The packet that is
 * on the line is no longer in the queue, so that an idle line takes any packet. */
#ifndef NOD_SIM_BOTTLENECK_H
#define NOD_SIM_BOTTLENECK_H

#include "nod/types.h"

struct nod_waiting {
    nod_usec begins; /* when its first bit goes onto the line */
    uint64_t bytes;
};

typedef struct nod_bottleneck {
    nod_usec free_at;         /* when the line has sent all that was admitted */
    uint64_t rest;            /* of the division by the rate, so that no time is lost to rounding */
    uint64_t rate;            /* that `rest` belongs to */
    uint64_t queued;          /* bytes that wait */
    struct nod_waiting *ring; /* who waits, first come first */
    size_t first, count, room; /* room: a power of two */
} nod_bottleneck;

/* What a queue takes; 0: all. */
typedef struct nod_queue_limit {
    uint64_t bytes, packets;
} nod_queue_limit;

/* An all-zero nod_bottleneck is an idle one. */
void nod_bottleneck_clear(nod_bottleneck *b);

/* A packet comes. 1: its last bit leaves the line at *leaves; 0: the queue is full;
 * NOD_ENOMEM. rate 0: no line, it leaves at once. */
int nod_bottleneck_pass(nod_bottleneck *b, uint64_t rate_bps, const nod_queue_limit *limit,
                        uint64_t bytes, nod_usec now, nod_usec *leaves);

#endif
