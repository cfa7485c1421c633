/* poll and select: nod's sockets and the kernel's files in one wait. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "net.h"
#include "sys.h"

#define ALWAYS (POLLERR | POLLHUP | POLLNVAL)
#define FEW 32

/* One call. Entries of the kernel's are gathered, and `from` says whose they are. */
typedef struct asked {
    struct pollfd *fds;
    nfds_t count;
    struct pollfd *kernel; /* with room for one more, which net_sleep needs */
    nfds_t *from;
    nfds_t kernel_count;
    watch *watches; /* of ours, in shared memory; NULL: not waiting yet */
    unsigned ours;
    struct pollfd few[FEW + 1];
    nfds_t few_from[FEW];
} asked;

static bool set_init(asked *set, struct pollfd *fds, nfds_t count)
{
    set->fds = fds;
    set->count = count;
    set->kernel = set->few;
    set->from = set->few_from;
    set->kernel_count = 0;
    set->watches = NULL;
    set->ours = 0;
    if (count <= FEW) return true;
    set->kernel = malloc((count + 1) * sizeof *set->kernel);
    set->from = malloc(count * sizeof *set->from);
    return set->kernel && set->from;
}

static void set_free(asked *set)
{
    if (set->kernel != set->few) free(set->kernel);
    if (set->from != set->few_from) free(set->from);
}

static void sort_out(asked *set)
{
    for (nfds_t i = 0; i < set->count; i++) {
        struct pollfd *p = &set->fds[i];
        const file *f = file_at(p->fd);
        p->revents = 0;
        if (f) set->ours++;
        if (f && f->kind == FILE_SOCKET) continue;
        /* An epoll instance is asked twice: for what is ours in it, and for what is the kernel's.
         */
        set->from[set->kernel_count] = i;
        set->kernel[set->kernel_count++] = (struct pollfd){.fd = p->fd, .events = p->events};
    }
}

/* How many are ready, of ours and by what the kernel has last said of its own. */
static int look(asked *set)
{
    int ready = 0;
    for (nfds_t i = 0; i < set->count; i++) {
        struct pollfd *p = &set->fds[i];
        file *f = set->ours ? file_at(p->fd) : NULL;
        p->revents = 0;
        if (f) p->revents = (short)(file_ready(f) & ((uint32_t)(unsigned short)p->events | ALWAYS));
    }
    for (nfds_t i = 0; i < set->kernel_count; i++)
        set->fds[set->from[i]].revents |= set->kernel[i].revents;
    for (nfds_t i = 0; i < set->count; i++) ready += set->fds[i].revents != 0;
    return ready;
}

static int ask_kernel(asked *set)
{
    static const struct timespec none = {0, 0};
    if (set->kernel_count == 0) return 0;
    return sys_poll(set->kernel, set->kernel_count, &none, NULL) < 0 ? errno : 0;
}

static bool watch_all(asked *set, waiter *w)
{
    unsigned next = 0;
    if (set->ours == 0) return true;
    set->watches = net_new(set->ours * sizeof *set->watches);
    if (!set->watches) return false;
    for (nfds_t i = 0; i < set->count && next < set->ours; i++) {
        file *f = file_at(set->fds[i].fd);
        if (f) watch_add(&set->watches[next++], f, w, (uint32_t)(unsigned short)set->fds[i].events);
    }
    set->ours = next;
    return true;
}

static void watch_none(asked *set)
{
    if (!set->watches) return;
    for (unsigned i = 0; i < set->ours; i++) watch_remove(&set->watches[i]);
    net_delete(set->watches, set->ours * sizeof *set->watches);
}

/* Waits. 0 or an errno; *ready says how many. */
static int wait_set(asked *set, nod_usec until, const sigset_t *mask, int *ready)
{
    waiter *w = net_waiter();
    if (!w) return errno;
    if (!watch_all(set, w)) return ENOMEM;
    int error = 0;
    while (*ready == 0 && !error) {
        if (net_now() >= until) break;
        int got = net_sleep(w, until, set->kernel, set->kernel_count, mask);
        if (got == -ENETDOWN) return ENETDOWN;
        if (got == -EINTR) error = EINTR;
        *ready = look(set);
        if (*ready > 0) error = 0;
    }
    watch_none(set);
    return error;
}

/* As the kernel has it: more than there can be descriptors. */
static bool is_too_many(nfds_t count)
{
    struct rlimit most;
    return getrlimit(RLIMIT_NOFILE, &most) == 0 && count > most.rlim_cur;
}

static int poll_until(struct pollfd *fds, nfds_t count, nod_usec patience, const sigset_t *mask)
{
    asked all;
    int ready = 0, error = 0;
    if (count > FEW && is_too_many(count)) {
        errno = EINVAL;
        return -1;
    }
    if (count > 0 && is_bad(fds)) {
        errno = EFAULT;
        return -1;
    }
    if (!set_init(&all, fds, count)) {
        set_free(&all);
        errno = ENOMEM;
        return -1;
    }
    if (net_enter()) {
        nod_usec until = patience == NOD_NEVER ? NOD_NEVER : net_now() + patience;
        sort_out(&all);
        error = ask_kernel(&all);
        net_glance();
        if (!error) ready = look(&all);
        if (!error && ready == 0 && patience > 0) error = wait_set(&all, until, mask, &ready);
        net_leave();
    } else {
        error = errno;
    }
    set_free(&all);
    if (!error) return ready;
    errno = error;
    return -1;
}

