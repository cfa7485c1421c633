/* BBR's control parameters, how it takes part in recovery from loss, and its place in the table
 * (draft-ietf-ccwg-bbr, "Updating Control Parameters"). */
#include "cc/bbr.h"

#include "base/seq.h"
#include "base/util.h"
#include "cc/cc.h"

#define MARGIN_PERCENT 99 /* of the bandwidth: a queue that is there gets shorter */
#define HEADROOM_PERCENT 15
#define CWND_MAX (1u << 30)

/* In percent. */
static const struct {
    uint16_t pacing, cwnd;
} gains[] = {
    [NOD_BBR_STARTUP] = {277, 200}, /* 4 ln 2 */
    [NOD_BBR_DRAIN] = {50, 200},    [NOD_BBR_DOWN] = {90, 200}, [NOD_BBR_CRUISE] = {100, 200},
    [NOD_BBR_REFILL] = {100, 200},  [NOD_BBR_UP] = {125, 225},  [NOD_BBR_PROBE_RTT] = {100, 50},
};

uint32_t nod_bbr_bdp(const struct nod_bbr *b, uint64_t bw, uint32_t percent)
{
    if (b->min_rtt_us == UINT32_MAX || !bw) return b->initial_cwnd;
    return (uint32_t)min_u64(bw * b->min_rtt_us / NOD_SEC * percent / 100, CWND_MAX);
}

uint32_t nod_bbr_min_cwnd(const struct nod_bbr_at *at)
{
    return 4 * at->s->mss;
}

/* Some large segments are always under way inside of hosts, at both ends. */
static uint32_t with_quanta(const struct nod_bbr_at *at, uint32_t inflight)
{
    uint32_t quanta = 3 * nod_cc_quantum(at->own->pacing_rate, at->s->mss);
    inflight = max_u32(max_u32(inflight, quanta), nod_bbr_min_cwnd(at));
    return at->b->state == NOD_BBR_UP ? inflight + 2 * at->s->mss : inflight;
}

uint32_t nod_bbr_inflight(const struct nod_bbr_at *at, uint64_t bw, uint32_t percent)
{
    return with_quanta(at, nod_bbr_bdp(at->b, bw, percent));
}

uint32_t nod_bbr_inflight_with_headroom(const struct nod_bbr_at *at)
{
    uint32_t most = at->b->inflight_longterm;
    if (most == NOD_BBR_NO_LIMIT) return most;
    uint32_t room = (uint32_t)((uint64_t)most * HEADROOM_PERCENT / 100);
    room = max_u32(room, at->s->mss);
    return max_u32(most > room ? most - room : 0, nod_bbr_min_cwnd(at));
}

uint32_t nod_bbr_target_inflight(const struct nod_bbr_at *at)
{
    return min_u32(nod_bbr_bdp(at->b, at->b->bw, 100), at->cc->cwnd);
}

uint32_t nod_bbr_probe_rtt_cwnd(const struct nod_bbr_at *at)
{
    uint32_t half = nod_bbr_bdp(at->b, at->b->bw, gains[NOD_BBR_PROBE_RTT].cwnd);
    return max_u32(half, nod_bbr_min_cwnd(at));
}

/* Before the pipe was ever full, the rate does not fall: samples may be low because the user sent
 * little. */
void nod_bbr_pace(const struct nod_bbr_at *at, uint32_t percent)
{
    uint64_t rate = at->b->bw * MARGIN_PERCENT / 100 * percent / 100;
    if (!rate) return;
    if (at->b->full_bw_reached || rate > at->own->pacing_rate) at->own->pacing_rate = rate;
}

/* The window as it was last, before recovery or ProbeRTT made it smaller. */
void nod_bbr_save_cwnd(const struct nod_bbr_at *at)
{
    bool is_small = at->s->recovering || at->b->state == NOD_BBR_PROBE_RTT;
    at->b->prior_cwnd = is_small ? max_u32(at->b->prior_cwnd, at->cc->cwnd) : at->cc->cwnd;
}

void nod_bbr_restore_cwnd(const struct nod_bbr_at *at)
{
    at->cc->cwnd = max_u32(at->cc->cwnd, at->b->prior_cwnd);
}

static uint32_t cap_of_model(const struct nod_bbr_at *at)
{
    const struct nod_bbr *b = at->b;
    uint32_t cap = NOD_BBR_NO_LIMIT;
    if (b->state == NOD_BBR_CRUISE || b->state == NOD_BBR_PROBE_RTT)
        cap = nod_bbr_inflight_with_headroom(at);
    else if (nod_bbr_probes_bw(b))
        cap = b->inflight_longterm;
    cap = min_u32(cap, b->inflight_shortterm);
    return max_u32(cap, nod_bbr_min_cwnd(at));
}

