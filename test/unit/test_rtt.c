/* RFC 6298: SRTT, RTTVAR and RTO from samples, computed here by the RFC's formulas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tcp/tcb.h"
#include "unit/dice.h"

static struct nod_env env; /* no trace ring: nothing is traced */
static struct nod_shared_config config;

static struct nod_tcb fresh(void)
{
    config.c = (nod_tcp_config){
        .rto_initial_us = NOD_SEC, .rto_min_us = 200 * NOD_MSEC, .rto_max_us = 120 * NOD_SEC};
    return (struct nod_tcb){.config = &config, .rto_us = 1000000};
}

/* 2.2: SRTT <- R, RTTVAR <- R/2, RTO <- SRTT + max(G, 4*RTTVAR). */
static void first_sample(void **state)
{
    (void)state;
    struct nod_tcb t = fresh();
    nod_tcb_rtt_sample(&env, &t, 400000);
    assert_int_equal(t.srtt_us, 400000);
    assert_int_equal(t.rttvar_us, 200000);
    assert_int_equal(t.rto_us, 1200000);
}

/* 2.3: RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT-R|, then SRTT <- 7/8 SRTT + 1/8 R. */
static void next_samples(void **state)
{
    (void)state;
    struct nod_tcb t = fresh();
    nod_tcb_rtt_sample(&env, &t, 400000);
    nod_tcb_rtt_sample(&env, &t, 480000);
    assert_int_equal(t.rttvar_us, 170000); /* with the SRTT from before */
    assert_int_equal(t.srtt_us, 410000);
    assert_int_equal(t.rto_us, 1090000);
    nod_tcb_rtt_sample(&env, &t, 90000);
    assert_int_equal(t.rttvar_us, 207500);
    assert_int_equal(t.srtt_us, 370000);
}

static void bounds(void **state)
{
    (void)state;
    struct nod_tcb t = fresh();
    nod_tcb_rtt_sample(&env, &t, 100); /* 2.4: the minimum */
    assert_int_equal(t.rto_us, 200000);
    t = fresh();
    nod_tcb_rtt_sample(&env, &t, 60 * NOD_SEC); /* 2.5: the maximum */
    assert_int_equal(t.rto_us, 120000000);
    t = fresh();
    config.c.rto_min_us = 1;
    for (int i = 0; i < 100; i++) nod_tcb_rtt_sample(&env, &t, 50000); /* no variance: G counts */
    assert_true(t.rto_us >= 51000 && t.rto_us < 51100);
    t = fresh();
    nod_tcb_rtt_sample(&env, &t, 0); /* a clock that stood still is still a sample */
    assert_true(t.srtt_us >= 1);
    nod_tcb_rtt_sample(&env, &t, UINT64_MAX);
    assert_true(t.rto_us <= 120000000 && t.srtt_us > 0);
}

/* A retransmitted segment's backoff ends with the first sample (5.3's "should"). */
static void backoff_ends(void **state)
{
    (void)state;
    struct nod_tcb t = fresh();
    t.rto_us = 64000000;
    nod_tcb_rtt_sample(&env, &t, 100000);
    assert_int_equal(t.rto_us, 300000);
}

/* Against the formulas in double precision. */
static void random_samples(nod_rng *rng)
{
    struct nod_tcb t = fresh();
    double srtt = 0, var = 0;
    uint64_t most = 1000 + nod_rng_below(rng, 3000000);
    for (int i = 0; i < 200; i++) {
        uint64_t r = 1000 + nod_rng_below(rng, most);
        nod_tcb_rtt_sample(&env, &t, r);
        double x = (double)r, delta = srtt > x ? srtt - x : x - srtt;
        var = i ? 0.75 * var + 0.25 * delta : x / 2;
        srtt = i ? 0.875 * srtt + 0.125 * x : x;
        double margin = srtt < 200000 ? srtt : 200000;
        double rto = srtt + (4 * var > margin ? 4 * var : margin);
        rto = rto < 200000 ? 200000 : rto;
        assert_true(abs((int)(t.srtt_us - srtt)) <= 16);
        assert_true(abs((int)(t.rttvar_us - var)) <= 24);
        assert_true(abs((int)(t.rto_us - rto)) <= 120);
    }
}

/* A path without jitter: what is late by a delayed ACK is not lost. */
static void steady_path(void **state)
{
    (void)state;
    struct nod_tcb t = fresh();
    for (int i = 0; i < 100; i++) nod_tcb_rtt_sample(&env, &t, 300000);
    assert_in_range(t.rto_us, 499000, 501000);
}

static void formulas(void **state)
{
    (void)state;
    dice_each(__FILE__, 500, random_samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_sample), cmocka_unit_test(next_samples), cmocka_unit_test(bounds),
        cmocka_unit_test(backoff_ends), cmocka_unit_test(steady_path),  cmocka_unit_test(formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
