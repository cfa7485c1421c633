/* What each mechanism of loss recovery and congestion control is worth: the same transfers over the
 * same bad paths with and without it, several seeds, medians. A mechanism that is worth less than
 * it must be fails.
 *
 *     worth [--seed N] [--seeds COUNT]     the table */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nod/sim.h"

#define SEEDS_MOST 105
#define GIVE_UP (300 * NOD_SEC)

/* What may happen on the way; each leaves out the others. */
struct trouble {
    nod_usec delay;       /* one way; 20 ms */
    double loss, reorder; /* of what the sender sends */
    nod_usec late;        /* so late is what is reordered */
    double acks_lost;
    uint64_t rate_bps;
    uint32_t queue, mark;
    int lost_from, lost_count; /* packets, the first after the handshake is 0 */
    nod_usec spike_at, spike;  /* from then on, so much longer each way */
};

/* A transfer of `octets`; then, after a pause, another one of so many, whose time counts. */
struct task {
    uint32_t octets, then;
    nod_usec pause;
};

struct outcome {
    double ms, again, timeouts, dropped;
};

struct run {
    nod_sim *sim;
    nod_stack *a, *b;
    int link;
    nod_handle listener, client, server;
    uint64_t received;
};

static char text[65536];

static void open_run(struct run *r, uint64_t seed, const struct trouble *t,
                     const nod_tcp_config *tcp)
{
    nod_config config;
    nod_path_config there = {.delay_us = t->delay ? t->delay : 20 * NOD_MSEC}, back = there;

    nod_config_default(&config);
    config.tcp = *tcp;
    there.loss = t->loss;
    there.reorder = t->reorder;
    there.reorder_us = t->late;
    there.rate_bps = t->rate_bps;
    there.queue_bytes = t->queue;
    there.mark_bytes = t->mark;
    back.loss = t->acks_lost;
    r->sim = nod_sim_new(seed);
    int a = nod_sim_add_host(r->sim, "a", &config), b = nod_sim_add_host(r->sim, "b", &config);
    r->link = nod_sim_join(r->sim, a, b, &there, &back);
    r->a = nod_sim_stack(r->sim, a);
    r->b = nod_sim_stack(r->sim, b);
    nod_open passive = {.passive = true, .local = {.port = 80}};
    nod_open active = {.remote = {nod_sim_addr(r->sim, r->link, 1, 4), 80}};
    if (nod_tcp_open(r->b, &passive, &r->listener) || nod_tcp_open(r->a, &active, &r->client))
        abort();
}

/* After the handshake, so that each run has the same one. */
static bool is_open(struct run *r)
{
    if (!r->server && nod_tcp_accept(r->b, r->listener, &r->server) < 0) return false;
    return true;
}

static void pull_events(struct run *r)
{
    nod_event events[32];

    while (nod_stack_events(r->a, events, 32) > 0) continue;
    while (nod_stack_events(r->b, events, 32) > 0) continue;
}

static void move(struct run *r, uint32_t octets, const struct trouble *t, struct outcome *o)
{
    static char buf[65536];
    uint64_t end = r->received + octets;
    uint32_t left = octets;
    nod_usec began = nod_sim_now(r->sim);
    bool spiked = !t->spike;

    while (r->received < end && nod_sim_now(r->sim) - began < GIVE_UP) {
        while (is_open(r) && left) {
            size_t some = left < sizeof text ? left : sizeof text;
            ptrdiff_t sent = nod_tcp_send(r->a, r->client, text, some, 0);

            if (sent <= 0) break;
            left -= (uint32_t)sent;
        }
        ptrdiff_t got;
        while (r->server && (got = nod_tcp_receive(r->b, r->server, buf, sizeof buf)) > 0)
            r->received += (uint64_t)got;
        if (r->received >= end) break;
        if (!spiked && nod_sim_now(r->sim) >= began + t->spike_at) {
            for (int way = 0; way < 2; way++) {
                nod_path_config path = *nod_path_get_config(nod_sim_path(r->sim, r->link, way));

                path.delay_us += t->spike;
                nod_path_set_config(nod_sim_path(r->sim, r->link, way), &path);
            }
            spiked = true;
        }
        if (nod_sim_step(r->sim) != 1) break;
        pull_events(r);
    }
    o->ms = (double)(nod_sim_now(r->sim) - began) / 1000;
}

