/* epoll: the kernel's algorithm over nod's sockets, and the kernel's own instance for the rest.
 *
 * Items whose readiness may have changed are on the ready list. A wait asks each of them anew: what
 * is not ready leaves the list; what is ready is reported, and stays (level-triggered) or leaves
 * until something happens again (EPOLLET). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "net.h"
#include "sys.h"

#define ALWAYS (EPOLLERR | EPOLLHUP)
#define MODES (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)
#define ALONE_WITH (EPOLLIN | EPOLLOUT | ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
#define KERNEL_TURN 8 /* the kernel's files are asked at least so often while ours are busy */

static epoll *as_epoll(file *f)
{
    return f && f->kind == FILE_EPOLL ? (epoll *)(void *)f : NULL;
}

static uint32_t item_ready(item *it)
{
    return file_ready(it->watch.file) & ((it->event.events & ~(uint32_t)MODES) | ALWAYS);
}

static void queue(item *it)
{
    if (ring_is_empty(&it->in_ready)) ring_add(&it->epoll->ready, &it->in_ready);
    net_wake(&it->epoll->file, EPOLLIN);
}

void epoll_fire(item *it, uint32_t events)
{
    (void)events; /* net_wake has compared them */
    if (!it->disabled) queue(it);
}

uint32_t epoll_ready(epoll *ep)
{
    for (ring *at = ep->ready.next; at != &ep->ready; at = at->next)
        if (item_ready(ring_entry(at, item, in_ready))) return EPOLLIN | EPOLLRDNORM;
    return 0;
}

static void item_free(item *it)
{
    ring_remove(&it->in_ready);
    watch_remove(&it->watch);
    net_delete(it, sizeof *it);
}

void epoll_free(epoll *ep)
{
    while (!ring_is_empty(&ep->items))
        item_free((item *)(void *)ring_entry(ep->items.next, watch, of_owner));
    while (!ring_is_empty(&ep->file.watches)) {
        watch *w = ring_entry(ep->file.watches.next, watch, in_file);
        if (w->waiter)
            watch_remove(w);
        else
            item_free((item *)(void *)w);
    }
    net_delete(ep, sizeof *ep);
}

/* How many files the kernel's instance holds already. */
static unsigned count_members(int epfd)
{
    char path[64], line[256];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epfd);
    FILE *f = fopen(path, "re");
    if (!f) return 1; /* nobody knows: it is asked */
    while (fgets(line, sizeof line, f)) count += strncmp(line, "tfd:", 4) == 0;
    fclose(f);
    return count;
}

static epoll *epoll_new(int epfd)
{
    epoll *ep = net_new(sizeof *ep);
    if (!ep) return NULL;
    ep->file = (file){.kind = FILE_EPOLL};
    ring_init(&ep->file.watches);
    ring_init(&ep->items);
    ring_init(&ep->ready);
    ep->kernel_members = count_members(epfd);
    file_ref(&ep->file);
    if (file_install(epfd, &ep->file)) return ep;
    file_unref(&ep->file);
    return NULL;
}

/* Whether the kernel holds it for one of its instances: asked by a call that changes nothing. */
static int check_epoll(int epfd)
{
    struct epoll_event event;
    return sys_epoll_wait(epfd, &event, 0, NULL, NULL) < 0 && errno == EBADF ? EBADF : 0;
}

static item *find(epoll *ep, int fd, const file *f)
{
    for (ring *at = f->watches.next; at != &f->watches; at = at->next) {
        watch *w = ring_entry(at, watch, in_file);
        item *it = (item *)(void *)w;
        if (!w->waiter && it->epoll == ep && it->fd == fd) return it;
    }
    return NULL;
}

static void arm(item *it, const struct epoll_event *event)
{
    it->event = *event;
    it->watch.events = event->events & ~(uint32_t)MODES;
    it->disabled = false;
    if (item_ready(it)) queue(it);
}

