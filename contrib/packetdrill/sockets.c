/* Sockets: their making, their connections and their end. They mean what Linux's mean. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drill.h"

#include "nod/linux.h"

static sock *sockets;

sock *socket_at(int fd)
{
    sock *s = sockets;
    while (s && s->fd != fd) s = s->next;
    return s;
}

sock *socket_new(bool ip6)
{
    sock *s = calloc(1, sizeof *s);
    int fd = s ? eventfd(0, 0) : -1;
    if (fd < 0) {
        free(s);
        return NULL;
    }
    s->fd = fd;
    s->ip6 = ip6;
    options_init(s);
    s->next = sockets;
    sockets = s;
    return s;
}

static void socket_free(sock *s)
{
    sock **at = &sockets;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    epoll_forget(s);
    options_forget(s);
    syscall(SYS_close, s->fd); /* not `close`, which is ours */
    free(s);
}

int leave_with(int error)
{
    world_leave();
    if (!error) return 0;
    errno = error;
    return -1;
}

/* Addresses. */

int socket_address(const sock *s, const struct sockaddr *addr, socklen_t len, nod_endpoint *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    if (!addr) return EFAULT;
    if (addr->sa_family == AF_INET && len >= sizeof in4) {
        if (s->ip6) return EINVAL;
        memcpy(&in4, addr, sizeof in4);
        *out = (nod_endpoint){nod_addr_from(4, &in4.sin_addr), ntohs(in4.sin_port)};
        return 0;
    }
    if (addr->sa_family != AF_INET6) return addr->sa_family == AF_INET ? EINVAL : EAFNOSUPPORT;
    if (!s->ip6) return EAFNOSUPPORT;
    if (len < sizeof in6) return EINVAL;
    memcpy(&in6, addr, sizeof in6);
    bool is4 = memcmp(&in6.sin6_addr, mapped, 12) == 0;
    out->addr =
        is4 ? nod_addr_from(4, in6.sin6_addr.s6_addr + 12) : nod_addr_from(6, &in6.sin6_addr);
    out->port = ntohs(in6.sin6_port);
    return 0;
}

static void write_address(const sock *s, const nod_endpoint *from, struct sockaddr *addr,
                          socklen_t *len)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(from->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(from->port)};
    const void *bytes = s->ip6 ? (const void *)&in6 : (const void *)&in4;
    socklen_t size = s->ip6 ? sizeof in6 : sizeof in4;
    if (!addr || !len) return;
    memcpy(&in4.sin_addr, from->addr.bytes, 4);
    if (from->addr.family == 6) {
        memcpy(&in6.sin6_addr, from->addr.bytes, 16);
    } else {
        in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
        memcpy(in6.sin6_addr.s6_addr + 12, from->addr.bytes, 4);
    }
    memcpy(addr, bytes, *len < size ? *len : size);
    *len = size;
}

static bool is_any(const nod_addr *addr)
{
    const nod_addr any = {.family = addr->family};
    return nod_addr_equal(addr, &any);
}

/* What happens to them. */

/* A reset after the peer has said all is a broken pipe; one of an attempt is a refusal. */
void socket_fail(sock *s, int nod_error)
{
    if (s->state == SOCKET_DEAD) return;
    s->error = nod_linux_errno(nod_error);
    if (nod_error == NOD_ERESET && s->peer_closed) s->error = EPIPE;
    if (nod_error == NOD_ERESET && s->state == SOCKET_CONNECTING) s->error = ECONNREFUSED;
    s->state = SOCKET_DEAD;
}

int socket_take_error(sock *s)
{
    int error = s->error;
    s->error = 0;
    return error;
}

void socket_event(const nod_event *event)
{
    sock *s = sockets;
    while (s && s->handle != event->handle) s = s->next;
    if (!s) return;
    s->changes++;
    if (event->flags & NOD_EVENT_OPEN && s->state == SOCKET_CONNECTING) s->state = SOCKET_CONNECTED;
    if (event->flags & NOD_EVENT_PEER_CLOSED) s->peer_closed = true;
    if (event->flags & NOD_EVENT_ERROR) socket_fail(s, event->error);
}

bool socket_has_room(sock *s)
{
    nod_status status;
    ptrdiff_t room = nod_tcp_writable(world_stack(), s->handle);
    if (room < 0) return room != NOD_EAGAIN;
    if (s->lowat_unsent && nod_tcp_status(world_stack(), s->handle, &status) == 0 &&
        status.send_unsent >= s->lowat_unsent)
        return false;
    return room >= s->config.send_buffer / 3; /* as Linux has it */
}

static uint32_t connected_ready(sock *s)
{
    uint32_t ready = 0;
    ptrdiff_t bytes = nod_tcp_readable(world_stack(), s->handle);
    if (bytes < 0 && bytes != NOD_EAGAIN) socket_fail(s, (int)bytes);
    if (bytes > 0) ready |= POLLIN | POLLRDNORM;
    if (s->peer_closed || s->shut_read) ready |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (s->shut_write || socket_has_room(s)) ready |= POLLOUT | POLLWRNORM;
    if ((s->peer_closed || s->shut_read) && s->shut_write) ready |= POLLHUP;
    return ready;
}

