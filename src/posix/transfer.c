/* Bytes in and out. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "net.h"
#include "sys.h"

/* What a transfer is to do, and how far it is. */
typedef struct transfer {
    const struct iovec *iov;
    int count;
    int flags;
    size_t total, done, skip; /* skip: an urgent octet that peeking passed over */
    int at;                   /* the part that is next */
    size_t off;               /* within it */
} transfer;

/* `write`: the memory is to be written to, as receiving does. */
static int transfer_init(transfer *t, const struct iovec *iov, int count, int flags, bool write)
{
    *t = (transfer){.iov = iov, .count = count, .flags = flags};
    if (count < 0 || count > TRANSFER_PARTS) return EINVAL;
    if (count > 0 && is_bad(iov)) return EFAULT;
    for (int i = 0; i < count; i++) {
        if ((ssize_t)iov[i].iov_len < 0) return EINVAL;
        if (!(flags & MSG_TRUNC) && is_bad_range(iov[i].iov_base, iov[i].iov_len, write))
            return EFAULT;
        t->total += iov[i].iov_len;
    }
    if (t->total > 0x7ffff000) t->total = 0x7ffff000; /* as Linux: MAX_RW_COUNT */
    return 0;
}

/* The next piece of the user's memory; its length, 0 at the end. */
static size_t transfer_piece(transfer *t, uint8_t **bytes)
{
    while (t->at < t->count && t->off == t->iov[t->at].iov_len) {
        t->at++;
        t->off = 0;
    }
    if (t->at == t->count || t->done == t->total) return 0;
    *bytes = (uint8_t *)t->iov[t->at].iov_base + t->off;
    size_t len = t->iov[t->at].iov_len - t->off;
    return len < t->total - t->done ? len : t->total - t->done;
}

static void transfer_advance(transfer *t, size_t len)
{
    t->done += len;
    t->off += len;
}

/* How a wait for a socket begins and goes on. */
typedef struct rest {
    sock *s;
    waiter *waiter;
    uint32_t events;
    nod_usec until;
    bool dont_wait, glanced;
} rest;

static void rest_init(rest *p, sock *s, uint32_t events, nod_usec patience, bool dont_wait)
{
    *p = (rest){.s = s, .events = events, .dont_wait = dont_wait || s->nonblocking};
    p->until = patience == NOD_NEVER ? NOD_NEVER : net_now() + patience;
}

/* 0: look again. Else an errno: EAGAIN, EINTR, ENETDOWN. A signal ends a transfer that has done
 * something, whatever SA_RESTART says. */
static int rest_here(rest *p, const transfer *t)
{
    if (p->dont_wait) {
        if (p->glanced || net_now() - nod_net->driven_at < GLANCE_US) return EAGAIN;
        p->glanced = true;
        net_glance();
        return 0;
    }
    if (net_now() >= p->until) return EAGAIN;
    if (!p->waiter) {
        p->waiter = net_waiter();
        if (!p->waiter) return errno;
        watch_add(&p->waiter->own, &p->s->file, p->waiter, p->events);
    }
    int woken = net_sleep(p->waiter, p->until, NULL, 0, NULL);
    if (woken == -ENETDOWN) return ENETDOWN;
    if (woken == -EINTR && (t->done > 0 || p->until != NOD_NEVER || !net_restarts())) return EINTR;
    return 0;
}

static void rest_end(rest *p)
{
    if (p->waiter) watch_remove(&p->waiter->own);
}

/* Receiving. */

/* With MSG_TRUNC the user's memory is not touched. */
static ptrdiff_t take_piece(sock *s, transfer *t, uint8_t *bytes, size_t len)
{
    uint8_t nowhere[4096];
    if (t->flags & MSG_TRUNC) {
        bytes = nowhere;
        if (len > sizeof nowhere) len = sizeof nowhere;
    }
    if (t->flags & MSG_PEEK)
        return nod_tcp_peek(nod_net->stack, s->handle, t->done + t->skip, bytes, len);
    ptrdiff_t got = nod_tcp_receive(nod_net->stack, s->handle, bytes, len);
    if (s->urgent && got > 0) urgent_consumed(s, (size_t)got);
    return got;
}

