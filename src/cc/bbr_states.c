/* BBR's states (draft-ietf-ccwg-bbr, "State Machine Operation"): Startup doubles the rate each
 * round until the pipe is full, Drain empties the queue that this has made; then ProbeBW goes round
 * in circles, slower, as fast, and faster than the network delivers, and ProbeRTT lets the queue
 * run empty now and then. */
#include "base/seq.h"
#include "base/util.h"
#include "cc/cc.h"

#define STARTUP_LOSSES 6 /* ranges lost in a round */
#define DRAIN_ROUNDS 3
#define RENO_ROUNDS 63
#define PROBE_RTT_TIME (200 * NOD_MSEC)

bool nod_bbr_probes_bw(const struct nod_bbr *b)
{
    return b->state >= NOD_BBR_DOWN && b->state <= NOD_BBR_UP;
}

bool nod_bbr_accelerates(const struct nod_bbr *b)
{
    return b->state == NOD_BBR_STARTUP || b->state == NOD_BBR_REFILL || b->state == NOD_BBR_UP;
}

void nod_bbr_enter_startup(struct nod_bbr *b)
{
    b->state = NOD_BBR_STARTUP;
}

static void enter_drain(struct nod_bbr *b)
{
    b->state = NOD_BBR_DRAIN;
    b->drain_start_round = b->round_count;
}

