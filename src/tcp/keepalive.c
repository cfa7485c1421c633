/* Keep-alive (RFC 9293 section 3.8.4). A connection at rest has no `work`; its one place in the
 * wheel is then the time of the next probe, which follows from what `rare` remembers. */
#include "tcp/tcb.h"

/* Only when nothing is outstanding, and nothing waits to be (MUST-26). */
static bool is_silent(const struct nod_tcb *tcb)
{
    if (tcb->snd.una != tcb->snd.nxt) return false;
    if (tcb->work && tcb->work->sendq.bytes) return false;
    return !(tcb->flags & TCB_CLOSED) || tcb->flags & TCB_FIN_SENT;
}

static bool is_wanted(const struct nod_tcb *tcb)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
    case NOD_CLOSE_WAIT:
    case NOD_CLOSING:
    case NOD_LAST_ACK: return tcb->config->c.keepalive && is_silent(tcb);
    case NOD_CLOSED:
    case NOD_LISTEN:
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED:
    case NOD_TIME_WAIT: return false;
    }
    return false;
}

nod_usec nod_keepalive_deadline(const struct nod_tcb *tcb)
{
    const struct nod_rare *r = tcb->rare;
    const nod_tcp_config *c = &tcb->config->c;
    if (!r || !is_wanted(tcb)) return NOD_NEVER;
    if (r->keep_probes) return r->probed_at + c->keepalive_interval_us;
    return r->heard_at + c->keepalive_idle_us;
}

nod_usec nod_keepalive_schedule(struct nod_env *env, struct nod_tcb *tcb)
{
    if (!tcb->config->c.keepalive && tcb->rare) tcb->rare->keep_probes = 0;
    if (!is_wanted(tcb)) return NOD_NEVER;
    if (!nod_tcb_rare(env, tcb)) return env->now + NOD_SEC; /* perhaps there is memory then */
    return nod_keepalive_deadline(tcb);
}

void nod_keepalive_heard(const struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_rare *r = tcb->rare;
    if (!r) return;
    r->heard_at = env->now;
    r->keep_probes = 0;
    r->keep_due = false;
}

/* Never after one unanswered probe alone (MUST-29): as many as are configured; or, if the user has
 * chosen a user timeout, when that is over, as in Linux. */
static bool is_over(const struct nod_env *env, const struct nod_tcb *tcb)
{
    const struct nod_rare *r = tcb->rare;
    const nod_tcp_config *c = &tcb->config->c;
    if (c->user_timeout_set) return r->keep_probes && env->now - r->heard_at >= c->user_timeout_us;
    return r->keep_probes >= c->keepalive_probes;
}

void nod_keepalive_expire(struct nod_env *env, struct nod_tcb *tcb)
{
    if (tcb->rec.state == NOD_CLOSED || nod_keepalive_deadline(tcb) > env->now) return;
    struct nod_rare *r = tcb->rare;
    bool over = is_over(env, tcb);
    r->keep_probes += r->keep_probes < UINT8_MAX && !over;
    r->probed_at = env->now;
    r->keep_due = !over;
    nod_timers_trace(env, tcb, NOD_TIMER_KEEPALIVE, r->keep_probes,
                     over ? NOD_NEVER : tcb->config->c.keepalive_interval_us);
    if (!over) return;
    nod_tcb_send_rst(env, tcb, NOD_WHY_RST_TIMEOUT);
    nod_tcb_time_out(env, tcb);
}

bool nod_keepalive_take(struct nod_tcb *tcb)
{
    if (!tcb->rare || !tcb->rare->keep_due) return false;
    tcb->rare->keep_due = false;
    return is_wanted(tcb); /* or something else was said since */
}
