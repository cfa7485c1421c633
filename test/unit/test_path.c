/* The path: delay, rate and queue, chance, and fates that were forced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nod/path.h"

#define SIZE 1500

struct world {
    nod_pool *pool;
    nod_path *path;
};

static size_t in_use(const nod_pool *pool)
{
    nod_pool_stats stats;

    nod_pool_get_stats(pool, &stats);
    return stats.in_use;
}

static struct world make(const nod_path_config *config, uint64_t seed)
{
    struct world w = {.pool = nod_pool_new(NULL, 0)};

    assert_non_null(w.pool);
    w.path = nod_path_new(w.pool, config, seed);
    assert_non_null(w.path);
    return w;
}

static void done(struct world *w)
{
    nod_path_free(w->path);
    assert_int_equal(in_use(w->pool), 0);
    nod_pool_free(w->pool);
}

/* A packet of `size` bytes that begins with its number. */
static unsigned push(struct world *w, uint32_t number, size_t size, nod_usec now)
{
    uint8_t bytes[SIZE] = {0};
    nod_frame frame;
    unsigned fate = ~0u;

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(number + i);
    }
    assert_int_equal(nod_frame_from_bytes(w->pool, bytes, size, &frame), 0);
    frame.id = number;
    assert_int_equal(nod_path_push(w->path, &frame, now, NULL, &fate), 0);
    assert_int_equal(frame.parts, 0);
    return fate;
}

/* The number of the packet that arrives next, and when; -1 when none is on its way. */
static int arrives(struct world *w, nod_usec *when)
{
    nod_frame frame;
    int id;

    *when = nod_path_deadline(w->path);
    if (*when == NOD_NEVER) {
        assert_int_equal(nod_path_pop(w->path, &frame, 1, NOD_NEVER), 0);
        return -1;
    }
    if (*when > 0) {
        assert_int_equal(nod_path_pop(w->path, &frame, 1, *when - 1), 0);
    }
    assert_int_equal(nod_path_pop(w->path, &frame, 1, *when), 1);
    id = (int)frame.id;
    nod_frame_release(&frame);
    return id;
}

static void assert_arrival(struct world *w, int number, nod_usec when)
{
    nod_usec at;

    assert_int_equal(arrives(w, &at), number);
    assert_int_equal(at, when);
}

static void assert_empty(struct world *w)
{
    nod_usec at;

    assert_int_equal(arrives(w, &at), -1);
}

static void test_delay(void **state)
{
    struct world w = make(&(nod_path_config){.delay_us = 10000}, 1);

    (void)state;
    assert_int_equal(push(&w, 1, 40, 500), 0);
    assert_int_equal(push(&w, 2, 40, 500), 0);
    assert_int_equal(push(&w, 3, 40, 501), 0);
    assert_arrival(&w, 1, 10500);
    assert_arrival(&w, 2, 10500);
    assert_arrival(&w, 3, 10501);
    assert_empty(&w);
    done(&w);
}

static void test_nonsense_is_refused(void **state)
{
    nod_pool *pool = nod_pool_new(NULL, 0);

    (void)state;
    assert_null(nod_path_new(pool, &(nod_path_config){.loss = 1.5}, 1));
    assert_null(nod_path_new(pool, &(nod_path_config){.damage = -0.1}, 1));
    assert_null(nod_path_new(pool, &(nod_path_config){.delay_us = NOD_NEVER}, 1));
    assert_null(nod_path_new(pool, &(nod_path_config){.burst = {.enter = 1.1}}, 1));
    assert_null(nod_path_new(pool, &(nod_path_config){.burst = {.leave = -1}}, 1));
    assert_null(nod_path_new(pool, &(nod_path_config){.trace = {.count = 1}}, 1));
    assert_null(nod_path_new(pool, &(nod_path_config){.queue_kind = NOD_QUEUE_FQ_CODEL + 1}, 1));
    assert_null(nod_path_new(pool, &(nod_path_config){.codel_target_us = 3601 * NOD_SEC}, 1));
    nod_path *path = nod_path_new(pool, &(nod_path_config){.delay_us = 7}, 1);

    nod_path_set_config(path, &(nod_path_config){.delay_us = 8, .reorder = 2});
    assert_int_equal(nod_path_get_config(path)->delay_us, 7);
    nod_path_set_config(path, &(nod_path_config){.delay_us = 8});
    assert_int_equal(nod_path_get_config(path)->delay_us, 8);
    nod_path_free(path);
    nod_pool_free(pool);
}

