/* BBR (draft-ietf-ccwg-bbr): each edge of its states, sample by sample. The path delivers a million
 * octets a second, and a round trip takes 100 ms: 100 segments of 1000. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cc/cc.h"

#define MSS 1000u
#define RTT (100 * NOD_MSEC)
#define RATE 1000000u
#define BDP (100 * MSS)

static struct nod_cc cc;
static struct nod_cc_own own;
static struct nod_bbr *b;
static struct nod_cc_sample s; /* of the next ACK; what a test does not set stays */

static void begin(void)
{
    cc = (struct nod_cc){.id = (uint8_t)nod_cc_find("bbr")};
    own = (struct nod_cc_own){0};
    b = &own.bbr;
    nod_cc_ops(&cc)->init(&cc, &own, MSS);
    s = (struct nod_cc_sample){
        .now = 1000 * NOD_SEC,
        .mss = MSS,
        .srtt_us = RTT,
        .rtt_us = RTT,
        .min_rtt_us = RTT,
        .sack = true,
        .random = 12345,
    };
}

/* An ACK of so many octets, `after` the last, of what left when all before `back` octets ago had
 * been delivered. */
static void ack(uint32_t octets, nod_usec after, uint64_t rate, uint64_t back)
{
    s.now += after;
    s.delivered += octets;
    s.acked = octets;
    s.sampled = octets > 0;
    s.prior_delivered = s.delivered - (back < s.delivered ? back : s.delivered);
    s.prior_lost = s.lost;
    s.sample_delivered = (uint32_t)(s.delivered - s.prior_delivered);
    s.rate = rate;
    s.interval_us = RTT;
    nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
}

#define ACKS 100 /* in a round */

/* A round: what was in flight is acknowledged evenly, as fast as that is. No RTT is ever shorter,
 * so that ProbeRTT were due each five seconds; but that has a test of its own. */
static void one_round(uint64_t rate)
{
    uint32_t flight = s.in_flight;
    nod_usec time = rate < RATE / 100 ? RTT : flight * NOD_SEC / rate;
    s.sample_flight = flight;
    for (int i = 0; i < ACKS; i++) ack(flight / ACKS, time / ACKS, rate, flight);
    b->probe_rtt_min_stamp = b->min_rtt_stamp = s.now;
}

static void assert_about(uint64_t value, uint64_t expected)
{
    assert_in_range(value, expected, expected + 3 * MSS);
}

static void wait_us(nod_usec us)
{
    s.now += us;
    b->probe_rtt_min_stamp = s.now;
}

static void lose(uint32_t from, uint32_t octets, uint32_t flight, uint64_t lost_before)
{
    struct nod_cc_sample l = s;
    l.una = from;
    l.nxt = from + octets;
    l.sampled = true;
    l.lost = s.lost += octets;
    l.prior_lost = lost_before;
    l.sample_flight = flight;
    nod_cc_ops(&cc)->on_lost(&cc, &own, &l);
}

/* To where the pipe is known: the rate is reached, and three rounds are no better. */
static void fill(void)
{
    begin();
    s.in_flight = 2 * BDP;
    for (uint64_t rate = RATE / 8; rate <= RATE; rate *= 2) one_round(rate);
    for (int i = 0; i < 3; i++) one_round(RATE);
}

/* And on to ProbeBW, with as much in flight as the pipe holds. */
static void reach_cruise(void)
{
    fill();
    s.in_flight = BDP;
    one_round(RATE);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_CRUISE);
}

static void reach_up(void)
{
    reach_cruise();
    wait_us(3 * NOD_SEC);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_REFILL);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_UP);
}

/* The initial window in a round trip, 2.77 times as fast; then as the bandwidth grows, and never
 * slower while the pipe is not full. */
