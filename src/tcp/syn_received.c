/* SEGMENT ARRIVES in SYN-RECEIVED after a passive OPEN (RFC 9293 section 3.10.7.4), on the
 * small record. */
#include "base/seq.h"
#include "base/util.h"
#include "tcp/ecn.h"
#include "tcp/small.h"
#include "tcp/tcb.h"

static uint32_t window(const nod_tcp_config *c)
{
    return min_u32(c->receive_buffer, UINT16_MAX);
}

struct nod_reply *nod_syn_received_send(struct nod_env *env, struct nod_syn_received *r,
                                        const struct nod_small_config *config)
{
    bool again = r->retransmits > 0;
    struct nod_reply *reply =
        nod_reply_add(env, &r->rec.key, again ? NOD_WHY_RETRANSMIT_TIMEOUT : NOD_WHY_OPEN);
    if (!reply) return NULL;
    const nod_tcp_config *c = config->tcp;
    reply->seq = reply->iss = r->iss;
    reply->irs = r->irs;
    reply->ack = r->irs + 1;
    reply->ctl = NOD_SYN | NOD_ACK;
    reply->wnd = (uint16_t)window(c);
    reply->state = r->rec.state;
    reply->iface = r->rec.iface;
    nod_reply_as(reply, c);
    reply->retransmission = again;
    reply->opt = (struct nod_tcp_options){
        .has_mss = true,
        .mss = config->adv_mss,
        .has_wscale = r->rec.flags & SMALL_SCALE,
        .wscale = nod_tune_scale(env, c),
        .sack_permitted = r->rec.flags & SMALL_SACK,
        .has_ts = r->rec.flags & SMALL_TS,
        .ts_val = nod_ts_now(env, &r->rec.key),
        .ts_ecr = r->ts_recent,
        .has_uto = c->uto,
        .uto = nod_uto_encode(c->user_timeout_us),
    };
    nod_ecn_record_answer(&r->ecn, r->retransmits, c, reply);
    return reply;
}

static void ack(struct nod_env *env, const struct nod_syn_received *r,
                const struct nod_small_config *config, enum nod_why why)
{
    struct nod_reply *reply = nod_reply_add(env, &r->rec.key, why);
    if (!reply) return;
    reply->seq = r->iss + 1;
    reply->ack = r->irs + 1;
    reply->iss = r->iss;
    reply->irs = r->irs;
    reply->ctl = NOD_ACK;
    if (nod_ecn_record_mode(r->ecn) == NOD_ECN_ACCURATE) reply->ctl |= nod_ace_flags(NOD_CEP_START);
    reply->scale = r->rec.flags & SMALL_SCALE ? nod_tune_scale(env, config->tcp) : 0;
    reply->wnd = (uint16_t)(window(config->tcp) >> reply->scale);
    reply->state = NOD_SYN_RECEIVED;
    reply->iface = r->rec.iface;
    nod_reply_as(reply, config->tcp);
    if (r->rec.flags & SMALL_TS) {
        reply->opt.has_ts = true;
        reply->opt.ts_val = nod_ts_now(env, &r->rec.key);
        reply->opt.ts_ecr = r->ts_recent;
    }
}

static void challenge(struct nod_env *env, struct nod_syn_received *r,
                      const struct nod_small_config *config)
{
    if (nod_challenge_allowed(env, &r->throttle)) ack(env, r, config, NOD_WHY_ACK_CHALLENGE);
}

static enum nod_verdict drop(struct nod_env *env, const struct nod_syn_received *r,
                             const struct nod_segment *seg, enum nod_drop reason)
{
    nod_drop_segment(env, &r->rec, seg->frame, reason);
    return NOD_KEEP;
}

static enum nod_verdict rst(struct nod_env *env, struct nod_syn_received *r,
                            const struct nod_segment *seg, const struct nod_small_config *config)
{
    if (seg->seq == r->irs + 1) return NOD_DELETE; /* the listener stays (MUST-11) */
    if (seq_in(seg->seq, r->irs + 1, window(config->tcp))) challenge(env, r, config);
    return drop(env, r, seg, NOD_DROP_RST);
}

/* As in input.c, on the few numbers that the record has. Every branch answers an arriving
 * segment with at most one of ours. */
enum nod_verdict nod_syn_received_input(struct nod_env *env, struct nod_syn_received *r,
                                        const struct nod_segment *seg,
                                        const struct nod_small_config *config)
{
    uint32_t nxt = r->irs + 1, wnd = window(config->tcp), len = segment_len(seg);
    if (seg->h.ctl & NOD_RST) return rst(env, r, seg, config);
    if (seg->syn && seg->seq == r->irs && !(seg->h.ctl & NOD_ACK)) {
        if (!nod_ecn_record_syn(&r->ecn, false, seg, (enum nod_ecn)config->tcp->ecn_accept)) {
            nod_reply_rst(env, &r->rec.key, seg, NOD_SYN_RECEIVED, NOD_WHY_RST_BAD_ACK);
            drop(env, r, seg, NOD_DROP_SYN);
            return NOD_DELETE;
        }
        nod_syn_received_send(env, r, config); /* our SYN,ACK was lost */
        return drop(env, r, seg, NOD_DROP_DUPLICATE);
    }
    if (r->rec.flags & SMALL_TS && !seg->syn) {
        if (!seg->h.opt.has_ts) return drop(env, r, seg, NOD_DROP_NO_TIMESTAMP);
        if (seq_lt(seg->h.opt.ts_val, r->ts_recent)) {
            ack(env, r, config, NOD_WHY_ACK_DUPLICATE);
            return drop(env, r, seg, NOD_DROP_PAWS);
        }
    }
    bool fits = seq_in(seg->seq, nxt, wnd) || (len && seq_in(seg->seq + len - 1, nxt, wnd)) ||
                (seg->seq == nxt && wnd == 0);
    if (!fits) {
        if (seg->text || seg->fin)
            ack(env, r, config, NOD_WHY_ACK_DUPLICATE);
        else
            challenge(env, r, config);
        return drop(env, r, seg, NOD_DROP_SEQUENCE);
    }
    if (seg->syn) {
        challenge(env, r, config);
        return drop(env, r, seg, NOD_DROP_SYN);
    }
    if (!(seg->h.ctl & NOD_ACK)) return drop(env, r, seg, NOD_DROP_NO_ACK);
    if (seg->h.ack == r->iss + 1) return NOD_PROMOTE;
    nod_reply_as(nod_reply_rst(env, &r->rec.key, seg, NOD_SYN_RECEIVED, NOD_WHY_RST_BAD_ACK),
                 config->tcp);
    return drop(env, r, seg, NOD_DROP_ACK);
}
