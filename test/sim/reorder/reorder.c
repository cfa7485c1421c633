/* Nothing is lost, and packets overtake each other by up to half a round trip: then nothing is sent
 * twice. Bulk transfers over paths that are drawn from a seed, in virtual time.
 *
 *     sim-reorder [--seeds FIRST-LAST]
 *     sim-reorder --seed N                what was sent again, and why */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nod/sim.h"

#define MBIT 1000000u
#define GIVE_UP (600 * NOD_SEC)

/* What a seed makes of the path and of the transfer. */
struct draw {
    nod_path_config there, back;
    uint64_t octets;
    const char *congestion;
    bool timestamps;
};

struct transfer {
    nod_sim *sim;
    nod_stack *a, *b;
    nod_handle listener, out, in;
    uint64_t unsent, received;
    bool watched;
};

static uint8_t bytes[1 << 16];

static void must(int result, const char *call)
{
    if (result < 0) {
        printf("%s: %s\n", call, nod_strerror(result));
        exit(1);
    }
}

/* From `least` to `most`, each decade as likely as any other. */
static uint64_t spread(nod_sim *sim, uint64_t least, uint64_t most)
{
    uint64_t decades = 0, top = least;
    for (; top * 10 < most; top *= 10) decades++;
    uint64_t low = least;
    for (uint64_t i = nod_sim_random(sim, decades + 1); i > 0; i--) low *= 10;
    uint64_t high = low * 10 < most ? low * 10 : most;
    return low + nod_sim_random(sim, high - low + 1);
}

static struct draw draw(nod_sim *sim)
{
    static const char *const algorithms[] = {"cubic", "cubic", "reno", "bbr"};
    struct draw d = {0};
    nod_usec rtt = spread(sim, 10, 300) * NOD_MSEC;
    d.there.delay_us = d.back.delay_us = rtt / 2;
    d.there.rate_bps = spread(sim, 10, 1000) * MBIT;
    d.there.reorder = (double)spread(sim, 10, 3000) / 10000;
    d.there.reorder_us = rtt / 100 + nod_sim_random(sim, rtt / 2 - rtt / 100 + 1);
    if (nod_sim_random(sim, 2)) d.there.jitter_us = nod_sim_random(sim, rtt / 20);
    if (nod_sim_random(sim, 2)) d.back.jitter_us = nod_sim_random(sim, rtt / 20);
    d.octets = 1000000 + nod_sim_random(sim, 19000001);
    d.congestion = algorithms[nod_sim_random(sim, 4)];
    d.timestamps = nod_sim_random(sim, 4);
    return d;
}

static void tell(uint64_t seed, const struct draw *d)
{
    printf("seed %" PRIu64 ": %" PRIu64 " octets, %" PRIu64 " Mbit/s, RTT %" PRIu64
           " ms, %.1f%% late by %.1f ms, jitter %.1f and %.1f ms, %s%s: ",
           seed, d->octets, d->there.rate_bps / MBIT, 2 * d->there.delay_us / NOD_MSEC,
           d->there.reorder * 100, (double)d->there.reorder_us / 1000,
           (double)d->there.jitter_us / 1000, (double)d->back.jitter_us / 1000, d->congestion,
           d->timestamps ? "" : ", no timestamps");
}

static void begin(struct transfer *t, const struct draw *d)
{
    nod_config config;
    nod_config_default(&config);
    config.tcp.counters = true;
    config.trace_events = t->watched ? 65536 : 0;
    config.tcp.timestamps = d->timestamps;
    snprintf(config.tcp.congestion, sizeof config.tcp.congestion, "%s", d->congestion);
    int a = nod_sim_add_host(t->sim, "a", &config), b = nod_sim_add_host(t->sim, "b", &config);
    must(nod_sim_join(t->sim, a, b, &d->there, &d->back), "the link");
    t->a = nod_sim_stack(t->sim, a);
    t->b = nod_sim_stack(t->sim, b);
    nod_open passive = {.passive = true, .local = {.port = 80}};
    nod_open active = {.remote = {.addr = nod_sim_addr(t->sim, 0, 1, 4), .port = 80}};
    must(nod_tcp_open(t->b, &passive, &t->listener), "the listener");
    must(nod_tcp_open(t->a, &active, &t->out), "OPEN");
    t->unsent = d->octets;
}

