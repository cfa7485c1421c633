/* A socket: its record, its errors and readiness, and how it is made, shut, closed and named. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

#include "nod/linux.h"

/* Records. */

static sock **bucket_of(nod_handle handle)
{
    /* The slot is in the lower half, and slots are used in turn. */
    return &nod_net->by_handle[(uint32_t)handle % HANDLE_BUCKETS];
}

sock *socket_of(nod_handle handle)
{
    sock *s = *bucket_of(handle);
    while (s && s->handle != handle) s = s->by_handle;
    return s;
}

static void forget_handle(sock *s)
{
    sock **at = bucket_of(s->handle);
    if (!s->handle) return;
    while (*at && *at != s) at = &(*at)->by_handle;
    if (*at) *at = s->by_handle;
    s->handle = 0;
}

void socket_set_handle(sock *s, nod_handle handle)
{
    forget_handle(s);
    if (!handle) return;
    s->handle = handle;
    s->by_handle = *bucket_of(handle);
    *bucket_of(handle) = s;
}

sock *socket_new(bool ip6)
{
    sock *s = net_new(sizeof *s);
    if (!s) return NULL;
    s->file = (file){.kind = FILE_SOCKET};
    ring_init(&s->file.watches);
    ring_init(&s->in_net);
    s->ip6 = ip6;
    s->lowat_read = 1;
    s->read_timeout = s->write_timeout = NOD_NEVER;
    s->config = nod_net->tcp;
    ring_add(&nod_net->sockets, &s->in_net);
    return s;
}

static void drop_watches(file *f)
{
    while (!ring_is_empty(&f->watches)) {
        watch *w = ring_entry(f->watches.next, watch, in_file);
        bool is_item = !w->waiter;
        if (!is_item) w->waiter->woken = true;
        watch_remove(w);
        if (is_item) {
            ring_remove(&((item *)(void *)w)->in_ready);
            net_delete(w, sizeof(item));
        }
    }
}

void socket_free(sock *s)
{
    nod_handle handle = s->handle;
    forget_handle(s);
    if (handle) {
        if (s->linger && s->linger_s == 0 && s->state != SOCKET_LISTENING)
            nod_tcp_abort(nod_net->stack, handle);
        nod_tcp_release(nod_net->stack, handle);
    }
    drop_watches(&s->file);
    option_forget(s);
    ring_remove(&s->in_net);
    net_delete(s, sizeof *s);
}

/* Errors and readiness. */

bool socket_is_closed(const sock *s)
{
    nod_status status;
    switch ((enum socket_state)s->state) {
    case SOCKET_FRESH:
    case SOCKET_BOUND:
    case SOCKET_DEAD: return true;
    case SOCKET_LISTENING:
    case SOCKET_CONNECTING: return false;
    case SOCKET_CONNECTED: break;
    }
    if (nod_tcp_status(nod_net->stack, s->handle, &status) != 0) return true;
    return status.state == NOD_CLOSED || status.state == NOD_TIME_WAIT;
}

void socket_fail(sock *s, int nod_error)
{
    if (s->state == SOCKET_DEAD) return;
    int error = nod_linux_errno(nod_error);
    /* As Linux has it: what is reset after it said all is a broken pipe. */
    if (nod_error == NOD_ERESET && s->peer_closed) error = EPIPE;
    if (nod_error == NOD_ERESET && s->state == SOCKET_CONNECTING) error = ECONNREFUSED;
    s->state = SOCKET_DEAD;
    s->err = (uint8_t)error;
}

int socket_take_error(sock *s)
{
    int error = s->err;
    s->err = 0;
    return error;
}

/* Linux finds a socket writable when at least a third of the buffer in use is free. */
static bool has_room(sock *s)
{
    ptrdiff_t room = nod_tcp_writable(nod_net->stack, s->handle);
    if (room < 0) return room != NOD_EAGAIN;
    return room > 0;
}

