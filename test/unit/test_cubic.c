/* CUBIC against the formulas of RFC 9438 in floating point; and HyStart++ round by round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "cc/cc.h"

#define MSS 1000u
#define RTT (100 * NOD_MSEC)

static struct nod_cc cc;
static struct nod_cc_own own;
static nod_usec now;
static uint32_t una;

static const struct nod_cc_ops *start(void)
{
    cc = (struct nod_cc){.id = (uint8_t)nod_cc_find("cubic")};
    now = NOD_SEC;
    una = UINT32_MAX - 5000; /* rounds wrap */
    nod_cc_ops(&cc)->init(&cc, &own, MSS);
    return nod_cc_ops(&cc);
}

static struct nod_cc_sample sample(uint32_t acked, uint32_t rtt_us)
{
    return (struct nod_cc_sample){
        .now = now,
        .acked = acked,
        .flight = cc.cwnd,
        .mss = MSS,
        .srtt_us = RTT,
        .rtt_us = rtt_us,
        .una = una,
        .nxt = una + cc.cwnd,
        .limited = true,
        .hystart = true,
    };
}

/* A window's worth of ACKs, one for each segment, in one RTT. */
static void one_round(uint32_t rtt_us)
{
    uint32_t segments = cc.cwnd / MSS;
    for (uint32_t i = 0; i < segments; i++) {
        now += RTT / segments;
        una += MSS;
        struct nod_cc_sample s = sample(MSS, rtt_us);
        nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
    }
}

static void lose(uint32_t cwnd)
{
    cc.cwnd = cwnd;
    struct nod_cc_sample s = sample(0, 0);
    nod_cc_ops(&cc)->on_loss(&cc, &own, &s);
}

/* 4.2 and 4.6: down to 0.7, back along the curve, slowly past the plateau, then fast. */
static void curve(void **state)
{
    (void)state;
    start();
    lose(1000 * MSS);
    assert_int_equal(cc.ssthresh, 700 * MSS);
    assert_int_equal(cc.cwnd, 700 * MSS);
    double k = cbrt(300 / 0.4);
    one_round(0); /* the epoch begins with its first ACK */
    nod_usec began = now - RTT + RTT / 700;
    for (int round = 0; round < 200; round++) {
        one_round(0);
        double t = (double)(now - began) / 1e6;
        double w = 0.4 * pow(t - k, 3) + 1000;
        double ahead = 0.4 * pow(t + 0.1 - k, 3) + 1000;
        double is = (double)cc.cwnd / MSS;
        assert_true(is >= w * 0.985 && is <= ahead * 1.015 + 1);
    }
    assert_true(cc.cwnd > 1400 * MSS);
}

/* 4.3: where the curve is slower than Reno it is Reno: alpha is 9/17 up to the old window, 1
 * behind it. */
static void friendly(void **state)
{
    (void)state;
    start();
    lose(20 * MSS);
    uint32_t before = cc.cwnd;
    for (int i = 0; i < 5; i++) one_round(0);
    assert_in_range(cc.cwnd, before + 5 * MSS * 9 / 17 - 900, before + 5 * MSS * 9 / 17 + 900);
    for (int i = 0; i < 15; i++) one_round(0);
    before = cc.cwnd;
    for (int i = 0; i < 3; i++) one_round(0);
    assert_true(cc.cwnd >= before + 3 * MSS - 900);
}

/* 4.7: who falls a second time before he is back makes room. */
static void fast_convergence(void **state)
{
    (void)state;
    start();
    lose(1000 * MSS);
    assert_int_equal(own.cubic.w_max, 1000 * MSS);
    lose(800 * MSS);
    assert_int_equal(own.cubic.w_max, 680 * MSS);
    assert_int_equal(cc.ssthresh, 560 * MSS);
}

/* 4.4, 4.5: a target far away is cut to half a window a round trip; one below is no reason to
 * shrink. */
static void clamped(void **state)
{
    (void)state;
    start();
    lose(1000 * MSS);
    one_round(0);
    now += 60 * NOD_SEC; /* the curve has gone far, and nobody said that it was idle time */
    for (int i = 0; i < 3; i++) {
        uint32_t before = cc.cwnd;
        struct nod_cc_sample s = sample(before, 0);
        nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
        assert_int_equal(cc.cwnd, before + before / 2);
    }
    start();
    lose(1000 * MSS);
    cc.cwnd = 990 * MSS; /* beyond what the curve says */
    uint32_t before = cc.cwnd;
    one_round(0);
    own.cubic.w_est = 0;
    own.cubic.k_ms = 8000;
    assert_true(cc.cwnd >= before);
    before = cc.cwnd;
    struct nod_cc_sample s = sample(MSS, 0);
    nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
    assert_true(cc.cwnd >= before);
}