static void test_rate_takes_its_time(void **state)
{
    /* 1500 bytes are 12,000 bits: one millisecond each at 12 Mb/s. */
    struct world w = make(&(nod_path_config){.delay_us = 100, .rate_bps = 12000000}, 1);

    (void)state;
    push(&w, 1, SIZE, 0);
    push(&w, 2, SIZE, 0);
    push(&w, 3, SIZE, 2500);
    push(&w, 4, SIZE, 10000);
    assert_arrival(&w, 1, 1100);
    assert_arrival(&w, 2, 2100);
    assert_arrival(&w, 3, 3600);
    assert_arrival(&w, 4, 11100);
    done(&w);
}

static void test_rate_loses_nothing_to_rounding(void **state)
{
    /* 100 bytes at 3 Mb/s: 266.67 microseconds; three take 800. */
    struct world w = make(&(nod_path_config){.rate_bps = 3000000}, 1);
    nod_usec at = 0;

    (void)state;
    for (uint32_t i = 0; i < 300; i++) {
        push(&w, i, 100, 0);
    }
    for (int i = 0; i < 300; i++) {
        assert_int_equal(arrives(&w, &at), i);
    }
    assert_int_equal(at, 80000);
    done(&w);
}

static void test_queue_turns_away_what_does_not_fit(void **state)
{
    struct world w = make(&(nod_path_config){.rate_bps = 12000000, .queue_bytes = 3000}, 1);
    nod_path_stats stats;

    (void)state;
    assert_int_equal(push(&w, 1, SIZE, 0), 0); /* on the line */
    assert_int_equal(push(&w, 2, SIZE, 0), 0);
    assert_int_equal(push(&w, 3, SIZE, 0), 0);
    assert_int_equal(push(&w, 4, SIZE, 0), NOD_FATE_QUEUE_FULL);
    assert_int_equal(push(&w, 5, 1, 999), NOD_FATE_QUEUE_FULL);
    assert_int_equal(push(&w, 6, SIZE, 1000), 0); /* number 2 has gone onto the line */
    assert_int_equal(push(&w, 7, SIZE, 1000), NOD_FATE_QUEUE_FULL);
    assert_arrival(&w, 1, 1000);
    assert_arrival(&w, 2, 2000);
    assert_arrival(&w, 3, 3000);
    assert_arrival(&w, 6, 4000);
    assert_empty(&w);
    nod_path_get_stats(w.path, &stats);
    assert_int_equal(stats.in, 7);
    assert_int_equal(stats.out, 4);
    assert_int_equal(stats.queue_full, 3);
    done(&w);
}

static void test_idle_line_takes_a_packet_larger_than_the_queue(void **state)
{
    struct world w = make(&(nod_path_config){.rate_bps = 12000000, .queue_bytes = 100}, 1);

    (void)state;
    assert_int_equal(push(&w, 1, SIZE, 0), 0);
    assert_int_equal(push(&w, 2, SIZE, 5), NOD_FATE_QUEUE_FULL);
    done(&w);
}

