/* What only few connections have, apart from the TCB, so that the others do not pay for it. It is
 * there from the first need (nod_tcb_rare) until the TCB is freed. */
#ifndef NOD_TCP_RARE_H
#define NOD_TCP_RARE_H

#include "nod/trace.h"

/* TCP Fast Open, while TCB_FAST_OPEN stands: what the first SYN or SYN,ACK says of it. */
struct nod_fast_open {
    bool has_option;
    uint8_t cookie_len;
    uint8_t cookie[NOD_COOKIE_MAX];
    uint16_t mss;        /* active: of the peer, as far as we remember */
    nod_handle listener; /* passive: which counts us */
};

struct nod_rare {
    struct nod_fast_open fast;
};

#endif
