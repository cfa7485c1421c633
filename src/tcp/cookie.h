/* SYN cookies (RFC 4987 section 3.6): what a SYN,ACK without a record has to remember goes out
 * in its own numbers, and comes back in those of the ACK. */
#ifndef NOD_TCP_COOKIE_H
#define NOD_TCP_COOKIE_H

#include "tcp/env.h"

/* The secret part changes so often; the one before is still good. */
#define NOD_COOKIE_PERIOD (64 * NOD_SEC)

/* An initial sequence number that tells us, and nobody else, which SYN it answers and about how
 * large an MSS that had. */
uint32_t nod_cookie_make(const struct nod_env *env, const struct nod_key *key, uint32_t irs,
                         uint16_t mss);
enum nod_cookie_verdict {
    NOD_COOKIE_BAD,   /* no number of ours, or one of more than a period ago */
    NOD_COOKIE_OTHER, /* one for this peer, as far as we can tell, and another SYN: what came first
                         is not what was sent first */
    NOD_COOKIE_GOOD,  /* `mss` is set, and never more than it was */
};
enum nod_cookie_verdict nod_cookie_check(const struct nod_env *env, const struct nod_key *key,
                                         uint32_t irs, uint32_t iss, uint16_t *mss);

/* What has no room there goes into the lowest bits of TSval, if there are timestamps. Not in the
 * future, so that the next TSval is no smaller. */
struct nod_cookie_options {
    bool scale, sack, ecn;
    uint8_t snd_scale;
};
uint32_t nod_cookie_ts(const struct nod_env *env, const struct nod_key *key,
                       const struct nod_cookie_options *opt);
struct nod_cookie_options nod_cookie_ts_read(uint32_t ts_ecr);

#endif
