/* The byte queue against an array of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/queue.h"
#include "unit/dice.h"

#define MODEL 400000

static uint8_t model[MODEL];
static uint32_t model_len;

static void model_drop(uint32_t n)
{
    memmove(model, model + n, model_len - n);
    model_len -= n;
}

static size_t in_use(const nod_pool *pool)
{
    nod_pool_stats stats;
    nod_pool_get_stats(pool, &stats);
    return stats.in_use;
}

static nod_slice random_slice(nod_rng *rng, nod_pool *pool)
{
    static const uint32_t sizes[] = {1, 100, 1500, 9000, 30000};
    nod_block *block = nod_block_new(pool, sizes[nod_rng_below(rng, 5)]);
    if (!block) return (nod_slice){0};
    uint32_t cap = (uint32_t)nod_block_capacity(block);
    dice_bytes(rng, nod_block_bytes(block), cap);
    uint32_t off = (uint32_t)nod_rng_below(rng, cap), len = (uint32_t)nod_rng_below(rng, cap);
    if (nod_rng_below(rng, 2)) off = 0;
    if (len > cap - off) len = cap - off;
    nod_slice slice = nod_slice_of(block, off, len);
    nod_block_unref(block);
    return slice;
}

static void put(nod_rng *rng, struct nod_queue *q, nod_pool *pool)
{
    nod_slice slice = random_slice(rng, pool);
    if (!slice.block) return;
    uint8_t bytes[40000];
    uint32_t len = slice.len;
    memcpy(bytes, nod_slice_bytes(&slice), len);
    bool whole = nod_queue_put(q, pool, &slice);
    uint32_t taken = len - slice.len;
    if (whole)
        assert_null(slice.block); /* the reference is the queue's now, or gone */
    else
        assert_memory_equal(nod_slice_bytes(&slice), bytes + taken, slice.len);
    memcpy(model + model_len, bytes, taken);
    model_len += taken;
    nod_slice_release(&slice);
}

static void write_bytes(nod_rng *rng, struct nod_queue *q, nod_pool *pool)
{
    uint8_t bytes[40000];
    uint32_t len = (uint32_t)nod_rng_below(rng, nod_rng_below(rng, 4) ? 3000 : sizeof(bytes));
    dice_bytes(rng, bytes, len);
    uint32_t n = nod_queue_write(q, pool, bytes, len);
    assert_true(n <= len);
    memcpy(model + model_len, bytes, n);
    model_len += n;
}

static void take(struct nod_queue *q, nod_pool *pool)
{
    nod_slice slice;
    bool any = nod_queue_take(q, pool, &slice);
    assert_int_equal(any, model_len > 0);
    if (!any) return;
    assert_memory_equal(nod_slice_bytes(&slice), model, slice.len);
    model_drop(slice.len);
    nod_slice_release(&slice);
}

/* References stay good while the queue grows and goes. */
static nod_slice kept[NOD_FRAME_PARTS];
static uint8_t kept_bytes[MODEL];
static int kept_count;

static void check_kept(void)
{
    uint32_t at = 0;
    for (int i = 0; i < kept_count; i++) {
        assert_memory_equal(nod_slice_bytes(&kept[i]), kept_bytes + at, kept[i].len);
        at += kept[i].len;
        nod_slice_release(&kept[i]);
    }
    kept_count = 0;
}

static void share(nod_rng *rng, const struct nod_queue *q)
{
    check_kept();
    uint32_t off = (uint32_t)nod_rng_below(rng, model_len + 1), got;
    uint32_t len = (uint32_t)nod_rng_below(rng, model_len - off + 1);
    int max = 1 + (int)nod_rng_below(rng, NOD_FRAME_PARTS);
    kept_count = nod_queue_share(q, q->base + off, len, kept, max, &got);
    assert_true(kept_count <= max && got <= len);
    if (got < len) assert_int_equal(kept_count, max);
    memcpy(kept_bytes, model + off, got);
    uint32_t sum = 0;
    for (int i = 0; i < kept_count; i++) sum += kept[i].len;
    assert_int_equal(sum, got);
}

static void peek(nod_rng *rng, const struct nod_queue *q)
{
    static uint8_t buf[50000];
    uint32_t skip = (uint32_t)nod_rng_below(rng, model_len + 10);
    uint32_t want = (uint32_t)nod_rng_below(rng, sizeof(buf));
    uint32_t there = skip < model_len ? model_len - skip : 0;
    assert_int_equal(nod_queue_peek(q, skip, buf, want), want < there ? want : there);
    assert_memory_equal(buf, model + skip, want < there ? want : there);
}