int nod_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
              const sigset_t *mask)
{
    nod_usec patience = NOD_NEVER;
    if (!nod_net) return sys_poll(fds, count, timeout, mask);
    if (timeout) {
        if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000) {
            errno = EINVAL;
            return -1;
        }
        patience = (nod_usec)timeout->tv_sec * NOD_SEC + (nod_usec)(timeout->tv_nsec + 999) / 1000;
    }
    return poll_until(fds, count, patience, mask);
}

int nod_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    if (!nod_net) return sys_poll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
    return poll_until(fds, count, timeout_ms < 0 ? NOD_NEVER : (nod_usec)timeout_ms * NOD_MSEC,
                      NULL);
}

/* select, as poll. */

#define READ_EVENTS (POLLIN | POLLRDNORM | POLLRDBAND)
#define WRITE_EVENTS (POLLOUT | POLLWRNORM | POLLWRBAND)

/* Sets may be larger than fd_set, so they are read as the words that the kernel reads. */
static bool in_set(const fd_set *set, int fd)
{
    const unsigned long *words = (const unsigned long *)(const void *)set;
    unsigned bits = 8 * sizeof *words;
    return set && words[(unsigned)fd / bits] >> ((unsigned)fd % bits) & 1;
}

static void put_in_set(fd_set *set, int fd, bool on)
{
    unsigned long *words = (unsigned long *)(void *)set;
    unsigned bits = 8 * sizeof *words;
    unsigned long bit = 1ul << ((unsigned)fd % bits);
    if (!set) return;
    if (on)
        words[(unsigned)fd / bits] |= bit;
    else
        words[(unsigned)fd / bits] &= ~bit;
}

static nfds_t gather(int count, const fd_set *read, const fd_set *write, const fd_set *except,
                     struct pollfd *fds)
{
    nfds_t n = 0;
    for (int fd = 0; fd < count; fd++) {
        int events = (in_set(read, fd) ? READ_EVENTS : 0) | (in_set(write, fd) ? WRITE_EVENTS : 0) |
                     (in_set(except, fd) ? POLLPRI : 0);
        if (events) fds[n++] = (struct pollfd){.fd = fd, .events = (short)events};
    }
    return n;
}

static int scatter(const struct pollfd *fds, nfds_t n, fd_set *read, fd_set *write, fd_set *except)
{
    int ready = 0;
    for (nfds_t i = 0; i < n; i++) {
        int got = fds[i].revents, events = fds[i].events;
        bool r = events & POLLIN && got & (READ_EVENTS | POLLHUP | POLLERR);
        bool w = events & POLLOUT && got & (WRITE_EVENTS | POLLERR);
        bool e = events & POLLPRI && got & POLLPRI;
        put_in_set(read, fds[i].fd, r);
        put_in_set(write, fds[i].fd, w);
        put_in_set(except, fds[i].fd, e);
        ready += r + w + e;
    }
    return ready;
}

static int select_until(int count, fd_set *read, fd_set *write, fd_set *except, nod_usec patience,
                        const sigset_t *mask)
{
    struct pollfd few[FEW], *fds = few;
    if (count < 0) {
        errno = EINVAL;
        return -1;
    }
    if (count > FEW) fds = malloc((size_t)count * sizeof *fds);
    if (!fds) return -1;
    nfds_t n = gather(count, read, write, except, fds);
    int got = poll_until(fds, n, patience, mask);
    for (nfds_t i = 0; i < n && got > 0; i++) {
        if (!(fds[i].revents & POLLNVAL)) continue;
        got = -1;
        errno = EBADF;
    }
    if (got >= 0) got = scatter(fds, n, read, write, except);
    if (fds != few) free(fds);
    return got;
}

int nod_pselect(int count, fd_set *read, fd_set *write, fd_set *except,
                const struct timespec *timeout, const sigset_t *mask)
{
    nod_usec patience = NOD_NEVER;
    if (timeout) {
        if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000) {
            errno = EINVAL;
            return -1;
        }
        patience = (nod_usec)timeout->tv_sec * NOD_SEC + (nod_usec)(timeout->tv_nsec + 999) / 1000;
    }
    return select_until(count, read, write, except, patience, mask);
}

int nod_select(int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout)
{
    nod_usec patience = NOD_NEVER, started = nod_clock();
    if (timeout) {
        if (timeout->tv_sec < 0 || timeout->tv_usec < 0) {
            errno = EINVAL;
            return -1;
        }
        patience = (nod_usec)timeout->tv_sec * NOD_SEC + (nod_usec)timeout->tv_usec;
    }
    int got = select_until(count, read, write, except, patience, NULL);
    if (timeout) {
        /* Linux tells what is left. */
        nod_usec spent = nod_clock() - started;
        nod_usec left = spent < patience ? patience - spent : 0;
        *timeout = (struct timeval){(time_t)(left / NOD_SEC), (suseconds_t)(left % NOD_SEC)};
    }
    return got;
}
