/* RACK (RFC 8985 section 6) on a scoreboard, without a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp/rack.h"

#define MSS 1000u
#define RTT (100 * NOD_MSEC)
#define BASE (UINT32_MAX - 2500) /* numbers wrap */

static struct nod_board board;
static struct nod_rack rack;
static nod_pool *pool;
static const struct nod_echo none;

static void begin(void)
{
    pool = nod_pool_new(NULL, 1 << 20);
    nod_board_init(&board, BASE);
    nod_rack_init(&rack, BASE);
    nod_rack_on_rtt(&rack, NOD_SEC, RTT);
}

static int end(void)
{
    nod_board_clear(&board, pool);
    nod_pool_free(pool);
    return 0;
}

/* Segments 1 to n leave, a millisecond after one another. */
static void send(int n, nod_usec from)
{
    for (int i = 1; i <= n; i++) {
        assert_true(nod_board_ready(&board, pool));
        nod_board_sent(&board, board.end + MSS, from + (nod_usec)(i - 1) * NOD_MSEC);
    }
}

static struct nod_sent *segment(int i)
{
    return nod_board_at(&board, BASE + (uint32_t)(i - 1) * MSS);
}

static void sack(int i, nod_usec now, struct nod_echo echo)
{
    struct nod_delivery d = {.heard = now};
    uint32_t from = BASE + (uint32_t)(i - 1) * MSS;
    nod_board_sacked(&board, pool, from, from + MSS, &d);
    nod_rack_on_delivery(&rack, &d, from + MSS, echo, now);
}

/* Step 5: what left before what has arrived, when it has had its time to settle; and the time
 * until the first of the others will have had it. */
static void lost_by_time(void **state)
{
    (void)state;
    begin();
    send(4, NOD_SEC);
    nod_usec now = NOD_SEC + 2 * NOD_MSEC + RTT; /* the third, in time */
    sack(3, now, none);
    assert_int_equal(nod_rack_detect(&rack, &board, 5000, now), NOD_SEC + RTT + 5000);
    assert_int_equal(board.lost, 0);
    now += 3000; /* the first is five late now, the second four */
    assert_true(nod_rack_detect(&rack, &board, 5000, now) < NOD_NEVER);
    assert_int_equal(segment(1)->state, NOD_SENT_LOST);
    assert_int_equal(segment(2)->state, NOD_SENT_OUT);
    assert_true(nod_rack_detect(&rack, &board, 5000, now + 1000) == NOD_NEVER);
    assert_int_equal(segment(2)->state, NOD_SENT_LOST);
    assert_int_equal(segment(4)->state, NOD_SENT_OUT); /* it left later */
    end();
}

/* Of what left at one time the sequence numbers decide. */
static void ties(void **state)
{
    (void)state;
    begin();
    assert_true(nod_board_ready(&board, pool));
    nod_board_sent(&board, BASE + 3 * MSS, NOD_SEC);
    sack(2, NOD_SEC + RTT, none);
    nod_rack_detect(&rack, &board, 0, NOD_SEC + RTT);
    assert_int_equal(segment(1)->state, NOD_SENT_LOST);
    assert_int_equal(segment(3)->state, NOD_SENT_OUT);
    end();
}

/* Step 2: an ACK that may be of the first copy says nothing of the second: by the echo, or because
 * it came sooner than any could. */
static void ambiguous(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        begin();
        send(2, NOD_SEC);
        nod_board_lose(&board, segment(1));
        nod_board_again(&board, segment(1), NOD_SEC + RTT);
        struct nod_echo old = {true, 1000}, new = {true, 1100};
        if (how == 0) sack(1, NOD_SEC + 2 * RTT, old);
        if (how == 1) sack(1, NOD_SEC + RTT + RTT / 2, none);
        if (how == 2) sack(1, NOD_SEC + 2 * RTT, new);
        assert_int_equal(rack.at, how == 2 ? NOD_SEC + RTT : 0);
        end();
    }
}

/* Step 3: below what has arrived already, and sent just once. */
static void reordering(void **state)
{
    (void)state;
    begin();
    send(3, NOD_SEC);
    sack(1, NOD_SEC + RTT, none);
    sack(3, NOD_SEC + RTT, none);
    assert_false(rack.reordering);
    sack(2, NOD_SEC + RTT, none);
    assert_true(rack.reordering);
    end();
}

/* Step 4: no time to settle for the first loss of many; a quarter of the RTT else; one more quarter
 * for each round with a DSACK, no more than SRTT; and after 16 recoveries without one a quarter. */
static void window(void **state)
{
    (void)state;
    begin();
    assert_int_equal(nod_rack_reo_wnd(&rack, false, false, 2, RTT), RTT / 4);
    assert_int_equal(nod_rack_reo_wnd(&rack, false, false, 3, RTT), 0);
    assert_int_equal(nod_rack_reo_wnd(&rack, false, true, 1, RTT), 0);
    rack.reordering = true;
    assert_int_equal(nod_rack_reo_wnd(&rack, false, true, 9, RTT), RTT / 4);
    nod_rack_on_ack(&rack, true, 100, 1000);
    nod_rack_on_ack(&rack, true, 900, 2000); /* in the same round */
    assert_int_equal(nod_rack_reo_wnd(&rack, false, true, 9, RTT), RTT / 2);
    for (uint32_t round = 1; round < 9; round++)
        nod_rack_on_ack(&rack, true, round * 1000, (round + 1) * 1000);
    assert_int_equal(nod_rack_reo_wnd(&rack, false, true, 9, RTT), RTT);
    for (int i = 0; i < 15; i++) nod_rack_on_recovered(&rack);
    assert_int_equal(nod_rack_reo_wnd(&rack, false, true, 9, RTT), RTT);
    nod_rack_on_recovered(&rack);
    assert_int_equal(nod_rack_reo_wnd(&rack, false, true, 9, RTT), RTT / 4);
    end();
}

