/* Packets that follow each other become a large segment, which cut again is the same packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nod/buf.h"
#include "unit/dice.h"
#include "wire/frame.h"

#define MSS 1000
#define MANY 256

struct packets {
    int count;
    uint8_t bytes[MANY][1600];
    size_t length[MANY];
};

static nod_pool *pool;
static struct packets before, after;

static void put32(uint8_t *p, uint32_t x)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(x >> (24 - 8 * i));
    }
}

/* A segment of a connection, as a device gives it: one part, headers and all. */
static nod_frame segment(int family, uint8_t port, uint32_t seq, size_t payload, uint16_t gso,
                         uint8_t flags)
{
    uint8_t bytes[100] = {0};
    size_t l4 = family == 6 ? 40 : 20, size = l4 + 32;
    nod_frame frame;
    nod_block *block = nod_block_new(pool, size + payload);

    assert_non_null(block);
    memset(bytes, 0, sizeof bytes);
    if (family == 6) {
        memcpy(bytes, (uint8_t[]){0x60, 0, 0, 0, 0, 0, 6, 64}, 8);
        bytes[23] = 1;
        bytes[39] = 2;
    } else {
        memcpy(bytes, (uint8_t[]){0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6}, 10);
        memcpy(bytes + 12, (uint8_t[]){10, 0, 0, 1, 10, 0, 0, 2}, 8);
    }
    bytes[l4 + 1] = port;
    bytes[l4 + 3] = 80;
    put32(bytes + l4 + 4, seq);
    put32(bytes + l4 + 8, 7);
    memcpy(bytes + l4 + 12, (uint8_t[]){0x80, flags, 1, 0}, 4);
    memcpy(bytes + l4 + 20, (uint8_t[]){1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6}, 12);
    /* The device says lengths and the pseudo-header's sum. */
    memset(&frame, 0, offsetof(nod_frame, head));
    frame.head_len = (uint8_t)size;
    frame.l4_off = (uint16_t)l4;
    memcpy(frame.head, bytes, size);
    nod_frame_set_size(&frame, 0, payload);
    memcpy(nod_block_bytes(block), frame.head, size);
    for (size_t i = 0; i < payload; i++) {
        nod_block_bytes(block)[size + i] = (uint8_t)((seq + i) * 2654435761u >> 24);
    }
    frame.head_len = 0;
    frame.gso_size = gso;
    frame.parts = 1;
    frame.part[0] = (nod_slice){block, 0, (uint32_t)(size + payload)};
    return frame;
}

/* The packets of frames, as a wire would have them. */
static void to_wire(const nod_frame *frames, int count, struct packets *out)
{
    out->count = 0;
    for (int i = 0; i < count; i++) {
        nod_frame piece;

        for (unsigned k = 0; nod_frame_piece(&frames[i], k, &piece) == 1; k++) {
            assert_true(out->count < MANY);
            out->length[out->count] =
                nod_frame_copy(&piece, 0, out->bytes[out->count], sizeof out->bytes[0]);
            out->count++;
            nod_frame_release(&piece);
        }
    }
}

static void release(nod_frame *frames, int count)
{
    nod_pool_stats stats;

    for (int i = 0; i < count; i++) {
        nod_frame_release(&frames[i]);
    }
    nod_pool_get_stats(pool, &stats);
    assert_int_equal(stats.in_use, 0);
    nod_pool_free(pool);
}

static int cut(const nod_frame *large, nod_frame *out)
{
    int count = 0;

    while (nod_frame_cut(large, (unsigned)count, &out[count]) == 1) {
        count++;
    }
    return count;
}

static void assert_same(const nod_frame *frames, int count)
{
    to_wire(frames, count, &after);
    assert_int_equal(after.count, before.count);
    for (int i = 0; i < after.count; i++) {
        assert_int_equal(after.length[i], before.length[i]);
        assert_memory_equal(after.bytes[i], before.bytes[i], before.length[i]);
    }
}

static void check_there_and_back(int family)
{
    pool = nod_pool_new(NULL, 0);
    nod_frame large = segment(family, 1, 5000, 20 * MSS + 17, MSS, 0x18), piece[30];
    int count = cut(&large, piece);

    assert_int_equal(count, 21);
    nod_frame_release(&large);
    to_wire(piece, count, &before);
    count = nod_frames_join(piece, count);
    assert_int_equal(count, 1);
    assert_int_equal(piece[0].gso_size, MSS);
    assert_int_equal(piece[0].parts, 1); /* they were one block all the time */
    assert_same(piece, count);
    release(piece, count);
}

static void test_there_and_back(void **state)
{
    (void)state;
    check_there_and_back(4);
    check_there_and_back(6);
}

