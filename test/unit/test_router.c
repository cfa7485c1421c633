/* Routers and what they advertise (RFC 4861 section 6.3), and gateways that die (RFC 1122 3.3.1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack/stack.h"
#include "unit/ether.h"

static const nod_iface_config plain = {0};
static const uint8_t router_mac[2][6] = {{2, 0, 0, 0, 1, 1}, {2, 0, 0, 0, 1, 2}};

static nod_addr far_away(uint8_t last)
{
    return nod_addr_from(6, (uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = last});
}

struct advert {
    uint16_t lifetime;
    uint32_t reachable_ms, retrans_ms;
    bool prefix;
    uint8_t prefix_flags, prefix_bits;
    uint32_t prefix_lifetime;
    nod_addr prefix_addr;
    uint32_t mtu;
};

static void put32(uint8_t *p, uint32_t x)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(x >> (24 - 8 * i));
}

/* From fe80::101 or fe80::102, to all nodes. */
static void advertise(struct peer *p, int router, const struct advert *a)
{
    uint8_t m[128] = {134, 0, 0, 0, 64, 0, (uint8_t)(a->lifetime >> 8), (uint8_t)a->lifetime};
    size_t len = 24;
    put32(m + 8, a->reachable_ms);
    put32(m + 12, a->retrans_ms);
    m[16] = 1, m[17] = 1;
    memcpy(m + 18, router_mac[router], 6);
    if (a->mtu) {
        m[len] = 5, m[len + 1] = 1;
        put32(m + len + 4, a->mtu);
        len += 8;
    }
    if (a->prefix) {
        m[len] = 3, m[len + 1] = 4, m[len + 2] = a->prefix_bits, m[len + 3] = a->prefix_flags;
        put32(m + len + 4, a->prefix_lifetime);
        put32(m + len + 8, a->prefix_lifetime);
        memcpy(m + len + 16, a->prefix_addr.bytes, 16);
        len += 32;
    }
    nod_addr from = ether_link_local((uint8_t)(1 + router));
    from.bytes[14] = 1;
    nod_addr all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
    ether_icmp6(p, router_mac[router], &from, &all, 255, m, len);
}

/* Where a new connection's SYN goes: to router 0 or 1; 2: its destination is asked for itself;
 * -1: nowhere. */
static int way_to(struct peer *p, const nod_addr *to, uint16_t port)
{
    nod_open open = {.remote = {*to, port}};
    nod_handle h;
    struct seen s[8];
    int way = -1, error = nod_tcp_open(p->stack, &open, &h);
    if (error) {
        assert_int_equal(error, NOD_EUNREACH);
        return -1;
    }
    int n = peer_output(p, s, 8);
    for (int i = 0; i < n; i++) {
        if (s[i].protocol == 6 && s[i].dport == port)
            way = memcmp(s[i].bytes, router_mac[1], 6) == 0;
        else if (ether_is_question(p, &s[i], to, NULL))
            way = 2;
    }
    nod_tcp_abort(p->stack, h);
    nod_tcp_release(p->stack, h);
    return way;
}

static void quiet(struct peer *p)
{
    ether_wait(p, 10 * NOD_SEC, NULL, NULL, 0);
}

/* 4861/08: "on-link" makes a destination a neighbour, and only it does; its absence says
 * nothing. */
static void on_link_prefixes(void **state)
{
    (void)state;
    struct peer p;
    nod_addr to = far_away(7);
    struct advert a = {.lifetime = 1800,
                       .prefix = true,
                       .prefix_flags = 0x40,
                       .prefix_bits = 64,
                       .prefix_lifetime = 600,
                       .prefix_addr = far_away(0)};
    ether_make(&p, 6, &plain);
    quiet(&p);
    assert_int_equal(way_to(&p, &to, 1), -1);
    advertise(&p, 0, &a); /* L = 0: to the router */
    assert_int_equal(way_to(&p, &to, 2), 0);
    a.prefix_flags = 0x80; /* L = 1: directly */
    advertise(&p, 0, &a);
    assert_int_equal(way_to(&p, &to, 3), 2);
    a.prefix_flags = 0x40; /* L = 0 takes nothing back */
    a.prefix_lifetime = 0;
    advertise(&p, 0, &a);
    a.prefix_lifetime = 10;
    advertise(&p, 0, &a);
    ether_wait(&p, 11 * NOD_SEC, NULL, NULL, 0);
    assert_int_equal(way_to(&p, &to, 4), 2);
    a.prefix_flags = 0x80; /* L = 1 without a lifetime does */
    a.prefix_lifetime = 0;
    advertise(&p, 0, &a);
    assert_int_equal(way_to(&p, &to, 5), 0);
    ether_wait(&p, 11 * NOD_SEC, NULL, NULL, 0);
    a.prefix_lifetime = 10; /* and so does its end */
    advertise(&p, 0, &a);
    assert_int_equal(way_to(&p, &to, 6), 2);
    ether_wait(&p, 11 * NOD_SEC, NULL, NULL, 0);
    assert_int_equal(way_to(&p, &to, 7), 0);
    a.prefix_bits = 129; /* no prefix at all */
    advertise(&p, 0, &a);
    a.prefix_bits = 10; /* the link-local prefix is on the link anyhow, or never */
    a.prefix_addr = ether_link_local(0);
    advertise(&p, 0, &a);
    a.prefix_bits = 96; /* IPv4's addresses, as they look within IPv6 */
    a.prefix_addr = nod_addr_from(6, (uint8_t[16]){[10] = 0xff, 0xff});
    advertise(&p, 0, &a);
    assert_int_equal(p.stack->net.on_link[0].expires, 0);
    peer_free(&p);
}

