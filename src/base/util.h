/* Small things that every layer needs. */
#ifndef NOD_BASE_UTIL_H
#define NOD_BASE_UTIL_H

#include <stddef.h>
#include <stdint.h>

/* For our own mistakes only: no bytes from the wire and no misuse of the API can reach one.
 * Stays on in release. */
#define NOD_ASSERT(cond)               \
    do {                               \
        if (!(cond)) __builtin_trap(); \
    } while (0)

#define NOD_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
