/* Memory that processes share: a region of addresses that is the same in each of them, carved
 * into pieces of powers of two with a free list each. The caller holds the network's lock. */
#ifndef NOD_POSIX_ARENA_H
#define NOD_POSIX_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* Far from where programs, libraries, stacks and sanitizers live on 64-bit systems. */
#define ARENA_PLACE ((uintptr_t)0x3e0000000000)
#define ARENA_CLASSES 32

typedef struct arena {
    size_t size; /* of the region, from ARENA_PLACE */
    size_t used; /* carved so far, from ARENA_PLACE */
    void *free[ARENA_CLASSES];
} arena;

/* Maps `size` bytes of the file at ARENA_PLACE. Returns the place or NULL (errno says why). */
void *arena_map(int fd, size_t size);
void arena_unmap(size_t size);

/* The region's first `header` bytes are the caller's. */
void arena_init(arena *a, size_t size, size_t header);

void *arena_alloc(arena *a, size_t size); /* not cleared; NULL: the region is full */
void arena_free(arena *a, void *ptr, size_t size);

#endif
