/* What packetdrill asks of a stack in an object (--so_filename): 32 functions in this order,
 * each of which gets `userdata` first. All are POSIX's calls but three: netdev_send and
 * netdev_receive carry raw IP packets to and from the stack, and time is what usleep and
 * gettimeofday make of it. */
#ifndef NOD_DRILL_INTERFACE_H
#define NOD_DRILL_INTERFACE_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>

struct packetdrill_interface {
    void *userdata;
    void (*free)(void *ud);
    int (*socket)(void *ud, int domain, int type, int protocol);
    int (*bind)(void *ud, int fd, const struct sockaddr *addr, socklen_t len);
    int (*listen)(void *ud, int fd, int backlog);
    int (*accept)(void *ud, int fd, struct sockaddr *addr, socklen_t *len);
    int (*connect)(void *ud, int fd, const struct sockaddr *addr, socklen_t len);
    ssize_t (*read)(void *ud, int fd, void *buf, size_t len);
    ssize_t (*readv)(void *ud, int fd, const struct iovec *iov, int count);
    ssize_t (*recv)(void *ud, int fd, void *buf, size_t len, int flags);
    ssize_t (*recvfrom)(void *ud, int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                        socklen_t *addr_len);
    ssize_t (*recvmsg)(void *ud, int fd, struct msghdr *msg, int flags);
    ssize_t (*write)(void *ud, int fd, const void *buf, size_t len);
    ssize_t (*writev)(void *ud, int fd, const struct iovec *iov, int count);
    ssize_t (*send)(void *ud, int fd, const void *buf, size_t len, int flags);
    ssize_t (*sendto)(void *ud, int fd, const void *buf, size_t len, int flags,
                      const struct sockaddr *addr, socklen_t addr_len);
    ssize_t (*sendmsg)(void *ud, int fd, const struct msghdr *msg, int flags);
    int (*fcntl)(void *ud, int fd, int command, ...);
    int (*ioctl)(void *ud, int fd, unsigned long request, ...);
    int (*close)(void *ud, int fd);
    int (*shutdown)(void *ud, int fd, int how);
    int (*getsockopt)(void *ud, int fd, int level, int name, void *value, socklen_t *len);
    int (*setsockopt)(void *ud, int fd, int level, int name, const void *value, socklen_t len);
    int (*poll)(void *ud, struct pollfd *fds, nfds_t count, int timeout_ms);
    /* 0 or -1. */
    int (*netdev_send)(void *ud, const void *packet, size_t len);
    /* *len: room, then the packet's length; 0: none came. 0, or -1: try again. */
    int (*netdev_receive)(void *ud, void *packet, size_t *len, long long *time_us);
    int (*usleep)(void *ud, useconds_t us);
    int (*gettimeofday)(void *ud, struct timeval *time, struct timezone *zone);
    int (*epoll_create)(void *ud, int size);
    int (*epoll_ctl)(void *ud, int epfd, int op, int fd, struct epoll_event *event);
    int (*epoll_wait)(void *ud, int epfd, struct epoll_event *events, int max, int timeout_ms);
    int (*pipe)(void *ud, int ends[2]);
    int (*splice)(void *ud, int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len,
                  unsigned flags);
};

__attribute__((visibility("default"))) void packetdrill_interface_init(
    const char *flags, struct packetdrill_interface *interface);

#endif