static uint32_t connected_ready(sock *s)
{
    uint32_t ready = 0;
    ptrdiff_t bytes = nod_tcp_readable(nod_net->stack, s->handle);
    bool at_end = s->peer_closed;
    if (s->urgent && urgent_is_hole(s) && bytes > 0) bytes--;
    if (s->urgent && urgent_is_ready(s)) ready |= POLLPRI;
    if (bytes < 0 && bytes != NOD_EAGAIN) socket_fail(s, (int)bytes);
    if (at_end || s->shut_read) ready |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (bytes > 0 && bytes >= (ptrdiff_t)s->lowat_read) ready |= POLLIN | POLLRDNORM;
    if (s->shut_write || has_room(s)) ready |= POLLOUT | POLLWRNORM;
    if ((s->peer_closed || s->shut_read) && s->shut_write) ready |= POLLHUP;
    return ready;
}

uint32_t socket_ready(sock *s)
{
    uint32_t ready = 0;
    switch ((enum socket_state)s->state) {
    case SOCKET_FRESH:
    case SOCKET_BOUND:
        ready = POLLOUT | POLLWRNORM | POLLHUP;
        if (s->shut_read) ready |= POLLIN | POLLRDNORM | POLLRDHUP;
        break;
    case SOCKET_LISTENING:
        if (nod_tcp_readable(nod_net->stack, s->handle) > 0) ready = POLLIN | POLLRDNORM;
        break;
    case SOCKET_CONNECTING:
        if (s->waits_for_text) ready = POLLOUT | POLLWRNORM;
        break;
    case SOCKET_CONNECTED: ready = connected_ready(s); break;
    case SOCKET_DEAD: break;
    }
    if (s->state == SOCKET_DEAD)
        ready = POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | POLLHUP;
    if (s->err) ready |= POLLERR;
    return ready;
}

void socket_event(const nod_event *event)
{
    sock *s = socket_of(event->handle);
    if (!s) return;
    uint32_t flags = event->flags, changed = 0;
    if (flags & NOD_EVENT_ACCEPT) changed |= POLLIN | POLLRDNORM;
    if (flags & NOD_EVENT_URGENT) urgent_arrived(s);
    if (flags & NOD_EVENT_READABLE) changed |= POLLIN | POLLRDNORM;
    if (flags & (NOD_EVENT_URGENT | NOD_EVENT_READABLE) && s->urgent) changed |= POLLPRI;
    if (flags & NOD_EVENT_WRITABLE && has_room(s)) changed |= POLLOUT | POLLWRNORM;
    if (flags & NOD_EVENT_OPEN && s->state == SOCKET_CONNECTING) {
        s->state = SOCKET_CONNECTED;
        changed |= POLLOUT | POLLWRNORM;
    }
    if (flags & NOD_EVENT_PEER_CLOSED) {
        s->peer_closed = true;
        changed |= POLLIN | POLLRDNORM | POLLRDHUP | (s->shut_write ? POLLHUP : 0);
    }
    if (flags & NOD_EVENT_ERROR) {
        socket_fail(s, event->error);
        changed |= ~0u;
    }
    if (flags & (NOD_EVENT_CLOSED | NOD_EVENT_SENT)) changed |= WATCH_HEARD;
    if (flags & NOD_EVENT_CLOSED) changed |= POLLHUP;
    if (changed) net_wake(&s->file, changed);
}

/* Making. */

static int install_new(int fd, bool ip6, bool nonblocking)
{
    if (!net_enter()) return -1;
    sock *s = socket_new(ip6);
    if (s) {
        s->nonblocking = nonblocking;
        file_ref(&s->file);
        if (file_install(fd, &s->file)) {
            net_leave();
            return 0;
        }
        file_unref(&s->file);
    }
    net_leave();
    errno = ENOBUFS;
    return -1;
}

int nod_socket(int domain, int type, int protocol)
{
    int fd = sys_socket(domain, type, protocol);
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    bool ours = nod_net && (domain == AF_INET || domain == AF_INET6) && kind == SOCK_STREAM &&
                (protocol == 0 || protocol == IPPROTO_TCP);
    if (fd < 0 || !ours) return fd;
    if (install_new(fd, domain == AF_INET6, type & SOCK_NONBLOCK) == 0) return fd;
    int error = errno;
    sys_close(fd);
    errno = error;
    return -1;
}

sock *socket_enter(int fd)
{
    if (!net_enter()) return NULL;
    sock *s = as_socket(file_at(fd));
    if (s) return s;
    net_leave();
    errno = sys_fcntl(fd, F_GETFD, 0) < 0 ? EBADF : ENOTSOCK;
    return NULL;
}

int socket_leave(int error)
{
    net_leave();
    if (!error) return 0;
    errno = error;
    return -1;
}

