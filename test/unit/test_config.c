/* Configurations that make no sense are refused, and the rest is taken as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/peer.h"

static int made(const nod_config *config)
{
    int error = 99;
    nod_stack *stack = nod_stack_new(config, 0, &error);
    assert_int_equal(stack == NULL, error != 0);
    nod_stack_free(stack);
    return error;
}

/* One field each. TRY(field, value, error). */
#define TRY(field, value, want)                                        \
    do {                                                               \
        nod_config one;                                                \
        nod_config_default(&one);                                      \
        one.field = value;                                             \
        int error = made(&one);                                        \
        if (error != (want)) print_error("%s = %s\n", #field, #value); \
        assert_int_equal(error, want);                                 \
    } while (0)

static void stacks(void **state)
{
    (void)state;
    nod_config c;
    nod_config_default(&c);
    assert_int_equal(made(&c), 0);
    TRY(max_connections, 0, NOD_EINVAL);
    TRY(max_connections, 1, 0);
    TRY(max_connections, UINT32_MAX, NOD_EINVAL);
    TRY(port_first, 0, NOD_EINVAL);
    TRY(port_last, 1023, NOD_EINVAL);
    TRY(port_last, 1024, 0);
    TRY(trace_events, UINT32_MAX, NOD_EINVAL);
    TRY(memory_limit, 1000, NOD_ENOMEM);
    TRY(memory_limit, 0, 0);
    nod_stack_free(NULL);
}

static void connections(void **state)
{
    (void)state;
    TRY(tcp.send_buffer, 0, NOD_EINVAL);
    TRY(tcp.send_buffer, 1, 0);
    TRY(tcp.send_buffer, (1u << 30) + 1, NOD_EINVAL);
    TRY(tcp.receive_buffer, 0, NOD_EINVAL);
    TRY(tcp.receive_buffer, UINT32_MAX, NOD_EINVAL);
    TRY(tcp.send_buffer_max, 0, 0);
    TRY(tcp.send_buffer_max, 1u << 30, 0);
    TRY(tcp.send_buffer_max, (1u << 30) + 1, NOD_EINVAL);
    TRY(tcp.receive_buffer_max, 0, 0);
    TRY(tcp.receive_buffer_max, (1u << 30) + 1, NOD_EINVAL);
    TRY(tcp.rto_initial_us, 0, NOD_EINVAL);
    TRY(tcp.rto_min_us, 0, NOD_EINVAL);
    TRY(tcp.rto_min_us, 121 * NOD_SEC, NOD_EINVAL);
    TRY(tcp.rto_initial_us, 121 * NOD_SEC, NOD_EINVAL);
    TRY(tcp.rto_max_us, 0, NOD_EINVAL);
    TRY(tcp.rto_max_us, NOD_NEVER, NOD_EINVAL);
    TRY(tcp.ttl, 0, NOD_EINVAL); /* 1122/03: never sent */
    TRY(tcp.ttl, 255, 0);
    TRY(tcp.dscp, 63, 0);
    TRY(tcp.dscp, 64, NOD_EINVAL);
    TRY(tcp.delayed_ack_us, 499999, 0);
    TRY(tcp.delayed_ack_us, 500000, NOD_EINVAL); /* MUST-40 */
    TRY(tcp.mss_max, 1, NOD_EINVAL);
    TRY(tcp.mss_max, 64, 0);
    TRY(tcp.msl_us, NOD_NEVER, NOD_EINVAL);
    TRY(tcp.user_timeout_us, NOD_NEVER, 0);
    TRY(tcp.user_timeout_us, NOD_NEVER - 1, NOD_EINVAL); /* now and that would be in the past */
    TRY(tcp.syn_timeout_us, NOD_NEVER, 0);
    TRY(tcp.syn_timeout_us, NOD_NEVER - 1, NOD_EINVAL);
    TRY(tcp.fin_wait_2_us, NOD_NEVER, NOD_EINVAL);
    TRY(tcp.pacing, NOD_PACING_ON, 0);
    TRY(tcp.pacing, NOD_PACING_ON + 1, NOD_EINVAL);
    TRY(tcp.congestion[0], 0, NOD_EINVAL);
    TRY(tcp.congestion[0], 'R', NOD_EINVAL);
    nod_config c;
    nod_config_default(&c);
    memset(c.tcp.congestion, 'a', sizeof(c.tcp.congestion)); /* without an end */
    assert_int_equal(made(&c), NOD_EINVAL);
    const char *name;
    for (unsigned i = 0; (name = nod_congestion_name(i)); i++) {
        strcpy(c.tcp.congestion, name);
        assert_int_equal(made(&c), 0);
    }
    strcpy(c.tcp.congestion, "bbr2");
    assert_int_equal(made(&c), NOD_EINVAL);
}

/* Deadlines that are far, but not never, do not wrap into the past. */
static void far_deadlines(void **state)
{
    (void)state;
    struct peer p;
    struct conn conn;
    nod_config c;
    nod_config_default(&c);
    c.tcp.user_timeout_us = c.tcp.syn_timeout_us = c.tcp.fin_wait_2_us = (nod_usec)1 << 62;
    peer_make(&p, &c, 4, false);
    peer_be_called(&p, 80, &conn);
    assert_int_equal(nod_tcp_send(p.stack, conn.handle, "x", 1, 0), 1);
    peer_drain(&p);
    peer_tick(&p, 3600 * NOD_SEC);
    nod_status status;
    assert_int_equal(nod_tcp_status(p.stack, conn.handle, &status), 0);
    assert_int_equal(status.state, NOD_ESTABLISHED);
    nod_handle h;
    nod_open open = {.remote = {p.far, 81}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    peer_drain(&p);
    peer_tick(&p, 3600 * NOD_SEC);
    assert_int_equal(nod_tcp_status(p.stack, h, &status), 0);
    assert_int_equal(status.state, NOD_SYN_SENT);
    peer_free(&p);
}

static void at_open_and_later(void **state)
{
    (void)state;
    struct peer p;
    struct conn conn;
    nod_config c;
    nod_tcp_config got;
    peer_make(&p, NULL, 4, false);
    nod_config_default(&c);
    nod_open open = {.remote = {p.far, 80}, .config = &c.tcp};
    nod_handle h;
    c.tcp.ttl = 0;
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_EINVAL);
    open.passive = true;
    open.local.port = 80;
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_EINVAL);
    c.tcp.ttl = 9;
    peer_be_called(&p, 90, &conn);
    assert_int_equal(nod_tcp_set_config(p.stack, conn.handle, &c.tcp), 0);
    assert_int_equal(nod_tcp_get_config(p.stack, conn.handle, &got), 0);
    assert_int_equal(got.ttl, 9);
    c.tcp.dscp = 64;
    assert_int_equal(nod_tcp_set_config(p.stack, conn.handle, &c.tcp), NOD_EINVAL);
    struct seen s;
    assert_int_equal(nod_tcp_send(p.stack, conn.handle, "x", 1, 0), 1);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.ttl, 9);
    /* The other connections keep theirs. */
    peer_be_called(&p, 91, &conn);
    assert_int_equal(nod_tcp_get_config(p.stack, conn.handle, &got), 0);
    assert_int_equal(got.ttl, 64);
    peer_free(&p);
}

