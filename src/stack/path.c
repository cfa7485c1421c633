/* What ICMP and other connections know of the path to a peer, and what a connection makes of it. */
#include "base/hash.h"
#include "stack/stack.h"

static uint32_t mss_of(const struct nod_tcb *tcb, uint32_t mtu)
{
    uint32_t headers = nod_key_headers(&tcb->rec.key);
    return mtu > headers ? mtu - headers : 1;
}

/* The place of an address among those whose paths keep the order, and what stands there if it is
 * one of them. */
static uint32_t *order_at(nod_stack *s, const uint8_t remote[16], uint32_t *mark)
{
    uint64_t hash = nod_hash(s->table_key, remote, 16);
    *mark = (uint32_t)hash | 1;
    return &s->in_order[(hash >> 32) % NOD_ORDERS];
}

void nod_path_tell_order(nod_stack *s, struct nod_tcb *tcb)
{
    bool in_order = tcb->flags & TCB_IN_ORDER;
    uint32_t mark, *at;
    if (in_order == (bool)(tcb->flags & TCB_ORDER_TOLD)) return;
    tcb->flags ^= TCB_ORDER_TOLD;
    at = order_at(s, tcb->rec.key.remote, &mark);
    if (in_order)
        *at = mark;
    else if (*at == mark)
        *at = 0;
}

static void look_for_order(nod_stack *s, struct nod_tcb *tcb)
{
    uint32_t mark, *at = order_at(s, tcb->rec.key.remote, &mark);
    if (*at == mark) tcb->flags |= TCB_IN_ORDER | TCB_ORDER_TOLD;
}

void nod_path_look(nod_stack *s, struct nod_tcb *tcb)
{
    if (!tcb->work->last_send) look_for_order(s, tcb);
    nod_usec until;
    uint16_t mtu = nod_net_path_mtu(&s->net, tcb->rec.key.remote, tcb->rec.iface, &until);
    nod_mtu_look(&s->env, tcb, mss_of(tcb, mtu), until);
}

/* A connection looks when it begins or wakes, when it gets no answers, and when what it knows is
 * old: one that gets on well is not disturbed by what another one was told. */
bool nod_path_is_due(const nod_stack *s, const struct nod_tcb *tcb)
{
    if (tcb->rare && tcb->rare->mtu.cap && s->env.now >= tcb->rare->mtu.raise_at) return true;
    return s->net.paths && (!tcb->work->last_send || tcb->work->retransmits);
}

void nod_path_tell(nod_stack *s, struct nod_tcb *tcb)
{
    if (!tcb->rare || !tcb->rare->mtu.tell) return;
    tcb->rare->mtu.tell = false;
    nod_net_path_learn(&s->net, tcb->rec.key.remote, nod_path_mtu(s, tcb), tcb->rare->mtu.raise_at);
}

uint16_t nod_path_mtu(const nod_stack *s, const struct nod_tcb *tcb)
{
    uint16_t mtu = nod_net_mtu(&s->net, tcb->rec.iface, nod_ip_family(tcb->rec.key.local));
    if (!tcb->rare || !tcb->rare->mtu.cap) return mtu;
    return (uint16_t)min_u32(mtu, tcb->rare->mtu.path + nod_key_headers(&tcb->rec.key));
}

/* A router says that a segment of this connection, which is out, was too big (RFC 1191, 8201). */
void nod_path_too_big(nod_stack *s, struct nod_tcb *tcb, uint32_t frame, uint32_t seq,
                      const struct nod_packet *packet)
{
    uint32_t out = tcb->rare ? max_u32(tcb->mss, tcb->rare->mtu.search.probe) : tcb->mss;
    uint32_t in_use = min_u32(out + nod_key_headers(&tcb->rec.key), UINT16_MAX);
    uint16_t mtu = nod_net_claimed_mtu(packet, (uint16_t)in_use, tcb->config->c.path_mtu_min);
    nod_trace *event = nod_tcb_trace(&s->env, tcb, NOD_TRACE_ICMP_IN);
    if (event) {
        event->frame = frame;
        event->u.icmp.type = packet->icmp_type;
        event->u.icmp.code = packet->icmp_code;
        event->u.icmp.error = 0;
        event->u.icmp.mtu = (uint16_t)min_u32(packet->next_mtu, UINT16_MAX);
    }
    if (!mtu || !nod_tcb_wake(&s->env, tcb) ||
        !nod_mtu_on_too_big(&s->env, tcb, mss_of(tcb, mtu), seq)) {
        nod_drop_segment(&s->env, &tcb->rec, frame, NOD_DROP_ICMP);
        return;
    }
    nod_path_tell(s, tcb);
    nod_settle(s, tcb);
}
