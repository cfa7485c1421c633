/* SYNs that wait for the user's decision: nothing has been said to the peer, which is as if it
 * were still in LISTEN's hands. */
#include "stack/stack.h"

/* After a refusal in silence the same SYN comes again for so long, as most systems send it. */
#define SILENCE_US (130 * NOD_SEC)

enum pending_flags {
    PENDING_TS = 1 << 0,
    PENDING_SACK = 1 << 1,
    PENDING_SCALE = 1 << 2,
    PENDING_TAKEN = 1 << 3,  /* the user has its name */
    PENDING_SILENT = 1 << 4, /* refused; it is swallowed from now on, and has no name */
};

static struct nod_listener *listener_of(const nod_stack *s, const struct nod_pending *r)
{
    return (struct nod_listener *)nod_env_slot(&s->env, r->listener)->object;
}

static struct nod_pending *at(const nod_stack *s, uint32_t slot)
{
    return (struct nod_pending *)nod_env_slot(&s->env, slot)->object;
}

static void note_syn(struct nod_pending *r, const struct nod_segment *seg)
{
    const struct nod_tcp_options *opt = &seg->h.opt;
    r->rec.flags &= PENDING_TAKEN | PENDING_SILENT;
    r->rec.iface = seg->iface;
    r->irs = seg->seq;
    r->mss = opt->has_mss ? opt->mss : 0;
    r->wscale = opt->wscale;
    r->ts_recent = opt->ts_val;
    if (opt->has_ts) r->rec.flags |= PENDING_TS;
    if (opt->sack_permitted) r->rec.flags |= PENDING_SACK;
    if (opt->has_wscale) r->rec.flags |= PENDING_SCALE;
}

bool nod_pending_new(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                     const struct nod_segment *seg, uint32_t iss_floor)
{
    struct nod_pending *r = nod_pool_take(s->env.pool, sizeof(*r));
    if (!r) return false;
    *r = (struct nod_pending){
        .rec = {.key = *key, .kind = NOD_RECORD_PENDING, .state = NOD_LISTEN},
        .listener = l->slot,
        .next = NOD_NO_SLOT,
        .iss_floor = iss_floor,
        .has_floor = iss_floor != 0,
    };
    note_syn(r, seg);
    r->slot = nod_slot_take(s, &r->rec);
    if (r->slot == NOD_NO_SLOT || !nod_demux_add(s, &r->rec)) {
        if (r->slot != NOD_NO_SLOT) nod_slot_free(s, r->slot);
        nod_pool_give(s->env.pool, r, sizeof(*r));
        return false;
    }
    if (l->pending_first == NOD_NO_SLOT)
        l->pending_first = r->slot;
    else
        at(s, l->pending_last)->next = r->slot;
    l->pending_last = r->slot;
    l->pending++;
    nod_wheel_set(&s->env.wheel, &r->rec.timer, s->env.now + l->ask_us);
    l->events |= NOD_EVENT_REQUEST;
    nod_events_raise(s, l->slot);
    return true;
}

/* The SYN again is swallowed, and one with other numbers asks instead of it: nobody was told
 * anything yet. The rest is as in LISTEN. */
void nod_pending_input(nod_stack *s, struct nod_pending *r, const struct nod_segment *seg)
{
    enum nod_drop why = NOD_DROP_LISTEN;
    if (seg->h.ctl & NOD_RST) {
        why = NOD_DROP_RST;
    } else if (seg->h.ctl & NOD_ACK) {
        nod_reply_as(nod_reply_rst(&s->env, &r->rec.key, seg, NOD_LISTEN, NOD_WHY_RST_BAD_ACK),
                     &listener_of(s, r)->config->c);
    } else if (seg->syn) {
        why = NOD_DROP_DUPLICATE;
        if (!(r->rec.flags & PENDING_SILENT)) note_syn(r, seg);
    }
    nod_drop_segment(&s->env, &r->rec, seg->frame, why);
}

/* Out of those that nobody has taken yet. They expire in the order in which they came, so that
 * it is among the first. */
static void unlist(nod_stack *s, struct nod_listener *l, const struct nod_pending *r)
{
    uint32_t before = NOD_NO_SLOT, i = l->pending_first;
    while (i != r->slot) {
        before = i;
        i = at(s, i)->next;
    }
    if (before == NOD_NO_SLOT)
        l->pending_first = r->next;
    else
        at(s, before)->next = r->next;
    if (l->pending_last == r->slot) l->pending_last = before;
}

/* The name is not its any more; the record may stay. */
static void leave_listener(nod_stack *s, struct nod_pending *r)
{
    struct nod_listener *l = listener_of(s, r);
    if (r->rec.flags & PENDING_SILENT) {
        l->silenced--;
        return;
    }
    if (!(r->rec.flags & PENDING_TAKEN)) unlist(s, l, r);
    l->pending--;
}

static void forget(nod_stack *s, struct nod_pending *r)
{
    nod_demux_remove(s, &r->rec);
    nod_wheel_cancel(&s->env.wheel, &r->rec.timer);
    nod_pool_give(s->env.pool, r, sizeof(*r));
}

void nod_pending_free(nod_stack *s, struct nod_pending *r)
{
    leave_listener(s, r);
    if (!(r->rec.flags & PENDING_SILENT)) nod_slot_free(s, r->slot);
    forget(s, r);
}