/* Equal ones are one: a server that says the same on each connection pays for it once. */
static void equal_ones_are_shared(void **state)
{
    (void)state;
    struct peer p;
    struct conn c[100];
    nod_tcp_config config;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 0);
    for (uint16_t i = 0; i < 100; i++) peer_connect(&p, listener, 80, (uint16_t)(1000 + i), &c[i]);
    size_t before = peer_in_use(&p);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(nod_tcp_get_config(p.stack, c[i].handle, &config), 0);
        config.nagle = false;
        assert_int_equal(nod_tcp_set_config(p.stack, c[i].handle, &config), 0);
    }
    assert_in_range(peer_in_use(&p) - before, 1, sizeof(config) + 32);
    config.ttl = 7; /* one that changes its mind changes nobody else's */
    assert_int_equal(nod_tcp_set_config(p.stack, c[0].handle, &config), 0);
    assert_int_equal(nod_tcp_get_config(p.stack, c[1].handle, &config), 0);
    assert_true(!config.nagle && config.ttl == 64);
    for (int i = 0; i < 100; i++) {
        nod_tcp_abort(p.stack, c[i].handle);
        nod_tcp_release(p.stack, c[i].handle);
    }
    peer_drain(&p);
    peer_connect(&p, listener, 80, 3000, &c[0]); /* what is remembered is none that is gone */
    config.ttl = 7;
    assert_int_equal(nod_tcp_set_config(p.stack, c[0].handle, &config), 0);
    for (uint16_t i = 1; i < 5; i++) {
        peer_connect(&p, listener, 80, (uint16_t)(3000 + i), &c[i]);
        config.ttl = (uint8_t)(10 + i);
        assert_int_equal(nod_tcp_set_config(p.stack, c[i].handle, &config), 0);
    }
    assert_int_equal(nod_tcp_get_config(p.stack, c[0].handle, &config), 0);
    assert_int_equal(config.ttl, 7);
    peer_free(&p);
}