static int add(epoll *ep, int fd, file *f, const struct epoll_event *event)
{
    bool alone = event->events & EPOLLEXCLUSIVE;
    if (alone && event->events & ~(uint32_t)ALONE_WITH) return EINVAL;
    if (find(ep, fd, f)) return EEXIST;
    item *it = net_new(sizeof *it);
    if (!it) return ENOMEM;
    it->epoll = ep;
    it->fd = fd;
    it->watch.file = f;
    ring_init(&it->in_ready);
    ring_add(&f->watches, &it->watch.in_file);
    ring_add(&ep->items, &it->watch.of_owner);
    arm(it, event);
    return 0;
}

static int control(int epfd, int op, int fd, const struct epoll_event *event)
{
    file *f = file_at(fd), *e = file_at(epfd);
    if (op != EPOLL_CTL_DEL && is_bad(event)) return EFAULT;
    if (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL) return EINVAL;
    if (e == f || (e && e->kind != FILE_EPOLL)) return EINVAL;
    epoll *ep = as_epoll(e);
    if (!ep) {
        int error = check_epoll(epfd);
        if (error) return error;
        if (op != EPOLL_CTL_ADD) return ENOENT;
        ep = epoll_new(epfd);
        if (!ep) return ENOMEM;
    }
    item *it = find(ep, fd, f);
    if (op == EPOLL_CTL_ADD) return add(ep, fd, f, event);
    if (!it) return ENOENT;
    if (op == EPOLL_CTL_DEL)
        item_free(it);
    else if ((it->event.events | event->events) & EPOLLEXCLUSIVE)
        return EINVAL;
    else
        arm(it, event);
    return 0;
}

/* A file of the kernel's in an instance that has ours as well. */
static int control_kernel(int epfd, int op, int fd, struct epoll_event *event)
{
    int got = sys_epoll_ctl(epfd, op, fd, event);
    if (got == 0 && nod_is_epoll(epfd) && net_enter()) {
        epoll *ep = as_epoll(file_at(epfd));
        if (ep && op == EPOLL_CTL_ADD) {
            ep->kernel_members++;
            net_wake(&ep->file, EPOLLIN); /* who waits may not ask the kernel yet */
        }
        /* Members that were closed leave without a word, so this counts too many: no harm. */
        if (ep && op == EPOLL_CTL_DEL && ep->kernel_members > 0) ep->kernel_members--;
        net_leave();
    }
    return got;
}

int nod_epoll_create1(int flags)
{
    return (int)syscall(SYS_epoll_create1, flags);
}

int nod_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    if (nod_is_private(fd)) {
        errno = EBADF;
        return -1;
    }
    if (!nod_is_socket(fd) && !nod_is_epoll(fd)) return control_kernel(epfd, op, fd, event);
    /* An instance within an instance has two halves. */
    if (nod_is_epoll(fd) && control_kernel(epfd, op, fd, event) != 0) return -1;
    if (!net_enter()) return -1;
    int error = control(epfd, op, fd, event);
    net_leave();
    if (!error) return 0;
    errno = error;
    return -1;
}

/* Reports what is ready, up to `max`; the list is gone through once. */
static int collect(epoll *ep, struct epoll_event *events, int max)
{
    int count = 0;
    ring todo;
    if (ring_is_empty(&ep->ready)) return 0;
    todo = ep->ready;
    todo.next->prev = todo.prev->next = &todo;
    ring_init(&ep->ready);
    while (!ring_is_empty(&todo) && count < max) {
        item *it = ring_entry(todo.next, item, in_ready);
        ring_remove(&it->in_ready);
        uint32_t ready = it->disabled ? 0 : item_ready(it);
        if (!ready) continue;
        events[count++] = (struct epoll_event){.events = ready, .data = it->event.data};
        if (it->event.events & EPOLLONESHOT)
            it->disabled = true;
        else if (!(it->event.events & EPOLLET))
            ring_add(&ep->ready, &it->in_ready);
    }
    if (ring_is_empty(&todo)) return count;
    /* What was not looked at comes first the next time. */
    todo.prev->next = ep->ready.next;
    ep->ready.next->prev = todo.prev;
    todo.next->prev = &ep->ready;
    ep->ready.next = todo.next;
    return count;
}