static void startup(void **state)
{
    (void)state;
    begin();
    nod_cc_ops(&cc)->on_restart(&cc, &own, &s);
    assert_int_equal(own.pacing_rate, 277000);
    assert_int_equal(b->state, NOD_BBR_STARTUP);
    s.in_flight = 10 * MSS;
    one_round(100000);
    assert_int_equal(own.pacing_rate, 277000); /* 274,230 is less */
    assert_int_equal(cc.cwnd, 20 * MSS);
    s.in_flight = 20 * MSS;
    one_round(200000);
    assert_int_equal(own.pacing_rate, 200000 * 99 / 100 * 277 / 100);
    assert_int_equal(cc.cwnd, 40 * MSS);
    one_round(10000); /* a slow one is just noise */
    assert_int_equal(own.pacing_rate, 200000 * 99 / 100 * 277 / 100);
    assert_int_equal(cc.ssthresh, UINT32_MAX);
}

/* Three rounds without a quarter more: the pipe is full. Rounds in which the user gave too little
 * do not count. */
static void startup_ends_on_a_plateau(void **state)
{
    (void)state;
    begin();
    s.in_flight = 2 * BDP;
    for (uint64_t rate = RATE / 8; rate <= RATE; rate *= 2) one_round(rate);
    one_round(RATE);
    one_round(RATE * 5 / 4); /* growth after all */
    for (int i = 0; i < 2; i++) one_round(RATE * 5 / 4);
    s.app_limited = true;
    for (int i = 0; i < 10; i++) one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_STARTUP);
    s.app_limited = false;
    one_round(RATE * 5 / 4 * 5 / 4 - 1);
    assert_int_equal(b->state, NOD_BBR_DRAIN);
    assert_int_equal(own.pacing_rate, nod_bbr_max_bw(b) * 99 / 100 * 50 / 100);
}

/* Or when 2% are lost in a round of recovery, in six places at least. */
static void startup_ends_on_loss(void **state)
{
    (void)state;
    for (int ranges = 5; ranges <= 6; ranges++) {
        begin();
        s.in_flight = 2 * BDP;
        one_round(RATE / 2);
        one_round(RATE);
        lose(1000, MSS, 2 * BDP, s.lost);
        s.recovering = true;
        for (int i = 0; i < ranges - 1; i++) lose(10000 + 3000 * (uint32_t)i, MSS, 2 * BDP, s.lost);
        uint64_t lost = s.lost;
        s.in_flight = s.sample_flight = 2 * BDP;
        s.now += RTT;
        s.delivered += 2 * BDP;
        s.acked = s.sample_delivered = 2 * BDP;
        s.prior_delivered = s.delivered - 2 * BDP;
        s.prior_lost = lost - 5 * MSS; /* 2.5% */
        s.sampled = true;
        s.rate = RATE;
        nod_cc_ops(&cc)->on_ack(&cc, &own, &s);
        assert_int_equal(b->state, ranges == 6 ? NOD_BBR_DRAIN : NOD_BBR_STARTUP);
        assert_int_equal(b->full_bw_reached, ranges == 6);
        if (ranges == 6) assert_int_equal(b->inflight_longterm, 2 * BDP);
    }
}

/* One hole of six segments is one. */
static void one_hole_is_one_loss(void **state)
{
    (void)state;
    begin();
    s.in_flight = 2 * BDP;
    one_round(RATE / 2);
    for (uint32_t i = 0; i < 6; i++) lose(1000 + i * MSS, MSS, 2 * BDP, s.lost);
    assert_int_equal(b->loss_events, 1);
    lose(10000, MSS, 2 * BDP, s.lost);
    assert_int_equal(b->loss_events, 2);
}

/* A slow sample in a time in which the user gave too little says nothing of the path; a fast one
 * does. */
static void application_limited(void **state)
{
    (void)state;
    reach_cruise();
    nod_bbr_advance_max_bw(b);
    s.app_limited = true;
    s.in_flight = BDP / 2;
    one_round(RATE / 2);
    assert_int_equal(b->max_bw[0], 0);
    one_round(RATE * 2);
    assert_int_equal(b->max_bw[0], RATE * 2);
}

/* Without SACK any loss does. */
static void startup_ends_without_sack(void **state)
{
    (void)state;
    begin();
    s.sack = false;
    s.in_flight = 2 * BDP;
    one_round(RATE / 2);
    lose(1000, MSS, 2 * BDP, s.lost);
    s.recovering = true;
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_DRAIN);
}