uint32_t socket_ready(sock *s)
{
    uint32_t ready = 0;
    switch (s->state) {
    case SOCKET_FRESH:
    case SOCKET_BOUND: ready = POLLOUT | POLLWRNORM | (s->fast_waits ? 0 : POLLHUP); break;
    case SOCKET_LISTENING:
        if (nod_tcp_readable(world_stack(), s->handle) > 0) ready = POLLIN | POLLRDNORM;
        break;
    case SOCKET_CONNECTING: break;
    case SOCKET_CONNECTED: ready = connected_ready(s); break;
    case SOCKET_DEAD: break;
    }
    if (s->state == SOCKET_DEAD)
        ready = POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | POLLHUP;
    return s->error ? ready | POLLERR : ready;
}

/* Making and listening. */

int drill_socket(void *ud, int domain, int type, int protocol)
{
    (void)ud;
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    bool tcp = kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);
    if (!tcp || (domain != AF_INET && domain != AF_INET6)) return socket(domain, type, protocol);
    world_enter();
    sock *s = socket_new(domain == AF_INET6);
    int fd = s ? s->fd : -1;
    if (s) s->nonblocking = type & SOCK_NONBLOCK;
    if (s && s->nonblocking) fcntl(fd, F_SETFL, O_NONBLOCK);
    leave_with(s ? 0 : ENOBUFS);
    return fd;
}

int drill_bind(void *ud, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)ud;
    nod_endpoint local;
    world_enter();
    sock *s = socket_at(fd);
    int error = !s ? EBADF : s->state != SOCKET_FRESH ? EINVAL : 0;
    if (!error) error = socket_address(s, addr, len, &local);
    if (!error && nod_tcp_port_use(world_stack(), &local) & NOD_PORT_LISTENER) error = EADDRINUSE;
    if (!error) {
        world_learn(&local.addr);
        s->local = local;
        s->state = SOCKET_BOUND;
    }
    return leave_with(error);
}

static int begin_listening(sock *s, uint16_t backlog)
{
    nod_handle handle;
    nod_open open = {
        .local = s->local,
        .passive = true,
        .backlog = backlog,
        .defer_accept_us = s->defer_accept_us,
        .fast_open = fast_open_limit(s, backlog),
        .fast_open_anyone = fast_open_anyone(s),
        .config = &s->config,
    };
    if (s->state != SOCKET_BOUND) return EINVAL;
    fast_open_listen(s);
    if (s->ip6 && !s->v6only && is_any(&s->local.addr)) open.local.addr.family = 0;
    int error = nod_tcp_open(world_stack(), &open, &handle);
    if (error) return nod_linux_errno(error);
    s->handle = handle;
    s->state = SOCKET_LISTENING;
    return 0;
}

int drill_listen(void *ud, int fd, int backlog)
{
    (void)ud;
    world_enter();
    sock *s = socket_at(fd);
    int error = s ? 0 : EBADF;
    uint16_t queue = (uint16_t)((backlog < 0 || backlog > 4096 ? 4096 : backlog) + 1);
    if (s && s->state == SOCKET_LISTENING)
        nod_tcp_set_listen(world_stack(), s->handle, queue, s->defer_accept_us);
    else if (s)
        error = begin_listening(s, queue);
    return leave_with(error);
}

static sock *adopt(const sock *listener, nod_handle handle, const nod_status *status)
{
    sock *s = socket_new(listener->ip6);
    if (!s) return NULL;
    options_inherit(s, listener);
    s->handle = handle;
    s->local = status->local;
    s->tried = true;
    s->state = SOCKET_CONNECTED;
    s->peer_closed = status->state == NOD_CLOSE_WAIT;
    if (status->error) socket_fail(s, status->error);
    return s;
}

/* 0, or an errno. */
static int accept_one(sock *listener, struct sockaddr *addr, socklen_t *len, int *fd)
{
    nod_handle handle;
    nod_status status;
    int error;
    if (listener->state != SOCKET_LISTENING) return EINVAL;
    while ((error = nod_tcp_accept(world_stack(), listener->handle, &handle)) == NOD_EAGAIN)
        if (listener->nonblocking || !world_wait(NOD_NEVER)) return EAGAIN;
    if (error) return nod_linux_errno(error);
    nod_tcp_status(world_stack(), handle, &status);
    sock *s = adopt(listener, handle, &status);
    if (!s) return ENOBUFS;
    write_address(s, &status.remote, addr, len);
    *fd = s->fd;
    return 0;
}

int drill_accept(void *ud, int fd, struct sockaddr *addr, socklen_t *len)
{
    (void)ud;
    int made = -1;
    world_enter();
    sock *s = socket_at(fd);
    return leave_with(s ? accept_one(s, addr, len, &made) : EBADF) == 0 ? made : -1;
}

