/* A world from a seed: the link, the configurations, who connects to whom. */
#include "sim/rng.h"
#include "world.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

uint64_t dice(struct world *world, uint64_t bound)
{
    return nod_sim_random(world->sim, bound);
}

bool one_in(struct world *world, unsigned n)
{
    return dice(world, n) == 0;
}

/* All magnitudes are equally likely. */
uint64_t any_size(struct world *world, uint64_t least, uint64_t most)
{
    double unit = (double)dice(world, 1u << 30) / (1u << 30);

    return (uint64_t)((double)least * pow((double)most / (double)least, unit));
}

bool world_fail(struct world *world, const char *format, ...)
{
    va_list args;

    if (!world->why[0]) {
        va_start(args, format);
        vsnprintf(world->why, sizeof world->why, format, args);
        va_end(args);
    }
    return false;
}

static double percent(struct world *w, unsigned most)
{
    return (double)dice(w, most * 100 + 1) / 10000;
}

static nod_path_config make_path(struct world *w)
{
    nod_path_config path = {.delay_us = one_in(w, 8) ? 0 : any_size(w, 10, 300000)};

    path.jitter_us = one_in(w, 2) ? 0 : dice(w, path.delay_us + 1000);
    if (one_in(w, 3)) {
        path.rate_bps = any_size(w, 300000, 1000000000);
        path.queue_bytes = one_in(w, 4) ? 0 : (uint32_t)any_size(w, 3000, 300000);
    }
    if (one_in(w, 4)) {
        return path; /* a good road */
    }
    unsigned most = one_in(w, 6) ? 20 : 4;

    path.loss = one_in(w, 3) ? 0 : percent(w, most);
    path.duplicate = one_in(w, 2) ? 0 : percent(w, 10);
    path.reorder = one_in(w, 2) ? 0 : percent(w, 10);
    path.reorder_us = one_in(w, 2) ? 0 : any_size(w, 10, 400000);
    path.damage = one_in(w, 2) ? 0 : percent(w, 4);
    return path;
}

/* A router that marks: now and then, often, or all; or where its queue is long. */
static void make_marks(struct world *w, nod_path_config *path)
{
    path->mark = one_in(w, 3) ? 0 : one_in(w, 8) ? 1 : percent(w, one_in(w, 3) ? 60 : 10);
    path->mark_bytes = one_in(w, 2) ? 0 : (uint32_t)any_size(w, 1000, 100000);
}

/* A line whose rate varies: from nothing for a while to many packets at once. */
static void make_trace(nod_rng *rng, nod_path_config *path, uint32_t *ms)
{
    uint32_t count = 1 + (uint32_t)nod_rng_below(rng, TRACE_MAX), at = 0;
    uint64_t slow = 1 + nod_rng_below(rng, 8);

    for (uint32_t i = 0; i < count; i++) {
        bool pause = nod_rng_below(rng, 30) == 0;

        ms[i] = at += (uint32_t)(pause ? nod_rng_below(rng, 300) : nod_rng_below(rng, slow));
    }
    ms[count - 1] += at == 0;
    path->trace = (nod_path_trace){.ms = ms, .count = count};
    path->rate_bps = 0;
}

/* What roads have besides in one world of five, by dice of their own: the others stay as they
 * were before there was any of this. */
static void make_rough(struct world *w, nod_path_config *path, uint32_t *ms)
{
    nod_rng rng;

    nod_rng_seed(&rng, w->seed * 2 + (path == w->path));
    if (w->seed % 5 != 3) {
        return;
    }
    if (nod_rng_below(&rng, 2)) {
        path->burst.enter = nod_rng_unit(&rng) * 0.02;
        path->burst.leave = 0.1 + nod_rng_unit(&rng) * 0.9;
        path->burst.bad_passes = nod_rng_below(&rng, 2) ? 0 : nod_rng_unit(&rng);
        path->burst.good_loses = nod_rng_below(&rng, 2) ? 0 : nod_rng_unit(&rng) * 0.02;
    }
    if (nod_rng_below(&rng, 3) == 0) {
        make_trace(&rng, path, ms);
        path->queue_bytes =
            nod_rng_below(&rng, 2) ? 0 : 3000 + (uint32_t)nod_rng_below(&rng, 90000);
    }
    if ((path->rate_bps || path->trace.count) && nod_rng_below(&rng, 2)) {
        path->queue_kind = NOD_QUEUE_FQ_CODEL;
        path->queue_packets = nod_rng_below(&rng, 2) ? 0 : 5 + (uint32_t)nod_rng_below(&rng, 200);
    }
}

