#include "tcp/cookie.h"

#include "base/hash.h"

#define MSS_BITS 7u
#define TS_BITS 63u
#define NO_SCALE 15u

/* RFC 9293's and RFC 8200's defaults, tunnels, Ethernet with IPv6 and IPv4, jumbo frames. */
static const uint16_t mss_table[MSS_BITS + 1] = {64, 536, 1220, 1300, 1380, 1440, 1460, 8940};

/* The number is 24 bits that depend on the SYN, 5 that depend on the connection alone, and 3 that
 * say the MSS to those who know the other two. */
#define SYN_BITS 0xffffff00u
#define PEER_BITS 0xf8u

static uint32_t period_now(const struct nod_env *env)
{
    return (uint32_t)(env->now / NOD_COOKIE_PERIOD);
}

/* As it would be for the lowest MSS. */
static uint32_t cookie_of(const struct nod_env *env, const struct nod_key *key, uint32_t irs,
                          uint32_t period)
{
    struct {
        struct nod_key key;
        uint32_t period, irs;
    } text = {*key, period, irs};
    _Static_assert(sizeof(text) == sizeof(*key) + 8, "no padding goes into the hash");
    uint64_t peer = nod_hash(env->cookie_key, &text, sizeof(text) - sizeof(irs));
    uint64_t syn = nod_hash(env->cookie_key, &text, sizeof(text));
    return ((uint32_t)syn & ~PEER_BITS) | ((uint32_t)peer & PEER_BITS);
}

uint32_t nod_cookie_make(const struct nod_env *env, const struct nod_key *key, uint32_t irs,
                         uint16_t mss)
{
    uint32_t index = MSS_BITS;
    while (index && mss_table[index] > mss) index--;
    return cookie_of(env, key, irs, period_now(env)) ^ index;
}

enum nod_cookie_verdict nod_cookie_check(const struct nod_env *env, const struct nod_key *key,
                                         uint32_t irs, uint32_t iss, uint16_t *mss)
{
    bool other = false;
    for (uint32_t age = 0; age < 2; age++) {
        uint32_t differs = iss ^ cookie_of(env, key, irs, period_now(env) - age);
        if (differs & PEER_BITS) continue;
        other = true;
        if (differs & SYN_BITS) continue;
        *mss = mss_table[differs & MSS_BITS];
        return NOD_COOKIE_GOOD;
    }
    return other ? NOD_COOKIE_OTHER : NOD_COOKIE_BAD;
}

uint32_t nod_cookie_ts(const struct nod_env *env, const struct nod_key *key,
                       const struct nod_cookie_options *opt)
{
    uint32_t now = nod_ts_now(env, key), bits = opt->scale ? opt->snd_scale & 15u : NO_SCALE;
    bits |= (uint32_t)opt->sack << 4 | (uint32_t)opt->ecn << 5;
    uint32_t ts = (now & ~TS_BITS) | bits;
    return ts > now ? ts - (TS_BITS + 1) : ts;
}

struct nod_cookie_options nod_cookie_ts_read(uint32_t ts_ecr)
{
    uint8_t scale = ts_ecr & 15;
    return (struct nod_cookie_options){
        .scale = scale != NO_SCALE,
        .sack = ts_ecr & 16,
        .ecn = ts_ecr & 32,
        .snd_scale = scale == NO_SCALE ? 0 : scale,
    };
}
