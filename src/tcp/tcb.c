#include "tcp/tcb.h"

#include <string.h>

#include "tcp/state.h"

static void loss_init(struct nod_tcb *tcb)
{
    struct nod_loss *l = &tcb->work->loss;
    nod_board_init(&l->board, tcb->snd.nxt);
    nod_rack_init(&l->rack, tcb->snd.nxt);
    l->recover = tcb->snd.nxt - 1;
    l->probe_ready = true;
}

void nod_tcb_init(struct nod_env *env, struct nod_tcb *tcb, uint32_t iss)
{
    tcb->snd.iss = tcb->snd.una = iss;
    tcb->snd.nxt = iss + 1; /* the SYN */
    tcb->work->sendq.base = iss + 1;
    loss_init(tcb);
    tcb->work->reduced = iss;
    tcb->rto_us = (uint32_t)min_u64(tcb->config->c.rto_initial_us, UINT32_MAX);
    tcb->work->stalled_since = env->now;
    tcb->work->rcv_mss = 536;
    tcb->cc.id = (uint8_t)nod_cc_find(tcb->config->c.congestion);
    nod_cc_ops(&tcb->cc)->init(&tcb->cc, &tcb->work->cc_own, nod_tcb_mss(tcb));
}

bool nod_tcb_wake(struct nod_env *env, struct nod_tcb *tcb)
{
    if (tcb->work) return true;
    struct nod_work *w = nod_pool_take(env->pool, sizeof(*w));
    if (!w) return false;
    memset(w, 0, sizeof(*w));
    for (int i = 0; i < NOD_TIMER_COUNT; i++) w->at[i] = NOD_NEVER;
    w->sendq.base = tcb->snd.nxt;
    w->recvq.base = tcb->rcv.nxt;
    w->reduced = tcb->snd.nxt - 1;
    w->timed_at = NOD_NEVER;
    w->rcv_mss = 536;
    w->stalled_since = env->now;
    nod_validate_wake(&w->validate, env->now, tcb->cc.valid_s);
    tcb->work = w;
    nod_tune_wake(tcb);
    loss_init(tcb);
    const struct nod_cc_ops *ops = nod_cc_ops(&tcb->cc);
    if (tcb->rare && ops->on_wake) ops->on_wake(&w->cc_own, &tcb->rare->cc, env->now);
    if (tcb->rare) tcb->rare->cc = (struct nod_cc_rest){0}; /* it grows old */
    return true;
}

static bool timers_idle(const struct nod_work *w)
{
    for (int i = 0; i < NOD_TIMER_COUNT; i++)
        if (w->at[i] != NOD_NEVER) return false;
    return true;
}

void nod_tcb_rest(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    if (!w || w->due_pprev || w->sendq.bytes || w->recvq.bytes || w->ooq.count) return;
    if (tcb->snd.una != tcb->snd.nxt || !timers_idle(w) || w->loss.phase || w->retransmits) return;
    if (tcb->rec.state != NOD_ESTABLISHED && tcb->rec.state != NOD_CLOSE_WAIT &&
        tcb->rec.state != NOD_FIN_WAIT_2)
        return;
    /* A FIN beyond a gap: only `work` knows where it is. */
    if (tcb->flags & TCB_FIN_SEEN && tcb->rec.state != NOD_CLOSE_WAIT) return;
    /* `work` knows when text was last sent, and how much, and what was read in the last round
     * trips. Until some time has passed since then, the congestion window is good for the next: the
     * connection rests after that. */
    nod_usec wait = nod_congestion_until_rest(tcb), last = max_u64(w->last_send, w->tune.since);
    if (last && env->now - last <= wait) {
        nod_usec rest = last + wait + 1;
        nod_wheel_set(&env->wheel, &tcb->rec.timer, min_u64(rest, nod_keepalive_deadline(tcb)));
        return;
    }
    if (w->last_send) tcb->cc.valid_s = nod_validate_rest(&w->validate, env->now) & NOD_CC_SECONDS;
    /* Only where there is room already: an idle connection has its budget. */
    const struct nod_cc_ops *ops = nod_cc_ops(&tcb->cc);
    if (tcb->rare && ops->on_rest) ops->on_rest(&w->cc_own, &tcb->rare->cc);
    nod_board_clear(&w->loss.board, env->pool);
    nod_pool_give(env->pool, w, sizeof(*w));
    tcb->work = NULL;
}

