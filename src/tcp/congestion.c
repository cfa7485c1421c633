/* What a connection tells its congestion control, which sees samples and never a TCB: what was
 * delivered, lost, marked, and when there was nothing to send. (That an alarm was false, undo.c
 * tells.) */
#include "tcp/tcb.h"

/* Whether it is the window that holds us back (RFC 7661). In slow start one that is less than twice
 * what was in flight does, for it doubles in a round trip; Linux has the same rule. */
static bool window_limits(const struct nod_tcb *tcb)
{
    const struct nod_work *w = tcb->work;
    if (tcb->cc.cwnd >= tcb->cc.ssthresh) return w->limited;
    return tcb->cc.cwnd / 2 < w->sent_flight;
}

struct nod_cc_sample nod_congestion_sample(const struct nod_env *env, const struct nod_tcb *tcb,
                                           uint32_t acked, uint32_t flight)
{
    const struct nod_loss *l = &tcb->work->loss;
    const struct nod_rate *r = &l->rate;
    return (struct nod_cc_sample){
        .now = env->now,
        .acked = acked,
        .flight = flight,
        .mss = nod_tcb_mss(tcb),
        .srtt_us = tcb->srtt_us,
        .rtt_us = l->rtt_us,
        .una = tcb->snd.una,
        .nxt = tcb->snd.nxt,
        .limited = window_limits(tcb),
        .hystart = tcb->config->c.hystart,
        .bbr_loss = tcb->config->c.bbr_loss,
        .filled = tcb->work->limited,
        .paced = nod_pace_rate(tcb) > 0,
        .sack = tcb->flags & TCB_SACK,
        .recovering = l->phase == NOD_LOSS_FAST || l->phase == NOD_LOSS_TIMEOUT,
        .random = tcb->ts_offset,
        .in_flight = nod_loss_out(tcb),
        .min_rtt_us = nod_min_filter_get(&l->rack.min_rtt),
        .delivered = r->delivered,
        .lost = r->lost,
        .sampled = r->sample.any,
        .app_limited = r->sample.app_limited,
        .prior_delivered = r->sample.prior_delivered,
        .prior_lost = r->sample.prior_lost,
        .rate = r->sample.rate,
        .interval_us = r->sample.interval_us,
        .sample_delivered = r->sample.delivered,
        .sample_flight = r->sample.flight,
    };
}

/* For each ACK, and for all that it says, because it computes the window from a model. */
bool nod_congestion_has_model(const struct nod_tcb *tcb)
{
    return nod_cc_ops(&tcb->cc)->has_model;
}

/* What was found lost just now. */
void nod_congestion_tell_lost(struct nod_env *env, struct nod_tcb *tcb)
{
    const struct nod_cc_ops *ops = nod_cc_ops(&tcb->cc);
    struct nod_loss *l = &tcb->work->loss;
    struct nod_sent *run;
    while ((run = nod_board_take_news(&l->board))) {
        l->rate.lost += nod_sent_len(run);
        if (!ops->on_lost) continue;
        struct nod_cc_sample s = nod_congestion_sample(env, tcb, 0, nod_board_octets(&l->board));
        s.sampled = true;
        s.app_limited = run->rate.app_limited;
        s.prior_delivered = run->rate.delivered;
        s.prior_lost = run->rate.lost;
        s.sample_flight = run->rate.flight;
        s.una = nod_sent_seq(run);
        s.nxt = run->end;
        ops->on_lost(&tcb->cc, &tcb->work->cc_own, &s);
    }
}

void nod_congestion_trace(struct nod_env *env, const struct nod_tcb *tcb)
{
    nod_trace *event = nod_tcb_trace(env, tcb, NOD_TRACE_CWND);
    if (!event) return;
    event->u.cwnd.cwnd = tcb->cc.cwnd;
    event->u.cwnd.ssthresh = tcb->cc.ssthresh;
}

/* Once in a window of data, whatever the reason (RFC 3168 6.1.2); and the peer is told. */
static void was_reduced(struct nod_tcb *tcb)
{
    tcb->work->reduced = tcb->snd.nxt;
    if (tcb->flags & TCB_ECN) tcb->flags |= TCB_CWR;
}

