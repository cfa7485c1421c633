#include "tcp/reassembly.h"

#include <string.h>

#include "base/pool.h"
#include "base/seq.h"
#include "base/util.h"

#define FAR (1u << 30)  /* no two octets of a window are further apart */
#define RUN_COST 128    /* octets of memory, the head of a block included */
#define SLICES_OF_ONE 8 /* at most, of a slice that is copied */

struct run {
    struct nod_tree_node node; /* key: the first octet */
    struct nod_queue q;
};

static struct run *of(struct nod_tree_node *node)
{
    return node ? NOD_CONTAINER(node, struct run, node) : NULL;
}

static uint32_t run_end(const struct run *run)
{
    return run->q.base + run->q.bytes;
}

/* What a run costs by itself, its octets, and the ring that its slices are in. */
static uint64_t cost(const struct run *run)
{
    return RUN_COST + run->q.held + run->q.cap * sizeof(struct nod_queue_entry);
}

/* The last run that begins at `seq` or before. */
static struct run *run_at(const struct nod_reassembly *r, uint32_t seq)
{
    return of(nod_tree_at(r->root, seq));
}

static struct run *run_after(const struct nod_reassembly *r, uint32_t seq)
{
    return of(nod_tree_after(r->root, seq));
}

static struct run *last_run(const struct nod_reassembly *r)
{
    return r->root ? run_at(r, r->root->key + FAR) : NULL;
}

/* The run that holds octet `seq`. */
static struct run *holder(const struct nod_reassembly *r, uint32_t seq)
{
    struct run *run = run_at(r, seq);
    return run && seq_lt(seq, run_end(run)) ? run : NULL;
}

uint32_t nod_reassembly_first(const struct nod_reassembly *r)
{
    return run_after(r, r->root->key - FAR)->q.base;
}

uint32_t nod_reassembly_end(const struct nod_reassembly *r)
{
    return run_end(last_run(r));
}

static void remove_run(struct nod_reassembly *r, nod_pool *pool, struct run *run)
{
    r->held -= cost(run);
    r->bytes -= run->q.bytes;
    r->count--;
    r->root = nod_tree_remove(r->root, &run->node);
    nod_queue_clear(&run->q, pool);
    nod_pool_give(pool, run, sizeof(*run));
}

/* At the end of a run. False: no memory. */
static bool append(struct nod_reassembly *r, nod_pool *pool, struct run *run, nod_slice *slice)
{
    uint64_t before = cost(run);
    uint32_t bytes = run->q.bytes;
    bool put = nod_queue_put_lean(&run->q, pool, slice);
    r->held += cost(run) - before;
    r->bytes += run->q.bytes - bytes;
    return put;
}

static struct run *new_run(struct nod_reassembly *r, nod_pool *pool, uint32_t seq, nod_slice *slice)
{
    struct run *run = nod_pool_take(pool, sizeof(*run));
    if (!run) return NULL;
    *run = (struct run){.node = {.key = seq}, .q = {.base = seq}};
    r->held += cost(run);
    r->count++;
    r->root = nod_tree_add(r->root, &run->node);
    if (append(r, pool, run, slice)) return run;
    remove_run(r, pool, run);
    return NULL;
}

/* Two runs that touch become one; reserve_join has seen to the room. */
static void join(struct nod_reassembly *r, nod_pool *pool, struct run *run, struct run *next)
{
    uint64_t before = cost(run) + cost(next);
    r->root = nod_tree_remove(r->root, &next->node);
    r->count--;
    bool joined = nod_queue_append(&run->q, pool, &next->q);
    NOD_ASSERT(joined);
    r->held -= before - cost(run);
    nod_pool_give(pool, next, sizeof(*next));
}

/* For what the join of two runs, or of a new one and `next`, with this slice between them needs,
 * however that is copied. */
static bool reserve_join(struct nod_reassembly *r, nod_pool *pool, struct run *run,
                         struct run *next)
{
    bool into_run = run && run->q.count >= next->q.count;
    struct run *more = into_run ? run : next, *less = into_run ? next : run;
    uint64_t before = cost(more);
    bool room = nod_queue_reserve(&more->q, pool, (less ? less->q.count : 0) + SLICES_OF_ONE);
    r->held += cost(more) - before;
    return room;
}