static struct outcome play(uint64_t seed, const struct trouble *t, const struct task *task,
                           const nod_tcp_config *tcp)
{
    struct run r = {0};
    struct outcome o = {0}, unused = {0};
    nod_status status;
    nod_path_stats path;

    open_run(&r, seed, t, tcp);
    nod_sim_run_until(r.sim, NOD_SEC);
    while (!is_open(&r)) nod_sim_run_until(r.sim, nod_sim_now(r.sim) + NOD_SEC);
    for (int i = 0; i < t->lost_count; i++)
        nod_path_force(nod_sim_path(r.sim, r.link, 0), i ? 0 : (unsigned)t->lost_from,
                       NOD_FATE_LOST);
    move(&r, task->octets, t, task->then ? &unused : &o);
    if (task->then) {
        nod_sim_run_until(r.sim, nod_sim_now(r.sim) + task->pause);
        pull_events(&r);
        move(&r, task->then, &(struct trouble){0}, &o);
    }
    nod_sim_run_until(r.sim, nod_sim_now(r.sim) + 2 * NOD_SEC);
    nod_tcp_status(r.a, r.client, &status);
    nod_path_get_stats(nod_sim_path(r.sim, r.link, 0), &path);
    o.again = status.segments_retransmitted;
    o.timeouts = status.count.timeouts;
    o.dropped = (double)path.queue_full;
    nod_sim_free(r.sim);
    return o;
}

/* Which of an outcome's numbers is told. */
enum what { MS, AGAIN, TIMEOUTS, DROPPED };
static const char *const whats[] = {"ms", "sent again", "timeouts", "dropped"};

static double number(const struct outcome *o, enum what what)
{
    switch (what) {
    case MS: return o->ms;
    case AGAIN: return o->again;
    case TIMEOUTS: return o->timeouts;
    case DROPPED: return o->dropped;
    }
    return 0;
}

/* The switches. Each function gives the configuration without, then with it. */
static void with_sack(nod_tcp_config *c, bool on)
{
    c->sack = on;
}
static void with_rack(nod_tcp_config *c, bool on)
{
    c->rack = on;
}
static void with_patience(nod_tcp_config *c, bool on)
{
    c->rack_patient = on;
}
static void with_probe(nod_tcp_config *c, bool on)
{
    c->loss_probe = on;
}
static void with_prr(nod_tcp_config *c, bool on)
{
    c->prr = on;
    c->hystart = false; /* so that much is lost at once */
}
static void with_validation(nod_tcp_config *c, bool on)
{
    c->cwnd_validation = on;
}
static void with_hystart(nod_tcp_config *c, bool on)
{
    c->hystart = on;
}

static void with_frto(nod_tcp_config *c, bool on)
{
    c->frto = on;
    c->undo = false;
    c->timestamps = false;
}

static void with_eifel(nod_tcp_config *c, bool on)
{
    c->undo = on;
    c->rack_patient = false;
}

static void with_dsack(nod_tcp_config *c, bool on)
{
    with_eifel(c, on);
    c->timestamps = false;
}

static void with_ecn(nod_tcp_config *c, bool on)
{
    c->ecn_request = on ? NOD_ECN_CLASSIC : NOD_ECN_NONE;
}

static void with_accecn(nod_tcp_config *c, bool on)
{
    c->ecn_request = c->ecn_accept = on ? NOD_ECN_ACCURATE : NOD_ECN_NONE;
}

static void with_cubic(nod_tcp_config *c, bool on)
{
    memcpy(c->congestion, on ? "cubic" : "reno", on ? sizeof "cubic" : sizeof "reno");
}

struct row {
    const char *name, *path;
    void (*with)(nod_tcp_config *c, bool on);
    struct trouble trouble;
    struct task task;
    enum what what;
    double at_most; /* with it, as a part of what it is without */
};

#define KB 1000u
#define MBIT 1000000u

