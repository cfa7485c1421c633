/* bind, connect and accept, and who may have which address when. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

static void say_name(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    if (getsockname(fd, (void *)&addr, &len) == 0) say_addr(&addr, len);
}

static void say_peer(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    if (getpeername(fd, (void *)&addr, &len) == 0)
        say(" from"), say_addr(&addr, len);
    else
        say(" %s", say_error(errno));
}

enum { REUSE_ADDR = 1, REUSE_PORT = 2, LISTEN = 4, IP6 = 8, ONLY6 = 16 };

static int prepared(int how)
{
    int fd = socket(how & IP6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (how & REUSE_ADDR) set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (how & REUSE_PORT) set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (how & ONLY6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return fd;
}

/* Two sockets that want the same port, on these addresses. */
static void conflict(const char *first, int how_first, const char *second, int how_second)
{
    say_where("bind %s (%s%s%s%s), then %s (%s%s%s)", first, how_first & REUSE_ADDR ? "addr " : "",
              how_first & REUSE_PORT ? "port " : "", how_first & LISTEN ? "listening " : "",
              how_first & ONLY6 ? "only " : "", second, how_second & REUSE_ADDR ? "addr " : "",
              how_second & REUSE_PORT ? "port " : "", how_second & ONLY6 ? "only " : "");
    int a = prepared(how_first | (strchr(first, ':') ? IP6 : 0));
    int b = prepared(how_second | (strchr(second, ':') ? IP6 : 0));
    CALL(bind_to(a, first, OWN_PORT));
    if (how_first & LISTEN) CALL(listen(a, 5));
    CALL(bind_to(b, second, OWN_PORT), say_name(b));
    CALL(listen(b, 5));
    CALL(bind_to(b, second, 0));
    close(a);
    close(b);
}

static void conflicts(void)
{
    static const char *const pairs[][2] = {
        {"0.0.0.0", "0.0.0.0"},
        {"0.0.0.0", "10.110.111.2"},
        {"10.110.111.2", "0.0.0.0"},
        {"::", "0.0.0.0"},
        {"0.0.0.0", "::"},
        {"10.110.111.2", "10.110.111.2"},
        {"::", "fd6e:6f64::2"},
        {"fd6e:6f64::2", "::"},
        {"::ffff:10.110.111.2", "0.0.0.0"},
        {"::", "10.110.111.2"},
        {"10.110.111.2", "::"},
        {"fd6e:6f64::2", "10.110.111.2"},
        {"fd6e:6f64::2", "fd6e:6f64::2"},
    };
    static const int hows[][2] = {
        {0, 0},
        {REUSE_ADDR, REUSE_ADDR},
        {REUSE_ADDR, 0},
        {REUSE_ADDR | LISTEN, REUSE_ADDR},
        {REUSE_PORT, REUSE_PORT},
        {REUSE_PORT | LISTEN, REUSE_PORT},
        {REUSE_PORT, REUSE_ADDR},
        {ONLY6, ONLY6},
        {LISTEN, LISTEN},
    };
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++)
        for (size_t h = 0; h < sizeof hows / sizeof *hows; h++)
            conflict(pairs[p][0], hows[h][0], pairs[p][1], hows[h][1]);
}

static void bind_once(const char *address, int port, int how)
{
    int fd = prepared(how);
    say_where("bind to %s port %d%s", address, port, how & IP6 ? ", IPv6" : "");
    CALL(bind_to(fd, address, port), say_name(fd));
    CALL(listen(fd, 1), say_name(fd));
    CALL(bind_to(fd, address, port));
    close(fd);
}

void binding(void)
{
    static const char *const addresses[] = {
        "0.0.0.0",         "10.110.111.2", "10.110.111.1",        "10.110.111.255",
        "255.255.255.255", "224.0.0.1",    "192.0.2.1",           "::",
        "fd6e:6f64::2",    "fd6e:6f64::1", "::ffff:0.0.0.0",      "ff02::1",
        "2001:db8::1",     "fe80::1",      "::ffff:10.110.111.2", "::ffff:192.0.2.1",
    };
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        bind_once(addresses[i], 0, 0);
        if (!strchr(addresses[i], ':')) continue;
        bind_once(addresses[i], 0, IP6);
        bind_once(addresses[i], OWN_PORT, IP6);
    }
    conflicts();
    say_where("listen without bind");
    int fd = tcp_nonblocking();
    CALL(listen(fd, 5), say_name(fd));
    close(fd);
    fd = tcp_nonblocking();
    CALL(set(fd, IPPROTO_IP, IP_FREEBIND, 1));
    CALL(bind_to(fd, own, 0), say_name(fd));
    close(fd);
}

