/* IPv6 extension headers and IPv4 options as the whole stack takes them (RFC 8200 section 4,
 * RFC 7112, RFC 7126): what is skipped, what is dropped, and what the sender is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/peer.h"

static const uint8_t udp[8] = {0, 9, 0, 10, 0, 8};

/* A packet to `dst` with these headers before a datagram for nobody. What it is answered with:
 * ICMPv6 type * 256 + code, 0 for silence. */
static unsigned answer_to(struct peer *p, const nod_addr *dst, uint8_t first,
                          const uint8_t *headers, size_t len, struct seen *s)
{
    uint8_t body[2200];
    memcpy(body, headers, len);
    memcpy(body + len, udp, 8);
    peer_tick(p, NOD_SEC);
    peer_ip(p, &p->far, dst, first, body, len + 8);
    int n = peer_output(p, s, 1);
    if (!n) return 0;
    assert_int_equal(n, 1);
    assert_int_equal(s->protocol, 58);
    assert_true(nod_addr_equal(&s->src, &p->host) && nod_addr_equal(&s->dst, &p->far));
    assert_true(s->len <= 1280);
    size_t quote = s->len - s->l4 - 8;
    assert_true(quote == 48 + len || s->len == 1280);
    assert_memory_equal(s->bytes + s->l4 + 8 + 40, body, quote - 40);
    return (unsigned)s->bytes[s->l4] << 8 | s->bytes[s->l4 + 1];
}

#define PORT_UNREACHABLE 0x0104 /* it was read to its end */
#define PROBLEM(code) (0x0400 | (code))

static uint32_t pointer(const struct seen *s)
{
    const uint8_t *p = s->bytes + s->l4 + 4;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* 8504/02, RFC 8200 4.2: the two highest bits of an unknown option's type. */
static void unknown_options(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        unsigned to_us, to_group;
        enum nod_drop drop;
    } rows[] = {
        {0x3e, PORT_UNREACHABLE, 0, NOD_DROP_NONE},
        {0x05, PORT_UNREACHABLE, 0, NOD_DROP_NONE},
        {0x7e, 0, 0, NOD_DROP_IP_OPTION},
        {0xbe, PROBLEM(2), PROBLEM(2), NOD_DROP_IP_OPTION},
        {0xfe, PROBLEM(2), 0, NOD_DROP_IP_OPTION},
        {0xc2, PROBLEM(2), 0, NOD_DROP_IP_OPTION}, /* jumbograms are unknown here */
    };
    nod_addr group = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
    static const uint8_t kinds[] = {0, 60}; /* hop-by-hop, destination */
    for (size_t i = 0; i < 12; i++) {
        struct peer p;
        struct seen s;
        uint8_t options[16] = {17, 1, 1, 3, 0, 0, 0, 0, rows[i / 2].type, 4};
        peer_make(&p, NULL, 6, false);
        assert_int_equal(answer_to(&p, &p.host, kinds[i % 2], options, 16, &s), rows[i / 2].to_us);
        if (rows[i / 2].to_us == PROBLEM(2)) assert_int_equal(pointer(&s), 48);
        assert_int_equal(answer_to(&p, &group, kinds[i % 2], options, 16, &s),
                         rows[i / 2].to_group);
        if (rows[i / 2].drop != NOD_DROP_NONE)
            assert_int_equal(peer_drops(&p, rows[i / 2].drop), 2);
        peer_free(&p);
    }
}

/* 4443/01: not about an ICMPv6 error, wherever it stands behind the option; but about a ping. */
static void problems_of_errors(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        int answers;
    } rows[] = {{1, 0}, {4, 0}, {100, 0}, {137, 0}, {128, 1}};
    struct peer p;
    peer_make(&p, NULL, 6, false);
    for (int i = 0; i < 5; i++) {
        uint8_t body[16 + 8 + 40] = {60, 0, 0x80, 4, [8] = 58, [10] = 1, [11] = 4};
        body[16] = rows[i].type;
        peer_ip(&p, &p.far, &p.host, 60, body, sizeof(body));
        assert_int_equal(peer_drain(&p), rows[i].answers);
    }
    peer_free(&p);
}

/* 8504/02, RFC 8200 4.4, RFC 5095: no type of route is known here, type 0 least of all. */
static void routing_headers(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 6, false);
    for (unsigned type = 0; type < 256; type++) {
        uint8_t route[24] = {17, 2, (uint8_t)type, 1};
        assert_int_equal(answer_to(&p, &p.host, 43, route, 24, &s), PROBLEM(0));
        assert_int_equal(pointer(&s), 42);
        route[3] = 0; /* no segments left: skipped */
        assert_int_equal(answer_to(&p, &p.host, 43, route, 24, &s), PORT_UNREACHABLE);
    }
    assert_int_equal(peer_drops(&p, NOD_DROP_HEADER_CHAIN), 256);
    peer_free(&p);
}

