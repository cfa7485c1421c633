#include "tcp/cookie.h"

#include "base/hash.h"

#define MSS_BITS 7u
#define TS_BITS 63u
#define NO_SCALE 15u

/* RFC 9293's and RFC 8200's defaults, tunnels, Ethernet with IPv6 and IPv4, jumbo frames. */
static const uint16_t mss_table[MSS_BITS + 1] = {64, 536, 1220, 1300, 1380, 1440, 1460, 8940};

static uint64_t secret(const struct nod_env *env, const struct nod_key *key, uint32_t irs,
                       uint32_t period)
{
    struct {
        struct nod_key key;
        uint32_t irs, period;
    } text = {*key, irs, period};
    _Static_assert(sizeof(text) == sizeof(*key) + 8, "no padding goes into the hash");
    return nod_hash(env->cookie_key, &text, sizeof(text));
}

static uint32_t period_now(const struct nod_env *env)
{
    return (uint32_t)(env->now / NOD_COOKIE_PERIOD);
}

uint32_t nod_cookie_make(const struct nod_env *env, const struct nod_key *key, uint32_t irs,
                         uint16_t mss)
{
    uint32_t index = MSS_BITS;
    while (index && mss_table[index] > mss) index--;
    uint64_t h = secret(env, key, irs, period_now(env));
    return (uint32_t)h ^ (((uint32_t)(h >> 32) ^ index) & MSS_BITS);
}

uint16_t nod_cookie_check(const struct nod_env *env, const struct nod_key *key, uint32_t irs,
                          uint32_t iss)
{
    for (uint32_t age = 0; age < 2; age++) {
        uint64_t h = secret(env, key, irs, period_now(env) - age);
        uint32_t differs = iss ^ (uint32_t)h;
        if (differs & ~MSS_BITS) continue;
        return mss_table[(differs ^ (uint32_t)(h >> 32)) & MSS_BITS];
    }
    return 0;
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
