/* The record of what went over the links. */
#include <stdlib.h>
#include <string.h>

#include "world.h"

void nod_sim_forget_records(nod_sim *sim)
{
    struct nod_sim_records *r = &sim->records;

    for (size_t i = r->taken; i < r->count; i++) {
        nod_frame_release(&r->list[i].copy);
    }
    free(r->list);
    *r = (struct nod_sim_records){0};
}

void nod_sim_watch_packets(nod_sim *sim, bool on)
{
    if (!on) {
        nod_sim_forget_records(sim);
    }
    sim->records.on = on;
}

static bool make_room(struct nod_sim_records *r)
{
    if (r->count < r->room) {
        return true;
    }
    size_t room = r->room ? r->room * 2 : 64;
    nod_sim_packet *list = realloc(r->list, room * sizeof *list);

    if (!list) {
        return false;
    }
    r->list = list;
    r->room = room;
    return true;
}

nod_sim_packet *nod_sim_record(nod_sim *sim, int link, int from, const nod_frame *frame)
{
    struct nod_sim_records *r = &sim->records;

    if (!r->on || !make_room(r)) {
        return NULL;
    }
    nod_sim_packet *record = &r->list[r->count++];

    *record = (nod_sim_packet){.time = sim->now, .link = link, .from = from, .frame = frame->id};
    nod_frame_share(frame, &record->copy);
    return record;
}

int nod_sim_packets(nod_sim *sim, nod_sim_packet *out, int max)
{
    struct nod_sim_records *r = &sim->records;
    int n = 0;

    while (n < max && r->taken < r->count) {
        out[n++] = r->list[r->taken++];
    }
    if (r->taken == r->count) {
        r->taken = r->count = 0;
    }
    return n;
}
