/* Picks the next segment of a connection: a SYN, what is to be sent again, new data and the
 * FIN as the windows, Nagle (RFC 9293 3.7.4) and silly-window avoidance (3.8.6.2.1) allow, or
 * a bare ACK. Only here is anything counted as sent. */
#include "tcp/tcb.h"

#define OVERRIDE_US (200 * NOD_MSEC) /* 3.8.6.2.1: 0.1 to 1.0 s */

static void add_ack_options(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    if (tcb->flags & TCB_TS) {
        out->h.opt.has_ts = true;
        out->h.opt.ts_val = nod_tcb_ts(env, tcb->ts_offset);
        out->h.opt.ts_ecr = tcb->ts_recent;
    }
    if (tcb->flags & TCB_SACK && tcb->work->ooq.count) {
        int max = tcb->flags & TCB_TS ? 3 : 4;
        out->h.opt.sack_count =
            (uint8_t)nod_reassembly_blocks(&tcb->work->ooq, out->h.opt.sack, max);
    }
}

static void fill_header(struct nod_env *env, struct nod_tcb *tcb, uint32_t seq, uint16_t ctl,
                        enum nod_why why, struct nod_out *out)
{
    out->h = (struct nod_tcp_header){
        .src_port = tcb->rec.key.local_port,
        .dst_port = tcb->rec.key.remote_port,
        .seq = seq,
        .ack = ctl & NOD_ACK ? tcb->rcv.nxt : 0,
        .ctl = ctl,
    };
    out->text = 0;
    out->parts = 0;
    out->gso_size = 0;
    out->why = (uint8_t)why;
    out->ecn = NOD_NOT_ECT;
    out->retransmission = false;
    if (ctl & NOD_SYN) return;
    add_ack_options(env, tcb, out);
    if (nod_tcb_has_ecn(tcb)) nod_ecn_leaves(env, tcb, out);
}

/* The segment leaves: whatever ACK was due goes with it. */
static void leave(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    struct nod_work *w = tcb->work;
    out->h.wnd = nod_tcb_offer_window(tcb, out->h.ctl & NOD_SYN);
    if (!(out->h.ctl & NOD_ACK)) return;
    w->ack_why = 0;
    w->at[NOD_TIMER_DELAYED_ACK] = NOD_NEVER;
    w->unacked_in = 0;
    tcb->rcv.acked = tcb->rcv.nxt;
    if (tcb->flags & TCB_ACCECN && !(out->h.ctl & NOD_SYN)) nod_accecn_left(env, tcb, out);
}

static bool send_syn(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    struct nod_work *w = tcb->work;
    const nod_tcp_config *c = &tcb->config->c;
    bool answer = tcb->rec.state != NOD_SYN_SENT; /* SYN,ACK: only what was agreed */
    bool again = w->retransmits > 0;
    enum nod_why why = again ? NOD_WHY_RETRANSMIT_TIMEOUT : NOD_WHY_OPEN;
    fill_header(env, tcb, tcb->snd.iss, answer ? NOD_SYN | NOD_ACK : NOD_SYN, why, out);
    struct nod_tcp_options *opt = &out->h.opt;
    opt->has_mss = true;
    opt->mss = w->adv_mss;
    opt->has_wscale = answer ? tcb->flags & TCB_SCALE : c->window_scale;
    opt->wscale = nod_window_scale(c->receive_buffer);
    opt->sack_permitted = answer ? tcb->flags & TCB_SACK : c->sack;
    opt->has_ts = answer ? tcb->flags & TCB_TS : c->timestamps;
    opt->ts_val = nod_tcb_ts(env, tcb->ts_offset);
    opt->ts_ecr = answer ? tcb->ts_recent : 0;
    if (answer)
        nod_ecn_answer(tcb, out);
    else
        out->h.ctl |= nod_ecn_syn_flags(tcb);
    out->retransmission = again;
    tcb->segments_retransmitted += again;
    w->syn_due = false;
    if (!again && !answer) {
        w->timed_end = tcb->snd.iss + 1;
        w->timed_at = env->now;
    }
    leave(env, tcb, out);
    nod_timers_on_sent(env, tcb);
    return true;
}

/* Fills in text [seq, seq+len), fewer octets if they lie in too many blocks. */
static void add_text(const struct nod_tcb *tcb, uint32_t seq, uint32_t len, struct nod_out *out)
{
    uint32_t got;
    out->parts = nod_queue_share(&tcb->work->sendq, seq, len, out->part, NOD_FRAME_PARTS, &got);
    uint32_t mss = nod_tcb_mss(tcb);
    if (out->h.opt.accecn_kind) mss -= (uint32_t)nod_tcp_accecn_size(out->h.opt.accecn_fields);
    out->text = got;
    if (got > mss) out->gso_size = (uint16_t)mss;
}

static void fin_leaves(struct nod_env *env, struct nod_tcb *tcb)
{
    if (tcb->flags & TCB_FIN_SENT) return;
    tcb->flags |= TCB_FIN_SENT;
    tcb->snd.nxt++;
    /* CLOSE in CLOSE-WAIT: everything is segmentized now (3.10.4). */
    if (tcb->rec.state == NOD_CLOSE_WAIT) nod_tcb_set_state(env, tcb, NOD_LAST_ACK);
}

