/* ARP (RFC 826) and neighbour discovery (RFC 4861), seen from the Ethernet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack/stack.h"
#include "unit/peer.h"

static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
static const uint8_t strange_mac[6] = {2, 0, 0, 0, 0, 9}, other_mac[6] = {2, 0, 0, 0, 0, 8};

static nod_addr stranger(int family)
{
    uint8_t six[16] = {0xfd, [13] = 0x12, [14] = 0x34, [15] = 9};
    return family == 6 ? nod_addr_from(6, six) : nod_addr_ip4(10, 0, 0, 9);
}

static void arp_in(struct peer *p, uint16_t op, const uint8_t sender_mac[6],
                   const uint8_t sender_ip[4], const uint8_t target_ip[4])
{
    uint8_t b[60] = {0}; /* padded, as Ethernet does */
    memcpy(b, op == 1 ? broadcast : p->host_mac, 6);
    memcpy(b + 6, sender_mac, 6);
    memcpy(b + 12, (uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, (uint8_t)op}, 10);
    memcpy(b + 22, sender_mac, 6);
    memcpy(b + 28, sender_ip, 4);
    memcpy(b + 38, target_ip, 4);
    peer_input(p, b, sizeof(b));
}

static nod_handle open_to(struct peer *p, const nod_addr *to, uint16_t port)
{
    nod_open open = {.remote = {*to, port}};
    nod_handle h;
    assert_int_equal(nod_tcp_open(p->stack, &open, &h), 0);
    return h;
}

static void assert_asks(const struct peer *p, const struct seen *s, const nod_addr *whom,
                        const uint8_t *mac)
{
    if (whom->family == 4) {
        static const uint8_t none[6];
        assert_int_equal(s->ethertype, 0x0806);
        assert_memory_equal(s->bytes, mac ? mac : broadcast, 6);
        assert_memory_equal(s->bytes + 14, ((uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}), 8);
        assert_memory_equal(s->bytes + 22, p->host_mac, 6);
        assert_memory_equal(s->bytes + 28, p->host.bytes, 4);
        assert_memory_equal(s->bytes + 32, none, 6);
        assert_memory_equal(s->bytes + 38, whom->bytes, 4);
        return;
    }
    const uint8_t *ns = s->bytes + s->l4;
    assert_int_equal(s->protocol, 58);
    assert_int_equal(s->ttl, 255);
    assert_true(ns[0] == 135 && ns[1] == 0);
    assert_memory_equal(ns + 8, whom->bytes, 16);
    assert_memory_equal(ns + 24, ((uint8_t[]){1, 1, 2, 0, 0, 0, 0, 1}), 8);
    if (mac) {
        assert_memory_equal(s->bytes, mac, 6);
        assert_true(nod_addr_equal(&s->dst, whom));
        return;
    }
    uint8_t group[16] = {0xff, 0x02, [11] = 1, [12] = 0xff};
    memcpy(group + 13, whom->bytes + 13, 3);
    assert_memory_equal(s->dst.bytes, group, 16); /* solicited-node multicast */
    assert_memory_equal(s->bytes, ((uint8_t[]){0x33, 0x33}), 2);
    assert_memory_equal(s->bytes + 2, group + 12, 4);
}

/* A neighbour advertisement from the stranger; mac NULL: without the option. */
static void advertise(struct peer *p, uint8_t flags, const uint8_t *mac)
{
    nod_addr from = stranger(6);
    uint8_t na[32] = {136, [4] = flags, [24] = 2, [25] = 1};
    memcpy(na + 8, from.bytes, 16);
    if (mac) memcpy(na + 26, mac, 6);
    size_t len = mac ? 32 : 24;
    uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(&from, &p->host, 58, len), na, len);
    na[2] = (uint8_t)(sum >> 8), na[3] = (uint8_t)sum;
    peer_ip(p, &from, &p->host, 58, na, len);
}

static void answer(struct peer *p, const uint8_t *mac)
{
    if (p->family == 4)
        arp_in(p, 2, mac, stranger(4).bytes, p->host.bytes);
    else
        advertise(p, 0x60, mac);
}

static struct nod_neighbour *entry(struct peer *p, const nod_addr *addr)
{
    uint8_t ip[16];
    nod_ip_from_addr(ip, addr);
    return nod_neighbour_find(&p->stack->net, 0, ip, false);
}

