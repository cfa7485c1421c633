/* The TCP header and its options: read in any order, at any alignment, whole or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/dice.h"
#include "wire/tcp.h"

/* A header by hand, with these options padded by zeros. Returns its size. */
static size_t by_hand(uint8_t *p, uint8_t ctl, const uint8_t *options, size_t len)
{
    static const uint8_t fixed[20] = {0x12, 0x34, 0x00, 0x50, 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02,
                                      0x03, 0x04, 0x00, 0x00, 0xfe, 0xdc, 0xaa, 0xbb, 0x11, 0x22};
    size_t size = 20 + (len + 3) / 4 * 4;
    memset(p, 0, size);
    memcpy(p, fixed, 20);
    memcpy(p + 20, options, len);
    p[12] = (uint8_t)(size / 4 << 4);
    p[13] = ctl;
    return size;
}

static struct nod_tcp_header parsed(uint8_t ctl, const uint8_t *options, size_t len)
{
    uint8_t p[60];
    struct nod_tcp_header h;
    size_t size = by_hand(p, ctl, options, len);
    assert_true(nod_tcp_parse(p, size, &h));
    assert_int_equal(h.size, size);
    return h;
}
#define PARSED(ctl, ...) \
    parsed(ctl, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void fields(void **state)
{
    (void)state;
    struct nod_tcp_header h = PARSED(NOD_SYN | NOD_ACK, 0);
    assert_int_equal(h.src_port, 0x1234);
    assert_int_equal(h.dst_port, 80);
    assert_int_equal(h.seq, 0xdeadbeef);
    assert_int_equal(h.ack, 0x01020304);
    assert_int_equal(h.wnd, 0xfedc);
    assert_int_equal(h.up, 0x1122);
    assert_int_equal(h.ctl, NOD_SYN | NOD_ACK);
    assert_false(h.opt.has_mss || h.opt.has_wscale || h.opt.has_ts || h.opt.sack_permitted);
}

static void all_options_of_a_syn(void **state)
{
    (void)state;
    /* Timestamps at an odd place, an unknown option between. */
    struct nod_tcp_header h = PARSED(NOD_SYN, 3, 3, 7, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 4, 2, 254, 5,
                                     9, 9, 9, 2, 4, 0x05, 0xb4, 1, 0, 77, 77);
    assert_true(h.opt.has_mss && h.opt.has_wscale && h.opt.has_ts && h.opt.sack_permitted);
    assert_int_equal(h.opt.mss, 1460);
    assert_int_equal(h.opt.wscale, 7);
    assert_int_equal(h.opt.ts_val, 0x01020304);
    assert_int_equal(h.opt.ts_ecr, 0x05060708);
}

/* Whatever their order, and with NOPs strewn between. */
static void any_order(nod_rng *rng)
{
    static const uint8_t option[4][10] = {
        {2, 4, 0x12, 0x34}, {3, 3, 14}, {4, 2}, {8, 10, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe}};
    uint8_t bytes[40], order[4] = {0, 1, 2, 3};
    size_t len = 0, pad = 21;
    for (size_t i = 3; i > 0; i--) {
        size_t j = nod_rng_below(rng, i + 1);
        uint8_t o = order[i];
        order[i] = order[j], order[j] = o;
    }
    for (int i = 0; i < 4; i++) {
        for (size_t nops = nod_rng_below(rng, pad < 6 ? pad : 6); nops; nops--, pad--)
            bytes[len++] = 1;
        memcpy(bytes + len, option[order[i]], option[order[i]][1]);
        len += option[order[i]][1];
    }
    struct nod_tcp_header h = parsed(NOD_SYN, bytes, len);
    assert_true(h.opt.has_mss && h.opt.has_wscale && h.opt.has_ts && h.opt.sack_permitted);
    assert_true(h.opt.mss == 0x1234 && h.opt.wscale == 14 && h.opt.ts_val == 1);
    assert_true(h.opt.ts_ecr == 0xfffffffe);
}

static void options_in_any_order(void **state)
{
    (void)state;
    dice_each(__FILE__, 2000, any_order);
}

/* MSS, window scale and SACK-permitted mean something on a SYN only; SACK only elsewhere. */
static void only_where_they_belong(void **state)
{
    (void)state;
    struct nod_tcp_header h = PARSED(NOD_ACK, 2, 4, 5, 180, 3, 3, 7, 4, 2);
    assert_false(h.opt.has_mss || h.opt.has_wscale || h.opt.sack_permitted);
    h = PARSED(NOD_SYN, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2);
    assert_int_equal(h.opt.sack_count, 0);
    h = PARSED(NOD_ACK, 1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0, 0, 3, 0, 0, 0, 4);
    assert_int_equal(h.opt.sack_count, 2);
    assert_int_equal(h.opt.sack[0][0], 1);
    assert_int_equal(h.opt.sack[0][1], 2);
    assert_int_equal(h.opt.sack[1][0], 0xff000003);
    assert_int_equal(h.opt.sack[1][1], 4);
}

/* MUST-7: an option that is wrong is passed over, and what follows it is read if its length
 * lets one find it. */
static void malformed(void **state)
{
    (void)state;
    struct nod_tcp_header h = PARSED(NOD_SYN, 2, 3, 9, 3, 3, 5);
    assert_true(!h.opt.has_mss && h.opt.has_wscale && h.opt.wscale == 5);
    h = PARSED(NOD_SYN, 2, 0, 5, 180); /* a length of zero would never end */
    assert_false(h.opt.has_mss);
    h = PARSED(NOD_SYN, 99, 1, 2, 4, 5, 180);
    assert_false(h.opt.has_mss);
    h = PARSED(NOD_SYN, 2, 4, 5, 180, 3, 200); /* beyond the header */
    assert_true(h.opt.has_mss && !h.opt.has_wscale);
    h = PARSED(NOD_SYN, 1, 1, 1, 8); /* a kind alone at the end */
    assert_false(h.opt.has_ts);
    h = PARSED(NOD_SYN, 1, 1, 2, 4); /* a length, and nothing that it is of */
    assert_false(h.opt.has_mss);
    h = PARSED(NOD_SYN, 0, 4, 5, 180, 2, 4, 5, 180); /* all is over after END */
    assert_false(h.opt.has_mss);
    h = PARSED(NOD_SYN, 0, 2, 4, 5, 180);
    assert_false(h.opt.has_mss);
    h = PARSED(NOD_ACK, 5, 9, 0, 0, 0, 1, 0, 0, 0, 5, 2); /* SACK of seven octets, of none */
    assert_int_equal(h.opt.sack_count, 0);
    h = PARSED(NOD_ACK, 8, 9, 0, 0, 0, 1, 0, 0, 0);
    assert_false(h.opt.has_ts);
}

/* MUST-68: of every kind but two, known or not, the next octet is a length; what it spans is
 * passed over, and what follows is read. */
static void every_kind_has_a_length(void **state)
{
    (void)state;
    for (int kind = 2; kind < 256; kind++) {
        if (kind == 2 || kind == 3) continue;
        struct nod_tcp_header h =
            PARSED(NOD_SYN, (uint8_t)kind, 6, 2, 4, 9, 9, 2, 4, 5, 180, 3, 3, 7);
        assert_true(h.opt.has_mss && h.opt.mss == 1460);
        assert_true(h.opt.has_wscale && h.opt.wscale == 7);
        h = PARSED(NOD_SYN, (uint8_t)kind, 1, 2, 4, 5, 180); /* too short: the rest is nothing */
        assert_false(h.opt.has_mss);
    }
}

/* Every length that can be missing something: false, and nothing is read beyond `len`
 * (AddressSanitizer watches the exact copy). */
static void truncated_anywhere(void **state)
{
    (void)state;
    uint8_t whole[60], options[40];
    for (int i = 0; i < 40; i++) options[i] = 1;
    for (size_t words = 0; words <= 15; words++) {
        by_hand(whole, NOD_SYN, options, 40);
        whole[12] = (uint8_t)(words << 4);
        for (size_t len = 0; len <= 60; len++) {
            uint8_t *exact = malloc(len ? len : 1);
            struct nod_tcp_header h;
            memcpy(exact, whole, len);
            bool good = words >= 5 && words * 4 <= len;
            assert_int_equal(nod_tcp_parse(exact, len, &h), good);
            free(exact);
        }
    }
}

static void random_bytes(nod_rng *rng)
{
    size_t len = nod_rng_below(rng, 61);
    uint8_t *exact = malloc(len ? len : 1);
    struct nod_tcp_header h;
    dice_bytes(rng, exact, len);
    if (len > 20) { /* mostly a header, with kinds that are known */
        exact[12] = (uint8_t)(len / 4 << 4);
        for (size_t i = 20; i < len; i++)
            if (nod_rng_below(rng, 3)) exact[i] = (uint8_t)nod_rng_below(rng, 12);
    }
    if (nod_tcp_parse(exact, len, &h)) {
        assert_true(h.size >= 20 && h.size <= len);
        assert_true(h.opt.sack_count <= 4);
    }
    free(exact);
}

static void any_bytes(void **state)
{
    (void)state;
    dice_each(__FILE__, 100000, random_bytes);
}

static void there_and_back(nod_rng *rng)
{
    uint8_t bytes[64];
    bool syn = nod_rng_below(rng, 2), ts = nod_rng_below(rng, 2);
    struct nod_tcp_header h = {
        .src_port = (uint16_t)nod_rng_next(rng),
        .dst_port = (uint16_t)nod_rng_next(rng),
        .seq = (uint32_t)nod_rng_next(rng),
        .ack = (uint32_t)nod_rng_next(rng),
        .wnd = (uint16_t)nod_rng_next(rng),
        .up = (uint16_t)nod_rng_next(rng),
        .ctl = (uint16_t)((nod_rng_next(rng) & 0x1ff & ~(uint64_t)NOD_SYN) | (syn ? NOD_SYN : 0)),
        .opt = {.has_ts = ts},
    };
    if (ts) h.opt.ts_val = (uint32_t)nod_rng_next(rng), h.opt.ts_ecr = (uint32_t)nod_rng_next(rng);
    if (syn) {
        h.opt.has_mss = nod_rng_below(rng, 2), h.opt.has_wscale = nod_rng_below(rng, 2);
        h.opt.mss = h.opt.has_mss ? (uint16_t)nod_rng_next(rng) : 0;
        h.opt.wscale = h.opt.has_wscale ? (uint8_t)nod_rng_next(rng) : 0;
        h.opt.sack_permitted = nod_rng_below(rng, 2);
    } else {
        h.opt.sack_count = (uint8_t)nod_rng_below(rng, ts ? 4 : 5);
        for (unsigned i = 0; i < h.opt.sack_count; i++)
            h.opt.sack[i][0] = (uint32_t)nod_rng_next(rng), h.opt.sack[i][1] = (uint32_t)i;
    }
    if (nod_tcp_options_size(&h.opt) <= 28 && nod_rng_below(rng, 2)) {
        h.opt.accecn_kind = nod_rng_below(rng, 2) ? NOD_ACCECN0 : NOD_ACCECN1;
        h.opt.accecn_fields = (uint8_t)nod_rng_below(rng, 4);
        for (unsigned i = 0; i < h.opt.accecn_fields; i++)
            h.opt.accecn[i] = (uint32_t)nod_rng_next(rng) & 0xffffff;
    }
    size_t size = nod_tcp_emit(&h, bytes);
    assert_true(size % 4 == 0 && size <= NOD_TCP_HEADER_MAX && size == h.size);
    assert_int_equal(size, 20 + nod_tcp_options_size(&h.opt));
    assert_true(bytes[16] == 0 && bytes[17] == 0);
    struct nod_tcp_header back;
    assert_true(nod_tcp_parse(bytes, size, &back));
    assert_memory_equal(&back.opt, &h.opt, sizeof(h.opt));
    assert_true(back.src_port == h.src_port && back.dst_port == h.dst_port && back.seq == h.seq);
    assert_true(back.ack == h.ack && back.wnd == h.wnd && back.up == h.up && back.ctl == h.ctl);
}

static void round_trip(void **state)
{
    (void)state;
    dice_each(__FILE__, 20000, there_and_back);
}

/* The very bytes of a SYN with everything, checked once by eye. */
static void emitted_bytes(void **state)
{
    (void)state;
    static const uint8_t want[40] = {0x30, 0x39, 0x00, 0x50, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00,
                                     0x00, 0x00, 0xa0, 0x02, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
                                     2,    4,    0x05, 0xb4, 4,    2,    8,    10,   0,    0,
                                     0,    9,    0,    0,    0,    0,    1,    3,    3,    7};
    struct nod_tcp_header h = {.src_port = 12345,
                               .dst_port = 80,
                               .seq = 7,
                               .ctl = NOD_SYN,
                               .wnd = 65535,
                               .opt = {.has_mss = true,
                                       .mss = 1460,
                                       .sack_permitted = true,
                                       .has_ts = true,
                                       .ts_val = 9,
                                       .has_wscale = true,
                                       .wscale = 7}};
    uint8_t bytes[60];
    assert_int_equal(nod_tcp_emit(&h, bytes), 40);
    assert_memory_equal(bytes, want, 40);
}

/* 7413/02, with errata 4238 and 4239: lengths 2, and 6 to 18 if even; and on a SYN only. */
static void fast_open(void **state)
{
    (void)state;
    for (int syn = 0; syn < 2; syn++) {
        for (uint8_t len = 0; len <= 40; len++) {
            uint8_t p[60] = {[12] = 0xf0, [13] = syn ? NOD_SYN : NOD_ACK, [20] = 34, [21] = len};
            struct nod_tcp_header h;
            memset(p + 22, 0xab, len > 2 ? len - 2 : 0);
            assert_true(nod_tcp_parse(p, 60, &h));
            bool good = len == 2 || (len >= 6 && len <= 18 && len % 2 == 0);
            assert_int_equal(h.opt.has_fast_open, syn && good);
            if (!h.opt.has_fast_open) continue;
            assert_int_equal(h.opt.cookie_len, len - 2);
            uint8_t out[60];
            assert_int_equal(nod_tcp_emit(&h, out), 20 + (len + 3) / 4 * 4);
            assert_int_equal(20 + nod_tcp_options_size(&h.opt), h.size);
            assert_memory_equal(out + 20, p + 20, len);
            for (size_t i = 20 + len; i < h.size; i++) assert_int_equal(out[i], 1);
        }
    }
    /* Everything at once just fits. */
    struct nod_tcp_header h = {.ctl = NOD_SYN,
                               .opt = {.has_mss = true,
                                       .has_ts = true,
                                       .sack_permitted = true,
                                       .has_wscale = true,
                                       .has_fast_open = true,
                                       .cookie_len = 16}};
    uint8_t out[60];
    assert_int_equal(nod_tcp_emit(&h, out), 60);
}

/* As it was before RFC 7413: experiment F989 of kind 254 (RFC 6994). */
static void fast_open_of_old(void **state)
{
    (void)state;
    for (uint8_t len = 4; len <= 40; len++) {
        uint8_t p[60] = {[12] = 0xf0, [13] = NOD_SYN, [20] = 254, [21] = len, [22] = 0xf9};
        struct nod_tcp_header h;
        memset(p + 24, 0xab, len - 4);
        assert_true(nod_tcp_parse(p, 60, &h));
        assert_false(h.opt.has_fast_open); /* another experiment */
        p[23] = 0x89;
        assert_true(nod_tcp_parse(p, 60, &h));
        assert_int_equal(h.opt.has_fast_open, len == 4 || (len >= 8 && len <= 20 && len % 2 == 0));
        if (!h.opt.has_fast_open) continue;
        uint8_t out[60];
        assert_true(h.opt.fast_open_old && h.opt.cookie_len == len - 4);
        assert_int_equal(nod_tcp_emit(&h, out), 20 + (len + 3) / 4 * 4);
        assert_memory_equal(out + 20, p + 20, len);
    }
}

/* RFC 9768 section 3.2.3: both orders, the lengths 2, 5, 8 and 11, and what is beyond whole fields
 * is padding. */
static void accecn_options(void **state)
{
    (void)state;
    struct nod_tcp_header h = PARSED(NOD_ACK, 172, 11, 0, 0, 1, 0, 5, 0xdc, 0xff, 0xff, 0xfe);
    assert_int_equal(h.opt.accecn_kind, NOD_ACCECN0);
    assert_int_equal(h.opt.accecn_fields, 3);
    assert_int_equal(h.opt.accecn[0], 1);
    assert_int_equal(h.opt.accecn[1], 1500);
    assert_int_equal(h.opt.accecn[2], 0xfffffe);
    h = PARSED(NOD_ACK, 174, 8, 0, 0, 1, 0, 0, 2);
    assert_true(h.opt.accecn_kind == NOD_ACCECN1 && h.opt.accecn_fields == 2);
    h = PARSED(NOD_ACK, 172, 5, 0, 0, 1);
    assert_int_equal(h.opt.accecn_fields, 1);
    h = PARSED(NOD_ACK, 174, 2);
    assert_true(h.opt.accecn_kind == NOD_ACCECN1 && h.opt.accecn_fields == 0);
    h = PARSED(NOD_ACK, 172, 7, 0, 0, 9, 1, 1);
    assert_true(h.opt.accecn_fields == 1 && h.opt.accecn[0] == 9);
    h = PARSED(NOD_ACK, 172, 15, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 5);
    assert_true(h.opt.accecn_fields == 3 && h.opt.accecn[2] == 3);
}

/* AE, the lowest bit of the fourth nibble of octets; the three above it stay zero, and what comes
 * in them is ignored. */
static void accurate_flag(void **state)
{
    (void)state;
    uint8_t bytes[60];
    struct nod_tcp_header h = {.ctl = NOD_SYN | NOD_AE | NOD_CWR | NOD_ECE}, back;
    assert_int_equal(nod_tcp_emit(&h, bytes), 20);
    assert_int_equal(bytes[12], 0x51);
    assert_int_equal(bytes[13], 0xc2);
    bytes[12] |= 0x0e;
    assert_true(nod_tcp_parse(bytes, 20, &back));
    assert_int_equal(back.ctl, h.ctl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(all_options_of_a_syn),
        cmocka_unit_test(options_in_any_order),
        cmocka_unit_test(only_where_they_belong),
        cmocka_unit_test(malformed),
        cmocka_unit_test(every_kind_has_a_length),
        cmocka_unit_test(truncated_anywhere),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(emitted_bytes),
        cmocka_unit_test(fast_open),
        cmocka_unit_test(fast_open_of_old),
        cmocka_unit_test(accecn_options),
        cmocka_unit_test(accurate_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