static const struct row rows[] = {
    {"SACK", "1 MB, 5% lost", with_sack, {.loss = 0.05}, {.octets = 1000 * KB}, MS, 0.9},
    {"RACK", "1 MB, 5% lost", with_rack, {.loss = 0.05}, {.octets = 1000 * KB}, TIMEOUTS, 0.5},
    {"RACK", "100 KB, 10% lost", with_rack, {.loss = 0.1}, {.octets = 100 * KB}, MS, 0.9},
    {"patience",
     "1 MB, 5% late by 15 ms",
     with_patience,
     {.reorder = 0.05, .late = 15 * NOD_MSEC},
     {.octets = 1000 * KB},
     AGAIN,
     0.1},
    {"loss probe",
     "20 KB, the last 2 lost",
     with_probe,
     {.lost_from = 12, .lost_count = 2},
     {.octets = 20 * KB},
     MS,
     0.8},
    {"loss probe",
     "100 KB, the last 5 lost",
     with_probe,
     {.lost_from = 65, .lost_count = 5},
     {.octets = 100 * KB},
     MS,
     0.9},
    {"loss probe", "100 KB, 2% lost", with_probe, {.loss = 0.02}, {.octets = 100 * KB}, MS, 1.0},
    {"PRR",
     "5 MB, 50 Mbit/s, queue 1 RTT",
     with_prr,
     {.rate_bps = 50 * MBIT, .queue = 250 * KB},
     {.octets = 5000 * KB},
     AGAIN,
     0.7},
    {"PRR", "1 MB, 2% lost", with_prr, {.loss = 0.02}, {.octets = 1000 * KB}, MS, 1.1},
    {"F-RTO",
     "1 MB, RTT +600 ms",
     with_frto,
     {.spike_at = 100 * NOD_MSEC, .spike = 300 * NOD_MSEC},
     {.octets = 1000 * KB},
     TIMEOUTS,
     9},
    {"F-RTO",
     "1 MB, RTT +600 ms",
     with_frto,
     {.spike_at = 100 * NOD_MSEC, .spike = 300 * NOD_MSEC},
     {.octets = 1000 * KB},
     MS,
     0.8},
    {"Eifel",
     "1 MB, 2% late by 15 ms",
     with_eifel,
     {.reorder = 0.02, .late = 15 * NOD_MSEC},
     {.octets = 1000 * KB},
     MS,
     0.6},
    {"DSACK",
     "1 MB, 2% late by 15 ms",
     with_dsack,
     {.reorder = 0.02, .late = 15 * NOD_MSEC},
     {.octets = 1000 * KB},
     MS,
     0.7},
    {"CUBIC, not Reno",
     "20 MB, 0.1% lost, RTT 100 ms",
     with_cubic,
     {.delay = 50 * NOD_MSEC, .loss = 0.001},
     {.octets = 20000 * KB},
     MS,
     0.85},
    {"CUBIC, not Reno",
     "40 MB, 100 Mbit/s, RTT 100 ms",
     with_cubic,
     {.delay = 50 * NOD_MSEC, .rate_bps = 100 * MBIT, .queue = 300 * KB},
     {.octets = 40000 * KB},
     MS,
     0.9},
    {"HyStart++",
     "5 MB, 50 Mbit/s, queue 1.2 RTT",
     with_hystart,
     {.rate_bps = 50 * MBIT, .queue = 300 * KB},
     {.octets = 5000 * KB},
     DROPPED,
     0.8},
    {"HyStart++",
     "5 MB, 50 Mbit/s, queue 1.2 RTT",
     with_hystart,
     {.rate_bps = 50 * MBIT, .queue = 300 * KB},
     {.octets = 5000 * KB},
     MS,
     1.1},
    {"validation",
     "100 KB after 5 s",
     with_validation,
     {0},
     {.octets = 1000 * KB, .then = 100 * KB, .pause = 5 * NOD_SEC},
     MS,
     0.6},
    {"ECN",
     "20 MB, 20 Mbit/s, marks",
     with_ecn,
     {.rate_bps = 20 * MBIT, .queue = 30 * KB, .mark = 15 * KB},
     {.octets = 20000 * KB},
     AGAIN,
     0.7},
    {"Accurate ECN",
     "20 MB, 20 Mbit/s, marks",
     with_accecn,
     {.rate_bps = 20 * MBIT, .queue = 30 * KB, .mark = 15 * KB},
     {.octets = 20000 * KB},
     AGAIN,
     0.7},
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof values[0], compare);
    return values[count / 2];
}

static double measure(const struct row *row, bool on, uint64_t seed, int seeds)
{
    double values[SEEDS_MOST];
    nod_config config;

    nod_config_default(&config);
    config.tcp.counters = true;
    config.tcp.nagle_tail = true; /* as sockets have it */
    config.tcp.send_buffer = config.tcp.receive_buffer = 4000 * KB;
    row->with(&config.tcp, on);
    if (row->task.octets <= 100 * KB) seeds *= 5; /* which cost little, and scatter */
    for (int i = 0; i < seeds; i++) {
        struct outcome o = play(seed + (uint64_t)i, &row->trouble, &row->task, &config.tcp);

        values[i] = number(&o, row->what);
    }
    return median(values, seeds);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    int seeds = getenv("NOD_TEST_QUICK") ? 5 : 11, failed = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seeds") == 0) seeds = atoi(argv[i + 1]);
    }
    if (seeds < 1 || seeds > SEEDS_MOST / 5) return 2;
    printf("%-16s %-38s %-10s %10s %10s\n", "", "path", "", "without", "with");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        double off = measure(row, false, seed, seeds), on = measure(row, true, seed, seeds);
        bool worth = off > 0 && on <= off * row->at_most;

        printf("%-16s %-38s %-10s %10.0f %10.0f%s\n", row->name, row->path, whats[row->what], off,
               on, worth ? "" : "  FAIL: too little");
        fflush(stdout);
        failed += !worth;
    }
    if (failed)
        printf("seeds %llu to %llu\n", (unsigned long long)seed,
               (unsigned long long)seed + (unsigned)seeds - 1);
    return failed > 0;
}
