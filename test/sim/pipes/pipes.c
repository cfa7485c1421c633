/* One bulk transfer over one path, in virtual time: what it reaches, and what it holds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nod/sim.h"

struct pipe {
    const char *name;
    uint64_t rate_bps;
    nod_usec delay_us;
    uint32_t queue;
    nod_usec until, steady;
    uint16_t mtu;
};

struct run {
    nod_sim *sim;
    int a, b;
    nod_handle in, out, listener;
    uint64_t received;
};

static uint8_t bytes[1 << 20];

static void fail(const char *what)
{
    printf("%s\n", what);
    exit(1);
}

static void begin(struct run *r, const struct pipe *p, nod_tcp_config *tcp)
{
    nod_config config;
    nod_config_default(&config);
    if (tcp) config.tcp = *tcp;
    r->sim = nod_sim_new(1);
    r->a = nod_sim_add_host(r->sim, "a", &config);
    r->b = nod_sim_add_host(r->sim, "b", &config);
    nod_path_config there = {
        .delay_us = p->delay_us, .rate_bps = p->rate_bps, .queue_bytes = p->queue};
    nod_path_config back = {.delay_us = p->delay_us};
    nod_iface_config iface = {.kind = NOD_IFACE_IP, .mtu = p->mtu, .gso_max = 65535};
    if (nod_sim_join_iface(r->sim, r->a, r->b, &iface, &there, &back) < 0) fail("no link");
    nod_open passive = {.passive = true, .local = {.port = 80}};
    if (nod_tcp_open(nod_sim_stack(r->sim, r->b), &passive, &r->listener) < 0) fail("no listener");
    nod_open active = {.remote = {.addr = nod_sim_addr(r->sim, 0, 1, 4), .port = 80}};
    if (nod_tcp_open(nod_sim_stack(r->sim, r->a), &active, &r->out) < 0) fail("no open");
}

static void feed(struct run *r)
{
    nod_stack *s = nod_sim_stack(r->sim, r->a);
    ptrdiff_t n;
    while ((n = nod_tcp_send(s, r->out, bytes, sizeof bytes, 0)) > 0) continue;
}

static void drain(struct run *r)
{
    nod_stack *s = nod_sim_stack(r->sim, r->b);
    nod_slice slices[64];
    int n;
    while (r->in && (n = nod_tcp_receive_slices(s, r->in, slices, 64)) > 0)
        for (int i = 0; i < n; i++) {
            r->received += slices[i].len;
            nod_slice_release(&slices[i]);
        }
}

static void act(struct run *r)
{
    nod_event e[16];
    int n;
    while ((n = nod_stack_events(nod_sim_stack(r->sim, r->a), e, 16)) > 0)
        for (int i = 0; i < n; i++) {
            if (e[i].flags & NOD_EVENT_ERROR) fail("the sender's connection is gone");
            if (e[i].flags & (NOD_EVENT_OPEN | NOD_EVENT_WRITABLE)) feed(r);
        }
    while ((n = nod_stack_events(nod_sim_stack(r->sim, r->b), e, 16)) > 0)
        for (int i = 0; i < n; i++) {
            if (e[i].flags & NOD_EVENT_ACCEPT)
                nod_tcp_accept(nod_sim_stack(r->sim, r->b), r->listener, &r->in);
            drain(r);
        }
}

static void show(struct run *r, uint64_t before, nod_usec span)
{
    nod_status a, b = {0};
    nod_pool_stats pa, pb;
    nod_tcp_status(nod_sim_stack(r->sim, r->a), r->out, &a);
    if (r->in) nod_tcp_status(nod_sim_stack(r->sim, r->b), r->in, &b);
    nod_pool_get_stats(nod_stack_pool(nod_sim_stack(r->sim, r->a)), &pa);
    nod_pool_get_stats(nod_stack_pool(nod_sim_stack(r->sim, r->b)), &pb);
    nod_path_stats path;
    nod_path_get_stats(nod_sim_path(r->sim, 0, 0), &path);
    printf("%8" PRIu64 " ms %8.1f Mbit/s cwnd %u ssthresh %u flight %u queue %u unsent %u wnd %u "
           "rcv %u ooo %u srtt %" PRIu64 " mem %zu %zu drop %" PRIu64 " rtx %u\n",
           nod_sim_now(r->sim) / 1000, (double)(r->received - before) * 8 / (double)span, a.cwnd,
           a.ssthresh, a.send_queue - a.send_unsent, a.send_queue, a.send_unsent, a.snd_wnd,
           b.receive_queue, b.out_of_order, a.srtt_us, pa.in_use, pb.in_use, path.queue_full,
           a.segments_retransmitted);
}

int main(int argc, char **argv)
{
    struct pipe p = {.name = "",
                     .rate_bps = 10000000000u,
                     .delay_us = 50000,
                     .queue = 62500000,
                     .until = 3 * NOD_SEC,
                     .mtu = 1500};
    if (argc > 1) p.rate_bps = strtoull(argv[1], NULL, 10);
    if (argc > 2) p.delay_us = strtoull(argv[2], NULL, 10);
    if (argc > 3) p.queue = (uint32_t)strtoul(argv[3], NULL, 10);
    if (argc > 4) p.until = strtoull(argv[4], NULL, 10);
    nod_usec each = argc > 5 ? strtoull(argv[5], NULL, 10) : 100000;
    struct run r = {0};
    nod_config d;
    nod_config_default(&d);
    if (argc > 6) snprintf(d.tcp.congestion, sizeof d.tcp.congestion, "%s", argv[6]);
    if (argc > 7)
        d.tcp.receive_buffer = d.tcp.send_buffer = (uint32_t)atoi(argv[7]),
        d.tcp.receive_buffer_max = d.tcp.send_buffer_max = 0;
    begin(&r, &p, &d.tcp);
    nod_usec next = each;
    uint64_t before = 0;
    while (nod_sim_step(r.sim) == 1 && nod_sim_now(r.sim) < p.until) {
        act(&r);
        if (nod_sim_now(r.sim) >= next) {
            show(&r, before, each);
            before = r.received;
            next += each;
        }
    }
    nod_sim_free(r.sim);
    return 0;
}
