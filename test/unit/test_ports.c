/* Numbers that nobody may guess: initial sequence numbers (RFC 6528) and ports (RFC 6056). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stack/stack.h"
#include "unit/peer.h"

static uint32_t isn_of_syn(struct peer *p, uint16_t local, uint16_t remote)
{
    struct seen s = {0};
    nod_open open = {.local = {.port = local}, .remote = {p->far, remote}};
    nod_handle h;
    assert_int_equal(nod_tcp_open(p->stack, &open, &h), 0);
    assert_int_equal(peer_output(p, &s, 1), 1);
    assert_int_equal(nod_tcp_abort(p->stack, h), 0);
    assert_int_equal(nod_tcp_release(p->stack, h), 0);
    return s.seq;
}

/* MUST-8: one more every four microseconds, for one connection's incarnations. */
static void clock_driven(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    uint32_t first = isn_of_syn(&p, 5000, 80);
    assert_int_equal(isn_of_syn(&p, 5000, 80), first);
    peer_tick(&p, NOD_MSEC);
    assert_int_equal(isn_of_syn(&p, 5000, 80), first + 250);
    peer_tick(&p, 3600 * NOD_SEC);
    assert_int_equal(isn_of_syn(&p, 5000, 80), first + 250 + 900000000u);
    peer_free(&p);
}

/* A SYN,ACK's number comes from the same place. */
static void of_passive_opens(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 0);
    peer_tcp(&p, &(struct segment){.sport = 9, .dport = 80, .seq = 1, .ctl = NOD_SYN, .wnd = 100});
    assert_int_equal(peer_output(&p, &s, 1), 1);
    uint32_t first = s.seq;
    peer_tcp(&p, &(struct segment){.sport = 9, .dport = 80, .seq = 2, .ctl = NOD_RST, .wnd = 100});
    peer_tick(&p, 8 * NOD_MSEC);
    peer_tcp(&p, &(struct segment){.sport = 9, .dport = 80, .seq = 9, .ctl = NOD_SYN, .wnd = 100});
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.seq, first + 2000);
    peer_free(&p);
}

/* Neighbouring connections and other secrets have nothing in common: the distances between
 * 2,000 numbers are spread over all 32 bits. */
static void unrelated(void **state)
{
    (void)state;
    nod_config config;
    nod_config_default(&config);
    int high = 0, near = 0, odd = 0;
    uint32_t last = 0;
    for (int secret = 0; secret < 20; secret++) {
        struct peer p;
        config.secret[secret] = 0x80;
        peer_make(&p, &config, 4, false);
        for (uint16_t i = 0; i < 100; i++) {
            uint32_t isn = isn_of_syn(&p, (uint16_t)(5000 + i), 80);
            high += isn >> 31;
            odd += (isn - last) & 1;
            near += isn - last < 1u << 24 || last - isn < 1u << 24;
            last = isn;
        }
        peer_free(&p);
    }
    assert_in_range(high, 850, 1150);
    assert_in_range(odd, 850, 1150);
    assert_in_range(near, 0, 50); /* 16 expected */
}

static int open_port(struct peer *p, uint8_t host, uint16_t port, nod_handle *h)
{
    nod_addr to = p->far;
    to.bytes[3] = host;
    nod_open open = {.remote = {to, port}};
    int error = nod_tcp_open(p->stack, &open, h);
    if (error) return error;
    nod_status status;
    assert_int_equal(nod_tcp_status(p->stack, *h, &status), 0);
    return status.local.port;
}

/* To different destinations: spread over the range, with no order that shows. */
static void not_in_sequence(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    int close = 0, upper = 0, last = 0;
    for (int i = 0; i < 200; i++) {
        nod_handle h;
        int port = open_port(&p, (uint8_t)(2 + i), 80, &h);
        assert_in_range(port, 1024, 65535);
        close += abs(port - last) < 100;
        upper += port > 1024 + 64512 / 2;
        last = port;
    }
    assert_in_range(close, 0, 8);
    assert_in_range(upper, 70, 130);
    peer_free(&p);
}

/* To one destination: none twice, every port of the range gets its turn, then NOD_ENOPORT. The
 * walk goes through whatever number its counter wraps at. */
static void exhaustion(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        struct peer p;
        nod_config config;
        nod_config_default(&config);
        config.secret[20] = (uint8_t)round;
        config.port_first = (uint16_t)(2000 + round);
        config.port_last = (uint16_t)(2099 + round * 7);
        int count = config.port_last - config.port_first + 1;
        bool taken[65536] = {0};
        peer_make(&p, &config, 4, false);
        /* Turn the counters: opens that end again. */
        for (int i = 0; i < 3000; i++) {
            nod_handle h;
            assert_true(open_port(&p, 2, 80, &h) > 0);
            nod_tcp_abort(p.stack, h);
            nod_tcp_release(p.stack, h);
        }
        nod_handle h;
        for (int i = 0; i < count; i++) {
            int port = open_port(&p, 2, 80, &h);
            assert_in_range(port, config.port_first, config.port_last);
            assert_false(taken[port]);
            taken[port] = true;
        }
        assert_int_equal(open_port(&p, 2, 80, &h), NOD_ENOPORT);
        assert_true(open_port(&p, 2, 81, &h) > 0); /* another destination is another matter */
        peer_free(&p);
    }
}

