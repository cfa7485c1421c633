#include "base/pool.h"

#include <string.h>

#include "base/util.h"

#if __STDC_HOSTED__
#include <stdlib.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define NOD_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NOD_ASAN 1
#endif
#endif
#ifdef NOD_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

struct nod_block {
    nod_pool *pool;
    uint32_t refs;
    uint32_t capacity;
};

#define CHUNK 16384 /* small sizes are carved from chunks of this size */
#define CARVED_MAX 2048

/* Size classes. The odd ones hold a record, a packet, or a round number of stream bytes with
 * the block's header. */
static const uint32_t class_size[] = {
    32,  64,   96,   128,  160,  192,  224,        256,        384,   512,
    768, 1024, 2048, 3072, 4096, 8192, 16384 + 64, 32768 + 64, 65536, NOD_BLOCK_MAX + 64,
};
#define CLASSES (sizeof(class_size) / sizeof(class_size[0]))

struct free_item {
    struct free_item *next;
};

struct chunk {
    struct chunk *next;
    uint32_t live; /* items that are handed out */
};

struct nod_pool {
    nod_alloc alloc;
    nod_pool_stats stats;
    size_t fixed; /* of what is in use: stays until the end */
    bool maker_gone;
    struct free_item *free[CLASSES];
    struct chunk *chunks; /* the first is the one that is being carved */
    uint8_t *carve;       /* what is left of it */
    size_t carve_left;
    uint32_t idle_chunks; /* those behind it of which nothing is handed out */
    bool is_system;       /* the memory is the system's, and this program's own */
    bool aligned;         /* chunks begin at multiples of their size: an item finds its own */
};

/* Free memory is poisoned, so that AddressSanitizer sees a use after free in spite of the free
 * lists; but not what may be shared with a program that would not hear of it. */
static void poison(const nod_pool *pool, const void *ptr, size_t size)
{
    if (pool->is_system) ASAN_POISON_MEMORY_REGION(ptr, size);
}

static void unpoison(const nod_pool *pool, const void *ptr, size_t size)
{
    if (pool->is_system) ASAN_UNPOISON_MEMORY_REGION(ptr, size);
}

#if __STDC_HOSTED__
static void *system_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return size == CHUNK ? aligned_alloc(CHUNK, CHUNK) : malloc(size);
}

static void system_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)size;
    free(ptr);
}
#endif

/* The caller's functions, or else the system's. */
static nod_alloc functions_of(const nod_alloc *alloc)
{
    if (alloc && alloc->alloc && alloc->free) return *alloc;
#if __STDC_HOSTED__
    return (nod_alloc){.alloc = system_alloc, .free = system_free};
#else
    return (nod_alloc){0};
#endif
}

nod_pool *nod_pool_new(const nod_alloc *alloc, size_t limit)
{
    nod_alloc from = functions_of(alloc);
    if (!from.alloc) return NULL;
    nod_pool *pool = from.alloc(from.ctx, sizeof(*pool));
    if (!pool) return NULL;
    memset(pool, 0, sizeof(*pool));
    pool->alloc = from;
    pool->stats.limit = limit;
    pool->stats.system_calls = 1;
#if __STDC_HOSTED__
    pool->is_system = from.alloc == system_alloc;
#endif
    pool->aligned = true; /* until one is seen that is not */
    return pool;
}

void nod_pool_rebind(nod_pool *pool, const nod_alloc *alloc)
{
    pool->alloc = functions_of(alloc);
}

static struct chunk *chunk_of(void *item)
{
    return (struct chunk *)((uintptr_t)item & ~(uintptr_t)(CHUNK - 1));
}

static bool is_idle(const nod_pool *pool, const struct chunk *chunk)
{
    return chunk->live == 0 && chunk != pool->chunks;
}

static void count_taken(nod_pool *pool, void *item, size_t size)
{
    if (!pool->aligned || size > CARVED_MAX) return;
    struct chunk *chunk = chunk_of(item);
    pool->idle_chunks -= is_idle(pool, chunk);
    chunk->live++;
}

static void count_given(nod_pool *pool, void *item, size_t size)
{
    if (!pool->aligned || size > CARVED_MAX) return;
    struct chunk *chunk = chunk_of(item);
    chunk->live--;
    pool->idle_chunks += is_idle(pool, chunk);
}

