/* The kernel's own calls, below the C library's names: what stands between a program and its C
 * library may have put nod's calls in their place. Results and errno are the C library's. */
#ifndef NOD_POSIX_SYS_H
#define NOD_POSIX_SYS_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SIGSET_BYTES 8 /* of the kernel's, not the C library's */

static inline ssize_t sys_read(int fd, void *buf, size_t len)
{
    return syscall(SYS_read, fd, buf, len);
}

static inline ssize_t sys_write(int fd, const void *buf, size_t len)
{
    return syscall(SYS_write, fd, buf, len);
}

static inline int sys_close(int fd)
{
    return (int)syscall(SYS_close, fd);
}

static inline int sys_socket(int domain, int type, int protocol)
{
    return (int)syscall(SYS_socket, domain, type, protocol);
}

static inline int sys_bind(int fd, const void *addr, socklen_t len)
{
    return (int)syscall(SYS_bind, fd, addr, len);
}

static inline int sys_connect(int fd, const void *addr, socklen_t len)
{
    return (int)syscall(SYS_connect, fd, addr, len);
}

static inline int sys_getsockname(int fd, void *addr, socklen_t *len)
{
    return (int)syscall(SYS_getsockname, fd, addr, len);
}

static inline int sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

static inline int sys_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

static inline ssize_t sys_sendto(int fd, const void *buf, size_t len, int flags, const void *addr,
                                 socklen_t addr_len)
{
    return syscall(SYS_sendto, fd, buf, len, flags, addr, addr_len);
}

static inline ssize_t sys_recvfrom(int fd, void *buf, size_t len, int flags, void *addr,
                                   socklen_t *addr_len)
{
    return syscall(SYS_recvfrom, fd, buf, len, flags, addr, addr_len);
}

static inline ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return syscall(SYS_sendmsg, fd, msg, flags);
}

static inline ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return syscall(SYS_recvmsg, fd, msg, flags);
}

static inline int sys_fcntl(int fd, int command, unsigned long argument)
{
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

static inline int sys_ioctl(int fd, unsigned long request, void *argument)
{
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

static inline int sys_dup3(int fd, int to, int flags)
{
    return (int)syscall(SYS_dup3, fd, to, flags);
}

static inline int sys_epoll_create(void)
{
    return (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
}

static inline int sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

/* `timeout` NULL: for ever. */
static inline int sys_epoll_wait(int epfd, struct epoll_event *events, int max,
                                 const struct timespec *timeout, const sigset_t *mask)
{
    return (int)syscall(SYS_epoll_pwait2, epfd, events, max, timeout, mask, SIGSET_BYTES);
}

/* The kernel writes the time that was left into `timeout`; the copy keeps the caller's. */
static inline int sys_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                           const sigset_t *mask)
{
    struct timespec copy = {0};
    if (timeout) copy = *timeout;
    return (int)syscall(SYS_ppoll, fds, count, timeout ? &copy : NULL, mask, SIGSET_BYTES);
}

#endif
