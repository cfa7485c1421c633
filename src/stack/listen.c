/* Listeners: their life, what arrives in LISTEN, and the connections that wait for ACCEPT. */
#include <string.h>

#include "stack/stack.h"

#define BACKLOG 128                  /* when nobody says */
#define WAIT_MAX_US (3600 * NOD_SEC) /* for text, or for the user's decision */

/* Somebody listens on this name, and one of the two did not say that it may be shared. */
static bool is_taken(const nod_stack *s, const nod_open *open, const struct nod_key *key,
                     uint8_t family, uint8_t bits)
{
    for (const struct nod_listener *l = s->listeners; l; l = l->next) {
        bool same =
            memcmp(&l->rec.key, key, sizeof(*key)) == 0 && l->family == family && l->bits == bits;
        if (same && !(l->share && open->share)) return true;
    }
    return false;
}

void nod_listener_set(struct nod_listener *l, uint16_t backlog, nod_usec defer_accept_us)
{
    l->backlog = backlog ? backlog : BACKLOG;
    l->defer_accept_us = min_u64(defer_accept_us, WAIT_MAX_US);
}

int nod_listener_new(nod_stack *s, const nod_open *open, const struct nod_key *key, uint8_t bits,
                     nod_handle *out)
{
    uint8_t family = bits ? 0 : open->local.addr.family;
    if (is_taken(s, open, key, family, bits))
        return NOD_EEXIST; /* and leaves the first alone (MUST-41) */
    struct nod_listener *l = nod_pool_take(s->env.pool, sizeof(*l));
    if (!l) return NOD_ENOMEM;
    *l = (struct nod_listener){
        .rec = {.key = *key, .kind = NOD_RECORD_LISTENER, .state = NOD_LISTEN},
        .family = family,
        .bits = bits,
        .fast_limit = open->fast_open,
        .fast_anyone = open->fast_open_anyone,
        .share = open->share,
        .ask_us = min_u64(open->ask_us, WAIT_MAX_US),
        .pending_first = NOD_NO_SLOT,
        .pending_last = NOD_NO_SLOT,
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

/* A record without a connection, and this listener's. */
static bool is_beginning_at(const struct nod_record *rec, uint32_t slot)
{
    if (rec->kind == NOD_RECORD_PENDING) return ((const struct nod_pending *)rec)->listener == slot;
    return rec->kind == NOD_RECORD_SYN_RECEIVED &&
           ((const struct nod_syn_received *)rec)->listener == slot;
}

static void forget_half_open(nod_stack *s, uint32_t slot)
{
    for (uint32_t i = 0; i <= s->table_mask; i++) {
        for (struct nod_record *rec = s->table[i], *next; rec; rec = next) {
            next = rec->next;
            if (!is_beginning_at(rec, slot)) continue;
            if (rec->kind == NOD_RECORD_PENDING)
                nod_pending_free(s, (struct nod_pending *)rec);
            else
                nod_syn_received_free(s, (struct nod_syn_received *)rec);
        }
    }
}

void nod_listener_free(nod_stack *s, struct nod_listener *l, bool keep_slot)
{
    if (l->half_open || l->pending || l->silenced) forget_half_open(s, l->slot);
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
    nod_cookies_free(s, l);
    nod_config_drop(s, l->config);
    if (!keep_slot) nod_slot_free(s, l->slot);
    nod_pool_give(s->env.pool, l, sizeof(*l));
}

/* Its lists are not full: a SYN may have a record. */
bool nod_listener_has_room(const struct nod_listener *l)
{
    if (l->ask_us) return l->pending < l->backlog;
    return l->half_open < l->backlog && l->waiting < l->backlog;
}

void nod_listener_enqueue(nod_stack *s, struct nod_listener *l, struct nod_tcb *tcb)
{
    tcb->flags |= TCB_WAITS_ACCEPT;
    if (l->last && l->first)
        l->last->accept_next = tcb;
    else
        l->first = tcb;
    l->last = tcb;
    l->waiting++;
    l->events |= NOD_EVENT_ACCEPT;
    nod_events_raise(s, l->slot);
}

static void syn_arrives(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                        struct nod_segment *seg, uint32_t iss_floor)
{
    if (l->ask_us) {
        if (!nod_listener_has_room(l) || !nod_pending_new(s, l, key, seg, iss_floor))
            nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_BACKLOG);
        return;
    }
    if (nod_fast_open_arrives(s, l, key, seg, iss_floor)) return;
    const nod_tcp_config *c = &l->config->c;
    /* A cookie's number is above no old connection's but by chance. */
    bool cookies = c->syn_cookies != NOD_COOKIES_NEVER && !iss_floor;
    bool record = nod_listener_has_room(l) && !(cookies && c->syn_cookies == NOD_COOKIES_ALWAYS);
    if (record && nod_half_open_new(s, l, key, seg, iss_floor)) return;
    bool promised = l->waiting < l->backlog && s->records < s->config.max_connections;
    if (cookies && promised)
        nod_cookie_answer(s, l, key, seg);
    else
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_BACKLOG);
}

/* An ACK completes the handshake that a cookie began, or it is wrong here. */
static struct nod_tcb *ack_arrives(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                                   const struct nod_segment *seg)
{
    struct nod_tcb *tcb = NULL;
    if (nod_cookie_arrives(s, l, key, seg, &tcb)) return tcb;
    nod_reply_as(nod_reply_rst(&s->env, key, seg, NOD_LISTEN, NOD_WHY_RST_BAD_ACK), &l->config->c);
    nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_LISTEN);
    return NULL;
}

/* SEGMENT ARRIVES in LISTEN (RFC 9293 section 3.10.7.2). Text on a SYN is taken if Fast Open says
 * who sent it; otherwise, and a FIN on a SYN always, it is left for the peer to send again. */
struct nod_tcb *nod_listen_input(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                                 struct nod_segment *seg, uint32_t iss_floor)
{
    if (seg->h.ctl & NOD_RST) {
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_RST);
    } else if (seg->h.ctl & NOD_ACK) {
        return ack_arrives(s, l, key, seg);
    } else if (seg->syn) {
        syn_arrives(s, l, key, seg, iss_floor);
    } else {
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_LISTEN);
    }
    return NULL;
}
