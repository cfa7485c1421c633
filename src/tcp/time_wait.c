/* SEGMENT ARRIVES in TIME-WAIT (RFC 9293 section 3.10.7.4), on the small record. RSTs are
 * ignored (RFC 1337 F1); a new SYN is taken by RFC 6191. */
#include "base/seq.h"
#include "base/util.h"
#include "tcp/ecn.h"
#include "tcp/small.h"
#include "tcp/tcb.h"

void nod_time_wait_ack(struct nod_env *env, struct nod_time_wait *r, enum nod_why why)
{
    struct nod_reply *reply = nod_reply_add(env, &r->rec.key, why);
    if (!reply) return;
    reply->seq = reply->iss = r->snd_nxt;
    reply->ack = reply->irs = r->rcv_nxt;
    reply->ctl = NOD_ACK | nod_ace_flags(r->rec.flags >> SMALL_ACE_SHIFT);
    reply->wnd = r->wnd;
    reply->scale = r->scale;
    reply->state = NOD_TIME_WAIT;
    reply->iface = r->rec.iface;
    reply->slot = r->slot;
    reply->ttl = r->ttl;
    reply->dscp = r->dscp;
    if (r->rec.flags & SMALL_TS) {
        reply->opt.has_ts = true;
        reply->opt.ts_val = nod_ts_now(env, &r->rec.key);
        reply->opt.ts_ecr = r->ts_recent;
    }
}

static enum nod_verdict drop(struct nod_env *env, const struct nod_time_wait *r,
                             const struct nod_segment *seg, enum nod_drop reason)
{
    nod_drop_segment(env, &r->rec, seg->frame, reason);
    return NOD_KEEP;
}

/* Two confused ends must not answer each other for ever (RFC 1337 H2). */
static void challenge(struct nod_env *env, struct nod_time_wait *r)
{
    if (nod_challenge_allowed(env, &r->throttle)) nod_time_wait_ack(env, r, NOD_WHY_ACK_CHALLENGE);
}

/* RFC 6191 section 2. */
static bool syn_is_new(const struct nod_time_wait *r, const struct nod_segment *seg)
{
    bool later = seq_ge(seg->seq, r->rcv_nxt), before = r->rec.flags & SMALL_TS;
    if (!seg->h.opt.has_ts) return later;
    if (!before) return true;
    return seq_gt(seg->h.opt.ts_val, r->ts_recent) || (seg->h.opt.ts_val == r->ts_recent && later);
}

static bool in_window(const struct nod_time_wait *r, uint32_t seq, uint32_t len)
{
    uint32_t wnd = (uint32_t)r->wnd << r->scale;
    if (len == 0) return wnd ? seq_in(seq, r->rcv_nxt, wnd) : seq == r->rcv_nxt;
    return seq_in(seq, r->rcv_nxt, wnd) || seq_in(seq + len - 1, r->rcv_nxt, wnd);
}

enum nod_verdict nod_time_wait_input(struct nod_env *env, struct nod_time_wait *r,
                                     const struct nod_segment *seg)
{
    uint32_t len = segment_len(seg), max_wnd = (uint32_t)r->max_wnd << r->max_scale;
    if (seg->h.ctl & NOD_RST) return drop(env, r, seg, NOD_DROP_RST);
    if (seg->syn && !(seg->h.ctl & NOD_ACK))
        return syn_is_new(r, seg) ? NOD_PROMOTE : drop(env, r, seg, NOD_DROP_TIME_WAIT);
    /* The FIN again: our last ACK was lost. It is answered and the wait starts over. */
    if (seg->fin && seg->seq + len == r->rcv_nxt) {
        nod_time_wait_ack(env, r, NOD_WHY_ACK_TIME_WAIT);
        drop(env, r, seg, NOD_DROP_DUPLICATE);
        return NOD_RESTART;
    }
    if (r->rec.flags & SMALL_TS && !seg->syn) {
        if (!seg->h.opt.has_ts) return drop(env, r, seg, NOD_DROP_NO_TIMESTAMP);
        if (seq_lt(seg->h.opt.ts_val, r->ts_recent)) {
            nod_time_wait_ack(env, r, NOD_WHY_ACK_TIME_WAIT);
            return drop(env, r, seg, NOD_DROP_PAWS);
        }
    }
    if (!in_window(r, seg->seq, len)) {
        if (seg->text || seg->fin)
            nod_time_wait_ack(env, r, NOD_WHY_ACK_TIME_WAIT);
        else
            challenge(env, r);
        return drop(env, r, seg, NOD_DROP_TIME_WAIT);
    }
    if (seg->syn) {
        challenge(env, r);
        return drop(env, r, seg, NOD_DROP_SYN);
    }
    if (!(seg->h.ctl & NOD_ACK)) return drop(env, r, seg, NOD_DROP_NO_ACK);
    if (seq_gt(seg->h.ack, r->snd_nxt) || seq_lt(seg->h.ack, r->snd_nxt - max_wnd)) {
        challenge(env, r);
        return drop(env, r, seg, NOD_DROP_ACK);
    }
    if (seg->fin && seg->seq == r->rcv_nxt && !seg->text) {
        nod_time_wait_ack(env, r, NOD_WHY_ACK_TIME_WAIT);
        return NOD_RESTART;
    }
    return drop(env, r, seg, NOD_DROP_TIME_WAIT);
}
