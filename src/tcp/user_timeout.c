/* How long data may stay unacknowledged (RFC 9293 section 3.8.3), and what the two ends tell each
 * other of it: the user timeout option (RFC 5482). */
#include "tcp/tcb.h"

#define MINUTES 0x8000u /* the option's G bit */
#define MOST 0x7fffu

/* ADV_UTO. In seconds where that is possible; never zero, which means nothing (section 3.3). */
uint16_t nod_uto_encode(nod_usec time)
{
    uint64_t seconds = time / NOD_SEC + (time % NOD_SEC != 0);
    if (seconds <= MOST) return (uint16_t)max_u64(seconds, 1);
    return (uint16_t)(MINUTES | min_u64(seconds / 60, MOST));
}

nod_usec nod_uto_decode(uint16_t value)
{
    return (value & MOST) * (value & MINUTES ? 60 * NOD_SEC : NOD_SEC);
}

/* REMOTE_UTO. */
void nod_uto_take(struct nod_env *env, struct nod_tcb *tcb, const struct nod_tcp_options *opt)
{
    if (!opt->has_uto || !tcb->config->c.uto || !(opt->uto & MOST)) return;
    struct nod_rare *r = nod_tcb_rare(env, tcb);
    if (!r || r->remote_uto == opt->uto) return;
    r->remote_uto = opt->uto;
    nod_tcb_event(tcb, NOD_EVENT_USER_TIMEOUT);
}

/* USER_TIMEOUT. What the user has chosen stays (CHANGEABLE is false then, section 3.1). */
nod_usec nod_user_timeout(const struct nod_tcb *tcb)
{
    const nod_tcp_config *c = &tcb->config->c;
    if (!c->uto || c->user_timeout_set || !tcb->rare || !tcb->rare->remote_uto)
        return c->user_timeout_us;
    nod_usec lower = max_u64(c->uto_lower_us, tcb->rto_us + NOD_SEC);
    nod_usec wish = max_u64(c->user_timeout_us, nod_uto_decode(tcb->rare->remote_uto));
    return min_u64(c->uto_upper_us, max_u64(wish, lower));
}