static void test_jitter_does_not_reorder(void **state)
{
    struct world w = make(&(nod_path_config){.delay_us = 5000, .jitter_us = 4000}, 3);
    nod_usec at, least = NOD_NEVER, most = 0;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        push(&w, i, 40, i * 100);
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(arrives(&w, &at), i);
        nod_usec took = at - (nod_usec)i * 100;

        assert_in_range(took, 5000, 9000);
        least = took < least ? took : least;
        most = took > most ? took : most;
    }
    assert_true(most - least > 1000);
    done(&w);
}

static void test_chance(void **state)
{
    struct world w = make(&(nod_path_config){.loss = 0.25}, 11);
    nod_path_stats stats;

    (void)state;
    for (uint32_t i = 0; i < 4000; i++) {
        unsigned fate = push(&w, i, 40, i);

        assert_true(fate == 0 || fate == NOD_FATE_LOST);
    }
    nod_path_get_stats(w.path, &stats);
    assert_in_range(stats.lost, 850, 1150);
    nod_path_set_config(w.path, &(nod_path_config){.loss = 1});
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(push(&w, i, 40, 5000), NOD_FATE_LOST);
    }
    done(&w);
}

static void test_down(void **state)
{
    struct world w = make(&(nod_path_config){.delay_us = 10}, 1);

    (void)state;
    push(&w, 1, 40, 0);
    nod_path_set_config(w.path, &(nod_path_config){.delay_us = 10, .down = true});
    assert_int_equal(push(&w, 2, 40, 1), NOD_FATE_DOWN);
    nod_path_set_config(w.path, &(nod_path_config){.delay_us = 10});
    push(&w, 3, 40, 2);
    assert_arrival(&w, 1, 10);
    assert_arrival(&w, 3, 12);
    assert_empty(&w);
    done(&w);
}

static void test_forced_reorder_is_held_back(void **state)
{
    struct world w = make(&(nod_path_config){.delay_us = 1000}, 1);

    (void)state;
    assert_int_equal(nod_path_force(w.path, 1, NOD_FATE_REORDERED), 0);
    assert_int_equal(push(&w, 1, 40, 0), 0);
    assert_int_equal(push(&w, 2, 40, 10), NOD_FATE_REORDERED);
    assert_int_equal(push(&w, 3, 40, 20), 0);
    assert_arrival(&w, 1, 1000);
    assert_arrival(&w, 3, 1020);
    assert_arrival(&w, 2, 4010);
    nod_path_set_config(w.path, &(nod_path_config){.delay_us = 1000, .reorder_us = 7});
    nod_path_force(w.path, 0, NOD_FATE_REORDERED);
    push(&w, 4, 40, 5000);
    assert_arrival(&w, 4, 6007);
    done(&w);
}

static void test_forced_duplicate_comes_twice(void **state)
{
    struct world w = make(&(nod_path_config){.delay_us = 1000}, 1);
    nod_frame frame[2];
    uint8_t a[40], b[40];

    (void)state;
    nod_path_force(w.path, 0, NOD_FATE_DUPLICATED);
    assert_int_equal(push(&w, 9, 40, 0), NOD_FATE_DUPLICATED);
    assert_int_equal(nod_path_pop(w.path, &frame[0], 1, 1000), 1);
    assert_int_equal(nod_path_pop(w.path, &frame[1], 1, 1000), 0);
    assert_int_equal(nod_path_pop(w.path, &frame[1], 1, 2000), 1);
    assert_int_equal(nod_frame_copy(&frame[0], 0, a, 40), 40);
    assert_int_equal(nod_frame_copy(&frame[1], 0, b, 40), 40);
    assert_memory_equal(a, b, 40);
    assert_int_equal(frame[0].id, frame[1].id);
    nod_frame_release(&frame[0]);
    nod_frame_release(&frame[1]);
    assert_empty(&w);
    done(&w);
}

/* Which bits of which 16-bit word were flipped; the rest must be the same. */
static unsigned flipped(const uint8_t *a, const uint8_t *b, size_t size)
{
    unsigned bits = 0;
    size_t word = SIZE;

    for (size_t i = 0; i < size; i++) {
        unsigned diff = a[i] ^ b[i];

        if (diff) {
            assert_true(word == SIZE || word == i / 2);
            word = i / 2;
            bits += (unsigned)__builtin_popcount(diff);
        }
    }
    return bits;
}

