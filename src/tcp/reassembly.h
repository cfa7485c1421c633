/* Octets that arrived beyond a gap (SHLD-31), sorted by sequence number, without overlaps.
 * What came first is kept. Bounded in entries, so that a sender of dust cannot make an
 * insertion expensive. */
#ifndef NOD_TCP_REASSEMBLY_H
#define NOD_TCP_REASSEMBLY_H

#include "base/queue.h"

struct nod_piece {
    nod_slice slice;
    uint32_t seq;
    bool ours; /* our block: may be written behind the slice */
};

struct nod_reassembly {
    struct nod_piece *pieces; /* NULL when empty */
    uint32_t bytes;
    uint32_t newest; /* sequence number of what arrived last, for the first SACK block */
    uint16_t cap, count;
};

/* Keeps what is new of the slice, which is taken over. Returns how many octets were new; or
 * -1 when there was no memory or no room for one more piece. */
int64_t nod_reassembly_add(struct nod_reassembly *r, nod_pool *pool, uint32_t seq,
                           nod_slice *slice);

/* Moves what follows octet `seq` without a gap to the end of the queue. Returns how many
 * octets that were; what memory is too short for stays. */
uint32_t nod_reassembly_drain(struct nod_reassembly *r, nod_pool *pool, uint32_t seq,
                              struct nod_queue *to);
void nod_reassembly_clear(struct nod_reassembly *r, nod_pool *pool);

/* Runs of octets, the newest first, for SACK (RFC 2018 section 4). Returns how many. */
int nod_reassembly_blocks(const struct nod_reassembly *r, uint32_t blocks[][2], int max);

#endif
