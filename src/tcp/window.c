/* The receive window (RFC 9293 section 3.8.6): how far its right edge goes, and when. It never
 * moves left (SHLD-14), and moves right only by something worth having (MUST-39). */
#include "tcp/tcb.h"

uint8_t nod_window_scale(uint32_t buffer)
{
    uint8_t scale = 0;
    while (scale < 14 && buffer >> scale > UINT16_MAX) scale++;
    return scale;
}

uint32_t nod_tcb_rcv_wnd(const struct nod_tcb *tcb)
{
    return seq_gt(tcb->rcv.edge, tcb->rcv.nxt) ? tcb->rcv.edge - tcb->rcv.nxt : 0;
}

/* The edge that the buffer has room for. */
static uint32_t possible_edge(const struct nod_env *env, const struct nod_tcb *tcb)
{
    return tcb->rcv.nxt +
           min_u32(nod_tune_window(env, tcb), (uint32_t)UINT16_MAX << tcb->rcv_scale);
}

/* How far the edge could move: 0 if that is not yet worth it (3.8.6.2.2). */
static uint32_t worthwhile_gain(const struct nod_env *env, const struct nod_tcb *tcb)
{
    int32_t gain = seq_diff(possible_edge(env, tcb), tcb->rcv.edge);
    uint32_t least = min_u32(nod_tune_receive_buffer(tcb) / 2, tcb->work->rcv_mss);
    return gain > 0 && (uint32_t)gain >= least ? (uint32_t)gain : 0;
}

uint16_t nod_tcb_offer_window(const struct nod_env *env, struct nod_tcb *tcb, bool syn)
{
    uint32_t buffer = tcb->config->c.receive_buffer;
    if (syn) {
        uint32_t used = tcb->work->recvq.bytes; /* text of the SYN */
        uint32_t offer = min_u32(buffer > used ? buffer - used : 0, UINT16_MAX);
        if (tcb->rec.state != NOD_SYN_SENT)
            tcb->rcv.edge = seq_max(tcb->rcv.edge, tcb->rcv.nxt + offer);
        return (uint16_t)offer;
    }
    tcb->rcv.edge += worthwhile_gain(env, tcb);
    uint32_t wnd = nod_tcb_rcv_wnd(tcb);
    uint32_t unit = (uint32_t)1 << tcb->rcv_scale;
    /* Rounded up when there is room, so that scaling does not move the edge to the left. */
    uint32_t field = min_u32((wnd + unit - 1) >> tcb->rcv_scale, UINT16_MAX);
    uint32_t edge = tcb->rcv.nxt + (field << tcb->rcv_scale);
    if (seq_gt(edge, seq_max(possible_edge(env, tcb), tcb->rcv.edge)))
        field = wnd >> tcb->rcv_scale;
    tcb->rcv.edge = seq_max(tcb->rcv.edge, tcb->rcv.nxt + (field << tcb->rcv_scale));
    return (uint16_t)field;
}

/* A segment of its own only says what doubles the window: a reader of small bites does not cost the
 * network one for each. The rest is said by the ACKs of what the peer sends. But a peer who knows
 * of no window, as there was none of a whole unit, sends nothing. */
static bool doubles_window(const struct nod_tcb *tcb, uint32_t gain)
{
    uint32_t wnd = nod_tcb_rcv_wnd(tcb), said = wnd >> tcb->rcv_scale;
    return (wnd + gain) >> tcb->rcv_scale >= max_u32(2 * said, 1);
}

void nod_tcb_after_read(const struct nod_env *env, struct nod_tcb *tcb)
{
    if (tcb->rec.state != NOD_ESTABLISHED && tcb->rec.state != NOD_FIN_WAIT_1 &&
        tcb->rec.state != NOD_FIN_WAIT_2)
        return;
    uint32_t gain = worthwhile_gain(env, tcb), buffer = nod_tune_receive_buffer(tcb);
    if (gain && (gain >= buffer / 2 || doubles_window(tcb, gain)))
        nod_tcb_ack_now(tcb, NOD_WHY_WINDOW_UPDATE);
    /* The end of a burst: the peer may wait for nothing but this, and no answer was given that
     * could take it along. */
    const struct nod_work *w = tcb->work;
    bool delayed = w->at[NOD_TIMER_DELAYED_ACK] != NOD_NEVER;
    if (w->pushed && delayed && !w->recvq.bytes && tcb->config->c.quick_ack_bytes)
        nod_tcb_ack_now(tcb, NOD_WHY_ACK_AT_ONCE);
}