static void arp_requests_are_answered(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 4, true);
    arp_in(&p, 1, strange_mac, stranger(4).bytes, p.host.bytes);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    static const uint8_t want[42] = {2,  0, 0, 0, 0, 9, 2, 0, 0, 0, 0,  1, 8, 6,
                                     0,  1, 8, 0, 6, 4, 0, 2, 2, 0, 0,  0, 0, 1,
                                     10, 0, 0, 1, 2, 0, 0, 0, 0, 9, 10, 0, 0, 9};
    assert_int_equal(s.len, 42);
    assert_memory_equal(s.bytes, want, 42);
    /* Who asks for us will be talked to: its address is known now. */
    nod_addr to = stranger(4);
    open_to(&p, &to, 80);
    assert_true(peer_output(&p, &s, 1) >= 1);
    assert_int_equal(s.protocol, 6);
    assert_memory_equal(s.bytes, strange_mac, 6);
    peer_free(&p);
}

/* RFC 826: for others, an entry that exists is updated, and none is made. */
static void arp_between_others(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, true);
    nod_addr third = nod_addr_ip4(10, 0, 0, 77), other = stranger(4);
    arp_in(&p, 1, strange_mac, other.bytes, third.bytes);
    assert_int_equal(peer_drain(&p), 0);
    assert_null(entry(&p, &other));
    arp_in(&p, 2, other_mac, p.far.bytes, third.bytes);
    assert_int_equal(peer_drain(&p), 0);
    assert_memory_equal(entry(&p, &p.far)->mac, other_mac, 6);
    peer_free(&p);
}

static void arp_that_proves_nothing(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, true);
    arp_in(&p, 1, strange_mac, p.host.bytes, p.host.bytes); /* somebody claims our address */
    assert_int_equal(peer_drain(&p), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_NEIGHBOUR), 1);
    static const uint8_t nobody[4] = {0};
    arp_in(&p, 1, strange_mac, nobody, p.host.bytes); /* a probe (RFC 5227) is answered */
    assert_int_equal(peer_drain(&p), 1);
    nod_addr none = nod_addr_ip4(0, 0, 0, 0);
    assert_null(entry(&p, &none));
    peer_free(&p);
}

/* The first packet waits, one question is asked, and the answer lets it go. */
static void resolution(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s[4];
    peer_make(&p, NULL, family, true);
    nod_addr to = stranger(family);
    open_to(&p, &to, 80);
    assert_int_equal(peer_output(&p, s, 4), 1);
    assert_asks(&p, &s[0], &to, NULL);
    answer(&p, strange_mac);
    assert_int_equal(peer_output(&p, s, 4), 1);
    assert_true(s[0].protocol == 6 && s[0].ctl == NOD_SYN && s[0].dport == 80);
    assert_memory_equal(s[0].bytes, strange_mac, 6);
    peer_free(&p);
}

/* Three questions, a second apart, then what waited is dropped. */
static void nobody_answers(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, family, true);
    nod_addr to = stranger(family);
    nod_config config;
    nod_config_default(&config);
    config.tcp.rto_initial_us = 60 * NOD_SEC; /* no SYN but the first */
    nod_open open = {.remote = {to, 80}, .config = &config.tcp};
    nod_handle h;
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    for (int i = 0; i < 2; i++) {
        assert_true(nod_stack_deadline(p.stack) == p.now + NOD_SEC);
        peer_tick(&p, NOD_SEC - 1);
        assert_int_equal(peer_output(&p, &s, 1), 0);
        peer_tick(&p, 1);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        assert_asks(&p, &s, &to, NULL);
    }
    peer_tick(&p, NOD_SEC);
    assert_int_equal(peer_output(&p, &s, 1), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_UNREACHABLE), 1);
    assert_null(entry(&p, &to));
    peer_free(&p);
}

/* Many packets, one question; the last four wait (the SYNs of six connections). */
static void the_queue(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s[8];
    peer_make(&p, NULL, family, true);
    nod_addr to = stranger(family);
    for (uint16_t port = 1; port <= 6; port++) open_to(&p, &to, port);
    assert_int_equal(peer_output(&p, s, 8), 1);
    assert_int_equal(peer_drops(&p, NOD_DROP_QUEUE), 2);
    answer(&p, strange_mac);
    assert_int_equal(peer_output(&p, s, 8), 4);
    for (int i = 0; i < 4; i++) assert_int_equal(s[i].dport, 3 + i);
    peer_free(&p);
}

