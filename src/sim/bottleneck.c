#include "bottleneck.h"

#include <stdlib.h>

/* Those whose first bit has gone onto the line leave the queue. */
static void begin(nod_bottleneck *b, nod_usec now)
{
    while (b->count > 0 && b->ring[b->first].begins <= now) {
        b->queued -= b->ring[b->first].bytes;
        b->first = (b->first + 1) & (b->room - 1);
        b->count--;
    }
}

static int grow(nod_bottleneck *b)
{
    size_t room = b->room ? b->room * 2 : 16;
    struct nod_waiting *ring = malloc(room * sizeof *ring);

    if (!ring) {
        return NOD_ENOMEM;
    }
    for (size_t i = 0; i < b->count; i++) {
        ring[i] = b->ring[(b->first + i) & (b->room - 1)];
    }
    free(b->ring);
    b->ring = ring;
    b->room = room;
    b->first = 0;
    return 0;
}

static int wait(nod_bottleneck *b, uint64_t bytes)
{
    if (b->count == b->room && grow(b) < 0) {
        return NOD_ENOMEM;
    }
    b->ring[(b->first + b->count++) & (b->room - 1)] =
        (struct nod_waiting){.begins = b->free_at, .bytes = bytes};
    b->queued += bytes;
    return 0;
}

static bool is_full(const nod_bottleneck *b, const nod_queue_limit *limit, uint64_t bytes)
{
    return (limit->bytes > 0 && b->queued + bytes > limit->bytes) ||
           (limit->packets > 0 && b->count >= limit->packets);
}

int nod_bottleneck_pass(nod_bottleneck *b, uint64_t rate_bps, const nod_queue_limit *limit,
                        uint64_t bytes, nod_usec now, nod_usec *leaves)
{
    begin(b, now);
    if (b->rate != rate_bps) {
        b->rate = rate_bps;
        b->rest = 0;
    }
    if (rate_bps == 0 && b->free_at <= now) {
        *leaves = now;
        return 1;
    }
    if (b->free_at <= now) {
        b->free_at = now;
        b->rest = 0;
    } else if (is_full(b, limit, bytes)) {
        return 0;
    } else if (wait(b, bytes) < 0) {
        return NOD_ENOMEM;
    }
    if (rate_bps > 0) {
        uint64_t work = bytes * 8 * NOD_SEC + b->rest;

        b->free_at += work / rate_bps;
        b->rest = work % rate_bps;
    }
    *leaves = b->free_at;
    return 1;
}

void nod_bottleneck_clear(nod_bottleneck *b)
{
    free(b->ring);
    *b = (nod_bottleneck){0};
}