/* Until the queue is empty: what is in flight is what the path holds; or for three rounds. */
static void drain(void **state)
{
    (void)state;
    fill();
    assert_int_equal(b->state, NOD_BBR_DRAIN);
    s.in_flight = BDP + MSS;
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_DRAIN);
    s.in_flight = BDP;
    ack(MSS, 1000, RATE, BDP);
    assert_int_equal(b->state, NOD_BBR_CRUISE); /* nothing is to be drained any more */
    assert_int_equal(own.pacing_rate, RATE * 99 / 100);
    fill();
    s.in_flight = 2 * BDP;
    for (int i = 0; i < 3; i++) one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_DRAIN);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_DOWN);
    assert_int_equal(own.pacing_rate, RATE * 99 / 100 * 90 / 100);
}

static void down_to_cruise(void **state)
{
    (void)state;
    reach_cruise();
    assert_int_equal(own.pacing_rate, RATE * 99 / 100);
    assert_about(cc.cwnd, 2 * BDP);
    /* With a limit that was found out, a part of it is left free for others. */
    fill();
    b->inflight_longterm = BDP;
    s.in_flight = BDP;
    one_round(RATE);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_DOWN);
    s.in_flight = BDP - BDP * 15 / 100;
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_CRUISE);
    assert_int_equal(cc.cwnd, BDP - BDP * 15 / 100);
}

/* After two seconds, or three, or after as many rounds as Reno would take to fill the path. */
static void cruise_to_refill(void **state)
{
    (void)state;
    reach_cruise();
    assert_in_range(b->bw_probe_wait_us, 2 * NOD_SEC, 3 * NOD_SEC - 1);
    int rounds = 0;
    while (b->state == NOD_BBR_CRUISE && rounds < 200) {
        ack(BDP, 1000, RATE, BDP);
        rounds++;
    }
    assert_int_equal(b->state, NOD_BBR_REFILL);
    assert_in_range(rounds, 61, 63);
    reach_cruise();
    wait_us(b->cycle_stamp + b->bw_probe_wait_us - s.now);
    ack(MSS, 0, RATE, 0);
    assert_int_equal(b->state, NOD_BBR_CRUISE);
    b->bw_shortterm = RATE / 2; /* forgotten then */
    ack(MSS, 1, RATE, 0);
    assert_int_equal(b->state, NOD_BBR_REFILL);
    assert_int_equal(own.pacing_rate, RATE * 99 / 100);
}

/* One round of what is known to fit, then a quarter more, until that brings no more. */
static void refill_up_down(void **state)
{
    (void)state;
    reach_up();
    assert_int_equal(own.pacing_rate, RATE * 99 / 100 * 125 / 100);
    s.in_flight = BDP * 5 / 4;
    one_round(RATE);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_UP);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_DOWN);
    assert_int_equal(own.pacing_rate, RATE * 99 / 100 * 90 / 100);
    /* There is more: it goes on. */
    reach_up();
    for (uint64_t rate = RATE; rate < 10 * (uint64_t)RATE; rate = rate * 5 / 4 + 1) {
        one_round(rate);
        assert_int_equal(b->state, NOD_BBR_UP);
    }
}

/* More than 2% lost of what left then: so much is too much, and not again at once. */
static void up_ends_on_loss(void **state)
{
    (void)state;
    reach_up();
    uint64_t before = s.lost;
    lose(1000, 2 * MSS, BDP, before); /* 2% and no more */
    assert_int_equal(b->state, NOD_BBR_UP);
    lose(9000, 2 * MSS, BDP + 40 * MSS, before); /* 4 of 140 */
    assert_int_equal(b->state, NOD_BBR_DOWN);
    /* Before these two it was 2 of 138; at 2.76 of 138.76 it was 2%. */
    assert_int_equal(b->inflight_longterm, 138 * MSS + (2 * 138 * MSS - 100 * 2 * MSS) / 98);
    assert_true(b->prev_probe_too_high);
    /* Once in a probe; and not below what CUBIC would go to. */
    uint32_t limit = b->inflight_longterm;
    lose(20000, 50 * MSS, BDP, before);
    assert_int_equal(b->inflight_longterm, limit);
    reach_up();
    lose(1000, 90 * MSS, BDP, s.lost);
    assert_int_equal(b->inflight_longterm, BDP * 7 / 10);
}

