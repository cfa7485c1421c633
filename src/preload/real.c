/* The C library's own calls, found once. */
#include "preload.h"

#include <dlfcn.h>
#include <stddef.h>

void *preload_reals[PRELOAD_COUNT];

static const char *const names[PRELOAD_COUNT] = {
#define X(name) #name,
    PRELOAD_CALLS(X)
#undef X
};

/* For a call that this C library is too old for. */
static long lacking(void)
{
    errno = ENOSYS;
    return -1;
}

void *preload_find(enum preload_call call)
{
    int error = errno;
    void *found = dlsym(RTLD_NEXT, names[call]);
    if (!found) found = (void *)lacking;
    __atomic_store_n(&preload_reals[call], found, __ATOMIC_RELAXED);
    errno = error;
    return found;
}
