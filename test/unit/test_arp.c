/* ARP, as RFC 826 tells a host to receive it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/ether.h"

/* 826/01: for others, an entry that exists is updated, and none is made. */
static void update_before_add(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, true);
    nod_addr third = nod_addr_ip4(10, 0, 0, 77), other = ether_stranger(4);
    for (uint16_t op = 1; op <= 2; op++) {
        ether_arp(&p, op, ether_stranger_mac, other.bytes, third.bytes);
        assert_int_equal(peer_drain(&p), 0);
        assert_null(ether_entry(&p, &other));
        const uint8_t *mac = op == 1 ? ether_other_mac : ether_stranger_mac;
        ether_arp(&p, op, mac, p.far.bytes, third.bytes);
        assert_int_equal(peer_drain(&p), 0);
        assert_memory_equal(ether_entry(&p, &p.far)->mac, mac, 6);
        assert_int_equal(ether_entry(&p, &p.far)->state, NEIGHBOUR_STALE); /* without proof */
    }
    /* We are the target: now there is one, whatever the opcode. */
    ether_arp(&p, 1, ether_stranger_mac, other.bytes, p.host.bytes);
    assert_memory_equal(ether_entry(&p, &other)->mac, ether_stranger_mac, 6);
    assert_int_equal(ether_entry(&p, &other)->state, NEIGHBOUR_STALE);
    peer_free(&p);
}

/* 826/02: swapped fields, to the one who asked, on the same hardware. */
static void reply_is_unicast(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 4, true);
    ether_arp(&p, 1, ether_stranger_mac, ether_stranger(4).bytes, p.host.bytes);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    static const uint8_t want[42] = {2,  0, 0, 0, 0, 9, 2, 0, 0, 0, 0,  1, 8, 6,
                                     0,  1, 8, 0, 6, 4, 0, 2, 2, 0, 0,  0, 0, 1,
                                     10, 0, 0, 1, 2, 0, 0, 0, 0, 9, 10, 0, 0, 9};
    assert_int_equal(s.len, 42);
    assert_memory_equal(s.bytes, want, 42);
    /* Who asks for us will be talked to: its address is known now. */
    nod_addr to = ether_stranger(4);
    ether_open(&p, &to, 80);
    assert_true(peer_output(&p, &s, 1) >= 1);
    assert_int_equal(s.protocol, 6);
    assert_memory_equal(s.bytes, ether_stranger_mac, 6);
    /* A reply is not replied to. */
    ether_arp(&p, 2, ether_stranger_mac, to.bytes, p.host.bytes);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

/* 826/03: other hardware, another protocol, other lengths; and too short. */
static void fields_are_checked(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, true);
    nod_addr from = ether_stranger(4);
    uint8_t good[42] = {[12] = 8, [13] = 6, 0, 1, 8, 0, 6, 4, 0, 1};
    memcpy(good, ether_broadcast, 6);
    memcpy(good + 6, ether_stranger_mac, 6);
    memcpy(good + 22, ether_stranger_mac, 6);
    memcpy(good + 28, from.bytes, 4);
    memcpy(good + 38, p.host.bytes, 4);
    static const struct {
        size_t at;
        uint8_t value;
    } damage[] = {{15, 6}, {14, 1}, {16, 0x86}, {17, 1}, {18, 8}, {19, 16}, {22, 3}, {28, 224}};
    enum { ROWS = sizeof(damage) / sizeof(damage[0]) };
    for (int i = 0; i < ROWS; i++) {
        uint8_t b[42];
        memcpy(b, good, 42);
        b[damage[i].at] = damage[i].value;
        peer_input(&p, b, 42);
        assert_int_equal(peer_drain(&p), 0);
    }
    peer_input(&p, good, 41);
    assert_int_equal(peer_drain(&p), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_NEIGHBOUR), ROWS + 1);
    assert_null(ether_entry(&p, &from));
    good[21] = 9; /* an opcode that nobody knows: heard, and not answered */
    peer_input(&p, good, 42);
    assert_int_equal(peer_drain(&p), 0);
    good[21] = 1;
    peer_input(&p, good, 42);
    assert_int_equal(peer_drain(&p), 1);
    peer_free(&p);
}

/* Who is nobody yet (RFC 5227's probe) is answered, and not remembered. */
static void a_probe_of_anothers(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 4, true);
    nod_addr none = nod_addr_ip4(0, 0, 0, 0);
    ether_arp(&p, 1, ether_stranger_mac, none.bytes, p.host.bytes);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_memory_equal(s.bytes, ether_stranger_mac, 6);
    assert_int_equal(s.bytes[21], 2);
    assert_null(ether_entry(&p, &none));
    peer_free(&p);
}

/* 1122/10: about one request a second, however many packets there are for it. */
static void requests_are_limited(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, true);
    nod_addr to = ether_stranger(4);
    int asked = 0;
    for (int i = 0; i < 1000; i++) { /* 10 s */
        nod_handle h = ether_open(&p, &to, (uint16_t)(1 + i));
        struct seen s[4];
        int n = peer_output(&p, s, 4);
        for (int k = 0; k < n && k < 4; k++) asked += ether_is_question(&p, &s[k], &to, NULL);
        nod_tcp_abort(p.stack, h);
        nod_tcp_release(p.stack, h);
        peer_tick(&p, 10 * NOD_MSEC);
    }
    assert_in_range(asked, 9, 11);
    peer_free(&p);
}

/* 1122/10: what was not used for ten minutes is no longer believed. */
static void stale_entries_are_flushed(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, true);
    nod_addr to = ether_stranger(4);
    ether_arp(&p, 1, ether_stranger_mac, to.bytes, p.host.bytes);
    peer_drain(&p);
    peer_tick(&p, 599 * NOD_SEC);
    assert_non_null(ether_entry(&p, &to));
    peer_tick(&p, 2 * NOD_SEC);
    assert_null(ether_entry(&p, &to));
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(update_before_add),    cmocka_unit_test(reply_is_unicast),
        cmocka_unit_test(fields_are_checked),   cmocka_unit_test(a_probe_of_anothers),
        cmocka_unit_test(requests_are_limited), cmocka_unit_test(stale_entries_are_flushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