/* The probe after one that went too far only looks whether it may go as far. */
static void precaution(void **state)
{
    (void)state;
    reach_up();
    lose(1000, 10 * MSS, BDP + 20 * MSS, s.lost);
    uint32_t limit = b->inflight_longterm;
    s.in_flight = BDP / 2;
    one_round(RATE);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_CRUISE);
    wait_us(3 * NOD_SEC);
    one_round(RATE);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_UP);
    s.in_flight = limit;
    ack(MSS, 1, RATE, 0);
    assert_int_equal(b->state, NOD_BBR_DOWN);
    assert_true(b->prev_probe_precautionary && !b->prev_probe_too_high);
    s.in_flight = BDP / 2;
    one_round(RATE); /* a round without loss: on at once */
    assert_int_equal(b->state, NOD_BBR_REFILL);
}

/* The limit that losses have set grows while it is in the way: by 1, 2, 4 segments a round. */
static void limit_grows(void **state)
{
    (void)state;
    reach_up();
    b->inflight_longterm = cc.cwnd = BDP;
    s.filled = true;
    s.in_flight = s.sample_flight = BDP;
    uint32_t each = b->probe_up_acked_per_inc, before = BDP;
    for (int round = 1; round <= 3; round++) {
        ack(each - MSS, 1, RATE, UINT64_MAX);
        assert_int_equal(b->inflight_longterm, before);
        uint32_t cwnd = cc.cwnd;
        ack(MSS, 1, RATE, MSS); /* and with this the next round begins */
        assert_int_equal(b->inflight_longterm, before += MSS);
        each = b->probe_up_acked_per_inc;
        assert_int_equal(each, cwnd >> round);
    }
    assert_int_equal(b->state, NOD_BBR_UP);
    s.filled = false; /* the window is not in the way, for two rounds */
    for (int round = 0; round < 2; round++) ack(MSS, 1, RATE, MSS);
    before = b->inflight_longterm;
    ack(BDP, 1, RATE, UINT64_MAX);
    assert_int_equal(b->inflight_longterm, before);
}

/* When nothing is probed, a loss in a round makes window and rate smaller, to what arrives, but not
 * by more than 30%. */
static void short_term(void **state)
{
    (void)state;
    reach_cruise();
    uint32_t cwnd = cc.cwnd;
    s.in_flight = BDP * 9 / 10;
    one_round(RATE * 9 / 10);
    one_round(RATE * 9 / 10);
    assert_int_equal(b->bw, RATE); /* slower rounds by themselves say nothing */
    lose(1000, MSS, BDP, s.lost);
    one_round(RATE * 9 / 10);
    assert_int_equal(b->bw, RATE * 9 / 10);
    assert_int_equal(cc.cwnd, cwnd * 7 / 10);
    one_round(RATE / 2);
    one_round(RATE / 2);
    lose(5000, MSS, BDP, s.lost);
    one_round(RATE / 2);
    assert_int_equal(b->bw, RATE * 9 / 10 * 7 / 10);
    assert_int_equal(nod_bbr_max_bw(b), RATE); /* the long-term model knows better */
}

