/* Sequence numbers wrap; their order does not mind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/seq.h"
#include "unit/dice.h"

static void order_around_the_wrap(void **state)
{
    (void)state;
    assert_true(seq_lt(UINT32_MAX, 0));
    assert_true(seq_le(UINT32_MAX, 0));
    assert_true(seq_gt(0, UINT32_MAX));
    assert_true(seq_ge(0, UINT32_MAX));
    assert_false(seq_lt(0, UINT32_MAX));
    assert_false(seq_gt(UINT32_MAX, 0));
    assert_true(seq_lt(0x7ffffff0, 0x80000010)); /* no sign to fall over */
    assert_true(seq_le(5, 5) && seq_ge(5, 5));
    assert_false(seq_lt(5, 5) || seq_gt(5, 5));
    assert_int_equal(seq_diff(3, UINT32_MAX - 1), 5);
    assert_int_equal(seq_diff(UINT32_MAX - 1, 3), -5);
}

static void larger_and_smaller(void **state)
{
    (void)state;
    assert_int_equal(seq_max(UINT32_MAX, 4), 4);
    assert_int_equal(seq_min(UINT32_MAX, 4), UINT32_MAX);
    assert_int_equal(seq_max(10, 9), 10);
    assert_int_equal(seq_min(10, 9), 9);
}

static void ranges(void **state)
{
    (void)state;
    assert_true(seq_in(0xfffffff0, 0xfffffff0, 1));
    assert_false(seq_in(0xfffffff0, 0xfffffff0, 0));
    assert_true(seq_in(15, 0xfffffff0, 32));
    assert_false(seq_in(16, 0xfffffff0, 32));
    assert_false(seq_in(0xffffffef, 0xfffffff0, 32));
    assert_true(seq_in(0x7fffffff, 0, 0x80000000));
    assert_false(seq_in(0x80000000, 0, 0x80000000));
}

/* The order is that of the distance, wherever the circle is cut. */
static void any_start(nod_rng *rng)
{
    uint32_t a = (uint32_t)nod_rng_next(rng);
    uint32_t ahead = (uint32_t)nod_rng_below(rng, 0x7fffffff) + 1, b = a + ahead;
    assert_true(seq_lt(a, b) && seq_le(a, b) && seq_gt(b, a) && seq_ge(b, a));
    assert_false(seq_lt(b, a) || seq_le(b, a) || seq_gt(a, b) || seq_ge(a, b));
    assert_int_equal(seq_diff(b, a), ahead);
    assert_int_equal(seq_max(a, b), b);
    assert_int_equal(seq_min(a, b), a);
    assert_true(seq_in(b, a, ahead + 1));
    assert_false(seq_in(b, a, ahead));
}

static void anywhere(void **state)
{
    (void)state;
    dice_each(__FILE__, 10000, any_start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_around_the_wrap),
        cmocka_unit_test(larger_and_smaller),
        cmocka_unit_test(ranges),
        cmocka_unit_test(anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
