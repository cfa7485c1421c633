#include "stream.h"

#include <stdlib.h>
#include <string.h>

void stream_begin(stream *s, uint64_t seed, uint64_t bytes)
{
    *s = (stream){.random = seed | 1, .left = bytes, .hash = EVP_MD_CTX_new()};
    if (!s->hash || !EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL)) abort();
}

size_t stream_make(stream *s, uint8_t *to, size_t max)
{
    size_t len = s->left < max ? (size_t)s->left : max;
    for (size_t at = 0; at < len; at += 8) {
        s->random ^= s->random << 13;
        s->random ^= s->random >> 7;
        s->random ^= s->random << 17;
        memcpy(to + at, &s->random, len - at < 8 ? len - at : 8);
    }
    s->left -= len;
    stream_take(s, to, len);
    return len;
}

void stream_take(stream *s, const uint8_t *bytes, size_t len)
{
    s->bytes += len;
    EVP_DigestUpdate(s->hash, bytes, len);
}

void stream_end(stream *s, uint8_t digest[DIGEST])
{
    EVP_DigestFinal_ex(s->hash, digest, NULL);
    EVP_MD_CTX_free(s->hash);
    s->hash = NULL;
}
