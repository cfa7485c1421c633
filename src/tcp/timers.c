/* The timers of a connection, as named events. Deadlines are in work->at; the earliest of them
 * is the connection's one place in the wheel. */
#include "tcp/tcb.h"

static bool is_synchronized(const struct nod_tcb *tcb)
{
    return tcb->rec.state >= NOD_ESTABLISHED;
}

/* Something waits to be sent that is not sent yet. */
static bool has_unsent(const struct nod_tcb *tcb)
{
    if (!is_synchronized(tcb)) return false;
    return seq_lt(tcb->snd.nxt, nod_tcb_data_end(tcb)) ||
           (tcb->flags & TCB_CLOSED && !(tcb->flags & TCB_FIN_SENT));
}

static nod_usec backed_off(const struct nod_tcb *tcb, unsigned times)
{
    uint64_t rto = (uint64_t)tcb->rto_us << (times < 16 ? times : 16);
    return min_u64(rto, tcb->config->c.rto_max_us);
}

/* Something was sent that is not acknowledged. */
static bool has_unacked(const struct nod_tcb *tcb)
{
    return tcb->snd.una != tcb->snd.nxt && !(tcb->flags & TCB_SYN_WAITS);
}

/* A closed window is probed; an open one has the retransmission timer. Never both. */
static void arm_retransmit(struct nod_env *env, struct nod_tcb *tcb, bool restart)
{
    struct nod_work *w = tcb->work;
    bool waiting = has_unacked(tcb);
    if (is_synchronized(tcb) && tcb->snd.wnd == 0 && (waiting || has_unsent(tcb))) {
        w->at[NOD_TIMER_RETRANSMIT] = NOD_NEVER;
        w->held = false;
        if (w->at[NOD_TIMER_PERSIST] == NOD_NEVER) /* SHLD-29 */
            w->at[NOD_TIMER_PERSIST] = env->now + backed_off(tcb, 0);
        return;
    }
    w->at[NOD_TIMER_PERSIST] = NOD_NEVER;
    w->probe_due = false;
    if (w->held) return; /* it runs already, for both */
    if (!waiting) {
        w->at[NOD_TIMER_RETRANSMIT] = NOD_NEVER;
    } else if (restart || w->at[NOD_TIMER_RETRANSMIT] == NOD_NEVER) {
        w->at[NOD_TIMER_RETRANSMIT] = env->now + tcb->rto_us;
    }
}

void nod_timers_on_sent(struct nod_env *env, struct nod_tcb *tcb, bool oldest)
{
    /* RFC 6298 5.1. The oldest octets have another round trip's time when they leave again: else
     * the timeout comes in the middle of a recovery that goes well. */
    arm_retransmit(env, tcb, oldest);
    nod_loss_arm_probe(env, tcb);
}

void nod_timers_on_ack(struct nod_env *env, struct nod_tcb *tcb, bool moved)
{
    if (!moved) {
        if (tcb->work->loss.board.sacked) tcb->work->at[NOD_TIMER_LOSS_PROBE] = NOD_NEVER;
        return;
    }
    arm_retransmit(env, tcb, true); /* 5.2, 5.3 */
    nod_loss_arm_probe(env, tcb);
}

void nod_timers_on_window(struct nod_env *env, struct nod_tcb *tcb)
{
    arm_retransmit(env, tcb, false);
}

/* RFC 3168 6.1.2, RFC 9438 4.6: the timer is all that is left to slow down with, longer each time
 * in a row. */
void nod_timers_on_hold(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    if (w->held) return;
    w->held = true;
    w->at[NOD_TIMER_RETRANSMIT] = env->now + backed_off(tcb, w->holds);
    w->holds += w->holds < 16;
}

void nod_timers_on_state(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    bool orphan = tcb->rec.state == NOD_FIN_WAIT_2 && tcb->flags & TCB_RELEASED;
    if (!orphan) {
        w->at[NOD_TIMER_FIN_WAIT_2] = NOD_NEVER;
    } else if (w->at[NOD_TIMER_FIN_WAIT_2] == NOD_NEVER) {
        w->at[NOD_TIMER_FIN_WAIT_2] = env->now + tcb->config->c.fin_wait_2_us;
    }
}

/* R2 (3.8.3): how long the peer may owe us progress. */
static void arm_user_timeout(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    const nod_tcp_config *c = &tcb->config->c;
    bool owed = has_unacked(tcb) || has_unsent(tcb);
    if (owed && !w->owed) w->stalled_since = env->now;
    w->owed = owed;
    nod_usec limit = is_synchronized(tcb) ? nod_user_timeout(tcb) : c->syn_timeout_us;
    bool armed = owed && limit != NOD_NEVER && w->stalled_since != NOD_NEVER;
    w->at[NOD_TIMER_USER] = armed ? w->stalled_since + limit : NOD_NEVER;
}

