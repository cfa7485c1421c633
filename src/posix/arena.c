#include "arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define SMALLEST 6 /* log2 of the smallest piece */

void *arena_map(int fd, size_t size)
{
    void *place = mmap((void *)ARENA_PLACE, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
    if (place == MAP_FAILED) return NULL;
    if ((uintptr_t)place == ARENA_PLACE) return place;
    munmap(place, size); /* a kernel that does not know MAP_FIXED_NOREPLACE took it for a hint */
    errno = EEXIST;
    return NULL;
}

void arena_unmap(size_t size)
{
    munmap((void *)ARENA_PLACE, size);
}

void arena_init(arena *a, size_t size, size_t header)
{
    *a = (arena){.size = size, .used = header};
}

static unsigned class_of(size_t size)
{
    unsigned class = SMALLEST;
    while (((size_t)1 << class) < size) class ++;
    return class;
}

void *arena_alloc(arena *a, size_t size)
{
    if (size > a->size) return NULL;
    unsigned class = class_of(size);
    void *ptr = a->free[class];
    if (ptr) {
        memcpy(&a->free[class], ptr, sizeof ptr);
    } else {
        size_t piece = (size_t)1 << class;
        /* Aligned as malloc does it, pages to pages. */
        size_t align = piece < 4096 ? piece : 4096;
        size_t at = (a->used + align - 1) & ~(align - 1);
        if (at > a->size || piece > a->size - at) return NULL;
        a->used = at + piece;
        ptr = (void *)(ARENA_PLACE + at);
    }
    return ptr;
}

void arena_free(arena *a, void *ptr, size_t size)
{
    unsigned class = class_of(size);
    if (!ptr) return;
    memcpy(ptr, &a->free[class], sizeof ptr);
    a->free[class] = ptr;
}
