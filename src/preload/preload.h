/* preload.h: what the object that is preloaded is made of. It stands between a program and its
 * C library: each of the library's calls that may meet a TCP socket is here by its own name,
 * asks nod/posix.h whose descriptor it was given, and calls nod's or the real one.
 *
 * Most of these may be called in a signal handler or after a fork in a program with threads, so
 * nothing here takes a lock or allocates with malloc, but where it says so. */
#ifndef NOD_PRELOAD_H
#define NOD_PRELOAD_H

#include "nod/posix.h"

#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* Seen by the program; everything else in the object is hidden. */
#define EXPORT __attribute__((visibility("default")))

/* glibc's names for calls whose buffers the compiler knows the size of. */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *addr,
                       socklen_t *addr_len);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t room);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list args);

/* clang-format off */
#define PRELOAD_CALLS(X) \
    X(socket) X(bind) X(listen) X(accept) X(accept4) X(connect) X(shutdown) \
    X(getsockname) X(getpeername) X(getsockopt) X(setsockopt) X(sockatmark) \
    X(read) X(write) X(readv) X(writev) X(preadv2) X(pwritev2) X(preadv64v2) X(pwritev64v2) \
    X(recv) X(send) X(recvfrom) X(sendto) X(recvmsg) X(sendmsg) X(recvmmsg) X(sendmmsg) \
    X(sendfile) X(sendfile64) X(splice) \
    X(close) X(close_range) X(dup) X(dup2) X(dup3) X(fcntl) X(fcntl64) X(ioctl) \
    X(poll) X(ppoll) X(select) X(pselect) \
    X(epoll_ctl) X(epoll_wait) X(epoll_pwait) X(epoll_pwait2) \
    X(prctl) X(posix_spawn) X(posix_spawnp) \
    X(execve) X(execvpe) X(fexecve) X(execveat) \
    X(syscall) X(setrlimit) X(prlimit) \
    X(fdopen) X(fileno) X(fileno_unlocked) X(vdprintf) \
    X(__read_chk) X(__recv_chk) X(__recvfrom_chk) X(__poll_chk) X(__ppoll_chk) X(__vdprintf_chk)
/* clang-format on */

enum preload_call {
#define X(name) PRELOAD_##name,
    PRELOAD_CALLS(X)
#undef X
        PRELOAD_COUNT,
};

/* real.c: the C library's own. Where it lacks a call, one that says ENOSYS. */
extern void *preload_reals[PRELOAD_COUNT];
void *preload_find(enum preload_call call);

static inline void *preload_real(enum preload_call call)
{
    void *found = __atomic_load_n(&preload_reals[call], __ATOMIC_RELAXED);
    return found ? found : preload_find(call);
}
#define REAL(name) ((__typeof__(&name))preload_real(PRELOAD_##name))

/* raw.c: the C library's `syscall`, which nod's own calls go by. */
long preload_syscall(long number, ...);

/* descriptors.c: whether the descriptor is for nod's calls: a socket, or an epoll instance. */
bool preload_is_ours(int fd);

/* A pointer that leads nowhere, for the kernel to refuse. */
static inline bool preload_is_bad(const void *ptr)
{
    return (uintptr_t)ptr < 65536 || (uintptr_t)ptr >> 47 != 0;
}

/* start.c: a sentence on standard error, after "nod: ". */
void preload_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Our own path, and "NOD_NET=..." as it is to be. */
extern char preload_path[], preload_net_variable[];

/* stdio.c: a descriptor number has come to mean something else: if it is 0, 1 or 2, the
 * program's standard stream goes to nod or back to the C library's. */
void preload_follow(int fd);

/* environment.c: `env` with what a program needs to find the network again. Returns `env` itself
 * when it has all that, or no memory is left; else a copy that preload_env_free lets go. */
char **preload_env(char *const env[]);
void preload_env_free(char **made, char *const env[]);

#endif