/* Up to three questions, 4 s apart, after up to 1 s; none after an answer, one at least. */
static void solicitations(void **state)
{
    (void)state;
    enum { NEVER, LATE, AT_ONCE, SWITCHED_OFF };
    for (int answered = NEVER; answered <= SWITCHED_OFF; answered++) {
        struct peer p;
        struct seen s[32];
        nod_usec when[32], asked[8];
        int n = 0;
        ether_make(&p, 6, &(nod_iface_config){.ignore_routers = answered == SWITCHED_OFF});
        nod_usec start = p.now;
        for (int step = 0; step < 40; step++) {
            int more = ether_wait(&p, 500 * NOD_MSEC, s, when, 32);
            for (int i = 0; i < more; i++) {
                const uint8_t *m = ether_message(&s[i]);
                if (!m || m[0] != 133) continue;
                assert_true(m[1] == 0 && s[i].ttl == 255 && s[i].dst.bytes[15] == 2);
                assert_memory_equal(m + 8, ((uint8_t[]){1, 1, 2, 0, 0, 0, 0, 1}), 8);
                assert_in_range(n, 0, 7);
                asked[n++] = when[i];
            }
            if (answered == AT_ONCE || (answered == LATE && n == 2))
                advertise(&p, 0, &(struct advert){.lifetime = 9});
            if (answered == NEVER) advertise(&p, 0, &(struct advert){.lifetime = 0});
        }
        static const int want[] = {3, 2, 1, 0};
        assert_int_equal(n, want[answered]);
        if (n) assert_true(asked[0] - start <= NOD_SEC);
        for (int i = 1; i < n; i++) assert_true(asked[i] - asked[i - 1] == 4 * NOD_SEC);
        nod_addr to = far_away(7);
        if (answered == SWITCHED_OFF) advertise(&p, 0, &(struct advert){.lifetime = 9});
        if (answered == SWITCHED_OFF) assert_int_equal(way_to(&p, &to, 1), -1);
        peer_free(&p);
    }
}

/* 6.3.4, 6.3.5: a router stands as long as it says; one that stops being one is none (7.2.5). */
static void lifetimes(void **state)
{
    (void)state;
    struct peer p;
    nod_addr to = far_away(7);
    ether_make(&p, 6, &plain);
    quiet(&p);
    advertise(&p, 0, &(struct advert){.lifetime = 10});
    assert_int_equal(way_to(&p, &to, 1), 0);
    peer_tick(&p, 9 * NOD_SEC);
    assert_int_equal(way_to(&p, &to, 2), 0);
    peer_tick(&p, NOD_SEC);
    assert_int_equal(way_to(&p, &to, 3), -1);
    advertise(&p, 0, &(struct advert){.lifetime = 10});
    advertise(&p, 1, &(struct advert){.lifetime = 10});
    assert_int_equal(way_to(&p, &to, 4), 0);
    advertise(&p, 0, &(struct advert){.lifetime = 0});
    assert_int_equal(way_to(&p, &to, 5), 1);
    nod_addr second = ether_link_local(2);
    second.bytes[14] = 1;
    ether_advertise(&p, &second, NULL, 0xc0, router_mac[1]);
    assert_int_equal(way_to(&p, &to, 6), 1);
    ether_advertise(&p, &second, NULL, 0x40, router_mac[1]); /* no router any more */
    assert_int_equal(way_to(&p, &to, 7), -1);
    peer_free(&p);
}

