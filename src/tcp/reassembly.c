#include "tcp/reassembly.h"

#include <string.h>

#include "base/pool.h"
#include "base/seq.h"
#include "base/util.h"

#define PIECES_MAX 1024
#define PIECE_BLOCK 16384

static uint32_t piece_end(const struct nod_piece *p)
{
    return p->seq + p->slice.len;
}

/* The first piece that ends after `seq`. */
static uint32_t find(const struct nod_reassembly *r, uint32_t seq)
{
    uint32_t low = 0, high = r->count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (seq_le(piece_end(&r->pieces[mid]), seq)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static bool grow(struct nod_reassembly *r, nod_pool *pool)
{
    if (r->count < r->cap) return true;
    uint32_t cap = r->cap ? r->cap * 2u : 8;
    if (cap > PIECES_MAX) return false;
    struct nod_piece *pieces = nod_pool_take(pool, cap * sizeof(*pieces));
    if (!pieces) return false;
    if (r->count) memcpy(pieces, r->pieces, r->count * sizeof(*pieces));
    nod_pool_give(pool, r->pieces, r->cap * sizeof(*pieces));
    r->pieces = pieces;
    r->cap = (uint16_t)cap;
    return true;
}

/* Appends to the piece before, when it ends just here and its block has room. */
static uint32_t extend(struct nod_reassembly *r, uint32_t at, uint32_t seq, const nod_slice *slice)
{
    if (at == 0) return 0;
    struct nod_piece *p = &r->pieces[at - 1];
    if (!p->ours || piece_end(p) != seq) return 0;
    uint32_t end = p->slice.off + p->slice.len;
    uint32_t n = min_u32(slice->len, (uint32_t)nod_block_capacity(p->slice.block) - end);
    memcpy(nod_block_bytes(p->slice.block) + end, nod_slice_bytes(slice), n);
    p->slice.len += n;
    return n;
}

static bool insert(struct nod_reassembly *r, nod_pool *pool, uint32_t at, uint32_t seq,
                   nod_slice slice, bool ours)
{
    if (!grow(r, pool)) return false;
    memmove(&r->pieces[at + 1], &r->pieces[at], (r->count - at) * sizeof(*r->pieces));
    r->pieces[at] = (struct nod_piece){.slice = slice, .seq = seq, .ours = ours};
    r->count++;
    return true;
}

/* A small packet never holds a large buffer hostage: it is copied. The first of a run gets
 * what it needs; each further block of the run is twice the last, so that dust costs no more
 * than a few times its size, and many small packets in a row share a block. */
static bool store_copy(struct nod_reassembly *r, nod_pool *pool, uint32_t at, uint32_t seq,
                       const nod_slice *slice)
{
    uint32_t want = slice->len;
    if (at > 0 && piece_end(&r->pieces[at - 1]) == seq) {
        size_t before = nod_block_capacity(r->pieces[at - 1].slice.block);
        want = max_u32(want, (uint32_t)min_u64(2 * before, PIECE_BLOCK));
    }
    nod_block *block = nod_block_new(pool, want);
    if (!block) return false;
    memcpy(nod_block_bytes(block), nod_slice_bytes(slice), slice->len);
    if (insert(r, pool, at, seq, (nod_slice){.block = block, .len = slice->len}, true)) return true;
    nod_block_unref(block);
    return false;
}

/* Stores octets that fit between two pieces; `at` is where they go. Returns how many. */
static uint32_t store(struct nod_reassembly *r, nod_pool *pool, uint32_t at, uint32_t seq,
                      nod_slice slice)
{
    uint32_t n = extend(r, at, seq, &slice);
    seq += n;
    slice.off += n;
    slice.len -= n;
    if (!slice.len) return n;
    if (slice.len < nod_block_capacity(slice.block) / 2)
        return store_copy(r, pool, at, seq, &slice) ? n + slice.len : n;
    nod_block_ref(slice.block);
    if (insert(r, pool, at, seq, slice, false)) return n + slice.len;
    nod_block_unref(slice.block);
    return n;
}

/* The run of touching pieces around piece `at`. */
static void run_around(const struct nod_reassembly *r, uint32_t at, uint32_t *first, uint32_t *last)
{
    *first = *last = at;
    while (*first > 0 && piece_end(&r->pieces[*first - 1]) == r->pieces[*first].seq) (*first)--;
    while (*last + 1u < r->count && piece_end(&r->pieces[*last]) == r->pieces[*last + 1].seq)
        (*last)++;
}

/* Which piece holds octet `seq`; -1: none. */
static int holder(const struct nod_reassembly *r, uint32_t seq)
{
    uint32_t at = find(r, seq);
    return at < r->count && seq_le(r->pieces[at].seq, seq) ? (int)at : -1;
}

/* Of what arrived before, that in the same run is no news beside this. */
static void note_recent(struct nod_reassembly *r, uint32_t seq)
{
    int at = holder(r, seq);
    if (at < 0) return;
    uint32_t first, last, kept = 1, recent[NOD_RECENT] = {seq};
    run_around(r, (uint32_t)at, &first, &last);
    for (unsigned i = 0; i < r->recents && kept < NOD_RECENT; i++) {
        int other = holder(r, r->recent[i]);
        bool elsewhere = other >= 0 && (other < (int)first || other > (int)last);
        if (elsewhere) recent[kept++] = r->recent[i];
    }
    memcpy(r->recent, recent, sizeof(recent));
    r->recents = (uint16_t)kept;
}

int64_t nod_reassembly_add(struct nod_reassembly *r, nod_pool *pool, uint32_t seq, nod_slice *slice)
{
    int64_t added = 0;
    nod_slice rest = *slice;
    uint32_t first = seq;
    *slice = (nod_slice){0};
    while (rest.len) {
        uint32_t at = find(r, seq);
        uint32_t room = rest.len;
        if (at < r->count) {
            const struct nod_piece *p = &r->pieces[at];
            if (seq_le(p->seq, seq)) { /* this much is here already */
                uint32_t skip = min_u32(rest.len, piece_end(p) - seq);
                seq += skip;
                rest.off += skip;
                rest.len -= skip;
                continue;
            }
            room = min_u32(room, p->seq - seq);
        }
        nod_slice part = {.block = rest.block, .off = rest.off, .len = room};
        uint32_t n = store(r, pool, at, seq, part);
        added += n;
        r->bytes += n;
        seq += n;
        rest.off += n;
        rest.len -= n;
        if (n < room) {
            if (!added) added = -1;
            break;
        }
    }
    note_recent(r, first);
    nod_slice_release(&rest);
    return added;
}

uint32_t nod_reassembly_drain(struct nod_reassembly *r, nod_pool *pool, uint32_t seq,
                              struct nod_queue *to)
{
    uint32_t moved = 0, taken = 0;
    for (; taken < r->count && seq_le(r->pieces[taken].seq, seq); taken++) {
        nod_slice *slice = &r->pieces[taken].slice;
        uint32_t skip = min_u32(seq - r->pieces[taken].seq, slice->len);
        r->bytes -= skip;
        r->pieces[taken].seq += skip;
        slice->off += skip;
        slice->len -= skip;
        uint32_t len = slice->len;
        bool put = nod_queue_put(to, pool, slice);
        r->bytes -= len;
        if (!put) {
            /* No memory: it is given up, and the peer sends it again. Kept, it would stand at
             * the left edge with nothing to move it on. */
            nod_slice_release(slice);
            taken++;
            break;
        }
        seq += len;
        moved += len;
    }
    r->count = (uint16_t)(r->count - taken);
    if (r->count) {
        memmove(&r->pieces[0], &r->pieces[taken], r->count * sizeof(*r->pieces));
    } else {
        nod_reassembly_clear(r, pool);
    }
    return moved;
}

void nod_reassembly_clear(struct nod_reassembly *r, nod_pool *pool)
{
    for (uint32_t i = 0; i < r->count; i++) nod_slice_release(&r->pieces[i].slice);
    nod_pool_give(pool, r->pieces, r->cap * sizeof(*r->pieces));
    *r = (struct nod_reassembly){0};
}

bool nod_reassembly_overlap(const struct nod_reassembly *r, uint32_t seq, uint32_t len,
                            uint32_t dup[2])
{
    uint32_t at = find(r, seq), end = seq + len;
    if (at == r->count || seq_ge(r->pieces[at].seq, end)) return false;
    dup[0] = seq_max(seq, r->pieces[at].seq);
    while (at + 1 < r->count && piece_end(&r->pieces[at]) == r->pieces[at + 1].seq &&
           seq_lt(piece_end(&r->pieces[at]), end))
        at++;
    dup[1] = seq_min(piece_end(&r->pieces[at]), end);
    return true;
}

struct blocks {
    uint32_t (*block)[2];
    int count, max;
};

static void add_block(const struct nod_reassembly *r, uint32_t first, uint32_t last,
                      struct blocks *b)
{
    uint32_t left = r->pieces[first].seq;
    for (int i = 0; i < b->count; i++)
        if (b->block[i][0] == left) return;
    if (b->count == b->max) return;
    b->block[b->count][0] = left;
    b->block[b->count++][1] = piece_end(&r->pieces[last]);
}

int nod_reassembly_blocks(const struct nod_reassembly *r, uint32_t blocks[][2], int max)
{
    struct blocks b = {.block = blocks, .max = max};
    uint32_t first, last;
    for (unsigned i = 0; i < r->recents; i++) {
        int at = holder(r, r->recent[i]);
        if (at < 0) continue;
        run_around(r, (uint32_t)at, &first, &last);
        add_block(r, first, last, &b);
    }
    for (uint32_t i = r->count; i > 0 && b.count < max; i = first) {
        run_around(r, i - 1, &first, &last);
        add_block(r, first, last, &b);
    }
    return b.count;
}