/* Nobody knows it beforehand, and a run with the same seed has it again. */
static uint32_t dice(const struct nod_bbr_at *at)
{
    uint32_t x = at->s->random + (uint32_t)at->s->delivered + at->b->round_count * 0x9e3779b9u;
    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

static void start_down(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    uint32_t random = dice(at);
    nod_bbr_reset_signals(b);
    b->probe_up_acked_per_inc = NOD_BBR_NO_LIMIT;
    b->rounds_since_probe_up = random & 1;
    b->bw_probe_wait_us = (uint32_t)(2 * NOD_SEC + (random >> 1) % NOD_SEC);
    b->cycle_stamp = at->s->now;
    b->ack_phase = NOD_BBR_ACKS_STOPPING;
    nod_bbr_start_round(b);
    b->state = NOD_BBR_DOWN;
}

void nod_bbr_start_refill(struct nod_bbr *b)
{
    nod_bbr_reset_short_term(b);
    b->bw_probe_up_rounds = 0;
    b->bw_probe_up_acked = 0;
    b->prev_probe_precautionary = false;
    b->ack_phase = NOD_BBR_ACKS_REFILLING;
    nod_bbr_start_round(b);
    b->state = NOD_BBR_REFILL;
}

/* One segment more for so much acknowledged: twice as often each round. */
static void raise_slope(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    uint32_t growth = 1u << b->bw_probe_up_rounds;
    b->bw_probe_up_rounds += b->bw_probe_up_rounds < 30;
    b->probe_up_acked_per_inc = max_u32(at->cc->cwnd / growth, at->s->mss);
}

static void start_up(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    b->ack_phase = NOD_BBR_ACKS_STARTING;
    nod_bbr_start_round(b);
    nod_bbr_reset_full_bw(b, at->s->rate);
    b->state = NOD_BBR_UP;
    raise_slope(at);
}

void nod_bbr_startup_too_high(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    b->undo_state = NOD_BBR_STARTUP;
    b->full_bw_reached = true;
    b->inflight_longterm = max_u32(nod_bbr_bdp(b, b->bw, 100), b->inflight_latest);
    enter_drain(b);
}

static void check_startup(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (b->state != NOD_BBR_STARTUP) return;
    bool seen = at->s->sack ? b->loss_round_start && b->loss_events >= STARTUP_LOSSES &&
                                  nod_bbr_inflight_too_high(at)
                            : b->loss_events > 0;
    if (!b->full_bw_reached && at->s->recovering && seen)
        nod_bbr_startup_too_high(at);
    else if (b->full_bw_reached)
        enter_drain(b);
}

static void check_drain(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (b->state != NOD_BBR_DRAIN) return;
    bool empty = at->s->in_flight <= nod_bbr_inflight(at, b->bw, 100);
    if (empty || b->round_count > b->drain_start_round + DRAIN_ROUNDS) start_down(at);
}

void nod_bbr_handle_too_high(const struct nod_bbr_at *at, uint32_t inflight)
{
    struct nod_bbr *b = at->b;
    b->prev_probe_too_high = true;
    b->bw_probe_sample = false; /* once in a probe */
    if (!at->s->app_limited) {
        uint32_t least = (uint32_t)((uint64_t)nod_bbr_target_inflight(at) * 7 / 10);
        b->inflight_longterm = max_u32(inflight, least);
    }
    if (b->state != NOD_BBR_UP) return;
    b->undo_state = NOD_BBR_UP;
    start_down(at);
}

/* The flow fills its window, and the window is that limit. */
static bool is_bounded_long_term(const struct nod_bbr_at *at)
{
    bool limited = at->b->filled || at->b->filled_before;
    return limited && at->cc->cwnd >= at->b->inflight_longterm;
}

static void raise_long_term(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (!is_bounded_long_term(at)) return;
    b->bw_probe_up_acked += at->s->acked;
    uint32_t steps = b->bw_probe_up_acked / b->probe_up_acked_per_inc;
    b->bw_probe_up_acked -= steps * b->probe_up_acked_per_inc;
    uint64_t more = (uint64_t)b->inflight_longterm + (uint64_t)steps * at->s->mss;
    b->inflight_longterm = (uint32_t)min_u64(more, UINT32_MAX / 2);
    if (b->round_start) raise_slope(at);
}

/* True: this has decided about the state. */
static bool adapt_long_term(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (b->ack_phase == NOD_BBR_ACKS_STARTING && b->round_start)
        b->ack_phase = NOD_BBR_ACKS_FEEDBACK;
    if (b->ack_phase == NOD_BBR_ACKS_STOPPING && b->round_start) {
        b->bw_probe_sample = false;
        b->ack_phase = NOD_BBR_ACKS_INIT;
        if (nod_bbr_probes_bw(b) && !at->s->app_limited) nod_bbr_advance_max_bw(b);
        if (nod_bbr_probes_bw(b) && b->prev_probe_precautionary && !b->prev_probe_too_high) {
            nod_bbr_start_refill(b);
            return true;
        }
    }
    if (b->inflight_longterm == NOD_BBR_NO_LIMIT || nod_bbr_inflight_too_high(at)) return false;
    if (at->s->sampled) b->inflight_longterm = max_u32(b->inflight_longterm, at->s->sample_flight);
    if (b->state == NOD_BBR_UP) raise_long_term(at);
    return false;
}

/* After two or three seconds, or when Reno would have probed, where that is sooner. */
static bool is_time_to_probe(const struct nod_bbr_at *at)
{
    const struct nod_bbr *b = at->b;
    if (at->s->now > b->cycle_stamp + b->bw_probe_wait_us) return true;
    uint32_t reno = nod_bbr_target_inflight(at) / at->s->mss;
    return b->rounds_since_probe_up >= min_u32(reno, RENO_ROUNDS);
}

static bool is_time_to_cruise(const struct nod_bbr_at *at)
{
    uint32_t in_flight = at->s->in_flight;
    return in_flight <= nod_bbr_inflight_with_headroom(at) &&
           in_flight <= nod_bbr_inflight(at, nod_bbr_max_bw(at->b), 100);
}

static bool is_time_to_go_down(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (b->prev_probe_too_high && at->s->in_flight >= b->inflight_longterm) {
        b->prev_probe_precautionary = true;
        return true;
    }
    if (is_bounded_long_term(at)) {
        nod_bbr_reset_full_bw(b, at->s->rate);
        return false;
    }
    return b->full_bw_now;
}

static void update_probe_bw(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (!b->full_bw_reached || adapt_long_term(at)) return;
    switch ((enum nod_bbr_state)b->state) {
    case NOD_BBR_DOWN:
        if (is_time_to_probe(at))
            nod_bbr_start_refill(b);
        else if (is_time_to_cruise(at))
            b->state = NOD_BBR_CRUISE;
        return;
    case NOD_BBR_CRUISE:
        if (is_time_to_probe(at)) nod_bbr_start_refill(b);
        return;
    case NOD_BBR_REFILL: /* one round of it */
        if (!b->round_start) return;
        b->bw_probe_sample = true;
        start_up(at);
        return;
    case NOD_BBR_UP:
        if (!is_time_to_go_down(at)) return;
        b->prev_probe_too_high = false; /* as far as is known yet */
        start_down(at);
        return;
    case NOD_BBR_STARTUP:
    case NOD_BBR_DRAIN:
    case NOD_BBR_PROBE_RTT:
    case NOD_BBR_NONE: return;
    }
}

void nod_bbr_update_state(const struct nod_bbr_at *at)
{
    nod_bbr_check_full_bw(at);
    check_startup(at);
    check_drain(at);
    update_probe_bw(at);
}

void nod_bbr_check_probe_rtt_done(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (!b->probe_rtt_done_stamp || at->s->now <= b->probe_rtt_done_stamp) return;
    b->probe_rtt_min_stamp = at->s->now; /* the next one is due after the interval */
    nod_bbr_restore_cwnd(at);
    nod_bbr_reset_short_term(b);
    if (b->full_bw_reached) {
        start_down(at);
        b->state = NOD_BBR_CRUISE; /* there is no queue now */
    } else {
        nod_bbr_enter_startup(b);
    }
}

static void probe_rtt(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    at->own->holds_back = true; /* slow samples of now say nothing of the path */
    if (!b->probe_rtt_done_stamp) {
        if (at->s->in_flight > nod_bbr_probe_rtt_cwnd(at)) return;
        b->probe_rtt_done_stamp = at->s->now + PROBE_RTT_TIME;
        b->probe_rtt_round_done = false;
        nod_bbr_start_round(b);
        return;
    }
    b->probe_rtt_round_done |= b->round_start;
    if (b->probe_rtt_round_done) nod_bbr_check_probe_rtt_done(at);
}

void nod_bbr_check_probe_rtt(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (b->state != NOD_BBR_PROBE_RTT && b->probe_rtt_expired && !b->idle_restart) {
        nod_bbr_save_cwnd(at);
        b->state = NOD_BBR_PROBE_RTT;
        b->probe_rtt_done_stamp = 0;
        b->ack_phase = NOD_BBR_ACKS_STOPPING;
        nod_bbr_start_round(b);
    }
    if (b->state == NOD_BBR_PROBE_RTT) probe_rtt(at);
    if (at->s->sample_delivered) b->idle_restart = false;
}
