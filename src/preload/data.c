/* Bytes to and from sockets. */
#include "preload.h"

#include <fcntl.h>

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    return nod_is_socket(fd) ? nod_read(fd, buf, len) : REAL(read)(fd, buf, len);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    return nod_is_socket(fd) ? nod_write(fd, buf, len) : REAL(write)(fd, buf, len);
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
    return nod_is_socket(fd) ? nod_readv(fd, iov, count) : REAL(readv)(fd, iov, count);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
    return nod_is_socket(fd) ? nod_writev(fd, iov, count) : REAL(writev)(fd, iov, count);
}

/* Only with "where it is now" for an offset do these work on a socket; pread and its like never
 * do, and the kernel says so of the descriptor. */
static bool as_stream(int fd, off_t offset, int flags)
{
    return offset == -1 && (flags & ~RWF_NOWAIT) == 0 && nod_is_socket(fd);
}

static ssize_t read_now(int fd, const struct iovec *iov, int count, int flags)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    return flags & RWF_NOWAIT ? nod_recvmsg(fd, &msg, MSG_DONTWAIT) : nod_readv(fd, iov, count);
}

static ssize_t write_now(int fd, const struct iovec *iov, int count, int flags)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    return flags & RWF_NOWAIT ? nod_sendmsg(fd, &msg, MSG_DONTWAIT) : nod_writev(fd, iov, count);
}

EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    return as_stream(fd, offset, flags) ? read_now(fd, iov, count, flags)
                                        : REAL(preadv2)(fd, iov, count, offset, flags);
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
    return as_stream(fd, offset, flags) ? read_now(fd, iov, count, flags)
                                        : REAL(preadv64v2)(fd, iov, count, offset, flags);
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    return as_stream(fd, offset, flags) ? write_now(fd, iov, count, flags)
                                        : REAL(pwritev2)(fd, iov, count, offset, flags);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
    return as_stream(fd, offset, flags) ? write_now(fd, iov, count, flags)
                                        : REAL(pwritev64v2)(fd, iov, count, offset, flags);
}

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    return nod_is_socket(fd) ? nod_recv(fd, buf, len, flags) : REAL(recv)(fd, buf, len, flags);
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    return nod_is_socket(fd) ? nod_send(fd, buf, len, flags) : REAL(send)(fd, buf, len, flags);
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                        socklen_t *addr_len)
{
    return nod_is_socket(fd) ? nod_recvfrom(fd, buf, len, flags, addr, addr_len)
                             : REAL(recvfrom)(fd, buf, len, flags, addr, addr_len);
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
                      socklen_t addr_len)
{
    return nod_is_socket(fd) ? nod_sendto(fd, buf, len, flags, addr, addr_len)
                             : REAL(sendto)(fd, buf, len, flags, addr, addr_len);
}

/* Over a Unix socket a message may carry descriptors of nod's. */
static bool may_carry(const struct msghdr *msg)
{
    return !preload_is_bad(msg) && msg->msg_control && msg->msg_controllen > 0;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    return nod_is_socket(fd) || may_carry(msg) ? nod_recvmsg(fd, msg, flags)
                                               : REAL(recvmsg)(fd, msg, flags);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return nod_is_socket(fd) || may_carry(msg) ? nod_sendmsg(fd, msg, flags)
                                               : REAL(sendmsg)(fd, msg, flags);
}

EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags,
                    struct timespec *timeout)
{
    return nod_is_socket(fd) ? nod_recvmmsg(fd, msgs, count, flags, timeout)
                             : REAL(recvmmsg)(fd, msgs, count, flags, timeout);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
    return nod_is_socket(fd) ? nod_sendmmsg(fd, msgs, count, flags)
                             : REAL(sendmmsg)(fd, msgs, count, flags);
}

EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    return nod_is_socket(out) || nod_is_socket(in) ? nod_sendfile(out, in, offset, count)
                                                   : REAL(sendfile)(out, in, offset, count);
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
    return nod_is_socket(out) || nod_is_socket(in) ? nod_sendfile(out, in, offset, count)
                                                   : REAL(sendfile64)(out, in, offset, count);
}

EXPORT ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len,
                      unsigned flags)
{
    return nod_is_socket(in) || nod_is_socket(out)
               ? nod_splice(in, in_offset, out, out_offset, len, flags)
               : REAL(splice)(in, in_offset, out, out_offset, len, flags);
}

/* The fortified names. Where more is asked for than there is room, the C library's own call says
 * so and ends the program. */

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    return len <= room && nod_is_socket(fd) ? nod_read(fd, buf, len)
                                            : REAL(__read_chk)(fd, buf, len, room);
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
    return len <= room && nod_is_socket(fd) ? nod_recv(fd, buf, len, flags)
                                            : REAL(__recv_chk)(fd, buf, len, room, flags);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
                              struct sockaddr *addr, socklen_t *addr_len)
{
    return len <= room && nod_is_socket(fd)
               ? nod_recvfrom(fd, buf, len, flags, addr, addr_len)
               : REAL(__recvfrom_chk)(fd, buf, len, room, flags, addr, addr_len);
}

/* Names of the C library's past, which old programs still call. */
#define ALIAS(of) EXPORT __attribute__((nothrow, leaf, alias(#of)))
extern __typeof__(read) __read ALIAS(read);
extern __typeof__(write) __write ALIAS(write);
extern __typeof__(send) __send ALIAS(send);
