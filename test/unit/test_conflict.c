/* Whose is an address: RFC 5227 for IPv4, duplicate address detection (RFC 4862 5.4) for IPv6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/ether.h"

static const nod_iface_config probing = {.probe = true, .ignore_routers = true};
static const uint8_t nobody4[4];

/* The stack's one IPv4 address, or the IPv6 one that was given by hand. */
static nod_address address(const struct peer *p)
{
    nod_address a[NOD_ADDRS_MAX];
    int n = nod_stack_addresses(p->stack, a, NOD_ADDRS_MAX);
    for (int i = 0; i < n; i++)
        if (nod_addr_equal(&a[i].addr, &p->host)) return a[i];
    fail_msg("no such address");
    return (nod_address){0};
}

static bool is_arp(const struct seen *s, const uint8_t sender[4], const struct peer *p)
{
    static const uint8_t none[6];
    return s->ethertype == 0x0806 && memcmp(s->bytes, ether_broadcast, 6) == 0 &&
           s->bytes[21] == 1 && memcmp(s->bytes + 22, p->host_mac, 6) == 0 &&
           memcmp(s->bytes + 28, sender, 4) == 0 && memcmp(s->bytes + 32, none, 6) == 0 &&
           memcmp(s->bytes + 38, p->host.bytes, 4) == 0;
}

/* 5227/01 and 5227/02: three probes from nobody, 1 to 2 s apart after up to 1 s; 2 s later the
 * address is in use, and announced twice, 2 s apart. Random, and the same for the same secret. */
static void probe_and_announce(void **state)
{
    (void)state;
    nod_usec first[8] = {0};
    for (int run = 0; run < 2; run++) {
        struct peer p;
        struct seen s[8];
        nod_usec when[8];
        ether_make(&p, 4, &probing);
        nod_usec start = p.now;
        nod_open open = {.remote = {p.far, 80}};
        nod_handle h;
        assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_EUNREACH); /* no address yet */
        open = (nod_open){.passive = true, .local = {p.host, 80}};
        assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_ENOTLOCAL);
        assert_int_equal(address(&p).state, NOD_ADDRESS_TENTATIVE);
        ether_arp(&p, 1, ether_stranger_mac, ether_stranger(4).bytes, p.host.bytes);
        int n = 0; /* whoever asks for it gets no answer; IPv6's own are let pass */
        for (int i = 0; i < 200; i++) {
            struct seen t[4];
            nod_usec at[4];
            int more = ether_wait(&p, 50 * NOD_MSEC, t, at, 4);
            for (int k = 0; k < more; k++) {
                if (t[k].ethertype != 0x0806) continue;
                assert_in_range(n, 0, 7);
                s[n] = t[k];
                when[n++] = at[k];
            }
        }
        assert_int_equal(n, 5);
        for (int i = 0; i < 3; i++) assert_true(is_arp(&s[i], nobody4, &p));
        for (int i = 3; i < 5; i++) assert_true(is_arp(&s[i], p.host.bytes, &p));
        assert_true(when[0] - start <= NOD_SEC);
        for (int i = 1; i < 3; i++) assert_in_range(when[i] - when[i - 1], NOD_SEC, 2 * NOD_SEC);
        assert_true(when[2] - when[1] != when[1] - when[0]);
        assert_true(when[3] - when[2] == 2 * NOD_SEC && when[4] - when[3] == 2 * NOD_SEC);
        assert_int_equal(address(&p).state, NOD_ADDRESS_IN_USE);
        nod_event event;
        assert_int_equal(nod_stack_events(p.stack, &event, 1), 1);
        assert_true(event.handle == 0 && event.flags == NOD_EVENT_ADDRESS);
        assert_int_equal(nod_stack_events(p.stack, &event, 1), 0);
        ether_arp(&p, 1, ether_stranger_mac, ether_stranger(4).bytes, p.host.bytes);
        assert_int_equal(peer_output(&p, s, 1), 1); /* now it is answered for */
        assert_int_equal(s[0].bytes[21], 2);
        for (int i = 0; i < 5; i++) {
            if (run) assert_true(when[i] == first[i]);
            first[i] = when[i];
        }
        peer_free(&p);
    }
}