/* Ordinary packets of a device, each with its headers before its payload. */
static void test_packets_of_a_device(void **state)
{
    nod_frame frame[20];

    (void)state;
    pool = nod_pool_new(NULL, 0);
    for (int i = 0; i < 20; i++) {
        frame[i] = segment(4, 1, (uint32_t)i * MSS, MSS, 0, 0x10);
    }
    to_wire(frame, 20, &before);
    /* A frame has room for 18 parts. */
    assert_int_equal(nod_frames_join(frame, 20), 2);
    assert_int_equal(frame[0].parts, 18);
    assert_same(frame, 2);
    release(frame, 2);
}

/* Each of these is not joined to the segment before it. */
static void refuses(nod_frame second, bool finished)
{
    nod_frame frame[2] = {segment(4, 1, 0, MSS, 0, 0x10), second};

    if (finished) {
        nod_frame_finish(&frame[1]);
    }
    to_wire(frame, 2, &before);
    assert_int_equal(nod_frames_join(frame, 2), 2);
    assert_int_equal(frame[0].gso_size, 0);
    assert_same(frame, 2);
    release(frame, 2);
}

static void test_what_is_different_stays_apart(void **state)
{
    nod_frame frame;

    (void)state;
#define SECOND (pool = nod_pool_new(NULL, 0), frame = segment(4, 1, MSS, MSS, 0, 0x10))
    SECOND;
    nod_frame first = segment(4, 1, 0, MSS, 0, 0x10);
    nod_frame both[2] = {first, frame};
    assert_int_equal(nod_frames_join(both, 2), 1); /* as it is it is joined */
    release(both, 1);
    pool = nod_pool_new(NULL, 0);
    refuses(segment(4, 1, MSS + 1, MSS, 0, 0x10), false); /* a hole before it */
    pool = nod_pool_new(NULL, 0);
    refuses(segment(4, 2, MSS, MSS, 0, 0x10), false); /* another connection's */
    pool = nod_pool_new(NULL, 0);
    refuses(segment(4, 1, MSS, MSS + 1, 0, 0x10), false); /* larger */
    pool = nod_pool_new(NULL, 0);
    refuses(segment(6, 1, MSS, MSS, 0, 0x10), false);
    static const uint8_t flags[] = {0x11, 0x12, 0x14, 0x30, 0x50, 0x90, 0x00};
    for (size_t i = 0; i < sizeof flags; i++) {
        pool = nod_pool_new(NULL, 0);
        refuses(segment(4, 1, MSS, MSS, 0, flags[i]), false);
        if (flags[i] == 0x50) {
            continue; /* ECE is, where all have it */
        }
        nod_frame both_have[2];
        pool = nod_pool_new(NULL, 0);
        both_have[0] = segment(4, 1, 0, MSS, 0, flags[i]);
        both_have[1] = segment(4, 1, MSS, MSS, 0, flags[i]);
        assert_int_equal(nod_frames_join(both_have, 2), 2);
        release(both_have, 2);
    }
    SECOND;
    refuses(frame, true); /* nobody vouches for it */
    static const struct {
        size_t at;
        uint8_t mask;
    } octets[] = {{1, 3}, {8, 1}, {6, 0x40}, {32, 1}, {31, 1}, {35, 1}, {48, 1}, {51, 1}};
    for (size_t i = 0; i < sizeof octets / sizeof octets[0]; i++) {
        SECOND;
        nod_slice_bytes(&frame.part[0])[octets[i].at] ^= octets[i].mask;
        refuses(frame, false);
    }
    for (size_t i = 1; i < 8; i += 2) { /* traffic class, flow label, hop limit; not the length */
        nod_frame pair[2];
        pool = nod_pool_new(NULL, 0);
        pair[0] = segment(6, 1, 0, MSS, 0, 0x10);
        pair[1] = segment(6, 1, MSS, MSS, 0, 0x10);
        nod_slice_bytes(&pair[1].part[0])[i] ^= i == 5 ? 0 : 1;
        assert_int_equal(nod_frames_join(pair, 2), i == 5 ? 1 : 2);
        release(pair, i == 5 ? 1 : 2);
    }
}

/* An IP packet has at most 65535 octets. */
static void test_no_larger_than_ip(void **state)
{
    nod_frame frame[2];

    (void)state;
    pool = nod_pool_new(NULL, 0);
    frame[0] = segment(4, 1, 0, 32742, 0, 0x10);
    frame[1] = segment(4, 1, 32742, 32741, 0, 0x10);
    assert_int_equal(nod_frames_join(frame, 2), 1);
    assert_int_equal(nod_frame_length(&frame[0]), 65535);
    nod_frame_release(&frame[0]);
    frame[0] = segment(4, 1, 0, 32742, 0, 0x10);
    frame[1] = segment(4, 1, 32742, 32742, 0, 0x10);
    assert_int_equal(nod_frames_join(frame, 2), 2);
    release(frame, 2);
}

