/* Recovery from loss: what an ACK has delivered (RFC 2018, RFC 8985), what is lost and may leave
 * again (RFC 6582 without SACK, RFC 9937), the retransmission timeout (RFC 6298). What turned out
 * to be a false alarm is undone in undo.c; the loss probe is in probe.c; what congestion control
 * hears of it is in congestion.c. */
#include "tcp/tcb.h"

static bool has_sack(const struct nod_tcb *tcb)
{
    return tcb->flags & TCB_SACK;
}

static bool has_rack(const struct nod_tcb *tcb)
{
    return has_sack(tcb) && tcb->config->c.rack;
}

uint32_t nod_loss_out(const struct nod_tcb *tcb)
{
    const struct nod_loss *l = &tcb->work->loss;
    uint32_t out = nod_board_out(&l->board);
    return out > l->dup_octets ? out - l->dup_octets : 0;
}

/* Until something was lost on this path, what is overtaken may as well be late, by any cause that
 * delays one packet and not another; RFC 8985 would send it again after three SACKs. */
static bool is_patient(const struct nod_tcb *tcb)
{
    return tcb->config->c.rack_patient && !(tcb->flags & TCB_IN_ORDER);
}

static uint32_t reo_wnd(const struct nod_tcb *tcb)
{
    const struct nod_loss *l = &tcb->work->loss;
    uint32_t sacked = max_u32(l->board.sacked / nod_tcb_mss(tcb), tcb->work->dup_acks);
    bool recovering = l->phase != NOD_LOSS_NONE;
    return nod_rack_reo_wnd(&l->rack, is_patient(tcb), recovering, sacked, tcb->srtt_us);
}

/* RFC 8985 section 6.2 step 5, and its timer. */
static void detect(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    struct nod_rack *r = &w->loss.rack;
    w->at[NOD_TIMER_REORDER] = NOD_NEVER;
    if (!has_rack(tcb) || !r->at) return;
    uint32_t lost = w->loss.board.lost;
    /* Less than a loss probe and its answer take, which shall find all that is lost. */
    r->longest_us = is_patient(tcb) ? 2 * tcb->srtt_us : 0;
    w->at[NOD_TIMER_REORDER] = nod_rack_detect(r, &w->loss.board, reo_wnd(tcb), env->now);
    if (r->reordering)
        tcb->flags &= ~(uint32_t)TCB_IN_ORDER;
    else if (w->loss.board.lost > lost)
        tcb->flags |= TCB_IN_ORDER;
    nod_congestion_tell_lost(env, tcb);
}

/* The first segment that is not acknowledged is lost: what can be known without SACK. */
static void lose_first(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_board *b = &tcb->work->loss.board;
    struct nod_sent *run = nod_board_from(b, env->pool, b->first, nod_tcb_mss(tcb));
    if (run && run->state == NOD_SENT_OUT) nod_board_lose(b, run);
    nod_congestion_tell_lost(env, tcb);
}

static void enter_recovery(struct nod_env *env, struct nod_tcb *tcb, const struct nod_ack *a)
{
    struct nod_loss *l = &tcb->work->loss;
    nod_loss_remember(tcb);
    struct nod_cc_sample s = nod_congestion_sample(env, tcb, 0, nod_board_octets(&l->board));
    if (seq_ge(tcb->snd.una, tcb->work->reduced)) {
        nod_congestion_reduce(tcb, &s, false);
    } else { /* its marks have reduced the window for all of this */
        l->may_undo = false;
    }
    uint32_t told = has_sack(tcb) || a->moved ? a->d.octets : 0;
    nod_prr_begin(&l->prr, nod_board_octets(&l->board) - l->board.sacked + told);
    l->phase = NOD_LOSS_FAST;
    l->recover = tcb->snd.nxt;
    tcb->work->rtx_why = NOD_WHY_RETRANSMIT_FAST;
    tcb->work->at[NOD_TIMER_LOSS_PROBE] = NOD_NEVER;
    l->probe_out = false;
}

