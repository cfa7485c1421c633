/* Frames on their way, ordered by the time of their arrival; equal times in the order in
 * which they were put in. A binary heap of small keys; the frames themselves stay put. */
#ifndef NOD_SIM_FLIGHT_H
#define NOD_SIM_FLIGHT_H

#include "nod/buf.h"

struct nod_flying {
    struct nod_flying *next_free;
    nod_frame frame;
};

struct nod_flight_key {
    nod_usec at;
    uint64_t order;
    struct nod_flying *flying;
};

typedef struct nod_flight {
    struct nod_flight_key *heap;
    size_t count, room;
    uint64_t order; /* of the next one */
    struct nod_flying *free;
} nod_flight;

/* An all-zero nod_flight is an empty one. */
void nod_flight_clear(nod_flight *flight);

/* Takes the frame and its slices, and leaves it empty. Returns 0 or NOD_ENOMEM (then the
 * frame is as it was). */
int nod_flight_put(nod_flight *flight, nod_frame *frame, nod_usec at);

/* The earliest arrival; NOD_NEVER when there is none. */
nod_usec nod_flight_next(const nod_flight *flight);

/* Takes out the earliest; there must be one. */
void nod_flight_take(nod_flight *flight, nod_frame *out);

#endif