/* SACK blocks ride on text only where there is room beside it; pick sees to it that a bare ACK
 * has said them first. */
static void drop_sack_that_does_not_fit(const struct nod_tcb *tcb, uint32_t len,
                                        struct nod_out *out)
{
    uint32_t size = out->h.opt.sack_count ? 4 + 8u * out->h.opt.sack_count : 0;
    if (len + size > nod_tcb_mss(tcb)) out->h.opt.sack_count = 0;
}

/* Notes what congestion control, RTT and counters want to know of a segment with text or FIN
 * that ends before `end`. */
static void note_sent(struct nod_env *env, struct nod_tcb *tcb, const struct nod_out *out,
                      uint32_t end)
{
    struct nod_work *w = tcb->work;
    uint32_t mss = nod_tcb_mss(tcb), flight = tcb->snd.nxt - tcb->snd.una;
    if (out->retransmission) {
        tcb->segments_retransmitted += out->text ? (out->text + mss - 1) / mss : 1;
    } else if (w->timed_at == NOD_NEVER) {
        w->timed_end = end;
        w->timed_at = env->now;
    }
    w->last_send = env->now;
    bool slow_start = tcb->cc.cwnd < tcb->cc.ssthresh;
    w->limited = slow_start ? flight >= tcb->cc.cwnd / 2 : flight + mss > tcb->cc.cwnd;
}

/* Sends [seq, seq+len) of the stream, new or again, and the FIN if asked. */
static bool send_text(struct nod_env *env, struct nod_tcb *tcb, uint32_t seq, uint32_t len,
                      bool fin, enum nod_why why, struct nod_out *out)
{
    fill_header(env, tcb, seq, NOD_ACK, why, out);
    drop_sack_that_does_not_fit(tcb, len, out);
    out->retransmission = seq_lt(seq, tcb->snd.nxt);
    uint32_t behind = nod_tcb_data_end(tcb) - (seq + len);
    uint32_t fit = nod_accecn_fit(out, len, nod_tcb_mss(tcb), behind);
    if (fit) add_text(tcb, seq, fit, out);
    if (nod_tcb_has_ecn(tcb)) nod_ecn_text_leaves(tcb, out);
    uint32_t end = seq + out->text;
    if (end == nod_tcb_data_end(tcb) && out->text) out->h.ctl |= NOD_PSH; /* MUST-61 */
    tcb->snd.nxt = seq_max(tcb->snd.nxt, end);
    if (fin && out->text == len) {
        out->h.ctl |= NOD_FIN;
        fin_leaves(env, tcb);
        end++;
    }
    note_sent(env, tcb, out, end);
    leave(env, tcb, out);
    nod_timers_on_sent(env, tcb);
    return true;
}

static uint32_t whole_segments(const struct nod_tcb *tcb, uint32_t len)
{
    uint32_t mss = nod_tcb_mss(tcb);
    return len > mss ? len - len % mss : len;
}

/* How much of [from, ...) the smaller of two windows of the peer's and the network's lets
 * pass. */
static uint32_t room_after(const struct nod_tcb *tcb, uint32_t from, uint32_t extra_cwnd)
{
    uint32_t used = from - tcb->snd.una;
    uint32_t limit = min_u32(tcb->snd.wnd, tcb->cc.cwnd + extra_cwnd);
    return limit > used ? limit - used : 0;
}

static bool send_again(struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max,
                       struct nod_out *out)
{
    struct nod_work *w = tcb->work;
    uint32_t mss = nod_tcb_mss(tcb), data_end = nod_tcb_data_end(tcb), from = w->rtx;
    uint32_t room = room_after(tcb, from, 0);
    if (from == tcb->snd.una) room = max_u32(room, min_u32(mss, tcb->snd.wnd));
    if (!room) return false;
    uint32_t again_end = seq_min(w->rtx_end, data_end);
    uint32_t len = seq_gt(again_end, from) ? again_end - from : 0;
    /* A short segment at the end is filled up with what was not sent yet. */
    if (len < mss && again_end == tcb->snd.nxt) len = min_u32(mss, data_end - from);
    uint32_t want = len;
    len = min_u32(len, whole_segments(tcb, min_u32(room, text_max)));
    /* No window is filled up with a crumb: the next ACK makes room for a whole segment. */
    if (len < mss && len < want && from != tcb->snd.una) return false;
    bool fin = tcb->flags & TCB_CLOSED && from + len == data_end &&
               (!(tcb->flags & TCB_FIN_SENT) || seq_gt(w->rtx_end, data_end));
    if (!len && !fin) {
        w->rtx = w->rtx_end;
        return false;
    }
    enum nod_why why = w->rtx_why;
    send_text(env, tcb, from, len, fin, why, out);
    w->rtx = from + out->text + (out->h.ctl & NOD_FIN ? 1 : 0);
    w->rtx_end = seq_max(w->rtx, w->rtx_end);
    return true;
}

