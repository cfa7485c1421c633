/* A stack that talks to itself: nothing leaves over a link, nothing is lost, and nobody else may
 * pretend to be it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/net.h"
#include "unit/peer.h"

/* Until nothing is due any more at this moment; no frame may come out. */
static void settle(struct peer *p)
{
    nod_frame frames[4];
    int rounds = 0;
    do {
        nod_stack_tick(p->stack, p->now);
        while (nod_stack_output(p->stack, frames, 4, p->now) > 0)
            fail_msg("a frame left over a link");
        assert_true(++rounds < 1000);
    } while (nod_stack_deadline(p->stack) <= p->now);
}

static nod_handle dial(struct peer *p, const nod_addr *from, uint16_t from_port, const nod_addr *to,
                       uint16_t port)
{
    nod_open open = {.remote = {*to, port}, .local.port = from_port};
    if (from) open.local.addr = *from;
    nod_handle h;
    assert_int_equal(nod_tcp_open(p->stack, &open, &h), 0);
    settle(p);
    return h;
}

/* Bytes from one end to the other, checked. */
static void carry(struct peer *p, nod_handle from, nod_handle to, uint32_t total)
{
    static uint8_t out[70000], in[70000];
    uint32_t sent = 0, got = 0;
    for (int round = 0; got < total; round++) {
        assert_true(round < 10000);
        uint32_t want = total - sent < sizeof(out) ? total - sent : (uint32_t)sizeof(out);
        for (uint32_t i = 0; i < want; i++) out[i] = (uint8_t)((sent + i) * 7 / 3);
        ptrdiff_t n = want ? nod_tcp_send(p->stack, from, out, want, 0) : 0;
        if (n > 0) sent += (uint32_t)n;
        settle(p);
        n = nod_tcp_receive(p->stack, to, in, sizeof(in));
        for (ptrdiff_t i = 0; i < n; i++, got++)
            assert_int_equal(in[i], (uint8_t)((uint64_t)got * 7 / 3));
    }
}

static enum nod_state state_of(struct peer *p, nod_handle h)
{
    nod_status status;
    assert_int_equal(nod_tcp_status(p->stack, h, &status), 0);
    return status.state;
}

/* To the same address or another one of ours, both families: a whole life without a clock. */
static void to_oneself(void **state)
{
    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        for (int other = 0; other < 2; other++) {
            struct peer p;
            peer_make(&p, NULL, family, other);
            size_t before = 0;
            nod_addr second = p.host;
            second.bytes[family == 6 ? 15 : 3] = 99;
            assert_int_equal(nod_stack_add_addr(p.stack, 0, &second, family == 6 ? 64 : 24), 0);
            for (int i = 0; i < 2; i++) { /* the others hear of its group */
                peer_tick(&p, NOD_SEC);
                peer_drain(&p);
            }
            const nod_addr *to = other ? &second : &p.host;
            nod_handle listener = peer_listen(&p, 80, 4), near, far;
            for (int life = 0; life < 2; life++) {
                near = dial(&p, other ? &p.host : NULL, 0, to, 80);
                assert_int_equal(nod_tcp_accept(p.stack, listener, &far), 0);
                nod_status status;
                assert_int_equal(nod_tcp_status(p.stack, far, &status), 0);
                assert_true(nod_addr_equal(&status.local.addr, to));
                assert_true(nod_addr_equal(&status.remote.addr, other ? &p.host : to));
                carry(&p, near, far, 1000000);
                carry(&p, far, near, 1000000);
                assert_int_equal(nod_tcp_status(p.stack, near, &status), 0);
                assert_int_equal(status.segments_retransmitted, 0);
                assert_true(status.bytes_sent == 1000000 && status.bytes_received == 1000000);
                nod_tcp_close(p.stack, near);
                settle(&p);
                assert_int_equal(state_of(&p, far), NOD_CLOSE_WAIT);
                nod_tcp_close(p.stack, far);
                settle(&p);
                assert_int_equal(state_of(&p, far), NOD_CLOSED);
                assert_int_equal(state_of(&p, near), NOD_TIME_WAIT);
                nod_tcp_release(p.stack, near);
                nod_tcp_release(p.stack, far);
                peer_events(&p, 0, NULL);
                peer_tick(&p, 300 * NOD_SEC);
                if (life) assert_int_equal(peer_in_use(&p), before);
                before = peer_in_use(&p);
            }
            peer_free(&p);
        }
    }
}