/* After 30 s it is used on trust and asked again, directly; silence ends it. */
static void gone_stale(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s[4];
    peer_make(&p, NULL, family, true);
    nod_addr to = stranger(family);
    nod_handle h = open_to(&p, &to, 1);
    peer_drain(&p);
    answer(&p, strange_mac);
    peer_drain(&p);
    assert_int_equal(entry(&p, &to)->state, NEIGHBOUR_REACHABLE);
    peer_tick(&p, 31 * NOD_SEC);
    assert_int_equal(entry(&p, &to)->state, NEIGHBOUR_STALE);
    assert_int_equal(peer_output(&p, s, 4), 2); /* the SYN again, and a question */
    assert_asks(&p, &s[1], &to, strange_mac);
    assert_int_equal(entry(&p, &to)->state, NEIGHBOUR_PROBE);
    answer(&p, strange_mac);
    assert_int_equal(entry(&p, &to)->state, NEIGHBOUR_REACHABLE);
    nod_tcp_abort(p.stack, h);
    open_to(&p, &to, 2); /* reachable: no question */
    assert_int_equal(peer_output(&p, s, 4), 1);
    assert_int_equal(s[0].protocol, 6);
    peer_tick(&p, 31 * NOD_SEC);
    assert_int_equal(entry(&p, &to)->state, NEIGHBOUR_STALE);
    open_to(&p, &to, 3);
    int n = peer_output(&p, s, 4), asked = 0;
    for (int i = 0; i < n && i < 4; i++) {
        assert_memory_equal(s[i].bytes, strange_mac, 6);
        if (s[i].protocol != 6) asked++, assert_asks(&p, &s[i], &to, strange_mac);
    }
    assert_int_equal(asked, 1);
    for (int i = 0; i < 3; i++) {
        assert_non_null(entry(&p, &to));
        peer_tick(&p, NOD_SEC);
    }
    assert_null(entry(&p, &to));
    peer_free(&p);
}

/* More strangers than the cache remembers: the oldest go, and nothing leaks. */
static void crowded(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    peer_make(&p, NULL, family, true);
    nod_addr to = stranger(family);
    size_t before = 0;
    for (int i = 0; i < 1000; i++) {
        to.bytes[family == 4 ? 2 : 14] = (uint8_t)(i >> 8);
        to.bytes[family == 4 ? 3 : 15] = (uint8_t)i;
        peer_tick(&p, NOD_MSEC);
        uint8_t message[8] = {8, 0};
        if (family == 6) message[0] = 128;
        uint32_t start = family == 6 ? peer_pseudo(&to, &p.host, 58, 8) : 0;
        uint16_t sum = (uint16_t)~peer_sum(start, message, 8);
        message[2] = (uint8_t)(sum >> 8), message[3] = (uint8_t)sum;
        peer_ip(&p, &to, &p.host, family == 6 ? 58 : 1, message, 8); /* its echo's answer waits */
        peer_drain(&p);
        if (i == 300) before = peer_in_use(&p);
    }
    assert_int_equal(peer_in_use(&p), before);
    peer_free(&p);
}

static void solicit(struct peer *p, const nod_addr *from, const nod_addr *to, const uint8_t *target,
                    const uint8_t *mac)
{
    uint8_t ns[32] = {135, [24] = 1, [25] = 1};
    memcpy(ns + 8, target, 16);
    if (mac) memcpy(ns + 26, mac, 6);
    size_t len = mac ? 32 : 24;
    uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(from, to, 58, len), ns, len);
    ns[2] = (uint8_t)(sum >> 8), ns[3] = (uint8_t)sum;
    peer_ip(p, from, to, 58, ns, len);
}

static nod_addr solicited_node(const nod_addr *of)
{
    uint8_t group[16] = {0xff, 0x02, [11] = 1, [12] = 0xff};
    memcpy(group + 13, of->bytes + 13, 3);
    return nod_addr_from(6, group);
}

