/* The two things that the core asks of a system: the time, and something nobody can guess. */
#include "nod/link.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

nod_usec nod_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (nod_usec)now.tv_sec * NOD_SEC + (nod_usec)now.tv_nsec / 1000;
}

int nod_entropy(void *bytes, size_t len)
{
    uint8_t *to = bytes;
    while (len > 0) {
        ssize_t got = getrandom(to, len, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return NOD_EIO;
        to += got;
        len -= (size_t)got;
    }
    return 0;
}
