/* nod/buf.h: counted blocks, slices of them, and frames.
 *
 * Bytes live in blocks. A slice is a range of one block and owns one reference to it.
 * Queues, frames and users pass slices, so that a byte is copied at most once a side.
 * A pool, its blocks, and all stacks that share them belong to one thread. */
#ifndef NOD_BUF_H
#define NOD_BUF_H

#include "nod/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nod_pool nod_pool;
typedef struct nod_block nod_block;

/* Where memory comes from. Both functions or neither (then malloc and free are used). What is
 * aligned as malloc does it will do; where requests of 16 KiB are aligned to 16 KiB, memory that
 * small pieces were carved from can be given back. */
typedef struct nod_alloc {
    void *(*alloc)(void *ctx, size_t size); /* NULL when there is none */
    void (*free)(void *ctx, void *ptr, size_t size);
    void *ctx;
} nod_alloc;

typedef struct nod_pool_stats {
    size_t limit;          /* bytes that the pool may take */
    size_t taken;          /* bytes taken from the allocator now, free lists included */
    size_t in_use;         /* bytes of blocks and objects handed out now */
    uint64_t system_calls; /* calls of alloc since the pool was made */
    uint64_t refused;      /* requests refused because of the limit */
} nod_pool_stats;

/* A pool that never takes more than `limit` bytes (0: no limit). Freed blocks go to free
 * lists and come back from there, so that a running stack does not call the allocator.
 * NULL when there is no memory. */
nod_pool *nod_pool_new(const nod_alloc *alloc, size_t limit);

/* A pool in memory that programs share, mapped by each at the same address: tells it where the
 * program that now uses it has its functions. They must manage the same memory as those before. */
void nod_pool_rebind(nod_pool *pool, const nod_alloc *alloc);

/* Gives up the maker's hold. The memory goes when the last block has come back. */
void nod_pool_free(nod_pool *pool);
void nod_pool_get_stats(const nod_pool *pool, nod_pool_stats *out);

/* A new block with room for at least `capacity` bytes and one reference, the caller's.
 * NULL: insufficient resources, or more than NOD_BLOCK_MAX. */
#define NOD_BLOCK_MAX (68u * 1024u)
nod_block *nod_block_new(nod_pool *pool, size_t capacity);
uint8_t *nod_block_bytes(nod_block *block);
size_t nod_block_capacity(const nod_block *block);
void nod_block_ref(nod_block *block);
void nod_block_unref(nod_block *block); /* NULL is allowed */

typedef struct nod_slice {
    nod_block *block; /* one reference; NULL: an empty slice */
    uint32_t off;     /* from nod_block_bytes(block) */
    uint32_t len;
} nod_slice;

/* A slice of its own reference. `off + len` must lie within the block. */
nod_slice nod_slice_of(nod_block *block, uint32_t off, uint32_t len);
uint8_t *nod_slice_bytes(const nod_slice *slice);
void nod_slice_release(nod_slice *slice); /* leaves it empty; an empty one is allowed */

/* A packet on its way: a header of its own, then slices of payload, never flattened before
 * the device asks for it. A frame from a device usually has no header of its own and one
 * part that holds the whole packet. */
#define NOD_FRAME_HEAD 128
#define NOD_FRAME_PARTS 18

enum nod_frame_flags {
    /* The TCP checksum field holds the sum of the pseudo-header only, and whoever sends
     * the bytes must add the rest (nod_frame_finish does). As virtio's NEEDS_CSUM. */
    NOD_FRAME_CSUM_TODO = 1 << 0,
    /* Something that we trust has checked the TCP checksum already (input only). */
    NOD_FRAME_CSUM_OK = 1 << 1,
    /* With gso_size: the TCP flag CWR is RFC 3168's, and only the first piece carries it. Without,
     * it is a part of a number (RFC 9768 section 3.3.4), and all do. As virtio's GSO_ECN. */
    NOD_FRAME_CWR_ONCE = 1 << 2,
};

typedef struct nod_frame {
    uint32_t id;   /* set by the giver on input and by the stack on output; trace events carry it */
    uint8_t iface; /* index of the interface, from nod_stack_add_iface */
    uint8_t flags; /* enum nod_frame_flags */
    uint8_t head_len;  /* bytes of head[] in use */
    uint8_t parts;     /* slices in use */
    uint16_t gso_size; /* 0, or a large TCP segment to be cut into pieces of so much payload */
    uint16_t l4_off;   /* where the TCP header starts; set with gso_size or CSUM_TODO */
    uint8_t head[NOD_FRAME_HEAD];
    nod_slice part[NOD_FRAME_PARTS];
} nod_frame;

/* Bytes of the packet: header and parts. */
size_t nod_frame_length(const nod_frame *frame);

/* Lets go of the slices and leaves the frame empty. */
void nod_frame_release(nod_frame *frame);

/* A second frame on the same bytes, with references of its own. */
void nod_frame_share(const nod_frame *frame, nod_frame *out);

/* Copies the packet's bytes [from, from+len) to buf; returns how many there were. */
size_t nod_frame_copy(const nod_frame *frame, size_t from, void *buf, size_t len);

/* A frame of one new block that holds these bytes. Returns 0 or NOD_ENOMEM. */
int nod_frame_from_bytes(nod_pool *pool, const void *bytes, size_t len, nod_frame *out);

/* Makes the packet one contiguous part that nobody else holds, so that it can be changed.
 * Returns 0 or NOD_ENOMEM (then the frame is as it was). */
int nod_frame_flatten(nod_pool *pool, nod_frame *frame);

/* Completes the TCP checksum of a frame with NOD_FRAME_CSUM_TODO and no gso_size, and
 * clears the flag. Frames without the flag are left alone.
 */
void nod_frame_finish(nod_frame *frame);

/* Cuts a large segment as a device would (TSO): writes piece number `index` (from 0) to
 * `out`, with references of its own and a complete checksum. Returns 1; 0 when there is no
 * such piece; or NOD_ENOMEM. A frame without gso_size is its own only piece. */
int nod_frame_piece(const nod_frame *frame, unsigned index, nod_frame *out);

/* The reverse: packets of one connection that follow each other become one large segment, as a
 * device makes them (LRO), if it can be cut into the same packets again. Only those with CSUM_TODO:
 * others might hide damage. A packet is joined to an earlier one over those of other connections
 * between them. Returns how many frames are left, at the array's start. */
int nod_frames_join(nod_frame *frames, int count);

/* What a congested router does to a packet with an ECN-capable transport: sets CE in the IP header
 * (RFC 3168 section 5). Returns 1; 0 when the packet is not capable, or no IP; or NOD_ENOMEM. */
int nod_frame_mark(nod_pool *pool, nod_frame *frame);

#ifdef __cplusplus
}
#endif
#endif
