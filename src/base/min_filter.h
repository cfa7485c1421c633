/* The least of what was seen in a window of time that moves on: three candidates are enough
 * (Kathleen Nichols' algorithm). */
#ifndef NOD_BASE_MIN_FILTER_H
#define NOD_BASE_MIN_FILTER_H

#include "nod/types.h"

struct nod_min_filter {
    struct {
        nod_usec at;
        uint32_t value;
    } best[3]; /* ever larger, ever younger */
};

/* Starts over with this value. */
void nod_min_filter_reset(struct nod_min_filter *f, nod_usec now, uint32_t value);
void nod_min_filter_add(struct nod_min_filter *f, nod_usec now, nod_usec window, uint32_t value);

static inline uint32_t nod_min_filter_get(const struct nod_min_filter *f)
{
    return f->best[0].value;
}

#endif
