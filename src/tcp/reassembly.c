#include "tcp/reassembly.h"

#include <string.h>

#include "base/pool.h"
#include "base/seq.h"
#include "base/util.h"

#define COPY_BLOCK 16384 /* the largest that small packets in a row share */
#define BLOCK_HEAD 16    /* what a block costs beside its capacity */

/* What is held may cost so many times its octets, and so much beside. A packet that fills half of
 * its block and stands alone costs hardly more than twice, of small ones those below 40 octets more
 * than four times. */
#define COST_TIMES 4
#define COST_FREE 32768

struct piece {
    struct piece *next;
    nod_slice slice;
    bool ours; /* our block: may be written behind the slice */
};

struct nod_run {
    struct nod_tree_node node; /* key: its first octet */
    uint32_t end;
    struct piece *pieces, *last;
    struct nod_run *prev, *next; /* in the order of their octets, with a gap between */
};

static struct nod_run *of(struct nod_tree_node *node)
{
    return node ? NOD_CONTAINER(node, struct nod_run, node) : NULL;
}

static uint32_t start(const struct nod_run *run)
{
    return run->node.key;
}

/* The last run that begins at `seq` or before: most often it is the last of all. */
static struct nod_run *run_at(const struct nod_reassembly *r, uint32_t seq)
{
    if (r->last && seq_ge(seq, start(r->last))) return r->last;
    return of(nod_tree_at(r->root, seq));
}

static struct nod_run *run_behind(const struct nod_reassembly *r, const struct nod_run *run)
{
    return run ? run->next : r->first;
}

static void forget_recent(struct nod_reassembly *r, const struct nod_run *run)
{
    unsigned kept = 0, untold = r->untold;
    for (unsigned i = 0; i < NOD_RECENT; i++) {
        if (r->recent[i] != run)
            r->recent[kept++] = r->recent[i];
        else if (i < untold)
            r->untold--;
    }
    while (kept < NOD_RECENT) r->recent[kept++] = NULL;
}

static void note_recent(struct nod_reassembly *r, struct nod_run *run)
{
    forget_recent(r, run);
    memmove(&r->recent[1], &r->recent[0], (NOD_RECENT - 1) * sizeof(r->recent[0]));
    r->recent[0] = run;
    if (r->untold < NOD_RECENT) r->untold++;
}

static size_t cost(const struct piece *piece)
{
    return sizeof(*piece) + BLOCK_HEAD + nod_block_capacity(piece->slice.block);
}

static void free_piece(struct nod_reassembly *r, nod_pool *pool, struct piece *piece)
{
    r->held -= cost(piece);
    nod_slice_release(&piece->slice);
    nod_pool_give(pool, piece, sizeof(*piece));
}

/* A slice to be kept. A small packet never holds a large buffer hostage: it is copied, to where
 * there is room for `want` octets in all. */
static nod_slice keep(nod_pool *pool, const nod_slice *slice, uint32_t want, bool copy)
{
    if (!copy) return nod_slice_of(slice->block, slice->off, slice->len);
    nod_block *block = nod_block_new(pool, max_u32(slice->len, want));
    if (!block) return (nod_slice){0};
    memcpy(nod_block_bytes(block), nod_slice_bytes(slice), slice->len);
    return (nod_slice){.block = block, .len = slice->len};
}

static struct piece *new_piece(struct nod_reassembly *r, nod_pool *pool, const nod_slice *slice,
                               uint32_t want)
{
    bool copy = slice->len < nod_block_capacity(slice->block) / 2;
    uint64_t most = COST_TIMES * ((uint64_t)r->bytes + slice->len) + COST_FREE;
    struct piece *piece = nod_pool_take(pool, sizeof(*piece));
    if (!piece) return NULL;
    *piece = (struct piece){.slice = keep(pool, slice, want, copy), .ours = copy};
    if (!piece->slice.block) {
        nod_pool_give(pool, piece, sizeof(*piece));
        return NULL;
    }
    r->held += cost(piece);
    if (r->held + sizeof(struct nod_run) <= most) return piece;
    free_piece(r, pool, piece);
    return NULL;
}

/* Room for what comes behind a piece: the first of a run gets what it needs, and each further
 * block is twice the last, so that many small packets in a row share a block. */
static uint32_t room_after(const struct piece *piece)
{
    return (uint32_t)min_u64(2 * nod_block_capacity(piece->slice.block), COPY_BLOCK);
}

