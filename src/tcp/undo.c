/* False alarms: what was sent again needlessly costs no congestion window. Seen by timestamps
 * (Eifel, RFC 3522), by duplicates that the peer tells of (RFC 2883, RFC 3708), and after a
 * timeout by what arrives that was sent before it (F-RTO, RFC 5682). */
#include "tcp/tcb.h"

void nod_loss_remember(struct nod_tcb *tcb)
{
    struct nod_loss *l = &tcb->work->loss;
    /* A timeout in the middle of a recovery: both are a false alarm, or none is. */
    if (l->may_undo && l->phase != NOD_LOSS_NONE) return;
    l->undo_cwnd = tcb->cc.cwnd;
    l->undo_ssthresh = tcb->cc.ssthresh;
    l->may_undo = true;
    l->undo_from = tcb->snd.una;
    /* What an earlier recovery has sent again and is still out answers for this one, too: that it
     * arrives is no false alarm. */
    l->undo_again = l->board.again;
    if (!l->board.again) l->undo_at = 0;
}

static void undo(struct nod_tcb *tcb)
{
    struct nod_loss *l = &tcb->work->loss;
    uint32_t cwnd = max_u32(tcb->cc.cwnd, l->undo_cwnd);
    tcb->flags &= ~(uint32_t)TCB_IN_ORDER;
    nod_board_unlose(&l->board);
    nod_loss_leave_recovery(tcb);
    tcb->cc.cwnd = cwnd;
    tcb->cc.ssthresh = l->undo_ssthresh;
    nod_cc_ops(&tcb->cc)->on_undo(&tcb->cc, &tcb->work->cc_own);
    tcb->work->retransmits = 0;
    tcb->work->reduced = tcb->snd.una - 1; /* another loss in this window counts again */
    l->may_undo = false;
}

/* The ACK answers what was sent before anything was sent again. */
static bool echo_is_older(const struct nod_loss *l, const struct nod_ack *a)
{
    return l->phase != NOD_LOSS_NONE && a->moved && l->undo_at && a->echo.is_there &&
           seq_lt(a->echo.ms, nod_usec_ms(l->undo_at));
}

void nod_loss_undo_if_false(struct nod_tcb *tcb, const struct nod_ack *a)
{
    struct nod_loss *l = &tcb->work->loss;
    if (l->phase == NOD_LOSS_NONE && seq_gt(tcb->snd.una, l->undo_until)) l->may_undo = false;
    if (!l->may_undo || !tcb->config->c.undo) return;
    bool all_twice = false;
    /* Not of what was sent again in an earlier recovery. */
    if (a->dsack && l->undo_again && seq_gt(a->dsack_to, l->undo_from)) {
        uint32_t octets = a->dsack_to - a->dsack_from;
        l->undo_again -= min_u32(octets, l->undo_again);
        all_twice = !l->undo_again && !l->board.lost;
    }
    if (echo_is_older(l, a) || all_twice) undo(tcb);
}

void nod_loss_frto(struct nod_tcb *tcb, const struct nod_ack *a)
{
    struct nod_loss *l = &tcb->work->loss;
    if (l->frto == NOD_FRTO_OFF) return;
    /* Step 3.b, and the SACK variant: what was sent just once and before the timeout arrives.
     * Without SACK the first ACK proves nothing: that may have come long before, its ACKs lost. */
    bool tells = tcb->flags & TCB_SACK || l->frto == NOD_FRTO_SENT_NEW;
    if (tells && a->d.any_once && seq_le(a->d.once_end, l->recover) && l->undo_at) {
        undo(tcb);
        return;
    }
    if (a->old) return;
    bool try_new = l->frto == NOD_FRTO_SENT_AGAIN && a->moved;
    l->frto = try_new ? NOD_FRTO_SENT_NEW : NOD_FRTO_OFF;
}