/* The port of a connection that lives on, and that of one in TIME-WAIT. */
static void bind_busy(void)
{
    say_where("bind to the port of a connection");
    int conn = accepted();
    for (int how = 0; how < 3; how++) {
        int fd = prepared(how);
        CALL(bind_to(fd, own, OWN_PORT));
        CALL(listen(fd, 3));
        close(fd);
    }
    leave(conn);
    say_where("bind to the port of a connection in TIME-WAIT");
    conn = accepted();
    shutdown(conn, SHUT_WR);
    await_tcp_state(conn, TCP_FIN_WAIT2);
    peer_shut(other);
    await_events(conn, POLLHUP);
    close(conn);
    other = -1;
    leave(-1);
    for (int how = 0; how < 3; how++) {
        int fd = prepared(how);
        CALL(bind_to(fd, own, OWN_PORT));
        CALL(listen(fd, 3));
        close(fd);
    }
    peer_forget();
}

static void connect_blocking(const char *address, int port)
{
    int fd = tcp();
    set_time(fd, SO_SNDTIMEO, 0, 50000);
    CALL(connect_to(fd, address, port), say_peer(fd));
    CALL(connect_to(fd, address, port), say_peer(fd));
    CALL(get(fd, SOL_SOCKET, SO_ERROR, 4), say_option());
    CALL(recv(fd, (char[1]){0}, 1, MSG_DONTWAIT));
    CALL(getpeername(fd, (void *)&(struct sockaddr_storage){0}, &(socklen_t){28}));
    peer_forget();
    close(fd);
}

static void connect_states(void)
{
    int fd = tcp_nonblocking();
    CALL(connect_to(fd, kernel, PEER_PORT));
    await_events(fd, POLLOUT);
    CALL(connect_to(fd, kernel, PEER_PORT), say_peer(fd));
    CALL(connect_to(fd, kernel, PEER_PORT));
    CALL(connect_to(fd, silent, PEER_PORT));
    CALL(get(fd, SOL_SOCKET, SO_ERROR, 4), say_option());
    close(fd);
    fd = tcp_nonblocking();
    CALL(connect_to(fd, silent, PEER_PORT));
    CALL(connect_to(fd, silent, PEER_PORT));
    CALL(connect_to(fd, kernel, PEER_PORT));
    CALL(shutdown(fd, SHUT_WR));
    CALL(connect_to(fd, kernel, PEER_PORT));
    close(fd);
    fd = tcp_nonblocking();
    CALL(connect_to(fd, kernel, PEER_NOBODY));
    await_events(fd, POLLOUT);
    CALL(connect_to(fd, kernel, PEER_NOBODY));
    CALL(connect_to(fd, kernel, PEER_PORT));
    await_events(fd, POLLOUT);
    CALL(connect_to(fd, kernel, PEER_PORT), say_peer(fd));
    close(fd);
    peer_forget();
}

/* Two connections from the port that we chose. */
static void connect_from_port(void)
{
    int a = prepared(REUSE_ADDR | (family == 6 ? IP6 : 0));
    int b = prepared(REUSE_ADDR | (family == 6 ? IP6 : 0));
    CALL(bind_to(a, own, OWN_PORT));
    CALL(bind_to(b, own, OWN_PORT));
    fcntl(a, F_SETFL, 0);
    fcntl(b, F_SETFL, 0);
    CALL(connect_to(a, kernel, PEER_PORT), say_name(a));
    CALL(connect_to(b, kernel, PEER_PORT));
    CALL(connect_to(b, kernel, PEER_TIGHT), say_name(b));
    peer_forget();
    close(a);
    close(b);
}

/* A socket that is used again after connect to AF_UNSPEC. */
static void connect_again(void)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    char bytes[16];
    int fd = established_blocking();
    peer_send(other, 5);
    await_unread(fd, 5);
    CALL(connect(fd, &none, sizeof none), say_name(fd));
    CALL(recv(fd, bytes, sizeof bytes, 0), say_bytes(bytes, got));
    CALL(connect_to(fd, kernel, PEER_PORT), say_peer(fd));
    int conn = peer_accept(PEER_PORT, local_port(fd));
    peer_send(conn, 3);
    CALL(recv(fd, bytes, sizeof bytes, 0), say_bytes(bytes, got));
    leave(fd);
    fd = prepared(0);
    CALL(bind_to(fd, "10.110.111.2", OWN_PORT));
    CALL(listen(fd, 1));
    CALL(connect(fd, &none, sizeof none), say_name(fd));
    CALL(listen(fd, 1));
    close(fd);
}