/* Losses that it was told to overlook change nothing, whatever it is about; one more does. */
static void overlooked(void **state)
{
    (void)state;
    reach_cruise();
    s.bbr_loss = 5;
    b->prior_cwnd = 9 * BDP; /* of long ago: what is repaired restores the window of now */
    lose(1000, 5 * MSS, BDP, s.lost);
    assert_int_equal(b->prior_cwnd, cc.cwnd);
    s.in_flight = BDP * 9 / 10;
    one_round(RATE * 9 / 10);
    one_round(RATE * 9 / 10);
    assert_int_equal(b->bw, RATE);
    assert_int_equal(b->inflight_shortterm, NOD_BBR_NO_LIMIT);
    lose(9000, 6 * MSS, BDP, s.lost);
    one_round(RATE * 9 / 10);
    assert_int_equal(b->bw, RATE * 9 / 10);

    reach_up();
    s.bbr_loss = 5;
    uint64_t before = s.lost;
    lose(1000, 5 * MSS, BDP, before);
    assert_int_equal(b->state, NOD_BBR_UP);
    lose(9000, 2 * MSS, BDP, before); /* before these it was 5 of 98, and 5% a bit earlier */
    assert_int_equal(b->state, NOD_BBR_DOWN);
    assert_int_equal(b->inflight_longterm,
                     98 * MSS + (5 * 98 * (int)MSS - 100 * 5 * (int)MSS) / 95);

    /* Startup does not end by it, nor by a loss that a probe has repaired in the dark. */
    begin();
    s.bbr_loss = 5;
    s.in_flight = BDP;
    one_round(RATE / 4);
    s.recovering = true;
    for (uint32_t i = 0; i < 8; i++) lose(i * 9000, MSS, 2 * BDP, 0);
    nod_cc_ops(&cc)->on_loss(&cc, &own, &s);
    assert_false(b->loss_in_round);
    one_round(RATE / 2);
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_STARTUP);
}

/* Five seconds without as short a round trip: half the window for 200 ms and a round. */
static void probe_rtt(void **state)
{
    (void)state;
    reach_cruise();
    uint32_t cwnd = cc.cwnd;
    s.now = b->probe_rtt_min_stamp + 5 * NOD_SEC;
    s.rtt_us = RTT + 20000;
    ack(MSS, 1, RATE, 0);
    assert_int_equal(b->state, NOD_BBR_PROBE_RTT);
    assert_true(own.holds_back);
    assert_int_equal(cc.cwnd, BDP / 2);
    s.in_flight = BDP / 2 + MSS;
    one_round(RATE / 2);
    assert_int_equal(b->probe_rtt_done_stamp, 0); /* too much is in flight yet */
    s.in_flight = BDP * 2 / 5;
    s.rtt_us = RTT - 5000;
    ack(MSS, 1000, RATE / 2, 0);
    nod_usec done = b->probe_rtt_done_stamp;
    assert_int_equal(done, s.now + 200 * NOD_MSEC);
    one_round(RATE / 2);
    s.now = done;
    ack(MSS, 0, RATE / 2, 0);
    assert_int_equal(b->state, NOD_BBR_PROBE_RTT);
    ack(MSS, 1, RATE / 2, 0);
    assert_int_equal(b->state, NOD_BBR_CRUISE);
    assert_int_equal(b->min_rtt_us, RTT - 5000);
    assert_in_range(cc.cwnd, 2 * BDP * 94 / 100, cwnd);
    assert_int_equal(nod_bbr_max_bw(b), RATE);
}

/* A longer path is believed after ten seconds, not at once. */
static void min_rtt_expires(void **state)
{
    (void)state;
    reach_cruise();
    nod_usec from = b->min_rtt_stamp;
    s.rtt_us = 2 * RTT;
    while (s.now <= from + 10 * NOD_SEC) {
        assert_int_equal(b->min_rtt_us, RTT);
        s.in_flight = BDP / 2;
        ack(MSS, RTT, RATE, BDP);
    }
    assert_int_equal(b->min_rtt_us, 2 * RTT);
}

/* A pause: the window stays, the rate is just the bandwidth, and ProbeRTT is not due, for the queue
 * has run empty by itself. */
static void idle(void **state)
{
    (void)state;
    reach_up();
    uint32_t cwnd = cc.cwnd;
    s.now += 20 * NOD_SEC;
    s.in_flight = 0;
    s.app_limited = true;
    nod_cc_ops(&cc)->on_idle(&cc, &own, MSS);
    nod_cc_ops(&cc)->on_restart(&cc, &own, &s);
    assert_int_equal(cc.cwnd, cwnd);
    assert_int_equal(own.pacing_rate, RATE * 99 / 100);
    s.rtt_us = RTT + 1000;
    ack(MSS, RTT, RATE / 100, 0);
    assert_int_not_equal(b->state, NOD_BBR_PROBE_RTT);
    assert_int_equal(b->min_rtt_us, RTT + 1000);
    assert_int_equal(nod_bbr_max_bw(b), RATE);
}

