/* Streams that can be checked: bytes from a seed, and the SHA-256 of what came. */
#ifndef INTEROP_STREAM_H
#define INTEROP_STREAM_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST 32

typedef struct stream {
    uint64_t random, left, bytes;
    EVP_MD_CTX *hash;
} stream;

/* A source of `bytes` bytes, or with 0 a sink. */
void stream_begin(stream *s, uint64_t seed, uint64_t bytes);
/* Makes up to `max` more bytes, a multiple of eight until the last; returns how many. */
size_t stream_make(stream *s, uint8_t *to, size_t max);
void stream_take(stream *s, const uint8_t *bytes, size_t len);
void stream_end(stream *s, uint8_t digest[DIGEST]);

#endif