static nod_iface_config make_iface(struct world *w)
{
    static const uint16_t mtus[] = {576, 1280, 1500, 1500, 1500, 4000, 9000};
    nod_iface_config iface = {.mtu = mtus[dice(w, sizeof mtus / sizeof mtus[0])]};

    iface.kind = one_in(w, 4) ? NOD_IFACE_ETHERNET : NOD_IFACE_IP;
    if (one_in(w, 4)) {
        iface.mtu = (uint16_t)(576 + dice(w, 9000 - 576));
    }
    if (one_in(w, 3)) {
        iface.gso_max = one_in(w, 2) ? 65535 : (uint32_t)(iface.mtu + dice(w, 50000));
    }
    iface.csum_offload = one_in(w, 3);
    return iface;
}

/* A link in the middle that takes less than the first one, in one direction or in both. */
static void make_narrow(struct world *w)
{
    uint16_t least = w->family == 6 ? 1280 : 576, most = w->iface.mtu;

    if (most <= least || !one_in(w, 4)) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (one_in(w, 4)) {
            continue;
        }
        w->path[i].mtu = (uint16_t)(least + dice(w, (uint64_t)(most - least)));
        w->path[i].mtu_silent = one_in(w, 3);
    }
}

static nod_tcp_config make_tcp(struct world *w)
{
    static const char *const algorithms[] = {"cubic", "bbr", "reno"};
    nod_config config;

    nod_config_default(&config);
    nod_tcp_config *tcp = &config.tcp;

    if (one_in(w, 2)) {
        tcp->send_buffer = (uint32_t)any_size(w, one_in(w, 3) ? 100 : 4000, 1000000);
        tcp->receive_buffer = (uint32_t)any_size(w, one_in(w, 3) ? 100 : 4000, 1000000);
    }
    snprintf(tcp->congestion, sizeof tcp->congestion, "%s", algorithms[dice(w, 3)]);
    tcp->pacing = (uint8_t)dice(w, 3);
    tcp->max_pacing_rate = one_in(w, 8) ? any_size(w, 20000, 100000000) : 0;
    tcp->counters = one_in(w, 2);
    tcp->mtu_probing = one_in(w, 4) ? NOD_MTU_PROBING_ALWAYS : NOD_MTU_PROBING_BLACK_HOLE;
    tcp->mss_max = one_in(w, 6) ? (uint16_t)(100 + dice(w, 2000)) : 0;
    tcp->nagle = !one_in(w, 3);
    tcp->delayed_ack = !one_in(w, 4);
    tcp->window_scale = !one_in(w, 4);
    tcp->timestamps = !one_in(w, 4);
    tcp->sack = !one_in(w, 4);
    if (w->ecn) {
        tcp->ecn_request = (uint8_t)dice(w, 3);
        tcp->ecn_accept = (uint8_t)dice(w, 3);
        tcp->accecn_option = !one_in(w, 3);
        tcp->ecn_control = one_in(w, 3);
    }
    tcp->msl_us = one_in(w, 2) ? tcp->msl_us : any_size(w, 1000, 5000000);
    tcp->rto_min_us = one_in(w, 3) ? (nod_usec)any_size(w, 10000, 1000000) : tcp->rto_min_us;
    /* However bad the road is, TIME-WAIT is longer than several retransmissions. */
    tcp->rto_max_us = any_size(w, 2 * NOD_SEC, 20 * NOD_SEC);
    tcp->delayed_ack_us = one_in(w, 3) ? dice(w, 499999) : tcp->delayed_ack_us;
    tcp->user_timeout_us = NOD_NEVER;
    tcp->syn_timeout_us = 3600 * NOD_SEC;
    tcp->uto =
        one_in(w, 3); /* nobody's user timeout may become shorter by it than the road needs */
    tcp->uto_lower_us = tcp->uto_upper_us = 3600 * NOD_SEC;
    tcp->keepalive = one_in(w, 4); /* more patient than any road is bad */
    tcp->keepalive_octet = one_in(w, 2);
    tcp->keepalive_probes = UINT8_MAX;
    tcp->keepalive_idle_us = any_size(w, 50 * NOD_MSEC, 20 * NOD_SEC);
    tcp->keepalive_interval_us = any_size(w, NOD_SEC, 20 * NOD_SEC);
    if (w->impatient) {
        tcp->user_timeout_us = tcp->syn_timeout_us = NOD_SEC + dice(w, 20 * NOD_SEC);
    }
    return *tcp;
}

