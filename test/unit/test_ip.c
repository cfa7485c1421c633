/* IPv4 and IPv6 headers, Ethernet and ARP; addresses and prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/dice.h"
#include "wire/ip.h"

static void sum4(uint8_t *p, size_t size)
{
    uint32_t sum = 0;
    p[10] = p[11] = 0;
    for (size_t i = 0; i < size; i += 2) sum += (uint32_t)p[i] << 8 | p[i + 1];
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    p[10] = (uint8_t)(~sum >> 8), p[11] = (uint8_t)~sum;
}

/* 10.0.0.1 > 10.0.0.2, TCP, `options` words of NOP options and `payload` bytes. */
static size_t ip4(uint8_t *p, unsigned options, unsigned payload)
{
    size_t size = 20 + 4 * options;
    memset(p, 1, size + payload);
    memcpy(p,
           (uint8_t[]){0x40 | (uint8_t)(5 + options),
                       0xb8,
                       (uint8_t)((size + payload) >> 8),
                       (uint8_t)(size + payload),
                       0,
                       0,
                       0x40,
                       0,
                       63,
                       6,
                       0,
                       0,
                       10,
                       0,
                       0,
                       1,
                       10,
                       0,
                       0,
                       2},
           20);
    sum4(p, size);
    return size + payload;
}

/* The same parse on a copy of exactly `have` bytes. */
static enum nod_drop parse(const uint8_t *p, size_t have, size_t total, struct nod_ip *out)
{
    uint8_t *exact = malloc(have ? have : 1);
    memcpy(exact, p, have);
    enum nod_drop drop = nod_ip_parse(exact, have, total, out);
    free(exact);
    return drop;
}

static void ip4_fields(void **state)
{
    (void)state;
    uint8_t p[100];
    struct nod_ip ip;
    size_t len = ip4(p, 0, 30);
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_NONE);
    assert_true(ip.family == 4 && ip.protocol == 6 && ip.ttl == 63 && ip.tos == 0xb8);
    assert_true(ip.size == 20 && ip.payload == 30 && !ip.fragment);
    nod_addr src = nod_ip_to_addr(ip.src), want = nod_addr_ip4(10, 0, 0, 1);
    assert_true(nod_addr_equal(&src, &want));
    assert_true(ip.dst[10] == 0xff && ip.dst[15] == 2);
    /* Link padding behind the packet is not payload. */
    assert_int_equal(parse(p, 100, 100, &ip), NOD_DROP_NONE);
    assert_int_equal(ip.payload, 30);
}

static void ip4_options(void **state)
{
    (void)state;
    uint8_t p[100];
    struct nod_ip ip;
    for (unsigned words = 0; words <= 10; words++) { /* filled with NOPs */
        size_t len = ip4(p, words, 8);
        assert_int_equal(parse(p, len, len, &ip), NOD_DROP_NONE);
        assert_int_equal(ip.size, 20 + 4 * words);
        assert_int_equal(ip.payload, 8);
        p[21] ^= 0x10; /* an option's octet is part of the sum; the payload's is not */
        assert_int_equal(parse(p, len, len, &ip), words ? NOD_DROP_IP_CHECKSUM : NOD_DROP_NONE);
    }
}

static void ip4_nonsense(void **state)
{
    (void)state;
    uint8_t p[100];
    struct nod_ip ip;
    size_t len = ip4(p, 0, 30);
    p[0] = 0x55; /* version 5 */
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_BAD_IP);
    ip4(p, 0, 30);
    p[0] = 0x44; /* a header of 16 octets */
    sum4(p, 16);
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_BAD_IP);
    ip4(p, 0, 30);
    p[3] = 19; /* a packet smaller than its header */
    sum4(p, 20);
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_BAD_IP);
    ip4(p, 0, 30);
    p[10] ^= 1;
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_IP_CHECKSUM);
}

static void ip4_fragments(void **state)
{
    (void)state;
    uint8_t p[100];
    struct nod_ip ip;
    static const struct {
        uint8_t field[2], payload;
        uint32_t offset;
        bool more;
        enum nod_drop drop;
    } rows[] = {
        {{0x20, 0}, 32, 0, true, NOD_DROP_NONE},
        {{0, 1}, 30, 8, false, NOD_DROP_NONE},
        {{0x3f, 0}, 8, 0x1f00 * 8, true, NOD_DROP_NONE},
        {{0x1f, 0xfc}, 30, 0x1ffc * 8, false, NOD_DROP_FRAGMENT}, /* beyond 65,535 octets */
        {{0x20, 0}, 30, 0, true, NOD_DROP_FRAGMENT},              /* not a multiple of eight */
        {{0, 1}, 0, 8, false, NOD_DROP_FRAGMENT},                 /* of nothing */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = ip4(p, 0, rows[i].payload);
        memcpy(p + 4, (uint8_t[]){0x12, 0x34, rows[i].field[0], rows[i].field[1]}, 4);
        sum4(p, 20);
        assert_int_equal(parse(p, len, len, &ip), rows[i].drop);
        assert_true(ip.fragment && ip.more == rows[i].more);
        assert_true(ip.id == 0x1234 && ip.offset == rows[i].offset);
    }
}

