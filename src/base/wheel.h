/* A hierarchical timing wheel: any number of timers, each with one deadline in microseconds;
 * arming and disarming cost a constant. Six levels of 64 slots; a slot of the lowest is
 * 1024 microseconds wide, and a timer still ends at its exact deadline. */
#ifndef NOD_BASE_WHEEL_H
#define NOD_BASE_WHEEL_H

#include "nod/types.h"

struct nod_timer_node {
    struct nod_timer_node *next, **pprev; /* pprev NULL: not armed */
    nod_usec deadline;
};

#define NOD_WHEEL_LEVELS 6
struct nod_wheel {
    uint64_t tick; /* all ticks before this one are done */
    uint64_t occupied[NOD_WHEEL_LEVELS];
    struct nod_timer_node *slot[NOD_WHEEL_LEVELS][64];
    nod_usec first[NOD_WHEEL_LEVELS][64]; /* no deadline in the slot is before this */
};

void nod_wheel_init(struct nod_wheel *wheel, nod_usec now);
/* Arms, or moves an armed one; NOD_NEVER disarms. */
void nod_wheel_set(struct nod_wheel *wheel, struct nod_timer_node *node, nod_usec deadline);
void nod_wheel_cancel(struct nod_wheel *wheel, struct nod_timer_node *node);
/* Takes out one timer whose deadline is not after `now`; NULL when there is none. */
struct nod_timer_node *nod_wheel_expire(struct nod_wheel *wheel, nod_usec now);
/* When to look again: the earliest deadline, or a time before it if a timer that was earlier has
 * left; NOD_NEVER. After nod_wheel_expire has returned NULL it is not yet over. A constant's work,
 * however many timers there are. */
nod_usec nod_wheel_next(const struct nod_wheel *wheel);

#endif
