/* Those that take or give an address, and those that change what the socket is. */
#include "calls.h"
#include "states.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct sockaddr_storage addr;
static socklen_t addr_len;

static socklen_t *room(int len)
{
    memset(&addr, 0, sizeof addr);
    addr_len = (socklen_t)len;
    return &addr_len;
}

static void say_it(void)
{
    say(" len %d", (int)addr_len);
    say_addr(&addr, addr_len < sizeof addr ? addr_len : sizeof addr);
}

static int bind_family(int fd, int which, socklen_t len)
{
    struct sockaddr_storage any = {.ss_family = (sa_family_t)which};
    return bind(fd, (void *)&any, len);
}

static int connect_family(int fd, int which, socklen_t len)
{
    struct sockaddr_storage to = {.ss_family = (sa_family_t)which};
    return connect(fd, (void *)&to, len);
}

static void asked(void)
{
    EACH(getsockname(fd, (void *)&addr, room(sizeof addr)), say_it());
    EACH(getsockname(fd, (void *)&addr, room(16)), say_it());
    EACH(getsockname(fd, (void *)&addr, room(4)), say(" len %d", (int)addr_len));
    EACH(getsockname(fd, (void *)&addr, room(0)), say(" len %d", (int)addr_len));
    EACH(getsockname(fd, NULL, room(0)), say(" len %d", (int)addr_len));
    EACH(getsockname(fd, (void *)&addr, room(-1)));
    EACH(getpeername(fd, (void *)&addr, room(sizeof addr)), say_it());
    EACH(getpeername(fd, (void *)&addr, room(16)), say_it());
    EACH(getpeername(fd, (void *)&addr, room(4)), say(" len %d", (int)addr_len));
    EACH(getpeername(fd, (void *)&addr, room(0)), say(" len %d", (int)addr_len));
    EACH(getpeername(fd, (void *)&addr, room(-1)));
}

static void bound(void)
{
    const char *any = family == 4 ? "0.0.0.0" : "::";
    EACH(bind_to(fd, any, 0));
    EACH(bind_to(fd, own, 0));
    EACH(bind_to(fd, own, OWN_PORT + 1));
    EACH(bind_to(fd, silent, 0));
    EACH(bind_family(fd, AF_UNSPEC, 16));
    EACH(bind_family(fd, AF_UNIX, 16));
    EACH(bind_family(fd, family == 4 ? AF_INET : AF_INET6, 4));
    EACH(bind_family(fd, family == 4 ? AF_INET : AF_INET6, 0));
    EACH(bind_family(fd, family == 4 ? AF_INET : AF_INET6, 129));
    EACH(bind_family(fd, family == 4 ? AF_INET : AF_INET6, (socklen_t)-1));
}

static void listened(void)
{
    EACH(listen(fd, 0));
    EACH(listen(fd, 5));
    EACH(listen(fd, -1));
    EACH_OPENS(accept(fd, NULL, NULL));
    EACH_OPENS(accept(fd, (void *)&addr, room(sizeof addr)));
    EACH_OPENS(accept(fd, (void *)&addr, room(-1)));
    EACH_OPENS(accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    EACH_OPENS(accept4(fd, NULL, NULL, 0x10));
}

static void connected(void)
{
    EACH(connect_to(fd, kernel, PEER_PORT));
    EACH(connect_to(fd, kernel, PEER_NOBODY));
    EACH(connect_to(fd, silent, PEER_PORT));
    EACH(connect_to(fd, kernel, 0));
    EACH(connect_to(fd, family == 4 ? "255.255.255.255" : "ff02::1", PEER_PORT));
    EACH(connect_to(fd, family == 4 ? "224.0.0.1" : "ff0e::1", PEER_PORT));
    EACH(connect_to(fd, family == 4 ? "10.110.111.255" : "fe80::1", PEER_PORT));
    EACH(connect_to(fd, family == 4 ? "192.0.2.1" : "2001:db8::1", PEER_PORT));
    EACH(connect_to(fd, family == 4 ? "fd6e:6f64::1" : "10.110.111.1", PEER_PORT));
    EACH(connect_family(fd, AF_UNSPEC, 16));
    EACH(connect_family(fd, AF_UNSPEC, 2));
    EACH(connect_family(fd, AF_UNSPEC, 1));
    EACH(connect_family(fd, AF_UNIX, 16));
    EACH(connect_family(fd, family == 4 ? AF_INET : AF_INET6, 4));
    EACH(connect_family(fd, family == 4 ? AF_INET : AF_INET6, 0));
    EACH(connect_family(fd, family == 4 ? AF_INET : AF_INET6, 129));
}

/* The error of a connection is told by the second call. */
static void connected_twice(void)
{
    int fd = enter();
    errno = 0;
    CALL(connect_to(fd, kernel, PEER_NOBODY));
    if (errno == EINPROGRESS) await_events(fd, POLLOUT);
    CALL(connect_to(fd, kernel, PEER_NOBODY));
    leave(fd);
}

static void shut(void)
{
    EACH(shutdown(fd, SHUT_RD));
    EACH(shutdown(fd, SHUT_WR));
    EACH(shutdown(fd, SHUT_RDWR));
    EACH(shutdown(fd, 3));
    EACH(shutdown(fd, -1));
}

static void say_ready(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
    poll(&ready, 1, 0);
    say_events("ready", (unsigned short)ready.revents);
}

/* And what has become of the socket. */
static void shut_and_seen(int how)
{
    char bytes[16];
    int fd = enter();
    CALL(shutdown(fd, how), say_ready(fd));
    if (fd >= 0) await_settled(fd);
    CALL(recv(fd, bytes, sizeof bytes, 0), say_bytes(bytes, got));
    CALL(send(fd, "x", 1, 0));
    CALL(shutdown(fd, how));
    CALL(connect_to(fd, silent, PEER_PORT));
    leave(fd);
}

void calls_names(void)
{
    asked();
    bound();
    listened();
    connected();
    connected_twice();
    shut();
    shut_and_seen(SHUT_RD);
    shut_and_seen(SHUT_WR);
    shut_and_seen(SHUT_RDWR);
    EACH(close(fd));
}
