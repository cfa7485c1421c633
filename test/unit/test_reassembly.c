/* Octets beyond a gap, against an array of bytes and a mask of which are here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/seq.h"
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

/* Bounded by what it holds, and nothing is held that is not counted. */
static void check_cost(const struct nod_reassembly *r, const nod_pool *pool)
{
    nod_reassembly_check(r);
    assert_true(in_use(pool) <= r->held);
    assert_true(r->held <= 4 * (size_t)r->bytes + 32768);
}

static void check_ends(const struct nod_reassembly *r, uint32_t base)
{
    uint32_t first = 0, end = SPAN;
    while (first < SPAN && !here[first]) first++;
    while (end > 0 && !here[end - 1]) end--;
    assert_int_equal(r->count > 0, first < SPAN);
    if (!r->count) return;
    assert_int_equal(nod_reassembly_first(r) - base, first);
    assert_int_equal(nod_reassembly_end(r) - base, end);
}

/* The blocks are runs of the mask, none twice, that of `newest` first if it is held. */
static void check_blocks(struct nod_reassembly *r, uint32_t base, uint32_t newest)
{
    uint32_t blocks[4][2];
    int n = nod_reassembly_blocks(r, blocks, 4), runs = 0;
    nod_reassembly_told(r, n);
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
    /* Half of them wrap. */
    bool wraps = nod_rng_below(rng, 2);
    uint32_t base = wraps ? 0 - (uint32_t)nod_rng_below(rng, SPAN) : (uint32_t)nod_rng_next(rng);
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
        check_cost(&r, pool);
        check_ends(&r, base);
        check_blocks(&r, base, off);
        if (nod_rng_below(rng, 20) == 0 && nxt < SPAN - 100) {
            /* The gap closes up to somewhere; what was held from there on follows. */
            nxt += 1 + (uint32_t)nod_rng_below(rng, 50);
            drain(&r, pool, base, nxt, tight);
            nod_reassembly_check(&r);
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

static int64_t add(struct nod_reassembly *r, nod_pool *pool, uint32_t seq, uint32_t len, size_t cap)
{
    static const uint8_t bytes[2000];
    nod_slice slice = slice_of_bytes(pool, bytes, len, cap);
    return nod_reassembly_add(r, pool, seq, &slice);
}

/* More runs than an ACK has room for: the next tells of the rest. What has gone is not told. */
static void as_many_acks_as_it_takes(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_reassembly r = {0};
    uint8_t bytes[100] = {0};
    uint32_t blocks[4][2];
    for (uint32_t seq = 1000; seq < 6000; seq += 1000) {
        nod_slice slice = slice_of_bytes(pool, bytes, 100, 0);
        assert_int_equal(nod_reassembly_add(&r, pool, seq, &slice), 100);
    }
    struct nod_queue q = {.base = 1000};
    assert_int_equal(nod_reassembly_drain(&r, pool, 1000, &q), 100);
    assert_int_equal(r.untold, 4);
    assert_int_equal(nod_reassembly_blocks(&r, blocks, 3), 3);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(blocks[i][0], 4000 - 1000 * i);
    assert_true(nod_reassembly_told(&r, 3));
    assert_int_equal(nod_reassembly_blocks(&r, blocks, 3), 3);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(blocks[i][0], 5000 - 1000 * i);
    assert_false(nod_reassembly_told(&r, 3));
    nod_reassembly_check(&r);
    nod_queue_clear(&q, pool);
    nod_reassembly_clear(&r, pool);
    nod_pool_free(pool);
}

/* Octets one by one, in no way that lets them share a block: what they cost is bounded, and what is
 * worth its memory finds room all the same. */
static void dust(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_reassembly r = {0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        int64_t n = add(&r, pool, 1 + 2 * i, 1, 1500);
        assert_true(n == 1 || n == -1);
        kept += n == 1;
        check_cost(&r, pool);
    }
    assert_in_range(kept, 200, 300);
    assert_int_equal(r.count, kept);
    assert_int_equal(add(&r, pool, 20000, 1448, 1500), 1448);
    nod_reassembly_clear(&r, pool);
    assert_int_equal(in_use(pool), 0);

    /* Two that touch, then a gap. */
    for (uint32_t i = 0; i < 1000; i++) {
        add(&r, pool, i / 2 * 3 + i % 2, 1, 1500);
        check_cost(&r, pool);
    }
    nod_reassembly_clear(&r, pool);

    /* From right to left: one run, of many pieces. */
    for (uint32_t i = 0; i < 1000; i++) {
        add(&r, pool, 0 - i, 1, 1500);
        check_cost(&r, pool);
    }
    assert_int_equal(r.count, 1);
    assert_in_range(r.bytes, 200, 900);
    nod_reassembly_clear(&r, pool);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

/* Small messages, every second one missing: they are no dust. */
static void small_ones_apart(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_reassembly r = {0};
    for (uint32_t i = 0; i < 20000; i++) assert_int_equal(add(&r, pool, 128 * i, 64, 1500), 64);
    check_cost(&r, pool);
    nod_reassembly_clear(&r, pool);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

/* Many small ones in a row share blocks. */
static void small_ones_in_a_row(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_reassembly r = {0};
    for (uint32_t i = 0; i < 2000; i++)
        assert_int_equal(add(&r, pool, 5 + 100 * i, 100, 1500), 100);
    assert_int_equal(r.count, 1);
    assert_true(in_use(pool) < 260000);
    nod_reassembly_clear(&r, pool);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

/* What comes next in the stream is not what comes next in the block. */
static void blocks_of_others(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_block *block = nod_block_new(pool, 1500);
    struct nod_reassembly r = {0};
    memset(nod_block_bytes(block), 'x', 1500);
    nod_slice slice = nod_slice_of(block, 0, 1200);
    assert_int_equal(nod_reassembly_add(&r, pool, 5000, &slice), 1200);
    assert_int_equal(add(&r, pool, 6200, 100, 0), 100);
    assert_int_equal(nod_block_bytes(block)[1200], 'x');
    nod_block_unref(block);
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

static unsigned depth(const struct nod_tree_node *t)
{
    if (!t) return 0;
    unsigned left = depth(t->left), right = depth(t->right);
    return 1 + (left > right ? left : right);
}

#define SEGMENT 1448u

/* The `i`th of `n` (a power of two) in an order that visits each once, and none beside the last. */
static uint32_t scattered(uint32_t i, uint32_t n)
{
    return i * 40503u % n;
}

/* Every second one of 2 * n full segments comes, then the others of them but the first. Returns
 * how many microseconds of this thread's time each has taken. */
static double hold_many(uint32_t n, uint32_t base)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_block *block = nod_block_new(pool, SEGMENT);
    struct nod_reassembly r = {0};
    uint32_t blocks[4][2], dup[2];
    memset(nod_block_bytes(block), 0, SEGMENT);
    clock_t before = clock();
    for (uint32_t i = 0; i < n; i++) {
        uint32_t seq = base + (2 * scattered(i, n) + 1) * SEGMENT;
        nod_slice slice = nod_slice_of(block, 0, SEGMENT);
        assert_false(nod_reassembly_overlap(&r, seq, SEGMENT, dup));
        assert_int_equal(nod_reassembly_add(&r, pool, seq, &slice), SEGMENT);
        nod_reassembly_told(&r, nod_reassembly_blocks(&r, blocks, 4));
        assert_int_equal(blocks[0][0], seq);
        assert_int_equal(blocks[0][1], seq + SEGMENT);
    }
    assert_int_equal(r.bytes, n * SEGMENT);
    assert_int_equal(r.count, n);
    assert_true(r.held < 2 * (size_t)r.bytes);
    /* An AA tree's bound: nothing is further away than this many steps. */
    assert_true(1u << depth(r.root) / 2 <= n + 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t seq = base + 2 * scattered(i, n) * SEGMENT;
        nod_slice slice = nod_slice_of(block, 0, SEGMENT);
        if (seq == base) {
            nod_slice_release(&slice);
            continue;
        }
        assert_int_equal(nod_reassembly_add(&r, pool, seq, &slice), SEGMENT);
        nod_reassembly_told(&r, nod_reassembly_blocks(&r, blocks, 4));
        assert_true(seq_le(blocks[0][0], seq - SEGMENT) && seq_ge(blocks[0][1], seq + 2 * SEGMENT));
    }
    double each = (double)(clock() - before) * 1e6 / CLOCKS_PER_SEC / (2 * n);
    assert_int_equal(r.count, 1);
    nod_reassembly_check(&r);
    struct nod_queue q = {.base = base + SEGMENT};
    uint32_t total = (2 * n - 1) * SEGMENT;
    assert_int_equal(nod_reassembly_drain(&r, pool, base + SEGMENT, &q), total);
    assert_int_equal(q.bytes, total);
    nod_queue_clear(&q, pool);
    nod_block_unref(block);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
    return each;
}

/* A flight of 94 MB in which every second segment is lost: all the rest is kept, whatever the order
 * in which it comes, and each costs hardly more than one of a flight that has a 16th of its size.
 */
static void every_second_of_many(void **state)
{
    (void)state;
    double few = 1e9, many = 1e9;
    for (int i = 0; i < 3; i++) {
        double each = hold_many(2048, 0u - 1000000u);
        if (each < few) few = each;
        each = hold_many(32768, 0u - 1000000u);
        if (each < many) many = each;
    }
    if (many > 10 * few) fail_msg("%.2f us for each of few, %.2f of many", few, many);
}

/* The gap closes when there is no memory left: one piece is given up, the rest waits for the peer
 * to send that again. */
static void no_memory_to_drain(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 100000);
    struct nod_reassembly r = {0};
    void *taken[4000];
    unsigned n = 0;
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(add(&r, pool, 1000 + SEGMENT * i, SEGMENT, 0), SEGMENT);
    while ((taken[n] = nod_pool_take(pool, 96))) n++; /* as the ring of a queue needs */
    struct nod_queue q = {.base = 1000};
    assert_int_equal(nod_reassembly_drain(&r, pool, 1000, &q), 0);
    nod_reassembly_check(&r);
    assert_int_equal(r.bytes, 2 * SEGMENT);
    assert_int_equal(nod_reassembly_first(&r), 1000 + SEGMENT);
    while (n) nod_pool_give(pool, taken[--n], 96);
    q.base = 1000 + SEGMENT;
    assert_int_equal(nod_reassembly_drain(&r, pool, 1000 + SEGMENT, &q), 2 * SEGMENT);
    assert_int_equal(r.count, 0);
    nod_queue_clear(&q, pool);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories),         cmocka_unit_test(newest_first),
        cmocka_unit_test(as_many_acks_as_it_takes), cmocka_unit_test(dust),
        cmocka_unit_test(small_ones_apart),         cmocka_unit_test(small_ones_in_a_row),
        cmocka_unit_test(blocks_of_others),         cmocka_unit_test(whole_window),
        cmocka_unit_test(every_second_of_many),     cmocka_unit_test(no_memory_to_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
