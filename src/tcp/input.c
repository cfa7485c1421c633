/* SEGMENT ARRIVES (RFC 9293 section 3.10.7.4) for all states but CLOSED, LISTEN and SYN-SENT:
 * steps outside, states inside, in the RFC's order. */
#include "tcp/tcb.h"

enum step { CONTINUE, DONE };

static enum step drop(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                      enum nod_drop reason)
{
    nod_drop_segment(env, &tcb->rec, seg->frame, reason);
    return DONE;
}

/* TS.Recent goes out of date after 24 days (RFC 7323 section 5.5). */
static bool ts_is_older(const struct nod_env *env, const struct nod_tcb *tcb,
                        const struct nod_segment *seg)
{
    return seq_lt(seg->h.opt.ts_val, tcb->ts_recent) &&
           (uint32_t)(env->now / NOD_SEC) - tcb->ts_recent_s < 24u * 86400;
}

/* RFC 7323 section 5.3 R1; a RST is exempt. */
static bool paws_fails(const struct nod_env *env, const struct nod_tcb *tcb,
                       const struct nod_segment *seg)
{
    return seg->h.opt.has_ts && ts_is_older(env, tcb, seg);
}

/* R3: the timestamp that covers the left edge of what we have acknowledged (7323 4.3). Not before
 * the ACK is found good: a stranger who guessed a sequence number could shut the peer out. */
static void remember_timestamp(const struct nod_env *env, struct nod_tcb *tcb,
                               const struct nod_segment *seg)
{
    if (!seg->h.opt.has_ts || seq_gt(seg->h.seq, tcb->rcv.acked)) return;
    if (ts_is_older(env, tcb, seg)) return;
    tcb->ts_recent = seg->h.opt.ts_val;
    tcb->ts_recent_s = (uint32_t)(env->now / NOD_SEC);
}

/* The four cases of RFC 9293 table 6. */
static bool acceptable(uint32_t seq, uint32_t len, uint32_t nxt, uint32_t wnd)
{
    if (len == 0) return wnd == 0 ? seq == nxt : seq_in(seq, nxt, wnd);
    return wnd > 0 && (seq_in(seq, nxt, wnd) || seq_in(seq + len - 1, nxt, wnd));
}

/* How much of its text came before. */
static uint32_t octets_before(const struct nod_tcb *tcb, const struct nod_segment *seg)
{
    uint32_t before = seq_lt(seg->seq, tcb->rcv.nxt) ? tcb->rcv.nxt - seg->seq : 0;
    return min_u32(before, seg->text);
}

/* Cuts a segment to the window: only what is new and fits is processed further. */
static void trim(struct nod_tcb *tcb, struct nod_segment *seg)
{
    uint32_t wnd = nod_tcb_rcv_wnd(tcb);
    if (seg->syn && seq_lt(seg->seq, tcb->rcv.nxt)) {
        seg->syn = false;
        seg->seq++;
    }
    uint32_t before = octets_before(tcb, seg);
    nod_tcb_came_twice(tcb, seg->seq, seg->seq + before);
    for (unsigned i = 0; before && i < seg->part_count; i++) {
        uint32_t n = min_u32(before, seg->parts[i].len);
        seg->parts[i].off += n;
        seg->parts[i].len -= n;
        seg->seq += n;
        seg->text -= n;
        before -= n;
    }
    uint32_t offset = seg->seq - tcb->rcv.nxt;
    uint32_t room = wnd > offset ? wnd - offset : 0;
    if (seg->text + seg->fin <= room) return;
    if (seg->text >= room) seg->fin = false;
    for (unsigned i = 0; i < seg->part_count; i++) {
        seg->parts[i].len = min_u32(seg->parts[i].len, room);
        room -= seg->parts[i].len;
    }
    seg->text = 0;
    for (unsigned i = 0; i < seg->part_count; i++) seg->text += seg->parts[i].len;
}

/* In a state that waits for the ACK of our FIN, the ACK on the peer's retransmitted FIN is
 * read although the segment itself is old (RFC 9293 appendix A.2). */
static bool is_fin_again(const struct nod_tcb *tcb, const struct nod_segment *seg)
{
    return (tcb->rec.state == NOD_CLOSING || tcb->rec.state == NOD_LAST_ACK) && seg->fin &&
           seg->seq + segment_len(seg) == tcb->rcv.nxt;
}