static int collect_kernel(int epfd, struct epoll_event *events, int max)
{
    static const struct timespec none = {0, 0};
    int got = max > 0 ? sys_epoll_wait(epfd, events, max, &none, NULL) : 0;
    return got > 0 ? got : 0;
}

/* 0 or an errno; *count says how many. */
static int wait_here(epoll *ep, int epfd, struct epoll_event *events, int max, nod_usec patience,
                     const sigset_t *mask, int *count)
{
    waiter *w = NULL;
    struct pollfd extra[2] = {{.fd = epfd, .events = POLLIN}};
    nod_usec until = patience == NOD_NEVER ? NOD_NEVER : net_now() + patience;
    int error = 0;
    net_glance();
    *count = collect(ep, events, max);
    bool ask = ep->kernel_members > 0 && (patience == 0 || ++ep->turn % KERNEL_TURN == 0);
    if (ask) *count += collect_kernel(epfd, events + *count, max - *count);
    while (*count == 0 && net_now() < until && !error) {
        if (!w) {
            w = net_waiter();
            if (!w) return errno;
            watch_add(&w->own, &ep->file, w, POLLIN);
        }
        int got = net_sleep(w, until, extra, ep->kernel_members > 0, mask);
        if (got == -ENETDOWN) return ENETDOWN;
        if (got == -EINTR) error = EINTR;
        *count = collect(ep, events, max);
        if (got > 0) *count += collect_kernel(epfd, events + *count, max - *count);
    }
    if (w) watch_remove(&w->own);
    return *count > 0 ? 0 : error;
}

static int wait_until(int epfd, struct epoll_event *events, int max, nod_usec patience,
                      const sigset_t *mask)
{
    int count = 0;
    if (max <= 0 || is_bad(events)) {
        errno = max <= 0 ? EINVAL : EFAULT;
        return -1;
    }
    if (!net_enter()) return -1;
    epoll *ep = as_epoll(file_at(epfd));
    int error = EINVAL;
    if (ep) {
        file_ref(&ep->file);
        error = wait_here(ep, epfd, events, max, patience, mask, &count);
        file_unref(&ep->file);
    }
    net_leave();
    if (!error) return count;
    errno = error;
    return -1;
}

/* An instance without anything of nod's in it is the kernel's affair, but for where another thread
 * may put a socket into it while this one waits: then it is watched from here on. False: it is
 * left to the kernel. */
static bool take_up(int epfd)
{
    struct epoll_event nothing = {0};
    if (__libc_single_threaded || !nod_here.self || nod_is_epoll(epfd)) return nod_is_epoll(epfd);
    int keep = errno;
    /* What is not in it cannot be changed: who says so is an epoll instance. */
    bool is_one =
        sys_epoll_ctl(epfd, EPOLL_CTL_MOD, nod_here.device, &nothing) < 0 && errno == ENOENT;
    if (is_one && net_enter()) {
        if (!file_at(epfd)) epoll_new(epfd);
        net_leave();
    }
    errno = keep;
    return nod_is_epoll(epfd);
}

int nod_epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
                     const sigset_t *mask)
{
    nod_usec patience = NOD_NEVER;
    if (!take_up(epfd)) return sys_epoll_wait(epfd, events, max, timeout, mask);
    if (timeout)
        patience = (nod_usec)timeout->tv_sec * NOD_SEC + (nod_usec)(timeout->tv_nsec + 999) / 1000;
    return wait_until(epfd, events, max, patience, mask);
}

int nod_epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout_ms,
                    const sigset_t *mask)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    return nod_epoll_pwait2(epfd, events, max, timeout_ms < 0 ? NULL : &timeout, mask);
}

int nod_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
    return nod_epoll_pwait(epfd, events, max, timeout_ms, NULL);
}