static void make_conn(struct world *w, int number)
{
    struct conn *conn = &w->conn[number];
    int opener = (int)dice(w, 2);

    *conn = (struct conn){.world = w, .number = number, .both_open = one_in(w, 10)};
    if (!conn->both_open) {
        opener = 0; /* only the second host listens */
    }
    side_make(&conn->side[0], conn, opener);
    side_make(&conn->side[1], conn, !opener);
    side_hurry(&conn->side[0]);
    side_hurry(&conn->side[1]);
    conn->side[dice(w, 2)].close_last = one_in(w, 3);
}

/* What a stack with this configuration takes before anything happens. */
static size_t cost_of(const nod_config *config)
{
    nod_pool_stats stats = {0};
    nod_stack *stack = nod_stack_new(config, 0, NULL);

    if (stack) {
        nod_pool_get_stats(nod_stack_pool(stack), &stats);
        nod_stack_free(stack);
    }
    return stats.taken;
}

static bool make_hosts(struct world *w)
{
    static const char *const names[2] = {"a", "b"};
    nod_config config;

    for (int i = 0; i < 2; i++) {
        nod_config_default(&config);
        config.tcp = w->tcp[i] = make_tcp(w);
        config.port_first = 30000; /* below it are the ports that programs ask for */
        config.trace_events = w->check_trace ? 20000 : 0;
        if (w->tight) {
            config.memory_limit = cost_of(&config) + any_size(w, 600000, 3000000);
        }
        w->host[i] = nod_sim_add_host(w->sim, names[i], &config);
        if (w->host[i] < 0) {
            return world_fail(w, "no host: %s", nod_strerror(w->host[i]));
        }
    }
    w->link = nod_sim_join_iface(w->sim, 0, 1, &w->iface, &w->path[0], &w->path[1]);
    return w->link >= 0 || world_fail(w, "no link: %s", nod_strerror(w->link));
}

size_t world_in_use(struct world *w, int host)
{
    nod_pool_stats stats;

    nod_pool_get_stats(nod_stack_pool(nod_sim_stack(w->sim, host)), &stats);
    return stats.in_use;
}

/* Tables that grow with the number of names never shrink: let them grow first. */
void world_warm_up(struct world *w, int host)
{
    nod_stack *stack = nod_sim_stack(w->sim, host);
    nod_handle handle[4 * CONNS_MAX];
    nod_open open = {.passive = true};

    for (uint16_t i = 0; i < 4 * CONNS_MAX; i++) {
        open.local.port = (uint16_t)(1 + i);
        if (nod_tcp_open(stack, &open, &handle[i]) < 0) {
            world_fail(w, "cannot listen on port %u", open.local.port);
            handle[i] = 0;
        }
    }
    for (int i = 0; i < 4 * CONNS_MAX; i++) {
        nod_tcp_release(stack, handle[i]);
    }
    nod_trace event;

    while (nod_stack_trace(stack, &event, 1) > 0) {
    }
}

bool world_make(struct world *w)
{
    w->path[0] = make_path(w);
    w->path[1] = one_in(w, 2) ? w->path[0] : make_path(w);
    w->iface = make_iface(w);
    w->family = w->iface.mtu >= 1280 && one_in(w, 2) ? 6 : 4;
    if (w->iface.kind == NOD_IFACE_ETHERNET && w->family == 4) {
        /* ARP has no checksum: on a real wire Ethernet's own one keeps damage away from it. */
        w->path[0].damage = w->path[1].damage = 0;
    }
    make_narrow(w);
    w->ecn = one_in(w, 2);
    if (w->ecn) {
        make_marks(w, &w->path[0]);
        make_marks(w, &w->path[1]);
    }
    make_rough(w, &w->path[0], w->trace_ms[0]);
    make_rough(w, &w->path[1], w->trace_ms[1]);
    w->impatient = one_in(w, 20);
    w->tight = one_in(w, 8);
    if (w->tight) { /* what the trace takes is a part of it, for who replays the seed too */
        w->check_trace = true;
        nod_sim_watch_packets(w->sim, true);
    }
    w->cable_at = one_in(w, 6) ? dice(w, 10 * NOD_SEC) : NOD_NEVER;
    w->reboot_at = one_in(w, 25) ? any_size(w, 1000, 20 * NOD_SEC) : NOD_NEVER;
    w->reboot_host = (int)dice(w, 2);
    if (!make_hosts(w)) {
        return false;
    }
    for (int host = 0; host < 2; host++) {
        world_warm_up(w, host);
        w->in_use[host] = world_in_use(w, host);
    }
    w->conns = 1 + (int)(one_in(w, 2) ? 0 : dice(w, CONNS_MAX));
    for (int i = 0; i < w->conns; i++) {
        make_conn(w, i);
    }
    return true;
}
