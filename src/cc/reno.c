/* Reno (RFC 5681) with byte counting; NewReno's window inflation during recovery is loss.c's. */
#include "base/util.h"
#include "cc/cc.h"

static void reno_init(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss)
{
    cc->cwnd = nod_cc_initial_window(mss);
    cc->ssthresh = UINT32_MAX;
    own->acked = 0;
}

static void reno_on_ack(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    if (!s->limited || cc->cwnd > 1u << 30) return;
    if (cc->cwnd < cc->ssthresh) {
        nod_slow_start(cc, &own->hystart, s);
        return;
    }
    own->acked += s->acked;
    if (own->acked < cc->cwnd) return;
    own->acked -= cc->cwnd;
    cc->cwnd += s->mss;
}

static uint32_t half_flight(const struct nod_cc_sample *s)
{
    return max_u32(s->flight / 2, 2 * s->mss); /* equation 4 */
}

static void reno_on_loss(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    cc->ssthresh = half_flight(s);
    cc->cwnd = cc->ssthresh;
    own->hystart.done = true;
    own->acked = 0;
}

/* The window may become one segment; slow start back to two of them does no harm. */
static void reno_on_ecn(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    cc->ssthresh = half_flight(s);
    cc->cwnd = max_u32(min_u32(cc->cwnd, s->flight / 2), s->mss);
    own->hystart.done = true;
    own->acked = 0;
}

static void reno_on_timeout(struct nod_cc *cc, struct nod_cc_own *own,
                            const struct nod_cc_sample *s, bool again)
{
    if (!again) cc->ssthresh = half_flight(s);
    cc->cwnd = s->mss;
    own->hystart.done = true;
    own->acked = 0;
}

static void reno_on_idle(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss)
{
    own->acked = 0;
    cc->cwnd = min_u32(cc->cwnd, nod_cc_initial_window(mss));
}

static void reno_on_undo(struct nod_cc *cc, struct nod_cc_own *own)
{
    (void)cc;
    own->acked = 0;
}

const struct nod_cc_ops nod_cc_reno = {
    .name = "reno",
    .init = reno_init,
    .on_ack = reno_on_ack,
    .on_loss = reno_on_loss,
    .on_ecn = reno_on_ecn,
    .on_timeout = reno_on_timeout,
    .on_idle = reno_on_idle,
    .on_undo = reno_on_undo,
};