void nod_loss_leave_recovery(struct nod_tcb *tcb)
{
    struct nod_loss *l = &tcb->work->loss;
    const struct nod_cc_ops *ops = nod_cc_ops(&tcb->cc);
    bool repaired = l->phase == NOD_LOSS_FAST || l->phase == NOD_LOSS_TIMEOUT;
    if (l->phase == NOD_LOSS_FAST && !ops->has_model) tcb->cc.cwnd = tcb->cc.ssthresh;
    if (repaired && ops->on_recovered) ops->on_recovered(&tcb->cc, &tcb->work->cc_own);
    if (l->phase != NOD_LOSS_NONE) nod_rack_on_recovered(&l->rack);
    if (l->phase != NOD_LOSS_NONE)
        nod_validate_on_recovered(&tcb->work->validate, &tcb->cc, nod_tcb_mss(tcb));
    l->phase = NOD_LOSS_NONE;
    l->frto = NOD_FRTO_OFF;
    l->undo_until = tcb->snd.nxt; /* its DSACKs are a round trip behind */
    l->dup_octets = 0;
}

/* Without SACK anybody can send duplicates without end. Limited transmit is for two (RFC 3042); and
 * not more has arrived in a recovery than was outstanding (RFC 9937 section 6.2). */
static bool is_a_dup_too_many(const struct nod_tcb *tcb)
{
    const struct nod_loss *l = &tcb->work->loss;
    uint32_t mss = nod_tcb_mss(tcb);
    if (l->dup_octets + mss > nod_board_out(&l->board)) return true;
    if (l->phase == NOD_LOSS_FAST) return l->prr.delivered + mss > l->prr.flight;
    return tcb->work->dup_acks >= NOD_DUP_THRESH && seq_le(tcb->snd.una, l->recover);
}

/* Without SACK each duplicate ACK says that one segment has left the network, and one that
 * advances fills the hole that those stood for (RFC 6582 section 3.2). */
static void count_duplicates(struct nod_tcb *tcb, struct nod_ack *a)
{
    struct nod_work *w = tcb->work;
    struct nod_loss *l = &w->loss;
    uint32_t mss = nod_tcb_mss(tcb);
    if (a->moved) {
        w->dup_acks = 0;
        if (a->acked + l->dup_octets < mss) return;
        uint32_t told = min_u32(l->dup_octets, a->acked > mss ? a->acked - mss : 0);
        l->dup_octets -= told;
        a->d.octets -= min_u32(a->d.octets, told); /* RFC 9937: duplicates have said so */
        if (has_sack(tcb) || l->phase == NOD_LOSS_NONE) l->dup_octets = 0;
        return;
    }
    bool counts = has_sack(tcb) ? a->d.octets > 0 : a->duplicate;
    if (!counts) return;
    w->dup_acks += w->dup_acks < UINT16_MAX;
    if (has_sack(tcb) || l->phase == NOD_LOSS_TIMEOUT || l->phase == NOD_LOSS_TOO_BIG) return;
    if (is_a_dup_too_many(tcb)) return;
    l->dup_octets += mss;
    a->d.octets += mss; /* RFC 9937's DeliveredData */
}

static bool is_time_to_recover(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    if (has_rack(tcb)) return w->loss.board.lost > 0;
    /* Not for what was outstanding when an earlier recovery or timeout began (6582 4.1). */
    if (w->dup_acks < NOD_DUP_THRESH || seq_le(tcb->snd.una, w->loss.recover)) return false;
    lose_first(env, tcb);
    return true;
}