/* Takes the items of idle chunks out of a free list. */
static void forget_idle_items(nod_pool *pool, size_t c)
{
    struct free_item *item = pool->free[c], *next;
    pool->free[c] = NULL;
    for (; item; item = next) {
        unpoison(pool, item, class_size[c]);
        next = item->next;
        if (is_idle(pool, chunk_of(item))) continue;
        item->next = pool->free[c];
        pool->free[c] = item;
        poison(pool, item, class_size[c]);
    }
}

/* Chunks of which nothing is handed out go back, or a flood of small packets would leave all
 * memory carved up, and none for a large block ever again. */
static void trim_chunks(nod_pool *pool)
{
    if (!pool->aligned || !pool->idle_chunks) return;
    for (size_t c = 0; c < CLASSES && class_size[c] <= CARVED_MAX; c++) forget_idle_items(pool, c);
    for (struct chunk **at = &pool->chunks; *at;) {
        struct chunk *chunk = *at;
        if (!is_idle(pool, chunk)) {
            at = &chunk->next;
            continue;
        }
        *at = chunk->next;
        unpoison(pool, chunk, CHUNK);
        pool->alloc.free(pool->alloc.ctx, chunk, CHUNK);
        pool->stats.taken -= CHUNK;
    }
    pool->idle_chunks = 0;
}

/* Gives the large free items back to the system. */
static void trim(nod_pool *pool)
{
    for (size_t c = 0; c < CLASSES; c++) {
        if (class_size[c] <= CARVED_MAX) continue;
        while (pool->free[c]) {
            struct free_item *item = pool->free[c];
            unpoison(pool, item, class_size[c]);
            pool->free[c] = item->next;
            pool->alloc.free(pool->alloc.ctx, item, class_size[c]);
            pool->stats.taken -= class_size[c];
        }
    }
}

static void destroy(nod_pool *pool)
{
    trim(pool);
    while (pool->chunks) {
        struct chunk *chunk = pool->chunks;
        unpoison(pool, chunk, CHUNK);
        pool->chunks = chunk->next;
        pool->alloc.free(pool->alloc.ctx, chunk, CHUNK);
    }
    pool->alloc.free(pool->alloc.ctx, pool, sizeof(*pool));
}

static void destroy_if_done(nod_pool *pool)
{
    if (pool->maker_gone && pool->stats.in_use == 0) destroy(pool);
}

void nod_pool_free(nod_pool *pool)
{
    if (!pool) return;
    pool->maker_gone = true;
    destroy_if_done(pool);
}

void nod_pool_get_stats(const nod_pool *pool, nod_pool_stats *out)
{
    *out = pool->stats;
}

void nod_pool_fix(nod_pool *pool)
{
    pool->fixed = pool->stats.in_use;
}

size_t nod_pool_limit(const nod_pool *pool)
{
    return pool->stats.limit ? pool->stats.limit - pool->fixed : SIZE_MAX;
}

bool nod_pool_below(const nod_pool *pool, unsigned sixteenths)
{
    const nod_pool_stats *s = &pool->stats;
    return !s->limit || s->in_use <= pool->fixed + (s->limit - pool->fixed) / 16 * sixteenths;
}

enum nod_memory nod_pool_memory(const nod_pool *pool)
{
    if (nod_pool_below(pool, 8)) return NOD_MEMORY_FREE;
    return nod_pool_below(pool, 14) ? NOD_MEMORY_SCARCE : NOD_MEMORY_SPENT;
}

static void *from_system(nod_pool *pool, size_t size)
{
    if (pool->stats.limit && pool->stats.taken + size > pool->stats.limit) trim(pool);
    if (pool->stats.limit && pool->stats.taken + size > pool->stats.limit) trim_chunks(pool);
    if (pool->stats.limit && pool->stats.taken + size > pool->stats.limit) {
        pool->stats.refused++;
        return NULL;
    }
    pool->stats.system_calls++;
    void *ptr = pool->alloc.alloc(pool->alloc.ctx, size);
    if (!ptr) {
        pool->stats.refused++;
        return NULL;
    }
    pool->stats.taken += size;
    return ptr;
}

