#include "flight.h"

#include <assert.h>
#include <stdlib.h>

#include "wire/frame.h"

static bool earlier(const struct nod_flight_key *a, const struct nod_flight_key *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void sift_up(nod_flight *flight, size_t i)
{
    struct nod_flight_key key = flight->heap[i];

    while (i > 0 && earlier(&key, &flight->heap[(i - 1) / 2])) {
        flight->heap[i] = flight->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    flight->heap[i] = key;
}

static void sift_down(nod_flight *flight, struct nod_flight_key key)
{
    size_t i = 0, child;

    while ((child = 2 * i + 1) < flight->count) {
        if (child + 1 < flight->count && earlier(&flight->heap[child + 1], &flight->heap[child])) {
            child++;
        }
        if (!earlier(&flight->heap[child], &key)) {
            break;
        }
        flight->heap[i] = flight->heap[child];
        i = child;
    }
    flight->heap[i] = key;
}

static int make_room(nod_flight *flight)
{
    if (flight->count < flight->room) {
        return 0;
    }
    size_t room = flight->room ? flight->room * 2 : 16;
    struct nod_flight_key *heap = realloc(flight->heap, room * sizeof *heap);

    if (!heap) {
        return NOD_ENOMEM;
    }
    flight->heap = heap;
    flight->room = room;
    return 0;
}

static struct nod_flying *new_flying(nod_flight *flight)
{
    struct nod_flying *flying = flight->free;

    if (flying) {
        flight->free = flying->next_free;
        return flying;
    }
    return malloc(sizeof *flying);
}

int nod_flight_put(nod_flight *flight, nod_frame *frame, nod_usec at)
{
    struct nod_flying *flying;

    if (make_room(flight) < 0 || !(flying = new_flying(flight))) {
        return NOD_ENOMEM;
    }
    nod_frame_move(frame, &flying->frame);
    flight->heap[flight->count] =
        (struct nod_flight_key){.at = at, .order = flight->order++, .flying = flying};
    sift_up(flight, flight->count++);
    return 0;
}

nod_usec nod_flight_next(const nod_flight *flight)
{
    return flight->count ? flight->heap[0].at : NOD_NEVER;
}

void nod_flight_take(nod_flight *flight, nod_frame *out)
{
    assert(flight->count > 0);
    struct nod_flying *flying = flight->heap[0].flying;

    nod_frame_move(&flying->frame, out);
    flying->next_free = flight->free;
    flight->free = flying;
    if (--flight->count > 0) {
        sift_down(flight, flight->heap[flight->count]);
    }
}

void nod_flight_clear(nod_flight *flight)
{
    for (size_t i = 0; i < flight->count; i++) {
        nod_frame_release(&flight->heap[i].flying->frame);
        free(flight->heap[i].flying);
    }
    for (struct nod_flying *flying = flight->free, *next; flying; flying = next) {
        next = flying->next_free;
        free(flying);
    }
    free(flight->heap);
    *flight = (nod_flight){0};
}
