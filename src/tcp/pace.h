/* When the next may leave: congestion control, or the user, says how fast, and what leaves is
 * spread over time in portions of about a millisecond, each at most one large segment. */
#ifndef NOD_TCP_PACE_H
#define NOD_TCP_PACE_H

#include "nod/types.h"

struct nod_env;
struct nod_tcb;

struct nod_pace {
    nod_usec at;     /* the next portion may leave then */
    uint64_t crumbs; /* of time beyond that: what was left over when octets were divided by rate */
    uint64_t rate;   /* octets a second, as output goes by it now; 0: nothing is held back */
    uint32_t left;   /* octets of the portion that has begun */
    bool waits;      /* text was held back, and has not all left since */
};

/* How fast text may leave, octets a second; 0: as fast as it can. */
uint64_t nod_pace_rate(const struct nod_tcb *tcb);

/* Output looks for a segment. Returns the most that it may carry. */
uint32_t nod_pace_room(const struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max);
/* There is one. False: it is not its time yet, and the timer runs. */
bool nod_pace_lets_go(struct nod_tcb *tcb);
void nod_pace_on_sent(const struct nod_env *env, struct nod_tcb *tcb, uint32_t octets);
/* There is none. */
void nod_pace_done(struct nod_tcb *tcb);

#endif
