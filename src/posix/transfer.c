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

#define CHUNK (64u * 1024u)
#define IOV_MOST 1024

/* What a transfer is to do, and how far it is. */
typedef struct transfer {
    const struct iovec *iov;
    int count;
    int flags;
    size_t total, done;
    int at;     /* the part that is next */
    size_t off; /* within it */
} transfer;

/* `write`: the memory is to be written to, as receiving does. */
static int transfer_init(transfer *t, const struct iovec *iov, int count, int flags, bool write)
{
    *t = (transfer){.iov = iov, .count = count, .flags = flags};
    if (count < 0 || count > IOV_MOST) return EINVAL;
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
    if (t->flags & MSG_PEEK) return nod_tcp_peek(nod_net->stack, s->handle, t->done, bytes, len);
    return nod_tcp_receive(nod_net->stack, s->handle, bytes, len);
}

/* What there is. 0, or an errno; EPIPE stands for the end of the stream. */
static int take_some(sock *s, transfer *t)
{
    uint8_t *bytes;
    size_t len;
    while ((len = transfer_piece(t, &bytes)) > 0) {
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

/* A read that wants more than there is begins anew when it peeks. */
static int receive_here(sock *s, transfer *t)
{
    rest p;
    int error;
    size_t target = t->flags & MSG_WAITALL ? t->total : s->lowat_read;
    if (target > t->total) target = t->total;
    if (t->flags & MSG_OOB) return s->state == SOCKET_LISTENING ? ENOTCONN : EINVAL;
    if (t->flags & MSG_ERRQUEUE) return EAGAIN;
    rest_init(&p, s, POLLIN | POLLRDHUP, s->read_timeout, t->flags & MSG_DONTWAIT);
    for (;;) {
        error = receive_once(s, t);
        if (error != EAGAIN || (t->total > 0 && t->done >= target)) break;
        if (p.dont_wait && t->done > 0) break;
        error = rest_here(&p, t);
        if (error) break;
        if (t->flags & MSG_PEEK) {
            t->done = t->off = 0;
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

static ssize_t receive(int fd, const struct iovec *iov, int count, int flags)
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
    return is_nothing(iov, count) ? 0 : receive(fd, iov, count, 0);
}

ssize_t nod_read(int fd, void *buf, size_t len)
{
    if (!nod_is_socket(fd)) return sys_read(fd, buf, len);
    const struct iovec iov = {buf, len};
    return len > 0 ? receive(fd, &iov, 1, 0) : 0;
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
    ssize_t got = receive(fd, &iov, 1, flags);
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
        ptrdiff_t put =
            nod_tcp_send(nod_net->stack, s->handle, bytes, len, more ? NOD_SEND_MORE : 0);
        if (put == NOD_EAGAIN || put == NOD_ENOMEM) return EAGAIN;
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
        /* Urgent data: see doc/deviations.md. */
        return t->flags & MSG_OOB ? EOPNOTSUPP : put_some(s, t);
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

static ssize_t transmit(int fd, const struct iovec *iov, int count, int flags)
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
    return is_nothing(iov, count) ? 0 : transmit(fd, iov, count, 0);
}

ssize_t nod_write(int fd, const void *buf, size_t len)
{
    if (!nod_is_socket(fd)) return sys_write(fd, buf, len);
    const struct iovec iov = {(void *)(uintptr_t)buf, len};
    return transmit(fd, &iov, 1, 0);
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
    return transmit(fd, &iov, 1, flags);
}

/* Messages. Those of other sockets may carry descriptors of ours (SCM_RIGHTS). */

static void each_descriptor(const struct msghdr *msg, void (*visit)(int fd))
{
    struct msghdr *m = (struct msghdr *)(uintptr_t)msg;
    if (!nod_net || is_bad(msg) || !msg->msg_controllen || !net_enter()) return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            visit(fd);
        }
    }
    net_leave();
}

/* Control data has no meaning for TCP beyond the kernel's checks of it. */
static bool is_control_fine(const struct msghdr *msg)
{
    struct msghdr *m = (struct msghdr *)(uintptr_t)msg;
    const char *end = (const char *)msg->msg_control + msg->msg_controllen;
    if (is_bad(msg->msg_control)) return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_len < sizeof *c || c->cmsg_len > (size_t)(end - (const char *)c)) return false;
        if (c->cmsg_level != SOL_SOCKET) continue;
        if (c->cmsg_type != SCM_RIGHTS && c->cmsg_type != SCM_CREDENTIALS &&
            c->cmsg_type != SO_MARK && c->cmsg_type != SO_TIMESTAMPING)
            return false;
    }
    return true;
}

