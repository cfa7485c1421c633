/* The timing wheel against a plain list: the same timers, the same order, to the microsecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/wheel.h"
#include "unit/dice.h"

#define TIMERS 200

static struct nod_wheel wheel;
static struct nod_timer_node node[TIMERS];
static nod_usec model[TIMERS]; /* NOD_NEVER: not armed */

static nod_usec model_next(void)
{
    nod_usec first = NOD_NEVER;
    for (int i = 0; i < TIMERS; i++)
        if (model[i] < first) first = model[i];
    return first;
}

/* Everything that is due comes out, in order, and nothing else does. */
static void expire_until(nod_usec now)
{
    for (;;) {
        nod_usec next = model_next();
        struct nod_timer_node *n = nod_wheel_expire(&wheel, now);
        if (next > now) {
            assert_null(n);
            assert_true(nod_wheel_next(&wheel) > now);
            return;
        }
        assert_non_null(n);
        assert_true(n->deadline == next);
        assert_null(n->pprev);
        ptrdiff_t i = n - node;
        assert_true(i >= 0 && i < TIMERS && model[i] == next);
        model[i] = NOD_NEVER;
    }
}

static nod_usec random_delay(nod_rng *rng)
{
    unsigned bits = (unsigned)nod_rng_below(rng, 50); /* to 35 years */
    return nod_rng_next(rng) & (((nod_usec)1 << bits) - 1);
}

static nod_usec random_start(nod_rng *rng)
{
    switch (nod_rng_below(rng, 3)) {
    case 0: return 0;
    case 1: return nod_rng_next(rng) >> 13; /* today's date in microseconds, about */
    }
    /* shortly before the wheel's whole span ends */
    return ((nod_usec)1 << 46) * (1 + nod_rng_below(rng, 9)) - nod_rng_below(rng, 10 * NOD_SEC);
}

static void one_history(nod_rng *rng)
{
    nod_usec now = random_start(rng);
    nod_wheel_init(&wheel, now);
    for (int i = 0; i < TIMERS; i++) {
        node[i] = (struct nod_timer_node){0};
        model[i] = NOD_NEVER;
    }
    for (int step = 0; step < 2000; step++) {
        size_t i = nod_rng_below(rng, TIMERS);
        switch (nod_rng_below(rng, 8)) {
        case 0:
            nod_wheel_cancel(&wheel, &node[i]);
            model[i] = NOD_NEVER;
            break;
        case 1:
            nod_wheel_set(&wheel, &node[i], NOD_NEVER);
            model[i] = NOD_NEVER;
            break;
        case 2: /* long past */
            model[i] = now - nod_rng_below(rng, now < 5000 ? now + 1 : 5000);
            nod_wheel_set(&wheel, &node[i], model[i]);
            break;
        case 3: now += random_delay(rng) >> nod_rng_below(rng, 40); break;
        case 4: {
            nod_usec next = model_next(); /* exactly then, and a microsecond before */
            if (next == NOD_NEVER || next <= now) break;
            expire_until(next - 1);
            now = next;
            break;
        }
        default:
            model[i] = now + random_delay(rng);
            nod_wheel_set(&wheel, &node[i], model[i]);
            break;
        }
        assert_true(nod_wheel_next(&wheel) <= model_next());
        assert_true(nod_wheel_next(&wheel) < NOD_NEVER || model_next() == NOD_NEVER);
        if (nod_rng_below(rng, 4) == 0) expire_until(now);
    }
    expire_until(now);
}

static void random_histories(void **state)
{
    (void)state;
    dice_each(__FILE__, 300, one_history);
}

static void exact_to_the_microsecond(void **state)
{
    (void)state;
    struct nod_timer_node a = {0}, b = {0};
    nod_wheel_init(&wheel, 5);
    nod_wheel_set(&wheel, &a, 1000001);
    nod_wheel_set(&wheel, &b, 1000000);
    assert_int_equal(nod_wheel_next(&wheel), 1000000);
    assert_null(nod_wheel_expire(&wheel, 999999));
    assert_ptr_equal(nod_wheel_expire(&wheel, 1000000), &b);
    assert_null(nod_wheel_expire(&wheel, 1000000));
    assert_int_equal(nod_wheel_next(&wheel), 1000001);
    assert_ptr_equal(nod_wheel_expire(&wheel, 1000001), &a);
    assert_true(nod_wheel_next(&wheel) == NOD_NEVER);
}

static void moved_and_cancelled(void **state)
{
    (void)state;
    struct nod_timer_node a = {0};
    nod_wheel_init(&wheel, 0);
    nod_wheel_cancel(&wheel, &a); /* never armed: nothing to do */
    nod_wheel_set(&wheel, &a, NOD_SEC);
    nod_wheel_set(&wheel, &a, 10);
    assert_int_equal(nod_wheel_next(&wheel), 10);
    nod_wheel_set(&wheel, &a, 3600 * NOD_SEC);
    assert_null(nod_wheel_expire(&wheel, 2 * NOD_SEC));
    assert_true(nod_wheel_next(&wheel) == 3600 * NOD_SEC);
    nod_wheel_cancel(&wheel, &a);
    assert_true(nod_wheel_next(&wheel) == NOD_NEVER);
    assert_null(nod_wheel_expire(&wheel, 4000 * NOD_SEC));
    nod_wheel_set(&wheel, &a, 1); /* past already */
    assert_ptr_equal(nod_wheel_expire(&wheel, 4000 * NOD_SEC), &a);
}

/* When the wheel's span of two years ends, a far timer keeps nothing else from going on. */
static void beyond_the_span(void **state)
{
    (void)state;
    nod_usec end = (nod_usec)1 << 46;
    struct nod_timer_node far = {0}, near = {0};
    nod_wheel_init(&wheel, end - 10);
    nod_wheel_set(&wheel, &far, end + 100 * NOD_SEC);
    assert_null(nod_wheel_expire(&wheel, end + NOD_SEC));
    assert_true(wheel.tick == (end + NOD_SEC) >> 10);
    nod_wheel_set(&wheel, &near, end + 2 * NOD_SEC);
    assert_true(nod_wheel_next(&wheel) == end + 2 * NOD_SEC);
    assert_ptr_equal(nod_wheel_expire(&wheel, end + 200 * NOD_SEC), &near);
    assert_ptr_equal(nod_wheel_expire(&wheel, end + 200 * NOD_SEC), &far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_to_the_microsecond),
        cmocka_unit_test(moved_and_cancelled),
        cmocka_unit_test(random_histories),
        cmocka_unit_test(beyond_the_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
