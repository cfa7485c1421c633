/* Reno (RFC 5681) with byte counting; NewReno's window inflation during recovery is loss.c's. */
#include <string.h>

#include "base/util.h"
#include "cc/cc.h"

uint32_t nod_cc_initial_window(uint32_t mss)
{
    return min_u32(10 * mss, max_u32(2 * mss, 14600));
}

static void reno_init(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss)
{
    cc->cwnd = nod_cc_initial_window(mss);
    cc->ssthresh = UINT32_MAX;
    own->reno.acked = 0;
}

static void reno_on_ack(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    if (!s->limited || cc->cwnd > 1u << 30) return;
    if (cc->cwnd < cc->ssthresh) {
        /* Slow start: by no more than one MSS an ACK (5681 3.1), but an ACK of a large
         * segment stands for many (RFC 3465 with L=2 would stall behind merged ACKs). */
        cc->cwnd += min_u32(s->acked, cc->ssthresh - cc->cwnd);
        return;
    }
    own->reno.acked += s->acked;
    if (own->reno.acked < cc->cwnd) return;
    own->reno.acked -= cc->cwnd;
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
    own->reno.acked = 0;
}

/* The window may become one segment; slow start back to two of them does no harm. */
static void reno_on_ecn(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *s)
{
    cc->ssthresh = half_flight(s);
    cc->cwnd = max_u32(min_u32(cc->cwnd, s->flight / 2), s->mss);
    own->reno.acked = 0;
}

static void reno_on_timeout(struct nod_cc *cc, struct nod_cc_own *own,
                            const struct nod_cc_sample *s, bool again)
{
    if (!again) cc->ssthresh = half_flight(s);
    cc->cwnd = s->mss;
    own->reno.acked = 0;
}

static void reno_on_idle(struct nod_cc *cc, uint32_t mss)
{
    cc->cwnd = min_u32(cc->cwnd, nod_cc_initial_window(mss));
}

const struct nod_cc_ops nod_cc_reno = {
    .name = "reno",
    .init = reno_init,
    .on_ack = reno_on_ack,
    .on_loss = reno_on_loss,
    .on_ecn = reno_on_ecn,
    .on_timeout = reno_on_timeout,
    .on_idle = reno_on_idle,
};

static const struct nod_cc_ops *const all[] = {&nod_cc_reno};
#define ALGORITHMS (sizeof(all) / sizeof(all[0]))

int nod_cc_find(const char *name)
{
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (strcmp(all[i]->name, name) == 0) return (int)i;
    return NOD_EINVAL;
}

const struct nod_cc_ops *nod_cc_ops(const struct nod_cc *cc)
{
    NOD_ASSERT(cc->id < ALGORITHMS);
    return all[cc->id];
}