/* A round is over when its end is acknowledged, and not again half a turn of numbers later. */
static void dsack_round(void **state)
{
    (void)state;
    begin();
    rack.reordering = true;
    nod_rack_on_ack(&rack, true, 100, 1000);
    nod_rack_on_ack(&rack, false, 1000, 2000);
    nod_rack_on_ack(&rack, false, 0x80000000u, 0x80001000u);
    nod_rack_on_ack(&rack, true, 0x90000000u, 0x90001000u);
    assert_int_equal(nod_rack_reo_wnd(&rack, false, true, 9, RTT), RTT * 3 / 4);
    end();
}

/* Where the order is not known to be kept: 5/8 of the RTT, and a quarter more than anything was
 * late, until that is 16 recoveries ago; never more than SRTT. */
static void patience(void **state)
{
    (void)state;
    begin();
    assert_int_equal(nod_rack_reo_wnd(&rack, true, true, 9, RTT), RTT * 5 / 8);
    send(3, NOD_SEC);
    sack(2, NOD_SEC + NOD_MSEC + RTT, none);
    sack(3, NOD_SEC + 2 * NOD_MSEC + RTT, none);
    sack(1, NOD_SEC + RTT + 73 * NOD_MSEC, none);
    assert_int_equal(rack.late_us, 72 * NOD_MSEC);
    assert_int_equal(nod_rack_reo_wnd(&rack, true, true, 9, RTT), 90 * NOD_MSEC);
    assert_int_equal(nod_rack_reo_wnd(&rack, true, true, 9, 80 * NOD_MSEC), 80 * NOD_MSEC);
    assert_int_equal(nod_rack_reo_wnd(&rack, false, true, 9, RTT), RTT / 4);
    for (int i = 0; i < 16; i++) nod_rack_on_recovered(&rack);
    assert_int_equal(nod_rack_reo_wnd(&rack, true, true, 9, RTT), RTT * 5 / 8);
    end();
}

/* What left before the queue became shorter is late from when it was overtaken on; or when it has
 * taken longer than anything can. RFC 8985 measures it by the RTT of what overtook it. */
static void shorter_queue(void **state)
{
    (void)state;
    const uint32_t longest[] = {2 * RTT, RTT * 3 / 2, 0};
    const nod_usec lost[] = {RTT * 9 / 5, RTT * 3 / 2, RTT};
    for (int i = 0; i < 3; i++) {
        begin();
        rack.longest_us = longest[i];
        send(1, NOD_SEC);
        send(2, NOD_SEC + RTT * 4 / 5);
        nod_usec now = NOD_SEC + RTT * 9 / 5;
        sack(2, now, none);
        nod_usec when = NOD_SEC + lost[i] + RTT * 5 / 8;
        assert_int_equal(nod_rack_detect(&rack, &board, RTT * 5 / 8, now),
                         when > now ? when : NOD_NEVER);
        assert_int_equal(segment(1)->state, when > now ? NOD_SENT_OUT : NOD_SENT_LOST);
        assert_int_equal(segment(3)->overtaken, 0);
        nod_rack_detect(&rack, &board, RTT * 5 / 8, when);
        assert_int_equal(segment(1)->state, NOD_SENT_LOST);
        nod_board_again(&board, segment(1), now);
        assert_int_equal(segment(1)->overtaken, 0);
        end();
    }
}

/* 6.3: the first, and of the others those alone that are late. */
static void timeout(void **state)
{
    (void)state;
    begin();
    send(1, NOD_SEC);
    send(2, NOD_SEC + 150 * NOD_MSEC);
    sack(2, NOD_SEC + 250 * NOD_MSEC, none);
    nod_rack_on_timeout(&rack, &board, 0, NOD_SEC + 240 * NOD_MSEC);
    assert_int_equal(segment(1)->state, NOD_SENT_LOST);
    assert_int_equal(segment(3)->state, NOD_SENT_OUT);
    nod_rack_on_timeout(&rack, &board, 0, NOD_SEC + 251 * NOD_MSEC);
    assert_int_equal(segment(3)->state, NOD_SENT_LOST);
    end();
}

/* The least RTT is forgotten after five minutes: a path may grow longer. */
static void longer_path(void **state)
{
    (void)state;
    begin();
    for (nod_usec t = 1; t <= 400; t++) nod_rack_on_rtt(&rack, t * NOD_SEC, 2 * RTT);
    assert_int_equal(nod_min_filter_get(&rack.min_rtt), 2 * RTT);
    nod_rack_on_rtt(&rack, 401 * NOD_SEC, RTT / 2);
    assert_int_equal(nod_min_filter_get(&rack.min_rtt), RTT / 2);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_by_time), cmocka_unit_test(ties),
        cmocka_unit_test(ambiguous),    cmocka_unit_test(reordering),
        cmocka_unit_test(window),       cmocka_unit_test(dsack_round),
        cmocka_unit_test(patience),     cmocka_unit_test(shorter_queue),
        cmocka_unit_test(timeout),      cmocka_unit_test(longer_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