static void append(struct nod_run *run, struct piece *piece)
{
    run->last->next = piece;
    run->last = piece;
    run->end += piece->slice.len;
}

static void prepend(struct nod_run *run, struct piece *piece)
{
    piece->next = run->pieces;
    run->pieces = piece;
    run->node.key -= piece->slice.len; /* still behind the run before: the tree's order holds */
}

static bool new_run(struct nod_reassembly *r, nod_pool *pool, struct nod_run *before, uint32_t seq,
                    struct piece *piece)
{
    struct nod_run *after = run_behind(r, before), *run = nod_pool_take(pool, sizeof(*run));
    if (!run) return false;
    *run = (struct nod_run){
        .node.key = seq,
        .end = seq + piece->slice.len,
        .pieces = piece,
        .last = piece,
        .prev = before,
        .next = after,
    };
    *(before ? &before->next : &r->first) = run;
    *(after ? &after->prev : &r->last) = run;
    r->root = nod_tree_add(r->root, &run->node);
    r->held += sizeof(*run);
    r->count++;
    return true;
}

/* A run whose pieces are gone. */
static void remove_run(struct nod_reassembly *r, nod_pool *pool, struct nod_run *run)
{
    forget_recent(r, run);
    *(run->prev ? &run->prev->next : &r->first) = run->next;
    *(run->next ? &run->next->prev : &r->last) = run->prev;
    r->root = nod_tree_remove(r->root, &run->node);
    r->held -= sizeof(*run);
    r->count--;
    nod_pool_give(pool, run, sizeof(*run));
}

/* The gap between two runs is closed. */
static void join(struct nod_reassembly *r, nod_pool *pool, struct nod_run *run,
                 struct nod_run *after)
{
    run->last->next = after->pieces;
    run->last = after->last;
    run->end = after->end;
    remove_run(r, pool, after);
}

/* Copies what fits to behind the last piece of a run. Returns how much. */
static uint32_t extend(struct nod_run *run, const nod_slice *slice)
{
    nod_slice *last = &run->last->slice;
    if (!run->last->ours) return 0;
    uint32_t used = last->off + last->len;
    uint32_t n = min_u32(slice->len, (uint32_t)nod_block_capacity(last->block) - used);
    memcpy(nod_block_bytes(last->block) + used, nod_slice_bytes(slice), n);
    last->len += n;
    run->end += n;
    return n;
}

/* Stores octets that fit into the gap behind a run (NULL: that before the first). Returns how
 * many. */
static uint32_t store(struct nod_reassembly *r, nod_pool *pool, struct nod_run *run, uint32_t seq,
                      nod_slice slice)
{
    struct nod_run *after = run_behind(r, run);
    bool left = run && run->end == seq, right = after && start(after) == seq + slice.len;
    uint32_t n = left ? extend(run, &slice) : 0;
    slice.off += n;
    slice.len -= n;
    if (slice.len) {
        struct piece *piece = new_piece(r, pool, &slice, left ? room_after(run->last) : 0);
        if (!piece) return n;
        if (left) {
            append(run, piece);
        } else if (right) {
            prepend(after, piece);
        } else if (!new_run(r, pool, run, seq, piece)) {
            free_piece(r, pool, piece);
            return n;
        }
    }
    if (left && right) join(r, pool, run, after);
    return n + slice.len;
}

int64_t nod_reassembly_add(struct nod_reassembly *r, nod_pool *pool, uint32_t seq, nod_slice *slice)
{
    int64_t added = 0;
    nod_slice rest = *slice;
    struct nod_run *run = run_at(r, seq), *newest = NULL;
    *slice = (nod_slice){0};
    while (rest.len) {
        struct nod_run *after = run_behind(r, run);
        uint32_t n, room = rest.len;
        if (after && seq_ge(seq, start(after))) {
            run = after;
            continue;
        }
        if (run && seq_lt(seq, run->end)) {
            n = room = min_u32(room, run->end - seq); /* this much is here already */
        } else {
            if (after) room = min_u32(room, start(after) - seq);
            n = store(r, pool, run, seq, (nod_slice){rest.block, rest.off, room});
            added += n;
            r->bytes += n;
        }
        if (!newest && n) newest = run_at(r, seq);
        seq += n;
        rest.off += n;
        rest.len -= n;
        if (n == room) continue;
        if (!added) added = -1;
        break;
    }
    if (newest) note_recent(r, newest);
    nod_slice_release(&rest);
    return added;
}

