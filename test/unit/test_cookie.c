/* SYN cookies: the arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/seq.h"
#include "tcp/cookie.h"
#include "unit/dice.h"

static struct nod_env env;

static bool is_good(const struct nod_key *key, uint32_t irs, uint32_t iss)
{
    uint16_t mss;
    return nod_cookie_check(&env, key, irs, iss, &mss) == NOD_COOKIE_GOOD;
}

static uint32_t roll(nod_rng *rng)
{
    uint32_t x;
    dice_bytes(rng, &x, sizeof(x));
    return x;
}

static struct nod_key any_key(nod_rng *rng)
{
    struct nod_key key;
    dice_bytes(rng, &key, sizeof(key));
    return key;
}

/* 4987/02: the largest MSS of the table that is not above the peer's. */
static void mss_comes_back(nod_rng *rng)
{
    env.now = 5 * NOD_SEC;
    uint16_t last = 0;
    for (unsigned mss = 64; mss <= 65535; mss += 4) {
        struct nod_key key = any_key(rng);
        uint32_t irs = roll(rng), iss = nod_cookie_make(&env, &key, irs, (uint16_t)mss);
        uint16_t got = 0;
        assert_int_equal(nod_cookie_check(&env, &key, irs, iss, &got), NOD_COOKIE_GOOD);
        assert_true(got <= mss && got >= last);
        last = got;
        if (mss == 536 || mss == 1220 || mss == 1440 || mss == 1460) assert_int_equal(got, mss);
    }
}

static void two_periods(nod_rng *rng)
{
    struct nod_key key = any_key(rng);
    env.now = 1000 * NOD_COOKIE_PERIOD + NOD_COOKIE_PERIOD - 1;
    uint32_t iss = nod_cookie_make(&env, &key, 77, 1460);
    assert_true(is_good(&key, 77, iss));
    env.now += NOD_COOKIE_PERIOD;
    assert_true(is_good(&key, 77, iss));
    env.now += 1;
    assert_false(is_good(&key, 77, iss));
    assert_true(nod_cookie_make(&env, &key, 77, 1460) != iss);
}

/* Nobody guesses: another key, another initial number, another secret, or a number nearby. */
static void nobody_guesses(nod_rng *rng)
{
    unsigned lucky = 0;
    for (int i = 0; i < 100000; i++) {
        struct nod_key key = any_key(rng);
        uint32_t irs = roll(rng), iss = nod_cookie_make(&env, &key, irs, 1460);
        struct nod_key other = key;
        other.remote_port ^= 1;
        lucky += is_good(&other, irs, iss);
        lucky += is_good(&key, irs + 1, iss);
        lucky += is_good(&key, irs, iss ^ 1u << (3 + i % 29));
        env.cookie_key[i % 16] ^= 1;
        lucky += is_good(&key, irs, iss);
        env.cookie_key[i % 16] ^= 1;
    }
    assert_true(lucky <= 1); /* 400,000 guesses at 2 in 2^29 */
}

/* A later segment of the same peer is told from a guess, of which one in sixteen looks alike. */
static void what_came_first(nod_rng *rng)
{
    struct nod_key key = any_key(rng);
    uint32_t alike = 0;
    uint16_t mss;
    for (int i = 0; i < 10000; i++) {
        uint32_t irs = roll(rng), iss = nod_cookie_make(&env, &key, irs, 1460);
        assert_int_equal(nod_cookie_check(&env, &key, irs + 1460, iss, &mss), NOD_COOKIE_OTHER);
        alike += nod_cookie_check(&env, &key, irs, roll(rng), &mss) == NOD_COOKIE_OTHER;
    }
    assert_in_range(alike, 100, 1300);
}

static void options_ride_on_the_timestamp(nod_rng *rng)
{
    struct nod_key key = any_key(rng);
    for (int i = 0; i < 20000; i++) {
        struct nod_cookie_options opt = {
            .scale = roll(rng) & 1, .sack = roll(rng) & 1, .ecn = roll(rng) & 1};
        if (opt.scale) opt.snd_scale = (uint8_t)(roll(rng) % 15);
        env.now += roll(rng) % 5000;
        uint32_t now = nod_ts_now(&env, &key), ts = nod_cookie_ts(&env, &key, &opt);
        assert_true(seq_le(ts, now) && now - ts < 64);
        struct nod_cookie_options got = nod_cookie_ts_read(ts);
        assert_true(got.scale == opt.scale && got.sack == opt.sack && got.ecn == opt.ecn);
        assert_int_equal(got.snd_scale, opt.snd_scale);
    }
}

static void arithmetic(void **state)
{
    (void)state;
    dice_each(__FILE__, 4, mss_comes_back);
    dice_each(__FILE__, 4, two_periods);
    dice_each(__FILE__, 4, nobody_guesses);
    dice_each(__FILE__, 4, what_came_first);
    dice_each(__FILE__, 4, options_ride_on_the_timestamp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(arithmetic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
