/* The user timeout option: its value on the wire, its place in a header, and what two ends' wishes
 * come to (RFC 5482). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tcp/tcb.h"
#include "unit/peer.h"

/* 5482/01: a bit that says minutes, and fifteen of number. */
static void values(void **state)
{
    (void)state;
    assert_int_equal(nod_uto_encode(NOD_SEC), 1);
    assert_int_equal(nod_uto_encode(300 * NOD_SEC), 300);
    assert_int_equal(nod_uto_encode(NOD_SEC + 1), 2); /* never less than is meant */
    assert_int_equal(nod_uto_encode(32767 * NOD_SEC), 0x7fff);
    assert_int_equal(nod_uto_encode(32768 * NOD_SEC), 0x8000 | 546);
    assert_int_equal(nod_uto_encode(NOD_NEVER), 0xffff);
    assert_int_equal(nod_uto_encode(0), 1); /* 5482/05: zero is never said */
    assert_int_equal(nod_uto_decode(0x7fff), 32767 * NOD_SEC);
    assert_int_equal(nod_uto_decode(0x8001), 60 * NOD_SEC);
    assert_int_equal(nod_uto_decode(0xffff), 32767ull * 60 * NOD_SEC);
}

static void on_the_wire(void **state)
{
    (void)state;
    uint8_t p[60];
    struct nod_tcp_header h = {.ctl = NOD_ACK, .opt = {.has_uto = true, .uto = 0x8123}}, got;
    assert_int_equal(nod_tcp_options_size(&h.opt), 4);
    assert_int_equal(nod_tcp_emit(&h, p), 24);
    assert_memory_equal(p + 20, ((uint8_t[]){28, 4, 0x81, 0x23}), 4);
    assert_true(nod_tcp_parse(p, 24, &got));
    assert_true(got.opt.has_uto && got.opt.uto == 0x8123);
    p[21] = 3; /* of a wrong length it is none */
    assert_true(nod_tcp_parse(p, 24, &got));
    assert_false(got.opt.has_uto);
}

/* 5482/03 and 5482/04: min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)), and L_LIMIT is more than
 * the RTO. All in seconds. */
static void what_it_comes_to(void **state)
{
    (void)state;
    static const struct {
        uint64_t adv, remote, lower, upper, rto, result;
    } rows[] = {
        {300, 400, 100, 3600, 1, 400},   {300, 200, 100, 3600, 1, 300},
        {50, 60, 100, 3600, 1, 100},     {50, 60, 100, 90, 1, 90},
        {300, 5000, 100, 3600, 1, 3600}, {5000, 200, 100, 3600, 1, 3600},
        {1, 1, 10, 3600, 120, 121},
    };
    struct nod_shared_config shared = {.c = {.uto = true}};
    struct nod_rare rare = {0};
    struct nod_tcb tcb = {.config = &shared, .rare = &rare};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        shared.c.user_timeout_us = rows[i].adv * NOD_SEC;
        shared.c.uto_lower_us = rows[i].lower * NOD_SEC;
        shared.c.uto_upper_us = rows[i].upper * NOD_SEC;
        tcb.rto_us = (uint32_t)(rows[i].rto * NOD_SEC);
        rare.remote_uto = (uint16_t)rows[i].remote;
        assert_int_equal(nod_user_timeout(&tcb), rows[i].result * NOD_SEC);
    }
    rare.remote_uto = 0; /* the peer has said nothing: ours, without limits */
    assert_int_equal(nod_user_timeout(&tcb), NOD_SEC);
    nod_config config;
    nod_config_default(&config);
    assert_true(config.tcp.uto_lower_us >= 100 * NOD_SEC);
    assert_false(config.tcp.uto);
}

/* MUST-20: after R1 the next hop is doubted, and asked whether it is there. */
static void next_hop_is_doubted(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    nod_config config;
    nod_config_default(&config);
    config.tcp.delayed_ack = false;
    peer_make(&p, &config, 4, true);
    peer_be_called(&p, 80, &c);
    /* An answer to our question, so that it counts as reachable. */
    peer_tick(&p, NOD_SEC);
    uint8_t reply[42] = {0};
    memcpy(reply, p.host_mac, 6);
    memcpy(reply + 6, p.far_mac, 6);
    memcpy(reply + 12, ((uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, 2}), 10);
    memcpy(reply + 22, p.far_mac, 6);
    memcpy(reply + 28, p.far.bytes, 4);
    memcpy(reply + 32, p.host_mac, 6);
    memcpy(reply + 38, p.host.bytes, 4);
    peer_input(&p, reply, sizeof(reply));
    peer_drain(&p);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "x", 1, 0), 1);
    int sent = 0;
    bool asked = false;
    while (!asked && sent < 10) {
        while (peer_output(&p, &s, 1) > 0) {
            asked |= s.ethertype == 0x0806;
            sent += s.ethertype == 0x0800 && s.text_len == 1;
        }
        peer_tick(&p, nod_stack_deadline(p.stack) - p.now);
    }
    assert_int_equal(sent, 4); /* with the third retransmission */
    assert_true(peer_events(&p, c.handle, NULL) & NOD_EVENT_SOFT_ERROR);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(on_the_wire),
        cmocka_unit_test(what_it_comes_to),
        cmocka_unit_test(next_hop_is_doubted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
