/* Which of several addresses a connection is from (RFC 9293 section 3.9.1.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/peer.h"

/* 10.0.0.1/24, 10.0.0.9/24 and 10.1.0.1/16 on the one interface; 192.0.2.1/24 on another. */
static const nod_addr first = {4, {10, 0, 0, 1}}, second = {4, {10, 0, 0, 9}},
                      third = {4, {10, 1, 0, 1}}, far_away = {4, {192, 0, 2, 1}};

static void make(struct peer *p)
{
    nod_iface_config other = {.kind = NOD_IFACE_IP, .mtu = 1500};
    peer_make(p, NULL, 4, false);
    int iface = nod_stack_add_iface(p->stack, &other);
    assert_int_equal(nod_stack_add_addr(p->stack, p->iface, &second, 24), 0);
    assert_int_equal(nod_stack_add_addr(p->stack, p->iface, &third, 16), 0);
    assert_int_equal(nod_stack_add_addr(p->stack, iface, &far_away, 24), 0);
}

static void opens_from(struct peer *p, const nod_addr *local, nod_addr to, const nod_addr *want)
{
    nod_open open = {.remote = {to, 80}};
    nod_handle h;
    struct seen s;
    if (local) open.local.addr = *local;
    assert_int_equal(nod_tcp_open(p->stack, &open, &h), 0);
    assert_int_equal(peer_output(p, &s, 1), 1);
    assert_true(nod_addr_equal(&s.src, want));
    assert_int_equal(nod_tcp_abort(p->stack, h), 0);
    assert_int_equal(nod_tcp_release(p->stack, h), 0);
}

/* MUST-43: OPEN takes a local address, be it active or passive. */
static void asked_for(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    nod_handle h;
    make(&p);
    opens_from(&p, &second, p.far, &second);
    opens_from(&p, &third, p.far, &third);
    nod_open open = {.passive = true, .local = {second, 80}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    struct segment syn = {.sport = 9, .dport = 80, .ctl = NOD_SYN, .wnd = 100};
    peer_tcp(&p, &syn); /* to the first: a RST */
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.ctl, NOD_RST | NOD_ACK);
    uint8_t bytes[60];
    size_t len = peer_tcp_bytes(&p.far, &second, &syn, bytes);
    peer_ip(&p, &p.far, &second, 6, bytes, len);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(s.ctl == (NOD_SYN | NOD_ACK) && nod_addr_equal(&s.src, &second));
    peer_free(&p);
}

/* MUST-44: who does not ask for one gets the one that is nearest to the peer, of the interface
 * that the route leads to. */
static void chosen(void **state)
{
    (void)state;
    struct peer p;
    make(&p);
    opens_from(&p, NULL, nod_addr_ip4(10, 0, 0, 3), &first);
    opens_from(&p, NULL, nod_addr_ip4(10, 0, 0, 11), &second);
    opens_from(&p, NULL, nod_addr_ip4(10, 1, 200, 1), &third);
    opens_from(&p, NULL, nod_addr_ip4(192, 0, 2, 77), &far_away);
    peer_free(&p);
}

/* MUST-45: it stays so, whatever would be chosen now. */
static void kept(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    nod_addr nearer = nod_addr_ip4(10, 0, 0, 3), prefix = p.far = nod_addr_ip4(10, 0, 0, 2);
    make(&p);
    peer_be_called(&p, 80, &c);
    assert_int_equal(nod_stack_add_addr(p.stack, p.iface, &nearer, 24), 0);
    opens_from(&p, NULL, p.far, &nearer);
    assert_int_equal(nod_stack_add_route(p.stack, 1, &prefix, 32, NULL), 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "text", 4, 0), 4);
    for (int i = 0; i < 3; i++) { /* sent, and sent again */
        assert_int_equal(peer_output(&p, &s, 1), 1);
        assert_true(s.text_len == 4 && nod_addr_equal(&s.src, &first));
        peer_tick(&p, 2 * NOD_SEC);
    }
    assert_int_equal(nod_tcp_abort(p.stack, c.handle), 0);
    peer_drain(&p);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_for),
        cmocka_unit_test(chosen),
        cmocka_unit_test(kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
