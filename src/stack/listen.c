/* Listeners: SYNs become small records, and those become connections that wait for ACCEPT. */
#include <string.h>

#include "stack/stack.h"
#include "tcp/ecn.h"

#define BACKLOG 128 /* when nobody says */
#define DEFER_MAX_US (3600 * NOD_SEC)

/* Somebody listens on this name, and one of the two did not say that it may be shared. */
static bool is_taken(const nod_stack *s, const nod_open *open, const struct nod_key *key,
                     uint8_t family)
{
    for (const struct nod_listener *l = s->listeners; l; l = l->next) {
        bool same = memcmp(&l->rec.key, key, sizeof(*key)) == 0 && l->family == family;
        if (same && !(l->share && open->share)) return true;
    }
    return false;
}

void nod_listener_set(struct nod_listener *l, uint16_t backlog, nod_usec defer_accept_us)
{
    l->backlog = backlog ? backlog : BACKLOG;
    l->defer_accept_us = min_u64(defer_accept_us, DEFER_MAX_US);
}

int nod_listener_new(nod_stack *s, const nod_open *open, const struct nod_key *key, nod_handle *out)
{
    static const uint8_t any[16];
    uint8_t family = memcmp(key->local, any, 16) == 0 ? open->local.addr.family : 0;
    if (is_taken(s, open, key, family))
        return NOD_EEXIST; /* and leaves the first alone (MUST-41) */
    struct nod_listener *l = nod_pool_take(s->env.pool, sizeof(*l));
    if (!l) return NOD_ENOMEM;
    *l = (struct nod_listener){
        .rec = {.key = *key, .kind = NOD_RECORD_LISTENER, .state = NOD_LISTEN},
        .family = family,
        .share = open->share,
    };
    l->slot = nod_slot_take(s, &l->rec);
    l->config = l->slot == NOD_NO_SLOT ? NULL : nod_config_share(s, open->config);
    if (!l->config) {
        if (l->slot != NOD_NO_SLOT) nod_slot_free(s, l->slot);
        nod_pool_give(s->env.pool, l, sizeof(*l));
        return NOD_ENOMEM;
    }
    nod_listener_set(l, open->backlog, open->defer_accept_us);
    l->next = s->listeners;
    s->listeners = l;
    s->env.stats.listeners++;
    *out = nod_env_handle(&s->env, l->slot);
    return 0;
}

static void forget_half_open(nod_stack *s, uint32_t slot)
{
    for (uint32_t i = 0; i <= s->table_mask; i++) {
        for (struct nod_record *rec = s->table[i], *next; rec; rec = next) {
            next = rec->next;
            struct nod_syn_received *r = (struct nod_syn_received *)rec;
            if (rec->kind == NOD_RECORD_SYN_RECEIVED && r->listener == slot)
                nod_syn_received_free(s, r);
        }
    }
}

void nod_listener_free(nod_stack *s, struct nod_listener *l, bool keep_slot)
{
    if (l->half_open) forget_half_open(s, l->slot);
    while (l->first) {
        struct nod_tcb *tcb = l->first;
        l->first = tcb->accept_next;
        tcb->accept_next = NULL;
        tcb->flags = (tcb->flags & ~(uint32_t)TCB_WAITS_ACCEPT) | TCB_RELEASED;
        if (tcb->rec.state == NOD_CLOSED) {
            nod_tcb_free(s, tcb);
        } else if (nod_tcb_wake(&s->env, tcb)) {
            nod_tcb_user_abort(&s->env, tcb);
            nod_settle(s, tcb);
        } else {
            nod_end_at_rest(s, tcb);
        }
    }
    struct nod_listener **at = &s->listeners;
    while (*at != l) at = &(*at)->next;
    *at = l->next;
    s->env.stats.listeners--;
    nod_config_drop(s, l->config);
    if (!keep_slot) nod_slot_free(s, l->slot);
    nod_pool_give(s->env.pool, l, sizeof(*l));
}

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

