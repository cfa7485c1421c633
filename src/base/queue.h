/* A byte stream as a run of slices. Positions are sequence numbers: `base` is the number of
 * the first octet in the queue, and any octet is found in log n. An empty queue owns nothing. */
#ifndef NOD_BASE_QUEUE_H
#define NOD_BASE_QUEUE_H

#include "nod/buf.h"

struct nod_queue_entry {
    nod_slice slice;
    uint32_t start; /* sequence number of the slice's first octet */
    bool ours;      /* we filled the block ourselves and may write behind the slice */
};

struct nod_queue {
    struct nod_queue_entry *ring; /* `cap` entries, a power of two; NULL when empty */
    uint32_t base;
    uint32_t bytes;
    uint32_t held; /* octets of memory that the slices' blocks take */
    uint32_t cap, head, count;
};

/* Copies bytes in at the end. Returns how many fitted; fewer than `len` when memory is short. */
uint32_t nod_queue_write(struct nod_queue *q, nod_pool *pool, const uint8_t *bytes, uint32_t len);

/* Takes the slice over, or copies it when it would hold a large block hostage. False, and the
 * slice still the caller's as it was, when memory is short. */
bool nod_queue_put(struct nod_queue *q, nod_pool *pool, nod_slice *slice);

/* Copies up to `len` octets out and drops them. */
uint32_t nod_queue_read(struct nod_queue *q, nod_pool *pool, uint8_t *buf, uint32_t len);

/* Copies up to `len` octets out from behind the first `skip`, and keeps them. */
uint32_t nod_queue_peek(const struct nod_queue *q, uint32_t skip, uint8_t *buf, uint32_t len);

/* Takes the first slice out. False when there is none. */
bool nod_queue_take(struct nod_queue *q, nod_pool *pool, nod_slice *out);

/* Drops octets at the front; at most q->bytes. */
void nod_queue_drop(struct nod_queue *q, nod_pool *pool, uint32_t len);
void nod_queue_clear(struct nod_queue *q, nod_pool *pool);

/* References to the octets [seq, seq+len), in at most `max` slices. Returns how many slices;
 * *got is how many octets they hold (fewer than `len` when there would be more slices). */
int nod_queue_share(const struct nod_queue *q, uint32_t seq, uint32_t len, nod_slice *out, int max,
                    uint32_t *got);

#endif