static void set_cwnd(const struct nod_bbr_at *at)
{
    const struct nod_bbr *b = at->b;
    uint32_t *cwnd = &at->cc->cwnd, acked = at->s->acked;
    uint32_t extra = UINT32_MAX - nod_min_filter_get(&b->extra_acked);
    uint32_t most = with_quanta(at, nod_bbr_bdp(b, b->bw, gains[b->state].cwnd) + extra);
    if (b->full_bw_reached)
        *cwnd = min_u32(*cwnd + acked, most);
    else if (*cwnd < most || b->delivered < b->initial_cwnd)
        *cwnd += acked;
    *cwnd = min_u32(max_u32(*cwnd, nod_bbr_min_cwnd(at)), CWND_MAX);
    if (b->state == NOD_BBR_PROBE_RTT) *cwnd = min_u32(*cwnd, nod_bbr_probe_rtt_cwnd(at));
    *cwnd = min_u32(*cwnd, cap_of_model(at));
}

/* From zeros: at first, or when another algorithm was there before. */
static void start(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    const struct nod_cc_sample *s = at->s;
    *b = (struct nod_bbr){
        .started = true,
        .undo_state = NOD_BBR_NONE,
        .delivered = s->delivered,
        .next_round_delivered = s->delivered,
        .loss_round_delivered = s->delivered,
        .extra_acked_start = s->now,
        .inflight_longterm = NOD_BBR_NO_LIMIT,
        .probe_up_acked_per_inc = NOD_BBR_NO_LIMIT,
        .min_rtt_us = s->srtt_us ? s->srtt_us : UINT32_MAX,
        .min_rtt_stamp = s->now,
        .probe_rtt_min_stamp = s->now,
        .initial_cwnd = at->cc->cwnd,
    };
    b->probe_rtt_min_us = b->min_rtt_us;
    nod_min_filter_reset(&b->extra_acked, 0, UINT32_MAX);
    nod_bbr_reset_short_term(b);
    at->cc->ssthresh = UINT32_MAX;
    uint64_t nominal = (uint64_t)at->cc->cwnd * NOD_SEC / (s->srtt_us ? s->srtt_us : NOD_MSEC);
    at->own->pacing_rate = nominal * gains[NOD_BBR_STARTUP].pacing / 100;
}

static struct nod_bbr_at begin(struct nod_cc *cc, struct nod_cc_own *own,
                               const struct nod_cc_sample *s)
{
    struct nod_bbr_at at = {cc, own, &own->bbr, s};
    if (!own->bbr.started) start(&at);
    return at;
}

static void bbr_init(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss)
{
    cc->cwnd = nod_cc_initial_window(mss);
    cc->ssthresh = UINT32_MAX;
    *own = (struct nod_cc_own){0};
}

static void bbr_on_ack(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    struct nod_bbr_at at = begin(cc, own, s);
    nod_bbr_update_signals(&at);
    nod_bbr_update_aggregation(&at);
    nod_bbr_update_state(&at);
    nod_bbr_update_min_rtt(&at);
    nod_bbr_check_probe_rtt(&at);
    nod_bbr_advance_signals(&at);
    nod_bbr_bound_bw(at.b);
    nod_bbr_pace(&at, gains[at.b->state].pacing);
    set_cwnd(&at);
}

static void bbr_on_lost(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    struct nod_bbr_at at = begin(cc, own, s);
    struct nod_bbr *b = at.b;
    if (nod_bbr_overlooks_loss(&at)) {
        nod_bbr_save_cwnd(&at);
        return;
    }
    nod_bbr_note_loss(&at);
    if (!b->loss_events || s->una != b->lost_end) b->loss_events += b->loss_events < UINT8_MAX;
    b->lost_end = s->nxt;
    if (!b->bw_probe_sample || !nod_bbr_inflight_too_high(&at)) return;
    nod_bbr_handle_too_high(&at, nod_bbr_inflight_at_loss(&at));
}

/* on_lost has told of what is lost already; but what a loss probe has repaired nobody saw:
 * a segment, which is little for who overlooks some. */
static void bbr_on_loss(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    struct nod_bbr_at at = begin(cc, own, s);
    if (!s->bbr_loss) nod_bbr_note_loss(&at);
}

/* The draft leaves this open, but for that it must be taken for congestion: marks are losses beyond
 * what is tolerated, once in a window of data. */
static void bbr_on_ecn(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    struct nod_bbr_at at = begin(cc, own, s);
    nod_bbr_note_loss(&at);
    if (at.b->state == NOD_BBR_STARTUP)
        nod_bbr_startup_too_high(&at);
    else if (at.b->bw_probe_sample)
        nod_bbr_handle_too_high(&at, s->in_flight);
}

