/* Waiting: when any descriptor in it is nod's, the whole call is. */
#include "preload.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>

#define MANY 1024

static bool any_polled(struct pollfd *fds, nfds_t count)
{
    struct rlimit most;
    if (preload_is_bad(fds)) return false;
    /* Nonsense is the kernel's to refuse: nobody has looked yet whether the memory is there. */
    if (count > MANY && (getrlimit(RLIMIT_NOFILE, &most) != 0 || count > most.rlim_cur))
        return false;
    for (nfds_t i = 0; i < count; i++)
        if (fds[i].fd >= 0 && preload_is_ours(fds[i].fd)) return true;
    return false;
}

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    return any_polled(fds, count) ? nod_poll(fds, count, timeout_ms)
                                  : REAL(poll)(fds, count, timeout_ms);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask)
{
    return any_polled(fds, count) ? nod_ppoll(fds, count, timeout, mask)
                                  : REAL(ppoll)(fds, count, timeout, mask);
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room)
{
    return count <= room / sizeof *fds && any_polled(fds, count)
               ? nod_poll(fds, count, timeout_ms)
               : REAL(__poll_chk)(fds, count, timeout_ms, room);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                       const sigset_t *mask, size_t room)
{
    return count <= room / sizeof *fds && any_polled(fds, count)
               ? nod_ppoll(fds, count, timeout, mask)
               : REAL(__ppoll_chk)(fds, count, timeout, mask, room);
}

#define WORD_BITS ((int)(8 * sizeof(fd_mask)))

/* Some programs have sets of their own size, larger than an fd_set: only `count` bits are
 * looked at. */
static bool any_in(const fd_set *set, int count)
{
    if (preload_is_bad(set)) return false;
    const fd_mask *words = set->fds_bits;
    for (int base = 0; base < count; base += WORD_BITS) {
        unsigned long word = (unsigned long)words[base / WORD_BITS];
        for (; word; word &= word - 1) {
            int fd = base + __builtin_ctzl(word);
            if (fd < count && preload_is_ours(fd)) return true;
        }
    }
    return false;
}

static bool any_selected(int count, const fd_set *a, const fd_set *b, const fd_set *c)
{
    return any_in(a, count) || any_in(b, count) || any_in(c, count);
}

EXPORT int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    return any_selected(count, in, out, except) ? nod_select(count, in, out, except, timeout)
                                                : REAL(select)(count, in, out, except, timeout);
}

EXPORT int pselect(int count, fd_set *in, fd_set *out, fd_set *except,
                   const struct timespec *timeout, const sigset_t *mask)
{
    return any_selected(count, in, out, except)
               ? nod_pselect(count, in, out, except, timeout, mask)
               : REAL(pselect)(count, in, out, except, timeout, mask);
}

EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    return nod_is_epoll(epfd) || preload_is_ours(fd) ? nod_epoll_ctl(epfd, op, fd, event)
                                                     : REAL(epoll_ctl)(epfd, op, fd, event);
}

/* Another thread may put a socket of nod's into it while this one waits. */
static bool is_for_nod(int epfd)
{
    return nod_is_epoll(epfd) || !__libc_single_threaded;
}

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
    return is_for_nod(epfd) ? nod_epoll_wait(epfd, events, max, timeout_ms)
                            : REAL(epoll_wait)(epfd, events, max, timeout_ms);
}

EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout_ms,
                       const sigset_t *mask)
{
    return is_for_nod(epfd) ? nod_epoll_pwait(epfd, events, max, timeout_ms, mask)
                            : REAL(epoll_pwait)(epfd, events, max, timeout_ms, mask);
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int max,
                        const struct timespec *timeout, const sigset_t *mask)
{
    return is_for_nod(epfd) ? nod_epoll_pwait2(epfd, events, max, timeout, mask)
                            : REAL(epoll_pwait2)(epfd, events, max, timeout, mask);
}

#define ALIAS(of) EXPORT __attribute__((nothrow, leaf, alias(#of)))
extern __typeof__(poll) __poll ALIAS(poll);
extern __typeof__(select) __select ALIAS(select);
