/* Which addresses a host uses and believes: several of its own, sources that cannot be, packets to
 * everybody, and gateways that know a better way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/peer.h"

#define FOUR_AND_SIX(test) \
    cmocka_unit_test_prestate(test, &four), cmocka_unit_test_prestate(test, &six)

static nod_addr addr(const char *text)
{
    nod_addr a;
    assert_int_equal(nod_addr_parse(text, &a), 0);
    return a;
}

static nod_addr sibling(const struct peer *p, uint8_t last)
{
    nod_addr a = p->host;
    a.bytes[p->family == 6 ? 15 : 3] = last;
    return a;
}

static int open_to(struct peer *p, nod_endpoint local, nod_addr remote, nod_handle *h)
{
    nod_open open = {.local = local, .remote = {remote, 80}};
    return nod_tcp_open(p->stack, &open, h);
}

/* MUST-43: OPEN says which address, of several. */
static void local_address_of_open(void **state)
{
    struct peer p;
    struct seen s;
    nod_handle h;
    peer_make(&p, NULL, *(int *)*state, false);
    nod_addr second = sibling(&p, 77), third = sibling(&p, 78), none = sibling(&p, 79);
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &second, p.family == 6 ? 64 : 24), 0);
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &third, p.family == 6 ? 64 : 24), 0);
    assert_int_equal(open_to(&p, (nod_endpoint){second, 0}, p.far, &h), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(nod_addr_equal(&s.src, &second));
    assert_int_equal(open_to(&p, (nod_endpoint){none, 0}, p.far, &h), NOD_ENOTLOCAL);
    /* A listener at the second hears nothing of what is sent to the third. */
    nod_open open = {.passive = true, .local = {second, 80}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    for (int i = 0; i < 3; i++) {
        nod_addr to = i == 0 ? p.host : i == 1 ? second : third;
        uint8_t syn[20];
        struct segment g = {.sport = 9, .dport = 80, .ctl = NOD_SYN};
        peer_tcp_bytes(&p.far, &to, &g, syn);
        peer_ip(&p, &p.far, &to, 6, syn, 20);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        assert_int_equal(s.ctl, i == 1 ? NOD_SYN | NOD_ACK : NOD_RST | NOD_ACK);
        assert_true(nod_addr_equal(&s.src, &to));
    }
    peer_free(&p);
}

/* MUST-44: else it is chosen for the way that the SYN takes (RFC 6724 section 5). */
static void source_is_chosen(void **state)
{
    (void)state;
    static const struct {
        const char *dst, *src;
    } rows[] = {
        {"10.0.0.9", "10.0.0.1"},
        {"192.168.7.9", "192.168.7.1"},
        {"8.8.8.8", "10.0.0.1"},
        {"172.16.1.1", "192.168.7.1"},
        {"fd00::9", "fd00::1"},
        {"2001:db8:7::9", "2001:db8:7::1"},
        {"2001:db8:7:1::9", "2001:db8:7::1"},
        {"fe80::9", "fe80::1"},
        {"fd12::1", "fd00::1"},
    };
    struct peer p;
    struct seen s;
    nod_handle h;
    peer_make(&p, NULL, 4, false);
    nod_iface_config other = {.kind = NOD_IFACE_IP, .mtu = 1500};
    assert_int_equal(nod_stack_add_iface(p.stack, &other), 1);
    nod_addr a = addr("192.168.7.1"),
             six[] = {addr("fe80::1"), addr("fd00::1"), addr("2001:db8:7::1")};
    assert_int_equal(nod_stack_add_addr(p.stack, 1, &a, 24), 0);
    a = addr("172.16.0.0");
    nod_addr gateway = addr("192.168.7.2"), any6 = {.family = 6}, gateway6 = addr("fe80::2");
    assert_int_equal(nod_stack_add_route(p.stack, 1, &a, 12, &gateway), 0);
    for (int i = 0; i < 3; i++) nod_stack_add_addr(p.stack, 0, &six[i], 64);
    assert_int_equal(nod_stack_add_route(p.stack, 0, &any6, 0, &gateway6), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        nod_addr want = addr(rows[i].src);
        assert_int_equal(open_to(&p, (nod_endpoint){0}, addr(rows[i].dst), &h), 0);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        assert_true(nod_addr_equal(&s.src, &want));
    }
    peer_free(&p);
}

/* MUST-45: and stays, whatever comes that would be chosen now. */
static void source_stays(void **state)
{
    struct peer p;
    struct conn c;
    struct seen s;
    peer_make(&p, NULL, *(int *)*state, false);
    peer_be_called(&p, 80, &c);
    nod_addr closer = p.far;
    closer.bytes[p.family == 6 ? 15 : 3] ^= 1;
    nod_iface_config other = {.kind = NOD_IFACE_IP, .mtu = 1500};
    assert_int_equal(nod_stack_add_iface(p.stack, &other), 1);
    assert_int_equal(nod_stack_add_addr(p.stack, 1, &closer, p.family == 6 ? 127 : 31), 0);
    nod_handle h;
    assert_int_equal(open_to(&p, (nod_endpoint){0}, p.far, &h), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(nod_addr_equal(&s.src, &closer));
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "hello", 5, 0), 5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(peer_output(&p, &s, 1), 1 + (i > 0));
        assert_true(nod_addr_equal(&s.src, &p.host) || s.dport != c.far_port || s.ctl & NOD_SYN);
        if (s.text_len == 5) assert_true(nod_addr_equal(&s.src, &p.host));
        peer_tick(&p, 2 * NOD_SEC);
    }
    peer_free(&p);
}