/* A stream that more can be said on. */
static bool is_connected(int fd)
{
    if (!net_enter()) return false;
    sock *s = as_socket(file_at(fd));
    bool is = s && s->state == SOCKET_CONNECTED && !s->shut_write;
    net_leave();
    return is;
}

ssize_t nod_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (!nod_is_socket(fd)) {
        each_descriptor(msg, file_send);
        return sys_sendmsg(fd, msg, flags);
    }
    if (is_bad(msg)) {
        errno = EFAULT;
        return -1;
    }
    if (msg->msg_iovlen > IOV_MOST || (int)msg->msg_namelen < 0) {
        errno = msg->msg_iovlen > IOV_MOST ? EMSGSIZE : EINVAL;
        return -1;
    }
    bool says_more = msg->msg_control && msg->msg_controllen > 0;
    if (says_more && is_connected(fd) && !is_control_fine(msg)) {
        errno = EINVAL;
        return -1;
    }
    return transmit(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
}

ssize_t nod_recvmsg(int fd, struct msghdr *msg, int flags)
{
    ssize_t got;
    if (!nod_is_socket(fd)) {
        got = sys_recvmsg(fd, msg, flags);
        if (got >= 0) each_descriptor(msg, file_receive);
        return got;
    }
    if (is_bad(msg)) {
        errno = EFAULT;
        return -1;
    }
    if (msg->msg_iovlen > IOV_MOST) {
        errno = EMSGSIZE;
        return -1;
    }
    got = receive(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
    if (got < 0) return got;
    msg->msg_namelen = 0;
    msg->msg_controllen = 0;
    msg->msg_flags = 0;
    return got;
}

int nod_sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    unsigned done = 0;
    if (!nod_is_socket(fd)) return (int)syscall(SYS_sendmmsg, fd, msgs, count, flags);
    if (count > 0 && is_bad(msgs)) {
        errno = EFAULT;
        return -1;
    }
    for (; done < count; done++) {
        ssize_t put = nod_sendmsg(fd, &msgs[done].msg_hdr, flags);
        if (put < 0) break;
        msgs[done].msg_len = (unsigned)put;
    }
    return done > 0 || count == 0 ? (int)done : -1;
}

/* The error that is waiting is told before anything else. */
static int take_error(int fd)
{
    if (!net_enter()) return errno;
    sock *s = as_socket(file_at(fd));
    int error = s ? socket_take_error(s) : EBADF;
    net_leave();
    return error;
}

static bool is_time(const struct timespec *time)
{
    return !time || (time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < 1000000000);
}

/* The time is looked at after each message only: so it is in Linux. */
static int receive_messages(int fd, struct mmsghdr *msgs, unsigned count, int flags, nod_usec until)
{
    unsigned done = 0;
    while (done < count) {
        int more = done > 0 && flags & MSG_WAITFORONE ? MSG_DONTWAIT : 0;
        ssize_t got = nod_recvmsg(fd, &msgs[done].msg_hdr, (flags & ~MSG_WAITFORONE) | more);
        if (got < 0) break;
        msgs[done++].msg_len = (unsigned)got;
        if (until != NOD_NEVER && nod_clock() >= until) break;
    }
    return done > 0 || count == 0 ? (int)done : -1;
}

int nod_recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout)
{
    if (!nod_is_socket(fd)) return (int)syscall(SYS_recvmmsg, fd, msgs, count, flags, timeout);
    int error = is_time(timeout) ? take_error(fd) : EINVAL;
    if (!error && count > 0 && is_bad(msgs)) error = EFAULT;
    if (error) {
        errno = error;
        return -1;
    }
    nod_usec until = NOD_NEVER, began = nod_clock();
    if (timeout)
        until = began + (nod_usec)timeout->tv_sec * NOD_SEC + (nod_usec)timeout->tv_nsec / 1000;
    int done = receive_messages(fd, msgs, count, flags, until);
    if (timeout && done > 0) { /* Linux tells what is left */
        nod_usec now = nod_clock(), left = until > now ? until - now : 0;
        *timeout = (struct timespec){(time_t)(left / NOD_SEC), (long)(left % NOD_SEC) * 1000};
    }
    return done;
}

/* Files to sockets. */

/* How much a send would take at once; at least 1, so that it is the send that says what is wrong.
 */