static void connect_all(void)
{
    connect_blocking(kernel, PEER_PORT);
    connect_blocking(kernel, PEER_NOBODY);
    connect_blocking(silent, PEER_PORT);
    connect_blocking(family == 4 ? "0.0.0.0" : "::", PEER_NOBODY);
    connect_blocking(own, PEER_NOBODY);
    connect_states();
    connect_from_port();
    connect_again();
}

void connecting(void)
{
    connect_all();
    set_family(6);
    say_where("connecting, IPv6");
    connect_all();
    set_family(4);
    bind_busy();
}

/* What a socket that was accepted has of its listener. */
static void inherited(int fd)
{
    CALL(fcntl(fd, F_GETFL));
    CALL(fcntl(fd, F_GETFD));
    CALL(get(fd, SOL_SOCKET, SO_KEEPALIVE, 4), say_option());
    CALL(get(fd, SOL_SOCKET, SO_REUSEADDR, 4), say_option());
    CALL(get(fd, SOL_SOCKET, SO_LINGER, 8), say_option());
    CALL(get(fd, SOL_SOCKET, SO_RCVTIMEO, 16), say_option());
    CALL(get(fd, SOL_SOCKET, SO_RCVBUF, 4), say_option());
    CALL(get(fd, SOL_SOCKET, SO_SNDBUF, 4), say_option());
    CALL(get(fd, SOL_SOCKET, SO_ACCEPTCONN, 4), say_option());
    CALL(get(fd, SOL_SOCKET, SO_RCVLOWAT, 4), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_NODELAY, 4), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_CORK, 4), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_KEEPIDLE, 4), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_KEEPINTVL, 4), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 4), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 4), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_MAXSEG, 4), say_option());
}

static void inheriting(void)
{
    int fd = listener(OWN_PORT);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_linger(fd, 1, 7);
    set_time(fd, SO_RCVTIMEO, 3, 0);
    set(fd, SOL_SOCKET, SO_RCVBUF, 50000);
    set(fd, SOL_SOCKET, SO_SNDBUF, 60000);
    set(fd, SOL_SOCKET, SO_RCVLOWAT, 3);
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, IPPROTO_TCP, TCP_CORK, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 9000);
    set(fd, IPPROTO_TCP, TCP_MAXSEG, 900);
    peer_connect(family, OWN_PORT);
    await_events(fd, POLLIN);
    int conn = OPENED(accept(fd, NULL, NULL));
    inherited(conn);
    set_linger(conn, 1, 0);
    close(conn);
    peer_forget();
    close(fd);
}

