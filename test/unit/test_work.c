/* Work on the scoreboard, whatever the peer says: with 64 times as many runs in flight a pattern
 * that touches all of them may take 64 times as long, and a little more for the logarithm; what is
 * quadratic takes 4096 times as long. Processor time is measured, the least of several runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tcp/rack.h"

#define SEGMENT 1000u
#define FEW 1024u
#define MANY (64u * FEW)
#define MOST 1800 /* 64, twice for the logarithm, and many times for caches and noise */

static struct nod_board board;
static nod_pool *pool;

/* Segments that left one after another, a microsecond apart. */
static void begin(uint32_t segments)
{
    pool = nod_pool_new(NULL, 1 << 28);
    nod_board_init(&board, 0);
    for (uint32_t i = 0; i < segments; i++) {
        assert_true(nod_board_ready(&board, pool));
        nod_board_sent(&board, (i + 1) * SEGMENT, i + 1);
    }
}

static void end(void)
{
    nod_board_clear(&board, pool);
    nod_pool_free(pool);
}

static void sack(uint32_t first, uint32_t count)
{
    struct nod_delivery d = {0};
    nod_board_sacked(&board, pool, first * SEGMENT, (first + count) * SEGMENT, &d);
}

/* Every second one, from the top. */
static void from_the_top(uint32_t n)
{
    for (uint32_t i = n - 1; i > 1; i -= 2) sack(i, 1);
}

static void from_the_bottom(uint32_t n)
{
    for (uint32_t i = 1; i < n; i += 2) sack(i, 1);
}

/* Blocks that all end at the top, and begin lower and lower: what was said is said again. */
static void overlapping(uint32_t n)
{
    for (uint32_t i = n - 1; i > 0; i--) sack(i, n - i);
}

/* One block each that covers everything but has holes: every ACK takes another one. */
static void scattered(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) sack((uint32_t)((uint64_t)i * 40503 % n), 1);
}

/* The peer has it, has it not, has it again. */
static void reneging(uint32_t n)
{
    for (int round = 0; round < 3; round++) {
        from_the_bottom(n);
        nod_board_lose_all(&board, true);
        struct nod_sent *run;
        for (nod_usec at = 1000000; (run = nod_board_first_lost(&board)); at++)
            nod_board_again(&board, run, at);
    }
}

/* Everything is lost, half of it leaves again, and it was a false alarm. */
static void false_alarm(uint32_t n)
{
    nod_board_lose_all(&board, false);
    struct nod_sent *run = NULL;
    for (uint32_t i = 0; i < n / 2; i++) {
        run = nod_board_first_lost(&board);
        nod_board_again(&board, run, 1000000 + i);
    }
    nod_board_unlose(&board);
    for (run = board.oldest; run->next; run = run->next) assert_true(run->at <= run->next->at);
}

/* The last segment has arrived: all others may be late, and are looked at with each ACK. */
static void waiting(uint32_t n)
{
    struct nod_rack r;
    nod_rack_init(&r, 0);
    r.at = n;
    r.end = n * SEGMENT;
    r.rtt_us = 1;
    for (uint32_t i = n - 1; i > 1; i -= 2) {
        sack(i, 1);
        assert_int_equal(nod_rack_detect(&r, &board, 10 * n, n + 1), 1 + 1 + 10 * n);
    }
    nod_rack_detect(&r, &board, 10 * n, 100 * n);
    assert_true(board.lost > (n / 2 - 2) * SEGMENT);
}

static double seconds(void (*pattern)(uint32_t), uint32_t n, int runs)
{
    double least = 1e9;
    for (int i = 0; i < runs; i++) {
        begin(n);
        struct timespec from, to;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        pattern(n);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        double took = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
        if (took < least) least = took;
        end();
    }
    return least;
}

static void grows_slowly(void (*pattern)(uint32_t), const char *name)
{
    double few = seconds(pattern, FEW, 20), many = seconds(pattern, MANY, 2);
    double ratio = many / few;
    if (ratio > MOST) fprintf(stderr, "%s: %.6f s became %.6f s\n", name, few, many);
    assert_true(ratio <= MOST);
}

#define PATTERN(name)                     \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        grows_slowly(name, #name);        \
    }
PATTERN(from_the_top)
PATTERN(from_the_bottom)
PATTERN(overlapping)
PATTERN(scattered)
PATTERN(reneging)
PATTERN(false_alarm)
PATTERN(waiting)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_the_top), cmocka_unit_test(test_from_the_bottom),
        cmocka_unit_test(test_overlapping),  cmocka_unit_test(test_scattered),
        cmocka_unit_test(test_reneging),     cmocka_unit_test(test_false_alarm),
        cmocka_unit_test(test_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