/* Only the last piece of a segment is shorter. */
static void test_a_short_one_ends_a_segment(void **state)
{
    nod_frame frame[3];

    (void)state;
    pool = nod_pool_new(NULL, 0);
    frame[0] = segment(4, 1, 0, MSS, 0, 0x10);
    frame[1] = segment(4, 1, MSS, MSS - 1, 0, 0x10);
    frame[2] = segment(4, 1, 2 * MSS - 1, MSS, 0, 0x10);
    to_wire(frame, 3, &before);
    assert_int_equal(nod_frames_join(frame, 3), 2);
    assert_same(frame, 2);
    release(frame, 2);
}

static void test_push_ends_a_segment(void **state)
{
    nod_frame frame[3];

    (void)state;
    pool = nod_pool_new(NULL, 0);
    frame[0] = segment(4, 1, 0, MSS, 0, 0x10);
    frame[1] = segment(4, 1, MSS, MSS, 0, 0x18);
    frame[2] = segment(4, 1, 2 * MSS, MSS, 0, 0x10);
    to_wire(frame, 3, &before);
    assert_int_equal(nod_frames_join(frame, 3), 2);
    assert_same(frame, 2);
    release(frame, 2);
    pool = nod_pool_new(NULL, 0);
    frame[0] = segment(4, 1, 0, MSS, 0, 0x18);
    frame[1] = segment(4, 1, MSS, MSS, 0, 0x10);
    assert_int_equal(nod_frames_join(frame, 2), 2);
    release(frame, 2);
}

/* Several connections at once, each cut, mixed with each other, and pieces lost: each
 * connection's packets come out as they went in. */
static int port_of(const uint8_t *p)
{
    return p[p[0] >> 4 == 6 ? 41 : 21];
}

static void assert_same_by_connection(int ports)
{
    assert_int_equal(after.count, before.count);
    for (int port = 0; port < ports; port++) {
        int a = 0, b = 0;

        for (;; a++, b++) {
            while (a < after.count && port_of(after.bytes[a]) != port) a++;
            while (b < before.count && port_of(before.bytes[b]) != port) b++;
            if (a == after.count || b == before.count) {
                break;
            }
            assert_int_equal(after.length[a], before.length[b]);
            assert_memory_equal(after.bytes[a], before.bytes[b], before.length[b]);
        }
        assert_true(a == after.count && b == before.count);
    }
}

static void run_random(nod_rng *rng)
{
    nod_frame piece[12][40], all[MANY];
    int count[12], next[12] = {0}, ports = 1 + (int)nod_rng_below(rng, 12), total = 0;

    pool = nod_pool_new(NULL, 0);
    for (int i = 0; i < ports; i++) {
        uint16_t gso = (uint16_t)(100 + nod_rng_below(rng, 1400));
        size_t payload = 1 + nod_rng_below(rng, (uint64_t)gso * 20);
        nod_frame large =
            segment(nod_rng_below(rng, 2) ? 4 : 6, (uint8_t)i, (uint32_t)nod_rng_next(rng), payload,
                    gso, nod_rng_below(rng, 2) ? 0x18 : 0x10);

        count[i] = cut(&large, piece[i]);
        nod_frame_release(&large);
    }
    for (int left = ports; left > 0;) {
        int i = (int)nod_rng_below(rng, (uint64_t)ports);
        int run = 1 + (int)nod_rng_below(rng, 6);

        for (; next[i] < count[i] && run > 0; run--) {
            nod_frame *frame = &piece[i][next[i]++];

            left -= next[i] == count[i];
            if (nod_rng_below(rng, 12) == 0) {
                nod_frame_release(frame);
                continue;
            }
            if (nod_rng_below(rng, 12) == 0) {
                nod_frame_mark(pool, frame);
            }
            nod_frame_move(frame, &all[total++]);
        }
    }
    to_wire(all, total, &before);
    int joined = nod_frames_join(all, total);

    assert_true(joined <= total);
    to_wire(all, joined, &after);
    assert_same_by_connection(ports);
    release(all, joined);
}

static void test_random(void **state)
{
    (void)state;
    dice_each(__FILE__, 2000, run_random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_packets_of_a_device),
        cmocka_unit_test(test_what_is_different_stays_apart),
        cmocka_unit_test(test_no_larger_than_ip),
        cmocka_unit_test(test_a_short_one_ends_a_segment),
        cmocka_unit_test(test_push_ends_a_segment),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
