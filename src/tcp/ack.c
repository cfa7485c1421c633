/* The ACK field (RFC 9293 section 3.10.7.4, fifth) and the send window. */
#include "tcp/tcb.h"

/* SYN-RECEIVED or SYN-SENT becomes ESTABLISHED; a CLOSE that was queued takes effect. */
void nod_tcb_established(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg)
{
    nod_tcb_set_state(env, tcb, NOD_ESTABLISHED);
    tcb->flags |= TCB_OPEN_TOLD;
    if (!tcb->bytes_received) tcb->received_ms = (uint32_t)(env->now / 1000);
    nod_keepalive_heard(env, tcb); /* `rare` may be older than the connection */
    if (tcb->config->c.mtu_probing == NOD_MTU_PROBING_ALWAYS) nod_search_on_open(env, tcb);
    /* RFC 6928 counts segments as large as they are: the path's may be smaller than the ends'. */
    tcb->cc.cwnd = min_u32(tcb->cc.cwnd, nod_cc_initial_window(nod_tcb_mss(tcb)));
    /* The first segment without SYN says it again: small records do not keep it (RFC 5482 3.2). */
    if (tcb->config->c.uto) tcb->flags |= TCB_UTO_DUE;
    if (!(seg->h.ctl & NOD_SYN)) {
        tcb->snd.wnd = (uint32_t)seg->h.wnd << tcb->snd_scale;
        tcb->snd.wl1 = seg->seq;
        tcb->snd.wl2 = seg->h.ack;
    }
    tcb->snd.max_wnd = max_u32(tcb->snd.max_wnd, tcb->snd.wnd);
    nod_tcb_event(tcb, NOD_EVENT_OPEN | NOD_EVENT_WRITABLE);
    /* RFC 6928 section 2: two lost SYNs or more start with one segment. */
    if (tcb->work->retransmits > 1) tcb->cc.cwnd = nod_tcb_mss(tcb);
    if (tcb->flags & TCB_CLOSED) nod_tcb_set_state(env, tcb, NOD_FIN_WAIT_1);
}

void nod_tcb_after_syn_text(struct nod_tcb *tcb)
{
    if (!(tcb->flags & TCB_SYN_TEXT) || nod_tcb_syn_unacked(tcb)) return;
    tcb->flags &= ~(uint32_t)TCB_SYN_TEXT;
    if (tcb->snd.una == tcb->snd.nxt) {
        tcb->flags |= TCB_SYN_TAKEN;
        return;
    }
    nod_board_lose_all(&tcb->work->loss.board, false);
    nod_board_forget_news(&tcb->work->loss.board);
    tcb->work->rtx_why = NOD_WHY_DATA;
}

/* SND.WL1 and SND.WL2 keep an old segment from setting the window. One that acknowledges more
 * than all before it is not old, even if its own octets were sent before those of another:
 * without its window, SND.UNA would push the right edge beyond what was ever offered. */
static void update_window(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                          bool acks_more)
{
    bool newer = acks_more || seq_lt(tcb->snd.wl1, seg->seq) ||
                 (tcb->snd.wl1 == seg->seq && seq_le(tcb->snd.wl2, seg->h.ack));
    if (!newer) return;
    uint32_t before = tcb->snd.wnd;
    uint8_t scale = seg->h.ctl & NOD_SYN ? 0 : tcb->snd_scale;
    tcb->snd.wnd = (uint32_t)seg->h.wnd << scale;
    tcb->snd.wl1 = seg->seq;
    tcb->snd.wl2 = seg->h.ack;
    tcb->snd.max_wnd = max_u32(tcb->snd.max_wnd, tcb->snd.wnd);
    if (before == 0 && tcb->snd.wnd > 0) tcb->work->probes = 0;
    if (before != tcb->snd.wnd) nod_timers_on_window(env, tcb);
    /* The octet of a window probe may not have been taken: it leaves again at once, with
     * what follows it. */
    if (before == 0 && tcb->snd.wnd > 0 && tcb->snd.nxt != tcb->snd.una) {
        nod_board_lose_all(&tcb->work->loss.board, false);
        nod_board_forget_news(&tcb->work->loss.board);
        tcb->work->rtx_why = NOD_WHY_WINDOW_PROBE;
    }
}

