/* Octets that arrived beyond a gap (SHLD-31): runs of them, in a tree by sequence number, of
 * which no two overlap or touch. What came first is kept. A segment costs log n of the runs, and
 * of slices as many as it brings, over time. */
#ifndef NOD_TCP_REASSEMBLY_H
#define NOD_TCP_REASSEMBLY_H

#include "base/queue.h"
#include "base/tree.h"

#define NOD_RECENT 4 /* as many as there can be SACK blocks */

struct nod_reassembly {
    struct nod_tree_node *root;  /* of the runs; NULL when there is none */
    uint32_t count;              /* of them */
    uint32_t bytes;              /* in them */
    uint64_t held;               /* octets of memory that these take, and the runs themselves */
    uint32_t recent[NOD_RECENT]; /* what arrived last, and before that elsewhere: for SACK */
    uint32_t recents;
};

/* Keeps what is new of the slice, which is taken over. Returns how many octets were new; or
 * -1 when there was no memory. */
int64_t nod_reassembly_add(struct nod_reassembly *r, nod_pool *pool, uint32_t seq,
                           nod_slice *slice);

/* Moves what follows octet `seq` without a gap to the end of the queue, which ends there. Returns
 * how many octets that were; what memory is too short for is given up, for the peer to send
 * again. */
uint32_t nod_reassembly_drain(struct nod_reassembly *r, nod_pool *pool, uint32_t seq,
                              struct nod_queue *to);
void nod_reassembly_clear(struct nod_reassembly *r, nod_pool *pool);

/* With at least one run: the first octet of all, and the one behind the last. */
uint32_t nod_reassembly_first(const struct nod_reassembly *r);
uint32_t nod_reassembly_end(const struct nod_reassembly *r);

/* The first run of octets in [seq, seq+len) that is here already, for D-SACK (RFC 2883 section
 * 4). False: all of it is new. */
bool nod_reassembly_overlap(const struct nod_reassembly *r, uint32_t seq, uint32_t len,
                            uint32_t dup[2]);

/* Runs of octets for SACK, what arrived last first (RFC 2018 section 4). Returns how many. */
int nod_reassembly_blocks(const struct nod_reassembly *r, uint32_t blocks[][2], int max);

#endif
