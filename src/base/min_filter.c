#include "base/min_filter.h"

void nod_min_filter_reset(struct nod_min_filter *f, nod_usec now, uint32_t value)
{
    for (int i = 0; i < 3; i++) {
        f->best[i].at = now;
        f->best[i].value = value;
    }
}

static void set_from(struct nod_min_filter *f, int first, nod_usec now, uint32_t value)
{
    for (int i = first; i < 3; i++) {
        f->best[i].at = now;
        f->best[i].value = value;
    }
}

static void forget_first(struct nod_min_filter *f, nod_usec now, uint32_t value)
{
    f->best[0] = f->best[1];
    f->best[1] = f->best[2];
    set_from(f, 2, now, value);
}

void nod_min_filter_add(struct nod_min_filter *f, nod_usec now, nod_usec window, uint32_t value)
{
    if (value <= f->best[0].value || now - f->best[2].at > window) {
        nod_min_filter_reset(f, now, value);
        return;
    }
    if (value <= f->best[1].value)
        set_from(f, 1, now, value);
    else if (value <= f->best[2].value)
        set_from(f, 2, now, value);
    nod_usec age = now - f->best[0].at;
    if (age > window) {
        forget_first(f, now, value);
        if (now - f->best[0].at > window) forget_first(f, now, value);
    } else if (f->best[1].at == f->best[0].at && age > window / 4) {
        set_from(f, 1, now, value); /* a second choice from the second quarter */
    } else if (f->best[2].at == f->best[1].at && age > window / 2) {
        set_from(f, 2, now, value); /* and a third from the second half */
    }
}