/* RFC 4861 7.2.4: solicited, override, no router; the target's address as an option. */
static void solicitations_are_answered(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 6, true);
    nod_addr from = stranger(6), group = solicited_node(&p.host);
    solicit(&p, &from, &group, p.host.bytes, strange_mac);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    const uint8_t *na = s.bytes + s.l4;
    assert_true(s.protocol == 58 && s.ttl == 255 && na[0] == 136 && na[1] == 0 && na[4] == 0x60);
    assert_memory_equal(na + 8, p.host.bytes, 16);
    assert_memory_equal(na + 24, ((uint8_t[]){2, 1, 2, 0, 0, 0, 0, 1}), 8);
    assert_true(nod_addr_equal(&s.dst, &from) && nod_addr_equal(&s.src, &p.host));
    assert_memory_equal(s.bytes, strange_mac, 6);
    assert_int_equal(entry(&p, &from)->state, NEIGHBOUR_STALE);

    /* From nobody, who wants to know whether the address is free: to all, not solicited. */
    nod_addr nobody = {.family = 6};
    solicit(&p, &nobody, &group, p.host.bytes, NULL);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    na = s.bytes + s.l4;
    assert_true(na[0] == 136 && na[4] == 0x20);
    nod_addr all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
    assert_true(nod_addr_equal(&s.dst, &all));
    assert_memory_equal(s.bytes, ((uint8_t[]){0x33, 0x33, 0, 0, 0, 1}), 6);
    peer_free(&p);
}

/* RFC 4861 7.1.1 and 7.1.2: what is not valid is not heard. */
static void invalid_discovery(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 6, true);
    nod_addr from = stranger(6), nobody = {.family = 6}, group = solicited_node(&p.host);
    nod_addr elsewhere = from;
    elsewhere.bytes[15] = 200;
    solicit(&p, &from, &group, elsewhere.bytes, strange_mac); /* not our address */
    solicit(&p, &from, &p.host, group.bytes, strange_mac);    /* a multicast target */
    solicit(&p, &nobody, &group, p.host.bytes, strange_mac);  /* nobody with an address */
    solicit(&p, &nobody, &p.host, p.host.bytes, NULL);        /* nobody, not to the group */
    assert_int_equal(peer_drain(&p), 0);
    assert_null(entry(&p, &from));

    static const struct {
        size_t at;
        uint8_t value;
    } damage[] = {{1, 1}, {25, 0}, {25, 5}, {4, 0xff}};
    for (int i = 0; i < 5; i++) {
        uint8_t ns[32] = {135, [24] = 1, [25] = 1}, packet[14 + 40 + 32] = {0};
        memcpy(ns + 8, p.host.bytes, 16);
        memcpy(ns + 26, strange_mac, 6);
        if (i < 3) ns[damage[i].at] = damage[i].value;
        uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(&from, &p.host, 58, 32), ns, 32);
        ns[2] = (uint8_t)(sum >> 8), ns[3] = (uint8_t)sum;
        if (i == 3) ns[31] ^= 1; /* the sum is wrong */
        memcpy(packet, p.host_mac, 6);
        memcpy(packet + 6, strange_mac, 6);
        packet[12] = 0x86, packet[13] = 0xdd, packet[14] = 0x60;
        packet[19] = 32, packet[20] = 58;
        packet[21] = i == 4 ? 254 : 255; /* it came through a router */
        memcpy(packet + 22, from.bytes, 16);
        memcpy(packet + 38, p.host.bytes, 16);
        memcpy(packet + 54, ns, 32);
        peer_input(&p, packet, sizeof(packet));
        assert_int_equal(peer_drain(&p), 0);
        assert_null(entry(&p, &from));
    }
    peer_free(&p);
}

