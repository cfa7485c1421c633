/* What only few connections have, apart from the TCB, so that the others do not pay for it. It is
 * there from the first need (nod_tcb_rare) until the TCB is freed. */
#ifndef NOD_TCP_RARE_H
#define NOD_TCP_RARE_H

#include "nod/types.h"

struct nod_rare {
    nod_usec heard_at;   /* when an acceptable segment last came; at first, when this was made */
    nod_usec probed_at;  /* the last keep-alive probe */
    uint8_t keep_probes; /* keep-alive: unanswered, in a row */
    bool keep_due;
    uint16_t remote_uto;     /* RFC 5482, as on the wire; 0: none came */
    uint32_t snd_up, rcv_up; /* the octets that follow urgent data (3.8.5), with TCB_URGENT_... */
};

#endif
