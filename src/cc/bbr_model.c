/* BBR's model of the path: rounds, bandwidth, aggregation, the least RTT, and what losses say
 * (draft-ietf-ccwg-bbr, "Updating Network Path Model Parameters"). */
#include "base/seq.h"
#include "base/util.h"
#include "cc/cc.h"

#define BW_MAX (1ull << 37) /* so that a product with an RTT fits into 64 bits */
#define LOSS_PERCENT 2      /* more is too much, of what left while bandwidth was probed */
#define BETA_PERCENT 70
#define EXTRA_ACKED_ROUNDS 10
#define MIN_RTT_WINDOW (10 * NOD_SEC)
#define PROBE_RTT_INTERVAL (5 * NOD_SEC)

uint64_t nod_bbr_max_bw(const struct nod_bbr *b)
{
    return max_u64(b->max_bw[0], b->max_bw[1]);
}

/* The filter's window is this cycle and the one before; one without samples is none. */
void nod_bbr_advance_max_bw(struct nod_bbr *b)
{
    if (!b->max_bw[0]) return;
    b->max_bw[1] = b->max_bw[0];
    b->max_bw[0] = 0;
}

void nod_bbr_start_round(struct nod_bbr *b)
{
    b->next_round_delivered = b->delivered;
}

static void update_round(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    b->round_start = at->s->sampled && at->s->prior_delivered >= b->next_round_delivered;
    if (b->round_start) {
        nod_bbr_start_round(b);
        b->round_count++;
        b->rounds_since_probe_up += b->rounds_since_probe_up < UINT8_MAX;
        b->filled_before = b->filled;
        b->filled = false;
    }
    b->filled |= at->s->filled;
}

static uint64_t sampled_bw(const struct nod_bbr_at *at)
{
    return min_u64(at->s->rate, BW_MAX);
}

static void update_max_bw(const struct nod_bbr_at *at)
{
    uint64_t bw = sampled_bw(at);
    if (!bw || (at->s->app_limited && bw < nod_bbr_max_bw(at->b))) return;
    at->b->max_bw[0] = max_u64(at->b->max_bw[0], bw);
}

void nod_bbr_reset_signals(struct nod_bbr *b)
{
    b->loss_in_round = false;
    b->bw_latest = 0;
    b->inflight_latest = 0;
}

void nod_bbr_reset_short_term(struct nod_bbr *b)
{
    b->bw_shortterm = NOD_BBR_NO_RATE;
    b->inflight_shortterm = NOD_BBR_NO_LIMIT;
}

/* At the end of a round in which something was lost, unless we probed how much is too much. */
static void adapt_lower_bounds(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (nod_bbr_accelerates(b) || !b->loss_in_round) return;
    if (b->bw_shortterm == NOD_BBR_NO_RATE) b->bw_shortterm = nod_bbr_max_bw(b);
    if (b->inflight_shortterm == NOD_BBR_NO_LIMIT) b->inflight_shortterm = at->cc->cwnd;
    b->bw_shortterm = max_u64(b->bw_latest, b->bw_shortterm * BETA_PERCENT / 100);
    uint32_t less = (uint32_t)((uint64_t)b->inflight_shortterm * BETA_PERCENT / 100);
    b->inflight_shortterm = max_u32(b->inflight_latest, less);
}

void nod_bbr_update_signals(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    const struct nod_cc_sample *s = at->s;
    b->delivered = s->delivered;
    b->loss_round_start = false;
    if (s->sampled) {
        b->bw_latest = max_u64(b->bw_latest, sampled_bw(at));
        b->inflight_latest = max_u32(b->inflight_latest, s->sample_delivered);
        b->loss_round_start = s->prior_delivered >= b->loss_round_delivered;
        if (b->loss_round_start) b->loss_round_delivered = s->delivered;
    }
    update_round(at);
    update_max_bw(at);
    if (!b->loss_round_start) return;
    adapt_lower_bounds(at);
    b->loss_in_round = false;
}

void nod_bbr_advance_signals(const struct nod_bbr_at *at)
{
    if (!at->b->loss_round_start) return;
    at->b->bw_latest = sampled_bw(at);
    at->b->inflight_latest = at->s->sample_delivered;
    at->b->loss_events = 0;
}

void nod_bbr_bound_bw(struct nod_bbr *b)
{
    b->bw = min_u64(nod_bbr_max_bw(b), b->bw_shortterm);
}

/* What came beyond what was to be expected of the bandwidth: so much more may be in flight, for
 * times without ACKs. */
