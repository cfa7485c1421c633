/* Octets beyond a gap, against an array of bytes and a mask of which are here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "tcp/reassembly.h"
#include "unit/dice.h"

#define SPAN 20000

static uint8_t model[SPAN];
static bool here[SPAN];

static size_t in_use(const nod_pool *pool)
{
    nod_pool_stats stats;
    nod_pool_get_stats(pool, &stats);
    return stats.in_use;
}

static nod_slice slice_of_bytes(nod_pool *pool, const uint8_t *bytes, uint32_t len, size_t cap)
{
    nod_block *block = nod_block_new(pool, cap > len ? cap : len);
    if (!block) return (nod_slice){0};
    memcpy(nod_block_bytes(block), bytes, len);
    nod_slice slice = nod_slice_of(block, 0, len);
    nod_block_unref(block);
    return slice;
}

/* The blocks are runs of the mask, none twice, that of `newest` first if it is held. */
static void check_blocks(const struct nod_reassembly *r, uint32_t base, uint32_t newest)
{
    uint32_t blocks[4][2];
    int n = nod_reassembly_blocks(r, blocks, 4), runs = 0;
    for (uint32_t i = 0; i < SPAN; i++) runs += here[i] && (i == 0 || !here[i - 1]);
    assert_int_equal(n, runs < 4 ? runs : 4);
    for (int b = 0; b < n; b++) {
        uint32_t from = blocks[b][0] - base, to = blocks[b][1] - base;
        assert_true(from < to && to <= SPAN);
        for (uint32_t i = from; i < to; i++) assert_true(here[i]);
        assert_true(from == 0 || !here[from - 1]);
        assert_true(to == SPAN || !here[to]);
        for (int other = 0; other < b; other++) assert_true(blocks[other][0] != blocks[b][0]);
    }
    if (n && here[newest])
        assert_true(newest >= blocks[0][0] - base && newest < blocks[0][1] - base);
}

/* What of [off, off+len) is here already: its first run (RFC 2883 section 4.2). */
static void check_overlap(const struct nod_reassembly *r, uint32_t base, uint32_t off, uint32_t len)
{
    uint32_t dup[2] = {0}, from = off, to;
    while (from < off + len && !here[from]) from++;
    for (to = from; to < off + len && here[to]; to++) continue;
    assert_int_equal(nod_reassembly_overlap(r, base + off, len, dup), from < off + len);
    if (from == off + len) return;
    assert_int_equal(dup[0] - base, from);
    assert_int_equal(dup[1] - base, to);
}

static void drain(struct nod_reassembly *r, nod_pool *pool, uint32_t base, uint32_t from,
                  bool short_of_memory)
{
    static uint8_t buf[SPAN];
    struct nod_queue q = {.base = base + from};
    uint32_t want = 0;
    while (from + want < SPAN && here[from + want]) want++;
    uint32_t n = nod_reassembly_drain(r, pool, base + from, &q);
    assert_true(short_of_memory ? n <= want : n == want);
    assert_int_equal(nod_queue_read(&q, pool, buf, sizeof(buf)), n);
    assert_memory_equal(buf, model + from, n);
    for (uint32_t i = 0; i < from + n; i++) here[i] = false;
}