/* What there is. 0, or an errno; EPIPE stands for the end of the stream. */
static int take_some(sock *s, transfer *t)
{
    uint8_t *bytes;
    size_t len;
    while ((len = transfer_piece(t, &bytes)) > 0) {
        /* Who is just being told of it fetches it first. */
        if (s->urgent && urgent_is_hole(s) && net_is_signalled()) return t->done ? 0 : EAGAIN;
        if (s->urgent && urgent_stops(s, t->done, t->flags & MSG_PEEK, &t->skip, &len)) return 0;
        ptrdiff_t got = take_piece(s, t, bytes, len);
        if (got == 0) return EPIPE;
        if (got == NOD_EAGAIN) return s->shut_read ? EPIPE : EAGAIN;
        if (got < 0) {
            socket_fail(s, (int)got);
            int error = t->done ? 0 : socket_take_error(s);
            return error ? error : EPIPE;
        }
        transfer_advance(t, (size_t)got);
    }
    return 0;
}

/* Who asks for nothing hears whether there is something. */
static int take_nothing(sock *s)
{
    uint8_t byte;
    const struct iovec iov = {&byte, 1};
    transfer look = {.iov = &iov, .count = 1, .flags = MSG_PEEK, .total = 1};
    return take_some(s, &look);
}

static int receive_once(sock *s, transfer *t)
{
    int error;
    switch ((enum socket_state)s->state) {
    case SOCKET_FRESH:
    case SOCKET_BOUND:
        error = socket_take_error(s);
        return error ? error : s->shut_read ? EPIPE : ENOTCONN;
    case SOCKET_LISTENING: return ENOTCONN;
    case SOCKET_CONNECTING: return EAGAIN;
    case SOCKET_CONNECTED:
    case SOCKET_DEAD: break;
    }
    if (!s->handle) return ENOTCONN;
    return t->total > 0 ? take_some(s, t) : take_nothing(s);
}

static int receive_urgent(sock *s, transfer *t)
{
    uint8_t octet, *bytes;
    int error = urgent_receive(s, &octet, t->flags & MSG_PEEK);
    if (error) return error == EPIPE ? 0 : error;
    if (transfer_piece(t, &bytes) == 0) return 0;
    if (!(t->flags & MSG_TRUNC)) *bytes = octet;
    transfer_advance(t, 1);
    return 0;
}

/* A read that wants more than there is begins anew when it peeks. */
static int receive_here(sock *s, transfer *t)
{
    rest p;
    int error;
    size_t target = t->flags & MSG_WAITALL ? t->total : s->lowat_read;
    if (target > t->total) target = t->total;
    if (t->flags & MSG_OOB) return s->state == SOCKET_LISTENING ? ENOTCONN : receive_urgent(s, t);
    if (t->flags & MSG_ERRQUEUE) return EAGAIN;
    rest_init(&p, s, POLLIN | POLLRDHUP, s->read_timeout, t->flags & MSG_DONTWAIT);
    for (;;) {
        error = receive_once(s, t);
        if (error != EAGAIN || (t->total > 0 && t->done >= target)) break;
        if (p.dont_wait && t->done > 0) break;
        error = rest_here(&p, t);
        if (error) break;
        if (t->flags & MSG_PEEK) {
            t->done = t->off = t->skip = 0;
            t->at = 0;
        }
    }
    rest_end(&p);
    return t->done > 0 || error == EPIPE ? 0 : error;
}

/* Finds the socket, runs the transfer, and lets go. */
static ssize_t run(int fd, transfer *t, int error, int (*act)(sock *s, transfer *t))
{
    if (!net_enter()) return -1;
    sock *s = as_socket(file_at(fd));
    if (!s) error = EBADF;
    if (!error) {
        file_ref(&s->file); /* another thread may close it while we wait */
        error = act(s, t);
        file_unref(&s->file);
    }
    net_leave();
    if (!error) return (ssize_t)t->done;
    errno = error;
    return -1;
}

ssize_t transfer_in(int fd, const struct iovec *iov, int count, int flags)
{
    transfer t;
    int error = transfer_init(&t, iov, count, flags, true);
    return run(fd, &t, error, receive_here);
}

/* As files have it: to read or write no bytes is no error, whatever the socket's state. */
static bool is_nothing(const struct iovec *iov, int count)
{
    transfer t;
    return transfer_init(&t, iov, count, 0, false) == 0 && t.total == 0;
}

ssize_t nod_readv(int fd, const struct iovec *iov, int count)
{
    if (!nod_is_socket(fd)) return syscall(SYS_readv, fd, iov, count);
    return is_nothing(iov, count) ? 0 : transfer_in(fd, iov, count, 0);
}

ssize_t nod_read(int fd, void *buf, size_t len)
{
    if (!nod_is_socket(fd)) return sys_read(fd, buf, len);
    const struct iovec iov = {buf, len};
    return len > 0 ? transfer_in(fd, &iov, 1, 0) : 0;
}