static void test_damage_is_private_and_small(void **state)
{
    unsigned seen[4] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct world w = make(&(nod_path_config){.damage = 1}, seed);
        uint8_t bytes[41], kept[41], harmed[41];
        size_t size = 40 + seed % 2;
        nod_frame ours, sent, got;
        unsigned fate, bits;

        memset(bytes, 0x5a, sizeof bytes);
        assert_int_equal(nod_frame_from_bytes(w.pool, bytes, size, &ours), 0);
        nod_frame_share(&ours, &sent);
        assert_int_equal(nod_path_push(w.path, &sent, 0, NULL, &fate), 0);
        assert_int_equal(fate, NOD_FATE_DAMAGED);
        assert_int_equal(nod_path_pop(w.path, &got, 1, 0), 1);
        assert_int_equal(nod_frame_copy(&ours, 0, kept, size), size);
        assert_memory_equal(kept, bytes, size);
        assert_int_equal(nod_frame_copy(&got, 0, harmed, size), size);
        bits = flipped(bytes, harmed, size);
        assert_in_range(bits, 1, 3);
        seen[bits]++;
        nod_frame_release(&ours);
        nod_frame_release(&got);
        done(&w);
    }
    assert_true(seen[1] > 30 && seen[2] > 30 && seen[3] > 30);
}

static void test_damaged_duplicate_has_a_whole_twin(void **state)
{
    struct world w = make(&(nod_path_config){0}, 1);
    nod_frame frame[2];
    uint8_t a[40], b[40];

    (void)state;
    nod_path_force(w.path, 0, NOD_FATE_DAMAGED | NOD_FATE_DUPLICATED);
    push(&w, 3, 40, 0);
    assert_int_equal(nod_path_pop(w.path, frame, 2, NOD_SEC), 2);
    nod_frame_copy(&frame[0], 0, a, 40);
    nod_frame_copy(&frame[1], 0, b, 40);
    assert_in_range(flipped(a, b, 40), 1, 3);
    assert_int_equal(b[39], 3 + 39);
    nod_frame_release(&frame[0]);
    nod_frame_release(&frame[1]);
    done(&w);
}

static void test_forced_fates_are_first_come_first_served(void **state)
{
    struct world w = make(&(nod_path_config){.loss = 1}, 1);

    (void)state;
    nod_path_force(w.path, 0, 0);
    nod_path_force(w.path, 1, NOD_FATE_QUEUE_FULL);
    nod_path_force(w.path, 0, NOD_FATE_DOWN);
    assert_int_equal(push(&w, 1, 40, 0), 0);
    assert_int_equal(push(&w, 2, 40, 0), NOD_FATE_LOST); /* skipped: the usual rules */
    assert_int_equal(push(&w, 3, 40, 0), NOD_FATE_QUEUE_FULL);
    assert_int_equal(push(&w, 4, 40, 0), NOD_FATE_DOWN);
    assert_int_equal(push(&w, 5, 40, 0), NOD_FATE_LOST);
    assert_arrival(&w, 1, 0);
    assert_empty(&w);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(nod_path_force(w.path, 0, 0), 0);
    }
    assert_int_equal(nod_path_force(w.path, 0, 0), NOD_ENOMEM);
    assert_int_equal(nod_path_force(w.path, 0, 1u << 20), NOD_EINVAL);
    done(&w);
}

static const nod_path_config stormy = {.delay_us = 20000,
                                       .jitter_us = 9000,
                                       .rate_bps = 5000000,
                                       .queue_bytes = 20000,
                                       .loss = 0.1,
                                       .duplicate = 0.1,
                                       .reorder = 0.1,
                                       .damage = 0.1};