static void bbr_on_timeout(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s,
                           bool again)
{
    struct nod_bbr_at at = begin(cc, own, s);
    if (!again) {
        nod_bbr_save_cwnd(&at);
        nod_bbr_note_loss(&at);
    }
    cc->cwnd = s->mss; /* beside what the scoreboard knows to be in flight */
}

static void bbr_on_recovered(struct nod_cc *cc, struct nod_cc_own *own)
{
    cc->cwnd = max_u32(cc->cwnd, own->bbr.prior_cwnd);
}

static void bbr_on_undo(struct nod_cc *cc, struct nod_cc_own *own)
{
    struct nod_bbr *b = &own->bbr;
    if (!b->started) return;
    cc->cwnd = max_u32(cc->cwnd, b->prior_cwnd);
    b->loss_in_round = false;
    nod_bbr_reset_full_bw(b, 0);
    b->bw_shortterm = max_u64(b->bw_shortterm, b->undo_bw_shortterm);
    b->inflight_shortterm = max_u32(b->inflight_shortterm, b->undo_inflight_shortterm);
    b->inflight_longterm = max_u32(b->inflight_longterm, b->undo_inflight_longterm);
    bool in_probe_rtt = b->state == NOD_BBR_PROBE_RTT;
    if (b->undo_state == NOD_BBR_STARTUP && b->state != NOD_BBR_STARTUP) {
        b->full_bw_reached = false;
        if (!in_probe_rtt) nod_bbr_enter_startup(b);
    } else if (b->undo_state == NOD_BBR_UP && b->state != NOD_BBR_UP && !in_probe_rtt) {
        nod_bbr_start_refill(b);
    }
    b->undo_state = NOD_BBR_NONE;
}

/* The model is as good as ever; without one it begins anew. */
static void bbr_on_idle(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss)
{
    if (!own->bbr.started) cc->cwnd = min_u32(cc->cwnd, nod_cc_initial_window(mss));
}

static void bbr_on_restart(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    struct nod_bbr_at at = begin(cc, own, s);
    if (!s->app_limited) return;
    at.b->idle_restart = true;
    at.b->extra_acked_start = s->now;
    if (nod_bbr_probes_bw(at.b))
        nod_bbr_pace(&at, 100);
    else if (at.b->state == NOD_BBR_PROBE_RTT)
        nod_bbr_check_probe_rtt_done(&at);
}

static void bbr_on_rest(const struct nod_cc_own *own, struct nod_cc_rest *rest)
{
    const struct nod_bbr *b = &own->bbr;
    *rest = (struct nod_cc_rest){0};
    if (!b->started || !b->full_bw_reached) return;
    rest->bw = nod_bbr_max_bw(b);
    rest->min_rtt_us = b->min_rtt_us;
    rest->min_rtt_stamp = b->min_rtt_stamp;
    rest->inflight = b->inflight_longterm;
}

static void bbr_on_wake(struct nod_cc_own *own, const struct nod_cc_rest *rest, nod_usec now)
{
    struct nod_bbr *b = &own->bbr;
    if (!rest->bw) return;
    *b = (struct nod_bbr){
        .started = true,
        .state = NOD_BBR_CRUISE,
        .undo_state = NOD_BBR_NONE,
        .max_bw = {rest->bw, 0},
        .bw = rest->bw,
        .extra_acked_start = now,
        .full_bw_reached = true,
        .idle_restart = true,
        .inflight_longterm = rest->inflight,
        .probe_up_acked_per_inc = NOD_BBR_NO_LIMIT,
        .bw_probe_wait_us = 2 * NOD_SEC,
        .cycle_stamp = now,
        .min_rtt_us = rest->min_rtt_us,
        .probe_rtt_min_us = rest->min_rtt_us,
        .min_rtt_stamp = rest->min_rtt_stamp,
        .probe_rtt_min_stamp = rest->min_rtt_stamp,
    };
    nod_min_filter_reset(&b->extra_acked, 0, UINT32_MAX);
    nod_bbr_reset_short_term(b);
    own->pacing_rate = rest->bw * MARGIN_PERCENT / 100;
}

const struct nod_cc_ops nod_cc_bbr = {
    .name = "bbr",
    .init = bbr_init,
    .on_ack = bbr_on_ack,
    .on_loss = bbr_on_loss,
    .on_ecn = bbr_on_ecn,
    .on_timeout = bbr_on_timeout,
    .on_idle = bbr_on_idle,
    .on_undo = bbr_on_undo,
    .has_model = true,
    .on_lost = bbr_on_lost,
    .on_recovered = bbr_on_recovered,
    .on_restart = bbr_on_restart,
    .on_rest = bbr_on_rest,
    .on_wake = bbr_on_wake,
};