/* Reachable time and retransmission timer are the router's, within reason. */
static void times(void **state)
{
    (void)state;
    struct peer p;
    ether_make(&p, 6, &plain);
    quiet(&p);
    const struct nod_link_state *link = &p.stack->net.iface[0].link;
    advertise(&p, 0, &(struct advert){.reachable_ms = 4000, .retrans_ms = 250, .lifetime = 100});
    assert_true(link->reachable_base_us == 4 * NOD_SEC && link->retrans_us == 250 * NOD_MSEC);
    advertise(&p, 0, &(struct advert){.lifetime = 100}); /* unspecified: as before */
    assert_true(link->reachable_base_us == 4 * NOD_SEC && link->retrans_us == 250 * NOD_MSEC);
    nod_addr who = ether_stranger(6);
    ether_open(&p, &who, 80);
    struct seen s[8];
    nod_usec when[8];
    int n = ether_wait(&p, 600 * NOD_MSEC, s, when, 8);
    assert_int_equal(n, 3);
    assert_true(when[1] - when[0] == 250 * NOD_MSEC && when[2] - when[1] == 250 * NOD_MSEC);
    ether_advertise(&p, &who, NULL, 0x60, ether_stranger_mac);
    assert_in_range(link->reachable_us, 2 * NOD_SEC, 6 * NOD_SEC);
    advertise(&p, 0, &(struct advert){.reachable_ms = UINT32_MAX, .retrans_ms = 1});
    assert_true(link->reachable_base_us == 3600 * NOD_SEC && link->retrans_us == 100 * NOD_MSEC);
    advertise(&p, 0, &(struct advert){.retrans_ms = UINT32_MAX});
    assert_true(link->retrans_us == 60 * NOD_SEC);
    peer_free(&p);
}

/* 6.3.4: the link's MTU for IPv6, if it is one that IPv6 and the link can have. */
static void mtu(void **state)
{
    (void)state;
    static const struct {
        uint32_t said;
        uint16_t mss;
    } rows[] = {{1279, 1440}, {1501, 1440}, {0x10500, 1440}, {1280, 1220}, {1400, 1340}, {0, 1340}};
    struct peer p;
    ether_make(&p, 6, &plain);
    quiet(&p);
    for (uint16_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        advertise(&p, 0, &(struct advert){.lifetime = 1000, .mtu = rows[i].said});
        nod_addr to = far_away(7);
        ether_open(&p, &to, (uint16_t)(80 + i));
        struct seen s;
        assert_int_equal(peer_output(&p, &s, 1), 1);
        const uint8_t *mss = peer_option(&s, 2);
        assert_int_equal(mss[0] << 8 | mss[1], rows[i].mss);
    }
    nod_addr own = nod_addr_ip4(10, 0, 0, 1), to = nod_addr_ip4(10, 0, 0, 2);
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &own, 24), 0);
    ether_open(&p, &to, 80);
    peer_drain(&p);
    p.host = own;
    ether_arp(&p, 2, ether_other_mac, to.bytes, own.bytes);
    struct seen s;
    assert_int_equal(peer_output(&p, &s, 1), 1);
    const uint8_t *mss = peer_option(&s, 2);
    assert_int_equal(mss[0] << 8 | mss[1], 1460); /* IPv4 has nothing to do with it */
    peer_free(&p);
}

/* The first connection to an unreachable destination has its SYN sent up to four times. */
static void let_r1_pass(struct peer *p, int first, int then)
{
    struct seen s[16];
    int at_first = 0, at_then = 0;
    for (int i = 0; i < 2000 && !at_then; i++) {
        int n = ether_wait(p, 10 * NOD_MSEC, s, NULL, 16);
        for (int k = 0; k < n; k++) {
            if (s[k].protocol != 6) continue;
            at_first += memcmp(s[k].bytes, router_mac[first], 6) == 0;
            at_then += memcmp(s[k].bytes, router_mac[then], 6) == 0;
        }
    }
    assert_in_range(at_first, 3, 5);
    assert_int_equal(at_then, 1);
}

/* 1122/08: the first of two gateways dies in the middle of a connection. R1 casts doubt on it, it
 * is asked, and when it does not answer everything goes to the second. */
