/* Half-open connections of listeners: small records, from the SYN to the ACK that makes them
 * connections, or to the end of patience. */
#include "stack/stack.h"
#include "tcp/ecn.h"

static nod_usec syn_received_rto(const nod_tcp_config *c, unsigned retransmits)
{
    return min_u64(c->rto_initial_us << min_u32(retransmits, 16), c->rto_max_us);
}

struct nod_small_config nod_syn_received_config(const nod_stack *s,
                                                const struct nod_syn_received *r)
{
    const struct nod_listener *l =
        (struct nod_listener *)nod_env_slot(&s->env, r->listener)->object;
    return (struct nod_small_config){
        .tcp = &l->config->c,
        .adv_mss = nod_adv_mss(s, &r->rec.key, r->rec.iface, &l->config->c),
    };
}

/* Options as nod_tcb_negotiate would agree on them, into the record. */
static void negotiate(struct nod_syn_received *r, const nod_tcp_config *c,
                      const struct nod_tcp_options *opt, int family)
{
    r->mss = opt->has_mss ? opt->mss : family == 6 ? 1220 : 536;
    if (opt->has_ts && c->timestamps) r->rec.flags |= SMALL_TS;
    if (opt->sack_permitted && c->sack) r->rec.flags |= SMALL_SACK;
    if (opt->has_wscale && c->window_scale) {
        r->rec.flags |= SMALL_SCALE;
        r->snd_scale = (uint8_t)min_u32(opt->wscale, 14);
    }
    r->ts_recent = opt->ts_val;
}

void nod_half_open_fill(nod_stack *s, const nod_tcp_config *c, const struct nod_key *key,
                        const struct nod_segment *seg, struct nod_syn_received *r)
{
    *r = (struct nod_syn_received){
        .rec = {.key = *key,
                .kind = NOD_RECORD_SYN_RECEIVED,
                .state = NOD_SYN_RECEIVED,
                .iface = seg->iface},
        .iss = nod_isn(s, key),
        .irs = seg->seq,
    };
    negotiate(r, c, &seg->h.opt, seg->family);
    nod_ecn_record_syn(&r->ecn, true, seg, (enum nod_ecn)c->ecn_accept);
}

/* The edge from LISTEN, which no TCB makes. */
void nod_half_open_trace(nod_stack *s, const struct nod_key *key)
{
    nod_trace *event = nod_trace_add(&s->env.trace, NOD_TRACE_STATE, s->env.now);
    if (!event) return;
    event->state = NOD_SYN_RECEIVED;
    event->local = nod_key_local(key);
    event->remote = nod_key_remote(key);
    event->u.edge.from = NOD_LISTEN;
    event->u.edge.to = NOD_SYN_RECEIVED;
}

bool nod_half_open_new(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                       const struct nod_segment *seg, uint32_t iss_floor)
{
    struct nod_syn_received *r = nod_pool_take(s->env.pool, sizeof(*r));
    if (!r) return false;
    const nod_tcp_config *c = &l->config->c;
    nod_half_open_fill(s, c, key, seg, r);
    r->listener = l->slot;
    /* After a TIME-WAIT that this SYN ended, numbers go on above the old ones (MAY-2). */
    if (iss_floor) r->iss = nod_isn_above(r->iss, iss_floor);
    if (!nod_demux_add(s, &r->rec)) {
        nod_pool_give(s->env.pool, r, sizeof(*r));
        return false;
    }
    l->half_open++;
    s->env.stats.syn_received++;
    nod_wheel_set(&s->env.wheel, &r->rec.timer, s->env.now + syn_received_rto(c, 0));
    struct nod_small_config config = nod_syn_received_config(s, r);
    struct nod_reply *reply = nod_syn_received_send(&s->env, r, &config);
    if (reply) nod_fast_open_grant(s, l, key, &seg->h.opt, &reply->opt);
    nod_half_open_trace(s, key);
    return true;
}

void nod_syn_received_free(nod_stack *s, struct nod_syn_received *r)
{
    struct nod_listener *l = (struct nod_listener *)nod_env_slot(&s->env, r->listener)->object;
    l->half_open--;
    s->env.stats.syn_received--;
    nod_demux_remove(s, &r->rec);
    nod_wheel_cancel(&s->env.wheel, &r->rec.timer);
    nod_pool_give(s->env.pool, r, sizeof(*r));
}

/* The user wants to hear of a connection when it has something to read: an ACK without text
 * completes the handshake and no more, until that has lasted too long. */