/* 5227/01: until 2 s after the last probe, a packet from the address, request or reply, or another
 * host's probe for it says that it is not ours; our own, sent back by a hub, says nothing. */
static void probe_finds_a_conflict(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        for (nod_usec at = 0; at < 5; at++) { /* the last is sent at 5 s at the latest */
            struct peer p;
            ether_make(&p, 4, &probing);
            ether_wait(&p, at * NOD_SEC, NULL, NULL, 0);
            nod_addr other = ether_stranger(4);
            peer_events(&p, 0, NULL); /* the link-local address was tried, too */
            switch (how) {
            case 0: ether_arp(&p, 2, ether_stranger_mac, p.host.bytes, other.bytes); break;
            case 1: ether_arp(&p, 1, ether_stranger_mac, p.host.bytes, other.bytes); break;
            case 2: ether_arp(&p, 1, ether_stranger_mac, nobody4, p.host.bytes); break;
            case 3: ether_arp(&p, 1, p.host_mac, nobody4, p.host.bytes); break;
            }
            nod_address a = address(&p);
            assert_int_equal(a.state, how < 3 ? NOD_ADDRESS_DUPLICATE : NOD_ADDRESS_TENTATIVE);
            assert_int_equal(a.conflicts, how < 3);
            if (how < 3) assert_memory_equal(a.other_mac, ether_stranger_mac, 6);
            assert_int_equal(peer_events(&p, 0, NULL), how < 3 ? NOD_EVENT_ADDRESS : 0);
            struct seen s[16];
            int n = ether_wait(&p, 20 * NOD_SEC, s, NULL, 16), arps = 0;
            for (int i = 0; i < n; i++) arps += s[i].ethertype == 0x0806;
            if (how < 3) assert_int_equal(arps, 0); /* no further probe, no announcement */
            assert_int_equal(address(&p).state,
                             how < 3 ? NOD_ADDRESS_DUPLICATE : NOD_ADDRESS_IN_USE);
            peer_free(&p);
        }
    }
}

/* Without the switch an address is there at once, in silence, and ours until somebody objects. */
static void without_probes(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[16];
    const nod_iface_config plain = {.ignore_routers = true};
    ether_make(&p, 4, &plain);
    assert_int_equal(address(&p).state, NOD_ADDRESS_IN_USE);
    int n = ether_wait(&p, 20 * NOD_SEC, s, NULL, 16);
    for (int i = 0; i < n; i++) assert_int_not_equal(s[i].ethertype, 0x0806);
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &p.host, 24), NOD_EEXIST);
    peer_free(&p);
}

static void conflict(struct peer *p)
{
    ether_arp(p, 1, ether_other_mac, p->host.bytes, ether_stranger(4).bytes);
}

struct defended {
    struct peer p;
    struct conn c;
    nod_handle listener;
};

static void make_defended(struct defended *d, enum nod_defence defence)
{
    const nod_iface_config config = {.ignore_routers = true, .defence = defence};
    ether_make(&d->p, 4, &config);
    ether_wait(&d->p, 10 * NOD_SEC, NULL, NULL, 0);
    ether_arp(&d->p, 2, d->p.far_mac, d->p.far.bytes, d->p.host.bytes);
    d->listener = peer_listen(&d->p, 80, 4);
    peer_connect(&d->p, d->listener, 80, 4000, &d->c);
    peer_events(&d->p, 0, NULL);
}

static void expect_defence(struct defended *d, bool announced)
{
    struct seen s[4];
    conflict(&d->p);
    assert_int_equal(peer_output(&d->p, s, 4), announced);
    if (announced) assert_true(is_arp(&s[0], d->p.host.bytes, &d->p));
    assert_int_equal(address(&d->p).state, NOD_ADDRESS_IN_USE);
    assert_int_equal(peer_events(&d->p, 0, NULL), announced ? NOD_EVENT_ADDRESS : 0);
}

