/* The pool: what it takes, what it gives back, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "unit/dice.h"

struct counted {
    size_t taken, calls, fail_from;
};

static void *counted_alloc(void *ctx, size_t size)
{
    struct counted *c = ctx;
    if (c->fail_from && c->calls + 1 >= c->fail_from) return NULL;
    c->calls++;
    c->taken += size;
    return malloc(size);
}

static void counted_free(void *ctx, void *ptr, size_t size)
{
    struct counted *c = ctx;
    assert_true(size <= c->taken);
    c->taken -= size;
    free(ptr);
}

static nod_alloc counting(struct counted *c)
{
    *c = (struct counted){0};
    return (nod_alloc){.alloc = counted_alloc, .free = counted_free, .ctx = c};
}

static nod_pool_stats stats_of(const nod_pool *pool)
{
    nod_pool_stats stats;
    nod_pool_get_stats(pool, &stats);
    return stats;
}

/* The same work a second time calls the system no more. */
static void steady_state(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_block *block[300];
    uint64_t calls = 0;
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 300; i++) {
            block[i] = nod_block_new(pool, i * 223);
            assert_non_null(block[i]);
            assert_true(nod_block_capacity(block[i]) >= i * 223);
            memset(nod_block_bytes(block[i]), 0xa5, nod_block_capacity(block[i]));
        }
        for (size_t i = 0; i < 300; i++) nod_block_unref(block[i]);
        assert_int_equal(stats_of(pool).in_use, 0);
        if (round == 0) calls = stats_of(pool).system_calls;
        assert_int_equal(stats_of(pool).system_calls, calls);
    }
    nod_pool_free(pool);
}

static void everything_goes_back(void **state)
{
    (void)state;
    struct counted c;
    nod_alloc alloc = counting(&c);
    nod_pool *pool = nod_pool_new(&alloc, 0);
    void *ptr[100];
    for (size_t i = 0; i < 100; i++) ptr[i] = nod_pool_take(pool, 1 + i * i * 20);
    assert_true(c.taken > 0 && stats_of(pool).in_use >= 100);
    for (size_t i = 0; i < 100; i++) nod_pool_give(pool, ptr[i], 1 + i * i * 20);
    nod_pool_give(pool, NULL, 50);
    assert_int_equal(stats_of(pool).in_use, 0);
    nod_pool_free(pool);
    assert_int_equal(c.taken, 0);
}

/* Blocks may outlive their maker's interest in the pool. */
static void last_block_takes_the_pool_along(void **state)
{
    (void)state;
    struct counted c;
    nod_alloc alloc = counting(&c);
    nod_pool *pool = nod_pool_new(&alloc, 0);
    nod_block *a = nod_block_new(pool, 10), *b = nod_block_new(pool, 60000);
    nod_pool_free(pool);
    assert_true(c.taken > 60000);
    memset(nod_block_bytes(b), 1, 60000);
    nod_block_ref(a);
    nod_block_unref(a);
    nod_block_unref(b);
    assert_true(c.taken > 0);
    nod_block_unref(a);
    assert_int_equal(c.taken, 0);
}

static void limit_is_kept(void **state)
{
    (void)state;
    struct counted c;
    nod_alloc alloc = counting(&c);
    nod_pool *pool = nod_pool_new(&alloc, 200000);
    nod_block *block[100];
    int n = 0;
    while ((block[n] = nod_block_new(pool, 16384))) n++;
    assert_true(n >= 10 && n <= 12);
    assert_true(stats_of(pool).taken <= 200000 && stats_of(pool).refused == 1);
    assert_false(nod_pool_below(pool, 8));
    assert_true(nod_pool_below(pool, 16));
    /* Free memory of one size is there for another. */
    for (int i = 0; i < n; i++) nod_block_unref(block[i]);
    assert_true(nod_pool_below(pool, 0));
    nod_block *large = nod_block_new(pool, NOD_BLOCK_MAX);
    assert_non_null(large);
    nod_block_unref(large);
    for (n = 0; (block[n] = nod_block_new(pool, 2000)) && n < 99; n++) continue;
    assert_true(n > 60);
    for (int i = 0; i < n; i++) nod_block_unref(block[i]);
    nod_block_unref(block[n]);
    assert_true(c.taken <= 200000 + 2000);
    nod_pool_free(pool);
    assert_int_equal(c.taken, 0);
}

/* Memory that small items have filled serves large blocks again, but for the chunks in which
 * one of them lives on. */
/* Scarce beyond half of the limit, spent beyond 14/16 of it; without a limit neither. */
static void how_short(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 16 * 66000), *any = nod_pool_new(NULL, 0);
    void *held[15];
    for (int i = 0; i < 15; i++) {
        enum nod_memory is = i <= 8 ? NOD_MEMORY_FREE : NOD_MEMORY_SCARCE;
        assert_int_equal(nod_pool_memory(pool), is);
        assert_int_equal(nod_pool_memory(any), NOD_MEMORY_FREE);
        assert_non_null(held[i] = nod_pool_take(pool, 64000));
    }
    assert_int_equal(nod_pool_memory(pool), NOD_MEMORY_SPENT);
    for (int i = 0; i < 15; i++) nod_pool_give(pool, held[i], 64000);
    assert_int_equal(nod_pool_memory(pool), NOD_MEMORY_FREE);
    nod_pool_free(pool);
    nod_pool_free(any);
}

/* A table of half the limit that is there for good leaves no memory short: the other half counts.
 */
