/* Bytes in and out. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drill.h"

#define PIECE 65536

static bool is_bad(const struct iovec *iov, int count)
{
    for (int i = 0; i < count; i++)
        if (!iov[i].iov_base && iov[i].iov_len > 0) return true;
    return false;
}

static size_t total_of(const struct iovec *iov, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++) total += iov[i].iov_len;
    return total;
}

/* The next piece of the user's memory, `done` bytes on. */
static size_t piece(const struct iovec *iov, int count, size_t done, uint8_t **bytes)
{
    for (int i = 0; i < count; i++) {
        if (done < iov[i].iov_len) {
            *bytes = (uint8_t *)iov[i].iov_base + done;
            return iov[i].iov_len - done;
        }
        done -= iov[i].iov_len;
    }
    return 0;
}

/* A number of bytes, or minus an errno. */

static ssize_t take(sock *s, const struct iovec *iov, int count, int flags)
{
    size_t done = 0, len;
    uint8_t *bytes;
    while ((len = piece(iov, count, done, &bytes)) > 0) {
        ptrdiff_t got = flags & MSG_PEEK ? nod_tcp_peek(world_stack(), s->handle, done, bytes, len)
                                         : nod_tcp_receive(world_stack(), s->handle, bytes, len);
        if (got <= 0 && done > 0) break;
        if (got == 0) return 0;
        if (got == NOD_EAGAIN) return s->shut_read ? 0 : -EAGAIN;
        if (got < 0) {
            socket_fail(s, (int)got);
            return -socket_take_error(s);
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static ssize_t receive(sock *s, const struct iovec *iov, int count, int flags)
{
    if (s->state == SOCKET_CONNECTING && !s->nonblocking)
        while (s->state == SOCKET_CONNECTING && world_wait(NOD_NEVER)) continue;
    if (s->state == SOCKET_CONNECTING) return -EAGAIN;
    if (s->state == SOCKET_DEAD && !s->handle) return -socket_take_error(s);
    if (s->state != SOCKET_CONNECTED && s->state != SOCKET_DEAD) return -ENOTCONN;
    for (;;) {
        ssize_t got = take(s, iov, count, flags);
        if (got != -EAGAIN || s->nonblocking || flags & MSG_DONTWAIT) return got;
        if (!world_wait(NOD_NEVER)) return -EAGAIN;
    }
}

static ssize_t finish(ssize_t done)
{
    world_leave();
    if (done >= 0) return done;
    errno = (int)-done;
    return -1;
}

static ssize_t receive_here(int fd, const struct iovec *iov, int count, int flags)
{
    world_enter();
    sock *s = socket_at(fd);
    if (!s) {
        world_leave();
        return readv(fd, iov, count);
    }
    if (is_bad(iov, count)) return finish(-EFAULT);
    return finish(receive(s, iov, count, flags));
}

/* Sending. */

static int wait_connected(sock *s, int flags)
{
    while (s->state == SOCKET_CONNECTING) {
        if (s->nonblocking || flags & MSG_DONTWAIT) return EAGAIN;
        if (!world_wait(NOD_NEVER)) return EAGAIN;
    }
    if (s->error) return socket_take_error(s);
    return s->state == SOCKET_CONNECTED && !s->shut_write ? 0 : EPIPE;
}

/* What there is room for: bytes, or minus an errno. */
static ssize_t put(sock *s, const struct iovec *iov, int count, size_t done, unsigned flags)
{
    uint8_t *bytes = NULL;
    size_t len = piece(iov, count, done, &bytes);
    if (len < total_of(iov, count) - done) flags |= NOD_SEND_MORE;
    ptrdiff_t put = nod_tcp_send(world_stack(), s->handle, bytes, len, flags);
    if (put >= 0 || put == NOD_EAGAIN) return put >= 0 ? put : -EAGAIN;
    if (put == NOD_ECLOSING) return -EPIPE;
    socket_fail(s, (int)put);
    int error = socket_take_error(s);
    return error ? -error : -EPIPE;
}

static ssize_t transmit(sock *s, const struct iovec *iov, int count, int flags)
{
    size_t done = 0, total = total_of(iov, count);
    unsigned more = flags & MSG_MORE || s->cork ? NOD_SEND_MORE : 0;
    int error = wait_connected(s, flags);
    if (error) return -error;
    while (done < total) {
        ssize_t put_now = put(s, iov, count, done, more);
        if (put_now > 0) {
            done += (size_t)put_now;
            continue;
        }
        if (put_now != -EAGAIN && put_now != 0) return done ? (ssize_t)done : put_now;
        if (s->nonblocking || flags & MSG_DONTWAIT) return done ? (ssize_t)done : -EAGAIN;
        /* As Linux has it: whoever waits for room waits for a good deal of it. */
        do {
            if (!world_wait(NOD_NEVER)) return done ? (ssize_t)done : -EAGAIN;
        } while (s->state == SOCKET_CONNECTED && !socket_has_room(s));
    }
    return (ssize_t)done;
}

static ssize_t transmit_here(int fd, const struct iovec *iov, int count, int flags)
{
    world_enter();
    sock *s = socket_at(fd);
    if (!s) {
        world_leave();
        return writev(fd, iov, count);
    }
    if (is_bad(iov, count)) return finish(-EFAULT);
    return finish(transmit(s, iov, count, flags));
}

/* The calls. */

ssize_t drill_readv(void *ud, int fd, const struct iovec *iov, int count)
{
    (void)ud;
    return receive_here(fd, iov, count, 0);
}

ssize_t drill_writev(void *ud, int fd, const struct iovec *iov, int count)
{
    (void)ud;
    return transmit_here(fd, iov, count, 0);
}

ssize_t drill_recv(void *ud, int fd, void *buf, size_t len, int flags)
{
    (void)ud;
    const struct iovec iov = {buf, len};
    return receive_here(fd, &iov, 1, flags);
}

ssize_t drill_read(void *ud, int fd, void *buf, size_t len)
{
    return drill_recv(ud, fd, buf, len, 0);
}

ssize_t drill_recvfrom(void *ud, int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                       socklen_t *addr_len)
{
    if (addr && addr_len) *addr_len = 0; /* a connection has no sender */
    return drill_recv(ud, fd, buf, len, flags);
}

ssize_t drill_recvmsg(void *ud, int fd, struct msghdr *msg, int flags)
{
    (void)ud;
    ssize_t got = receive_here(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
    if (got < 0) return got;
    msg->msg_namelen = 0;
    msg->msg_controllen = 0;
    msg->msg_flags = 0;
    return got;
}

ssize_t drill_send(void *ud, int fd, const void *buf, size_t len, int flags)
{
    (void)ud;
    const struct iovec iov = {(void *)buf, len};
    return transmit_here(fd, &iov, 1, flags);
}

ssize_t drill_write(void *ud, int fd, const void *buf, size_t len)
{
    return drill_send(ud, fd, buf, len, 0);
}

ssize_t drill_sendto(void *ud, int fd, const void *buf, size_t len, int flags,
                     const struct sockaddr *addr, socklen_t addr_len)
{
    (void)addr;
    (void)addr_len;
    return drill_send(ud, fd, buf, len, flags);
}

ssize_t drill_sendmsg(void *ud, int fd, const struct msghdr *msg, int flags)
{
    (void)ud;
    return transmit_here(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
}

/* Between a pipe and a socket; what the pipe does not take is lost to nobody, for it was only
 * looked at. */
static ssize_t splice_in(int in, int out, size_t len, uint8_t *bytes, int flags)
{
    ssize_t got = drill_recv(NULL, in, bytes, len < PIECE ? len : PIECE, flags | MSG_PEEK);
    if (got <= 0) return got;
    ssize_t put = write(out, bytes, (size_t)got);
    return put > 0 ? drill_recv(NULL, in, bytes, (size_t)put, 0) : put;
}

ssize_t drill_splice(int in, int out, size_t len, unsigned flags)
{
    uint8_t *bytes = malloc(PIECE);
    int wait = flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0;
    if (!bytes) return -1;
    world_enter();
    bool from_socket = socket_at(in) != NULL;
    world_leave();
    ssize_t done;
    if (from_socket) {
        done = splice_in(in, out, len, bytes, wait);
    } else {
        done = read(in, bytes, len < PIECE ? len : PIECE);
        if (done > 0) done = drill_send(NULL, out, bytes, (size_t)done, 0);
    }
    free(bytes);
    return done;
}
