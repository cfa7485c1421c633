/* The memory of a stack. Everything comes from here: freed memory goes to free lists by size
 * and comes back from there, and `limit` bounds what is taken from the system. */
#ifndef NOD_BASE_POOL_H
#define NOD_BASE_POOL_H

#include "nod/buf.h"

/* NULL when the limit or the system says no. The memory is not cleared. */
void *nod_pool_take(nod_pool *pool, size_t size);
/* `size` as it was taken. NULL is allowed. */
void nod_pool_give(nod_pool *pool, void *ptr, size_t size);

/* What is in use by now stays until the end: it is no sign that memory is short. */
void nod_pool_fix(nod_pool *pool);

/* How much of its own memory may be in use at a time; SIZE_MAX: there is no limit. */
size_t nod_pool_limit(const nod_pool *pool);

/* True while at most this many parts in 16 of the limit are in use, of what is not fixed. */
bool nod_pool_below(const nod_pool *pool, unsigned sixteenths);

/* How short memory is. */
enum nod_memory {
    NOD_MEMORY_FREE,
    NOD_MEMORY_SCARCE, /* more than half is in use: nothing grows */
    NOD_MEMORY_SPENT,  /* more than 14 parts in 16: the rest is for what was promised */
};
enum nod_memory nod_pool_memory(const nod_pool *pool);

uint32_t nod_block_refs(const nod_block *block);

#endif