bool nod_listen_defers(nod_stack *s, struct nod_syn_received *r, const struct nod_segment *seg)
{
    const struct nod_listener *l =
        (struct nod_listener *)nod_env_slot(&s->env, r->listener)->object;
    if (!l->defer_accept_us || seg->text || seg->fin || r->rec.flags & SMALL_OVERDUE) return false;
    if (r->rec.flags & SMALL_DEFERRED) return true;
    r->rec.flags |= SMALL_DEFERRED;
    nod_wheel_set(&s->env.wheel, &r->rec.timer, s->env.now + l->defer_accept_us);
    return true;
}

void nod_syn_received_expire(nod_stack *s, struct nod_syn_received *r)
{
    struct nod_small_config config = nod_syn_received_config(s, r);
    if (r->rec.flags & SMALL_DEFERRED && !(r->rec.flags & SMALL_OVERDUE)) {
        r->rec.flags |= SMALL_OVERDUE; /* a SYN,ACK asks for another ACK */
        r->retransmits = 0;
    }
    nod_usec elapsed = 0;
    for (unsigned i = 0; i <= r->retransmits; i++) elapsed += syn_received_rto(config.tcp, i);
    if (elapsed >= config.tcp->syn_timeout_us) { /* R2 */
        nod_syn_received_free(s, r);
        return;
    }
    r->retransmits += r->retransmits < UINT8_MAX;
    nod_wheel_set(&s->env.wheel, &r->rec.timer,
                  s->env.now + syn_received_rto(config.tcp, r->retransmits));
    nod_syn_received_send(&s->env, r, &config);
}

static void fill_tcb(nod_stack *s, struct nod_tcb *tcb, const struct nod_syn_received *r)
{
    const nod_tcp_config *c = &tcb->config->c;
    struct nod_tcp_options opt = {
        .has_mss = true,
        .mss = r->mss,
        .has_wscale = r->rec.flags & SMALL_SCALE,
        .wscale = r->snd_scale,
        .sack_permitted = r->rec.flags & SMALL_SACK,
        .has_ts = r->rec.flags & SMALL_TS,
    };
    nod_tcb_negotiate(&s->env, tcb, &opt, nod_ip_family(r->rec.key.local));
    tcb->rcv.irs = r->irs;
    tcb->rcv.nxt = tcb->rcv.acked = r->irs + 1;
    tcb->rcv.edge = tcb->rcv.nxt + min_u32(c->receive_buffer, UINT16_MAX);
    tcb->work->recvq.base = tcb->rcv.nxt;
    tcb->snd.wl1 = r->irs;
    tcb->snd.wl2 = r->iss;
    tcb->ts_recent = r->ts_recent;
    tcb->ts_recent_s = (uint32_t)(s->env.now / NOD_SEC);
    tcb->work->retransmits = r->retransmits;
    nod_cc_ops(&tcb->cc)->init(&tcb->cc, &tcb->work->cc_own, nod_tcb_mss(tcb));
}

struct nod_tcb *nod_half_open_tcb(nod_stack *s, const struct nod_syn_received *r,
                                  struct nod_shared_config *config)
{
    struct nod_tcb *tcb =
        nod_tcb_new(s, &r->rec.key, r->rec.iface, config, r->iss, NOD_SYN_RECEIVED);
    if (!tcb) return NULL;
    enum nod_ecn mode = nod_ecn_record_mode(r->ecn);
    if (!nod_ecn_agree(&s->env, tcb, mode, !(r->ecn & ECN_RECORD_PLAIN))) {
        s->env.stats.connections--;
        nod_tcb_free(s, tcb);
        return NULL;
    }
    /* For one whose SYN,ACK is still to leave (Fast Open). */
    if (mode == NOD_ECN_ACCURATE) tcb->rare->accecn.reflect = (r->ecn & ECN_RECORD_CODEPOINT) >> 2;
    fill_tcb(s, tcb, r);
    return tcb;
}

/* The handshake's last ACK is here: a connection of its own, for the segment to go on with. */
struct nod_tcb *nod_listen_promote(nod_stack *s, struct nod_syn_received *r)
{
    struct nod_listener *l = (struct nod_listener *)nod_env_slot(&s->env, r->listener)->object;
    if (l->waiting >= l->backlog) return NULL;
    struct nod_tcb *tcb = nod_half_open_tcb(s, r, l->config);
    if (!tcb) return NULL;
    if (!r->retransmits && !(r->rec.flags & SMALL_DEFERRED)) {
        tcb->work->timed_at = r->rec.timer.deadline - syn_received_rto(&l->config->c, 0);
    }
    nod_syn_received_free(s, r);
    nod_demux_add(s, &tcb->rec); /* there is room: the record left */
    nod_listener_enqueue(s, l, tcb);
    return tcb;
}
