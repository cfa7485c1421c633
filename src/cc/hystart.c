/* Slow start (RFC 5681 section 3.1) that ends before the queue overflows (HyStart++, RFC 9406):
 * when a round's RTTs have grown it goes on a quarter as fast, and if they stay so, it is over. */
#include "base/seq.h"
#include "base/util.h"
#include "cc/cc.h"

#define RTT_THRESH_MIN 4000u /* us */
#define RTT_THRESH_MAX 16000u
#define SAMPLES 8
#define CSS_DIVISOR 4
#define BURST_MAX 8 /* L */
#define CSS_ROUNDS 5

static void begin_round(struct nod_hystart *h, const struct nod_cc_sample *s)
{
    h->window_end = s->nxt;
    h->last_min_us = h->min_us;
    h->min_us = 0;
    h->samples = 0;
}

static bool has_grown(const struct nod_hystart *h)
{
    if (h->samples < SAMPLES || !h->last_min_us || !h->min_us) return false;
    uint32_t thresh = min_u32(max_u32(h->last_min_us / 8, RTT_THRESH_MIN), RTT_THRESH_MAX);
    return h->min_us >= h->last_min_us + thresh;
}

static void sample(struct nod_hystart *h, const struct nod_cc_sample *s)
{
    if (s->rtt_us) {
        h->min_us = h->min_us ? min_u32(h->min_us, s->rtt_us) : s->rtt_us;
        h->samples += h->samples < SAMPLES;
    }
    if (!h->css_rounds && has_grown(h)) {
        h->baseline_us = h->min_us;
        h->css_rounds = 1;
    } else if (h->css_rounds && h->samples == SAMPLES && h->min_us < h->baseline_us) {
        h->css_rounds = 0; /* it was a jitter */
    }
}

void nod_slow_start(struct nod_cc *cc, struct nod_hystart *h, const struct nod_cc_sample *s)
{
    /* By what was acknowledged and not by one MSS an ACK: one ACK of a merged segment stands for
     * many. At most what was sent can be acknowledged, so cutting ACKs gains nothing. RFC 9406 4.2
     * and 4.3: but no large burst for it, where nothing spreads it over time. */
    uint32_t step = s->paced ? s->acked : min_u32(s->acked, BURST_MAX * s->mss);
    if (!h->done && !h->running) {
        h->running = true;
        begin_round(h, s);
    }
    if (!h->done) {
        sample(h, s);
        if (h->css_rounds) step /= CSS_DIVISOR;
    }
    cc->cwnd += min_u32(step, cc->ssthresh - cc->cwnd);
    if (h->done || seq_lt(s->una, h->window_end)) return;
    if (h->css_rounds && h->css_rounds++ == CSS_ROUNDS) {
        cc->ssthresh = cc->cwnd;
        h->done = true;
    }
    begin_round(h, s);
}