static void truncated_ip4(void **state)
{
    (void)state;
    uint8_t p[100];
    struct nod_ip ip;
    size_t len = ip4(p, 3, 30);
    for (size_t have = 0; have < len; have++)
        assert_int_equal(parse(p, have, have, &ip), NOD_DROP_TRUNCATED);
    /* The rest is in other parts of the frame: the header is enough. */
    for (size_t have = 0; have < len; have++)
        assert_int_equal(parse(p, have, len, &ip), have < 32 ? NOD_DROP_TRUNCATED : NOD_DROP_NONE);
}

/* 2001:db8::1 > 2001:db8::2; `next` and `body` as given. */
static size_t ip6(uint8_t *p, uint8_t next, const uint8_t *body, size_t len)
{
    memset(p, 0, 40);
    p[0] = 0x6a, p[1] = 0xb1, p[2] = 0x23, p[3] = 0x45;
    p[4] = (uint8_t)(len >> 8), p[5] = (uint8_t)len;
    p[6] = next;
    p[7] = 62;
    memcpy(p + 8, (uint8_t[]){0x20, 1, 0x0d, 0xb8}, 4);
    memcpy(p + 24, (uint8_t[]){0x20, 1, 0x0d, 0xb8}, 4);
    p[23] = 1, p[39] = 2;
    memcpy(p + 40, body, len);
    return 40 + len;
}

static void ip6_fields(void **state)
{
    (void)state;
    uint8_t p[100], body[24] = {0};
    struct nod_ip ip;
    size_t len = ip6(p, 6, body, 24);
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_NONE);
    assert_true(ip.family == 6 && ip.protocol == 6 && ip.ttl == 62 && ip.tos == 0xab);
    assert_true(ip.flow_label == 0x12345 && ip.size == 40 && ip.payload == 24 && !ip.fragment);
    assert_true(ip.src[0] == 0x20 && ip.src[15] == 1 && ip.dst[15] == 2);
    for (size_t have = 0; have < len; have++) {
        assert_int_equal(parse(p, have, have, &ip), NOD_DROP_TRUNCATED);
        assert_int_equal(parse(p, have, len, &ip), have < 40 ? NOD_DROP_TRUNCATED : NOD_DROP_NONE);
    }
}

static void ip6_extension_headers(void **state)
{
    (void)state;
    uint8_t p[200];
    struct nod_ip ip;
    /* Hop-by-hop of 8, destination of 16, routing with no hops left, then TCP. */
    uint8_t body[8 + 16 + 8 + 20] = {[0] = 60, [8] = 43, [9] = 1, [24] = 6, [26] = 4, [27] = 0};
    size_t len = ip6(p, 0, body, sizeof(body));
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_NONE);
    assert_true(ip.protocol == 6 && ip.size == 72 && ip.payload == 20);
    for (size_t have = 0; have < len; have++)
        assert_int_equal(parse(p, have, have, &ip), NOD_DROP_TRUNCATED);
    p[40 + 27] = 1; /* one hop left: not for us to route */
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_HEADER_CHAIN);
    p[40 + 27] = 0;
    p[40 + 9] = 9; /* longer than what there is */
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_HEADER_CHAIN);
    /* Nine in a row are too many to be honest. */
    uint8_t many[80] = {0};
    for (int i = 0; i < 10; i++) many[8 * i] = 60;
    many[64] = 59;
    len = ip6(p, 60, many, sizeof(many));
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_HEADER_CHAIN);
    many[56] = 59;
    len = ip6(p, 60, many, sizeof(many));
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_NONE);
    assert_true(ip.protocol == 59 && ip.size == 40 + 64 && ip.payload == 16);
}