/* A digest of all that comes out of a stormy path. */
static uint64_t storm(uint64_t seed)
{
    struct world w = make(&stormy, seed);
    uint64_t digest = 0;
    nod_frame frame;
    nod_usec at;

    for (uint32_t i = 0; i < 500; i++) {
        digest = digest * 31 + push(&w, i, 200, i * 300);
    }
    while ((at = nod_path_deadline(w.path)) != NOD_NEVER) {
        uint8_t bytes[200];

        assert_int_equal(nod_path_pop(w.path, &frame, 1, at), 1);
        assert_int_equal(nod_frame_copy(&frame, 0, bytes, 200), 200);
        nod_frame_release(&frame);
        for (int i = 0; i < 200; i++) {
            digest = digest * 31 + bytes[i] + at;
        }
    }
    done(&w);
    return digest;
}

static void test_same_seed_same_fate(void **state)
{
    (void)state;
    assert_true(storm(42) == storm(42));
    assert_true(storm(42) != storm(43));
}

/* Recorded worlds stay as they were: what is added throws no dice where it is not asked for. */
static void test_seed_as_ever(void **state)
{
    (void)state;
    assert_true(storm(42) == UINT64_C(0xac870e9fbc5bd805));
}

/* One on the line, two that wait. */
static void test_queue_of_packets(void **state)
{
    struct world w = make(&(nod_path_config){.rate_bps = 1000000, .queue_packets = 2}, 1);

    (void)state;
    assert_int_equal(push(&w, 0, SIZE, 0), 0);
    assert_int_equal(push(&w, 1, 10, 0), 0);
    assert_int_equal(push(&w, 2, SIZE, 0), 0);
    assert_int_equal(push(&w, 3, 10, 0), NOD_FATE_QUEUE_FULL);
    assert_int_equal(push(&w, 4, 10, 12000), 0);
    assert_int_equal(push(&w, 5, 10, 12000), NOD_FATE_QUEUE_FULL);
    assert_arrival(&w, 0, 12000);
    assert_arrival(&w, 1, 12080);
    assert_arrival(&w, 2, 24080);
    assert_arrival(&w, 4, 24160);
    done(&w);
}

/* By a trace packets wait for an idle line too, but the first of them fits into any queue. */
static void test_queue_before_a_trace(void **state)
{
    static const uint32_t ms[] = {10};
    struct world w =
        make(&(nod_path_config){.trace = {.ms = ms, .count = 1}, .queue_bytes = 1400}, 1);

    (void)state;
    assert_int_equal(push(&w, 0, SIZE, 1), 0);
    assert_int_equal(push(&w, 1, 100, 2), NOD_FATE_QUEUE_FULL);
    assert_arrival(&w, 0, 10000);
    assert_int_equal(push(&w, 2, 100, 10000), 0); /* four octets were left */
    assert_int_equal(push(&w, 3, 1400, 10001), 0);
    assert_int_equal(push(&w, 4, 1, 10001), NOD_FATE_QUEUE_FULL);
    assert_arrival(&w, 2, 20000);
    assert_arrival(&w, 3, 20000);
    done(&w);
}

static void test_rate_and_trace_are_nonsense(void **state)
{
    static const uint32_t ms[] = {10};
    nod_path_config config = {.trace = {.ms = ms, .count = 1}, .rate_bps = 1000};
    nod_pool *pool = nod_pool_new(NULL, 0);

    (void)state;
    assert_null(nod_path_new(pool, &config, 1));
    nod_pool_free(pool);
}

static void test_frames_in_flight_go_with_the_path(void **state)
{
    struct world w = make(&stormy, 5);

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        push(&w, i, 1000, 0);
    }
    done(&w);
}

