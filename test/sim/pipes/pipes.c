/* Bulk transfers over one path, in virtual time: what they reach with the buffers that nod gives
 * them, and what those hold. Run with the name of a case, and `watch` to see it as it goes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nod/sim.h"

#define KIB 1024u
#define MIB (1024u * KIB)
#define CONNS_MAX 40

struct pipe {
    const char *name;
    uint64_t rate_bps;
    nod_usec rtt_us;
    uint16_t mtu;   /* 0: 1500 */
    uint32_t queue; /* bytes, before the line */
    int conns;
    uint32_t fixed; /* bytes of both buffers; 0: they grow */
    size_t memory;  /* of the receiver; 0: the default */
    uint32_t reads; /* bytes that the reader takes each millisecond; 0: all there is */
    nod_usec settles, until;
    /* What must be seen between these two, per mille of the rate, and then in bytes. */
    unsigned least, most;
    uint32_t send_most, receive_least, receive_most;
    size_t sender_holds, receiver_holds; /* at most, at any time */
};

static const struct pipe pipes[] = {
    /* Large packets only for the sake of the time that it takes; with 1,500 octets it is the same.
     */
    {.name = "fat",
     .mtu = 9000,
     .rate_bps = 10000000000,
     .rtt_us = 100 * NOD_MSEC,
     .queue = 62500000,
     .settles = 2700 * NOD_MSEC,
     .until = 3300 * NOD_MSEC,
     .least = 950,
     .receive_least = 250000000,
     .send_most = 512 * MIB,
     .sender_holds = 600 * MIB},
    {.name = "satellite",
     .mtu = 9000,
     .rate_bps = 1000000000,
     .rtt_us = 600 * NOD_MSEC,
     .queue = 75000000,
     .settles = 20 * NOD_SEC,
     .until = 24 * NOD_SEC,
     .least = 950,
     .receive_least = 150000000,
     .send_most = 512 * MIB,
     .sender_holds = 600 * MIB},
    {.name = "lan",
     .rate_bps = 10000000000,
     .rtt_us = 100,
     .queue = 256 * KIB,
     .settles = 100 * NOD_MSEC,
     .until = 400 * NOD_MSEC,
     .least = 950,
     .send_most = 2 * MIB,
     .receive_most = 2 * MIB,
     .sender_holds = 3 * MIB,
     .receiver_holds = 2 * MIB},
    {.name = "campus", /* a round trip is shorter than the gaps that end a train of ACKs */
     .rate_bps = 10000000000,
     .rtt_us = 1 * NOD_MSEC,
     .queue = 2500000,
     .settles = 20 * NOD_MSEC,
     .until = 220 * NOD_MSEC,
     .least = 950},
    {.name = "grown",
     .rate_bps = 1000000000,
     .rtt_us = 100 * NOD_MSEC,
     .queue = 6250000,
     .settles = 2 * NOD_SEC,
     .until = 4 * NOD_SEC,
     .least = 950,
     .receive_least = 25000000,
     .receive_most = 100 * MIB,
     .send_most = 64 * MIB},
    {.name = "fixed", /* the same without: a window each round trip */
     .rate_bps = 1000000000,
     .rtt_us = 100 * NOD_MSEC,
     .queue = 6250000,
     .fixed = 256 * KIB,
     .settles = 2 * NOD_SEC,
     .until = 4 * NOD_SEC,
     .least = 13,
     .most = 22,
     .receive_most = 256 * KIB,
     .send_most = 256 * KIB},
    {.name = "slow-reader",
     .rate_bps = 1000000000,
     .rtt_us = 20 * NOD_MSEC,
     .queue = 3125000,
     .reads = 1000,
     .settles = 2 * NOD_SEC,
     .until = 6 * NOD_SEC,
     .least = 7,
     .most = 9,
     .receive_most = 160 * KIB,
     .send_most = 1 * MIB,
     .receiver_holds = 2 * MIB},
    /* Many readers who are slow enough for windows to fill, and too little memory for that. */
    {.name = "short-of-memory",
     .rate_bps = 1000000000,
     .rtt_us = 100 * NOD_MSEC,
     .queue = 3125000,
     .conns = CONNS_MAX,
     .memory = 3 * MIB,
     .reads = 2000,
     .settles = 2 * NOD_SEC,
     .until = 10 * NOD_SEC,
     .least = 40,
     .receiver_holds = 3 * MIB},
};