static void dead_gateway(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    ether_make(&p, family, &plain);
    nod_addr gateway[2], any = {.family = (uint8_t)family};
    nod_addr to = family == 6 ? far_away(7) : nod_addr_ip4(192, 0, 2, 7);
    for (int i = 0; i < 2; i++) {
        gateway[i] = p.far;
        gateway[i].bytes[family == 6 ? 15 : 3] = (uint8_t)(10 + i);
        assert_int_equal(nod_stack_add_route(p.stack, 0, &any, 0, &gateway[i]), 0);
    }
    quiet(&p);
    ether_open(&p, &to, 80);
    struct seen s;
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(ether_is_question(&p, &s, &gateway[0], NULL)); /* in the order given */
    for (int i = 0; i < 2; i++) { /* both are there, and the second is first to say so */
        if (family == 4)
            ether_arp(&p, 2, router_mac[1 - i], gateway[1 - i].bytes, p.host.bytes);
        else
            ether_solicit(&p, router_mac[1 - i], &gateway[1 - i], &p.host, &p.host,
                          router_mac[1 - i]);
    }
    if (family == 6) ether_advertise(&p, &gateway[0], NULL, 0xc0, router_mac[0]);
    let_r1_pass(&p, 0, 1); /* the answers are lost, the SYN is sent again and again */
    assert_null(ether_entry(&p, &gateway[0]));
    assert_int_equal(way_to(&p, &to, 81), 1); /* others follow */
    /* It is heard again: it may serve again. */
    if (family == 4)
        ether_arp(&p, 1, router_mac[0], gateway[0].bytes, p.host.bytes);
    else
        ether_solicit(&p, router_mac[0], &gateway[0], &p.host, &p.host, router_mac[0]);
    assert_in_range(way_to(&p, &to, 82), 0, 1);
    peer_free(&p);
}

/* 6.3.6: of routers that nobody answers for, each has its turn. */
static void round_robin(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[64];
    ether_make(&p, 4, &plain);
    quiet(&p);
    nod_addr any = {.family = 4}, to = nod_addr_ip4(192, 0, 2, 7);
    for (uint8_t i = 0; i < 3; i++) {
        nod_addr gateway = nod_addr_ip4(10, 0, 0, (uint8_t)(10 + i));
        assert_int_equal(nod_stack_add_route(p.stack, 0, &any, 0, &gateway), 0);
    }
    ether_open(&p, &to, 80);
    int order[64], turns = 0;
    int n = ether_wait(&p, 40 * NOD_SEC, s, NULL, 64);
    for (int i = 0; i < n; i++) {
        if (s[i].ethertype != 0x0806) continue;
        int gateway = s[i].bytes[41] - 10;
        if (!turns || order[turns - 1] != gateway) order[turns++] = gateway;
    }
    assert_in_range(turns, 4, 64);
    for (int i = 0; i < turns; i++) assert_int_equal(order[i], i % 3);
    peer_free(&p);
}

/* What was given by hand comes before what is advertised, until it fails. */
static void by_hand_first(void **state)
{
    (void)state;
    struct peer p;
    ether_make(&p, 6, &plain);
    nod_addr gateway = p.far, any = {.family = 6}, to = far_away(7);
    assert_int_equal(nod_stack_add_route(p.stack, 0, &any, 0, &gateway), 0);
    quiet(&p);
    advertise(&p, 1, &(struct advert){.lifetime = 1000});
    ether_open(&p, &to, 80);
    struct seen s[8];
    assert_int_equal(peer_output(&p, s, 8), 1);
    assert_true(ether_is_question(&p, &s[0], &gateway, NULL));
    ether_wait(&p, 3 * NOD_SEC, s, NULL, 8); /* nobody answers */
    assert_int_equal(way_to(&p, &to, 81), 1);
    peer_free(&p);
}

/* An address that is good on this link only is none to talk to the world with; and a gateway that
 * is no neighbour, over a TUN, is as good as any. */