/* An IPv4 TCP segment of 2500 bytes of payload, to be cut after every 1000. */
static void large_segment(nod_pool *pool, nod_frame *frame)
{
    static const uint8_t header[40] = {
        0x45, 0, 0x09, 0xec, 0, 1, 0x40, 0, 64, 6, 0, 0, 10,   0,    0, 1, 10, 0, 0, 2,
        0x10, 0, 0,    80,   0, 0, 0,    1, 0,  0, 0, 1, 0x50, 0x18, 1, 0, 0,  0, 0, 0};
    nod_block *block = nod_block_new(pool, 2500);

    assert_non_null(block);
    memset(nod_block_bytes(block), 7, 2500);
    *frame = (nod_frame){.id = 5, .head_len = 40, .parts = 1, .gso_size = 1000, .l4_off = 20};
    frame->flags = NOD_FRAME_CSUM_TODO;
    memcpy(frame->head, header, sizeof header);
    frame->part[0] = nod_slice_of(block, 0, 2500);
    nod_block_unref(block);
}

static void test_large_segment_is_cut(void **state)
{
    struct world w = make(&(nod_path_config){.delay_us = 10}, 1);
    static const size_t length[3] = {1040, 1040, 540};
    nod_frame frame, piece[4];
    uint32_t ids = 70;
    unsigned fate;

    (void)state;
    large_segment(w.pool, &frame);
    nod_path_force(w.path, 1, NOD_FATE_DUPLICATED);
    assert_int_equal(nod_path_push(w.path, &frame, 0, &ids, &fate), 0);
    assert_int_equal(ids, 73);
    assert_int_equal(fate, NOD_FATE_DUPLICATED);
    assert_int_equal(nod_path_pop(w.path, piece, 4, 10), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(piece[i].id, 70 + i);
        assert_int_equal(nod_frame_length(&piece[i]), length[i]);
        assert_int_equal(piece[i].flags & NOD_FRAME_CSUM_TODO, 0);
        nod_frame_release(&piece[i]);
    }
    done(&w);
}

/* Checksums are left to whoever takes the packets, but damage must not go unseen. */
static void test_checksums_later(void **state)
{
    struct world w = make(&(nod_path_config){.checksums_later = true}, 1), sure;
    nod_frame frame, later[3], now[3];
    uint8_t a[SIZE], b[SIZE];

    (void)state;
    sure = make(&(nod_path_config){0}, 1);
    large_segment(w.pool, &frame);
    nod_path_force(w.path, 1, NOD_FATE_DAMAGED);
    assert_int_equal(nod_path_push(w.path, &frame, 0, NULL, NULL), 0);
    large_segment(sure.pool, &frame);
    assert_int_equal(nod_path_push(sure.path, &frame, 0, NULL, NULL), 0);
    assert_int_equal(nod_path_pop(w.path, later, 3, 0), 3);
    assert_int_equal(nod_path_pop(sure.path, now, 3, 0), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(later[i].flags & NOD_FRAME_CSUM_TODO, i == 1 ? 0 : NOD_FRAME_CSUM_TODO);
        nod_frame_finish(&later[i]);
        size_t length = nod_frame_copy(&later[i], 0, a, SIZE);
        assert_int_equal(nod_frame_copy(&now[i], 0, b, SIZE), length);
        int different = 0;
        for (size_t at = 0; at < length; at += 2) {
            different += a[at] != b[at] || a[at + 1] != b[at + 1];
        }
        assert_int_equal(different, i == 1);
        nod_frame_release(&later[i]);
        nod_frame_release(&now[i]);
    }
    done(&w);
    done(&sure);
}

