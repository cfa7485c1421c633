/* How large the buffers are. The receiver's grows with what its user reads in a round trip
 * (dynamic right-sizing: Fisk and Feng, 2001), the sender's with the congestion window; both
 * between what the configuration says, and not while memory is short. */
#include "tcp/tcb.h"

#define LEAST 16384u     /* octets, of either when memory is scarce */
#define SLACK 3          /* memory that may be held for each octet of a buffer, */
#define LEAST_HELD 65536 /* and that of any */
#define SHORT_RTT 1000u  /* us; on a path so short */
#define SHORT_BDPS 12    /* no more is queued than so many times what the path holds */

/* No larger windows than memory will ever allow: their units would be too coarse for small ones. */
uint8_t nod_tune_scale(const struct nod_env *env, const nod_tcp_config *c)
{
    uint32_t most = (uint32_t)min_u64(nod_pool_limit(env->pool) / 2, c->receive_buffer_max);
    return nod_window_scale(max_u32(c->receive_buffer, most));
}

uint32_t nod_tune_receive_buffer(const struct nod_tcb *tcb)
{
    const nod_tcp_config *c = &tcb->config->c;
    uint32_t size =
        max_u32(c->receive_buffer, min_u32(tcb->work->tune.buffer, c->receive_buffer_max));
    return max_u32(size, (uint32_t)1 << tcb->rcv_scale); /* less could not be said */
}

uint32_t nod_tune_window(const struct nod_env *env, const struct nod_tcb *tcb)
{
    const struct nod_work *w = tcb->work;
    uint32_t used = w->recvq.bytes, buffer = nod_tune_receive_buffer(tcb);
    uint32_t free = buffer > used ? buffer - used : 0, unit = (uint32_t)1 << tcb->rcv_scale;
    uint32_t two = (2 * w->rcv_mss + unit - 1) & ~(unit - 1); /* whole segments, and units */
    switch (nod_pool_memory(env->pool)) {
    case NOD_MEMORY_FREE: return free;
    case NOD_MEMORY_SCARCE: return min_u32(free, max_u32(LEAST, two));
    case NOD_MEMORY_SPENT: return used || w->ooq.count ? 0 : min_u32(free, two);
    }
    return free;
}

/* Octets that the window would have to hold: what slow start sends in two round trips from now
 * if it goes on as it does, for the measure is one old and the next one is yet to come; else
 * twice what a round trip brings. What waits behind a gap stands in nobody's way. */
static uint32_t wanted(const struct nod_reassembly *ooq, uint32_t nxt, uint32_t before,
                       uint32_t octets)
{
    uint64_t want = 2 * (uint64_t)octets;
    if (octets > before) {
        uint32_t growth = min_u32(octets - before, before ? before : octets);
        want += 4 * (uint64_t)octets * growth / (before ? before : octets);
    }
    if (ooq->count) want += nod_reassembly_end(ooq) - nxt;
    return (uint32_t)min_u64(want, UINT32_MAX);
}

/* A round trip is over. When it has brought a quarter more than any before the peer is in slow
 * start, and its next one, of twice as much, is acknowledged quickly, too: Linux looks for the end
 * of slow start in ACKs that follow each other within 2 ms. */
static void end_round(const struct nod_env *env, struct nod_tcb *tcb, uint32_t octets)
{
    struct nod_tune *t = &tcb->work->tune;
    if (octets > t->space + t->space / 4)
        tcb->work->quick_end = tcb->bytes_received + 2 * (uint64_t)octets;
    if (nod_pool_memory(env->pool) != NOD_MEMORY_FREE) {
        t->space = octets;
        t->buffer = min_u32(t->buffer, 2 * min_u32(octets, 1u << 30));
        return;
    }
    uint32_t want = wanted(&tcb->work->ooq, tcb->rcv.nxt, t->space, max_u32(octets, t->space));
    t->space = max_u32(t->space, octets);
    t->buffer = max_u32(t->buffer, min_u32(want, tcb->config->c.receive_buffer_max));
}

/* What the user has read, or would have but for a gap. */
static uint32_t position(const struct nod_work *w)
{
    return w->recvq.base + w->ooq.bytes;
}

void nod_tune_on_progress(const struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    struct nod_tune *t = &w->tune;
    uint32_t rtt = t->rtt_us ? t->rtt_us : tcb->srtt_us;
    if (!t->running || !rtt || env->now - t->since < rtt) return;
    if (seq_gt(position(w), t->mark)) end_round(env, tcb, position(w) - t->mark);
    t->mark = position(w);
    t->since = env->now;
}