/* RFC 4861 7.2.5 and appendix C, row by row. */
static void advertisements(void **state)
{
    (void)state;
    enum { S = 0x40, O = 0x20 };
    enum lladdr { NONE, SAME, OTHER };
    static const struct {
        enum neighbour_state before;
        uint8_t flags;
        enum lladdr lladdr;
        enum neighbour_state after;
        bool taken; /* the new address, if another */
    } rows[] = {
        {NEIGHBOUR_INCOMPLETE, 0, OTHER, NEIGHBOUR_STALE, true},
        {NEIGHBOUR_INCOMPLETE, O, OTHER, NEIGHBOUR_STALE, true},
        {NEIGHBOUR_INCOMPLETE, S, OTHER, NEIGHBOUR_REACHABLE, true},
        {NEIGHBOUR_INCOMPLETE, S | O, OTHER, NEIGHBOUR_REACHABLE, true},
        {NEIGHBOUR_INCOMPLETE, S | O, NONE, NEIGHBOUR_INCOMPLETE, false},
        {NEIGHBOUR_REACHABLE, 0, OTHER, NEIGHBOUR_STALE, false},
        {NEIGHBOUR_REACHABLE, S, OTHER, NEIGHBOUR_STALE, false},
        {NEIGHBOUR_STALE, 0, OTHER, NEIGHBOUR_STALE, false},
        {NEIGHBOUR_STALE, S, OTHER, NEIGHBOUR_STALE, false},
        {NEIGHBOUR_PROBE, S, OTHER, NEIGHBOUR_PROBE, false},
        {NEIGHBOUR_REACHABLE, O, OTHER, NEIGHBOUR_STALE, true},
        {NEIGHBOUR_REACHABLE, S | O, OTHER, NEIGHBOUR_REACHABLE, true},
        {NEIGHBOUR_STALE, S | O, OTHER, NEIGHBOUR_REACHABLE, true},
        {NEIGHBOUR_PROBE, O, OTHER, NEIGHBOUR_STALE, true},
        {NEIGHBOUR_STALE, S, SAME, NEIGHBOUR_REACHABLE, false},
        {NEIGHBOUR_PROBE, S, SAME, NEIGHBOUR_REACHABLE, false},
        {NEIGHBOUR_PROBE, S, NONE, NEIGHBOUR_REACHABLE, false},
        {NEIGHBOUR_STALE, 0, SAME, NEIGHBOUR_STALE, false},
        {NEIGHBOUR_REACHABLE, 0, SAME, NEIGHBOUR_REACHABLE, false},
        {NEIGHBOUR_REACHABLE, O, SAME, NEIGHBOUR_REACHABLE, false},
        {NEIGHBOUR_PROBE, O, SAME, NEIGHBOUR_PROBE, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct peer p;
        peer_make(&p, NULL, 6, true);
        nod_addr who = stranger(6);
        open_to(&p, &who, 80);
        peer_drain(&p);
        if (rows[i].before != NEIGHBOUR_INCOMPLETE) {
            answer(&p, strange_mac);
            peer_drain(&p);
            entry(&p, &who)->state = (uint8_t)rows[i].before;
        }
        advertise(&p, rows[i].flags,
                  rows[i].lladdr == NONE   ? NULL
                  : rows[i].lladdr == SAME ? strange_mac
                                           : other_mac);
        const struct nod_neighbour *n = entry(&p, &who);
        if (n->state != rows[i].after) print_error("row %zu\n", i);
        assert_int_equal(n->state, rows[i].after);
        if (rows[i].before != NEIGHBOUR_INCOMPLETE || rows[i].taken)
            assert_memory_equal(n->mac, rows[i].taken ? other_mac : strange_mac, 6);
        peer_free(&p);
    }
    struct peer p; /* one that nobody asked for makes no entry */
    peer_make(&p, NULL, 6, true);
    nod_addr who = stranger(6);
    advertise(&p, S | O, strange_mac);
    assert_null(entry(&p, &who));
    peer_free(&p);
}

/* A solicited answer goes to one, never to a group (7.1.2). */
static void solicited_to_a_group(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 6, true);
    nod_addr who = stranger(6), all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
    open_to(&p, &who, 80);
    peer_drain(&p);
    uint8_t na[32] = {136, [4] = 0x60, [24] = 2, [25] = 1};
    memcpy(na + 8, who.bytes, 16);
    memcpy(na + 26, strange_mac, 6);
    uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(&who, &all, 58, 32), na, 32);
    na[2] = (uint8_t)(sum >> 8), na[3] = (uint8_t)sum;
    peer_ip(&p, &who, &all, 58, na, 32);
    assert_int_equal(entry(&p, &who)->state, NEIGHBOUR_INCOMPLETE);
    peer_free(&p);
}

int main(void)
{
    static int four = 4, six = 6;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arp_requests_are_answered),
        cmocka_unit_test(arp_between_others),
        cmocka_unit_test(arp_that_proves_nothing),
        cmocka_unit_test_prestate(resolution, &four),
        cmocka_unit_test_prestate(resolution, &six),
        cmocka_unit_test_prestate(nobody_answers, &four),
        cmocka_unit_test_prestate(nobody_answers, &six),
        cmocka_unit_test_prestate(the_queue, &four),
        cmocka_unit_test_prestate(the_queue, &six),
        cmocka_unit_test_prestate(gone_stale, &four),
        cmocka_unit_test_prestate(gone_stale, &six),
        cmocka_unit_test_prestate(crowded, &four),
        cmocka_unit_test_prestate(crowded, &six),
        cmocka_unit_test(solicitations_are_answered),
        cmocka_unit_test(invalid_discovery),
        cmocka_unit_test(advertisements),
        cmocka_unit_test(solicited_to_a_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