/* A packet of this codepoint; whether it came marked. */
static bool comes_marked(struct world *w, unsigned codepoint, size_t size, nod_usec now)
{
    uint8_t bytes[SIZE] = {0x60, (uint8_t)(codepoint << 4),   0,
                           0,    (uint8_t)((size - 40) >> 8), (uint8_t)(size - 40)};
    nod_frame frame;
    unsigned fate = ~0u;

    assert_int_equal(nod_frame_from_bytes(w->pool, bytes, size, &frame), 0);
    assert_int_equal(nod_path_push(w->path, &frame, now, NULL, &fate), 0);
    assert_int_equal(nod_path_pop(w->path, &frame, 1, NOD_NEVER), 1);
    nod_frame_copy(&frame, 0, bytes, 2);
    nod_frame_release(&frame);
    assert_int_equal(fate, bytes[1] != codepoint << 4 ? NOD_FATE_MARKED : 0);
    return fate == NOD_FATE_MARKED && bytes[1] == 0x30;
}

static void test_marks(void **state)
{
    struct world w = make(&(nod_path_config){.mark = 0.25}, 3);
    int marked = 0;
    nod_path_stats stats;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        marked += comes_marked(&w, 2, 100, 0);
        assert_false(comes_marked(&w, 0, 100, 0));
    }
    assert_in_range(marked, 200, 300);
    nod_path_get_stats(w.path, &stats);
    assert_int_equal(stats.marked, marked);
    done(&w);
}

/* Nobody waits, nobody is marked: the third packet is the first that makes more than 1600 bytes
 * wait, for the first is on the line. */
static void test_marks_where_it_is_full(void **state)
{
    struct world w = make(&(nod_path_config){.rate_bps = 1000000, .mark_bytes = 1600}, 3);

    (void)state;
    assert_false(comes_marked(&w, 1, SIZE, 0));
    assert_false(comes_marked(&w, 1, SIZE, 0));
    assert_true(comes_marked(&w, 1, SIZE, 0));
    assert_false(comes_marked(&w, 0, SIZE, 0));
    assert_false(comes_marked(&w, 1, SIZE, NOD_SEC));
    done(&w);
}

static void word(uint8_t *p, size_t x)
{
    p[0] = (uint8_t)(x >> 8);
    p[1] = (uint8_t)x;
}

/* An IP packet that may not be fragmented, behind an Ethernet header or alone. */
static unsigned push_ip(struct world *w, int family, size_t size, bool ethernet)
{
    uint8_t bytes[14 + SIZE] = {[0] = 2, [5] = 1, [6] = 2, [11] = 2};
    uint8_t *ip = bytes + (ethernet ? 14 : 0);
    nod_frame frame;
    unsigned fate = 0;

    if (ethernet) {
        word(bytes + 12, family == 6 ? 0x86dd : 0x0800);
    } else {
        memset(bytes, 0, sizeof bytes);
    }
    ip[0] = family == 6 ? 0x60 : 0x45;
    word(ip + (family == 6 ? 4 : 2), size - (family == 6 ? 40 : 0));
    ip[family == 6 ? 8 : 12] = 10;  /* from */
    ip[family == 6 ? 24 : 16] = 11; /* to */
    ip[6] = family == 6 ? 6 : 0x40;
    nod_frame_from_bytes(w->pool, bytes, size + (ethernet ? 14 : 0), &frame);
    assert_int_equal(nod_path_push(w->path, &frame, 0, NULL, &fate), 0);
    return fate;
}

