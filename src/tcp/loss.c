/* Loss detection and recovery: duplicate ACKs and NewReno (RFC 5681 section 3.2, RFC 6582),
 * and the retransmission timeout. Only this file talks to congestion control. */
#include "tcp/tcb.h"

#define DUP_THRESH 3

static struct nod_cc_sample sample(const struct nod_env *env, const struct nod_tcb *tcb,
                                   uint32_t acked, uint32_t flight)
{
    return (struct nod_cc_sample){
        .now = env->now,
        .acked = acked,
        .flight = flight,
        .mss = nod_tcb_mss(tcb),
        .srtt_us = tcb->srtt_us,
        .limited = tcb->work->limited,
    };
}

static void trace_cwnd(struct nod_env *env, const struct nod_tcb *tcb)
{
    nod_trace *event = nod_tcb_trace(env, tcb, NOD_TRACE_CWND);
    if (!event) return;
    event->u.cwnd.cwnd = tcb->cc.cwnd;
    event->u.cwnd.ssthresh = tcb->cc.ssthresh;
}

/* Once in a window of data, whatever the reason (RFC 3168 6.1.2); and the peer is told. */
static void was_reduced(struct nod_tcb *tcb)
{
    tcb->work->reduced = tcb->snd.nxt;
    if (tcb->flags & TCB_ECN) tcb->flags |= TCB_CWR;
}

static void retransmit_first(struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    w->rtx = tcb->snd.una;
    w->rtx_end = tcb->snd.una + min_u32(nod_tcb_mss(tcb), tcb->snd.nxt - tcb->snd.una);
    w->rtx_why = NOD_WHY_RETRANSMIT_FAST;
    w->timed_at = NOD_NEVER;
}

/* RFC 6582 section 3.2, step 3. */
static void partial_or_full_ack(struct nod_tcb *tcb, uint32_t acked)
{
    struct nod_work *w = tcb->work;
    uint32_t mss = nod_tcb_mss(tcb);
    if (seq_ge(tcb->snd.una, w->recover)) {
        uint32_t flight = tcb->snd.nxt - tcb->snd.una;
        tcb->cc.cwnd = min_u32(tcb->cc.ssthresh, max_u32(flight, mss) + mss);
        w->recovery = false;
        return;
    }
    tcb->cc.cwnd = tcb->cc.cwnd > acked + mss ? tcb->cc.cwnd - acked : mss;
    if (acked >= mss) tcb->cc.cwnd += mss;
    retransmit_first(tcb);
}

void nod_loss_on_ack(struct nod_env *env, struct nod_tcb *tcb, uint32_t acked, uint32_t flight)
{
    struct nod_work *w = tcb->work;
    uint32_t before = tcb->cc.cwnd;
    w->dup_acks = 0;
    if (seq_lt(w->reduced, tcb->snd.una))
        w->reduced = tcb->snd.una - 1; /* never half a turn away */
    if (w->recovery) {
        partial_or_full_ack(tcb, acked);
    } else if (acked) {
        struct nod_cc_sample s = sample(env, tcb, acked, flight);
        nod_cc_ops(&tcb->cc)->on_ack(&tcb->cc, &tcb->work->cc_own, &s);
    }
    if (tcb->cc.cwnd != before) trace_cwnd(env, tcb);
}

void nod_loss_on_duplicate_ack(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    uint32_t mss = nod_tcb_mss(tcb);
    if (w->dup_acks < UINT16_MAX) w->dup_acks++;
    if (w->recovery) {
        if (tcb->cc.cwnd < 1u << 30) tcb->cc.cwnd += mss; /* a segment has left the network */
        return;
    }
    /* Not for what was outstanding when an earlier recovery or timeout began (6582 4.1). */
    if (w->dup_acks != DUP_THRESH || seq_le(tcb->snd.una, w->recover)) return;
    struct nod_cc_sample s = sample(env, tcb, 0, tcb->snd.nxt - tcb->snd.una);
    /* Not again for a window whose marks were heeded. */
    if (seq_ge(tcb->snd.una, w->reduced)) {
        nod_cc_ops(&tcb->cc)->on_loss(&tcb->cc, &tcb->work->cc_own, &s);
        was_reduced(tcb);
    }
    tcb->cc.cwnd = tcb->cc.ssthresh + DUP_THRESH * mss;
    w->recover = tcb->snd.nxt;
    w->recovery = true;
    retransmit_first(tcb);
    trace_cwnd(env, tcb);
}

/* RFC 6298 5.4 to 5.6, RFC 5681 3.1: everything outstanding is taken for lost and sent again
 * from the front, as slow start allows. */
void nod_loss_on_timeout(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    if (!nod_tcb_syn_unacked(tcb)) {
        struct nod_cc_sample s = sample(env, tcb, 0, tcb->snd.nxt - tcb->snd.una);
        nod_cc_ops(&tcb->cc)->on_timeout(&tcb->cc, &tcb->work->cc_own, &s, w->retransmits > 0);
        was_reduced(tcb);
        if (tcb->flags & TCB_ACCECN) nod_accecn_timeout(tcb);
        trace_cwnd(env, tcb);
    }
    w->recovery = false;
    w->dup_acks = 0;
    w->recover = tcb->snd.nxt;
    w->rtx = tcb->snd.una;
    w->rtx_end = tcb->snd.nxt;
    w->rtx_why = NOD_WHY_RETRANSMIT_TIMEOUT;
    w->timed_at = NOD_NEVER;
    w->retransmits += w->retransmits < UINT16_MAX;
    tcb->rto_us = (uint32_t)min_u64(2 * (uint64_t)tcb->rto_us, tcb->config->c.rto_max_us);
}

/* RFC 3168 section 6.1.2. While CWR has not been said, ECE goes on about what was heeded. A window
 * of one segment cannot be halved: the next one waits for the retransmission timer. */
void nod_loss_on_ecn(struct nod_env *env, struct nod_tcb *tcb, uint32_t ack)
{
    struct nod_work *w = tcb->work;
    if (seq_lt(ack, tcb->snd.una)) return;
    w->limited = false; /* the window does not grow by this ACK */
    if (seq_le(ack, w->reduced) || w->recovery || tcb->flags & TCB_CWR) return;
    bool least = tcb->cc.cwnd <= nod_tcb_mss(tcb);
    uint32_t flight = nod_tcb_syn_unacked(tcb) ? tcb->cc.cwnd : tcb->snd.nxt - tcb->snd.una;
    struct nod_cc_sample s = sample(env, tcb, 0, flight);
    nod_cc_ops(&tcb->cc)->on_ecn(&tcb->cc, &tcb->work->cc_own, &s);
    was_reduced(tcb);
    if (least) nod_timers_on_hold(env, tcb);
    trace_cwnd(env, tcb);
}