/* The connection hears of it, and so does its peer. */
static void expect_surrender(struct defended *d)
{
    struct seen s[4];
    int error = 0;
    uint64_t resets = 0;
    conflict(&d->p);
    assert_int_equal(address(&d->p).state, NOD_ADDRESS_DUPLICATE);
    int n = peer_output(&d->p, s, 4);
    for (int i = 0; i < n && i < 4; i++) {
        assert_int_not_equal(s[i].ethertype, 0x0806);
        resets += s[i].protocol == 6 && s[i].ctl & NOD_RST && s[i].dport == 4000;
    }
    assert_int_equal(resets, 1);
    assert_true(peer_events(&d->p, d->c.handle, &error) & NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_ENOTLOCAL);
    peer_send(&d->p, &d->c, NOD_ACK, "x", 1); /* it is not even ours any more */
    assert_int_equal(peer_drain(&d->p), 0);
    assert_int_equal(peer_drops(&d->p, NOD_DROP_NOT_OURS), 1);
    ether_arp(&d->p, 1, ether_stranger_mac, ether_stranger(4).bytes, d->p.host.bytes);
    assert_int_equal(peer_drain(&d->p), 0);
}

/* 5227/03 a: given up at once, by its connections first. */
static void defence_never(void **state)
{
    (void)state;
    struct defended d;
    make_defended(&d, NOD_DEFEND_NEVER);
    expect_surrender(&d);
    /* It may be tried again. */
    assert_int_equal(nod_stack_add_addr(d.p.stack, 0, &d.p.host, 24), 0);
    assert_int_equal(address(&d.p).state, NOD_ADDRESS_IN_USE);
    peer_free(&d.p);
}

/* 5227/03 b: defended once in 10 s, and given up if that was not enough. */
static void defence_once(void **state)
{
    (void)state;
    struct defended d;
    make_defended(&d, NOD_DEFEND_ONCE);
    for (int i = 0; i < 3; i++) {
        expect_defence(&d, true);
        peer_tick(&d.p, 10 * NOD_SEC);
        peer_drain(&d.p);
    }
    expect_defence(&d, true);
    peer_tick(&d.p, 10 * NOD_SEC - 1);
    peer_drain(&d.p);
    expect_surrender(&d);
    peer_free(&d.p);
}

/* 5227/03 c: defended for ever, once in 10 s at most. */
static void defence_always(void **state)
{
    (void)state;
    struct defended d;
    make_defended(&d, NOD_DEFEND_ALWAYS);
    for (int round = 0; round < 3; round++) {
        expect_defence(&d, true);
        for (int i = 0; i < 9; i++) {
            peer_tick(&d.p, NOD_SEC);
            peer_drain(&d.p);
            expect_defence(&d, false);
        }
        peer_tick(&d.p, NOD_SEC);
        peer_drain(&d.p);
    }
    assert_int_equal(address(&d.p).conflicts, 30);
    peer_send(&d.p, &d.c, NOD_ACK, "x", 1); /* the connection goes on */
    peer_tick(&d.p, NOD_SEC);
    assert_int_equal(peer_drain(&d.p), 1);
    ether_arp(&d.p, 1, d.p.host_mac, d.p.host.bytes, d.p.host.bytes); /* our own, sent back */
    assert_int_equal(address(&d.p).conflicts, 30);
    peer_free(&d.p);
}