static unsigned sum_of(const uint8_t *p, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++) {
        sum += (uint32_t)p[i] << (i % 2 ? 0 : 8);
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static void assert_told(struct world *w, int family, bool ethernet)
{
    uint8_t bytes[1400];
    nod_frame frame;

    assert_int_equal(nod_path_answers(w->path, &frame, 1), 1);
    size_t len = nod_frame_copy(&frame, 0, bytes, sizeof bytes), at = ethernet ? 14 : 0;
    const uint8_t *ip = bytes + at, *icmp = ip + (family == 6 ? 40 : 20);

    nod_frame_release(&frame);
    assert_int_equal(nod_path_answers(w->path, &frame, 1), 0);
    if (ethernet) {
        assert_int_equal(bytes[5], 2); /* back to where it came from */
        assert_int_equal(bytes[11], 1);
    }
    len -= at;
    assert_int_equal(ip[family == 6 ? 24 : 16], 10);
    assert_int_equal(icmp[6] << 8 | icmp[7], 1400);
    if (family == 6) {
        assert_int_equal(len, 1280);
        assert_true(icmp[0] == 2 && icmp[1] == 0 && ip[6] == 58);
        assert_int_equal(sum_of(icmp, len - 40, sum_of(ip + 8, 32, (uint32_t)len - 40 + 58)),
                         0xffff);
    } else {
        assert_int_equal(len, 576);
        assert_true(icmp[0] == 3 && icmp[1] == 4 && ip[9] == 1);
        assert_int_equal(sum_of(ip, 20, 0), 0xffff);
        assert_int_equal(sum_of(icmp, len - 20, 0), 0xffff);
    }
    assert_int_equal(icmp[8] >> 4, family); /* the packet, quoted */
}

static void test_narrow_link_says_so(void **state)
{
    struct world w = make(&(nod_path_config){.mtu = 1400}, 1);
    nod_path_stats stats;
    nod_frame frame;

    (void)state;
    for (int i = 0; i < 4; i++) {
        int family = i & 1 ? 6 : 4;
        bool ethernet = i & 2;

        assert_int_equal(push_ip(&w, family, 1400, ethernet), 0);
        assert_int_equal(nod_path_pop(w.path, &frame, 1, 0), 1);
        nod_frame_release(&frame);
        assert_int_equal(nod_path_answers(w.path, &frame, 1), 0);
        assert_int_equal(push_ip(&w, family, 1401, ethernet), NOD_FATE_TOO_BIG);
        assert_empty(&w);
        assert_told(&w, family, ethernet);
    }
    nod_path_get_stats(w.path, &stats);
    assert_int_equal(stats.too_big, 4);
    assert_int_equal(push_ip(&w, 4, 1500, false), NOD_FATE_TOO_BIG); /* goes with the path */
    done(&w);
}

static void test_black_hole_says_nothing(void **state)
{
    struct world w = make(&(nod_path_config){.mtu = 1400, .mtu_silent = true}, 1);
    nod_frame frame;

    (void)state;
    assert_int_equal(push_ip(&w, 4, 1401, false), NOD_FATE_TOO_BIG);
    assert_empty(&w);
    assert_int_equal(nod_path_answers(w.path, &frame, 1), 0);
    assert_int_equal(push_ip(&w, 6, 1400, false), 0);
    done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_rate_takes_its_time),
        cmocka_unit_test(test_rate_loses_nothing_to_rounding),
        cmocka_unit_test(test_queue_turns_away_what_does_not_fit),
        cmocka_unit_test(test_idle_line_takes_a_packet_larger_than_the_queue),
        cmocka_unit_test(test_jitter_does_not_reorder),
        cmocka_unit_test(test_chance),
        cmocka_unit_test(test_down),
        cmocka_unit_test(test_forced_reorder_is_held_back),
        cmocka_unit_test(test_forced_duplicate_comes_twice),
        cmocka_unit_test(test_damage_is_private_and_small),
        cmocka_unit_test(test_damaged_duplicate_has_a_whole_twin),
        cmocka_unit_test(test_forced_fates_are_first_come_first_served),
        cmocka_unit_test(test_same_seed_same_fate),
        cmocka_unit_test(test_seed_as_ever),
        cmocka_unit_test(test_queue_of_packets),
        cmocka_unit_test(test_queue_before_a_trace),
        cmocka_unit_test(test_rate_and_trace_are_nonsense),
        cmocka_unit_test(test_frames_in_flight_go_with_the_path),
        cmocka_unit_test(test_large_segment_is_cut),
        cmocka_unit_test(test_checksums_later),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_marks_where_it_is_full),
        cmocka_unit_test(test_narrow_link_says_so),
        cmocka_unit_test(test_black_hole_says_nothing),
    };

    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
