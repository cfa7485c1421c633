/* A long fat path whose queue overflows in slow start: what the sender sends again is what the
 * path has dropped, for the receiver keeps all the rest, though it is many times more than a few
 * segments (SHLD-31, and RFC 2018 section 8: what was selectively acknowledged is not let go). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nod/sim.h"

#define TOTAL (20u << 20)
#define BUFFER (16u << 20)

static uint8_t pattern(uint32_t at)
{
    return (uint8_t)((at >> 13) * 31 + at * 7);
}

struct transfer {
    nod_sim *sim;
    nod_stack *a, *b;
    nod_handle listener, from, to;
    uint32_t sent, got, most_held, probes;
};

static struct transfer begin(const char *congestion)
{
    struct transfer t = {.sim = nod_sim_new(1)};
    nod_path_config there = {.delay_us = 150 * NOD_MSEC, .rate_bps = 100000000};
    nod_path_config back = {.delay_us = 150 * NOD_MSEC};
    there.queue_bytes = 1 << 20;
    nod_config config;
    nod_config_default(&config);
    config.tcp.send_buffer = config.tcp.send_buffer_max = BUFFER;
    config.tcp.receive_buffer = config.tcp.receive_buffer_max = BUFFER;
    config.trace_events = 10000;
    snprintf(config.tcp.congestion, sizeof(config.tcp.congestion), "%s", congestion);
    int a = nod_sim_add_host(t.sim, "a", &config), b = nod_sim_add_host(t.sim, "b", &config);
    assert_int_equal(nod_sim_join(t.sim, a, b, &there, &back), 0);
    t.a = nod_sim_stack(t.sim, a);
    t.b = nod_sim_stack(t.sim, b);
    nod_open passive = {.local = {.port = 80}, .passive = true};
    nod_open active = {.remote = {.addr = nod_sim_addr(t.sim, 0, 1, 4), .port = 80}};
    assert_int_equal(nod_tcp_open(t.b, &passive, &t.listener), 0);
    assert_int_equal(nod_tcp_open(t.a, &active, &t.from), 0);
    nod_sim_run_until(t.sim, NOD_SEC);
    assert_int_equal(nod_tcp_accept(t.b, t.listener, &t.to), 0);
    return t;
}

static void send_some(struct transfer *t)
{
    static uint8_t buf[65536];
    while (t->sent < TOTAL) {
        uint32_t n = TOTAL - t->sent < sizeof(buf) ? TOTAL - t->sent : (uint32_t)sizeof(buf);
        for (uint32_t i = 0; i < n; i++) buf[i] = pattern(t->sent + i);
        ptrdiff_t done = nod_tcp_send(t->a, t->from, buf, n, 0);
        if (done > 0) t->sent += (uint32_t)done;
        if (done < (ptrdiff_t)n) return;
    }
}

static void receive_some(struct transfer *t)
{
    static uint8_t buf[65536];
    ptrdiff_t n;
    while ((n = nod_tcp_receive(t->b, t->to, buf, sizeof(buf))) > 0)
        for (ptrdiff_t i = 0; i < n; i++)
            if (buf[i] != pattern(t->got++)) fail_msg("octet %u is wrong", t->got - 1);
}

/* The probe for the ACK of the very last segment (RFC 8985 section 7) answers no drop. */
static void count_probes(struct transfer *t)
{
    nod_trace events[64];
    for (int n; (n = nod_stack_trace(t->a, events, 64)) > 0;)
        for (int i = 0; i < n; i++) {
            const nod_trace_segment *out = &events[i].u.segment;
            if (events[i].type != NOD_TRACE_SEGMENT_OUT || !out->retransmission) continue;
            t->probes += out->why == NOD_WHY_LOSS_PROBE;
        }
}

static void carry_all(struct transfer *t)
{
    nod_status status;
    while (t->got < TOTAL) {
        send_some(t);
        assert_int_equal(nod_sim_step(t->sim), 1);
        receive_some(t);
        count_probes(t);
        assert_int_equal(nod_tcp_status(t->b, t->to, &status), 0);
        if (status.out_of_order > t->most_held) t->most_held = status.out_of_order;
        assert_true(nod_sim_now(t->sim) < 120 * NOD_SEC);
    }
}

static void overflow(const char *congestion)
{
    struct transfer t = begin(congestion);
    nod_path_stats path;
    nod_status status;
    carry_all(&t);
    nod_sim_run_until(t.sim, nod_sim_now(t.sim) + NOD_SEC);
    count_probes(&t);
    nod_path_get_stats(nod_sim_path(t.sim, 0, 0), &path);
    assert_int_equal(nod_tcp_status(t.a, t.from, &status), 0);
    assert_true(path.queue_full > 100);
    assert_true(t.most_held > 2 * 1024 * 1448);
    assert_int_equal(status.segments_retransmitted - t.probes, path.queue_full);
    assert_in_range(t.probes, 0, 1);
    nod_sim_free(t.sim);
}

static void in_reno(void **state)
{
    (void)state;
    overflow("reno");
}

static void in_cubic(void **state)
{
    (void)state;
    overflow("cubic");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_reno),
        cmocka_unit_test(in_cubic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