/* Connections of all sizes end with the address, and those of another do not. */
static void all_records_end(void **state)
{
    (void)state;
    struct defended d;
    struct conn more[40], waits;
    make_defended(&d, NOD_DEFEND_NEVER);
    struct peer *p = &d.p;
    for (uint16_t i = 0; i < 40; i++)
        peer_connect(p, d.listener, 80, (uint16_t)(5000 + i), &more[i]);
    peer_tcp(p, &(struct segment){.sport = 9000, .dport = 80, .seq = 1, .ctl = NOD_SYN, .wnd = 1});
    waits = more[0];
    nod_tcp_close(p->stack, waits.handle); /* to TIME-WAIT */
    peer_drain(p);
    waits.ack++;
    peer_send(p, &waits, NOD_FIN | NOD_ACK, NULL, 0);
    peer_drain(p);
    nod_addr second = nod_addr_ip4(10, 0, 0, 3);
    assert_int_equal(nod_stack_add_addr(p->stack, 0, &second, 24), 0);
    nod_open open = {.local.addr = second, .remote = {p->far, 99}};
    nod_handle other;
    assert_int_equal(nod_tcp_open(p->stack, &open, &other), 0);
    peer_drain(p);
    nod_stack_stats stats;
    nod_stack_get_stats(p->stack, &stats);
    assert_true(stats.time_wait == 1 && stats.syn_received == 1 && stats.connections == 41);
    conflict(p);
    nod_stack_get_stats(p->stack, &stats);
    assert_true(stats.time_wait == 0 && stats.syn_received == 0 && stats.connections == 1);
    nod_status status;
    assert_int_equal(nod_tcp_status(p->stack, other, &status), 0);
    assert_int_equal(status.state, NOD_SYN_SENT);
    peer_free(p);
}

/* 5227/04: after ten conflicts, one attempt a minute. */
static void attempts_are_limited(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[64];
    nod_usec when[64];
    peer_make_bare(
        &p, NULL, 4,
        &(nod_iface_config){
            .kind = NOD_IFACE_ETHERNET, .mtu = 1500, .probe = true, .ignore_routers = true});
    ether_wait(&p, 5 * NOD_SEC, NULL, NULL, 0);
    nod_usec last = 0;
    for (int attempt = 1; attempt <= 13; attempt++) {
        nod_addr addr = nod_addr_ip4(10, 0, 0, (uint8_t)(100 + attempt));
        assert_int_equal(nod_stack_add_addr(p.stack, 0, &addr, 24), 0);
        nod_usec start = p.now;
        int n = 0;
        while (!n) n = ether_wait(&p, 10 * NOD_MSEC, s, when, 64);
        assert_memory_equal(s[0].bytes + 38, addr.bytes, 4);
        if (attempt <= 10)
            assert_true(when[0] - start <= NOD_SEC);
        else /* each begins a minute after the one before, and waits up to 1 s as ever */
            assert_in_range(when[0] - last, 59 * NOD_SEC, 61 * NOD_SEC);
        last = when[0];
        ether_arp(&p, 2, ether_stranger_mac, addr.bytes, nobody4);
    }
    /* The list of addresses is no longer than it may be, so that this can go on for ever. */
    for (int attempt = 14; attempt < 40; attempt++) {
        nod_addr addr = nod_addr_ip4(10, 0, 0, (uint8_t)(100 + attempt));
        assert_int_equal(nod_stack_add_addr(p.stack, 0, &addr, 24), 0);
        ether_arp(&p, 2, ether_stranger_mac, addr.bytes, nobody4);
    }
    peer_free(&p);
}

/* RFC 4862 5.4: one question from nobody to the address's own group, after up to 1 s; the answer
 * has 1 s. */
static void ipv6_probe(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[16];
    nod_usec when[16], asked = 0;
    ether_make(&p, 6, &probing);
    nod_usec start = p.now;
    nod_addr group = ether_solicited_node(&p.host), none = {.family = 6};
    ether_solicit(&p, ether_stranger_mac, &p.far, &group, &p.host, ether_stranger_mac);
    assert_int_equal(address(&p).state, NOD_ADDRESS_TENTATIVE); /* an ordinary question: silence */
    int n = ether_wait(&p, NOD_SEC, s, when, 16);
    for (int i = 0; i < n; i++) {
        const uint8_t *ns = ether_message(&s[i]);
        assert_non_null(ns);
        assert_int_not_equal(ns[0], 136);
        if (ns[0] != 135 || memcmp(ns + 8, p.host.bytes, 16) != 0) continue;
        assert_true(asked == 0 && nod_addr_equal(&s[i].src, &none));
        assert_true(nod_addr_equal(&s[i].dst, &group));
        assert_int_equal(s[i].len, 14 + 40 + 24); /* no option */
        asked = when[i];
    }
    assert_true(asked >= start && asked <= start + NOD_SEC);
    ether_wait(&p, asked + NOD_SEC - 1 - p.now, NULL, NULL, 0);
    assert_int_equal(address(&p).state, NOD_ADDRESS_TENTATIVE);
    ether_wait(&p, 1, NULL, NULL, 0);
    assert_int_equal(address(&p).state, NOD_ADDRESS_IN_USE);
    assert_int_equal(peer_events(&p, 0, NULL), NOD_EVENT_ADDRESS);
    peer_free(&p);
}

