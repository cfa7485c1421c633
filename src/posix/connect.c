/* connect, which can be waited for, asked about, undone and done again. */
#include <errno.h>

#include "net.h"
#include "sys.h"

#include "nod/linux.h"

enum fast {
    FAST_OFF,
    FAST_NOW,   /* text follows within this call */
    FAST_WAITS, /* or within a later one */
};

static int connect_start(sock *s, const nod_endpoint *remote, enum fast fast)
{
    nod_handle handle;
    nod_open open = {.remote = *remote,
                     .fast_open = fast != FAST_OFF,
                     .wait_for_text = fast == FAST_WAITS,
                     .config = &s->config};
    if (remote->port == 0) { /* where nobody can listen */
        socket_fail(s, NOD_EREFUSED);
        return 0;
    }
    if (s->local.addr.family == 4 && remote->addr.family == 6) return EAFNOSUPPORT;
    if (s->local.addr.family) {
        open.local.port = s->local.port;
        if (!address_is_any(&s->local.addr)) open.local.addr = s->local.addr;
    }
    int error = nod_tcp_open(nod_net->stack, &open, &handle);
    if (error == NOD_EUNREACH || error == NOD_EINVAL || error == NOD_EBADADDR) return ENETUNREACH;
    if (error) return error == NOD_EEXIST ? EADDRNOTAVAIL : nod_linux_errno(error);
    socket_set_handle(s, handle);
    s->state = SOCKET_CONNECTING;
    s->waits_for_text = fast == FAST_WAITS && nod_tcp_fast_open_room(nod_net->stack, remote) > 0;
    s->shut_read = s->shut_write = s->peer_closed = false;
    s->err = 0;
    nod_status status;
    nod_tcp_status(nod_net->stack, handle, &status);
    s->local = status.local;
    option_apply(s);
    return 0;
}

void socket_disconnect(sock *s)
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
        socket_disconnect(s);
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
    if (!error && address_needs_scope(addr)) error = EINVAL;
    if (!error) error = connect_start(s, &remote, s->fast_connect ? FAST_WAITS : FAST_OFF);
    if (error) return error;
    s->attempt = ATTEMPT_BEGUN;
    if (s->waits_for_text) return 0; /* as if it were done: the first write does it */
    net_flush();
    /* The peer may have answered by now; but no program expects to hear so from the kernel. */
    return s->nonblocking ? EINPROGRESS : connect_end(s, EINPROGRESS);
}

/* Whether it is for the kernel's own loopback, and nothing has happened on nod yet. */
bool connect_leads_home(const sock *s, const struct sockaddr *addr, socklen_t len)
{
    nod_endpoint remote;
    if (s->state != SOCKET_FRESH && (s->state != SOCKET_BOUND || !address_is_any(&s->local.addr)))
        return false;
    if (address_read(s, addr, len, &remote) != 0) return false;
    return address_is_loopback(&remote.addr) || address_is_any(&remote.addr);
}

int connect_pass(sock *s, int fd)
{
    bool bound = s->state == SOCKET_BOUND && s->port_given;
    nod_endpoint mine = s->local;
    struct sockaddr_storage name;
    socklen_t name_len = address_write(s, &mine, (struct sockaddr *)&name, sizeof name);
    socket_pass(s);
    net_leave();
    return bound ? sys_bind(fd, &name, name_len) : 0;
}

int connect_with_text(sock *s, const struct sockaddr *addr, socklen_t len, bool *goes_along)
{
    nod_endpoint remote;
    switch ((enum attempt)s->attempt) {
    case ATTEMPT_TOLD: return EISCONN;
    case ATTEMPT_UNDONE: return EINVAL;
    case ATTEMPT_BEGUN: return s->state == SOCKET_CONNECTING ? EALREADY : connect_end(s, EALREADY);
    case ATTEMPT_NONE: break;
    }
    if (s->state == SOCKET_LISTENING) return EISCONN;
    if (len >= sizeof(sa_family_t) && addr->sa_family == AF_UNSPEC) return EOPNOTSUPP;
    int error = address_read(s, addr, len, &remote);
    if (!error && address_needs_scope(addr)) error = EINVAL;
    if (error) return error;
    *goes_along = nod_tcp_fast_open_room(nod_net->stack, &remote) > 0;
    error = connect_start(s, &remote, FAST_NOW);
    if (!error) s->attempt = ATTEMPT_BEGUN;
    return error;
}

int connect_finish(sock *s)
{
    net_flush();
    return s->nonblocking ? EINPROGRESS : connect_end(s, EINPROGRESS);
}

int nod_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    int error;
    if (!nod_is_socket(fd)) return sys_connect(fd, addr, len);
    sock *s = socket_enter(fd);
    if (!s) return -1;
    if (len < sizeof(sa_family_t) || len > sizeof(struct sockaddr_storage))
        return socket_leave(EINVAL);
    if (is_bad(addr)) return socket_leave(EFAULT);
    if (addr->sa_family == AF_UNSPEC) {
        socket_disconnect(s);
        net_wake(&s->file, ~0u);
        return socket_leave(0);
    }
    if (connect_leads_home(s, addr, len))
        return connect_pass(s, fd) != 0 ? -1 : sys_connect(fd, addr, len);
    file_ref(&s->file);
    error = connect_here(s, addr, len);
    file_unref(&s->file);
    return socket_leave(error);
}
