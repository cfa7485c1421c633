/* SYNs that are answered without a record, and the ACKs that prove such an answer (RFC 4987
 * section 3.6). */
#include "stack/stack.h"
#include "tcp/cookie.h"

/* What is agreed must fit into TSval, or is not agreed. */
static void agree(struct nod_syn_received *r)
{
    if (r->rec.flags & SMALL_TS) return;
    r->rec.flags &= (uint8_t) ~(SMALL_SACK | SMALL_SCALE);
}

void nod_cookie_answer(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                       const struct nod_segment *seg)
{
    struct nod_syn_received r;
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
    };
    reply->opt.ts_val = nod_cookie_ts(&s->env, key, &opt);
}

/* The record that there would have been, as far as the ACK brings it back. */
static bool remember(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                     const struct nod_segment *seg, struct nod_syn_received *r)
{
    const nod_tcp_config *c = &l->config->c;
    *r = (struct nod_syn_received){
        .rec = {.key = *key, .iface = seg->iface},
        .iss = seg->h.ack - 1,
        .irs = seg->seq - 1,
        .ts_recent = seg->h.opt.ts_val,
        .listener = l->slot,
    };
    r->mss = nod_cookie_check(&s->env, key, r->irs, r->iss);
    if (!r->mss || !seg->h.opt.has_ts || !c->timestamps) return r->mss;
    struct nod_cookie_options opt = nod_cookie_ts_read(seg->h.opt.ts_ecr);
    r->rec.flags = SMALL_TS;
    if (opt.sack) r->rec.flags |= SMALL_SACK;
    if (opt.scale) r->rec.flags |= SMALL_SCALE;
    r->snd_scale = opt.snd_scale;
    return true;
}

bool nod_cookie_arrives(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                        const struct nod_segment *seg, struct nod_tcb **out)
{
    struct nod_syn_received r;
    if (l->cookies_until <= s->env.now || seg->syn || !remember(s, l, key, seg, &r)) return false;
    bool room = l->waiting < l->backlog && s->records < s->config.max_connections;
    struct nod_tcb *tcb = room ? nod_half_open_tcb(s, &r, l->config) : NULL;
    if (!tcb) { /* as if it were lost on the way: its text will come again */
        nod_drop_segment(&s->env, &l->rec, seg->frame, NOD_DROP_BACKLOG);
        return true;
    }
    nod_demux_add(s, &tcb->rec);
    nod_half_open_trace(s, key);
    nod_listener_enqueue(s, l, tcb);
    s->env.stats.cookies_accepted++;
    *out = tcb;
    return true;
}
