/* Neighbour discovery between hosts (RFC 4861 section 7), message by message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/ether.h"

static const nod_addr nobody = {.family = 6};

static nod_addr all_nodes(void)
{
    return nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
}

/* 4861/04, RFC 4861 7.2.4: solicited, override, no router; the target's address as an option. */
static void solicitations_are_answered(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 6, true);
    nod_addr from = ether_stranger(6), group = ether_solicited_node(&p.host), all = all_nodes();
    ether_solicit(&p, ether_stranger_mac, &from, &group, &p.host, ether_stranger_mac);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    const uint8_t *na = s.bytes + s.l4;
    assert_true(s.protocol == 58 && s.ttl == 255 && na[0] == 136 && na[1] == 0 && na[4] == 0x60);
    assert_memory_equal(na + 8, p.host.bytes, 16);
    assert_memory_equal(na + 24, ((uint8_t[]){2, 1, 2, 0, 0, 0, 0, 1}), 8);
    assert_true(nod_addr_equal(&s.dst, &from) && nod_addr_equal(&s.src, &p.host));
    assert_memory_equal(s.bytes, ether_stranger_mac, 6);
    assert_int_equal(ether_entry(&p, &from)->state, NEIGHBOUR_STALE);

    /* From nobody, who wants to know whether the address is free: to all, not solicited. */
    ether_solicit(&p, ether_stranger_mac, &nobody, &group, &p.host, NULL);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    na = s.bytes + s.l4;
    assert_true(na[0] == 136 && na[4] == 0x20);
    assert_true(nod_addr_equal(&s.dst, &all));
    assert_memory_equal(s.bytes, ((uint8_t[]){0x33, 0x33, 0, 0, 0, 1}), 6);

    /* Who does not say where it is, is asked first, and answered then. */
    from.bytes[15] = 11;
    ether_solicit(&p, ether_other_mac, &from, &group, &p.host, NULL);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(ether_is_question(&p, &s, &from, NULL));
    ether_advertise(&p, &from, NULL, 0x60, ether_other_mac);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    na = s.bytes + s.l4;
    assert_true(na[0] == 136 && na[4] == 0x60 && nod_addr_equal(&s.dst, &from));
    assert_memory_equal(s.bytes, ether_other_mac, 6);
    peer_free(&p);
}

/* 4861/01, RFC 4861 6.1.2, 7.1.1 and 7.1.2: what is not valid is not heard. */
static void invalid_discovery(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 6, true);
    nod_addr from = ether_stranger(6), group = ether_solicited_node(&p.host), elsewhere = from;
    elsewhere.bytes[15] = 200;
    const uint8_t *mac = ether_stranger_mac;
    ether_solicit(&p, mac, &from, &group, &elsewhere, mac);  /* not our address */
    ether_solicit(&p, mac, &from, &p.host, &group, mac);     /* a multicast target */
    ether_solicit(&p, mac, &nobody, &group, &p.host, mac);   /* nobody with an address */
    ether_solicit(&p, mac, &nobody, &p.host, &p.host, NULL); /* nobody, not to the group */
    assert_int_equal(peer_drain(&p), 0);
    assert_null(ether_entry(&p, &from));

    enum { SOLICITATION = 135, ADVERTISEMENT = 136, ROUTER = 134 };
    static const uint8_t types[] = {SOLICITATION, ADVERTISEMENT, ROUTER};
    static const struct {
        const char *what;
        uint8_t hop_limit, code, option_size;
        bool bad_sum;
        size_t cut;
    } rows[] = {
        {"came through a router", 254, 0, 1, false, 0},
        {"no hops at all", 0, 0, 1, false, 0},
        {"code 1", 255, 1, 1, false, 0},
        {"an option of length zero", 255, 0, 0, false, 0},
        {"an option beyond the end", 255, 0, 2, false, 0},
        {"the checksum", 255, 0, 1, true, 0},
        {"too short", 255, 0, 1, false, 9},
        {"half an option", 255, 0, 1, false, 1},
        {"nothing wrong", 255, 0, 1, false, 0},
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    for (size_t t = 0; t < sizeof(types); t++) {
        for (size_t i = 0; i < ROWS; i++) {
            struct peer q;
            peer_make(&q, NULL, 6, true);
            bool na = types[t] == ADVERTISEMENT;
            nod_addr who = types[t] == ROUTER ? ether_link_local(9) : from;
            if (na) { /* so that there is somebody to be confirmed */
                ether_open(&q, &who, 80);
                peer_drain(&q);
            }
            size_t options = types[t] == ROUTER ? 16 : 24, len = options + 8 - rows[i].cut;
            if (rows[i].cut > 8) len = options - 1;
            uint8_t m[32] = {types[t], rows[i].code};
            if (types[t] == ROUTER)
                m[7] = 100; /* lifetime */
            else
                memcpy(m + 8, na ? who.bytes : q.host.bytes, 16);
            if (na) m[4] = 0x60;
            m[options] = na ? 2 : 1;
            m[options + 1] = rows[i].option_size;
            memcpy(m + options + 2, mac, 6);
            uint8_t b[54 + 32] = {0};
            uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(&who, &q.host, 58, len), m, len);
            m[2] = (uint8_t)(sum >> 8), m[3] = (uint8_t)(sum ^ rows[i].bad_sum);
            memcpy(b, q.host_mac, 6);
            memcpy(b + 6, mac, 6);
            b[12] = 0x86, b[13] = 0xdd, b[14] = 0x60;
            b[19] = (uint8_t)len, b[20] = 58, b[21] = rows[i].hop_limit;
            memcpy(b + 22, who.bytes, 16);
            memcpy(b + 38, q.host.bytes, 16);
            memcpy(b + 54, m, len);
            peer_input(&q, b, 54 + len);
            const struct nod_neighbour *n = ether_entry(&q, &who);
            bool heard = n && n->state != NEIGHBOUR_INCOMPLETE;
            if (heard != (i == ROWS - 1)) fail_msg("type %d, %s", types[t], rows[i].what);
            peer_free(&q);
        }
    }
    /* A router's address is a link-local one. */
    uint8_t ra[24] = {134, [7] = 100, [16] = 1, [17] = 1, 2, 0, 0, 0, 0, 9};
    ether_icmp6(&p, mac, &from, &p.host, 255, ra, sizeof(ra));
    assert_null(ether_entry(&p, &from));
    peer_free(&p);
}

