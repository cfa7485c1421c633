/* Reno's arithmetic (RFC 5681, RFC 6928), sample by sample. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cc/cc.h"

#define MSS 1000u

static struct nod_cc_own own;

static struct nod_cc started(void)
{
    own = (struct nod_cc_own){0};
    struct nod_cc cc = {.id = (uint8_t)nod_cc_find("reno")};
    assert_ptr_equal(nod_cc_ops(&cc), &nod_cc_reno);
    nod_cc_ops(&cc)->init(&cc, &own, MSS);
    return cc;
}

static struct nod_cc_sample sample(uint32_t acked, uint32_t flight)
{
    return (struct nod_cc_sample){
        .acked = acked, .flight = flight, .mss = MSS, .limited = true, .paced = true};
}

static void ack(struct nod_cc *cc, uint32_t acked)
{
    struct nod_cc_sample s = sample(acked, cc->cwnd);
    nod_cc_ops(cc)->on_ack(cc, &own, &s);
}

/* RFC 6928: min(10*MSS, max(2*MSS, 14600)). */
static void initial_window(void **state)
{
    (void)state;
    assert_int_equal(nod_cc_initial_window(536), 5360);
    assert_int_equal(nod_cc_initial_window(1460), 14600);
    assert_int_equal(nod_cc_initial_window(2000), 14600);
    assert_int_equal(nod_cc_initial_window(9000), 18000);
    assert_int_equal(started().cwnd, 10000);
    assert_true(started().ssthresh > 1u << 30);
}

/* A window's worth of ACKs doubles it, up to ssthresh and no further. */
static void slow_start(void **state)
{
    (void)state;
    struct nod_cc cc = started();
    for (int i = 0; i < 10; i++) ack(&cc, MSS);
    assert_int_equal(cc.cwnd, 20 * MSS);
    cc.ssthresh = 21500;
    ack(&cc, MSS);
    ack(&cc, MSS);
    assert_int_equal(cc.cwnd, 21500);
}

/* An ACK of many segments makes the window larger by all of them, paced or not. */
static void stretched_ack(void **state)
{
    (void)state;
    struct nod_cc cc = started();
    struct nod_cc_sample s = sample(20 * MSS, cc.cwnd);
    nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
    assert_int_equal(cc.cwnd, 30 * MSS);
    s.paced = false;
    nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
    assert_int_equal(cc.cwnd, 50 * MSS);
}

/* Beyond it, one segment a window's worth, however that is cut into ACKs. */
static void congestion_avoidance(void **state)
{
    (void)state;
    for (uint32_t step = 1; step <= 20000; step = step * 3 + 7) {
        struct nod_cc cc = started();
        cc.cwnd = cc.ssthresh = 20000;
        for (uint32_t window = 20000; window < 23000; window += MSS) {
            uint32_t acked = 0;
            while (acked + step < window) ack(&cc, step), acked += step;
            assert_int_equal(cc.cwnd, window);
            ack(&cc, window - acked);
            assert_int_equal(cc.cwnd, window + MSS);
        }
    }
}

/* Who does not use the window does not earn a larger one (RFC 7661). */
static void not_limited(void **state)
{
    (void)state;
    struct nod_cc cc = started();
    struct nod_cc_sample s = sample(MSS, MSS);
    s.limited = false;
    for (int i = 0; i < 100; i++) nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
    assert_int_equal(cc.cwnd, 10000);
}

/* Equation 4: half of what was in flight, two segments at least. */
static void loss(void **state)
{
    (void)state;
    struct nod_cc cc = started();
    struct nod_cc_sample s = sample(0, 30000);
    cc.cwnd = 50000;
    nod_cc_ops(&cc)->on_loss(&cc, &own, &s);
    assert_int_equal(cc.ssthresh, 15000);
    assert_int_equal(cc.cwnd, 15000);
    s.flight = 3000;
    nod_cc_ops(&cc)->on_loss(&cc, &own, &s);
    assert_int_equal(cc.ssthresh, 2000);
}

/* A timeout leaves one segment; another for the same segment keeps ssthresh (5681 3.1). */
static void timeout(void **state)
{
    (void)state;
    struct nod_cc cc = started();
    struct nod_cc_sample s = sample(0, 30000);
    cc.cwnd = 50000;
    nod_cc_ops(&cc)->on_timeout(&cc, &own, &s, false);
    assert_int_equal(cc.ssthresh, 15000);
    assert_int_equal(cc.cwnd, MSS);
    s.flight = MSS;
    nod_cc_ops(&cc)->on_timeout(&cc, &own, &s, true);
    assert_int_equal(cc.ssthresh, 15000);
    assert_int_equal(cc.cwnd, MSS);
}

static void idle(void **state)
{
    (void)state;
    struct nod_cc cc = started();
    cc.cwnd = 500000;
    nod_cc_ops(&cc)->on_idle(&cc, &own, MSS);
    assert_int_equal(cc.cwnd, 10000);
    cc.cwnd = 3000; /* it never grows by idleness */
    nod_cc_ops(&cc)->on_idle(&cc, &own, MSS);
    assert_int_equal(cc.cwnd, 3000);
}

/* A window that could overflow 32 bits stops before. */
static void huge(void **state)
{
    (void)state;
    struct nod_cc cc = started();
    for (int i = 0; i < 200; i++) ack(&cc, cc.cwnd);
    assert_true(cc.cwnd >= 1u << 30);
    assert_true(cc.cwnd <= UINT32_MAX / 2 + 1);
    cc.ssthresh = 5000;
    for (int i = 0; i < 10000; i++) ack(&cc, 1u << 30);
    assert_true(cc.cwnd >= 1u << 30);
}

static void names(void **state)
{
    (void)state;
    assert_int_equal(nod_cc_find(""), NOD_EINVAL);
    assert_int_equal(nod_cc_find("renos"), NOD_EINVAL);
    struct nod_cc cc = {.id = (uint8_t)nod_cc_find("reno")};
    assert_string_equal(nod_cc_ops(&cc)->name, "reno");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_window), cmocka_unit_test(slow_start),
        cmocka_unit_test(stretched_ack),  cmocka_unit_test(congestion_avoidance),
        cmocka_unit_test(not_limited),    cmocka_unit_test(loss),
        cmocka_unit_test(timeout),        cmocka_unit_test(idle),
        cmocka_unit_test(huge),           cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
