/* The tail loss probe (RFC 8985 section 7): when an ACK is overdue one segment asks for it, so
 * that RACK sees what is lost at the end of a flight without waiting for the timeout. */
#include "tcp/tcb.h"

#define ACK_DELAY_MAX (200 * NOD_MSEC)

void nod_loss_arm_probe(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    const struct nod_loss *l = &w->loss;
    w->at[NOD_TIMER_LOSS_PROBE] = NOD_NEVER;
    /* 7.3: one at a time, and not without an RTT since the last. */
    bool may = !l->probe_out && l->probe_ready;
    bool fits = tcb->flags & TCB_SACK && tcb->config->c.loss_probe && l->phase == NOD_LOSS_NONE &&
                !l->board.sacked && l->board.runs && may && tcb->snd.wnd && !w->held;
    if (!fits || w->at[NOD_TIMER_RETRANSMIT] == NOD_NEVER) return;
    nod_usec wait = tcb->srtt_us ? 2 * (nod_usec)tcb->srtt_us : NOD_SEC;
    /* The peer may delay its ACK of a single segment. */
    if (nod_board_octets(&l->board) <= nod_tcb_mss(tcb)) wait += ACK_DELAY_MAX;
    wait = max_u64(wait, 2 * NOD_MSEC);
    w->at[NOD_TIMER_LOSS_PROBE] = min_u64(env->now + wait, w->at[NOD_TIMER_RETRANSMIT]);
}

void nod_loss_on_probe_timer(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    if (nod_mtu_on_silence(env, tcb)) return;
    w->loss_probe_due = true;
    w->at[NOD_TIMER_RETRANSMIT] = env->now + tcb->rto_us;
}

void nod_loss_probe_sent(struct nod_tcb *tcb, bool again)
{
    struct nod_loss *l = &tcb->work->loss;
    l->probe_out = true;
    l->probe_again = again;
    l->probe_ready = false;
    l->probe_end = tcb->snd.nxt;
    tcb->work->at[NOD_TIMER_LOSS_PROBE] = NOD_NEVER;
}

bool nod_loss_probe_acked(struct nod_tcb *tcb, const struct nod_ack *a)
{
    struct nod_loss *l = &tcb->work->loss;
    if (!l->probe_out || seq_lt(tcb->snd.una, l->probe_end)) return false;
    bool twice = a->dsack && a->dsack_to == l->probe_end;
    bool beyond = seq_gt(tcb->snd.una, l->probe_end);
    if (!l->probe_again || twice) {
        l->probe_out = false;
    } else if (beyond) { /* nothing came twice: the probe took the place of a lost segment */
        l->probe_out = false;
        return true;
    } else if (a->duplicate && !a->d.octets) {
        l->probe_out = false;
    }
    return false;
}