/* 4861/05, RFC 4861 7.2.5 and appendix C, row by row. */
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
        /* What waited leaves at once, and from then on it has to be confirmed. */
        {NEIGHBOUR_INCOMPLETE, 0, OTHER, NEIGHBOUR_DELAY, true},
        {NEIGHBOUR_INCOMPLETE, O, OTHER, NEIGHBOUR_DELAY, true},
        {NEIGHBOUR_INCOMPLETE, S, OTHER, NEIGHBOUR_REACHABLE, true},
        {NEIGHBOUR_INCOMPLETE, S | O, OTHER, NEIGHBOUR_REACHABLE, true},
        {NEIGHBOUR_INCOMPLETE, S | O, NONE, NEIGHBOUR_INCOMPLETE, false},
        {NEIGHBOUR_REACHABLE, 0, OTHER, NEIGHBOUR_STALE, false},
        {NEIGHBOUR_REACHABLE, S, OTHER, NEIGHBOUR_STALE, false},
        {NEIGHBOUR_STALE, 0, OTHER, NEIGHBOUR_STALE, false},
        {NEIGHBOUR_STALE, S, OTHER, NEIGHBOUR_STALE, false},
        {NEIGHBOUR_DELAY, S, OTHER, NEIGHBOUR_DELAY, false},
        {NEIGHBOUR_PROBE, S, OTHER, NEIGHBOUR_PROBE, false},
        {NEIGHBOUR_REACHABLE, O, OTHER, NEIGHBOUR_STALE, true},
        {NEIGHBOUR_REACHABLE, S | O, OTHER, NEIGHBOUR_REACHABLE, true},
        {NEIGHBOUR_STALE, S | O, OTHER, NEIGHBOUR_REACHABLE, true},
        {NEIGHBOUR_DELAY, O, OTHER, NEIGHBOUR_STALE, true},
        {NEIGHBOUR_PROBE, O, OTHER, NEIGHBOUR_STALE, true},
        {NEIGHBOUR_STALE, S, SAME, NEIGHBOUR_REACHABLE, false},
        {NEIGHBOUR_DELAY, S, SAME, NEIGHBOUR_REACHABLE, false},
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
        nod_addr who = ether_stranger(6);
        ether_open(&p, &who, 80);
        peer_drain(&p);
        if (rows[i].before != NEIGHBOUR_INCOMPLETE) {
            ether_answer(&p, ether_stranger_mac);
            peer_drain(&p);
            ((struct nod_neighbour *)ether_entry(&p, &who))->state = (uint8_t)rows[i].before;
        }
        ether_advertise(&p, &who, NULL, rows[i].flags,
                        rows[i].lladdr == NONE   ? NULL
                        : rows[i].lladdr == SAME ? ether_stranger_mac
                                                 : ether_other_mac);
        const struct nod_neighbour *n = ether_entry(&p, &who);
        if (n->state != rows[i].after) print_error("row %zu\n", i);
        assert_int_equal(n->state, rows[i].after);
        if (rows[i].before != NEIGHBOUR_INCOMPLETE || rows[i].taken)
            assert_memory_equal(n->mac, rows[i].taken ? ether_other_mac : ether_stranger_mac, 6);
        peer_free(&p);
    }
    struct peer p; /* one that nobody asked for makes no entry */
    peer_make(&p, NULL, 6, true);
    nod_addr who = ether_stranger(6);
    ether_advertise(&p, &who, NULL, S | O, ether_stranger_mac);
    assert_null(ether_entry(&p, &who));
    peer_free(&p);
}