static void forget_acked(struct nod_env *env, struct nod_tcb *tcb, uint32_t ack)
{
    struct nod_work *w = tcb->work;
    uint32_t data = seq_gt(ack, w->sendq.base) ? ack - w->sendq.base : 0;
    data = min_u32(data, w->sendq.bytes);
    nod_queue_drop(&w->sendq, env->pool, data);
    tcb->snd.una = ack;
    nod_urgent_acked(tcb);
    tcb->bytes_acked += data;
}

static void tell_sender(const struct nod_env *env, struct nod_tcb *tcb)
{
    if (tcb->snd.una == tcb->snd.nxt && seq_ge(tcb->snd.nxt, nod_tcb_data_end(tcb)))
        nod_tcb_event(tcb, NOD_EVENT_SENT);
    nod_tcb_tell_room(env, tcb);
}

/* Our SYN is acknowledged. */
static void take_syn_ack(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    if (w->timed_at != NOD_NEVER) nod_loss_on_rtt(env, tcb, env->now - w->timed_at);
    w->timed_at = NOD_NEVER;
    /* RFC 6298 5.7: the transfer after a lost SYN begins with 3 s, not with the SYN's last RTO. */
    if (w->retransmits && !tcb->srtt_us)
        tcb->rto_us = (uint32_t)max_u64(tcb->config->c.rto_initial_us, 3 * NOD_SEC);
}

static void take_new_ack(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                         struct nod_ack *a)
{
    struct nod_work *w = tcb->work;
    a->acked = seg->h.ack - tcb->snd.una;
    if (nod_tcb_syn_unacked(tcb)) {
        a->acked--; /* the SYN grows no window (5681 3.1) */
        take_syn_ack(env, tcb);
    }
    forget_acked(env, tcb, seg->h.ack);
    w->probes = 0;
    w->retransmits = 0;
    tcb->flags &= ~(uint32_t)TCB_TOLD_R1;
    if (!(tcb->events & NOD_EVENT_SOFT_ERROR)) tcb->soft_error = 0; /* it has passed */
    w->stalled_since = env->now;
}

/* RFC 5681 section 2: data outstanding, nothing new in the segment, the same ACK and window. */
static bool is_duplicate_ack(const struct nod_tcb *tcb, const struct nod_segment *seg)
{
    return tcb->snd.nxt != tcb->snd.una && !segment_len(seg) && seg->h.ack == tcb->snd.una &&
           (uint32_t)seg->h.wnd << tcb->snd_scale == tcb->snd.wnd && tcb->snd.wnd > 0;
}

static struct nod_echo echo_of(const struct nod_tcb *tcb, const struct nod_segment *seg)
{
    const struct nod_tcp_options *opt = &seg->h.opt;
    if (!(tcb->flags & TCB_TS) || !opt->has_ts || !opt->ts_ecr) return (struct nod_echo){0};
    return (struct nod_echo){.is_there = true, .ms = opt->ts_ecr - tcb->ts_offset};
}

/* An old ACK updates nothing; but what it has sacked has arrived (RFC 6675 section 5). */
static void process_old_ack(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    struct nod_ack a = {.old = true, .echo = echo_of(tcb, seg)};
    if (!(tcb->flags & TCB_SACK) || !seg->h.opt.sack_count) return;
    nod_loss_on_ack(env, tcb, seg, &a);
    nod_timers_on_ack(env, tcb, false);
}

void nod_tcb_process_ack(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg)
{
    if (seq_lt(seg->h.ack, tcb->snd.una)) {
        process_old_ack(env, tcb, seg);
        return;
    }
    struct nod_ack a = {
        .moved = seg->h.ack != tcb->snd.una,
        .duplicate = is_duplicate_ack(tcb, seg),
        .echo = echo_of(tcb, seg),
    };
    if (a.moved) take_new_ack(env, tcb, seg, &a);
    nod_loss_on_ack(env, tcb, seg, &a);
    if (a.moved) nod_mtu_on_ack(env, tcb, a.acked);
    /* A peer that answers probes of its closed window is alive, and owes us nothing until the
     * next one (MUST-37); the probes go on slowing down all the same (SHLD-30). */
    bool probed = !a.moved && tcb->snd.wnd == 0 && tcb->work->probes;
    if (a.moved) tell_sender(env, tcb);
    update_window(env, tcb, seg, a.moved);
    if (probed) tcb->work->stalled_since = tcb->snd.wnd ? env->now : NOD_NEVER;
    nod_timers_on_ack(env, tcb, a.moved);
}