static void in_recovery(struct nod_env *env, struct nod_tcb *tcb, const struct nod_ack *a,
                        uint32_t lost_before)
{
    struct nod_loss *l = &tcb->work->loss;
    if (a->moved && !has_rack(tcb)) lose_first(env, tcb); /* a partial ACK: the next hole */
    if (nod_congestion_has_model(tcb)) return;
    if (!tcb->config->c.prr) {
        tcb->cc.cwnd = tcb->cc.ssthresh;
        return;
    }
    bool safe = a->moved && l->board.lost <= lost_before;
    tcb->cc.cwnd = nod_prr_on_ack(&l->prr, a->d.octets, nod_loss_out(tcb), safe, tcb->cc.ssthresh,
                                  nod_tcb_mss(tcb));
}

void nod_loss_on_rtt(struct nod_env *env, struct nod_tcb *tcb, nod_usec rtt)
{
    struct nod_loss *l = &tcb->work->loss;
    l->probe_ready = true;
    l->rtt_us = (uint32_t)min_u64(max_u64(rtt, 1), UINT32_MAX);
    nod_rack_on_rtt(&l->rack, env->now, l->rtt_us);
    nod_tcb_rtt_sample(env, tcb, rtt);
}

static void sample_rtt(struct nod_env *env, struct nod_tcb *tcb, const struct nod_ack *a)
{
    if (!a->d.any) return;
    /* Without SACK an ACK that fills a hole is also for what came long before. */
    bool once = a->d.any_once && has_sack(tcb);
    const struct nod_sent *run = once ? &a->d.once : &a->d.newest;
    /* Karn (RFC 6298 section 3): of what was sent more than once only an echo tells which. */
    if (run->again && (!a->echo.is_there || seq_lt(a->echo.ms, nod_usec_ms(run->at)))) return;
    nod_loss_on_rtt(env, tcb, env->now - run->at);
}

/* An ACK echoes the segment that it acknowledges. Of one beyond a gap, which it SACKs, the echo is
 * older than that (RFC 7323 section 4.3), whenever it left. */
static struct nod_echo echo_of_newest(const struct nod_tcb *tcb, const struct nod_ack *a)
{
    bool sacked = a->d.any && seq_gt(a->d.newest.end, tcb->snd.una);
    return sacked ? (struct nod_echo){0} : a->echo;
}

static void act(struct nod_env *env, struct nod_tcb *tcb, const struct nod_ack *a, uint32_t flight,
                uint32_t lost_before)
{
    struct nod_loss *l = &tcb->work->loss;
    bool ends = l->phase != NOD_LOSS_NONE && seq_ge(tcb->snd.una, l->recover);
    bool repaired = ends && l->phase == NOD_LOSS_FAST;
    nod_loss_undo_if_false(tcb, a);
    if (ends) nod_loss_leave_recovery(tcb);
    if (l->phase == NOD_LOSS_TIMEOUT) nod_loss_frto(tcb, a);
    if (l->phase == NOD_LOSS_NONE && is_time_to_recover(env, tcb) && !nod_mtu_on_loss(env, tcb))
        enter_recovery(env, tcb, a);
    switch ((enum nod_loss_phase)l->phase) {
    case NOD_LOSS_NONE:
    case NOD_LOSS_TIMEOUT:
    case NOD_LOSS_TOO_BIG: break;
    case NOD_LOSS_FAST: in_recovery(env, tcb, a, lost_before); break;
    }
    /* What ends a recovery has had its say (RFC 9937 6.4). */
    bool grows = l->phase != NOD_LOSS_FAST && !repaired;
    if (grows || nod_congestion_has_model(tcb)) nod_congestion_grow(env, tcb, a, flight);
}