void socket_pass(sock *s)
{
    s->file.passed = true;
    net_wake(&s->file, ~0u);
}

/* Parting. */

static void shut_listener(sock *s)
{
    nod_handle handle = s->handle;
    socket_set_handle(s, 0);
    nod_tcp_release(nod_net->stack, handle);
    s->state = SOCKET_BOUND;
}

/* As Linux has it: an attempt that has come to nothing is undone for good; of a socket without a
 * connection the directions are shut all the same, and the call fails. */
static int shutdown_here(sock *s, int how)
{
    int error = 0;
    bool closed = socket_is_closed(s);
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return EINVAL;
    if (s->state == SOCKET_LISTENING) {
        if (how != SHUT_WR) shut_listener(s);
    } else if (s->state == SOCKET_CONNECTING) {
        socket_disconnect(s);
    } else {
        if (s->attempt == ATTEMPT_BEGUN) s->attempt = closed ? ATTEMPT_UNDONE : ATTEMPT_TOLD;
        if (how != SHUT_WR) s->shut_read = true;
        if (how != SHUT_RD && !s->shut_write) {
            if (s->state == SOCKET_CONNECTED &&
                nod_tcp_close(nod_net->stack, s->handle) == NOD_ENOMEM)
                return ENOBUFS;
            s->shut_write = true;
        }
        if (closed) error = ENOTCONN;
    }
    net_wake(&s->file, ~0u);
    return error;
}

int nod_shutdown(int fd, int how)
{
    if (!nod_is_socket(fd)) return (int)syscall(SYS_shutdown, fd, how);
    sock *s = socket_enter(fd);
    if (!s) return -1;
    return socket_leave(shutdown_here(s, how));
}

/* SO_LINGER with a time: close waits until all has been heard, or so long. */
static void linger(sock *s)
{
    nod_status status;
    nod_usec until = net_now() + (nod_usec)s->linger_s * NOD_SEC;
    waiter *w = net_waiter();
    if (!w) return;
    if (!s->shut_write) nod_tcp_close(nod_net->stack, s->handle);
    watch_add(&w->own, &s->file, w, WATCH_HEARD);
    while (net_now() < until && nod_tcp_status(nod_net->stack, s->handle, &status) == 0) {
        bool heard = status.state == NOD_FIN_WAIT_2 || status.state == NOD_TIME_WAIT;
        if (heard || status.state == NOD_CLOSED) break;
        int woken = net_sleep(w, until, NULL, 0, NULL);
        if (woken == -EINTR) break;
        if (woken == -ENETDOWN) return;
    }
    watch_remove(&w->own);
}

int nod_close(int fd)
{
    if (nod_is_private(fd)) {
        errno = EBADF;
        return -1;
    }
    if (!nod_net || !nod_here.self || (unsigned)fd >= nod_here.self->capacity ||
        !nod_here.self->files[fd])
        return sys_close(fd);
    if (!net_enter()) {
        file_remove(fd); /* the number will be somebody else's */
        return sys_close(fd);
    }
    file *f = file_remove(fd);
    sock *s = as_socket(f);
    if (f && f->kind == FILE_EPOLL) thread_forget_epoll(fd);
    if (s && f->refs == 1 && s->linger && s->linger_s > 0 && s->state == SOCKET_CONNECTED)
        linger(s);
    if (f) file_unref(f);
    net_leave();
    return sys_close(fd);
}

/* Names. */

int nod_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    if (!nod_is_socket(fd)) return sys_getsockname(fd, addr, len);
    sock *s = socket_enter(fd);
    if (!s) return -1;
    int error = address_room(addr, len);
    if (!error) *len = address_write(s, &s->local, addr, *len);
    return socket_leave(error);
}

int nod_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    if (!nod_is_socket(fd)) return (int)syscall(SYS_getpeername, fd, addr, len);
    nod_status status;
    sock *s = socket_enter(fd);
    if (!s) return -1;
    int error = s->state == SOCKET_CONNECTED && !socket_is_closed(s) ? 0 : ENOTCONN;
    if (!error) error = address_room(addr, len);
    if (!error && nod_tcp_status(nod_net->stack, s->handle, &status) != 0) error = ENOTCONN;
    if (!error) *len = address_write(s, &status.remote, addr, *len);
    return socket_leave(error);
}
