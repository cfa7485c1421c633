/* Segment text (RFC 9293 section 3.10.7.4, seventh): in order to the receive queue, beyond a
 * gap to reassembly; and when it is acknowledged (3.8.6.3, RFC 5681 section 4.2). */
#include "tcp/tcb.h"

/* A smaller segment is a request, whose answer may carry the ACK. */
#define FULL_LEAST 536

void nod_tcb_ack_now(struct nod_tcb *tcb, enum nod_why why)
{
    /* The first reason stays; but that a FIN or a handshake is acknowledged says more. */
    if (!tcb->work->ack_why || why == NOD_WHY_ACK_FIN || why == NOD_WHY_ACK_HANDSHAKE)
        tcb->work->ack_why = (uint8_t)why;
}

/* Of the newest segment alone, and one run of it (RFC 2883 section 4). */
void nod_tcb_came_twice(struct nod_tcb *tcb, uint32_t from, uint32_t to)
{
    if (!(tcb->flags & TCB_SACK) || !seq_lt(from, to)) return;
    tcb->work->twice[0] = from;
    tcb->work->twice[1] = to;
}

static uint32_t full_segment(const struct nod_work *w)
{
    return max_u32(w->rcv_mss, FULL_LEAST);
}

/* A peer in slow start waits for our ACKs: at the beginning, while each round trip brings more, and
 * after a pause longer than its retransmission timeout, every full segment gets one. */
static bool is_quick(const struct nod_tcb *tcb)
{
    const struct nod_work *w = tcb->work;
    uint32_t bytes = tcb->config->c.quick_ack_bytes;
    return bytes && tcb->bytes_received <= max_u64(bytes, w->quick_end) &&
           w->unacked_in >= full_segment(w);
}

static void note_pause(const struct nod_env *env, struct nod_tcb *tcb)
{
    uint32_t pause_ms = (uint32_t)(env->now / NOD_MSEC) - tcb->received_ms;
    if (pause_ms <= tcb->rto_us / NOD_MSEC) return;
    tcb->work->quick_end = tcb->bytes_received + tcb->config->c.quick_ack_bytes;
}

static void acknowledge_later(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    const nod_tcp_config *c = &tcb->config->c;
    if (!c->delayed_ack || w->unacked_in >= 2 * w->rcv_mss || is_quick(tcb)) { /* SHLD-19 */
        nod_tcb_ack_now(tcb, NOD_WHY_ACK_SECOND);
    } else if (w->at[NOD_TIMER_DELAYED_ACK] == NOD_NEVER) {
        w->at[NOD_TIMER_DELAYED_ACK] = env->now + min_u64(c->delayed_ack_us, 499999);
    }
}

static uint32_t put_parts(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    struct nod_queue *q = &tcb->work->recvq;
    uint32_t before = q->bytes;
    for (unsigned i = 0; i < seg->part_count; i++)
        if (!nod_queue_put(q, env->pool, &seg->parts[i])) break;
    return q->bytes - before;
}

static void take_in_order(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    struct nod_work *w = tcb->work;
    uint32_t n = put_parts(env, tcb, seg);
    tcb->rcv.nxt += n;
    if (n) w->dups_due = 0;
    note_pause(env, tcb);
    bool filled = w->ooq.count;
    if (filled) {
        uint32_t more = nod_reassembly_drain(&w->ooq, env->pool, tcb->rcv.nxt, &w->recvq);
        tcb->rcv.nxt += more;
        n += more;
    }
    tcb->bytes_received += n;
    w->unacked_in += n;
    if (seg->h.ctl & NOD_PSH && w->unacked_in >= full_segment(w)) w->pushed = true;
    if (n) tcb->received_ms = (uint32_t)(env->now / 1000);
    if (n) nod_tcb_event(tcb, NOD_EVENT_READABLE);
    if (n < seg->text) {
        nod_drop_segment(env, &tcb->rec, seg->frame, NOD_DROP_MEMORY);
        nod_tcb_ack_now(tcb, NOD_WHY_ACK_DUPLICATE);
    } else if (filled) {
        nod_tcb_ack_now(tcb, NOD_WHY_ACK_AT_ONCE);
    } else {
        acknowledge_later(env, tcb);
    }
}

/* Without SACK a peer counts ACKs: each segment beyond a gap has its own, though they come together
 * (RFC 5681 4.2). */
static void count_beyond_gap(struct nod_tcb *tcb, uint32_t octets)
{
    struct nod_work *w = tcb->work;
    if (tcb->flags & TCB_SACK) return;
    uint32_t segments = w->rcv_mss ? (octets + w->rcv_mss - 1) / w->rcv_mss : 1;
    w->dups_due = (uint8_t)min_u32(w->dups_due + segments, UINT8_MAX);
}

static void hold(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    struct nod_work *w = tcb->work;
    uint32_t seq = seg->seq;
    int64_t added = 0;
    nod_count_gap(tcb, seg);
    count_beyond_gap(tcb, seg->text);
    /* What is held must not take the memory that the octets at the gap will need. */
    if (!nod_tune_may_hold(env, tcb)) added = -1;
    for (unsigned i = 0; i < seg->part_count && added >= 0; i++) {
        uint32_t len = seg->parts[i].len;
        if (len == 0) continue;
        int64_t n = nod_reassembly_add(&w->ooq, env->pool, seq, &seg->parts[i]);
        added = n < 0 ? n : added + n;
        seq += len;
    }
    if (added < 0) nod_drop_segment(env, &tcb->rec, seg->frame, NOD_DROP_MEMORY);
    if (added == 0) nod_drop_segment(env, &tcb->rec, seg->frame, NOD_DROP_DUPLICATE);
    if (added > 0) nod_tune_on_progress(env, tcb);
    nod_tcb_ack_now(tcb, NOD_WHY_ACK_AT_ONCE);
}

void nod_tcb_take_text(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    struct nod_work *w = tcb->work;
    uint32_t size = seg->text;
    /* A merged segment of many is no sign of a large MSS; and with timestamps none is as long. */
    uint32_t full = nod_tcb_agreed_mss(tcb) - (tcb->flags & TCB_TS ? 12u : 0u);
    if (size <= nod_tune_receive_buffer(tcb) / 2)
        w->rcv_mss = max_u32(w->rcv_mss, min_u32(size, full));
    nod_tune_on_text(env, tcb, seg);
    /* Of several parts that came twice the first is told (RFC 2883 section 4.2). */
    uint32_t twice[2];
    bool told = seg->h.seq != seg->seq;
    if (!told && nod_reassembly_overlap(&w->ooq, seg->seq, size, twice))
        nod_tcb_came_twice(tcb, twice[0], twice[1]);
    if (seg->seq == tcb->rcv.nxt) {
        take_in_order(env, tcb, seg);
    } else {
        hold(env, tcb, seg);
    }
}
