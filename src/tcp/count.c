/* What a connection counts of itself when it is told to (nod_tcp_config.counters). A connection at
 * rest cannot afford these numbers, so they are in `rare`. */
#include "tcp/tcb.h"

struct nod_counters *nod_counters(const struct nod_tcb *tcb)
{
    return tcb->rare && tcb->config->c.counters ? &tcb->rare->count : NULL;
}

void nod_count_in(struct nod_tcb *tcb, const struct nod_segment *seg)
{
    struct nod_counters *n = nod_counters(tcb);
    if (!n) return;
    n->segments_in += seg->packets;
    if (seg->text) n->text_in += seg->packets;
    n->dscp = seg->dscp;
}

void nod_count_out(struct nod_tcb *tcb, const struct nod_out *out, uint32_t nxt)
{
    struct nod_counters *n = nod_counters(tcb);
    if (!n) return;
    uint32_t pieces = out->gso_size ? (out->text + out->gso_size - 1u) / out->gso_size : 1;
    n->segments_out += pieces;
    if (!out->text || out->why == NOD_WHY_KEEPALIVE)
        return; /* that octet is none of the stream's */
    n->text_out += pieces;
    n->bytes_out += out->text;
    uint32_t first = out->h.seq + !!(out->h.ctl & NOD_SYN);
    if (!seq_lt(first, nxt)) return;
    n->text_again += pieces;
    n->bytes_again += min_u32(out->text, nxt - first);
}

void nod_count_gap(struct nod_tcb *tcb, const struct nod_segment *seg)
{
    struct nod_counters *n = nod_counters(tcb);
    if (n) n->out_of_order += seg->packets;
}

void nod_count_rtt(struct nod_tcb *tcb, uint32_t rtt_us)
{
    struct nod_counters *n = nod_counters(tcb);
    if (n && (!n->min_rtt_us || rtt_us < n->min_rtt_us)) n->min_rtt_us = rtt_us;
}

void nod_count_timeout(struct nod_tcb *tcb)
{
    struct nod_counters *n = nod_counters(tcb);
    if (n) n->timeouts++;
}

void nod_count_ack(struct nod_tcb *tcb, const struct nod_ack *a)
{
    struct nod_counters *n = nod_counters(tcb);
    if (!n) return;
    n->dsacks += a->dsack;
    /* What was sent just once comes after what was sent later. */
    n->reorderings += a->d.any_once && seq_lt(a->d.once_end, tcb->work->loss.rack.fack);
}

/* Why no more has left just now. */
static enum nod_limit limit_of(const struct nod_tcb *tcb)
{
    if (tcb->rec.state < NOD_ESTABLISHED || !tcb->work || !tcb->work->sendq.bytes)
        return NOD_LIMIT_NONE;
    uint32_t end = nod_tcb_data_end(tcb), nxt = tcb->snd.nxt;
    uint32_t unsent = seq_gt(end, nxt) ? end - nxt : 0;
    if (tcb->cc.cwnd <= nod_loss_out(tcb)) return NOD_LIMIT_BUSY; /* the network's window */
    if (!unsent) return tcb->flags & TCB_WANTS_ROOM ? NOD_LIMIT_BUFFER : NOD_LIMIT_BUSY;
    int32_t window = seq_diff(tcb->snd.una + tcb->snd.wnd, nxt);
    bool fits = window > 0 && (uint32_t)window >= min_u32(unsent, nod_tcb_mss(tcb));
    return fits ? NOD_LIMIT_BUSY : NOD_LIMIT_WINDOW;
}

void nod_count_limits(const struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_counters *n = nod_counters(tcb);
    if (!n) return;
    n->limited_us[n->limit] += env->now - n->limit_since;
    n->limit_since = env->now;
    n->limit = (uint8_t)limit_of(tcb);
}
