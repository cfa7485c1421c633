/* Octets that arrived beyond a gap (SHLD-31): runs of them without a gap, each with its pieces.
 * What came first is kept. A segment costs log n of the runs for each run that it makes, joins or
 * moves on, and no time at all for the octets that wait elsewhere; the usual one, at the end of the
 * last run, costs the same however much is held. Bounded by memory: what is held takes no more than
 * a few times its octets, so that a sender of dust gains nothing. */
#ifndef NOD_TCP_REASSEMBLY_H
#define NOD_TCP_REASSEMBLY_H

#include "base/queue.h"
#include "base/tree.h"

#define NOD_RECENT 12 /* three ACKs of four SACK blocks, or four of three */

struct nod_run;

struct nod_reassembly {
    struct nod_tree_node *root; /* of the runs */
    struct nod_run *first, *last;
    struct nod_run *recent[NOD_RECENT]; /* what grew last comes first: for SACK */
    uint8_t untold;                     /* so many of them, the first, no ACK has told of */
    size_t held;                        /* memory, all of it */
    uint32_t bytes;                     /* octets of the stream in it */
    uint32_t count;                     /* of runs */
};

/* Keeps what is new of the slice, which is taken over. Returns how many octets were new; or
 * -1 when there was no memory for any, or what is held would cost too much for what it is. */
int64_t nod_reassembly_add(struct nod_reassembly *r, nod_pool *pool, uint32_t seq,
                           nod_slice *slice);

/* Moves what follows octet `seq` without a gap to the end of the queue. Returns how many
 * octets that were. Where memory is short, one piece is given up, and what follows it stays. */
uint32_t nod_reassembly_drain(struct nod_reassembly *r, nod_pool *pool, uint32_t seq,
                              struct nod_queue *to);
void nod_reassembly_clear(struct nod_reassembly *r, nod_pool *pool);

/* With r->count: the first octet of all, and the one behind the last. */
uint32_t nod_reassembly_first(const struct nod_reassembly *r);
uint32_t nod_reassembly_end(const struct nod_reassembly *r);

/* The first run of octets in [seq, seq+len) that is here already, for D-SACK (RFC 2883 section
 * 4). False: all of it is new. */
bool nod_reassembly_overlap(const struct nod_reassembly *r, uint32_t seq, uint32_t len,
                            uint32_t dup[2]);

/* Runs of octets for SACK, what arrived last first (RFC 2018 section 4). Returns how many. Where
 * more are new than one ACK tells of, they are those that arrived first. */
int nod_reassembly_blocks(const struct nod_reassembly *r, uint32_t blocks[][2], int max);

/* That many have been told. True: there are more, for another ACK. */
bool nod_reassembly_told(struct nod_reassembly *r, int count);

void nod_reassembly_check(const struct nod_reassembly *r); /* the invariants; ends the program */

#endif
