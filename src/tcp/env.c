#include "tcp/env.h"

#include <string.h>

#include "base/hash.h"
#include "wire/ip.h"

#define CHALLENGES_A_SECOND 10

uint32_t nod_key_headers(const struct nod_key *key)
{
    return (uint32_t)nod_ip_header_size(nod_ip_family(key->local)) + NOD_TCP_HEADER;
}

uint32_t nod_key_least_mss(const struct nod_key *key, uint16_t least4)
{
    return (nod_ip_family(key->local) == 6 ? 1280u : least4) - nod_key_headers(key);
}

nod_endpoint nod_key_local(const struct nod_key *key)
{
    return (nod_endpoint){.addr = nod_ip_to_addr(key->local), .port = key->local_port};
}

nod_endpoint nod_key_remote(const struct nod_key *key)
{
    return (nod_endpoint){.addr = nod_ip_to_addr(key->remote), .port = key->remote_port};
}

uint32_t nod_ts_offset(const struct nod_env *env, const struct nod_key *key)
{
    return (uint32_t)(nod_hash(env->isn_key, key, sizeof(*key)) >> 32);
}

uint32_t nod_ts_now(const struct nod_env *env, const struct nod_key *key)
{
    return (uint32_t)(env->now / 1000) + nod_ts_offset(env, key);
}

struct nod_reply *nod_reply_add(struct nod_env *env, const struct nod_key *key, enum nod_why why)
{
    struct nod_reply_ring *ring = &env->replies;
    if (ring->count == ring->cap) {
        env->stats.drops[NOD_DROP_QUEUE]++;
        return NULL;
    }
    struct nod_reply *reply = &ring->items[(ring->first + ring->count++) % ring->cap];
    *reply = (struct nod_reply){
        .key = *key, .why = (uint8_t)why, .slot = NOD_NO_SLOT, .ttl = env->ttl, .dscp = env->dscp};
    return reply;
}

struct nod_reply *nod_reply_rst(struct nod_env *env, const struct nod_key *key,
                                const struct nod_segment *seg, enum nod_state state,
                                enum nod_why why)
{
    if (seg->h.ctl & NOD_RST) return NULL;
    struct nod_reply *reply = nod_reply_add(env, key, why);
    if (!reply) return NULL;
    reply->iface = seg->iface;
    reply->state = (uint8_t)state;
    if (seg->h.ctl & NOD_ACK) {
        reply->seq = seg->h.ack;
        reply->ctl = NOD_RST;
    } else {
        reply->ack = seg->seq + segment_len(seg);
        reply->ctl = NOD_RST | NOD_ACK;
    }
    reply->iss = reply->seq;
    reply->irs = seg->h.seq;
    /* RFC 7323 section 5.2: the echo lets the peer tell it from a guess. The value would be 0, but
     * Linux drops that as old where it has only a small record, half-open or in TIME-WAIT; what it
     * has heard from us last it must take. */
    reply->opt.has_ts = seg->h.opt.has_ts;
    reply->opt.ts_val = seg->h.opt.ts_ecr;
    reply->opt.ts_ecr = seg->h.opt.ts_val;
    return reply;
}

bool nod_challenge_allowed(const struct nod_env *env, uint8_t *throttle)
{
    uint8_t second = (uint8_t)(env->now / NOD_SEC % 15 + 1), count = *throttle >> 4;
    if ((*throttle & 15) != second) count = 0;
    if (count >= CHALLENGES_A_SECOND) return false;
    *throttle = (uint8_t)((count + 1) << 4 | second);
    return true;
}

void nod_drop_segment(struct nod_env *env, const struct nod_record *rec, uint32_t frame,
                      enum nod_drop reason)
{
    env->stats.drops[reason]++;
    nod_trace *event = nod_trace_add(&env->trace, NOD_TRACE_DROP, env->now);
    if (!event) return;
    event->frame = frame;
    event->u.drop.reason = (uint8_t)reason;
    if (!rec) return;
    event->state = rec->state;
    event->local = nod_key_local(&rec->key);
    event->remote = nod_key_remote(&rec->key);
}
