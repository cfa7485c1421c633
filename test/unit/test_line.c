/* The line of a path: when packets leave it, by a trace of opportunities. (By a rate: test_path.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nod/path.h"
#include "sim/line.h"
#include "unit/dice.h"

#define OCTETS NOD_PATH_TRACE_OCTETS

static const uint32_t ms[] = {1, 2, 4, 4, 5, 10};

static nod_path_config traced(const uint32_t *list, uint32_t count, nod_usec begins)
{
    return (nod_path_config){.trace = {.ms = list, .count = count, .begins = begins}};
}

static void sends(nod_line *line, const nod_path_config *config, uint64_t bytes, nod_usec now,
                  nod_usec starts_ms, nod_usec leaves_ms)
{
    assert_int_equal(nod_line_starts(line, config, now), starts_ms * NOD_MSEC);
    assert_int_equal(nod_line_send(line, config, bytes, now), leaves_ms * NOD_MSEC);
}

static void test_one_packet_an_opportunity(void **state)
{
    static const nod_usec at[] = {1, 2, 4, 4, 5, 10, 11, 12, 14, 14, 15, 20, 21};
    nod_path_config config = traced(ms, 6, 0);
    nod_line line = {0};

    (void)state;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        sends(&line, &config, OCTETS, 0, at[i], at[i]);
    }
}

static void test_small_ones_share_and_large_ones_take_several(void **state)
{
    nod_path_config config = traced(ms, 6, 0);
    nod_line line = {0};

    (void)state;
    sends(&line, &config, OCTETS / 2, 0, 1, 1);
    sends(&line, &config, OCTETS / 2, 0, 1, 1);
    sends(&line, &config, 2 * OCTETS + 1, 0, 2, 4);
    sends(&line, &config, OCTETS, 0, 4, 5);
    sends(&line, &config, OCTETS - 1, 0, 5, 5);
    sends(&line, &config, 0, 0, 10, 10);
}

static void test_what_nobody_wants_is_lost(void **state)
{
    nod_path_config config = traced(ms, 6, 0);
    nod_line line = {0};

    (void)state;
    sends(&line, &config, 100, 2001, 4, 4);
    sends(&line, &config, 100, 4000, 4, 4);
    sends(&line, &config, OCTETS, 4001, 5, 5);
    sends(&line, &config, OCTETS, 10000, 10, 10);
    sends(&line, &config, OCTETS, 123456789, 123460, 123460);
}

static void test_begins_when_it_is_said(void **state)
{
    nod_path_config config = traced(ms, 6, 3 * NOD_SEC);
    nod_line line = {0};

    (void)state;
    sends(&line, &config, OCTETS, 0, 3001, 3001);
    sends(&line, &config, OCTETS, 3 * NOD_SEC + 1500, 3002, 3002);
}

/* What went by a rate is over before the trace is asked. */
static void test_from_a_rate_to_a_trace(void **state)
{
    nod_path_config slow = {.rate_bps = 1000000}, config = traced(ms, 6, 0);
    nod_line line = {0};

    (void)state;
    assert_int_equal(nod_line_send(&line, &slow, 1500, 0), 12 * NOD_MSEC);
    sends(&line, &config, OCTETS, 0, 12, 12);
    assert_int_equal(nod_line_starts(&line, &slow, 0), 12 * NOD_MSEC);
}

static void test_nonsense_is_none(void **state)
{
    static const uint32_t back[] = {1, 3, 2}, zero[] = {0, 0};

    (void)state;
    assert_true(nod_line_trace_is_sound(&(nod_path_trace){0}));
    assert_true(nod_line_trace_is_sound(&(nod_path_trace){.ms = ms, .count = 6}));
    assert_false(nod_line_trace_is_sound(&(nod_path_trace){.ms = back, .count = 3}));
    assert_false(nod_line_trace_is_sound(&(nod_path_trace){.ms = zero, .count = 2}));
}

/* The same by looking at one opportunity after the other. */
struct model {
    const uint32_t *list;
    uint32_t count, next, left;
    nod_usec round;
};

static nod_usec model_time(const struct model *m)
{
    return (m->round * m->list[m->count - 1] + m->list[m->next]) * NOD_MSEC;
}

static void model_advance(struct model *m)
{
    m->left = OCTETS;
    if (++m->next == m->count) {
        m->next = 0;
        m->round++;
    }
}

static nod_usec model_send(struct model *m, uint64_t bytes, nod_usec now)
{
    while (model_time(m) < now || m->left == 0) {
        model_advance(m);
    }
    for (; bytes > m->left; model_advance(m)) {
        bytes -= m->left;
    }
    m->left -= (uint32_t)bytes;
    return model_time(m);
}

static void run_random(nod_rng *rng)
{
    uint32_t list[40], count = 1 + (uint32_t)nod_rng_below(rng, 40), at = 0;
    nod_usec now = 0;

    for (uint32_t i = 0; i < count; i++) {
        list[i] = at += (uint32_t)nod_rng_below(rng, 4);
    }
    list[count - 1] += at == 0;
    nod_path_config config = traced(list, count, 0);
    struct model model = {.list = list, .count = count, .left = OCTETS};
    nod_line line = {0};

    for (int i = 0; i < 200; i++) {
        uint64_t bytes = 1 + nod_rng_below(rng, nod_rng_below(rng, 8) ? 1600 : 9000);

        now += nod_rng_below(rng, 3) ? 0 : nod_rng_below(rng, 40) * 250;
        assert_int_equal(nod_line_send(&line, &config, bytes, now), model_send(&model, bytes, now));
    }
}

static void test_as_one_after_the_other(void **state)
{
    (void)state;
    dice_each(__FILE__, 2000, run_random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_packet_an_opportunity),
        cmocka_unit_test(test_small_ones_share_and_large_ones_take_several),
        cmocka_unit_test(test_what_nobody_wants_is_lost),
        cmocka_unit_test(test_begins_when_it_is_said),
        cmocka_unit_test(test_from_a_rate_to_a_trace),
        cmocka_unit_test(test_nonsense_is_none),
        cmocka_unit_test(test_as_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