/* A solicited answer goes to one, never to a group (7.1.2); a group's MAC is no host's. */
static void advertisements_that_are_wrong(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 6, true);
    nod_addr who = ether_stranger(6), all = all_nodes();
    ether_open(&p, &who, 80);
    peer_drain(&p);
    ether_advertise(&p, &who, &all, 0x60, ether_stranger_mac);
    assert_int_equal(ether_entry(&p, &who)->state, NEIGHBOUR_INCOMPLETE);
    ether_advertise(&p, &who, NULL, 0x60, (const uint8_t[]){0x33, 0x33, 0, 0, 0, 1});
    assert_int_equal(ether_entry(&p, &who)->state, NEIGHBOUR_INCOMPLETE);
    ether_answer(&p, ether_stranger_mac);
    assert_int_equal(ether_entry(&p, &who)->state, NEIGHBOUR_REACHABLE);
    peer_free(&p);
}

/* IPv4's addresses have a look within IPv6; with that, nobody gets at what ARP knows. */
static void mapped_addresses(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, true);
    nod_addr from = ether_link_local(9), own = ether_link_local(0);
    nod_addr host = {.family = 6, .bytes = {[10] = 0xff, 0xff, 10, 0, 0, 1}}, far = host;
    memcpy(own.bytes + 8, ((uint8_t[]){0, 0, 0, 0xff, 0xfe, 0, 0, 1}), 8);
    far.bytes[15] = 2;
    ether_advertise(&p, &far, &own, 0x60, ether_other_mac);
    uint8_t na[32] = {136, [4] = 0x60, [24] = 2, [25] = 1};
    memcpy(na + 8, far.bytes, 16);
    memcpy(na + 26, ether_other_mac, 6);
    ether_icmp6(&p, ether_other_mac, &from, &own, 255, na, sizeof(na));
    assert_memory_equal(ether_entry(&p, &p.far)->mac, p.far_mac, 6);
    ether_solicit(&p, ether_other_mac, &from, &own, &host, ether_other_mac);
    assert_int_equal(peer_drain(&p), 0);
    ether_solicit(&p, ether_other_mac, &far, &own, &own, ether_other_mac);
    assert_memory_equal(ether_entry(&p, &p.far)->mac, p.far_mac, 6);
    ether_solicit(&p, ether_other_mac, &from, &own, &own, ether_other_mac);
    assert_int_not_equal(peer_drain(&p), 0);
    peer_free(&p);
}

/* 4861/06: what a neighbour says unasked, and what routers say, confirms nothing. */
static void hearsay_confirms_nothing(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 6, true);
    nod_addr who = ether_link_local(9), group = ether_solicited_node(&p.host);
    ether_solicit(&p, ether_stranger_mac, &who, &group, &p.host, ether_stranger_mac);
    peer_drain(&p);
    ether_open(&p, &who, 80);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(ether_entry(&p, &who)->state, NEIGHBOUR_DELAY);
    uint8_t ra[24] = {134, [7] = 100, [16] = 1, [17] = 1, 2, 0, 0, 0, 0, 9};
    nod_addr all = all_nodes();
    ether_icmp6(&p, ether_stranger_mac, &who, &all, 255, ra, sizeof(ra));
    ether_advertise(&p, &who, NULL, 0x20, ether_stranger_mac);
    ether_solicit(&p, ether_stranger_mac, &who, &group, &p.host, ether_stranger_mac);
    assert_int_equal(ether_entry(&p, &who)->state, NEIGHBOUR_DELAY);
    peer_free(&p);
}

/* 8504/03, RFC 6980: a solicitation that comes with a fragment header says nothing. */
static void in_fragments(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 6, true);
    nod_addr from = ether_stranger(6);
    for (int fragmented = 1; fragmented >= 0; fragmented--) {
        uint8_t b[54 + 8 + 32] = {0}, *m = b + 54 + 8 * fragmented;
        memcpy(b, p.host_mac, 6);
        memcpy(b + 6, ether_stranger_mac, 6);
        b[12] = 0x86, b[13] = 0xdd, b[14] = 0x60;
        b[19] = (uint8_t)(32 + 8 * fragmented), b[20] = fragmented ? 44 : 58, b[21] = 255;
        memcpy(b + 22, from.bytes, 16);
        memcpy(b + 38, p.host.bytes, 16);
        if (fragmented) b[54] = 58; /* the only fragment, at 0: "atomic" */
        m[0] = 135, m[24] = 1, m[25] = 1;
        memcpy(m + 8, p.host.bytes, 16);
        memcpy(m + 26, ether_stranger_mac, 6);
        uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(&from, &p.host, 58, 32), m, 32);
        m[2] = (uint8_t)(sum >> 8), m[3] = (uint8_t)sum;
        peer_input(&p, b, sizeof(b) - (fragmented ? 0 : 8));
        assert_int_equal(peer_drain(&p), fragmented ? 0 : 1);
        if (fragmented) assert_null(ether_entry(&p, &from));
    }
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solicitations_are_answered),
        cmocka_unit_test(invalid_discovery),
        cmocka_unit_test(advertisements),
        cmocka_unit_test(advertisements_that_are_wrong),
        cmocka_unit_test(mapped_addresses),
        cmocka_unit_test(hearsay_confirms_nothing),
        cmocka_unit_test(in_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
