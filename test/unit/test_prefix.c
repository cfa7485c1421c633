/* A stack that stands in for prefixes: whose packets it takes, and which listener gets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/peer.h"

static nod_addr addr(const char *text)
{
    nod_addr out;
    assert_int_equal(nod_addr_parse(text, &out), 0);
    return out;
}

static void stand_in(struct peer *p, const char *prefix, int bits, unsigned flags)
{
    nod_addr a = addr(prefix);
    assert_int_equal(nod_stack_add_prefix(p->stack, 0, &a, bits, flags), 0);
}

/* Is a ping to this address answered? */
static bool pings(struct peer *p, const char *to)
{
    uint8_t message[16] = {p->family == 6 ? 128 : 8};
    nod_addr host = p->host;
    p->host = addr(to);
    peer_icmp(p, message, sizeof(message));
    struct seen s;
    int n = peer_output(p, &s, 1);
    if (n) assert_true(nod_addr_equal(&s.src, &p->host)); /* from whom was asked */
    p->host = host;
    return n == 1;
}

static void pings_are_answered_if_asked_for(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    assert_false(pings(&p, "203.0.113.9"));
    assert_int_equal(peer_drops(&p, NOD_DROP_NOT_OURS), 1);
    stand_in(&p, "203.0.113.0", 24, 0);
    stand_in(&p, "198.51.100.0", 24, NOD_PREFIX_ECHO);
    assert_false(pings(&p, "203.0.113.9"));
    assert_true(pings(&p, "198.51.100.77"));
    assert_true(pings(&p, "10.0.0.1"));
    assert_false(pings(&p, "192.0.2.1"));
    assert_int_equal(peer_drops(&p, NOD_DROP_NOT_OURS), 2);
    peer_free(&p);
    peer_make(&p, NULL, 6, false);
    stand_in(&p, "::", 0, NOD_PREFIX_ECHO);
    assert_true(pings(&p, "2001:db8::5"));
    peer_free(&p);
}

/* Not those that no packet may go to, nor another interface's, nor another family's. */
static void what_is_not_ours(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    stand_in(&p, "0.0.0.0", 0, NOD_PREFIX_ECHO);
    assert_true(pings(&p, "8.8.8.8"));
    assert_false(pings(&p, "127.0.0.1"));
    assert_false(pings(&p, "0.0.0.0"));
    assert_false(pings(&p, "224.0.0.1"));
    assert_false(pings(&p, "255.255.255.255"));
    assert_false(pings(&p, "10.0.0.255"));
    peer_free(&p);
    peer_make(&p, NULL, 6, false);
    stand_in(&p, "0.0.0.0", 0, NOD_PREFIX_ECHO);
    assert_false(pings(&p, "2001:db8::5"));
    nod_iface_config iface = {.kind = NOD_IFACE_IP, .mtu = 1500};
    assert_int_equal(nod_stack_add_iface(p.stack, &iface), 1);
    nod_addr all = addr("::");
    assert_int_equal(nod_stack_add_prefix(p.stack, 1, &all, 0, NOD_PREFIX_ECHO), 0);
    assert_false(pings(&p, "2001:db8::5"));
    assert_int_equal(nod_stack_add_prefix(p.stack, 2, &all, 0, 0), NOD_EINVAL);
    assert_int_equal(nod_stack_add_prefix(p.stack, 1, &all, 129, 0), NOD_EINVAL);
    int n = 2;
    while (nod_stack_add_prefix(p.stack, 1, &all, 0, 0) == 0) n++;
    assert_int_equal(n, NOD_PREFIXES_MAX);
    peer_free(&p);
}

static int listen_at(struct peer *p, const char *at, uint8_t bits, uint16_t port, nod_handle *out)
{
    nod_open open = {.passive = true,
                     .local = {.addr = at ? addr(at) : (nod_addr){0}, .port = port},
                     .local_prefix = bits,
                     .any_port = port == 0};
    return nod_tcp_open(p->stack, &open, out);
}

/* Connects to an address and port; the connection is accepted from `want`, and its local end is
 * what was named. */
static void comes_to(struct peer *p, const char *to, uint16_t port, nod_handle want)
{
    static uint16_t far_port = 1000;
    struct conn c;
    nod_status status;
    nod_addr host = p->host;
    p->host = addr(to);
    peer_connect(p, want, port, ++far_port, &c);
    assert_int_equal(nod_tcp_status(p->stack, c.handle, &status), 0);
    assert_true(nod_addr_equal(&status.local.addr, &p->host));
    assert_int_equal(status.local.port, port);
    assert_int_equal(status.remote.port, far_port);
    nod_tcp_abort(p->stack, c.handle);
    nod_tcp_release(p->stack, c.handle);
    struct seen s;
    assert_int_equal(peer_output(p, &s, 1), 1); /* a RST, from that address too */
    assert_true(nod_addr_equal(&s.src, &p->host));
    p->host = host;
}