static void interfaces(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    nod_iface_config c = {.kind = NOD_IFACE_IP, .mtu = 1500};
    c.mtu = 67;
    assert_int_equal(nod_stack_add_iface(p.stack, &c), NOD_EINVAL);
    c.mtu = 1500;
    c.gso_max = 1499;
    assert_int_equal(nod_stack_add_iface(p.stack, &c), NOD_EINVAL);
    c.gso_max = 65535;
    c.kind = (enum nod_iface_kind)7;
    assert_int_equal(nod_stack_add_iface(p.stack, &c), NOD_EINVAL);
    c.kind = NOD_IFACE_ETHERNET;
    c.mac[0] = 1; /* a group is nobody's address */
    assert_int_equal(nod_stack_add_iface(p.stack, &c), NOD_EINVAL);
    c.mac[0] = 2;
    for (int i = 1; i < NOD_IFACES_MAX; i++) assert_int_equal(nod_stack_add_iface(p.stack, &c), i);
    assert_int_equal(nod_stack_add_iface(p.stack, &c), NOD_ENOMEM);
    peer_free(&p);
}

static void addresses_and_routes(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    static const struct {
        const char *addr;
        int bits, want;
    } rows[] = {
        {"10.1.0.1", 24, 0},
        {"10.1.0.1", 33, NOD_EINVAL},
        {"10.1.0.1", -1, NOD_EINVAL},
        {"224.0.0.1", 24, NOD_EINVAL},
        {"0.0.0.0", 24, NOD_EINVAL},
        {"255.255.255.255", 32, NOD_EINVAL},
        {"fd01::1", 64, 0},
        {"fd01::1", 129, NOD_EINVAL},
        {"ff02::1", 64, NOD_EINVAL},
        {"::", 64, NOD_EINVAL},
        {"::ffff:10.0.0.9", 120, NOD_EINVAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        nod_addr addr;
        assert_int_equal(nod_addr_parse(rows[i].addr, &addr), 0);
        assert_int_equal(nod_stack_add_addr(p.stack, 0, &addr, rows[i].bits), rows[i].want);
    }
    nod_addr addr = nod_addr_ip4(10, 2, 0, 1), none = {0}, six = nod_addr_from(6, (uint8_t[16]){1});
    assert_int_equal(nod_stack_add_addr(p.stack, 1, &addr, 24), NOD_EINVAL);
    assert_int_equal(nod_stack_add_addr(p.stack, -1, &addr, 24), NOD_EINVAL);
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &none, 0), NOD_EINVAL);
    assert_int_equal(nod_stack_add_route(p.stack, 0, &addr, 33, NULL), NOD_EINVAL);
    assert_int_equal(nod_stack_add_route(p.stack, 5, &addr, 24, NULL), NOD_EINVAL);
    assert_int_equal(nod_stack_add_route(p.stack, 0, &addr, 24, &six), NOD_EINVAL);
    int n = 0, error;
    while ((error = nod_stack_add_route(p.stack, 0, &addr, 24, NULL)) == 0) n++;
    assert_true(error == NOD_ENOMEM && n <= NOD_ROUTES_MAX && n > NOD_ROUTES_MAX - 4);
    for (n = 0; (error = nod_stack_add_addr(p.stack, 0, &addr, 24)) == 0; n++) addr.bytes[3]++;
    assert_true(error == NOD_ENOMEM && n <= NOD_ADDRS_MAX);
    peer_free(&p);
}

/* A connection too many is refused, and the stack goes on. */
static void too_many_connections(void **state)
{
    (void)state;
    struct peer p;
    nod_config c;
    nod_config_default(&c);
    c.max_connections = 10;
    peer_make(&p, &c, 4, false);
    nod_open open = {.remote = {p.far, 80}};
    nod_handle h, last = 0;
    for (int i = 0; i < 10; i++) assert_int_equal(nod_tcp_open(p.stack, &open, &last), 0);
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_ENOMEM);
    peer_listen(&p, 80, 0);
    peer_drain(&p);
    peer_tcp(&p, &(struct segment){.sport = 1, .dport = 80, .ctl = NOD_SYN});
    assert_int_equal(peer_drain(&p), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_BACKLOG), 1);
    assert_int_equal(nod_tcp_abort(p.stack, last), 0);
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    peer_free(&p);
}

/* A trace that nobody pulls loses events and counts them; the stack does not care. */
static void small_trace(void **state)
{
    (void)state;
    struct peer p;
    struct conn conn;
    nod_config c;
    nod_config_default(&c);
    c.trace_events = 3;
    peer_make(&p, &c, 4, false);
    peer_be_called(&p, 80, &conn);
    nod_trace events[10];
    nod_stack_stats stats;
    nod_stack_get_stats(p.stack, &stats);
    assert_true(stats.trace_lost > 0);
    assert_int_equal(nod_stack_trace(p.stack, events, 10), 3);
    assert_int_equal(events[0].type, NOD_TRACE_STATE);
    assert_int_equal(nod_stack_trace(p.stack, events, 10), 0);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacks),
        cmocka_unit_test(connections),
        cmocka_unit_test(far_deadlines),
        cmocka_unit_test(at_open_and_later),
        cmocka_unit_test(equal_ones_are_shared),
        cmocka_unit_test(interfaces),
        cmocka_unit_test(addresses_and_routes),
        cmocka_unit_test(too_many_connections),
        cmocka_unit_test(small_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