bool nod_pending_is_taken(const struct nod_pending *r)
{
    return r->rec.flags & PENDING_TAKEN;
}

static void describe(const nod_stack *s, const struct nod_pending *r, nod_request *out)
{
    *out = (nod_request){
        .handle = nod_env_handle(&s->env, r->slot),
        .local = nod_key_local(&r->rec.key),
        .remote = nod_key_remote(&r->rec.key),
        .mss = r->mss,
        .wscale = r->rec.flags & PENDING_SCALE ? (int8_t)min_u32(r->wscale, 14) : -1,
        .timestamps = r->rec.flags & PENDING_TS,
        .sack = r->rec.flags & PENDING_SACK,
    };
}

int nod_tcp_pending(nod_stack *s, nod_handle listener, nod_request *out)
{
    struct nod_record *object = nod_slot_object(s, listener);
    if (!object) return NOD_ENOCONN;
    if (object->kind != NOD_RECORD_LISTENER) return NOD_EINVAL;
    struct nod_listener *l = (struct nod_listener *)object;
    if (l->pending_first == NOD_NO_SLOT) return NOD_EAGAIN;
    struct nod_pending *r = at(s, l->pending_first);
    l->pending_first = r->next;
    if (l->pending_first == NOD_NO_SLOT) l->pending_last = NOD_NO_SLOT;
    r->rec.flags |= PENDING_TAKEN;
    describe(s, r, out);
    return 0;
}

static struct nod_pending *find(const nod_stack *s, nod_handle request)
{
    struct nod_record *object = nod_slot_object(s, request);
    bool is = object && object->kind == NOD_RECORD_PENDING;
    return is ? (struct nod_pending *)object : NULL;
}

/* The half-open record that the SYN would have made, had nobody been asked. */
static struct nod_tcb *make_tcb(nod_stack *s, const struct nod_pending *r,
                                struct nod_shared_config *config)
{
    struct nod_segment seg = {
        .seq = r->irs,
        .iface = r->rec.iface,
        .family = (uint8_t)nod_ip_family(r->rec.key.local),
        .h.opt = {.has_mss = r->mss != 0,
                  .mss = r->mss,
                  .has_ts = r->rec.flags & PENDING_TS,
                  .ts_val = r->ts_recent,
                  .sack_permitted = r->rec.flags & PENDING_SACK,
                  .has_wscale = r->rec.flags & PENDING_SCALE,
                  .wscale = r->wscale},
    };
    struct nod_syn_received half;
    nod_half_open_fill(s, &config->c, &r->rec.key, &seg, &half);
    if (r->has_floor) half.iss = nod_isn_above(half.iss, r->iss_floor);
    return nod_half_open_tcb(s, &half, config);
}

int nod_tcp_grant(nod_stack *s, nod_handle request, const nod_tcp_config *config)
{
    struct nod_pending *r = find(s, request);
    if (!r) return NOD_ENOCONN;
    if (config && !nod_tcp_config_is_valid(config)) return NOD_EINVAL;
    struct nod_shared_config *shared = listener_of(s, r)->config;
    if (config) shared = nod_config_share(s, config);
    struct nod_tcb *tcb = shared ? make_tcb(s, r, shared) : NULL;
    if (config && shared) nod_config_drop(s, shared);
    if (!tcb) return NOD_ENOMEM;
    uint32_t slot = r->slot, spare = tcb->slot;
    leave_listener(s, r);
    nod_half_open_trace(s, &r->rec.key);
    forget(s, r);
    nod_env_slot(&s->env, slot)->object = &tcb->rec; /* the name stays */
    tcb->slot = slot;
    nod_slot_free(s, spare);
    nod_demux_add(s, &tcb->rec); /* there is room: the record left */
    tcb->work->syn_due = true;
    nod_trace_call(s, &tcb->rec, request, NOD_CALL_ACCEPT, 0, 0);
    nod_settle(s, tcb);
    return 0;
}

static void reset(nod_stack *s, const struct nod_pending *r)
{
    struct nod_reply *reply = nod_reply_add(&s->env, &r->rec.key, NOD_WHY_RST_ABORT);
    if (!reply) return;
    nod_reply_as(reply, &listener_of(s, r)->config->c);
    reply->iface = r->rec.iface;
    reply->state = NOD_LISTEN;
    reply->irs = r->irs;
    reply->ack = r->irs + 1;
    reply->ctl = NOD_RST | NOD_ACK;
}

int nod_tcp_refuse(nod_stack *s, nod_handle request, enum nod_refusal how)
{
    struct nod_pending *r = find(s, request);
    if (!r) return NOD_ENOCONN;
    if (how != NOD_REFUSE_RESET && how != NOD_REFUSE_SILENT) return NOD_EINVAL;
    struct nod_listener *l = listener_of(s, r);
    nod_trace_call(s, &r->rec, request, NOD_CALL_ABORT, 0, 0);
    if (how == NOD_REFUSE_RESET) reset(s, r);
    /* As many as the backlog are remembered; of more the user is asked once more. */
    if (how == NOD_REFUSE_RESET || l->silenced >= l->backlog) {
        nod_pending_free(s, r);
        return 0;
    }
    leave_listener(s, r);
    nod_slot_free(s, r->slot);
    r->rec.flags |= PENDING_SILENT;
    l->silenced++;
    nod_wheel_set(&s->env.wheel, &r->rec.timer, s->env.now + SILENCE_US);
    return 0;
}