/* MUST-46; and nothing is sent. */
static void no_peer_at_all(void **state)
{
    (void)state;
    static const char *const nobody[] = {
        "224.0.0.1", "239.1.2.3", "255.255.255.255", "10.0.0.255", "0.0.0.0",
        "0.0.0.5",   "ff02::1",   "ff0e::5",         "::",
    };
    for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
        struct peer p;
        nod_handle h;
        nod_addr to = addr(nobody[i]);
        peer_make(&p, NULL, to.family, false);
        assert_int_equal(open_to(&p, (nod_endpoint){0}, to, &h), NOD_EBADADDR);
        assert_int_equal(h, 0);
        assert_int_equal(peer_drain(&p), 0);
        peer_free(&p);
    }
    struct peer p; /* to this host itself, and not to any that is not there (1122 3.2.1.3 g) */
    nod_handle h;
    peer_make(&p, NULL, 4, false);
    assert_int_equal(open_to(&p, (nod_endpoint){0}, addr("127.0.0.1"), &h), NOD_EUNREACH);
    assert_int_equal(open_to(&p, (nod_endpoint){0}, addr("::1"), &h), NOD_EUNREACH);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

static void syn(struct peer *p, nod_addr from, nod_addr to)
{
    uint8_t bytes[20];
    struct segment g = {.sport = 9, .dport = 80, .ctl = NOD_SYN};
    peer_tcp_bytes(&from, &to, &g, bytes);
    peer_ip(p, &from, &to, 6, bytes, 20);
}

static void assert_silent(struct peer *p, enum nod_drop drop, uint64_t count)
{
    nod_stack_stats stats;
    nod_stack_get_stats(p->stack, &stats);
    assert_int_equal(stats.drops[drop], count);
    assert_int_equal(stats.syn_received, 0);
    assert_int_equal(peer_drain(p), 0);
}

/* MUST-63, 1122/02: nobody is there to answer. */
static void sources_that_cannot_be(void **state)
{
    int family = *(int *)*state;
    static const char *const bad4[] = {"0.0.0.0",   "0.1.2.3",    "127.0.0.1",
                                       "127.9.9.9", "224.0.0.1",  "239.1.2.3",
                                       "10.0.0.1",  "10.0.0.255", "255.255.255.255"};
    static const char *const bad6[] = {"::", "::1", "ff02::1", "ff0e::1", "fd00::1"};
    struct peer p;
    peer_make(&p, NULL, family, false);
    peer_listen(&p, 80, 5);
    size_t count = family == 6 ? 5 : 9;
    for (size_t i = 0; i < count; i++) {
        syn(&p, addr(family == 6 ? bad6[i] : bad4[i]), p.host);
        assert_silent(&p, NOD_DROP_BAD_SOURCE, i + 1);
    }
    syn(&p, p.far, p.host);
    assert_int_equal(peer_drain(&p), 1);
    peer_free(&p);
}