static void send_and_receive(struct transfer *t)
{
    nod_event e[16];
    nod_slice slice;
    while (nod_stack_events(t->a, e, 16) > 0) continue;
    while (nod_stack_events(t->b, e, 16) > 0) continue;
    if (!t->in && nod_tcp_accept(t->b, t->listener, &t->in) < 0) return;
    while (t->unsent > 0) {
        size_t some = t->unsent < sizeof bytes ? t->unsent : sizeof bytes;
        ptrdiff_t sent = nod_tcp_send(t->a, t->out, bytes, some, 0);
        if (sent <= 0) break;
        t->unsent -= (uint64_t)sent;
    }
    while (nod_tcp_receive_slices(t->b, t->in, &slice, 1) > 0) {
        t->received += slice.len;
        nod_slice_release(&slice);
    }
}

/* What leaves for the second time, and why. */
static void show(struct transfer *t)
{
    nod_trace e[64];
    int n;
    while ((n = nod_stack_trace(t->a, e, 64)) > 0)
        for (int i = 0; i < n; i++) {
            const nod_trace_segment *s = &e[i].u.segment;
            if (e[i].type == NOD_TRACE_SEGMENT_OUT && s->retransmission)
                printf("%" PRIu64 " us: %u octets from %u on: %s\n", e[i].time, s->len, s->rel_seq,
                       nod_why_name(s->why));
        }
}

/* Whether nothing was sent twice. */
static bool play(uint64_t seed, bool watch)
{
    struct transfer t = {.sim = nod_sim_new(seed), .watched = watch};
    struct draw d = draw(t.sim);
    begin(&t, &d);
    while (t.received < d.octets && nod_sim_now(t.sim) < GIVE_UP && nod_sim_step(t.sim) == 1) {
        send_and_receive(&t);
        if (watch) show(&t);
    }
    bool whole = t.received == d.octets;
    double ms = (double)nod_sim_now(t.sim) / 1000;
    nod_sim_run_until(t.sim, nod_sim_now(t.sim) + 2 * NOD_SEC);
    nod_status a, b;
    nod_path_stats path;
    must(nod_tcp_status(t.a, t.out, &a), "STATUS");
    must(nod_tcp_status(t.b, t.in, &b), "STATUS");
    nod_path_get_stats(nod_sim_path(t.sim, 0, 0), &path);
    bool good = whole && a.segments_retransmitted == 0 && path.queue_full == 0;
    if (!good || watch) {
        tell(seed, &d);
        printf("%s after %.0f ms; %u sent again, %u timeouts, %u dsacks, %" PRIu64
               " dropped, %" PRIu64 " late\n",
               whole ? "whole" : "NOT WHOLE", ms, a.segments_retransmitted,
               (unsigned)a.count.timeouts, (unsigned)a.count.dsacks, path.queue_full,
               path.reordered);
    }
    nod_sim_free(t.sim);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, last = 100;
    bool watch = false;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seeds") == 0)
            sscanf(argv[i + 1], "%" SCNu64 "-%" SCNu64, &first, &last);
        if (strcmp(argv[i], "--seed") == 0) {
            first = last = strtoull(argv[i + 1], NULL, 10);
            watch = true;
        }
    }
    uint64_t failed = 0;
    for (uint64_t seed = first; seed <= last; seed++) failed += !play(seed, watch);
    printf("%" PRIu64 " of %" PRIu64 " paths failed\n", failed, last - first + 1);
    return failed > 0;
}