/* Takes the first piece of all out. Returns its slice. */
static nod_slice take_first(struct nod_reassembly *r, nod_pool *pool)
{
    struct nod_run *run = r->first;
    struct piece *piece = run->pieces;
    nod_slice slice = piece->slice;
    r->held -= cost(piece);
    r->bytes -= slice.len;
    run->node.key += slice.len; /* still the first of all: the tree's order holds */
    run->pieces = piece->next;
    nod_pool_give(pool, piece, sizeof(*piece));
    if (!run->pieces) remove_run(r, pool, run);
    return slice;
}

uint32_t nod_reassembly_drain(struct nod_reassembly *r, nod_pool *pool, uint32_t seq,
                              struct nod_queue *to)
{
    uint32_t next = seq;
    while (r->first && seq_le(start(r->first), next)) {
        uint32_t before = next - start(r->first);
        nod_slice slice = take_first(r, pool);
        uint32_t skip = min_u32(before, slice.len), n = slice.len - skip;
        slice.off += skip;
        slice.len = n;
        if (!nod_queue_put(to, pool, &slice)) {
            /* No memory: it is given up, and the peer sends it again. Kept, it would stand at
             * the left edge with nothing to move it on. */
            nod_slice_release(&slice);
            break;
        }
        next += n;
    }
    return next - seq;
}

void nod_reassembly_clear(struct nod_reassembly *r, nod_pool *pool)
{
    while (r->first) {
        nod_slice slice = take_first(r, pool);
        nod_slice_release(&slice);
    }
}

uint32_t nod_reassembly_first(const struct nod_reassembly *r)
{
    return start(r->first);
}

uint32_t nod_reassembly_end(const struct nod_reassembly *r)
{
    return r->last->end;
}

bool nod_reassembly_overlap(const struct nod_reassembly *r, uint32_t seq, uint32_t len,
                            uint32_t dup[2])
{
    const struct nod_run *run = run_at(r, seq);
    if (!run || seq_le(run->end, seq)) run = run_behind(r, run);
    if (!run || seq_ge(start(run), seq + len)) return false;
    dup[0] = seq_max(seq, start(run));
    dup[1] = seq_min(run->end, seq + len);
    return true;
}

static bool is_recent(const struct nod_reassembly *r, const struct nod_run *run)
{
    for (unsigned i = 0; i < NOD_RECENT; i++)
        if (r->recent[i] == run) return true;
    return false;
}

static int add_block(const struct nod_run *run, uint32_t blocks[][2], int count)
{
    blocks[count][0] = start(run);
    blocks[count][1] = run->end;
    return count + 1;
}

int nod_reassembly_blocks(const struct nod_reassembly *r, uint32_t blocks[][2], int max)
{
    int count = 0;
    for (int i = r->untold > max ? r->untold - max : 0;
         i < NOD_RECENT && r->recent[i] && count < max; i++)
        count = add_block(r->recent[i], blocks, count);
    for (const struct nod_run *run = r->last; run && count < max; run = run->prev)
        if (!is_recent(r, run)) count = add_block(run, blocks, count);
    return count;
}

bool nod_reassembly_told(struct nod_reassembly *r, int count)
{
    r->untold = (uint8_t)(r->untold > count ? r->untold - count : 0);
    return r->untold;
}

void nod_reassembly_check(const struct nod_reassembly *r)
{
    uint32_t bytes = 0, count = 0, recents = 0;
    size_t held = 0;
    const struct nod_run *prev = NULL;
    for (const struct nod_run *run = r->first; run; prev = run, run = run->next, count++) {
        NOD_ASSERT(run->prev == prev && (!prev || seq_lt(prev->end, start(run))));
        NOD_ASSERT(of(nod_tree_at(r->root, run->end)) == run);
        uint32_t seq = start(run);
        for (const struct piece *piece = run->pieces; piece; piece = piece->next) {
            NOD_ASSERT(piece->slice.len && (piece->next || piece == run->last));
            seq += piece->slice.len;
            held += cost(piece);
        }
        NOD_ASSERT(seq == run->end && seq != start(run));
        bytes += seq - start(run);
        held += sizeof(*run);
        recents += is_recent(r, run);
    }
    NOD_ASSERT(prev == r->last && count == r->count && bytes == r->bytes && held == r->held);
    NOD_ASSERT(!r->untold || r->recent[r->untold - 1]);
    for (unsigned i = 0; i < NOD_RECENT; i++) recents -= r->recent[i] != NULL;
    NOD_ASSERT(recents == 0);
}