/* The SYN of a simultaneous open comes once more: as SYN,ACK it completes the open (figure
 * 7), without ACK our SYN,ACK was lost. */
static bool is_syn_again(const struct nod_tcb *tcb, const struct nod_segment *seg)
{
    return tcb->rec.state == NOD_SYN_RECEIVED && seg->syn && seg->seq == tcb->rcv.irs;
}

static enum step syn_again(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    if (seg->h.ctl & NOD_ACK) {
        trim(tcb, seg);
        return CONTINUE;
    }
    if (nod_challenge_allowed(env, &tcb->throttle)) tcb->work->syn_due = true;
    return drop(env, tcb, seg, NOD_DROP_DUPLICATE);
}

/* RFC 5961 section 5.2, in the synchronized states. */
static bool ack_in_range(const struct nod_tcb *tcb, uint32_t ack)
{
    return seq_ge(ack, tcb->snd.una - tcb->snd.max_wnd) && seq_le(ack, tcb->snd.nxt);
}

/* The peer asks whether we are there, and so it is there itself (3.8.4). */
static bool is_keepalive(const struct nod_tcb *tcb, const struct nod_segment *seg)
{
    return tcb->rec.state >= NOD_ESTABLISHED && seg->seq == tcb->rcv.nxt - 1 && seg->text <= 1 &&
           !seg->syn && !seg->fin && seg->h.ctl & NOD_ACK && ack_in_range(tcb, seg->h.ack);
}

/* What is not acceptable is answered with an ACK and dropped. Those without text could go
 * round for ever between two confused ends (RFC 1337 H2), so they are throttled; but not the
 * SYN,ACK whose ACK was lost. */
static enum step not_acceptable(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    bool again = seg->syn && (seg->h.ctl & NOD_ACK) && seg->seq == tcb->rcv.irs &&
                 tcb->rec.state == NOD_ESTABLISHED;
    if (tcb->flags & TCB_ACCECN && again) nod_accecn_reflect(tcb, seg->ecn);
    if (tcb->flags & TCB_ACCECN && seg->text) nod_accecn_duplicate(tcb);
    if (seg->text || seg->fin || again || nod_challenge_allowed(env, &tcb->throttle))
        nod_tcb_ack_now(tcb, seg->syn && !again ? NOD_WHY_ACK_CHALLENGE : NOD_WHY_ACK_DUPLICATE);
    if (is_keepalive(tcb, seg)) nod_keepalive_heard(env, tcb);
    if (!seg->syn) nod_tcb_came_twice(tcb, seg->seq, seg->seq + octets_before(tcb, seg));
    if (!is_fin_again(tcb, seg)) {
        bool old = seq_le(seg->seq + segment_len(seg), tcb->rcv.nxt);
        return drop(env, tcb, seg, old ? NOD_DROP_DUPLICATE : NOD_DROP_SEQUENCE);
    }
    trim(tcb, seg);
    seg->fin = false;
    return CONTINUE;
}

/* Text at a closed window: it is dropped, but its ACK counts (MUST-66, 3.8.6.1). */
static bool is_window_probe(const struct nod_tcb *tcb, const struct nod_segment *seg)
{
    return nod_tcb_rcv_wnd(tcb) == 0 && seg->seq == tcb->rcv.nxt && !seg->syn;
}

static enum step first_check_sequence(struct nod_env *env, struct nod_tcb *tcb,
                                      struct nod_segment *seg)
{
    if (seg->h.ctl & NOD_RST) return CONTINUE; /* RFC 5961 3.2 looks at SEG.SEQ alone */
    if (is_syn_again(tcb, seg)) return syn_again(env, tcb, seg);
    if (tcb->flags & TCB_TS && !seg->syn) {
        if (!seg->h.opt.has_ts) return drop(env, tcb, seg, NOD_DROP_NO_TIMESTAMP);
        if (paws_fails(env, tcb, seg)) {
            nod_tcb_came_twice(tcb, seg->seq, seg->seq + octets_before(tcb, seg));
            nod_tcb_ack_now(tcb, NOD_WHY_ACK_DUPLICATE);
            return drop(env, tcb, seg, NOD_DROP_PAWS);
        }
    }
    uint32_t wnd = nod_tcb_rcv_wnd(tcb);
    if (!acceptable(seg->seq, segment_len(seg), tcb->rcv.nxt, wnd)) {
        if (!is_window_probe(tcb, seg)) return not_acceptable(env, tcb, seg);
        nod_drop_segment(env, &tcb->rec, seg->frame, NOD_DROP_WINDOW); /* its text, that is */
        nod_tcb_ack_now(tcb, NOD_WHY_ACK_DUPLICATE);
    }
    trim(tcb, seg);
    return CONTINUE;
}

