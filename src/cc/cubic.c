/* CUBIC (RFC 9438): after a reduction the window comes back to where it was along a cubic curve of
 * time, flat around the old value, and never slower than Reno's would. */
#include "base/util.h"
#include "cc/cc.h"

#define FAR_MS 100000 /* from the plateau; the curve is cut off there */
#define BLIND 20      /* a 20th of the window, where no plateau is known */

/* beta_cubic = 0.7; alpha_cubic = 3 (1 - beta) / (1 + beta) = 9 / 17; C = 0.4. */
static uint32_t times_beta(uint32_t octets)
{
    return (uint32_t)((uint64_t)octets * 7 / 10);
}

static uint32_t cube_root(uint64_t x)
{
    uint64_t root = 0;
    for (int bit = 21; bit >= 0; bit--) {
        uint64_t next = root | (uint64_t)1 << bit;
        if (next * next * next <= x) root = next;
    }
    return (uint32_t)root;
}

/* C (t - K)^3 + W_max, in octets. */
static uint32_t w_cubic(const struct nod_cubic *c, nod_usec t, uint32_t mss)
{
    int64_t d = (int64_t)(t / 1000) - c->k_ms;
    if (d > FAR_MS) d = FAR_MS;
    if (d < -FAR_MS) d = -FAR_MS;
    int64_t w = c->origin + d * d * d / 1000000 * 4 * mss / 10000;
    if (w < mss) return mss;
    return (uint32_t)(w > INT32_MAX ? INT32_MAX : w);
}

static void begin_epoch(const struct nod_cc *cc, struct nod_cubic *c, const struct nod_cc_sample *s)
{
    c->epoch = c->last = s->now;
    c->w_est = cc->cwnd;
    c->crumbs = 0;
    c->k_ms = 0;
    c->origin = cc->cwnd;
    if (c->w_max <= cc->cwnd) return;
    c->origin = c->w_max;
    /* K = cbrt((W_max - cwnd) / C), in segments and seconds. */
    c->k_ms = cube_root((uint64_t)(c->w_max - cc->cwnd) * 2500000000u / s->mss);
}

/* Section 4.3: what Reno would have by now. */
static void grow_estimate(const struct nod_cc *cc, struct nod_cubic *c,
                          const struct nod_cc_sample *s)
{
    uint64_t step = (uint64_t)s->acked * s->mss / cc->cwnd;
    if (c->w_est < c->prior) step = step * 9 / 17;
    c->w_est = (uint32_t)min_u64(c->w_est + step, INT32_MAX);
}

static void avoid_congestion(struct nod_cc *cc, struct nod_cubic *c, const struct nod_cc_sample *s)
{
    if (!c->epoch) begin_epoch(cc, c, s);
    nod_usec t = s->now - c->epoch;
    c->last = s->now;
    grow_estimate(cc, c, s);
    uint32_t target = cc->cwnd;
    if (w_cubic(c, t, s->mss) < c->w_est)
        cc->cwnd = max_u32(cc->cwnd, c->w_est);
    else
        target = max_u32(target, w_cubic(c, t + s->srtt_us, s->mss));
    /* Slow start has ended without a loss, or after a timeout: how much the path takes is still to
     * be found, and the curve's flat beginning is for those who know. Linux; but that ignores
     * queues. */
    if (!c->w_max && s->rtt_us && s->rtt_us <= s->min_rtt_us + s->min_rtt_us / 8)
        target = max_u32(target, cc->cwnd + cc->cwnd / BLIND);
    target = min_u32(target, cc->cwnd + cc->cwnd / 2);
    if (target <= cc->cwnd) return;
    uint64_t gain = (uint64_t)(target - cc->cwnd) * s->acked + c->crumbs;
    c->crumbs = (uint32_t)(gain % cc->cwnd);
    cc->cwnd += (uint32_t)(gain / cc->cwnd);
}

static void cubic_init(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss)
{
    cc->cwnd = nod_cc_initial_window(mss);
    cc->ssthresh = UINT32_MAX;
    *own = (struct nod_cc_own){0};
}

static void cubic_on_ack(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    struct nod_cubic *c = &own->cubic;
    if (!s->limited || cc->cwnd > 1u << 30) {
        /* Time in which the window was not needed does not move it along the curve (4.2). */
        if (c->epoch) c->epoch += s->now - c->last;
        c->last = s->now;
    } else if (cc->cwnd < cc->ssthresh) {
        nod_slow_start(cc, &own->hystart, s);
    } else {
        avoid_congestion(cc, c, s);
    }
}

/* Section 4.6; and 4.7, fast convergence: who loses twice in a row makes room for others. */
static void reduce(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    struct nod_cubic *c = &own->cubic;
    own->cubic_before = *c;
    own->hystart.done = true;
    uint32_t used = s->limited ? cc->cwnd : min_u32(s->flight, cc->cwnd);
    bool falling = used < c->w_max;
    c->w_max = falling ? (uint32_t)((uint64_t)used * 17 / 20) : used;
    c->prior = used;
    c->epoch = 0;
    cc->ssthresh = max_u32(times_beta(used), 2 * s->mss);
}

static void cubic_on_loss(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    reduce(cc, own, s);
    cc->cwnd = cc->ssthresh;
}

/* 4.6: down to one segment. */
static void cubic_on_ecn(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    reduce(cc, own, s);
    cc->cwnd = max_u32(times_beta(own->cubic.prior), s->mss);
}

static void cubic_on_timeout(struct nod_cc *cc, struct nod_cc_own *own,
                             const struct nod_cc_sample *s, bool again)
{
    if (!again) reduce(cc, own, s);
    own->cubic.w_max = 0; /* 4.8: the next epoch begins on its plateau */
    cc->cwnd = s->mss;
}

static void cubic_on_idle(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss)
{
    cc->cwnd = min_u32(cc->cwnd, nod_cc_initial_window(mss));
    own->cubic.epoch = 0;
}

/* 4.2: idle time is not time on the curve. */
static void cubic_on_restart(struct nod_cc *cc, struct nod_cc_own *own,
                             const struct nod_cc_sample *s)
{
    (void)cc;
    struct nod_cubic *c = &own->cubic;
    if (c->epoch) c->epoch += s->now - c->last;
    c->last = s->now;
}

static void cubic_on_undo(struct nod_cc *cc, struct nod_cc_own *own)
{
    (void)cc;
    own->cubic = own->cubic_before;
}

const struct nod_cc_ops nod_cc_cubic = {
    .name = "cubic",
    .init = cubic_init,
    .on_ack = cubic_on_ack,
    .on_loss = cubic_on_loss,
    .on_ecn = cubic_on_ecn,
    .on_timeout = cubic_on_timeout,
    .on_idle = cubic_on_idle,
    .on_restart = cubic_on_restart,
    .on_undo = cubic_on_undo,
};