void nod_tcb_flush(struct nod_env *env, struct nod_tcb *tcb)
{
    if (!tcb->work) return;
    nod_queue_clear(&tcb->work->sendq, env->pool);
    nod_queue_clear(&tcb->work->recvq, env->pool);
    nod_reassembly_clear(&tcb->work->ooq, env->pool);
    nod_board_clear(&tcb->work->loss.board, env->pool);
    nod_pool_give(env->pool, tcb->work, sizeof(*tcb->work));
    tcb->work = NULL;
}

struct nod_rare *nod_tcb_rare(struct nod_env *env, struct nod_tcb *tcb)
{
    if (tcb->rare) return tcb->rare;
    tcb->rare = nod_pool_take(env->pool, sizeof(*tcb->rare));
    if (!tcb->rare) return NULL;
    memset(tcb->rare, 0, sizeof(*tcb->rare));
    tcb->rare->heard_at = tcb->rare->count.limit_since = env->now;
    return tcb->rare;
}

nod_trace *nod_tcb_trace(struct nod_env *env, const struct nod_tcb *tcb, enum nod_trace_type type)
{
    nod_trace *event = nod_trace_add(&env->trace, type, env->now);
    if (!event) return NULL;
    event->state = tcb->rec.state;
    event->iface = tcb->rec.iface;
    event->handle = nod_env_handle(env, tcb->slot);
    event->local = nod_key_local(&tcb->rec.key);
    event->remote = nod_key_remote(&tcb->rec.key);
    return event;
}

void nod_tcb_set_state(struct nod_env *env, struct nod_tcb *tcb, enum nod_state state)
{
    enum nod_state from = tcb->rec.state;
    NOD_ASSERT(nod_state_edge_is_legal(from, state));
    tcb->rec.state = (uint8_t)state;
    nod_trace *event = nod_tcb_trace(env, tcb, NOD_TRACE_STATE);
    if (event) {
        event->u.edge.from = (uint8_t)from;
        event->u.edge.to = (uint8_t)state;
    }
    if (state != NOD_CLOSED && tcb->work) nod_timers_on_state(env, tcb);
}

void nod_tcb_end(struct nod_env *env, struct nod_tcb *tcb, int error)
{
    tcb->error = (int8_t)error;
    if (error) {
        if (tcb->flags & TCB_OPEN_TOLD) {
            env->stats.established_resets++;
        } else {
            env->stats.open_failures++;
        }
    }
    nod_tcb_event(tcb, error ? NOD_EVENT_ERROR : NOD_EVENT_CLOSED);
    nod_tcb_set_state(env, tcb, NOD_CLOSED);
    nod_queue_clear(&tcb->work->sendq, env->pool);
    nod_reassembly_clear(&tcb->work->ooq, env->pool);
    nod_board_clear(&tcb->work->loss.board, env->pool);
}

/* A soft ICMP error that was heard before says more than that nobody answered (SHLD-25). */
void nod_tcb_time_out(struct nod_env *env, struct nod_tcb *tcb)
{
    nod_tcb_end(env, tcb, tcb->soft_error ? tcb->soft_error : NOD_ETIMEDOUT);
}

/* MUST-47; who does not want to be told (SHLD-20) still hears the cause at the end. */
void nod_tcb_soft_error(struct nod_tcb *tcb, int error)
{
    if (error != NOD_ETIMEDOUT || !tcb->soft_error) tcb->soft_error = (int8_t)error;
    if (tcb->config->c.soft_errors) nod_tcb_event(tcb, NOD_EVENT_SOFT_ERROR);
}