static void what_is_fixed(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 1 << 20);
    void *table = nod_pool_take(pool, 600000), *more;
    assert_int_equal(nod_pool_memory(pool), NOD_MEMORY_SCARCE);
    nod_pool_fix(pool);
    assert_int_equal(nod_pool_memory(pool), NOD_MEMORY_FREE);
    assert_non_null(more = nod_pool_take(pool, 300000));
    assert_int_equal(nod_pool_memory(pool), NOD_MEMORY_SCARCE);
    nod_pool_give(pool, more, 300000);
    nod_pool_give(pool, table, 600000);
    nod_pool_free(pool);
}

static void carved_memory_comes_back(void **state)
{
    const nod_alloc *from = *state;
    nod_pool *pool = nod_pool_new(from, 200000);
    nod_block *block[300];
    for (int round = 0; round < 3; round++) {
        int n = 0;
        while ((block[n] = nod_block_new(pool, round == 1 ? 600 : 1500))) n++;
        assert_true(n > 60 && n < 300);
        assert_null(nod_block_new(pool, 60000));
        for (int i = 1; i < n; i++) nod_block_unref(block[i]);
        nod_block *large[2] = {nod_block_new(pool, 60000), nod_block_new(pool, 60000)};
        assert_non_null(large[0]);
        assert_non_null(large[1]);
        memset(nod_block_bytes(large[0]), 1, 60000);
        nod_block_bytes(block[0])[0] = 2; /* it has lived through it */
        nod_block_unref(large[0]);
        nod_block_unref(large[1]);
        nod_block_unref(block[0]);
    }
    assert_int_equal(stats_of(pool).in_use, 0);
    nod_pool_free(pool);
}

/* The caller's own, which aligns what malloc would not. */
static void *aligned(void *ctx, size_t size)
{
    (void)ctx;
    return aligned_alloc(16384, (size + 16383) / 16384 * 16384);
}

static void give_back(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)size;
    free(ptr);
}

static const nod_alloc own = {.alloc = aligned, .free = give_back};

static void system_says_no(void **state)
{
    (void)state;
    struct counted c;
    nod_alloc alloc = counting(&c);
    c.fail_from = 1;
    assert_null(nod_pool_new(&alloc, 0));
    alloc = counting(&c);
    c.fail_from = 2;
    nod_pool *pool = nod_pool_new(&alloc, 0);
    assert_null(nod_pool_take(pool, 10));
    assert_null(nod_block_new(pool, 60000));
    assert_null(nod_pool_take(pool, 1000000));
    assert_int_equal(stats_of(pool).refused, 3);
    assert_int_equal(stats_of(pool).in_use, 0);
    nod_pool_free(pool);
    assert_int_equal(c.taken, 0);
}

static void sizes_at_the_edge(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_block *none = nod_block_new(pool, 0), *most = nod_block_new(pool, NOD_BLOCK_MAX);
    assert_non_null(none);
    assert_non_null(most);
    assert_null(nod_block_new(pool, NOD_BLOCK_MAX + 1));
    assert_null(nod_block_new(pool, SIZE_MAX));
    nod_block_unref(none);
    nod_block_unref(most);
    nod_block_unref(NULL);
    nod_pool_free(pool);
    nod_pool_free(NULL);
}

static void slices_hold_references(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_block *block = nod_block_new(pool, 100);
    nod_slice a = nod_slice_of(block, 10, 20), none = {0};
    assert_int_equal(nod_block_refs(block), 2);
    assert_ptr_equal(nod_slice_bytes(&a), nod_block_bytes(block) + 10);
    assert_null(nod_slice_bytes(&none));
    nod_block_unref(block);
    nod_slice_release(&a);
    assert_null(a.block);
    assert_int_equal(a.len, 0);
    nod_slice_release(&a);
    assert_int_equal(stats_of(pool).in_use, 0);
    nod_pool_free(pool);
}

/* Random sizes in random order: nothing overlaps, everything is counted. */
static void one_life(nod_rng *rng)
{
    nod_pool *pool = nod_pool_new(NULL, nod_rng_below(rng, 3) ? 0 : 300000);
    struct {
        uint8_t *ptr;
        size_t size;
        uint8_t mark;
    } held[64] = {0};
    for (int step = 0; step < 2000; step++) {
        size_t i = nod_rng_below(rng, 64);
        if (held[i].ptr) {
            for (size_t at = 0; at < held[i].size; at++)
                assert_int_equal(held[i].ptr[at], held[i].mark);
            nod_pool_give(pool, held[i].ptr, held[i].size);
            held[i].ptr = NULL;
            continue;
        }
        held[i].size = 1 + (nod_rng_next(rng) & ((1u << nod_rng_below(rng, 17)) - 1));
        held[i].mark = (uint8_t)step;
        held[i].ptr = nod_pool_take(pool, held[i].size);
        if (held[i].ptr) memset(held[i].ptr, held[i].mark, held[i].size);
        nod_pool_stats stats = stats_of(pool);
        assert_true(stats.in_use <= stats.taken);
        assert_true(!stats.limit || stats.taken <= stats.limit);
    }
    for (size_t i = 0; i < 64; i++) nod_pool_give(pool, held[i].ptr, held[i].size);
    assert_int_equal(stats_of(pool).in_use, 0);
    nod_pool_free(pool);
}

static void random_lives(void **state)
{
    (void)state;
    dice_each(__FILE__, 100, one_life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_state),
        cmocka_unit_test(everything_goes_back),
        cmocka_unit_test(last_block_takes_the_pool_along),
        cmocka_unit_test(limit_is_kept),
        cmocka_unit_test(how_short),
        cmocka_unit_test(what_is_fixed),
        cmocka_unit_test(carved_memory_comes_back),
        cmocka_unit_test_prestate(carved_memory_comes_back, (void *)&own),
        cmocka_unit_test(system_says_no),
        cmocka_unit_test(sizes_at_the_edge),
        cmocka_unit_test(slices_hold_references),
        cmocka_unit_test(random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
