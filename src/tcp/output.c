/* Picks the next segment of a connection: a SYN, what is to be sent again, new data and the
 * FIN as the windows, Nagle (RFC 9293 3.7.4) and silly-window avoidance (3.8.6.2.1) allow, or
 * a bare ACK. Only here is anything counted as sent. */
#include <string.h>

#include "tcp/tcb.h"

#define OVERRIDE_US (200 * NOD_MSEC) /* 3.8.6.2.1: 0.1 to 1.0 s */

static void add_user_timeout(const struct nod_tcb *tcb, struct nod_out *out)
{
    out->h.opt.has_uto = true;
    out->h.opt.uto = nod_uto_encode(tcb->config->c.user_timeout_us);
}

static bool came_twice(const struct nod_work *w)
{
    return w->twice[0] != w->twice[1];
}

/* First what came twice, if anything did (RFC 2883), then what waits beyond a gap. */
static void add_sack(struct nod_tcb *tcb, struct nod_tcp_options *opt, int max)
{
    struct nod_work *w = tcb->work;
    int n = came_twice(w);
    if (n) memcpy(opt->sack[0], w->twice, sizeof(w->twice));
    n += nod_reassembly_blocks(&w->ooq, &opt->sack[n], max - n);
    opt->sack_count = (uint8_t)n;
}

static void add_ack_options(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    if (tcb->flags & TCB_TS) {
        out->h.opt.has_ts = true;
        out->h.opt.ts_val = nod_tcb_ts(env, tcb->ts_offset);
        out->h.opt.ts_ecr = tcb->ts_recent;
    }
    if (tcb->flags & TCB_SACK) add_sack(tcb, &out->h.opt, tcb->flags & TCB_TS ? 3 : 4);
    if (tcb->flags & TCB_UTO_DUE && !out->h.opt.sack_count) add_user_timeout(tcb, out);
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
    nod_urgent_say(tcb, &out->h);
    if (nod_tcb_has_ecn(tcb)) nod_ecn_leaves(env, tcb, out);
}