static void accept_with_address(void)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    int fd = listener(OWN_PORT);
    CALL(accept(fd, NULL, NULL));
    peer_connect(family, OWN_PORT);
    await_events(fd, POLLIN);
    int conn = OPENED(accept4(fd, (void *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
    say_line("len %u, family %d, %s", len, addr.ss_family,
             local_port(conn) == OWN_PORT ? "our port" : "another port");
    CALL(fcntl(conn, F_GETFL));
    CALL(fcntl(conn, F_GETFD));
    CALL(accept(conn, NULL, NULL));
    CALL(getpeername(conn, (void *)&addr, &len), say(" len %u", len));
    CALL(listen(conn, 1));
    close(conn);
    len = 4;
    peer_connect(family, OWN_PORT);
    await_events(fd, POLLIN);
    conn = OPENED(accept(fd, (void *)&addr, &len));
    say_line("len %u", len);
    close(conn);
    peer_forget();
    close(fd);
}

/* Connections whose peer has already closed, sent, or reset when they are accepted. */
static void accept_late(void)
{
    char bytes[16];
    int fd = listener(OWN_PORT);
    int conn = peer_connect(family, OWN_PORT);
    peer_send(conn, 5);
    peer_shut(conn);
    await_events(fd, POLLIN);
    int in = OPENED(accept4(fd, NULL, NULL, 0));
    CALL(recv(in, bytes, sizeof bytes, MSG_WAITALL), say_bytes(bytes, got));
    CALL(recv(in, bytes, sizeof bytes, 0), say_bytes(bytes, got));
    close(in);
    conn = peer_connect(family, OWN_PORT);
    await_events(fd, POLLIN);
    peer_reset(conn);
    conn = peer_connect(family, OWN_PORT); /* after it in the queue, and on the wire */
    for (int i = 0; i < 2; i++) {
        await_events(fd, POLLIN);
        in = OPENED(accept4(fd, NULL, NULL, SOCK_NONBLOCK));
        CALL(send(in, "x", 1, MSG_NOSIGNAL));
        CALL(get(in, SOL_SOCKET, SO_ERROR, 4), say_option());
        close(in);
    }
    CALL(accept(fd, NULL, NULL));
    peer_forget();
    close(fd);
}

/* More connections than the backlog: the listener goes on when there is room. */
static void accept_many(void)
{
    int fd = listener(OWN_PORT);
    CALL(listen(fd, 3));
    for (int i = 0; i < 4; i++) peer_connect(family, OWN_PORT);
    for (int i = 0; i < 4; i++) {
        await_events(fd, POLLIN);
        int conn = OPENED(accept(fd, NULL, NULL));
        if (conn >= 0) close(conn);
    }
    CALL(accept(fd, NULL, NULL));
    peer_forget();
    close(fd);
}

static void accept_deferred(void)
{
    char bytes[16];
    struct pollfd ready;
    int fd = listener(OWN_PORT);
    CALL(set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5));
    CALL(get(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 4), say_option());
    int conn = peer_connect(family, OWN_PORT);
    ready = (struct pollfd){.fd = fd, .events = POLLIN};
    CALL(poll(&ready, 1, 50));
    peer_send(conn, 4);
    CALL(poll(&ready, 1, 3000), say_events("revents", (unsigned short)ready.revents));
    int in = OPENED(accept4(fd, NULL, NULL, SOCK_NONBLOCK));
    await_unread(in, 4);
    CALL(recv(in, bytes, sizeof bytes, 0), say_bytes(bytes, got));
    close(in);
    peer_forget();
    close(fd);
}

/* What close of a listener does to those that wait in it. */
static void accept_never(void)
{
    int fd = listener(OWN_PORT);
    int conn = peer_connect(family, OWN_PORT);
    await_events(fd, POLLIN);
    close(fd);
    CALL(peer_end(conn));
    peer_forget();
}

void accepting(void)
{
    for (int which = 4; which <= 6; which += 2) {
        set_family(which);
        say_where("accepting, IPv%d", which);
        accept_with_address();
        accept_late();
        accept_many();
        accept_deferred();
        accept_never();
        inheriting();
    }
}

static void dual_accept(int listens, int which)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    int theirs = peer_connect(which, OWN_PORT);
    if (theirs < 0) {
        say_line("the peer could not connect over IPv%d", which);
        return;
    }
    await_events(listens, POLLIN);
    int conn = OPENED(accept(listens, (void *)&addr, &len));
    ((struct sockaddr_in6 *)&addr)->sin6_port = 0xFFFF;
    say_line("len %u", len);
    CALL(getsockname(conn, (void *)&addr, &len), say_addr(&addr, len));
    len = sizeof addr;
    CALL(getpeername(conn, (void *)&addr, &len), say_addr(&addr, len));
    CALL(get(conn, SOL_SOCKET, SO_DOMAIN, 4), say_option());
    CALL(get(conn, IPPROTO_IPV6, IPV6_V6ONLY, 4), say_option());
    CALL(get(conn, IPPROTO_IP, IP_TOS, 4), say_option());
    CALL(send(conn, "x", 1, 0));
    CALL(peer_read(theirs, 1));
    close(conn);
}

static void dual_connect(const char *from, const char *to, int only)
{
    int fd = prepared(IP6 | (only ? ONLY6 : 0));
    say_where("dual stack, from %s to %s%s", from, to, only ? ", only IPv6" : "");
    fcntl(fd, F_SETFL, 0);
    if (*from != '-') CALL(bind_to(fd, from, 0), say_name(fd));
    CALL(connect_to(fd, to, PEER_PORT), say_name(fd), say_peer(fd));
    CALL(set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    CALL(set(fd, IPPROTO_IP, IP_TOS, 8));
    CALL(get(fd, IPPROTO_TCP, TCP_MAXSEG, 4), say_option());
    peer_forget();
    close(fd);
}

void dual_stack(void)
{
    static const char *const binds[] = {"::", "::ffff:10.110.111.2", "fd6e:6f64::2"};
    for (int only = 0; only < 2; only++)
        for (int i = 0; i < 3; i++) {
            int fd = prepared(IP6 | REUSE_ADDR | (only ? ONLY6 : 0));
            say_where("dual stack, %s%s", binds[i], only ? ", only IPv6" : "");
            CALL(bind_to(fd, binds[i], OWN_PORT), say_name(fd));
            CALL(listen(fd, 5), say_name(fd));
            dual_accept(fd, 4);
            dual_accept(fd, 6);
            CALL(set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0));
            close(fd);
            peer_forget();
        }
    static const char *const from[] = {"-", "::", "::ffff:10.110.111.2", "fd6e:6f64::2"};
    static const char *const to[] = {"::ffff:10.110.111.1", "fd6e:6f64::1"};
    for (int f = 0; f < 4; f++)
        for (int t = 0; t < 2; t++)
            for (int only = 0; only < 2; only++) dual_connect(from[f], to[t], only);
}
