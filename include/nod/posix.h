/* nod/posix.h: sockets. The calls of POSIX by their own names with `nod_` before them, and the
 * same meanings, results and errno; TCP sockets are nod's, every other descriptor passes to the
 * kernel untouched. Departures are in doc/deviations.md. In libnod-posix.
 *
 * A network is one stack on one link. It lives in memory that can be shared: a process that
 * forks shares its network with its child, as it does with the kernel, and a program that is
 * executed finds it again (nod_net_export, nod_net_import). A socket's descriptor is a
 * descriptor of the kernel's, so numbers never collide, and dup, close-on-exec, RLIMIT_NOFILE and
 * SCM_RIGHTS work on it as on any other; what it says about being ready is for the calls of this
 * header only.
 *
 * The thread that waits in a call drives the stack itself. Where nobody waits, a helper does: a
 * thread of this library's, or a process that calls nod_net_serve. */
#ifndef NOD_POSIX_H
#define NOD_POSIX_H

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "nod/link.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nod_net_config {
    const nod_config *stack; /* NULL: the defaults. A secret of zeros is drawn from the system */
    /* The device: a TUN that is made as nod_link_tun does it, or with `device` >= 0 a
     * descriptor that gives and takes packets as a TUN does (with a virtio header before each
     * when tun.offload is set), which becomes the network's. */
    nod_tun_config tun;
    int device;
    nod_addr own4, own6;         /* the stack's addresses; family 0: none. Prefixes as tun's */
    nod_addr gateway4, gateway6; /* where all other addresses are reached; family 0: nowhere */
    /* Bytes at most for everything, of address space at once, of memory as they are needed; a
     * quarter is the stack's. 0: 8 GiB, or less where the system does not give so much. */
    size_t memory;
    const char *name; /* what `nod ss` calls it; NULL: the program's name */
    bool no_helper;   /* the caller runs nod_net_serve */
} nod_net_config;

/* Fills in a TUN with offload, 10.110.111.2/24 and fd6e:6f64::2/64, and the kernel at ".1". */
void nod_net_config_default(nod_net_config *config);

/* Makes a network and makes it this process's own: from here on nod_socket makes TCP sockets on
 * it. Returns 0, or NOD_EPERM, NOD_EUNSUPPORTED, NOD_EINVAL, NOD_EEXIST (there is one already),
 * NOD_ENOMEM, NOD_EIO, with a sentence in why[NOD_LINK_WHY]. */
int nod_net_start(const nod_net_config *config, char *why);

/* Waits up to `patience` until all that was said has been heard (connections in TIME-WAIT do not
 * count), then lets go. Sockets that are still open are gone after it. */
void nod_net_stop(nod_usec patience);

/* The words, for an environment variable or a command line, by which a program that is executed
 * finds the network again; descriptors that it needs are inherited. Returns their length, 0
 * without a network. */
#define NOD_NET_WORDS 128
size_t nod_net_export(char words[NOD_NET_WORDS]);
/* Joins the network that the words name. 0, NOD_EINVAL (no such words), NOD_EIO (the descriptors
 * are gone), NOD_ENOMEM (the memory's place is taken). */
int nod_net_import(const char *words, char *why);

/* Drives the network whenever nobody else does, until the descriptor `until` is readable (-1: for
 * ever) or `deadline` is past. Also answers `nod ss` and `nod stat`, and lets go of what processes
 * that died have left. Returns true when `until` became readable. */
bool nod_net_serve(int until, nod_usec deadline);

/* How many connections still have something to say or to hear (TIME-WAIT and listeners not
 * counted). */
unsigned nod_net_busy(void);

/* Whether a descriptor is a TCP socket or an epoll instance that nod's calls must be used for:
 * for those who stand between a program and its C library. */
bool nod_is_socket(int fd);
bool nod_is_epoll(int fd); /* one that has, or once had, a socket of nod's in it */
/* A descriptor that the library needs for itself: it must not be closed or replaced. */
bool nod_is_private(int fd);

int nod_socket(int domain, int type, int protocol);
int nod_bind(int fd, const struct sockaddr *addr, socklen_t len);
int nod_listen(int fd, int backlog);
int nod_accept(int fd, struct sockaddr *addr, socklen_t *len);
int nod_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int nod_connect(int fd, const struct sockaddr *addr, socklen_t len);
int nod_shutdown(int fd, int how);
int nod_close(int fd);
int nod_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int nod_getpeername(int fd, struct sockaddr *addr, socklen_t *len);

ssize_t nod_read(int fd, void *buf, size_t len);
ssize_t nod_write(int fd, const void *buf, size_t len);
ssize_t nod_readv(int fd, const struct iovec *iov, int count);
ssize_t nod_writev(int fd, const struct iovec *iov, int count);
ssize_t nod_recv(int fd, void *buf, size_t len, int flags);
ssize_t nod_send(int fd, const void *buf, size_t len, int flags);
ssize_t nod_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                     socklen_t *addr_len);
ssize_t nod_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
                   socklen_t addr_len);
ssize_t nod_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t nod_sendmsg(int fd, const struct msghdr *msg, int flags);
struct mmsghdr;
int nod_recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout);
int nod_sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags);
ssize_t nod_sendfile(int out, int in, off_t *offset, size_t count);
ssize_t nod_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t len,
                   unsigned flags);

int nod_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int nod_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int nod_fcntl(int fd, int command, unsigned long argument);
int nod_ioctl(int fd, unsigned long request, void *argument);

int nod_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int nod_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
              const sigset_t *mask);
int nod_select(int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout);
int nod_pselect(int count, fd_set *read, fd_set *write, fd_set *except,
                const struct timespec *timeout, const sigset_t *mask);
int nod_epoll_create1(int flags);
int nod_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int nod_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms);
int nod_epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout_ms,
                    const sigset_t *mask);
int nod_epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
                     const sigset_t *mask);

int nod_dup(int fd);
int nod_dup2(int fd, int to);
int nod_dup3(int fd, int to, int flags);
/* fork with the sockets shared, as it must be. */
pid_t nod_fork(void);

/* Takes the descriptors that this thread will need to wait, before a limit forbids it. */
void nod_prepare(void);

/* Before this process's program is replaced (execve), so that the next one finds its sockets. */
void nod_exec_prepare(void);
/* Around posix_spawn and its kin, so that no socket is lost between the parent, which may close
 * it at once, and the child, which has not started yet. `pid` below 1: it was not made. */
void *nod_spawn_prepare(void);
void nod_spawned(void *prepared, pid_t pid);

#ifdef __cplusplus
}
#endif
#endif
