/* CoDel's law (RFC 8289): which packets of a queue have to go, by how long they have waited. */
#ifndef NOD_SIM_CODEL_H
#define NOD_SIM_CODEL_H

#include "nod/types.h"

/* All-zero at the beginning. */
typedef struct nod_codel {
    nod_usec above_since; /* when waiting too long will have lasted an interval; 0: it does not */
    nod_usec drop_next;
    uint32_t count, last_count; /* drops since the state was entered; when it last was */
    bool dropping;
} nod_codel;

typedef struct nod_codel_law {
    nod_usec target, interval;
} nod_codel_law;

/* The packet at the head of the queue has waited so long, and so many bytes are behind it. True: it
 * is to be dropped, or marked. */
bool nod_codel_drops(nod_codel *codel, const nod_codel_law *law, nod_usec waited, uint64_t behind,
                     nod_usec now);

/* The queue was found empty. */
void nod_codel_empty(nod_codel *codel);

#endif