/* Stores octets that fit between two runs. False: no memory, and nothing has happened. */
static bool store(struct nod_reassembly *r, nod_pool *pool, uint32_t seq, nod_slice *slice)
{
    struct run *run = run_at(r, seq), *next = run_after(r, seq);
    uint32_t end = seq + slice->len;
    if (run && run_end(run) != seq) run = NULL;
    if (next && next->q.base != end) next = NULL;
    if (next && !reserve_join(r, pool, run, next)) return false;
    if (run) {
        if (!append(r, pool, run, slice)) return false;
    } else if (!(run = new_run(r, pool, seq, slice))) {
        return false;
    }
    if (next) join(r, pool, run, next);
    return true;
}

/* Of what arrived before, that in the same run is no news beside this. */
static void note_recent(struct nod_reassembly *r, uint32_t seq)
{
    const struct run *run = holder(r, seq);
    if (!run) return;
    uint32_t kept = 1, recent[NOD_RECENT] = {seq};
    for (unsigned i = 0; i < r->recents && kept < NOD_RECENT; i++) {
        const struct run *other = holder(r, r->recent[i]);
        if (other && other != run) recent[kept++] = r->recent[i];
    }
    memcpy(r->recent, recent, sizeof(recent));
    r->recents = kept;
}

int64_t nod_reassembly_add(struct nod_reassembly *r, nod_pool *pool, uint32_t seq, nod_slice *slice)
{
    int64_t added = 0;
    nod_slice rest = *slice;
    uint32_t first = seq, end = seq + rest.len;
    *slice = (nod_slice){0};
    while (seq != end) {
        const struct run *here = holder(r, seq), *next = run_after(r, seq);
        uint32_t to = next ? seq_min(end, next->q.base) : end;
        if (here) { /* this much is here already */
            to = seq_min(end, run_end(here));
        } else {
            nod_slice part = nod_slice_of(rest.block, rest.off, to - seq);
            if (!store(r, pool, seq, &part)) {
                nod_slice_release(&part);
                if (!added) added = -1;
                break;
            }
            added += to - seq;
        }
        rest.off += to - seq;
        rest.len -= to - seq;
        seq = to;
    }
    note_recent(r, first);
    nod_slice_release(&rest);
    return added;
}

uint32_t nod_reassembly_drain(struct nod_reassembly *r, nod_pool *pool, uint32_t seq,
                              struct nod_queue *to)
{
    uint32_t moved = 0;
    struct run *run;
    while ((run = run_at(r, seq))) {
        uint32_t before = seq - run->q.base, skip = min_u32(before, run->q.bytes);
        uint64_t held = cost(run);
        nod_queue_drop(&run->q, pool, skip);
        r->held -= held - cost(run);
        r->bytes -= skip;
        uint32_t n = run->q.bytes;
        held = cost(run);
        if (n && !nod_queue_append(to, pool, &run->q)) n = 0;
        r->held -= held - cost(run);
        r->bytes -= n;
        remove_run(r, pool, run);
        seq += n;
        moved += n;
    }
    return moved;
}

void nod_reassembly_clear(struct nod_reassembly *r, nod_pool *pool)
{
    while (r->root) remove_run(r, pool, of(r->root));
    *r = (struct nod_reassembly){0};
}

bool nod_reassembly_overlap(const struct nod_reassembly *r, uint32_t seq, uint32_t len,
                            uint32_t dup[2])
{
    const struct run *run = holder(r, seq);
    if (!run) run = run_after(r, seq);
    if (!run || seq_ge(run->q.base, seq + len)) return false;
    dup[0] = seq_max(seq, run->q.base);
    dup[1] = seq_min(run_end(run), seq + len);
    return true;
}

static int add_block(const struct run *run, uint32_t blocks[][2], int count)
{
    for (int i = 0; i < count; i++)
        if (blocks[i][0] == run->q.base) return count;
    blocks[count][0] = run->q.base;
    blocks[count][1] = run_end(run);
    return count + 1;
}

int nod_reassembly_blocks(const struct nod_reassembly *r, uint32_t blocks[][2], int max)
{
    int count = 0;
    for (unsigned i = 0; i < r->recents && count < max; i++) {
        const struct run *run = holder(r, r->recent[i]);
        if (run) count = add_block(run, blocks, count);
    }
    /* The rest from the last one down, as far as there is room. */
    for (const struct run *run = last_run(r); run && count < max; run = run_at(r, run->q.base - 1))
        count = add_block(run, blocks, count);
    return count;
}