/* RFC 7661, if it is on, and the algorithm has a window of that kind. */
static bool validates(const struct nod_tcb *tcb)
{
    return tcb->config->c.cwnd_validation && !nod_congestion_has_model(tcb);
}

/* Something was lost or marked. */
void nod_congestion_reduce(struct nod_tcb *tcb, struct nod_cc_sample *s, bool marked)
{
    struct nod_work *w = tcb->work;
    const struct nod_cc_ops *ops = nod_cc_ops(&tcb->cc);
    bool valid = !validates(tcb) || nod_validate_holds(&w->validate, s->now, s->srtt_us);
    if (!valid) {
        s->flight = nod_validate_flight(&w->validate, s);
        s->limited = false;
    }
    (marked ? ops->on_ecn : ops->on_loss)(&tcb->cc, &w->cc_own, s);
    if (!valid) nod_validate_on_loss(&w->validate, &tcb->cc, s->flight, s->mss);
    was_reduced(tcb);
}

void nod_congestion_timeout(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    uint32_t flight = nod_board_octets(&w->loss.board);
    struct nod_cc_sample s = nod_congestion_sample(env, tcb, 0, flight);
    nod_cc_ops(&tcb->cc)->on_timeout(&tcb->cc, &w->cc_own, &s, w->retransmits > 0);
    was_reduced(tcb);
    w->validate.base = 0; /* the flight counts, as ever (RFC 5681 3.1) */
}

/* After an RTO without anything to send RFC 5681 4.1 begins anew; RFC 7661 goes on. */
void nod_congestion_resume(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    const struct nod_cc_ops *ops = nod_cc_ops(&tcb->cc);
    uint32_t before = tcb->cc.cwnd, mss = nod_tcb_mss(tcb);
    struct nod_cc_sample s = nod_congestion_sample(env, tcb, 0, 0);
    s.app_limited = w->loss.rate.limited_until;
    if (validates(tcb))
        nod_validate_age(&w->validate, &tcb->cc, env->now, mss);
    else if (ops->on_idle && env->now - w->last_send > tcb->rto_us)
        ops->on_idle(&tcb->cc, &w->cc_own, mss);
    if (ops->on_restart) ops->on_restart(&tcb->cc, &w->cc_own, &s); /* a rate from that window */
    if (tcb->cc.cwnd != before) nod_congestion_trace(env, tcb);
}

nod_usec nod_congestion_until_rest(const struct nod_tcb *tcb)
{
    /* No less than the initial window is left in any case. */
    if (!validates(tcb) || tcb->cc.cwnd <= nod_cc_initial_window(nod_tcb_mss(tcb)))
        return tcb->rto_us;
    return max_u64(tcb->rto_us, nod_validate_period(tcb->srtt_us));
}

void nod_congestion_grow(struct nod_env *env, struct nod_tcb *tcb, const struct nod_ack *a,
                         uint32_t flight)
{
    /* RFC 5681 2: duplicates grow no window, unless it is usual here that segments overtake each
     * other, and SND.UNA says little. Linux has the same rule. */
    bool told = a->acked || (a->d.octets && tcb->work->loss.rack.reordering);
    if (!told && !nod_congestion_has_model(tcb)) return;
    /* By what this ACK is the first to tell of; what was sacked before has been told. */
    struct nod_cc_sample s = nod_congestion_sample(env, tcb, a->d.octets, flight);
    if (tcb->work->loss.phase == NOD_LOSS_NONE && validates(tcb))
        nod_validate_on_ack(&tcb->work->validate, &tcb->cc, &s);
    if (tcb->work->marked && !nod_congestion_has_model(tcb)) return;
    struct nod_cc_own *own = &tcb->work->cc_own;
    nod_cc_ops(&tcb->cc)->on_ack(&tcb->cc, own, &s);
    if (own->holds_back) nod_rate_limited(&tcb->work->loss.rate, nod_loss_out(tcb));
    own->holds_back = false;
}