/* 4.6: of an application that sends little the flight counts, not the window. */
static void flight(void **state)
{
    (void)state;
    start();
    cc.cwnd = 1000 * MSS;
    struct nod_cc_sample s = sample(0, 0);
    s.flight = 100 * MSS;
    s.limited = false;
    nod_cc_ops(&cc)->on_loss(&cc, &own, &s);
    assert_int_equal(cc.ssthresh, 70 * MSS);
    assert_int_equal(cc.cwnd, 70 * MSS);
    s.flight = MSS;
    nod_cc_ops(&cc)->on_loss(&cc, &own, &s);
    assert_int_equal(cc.ssthresh, 2 * MSS);
}

/* 4.2: nor does time in which there was nothing to send. */
static void resumes(void **state)
{
    (void)state;
    start();
    lose(1000 * MSS);
    one_round(0);
    uint32_t before = cc.cwnd;
    now += 60 * NOD_SEC;
    nod_cc_ops(&cc)->on_restart(&cc, &own, &(struct nod_cc_sample){.now = now});
    one_round(0);
    assert_true(cc.cwnd < before + before / 10);
}

/* 4.9: at the beginning every octet that is acknowledged makes room for another one, until
 * ssthresh. */
static void slow_start(void **state)
{
    (void)state;
    start();
    cc.ssthresh = 35 * MSS;
    one_round(0);
    assert_int_equal(cc.cwnd, 20 * MSS);
    for (uint32_t i = 0; i < 15; i++) {
        struct nod_cc_sample s = sample(MSS, 0);
        nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
    }
    assert_int_equal(cc.cwnd, 35 * MSS);
    one_round(0);
    assert_true(cc.cwnd < 37 * MSS);
}

/* Time in which the application sent less does not count (4.2): no jump behind it. */
static void idle_epoch(void **state)
{
    (void)state;
    start();
    lose(1000 * MSS);
    one_round(0);
    uint32_t before = cc.cwnd;
    for (int i = 0; i < 300; i++) {
        now += RTT;
        struct nod_cc_sample s = sample(MSS, 0);
        s.limited = false;
        nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
    }
    assert_int_equal(cc.cwnd, before);
    one_round(0);
    assert_true(cc.cwnd < before + before / 10);
}

/* 4.8: after a timeout slow start up to 0.7, and then a plateau. */
static void timeout(void **state)
{
    (void)state;
    start();
    cc.cwnd = 1000 * MSS;
    struct nod_cc_sample s = sample(0, 0);
    nod_cc_ops(&cc)->on_timeout(&cc, &own, &s, false);
    assert_int_equal(cc.ssthresh, 700 * MSS);
    assert_int_equal(cc.cwnd, MSS);
    nod_cc_ops(&cc)->on_timeout(&cc, &own, &s, true);
    assert_int_equal(cc.ssthresh, 700 * MSS);
    for (int i = 0; i < 10; i++) one_round(0);
    assert_int_equal(own.cubic.k_ms, 0);
    assert_in_range(cc.cwnd, 700 * MSS, 710 * MSS);
}

/* A round trip on a path of 100 ms. */
static uint32_t round_on_path(uint32_t rtt_us)
{
    uint32_t segments = cc.cwnd / MSS, before = cc.cwnd;
    for (uint32_t i = 0; i < segments; i++) {
        now += RTT / segments;
        una += MSS;
        struct nod_cc_sample s = sample(MSS, rtt_us);
        s.min_rtt_us = RTT;
        nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
    }
    return cc.cwnd - before;
}

/* Slow start has ended, and nothing was lost: a 20th a round trip, until there is a queue. */
static void no_plateau_known(void **state)
{
    (void)state;
    start();
    cc.cwnd = cc.ssthresh = 1000 * MSS;
    assert_in_range(round_on_path(RTT), 49 * MSS, 52 * MSS);
    assert_in_range(round_on_path(RTT + RTT / 8), 51 * MSS, 55 * MSS);
    assert_true(round_on_path(RTT + RTT / 7) < 3 * MSS);
    assert_true(round_on_path(0) < 3 * MSS);
    assert_in_range(round_on_path(RTT), 53 * MSS, 57 * MSS);
    lose(cc.cwnd);
    cc.cwnd = own.cubic.w_max; /* there it is flat */
    assert_true(round_on_path(RTT) < 3 * MSS);
}

