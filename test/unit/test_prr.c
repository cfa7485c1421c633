/* Proportional rate reduction (RFC 9937), ACK by ACK. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp/prr.h"

#define MSS 1000u

/* Section 6.2: while more is in flight than ssthresh, what leaves is to what arrives as ssthresh
 * is to the flight: of twenty segments, down to ten, one for every second ACK. */
static void in_proportion(void **state)
{
    (void)state;
    struct nod_prr p;
    uint32_t out = 19 * MSS, sent = 0;
    nod_prr_begin(&p, 20 * MSS);
    nod_prr_on_sent(&p, MSS); /* the fast retransmission */
    for (int ack = 1; ack < 10; ack++) {
        uint32_t cwnd = nod_prr_on_ack(&p, MSS, out -= MSS, true, 10 * MSS, MSS);
        while (out + MSS <= cwnd) {
            nod_prr_on_sent(&p, MSS);
            out += MSS;
            sent++;
        }
        assert_int_equal(sent + 1, ack < 4 ? 1 : ack / 2);
    }
}

/* One retransmission in any case, however much is in flight. */
static void one_at_once(void **state)
{
    (void)state;
    struct nod_prr p;
    nod_prr_begin(&p, 100 * MSS);
    assert_int_equal(nod_prr_on_ack(&p, 10, 99 * MSS, false, 50 * MSS, MSS), 100 * MSS);
    nod_prr_on_sent(&p, MSS);
    assert_int_equal(nod_prr_on_ack(&p, 10, 99 * MSS, false, 50 * MSS, MSS), 99 * MSS);
}

/* Below ssthresh after a burst of losses: one for one; and one more when the ACK is safe, up to
 * ssthresh and not beyond. */
static void conservation(void **state)
{
    (void)state;
    struct nod_prr p;
    nod_prr_begin(&p, 20 * MSS);
    nod_prr_on_sent(&p, MSS);
    assert_int_equal(nod_prr_on_ack(&p, MSS, 4 * MSS, false, 10 * MSS, MSS), 5 * MSS);
    nod_prr_on_sent(&p, MSS);
    assert_int_equal(nod_prr_on_ack(&p, MSS, 4 * MSS, true, 10 * MSS, MSS), 6 * MSS);
    nod_prr_on_sent(&p, 2 * MSS);
    assert_int_equal(nod_prr_on_ack(&p, MSS, 10 * MSS - 100, true, 10 * MSS, MSS), 10 * MSS);
    /* An ACK that tells of nothing that arrived lets nothing out. */
    assert_int_equal(nod_prr_on_ack(&p, 0, 4 * MSS, true, 10 * MSS, MSS), 4 * MSS);
}

/* Nothing in flight and nothing delivered is no reason for silence, and no division by zero. */
static void edges(void **state)
{
    (void)state;
    struct nod_prr p;
    nod_prr_begin(&p, 0);
    nod_prr_on_sent(&p, MSS);
    assert_int_equal(nod_prr_on_ack(&p, 0, 0, false, 2 * MSS, MSS), MSS);
    assert_true(nod_prr_on_ack(&p, UINT32_MAX / 2, 2 * MSS + 1, false, 2 * MSS, MSS) >= MSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_proportion),
        cmocka_unit_test(one_at_once),
        cmocka_unit_test(conservation),
        cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