/* MUST-57: to nobody in particular. A RST is no answer to it either. */
static void segments_to_everybody(void **state)
{
    int family = *(int *)*state;
    static const char *const all4[] = {"10.0.0.255", "255.255.255.255", "224.0.0.1", "239.9.9.9"};
    static const char *const all6[] = {"ff02::1", "ff02::1:ff00:1"}; /* groups that are joined */
    for (uint16_t port = 80; port <= 81; port++) {                   /* of a listener, and closed */
        struct peer p;
        peer_make(&p, NULL, family, true);
        peer_drain(&p);
        peer_listen(&p, port, 5);
        size_t count = family == 6 ? 2 : 4;
        for (size_t i = 0; i < count; i++) {
            syn(&p, p.far, addr(family == 6 ? all6[i] : all4[i]));
            assert_silent(&p, NOD_DROP_BROADCAST, i + 1);
        }
        /* Our address, but in a frame to all. */
        uint8_t mac[6];
        memcpy(mac, p.host_mac, 6);
        memset(p.host_mac, 0xff, 6);
        syn(&p, p.far, p.host);
        memcpy(p.host_mac, (uint8_t[]){0x33, 0x33, 0, 0, 0, 1}, 6);
        syn(&p, p.far, p.host);
        memcpy(p.host_mac, mac, 6);
        assert_silent(&p, NOD_DROP_BROADCAST, count + 2);
        peer_free(&p);
    }
}

/* --- redirects ------------------------------------------------------------------------------ */

/* A redirect of this code from `from`: to `dst` by `gateway`. */
static void redirect(struct peer *p, nod_addr from, uint8_t code, nod_addr dst, nod_addr gateway)
{
    uint8_t m[36] = {5, code, [8] = 0x45, [11] = 40, [16] = 64, [17] = 6};
    memcpy(m + 4, gateway.bytes, 4);
    memcpy(m + 20, p->host.bytes, 4);
    memcpy(m + 24, dst.bytes, 4);
    uint16_t sum = (uint16_t)~peer_sum(0, m, sizeof(m));
    m[2] = (uint8_t)(sum >> 8), m[3] = (uint8_t)sum;
    peer_ip(p, &from, &p->host, 1, m, sizeof(m));
}

/* Whom the host asks by ARP for the way to `dst`; 0.0.0.0: it knows, or knows none. */
static nod_addr asked_for(struct peer *p, const char *dst)
{
    nod_handle h;
    struct seen s[4];
    peer_drain(p);
    int error = open_to(p, (nod_endpoint){0}, addr(dst), &h);
    assert_int_equal(error, 0);
    int n = peer_output(p, s, 4);
    nod_tcp_abort(p->stack, h);
    nod_tcp_release(p->stack, h);
    for (int i = 0; i < n; i++)
        if (s[i].ethertype == 0x0806) return nod_addr_from(4, s[i].bytes + 38);
    return (nod_addr){0};
}

static void assert_hop(struct peer *p, const char *dst, const char *hop)
{
    nod_addr got = asked_for(p, dst), want = hop ? addr(hop) : (nod_addr){0};
    assert_true(nod_addr_equal(&got, &want));
}

/* 1122/09: the gateway in use may name another on the link, for a time. */
static void redirect_is_followed(void **state)
{
    (void)state;
    for (uint8_t code = 0; code < 4; code++) {
        struct peer p;
        peer_make(&p, NULL, 4, true);
        assert_hop(&p, "8.8.8.8", NULL); /* our gateway is known: 10.0.0.2 */
        redirect(&p, p.far, code, addr("8.8.8.8"), addr("10.0.0.50"));
        assert_hop(&p, "8.8.8.8", "10.0.0.50");
        assert_hop(&p, "8.8.8.9", NULL); /* of that host only, also if it says "net" */
        /* Now that one is in use, and it alone may say otherwise. */
        redirect(&p, p.far, 1, addr("8.8.8.8"), addr("10.0.0.60"));
        assert_hop(&p, "8.8.8.8", NULL);
        redirect(&p, addr("10.0.0.50"), 1, addr("8.8.8.8"), addr("10.0.0.61"));
        assert_hop(&p, "8.8.8.8", "10.0.0.61");
        peer_tick(&p, 600 * NOD_SEC);
        peer_drain(&p);
        struct seen s[4];
        nod_handle h;
        assert_int_equal(open_to(&p, (nod_endpoint){0}, addr("8.8.8.8"), &h), 0);
        int n = peer_output(&p, s, 4);
        assert_true(n > 0 && memcmp(s[0].bytes, p.far_mac, 6) == 0);
        peer_free(&p);
    }
}

