/* What every fuzz target is: one function that takes bytes. clang's libFuzzer calls it, or
 * alone.c, which replays files or makes bytes up from a seed. */
#ifndef NOD_FUZZ_FUZZ_H
#define NOD_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a stream of choices; zeros when it is used up. */
struct choices {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t choose8(struct choices *c)
{
    if (!c->left) return 0;
    c->left--;
    return *c->at++;
}

static inline uint16_t choose16(struct choices *c)
{
    uint8_t high = choose8(c);
    return (uint16_t)(high << 8 | choose8(c));
}

static inline uint32_t choose32(struct choices *c)
{
    uint32_t high = choose16(c);
    return high << 16 | choose16(c);
}

#endif
