/* poll and epoll. Other descriptors than sockets of nod's are asked of the kernel, once. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drill.h"

#define ALWAYS (POLLERR | POLLHUP | POLLNVAL)

static nod_usec deadline(int timeout_ms)
{
    return timeout_ms < 0 ? NOD_NEVER : world_now() + (nod_usec)timeout_ms * NOD_MSEC;
}

static int look(struct pollfd *fds, unsigned long count)
{
    int ready = 0;
    for (unsigned long i = 0; i < count; i++) {
        sock *s = socket_at(fds[i].fd);
        fds[i].revents = 0;
        if (s)
            fds[i].revents = (short)(socket_ready(s) & ((unsigned short)fds[i].events | ALWAYS));
        else if (fds[i].fd >= 0)
            poll(&fds[i], 1, 0);
        ready += fds[i].revents != 0;
    }
    return ready;
}

int drill_poll(void *ud, struct pollfd *fds, unsigned long count, int timeout_ms)
{
    (void)ud;
    if (!fds && count > 0) {
        errno = EFAULT;
        return -1;
    }
    world_enter();
    nod_usec until = deadline(timeout_ms);
    int ready = look(fds, count);
    while (ready == 0 && world_wait(until)) ready = look(fds, count);
    if (ready == 0) ready = look(fds, count);
    world_leave();
    return ready;
}

/* epoll. */

typedef struct item {
    struct item *next;
    sock *s;
    struct epoll_event event;
    unsigned told; /* the changes of the socket that an edge was told of */
    bool off;      /* EPOLLONESHOT has told once */
} item;

typedef struct instance {
    struct instance *next;
    int fd;
    item *items;
} instance;

static instance *instances;

static instance *instance_at(int fd)
{
    instance *e = instances;
    while (e && e->fd != fd) e = e->next;
    return e;
}

static item **find_item(instance *e, const sock *s)
{
    item **at = &e->items;
    while (*at && (*at)->s != s) at = &(*at)->next;
    return at;
}

static void drop_item(item **at)
{
    item *i = *at;
    *at = i->next;
    free(i);
}

void epoll_forget(const sock *s)
{
    for (instance *e = instances; e; e = e->next) {
        item **at = find_item(e, s);
        if (*at) drop_item(at);
    }
}

bool epoll_close(int fd)
{
    instance **at = &instances;
    while (*at && (*at)->fd != fd) at = &(*at)->next;
    instance *e = *at;
    if (!e) return false;
    *at = e->next;
    while (e->items) drop_item(&e->items);
    syscall(SYS_close, e->fd);
    free(e);
    return true;
}

int drill_epoll_create(void *ud, int size)
{
    (void)ud;
    if (size <= 0) {
        errno = EINVAL;
        return -1;
    }
    world_enter();
    instance *e = calloc(1, sizeof *e);
    int fd = e ? eventfd(0, 0) : -1;
    if (fd < 0) {
        free(e);
    } else {
        *e = (instance){.next = instances, .fd = fd};
        instances = e;
    }
    leave_with(fd < 0 ? ENOMEM : 0);
    return fd;
}

static int control(instance *e, int op, int fd, const struct epoll_event *event)
{
    sock *s = socket_at(fd);
    if (!e || !s) return EBADF;
    item **at = find_item(e, s);
    if (op == EPOLL_CTL_DEL) {
        if (!*at) return ENOENT;
        drop_item(at);
        return 0;
    }
    if (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD) return EINVAL;
    if (op == EPOLL_CTL_MOD && !*at) return ENOENT;
    if (op == EPOLL_CTL_ADD && *at) return EEXIST;
    if (!*at && !(*at = calloc(1, sizeof **at))) return ENOMEM;
    (*at)->s = s;
    (*at)->event = *event;
    (*at)->told = s->changes - 1; /* what is so now is told */
    (*at)->off = false;
    return 0;
}

int drill_epoll_ctl(void *ud, int epfd, int op, int fd, struct epoll_event *event)
{
    (void)ud;
    world_enter();
    return leave_with(control(instance_at(epfd), op, fd, event));
}

static int gather(instance *e, struct epoll_event *events, int max)
{
    int count = 0;
    for (item *i = e->items; i && count < max; i = i->next) {
        uint32_t ready = socket_ready(i->s) & (i->event.events | EPOLLERR | EPOLLHUP);
        bool edge = i->event.events & EPOLLET;
        if (!ready || i->off || (edge && i->told == i->s->changes)) continue;
        i->told = i->s->changes;
        i->off = i->event.events & EPOLLONESHOT;
        events[count].events = ready;
        events[count++].data = i->event.data;
    }
    return count;
}

int drill_epoll_wait(void *ud, int epfd, struct epoll_event *events, int max, int timeout_ms)
{
    (void)ud;
    world_enter();
    instance *e = instance_at(epfd);
    if (!e || max <= 0 || !events) return leave_with(!e ? EBADF : max <= 0 ? EINVAL : EFAULT);
    nod_usec until = deadline(timeout_ms);
    int count = gather(e, events, max);
    while (count == 0 && world_wait(until)) count = gather(e, events, max);
    if (count == 0) count = gather(e, events, max);
    world_leave();
    return count;
}