/* The counter is of 16 bits: all the range is still reached when it wraps. */
static void counter_wraps(void **state)
{
    (void)state;
    struct peer p;
    nod_config config;
    nod_config_default(&config);
    config.port_first = 2000;
    config.port_last = 2009;
    peer_make(&p, &config, 4, false);
    nod_handle h, held[9];
    int port = 0;
    for (int i = 0; i < 9; i++) assert_true(open_port(&p, 2, 80, &held[i]) > 0);
    for (int i = 0; i < 70000; i++) { /* one is free, and found every time */
        port = open_port(&p, 2, 80, &h);
        assert_in_range(port, 2000, 2009);
        nod_tcp_abort(p.stack, h);
        nod_tcp_release(p.stack, h);
    }
    peer_free(&p);
}

/* A listener's port is not given away (6056/02), nor one that was asked for twice. */
static void taken_ports(void **state)
{
    (void)state;
    struct peer p;
    nod_config config;
    nod_config_default(&config);
    config.port_first = 2000;
    config.port_last = 2003;
    peer_make(&p, &config, 4, false);
    peer_listen(&p, 2001, 0);
    nod_handle h;
    for (int i = 0; i < 3; i++) assert_true(open_port(&p, 2, 80, &h) != 2001);
    assert_int_equal(open_port(&p, 2, 80, &h), NOD_ENOPORT);
    nod_open open = {.local = {.port = 7000}, .remote = {p.far, 80}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_EEXIST);
    assert_int_equal(h, 0);
    peer_free(&p);
}

/* The one port to a destination: open, close, and the wait. Returns the ISS. */
static uint32_t use_up(struct peer *p, bool timestamps, uint32_t text, nod_handle *h)
{
    static const char bytes[3000];
    static const uint8_t ts[12] = {1, 1, 8, 10};
    struct seen s[100];
    uint8_t options[12];
    nod_open open = {.remote = {p->far, 80}};
    assert_int_equal(nod_tcp_open(p->stack, &open, h), 0);
    assert_int_equal(peer_output(p, s, 1), 1);
    struct segment g = {.sport = 80,
                        .dport = s[0].sport,
                        .ack = s[0].seq + 1,
                        .ctl = NOD_SYN | NOD_ACK,
                        .wnd = 65535,
                        .options = options,
                        .options_len = timestamps ? 12 : 0};
    memcpy(options, ts, 12);
    if (timestamps) memcpy(options + 8, peer_option(&s[0], 8), 4);
    uint32_t iss = s[0].seq;
    peer_tcp(p, &g);
    if (text) nod_tcp_send(p->stack, *h, bytes, text, 0);
    nod_tcp_close(p->stack, *h);
    peer_drain(p);
    g.seq = 1;
    g.ack += text + 1;
    g.ctl = NOD_ACK | NOD_FIN;
    peer_tcp(p, &g);
    peer_drain(p);
    nod_status status;
    assert_int_equal(nod_tcp_status(p->stack, *h, &status), 0);
    assert_int_equal(status.state, NOD_TIME_WAIT);
    return iss;
}

/* A port in TIME-WAIT serves again after a second, if timestamps tell old from new and nobody
 * holds the old name; and its numbers go on above the old ones. */
static void again_after_a_second(void **state)
{
    (void)state;
    for (int timestamps = 0; timestamps < 2; timestamps++) {
        struct peer p;
        nod_config config;
        nod_handle h, other;
        nod_config_default(&config);
        config.port_first = config.port_last = 2000;
        peer_make(&p, &config, 4, false);
        uint32_t iss = use_up(&p, timestamps, 3000, &h);
        peer_tick(&p, 2 * NOD_SEC);
        assert_int_equal(open_port(&p, 2, 80, &other), NOD_ENOPORT); /* h is held */
        nod_tcp_release(p.stack, h);
        assert_int_equal(open_port(&p, 2, 80, &other), timestamps ? 2000 : NOD_ENOPORT);
        if (!timestamps) {
            peer_free(&p);
            continue;
        }
        nod_status status;
        assert_int_equal(nod_tcp_status(p.stack, other, &status), 0);
        assert_true((int32_t)(status.iss - (iss + 3000)) > 0);
        assert_int_equal(nod_isn_above(500, 499), 500);
        assert_true((int32_t)(nod_isn_above(500, 500) - 500) > 65535);
        assert_true((int32_t)(nod_isn_above(500, 0x7fffff00) - 0x7fffff00) > 65535);
        nod_tcp_abort(p.stack, other);
        nod_tcp_release(p.stack, other);
        iss = use_up(&p, true, 0, &h);
        nod_tcp_release(p.stack, h);
        peer_tick(&p, NOD_SEC - 1);
        assert_int_equal(open_port(&p, 2, 80, &other), NOD_ENOPORT);
        nod_open open = {.remote = {p.far, 80}, .local.port = 2000};
        peer_tick(&p, 1);
        assert_int_equal(nod_tcp_open(p.stack, &open, &other), NOD_EEXIST); /* who asks waits */
        assert_int_equal(open_port(&p, 2, 80, &other), 2000);
        nod_stack_stats stats;
        nod_stack_get_stats(p.stack, &stats);
        assert_true(stats.time_wait == 0 && stats.connections == 1);
        peer_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_driven), cmocka_unit_test(of_passive_opens),
        cmocka_unit_test(unrelated),    cmocka_unit_test(not_in_sequence),
        cmocka_unit_test(exhaustion),   cmocka_unit_test(counter_wraps),
        cmocka_unit_test(taken_ports),  cmocka_unit_test(again_after_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