/* RFC 5961 section 3.2. */
static enum step second_check_rst(struct nod_env *env, struct nod_tcb *tcb,
                                  const struct nod_segment *seg)
{
    if (!(seg->h.ctl & NOD_RST)) return CONTINUE;
    if (seg->seq == tcb->rcv.nxt) {
        env->stats.resets_in++;
        /* Of a passive OPEN only those hear of it whose user has the name already. */
        bool refused = tcb->rec.state == NOD_SYN_RECEIVED && tcb->flags & TCB_ACTIVE;
        /* Orderly enough if our FIN alone was unacknowledged. */
        bool done = (tcb->rec.state == NOD_CLOSING || tcb->rec.state == NOD_LAST_ACK) &&
                    !tcb->work->sendq.bytes;
        nod_tcb_end(env, tcb, refused ? NOD_EREFUSED : done ? 0 : NOD_ERESET);
        return DONE;
    }
    if (seq_in(seg->seq, tcb->rcv.nxt, nod_tcb_rcv_wnd(tcb))) nod_tcb_challenge(env, tcb);
    return drop(env, tcb, seg, NOD_DROP_RST);
}

/* RFC 5961 section 4.2: whatever its number, whoever opened. */
static enum step fourth_check_syn(struct nod_env *env, struct nod_tcb *tcb,
                                  const struct nod_segment *seg)
{
    if (!seg->syn) return CONTINUE;
    nod_tcb_challenge(env, tcb);
    return drop(env, tcb, seg, NOD_DROP_SYN);
}

static void after_our_fin_is_acked(struct nod_env *env, struct nod_tcb *tcb)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_CLOSING: nod_tcb_set_state(env, tcb, NOD_TIME_WAIT); break;
    case NOD_LAST_ACK: nod_tcb_end(env, tcb, 0); break;
    case NOD_CLOSED:
    case NOD_LISTEN:
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED:
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1: /* FIN-WAIT-2, unless the peer's FIN comes with it */
    case NOD_FIN_WAIT_2:
    case NOD_CLOSE_WAIT:
    case NOD_TIME_WAIT: break;
    }
}

static enum step fifth_check_ack(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    if (!(seg->h.ctl & NOD_ACK)) return drop(env, tcb, seg, NOD_DROP_NO_ACK);
    bool opens = tcb->rec.state == NOD_SYN_RECEIVED;
    if (opens) {
        if (seq_le(seg->h.ack, tcb->snd.una) || seq_gt(seg->h.ack, tcb->snd.nxt)) {
            nod_reply_as(
                nod_reply_rst(env, &tcb->rec.key, seg, NOD_SYN_RECEIVED, NOD_WHY_RST_BAD_ACK),
                &tcb->config->c);
            return drop(env, tcb, seg, NOD_DROP_ACK);
        }
        nod_tcb_established(env, tcb, seg);
    } else if (!ack_in_range(tcb, seg->h.ack)) {
        nod_tcb_challenge(env, tcb);
        return drop(env, tcb, seg, NOD_DROP_ACK);
    }
    nod_keepalive_heard(env, tcb);
    nod_uto_take(env, tcb, &seg->h.opt);
    if (nod_tcb_has_ecn(tcb)) nod_ecn_arrives(env, tcb, seg, opens);
    nod_tcb_process_ack(env, tcb, seg);
    nod_tcb_after_syn_text(tcb);
    if (nod_tcb_fin_acked(tcb)) after_our_fin_is_acked(env, tcb);
    return tcb->rec.state == NOD_CLOSED ? DONE : CONTINUE;
}

static void sixth_check_urg(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2: nod_urgent_arrives(env, tcb, seg); break;
    case NOD_CLOSE_WAIT:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT:
    case NOD_CLOSED:
    case NOD_LISTEN:
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED: break;
    }
}

