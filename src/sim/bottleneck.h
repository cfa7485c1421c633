/* The narrow place of a path: a line, and before it a queue that takes so many bytes or packets and
 * turns away what does not fit (drop-tail). The packet that is on the line is no longer in the
 * queue, so that an idle line takes any packet. */
#ifndef NOD_SIM_BOTTLENECK_H
#define NOD_SIM_BOTTLENECK_H

#include "line.h"

struct nod_waiting {
    nod_usec begins; /* when its first bit goes onto the line */
    uint64_t bytes;
};

typedef struct nod_bottleneck {
    uint64_t queued;           /* bytes that wait */
    struct nod_waiting *ring;  /* who waits, first come first */
    size_t first, count, room; /* room: a power of two */
} nod_bottleneck;

/* An all-zero nod_bottleneck is an idle one. */
void nod_bottleneck_clear(nod_bottleneck *b);

/* A packet comes. 1: its last bit leaves the line at *leaves; 0: the queue is full;
 * NOD_ENOMEM. */
int nod_bottleneck_pass(nod_bottleneck *b, nod_line *line, const nod_path_config *config,
                        uint64_t bytes, nod_usec now, nod_usec *leaves);

#endif