static void ip6_fragments(void **state)
{
    (void)state;
    static const struct {
        uint8_t at[2], payload;
        uint32_t offset;
        bool fragment, more;
        enum nod_drop drop;
        enum nod_ip_problem problem;
        uint32_t problem_at;
    } rows[] = {
        {{0, 1}, 24, 0, true, true, NOD_DROP_NONE, 0, 0},
        {{0, 9}, 24, 8, true, true, NOD_DROP_NONE, 0, 0},
        {{0, 8}, 21, 8, true, false, NOD_DROP_NONE, 0, 0},
        {{0, 0}, 21, 0, false, false, NOD_DROP_NONE, 0, 0}, /* whole all the same */
        {{0, 6}, 21, 0, false, false, NOD_DROP_NONE, 0, 0}, /* reserved bits say nothing */
        {{0, 8}, 0, 8, true, false, NOD_DROP_FRAGMENT, 0, 0},
        {{0, 9}, 21, 8, true, true, NOD_DROP_FRAGMENT, NOD_PROBLEM_FIELD, 4},
        {{0xff, 0xf8}, 8, 65528, true, false, NOD_DROP_FRAGMENT, NOD_PROBLEM_FIELD, 42},
        {{0xff, 0xf8}, 7, 65528, true, false, NOD_DROP_NONE, 0, 0},
        {{0, 1}, 16, 0, true, true, NOD_DROP_HEADER_CHAIN, NOD_PROBLEM_CHAIN, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t p[200], body[8 + 24] = {6, 0, rows[i].at[0], rows[i].at[1], 1, 2, 3, 4};
        struct nod_ip ip;
        body[8 + 12] = 0x50;
        size_t len = ip6(p, 44, body, 8u + rows[i].payload);
        assert_int_equal(parse(p, len, len, &ip), rows[i].drop);
        assert_int_equal(ip.problem, rows[i].problem);
        assert_int_equal(ip.problem_at, rows[i].problem_at);
        assert_true(ip.fragment == rows[i].fragment && ip.more == rows[i].more);
        assert_true(ip.id == 0x01020304 && ip.offset == rows[i].offset);
        assert_true(ip.reassembled == !ip.fragment && ip.protocol == 6 && ip.size == 48);
    }
}

/* ::ffff:a.b.c.d stands for IPv4 inside; nobody may send it on the wire and be taken for an
 * IPv4 host (or for one of our addresses). */
static void mapped_addresses_on_the_wire(void **state)
{
    (void)state;
    uint8_t p[100], body[20] = {0}, mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};
    struct nod_ip ip;
    size_t len = ip6(p, 6, body, 20);
    memcpy(p + 8, mapped, 16);
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_BAD_IP);
    ip6(p, 6, body, 20);
    memcpy(p + 24, mapped, 16);
    assert_int_equal(parse(p, len, len, &ip), NOD_DROP_BAD_IP);
}

static void random_packets(nod_rng *rng)
{
    size_t len = nod_rng_below(rng, 120), have = nod_rng_below(rng, len + 1);
    uint8_t p[120];
    struct nod_ip ip;
    dice_bytes(rng, p, len);
    if (len > 45 && nod_rng_below(rng, 4)) {
        static const uint8_t next[] = {0, 43, 44, 60, 6, 58};
        p[0] = (uint8_t)((nod_rng_below(rng, 2) ? 0x40 : 0x60) | (p[0] & 15));
        p[4] = 0, p[5] = (uint8_t)nod_rng_below(rng, len - 39);
        p[6] = next[nod_rng_below(rng, 6)];
        p[40] = next[nod_rng_below(rng, 6)], p[41] = (uint8_t)nod_rng_below(rng, 6);
        if (p[0] >> 4 == 4) p[2] = 0, p[3] = (uint8_t)nod_rng_below(rng, 120);
        if (p[0] >> 4 == 4 && (p[0] & 15) >= 5 && (p[0] & 15u) * 4 <= len)
            sum4(p, (p[0] & 15u) * 4);
    }
    if (parse(p, have, len, &ip) == NOD_DROP_NONE) assert_true(ip.size + ip.payload <= len);
}

static void any_bytes(void **state)
{
    (void)state;
    dice_each(__FILE__, 50000, random_packets);
}

static void there_and_back(nod_rng *rng)
{
    struct nod_ip ip = {.family = nod_rng_below(rng, 2) ? 4 : 6, .protocol = 17}, back;
    uint8_t p[200] = {0};
    ip.ttl = (uint8_t)nod_rng_next(rng);
    ip.tos = (uint8_t)nod_rng_next(rng);
    ip.payload = (uint32_t)nod_rng_below(rng, 1400);
    dice_bytes(rng, ip.src, 16);
    dice_bytes(rng, ip.dst, 16);
    ip.src[0] = ip.dst[0] = 0x20;
    if (ip.family == 4)
        nod_ip_map4(ip.src, ip.src), nod_ip_map4(ip.dst, ip.dst);
    else
        ip.flow_label = (uint32_t)nod_rng_below(rng, 1u << 20);
    size_t size = nod_ip_emit(&ip, p);
    assert_int_equal(size, nod_ip_header_size(ip.family));
    assert_int_equal(nod_ip_parse(p, size, size + ip.payload, &back), NOD_DROP_NONE);
    assert_int_equal(back.size, size);
    back.size = 0;
    assert_memory_equal(back.src, ip.src, 16);
    assert_memory_equal(back.dst, ip.dst, 16);
    assert_true(back.ttl == ip.ttl && back.tos == ip.tos && back.payload == ip.payload);
    assert_true(back.flow_label == ip.flow_label && back.protocol == 17 && !back.fragment);
    if (ip.family == 4) assert_int_equal(p[6] & 0x40, 0x40); /* DF */
}

