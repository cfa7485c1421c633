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

static int wait(nod_bottleneck *b, uint64_t bytes, nod_usec begins)
{
    if (b->count == b->room && grow(b) < 0) {
        return NOD_ENOMEM;
    }
    b->ring[(b->first + b->count++) & (b->room - 1)] =
        (struct nod_waiting){.begins = begins, .bytes = bytes};
    b->queued += bytes;
    return 0;
}

static bool is_full(const nod_bottleneck *b, const nod_path_config *config, uint64_t bytes)
{
    return (config->queue_bytes > 0 && b->queued + bytes > config->queue_bytes) ||
           (config->queue_packets > 0 && b->count >= config->queue_packets);
}

int nod_bottleneck_pass(nod_bottleneck *b, nod_line *line, const nod_path_config *config,
                        uint64_t bytes, nod_usec now, nod_usec *leaves)
{
    nod_usec starts = nod_line_starts(line, config, now);

    begin(b, now);
    if (line->free_at > now && is_full(b, config, bytes)) {
        return 0;
    }
    if (starts > now && wait(b, bytes, starts) < 0) {
        return NOD_ENOMEM;
    }
    *leaves = nod_line_send(line, config, bytes, now);
    return 1;
}

void nod_bottleneck_clear(nod_bottleneck *b)
{
    free(b->ring);
    *b = (nod_bottleneck){0};
}
