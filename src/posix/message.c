/* Messages: of nod's sockets, and of others that may carry descriptors of nod's (SCM_RIGHTS). */
#include <errno.h>
#include <string.h>

#include "net.h"
#include "sys.h"

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
        ssize_t sent = sys_sendmsg(fd, msg, flags);
        if (sent < 0) each_descriptor(msg, file_unsend);
        return sent;
    }
    if (is_bad(msg)) {
        errno = EFAULT;
        return -1;
    }
    if (msg->msg_iovlen > TRANSFER_PARTS || (int)msg->msg_namelen < 0) {
        errno = msg->msg_iovlen > TRANSFER_PARTS ? EMSGSIZE : EINVAL;
        return -1;
    }
    bool says_more = msg->msg_control && msg->msg_controllen > 0;
    if (says_more && is_connected(fd) && !is_control_fine(msg)) {
        errno = EINVAL;
        return -1;
    }
    return transfer_out(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
}

ssize_t nod_recvmsg(int fd, struct msghdr *msg, int flags)
{
    ssize_t got;
    if (!nod_is_socket(fd)) {
        got = sys_recvmsg(fd, msg, flags);
        if (got >= 0) each_descriptor(msg, flags & MSG_PEEK ? file_peek : file_receive);
        return got;
    }
    if (is_bad(msg)) {
        errno = EFAULT;
        return -1;
    }
    if (msg->msg_iovlen > TRANSFER_PARTS) {
        errno = EMSGSIZE;
        return -1;
    }
    got = transfer_in(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
    if (got < 0) return got;
    msg->msg_namelen = 0;
    msg->msg_controllen = 0;
    msg->msg_flags = flags & MSG_OOB ? MSG_OOB | (got == 0 ? MSG_TRUNC : 0) : 0;
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
