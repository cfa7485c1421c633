/* Descriptors as numbers: closing, copying, asking. The library has a few of its own, which a
 * program that closes all that it does not know must not take from it: to the program they do
 * not exist. */
#include "preload.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>

bool preload_is_ours(int fd)
{
    return nod_is_socket(fd) || nod_is_epoll(fd);
}

static int no_such(void)
{
    errno = EBADF;
    return -1;
}

EXPORT int close(int fd)
{
    if (nod_is_private(fd)) return no_such();
    if (!preload_is_ours(fd)) return REAL(close)(fd);
    int result = nod_close(fd);
    preload_follow(fd);
    return result;
}

EXPORT int dup(int fd)
{
    if (nod_is_private(fd)) return no_such();
    if (!preload_is_ours(fd)) return REAL(dup)(fd);
    int copy = nod_dup(fd);
    if (copy >= 0) preload_follow(copy);
    return copy;
}

/* Whether making `to` a copy of `fd` is the kernel's affair alone. */
static bool kernel_copies(int fd, int to)
{
    return !preload_is_ours(fd) && !preload_is_ours(to) && !nod_is_private(to);
}

EXPORT int dup2(int fd, int to)
{
    if (nod_is_private(fd)) return no_such();
    if (kernel_copies(fd, to)) return REAL(dup2)(fd, to);
    int copy = nod_dup2(fd, to);
    if (copy >= 0) preload_follow(copy);
    return copy;
}

EXPORT int dup3(int fd, int to, int flags)
{
    if (nod_is_private(fd)) return no_such();
    if (kernel_copies(fd, to)) return REAL(dup3)(fd, to, flags);
    int copy = nod_dup3(fd, to, flags);
    if (copy >= 0) preload_follow(copy);
    return copy;
}

static int control(int fd, int command, unsigned long argument)
{
    if (nod_is_private(fd)) return no_such();
    int result = nod_fcntl(fd, command, argument);
    if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && result >= 0) preload_follow(result);
    return result;
}

EXPORT int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    unsigned long argument = va_arg(args, unsigned long);
    va_end(args);
    if (preload_is_ours(fd) || nod_is_private(fd)) return control(fd, command, argument);
    return REAL(fcntl)(fd, command, argument);
}

EXPORT int fcntl64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    unsigned long argument = va_arg(args, unsigned long);
    va_end(args);
    if (preload_is_ours(fd) || nod_is_private(fd)) return control(fd, command, argument);
    return REAL(fcntl64)(fd, command, argument);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    return preload_is_ours(fd) ? nod_ioctl(fd, request, argument)
                               : REAL(ioctl)(fd, request, argument);
}

/* Ranges. What is open is read from /proc with bare system calls, for a child may ask between
 * fork and exec. */

#define KEPT_MAX 64 /* more descriptors than the library has for itself */

typedef struct range {
    unsigned first, last;
    int flags;
    int result;
    int kept_count;
    unsigned kept[KEPT_MAX]; /* ascending */
} range;

static void keep(range *all, unsigned fd)
{
    if (all->kept_count == KEPT_MAX) return;
    int at = all->kept_count++;
    for (; at > 0 && all->kept[at - 1] > fd; at--) all->kept[at] = all->kept[at - 1];
    all->kept[at] = fd;
}

/* One open descriptor in the range: nod's are closed as such, the library's own stay. */
static void visit(range *all, unsigned fd)
{
    if (nod_is_private((int)fd))
        keep(all, fd);
    else if (preload_is_ours((int)fd) && all->flags & CLOSE_RANGE_CLOEXEC)
        nod_fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    else if (preload_is_ours((int)fd))
        close((int)fd);
}

static void visit_entry(range *all, const char *name, int listing)
{
    char *end;
    unsigned long fd = strtoul(name, &end, 10);
    if (end != name && fd >= all->first && fd <= all->last && fd != (unsigned)listing)
        visit(all, (unsigned)fd);
}

/* Visits what is open. False without /proc. */
static bool visit_open(range *all)
{
    _Alignas(struct dirent64) char room[2048];
    int listing =
        (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    long got = 0;
    if (listing < 0) return false;
    while ((got = syscall(SYS_getdents64, listing, room, sizeof room)) > 0) {
        for (long at = 0; at < got;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(room + at);
            visit_entry(all, entry->d_name, listing);
            at += entry->d_reclen;
        }
    }
    syscall(SYS_close, listing);
    return true;
}

static void visit_all(range *all)
{
    struct rlimit limit = {65536, 0};
    getrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned fd = all->first; fd <= all->last && fd < limit.rlim_cur; fd++) visit(all, fd);
}

static void close_span(range *all, unsigned first, unsigned last)
{
    if (REAL(close_range)(first, last, (unsigned)all->flags) != 0) all->result = -1;
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    range all = {.first = first, .last = last, .flags = flags};
    if (first > last || (flags & ~(int)(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)))
        return REAL(close_range)(first, last, flags);
    if (!visit_open(&all)) visit_all(&all);
    for (int i = 0; i < all.kept_count; i++) {
        if (first < all.kept[i]) close_span(&all, first, all.kept[i] - 1);
        first = all.kept[i] + 1;
    }
    if (first <= last) close_span(&all, first, last);
    return all.result;
}

EXPORT void closefrom(int low)
{
    close_range(low > 0 ? (unsigned)low : 0, UINT_MAX, 0);
}

#define ALIAS(of) EXPORT __attribute__((nothrow, leaf, alias(#of)))
extern __typeof__(close) __close ALIAS(close);
extern __typeof__(dup2) __dup2 ALIAS(dup2);
extern __typeof__(fcntl) __fcntl ALIAS(fcntl);
