#include "base/trace.h"

#include <string.h>

nod_trace *nod_trace_add(struct nod_trace_ring *ring, enum nod_trace_type type, nod_usec now)
{
    if (!ring->events) return NULL;
    if (ring->count == ring->cap) {
        ring->lost++;
        return NULL;
    }
    nod_trace *event = &ring->events[(ring->first + ring->count++) % ring->cap];
    memset(event, 0, sizeof(*event));
    event->type = (uint8_t)type;
    event->time = now;
    return event;
}

int nod_trace_pull(struct nod_trace_ring *ring, nod_trace *out, int max)
{
    int n = 0;
    for (; n < max && ring->count; n++, ring->count--) {
        out[n] = ring->events[ring->first];
        ring->first = (ring->first + 1) % ring->cap;
    }
    return n;
}