/* The segment leaves: whatever ACK was due goes with it. */
static void leave(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    struct nod_work *w = tcb->work;
    out->h.wnd = nod_tcb_offer_window(env, tcb, out->h.ctl & NOD_SYN);
    if (tcb->flags & TCB_TS) nod_tune_on_sent(env, tcb, out->h.opt.ts_val);
    if (out->h.opt.has_uto && !(out->h.ctl & NOD_SYN)) tcb->flags &= ~(uint32_t)TCB_UTO_DUE;
    if (!(out->h.ctl & NOD_ACK)) return;
    w->ack_why = 0;
    if (w->dups_due && --w->dups_due) w->ack_why = NOD_WHY_ACK_AT_ONCE;
    int blocks = out->h.opt.sack_count - came_twice(w);
    if (out->h.opt.sack_count && nod_reassembly_told(&w->ooq, blocks)) /* a batch of many gaps */
        w->ack_why = NOD_WHY_ACK_AT_ONCE;
    w->twice[0] = w->twice[1]; /* told, or taken out for lack of room */
    w->at[NOD_TIMER_DELAYED_ACK] = NOD_NEVER;
    w->unacked_in = 0;
    w->pushed = false;
    tcb->rcv.acked = tcb->rcv.nxt;
    if (tcb->flags & TCB_ACCECN && !(out->h.ctl & NOD_SYN)) nod_accecn_left(env, tcb, out);
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
 * has said them first. So does the user timeout, which waits for the next. */
static void drop_what_does_not_fit(const struct nod_tcb *tcb, uint32_t len, struct nod_out *out)
{
    if (len + 4 > nod_tcb_mss(tcb)) out->h.opt.has_uto = false;
    uint32_t size = out->h.opt.sack_count ? 4 + 8u * out->h.opt.sack_count : 0;
    if (len + size > nod_tcb_mss(tcb)) out->h.opt.sack_count = 0;
}

/* Notes what congestion control, recovery and counters want to know of a segment with text or FIN
 * [seq, end). */
static void note_sent(struct nod_env *env, struct nod_tcb *tcb, const struct nod_out *out,
                      uint32_t seq, uint32_t end)
{
    struct nod_work *w = tcb->work;
    uint32_t mss = nod_tcb_mss(tcb), before = w->loss.board.end;
    if (seq_lt(seq, before)) nod_loss_on_sent_again(env, tcb, seq, seq_min(end, before));
    if (seq_gt(end, before)) nod_loss_on_sent(env, tcb, end);
    if (out->retransmission)
        tcb->segments_retransmitted += out->text ? (out->text + mss - 1) / mss : 1;
    w->last_send = env->now;
    w->sent_flight = nod_loss_out(tcb);
    /* Who spreads a window over a round trip fills it once in that time. */
    bool filled = w->sent_flight + mss > tcb->cc.cwnd;
    w->limited = filled || (w->limited && w->pace.rate && seq_lt(tcb->snd.una, w->filled_end));
    if (filled) w->filled_end = tcb->snd.nxt;
    nod_pace_on_sent(env, tcb, end - seq);
}

/* RFC 7413: the option goes on the first SYN or SYN,ACK alone (7413/06), and with a cookie what is
 * queued goes on the SYN. */
static void add_fast_open(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    const struct nod_fast_open *fast = &tcb->rare->fast;
    struct nod_tcp_options *opt = &out->h.opt, with = *opt;
    with.has_fast_open = fast->has_option;
    with.fast_open_old = fast->old;
    with.cookie_len = fast->cookie_len;
    memcpy(with.cookie, fast->cookie, fast->cookie_len);
    if (nod_tcp_options_size(&with) > NOD_TCP_OPTIONS_MAX) return;
    *opt = with;
    if (!(tcb->flags & TCB_ACTIVE) || !fast->cookie_len || !tcb->work->sendq.bytes) return;
    uint32_t room = min_u32(fast->mss, tcb->mss), size = nod_tcp_options_size(opt);
    if (room <= size || !nod_board_ready(&tcb->work->loss.board, env->pool)) return;
    add_text(tcb, tcb->snd.iss + 1, min_u32(room - size, tcb->work->sendq.bytes), out);
    uint32_t end = tcb->snd.iss + 1 + out->text;
    tcb->snd.nxt = seq_max(tcb->snd.nxt, end); /* less, when the first was too big for the path */
    tcb->flags |= TCB_SYN_TEXT;
    note_sent(env, tcb, out, tcb->snd.iss + 1, end);
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
    opt->wscale = nod_tune_scale(env, c);
    opt->sack_permitted = answer ? tcb->flags & TCB_SACK : c->sack;
    opt->has_ts = answer ? tcb->flags & TCB_TS : c->timestamps;
    opt->ts_val = nod_tcb_ts(env, tcb->ts_offset);
    opt->ts_ecr = answer ? tcb->ts_recent : 0;
    if (c->uto) add_user_timeout(tcb, out);
    if (answer)
        nod_ecn_answer(tcb, out);
    else
        out->h.ctl |= nod_ecn_syn_flags(tcb);
    out->retransmission = again;
    bool simultaneous = answer && tcb->flags & TCB_ACTIVE;
    /* Not again either because the first was too big for the path. */
    bool first = !again && !(tcb->flags & TCB_SYN_TEXT);
    if (tcb->flags & TCB_FAST_OPEN && first && !simultaneous) add_fast_open(env, tcb, out);
    tcb->segments_retransmitted += again;
    w->syn_due = false;
    if (!again && (!answer || !(tcb->flags & TCB_ACTIVE))) w->timed_at = env->now;
    leave(env, tcb, out);
    nod_timers_on_sent(env, tcb, false);
    return true;
}

/* Sends [seq, seq+len) of the stream, new or again, and the FIN if asked. */
static bool send_text(struct nod_env *env, struct nod_tcb *tcb, uint32_t seq, uint32_t len,
                      bool fin, enum nod_why why, struct nod_out *out)
{
    fill_header(env, tcb, seq, NOD_ACK, why, out);
    drop_what_does_not_fit(tcb, len, out);
    out->retransmission = seq_lt(seq, tcb->snd.nxt);
    if (why == NOD_WHY_MTU_PROBE) out->h.opt.accecn_kind = 0; /* its size is what it is about */
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
    bool oldest = out->retransmission && seq == tcb->snd.una;
    note_sent(env, tcb, out, seq, end);
    nod_mtu_on_sent(tcb, seq, out->text);
    leave(env, tcb, out);
    nod_timers_on_sent(env, tcb, oldest);
    return true;
}

static uint32_t whole_segments(const struct nod_tcb *tcb, uint32_t len)
{
    uint32_t mss = nod_tcb_mss(tcb);
    return len > mss ? len - len % mss : len;
}

/* How much may leave from `from` on, as the peer's window and the network's let it. */
static uint32_t room_at(const struct nod_tcb *tcb, uint32_t from)
{
    uint32_t used = from - tcb->snd.una, out = nod_loss_out(tcb);
    uint32_t wnd = tcb->snd.wnd > used ? tcb->snd.wnd - used : 0;
    uint32_t cwnd = nod_mtu_cwnd(tcb);
    return min_u32(wnd, cwnd > out ? cwnd - out : 0);
}

/* The end of what is lost without a gap from `run` on, as far as one segment goes. */
static uint32_t lost_end(const struct nod_tcb *tcb, const struct nod_sent *run)
{
    uint32_t end = run->end, least = nod_sent_seq(run) + nod_tcb_mss(tcb);
    while (seq_lt(end, least)) {
        run = nod_board_at(&tcb->work->loss.board, end);
        if (!run || run->state != NOD_SENT_LOST) break;
        end = run->end;
    }
    return end;
}

static bool send_again(struct nod_env *env, struct nod_tcb *tcb, const struct nod_sent *run,
                       uint32_t text_max, struct nod_out *out)
{
    uint32_t mss = nod_tcb_mss(tcb), data_end = nod_tcb_data_end(tcb), from = nod_sent_seq(run);
    uint32_t room = room_at(tcb, from), end = lost_end(tcb, run);
    if (from == tcb->snd.una) room = max_u32(room, min_u32(mss, tcb->snd.wnd));
    if (!room) return false;
    uint32_t again_end = seq_min(end, data_end);
    uint32_t len = seq_gt(again_end, from) ? again_end - from : 0;
    bool ready = tcb->work->loss.board.spare; /* for what was not sent yet */
    /* A short segment at the end is filled up with that. */
    if (len < mss && again_end == tcb->snd.nxt && ready) len = min_u32(mss, data_end - from);
    uint32_t want = len;
    len = min_u32(len, whole_segments(tcb, min_u32(room, text_max)));
    /* No window is filled up with a crumb: the next ACK makes room for a whole segment. */
    if (len < mss && len < want && from != tcb->snd.una) return false;
    bool fin = tcb->flags & TCB_CLOSED && from + len == data_end &&
               (tcb->flags & TCB_FIN_SENT ? seq_gt(end, data_end) : ready);
    if (len && !nod_pace_lets_go(tcb)) return false;
    return send_text(env, tcb, from, len, fin, tcb->work->rtx_why, out);
}

/* Nagle: nothing is on its way, or only a SYN,ACK; or as appendix A.3 has it, nothing that was not
 * full. */
static bool nagle_lets_go(const struct nod_tcb *tcb)
{
    const struct nod_work *w = tcb->work;
    bool idle = tcb->snd.nxt == tcb->snd.una + nod_tcb_syn_unacked(tcb);
    if (!tcb->config->c.nagle || idle) return true;
    return tcb->config->c.nagle_tail && (!w->small_sent || seq_le(w->small_end, tcb->snd.una));
}

/* May a segment that is not full leave? */
static bool small_is_allowed(const struct nod_tcb *tcb, uint32_t len, uint32_t avail)
{
    const struct nod_work *w = tcb->work;
    if (w->override_due || tcb->flags & TCB_URGENT_OUT) return true;
    if (len == avail) {
        if (tcb->flags & TCB_CLOSED) return true; /* the FIN goes with it */
        if (!w->more && nagle_lets_go(tcb)) return true;
    }
    return len >= max_u32(tcb->snd.max_wnd / 2, 1) && !w->more;
}

/* One segment, whatever the link could cut; a smaller one, if its text lies in many blocks. */
static bool send_mtu_probe(struct nod_env *env, struct nod_tcb *tcb, uint32_t size,
                           struct nod_out *out)
{
    uint32_t seq = tcb->snd.nxt;
    send_text(env, tcb, seq, size, false, NOD_WHY_MTU_PROBE, out);
    out->gso_size = 0;
    if (out->text > nod_tcb_mss(tcb)) nod_search_on_sent(tcb, seq, out->text);
    return true;
}

static bool send_new(struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max,
                     struct nod_out *out)
{
    struct nod_work *w = tcb->work;
    uint32_t mss = nod_tcb_mss(tcb), avail = nod_tcb_data_end(tcb) - tcb->snd.nxt;
    if (w->held) return false;
    if (tcb->flags & TCB_CWR)
        text_max = mss; /* that goes with one packet, not with a large segment */
    if (tcb->snd.nxt == tcb->snd.una && avail) {
        nod_congestion_resume(env, tcb);
        text_max = nod_pace_room(env, tcb, text_max); /* it may have a rate now */
    }
    uint32_t room = room_at(tcb, tcb->snd.nxt);
    uint32_t len = min_u32(min_u32(avail, room), text_max);
    uint32_t probe = nod_search_size(env, tcb, avail);
    if (probe && room < probe) return false; /* the next ACKs make room for it */
    if (probe) return nod_pace_lets_go(tcb) && send_mtu_probe(env, tcb, probe, out);
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
    if (len && !nod_pace_lets_go(tcb)) return false;
    if (len % mss) {
        w->small_sent = true;
        w->small_end = tcb->snd.nxt + len;
    }
    w->override_due = false;
    w->at[NOD_TIMER_SWS_OVERRIDE] = NOD_NEVER;
    return send_text(env, tcb, tcb->snd.nxt, len, fin, fin ? NOD_WHY_FIN : NOD_WHY_DATA, out);
}

/* Asks for an overdue ACK (RFC 8985 section 7.3): with new octets if there are any, else with the
 * last that were sent. One segment may go beyond the congestion window. */
static bool send_loss_probe(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    struct nod_board *b = &tcb->work->loss.board;
    uint32_t mss = nod_tcb_mss(tcb), data_end = nod_tcb_data_end(tcb), nxt = tcb->snd.nxt;
    tcb->work->loss_probe_due = false;
    uint32_t wnd_end = tcb->snd.una + tcb->snd.wnd;
    if (!b->runs || seq_gt(nxt, wnd_end)) return false;
    bool again = seq_ge(nxt, data_end) || seq_ge(nxt, wnd_end);
    uint32_t from = nxt, len = 0;
    if (again) { /* the last segment as it left: a FIN by itself stays by itself */
        from = nxt - min_u32(mss, nod_board_octets(b));
        from = seq_max(from, nod_sent_seq(nod_board_at(b, nxt - 1)));
        len = seq_min(nxt, data_end) - from;
    } else {
        len = min_u32(min_u32(mss, data_end - nxt), wnd_end - nxt);
    }
    bool fin = tcb->flags & TCB_CLOSED && from + len == data_end;
    if (again && fin && !(tcb->flags & TCB_FIN_SENT)) fin = false;
    send_text(env, tcb, from, len, fin, NOD_WHY_LOSS_PROBE, out);
    nod_loss_probe_sent(tcb, again);
    return true;
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

/* SEG.SEQ = SND.NXT-1, without text (SHLD-12), or with an octet of none that the peer has already
 * had (MAY-6): it answers with an ACK either way. */
static bool send_keepalive(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    if (!nod_keepalive_take(tcb)) return false;
    fill_header(env, tcb, tcb->snd.nxt - 1, NOD_ACK, NOD_WHY_KEEPALIVE, out);
    /* Not in the place of a FIN. */
    bool octet = tcb->config->c.keepalive_octet && !(tcb->flags & TCB_FIN_SENT);
    nod_block *block = octet ? nod_block_new(env->pool, 1) : NULL;
    if (block) {
        *nod_block_bytes(block) = 0;
        out->part[0] = (nod_slice){.block = block, .len = 1};
        out->parts = 1;
        out->text = 1;
    }
    leave(env, tcb, out);
    return true;
}

static bool may_send_text(const struct nod_tcb *tcb)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_ESTABLISHED:
    case NOD_CLOSE_WAIT:
    case NOD_FIN_WAIT_1:
    case NOD_CLOSING:
    case NOD_LAST_ACK: return true;
    case NOD_SYN_RECEIVED: /* RFC 7413: the cookie has shown who is there */
        return tcb->flags & TCB_FAST_OPEN && !(tcb->flags & TCB_ACTIVE);
    case NOD_CLOSED:
    case NOD_LISTEN:
    case NOD_SYN_SENT:
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

/* What was lost first; but after a timeout new octets may show that it was none (F-RTO). */
static bool pick_text(struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max,
                      struct nod_out *out)
{
    struct nod_work *w = tcb->work;
    struct nod_loss *l = &w->loss;
    const struct nod_sent *lost = nod_board_first_lost(&l->board);
    if (!nod_board_ready(&l->board, env->pool)) {
        if (w->at[NOD_TIMER_SWS_OVERRIDE] == NOD_NEVER) /* looks again for memory */
            w->at[NOD_TIMER_SWS_OVERRIDE] = env->now + OVERRIDE_US;
        return lost && send_again(env, tcb, lost, text_max, out); /* whose ACK gives some back */
    }
    if (w->probe_due && send_probe(env, tcb, out)) return true;
    if (w->loss_probe_due && send_loss_probe(env, tcb, out)) return true;
    bool more = !(tcb->flags & TCB_FIN_SENT);
    if (l->frto == NOD_FRTO_SENT_NEW) {
        if (more && send_new(env, tcb, text_max, out)) return true;
        if (seq_gt(tcb->snd.nxt, l->recover)) return false; /* the next ACK decides */
    }
    if (lost) return send_again(env, tcb, lost, text_max, out);
    return more && send_new(env, tcb, text_max, out);
}

static bool pick(struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max, struct nod_out *out)
{
    struct nod_work *w = tcb->work;
    if (w->syn_due) return send_syn(env, tcb, out);
    bool gap = (w->ooq.count && tcb->flags & TCB_SACK) || came_twice(w) || w->dups_due;
    if (gap && send_ack(env, tcb, out)) return true; /* all of its SACK blocks, or that it counts */
    if (tcb->flags & TCB_REFLECT && send_ack(env, tcb, out)) return true; /* RFC 9768 3.2.2.1 */
    if (may_send_text(tcb) && pick_text(env, tcb, text_max, out)) return true;
    return send_keepalive(env, tcb, out) || send_ack(env, tcb, out);
}

/* Nothing is there to be sent, and the network would have let it (draft-ietf-ccwg-bbr, "Detecting
 * application-limited phases"). */
static void note_application_limited(struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    uint32_t flight = nod_loss_out(tcb), end = nod_tcb_data_end(tcb), nxt = tcb->snd.nxt;
    bool unsent = seq_gt(end, nxt) && end - nxt >= nod_tcb_mss(tcb);
    if (unsent || w->loss.board.lost || flight + nod_tcb_mss(tcb) > tcb->cc.cwnd) return;
    nod_rate_limited(&w->loss.rate, flight);
}

bool nod_tcb_output(struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max,
                    struct nod_out *out)
{
    if (tcb->rec.state == NOD_CLOSED || tcb->rec.state == NOD_TIME_WAIT) return false;
    /* Whole segments only, and no more of them than one frame may carry. */
    uint32_t mss = nod_tcb_mss(tcb);
    /* The urgent pointer counts from a segment's own number: nobody may cut it later. */
    if (tcb->flags & TCB_URGENT_OUT) text_max = mss;
    text_max = nod_pace_room(env, tcb, text_max);
    uint32_t nxt = tcb->snd.nxt;
    bool picked = pick(env, tcb, max_u32(mss, text_max - text_max % mss), out);
    if (picked) {
        nod_count_out(tcb, out, nxt);
        return true;
    }
    nod_pace_done(tcb);
    note_application_limited(tcb);
    nod_count_limits(env, tcb);
    return false;
}