static void one_history(nod_rng *rng)
{
    static uint8_t buf[50000];
    nod_pool *pool = nod_pool_new(NULL, nod_rng_below(rng, 2) ? 0 : 150000);
    struct nod_queue q = {.base = (uint32_t)nod_rng_next(rng)};
    uint32_t base = q.base;
    model_len = 0;
    kept_count = 0;
    for (int step = 0; step < 600; step++) {
        uint32_t before = model_len;
        uint32_t n = (uint32_t)nod_rng_below(rng, nod_rng_below(rng, 3) ? 4000 : sizeof(buf));
        switch (nod_rng_below(rng, 9)) {
        case 0:
        case 1:
            if (model_len < MODEL - 50000) put(rng, &q, pool);
            break;
        case 2:
        case 3:
            if (model_len < MODEL - 50000) write_bytes(rng, &q, pool);
            break;
        case 4:
            n = nod_queue_read(&q, pool, buf, n);
            assert_true(n <= model_len);
            assert_memory_equal(buf, model, n);
            model_drop(n);
            break;
        case 5: take(&q, pool); break;
        case 6:
            if (n > model_len) n = model_len;
            nod_queue_drop(&q, pool, n);
            model_drop(n);
            break;
        case 7: share(rng, &q); break;
        case 8: peek(rng, &q); break;
        }
        if (model_len < before) base += before - model_len;
        assert_int_equal(q.bytes, model_len);
        assert_int_equal(q.base, base);
        if (!q.bytes) assert_true(!q.ring && !q.count);
    }
    check_kept();
    uint32_t got = nod_queue_read(&q, pool, buf, sizeof(buf));
    assert_memory_equal(buf, model, got);
    nod_queue_clear(&q, pool);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

static void random_histories(void **state)
{
    (void)state;
    dice_each(__FILE__, 300, one_history);
}

/* An empty queue owns nothing; bytes written one at a time share a block. */
static void small_writes_share_a_block(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_queue q = {0};
    assert_int_equal(in_use(pool), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(nod_queue_write(&q, pool, &(uint8_t){(uint8_t)i}, 1), 1);
    assert_int_equal(q.count, 1);
    assert_true(in_use(pool) < 4096);
    nod_queue_drop(&q, pool, 1000);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

/* What was shared before does not see what is written behind it later. */
static void sharing_while_appending(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_queue q = {.base = 0xfffffffe};
    nod_slice slice;
    uint32_t got;
    nod_queue_write(&q, pool, (const uint8_t *)"hello", 5);
    assert_int_equal(nod_queue_share(&q, 0xfffffffe, 5, &slice, 1, &got), 1);
    nod_queue_write(&q, pool, (const uint8_t *)" world", 6);
    assert_int_equal(slice.len, 5);
    nod_queue_drop(&q, pool, 11);
    assert_int_equal(q.base, 9);
    nod_queue_write(&q, pool, (const uint8_t *)"other", 5);
    assert_memory_equal(nod_slice_bytes(&slice), "hello", 5);
    nod_slice_release(&slice);
    nod_queue_clear(&q, pool);
    nod_pool_free(pool);
}

/* A few bytes do not keep 64 KiB: they are copied, and the large block goes. */
static void no_hostages(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_queue q = {0};
    for (int i = 0; i < 100; i++) {
        nod_block *block = nod_block_new(pool, 65000);
        nod_slice slice = nod_slice_of(block, 20, 100);
        nod_block_unref(block);
        assert_true(nod_queue_put(&q, pool, &slice));
    }
    assert_int_equal(q.bytes, 10000);
    assert_true(in_use(pool) < 30000);
    nod_queue_clear(&q, pool);

    /* Neither do a few bytes that come between large ones keep much. */
    for (int i = 0; i < 100; i++) {
        nod_block *block = nod_block_new(pool, 1000);
        nod_slice most = nod_slice_of(block, 0, 990), little = nod_slice_of(block, 990, 1);
        nod_block_unref(block);
        assert_true(nod_queue_put(&q, pool, &most) && nod_queue_put(&q, pool, &little));
    }
    assert_true(in_use(pool) < 5 * 99100);
    nod_queue_clear(&q, pool);

    /* What fills its block is not copied. */
    nod_block *block = nod_block_new(pool, 8000);
    nod_slice slice = nod_slice_of(block, 0, 8000);
    assert_true(nod_queue_put(&q, pool, &slice));
    assert_int_equal(nod_block_refs(block), 2);
    nod_block_unref(block);
    nod_queue_clear(&q, pool);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

/* Any octet of a long queue is found, and fast: 20,000 slices, each asked for. */
static void long_queue(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct nod_queue q = {.base = 0xffff0000};
    for (uint32_t i = 0; i < 20000; i++) {
        nod_block *block = nod_block_new(pool, 16);
        memcpy(nod_block_bytes(block), &i, 4);
        memset(nod_block_bytes(block) + 4, (int)i, 12);
        nod_slice slice = nod_slice_of(block, 0, 16);
        nod_block_unref(block);
        assert_true(nod_queue_put(&q, pool, &slice));
    }
    for (uint32_t i = 0; i < 20000; i++) {
        nod_slice slice;
        uint32_t got;
        assert_int_equal(nod_queue_share(&q, q.base + i * 16 + 2, 1, &slice, 1, &got), 1);
        assert_int_equal(nod_slice_bytes(&slice)[0], i >> 16);
        nod_slice_release(&slice);
    }
    nod_queue_clear(&q, pool);
    nod_pool_free(pool);
}

/* Without memory a write is short, and what was there stays. */
static void memory_runs_out(void **state)
{
    (void)state;
    static uint8_t bytes[200000], back[200000];
    nod_pool *pool = nod_pool_new(NULL, 100000);
    struct nod_queue q = {0};
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)(i * 7);
    uint32_t n = nod_queue_write(&q, pool, bytes, sizeof(bytes));
    assert_true(n > 40000 && n < 100000);
    assert_int_equal(nod_queue_write(&q, pool, bytes, 1000), 0);
    assert_int_equal(q.bytes, n);
    assert_int_equal(nod_queue_read(&q, pool, back, sizeof(back)), n);
    assert_memory_equal(back, bytes, n);
    assert_int_equal(in_use(pool), 0);
    nod_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories),
        cmocka_unit_test(small_writes_share_a_block),
        cmocka_unit_test(sharing_while_appending),
        cmocka_unit_test(no_hostages),
        cmocka_unit_test(long_queue),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
