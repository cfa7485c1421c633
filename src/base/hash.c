#include "base/hash.h"

#include <string.h>

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

/* By value all the way, so that it stays in registers: every segment is looked up by this. */
struct sip {
    uint64_t a, b, c, d;
};

static inline struct sip round1(struct sip v)
{
    v.a += v.b, v.b = rotl(v.b, 13) ^ v.a, v.a = rotl(v.a, 32);
    v.c += v.d, v.d = rotl(v.d, 16) ^ v.c;
    v.a += v.d, v.d = rotl(v.d, 21) ^ v.a;
    v.c += v.b, v.b = rotl(v.b, 17) ^ v.c, v.c = rotl(v.c, 32);
    return v;
}

static inline struct sip absorb(struct sip v, uint64_t word)
{
    v.d ^= word;
    v = round1(round1(v));
    v.a ^= word;
    return v;
}

uint64_t nod_hash(const uint8_t key[16], const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t k0 = load64(key), k1 = load64(key + 8);
    struct sip v = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                    k1 ^ 0x7465646279746573u};
    size_t left = len;
    for (; left >= 8; p += 8, left -= 8) v = absorb(v, load64(p));
    uint8_t last[8] = {0};
    memcpy(last, p, left);
    last[7] = (uint8_t)len;
    v = absorb(v, load64(last));
    v.c ^= 0xff;
    v = round1(round1(round1(round1(v))));
    return v.a ^ v.b ^ v.c ^ v.d;
}
