/* A socket's life: made, bound, listening, connecting, connected, shut, closed. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sys.h"

#define ACCEPT_TYPES (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define PORT_TRIES 4096

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

int errno_of(int nod_error)
{
    switch ((enum nod_error)nod_error) {
    case NOD_EAGAIN: return EAGAIN;
    case NOD_EINVAL: return EINVAL;
    case NOD_ENOMEM: return ENOBUFS;
    case NOD_ENOCONN: return ENOTCONN;
    case NOD_ECLOSING: return EPIPE;
    case NOD_ERESET: return ECONNRESET;
    case NOD_EREFUSED: return ECONNREFUSED;
    case NOD_ETIMEDOUT: return ETIMEDOUT;
    case NOD_EUNREACH: return EHOSTUNREACH;
    case NOD_EINUSE: return EADDRINUSE;
    case NOD_EEXIST: return EADDRINUSE;
    case NOD_ENOREMOTE: return EDESTADDRREQ;
    case NOD_ENOTLOCAL: return EADDRNOTAVAIL;
    case NOD_ENOPORT: return EADDRNOTAVAIL;
    case NOD_EBADADDR: return ENETUNREACH;
    case NOD_EABORTED: return ECONNABORTED;
    case NOD_EUNSUPPORTED: return EOPNOTSUPP;
    case NOD_EPERM: return EPERM;
    case NOD_EIO: return EIO;
    }
    return EIO;
}

void socket_fail(sock *s, int nod_error)
{
    if (s->state == SOCKET_DEAD) return;
    int error = errno_of(nod_error);
    /* As Linux has it: what is reset after it said all is a broken pipe. */
    if (nod_error == NOD_ERESET && s->peer_closed) error = EPIPE;
    if (nod_error == NOD_ERESET && s->state == SOCKET_CONNECTING) error = ECONNREFUSED;
    s->state = SOCKET_DEAD;
    s->err = (uint8_t)error;
    s->why_dead = (uint8_t)error;
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
    if (s->lowat_unsent) {
        nod_status status;
        nod_tcp_status(nod_net->stack, s->handle, &status);
        if (status.send_unsent >= s->lowat_unsent) return false;
    }
    return room >= s->config.send_buffer / 3;
}

static uint32_t connected_ready(sock *s)
{
    uint32_t ready = 0;
    ptrdiff_t bytes = nod_tcp_readable(nod_net->stack, s->handle);
    bool at_end = s->peer_closed;
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
    case SOCKET_CONNECTING: break;
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
    if (flags & NOD_EVENT_READABLE) changed |= POLLIN | POLLRDNORM;
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

/* Finds the socket and takes the lock. NULL: neither, and errno is set. */
static sock *enter_socket(int fd)
{
    if (!net_enter()) return NULL;
    sock *s = as_socket(file_at(fd));
    if (s) return s;
    net_leave();
    errno = sys_fcntl(fd, F_GETFD, 0) < 0 ? EBADF : ENOTSOCK;
    return NULL;
}

/* Leaves with a result, or with an errno. */
static int leave(int error)
{
    net_leave();
    if (!error) return 0;
    errno = error;
    return -1;
}

/* From here on the kernel's: its socket has been there all the time, with all its options. */
static void pass(sock *s)
{
    s->file.passed = true;
    net_wake(&s->file, ~0u);
}

/* Binding. */

static bool is_any(const nod_addr *addr)
{
    for (int i = 0; i < 16; i++)
        if (addr->bytes[i]) return false;
    return true;
}

static bool is_own(const nod_addr *addr)
{
    return nod_addr_equal(addr, &nod_net->own4) || nod_addr_equal(addr, &nod_net->own6);
}

/* An unspecified IPv6 address without IPV6_V6ONLY is IPv4's too. */
static bool covers(const sock *s, const nod_addr *addr, const nod_addr *other)
{
    if (!is_any(addr)) return false;
    return addr->family == other->family || (addr->family == 6 && s->ip6 && !s->v6only);
}

static bool overlap(const sock *a, const nod_addr *addr, const sock *b)
{
    return nod_addr_equal(addr, &b->local.addr) || covers(a, addr, &b->local.addr) ||
           covers(b, &b->local.addr, addr);
}

/* Linux's rules (inet_csk_get_port): SO_REUSEADDR of both lets them share while neither listens,
 * SO_REUSEPORT of both always. */
static bool conflicts(const sock *s, const nod_endpoint *local)
{
    for (ring *at = nod_net->sockets.next; at != &nod_net->sockets; at = at->next) {
        const sock *other = ring_entry(at, sock, in_net);
        if (other == s || other->local.port != local->port || !other->local.addr.family) continue;
        if (other->file.passed || !overlap(s, &local->addr, other)) continue;
        if (s->reuse_port && other->reuse_port) continue;
        if (s->reuse_addr && other->reuse_addr && other->state != SOCKET_LISTENING) continue;
        return true;
    }
    if (s->reuse_addr) return false;
    nod_endpoint asked = *local;
    if (is_any(&asked.addr)) asked.addr.family = 0;
    return nod_tcp_port_use(nod_net->stack, &asked) & NOD_PORT_TIME_WAIT;
}

static int choose_port(const sock *s, nod_endpoint *local)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t dice;
        if (getrandom(&dice, sizeof dice, 0) != sizeof dice) break;
        local->port = (uint16_t)(32768 + dice % 28232); /* Linux's ip_local_port_range */
        nod_endpoint any = {.port = local->port};
        if (!conflicts(s, local) && nod_tcp_port_use(nod_net->stack, &any) == 0) return 0;
    }
    return EADDRINUSE;
}

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

