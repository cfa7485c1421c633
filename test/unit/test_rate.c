/* Delivery rates (draft-ietf-ccwg-bbr, "Delivery Rate Samples"), over the scoreboard as the engine
 * drives it. Segments are of 1000 octets, a round trip is 100 ms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp/rate.h"

#define MSS 1000u
#define BASE 0xffffe000u /* so that the numbers wrap */
#define RTT (100 * NOD_MSEC)

static nod_pool *pool;
static struct nod_board board;
static struct nod_rate rate;

static int begin(void **state)
{
    (void)state;
    pool = nod_pool_new(NULL, 1 << 20);
    nod_board_init(&board, BASE);
    rate = (struct nod_rate){0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    nod_board_clear(&board, pool);
    nod_pool_free(pool);
    return 0;
}

static void send(uint32_t segments, nod_usec at)
{
    assert_true(nod_board_ready(&board, pool));
    nod_board_sent(&board, board.end + segments * MSS, at);
    nod_rate_on_sent(&rate, board.newest, segments * MSS, nod_board_out(&board));
}

static uint32_t seq(uint32_t segments)
{
    return BASE + segments * MSS;
}

/* So many are acknowledged, since the beginning. */
static struct nod_rate_sample ack(uint32_t segments, nod_usec now)
{
    struct nod_delivery d = {0};
    nod_board_acked(&board, pool, seq(segments), &d);
    nod_rate_on_ack(&rate, &d, RTT, now);
    return rate.sample;
}

/* [from, to) came beyond a gap. */
static struct nod_rate_sample sack(uint32_t from, uint32_t to, nod_usec now)
{
    struct nod_delivery d = {0};
    nod_board_sacked(&board, pool, seq(from), seq(to), &d);
    nod_rate_on_ack(&rate, &d, RTT, now);
    return rate.sample;
}

/* A segment each 10 ms, and an ACK for each a round trip later: 100 octets a millisecond. */
static void steady(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) send(1, NOD_SEC + i * 10 * NOD_MSEC);
    for (uint32_t i = 0; i < 40; i++) {
        nod_usec now = NOD_SEC + RTT + i * 10 * NOD_MSEC;
        struct nod_rate_sample s = ack(i + 1, now);
        assert_true(s.any && !s.app_limited);
        send(1, now);
        /* Of what left before the first ACK: in the time since then, what has come by now. */
        if (i < 10) {
            assert_int_equal(s.prior_delivered, 0);
            assert_int_equal(s.rate, (i + 1) * MSS * NOD_SEC / (RTT + i * 10 * NOD_MSEC));
            continue;
        }
        assert_int_equal(s.delivered, 10 * MSS);
        assert_int_equal(s.interval_us, RTT);
        assert_int_equal(s.rate, 100000);
        assert_int_equal(s.flight, 10 * MSS);
    }
    assert_int_equal(rate.delivered, 40 * MSS);
    assert_int_equal(rate.told, 100000);
}

/* A burst leaves at once, and the bottleneck spreads it: the rate is what ACKs come with. */
static void burst(void **state)
{
    (void)state;
    send(10, NOD_SEC);
    for (uint32_t i = 0; i < 10; i++) {
        nod_usec now = NOD_SEC + RTT + i * 10 * NOD_MSEC;
        struct nod_rate_sample s = ack(i + 1, now);
        assert_int_equal(s.interval_us, now - NOD_SEC);
        assert_int_equal(s.delivered, (i + 1) * MSS);
        assert_int_equal(s.flight, (i + 1) * MSS); /* as if each had been noted by itself */
        send(1, now);
    }
    /* The first that left after an ACK: ten have come in the 100 ms since. */
    assert_int_equal(ack(11, NOD_SEC + 2 * RTT).rate, 100000);
}

/* ACKs that were held up, each by 200 ms, and then come at once do not look like speed: nothing can
 * have arrived faster than it left, which was a segment each 10 ms. */
static void compressed(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= 50; i++) {
        nod_usec now = NOD_SEC + i * 10 * NOD_MSEC;
        if (i >= 30) ack(i - 29, now);
        send(1, now);
    }
    struct nod_rate_sample s = ack(51, NOD_SEC + 500 * NOD_MSEC + RTT);
    assert_int_equal(s.delivered, 30 * MSS);
    assert_int_equal(s.interval_us, 300 * NOD_MSEC);
    assert_int_equal(s.rate, 100000);
}

