/* The neighbour cache: what waits for an answer, how long an answer is believed, and who has to go
 * when it is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/ether.h"

static int state_of(struct peer *p, const nod_addr *addr)
{
    const struct nod_neighbour *n = ether_entry(p, addr);
    return n ? n->state : NEIGHBOUR_FREE;
}

/* 1122/11: the first packet waits, one question is asked, and the answer lets it go. */
static void resolution(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s[4];
    peer_make(&p, NULL, family, true);
    nod_addr to = ether_stranger(family);
    ether_open(&p, &to, 80);
    assert_int_equal(peer_output(&p, s, 4), 1);
    assert_true(ether_is_question(&p, &s[0], &to, NULL));
    ether_answer(&p, ether_stranger_mac);
    assert_int_equal(peer_output(&p, s, 4), 1);
    assert_true(s[0].protocol == 6 && s[0].ctl == NOD_SYN && s[0].dport == 80);
    assert_memory_equal(s[0].bytes, ether_stranger_mac, 6);
    peer_free(&p);
}

/* 4861/03: three questions, a second apart; then what waited is dropped, and its user hears that
 * the address is unreachable, which may pass. */
static void nobody_answers(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, family, true);
    nod_addr to = ether_stranger(family);
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
        assert_true(ether_is_question(&p, &s, &to, NULL));
    }
    int error = 0;
    assert_int_equal(peer_events(&p, h, &error), 0);
    peer_tick(&p, NOD_SEC);
    assert_int_equal(peer_output(&p, &s, 1), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_UNREACHABLE), 1);
    assert_null(ether_entry(&p, &to));
    assert_int_equal(peer_events(&p, h, &error), NOD_EVENT_SOFT_ERROR);
    assert_int_equal(error, NOD_EUNREACH);
    nod_status status;
    assert_int_equal(nod_tcp_status(p.stack, h, &status), 0);
    assert_int_equal(status.state, NOD_SYN_SENT);
    peer_free(&p);
}

/* Many packets, one question; the last four wait (the SYNs of six connections). */
static void the_queue(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s[8];
    peer_make(&p, NULL, family, true);
    nod_addr to = ether_stranger(family);
    for (uint16_t port = 1; port <= 6; port++) ether_open(&p, &to, port);
    assert_int_equal(peer_output(&p, s, 8), 1);
    assert_int_equal(peer_drops(&p, NOD_DROP_QUEUE), 2);
    ether_answer(&p, ether_stranger_mac);
    assert_int_equal(peer_output(&p, s, 8), 4);
    for (int i = 0; i < 4; i++) assert_int_equal(s[i].dport, 3 + i);
    peer_free(&p);
}

static void echo_request(struct peer *p, const nod_addr *from)
{
    uint8_t message[8] = {8, 0};
    if (p->family == 6) message[0] = 128;
    uint32_t start = p->family == 6 ? peer_pseudo(from, &p->host, 58, 8) : 0;
    uint16_t sum = (uint16_t)~peer_sum(start, message, 8);
    message[2] = (uint8_t)(sum >> 8), message[3] = (uint8_t)sum;
    peer_ip(p, from, &p->host, p->family == 6 ? 58 : 1, message, 8);
}

/* 4861/07: used on trust for 5 s when stale, then asked three times, directly, a second apart;
 * silence ends it. */
static void unreachability_is_detected(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s[16];
    nod_usec when[16];
    peer_make(&p, NULL, family, true);
    nod_addr to = ether_stranger(family);
    nod_handle h = ether_open(&p, &to, 1);
    peer_drain(&p);
    ether_answer(&p, ether_stranger_mac);
    peer_drain(&p);
    nod_tcp_abort(p.stack, h);
    assert_int_equal(state_of(&p, &to), NEIGHBOUR_REACHABLE);
    peer_tick(&p, 15 * NOD_SEC - 1); /* 30 s, times 0.5 to 1.5 */
    assert_int_equal(state_of(&p, &to), NEIGHBOUR_REACHABLE);
    peer_tick(&p, 30 * NOD_SEC + 2);
    assert_int_equal(state_of(&p, &to), NEIGHBOUR_STALE);
    peer_drain(&p);
    nod_usec start = p.now;
    echo_request(&p, &to);
    assert_int_equal(peer_output(&p, s, 16), 1); /* the answer, and no question */
    assert_memory_equal(s[0].bytes, ether_stranger_mac, 6);
    assert_int_equal(state_of(&p, &to), NEIGHBOUR_DELAY);
    int n = ether_wait(&p, 7 * NOD_SEC, s, when, 16);
    assert_int_equal(n, 3);
    for (int i = 0; i < n; i++) {
        assert_true(ether_is_question(&p, &s[i], &to, ether_stranger_mac));
        assert_true(when[i] == start + (5 + (unsigned)i) * NOD_SEC);
    }
    assert_int_equal(state_of(&p, &to), NEIGHBOUR_PROBE);
    peer_tick(&p, NOD_SEC);
    assert_null(ether_entry(&p, &to));
    echo_request(&p, &to); /* from the beginning, to all */
    assert_int_equal(peer_output(&p, s, 16), 1);
    assert_true(ether_is_question(&p, &s[0], &to, NULL));
    peer_free(&p);
}