/* ACKs that come in lumps: so much more may be in flight as they hold back. */
static void aggregation(void **state)
{
    (void)state;
    reach_cruise();
    uint32_t cwnd = cc.cwnd;
    s.now += 10;
    ack(50 * MSS, 0, RATE, 0); /* all at once */
    ack(MSS, 50 * NOD_MSEC, RATE, BDP);
    for (int i = 0; i < 60; i++) ack(MSS, 1000, RATE, BDP);
    assert_true(cc.cwnd > cwnd + 40 * MSS);
    assert_true(cc.cwnd < cwnd + 60 * MSS);
}

/* A timeout leaves one segment; what was is back when all is repaired. */
static void timeout(void **state)
{
    (void)state;
    reach_cruise();
    uint32_t cwnd = cc.cwnd;
    nod_cc_ops(&cc)->on_timeout(&cc, &own, &s, false);
    assert_int_equal(cc.cwnd, MSS);
    s.recovering = true;
    ack(MSS, RTT, RATE, 0);
    assert_int_equal(cc.cwnd, 4 * MSS);
    nod_cc_ops(&cc)->on_timeout(&cc, &own, &s, true);
    s.recovering = false;
    nod_cc_ops(&cc)->on_recovered(&cc, &own);
    assert_int_equal(cc.cwnd, cwnd);
}

/* A false alarm: back to what it ended, with the limits as they were. */
static void undo(void **state)
{
    (void)state;
    reach_up();
    lose(1000, 10 * MSS, BDP, s.lost);
    s.recovering = true;
    nod_cc_ops(&cc)->on_loss(&cc, &own, &s);
    assert_int_equal(b->state, NOD_BBR_DOWN);
    lose(50000, 10 * MSS, BDP, s.lost);
    nod_cc_ops(&cc)->on_undo(&cc, &own);
    assert_int_equal(b->state, NOD_BBR_REFILL);
    assert_int_equal(b->inflight_longterm, NOD_BBR_NO_LIMIT);
    begin();
    s.in_flight = 2 * BDP;
    one_round(RATE);
    s.sack = false;
    lose(1000, MSS, BDP, s.lost);
    s.recovering = true;
    one_round(RATE);
    assert_int_equal(b->state, NOD_BBR_DRAIN);
    nod_cc_ops(&cc)->on_undo(&cc, &own);
    assert_int_equal(b->state, NOD_BBR_STARTUP);
    assert_false(b->full_bw_reached);
}

/* Marks are congestion: Startup ends, a probe ends, and else the round counts as one with loss. */
static void marks(void **state)
{
    (void)state;
    begin();
    s.in_flight = BDP;
    one_round(RATE);
    nod_cc_ops(&cc)->on_ecn(&cc, &own, &s);
    assert_int_equal(b->state, NOD_BBR_DRAIN);
    reach_up();
    nod_cc_ops(&cc)->on_ecn(&cc, &own, &s);
    assert_int_equal(b->state, NOD_BBR_DOWN);
    assert_int_equal(b->inflight_longterm, BDP);
    reach_cruise();
    one_round(RATE / 2);
    nod_cc_ops(&cc)->on_ecn(&cc, &own, &s);
    one_round(RATE / 2);
    assert_int_equal(b->bw, RATE * 7 / 10);
}