static void *carve(nod_pool *pool, size_t size)
{
    if (pool->carve_left < size) {
        struct chunk *chunk = from_system(pool, CHUNK);
        if (!chunk) return NULL;
        if (chunk != chunk_of(chunk)) pool->aligned = false;
        chunk->next = pool->chunks;
        chunk->live = 0;
        pool->chunks = chunk;
        pool->idle_chunks += chunk->next && chunk->next->live == 0;
        pool->carve = (uint8_t *)chunk + 32;
        pool->carve_left = CHUNK - 32;
        poison(pool, pool->carve, pool->carve_left);
    }
    void *ptr = pool->carve;
    pool->carve += size;
    pool->carve_left -= size;
    return ptr;
}

/* The class of sizes up to 32 * i; those beyond are found by looking. */
static const uint8_t class_of_32[] = {0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 9, 9, 9, 9};
enum { LOOKED_FOR = 10 };

static size_t class_of(size_t size)
{
    size_t units = (size + 31) / 32, c = LOOKED_FOR;
    if (units < sizeof(class_of_32)) return class_of_32[units];
    while (c < CLASSES && class_size[c] < size) c++;
    return c;
}

void *nod_pool_take(nod_pool *pool, size_t size)
{
    size_t c = class_of(size);
    void *ptr;
    if (c == CLASSES) {
        ptr = from_system(pool, size);
        if (ptr) pool->stats.in_use += size;
        return ptr;
    }
    size = class_size[c];
    if (pool->free[c]) {
        ptr = pool->free[c];
        unpoison(pool, ptr, size);
        pool->free[c] = pool->free[c]->next;
    } else {
        ptr = size <= CARVED_MAX ? carve(pool, size) : from_system(pool, size);
        if (!ptr) return NULL;
        unpoison(pool, ptr, size);
    }
    count_taken(pool, ptr, size);
    pool->stats.in_use += size;
    return ptr;
}

void nod_pool_give(nod_pool *pool, void *ptr, size_t size)
{
    if (!ptr) return;
    size_t c = class_of(size);
    if (c == CLASSES) {
        pool->alloc.free(pool->alloc.ctx, ptr, size);
        pool->stats.taken -= size;
        pool->stats.in_use -= size;
    } else {
        struct free_item *item = ptr;
        count_given(pool, ptr, class_size[c]);
        item->next = pool->free[c];
        pool->free[c] = item;
        poison(pool, item, class_size[c]);
        pool->stats.in_use -= class_size[c];
    }
    destroy_if_done(pool);
}

nod_block *nod_block_new(nod_pool *pool, size_t capacity)
{
    if (capacity > NOD_BLOCK_MAX) return NULL;
    size_t size = class_size[class_of(sizeof(nod_block) + capacity)];
    nod_block *block = nod_pool_take(pool, size);
    if (!block) return NULL;
    block->pool = pool;
    block->refs = 1;
    block->capacity = (uint32_t)(size - sizeof(*block));
    return block;
}

uint8_t *nod_block_bytes(nod_block *block)
{
    return (uint8_t *)(block + 1);
}

size_t nod_block_capacity(const nod_block *block)
{
    return block->capacity;
}

uint32_t nod_block_refs(const nod_block *block)
{
    return block->refs;
}

void nod_block_ref(nod_block *block)
{
    block->refs++;
}

void nod_block_unref(nod_block *block)
{
    if (!block) return;
    NOD_ASSERT(block->refs > 0);
    if (--block->refs == 0) nod_pool_give(block->pool, block, sizeof(*block) + block->capacity);
}

nod_slice nod_slice_of(nod_block *block, uint32_t off, uint32_t len)
{
    NOD_ASSERT((uint64_t)off + len <= block->capacity);
    block->refs++;
    return (nod_slice){.block = block, .off = off, .len = len};
}

uint8_t *nod_slice_bytes(const nod_slice *slice)
{
    return slice->block ? nod_block_bytes(slice->block) + slice->off : NULL;
}

void nod_slice_release(nod_slice *slice)
{
    nod_block_unref(slice->block);
    *slice = (nod_slice){0};
}