/* 4.9: a false alarm, and the curve goes on as if nothing had been. */
static void undo(void **state)
{
    (void)state;
    start();
    lose(1000 * MSS);
    for (int i = 0; i < 20; i++) one_round(0);
    struct nod_cc before = cc;
    struct nod_cubic curve_before = own.cubic;
    lose(cc.cwnd);
    cc = before;
    nod_cc_ops(&cc)->on_undo(&cc, &own);
    assert_memory_equal(&own.cubic, &curve_before, sizeof(curve_before));
}

static uint32_t rounds(const uint32_t *rtt_ms, int count)
{
    for (int i = 0; i < count; i++) one_round(rtt_ms[i] * 1000);
    return cc.cwnd / MSS;
}

/* RFC 9406 section 4.2: 40 to 44 ms is no sign (an eighth), 40 to 46 is; then a quarter as fast
 * for five rounds, and slow start is over. */
static void hystart(void **state)
{
    (void)state;
    start();
    assert_int_equal(rounds((uint32_t[]){40, 40, 44, 44}, 4), 160);
    uint32_t cwnd = rounds((uint32_t[]){50}, 1);
    assert_in_range(cwnd, 195, 230); /* eight samples, then a quarter */
    for (int i = 0; i < 4; i++) {
        uint32_t before = cc.cwnd;
        one_round(50000);
        assert_in_range(cc.cwnd, before + before / 5, before + before / 3);
        assert_true(cc.ssthresh > 1u << 30);
    }
    one_round(50000);
    one_round(50000);
    assert_true(cc.ssthresh <= cc.cwnd);
}

/* A jitter: the RTT falls again below where it was noticed, and slow start goes on. */
static void hystart_resumes(void **state)
{
    (void)state;
    start();
    rounds((uint32_t[]){40, 40, 50}, 3);
    assert_int_equal(own.hystart.css_rounds > 0, 1);
    uint32_t before = cc.cwnd;
    rounds((uint32_t[]){40, 40}, 2);
    assert_true(cc.cwnd > 3 * before);
}

/* Only the first slow start (section 4.3). */
static void hystart_once(void **state)
{
    (void)state;
    start();
    lose(100 * MSS);
    cc.ssthresh = 10000 * MSS;
    cc.cwnd = 10 * MSS;
    assert_int_equal(rounds((uint32_t[]){40, 80, 120}, 3), 80);
}

/* A round trip of `rtt`, whose ACKs come in an even train of such a length, each for a segment that
 * was sent a round trip ago. */
static void train_round(nod_usec rtt, nod_usec length)
{
    nod_usec began = now;
    uint32_t segments = cc.cwnd / MSS, nxt = una + cc.cwnd;
    for (uint32_t i = 0; i < segments; i++) {
        now = began + length * i / segments;
        una += MSS;
        struct nod_cc_sample s = sample(MSS, (uint32_t)rtt);
        s.min_rtt_us = (uint32_t)rtt;
        s.nxt = nxt;
        nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
        nxt += 2 * MSS;
    }
    now = began + rtt;
}

/* ACKs one after the other for half of a round trip: the path carries no more. Bursts are no train,
 * not even where a round trip is shorter than any gap that counts, nor where the clock begins. */
static void hystart_train(void **state)
{
    (void)state;
    static const nod_usec rtts[] = {100, NOD_MSEC, 40 * NOD_MSEC};
    for (size_t i = 0; i < sizeof(rtts) / sizeof(rtts[0]); i++) {
        start();
        now = rtts[i];
        for (int round = 0; round < 7; round++) train_round(rtts[i], rtts[i] / 4);
        assert_int_equal(cc.cwnd, 1280 * MSS);
        assert_true(cc.ssthresh > 1u << 30);
        train_round(rtts[i], rtts[i] * 3 / 4);
        assert_in_range(cc.ssthresh, 1281 * MSS, 2559 * MSS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curve),
        cmocka_unit_test(friendly),
        cmocka_unit_test(fast_convergence),
        cmocka_unit_test(clamped),
        cmocka_unit_test(flight),
        cmocka_unit_test(slow_start),
        cmocka_unit_test(idle_epoch),
        cmocka_unit_test(resumes),
        cmocka_unit_test(timeout),
        cmocka_unit_test(no_plateau_known),
        cmocka_unit_test(undo),
        cmocka_unit_test(hystart),
        cmocka_unit_test(hystart_resumes),
        cmocka_unit_test(hystart_once),
        cmocka_unit_test(hystart_train),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
