/* Making connections: TCP is nod's, every other kind of socket the kernel's. */
#include "preload.h"

#include <linux/sockios.h>
#include <netinet/in.h>

#define KINDS (SOCK_NONBLOCK | SOCK_CLOEXEC)

EXPORT int socket(int domain, int type, int protocol)
{
    bool ip = domain == AF_INET || domain == AF_INET6;
    if (!ip || (type & ~KINDS) != SOCK_STREAM) return REAL(socket)(domain, type, protocol);
    if (protocol == 0 || protocol == IPPROTO_TCP) return nod_socket(domain, type, protocol);
    if (protocol == IPPROTO_MPTCP) {
        /* As on a kernel without it: who asked falls back to TCP. */
        errno = EPROTONOSUPPORT;
        return -1;
    }
    return REAL(socket)(domain, type, protocol);
}

EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    return nod_is_socket(fd) ? nod_bind(fd, addr, len) : REAL(bind)(fd, addr, len);
}

EXPORT int listen(int fd, int backlog)
{
    return nod_is_socket(fd) ? nod_listen(fd, backlog) : REAL(listen)(fd, backlog);
}

EXPORT int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    return nod_is_socket(fd) ? nod_accept(fd, addr, len) : REAL(accept)(fd, addr, len);
}

EXPORT int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    return nod_is_socket(fd) ? nod_accept4(fd, addr, len, flags)
                             : REAL(accept4)(fd, addr, len, flags);
}

EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    return nod_is_socket(fd) ? nod_connect(fd, addr, len) : REAL(connect)(fd, addr, len);
}

EXPORT int shutdown(int fd, int how)
{
    return nod_is_socket(fd) ? nod_shutdown(fd, how) : REAL(shutdown)(fd, how);
}

EXPORT int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    return nod_is_socket(fd) ? nod_getsockname(fd, addr, len) : REAL(getsockname)(fd, addr, len);
}

EXPORT int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    return nod_is_socket(fd) ? nod_getpeername(fd, addr, len) : REAL(getpeername)(fd, addr, len);
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    return nod_is_socket(fd) ? nod_getsockopt(fd, level, name, value, len)
                             : REAL(getsockopt)(fd, level, name, value, len);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return nod_is_socket(fd) ? nod_setsockopt(fd, level, name, value, len)
                             : REAL(setsockopt)(fd, level, name, value, len);
}

EXPORT int sockatmark(int fd)
{
    int mark;
    if (!nod_is_socket(fd)) return REAL(sockatmark)(fd);
    return nod_ioctl(fd, SIOCATMARK, &mark) < 0 ? -1 : mark;
}