static void syn_arrives(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                        const struct nod_segment *seg, uint32_t iss_floor)
{
    const nod_tcp_config *c = &l->config->c;
    struct nod_syn_received *r = NULL;
    if (l->half_open < l->backlog && l->waiting < l->backlog)
        r = nod_pool_take(s->env.pool, sizeof(*r));
    if (!r) {
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_BACKLOG);
        return;
    }
    *r = (struct nod_syn_received){
        .rec = {.key = *key,
                .kind = NOD_RECORD_SYN_RECEIVED,
                .state = NOD_SYN_RECEIVED,
                .iface = seg->iface},
        .iss = nod_isn(s, key),
        .irs = seg->seq,
        .listener = l->slot,
    };
    /* After a TIME-WAIT that this SYN ended, numbers go on above the old ones (MAY-2). */
    if (iss_floor) r->iss = nod_isn_above(r->iss, iss_floor);
    negotiate(r, c, &seg->h.opt, seg->family);
    nod_ecn_record_syn(&r->ecn, true, seg, (enum nod_ecn)c->ecn_accept);
    if (!nod_demux_add(s, &r->rec)) {
        nod_pool_give(s->env.pool, r, sizeof(*r));
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_BACKLOG);
        return;
    }
    l->half_open++;
    s->env.stats.syn_received++;
    nod_wheel_set(&s->env.wheel, &r->rec.timer, s->env.now + syn_received_rto(c, 0));
    struct nod_small_config config = nod_syn_received_config(s, r);
    nod_syn_received_send(&s->env, r, &config);
    nod_trace *event = nod_trace_add(&s->env.trace, NOD_TRACE_STATE, s->env.now);
    if (!event) return;
    event->state = NOD_SYN_RECEIVED;
    event->local = nod_key_local(key);
    event->remote = nod_key_remote(key);
    event->u.edge.from = NOD_LISTEN;
    event->u.edge.to = NOD_SYN_RECEIVED;
}

/* SEGMENT ARRIVES in LISTEN (RFC 9293 section 3.10.7.2). Text and FIN on a SYN are left for
 * the peer to send again. */
void nod_listen_input(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                      struct nod_segment *seg, uint32_t iss_floor)
{
    if (seg->h.ctl & NOD_RST) {
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_RST);
    } else if (seg->h.ctl & NOD_ACK) {
        nod_reply_as(nod_reply_rst(&s->env, key, seg, NOD_LISTEN, NOD_WHY_RST_BAD_ACK),
                     &l->config->c);
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_LISTEN);
    } else if (seg->syn) {
        syn_arrives(s, l, key, seg, iss_floor);
    } else {
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_LISTEN);
    }
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
    nod_tcb_negotiate(tcb, &opt, nod_ip_family(r->rec.key.local));
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
    if (r->retransmits || r->rec.flags & SMALL_DEFERRED) return;
    tcb->work->timed_at = r->rec.timer.deadline - syn_received_rto(c, 0); /* when it was sent */
}

/* The handshake's last ACK is here: a connection of its own, for the segment to go on with. */
struct nod_tcb *nod_listen_promote(nod_stack *s, struct nod_syn_received *r)
{
    struct nod_listener *l = (struct nod_listener *)nod_env_slot(&s->env, r->listener)->object;
    if (l->waiting >= l->backlog) return NULL;
    struct nod_tcb *tcb =
        nod_tcb_new(s, &r->rec.key, r->rec.iface, l->config, r->iss, NOD_SYN_RECEIVED);
    if (!tcb) return NULL;
    if (!nod_ecn_agree(&s->env, tcb, nod_ecn_record_mode(r->ecn), !(r->ecn & ECN_RECORD_PLAIN))) {
        s->env.stats.connections--;
        nod_tcb_free(s, tcb);
        return NULL;
    }
    fill_tcb(s, tcb, r);
    nod_syn_received_free(s, r);
    nod_demux_add(s, &tcb->rec); /* there is room: the record left */
    tcb->flags |= TCB_WAITS_ACCEPT;
    if (l->last && l->first)
        l->last->accept_next = tcb;
    else
        l->first = tcb;
    l->last = tcb;
    l->waiting++;
    l->events |= NOD_EVENT_ACCEPT;
    nod_events_raise(s, l->slot);
    return tcb;
}