struct conn {
    nod_handle in, out;
    uint64_t received, before;
};

static struct conn conns[CONNS_MAX];
static const struct pipe *pipe_;
static nod_sim *sim;
static nod_stack *a, *b;
static nod_handle listener;
static int accepted;
static uint64_t received;
static size_t most_held[2];
static uint8_t bytes[1 << 20];

static void fail(const char *what, uint64_t is, uint64_t should)
{
    printf("%s: %s: %" PRIu64 ", and not %" PRIu64 "\n", pipe_->name, what, is, should);
    exit(1);
}

static void must(int result, const char *call)
{
    if (result < 0) {
        printf("%s: %s: %s\n", pipe_->name, call, nod_strerror(result));
        exit(1);
    }
}

static int count_of(const struct pipe *p)
{
    return p->conns ? p->conns : 1;
}

static void begin(const struct pipe *p)
{
    nod_config config;
    nod_config_default(&config);
    if (p->fixed) {
        config.tcp.send_buffer = config.tcp.receive_buffer = p->fixed;
        config.tcp.send_buffer_max = config.tcp.receive_buffer_max = 0;
    }
    sim = nod_sim_new(1);
    must(nod_sim_add_host(sim, "a", &config), "the sender");
    if (p->memory) config.memory_limit = p->memory;
    must(nod_sim_add_host(sim, "b", &config), "the receiver");
    nod_path_config back = {.delay_us = p->rtt_us / 2}, there = back;
    there.rate_bps = p->rate_bps;
    there.queue_bytes = p->queue;
    nod_iface_config iface = {
        .kind = NOD_IFACE_IP, .mtu = p->mtu ? p->mtu : 1500, .gso_max = 65535};
    must(nod_sim_join_iface(sim, 0, 1, &iface, &there, &back), "the link");
    a = nod_sim_stack(sim, 0);
    b = nod_sim_stack(sim, 1);
    nod_open passive = {.passive = true, .local = {.port = 80}};
    must(nod_tcp_open(b, &passive, &listener), "the listener");
    nod_open active = {.remote = {.addr = nod_sim_addr(sim, 0, 1, 4), .port = 80}};
    for (int i = 0; i < count_of(p); i++) must(nod_tcp_open(a, &active, &conns[i].out), "OPEN");
}

static void read_some(struct conn *c)
{
    static uint8_t sink[1 << 16];
    ptrdiff_t n;
    nod_slice slice;
    if (pipe_->reads) {
        n = nod_tcp_receive(b, c->in, sink, pipe_->reads);
        if (n > 0) c->received += (uint64_t)n;
        received += n > 0 ? (uint64_t)n : 0;
        return;
    }
    while (nod_tcp_receive_slices(b, c->in, &slice, 1) > 0) {
        received += slice.len;
        c->received += slice.len;
        nod_slice_release(&slice);
    }
}

static void act(void)
{
    nod_event e[16];
    int n;
    while ((n = nod_stack_events(a, e, 16)) > 0)
        for (int i = 0; i < n; i++) {
            must(e[i].flags & NOD_EVENT_ERROR ? e[i].error : 0, "the sender's connection");
            if (e[i].flags & (NOD_EVENT_OPEN | NOD_EVENT_WRITABLE))
                while (nod_tcp_send(a, e[i].handle, bytes, sizeof bytes, 0) > 0) continue;
        }
    while ((n = nod_stack_events(b, e, 16)) > 0)
        for (int i = 0; i < n; i++)
            if (e[i].flags & NOD_EVENT_ACCEPT)
                while (accepted < CONNS_MAX &&
                       nod_tcp_accept(b, listener, &conns[accepted].in) == 0)
                    accepted++;
    for (int i = 0; i < accepted && !pipe_->reads; i++) read_some(&conns[i]);
}

static void note_memory(void)
{
    nod_stack *stack[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        nod_pool_stats stats;
        nod_pool_get_stats(nod_stack_pool(stack[i]), &stats);
        if (stats.in_use > most_held[i]) most_held[i] = stats.in_use;
    }
}

