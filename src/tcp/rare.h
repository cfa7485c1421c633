/* What only few connections have, apart from the TCB, so that the others do not pay for it. It is
 * there from the first need (nod_tcb_rare) until the TCB is freed. */
#ifndef NOD_TCP_RARE_H
#define NOD_TCP_RARE_H

#include "nod/types.h"

struct nod_rare {
    uint8_t none_yet;
};

#endif
