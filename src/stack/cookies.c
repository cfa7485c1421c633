/* SYNs that are answered without a record, and the ACKs that prove such an answer (RFC 4987
 * section 3.6). */
#include <string.h>

#include "stack/stack.h"
#include "tcp/cookie.h"
#include "tcp/ecn.h"

/* What is agreed must fit into TSval, or is not agreed. */
static void agree(struct nod_syn_received *r)
{
    bool classic = nod_ecn_record_mode(r->ecn) == NOD_ECN_CLASSIC;
    if (!classic || !(r->rec.flags & SMALL_TS)) r->ecn = NOD_ECN_NONE;
    if (r->rec.flags & SMALL_TS) return;
    r->rec.flags &= (uint8_t) ~(SMALL_SACK | SMALL_SCALE);
}

/* The SYN came twice, and the first time there was no room for a record: the peer may have taken
 * that answer, which is as good as the record's own. */
void nod_cookie_adopt(nod_stack *s, struct nod_syn_received *r, const struct nod_segment *seg)
{
    const struct nod_listener *l =
        (struct nod_listener *)nod_env_slot(&s->env, r->listener)->object;
    uint32_t iss = seg->h.ack - 1;
    uint16_t mss;
    if ((seg->h.ctl & (NOD_SYN | NOD_RST | NOD_ACK)) != NOD_ACK || iss == r->iss) return;
    if (l->cookies_until <= s->env.now) return;
    if (nod_cookie_check(&s->env, &r->rec.key, r->irs, iss, &mss) != NOD_COOKIE_GOOD) return;
    r->iss = iss;
    r->retransmits = 1; /* it was answered more than once */
    agree(r);
}

/* A cookie makes one connection: an ACK that comes twice, and late, makes none of what has ended.
 * Others take the places of those that were remembered, at random, and then the period is all that
 * ends a cookie's life. */
static bool was_redeemed(const struct nod_listener *l, uint32_t iss)
{
    return l->redeemed && l->redeemed[iss % NOD_REDEEMED] == iss;
}

/* Without the memory to remember them in no cookies are given. */
static bool may_give(nod_stack *s, struct nod_listener *l)
{
    size_t size = NOD_REDEEMED * sizeof(*l->redeemed);
    if (l->redeemed) return true;
    l->redeemed = nod_pool_take(s->env.pool, size);
    if (l->redeemed) memset(l->redeemed, 0, size);
    return l->redeemed;
}

void nod_cookie_answer(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                       const struct nod_segment *seg)
{
    struct nod_syn_received r;
    if (!may_give(s, l)) {
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_MEMORY);
        return;
    }
    nod_half_open_fill(s, &l->config->c, key, seg, &r);
    r.listener = l->slot;
    agree(&r);
    r.iss = nod_cookie_make(&s->env, key, r.irs, r.mss);
    r.rec.state = NOD_LISTEN;
    l->cookies_until = s->env.now + 2 * NOD_COOKIE_PERIOD;
    s->env.stats.cookies_sent++;
    struct nod_small_config config = nod_syn_received_config(s, &r);
    struct nod_reply *reply = nod_syn_received_send(&s->env, &r, &config);
    if (!reply || !(r.rec.flags & SMALL_TS)) return;
    struct nod_cookie_options opt = {
        .scale = r.rec.flags & SMALL_SCALE,
        .snd_scale = r.snd_scale,
        .sack = r.rec.flags & SMALL_SACK,
        .ecn = r.ecn,
    };
    reply->opt.ts_val = nod_cookie_ts(&s->env, key, &opt);
}

void nod_cookies_free(nod_stack *s, struct nod_listener *l)
{
    if (l->redeemed) nod_pool_give(s->env.pool, l->redeemed, NOD_REDEEMED * sizeof(*l->redeemed));
}

/* The record that there would have been, as far as the ACK brings it back. */
static void remember(const struct nod_listener *l, const struct nod_key *key,
                     const struct nod_segment *seg, uint16_t mss, struct nod_syn_received *r)
{
    *r = (struct nod_syn_received){
        .rec = {.key = *key, .iface = seg->iface},
        .iss = seg->h.ack - 1,
        .irs = seg->seq - 1,
        .ts_recent = seg->h.opt.ts_val,
        .mss = mss,
    };
    if (!seg->h.opt.has_ts || !l->config->c.timestamps) return;
    struct nod_cookie_options opt = nod_cookie_ts_read(seg->h.opt.ts_ecr);
    r->rec.flags = SMALL_TS;
    if (opt.sack) r->rec.flags |= SMALL_SACK;
    if (opt.scale) r->rec.flags |= SMALL_SCALE;
    r->snd_scale = opt.snd_scale;
    if (opt.ecn) r->ecn = NOD_ECN_CLASSIC;
}

static struct nod_tcb *connect(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                               const struct nod_segment *seg, uint16_t mss)
{
    struct nod_syn_received r;
    /* It was promised when there was room; a peer that has nothing to say would wait for ever. */
    uint32_t room = min_u32(2 * (uint32_t)l->backlog, UINT16_MAX);
    if (l->waiting >= room || s->records >= s->config.max_connections) return NULL;
    remember(l, key, seg, mss, &r);
    struct nod_tcb *tcb = nod_half_open_tcb(s, &r, l->config);
    if (!tcb) return NULL;
    l->redeemed[r.iss % NOD_REDEEMED] = r.iss;
    nod_demux_add(s, &tcb->rec);
    nod_half_open_trace(s, key);
    nod_listener_enqueue(s, l, tcb);
    s->env.stats.cookies_accepted++;
    return tcb;
}

bool nod_cookie_arrives(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                        const struct nod_segment *seg, struct nod_tcb **out)
{
    uint16_t mss = 0;
    if (l->cookies_until <= s->env.now || seg->syn || was_redeemed(l, seg->h.ack - 1)) return false;
    switch (nod_cookie_check(&s->env, key, seg->seq - 1, seg->h.ack - 1, &mss)) {
    case NOD_COOKIE_BAD: return false;
    case NOD_COOKIE_OTHER: break; /* the first octet will come again */
    case NOD_COOKIE_GOOD: *out = connect(s, l, key, seg, mss); break;
    }
    /* Without a connection it is as if it were lost on the way: its text will come again. */
    if (!*out) nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_BACKLOG);
    return true;
}