/* The port before any port, the longer prefix before the shorter, whichever listens first. */
static void the_most_exact_listener(void **state)
{
    (void)state;
    struct peer p;
    nod_handle every, eight, sixteen, exact, any, every24;
    for (int order = 0; order < 2; order++) {
        peer_make(&p, NULL, 4, false);
        stand_in(&p, "203.0.0.0", 8, 0);
        if (order) assert_int_equal(listen_at(&p, "203.0.5.6", 0, 80, &exact), 0);
        if (order) assert_int_equal(listen_at(&p, "203.0.3.3", 16, 80, &sixteen), 0);
        assert_int_equal(listen_at(&p, NULL, 0, 0, &every), 0);
        assert_int_equal(listen_at(&p, "203.0.5.0", 24, 0, &every24), 0);
        assert_int_equal(listen_at(&p, "203.0.0.0", 8, 80, &eight), 0);
        assert_int_equal(listen_at(&p, "203.7.0.0", 8, 80, &any), NOD_EEXIST);
        if (!order) assert_int_equal(listen_at(&p, "203.0.3.3", 16, 80, &sixteen), 0);
        if (!order) assert_int_equal(listen_at(&p, "203.0.5.6", 32, 80, &exact), 0);
        assert_int_equal(listen_at(&p, "203.0.5.6", order ? 32 : 0, 80, &any), NOD_EEXIST);
        assert_int_equal(listen_at(&p, "0.0.0.0", 0, 80, &any), 0);
        comes_to(&p, "203.0.5.6", 80, exact);
        comes_to(&p, "203.0.5.7", 80, sixteen);
        comes_to(&p, "203.1.5.6", 80, eight);
        comes_to(&p, "10.0.0.1", 80, any);
        comes_to(&p, "203.0.5.6", 81, every24);
        comes_to(&p, "203.0.6.6", 81, every);
        comes_to(&p, "10.0.0.1", 65535, every);
        peer_free(&p);
    }
}

static void nonsense(void **state)
{
    (void)state;
    struct peer p;
    nod_handle h;
    peer_make(&p, NULL, 4, false);
    assert_int_equal(listen_at(&p, "203.0.0.0", 33, 80, &h), NOD_EINVAL);
    assert_int_equal(listen_at(&p, NULL, 8, 80, &h), NOD_EINVAL);
    assert_int_equal(listen_at(&p, "203.0.0.0", 0, 80, &h), NOD_ENOTLOCAL);
    nod_open open = {.passive = true};
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_EINVAL);
    open.local.port = 80;
    open.any_port = true;
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_EINVAL);
    peer_free(&p);
}

/* A listener of a prefix takes no port from connections, and has a place in STATUS; as an active
 * end it uses an address of the stack's. */
static void beside_connections(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    nod_handle every, prefix;
    nod_status status;
    peer_make(&p, NULL, 4, false);
    stand_in(&p, "0.0.0.0", 0, 0);
    assert_int_equal(listen_at(&p, NULL, 0, 0, &every), 0);
    assert_int_equal(listen_at(&p, "203.0.113.0", 24, 80, &prefix), 0);
    assert_int_equal(nod_tcp_status(p.stack, prefix, &status), 0);
    assert_int_equal(status.local_prefix, 24);
    nod_endpoint at = {addr("203.0.113.9"), 80};
    assert_int_equal(nod_tcp_port_use(p.stack, &at), NOD_PORT_LISTENER);
    at.addr = addr("203.0.114.9");
    assert_int_equal(nod_tcp_port_use(p.stack, &at), 0);
    at.addr = addr("0.0.0.0");
    assert_int_equal(nod_tcp_port_use(p.stack, &at), NOD_PORT_LISTENER);
    /* From an address that is nobody's else, to us who are in the prefix as well. */
    nod_open open = {.local = {addr("203.0.113.9"), 0}, .remote = {p.far, 443}};
    nod_handle h;
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(nod_addr_equal(&s.src, &open.local.addr));
    /* An ICMP error about it comes to that address. */
    uint8_t message[8 + 28] = {3, 3};
    memcpy(message + 8, s.bytes + s.l3, 28);
    p.host = open.local.addr;
    peer_icmp(&p, message, sizeof(message));
    assert_int_equal(nod_tcp_status(p.stack, h, &status), 0);
    assert_int_equal(status.error, NOD_EREFUSED);
    assert_int_equal(nod_tcp_connect(p.stack, prefix, &open.remote), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    nod_addr own = addr("10.0.0.1");
    assert_true(nod_addr_equal(&s.src, &own));
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pings_are_answered_if_asked_for),
        cmocka_unit_test(what_is_not_ours),
        cmocka_unit_test(the_most_exact_listener),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(beside_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