static void one_history(nod_rng *rng)
{
    bool tight = nod_rng_below(rng, 3) == 0;
    nod_pool *pool = nod_pool_new(NULL, tight ? 120000 : 0);
    struct nod_reassembly r = {0};
    uint32_t base = (uint32_t)nod_rng_next(rng);
    memset(here, 0, sizeof(here));
    uint32_t nxt = 0; /* the gap is here */
    for (int step = 0; step < 300; step++) {
        uint8_t bytes[3000];
        uint32_t len = 1 + (uint32_t)nod_rng_below(rng, nod_rng_below(rng, 2) ? 3000 : 30);
        uint32_t off = nxt + 1 + (uint32_t)nod_rng_below(rng, SPAN - nxt - 1);
        if (len > SPAN - off) len = SPAN - off;
        if (!len) continue;
        dice_bytes(rng, bytes, len);
        nod_slice slice = slice_of_bytes(pool, bytes, len, nod_rng_below(rng, 3) ? 0 : 9000);
        if (!slice.block) continue;
        check_overlap(&r, base, off, len);
        uint32_t news = 0;
        for (uint32_t i = 0; i < len; i++) news += !here[off + i];
        int64_t n = nod_reassembly_add(&r, pool, base + off, &slice);
        assert_null(slice.block);
        if (n == (int64_t)news) { /* what came first is kept */
            for (uint32_t i = 0; i < len; i++)
                if (!here[off + i]) model[off + i] = bytes[i], here[off + i] = true;
        } else {
            assert_true(tight && n < (int64_t)news); /* the rest did not fit, from the left */
            for (uint32_t i = 0; n > 0; i++)
                if (!here[off + i]) model[off + i] = bytes[i], here[off + i] = true, n--;
        }
        uint32_t held = 0;
        for (uint32_t i = 0; i < SPAN; i++) held += here[i];
        assert_int_equal(r.bytes, held);
        check_blocks(&r, base, off);
        if (nod_rng_below(rng, 20) == 0 && nxt < SPAN - 100) {
            /* The gap closes up to somewhere; what was held from there on follows. */
            nxt += 1 + (uint32_t)nod_rng_below(rng, 50);
            drain(&r, pool, base, nxt, tight);
            while (nxt < SPAN - 100 && here[nxt]) nxt++;
        }
    }
    nod_reassembly_clear(&r, pool);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

static void random_histories(void **state)
{
    (void)state;
    dice_each(__FILE__, 60, one_history);
}

/* RFC 2018 section 4: the block of what came last is first; those reported before follow. */
static void newest_first(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_reassembly r = {0};
    uint8_t bytes[100] = {0};
    uint32_t blocks[4][2];
    static const uint32_t order[] = {1000, 3000, 2000};
    for (int i = 0; i < 3; i++) {
        nod_slice slice = slice_of_bytes(pool, bytes, 100, 0);
        assert_int_equal(nod_reassembly_add(&r, pool, order[i], &slice), 100);
        nod_reassembly_blocks(&r, blocks, 4);
        assert_int_equal(blocks[0][0], order[i]);
        assert_int_equal(blocks[0][1], order[i] + 100);
    }
    assert_int_equal(nod_reassembly_blocks(&r, blocks, 2), 2);
    /* It grows on both sides, and a copy of what is here makes it first again. */
    nod_slice slice = slice_of_bytes(pool, bytes, 100, 0);
    nod_reassembly_add(&r, pool, 1100, &slice);
    nod_reassembly_blocks(&r, blocks, 4);
    assert_int_equal(blocks[0][0], 1000);
    assert_int_equal(blocks[0][1], 1200);
    slice = slice_of_bytes(pool, bytes, 50, 0);
    assert_int_equal(nod_reassembly_add(&r, pool, 3020, &slice), 0);
    nod_reassembly_blocks(&r, blocks, 4);
    assert_int_equal(blocks[0][0], 3000);
    nod_reassembly_clear(&r, pool);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

/* Dust, an octet in every second place: what it costs is told, for somebody to set bounds to. */
static void dust(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_reassembly r = {0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        nod_slice slice = slice_of_bytes(pool, (const uint8_t *)"x", 1, 1500);
        kept += nod_reassembly_add(&r, pool, 1 + 2 * i, &slice) == 1;
    }
    assert_int_equal(kept, 5000);
    assert_int_equal(r.count, 5000);
    assert_int_equal(r.bytes, 5000);
    assert_true(in_use(pool) < 5000 * 256);
    assert_true(r.held >= in_use(pool) && r.held < 2 * in_use(pool));
    nod_reassembly_clear(&r, pool);
    assert_int_equal(r.held, 0);

    /* Two octets that touch, then a gap. */
    for (uint32_t i = 0; i < 1000; i++) {
        nod_slice slice = slice_of_bytes(pool, (const uint8_t *)"x", 1, 1500);
        nod_reassembly_add(&r, pool, i / 2 * 3 + i % 2, &slice);
    }
    assert_true(in_use(pool) < 500 * 256);
    assert_true(r.held >= in_use(pool));
    nod_reassembly_clear(&r, pool);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

/* All that came behind one gap, in more slices than anybody counts on, in one step; and the order
 * in which they came is all one. */
static void whole_window(void **state)
{
    (void)state;
    enum { SEGMENTS = 100000, SIZE = 40 };
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_reassembly r = {0};
    struct nod_queue q = {.base = 7};
    for (int way = 0; way < 2; way++) {
        for (uint32_t i = 0; i < SEGMENTS; i++) {
            uint32_t at = way ? SEGMENTS - 1 - i : i;
            nod_slice slice = slice_of_bytes(pool, (const uint8_t[SIZE]){(uint8_t)at}, SIZE, 0);
            assert_int_equal(nod_reassembly_add(&r, pool, 7 + SIZE * at, &slice), SIZE);
        }
        assert_int_equal(r.count, 1);
        assert_int_equal(nod_reassembly_first(&r), 7);
        assert_int_equal(nod_reassembly_end(&r), 7 + SIZE * SEGMENTS);
        assert_int_equal(nod_reassembly_drain(&r, pool, 7, &q), SIZE * SEGMENTS);
        assert_int_equal(r.held, 0);
        for (uint32_t i = 0; i < SEGMENTS; i++) {
            uint8_t bytes[SIZE];
            assert_int_equal(nod_queue_read(&q, pool, bytes, SIZE), SIZE);
            assert_int_equal(bytes[0], (uint8_t)i);
        }
        q.base = 7;
    }
    nod_pool_free(pool);
}

/* Many small ones in a row share blocks. */
static void small_ones_in_a_row(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_reassembly r = {0};
    uint8_t bytes[100] = {0};
    for (uint32_t i = 0; i < 2000; i++) {
        nod_slice slice = slice_of_bytes(pool, bytes, 100, 1500);
        assert_int_equal(nod_reassembly_add(&r, pool, 5 + 100 * i, &slice), 100);
    }
    assert_true(r.count < 40);
    assert_true(in_use(pool) < 260000);
    nod_reassembly_clear(&r, pool);
    nod_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories),
        cmocka_unit_test(newest_first),
        cmocka_unit_test(dust),
        cmocka_unit_test(whole_window),
        cmocka_unit_test(small_ones_in_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