/* The same, answered in time. */
static void a_probe_is_answered(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s[4];
    peer_make(&p, NULL, family, true);
    nod_addr to = ether_stranger(family);
    echo_request(&p, &to);
    peer_drain(&p);
    ether_answer(&p, ether_stranger_mac);
    peer_drain(&p);
    peer_tick(&p, 46 * NOD_SEC);
    echo_request(&p, &to);
    peer_drain(&p);
    peer_tick(&p, 5 * NOD_SEC);
    assert_int_equal(state_of(&p, &to), NEIGHBOUR_PROBE);
    assert_int_equal(peer_output(&p, s, 4), 1);
    /* What it says unasked meanwhile does not count, or a link that is broken one way would never
     * be found out. */
    for (int i = 0; i < 2; i++) {
        if (family == 4)
            ether_arp(&p, 1, ether_stranger_mac, to.bytes, to.bytes);
        else
            ether_advertise(&p, &to, NULL, 0x20, ether_stranger_mac);
        peer_tick(&p, NOD_SEC);
        assert_int_equal(state_of(&p, &to), NEIGHBOUR_PROBE);
    }
    ether_answer(&p, ether_stranger_mac);
    assert_int_equal(state_of(&p, &to), NEIGHBOUR_REACHABLE);
    peer_free(&p);
}

/* 4861/06: a connection that goes forward needs no question, for as long as it does. */
static void progress_confirms(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct conn c;
    struct seen s[4];
    peer_make(&p, NULL, family, true);
    peer_be_called(&p, 80, &c);
    for (int i = 0; i < 100; i++) { /* 200 s */
        bool we_send = i / 10 % 2;  /* text in, or text out that is acknowledged */
        if (we_send) {
            assert_int_equal(nod_tcp_send(p.stack, c.handle, "x", 1, 0), 1);
            assert_int_equal(peer_output(&p, s, 4), 1);
            c.ack++;
            peer_tick(&p, NOD_MSEC);
            peer_send(&p, &c, NOD_ACK, NULL, 0);
        } else {
            peer_send(&p, &c, NOD_ACK, "y", 1);
        }
        peer_tick(&p, 2 * NOD_SEC);
        int n = peer_output(&p, s, 4);
        for (int k = 0; k < n; k++) assert_int_equal(s[k].protocol, 6);
        assert_int_not_equal(state_of(&p, &p.far), NEIGHBOUR_PROBE);
    }
    /* ACKs of what was acknowledged before are no progress. */
    peer_tick(&p, 46 * NOD_SEC);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "x", 1, 0), 1);
    peer_drain(&p);
    assert_int_equal(state_of(&p, &p.far), NEIGHBOUR_DELAY);
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    assert_int_equal(state_of(&p, &p.far), NEIGHBOUR_DELAY);
    c.ack++;
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    assert_int_equal(state_of(&p, &p.far), NEIGHBOUR_REACHABLE);
    peer_free(&p);
}

/* 9293/MUST-20: at R1 the neighbour is doubted and asked, however sure it was. */
static void excess_retransmission_is_told(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct conn c;
    struct seen s[16];
    peer_make(&p, NULL, family, true);
    peer_be_called(&p, 80, &c);
    ether_wait(&p, NOD_SEC, NULL, NULL, 0);
    assert_int_equal(state_of(&p, &p.far), NEIGHBOUR_REACHABLE);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "x", 1, 0), 1);
    int sent = 0, asked = 0;
    while (!asked && sent < 10) {
        int n = ether_wait(&p, 50 * NOD_MSEC, s, NULL, 16);
        for (int i = 0; i < n; i++) {
            sent += s[i].protocol == 6;
            asked += ether_is_question(&p, &s[i], &p.far, p.far_mac);
        }
    }
    assert_int_equal(sent, 4); /* R1 is three retransmissions */
    assert_int_equal(asked, 1);
    assert_int_equal(state_of(&p, &p.far), NEIGHBOUR_PROBE);
    peer_free(&p);
}

/* More strangers than the cache remembers: the oldest go, and nothing leaks. */
static void crowded(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    peer_make(&p, NULL, family, true);
    nod_addr to = ether_stranger(family);
    size_t before = 0;
    for (int i = 0; i < 1000; i++) {
        to.bytes[family == 4 ? 2 : 14] = (uint8_t)(i >> 8);
        to.bytes[family == 4 ? 3 : 15] = (uint8_t)i;
        peer_tick(&p, NOD_MSEC);
        echo_request(&p, &to); /* its answer waits */
        peer_drain(&p);
        if (i == 300) before = peer_in_use(&p);
    }
    assert_int_equal(peer_in_use(&p), before);
    peer_free(&p);
}

/* RFC 6583: neither strangers who introduce themselves nor addresses that nobody has displace
 * those that connections use, even if these say nothing for a while. */