static int bind_here(sock *s, const nod_endpoint *to)
{
    nod_endpoint local = *to;
    bool taken = s->state == SOCKET_BOUND || s->port_given || !socket_is_closed(s);
    if (taken && s->ip6) return EINVAL;
    if (!is_any(&local.addr) && !is_own(&local.addr)) return EADDRNOTAVAIL;
    if (taken) return EINVAL;
    if (local.port == 0) {
        int error = choose_port(s, &local);
        if (error) return error;
    } else {
        if (conflicts(s, &local)) {
            net_bury(); /* with the kernel, the dead hold nothing */
            if (conflicts(s, &local)) return EADDRINUSE;
        }
        s->port_given = true;
    }
    s->local = local;
    if (s->ip6 && local.addr.family == 6 && !is_any(&local.addr)) s->v6only = true;
    if (s->state == SOCKET_FRESH) s->state = SOCKET_BOUND;
    return 0;
}

/* An address of one link only, and which link is not said. */
static bool needs_scope(const struct sockaddr *addr)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)addr;
    return addr->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) &&
           six->sin6_scope_id == 0;
}

static bool is_multicast6(const struct sockaddr *addr)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)addr;
    return addr->sa_family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&six->sin6_addr);
}

int nod_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (!nod_is_socket(fd)) return sys_bind(fd, addr, len);
    nod_endpoint local;
    sock *s = enter_socket(fd);
    if (!s) return -1;
    struct sockaddr_in any;
    /* A historic leniency of Linux's: AF_UNSPEC with no address is AF_INET. */
    if (!s->ip6 && len >= sizeof any && !is_bad(addr) && addr->sa_family == AF_UNSPEC) {
        memcpy(&any, addr, sizeof any);
        if (any.sin_addr.s_addr == 0) {
            any.sin_family = AF_INET;
            addr = (struct sockaddr *)(void *)&any;
        }
    }
    int error = len > sizeof(struct sockaddr_storage) ? EINVAL : 0;
    if (!error) error = address_read(s, addr, len, &local);
    if (error == ENETUNREACH || (!error && (needs_scope(addr) || is_multicast6(addr))))
        error = EINVAL;
    if (error == 0 && address_is_loopback(&local.addr) && s->state == SOCKET_FRESH) {
        pass(s);
        net_leave();
        return sys_bind(fd, addr, len);
    }
    return leave(error ? error : bind_here(s, &local));
}

/* Listening. */

/* Both families, where an IPv6 socket listens on any address. */
static nod_endpoint listen_name(const sock *s)
{
    nod_endpoint name = s->local;
    if (name.addr.family == 6 && is_any(&name.addr) && !s->v6only) name.addr.family = 0;
    return name;
}