/* A pause of the sender is no longer way: it does not count for more than twice the last. */
static void take_sample(struct nod_tcb *tcb, nod_usec us, bool at_most)
{
    struct nod_tune *t = &tcb->work->tune;
    uint32_t before = t->rtt_us ? t->rtt_us : tcb->srtt_us;
    uint32_t rtt = (uint32_t)min_u64(max_u64(us, 1), NOD_SEC * 100);
    if (!before)
        t->rtt_us = rtt;
    else if (at_most)
        t->rtt_us = min_u32(before, rtt);
    else
        t->rtt_us = max_u32(1, before - before / 8 + min_u32(rtt, 2 * before) / 8);
}

/* The first segment that answers ours of this timestamp has taken a round trip; without
 * timestamps a window's worth of octets takes one, or more. */
static void time_round(const struct nod_env *env, struct nod_tcb *tcb,
                       const struct nod_segment *seg)
{
    struct nod_tune *t = &tcb->work->tune;
    if (tcb->flags & TCB_TS) {
        if (!t->timing || seq_lt(seg->h.opt.ts_ecr, t->timed)) return;
        if (seg->h.opt.ts_ecr == t->timed) take_sample(tcb, env->now - t->timed_at, false);
        t->timing = false;
        return;
    }
    if (t->timing && seq_lt(tcb->rcv.nxt, t->timed)) return;
    if (t->timing) take_sample(tcb, env->now - t->timed_at, true);
    t->timing = true;
    t->timed = tcb->rcv.edge;
    t->timed_at = env->now;
}

void nod_tune_on_text(const struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg)
{
    struct nod_tune *t = &tcb->work->tune;
    time_round(env, tcb, seg);
    if (t->running) return;
    t->running = true;
    t->since = env->now;
    t->mark = position(tcb->work);
}

void nod_tune_on_sent(const struct nod_env *env, struct nod_tcb *tcb, uint32_t ts)
{
    struct nod_tune *t = &tcb->work->tune;
    if (!t->timing && ts != t->said) {
        t->timing = true;
        t->timed = ts;
        t->timed_at = env->now;
    }
    t->said = ts;
}

/* Within a host, or a rack, nothing is ever lost that would end the window's growth: what is more
 * than the path takes waits in a queue, and drives all else out of the processor's caches. */
static uint64_t of_short_path(const struct nod_loss *l)
{
    uint32_t rtt = nod_min_filter_get(&l->rack.min_rtt);
    if (!rtt || rtt >= SHORT_RTT || !l->rate.told) return UINT64_MAX;
    return SHORT_BDPS * l->rate.told * rtt / NOD_SEC;
}

/* What is in flight, and what its ACKs will let out: a window, and as much again in slow start. */
static uint32_t send_need(const struct nod_tcb *tcb)
{
    uint32_t cwnd = tcb->cc.cwnd;
    if (!tcb->work) return cwnd;
    const struct nod_queue *q = &tcb->work->sendq;
    uint32_t out = seq_gt(tcb->snd.nxt, q->base) ? tcb->snd.nxt - q->base : 0;
    uint64_t need = (uint64_t)cwnd + (cwnd < tcb->cc.ssthresh ? 2 * (uint64_t)out : out);
    return (uint32_t)min_u64(min_u64(need, of_short_path(&tcb->work->loss)), UINT32_MAX);
}

uint32_t nod_tune_send_buffer(const struct nod_env *env, const struct nod_tcb *tcb)
{
    const nod_tcp_config *c = &tcb->config->c;
    uint32_t size = max_u32(c->send_buffer, min_u32(send_need(tcb), c->send_buffer_max));
    uint32_t queued = tcb->work ? tcb->work->sendq.bytes : 0;
    switch (nod_pool_memory(env->pool)) {
    case NOD_MEMORY_FREE: return size;
    case NOD_MEMORY_SCARCE: return min_u32(size, max_u32(LEAST, tcb->cc.cwnd));
    case NOD_MEMORY_SPENT: return min_u32(size, queued ? queued : LEAST);
    }
    return size;
}

/* Slices of the user's may be dust. */
bool nod_tune_may_queue(const struct nod_env *env, const struct nod_tcb *tcb)
{
    const struct nod_queue *q = &tcb->work->sendq;
    uint64_t held = q->held + (uint64_t)q->count * sizeof(*q->ring);
    return held <= SLACK * (uint64_t)nod_tune_send_buffer(env, tcb) + LEAST_HELD;
}

/* Of a connection that wakes: as large as it was when it went to rest, all of it offered. */
void nod_tune_wake(struct nod_tcb *tcb)
{
    tcb->work->tune.buffer = nod_tcb_rcv_wnd(tcb);
}

/* Beyond a gap memory is held for what may be a few octets each. */
bool nod_tune_may_hold(const struct nod_env *env, const struct nod_tcb *tcb)
{
    if (nod_pool_memory(env->pool) == NOD_MEMORY_SPENT) return false;
    uint64_t most = SLACK * (uint64_t)nod_tune_receive_buffer(tcb) + LEAST_HELD;
    return tcb->work->ooq.held <= most;
}