static void other_ways(void **state)
{
    (void)state;
    struct peer p;
    nod_addr to = far_away(7), any = {.family = 6}, own = far_away(1);
    peer_make_bare(&p, NULL, 6, &(nod_iface_config){.kind = NOD_IFACE_ETHERNET, .mtu = 1500});
    quiet(&p);
    advertise(&p, 0, &(struct advert){.lifetime = 1000});
    assert_int_equal(way_to(&p, &to, 1), -1);
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &p.host, 64), 0);
    assert_int_equal(way_to(&p, &to, 2), 0);
    const nod_iface_config tun = {.kind = NOD_IFACE_IP, .mtu = 1500};
    assert_int_equal(nod_stack_add_iface(p.stack, &tun), 1);
    own.bytes[0] = 0x30;
    assert_int_equal(nod_stack_add_addr(p.stack, 1, &own, 64), 0);
    nod_addr gateway = own;
    gateway.bytes[15] = 99;
    assert_int_equal(nod_stack_add_route(p.stack, 1, &any, 0, &gateway), 0);
    gateway = p.far;
    assert_int_equal(nod_stack_add_route(p.stack, 0, &any, 0, &gateway), 0);
    ether_advertise(&p, &gateway, NULL, 0x60, ether_stranger_mac);
    struct nod_hop hop;
    uint8_t ip[16];
    nod_ip_from_addr(ip, &to);
    assert_true(nod_net_next_hop(&p.stack->net, ip, -1, &hop));
    assert_true(hop.iface == 1 && hop.gateway);
    ether_solicit(&p, ether_stranger_mac, &gateway, &p.host, &p.host, ether_stranger_mac);
    assert_true(nod_net_next_hop(&p.stack->net, ip, -1, &hop));
    assert_int_equal(hop.iface, 1); /* the first, though the other is known to be there */
    peer_free(&p);
}

/* RFC 4861 section 8: the router in use names another, or says that a destination is a neighbour.
 */
static void redirects(void **state)
{
    (void)state;
    enum {
        GOOD,
        ITSELF,
        NOT_IN_USE,
        NO_ROUTER,
        FAR_TARGET,
        HOPS,
        CODE,
        SHORT,
        OPTION,
        TO_GROUP,
        ROWS
    };
    for (int how = 0; how < ROWS; how++) {
        struct peer p;
        ether_make(&p, 6, &plain);
        quiet(&p);
        advertise(&p, 0, &(struct advert){.lifetime = 1000});
        nod_addr to = far_away(7), router[2], from, dst = to;
        for (int i = 0; i < 2; i++) router[i] = ether_link_local((uint8_t)(1 + i));
        router[0].bytes[14] = router[1].bytes[14] = 1;
        assert_int_equal(way_to(&p, &to, 1), 0);
        uint8_t m[48] = {137, [40] = 2, [41] = 1};
        from = router[how == NOT_IN_USE];
        if (how == NO_ROUTER) from = p.far;
        if (how == TO_GROUP) dst = ether_solicited_node(&to);
        nod_addr target = how == ITSELF ? to : how == FAR_TARGET ? far_away(8) : router[1];
        memcpy(m + 8, target.bytes, 16);
        memcpy(m + 24, dst.bytes, 16);
        memcpy(m + 42, router_mac[1], 6);
        m[1] = how == CODE;
        if (how == OPTION) m[41] = 0;
        ether_icmp6(&p, router_mac[0], &from, &p.host, how == HOPS ? 254 : 255, m,
                    how == SHORT ? 39 : 48);
        bool taken = how == GOOD || how == ITSELF;
        assert_int_equal(way_to(&p, &to, 2), taken);
        nod_addr other = far_away(9); /* this destination alone */
        assert_int_equal(way_to(&p, &other, 3), 0);
        peer_free(&p);
    }
}

/* A flood of advertisements makes nothing grow, and displaces nobody. */
static void flood(void **state)
{
    (void)state;
    struct peer p;
    ether_make(&p, 6, &plain);
    quiet(&p);
    advertise(&p, 0, &(struct advert){.lifetime = 1800});
    size_t before = peer_in_use(&p);
    for (int i = 0; i < 2000; i++) {
        uint8_t m[48] = {134, [6] = 1, [16] = 3, [17] = 4, 64, 0x80, [23] = 100};
        m[32] = 0x20, m[38] = (uint8_t)(i >> 8), m[39] = (uint8_t)i;
        nod_addr from = ether_link_local((uint8_t)i), all = from;
        from.bytes[13] = (uint8_t)(1 + (i >> 8));
        all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
        ether_icmp6(&p, ether_other_mac, &from, &all, 255, m, sizeof(m));
    }
    assert_int_equal(peer_in_use(&p), before);
    nod_addr to = far_away(7);
    assert_int_equal(way_to(&p, &to, 1), 0);
    peer_free(&p);
}

int main(void)
{
    static int four = 4, six = 6;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_link_prefixes),
        cmocka_unit_test(solicitations),
        cmocka_unit_test(lifetimes),
        cmocka_unit_test(times),
        cmocka_unit_test(mtu),
        cmocka_unit_test_prestate(dead_gateway, &four),
        cmocka_unit_test_prestate(dead_gateway, &six),
        cmocka_unit_test(round_robin),
        cmocka_unit_test(by_hand_first),
        cmocka_unit_test(other_ways),
        cmocka_unit_test(redirects),
        cmocka_unit_test(flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
