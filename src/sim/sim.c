/* Virtual time: what happens next, and all that happens then. */
#include "nod/sim.h"

#include <stdlib.h>

#include "world.h"

nod_sim *nod_sim_new(uint64_t seed)
{
    nod_sim *sim = calloc(1, sizeof *sim);

    if (!sim || !(sim->pool = nod_pool_new(NULL, 0))) {
        free(sim);
        return NULL;
    }
    nod_rng_seed(&sim->rng, seed);
    return sim;
}

void nod_sim_free(nod_sim *sim)
{
    if (!sim) {
        return;
    }
    nod_sim_forget_records(sim);
    for (int i = 0; i < sim->links; i++) {
        nod_path_free(sim->link[i].end[0].away);
        nod_path_free(sim->link[i].end[1].away);
    }
    for (int i = 0; i < sim->hosts; i++) {
        nod_stack_free(sim->host[i].stack);
    }
    free(sim->link);
    nod_pool_free(sim->pool);
    free(sim);
}

nod_usec nod_sim_now(const nod_sim *sim)
{
    return sim->now;
}

uint64_t nod_sim_random(nod_sim *sim, uint64_t bound)
{
    return nod_rng_below(&sim->rng, bound);
}

static nod_usec earlier(nod_usec a, nod_usec b)
{
    return a < b ? a : b;
}

nod_usec nod_sim_next(const nod_sim *sim)
{
    nod_usec next = NOD_NEVER;

    for (int i = 0; i < sim->hosts; i++) {
        next = earlier(next, nod_stack_deadline(sim->host[i].stack));
    }
    for (int i = 0; i < sim->links; i++) {
        next = earlier(next, nod_path_deadline(sim->link[i].end[0].away));
        next = earlier(next, nod_path_deadline(sim->link[i].end[1].away));
    }
    return next < sim->now ? sim->now : next; /* what is overdue happens now */
}

/* Takes what has arrived at one interface, and gives it to the stack in batches. */
static void arrive_at(nod_sim *sim, struct nod_sim_host *host, int iface)
{
    int link = host->iface[iface].link, from = !host->iface[iface].end;
    int n;

    if (link < 0) {
        return;
    }
    nod_path *path = sim->link[link].end[from].away;

    while ((n = nod_path_pop(path, sim->batch, NOD_SIM_BATCH, sim->now)) > 0) {
        for (int i = 0; i < n; i++) {
            nod_sim_packet *record = nod_sim_record(sim, link, from, &sim->batch[i]);

            if (record) {
                record->arrival = true;
            }
            sim->batch[i].iface = (uint8_t)iface;
        }
        nod_stack_input(host->stack, sim->batch, n, sim->now);
    }
}

/* What the road says to who sends too large packets comes to them on the way back. */
static void answer(nod_sim *sim, int link, int end)
{
    nod_frame frame;

    while (nod_path_answers(sim->link[link].end[end].away, &frame, 1) > 0) {
        nod_path_push(sim->link[link].end[!end].away, &frame, sim->now, NULL, NULL);
    }
}

/* One packet goes onto the wire. */
static void depart(nod_sim *sim, int link, int end, nod_frame *packet)
{
    nod_sim_packet *record = nod_sim_record(sim, link, end, packet);
    unsigned fate = 0;

    if (nod_path_push(sim->link[link].end[end].away, packet, sim->now, NULL, &fate) < 0) {
        fate |= NOD_FATE_QUEUE_FULL; /* no memory to keep it in */
    }
    if (record) {
        record->fate = fate;
    }
    answer(sim, link, end);
}

/* What a stack put out: a large segment is cut here, so that each packet has its record. */
static void put_out(nod_sim *sim, const struct nod_sim_host *host, nod_frame *frame)
{
    int link = host->iface[frame->iface].link, end = host->iface[frame->iface].end;
    nod_frame piece;

    if (link < 0) {
        nod_frame_release(frame);
    } else if (frame->gso_size == 0) {
        nod_frame_finish(frame);
        depart(sim, link, end, frame);
    } else {
        for (unsigned i = 0; nod_frame_piece(frame, i, &piece) == 1; i++) {
            depart(sim, link, end, &piece);
        }
        nod_frame_release(frame);
    }
}

static void run_output(nod_sim *sim, struct nod_sim_host *host)
{
    int n;

    while ((n = nod_stack_output(host->stack, sim->batch, NOD_SIM_BATCH, sim->now)) > 0) {
        for (int i = 0; i < n; i++) {
            put_out(sim, host, &sim->batch[i]);
        }
    }
}

void nod_sim_answer_later(nod_sim *sim, bool on)
{
    sim->answers_later = on;
}

/* Everybody hears what has arrived before anybody answers: a packet over a link without
 * delay arrives in the next step, at the same time. */
int nod_sim_step(nod_sim *sim)
{
    nod_usec next = nod_sim_next(sim);

    if (next == NOD_NEVER) {
        return 0;
    }
    sim->now = next;
    for (int i = 0; sim->answers_later && i < sim->hosts; i++) {
        run_output(sim, &sim->host[i]);
    }
    for (int i = 0; i < sim->hosts; i++) {
        for (int iface = 0; iface < sim->host[i].ifaces; iface++) {
            arrive_at(sim, &sim->host[i], iface);
        }
    }
    for (int i = 0; i < sim->hosts; i++) {
        nod_stack_tick(sim->host[i].stack, sim->now);
        if (!sim->answers_later) {
            run_output(sim, &sim->host[i]);
        }
    }
    return 1;
}

void nod_sim_run_until(nod_sim *sim, nod_usec when)
{
    while (nod_sim_next(sim) <= when && nod_sim_step(sim)) {
    }
    if (when > sim->now && when != NOD_NEVER) {
        sim->now = when;
        for (int i = 0; i < sim->hosts; i++) {
            nod_stack_tick(sim->host[i].stack, when);
        }
    }
}
