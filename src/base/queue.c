#include "base/queue.h"

#include <string.h>

#include "base/pool.h"
#include "base/util.h"

#define STREAM_BLOCK 16384 /* blocks that bytes are copied into */
#define SMALL_BLOCK 2000   /* for the first bytes of a connection that may stay quiet */
#define QUEUE_CAP_MAX (1u << 20)

static struct nod_queue_entry *entry_at(const struct nod_queue *q, uint32_t i)
{
    return &q->ring[(q->head + i) & (q->cap - 1u)];
}

static bool grow(struct nod_queue *q, nod_pool *pool)
{
    uint32_t cap = q->cap ? q->cap * 2u : 4;
    if (cap > QUEUE_CAP_MAX) return false;
    struct nod_queue_entry *ring = nod_pool_take(pool, cap * sizeof(*ring));
    if (!ring) return false;
    for (uint32_t i = 0; i < q->count; i++) ring[i] = *entry_at(q, i);
    nod_pool_give(pool, q->ring, q->cap * sizeof(*ring));
    q->ring = ring;
    q->cap = cap;
    q->head = 0;
    return true;
}

static bool push(struct nod_queue *q, nod_pool *pool, nod_slice slice, bool ours)
{
    if (q->count == q->cap && !grow(q, pool)) return false;
    *entry_at(q, q->count) =
        (struct nod_queue_entry){.slice = slice, .start = q->base + q->bytes, .ours = ours};
    q->count++;
    q->bytes += slice.len;
    q->held += (uint32_t)nod_block_capacity(slice.block);
    return true;
}

/* Fills the room behind the last slice. */
static uint32_t fill_tail(struct nod_queue *q, const uint8_t *bytes, uint32_t len)
{
    if (!q->count) return 0;
    struct nod_queue_entry *tail = entry_at(q, q->count - 1u);
    if (!tail->ours) return 0;
    uint32_t end = tail->slice.off + tail->slice.len;
    uint32_t n = min_u32(len, (uint32_t)nod_block_capacity(tail->slice.block) - end);
    memcpy(nod_block_bytes(tail->slice.block) + end, bytes, n);
    tail->slice.len += n;
    q->bytes += n;
    return n;
}

uint32_t nod_queue_write(struct nod_queue *q, nod_pool *pool, const uint8_t *bytes, uint32_t len)
{
    /* A few octets between large slices do not deserve a large block. */
    bool alone = !q->count || !entry_at(q, q->count - 1u)->ours;
    uint32_t done = fill_tail(q, bytes, len);
    while (done < len) {
        uint32_t want = alone && len <= SMALL_BLOCK ? SMALL_BLOCK : STREAM_BLOCK;
        nod_block *block = nod_block_new(pool, want);
        if (!block) break;
        uint32_t n = min_u32(len - done, (uint32_t)nod_block_capacity(block));
        memcpy(nod_block_bytes(block), bytes + done, n);
        if (!push(q, pool, (nod_slice){.block = block, .len = n}, true)) {
            nod_block_unref(block);
            break;
        }
        done += n;
    }
    return done;
}

static void forget_ring_if_empty(struct nod_queue *q, nod_pool *pool)
{
    if (q->count) return;
    nod_pool_give(pool, q->ring, q->cap * sizeof(*q->ring));
    q->ring = NULL;
    q->cap = q->head = 0;
}

/* Takes back what was written since the queue had `count` slices and `bytes` octets. */
static void take_back(struct nod_queue *q, nod_pool *pool, uint32_t count, uint32_t bytes)
{
    while (q->count > count) {
        struct nod_queue_entry *last = entry_at(q, --q->count);
        q->bytes -= last->slice.len;
        q->held -= (uint32_t)nod_block_capacity(last->slice.block);
        nod_block_unref(last->slice.block);
    }
    if (count) entry_at(q, count - 1u)->slice.len -= q->bytes - bytes;
    q->bytes = bytes;
    forget_ring_if_empty(q, pool);
}

bool nod_queue_put(struct nod_queue *q, nod_pool *pool, nod_slice *slice)
{
    if (slice->len == 0) {
        nod_slice_release(slice);
        return true;
    }
    /* A small packet never holds a large buffer hostage. */
    if (slice->len < nod_block_capacity(slice->block) / 2) {
        uint32_t count = q->count, bytes = q->bytes;
        if (nod_queue_write(q, pool, nod_slice_bytes(slice), slice->len) < slice->len) {
            take_back(q, pool, count, bytes);
            return false;
        }
        nod_slice_release(slice);
        return true;
    }
    if (!push(q, pool, *slice, false)) return false;
    *slice = (nod_slice){0};
    return true;
}

void nod_queue_drop(struct nod_queue *q, nod_pool *pool, uint32_t len)
{
    NOD_ASSERT(len <= q->bytes);
    q->base += len;
    q->bytes -= len;
    while (len) {
        struct nod_queue_entry *first = entry_at(q, 0);
        uint32_t n = min_u32(len, first->slice.len);
        first->slice.off += n;
        first->slice.len -= n;
        first->start += n;
        len -= n;
        if (first->slice.len) break;
        q->held -= (uint32_t)nod_block_capacity(first->slice.block);
        nod_block_unref(first->slice.block);
        q->head = (q->head + 1u) & (q->cap - 1u);
        q->count--;
    }
    forget_ring_if_empty(q, pool);
}

bool nod_queue_take(struct nod_queue *q, nod_pool *pool, nod_slice *out)
{
    if (!q->count) return false;
    *out = entry_at(q, 0)->slice;
    nod_block_ref(out->block);
    nod_queue_drop(q, pool, out->len);
    return true;
}

void nod_queue_clear(struct nod_queue *q, nod_pool *pool)
{
    nod_queue_drop(q, pool, q->bytes);
}

/* The index of the entry that holds octet `seq`, which is in the queue. */
static uint32_t find(const struct nod_queue *q, uint32_t seq)
{
    uint32_t low = 0, high = q->count;
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;
        if (entry_at(q, mid)->start - q->base <= seq - q->base) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

uint32_t nod_queue_peek(const struct nod_queue *q, uint32_t skip, uint8_t *buf, uint32_t len)
{
    if (skip >= q->bytes) return 0;
    len = min_u32(len, q->bytes - skip);
    uint32_t i = find(q, q->base + skip), done = 0;
    skip -= entry_at(q, i)->start - q->base;
    for (; done < len; i++, skip = 0) {
        const nod_slice *slice = &entry_at(q, i)->slice;
        uint32_t n = min_u32(len - done, slice->len - skip);
        memcpy(buf + done, nod_slice_bytes(slice) + skip, n);
        done += n;
    }
    return done;
}

uint32_t nod_queue_read(struct nod_queue *q, nod_pool *pool, uint8_t *buf, uint32_t len)
{
    uint32_t done = nod_queue_peek(q, 0, buf, len);
    nod_queue_drop(q, pool, done);
    return done;
}

int nod_queue_share(const struct nod_queue *q, uint32_t seq, uint32_t len, nod_slice *out, int max,
                    uint32_t *got)
{
    NOD_ASSERT((uint64_t)(seq - q->base) + len <= q->bytes);
    *got = 0;
    if (!len) return 0;
    uint32_t i = find(q, seq), skip = seq - entry_at(q, i)->start;
    int n = 0;
    for (; len && n < max; i++, skip = 0) {
        const nod_slice *slice = &entry_at(q, i)->slice;
        uint32_t take = min_u32(len, slice->len - skip);
        out[n++] = nod_slice_of(slice->block, slice->off + skip, take);
        *got += take;
        len -= take;
    }
    return n;
}