void nod_timers_schedule(struct nod_env *env, struct nod_tcb *tcb)
{
    nod_usec first = NOD_NEVER;
    if (tcb->work && tcb->rec.state != NOD_CLOSED && tcb->rec.state != NOD_TIME_WAIT) {
        arm_retransmit(env, tcb, false);
        arm_user_timeout(env, tcb);
        for (int i = 0; i < NOD_TIMER_COUNT; i++) first = min_u64(first, tcb->work->at[i]);
    }
    first = min_u64(first, nod_keepalive_schedule(env, tcb));
    nod_wheel_set(&env->wheel, &tcb->rec.timer, first);
}

void nod_timers_trace(struct nod_env *env, const struct nod_tcb *tcb, enum nod_timer timer,
                      uint32_t count, nod_usec next)
{
    nod_trace *event = nod_tcb_trace(env, tcb, NOD_TRACE_TIMER);
    if (!event) return;
    event->u.timer.timer = (uint8_t)timer;
    event->u.timer.count = count;
    event->u.timer.next_us = next;
}

static void retransmit(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    bool held = w->held;
    w->held = false;
    if (held && tcb->snd.una == tcb->snd.nxt) {
        nod_timers_trace(env, tcb, NOD_TIMER_RETRANSMIT, w->holds, NOD_NEVER);
        return;
    }
    nod_loss_on_timeout(env, tcb);
    nod_count_timeout(tcb);
    if (nod_tcb_syn_unacked(tcb)) {
        w->syn_due = true; /* the SYN first; a FIN behind it waits */
        tcb->flags |= TCB_SYN_AGAIN;
    }
    w->at[NOD_TIMER_RETRANSMIT] = env->now + tcb->rto_us;
    nod_timers_trace(env, tcb, NOD_TIMER_RETRANSMIT, w->retransmits, tcb->rto_us);
    if (w->retransmits < tcb->config->c.r1_retransmits || tcb->flags & TCB_TOLD_R1) return;
    tcb->flags |= TCB_TOLD_R1; /* SHLD-9 */
    nod_tcb_soft_error(tcb, NOD_ETIMEDOUT);
}

static void probe(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    w->probe_due = true;
    if (w->stalled_since == NOD_NEVER) w->stalled_since = env->now;
    w->probes += w->probes < UINT16_MAX;
    nod_usec next = backed_off(tcb, w->probes); /* SHLD-30 */
    w->at[NOD_TIMER_PERSIST] = env->now + next;
    nod_timers_trace(env, tcb, NOD_TIMER_PERSIST, w->probes, next);
}

static void expire(struct nod_env *env, struct nod_tcb *tcb, enum nod_timer timer)
{
    tcb->work->at[timer] = NOD_NEVER;
    switch (timer) {
    case NOD_TIMER_RETRANSMIT: retransmit(env, tcb); return;
    case NOD_TIMER_PERSIST: probe(env, tcb); return;
    case NOD_TIMER_PACING: return; /* output is due, and that is all: no news */
    case NOD_TIMER_REORDER: nod_loss_on_reorder_timer(env, tcb); break;
    case NOD_TIMER_LOSS_PROBE: nod_loss_on_probe_timer(env, tcb); break;
    case NOD_TIMER_DELAYED_ACK: nod_tcb_ack_now(tcb, NOD_WHY_ACK_DELAYED); break;
    case NOD_TIMER_SWS_OVERRIDE: tcb->work->override_due = true; break;
    case NOD_TIMER_USER: break;
    case NOD_TIMER_FIN_WAIT_2: break;
    case NOD_TIMER_TIME_WAIT: break;
    case NOD_TIMER_KEEPALIVE: break;
    case NOD_TIMER_COUNT: break;
    }
    nod_timers_trace(env, tcb, timer, 1, NOD_NEVER);
    if (timer == NOD_TIMER_USER) nod_tcb_time_out(env, tcb);
    if (timer == NOD_TIMER_FIN_WAIT_2) nod_tcb_end(env, tcb, 0);
}

void nod_timers_expire(struct nod_env *env, struct nod_tcb *tcb)
{
    /* The user timeout first: what is over is not sent again. */
    static const enum nod_timer order[] = {
        NOD_TIMER_USER,        NOD_TIMER_FIN_WAIT_2,   NOD_TIMER_REORDER,
        NOD_TIMER_LOSS_PROBE,  NOD_TIMER_RETRANSMIT,   NOD_TIMER_PERSIST,
        NOD_TIMER_DELAYED_ACK, NOD_TIMER_SWS_OVERRIDE, NOD_TIMER_PACING,
    };
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (tcb->rec.state == NOD_CLOSED) return;
        if (tcb->work->at[order[i]] <= env->now) expire(env, tcb, order[i]);
    }
    nod_keepalive_expire(env, tcb);
}
