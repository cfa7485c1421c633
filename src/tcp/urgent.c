/* Urgent data (RFC 9293 section 3.8.5). It stays in the stream; all that is special about it is
 * where it ends: the pointer names the octet that follows (MUST-62). Of any length (MUST-31): the
 * end is kept as a sequence number, and what one segment can say of it is cut to 16 bits. */
#include "tcp/tcb.h"

void nod_urgent_send(struct nod_tcb *tcb)
{
    tcb->rare->snd_up = nod_tcb_data_end(tcb);
    tcb->flags |= TCB_URGENT_OUT;
}

void nod_urgent_say(const struct nod_tcb *tcb, struct nod_tcp_header *h)
{
    if (!(tcb->flags & TCB_URGENT_OUT) || seq_ge(h->seq, tcb->rare->snd_up)) return;
    h->ctl |= NOD_URG;
    h->up = (uint16_t)min_u32(tcb->rare->snd_up - h->seq, UINT16_MAX);
}

void nod_urgent_acked(struct nod_tcb *tcb)
{
    if (tcb->flags & TCB_URGENT_OUT && seq_ge(tcb->snd.una, tcb->rare->snd_up))
        tcb->flags &= ~(uint32_t)TCB_URGENT_OUT;
}

/* The next octet that RECEIVE will give. */
static uint32_t consumed(const struct nod_tcb *tcb)
{
    return tcb->work ? tcb->work->recvq.base : tcb->rcv.nxt;
}

/* Told when the pointer comes, and whenever it advances (MUST-32). A peer that has no end of
 * urgent data in sight repeats it, so memory that is short now only puts it off. */
void nod_urgent_arrives(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg)
{
    uint32_t up = seg->h.seq + seg->h.up;
    if (!(seg->h.ctl & NOD_URG) || seq_le(up, consumed(tcb))) return;
    if (tcb->flags & TCB_URGENT_IN && seq_le(up, tcb->rare->rcv_up)) return;
    struct nod_rare *r = nod_tcb_rare(env, tcb);
    if (!r) return;
    r->rcv_up = up;
    tcb->flags |= TCB_URGENT_IN;
    nod_tcb_event(tcb, NOD_EVENT_URGENT);
}

uint32_t nod_urgent_unread(const struct nod_tcb *tcb)
{
    if (!(tcb->flags & TCB_URGENT_IN)) return 0;
    uint32_t at = consumed(tcb);
    return seq_gt(tcb->rare->rcv_up, at) ? tcb->rare->rcv_up - at : 0;
}

void nod_urgent_read(struct nod_tcb *tcb)
{
    if (!nod_urgent_unread(tcb)) tcb->flags &= ~(uint32_t)TCB_URGENT_IN;
}
