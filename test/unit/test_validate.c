/* Congestion window validation (RFC 7661), without a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cc/validate.h"

#define MSS 1000
#define RTT (100 * NOD_MSEC)

struct sender {
    struct nod_validate v;
    struct nod_cc cc;
    nod_usec now;
    uint32_t una;
};

static struct nod_cc_sample sample(const struct sender *s, uint32_t flight)
{
    return (struct nod_cc_sample){
        .now = s->now, .flight = flight, .mss = MSS, .srtt_us = RTT, .una = s->una, .nxt = s->una};
}

/* A round trip in which so much is acknowledged; the first ACK tells little, as it does. */
static void round_trip(struct sender *s, uint32_t octets)
{
    uint32_t nxt = s->una + octets;
    s->now += RTT;
    for (uint32_t step = octets / 10; step && s->una != nxt;) {
        s->una += octets / 10;
        struct nod_cc_sample sample_ = sample(s, octets);
        sample_.nxt = nxt;
        nod_validate_on_ack(&s->v, &s->cc, &sample_);
    }
}

static bool holds(const struct sender *s)
{
    return nod_validate_holds(&s->v, s->now, RTT);
}

static uint32_t pipe_ack(const struct sender *s)
{
    return nod_validate_pipe_ack(&s->v, s->now, RTT);
}

static void begin(struct sender *s, uint32_t cwnd)
{
    *s = (struct sender){.now = NOD_SEC, .una = 0xfffff000, .cc.cwnd = cwnd};
    s->cc.ssthresh = UINT32_MAX;
    nod_validate_wake(&s->v, s->now, 0);
}

/* Section 4.2: the largest of a second, or of three round trips, if that is more. */
static void pipe_ack_looks_back(void **state)
{
    (void)state;
    struct sender s;
    begin(&s, 100000);
    assert_int_equal(pipe_ack(&s), UINT32_MAX); /* undefined, and that is no small number */
    assert_true(holds(&s));
    for (int i = 0; i < 5; i++) round_trip(&s, 80000);
    uint32_t large = pipe_ack(&s);
    assert_in_range(large, 70000, 80000);
    for (int i = 0; i < 9; i++) round_trip(&s, 20000);
    assert_int_equal(pipe_ack(&s), large);
    assert_true(holds(&s));
    for (int i = 0; i < 3; i++) round_trip(&s, 20000);
    assert_in_range(pipe_ack(&s), 18000, 20000);
    assert_false(holds(&s));
    s.now += 2 * NOD_SEC;
    assert_int_equal(pipe_ack(&s), 0);
    assert_int_equal(nod_validate_period(500 * NOD_MSEC), 1500 * NOD_MSEC);
    assert_int_equal(nod_validate_period(0), NOD_SEC);
}

/* Section 4.4: non-validated below half of the window, and validated again at half. */
static void half_of_the_window(void **state)
{
    (void)state;
    struct sender s;
    begin(&s, 100000);
    for (int i = 0; i < 20; i++) round_trip(&s, 60000);
    assert_true(holds(&s));
    for (int i = 0; i < 20; i++) round_trip(&s, 49000);
    assert_false(holds(&s));
    for (int i = 0; i < 2; i++) round_trip(&s, 60000);
    assert_true(holds(&s));
    /* In slow start the window is twice what was acknowledged in the last round trip. */
    begin(&s, 10000);
    for (int i = 0; i < 10; i++) {
        round_trip(&s, s.cc.cwnd);
        s.cc.cwnd *= 2;
        assert_true(holds(&s));
    }
}