/* 1122/09: nobody else's, to nowhere else. */
static void redirect_is_forged(void **state)
{
    (void)state;
    static const struct {
        const char *from, *gateway;
        uint8_t code;
    } rows[] = {
        {"10.0.0.3", "10.0.0.50", 1},                                  /* not our gateway */
        {"8.8.8.8", "10.0.0.50", 1},   {"10.0.0.2", "192.168.1.1", 1}, /* not on the link */
        {"10.0.0.2", "10.0.0.1", 1},                                   /* ourselves */
        {"10.0.0.2", "10.0.0.255", 1}, {"10.0.0.2", "224.0.0.1", 1},
        {"10.0.0.2", "0.0.0.0", 1},    {"10.0.0.2", "10.0.0.50", 4}, /* no such code */
    };
    struct peer p;
    peer_make(&p, NULL, 4, true);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t before = peer_drops(&p, NOD_DROP_ICMP);
        redirect(&p, addr(rows[i].from), rows[i].code, addr("8.8.8.8"), addr(rows[i].gateway));
        assert_int_equal(peer_drops(&p, NOD_DROP_ICMP), before + 1);
        assert_hop(&p, "8.8.8.8", NULL);
    }
    uint64_t before = peer_drops(&p, NOD_DROP_ICMP);
    redirect(&p, p.far, 1, addr("10.0.0.9"), addr("10.0.0.50")); /* a host on the link, */
    redirect(&p, addr("10.0.0.9"), 1, addr("10.0.0.9"), addr("10.0.0.50")); /* and by itself */
    assert_int_equal(peer_drops(&p, NOD_DROP_ICMP), before + 2);
    assert_hop(&p, "10.0.0.9", "10.0.0.9");
    peer_free(&p);

    nod_config config;
    nod_config_default(&config);
    config.accept_redirects = false;
    peer_make(&p, &config, 4, true);
    redirect(&p, p.far, 1, addr("8.8.8.8"), addr("10.0.0.50"));
    assert_hop(&p, "8.8.8.8", NULL);
    peer_free(&p);
}

/* So many, and the one that was heard of first makes room. */
static void redirects_are_limited(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, true);
    size_t before = peer_in_use(&p);
    for (unsigned i = 0; i < 1000; i++) {
        peer_tick(&p, 1);
        redirect(&p, p.far, 1, nod_addr_ip4(8, 8, (uint8_t)(i >> 8), (uint8_t)i),
                 addr("10.0.0.50"));
    }
    assert_int_equal(peer_in_use(&p), before);
    assert_int_equal(peer_drops(&p, NOD_DROP_ICMP), 0);
    assert_hop(&p, "8.8.3.215", NULL);        /* number 983 is gone again */
    assert_hop(&p, "8.8.3.216", "10.0.0.50"); /* 984 is not */
    peer_free(&p);
}

int main(void)
{
    static int four = 4, six = 6;
    const struct CMUnitTest tests[] = {
        FOUR_AND_SIX(local_address_of_open),
        cmocka_unit_test(source_is_chosen),
        FOUR_AND_SIX(source_stays),
        cmocka_unit_test(no_peer_at_all),
        FOUR_AND_SIX(sources_that_cannot_be),
        FOUR_AND_SIX(segments_to_everybody),
        cmocka_unit_test(redirect_is_followed),
        cmocka_unit_test(redirect_is_forged),
        cmocka_unit_test(redirects_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
