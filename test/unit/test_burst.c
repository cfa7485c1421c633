/* Loss in bursts: the shares and lengths that the model of Gilbert and Elliott has in theory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nod/path.h"

#define PACKETS 400000

struct seen {
    int lost, bursts;
};

static bool is_lost(nod_path *path)
{
    nod_frame frame = {0};
    unsigned fate = 0;

    assert_int_equal(nod_path_push(path, &frame, 0, NULL, &fate), 0);
    while (nod_path_pop(path, &frame, 1, 0) > 0) {
    }
    return fate & NOD_FATE_LOST;
}

static struct seen look(const nod_path_burst *burst, double loss)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_path *path =
        nod_path_new(pool, &(nod_path_config){.burst = *burst, .loss = loss}, 20261123);
    struct seen seen = {0};
    bool before = false;

    assert_non_null(path);
    for (int i = 0; i < PACKETS; i++) {
        bool lost = is_lost(path);

        seen.lost += lost;
        seen.bursts += lost && !before;
        before = lost;
    }
    nod_path_free(path);
    nod_pool_free(pool);
    return seen;
}

static void assert_near(double is, double should, double share)
{
    if (is < should * (1 - share) || is > should * (1 + share)) {
        fail_msg("%g is not near %g", is, should);
    }
}

/* The share p / (p + r) is lost, in bursts of 1 / r on average. */
static void check_gilbert(double p, double r)
{
    struct seen seen = look(&(nod_path_burst){.enter = p, .leave = r}, 0);

    assert_near((double)seen.lost / PACKETS, p / (p + r), 0.05);
    assert_near((double)seen.lost / seen.bursts, 1 / r, 0.05);
}

static void test_gilbert(void **state)
{
    (void)state;
    check_gilbert(0.01, 0.25);
    check_gilbert(0.005, 0.1);
    check_gilbert(0.2, 0.5);
}

/* In each state its own share is lost: r / (p + r) of the time 1 - k, else 1 - h. */
static void test_elliott(void **state)
{
    const double p = 0.02, r = 0.1, h = 0.4, k = 0.99, bad = p / (p + r);
    const nod_path_burst burst = {.enter = p, .leave = r, .bad_passes = h, .good_loses = 1 - k};

    (void)state;
    assert_near((double)look(&burst, 0).lost / PACKETS, bad * (1 - h) + (1 - bad) * (1 - k), 0.05);
}

static void test_without_a_way_out(void **state)
{
    (void)state;
    assert_int_equal(look(&(nod_path_burst){.enter = 1}, 0).lost, PACKETS);
    /* From one state into the other and back, with each packet. */
    assert_int_equal(look(&(nod_path_burst){.enter = 1, .leave = 1}, 0).bursts, PACKETS / 2);
}

/* Besides the loss that chance brings. */
static void test_both(void **state)
{
    const nod_path_burst burst = {.enter = 0.01, .leave = 0.25};
    double in_bursts = 0.01 / 0.26;

    (void)state;
    assert_near((double)look(&burst, 0.1).lost / PACKETS, 0.1 + 0.9 * in_bursts, 0.03);
}

static void test_nonsense_is_refused(void **state)
{
    static const nod_path_burst nonsense[] = {
        {.enter = 1.1}, {.leave = -0.1}, {.bad_passes = 2}, {.good_loses = -1}};
    nod_pool *pool = nod_pool_new(NULL, 0);

    (void)state;
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        assert_null(nod_path_new(pool, &(nod_path_config){.burst = nonsense[i]}, 1));
    }
    nod_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gilbert),
        cmocka_unit_test(test_elliott),
        cmocka_unit_test(test_without_a_way_out),
        cmocka_unit_test(test_both),
        cmocka_unit_test(test_nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