/* RFC 8200 4.1, 4.3, 4.7. */
static void order_and_ends(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 6, false);
    /* Every header once, hop-by-hop first. */
    uint8_t all[40] = {60,       0,         1,         4,         [8] = 43, [10] = 1,
                       [11] = 4, [16] = 44, [24] = 60, [32] = 17, [34] = 1, [35] = 4};
    assert_int_equal(answer_to(&p, &p.host, 0, all, 40, &s), PORT_UNREACHABLE);
    /* Hop-by-hop behind another is an unknown header there. */
    uint8_t late[16] = {0, 0, 1, 4, [8] = 17, [10] = 1, [11] = 4};
    assert_int_equal(answer_to(&p, &p.host, 60, late, 16, &s), PROBLEM(1));
    assert_int_equal(pointer(&s), 40);
    /* Nobody knows header 99: the pointer is where it was named. */
    uint8_t unknown[8] = {99, 0, 1, 4};
    assert_int_equal(answer_to(&p, &p.host, 60, unknown, 8, &s), PROBLEM(1));
    assert_int_equal(pointer(&s), 40);
    /* No next header: that was all, and what follows is nobody's. */
    uint8_t none[8] = {59, 0, 1, 4};
    assert_int_equal(answer_to(&p, &p.host, 60, none, 8, &s), 0);
    assert_int_equal(answer_to(&p, &p.host, 59, none, 8, &s), 0);
    peer_free(&p);
}

/* RFC 8504 5.3: so many headers, and so many options in each; padding is none. */
static void limits(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    uint8_t headers[2048] = {0};
    peer_make(&p, NULL, 6, false);
    for (int n = 1; n <= 12; n++) {
        for (int i = 0; i < n; i++)
            memcpy(headers + 8 * i, (uint8_t[]){i < n - 1 ? 60 : 17, 0, 1, 4, 0, 0, 0, 0}, 8);
        unsigned want = n <= 8 ? PORT_UNREACHABLE : 0;
        assert_int_equal(answer_to(&p, &p.host, 60, headers, 8u * (size_t)n, &s), want);
    }
    for (int n = 0; n <= 12; n++) {
        memset(headers, 0, sizeof(headers));
        headers[0] = 17, headers[1] = 180;
        for (int i = 0; i < n; i++) headers[2 + 3 * i] = 0x1e, headers[3 + 3 * i] = 1;
        unsigned want = n <= 8 ? PORT_UNREACHABLE : 0;
        assert_int_equal(answer_to(&p, &p.host, 60, headers, 181 * 8, &s), want);
    }
    peer_free(&p);
}

/* An option or a header that goes beyond its end. */
static void overlong(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 6, false);
    uint8_t option[8] = {17, 0, 1, 5};
    assert_int_equal(answer_to(&p, &p.host, 60, option, 8, &s), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_BAD_IP), 1);
    uint8_t last[8] = {17, 0, 1, 3, 0, 0, 0, 0x1e}; /* a type without a length */
    assert_int_equal(answer_to(&p, &p.host, 60, last, 8, &s), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_BAD_IP), 2);
    uint8_t header[8] = {17, 2, 1, 4};
    assert_int_equal(answer_to(&p, &p.host, 60, header, 8, &s), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_HEADER_CHAIN), 1);
    peer_ip(&p, &p.far, &p.host, 60, header, 4); /* not even its length is there */
    peer_ip(&p, &p.far, &p.host, 44, header, 4);
    assert_int_equal(peer_drops(&p, NOD_DROP_HEADER_CHAIN), 3);
    peer_free(&p);
}

/* RFC 7112, 8504/02: the first fragment holds all headers. */
static void header_chains(void **state)
{
    (void)state;
    static const struct {
        uint8_t protocol, len;
        bool whole;
    } rows[] = {
        {6, 16, false}, {6, 24, true}, {17, 8, true}, {58, 8, true}, {99, 8, true}, {59, 8, true},
    };
    for (size_t i = 0; i < 12; i++) {
        struct peer p;
        uint8_t body[64] = {44, 0, 1, 4, [8] = 60, [11] = 1, [15] = 7, [18] = 1, [19] = 4};
        peer_make(&p, NULL, 6, false);
        body[16] = rows[i / 2].protocol;
        body[24 + 12] = 0x50;
        size_t len = i % 2 ? 24 : 24u + rows[i / 2].len;
        bool whole = i % 2 ? rows[i / 2].protocol == 59 : rows[i / 2].whole;
        peer_ip(&p, &p.far, &p.host, 60, body, len);
        assert_int_equal(peer_drops(&p, NOD_DROP_HEADER_CHAIN), !whole);
        struct seen s;
        /* It might be an error, where the type of the ICMPv6 message is missing. */
        bool told = !whole && rows[i / 2].protocol != 58;
        assert_int_equal(peer_output(&p, &s, 1), told);
        if (told) assert_memory_equal(s.bytes + s.l4, ((uint8_t[]){4, 3}), 2);
        if (told) assert_int_equal(pointer(&s), 0);
        peer_free(&p);
    }
}