/* Section 4.4.1: what is left after a loss, and after the recovery from it. */
static void loss(void **state)
{
    (void)state;
    static const struct {
        uint32_t pipe_ack, flight, again, during, after;
    } rows[] = {
        {0, 40000, 0, 20000, 20000},        {30000, 10000, 0, 15000, 15000},
        {30000, 40000, 4000, 20000, 18000}, {30000, 20000, 10000, 15000, 10000},
        {0, 2000, 2000, 1000, 1000},        {0, 1000, 1000, 1000, 1000}, /* one MSS, not less */
        {0, 6000, 9000, 3000, 1000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sender s;
        begin(&s, 100000);
        s.v.known = true;
        s.v.valid_at = 0;
        s.now = 10 * NOD_SEC;
        nod_min_filter_reset(&s.v.unused, s.now - RTT, UINT32_MAX - rows[i].pipe_ack);
        struct nod_cc_sample lost = sample(&s, rows[i].flight);
        uint32_t flight = nod_validate_flight(&s.v, &lost);
        nod_validate_on_loss(&s.v, &s.cc, flight, MSS);
        assert_int_equal(s.cc.cwnd, rows[i].during);
        assert_int_equal(s.cc.ssthresh, rows[i].during);
        s.v.again = rows[i].again;
        nod_validate_on_recovered(&s.v, &s.cc, MSS);
        assert_int_equal(s.cc.cwnd, rows[i].after);
        assert_int_equal(s.cc.ssthresh, rows[i].after);
        assert_int_equal(pipe_ack(&s), UINT32_MAX); /* "undefined" */
        assert_true(holds(&s));
    }
    /* While it holds the flight is what it is, and a recovery takes nothing off. */
    struct sender s;
    begin(&s, 100000);
    struct nod_cc_sample lost = sample(&s, 100000);
    assert_int_equal(nod_validate_flight(&s.v, &lost), 100000);
    s.cc.cwnd = s.cc.ssthresh = 70000;
    s.v.again = 50000;
    nod_validate_on_recovered(&s.v, &s.cc, MSS);
    assert_int_equal(s.cc.cwnd, 70000);
}

/* Section 4.4.3. */
static void five_minutes(void **state)
{
    (void)state;
    struct sender s;
    begin(&s, 100000);
    round_trip(&s, 100000);
    round_trip(&s, 100000);
    s.cc.ssthresh = 60000;
    s.now += 299 * NOD_SEC;
    nod_validate_age(&s.v, &s.cc, s.now, MSS);
    assert_int_equal(s.cc.cwnd, 100000);
    s.now += NOD_SEC;
    nod_validate_age(&s.v, &s.cc, s.now, MSS);
    assert_int_equal(s.cc.cwnd, 50000);
    assert_int_equal(s.cc.ssthresh, 75000); /* 3/4 of the window, for that is more */
    nod_validate_age(&s.v, &s.cc, s.now, MSS);
    assert_int_equal(s.cc.cwnd, 50000);
    s.now += 600 * NOD_SEC; /* twice */
    nod_validate_age(&s.v, &s.cc, s.now, MSS);
    assert_int_equal(s.cc.cwnd, 12500);
    assert_int_equal(s.cc.ssthresh, 75000);
    s.now += 300 * NOD_SEC;
    nod_validate_age(&s.v, &s.cc, s.now, MSS);
    assert_int_equal(s.cc.cwnd, 10000); /* the initial window */
    s.cc.cwnd = 2000;                   /* less than that is not made more */
    s.now += 300 * NOD_SEC;
    nod_validate_age(&s.v, &s.cc, s.now, MSS);
    assert_int_equal(s.cc.cwnd, 2000);
}

/* A connection at rest keeps but a number of 24 bits. */
static void rest(void **state)
{
    (void)state;
    static const nod_usec starts[] = {NOD_SEC, 16777215 * NOD_SEC, 50000000 * NOD_SEC};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct sender s;
        begin(&s, 100000);
        s.now = starts[i];
        round_trip(&s, 100000);
        round_trip(&s, 100000);
        s.now += 2 * NOD_SEC;
        s.cc.valid_s = nod_validate_rest(&s.v, s.now) & NOD_CC_SECONDS;
        assert_int_not_equal(s.cc.valid_s, 0);
        s.now += 290 * NOD_SEC;
        nod_validate_wake(&s.v, s.now, s.cc.valid_s);
        assert_int_equal(pipe_ack(&s), 0);
        assert_false(holds(&s));
        nod_validate_age(&s.v, &s.cc, s.now, MSS);
        assert_int_equal(s.cc.cwnd, 100000);
        s.now += 10 * NOD_SEC;
        nod_validate_age(&s.v, &s.cc, s.now, MSS);
        assert_int_equal(s.cc.cwnd, 50000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipe_ack_looks_back),
        cmocka_unit_test(half_of_the_window),
        cmocka_unit_test(loss),
        cmocka_unit_test(five_minutes),
        cmocka_unit_test(rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
