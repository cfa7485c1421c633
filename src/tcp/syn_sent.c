/* SEGMENT ARRIVES in SYN-SENT (RFC 9293 section 3.10.7.3). */
#include "tcp/tcb.h"

static void drop(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                 enum nod_drop reason)
{
    nod_drop_segment(env, &tcb->rec, seg->frame, reason);
}

/* False: no memory. */
static bool take_syn(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg)
{
    tcb->rcv.irs = seg->seq;
    tcb->rcv.nxt = tcb->rcv.acked = tcb->rcv.edge = seg->seq + 1;
    tcb->work->recvq.base = tcb->rcv.nxt;
    nod_tcb_negotiate(env, tcb, &seg->h.opt, seg->family);
    nod_uto_take(env, tcb, &seg->h.opt);
    if (tcb->flags & TCB_TS) {
        tcb->ts_recent = seg->h.opt.ts_val;
        tcb->ts_recent_s = (uint32_t)(env->now / NOD_SEC);
    }
    tcb->snd.wnd = tcb->snd.max_wnd = seg->h.wnd; /* never scaled on a SYN */
    tcb->snd.wl1 = seg->seq;
    tcb->snd.wl2 = seg->h.ack;
    nod_cc_ops(&tcb->cc)->init(&tcb->cc, &tcb->work->cc_own, nod_tcb_mss(tcb));
    /* What our SYN offered, unscaled: the window that the peer may count on already. */
    tcb->rcv.edge = tcb->rcv.nxt + min_u32(tcb->config->c.receive_buffer, UINT16_MAX);
    return nod_ecn_syn_sent(env, tcb, seg);
}

void nod_syn_sent_input(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    bool acked = seg->h.ctl & NOD_ACK;
    if (acked && (seq_le(seg->h.ack, tcb->snd.una) || seq_gt(seg->h.ack, tcb->snd.nxt))) {
        nod_reply_as(nod_reply_rst(env, &tcb->rec.key, seg, NOD_SYN_SENT, NOD_WHY_RST_BAD_ACK),
                     &tcb->config->c);
        drop(env, tcb, seg, seg->h.ctl & NOD_RST ? NOD_DROP_RST : NOD_DROP_ACK);
        return;
    }
    if (seg->h.ctl & NOD_RST) {
        if (!acked) {
            drop(env, tcb, seg, NOD_DROP_RST);
            return;
        }
        if (nod_ecn_try_without(tcb)) { /* RFC 3168 6.1.1.1 */
            drop(env, tcb, seg, NOD_DROP_RST);
            return;
        }
        env->stats.resets_in++;
        nod_tcb_end(env, tcb, NOD_EREFUSED);
        return;
    }
    if (!seg->syn) {
        drop(env, tcb, seg, NOD_DROP_LISTEN);
        return;
    }
    if (!take_syn(env, tcb, seg)) {
        drop(env, tcb, seg, NOD_DROP_MEMORY);
        return;
    }
    seg->seq++;
    seg->syn = false;
    if (!acked) { /* simultaneous open (MUST-10) */
        nod_tcb_set_state(env, tcb, NOD_SYN_RECEIVED);
        tcb->work->syn_due = true;
        tcb->work->timed_at = NOD_NEVER;
        return;
    }
    nod_tcb_established(env, tcb, seg);
    nod_tcb_process_ack(env, tcb, seg);
    nod_tcb_after_syn_text(tcb); /* 7413/07 */
    nod_tcb_ack_now(tcb, NOD_WHY_ACK_HANDSHAKE);
    /* Text and FIN on a SYN,ACK are legal: steps 6 to 8, as if they came behind it. */
    if (segment_len(seg)) {
        seg->h.opt.has_wscale = false;
        nod_tcb_input(env, tcb, seg);
    }
}