/* What is known is kept while the connection rests. */
static void rest(void **state)
{
    (void)state;
    struct nod_cc_rest kept;
    begin();
    s.in_flight = BDP;
    one_round(RATE);
    nod_cc_ops(&cc)->on_rest(&own, &kept);
    assert_int_equal(kept.bw, 0); /* nothing of worth yet */
    reach_cruise();
    nod_cc_ops(&cc)->on_rest(&own, &kept);
    own = (struct nod_cc_own){0};
    nod_cc_ops(&cc)->on_wake(&own, &kept, s.now);
    s.delivered = s.lost = 0;
    uint32_t cwnd = cc.cwnd;
    nod_cc_ops(&cc)->on_idle(&cc, &own, MSS);
    assert_int_equal(cc.cwnd, cwnd);
    assert_int_equal(own.pacing_rate, RATE * 99 / 100);
    ack(MSS, RTT, RATE / 50, 0);
    assert_int_equal(b->state, NOD_BBR_CRUISE);
    assert_int_equal(own.pacing_rate, RATE * 99 / 100);
    /* And without that it begins anew. */
    own = (struct nod_cc_own){0};
    nod_cc_ops(&cc)->on_idle(&cc, &own, MSS);
    assert_int_equal(cc.cwnd, 10 * MSS);
}

/* Another algorithm goes on where this one was, and the other way round. */
static void change(void **state)
{
    (void)state;
    reach_cruise();
    uint32_t cwnd = cc.cwnd;
    nod_cc_change(&cc, &own, MSS, (uint8_t)nod_cc_find("cubic"));
    assert_int_equal(cc.cwnd, cwnd);
    assert_int_equal(cc.ssthresh, cwnd);
    assert_int_equal(own.pacing_rate, 0);
    s.limited = true;
    ack(MSS, RTT, RATE, 0);
    assert_in_range(cc.cwnd, cwnd, cwnd + MSS);
    nod_cc_change(&cc, &own, MSS, (uint8_t)nod_cc_find("bbr"));
    ack(MSS, RTT, RATE, 0);
    assert_int_equal(b->state, NOD_BBR_STARTUP);
    assert_int_equal(cc.ssthresh, UINT32_MAX);
    /* At rest there is nothing but the window; and one that has not grown yet is no limit. */
    cc.cwnd = 50 * MSS;
    nod_cc_change(&cc, NULL, MSS, (uint8_t)nod_cc_find("cubic"));
    assert_int_equal(cc.ssthresh, 50 * MSS);
    begin();
    nod_cc_change(&cc, &own, MSS, (uint8_t)nod_cc_find("cubic"));
    assert_int_equal(cc.cwnd, 10 * MSS);
    assert_int_equal(cc.ssthresh, UINT32_MAX);
}

/* Numbers that no path has overflow nothing. */
static void extremes(void **state)
{
    (void)state;
    begin();
    s.srtt_us = s.rtt_us = 100000000;
    s.in_flight = 1u << 30;
    for (int i = 0; i < 100; i++) {
        one_round(UINT64_MAX);
        assert_in_range(cc.cwnd, 4 * MSS, 1u << 30);
    }
    assert_int_equal(cc.cwnd, 1u << 30);
    begin();
    s.srtt_us = s.rtt_us = 1;
    s.in_flight = 1;
    for (int i = 0; i < 100; i++) {
        ack(1, 1, 1, 1);
        assert_in_range(cc.cwnd, 4 * MSS, 1u << 30);
    }
    assert_true(own.pacing_rate > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(startup),
        cmocka_unit_test(startup_ends_on_a_plateau),
        cmocka_unit_test(startup_ends_on_loss),
        cmocka_unit_test(one_hole_is_one_loss),
        cmocka_unit_test(application_limited),
        cmocka_unit_test(startup_ends_without_sack),
        cmocka_unit_test(drain),
        cmocka_unit_test(down_to_cruise),
        cmocka_unit_test(cruise_to_refill),
        cmocka_unit_test(refill_up_down),
        cmocka_unit_test(up_ends_on_loss),
        cmocka_unit_test(precaution),
        cmocka_unit_test(limit_grows),
        cmocka_unit_test(short_term),
        cmocka_unit_test(overlooked),
        cmocka_unit_test(probe_rtt),
        cmocka_unit_test(min_rtt_expires),
        cmocka_unit_test(idle),
        cmocka_unit_test(aggregation),
        cmocka_unit_test(timeout),
        cmocka_unit_test(undo),
        cmocka_unit_test(marks),
        cmocka_unit_test(rest),
        cmocka_unit_test(change),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