/* Nothing was there to send: samples say so until what left then has arrived. */
static void bubble(void **state)
{
    (void)state;
    send(4, NOD_SEC);
    nod_rate_limited(&rate, nod_board_out(&board));
    assert_false(ack(2, NOD_SEC + RTT).app_limited); /* left before */
    send(1, NOD_SEC + RTT);
    assert_false(ack(4, NOD_SEC + RTT + 1).app_limited);
    assert_int_equal(rate.limited_until, 4 * MSS); /* all of that, and no more, is delivered */
    struct nod_rate_sample s = ack(5, NOD_SEC + 2 * RTT);
    assert_true(s.app_limited);
    assert_int_equal(rate.limited_until, 0);
    assert_true(s.rate <
                rate.told); /* Linux: a slow sample that the user is to blame for is none */
    assert_false(rate.told_limited);
    send(2, NOD_SEC + 2 * RTT);
    assert_false(ack(7, NOD_SEC + 3 * RTT).app_limited);
}

/* After a pause the clock starts with the first that leaves. */
static void pause_is_no_interval(void **state)
{
    (void)state;
    send(2, NOD_SEC);
    ack(2, NOD_SEC + RTT);
    send(2, 10 * NOD_SEC);
    send(2, 10 * NOD_SEC + 10 * NOD_MSEC);
    assert_int_equal(ack(4, 10 * NOD_SEC + RTT).interval_us, RTT);
    assert_int_equal(ack(6, 10 * NOD_SEC + RTT + 10 * NOD_MSEC).rate, 4 * MSS * NOD_SEC / 110000);
}

/* The run that is delivered last counts, wherever it lies; and what was sacked counts once. */
static void holes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++) send(1, NOD_SEC + i * 10 * NOD_MSEC);
    struct nod_rate_sample s = sack(2, 4, NOD_SEC + RTT + 20 * NOD_MSEC);
    assert_int_equal(s.delivered, 2 * MSS);
    assert_int_equal(s.flight, 4 * MSS);
    s = ack(4, NOD_SEC + RTT + 30 * NOD_MSEC);
    assert_int_equal(s.delivered, 4 * MSS);
    assert_int_equal(s.flight, 2 * MSS); /* the second one, for the others had been told of */
    assert_int_equal(rate.delivered, 4 * MSS);
    s = ack(4, NOD_SEC + RTT + 40 * NOD_MSEC); /* nothing new */
    assert_false(s.any);
    assert_int_equal(s.rate, 0);
}

/* An ACK so soon after a retransmission is one of the first copy: no rate is taken from it. */
static void too_soon(void **state)
{
    (void)state;
    send(2, NOD_SEC);
    struct nod_sent *run = nod_board_from(&board, pool, BASE, MSS);
    assert_int_equal(run->rate.flight, MSS); /* cut: what was in flight with its own last octet */
    assert_int_equal(board.newest->rate.flight, 2 * MSS);
    nod_board_lose(&board, run);
    nod_board_forget_news(&board);
    rate.lost += MSS;
    nod_board_again(&board, run, NOD_SEC + RTT);
    nod_rate_on_sent(&rate, run, MSS, nod_board_out(&board));
    assert_int_equal(run->rate.lost, MSS);
    assert_int_equal(run->rate.flight, 2 * MSS);
    /* Something had come just before, that had left just before. */
    run->rate.delivered_at = run->rate.first_sent = NOD_SEC + RTT - 1000;
    struct nod_rate_sample s = ack(1, NOD_SEC + RTT + 10 * NOD_MSEC);
    assert_true(s.any);
    assert_int_equal(s.prior_lost, MSS);
    assert_int_equal(s.rate, 0);
    assert_int_equal(rate.told, 0);
}

/* Duplicate ACKs without SACK: something came, and nobody knows when that had left. */
static void nameless(void **state)
{
    (void)state;
    send(4, NOD_SEC);
    struct nod_delivery d = {.octets = MSS};
    nod_rate_on_ack(&rate, &d, RTT, NOD_SEC + RTT);
    assert_false(rate.sample.any);
    assert_int_equal(rate.delivered, MSS);
    assert_int_equal(rate.delivered_at, NOD_SEC + RTT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(steady, begin, end),
        cmocka_unit_test_setup_teardown(burst, begin, end),
        cmocka_unit_test_setup_teardown(compressed, begin, end),
        cmocka_unit_test_setup_teardown(bubble, begin, end),
        cmocka_unit_test_setup_teardown(pause_is_no_interval, begin, end),
        cmocka_unit_test_setup_teardown(holes, begin, end),
        cmocka_unit_test_setup_teardown(too_soon, begin, end),
        cmocka_unit_test_setup_teardown(nameless, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
