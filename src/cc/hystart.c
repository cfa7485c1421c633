/* Slow start (RFC 5681 section 3.1) that ends before the queue overflows (HyStart++, RFC 9406):
 * when a round's RTTs have grown it goes on a quarter as fast, and if they stay so, it is over. */
#include "base/seq.h"
#include "base/util.h"
#include "cc/cc.h"

#define RTT_THRESH_MIN 4000u /* us */
#define RTT_THRESH_MAX 16000u
#define SAMPLES 8
#define CSS_DIVISOR 4
#define CSS_ROUNDS 5
#define TRAIN_GAP 2000u /* us, or the RTT / 16 */

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

/* ACKs that have followed each other closely for most of a round trip: the path carries no more,
 * and what the window grows from here on waits in a queue. What is paced at twice the rate comes in
 * some two thirds of a round trip until then; what is not takes no time by itself, and half does,
 * as Linux has it. RTTs tell as much, but later, when the queue has overflowed. */
static bool is_train(struct nod_hystart *h, const struct nod_cc_sample *s)
{
    nod_usec gap = s->now - h->train_to;
    h->train_to = s->now;
    /* On a short path one burst follows the other without a gap that could be told. */
    bool next = seq_gt(s->una, h->train_end);
    if (next) h->train_end = s->nxt;
    if (next || gap > max_u32(TRAIN_GAP, s->min_rtt_us / 16)) h->train_from = s->now;
    nod_usec length = h->train_to - h->train_from;
    return s->min_rtt_us && length * 8 >= (nod_usec)s->min_rtt_us * (s->paced ? 7 : 4);
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
    /* By what was acknowledged and not by one MSS an ACK, nor by eight (RFC 9406 4.2, 4.3): one ACK
     * of a merged segment stands for many. At most what was sent can be acknowledged, so cutting
     * ACKs gains nothing. */
    uint32_t step = s->acked;
    if (!s->hystart) h->done = true;
    if (!h->done && !h->running) {
        h->running = true;
        h->train_end = s->una - 1; /* a train begins */
        begin_round(h, s);
    }
    if (!h->done) {
        sample(h, s);
        if (h->css_rounds) step /= CSS_DIVISOR;
    }
    cc->cwnd += min_u32(step, cc->ssthresh - cc->cwnd);
    if (!h->done && s->hystart && is_train(h, s)) {
        cc->ssthresh = cc->cwnd;
        h->done = true;
    }
    if (h->done || seq_lt(s->una, h->window_end)) return;
    if (h->css_rounds && h->css_rounds++ == CSS_ROUNDS) {
        cc->ssthresh = cc->cwnd;
        h->done = true;
    }
    begin_round(h, s);
}
