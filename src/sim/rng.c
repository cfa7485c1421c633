#include "rng.h"

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, unsigned k)
{
    return (x << k) | (x >> (64 - k));
}

void nod_rng_seed(nod_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        rng->s[i] = splitmix64(&seed);
    }
}

uint64_t nod_rng_next(nod_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t nod_rng_below(nod_rng *rng, uint64_t bound)
{
    uint64_t drawn = nod_rng_next(rng);

    if (bound < 2) {
        return 0;
    }
    /* The numbers below 2^64 mod bound would make small results likelier: draw again. */
    uint64_t unfair = (0 - bound) % bound;

    while (drawn < unfair) {
        drawn = nod_rng_next(rng);
    }
    return drawn % bound;
}

double nod_rng_unit(nod_rng *rng)
{
    return (double)(nod_rng_next(rng) >> 11) * 0x1.0p-53;
}
