/* Numbers as people write them, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/units.h"

static void numbers(void **state)
{
    (void)state;
    uint64_t n = 0;
    assert_true(units_number("65535", 1, 65535, &n));
    assert_int_equal(n, 65535);
    assert_true(units_number("0x10", 0, UINT64_MAX, &n));
    assert_int_equal(n, 16);
    assert_false(units_number("65536", 1, 65535, &n));
    assert_false(units_number("0", 1, 65535, &n));
    assert_false(units_number("-1", 0, UINT64_MAX, &n));
    assert_false(units_number(" 1", 0, UINT64_MAX, &n));
    assert_false(units_number("80x", 0, UINT64_MAX, &n));
    assert_false(units_number("", 0, UINT64_MAX, &n));
    assert_false(units_number("99999999999999999999", 0, UINT64_MAX, &n));
}

static void shares(void **state)
{
    (void)state;
    double share = 0;
    assert_true(units_share("5%", &share));
    assert_true(share > 0.0499 && share < 0.0501);
    assert_true(units_share(".25", &share) && share == 0.25);
    assert_true(units_share("100%", &share) && share == 1);
    assert_false(units_share("101%", &share));
    assert_false(units_share("1.5", &share));
    assert_false(units_share("-5%", &share));
    assert_false(units_share("nan", &share));
    assert_false(units_share("5%%", &share));
    assert_false(units_share("", &share));
}

static void times(void **state)
{
    (void)state;
    nod_usec us = 0;
    assert_true(units_time("20ms", NOD_SEC, &us) && us == 20000);
    assert_true(units_time("1.5s", NOD_SEC, &us) && us == 1500000);
    assert_true(units_time("2min", NOD_SEC, &us) && us == 120 * NOD_SEC);
    assert_true(units_time("7", NOD_MSEC, &us) && us == 7000);
    assert_true(units_time("0", NOD_MSEC, &us) && us == 0);
    assert_false(units_time("7 apples", NOD_MSEC, &us));
    assert_false(units_time("1e300h", NOD_MSEC, &us));
    assert_false(units_time("", NOD_MSEC, &us));
    assert_false(units_time("ms", NOD_MSEC, &us));
}

static void sizes(void **state)
{
    (void)state;
    uint64_t n = 0;
    assert_true(units_size("3000", &n) && n == 3000);
    assert_true(units_size("64k", &n) && n == 65536);
    assert_true(units_size("1.5MiB", &n) && n == 3 << 19);
    assert_true(units_size("2G", &n) && n == UINT64_C(1) << 31);
    assert_false(units_size("64kB", &n));
    assert_false(units_size("64b", &n));
    assert_false(units_size("k", &n));
    assert_false(units_size("-1", &n));
    assert_false(units_size("", &n));
}

static void addresses(void **state)
{
    (void)state;
    nod_addr addr;
    int prefix = -1;
    assert_true(units_address("10.0.0.1/24", &addr, &prefix));
    assert_true(addr.family == 4 && addr.bytes[3] == 1 && prefix == 24);
    assert_true(units_address("fd00::2/128", &addr, &prefix));
    assert_true(addr.family == 6 && addr.bytes[15] == 2 && prefix == 128);
    assert_true(units_address("10.0.0.1", &addr, &prefix) && prefix == 0);
    assert_false(units_address("10.0.0.1/33", &addr, &prefix));
    assert_false(units_address("fd00::2/129", &addr, &prefix));
    assert_false(units_address("10.0.0.1/", &addr, &prefix));
    assert_false(units_address("/24", &addr, &prefix));
    assert_false(units_address("somewhere/24", &addr, &prefix));
}

static void rates(void **state)
{
    (void)state;
    uint64_t bps = 0;
    assert_true(units_rate("64k", &bps) && bps == 64000);
    assert_true(units_rate("1.5G", &bps) && bps == 1500000000);
    assert_true(units_rate("9600", &bps) && bps == 9600);
    assert_false(units_rate("0", &bps));
    assert_false(units_rate("10X", &bps));
    assert_false(units_rate("10Mb", &bps));
}

static void amounts(void **state)
{
    (void)state;
    char text[16];
    assert_string_equal(units_bytes(0, text, sizeof text), "0 B");
    assert_string_equal(units_bytes(1023, text, sizeof text), "1023 B");
    assert_string_equal(units_bytes(1536, text, sizeof text), "1.5 KiB");
    assert_string_equal(units_bytes(UINT64_C(256) << 20, text, sizeof text), "256.0 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers), cmocka_unit_test(shares),    cmocka_unit_test(times),
        cmocka_unit_test(sizes),   cmocka_unit_test(addresses), cmocka_unit_test(rates),
        cmocka_unit_test(amounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
