/* The ring behind nod_stack_trace. Trace points write here; nothing else looks inside. */
#ifndef NOD_BASE_TRACE_H
#define NOD_BASE_TRACE_H

#include "nod/trace.h"

struct nod_trace_ring {
    nod_trace *events; /* NULL: tracing is off */
    uint32_t cap, first, count;
    uint64_t lost;
};

/* Room for an event, cleared; NULL when tracing is off or the ring is full. */
nod_trace *nod_trace_add(struct nod_trace_ring *ring, enum nod_trace_type type, nod_usec now);
int nod_trace_pull(struct nod_trace_ring *ring, nod_trace *out, int max);

#endif