void nod_tcb_event(struct nod_tcb *tcb, uint32_t flags)
{
    tcb->events |= (uint16_t)flags;
}

uint32_t nod_tcb_ts(const struct nod_env *env, uint32_t offset)
{
    return (uint32_t)(env->now / 1000) + offset; /* 1 ms, within RFC 7323's 1 ms to 1 s */
}

void nod_tcb_negotiate(const struct nod_env *env, struct nod_tcb *tcb,
                       const struct nod_tcp_options *opt, int family)
{
    const nod_tcp_config *c = &tcb->config->c;
    uint32_t mss = opt->has_mss ? opt->mss : family == 6 ? 1220 : 536; /* MUST-15 */
    nod_mtu_agree(tcb, mss);
    if (opt->has_ts && c->timestamps) tcb->flags |= TCB_TS;
    if (opt->sack_permitted && c->sack) tcb->flags |= TCB_SACK;
    if (opt->has_wscale && c->window_scale) {
        tcb->flags |= TCB_SCALE;
        tcb->snd_scale = (uint8_t)min_u32(opt->wscale, 14); /* RFC 7323 2.3 */
        tcb->rcv_scale = nod_tune_scale(env, c);
    }
}

void nod_tcb_challenge(struct nod_env *env, struct nod_tcb *tcb)
{
    if (nod_challenge_allowed(env, &tcb->throttle)) nod_tcb_ack_now(tcb, NOD_WHY_ACK_CHALLENGE);
}

void nod_tcb_send_rst(struct nod_env *env, struct nod_tcb *tcb, enum nod_why why)
{
    struct nod_reply *reply = nod_reply_add(env, &tcb->rec.key, why);
    if (!reply) return;
    reply->seq = tcb->snd.nxt;
    reply->ack = tcb->rcv.nxt;
    reply->ctl = NOD_RST | NOD_ACK; /* as most stacks; an acceptable ACK does no harm */
    reply->state = tcb->rec.state;
    reply->iface = tcb->rec.iface;
    reply->slot = tcb->slot;
    reply->iss = tcb->snd.iss;
    reply->irs = tcb->rcv.irs;
    nod_reply_as(reply, &tcb->config->c);
    if (tcb->flags & TCB_TS) {
        reply->opt.has_ts = true;
        reply->opt.ts_val = nod_tcb_ts(env, tcb->ts_offset);
        reply->opt.ts_ecr = tcb->ts_recent;
    }
}

void nod_tcb_check(const struct nod_tcb *tcb)
{
    const struct nod_work *w = tcb->work;
    NOD_ASSERT(seq_le(tcb->snd.una, tcb->snd.nxt));
    if (tcb->rec.state >= NOD_ESTABLISHED) NOD_ASSERT(seq_le(tcb->rcv.nxt, tcb->rcv.edge + 1));
    if (!w) return;
    if (tcb->rec.state == NOD_CLOSED) return;
    NOD_ASSERT(w->loss.board.end == tcb->snd.nxt);
    NOD_ASSERT(w->loss.board.first == tcb->snd.una || nod_tcb_syn_unacked(tcb));
    uint32_t end = nod_tcb_data_end(tcb) + (tcb->flags & TCB_FIN_SENT ? 1 : 0);
    NOD_ASSERT(seq_le(tcb->snd.nxt, end) || nod_tcb_syn_unacked(tcb));
    if (!nod_tcb_syn_unacked(tcb) && w->sendq.bytes) NOD_ASSERT(tcb->snd.una == w->sendq.base);
    /* At rcv.nxt, and not beyond it: kept when memory was short as the gap closed. */
    if (w->ooq.count) NOD_ASSERT(seq_ge(nod_reassembly_first(&w->ooq), tcb->rcv.nxt));
    NOD_ASSERT((w->ooq.count == 0) == (w->ooq.held == 0));
    NOD_ASSERT(w->tune.buffer <= 1u << 30);
    NOD_ASSERT(tcb->cc.cwnd >= 1);
}