void nod_loss_on_ack(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                     struct nod_ack *a)
{
    struct nod_loss *l = &tcb->work->loss;
    uint32_t before = tcb->cc.cwnd, flight = nod_board_octets(&l->board);
    uint32_t lost_before = l->board.lost, highest = tcb->snd.una;
    uint32_t *reduced = &tcb->work->reduced;
    a->d.heard = env->now;
    if (seq_lt(*reduced, highest)) *reduced = highest - 1; /* never half a turn away */
    if (seq_lt(l->recover, highest)) l->recover = highest - 1;
    if (seq_gt(tcb->snd.una, l->board.first))
        nod_board_acked(&l->board, env->pool, tcb->snd.una, &a->d);
    if (has_sack(tcb)) highest = seq_max(highest, nod_loss_take_sack(env, tcb, seg, a));
    l->rtt_us = 0;
    sample_rtt(env, tcb, a);
    nod_count_ack(tcb, a);
    nod_rack_on_delivery(&l->rack, &a->d, highest, echo_of_newest(tcb, a), env->now);
    nod_rack_on_ack(&l->rack, a->dsack, tcb->snd.una, tcb->snd.nxt);
    count_duplicates(tcb, a);
    nod_rate_on_ack(&l->rate, &a->d, nod_min_filter_get(&l->rack.min_rtt), env->now);
    if (nod_loss_probe_acked(tcb, a)) { /* it has repaired a loss that nobody saw */
        struct nod_cc_sample s = nod_congestion_sample(env, tcb, 0, flight);
        nod_congestion_reduce(tcb, &s, false);
        l->may_undo = false;
        nod_validate_on_recovered(&tcb->work->validate, &tcb->cc, s.mss);
    }
    detect(env, tcb);
    act(env, tcb, a, flight, lost_before);
    tcb->work->marked = false;
    nod_rate_done(&l->rate);
    if (tcb->cc.cwnd != before) nod_congestion_trace(env, tcb);
}

void nod_loss_on_reorder_timer(struct nod_env *env, struct nod_tcb *tcb)
{
    static const struct nod_ack nothing;
    detect(env, tcb);
    if (tcb->work->loss.phase != NOD_LOSS_NONE || !tcb->work->loss.board.lost) return;
    if (nod_mtu_on_loss(env, tcb)) return;
    enter_recovery(env, tcb, &nothing);
    detect(env, tcb); /* in recovery others need not wait: PRR shall know of them */
    in_recovery(env, tcb, &nothing, 0);
    nod_congestion_trace(env, tcb);
}

/* RFC 6298 5.4 to 5.6, RFC 5681 3.1, RFC 8985 6.3. */
void nod_loss_on_timeout(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    struct nod_loss *l = &w->loss;
    bool too_big = nod_mtu_on_timeout(env, tcb);
    w->dup_acks = 0;
    l->dup_octets = 0;
    if (l->board.runs && !too_big && !nod_tcb_syn_unacked(tcb)) { /* the SYN decides of its text */
        const struct nod_sent *first = nod_board_at(&l->board, l->board.first);
        bool renege = first->state == NOD_SENT_SACKED;
        bool again = l->phase == NOD_LOSS_TIMEOUT && seq_lt(tcb->snd.una, l->recover);
        if (!again) nod_loss_remember(tcb);
        /* Not what PRR has made of it for the moment. */
        if (l->phase == NOD_LOSS_FAST && !nod_congestion_has_model(tcb))
            tcb->cc.cwnd = max_u32(tcb->cc.cwnd, l->undo_cwnd);
        nod_congestion_timeout(env, tcb);
        if (tcb->flags & TCB_ACCECN) nod_accecn_timeout(tcb);
        if (has_rack(tcb) && l->rack.at && !renege)
            nod_rack_on_timeout(&l->rack, &l->board, reo_wnd(tcb), env->now);
        else
            nod_board_lose_all(&l->board, renege);
        nod_congestion_tell_lost(env, tcb);
        /* F-RTO: not for the second of a row (RFC 5682 section 2.1 step 1), and not in a recovery,
         * whose loss was none of the timer's. */
        bool frto = tcb->config->c.frto && !again && !renege && l->phase != NOD_LOSS_FAST;
        l->frto = frto ? NOD_FRTO_SENT_AGAIN : NOD_FRTO_OFF;
        l->phase = NOD_LOSS_TIMEOUT;
        nod_congestion_trace(env, tcb);
    }
    l->probe_out = false;
    l->recover = tcb->snd.nxt;
    w->at[NOD_TIMER_REORDER] = NOD_NEVER;
    w->rtx_why = too_big ? NOD_WHY_RETRANSMIT_TOO_BIG : NOD_WHY_RETRANSMIT_TIMEOUT;
    w->timed_at = NOD_NEVER;
    w->retransmits += w->retransmits < UINT16_MAX;
    tcb->rto_us = (uint32_t)min_u64(2 * (uint64_t)tcb->rto_us, tcb->config->c.rto_max_us);
}

