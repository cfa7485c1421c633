/* The Internet checksum against RFC 1071's own example and a sum written the slow way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/dice.h"
#include "wire/checksum.h"

/* RFC 1071 section 1, two octets at a time. */
static uint16_t slow_sum(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static void example_of_rfc_1071(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    struct nod_sum sum = {0};
    nod_sum_add(&sum, bytes, sizeof(bytes));
    assert_int_equal(nod_sum_fold(&sum), 0xddf2);
}

static void nothing(void **state)
{
    (void)state;
    struct nod_sum sum = {0};
    nod_sum_add(&sum, "", 0);
    assert_int_equal(nod_sum_fold(&sum), 0);
}

static void in_pieces(nod_rng *rng)
{
    uint8_t bytes[400];
    size_t off = nod_rng_below(rng, 16), len = nod_rng_below(rng, sizeof(bytes) - 16);
    dice_bytes(rng, bytes, sizeof(bytes));
    if (nod_rng_below(rng, 8) == 0) memset(bytes, 0xff, sizeof(bytes));
    struct nod_sum sum = {0};
    for (size_t at = 0; at < len;) {
        size_t n = nod_rng_below(rng, 40);
        if (n > len - at) n = len - at;
        nod_sum_add(&sum, bytes + off + at, n);
        at += n;
    }
    assert_int_equal(nod_sum_fold(&sum), slow_sum(bytes + off, len));
    assert_int_equal(sum.odd, len & 1);
}

static void any_cut_any_alignment(void **state)
{
    (void)state;
    dice_each(__FILE__, 5000, in_pieces);
}

/* 64 KiB of ones: no carry is lost. */
static void long_one(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    memset(bytes, 0xff, sizeof(bytes));
    struct nod_sum sum = {0};
    for (int i = 0; i < 1000; i++) nod_sum_add(&sum, bytes, sizeof(bytes));
    assert_int_equal(nod_sum_fold(&sum), 0xffff);
    nod_sum_add(&sum, "\x12\x34", 2);
    assert_int_equal(nod_sum_fold(&sum), 0x1234);
}

static void of_a_frame(nod_rng *rng)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_frame frame = {0};
    uint8_t flat[1000];
    frame.head_len = (uint8_t)nod_rng_below(rng, NOD_FRAME_HEAD + 1);
    dice_bytes(rng, frame.head, frame.head_len);
    frame.parts = (uint8_t)nod_rng_below(rng, 6);
    for (unsigned i = 0; i < frame.parts; i++) {
        uint32_t off = (uint32_t)nod_rng_below(rng, 9), len = (uint32_t)nod_rng_below(rng, 70);
        nod_block *block = nod_block_new(pool, 100);
        dice_bytes(rng, nod_block_bytes(block), 100);
        frame.part[i] = nod_slice_of(block, off, len);
        nod_block_unref(block);
    }
    size_t len = nod_frame_copy(&frame, 0, flat, sizeof(flat));
    size_t from = nod_rng_below(rng, len + 2);
    struct nod_sum sum = {0};
    nod_sum_add_frame(&sum, &frame, from);
    assert_int_equal(nod_sum_fold(&sum), from < len ? slow_sum(flat + from, len - from) : 0);
    nod_frame_release(&frame);
    nod_pool_free(pool);
}

static void frames_of_many_parts(void **state)
{
    (void)state;
    dice_each(__FILE__, 3000, of_a_frame);
}

static void pseudo_headers(void **state)
{
    (void)state;
    uint8_t src[16], dst[16], flat[40] = {0};
    for (int i = 0; i < 16; i++) src[i] = (uint8_t)(3 * i + 1), dst[i] = (uint8_t)(251 - i);
    struct nod_sum four = {0}, six = {0};
    nod_sum_add_pseudo(&four, 4, src, dst, 6, 0x1234);
    memcpy(flat, src, 4); /* RFC 9293 section 3.1 */
    memcpy(flat + 4, dst, 4);
    flat[9] = 6, flat[10] = 0x12, flat[11] = 0x34;
    assert_int_equal(nod_sum_fold(&four), slow_sum(flat, 12));
    memset(flat, 0, sizeof(flat));
    nod_sum_add_pseudo(&six, 6, src, dst, 58, 0x12345);
    memcpy(flat, src, 16); /* RFC 8200 section 8.1 */
    memcpy(flat + 16, dst, 16);
    flat[33] = 0x01, flat[34] = 0x23, flat[35] = 0x45, flat[39] = 58;
    assert_int_equal(nod_sum_fold(&six), slow_sum(flat, 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_of_rfc_1071),   cmocka_unit_test(nothing),
        cmocka_unit_test(any_cut_any_alignment), cmocka_unit_test(long_one),
        cmocka_unit_test(frames_of_many_parts),  cmocka_unit_test(pseudo_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