/* Connecting. */

void socket_disconnect(sock *s)
{
    if (s->handle) {
        nod_tcp_abort(world_stack(), s->handle);
        nod_tcp_release(world_stack(), s->handle);
    }
    s->handle = 0;
    s->state = SOCKET_FRESH;
    s->local = (nod_endpoint){0};
    s->fast_waits = s->tried = s->shut_read = s->shut_write = s->peer_closed = false;
}

int socket_open(sock *s, const nod_endpoint *remote, bool fast)
{
    nod_handle handle;
    nod_open open = {.remote = *remote, .config = &s->config, .fast_open = fast};
    open.local.port = s->local.port;
    if (s->local.addr.family && !is_any(&s->local.addr)) open.local.addr = s->local.addr;
    int error = nod_tcp_open(world_stack(), &open, &handle);
    if (error == NOD_EUNREACH) return ENETUNREACH;
    if (error) return error == NOD_EEXIST ? EADDRNOTAVAIL : nod_linux_errno(error);
    nod_status status;
    nod_tcp_status(world_stack(), handle, &status);
    s->local = status.local;
    s->handle = handle;
    s->state = SOCKET_CONNECTING;
    s->tried = true;
    return 0;
}

static int connect_end(sock *s, int unfinished)
{
    while (s->state == SOCKET_CONNECTING)
        if (s->nonblocking || !world_wait(NOD_NEVER)) return unfinished;
    if (s->state == SOCKET_CONNECTED) return 0;
    int error = socket_take_error(s);
    socket_disconnect(s);
    return error ? error : ECONNABORTED;
}

int socket_connect(sock *s, const struct sockaddr *addr, socklen_t len)
{
    nod_endpoint remote;
    if (addr && addr->sa_family == AF_UNSPEC) {
        socket_disconnect(s);
        return 0;
    }
    if (s->fast_waits) return EISCONN;
    if (s->state == SOCKET_CONNECTING) return connect_end(s, EALREADY);
    if (s->state == SOCKET_LISTENING || s->state == SOCKET_CONNECTED) return EISCONN;
    if (s->state == SOCKET_DEAD) return connect_end(s, EALREADY);
    int error = socket_address(s, addr, len, &remote);
    if (!error)
        error = s->fast_connect ? fast_open_connect(s, &remote) : socket_open(s, &remote, false);
    if (s->fast_waits) return error;
    return error ? error : connect_end(s, EINPROGRESS);
}

int drill_connect(void *ud, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)ud;
    world_enter();
    sock *s = socket_at(fd);
    return leave_with(s ? socket_connect(s, addr, len) : EBADF);
}

void socket_apply(sock *s)
{
    if (s->handle) nod_tcp_set_config(world_stack(), s->handle, &s->config);
}

/* Parting. */

static int shut(sock *s, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return EINVAL;
    s->changes++;
    if (s->state == SOCKET_LISTENING) {
        if (how != SHUT_WR) socket_disconnect(s);
        return 0;
    }
    if (s->state == SOCKET_CONNECTING) {
        socket_disconnect(s);
        return 0;
    }
    if (s->state != SOCKET_CONNECTED) return ENOTCONN;
    if (how != SHUT_WR) s->shut_read = true;
    if (how != SHUT_RD && !s->shut_write) {
        nod_tcp_close(world_stack(), s->handle);
        s->shut_write = true;
    }
    return 0;
}

int drill_shutdown(void *ud, int fd, int how)
{
    (void)ud;
    world_enter();
    sock *s = socket_at(fd);
    return leave_with(s ? shut(s, how) : EBADF);
}

static void linger(sock *s)
{
    nod_status status;
    nod_usec until = world_now() + (nod_usec)s->linger_s * NOD_SEC;
    if (!s->shut_write) nod_tcp_close(world_stack(), s->handle);
    do {
        if (nod_tcp_status(world_stack(), s->handle, &status) != 0) return;
        if (status.send_queue == 0 && status.state != NOD_FIN_WAIT_1) return;
    } while (world_wait(until));
}

bool socket_close(int fd)
{
    sock *s = socket_at(fd);
    if (!s) return false;
    if (s->handle && s->linger && s->linger_s == 0 && s->state == SOCKET_CONNECTED)
        nod_tcp_abort(world_stack(), s->handle);
    else if (s->handle && s->linger && s->state == SOCKET_CONNECTED)
        linger(s);
    if (s->handle) nod_tcp_release(world_stack(), s->handle);
    socket_free(s);
    return true;
}

int drill_close(void *ud, int fd)
{
    (void)ud;
    world_enter();
    bool ours = socket_close(fd) || epoll_close(fd);
    world_leave();
    return ours ? 0 : (int)syscall(SYS_close, fd);
}

void sockets_end(void)
{
    while (sockets) socket_free(sockets);
}
