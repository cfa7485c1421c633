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

#define NOD_RECENT 4 /* as many as there can be SACK blocks */

struct nod_reassembly {
    struct nod_piece *pieces; /* NULL when empty */
    uint32_t bytes;
    uint32_t recent[NOD_RECENT]; /* what arrived last, and before that elsewhere: for SACK */
    uint16_t cap, count, recents;
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

/* The first run of octets in [seq, seq+len) that is here already, for D-SACK (RFC 2883 section
 * 4). False: all of it is new. */
bool nod_reassembly_overlap(const struct nod_reassembly *r, uint32_t seq, uint32_t len,
                            uint32_t dup[2]);

/* Runs of octets for SACK, what arrived last first (RFC 2018 section 4). Returns how many. */
int nod_reassembly_blocks(const struct nod_reassembly *r, uint32_t blocks[][2], int max);

#endif