static void round_trip(void **state)
{
    (void)state;
    dice_each(__FILE__, 5000, there_and_back);
}

static void kinds_of_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool multicast, unspecified, loopback, broadcast;
    } rows[] = {
        {"224.0.0.1", true, false, false, false},
        {"239.255.255.255", true, false, false, false},
        {"223.255.255.255", false, false, false, false},
        {"240.0.0.1", false, false, false, false},
        {"0.0.0.0", false, true, false, false},
        {"0.1.2.3", false, true, false, false},
        {"1.0.0.0", false, false, false, false},
        {"127.0.0.1", false, false, true, false},
        {"127.255.0.9", false, false, true, false},
        {"255.255.255.255", false, false, false, true},
        {"255.255.255.254", false, false, false, false},
        {"::", false, true, false, false},
        {"::1", false, false, true, false},
        {"::2", false, false, false, false},
        {"ff02::1", true, false, false, false},
        {"fe80::1", false, false, false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        nod_addr addr;
        uint8_t ip[16];
        assert_int_equal(nod_addr_parse(rows[i].text, &addr), 0);
        nod_ip_from_addr(ip, &addr);
        assert_int_equal(nod_ip_family(ip), addr.family);
        assert_int_equal(nod_ip_is_multicast(ip), rows[i].multicast);
        assert_int_equal(nod_ip_is_unspecified(ip), rows[i].unspecified);
        assert_int_equal(nod_ip_is_loopback(ip), rows[i].loopback);
        assert_int_equal(nod_ip_is_broadcast(ip), rows[i].broadcast);
    }
}

static void prefixes(void **state)
{
    (void)state;
    uint8_t a[16] = {0xab, 0xcd, 0xef}, b[16];
    for (int differ = 0; differ < 128; differ++) {
        memcpy(b, a, 16);
        b[differ / 8] ^= (uint8_t)(0x80 >> differ % 8);
        for (int bits = 0; bits <= 128; bits++)
            assert_int_equal(nod_ip_prefix_match(a, b, bits), bits <= differ);
    }
    assert_true(nod_ip_prefix_match(a, a, 128));
}

static void ethernet_and_arp(void **state)
{
    (void)state;
    uint8_t p[42] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x86, 0xdd}, back[42] = {0};
    struct nod_ethernet eth;
    for (size_t len = 0; len < 14; len++) assert_false(nod_ethernet_parse(p, len, &eth));
    assert_true(nod_ethernet_parse(p, 14, &eth));
    assert_true(eth.dst[0] == 1 && eth.src[5] == 12 && eth.type == NOD_ETH_IP6);
    nod_ethernet_emit(&eth, back);
    assert_memory_equal(p, back, 14);

    static const uint8_t arp[28] = {0,  1, 8, 0, 6, 4, 0, 2, 2, 0, 0,  0, 0, 1,
                                    10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2};
    struct nod_arp a;
    for (size_t len = 0; len < 28; len++) assert_false(nod_arp_parse(arp, len, &a));
    assert_true(nod_arp_parse(arp, 28, &a));
    assert_true(a.op == 2 && a.sender_mac[5] == 1 && a.sender_ip[3] == 1);
    assert_true(a.target_mac[5] == 2 && a.target_ip[3] == 2);
    nod_arp_emit(&a, back);
    assert_memory_equal(back, arp, 28);
    for (int i = 0; i < 6; i++) { /* another hardware, protocol, or size of either */
        uint8_t other[28];
        memcpy(other, arp, 28);
        other[i] ^= 2;
        assert_false(nod_arp_parse(other, 28, &a));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ip4_fields),
        cmocka_unit_test(ip4_options),
        cmocka_unit_test(ip4_nonsense),
        cmocka_unit_test(ip4_fragments),
        cmocka_unit_test(truncated_ip4),
        cmocka_unit_test(ip6_fields),
        cmocka_unit_test(ip6_extension_headers),
        cmocka_unit_test(ip6_fragments),
        cmocka_unit_test(mapped_addresses_on_the_wire),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(kinds_of_addresses),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(ethernet_and_arp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