static void show(uint64_t octets, nod_usec span)
{
    nod_status s, r;
    nod_path_stats path;
    must(nod_tcp_status(a, conns[0].out, &s), "STATUS");
    if (!accepted) return;
    must(nod_tcp_status(b, conns[0].in, &r), "STATUS");
    nod_path_get_stats(nod_sim_path(sim, 0, 0), &path);
    printf("%7" PRIu64 " ms %8.1f Mbit/s; sender: cwnd %u ssthresh %u flight %u unsent %u "
           "buffer %u wnd %u; receiver: buffer %u space %u rtt %" PRIu64 " unread %u gap %u; "
           "lost %" PRIu64 " again %u\n",
           nod_sim_now(sim) / 1000, (double)octets * 8 / (double)span, s.cwnd, s.ssthresh,
           s.send_queue - s.send_unsent, s.send_unsent, s.send_buffer, s.snd_wnd, r.receive_buffer,
           r.receive_space, r.receive_rtt_us, r.receive_queue, r.out_of_order, path.queue_full,
           s.segments_retransmitted);
}

/* Steps until then; a slow reader reads each millisecond. */
static void run_until(nod_usec when, bool watch)
{
    nod_usec each = pipe_->until / 40, shown = nod_sim_now(sim), read = shown;
    uint64_t before = received;
    while (nod_sim_now(sim) < when) {
        nod_usec stop = pipe_->reads ? read + NOD_MSEC : when;
        if (nod_sim_next(sim) < stop)
            nod_sim_step(sim);
        else
            nod_sim_run_until(sim, stop);
        act();
        note_memory();
        if (nod_sim_now(sim) >= read + NOD_MSEC) {
            for (int i = 0; i < accepted && pipe_->reads; i++) read_some(&conns[i]);
            read = nod_sim_now(sim);
        }
        if (watch && nod_sim_now(sim) >= shown + each) {
            show(received - before, nod_sim_now(sim) - shown);
            shown = nod_sim_now(sim);
            before = received;
        }
    }
}

/* What has arrived, in order or not: a gap that is open at this moment is no matter of the rate. */
static uint64_t arrived(void)
{
    uint64_t octets = received;
    for (int i = 0; i < accepted; i++) {
        nod_status r;
        must(nod_tcp_status(b, conns[i].in, &r), "STATUS");
        octets += r.receive_queue + r.out_of_order;
    }
    return octets;
}

static void at_most(const char *what, uint64_t is, uint64_t most)
{
    if (most && is > most) fail(what, is, most);
}

static void judge(uint64_t octets)
{
    const struct pipe *p = pipe_;
    uint64_t mille = octets * 8 * NOD_SEC * 1000 / (p->until - p->settles) / p->rate_bps;
    printf("%s: %" PRIu64 " per mille of the rate; at most %zu and %zu octets were held\n", p->name,
           mille, most_held[0], most_held[1]);
    if (mille < p->least) fail("too slow, per mille", mille, p->least);
    at_most("too fast, per mille", mille, p->most);
    at_most("the sender holds", most_held[0], p->sender_holds);
    at_most("the receiver holds", most_held[1], p->receiver_holds);
    for (int i = 0; i < count_of(p); i++) {
        nod_status s, r;
        must(nod_tcp_status(a, conns[i].out, &s), "STATUS");
        must(nod_tcp_status(b, conns[i].in, &r), "STATUS");
        at_most("the send buffer", s.send_buffer, p->send_most);
        at_most("the receive buffer", r.receive_buffer, p->receive_most);
        if (r.receive_buffer < p->receive_least)
            fail("the receive buffer", r.receive_buffer, p->receive_least);
        /* Nobody is left behind: a tenth of an equal share at least. */
        uint64_t own = conns[i].received - conns[i].before;
        if (own * (uint64_t)count_of(p) * 10 < octets) fail("one got", own, octets);
    }
}

int main(int argc, char **argv)
{
    bool watch = argc > 2 && strcmp(argv[2], "watch") == 0;
    for (size_t i = 0; argc > 1 && i < sizeof pipes / sizeof pipes[0]; i++)
        if (strcmp(pipes[i].name, argv[1]) == 0) pipe_ = &pipes[i];
    if (!pipe_) {
        fprintf(stderr, "usage: sim-pipes CASE [watch]\n");
        return 2;
    }
    begin(pipe_);
    run_until(pipe_->settles, watch);
    uint64_t before = arrived();
    for (int i = 0; i < count_of(pipe_); i++) conns[i].before = conns[i].received;
    run_until(pipe_->until, watch);
    judge(arrived() - before);
    nod_sim_free(sim);
    return 0;
}
