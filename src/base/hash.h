/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that cannot be steered from
 * outside. For the connection table, initial sequence numbers and ports. */
#ifndef NOD_BASE_HASH_H
#define NOD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t nod_hash(const uint8_t key[16], const void *bytes, size_t len);

#endif