static int listen_here(sock *s, int backlog)
{
    if (s->state == SOCKET_FRESH) {
        nod_endpoint any = {.addr = {.family = s->ip6 ? 6 : 4}};
        int error = bind_here(s, &any);
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
    if (conflicts(s, &s->local)) return EADDRINUSE;
    nod_handle handle;
    nod_open open = {
        .local = listen_name(s),
        .passive = true,
        .backlog = (uint16_t)(queue + 1), /* Linux takes one more */
        .share = s->reuse_port,
        .defer_accept_us = s->defer_accept,
        .config = &s->config,
    };
    int error = nod_tcp_open(nod_net->stack, &open, &handle);
    if (error) return errno_of(error);
    socket_set_handle(s, handle);
    s->state = SOCKET_LISTENING;
    return 0;
}

int nod_listen(int fd, int backlog)
{
    if (!nod_is_socket(fd)) return (int)syscall(SYS_listen, fd, backlog);
    sock *s = enter_socket(fd);
    if (!s) return -1;
    return leave(listen_here(s, backlog));
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

static void write_name(const sock *s, const nod_endpoint *from, struct sockaddr *addr,
                       socklen_t *len)
{
    if (addr) *len = address_write(s, from, addr, *len);
}

/* Where a name is to be written. */
static int check_room(struct sockaddr *addr, socklen_t *len)
{
    if (is_bad_to_write(len)) return EFAULT;
    if ((int)*len < 0) return EINVAL;
    return *len > 0 && is_bad_to_write(addr) ? EFAULT : 0;
}

/* Takes the connection that waits as the descriptor `fd`. 0, or an errno. */
static int take_connection(sock *listener, int fd, int flags, struct sockaddr *addr, socklen_t *len)
{
    nod_handle handle;
    nod_status status;
    int error = nod_tcp_accept(nod_net->stack, listener->handle, &handle);
    if (error) return errno_of(error);
    if (addr) error = check_room(addr, len);
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
    write_name(s, &status.remote, addr, len);
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
    sock *s = enter_socket(fd);
    if (!s) return -1;
    int error = s->state == SOCKET_LISTENING ? 0 : EINVAL;
    file_ref(&s->file); /* it may be closed while we wait */
    if (!error) error = accept_here(s, addr, len, flags, &made);
    file_unref(&s->file);
    return leave(error) == 0 ? made : -1;
}

int nod_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    return nod_accept4(fd, addr, len, 0);
}

/* Connecting. */

static int connect_start(sock *s, const nod_endpoint *remote)
{
    nod_handle handle;
    nod_open open = {.remote = *remote, .config = &s->config};
    if (remote->port == 0) { /* where nobody can listen */
        socket_fail(s, NOD_EREFUSED);
        return 0;
    }
    if (s->local.addr.family == 4 && remote->addr.family == 6) return EAFNOSUPPORT;
    if (s->local.addr.family) {
        open.local.port = s->local.port;
        if (!is_any(&s->local.addr)) open.local.addr = s->local.addr;
    }
    int error = nod_tcp_open(nod_net->stack, &open, &handle);
    if (error == NOD_EUNREACH || error == NOD_EINVAL || error == NOD_EBADADDR) return ENETUNREACH;
    if (error) return error == NOD_EEXIST ? EADDRNOTAVAIL : errno_of(error);
    socket_set_handle(s, handle);
    s->state = SOCKET_CONNECTING;
    s->shut_read = s->shut_write = s->peer_closed = false;
    s->err = 0;
    nod_status status;
    nod_tcp_status(nod_net->stack, handle, &status);
    s->local = status.local;
    option_apply(s);
    return 0;
}

/* The connection, the attempt or the listener is given up, and the socket can be used again. */
static void disconnect(sock *s)
{
    nod_handle handle = s->handle;
    /* As Linux has it: who goes on as if nothing had happened is told, once. */
    s->err = s->state == SOCKET_CONNECTING || !(socket_is_closed(s) || s->state == SOCKET_LISTENING)
                 ? ECONNRESET
                 : 0;
    if (handle) {
        socket_set_handle(s, 0);
        nod_tcp_abort(nod_net->stack, handle);
        nod_tcp_release(nod_net->stack, handle);
    }
    s->state = s->port_given ? SOCKET_BOUND : SOCKET_FRESH;
    if (!s->port_given) s->local.addr = (nod_addr){0};
    s->attempt = ATTEMPT_NONE;
    s->shut_read = s->shut_write = s->peer_closed = false;
}

/* Waits until the attempt has come to an end. 0, or an errno. */
static int wait_connect(sock *s)
{
    int error = 0;
    nod_usec until = NOD_NEVER;
    if (s->write_timeout != NOD_NEVER) until = net_now() + s->write_timeout;
    waiter *w = net_waiter();
    if (!w) return errno;
    watch_add(&w->own, &s->file, w, POLLOUT);
    while (s->state == SOCKET_CONNECTING && !error) {
        if (net_now() >= until) {
            error = EINPROGRESS;
            break;
        }
        int woken = net_sleep(w, until, NULL, 0, NULL);
        if (woken == -ENETDOWN) return ENETDOWN;
        if (woken == -EINTR && (until != NOD_NEVER || !net_restarts())) error = EINTR;
    }
    watch_remove(&w->own);
    return error;
}

/* An attempt that is under way: how it ends. */
static int connect_end(sock *s, int unfinished)
{
    if (s->state == SOCKET_CONNECTING) {
        if (s->nonblocking) return unfinished;
        int error = wait_connect(s);
        if (error) return error == EINPROGRESS ? unfinished : error;
    }
    if (socket_is_closed(s)) {
        int error = socket_take_error(s);
        disconnect(s);
        return error ? error : ECONNABORTED;
    }
    s->attempt = ATTEMPT_TOLD;
    return 0;
}

static int connect_here(sock *s, const struct sockaddr *addr, socklen_t len)
{
    nod_endpoint remote;
    switch ((enum attempt)s->attempt) {
    case ATTEMPT_TOLD: return EISCONN;
    case ATTEMPT_UNDONE: return EINVAL;
    case ATTEMPT_BEGUN: return connect_end(s, EALREADY);
    case ATTEMPT_NONE: break;
    }
    if (s->state == SOCKET_LISTENING) return EISCONN;
    int error = address_read(s, addr, len, &remote);
    if (!error && needs_scope(addr)) error = EINVAL;
    if (!error) error = connect_start(s, &remote);
    if (error) return error;
    s->attempt = ATTEMPT_BEGUN;
    net_flush();
    /* The peer may have answered by now; but no program expects to hear so from the kernel. */
    return s->nonblocking ? EINPROGRESS : connect_end(s, EINPROGRESS);
}

/* Whether it is for the kernel's own loopback, and nothing has happened on nod yet. */
static bool leads_home(const sock *s, const struct sockaddr *addr, socklen_t len)
{
    nod_endpoint remote;
    if (s->state != SOCKET_FRESH && (s->state != SOCKET_BOUND || !is_any(&s->local.addr)))
        return false;
    if (address_read(s, addr, len, &remote) != 0) return false;
    return address_is_loopback(&remote.addr) || is_any(&remote.addr);
}

int nod_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    int error;
    if (!nod_is_socket(fd)) return sys_connect(fd, addr, len);
    sock *s = enter_socket(fd);
    if (!s) return -1;
    if (len < sizeof(sa_family_t) || len > sizeof(struct sockaddr_storage)) return leave(EINVAL);
    if (is_bad(addr)) return leave(EFAULT);
    if (addr->sa_family == AF_UNSPEC) {
        disconnect(s);
        net_wake(&s->file, ~0u);
        return leave(0);
    }
    if (leads_home(s, addr, len)) {
        bool bound = s->state == SOCKET_BOUND && s->port_given;
        nod_endpoint mine = s->local;
        struct sockaddr_storage name;
        socklen_t name_len = address_write(s, &mine, (struct sockaddr *)&name, sizeof name);
        pass(s);
        net_leave();
        if (bound && sys_bind(fd, &name, name_len) != 0) return -1;
        return sys_connect(fd, addr, len);
    }
    file_ref(&s->file);
    error = connect_here(s, addr, len);
    file_unref(&s->file);
    return leave(error);
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
        disconnect(s);
    } else {
        if (s->attempt == ATTEMPT_BEGUN) s->attempt = closed ? ATTEMPT_UNDONE : ATTEMPT_TOLD;
        if (how != SHUT_WR) s->shut_read = true;
        if (how != SHUT_RD && !s->shut_write) {
            s->shut_write = true;
            if (s->state == SOCKET_CONNECTED) nod_tcp_close(nod_net->stack, s->handle);
        }
        if (closed) error = ENOTCONN;
    }
    net_wake(&s->file, ~0u);
    return error;
}

int nod_shutdown(int fd, int how)
{
    if (!nod_is_socket(fd)) return (int)syscall(SYS_shutdown, fd, how);
    sock *s = enter_socket(fd);
    if (!s) return -1;
    return leave(shutdown_here(s, how));
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
        if (status.state == NOD_CLOSED || status.snd_una == status.snd_nxt) break;
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
    if (!net_enter()) return sys_close(fd);
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
    sock *s = enter_socket(fd);
    if (!s) return -1;
    int error = check_room(addr, len);
    if (!error) *len = address_write(s, &s->local, addr, *len);
    return leave(error);
}

int nod_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    if (!nod_is_socket(fd)) return (int)syscall(SYS_getpeername, fd, addr, len);
    nod_status status;
    sock *s = enter_socket(fd);
    if (!s) return -1;
    int error = s->state == SOCKET_CONNECTED && !socket_is_closed(s) ? 0 : ENOTCONN;
    if (!error) error = check_room(addr, len);
    if (!error && nod_tcp_status(nod_net->stack, s->handle, &status) != 0) error = ENOTCONN;
    if (!error) write_name(s, &status.remote, addr, len);
    return leave(error);
}