/* A connection's segment behind headers is a segment (8504/02). */
static void segments_behind_headers(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    uint8_t body[32 + 20] = {60, 1, 1, 12, [16] = 43, [18] = 1, [19] = 4, [24] = 6, [26] = 4};
    peer_make(&p, NULL, 6, false);
    peer_listen(&p, 80, 5);
    peer_tcp_bytes(&p.far, &p.host,
                   &(struct segment){.sport = 9, .dport = 80, .seq = 5, .ctl = NOD_SYN}, body + 32);
    peer_ip(&p, &p.far, &p.host, 0, body, sizeof(body));
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(s.ctl == (NOD_SYN | NOD_ACK) && s.ack == 6);
    peer_free(&p);
}

/* However long the headers are, a ping behind them is answered. */
static void pings_behind_long_headers(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 6, false);
    for (size_t words = 0; words < 128; words++) {
        uint8_t body[8 * 128 + 12] = {58, (uint8_t)words};
        size_t at = 8 * (words + 1);
        uint8_t *ping = body + at;
        ping[0] = 128, ping[8] = 7;
        uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(&p.far, &p.host, 58, 12), ping, 12);
        ping[2] = (uint8_t)(sum >> 8), ping[3] = (uint8_t)sum;
        peer_ip(&p, &p.far, &p.host, 60, body, at + 12);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        assert_true(s.len == 52 && s.bytes[40] == 129 && s.bytes[48] == 7);
    }
    peer_free(&p);
}

/* A SYN in an IPv4 packet with these options; its answer's flags, 0 for silence. */
static uint8_t syn_with(struct peer *p, const uint8_t *options, size_t len, struct seen *s)
{
    uint8_t packet[100] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6};
    size_t size = 20 + len;
    packet[0] = (uint8_t)(0x40 | size / 4);
    packet[3] = (uint8_t)(size + 20);
    memcpy(packet + 12, p->far.bytes, 4);
    memcpy(packet + 16, p->host.bytes, 4);
    memcpy(packet + 20, options, len);
    uint16_t sum = (uint16_t)~peer_sum(0, packet, size);
    packet[10] = (uint8_t)(sum >> 8), packet[11] = (uint8_t)sum;
    static uint16_t port = 100;
    struct segment syn = {.sport = port++, .dport = 80, .seq = 5, .ctl = NOD_SYN};
    peer_tcp_bytes(&p->far, &p->host, &syn, packet + size);
    peer_input(p, packet, size + 20);
    return peer_output(p, s, 1) ? s->protocol == 6 ? s->ctl : 0x80 : 0;
}

/* MUST-50, MAY-10 and MAY-11: what is not understood is ignored, and not echoed. */
static void ip4_options_are_ignored(void **state)
{
    (void)state;
    static const uint8_t rows[][12] = {
        {158, 12, 1, 2, 3},                    /* unknown */
        {30, 4, 0, 0, 94, 8},                  /* unknown, twice */
        {68, 12, 5, 0},                        /* Timestamp */
        {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1}, /* Record Route */
        {1, 1, 1, 148, 4, 0, 0, 0},            /* Router Alert behind NOPs */
        {0, 131, 99, 99},                      /* behind the end is nothing */
    };
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 50);
    for (int i = 0; i < 6; i++) assert_int_equal(syn_with(&p, rows[i], 12, &s), NOD_SYN | NOD_ACK);
    peer_free(&p);
}

/* RFC 7126 4.3 and 4.4: who says by which way packets go is not listened to. */
static void source_routes_are_dropped(void **state)
{
    (void)state;
    static const uint8_t rows[][8] = {
        {131, 7, 4, 10, 0, 0, 9},
        {137, 7, 4, 10, 0, 0, 9}, /* a way to go */
        {131, 7, 8, 10, 0, 0, 9}, /* completed */
        {1, 137, 3, 4},
    };
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 50);
    for (int i = 0; i < 4; i++) assert_int_equal(syn_with(&p, rows[i], 8, &s), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_IP_OPTION), 4);
    peer_free(&p);
}

/* RFC 1122 3.2.2.5: an option that cannot be is a parameter problem, and where. */
static void malformed_ip4_options(void **state)
{
    (void)state;
    static const struct {
        uint8_t options[8], at;
    } rows[] = {{{30, 0}, 20},
                {{30, 1}, 20},
                {{30, 9}, 20},
                {{1, 1, 30, 7}, 22},
                {{1, 1, 1, 1, 1, 1, 1, 30}, 27}};
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 50);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(syn_with(&p, rows[i].options, 8, &s), 0x80);
        assert_memory_equal(s.bytes + s.l4, ((uint8_t[]){12, 0}), 2);
        assert_int_equal(pointer(&s), (uint32_t)rows[i].at << 24);
    }
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_options),
        cmocka_unit_test(problems_of_errors),
        cmocka_unit_test(routing_headers),
        cmocka_unit_test(order_and_ends),
        cmocka_unit_test(limits),
        cmocka_unit_test(overlong),
        cmocka_unit_test(header_chains),
        cmocka_unit_test(segments_behind_headers),
        cmocka_unit_test(pings_behind_long_headers),
        cmocka_unit_test(ip4_options_are_ignored),
        cmocka_unit_test(source_routes_are_dropped),
        cmocka_unit_test(malformed_ip4_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
