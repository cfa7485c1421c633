/* listen and accept. */
#include <errno.h>

#include "net.h"
#include "sys.h"

#include "nod/linux.h"

#define ACCEPT_TYPES (SOCK_NONBLOCK | SOCK_CLOEXEC)

/* Both families, where an IPv6 socket listens on any address. */
static nod_endpoint listen_name(const sock *s)
{
    nod_endpoint name = s->local;
    if (name.addr.family == 6 && address_is_any(&name.addr) && !s->v6only) name.addr.family = 0;
    return name;
}

static int listen_here(sock *s, int backlog)
{
    if (s->state == SOCKET_FRESH) {
        nod_endpoint any = {.addr = {.family = s->ip6 ? 6 : 4}};
        int error = socket_bind(s, &any);
        if (error) return error;
    }
    unsigned queue = backlog < 0 ? 4096 : (unsigned)backlog > 4096 ? 4096 : (unsigned)backlog;
    s->backlog = (int)queue;
    if (s->state == SOCKET_LISTENING)
        return nod_tcp_set_listen(nod_net->stack, s->handle, (uint16_t)(queue + 1),
                                  s->defer_accept) == 0
                   ? 0
                   : EINVAL;
    if (s->state != SOCKET_BOUND) return EINVAL;
    if (socket_conflicts(s, &s->local)) return EADDRINUSE;
    nod_handle handle;
    nod_open open = {
        .local = listen_name(s),
        .passive = true,
        .backlog = (uint16_t)(queue + 1), /* Linux takes one more */
        .share = s->reuse_port,
        .defer_accept_us = s->defer_accept,
        .fast_open = s->fast_open,
        .fast_open_anyone = s->fast_anyone,
        .config = &s->config,
    };
    int error = nod_tcp_open(nod_net->stack, &open, &handle);
    if (error) return nod_linux_errno(error);
    socket_set_handle(s, handle);
    s->state = SOCKET_LISTENING;
    return 0;
}

int nod_listen(int fd, int backlog)
{
    if (!nod_is_socket(fd)) return (int)syscall(SYS_listen, fd, backlog);
    sock *s = socket_enter(fd);
    if (!s) return -1;
    return socket_leave(listen_here(s, backlog));
}

/* A connection that a listener gave, as a socket of its own. */
static sock *adopt(const sock *listener, nod_handle handle)
{
    nod_status status;
    sock *s = socket_new(listener->ip6);
    if (!s) return NULL;
    option_inherit(s, listener);
    socket_set_handle(s, handle);
    s->state = SOCKET_CONNECTED;
    s->attempt = ATTEMPT_TOLD;
    nod_tcp_status(nod_net->stack, handle, &status);
    s->local = status.local;
    s->peer_closed = status.state == NOD_CLOSE_WAIT;
    if (status.error) socket_fail(s, status.error);
    return s;
}

/* Waits for a connection, and leaves it in the queue. 0, or an errno. */
static int wait_accept(sock *listener)
{
    waiter *w = NULL;
    int error;
    nod_usec until = NOD_NEVER;
    if (listener->read_timeout != NOD_NEVER) until = net_now() + listener->read_timeout;
    for (;;) {
        if (listener->state != SOCKET_LISTENING) {
            error = EINVAL;
            break;
        }
        error = 0;
        if (nod_tcp_readable(nod_net->stack, listener->handle) > 0) break;
        error = EAGAIN;
        if (listener->nonblocking || net_now() >= until) break;
        if (!w) {
            w = net_waiter();
            error = errno;
            if (!w) break;
            watch_add(&w->own, &listener->file, w, POLLIN);
        }
        int woken = net_sleep(w, until, NULL, 0, NULL);
        if (woken == -EINTR && (until != NOD_NEVER || !net_restarts())) {
            error = EINTR;
            break;
        }
        if (woken == -ENETDOWN) return ENETDOWN;
    }
    if (w) watch_remove(&w->own);
    return error;
}

/* Takes the connection that waits as the descriptor `fd`. 0, or an errno. */
static int take_connection(sock *listener, int fd, int flags, struct sockaddr *addr, socklen_t *len)
{
    nod_handle handle;
    nod_status status;
    int error = nod_tcp_accept(nod_net->stack, listener->handle, &handle);
    if (error) return nod_linux_errno(error);
    if (addr) error = address_room(addr, len);
    sock *s = error ? NULL : adopt(listener, handle);
    if (!s) {
        nod_tcp_release(nod_net->stack, handle);
        return error ? error : ENOBUFS;
    }
    s->nonblocking = flags & SOCK_NONBLOCK;
    file_ref(&s->file);
    if (!file_install(fd, &s->file)) {
        file_unref(&s->file);
        return ENOBUFS;
    }
    nod_tcp_status(nod_net->stack, handle, &status);
    if (addr) *len = address_write(s, &status.remote, addr, *len);
    return 0;
}

/* Who has no descriptor left loses no connection: it waits on. */
static int accept_here(sock *listener, struct sockaddr *addr, socklen_t *len, int flags, int *made)
{
    int error = wait_accept(listener);
    if (error) return error;
    int fd = sys_socket(listener->ip6 ? AF_INET6 : AF_INET, SOCK_STREAM | flags, 0);
    if (fd < 0) return errno;
    error = take_connection(listener, fd, flags, addr, len);
    if (error)
        sys_close(fd);
    else
        *made = fd;
    return error;
}

int nod_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    int made = -1;
    if (!nod_is_socket(fd)) return (int)syscall(SYS_accept4, fd, addr, len, flags);
    if (flags & ~ACCEPT_TYPES) {
        errno = EINVAL;
        return -1;
    }
    sock *s = socket_enter(fd);
    if (!s) return -1;
    int error = s->state == SOCKET_LISTENING ? 0 : EINVAL;
    file_ref(&s->file); /* it may be closed while we wait */
    if (!error) error = accept_here(s, addr, len, flags, &made);
    file_unref(&s->file);
    return socket_leave(error) == 0 ? made : -1;
}

int nod_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    return nod_accept4(fd, addr, len, 0);
}
