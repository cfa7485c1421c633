/* What only few connections have, apart from the TCB, so that the others do not pay for it. It is
 * there from the first need (nod_tcb_rare) until the TCB is freed. */
#ifndef NOD_TCP_RARE_H
#define NOD_TCP_RARE_H

#include "nod/types.h"

/* The search for what a path lets through without ICMP (probe.c; RFC 4821 7.2, 7.3). */
struct nod_search {
    bool on, top;   /* top: the next probe is of all of `high`, not of the middle */
    uint8_t lost;   /* probes of this size in a row of which nobody knows why */
    uint16_t high;  /* what may get through; what does is nod_mtu.path */
    uint16_t probe; /* the size of the one that is out; 0: none is */
    uint32_t seq;   /* where it begins */
    nod_usec not_before;
};

/* A path that lets less through than both ends would take (mtu.c). Sizes are octets of text in a
 * segment without options, as an MSS is. All zero: nothing is known, and tcb->mss is the ends'. */
struct nod_mtu {
    uint16_t cap;       /* what both ends take */
    uint16_t path;      /* what the path lets through */
    uint16_t claim;     /* what ICMP says it is, not believed yet; 0: nothing */
    uint32_t claim_seq; /* the segment that this is said of */
    uint32_t resend;    /* what may be out while what was too big goes again; 0: as ever */
    nod_usec raise_at;  /* when `path` is too old to go by */
    bool tell;          /* `path` is news for other connections to the same address */
    struct nod_search search;
};

struct nod_rare {
    struct nod_mtu mtu;
};

#endif