static void a_flood_displaces_nobody_in_use(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct conn c;
    peer_make(&p, NULL, family, true);
    peer_be_called(&p, 80, &c);
    peer_tick(&p, 100 * NOD_SEC);
    assert_int_equal(state_of(&p, &p.far), NEIGHBOUR_STALE);
    nod_addr from = ether_stranger(family), group = ether_solicited_node(&p.host);
    for (int i = 0; i < 5000; i++) {
        if (family == 6) from.bytes[14] = (uint8_t)(i >> 8);
        from.bytes[family == 4 ? 3 : 15] = (uint8_t)(3 + i % 250);
        if (i % 2)
            echo_request(&p, &from);
        else if (family == 4)
            ether_arp(&p, 1, ether_stranger_mac, from.bytes, p.host.bytes);
        else
            ether_solicit(&p, ether_stranger_mac, &from, &group, &p.host, ether_stranger_mac);
        peer_tick(&p, NOD_MSEC);
        peer_drain(&p);
    }
    assert_int_equal(state_of(&p, &p.far), NEIGHBOUR_STALE);
    peer_free(&p);
}

/* The next of many neighbours; IPv4 has 250 of them. */
static nod_addr number(int family, int i)
{
    nod_addr a = ether_stranger(family);
    a.bytes[family == 4 ? 3 : 15] = (uint8_t)(3 + i);
    return a;
}

static void introduces_itself(struct peer *p, const nod_addr *who)
{
    nod_addr group = ether_solicited_node(&p->host);
    if (p->family == 4)
        ether_arp(p, 1, ether_stranger_mac, who->bytes, p->host.bytes);
    else
        ether_solicit(p, ether_stranger_mac, who, &group, &p->host, ether_stranger_mac);
    peer_tick(p, NOD_MSEC);
    peer_drain(p);
}

/* Who has to go: a stranger before a question, both before those that we talk to, gateways last. */
static void who_has_to_go(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    peer_make(&p, NULL, family, true);
    nod_addr asked = number(family, 240), far_off = {.family = (uint8_t)family};
    far_off.bytes[0] = family == 4 ? 192 : 0x20;
    far_off.bytes[3] = 1;
    ether_open(&p, &far_off, 80); /* over our own address, which is the gateway */
    ether_open(&p, &asked, 80);
    peer_drain(&p);
    for (int i = 0; i < 200; i++) {
        nod_addr who = number(family, i);
        introduces_itself(&p, &who);
    }
    assert_int_equal(state_of(&p, &asked), NEIGHBOUR_INCOMPLETE);
    /* 126 of them are spoken to, and 1 is the gateway. */
    for (int i = 0; i < 127; i++) {
        nod_addr who = number(family, i);
        introduces_itself(&p, &who);
        echo_request(&p, &who);
        peer_drain(&p);
    }
    assert_int_equal(state_of(&p, &asked), NEIGHBOUR_FREE);
    for (int i = 130; i < 200; i++) { /* no room for strangers now */
        nod_addr who = number(family, i);
        introduces_itself(&p, &who);
        assert_int_equal(state_of(&p, &who), NEIGHBOUR_FREE);
    }
    nod_addr first = number(family, 0), second = number(family, 1);
    assert_int_equal(state_of(&p, &first), NEIGHBOUR_DELAY);
    for (int i = 0; i < 20; i++) { /* one entry serves all questions without an answer */
        nod_addr who = number(family, 220 + i);
        ether_open(&p, &who, 80);
        peer_tick(&p, 1);
        peer_drain(&p);
        assert_int_equal(state_of(&p, &who), NEIGHBOUR_INCOMPLETE);
    }
    assert_int_equal(state_of(&p, &first), NEIGHBOUR_FREE);
    assert_int_equal(state_of(&p, &second), NEIGHBOUR_DELAY);
    assert_int_not_equal(state_of(&p, &p.far), NEIGHBOUR_FREE);
    peer_free(&p);
}

int main(void)
{
    static int four = 4, six = 6;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(resolution, &four),
        cmocka_unit_test_prestate(resolution, &six),
        cmocka_unit_test_prestate(nobody_answers, &four),
        cmocka_unit_test_prestate(nobody_answers, &six),
        cmocka_unit_test_prestate(the_queue, &four),
        cmocka_unit_test_prestate(the_queue, &six),
        cmocka_unit_test_prestate(unreachability_is_detected, &four),
        cmocka_unit_test_prestate(unreachability_is_detected, &six),
        cmocka_unit_test_prestate(a_probe_is_answered, &four),
        cmocka_unit_test_prestate(a_probe_is_answered, &six),
        cmocka_unit_test_prestate(progress_confirms, &four),
        cmocka_unit_test_prestate(progress_confirms, &six),
        cmocka_unit_test_prestate(excess_retransmission_is_told, &four),
        cmocka_unit_test_prestate(excess_retransmission_is_told, &six),
        cmocka_unit_test_prestate(crowded, &four),
        cmocka_unit_test_prestate(crowded, &six),
        cmocka_unit_test_prestate(a_flood_displaces_nobody_in_use, &four),
        cmocka_unit_test_prestate(a_flood_displaces_nobody_in_use, &six),
        cmocka_unit_test_prestate(who_has_to_go, &four),
        cmocka_unit_test_prestate(who_has_to_go, &six),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