/* RFC 3168 section 6.1.2. While CWR has not been said, ECE goes on about what was heeded. A window
 * of one segment cannot be halved: the next one waits for the retransmission timer. */
void nod_loss_on_ecn(struct nod_env *env, struct nod_tcb *tcb, uint32_t ack)
{
    struct nod_work *w = tcb->work;
    if (seq_lt(ack, tcb->snd.una)) return;
    bool heeded = seq_le(ack, w->reduced) || tcb->flags & TCB_CWR;
    w->marked = true; /* the window does not grow by this ACK */
    if (heeded || w->loss.phase == NOD_LOSS_FAST) return;
    bool least = tcb->cc.cwnd <= nod_tcb_mss(tcb);
    uint32_t flight = nod_board_octets(&w->loss.board);
    struct nod_cc_sample s = nod_congestion_sample(env, tcb, 0, flight ? flight : tcb->cc.cwnd);
    nod_congestion_reduce(tcb, &s, true);
    w->loss.may_undo = false;
    if (w->validate.base) nod_validate_on_recovered(&w->validate, &tcb->cc, s.mss);
    if (least) nod_timers_on_hold(env, tcb);
    nod_congestion_trace(env, tcb);
}

/* RFC 1191 6.4, RFC 8201 5.4, RFC 4821 7.6.2: the congestion window is what it was. */
void nod_loss_on_too_big(struct nod_tcb *tcb, uint32_t recover)
{
    struct nod_work *w = tcb->work;
    nod_loss_leave_recovery(tcb);
    w->loss.phase = NOD_LOSS_TOO_BIG;
    w->loss.may_undo = false;
    w->loss.recover = recover;
    w->loss.probe_out = false;
    w->dup_acks = 0;
    w->rtx_why = NOD_WHY_RETRANSMIT_TOO_BIG;
    w->at[NOD_TIMER_REORDER] = w->at[NOD_TIMER_LOSS_PROBE] = NOD_NEVER;
}

void nod_loss_on_sent(struct nod_env *env, struct nod_tcb *tcb, uint32_t end)
{
    struct nod_loss *l = &tcb->work->loss;
    uint32_t octets = end - l->board.end;
    nod_board_sent(&l->board, end, env->now);
    nod_rate_on_sent(&l->rate, l->board.newest, octets, nod_board_out(&l->board));
    if (l->phase == NOD_LOSS_FAST) nod_prr_on_sent(&l->prr, octets);
}

void nod_loss_on_sent_again(struct nod_env *env, struct nod_tcb *tcb, uint32_t seq, uint32_t end)
{
    struct nod_loss *l = &tcb->work->loss;
    nod_search_on_sent_again(env, tcb, seq, end);
    if (!l->undo_at) l->undo_at = env->now;
    while (seq_lt(seq, end)) {
        struct nod_sent *run = nod_board_from(&l->board, env->pool, seq, end - seq);
        if (!run) run = nod_board_at(&l->board, seq); /* no memory to cut it: all of it, then */
        if (run->state != NOD_SENT_SACKED) {
            bool first = !run->again;
            nod_board_again(&l->board, run, env->now);
            nod_rate_on_sent(&l->rate, run, nod_sent_len(run), nod_board_out(&l->board));
            l->undo_again += nod_sent_len(run);
            if (first) tcb->work->validate.again += nod_sent_len(run);
            if (l->phase == NOD_LOSS_FAST) nod_prr_on_sent(&l->prr, nod_sent_len(run));
        }
        seq = run->end;
    }
}