/* May a segment that is not full leave? */
static bool small_is_allowed(const struct nod_tcb *tcb, uint32_t len, uint32_t avail)
{
    const struct nod_work *w = tcb->work;
    bool idle = tcb->snd.nxt == tcb->snd.una;
    if (w->override_due) return true;
    if (len == avail) {
        if (tcb->flags & TCB_CLOSED) return true; /* the FIN goes with it */
        if (!w->more && (idle || !tcb->config->c.nagle)) return true;
    }
    return len >= max_u32(tcb->snd.max_wnd / 2, 1) && !w->more;
}

static bool send_new(struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max,
                     struct nod_out *out)
{
    struct nod_work *w = tcb->work;
    uint32_t mss = nod_tcb_mss(tcb), avail = nod_tcb_data_end(tcb) - tcb->snd.nxt;
    if (w->held) return false;
    if (tcb->flags & TCB_CWR)
        text_max = mss; /* that goes with one packet, not with a large segment */
    if (tcb->snd.nxt == tcb->snd.una && env->now - w->last_send > tcb->rto_us)
        nod_cc_ops(&tcb->cc)->on_idle(&tcb->cc, mss); /* RFC 5681 4.1 */
    /* Limited transmit (RFC 3042): the first two duplicate ACKs each let one more out. */
    uint32_t extra = w->recovery ? 0 : min_u32(w->dup_acks, 2) * mss;
    uint32_t room = room_after(tcb, tcb->snd.nxt, extra);
    uint32_t len = min_u32(min_u32(avail, room), text_max);
    if (len >= mss) {
        len = whole_segments(tcb, len);
    } else if (len && !small_is_allowed(tcb, len, avail)) {
        /* Nothing will come to let it go by itself: the override timer does. */
        if ((tcb->snd.nxt == tcb->snd.una || w->more) && w->at[NOD_TIMER_SWS_OVERRIDE] == NOD_NEVER)
            w->at[NOD_TIMER_SWS_OVERRIDE] = env->now + OVERRIDE_US;
        return false;
    }
    bool fin = tcb->flags & TCB_CLOSED && len == avail && tcb->snd.wnd > 0;
    if (!len && !fin) return false;
    w->override_due = false;
    w->at[NOD_TIMER_SWS_OVERRIDE] = NOD_NEVER;
    return send_text(env, tcb, tcb->snd.nxt, len, fin, fin ? NOD_WHY_FIN : NOD_WHY_DATA, out);
}

/* One octet at the left edge of a closed window: it may be data or the FIN (MUST-36). */
static bool send_probe(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    tcb->work->probe_due = false;
    if (tcb->snd.wnd) return false;
    uint32_t at = tcb->snd.una;
    bool data = seq_lt(at, nod_tcb_data_end(tcb));
    if (!data && !(tcb->flags & TCB_CLOSED)) return false;
    return send_text(env, tcb, at, data ? 1 : 0, !data, NOD_WHY_WINDOW_PROBE, out);
}

static bool may_send_text(const struct nod_tcb *tcb)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_ESTABLISHED:
    case NOD_CLOSE_WAIT:
    case NOD_FIN_WAIT_1:
    case NOD_CLOSING:
    case NOD_LAST_ACK: return true;
    case NOD_CLOSED:
    case NOD_LISTEN:
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED:
    case NOD_FIN_WAIT_2:
    case NOD_TIME_WAIT: return false;
    }
    return false;
}

static bool send_ack(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    if (!tcb->work->ack_why || tcb->rec.state == NOD_SYN_SENT) return false;
    fill_header(env, tcb, tcb->snd.nxt, NOD_ACK, tcb->work->ack_why, out);
    leave(env, tcb, out);
    return true;
}

static bool pick(struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max, struct nod_out *out)
{
    struct nod_work *w = tcb->work;
    if (w->syn_due) return send_syn(env, tcb, out);
    bool gap = w->ooq.count && tcb->flags & TCB_SACK;
    if (gap && send_ack(env, tcb, out)) return true; /* all of its SACK blocks */
    if (tcb->flags & TCB_REFLECT && send_ack(env, tcb, out)) return true; /* RFC 9768 3.2.2.1 */
    if (may_send_text(tcb)) {
        if (w->probe_due && send_probe(env, tcb, out)) return true;
        bool again = seq_lt(w->rtx, w->rtx_end);
        if (again && send_again(env, tcb, text_max, out)) return true;
        /* In NewReno's recovery new data may pass what waits; after a timeout it may not. */
        if ((!again || w->recovery) && !(tcb->flags & TCB_FIN_SENT) &&
            send_new(env, tcb, text_max, out))
            return true;
    }
    return send_ack(env, tcb, out);
}

bool nod_tcb_output(struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max,
                    struct nod_out *out)
{
    if (tcb->rec.state == NOD_CLOSED || tcb->rec.state == NOD_TIME_WAIT) return false;
    /* Whole segments only, and no more of them than one frame may carry. */
    uint32_t mss = nod_tcb_mss(tcb);
    return pick(env, tcb, max_u32(mss, text_max - text_max % mss), out);
}