/* Another host has the address (it advertises it), or is about to have it (it asks, too); our own
 * question, sent back, says nothing. */
static void ipv6_probe_finds_a_conflict(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct peer p;
        ether_make(&p, 6, &probing);
        ether_wait(&p, NOD_SEC / 2, NULL, NULL, 0);
        nod_addr group = ether_solicited_node(&p.host), none = {.family = 6};
        nod_addr all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
        if (how == 0) ether_advertise(&p, &p.host, &all, 0x20, ether_stranger_mac);
        if (how == 1) ether_solicit(&p, ether_stranger_mac, &none, &group, &p.host, NULL);
        if (how == 2) ether_solicit(&p, p.host_mac, &none, &group, &p.host, NULL);
        assert_int_equal(address(&p).state,
                         how < 2 ? NOD_ADDRESS_DUPLICATE : NOD_ADDRESS_TENTATIVE);
        ether_wait(&p, 5 * NOD_SEC, NULL, NULL, 0);
        assert_int_equal(address(&p).state, how < 2 ? NOD_ADDRESS_DUPLICATE : NOD_ADDRESS_IN_USE);
        if (how == 0) { /* it is a neighbour like others */
            nod_addr other = p.host;
            other.bytes[15] = 3;
            assert_int_equal(nod_stack_add_addr(p.stack, 0, &other, 64), 0);
            ether_wait(&p, 5 * NOD_SEC, NULL, NULL, 0);
            ether_open(&p, &p.host, 80);
            assert_int_equal(peer_drain(&p), 1);
            ether_advertise(&p, &p.host, &other, 0x60, ether_stranger_mac);
            struct seen s;
            assert_int_equal(peer_output(&p, &s, 1), 1);
            assert_true(s.protocol == 6 && nod_addr_equal(&s.dst, &p.host));
        }
        /* Its question is answered now, so that it looks for another. */
        ether_solicit(&p, ether_stranger_mac, &none, &group, &p.host, NULL);
        assert_int_equal(peer_drain(&p), how == 2);
        peer_free(&p);
    }
}

/* An address in use that another host advertises: users are told, and no more than every 10 s. */
static void ipv6_conflict_later(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 6, true);
    nod_addr from = ether_link_local(9), all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
    uint8_t na[32] = {136, [4] = 0x20, [24] = 2, [25] = 1};
    memcpy(na + 8, p.host.bytes, 16);
    memcpy(na + 26, ether_other_mac, 6);
    for (int i = 0; i < 2; i++) {
        ether_icmp6(&p, ether_other_mac, &from, &all, 255, na, sizeof(na));
        assert_int_equal(peer_events(&p, 0, NULL), i ? 0 : NOD_EVENT_ADDRESS);
        assert_int_equal(address(&p).state, NOD_ADDRESS_IN_USE);
        assert_int_equal(address(&p).conflicts, i + 1);
    }
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe_and_announce),  cmocka_unit_test(probe_finds_a_conflict),
        cmocka_unit_test(without_probes),      cmocka_unit_test(defence_never),
        cmocka_unit_test(defence_once),        cmocka_unit_test(defence_always),
        cmocka_unit_test(all_records_end),     cmocka_unit_test(attempts_are_limited),
        cmocka_unit_test(ipv6_probe),          cmocka_unit_test(ipv6_probe_finds_a_conflict),
        cmocka_unit_test(ipv6_conflict_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