ssize_t nod_recv(int fd, void *buf, size_t len, int flags)
{
    return nod_recvfrom(fd, buf, len, flags, NULL, NULL);
}

ssize_t nod_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                     socklen_t *addr_len)
{
    if (!nod_is_socket(fd)) return sys_recvfrom(fd, buf, len, flags, addr, addr_len);
    const struct iovec iov = {buf, len};
    ssize_t got = transfer_in(fd, &iov, 1, flags);
    if (got < 0 || !addr) return got;
    if (is_bad_to_write(addr_len) || (int)*addr_len < 0) {
        errno = is_bad_to_write(addr_len) ? EFAULT : EINVAL;
        return -1;
    }
    *addr_len = 0; /* a stream names no sender */
    return got;
}

/* Sending. */

static int put_some(sock *s, transfer *t)
{
    uint8_t *bytes;
    size_t len;
    while ((len = transfer_piece(t, &bytes)) > 0) {
        bool more = s->cork || t->flags & MSG_MORE || len < t->total - t->done;
        unsigned flags = (more ? NOD_SEND_MORE : 0u) | (t->flags & MSG_OOB ? NOD_SEND_URGENT : 0u);
        ptrdiff_t put = nod_tcp_send(nod_net->stack, s->handle, bytes, len, flags);
        if (put == NOD_EAGAIN) return EAGAIN;
        if (put == NOD_ENOMEM) return ENOBUFS; /* nothing tells when there is some again */
        if (put < 0) {
            socket_fail(s, (int)put);
            int error = socket_take_error(s);
            return error ? error : EPIPE;
        }
        transfer_advance(t, (size_t)put);
        if ((size_t)put < len) return EAGAIN;
    }
    return 0;
}

static int send_once(sock *s, transfer *t)
{
    int error;
    switch ((enum socket_state)s->state) {
    case SOCKET_CONNECTING: return EAGAIN;
    case SOCKET_CONNECTED:
        if (s->shut_write) return EPIPE;
        return put_some(s, t);
    case SOCKET_FRESH:
    case SOCKET_BOUND:
    case SOCKET_DEAD: error = socket_take_error(s); return error ? error : EPIPE;
    case SOCKET_LISTENING: break;
    }
    return EPIPE;
}

static int send_here(sock *s, transfer *t)
{
    rest p;
    int error;
    rest_init(&p, s, POLLOUT, s->write_timeout, t->flags & MSG_DONTWAIT);
    while ((error = send_once(s, t)) == EAGAIN) {
        if (p.dont_wait && t->done > 0) break;
        error = rest_here(&p, t);
        if (error) break;
    }
    rest_end(&p);
    return t->done > 0 ? 0 : error;
}

ssize_t transfer_out(int fd, const struct iovec *iov, int count, int flags)
{
    transfer t;
    int error = transfer_init(&t, iov, count, flags & ~MSG_TRUNC, false);
    ssize_t put = run(fd, &t, error, send_here);
    if (put < 0 && errno == EPIPE && !(flags & MSG_NOSIGNAL)) {
        raise(SIGPIPE);
        errno = EPIPE;
    }
    return put;
}

ssize_t nod_writev(int fd, const struct iovec *iov, int count)
{
    if (!nod_is_socket(fd)) return syscall(SYS_writev, fd, iov, count);
    return is_nothing(iov, count) ? 0 : transfer_out(fd, iov, count, 0);
}

ssize_t nod_write(int fd, const void *buf, size_t len)
{
    if (!nod_is_socket(fd)) return sys_write(fd, buf, len);
    const struct iovec iov = {(void *)(uintptr_t)buf, len};
    return transfer_out(fd, &iov, 1, 0);
}

ssize_t nod_send(int fd, const void *buf, size_t len, int flags)
{
    return nod_sendto(fd, buf, len, flags, NULL, 0);
}

ssize_t nod_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
                   socklen_t addr_len)
{
    if (!nod_is_socket(fd)) return sys_sendto(fd, buf, len, flags, addr, addr_len);
    if (addr && addr_len > sizeof(struct sockaddr_storage)) {
        errno = EINVAL;
        return -1;
    }
    if (addr && addr_len > 0 && is_bad(addr)) {
        errno = EFAULT;
        return -1;
    }
    const struct iovec iov = {(void *)(uintptr_t)buf, len};
    return transfer_out(fd, &iov, 1, flags);
}