static size_t room_of(int fd, bool *waits)
{
    size_t room = CHUNK;
    if (!net_enter()) return 1;
    sock *s = as_socket(file_at(fd));
    *waits = s && !s->nonblocking;
    if (s && s->nonblocking && s->state == SOCKET_CONNECTED) {
        ptrdiff_t free = nod_tcp_writable(nod_net->stack, s->handle);
        room = free > 0 ? (size_t)free : 1;
    }
    net_leave();
    return room;
}

#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

static bool is_pipe(int fd)
{
    struct stat what;
    return fstat(fd, &what) == 0 && S_ISFIFO(what.st_mode);
}

/* A socket to a pipe: what the pipe has taken is consumed. */
static ssize_t splice_out(int in, int out, size_t len, unsigned flags)
{
    uint8_t buf[16 * 1024];
    int dont_wait = flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0;
    ssize_t got = nod_recv(in, buf, len < sizeof buf ? len : sizeof buf, MSG_PEEK | dont_wait);
    if (got <= 0) return got;
    ssize_t put = sys_write(out, buf, (size_t)got);
    return put > 0 ? nod_recv(in, buf, (size_t)put, MSG_TRUNC | MSG_DONTWAIT) : put;
}

ssize_t nod_sendfile(int out, int in, off_t *offset, size_t count)
{
    if (!nod_is_socket(out) && nod_is_socket(in) && !offset && is_pipe(out))
        return count > 0 ? splice_out(in, out, count, 0) : 0;
    if (!nod_is_socket(out)) return syscall(SYS_sendfile, out, in, offset, count);
    if (nod_is_socket(in) || (offset && is_bad(offset))) {
        errno = nod_is_socket(in) ? EINVAL : EFAULT;
        return -1;
    }
    off_t at = offset ? *offset : lseek(in, 0, SEEK_CUR);
    uint8_t *buf = malloc(CHUNK);
    size_t done = 0;
    ssize_t put = 0;
    if (at < 0 || !buf) {
        free(buf);
        if (buf && offset) errno = EINVAL;
        if (buf && errno == ESPIPE) errno = EINVAL; /* a pipe cannot be sent from */
        return -1;
    }
    while (done < count) {
        bool waits = false;
        size_t want = room_of(out, &waits);
        if (want > CHUNK) want = CHUNK;
        if (want > count - done) want = count - done;
        ssize_t got = syscall(SYS_pread64, in, buf, want, at);
        if (got <= 0) {
            put = got;
            break;
        }
        put = nod_send(out, buf, (size_t)got, (size_t)got < count - done ? MSG_MORE : 0);
        if (put <= 0) break;
        done += (size_t)put;
        at += put;
        if (put < got && !waits) break;
    }
    free(buf);
    if (done == 0 && put < 0) return -1;
    if (offset)
        *offset = at;
    else
        lseek(in, at, SEEK_SET);
    return (ssize_t)done;
}

/* A pipe to a socket: no more is taken out of the pipe than the socket has room for. */
static ssize_t splice_in(int in, int out, size_t len)
{
    uint8_t buf[16 * 1024];
    bool waits = false;
    size_t want = room_of(out, &waits);
    if (want > sizeof buf) want = sizeof buf;
    if (want > len) want = len;
    if (!waits && want == 1) {
        struct pollfd poll = {.fd = out, .events = POLLOUT};
        nod_poll(&poll, 1, 0);
        if (!(poll.revents & POLLOUT)) {
            errno = EAGAIN;
            return -1;
        }
    }
    ssize_t got = sys_read(in, buf, want);
    if (got <= 0) return got;
    for (ssize_t done = 0; done < got;) {
        ssize_t put = nod_send(out, buf + done, (size_t)(got - done), 0);
        if (put < 0) return done > 0 ? done : -1;
        done += put;
    }
    return got;
}

ssize_t nod_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t len, unsigned flags)
{
    bool from = nod_is_socket(in), to = nod_is_socket(out);
    if (!from && !to) return syscall(SYS_splice, in, in_offset, out, out_offset, len, flags);
    if (len == 0) return 0;
    if (from ? out_offset : in_offset) {
        errno = ESPIPE;
        return -1;
    }
    if ((from ? in_offset : out_offset) || flags & ~SPLICE_FLAGS || !is_pipe(from ? out : in)) {
        errno = EINVAL;
        return -1;
    }
    return from ? splice_out(in, out, len, flags) : splice_in(in, out, len);
}