void nod_bbr_update_aggregation(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    nod_usec now = at->s->now;
    uint64_t expected = b->bw * min_u64(now - b->extra_acked_start, 100 * NOD_SEC) / NOD_SEC;
    if (!at->s->acked) return;
    if (b->extra_acked_delivered <= expected) {
        b->extra_acked_delivered = 0;
        b->extra_acked_start = now;
        expected = 0;
    }
    b->extra_acked_delivered += min_u32(at->s->acked, UINT32_MAX - b->extra_acked_delivered);
    uint64_t extra = min_u64(b->extra_acked_delivered - expected, at->cc->cwnd);
    nod_usec window = b->full_bw_reached ? EXTRA_ACKED_ROUNDS : 1;
    nod_min_filter_add(&b->extra_acked, b->round_count, window, UINT32_MAX - (uint32_t)extra);
}

void nod_bbr_reset_full_bw(struct nod_bbr *b, uint64_t from)
{
    b->full_bw = from;
    b->full_bw_count = 0;
    b->full_bw_now = false;
}

/* Three rounds in which the sender could have had a quarter more, and had not. */
void nod_bbr_check_full_bw(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    uint64_t bw = sampled_bw(at);
    if (b->full_bw_now || !b->round_start || at->s->app_limited || !bw) return;
    if (bw >= b->full_bw + b->full_bw / 4) {
        nod_bbr_reset_full_bw(b, bw);
        return;
    }
    b->full_bw_now = ++b->full_bw_count >= 3;
    b->full_bw_reached |= b->full_bw_now;
}

void nod_bbr_update_min_rtt(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    const struct nod_cc_sample *s = at->s;
    b->probe_rtt_expired = s->now > b->probe_rtt_min_stamp + PROBE_RTT_INTERVAL;
    if (s->rtt_us && (s->rtt_us < b->probe_rtt_min_us || b->probe_rtt_expired)) {
        b->probe_rtt_min_us = s->rtt_us;
        b->probe_rtt_min_stamp = s->now;
    }
    bool expired = s->now > b->min_rtt_stamp + MIN_RTT_WINDOW;
    if (b->probe_rtt_min_us >= b->min_rtt_us && !expired) return;
    b->min_rtt_us = b->probe_rtt_min_us;
    b->min_rtt_stamp = b->probe_rtt_min_stamp;
}

/* In case it turns out to be a false alarm. */
static void save_state(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    b->undo_state = NOD_BBR_NONE;
    b->undo_bw_shortterm = b->bw_shortterm;
    b->undo_inflight_shortterm = b->inflight_shortterm;
    b->undo_inflight_longterm = b->inflight_longterm;
}

void nod_bbr_note_loss(const struct nod_bbr_at *at)
{
    struct nod_bbr *b = at->b;
    if (!b->loss_in_round) {
        b->loss_round_delivered = at->s->delivered;
        nod_bbr_save_cwnd(at);
        if (!at->s->recovering) save_state(at);
    }
    b->loss_in_round = true;
}

static uint32_t tolerated(const struct nod_bbr_at *at)
{
    return max_u32(at->s->bbr_loss, LOSS_PERCENT);
}

static bool loses_more_than(const struct nod_bbr_at *at, uint32_t percent)
{
    uint64_t lost = at->s->lost - at->s->prior_lost;
    if (lost && !at->s->sack) return true;
    return lost * 100 > (uint64_t)at->s->sample_flight * percent;
}

bool nod_bbr_inflight_too_high(const struct nod_bbr_at *at)
{
    return loses_more_than(at, tolerated(at));
}

bool nod_bbr_overlooks_loss(const struct nod_bbr_at *at)
{
    return at->s->bbr_loss && !loses_more_than(at, at->s->bbr_loss);
}

/* Of what is lost, a part that left at once may have been too much, and not all of it: solves
 * (lost_prev + x) / (inflight_prev + x) = 2%, or what is tolerated, for x. */
uint32_t nod_bbr_inflight_at_loss(const struct nod_bbr_at *at)
{
    const struct nod_cc_sample *s = at->s;
    uint32_t size = s->nxt - s->una;
    int64_t before = (int64_t)s->sample_flight - size;
    int64_t lost_before = (int64_t)(s->lost - s->prior_lost) - size;
    int64_t percent = tolerated(at);
    int64_t prefix = (percent * before - 100 * lost_before) / (100 - percent);
    int64_t at_loss = before + prefix;
    if (at_loss < 0) return 0;
    return (uint32_t)min_u64((uint64_t)at_loss, UINT32_MAX / 2);
}