/* Nobody listens: refused at once. And one who opens to its own name opens with itself. */
static void alone(void **state)
{
    (void)state;
    struct peer p;
    int error;
    peer_make(&p, NULL, 4, false);
    nod_handle h = dial(&p, NULL, 0, &p.host, 81);
    assert_true(peer_events(&p, h, &error) & NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_EREFUSED);
    h = dial(&p, NULL, 7000, &p.host, 7000);
    assert_int_equal(state_of(&p, h), NOD_ESTABLISHED);
    carry(&p, h, h, 100000);
    nod_tcp_close(p.stack, h);
    settle(&p);
    assert_int_equal(state_of(&p, h), NOD_TIME_WAIT);
    peer_free(&p);
}

/* An ephemeral port is never the one that would connect it to itself. */
static void not_by_chance(void **state)
{
    (void)state;
    struct peer p;
    nod_config config;
    nod_config_default(&config);
    config.port_first = 2000;
    config.port_last = 2003;
    peer_make(&p, &config, 4, false);
    nod_status status;
    for (int i = 0; i < 3; i++) {
        nod_open open = {.remote = {p.host, 2001}};
        nod_handle h;
        assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
        assert_int_equal(nod_tcp_status(p.stack, h, &status), 0);
        assert_int_not_equal(status.local.port, 2001);
    }
    nod_open open = {.remote = {p.host, 2001}};
    nod_handle h;
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_ENOPORT);
    peer_free(&p);
}

/* More than the way back holds: it waits, and nothing is lost. */
static void more_than_fits(void **state)
{
    (void)state;
    static nod_handle h[2 * NOD_LOOPED];
    struct peer p;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 4 * NOD_LOOPED), far;
    nod_open open = {.remote = {p.host, 80}};
    for (int i = 0; i < 2 * NOD_LOOPED; i++)
        assert_int_equal(nod_tcp_open(p.stack, &open, &h[i]), 0);
    nod_frame frame;
    assert_int_equal(nod_stack_output(p.stack, &frame, 1, p.now), 0);
    assert_true(nod_stack_deadline(p.stack) <= p.now);
    settle(&p);
    for (int i = 0; i < 2 * NOD_LOOPED; i++) {
        assert_int_equal(state_of(&p, h[i]), NOD_ESTABLISHED);
        assert_int_equal(nod_tcp_accept(p.stack, listener, &far), 0);
    }
    for (enum nod_drop d = 1; d < NOD_DROP_COUNT; d++) assert_int_equal(peer_drops(&p, d), 0);
    for (int i = 0; i < 10; i++) nod_tcp_abort(p.stack, h[i]); /* on its way when all ends */
    nod_stack_output(p.stack, &frame, 1, p.now);
    peer_free(&p);
}

/* A packet from outside with our own source is none of ours, whatever interface it claims. */
static void nobody_else(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 0);
    struct segment g = {.sport = 9, .dport = 80, .ctl = NOD_SYN, .wnd = 9};
    uint8_t bytes[40];
    size_t len = peer_tcp_bytes(&p.host, &p.host, &g, bytes);
    peer_ip(&p, &p.host, &p.host, 6, bytes, len);
    assert_int_equal(peer_drops(&p, NOD_DROP_BAD_SOURCE), 1);
    p.iface = NOD_IFACE_LOOPBACK;
    peer_ip(&p, &p.host, &p.host, 6, bytes, len);
    assert_int_equal(peer_drops(&p, NOD_DROP_NOT_OURS), 1);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_oneself),    cmocka_unit_test(alone),
        cmocka_unit_test(not_by_chance), cmocka_unit_test(more_than_fits),
        cmocka_unit_test(nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