/* Text is taken while the peer has not said FIN; a FIN closes what it may still say. */
static enum step seventh_segment_text(struct nod_env *env, struct nod_tcb *tcb,
                                      struct nod_segment *seg)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
        if (seg->text && tcb->flags & TCB_RELEASED) {
            /* Half-duplex close: nobody will ever read this (SHLD-3). The RST stands where the peer
             * believes it (RFC 5961): at its RCV.NXT, which is not yet our SND.NXT. */
            nod_reply_as(
                nod_reply_rst(env, &tcb->rec.key, seg, tcb->rec.state, NOD_WHY_RST_NO_READER),
                &tcb->config->c);
            nod_tcb_end(env, tcb, NOD_ERESET);
            return DONE;
        }
        if (seg->text) nod_tcb_take_text(env, tcb, seg);
        return CONTINUE;
    case NOD_CLOSE_WAIT:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT:
        if (seg->text) nod_drop_segment(env, &tcb->rec, seg->frame, NOD_DROP_AFTER_FIN);
        return CONTINUE;
    case NOD_CLOSED:
    case NOD_LISTEN:
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED: return DONE;
    }
    return DONE;
}

static void reached_fin(struct nod_env *env, struct nod_tcb *tcb)
{
    /* What a peer sent beyond its own FIN is no part of the stream, and must not stay held. */
    nod_reassembly_clear(&tcb->work->ooq, env->pool);
    tcb->rcv.nxt++;
    tcb->rcv.edge = seq_max(tcb->rcv.edge, tcb->rcv.nxt);
    nod_tcb_ack_now(tcb, NOD_WHY_ACK_FIN);
    nod_tcb_event(tcb, NOD_EVENT_PEER_CLOSED | NOD_EVENT_READABLE);
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_ESTABLISHED: nod_tcb_set_state(env, tcb, NOD_CLOSE_WAIT); break;
    case NOD_FIN_WAIT_1: /* our FIN acknowledged in the same segment: three segments in all */
        nod_tcb_set_state(env, tcb, nod_tcb_fin_acked(tcb) ? NOD_TIME_WAIT : NOD_CLOSING);
        break;
    case NOD_FIN_WAIT_2: nod_tcb_set_state(env, tcb, NOD_TIME_WAIT); break;
    case NOD_CLOSED:
    case NOD_LISTEN:
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED:
    case NOD_CLOSE_WAIT:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT: break;
    }
}

/* The FIN counts when every octet before it is here; until then its place is remembered. */
static void eighth_check_fin(struct nod_env *env, struct nod_tcb *tcb,
                             const struct nod_segment *seg)
{
    if (tcb->rec.state != NOD_ESTABLISHED && tcb->rec.state != NOD_FIN_WAIT_1 &&
        tcb->rec.state != NOD_FIN_WAIT_2) {
        if (seg->fin) nod_tcb_ack_now(tcb, NOD_WHY_ACK_FIN);
        return;
    }
    struct nod_work *w = tcb->work;
    if (seg->fin) {
        uint32_t at = seg->seq + seg->text;
        if (!(tcb->flags & TCB_FIN_SEEN) || seq_lt(at, w->fin_seq)) w->fin_seq = at;
        tcb->flags |= TCB_FIN_SEEN;
        if (at != tcb->rcv.nxt) nod_tcb_ack_now(tcb, NOD_WHY_ACK_AT_ONCE);
    }
    if (tcb->flags & TCB_FIN_SEEN && seq_ge(tcb->rcv.nxt, w->fin_seq)) reached_fin(env, tcb);
}

void nod_tcb_input(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    nod_count_in(tcb, seg);
    if (tcb->rec.state == NOD_SYN_SENT) {
        nod_syn_sent_input(env, tcb, seg);
        return;
    }
    if (first_check_sequence(env, tcb, seg) == DONE) return;
    if (second_check_rst(env, tcb, seg) == DONE) return;
    /* third, security: not implemented, see doc/deviations.md */
    if (fourth_check_syn(env, tcb, seg) == DONE) return;
    if (fifth_check_ack(env, tcb, seg) == DONE) return;
    if (tcb->flags & TCB_TS) remember_timestamp(env, tcb, seg);
    sixth_check_urg(env, tcb, seg);
    if (seventh_segment_text(env, tcb, seg) == DONE) return;
    eighth_check_fin(env, tcb, seg);
    if (tcb->rec.state == NOD_FIN_WAIT_1 && nod_tcb_fin_acked(tcb))
        nod_tcb_set_state(env, tcb, NOD_FIN_WAIT_2);
}
