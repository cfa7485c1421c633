#include "states.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char *own, *kernel, *silent;
int family, other = -1;
static const state *current;
static int second = -1, third = -1; /* what else a state needs open */

void set_family(int which)
{
    family = which;
    own = which == 4 ? "10.110.111.2" : "fd6e:6f64::2";
    kernel = which == 4 ? "10.110.111.1" : "fd6e:6f64::1";
    silent = which == 4 ? "10.110.111.77" : "fd6e:6f64::77";
}

socklen_t at(struct sockaddr_storage *out, const char *address, int port)
{
    struct sockaddr_in *four = (void *)out;
    struct sockaddr_in6 *six = (void *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return sizeof *four;
    }
    memset(out, 0, sizeof *out);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    inet_pton(AF_INET6, address, &six->sin6_addr);
    return sizeof *six;
}

int bind_to(int fd, const char *address, int port)
{
    struct sockaddr_storage addr;
    socklen_t len = at(&addr, address, port);
    return bind(fd, (void *)&addr, len);
}

int connect_to(int fd, const char *address, int port)
{
    struct sockaddr_storage addr;
    socklen_t len = at(&addr, address, port);
    return connect(fd, (void *)&addr, len);
}

int local_port(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    getsockname(fd, (void *)&addr, &len);
    return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

int tcp(void)
{
    return socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
}

int tcp_nonblocking(void)
{
    return socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static int connected(int port, int rcvbuf)
{
    int fd = tcp_nonblocking();
    if (rcvbuf) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &rcvbuf, sizeof rcvbuf);
    connect_to(fd, kernel, port);
    await_events(fd, POLLOUT);
    other = peer_accept(port, local_port(fd));
    return fd;
}

int established(void)
{
    return connected(PEER_PORT, 0);
}

int established_blocking(void)
{
    int fd = established();
    fcntl(fd, F_SETFL, 0);
    return fd;
}

int listener(int port)
{
    int fd = tcp_nonblocking(), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind_to(fd, own, port) != 0 || listen(fd, 8) != 0)
        say_line("(no listener: %s)", say_error(errno));
    return fd;
}

static int bound(void)
{
    int fd = tcp_nonblocking(), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bind_to(fd, own, OWN_PORT);
    return fd;
}

static int bound_to_any(void)
{
    int fd = tcp_nonblocking(), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bind_to(fd, family == 4 ? "0.0.0.0" : "::", 0);
    return fd;
}

static int listening(void)
{
    return listener(OWN_PORT);
}

static int listening_with_one(void)
{
    int fd = listener(OWN_PORT);
    other = peer_connect(family, OWN_PORT);
    await_events(fd, POLLIN);
    return fd;
}

int accepted(void)
{
    second = listening_with_one();
    return accept4(second, NULL, NULL, SOCK_NONBLOCK);
}

static int syn_sent(void)
{
    int fd = tcp_nonblocking();
    connect_to(fd, silent, PEER_PORT);
    return fd;
}

static int refused(void)
{
    int fd = tcp_nonblocking();
    connect_to(fd, kernel, PEER_NOBODY);
    await_events(fd, POLLOUT);
    return fd;
}

static int take_error(int fd)
{
    int error;
    socklen_t len = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return fd;
}

static int refused_and_told(void)
{
    return take_error(refused());
}

static int connected_at_once(void) /* the program has not been told yet */
{
    int fd = established();
    return fd;
}

static int unread(void)
{
    int fd = established();
    peer_send(other, 10);
    await_unread(fd, 10);
    return fd;
}

static int peer_closed(void)
{
    int fd = established();
    peer_shut(other);
    await_events(fd, POLLRDHUP);
    return fd;
}

static int peer_closed_unread(void)
{
    int fd = unread();
    peer_shut(other);
    await_events(fd, POLLRDHUP);
    return fd;
}

static int shut_write(void)
{
    int fd = established();
    shutdown(fd, SHUT_WR);
    await_tcp_state(fd, TCP_FIN_WAIT2);
    return fd;
}

static int shut_write_unread(void)
{
    int fd = shut_write();
    peer_send(other, 10);
    await_unread(fd, 10);
    return fd;
}

static int shut_read(void)
{
    int fd = established();
    shutdown(fd, SHUT_RD);
    return fd;
}

static int shut_read_unread(void)
{
    int fd = unread();
    shutdown(fd, SHUT_RD);
    return fd;
}

static int shut_both(void)
{
    int fd = established();
    shutdown(fd, SHUT_RDWR);
    await_tcp_state(fd, TCP_FIN_WAIT2);
    return fd;
}

/* We first: our end of it is in TIME-WAIT. */
static int ended_by_us(void)
{
    int fd = shut_write();
    peer_shut(other);
    await_events(fd, POLLHUP);
    return fd;
}

static int ended_by_peer(void)
{
    int fd = peer_closed();
    shutdown(fd, SHUT_WR);
    await_tcp_state(fd, TCP_CLOSE);
    return fd;
}

static int ended_unread(void)
{
    int fd = peer_closed_unread();
    shutdown(fd, SHUT_WR);
    await_tcp_state(fd, TCP_CLOSE);
    return fd;
}

static int reset(void)
{
    int fd = established();
    peer_reset(other);
    await_events(fd, POLLHUP);
    return fd;
}

static int reset_unread(void)
{
    int fd = unread();
    peer_reset(other);
    await_events(fd, POLLHUP);
    return fd;
}

static int reset_and_told(void)
{
    return take_error(reset());
}

/* The peer has closed all, and we wrote: EPIPE is what there is to tell. */
static int broken(void)
{
    int fd = established();
    peer_close(other);
    await_events(fd, POLLRDHUP);
    send(fd, "x", 1, MSG_NOSIGNAL);
    await_events(fd, POLLHUP);
    return fd;
}

static int broken_and_told(void)
{
    return take_error(broken());
}

int full(void)
{
    int fd = connected(PEER_TIGHT, 8192);
    fill(fd);
    return fd;
}

int full_blocking(void)
{
    int fd = full();
    fcntl(fd, F_SETFL, 0);
    return fd;
}

/* All that it was is undone: connect to AF_UNSPEC. */
static int dissolved(void)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    int fd = established();
    connect(fd, &none, sizeof none);
    return fd;
}

static int closed_listener(void)
{
    int fd = listening();
    shutdown(fd, SHUT_RD);
    return fd;
}

const state states[] = {
    {"fresh", tcp_nonblocking},
    {"bound", bound},
    {"bound to any", bound_to_any},
    {"listening", listening},
    {"listening with one", listening_with_one},
    {"listener shut", closed_listener},
    {"syn-sent", syn_sent},
    {"refused", refused},
    {"refused and told", refused_and_told},
    {"established", connected_at_once},
    {"accepted", accepted},
    {"unread", unread},
    {"peer closed", peer_closed},
    {"peer closed, unread", peer_closed_unread},
    {"shut write", shut_write},
    {"shut write, unread", shut_write_unread},
    {"shut read", shut_read},
    {"shut read, unread", shut_read_unread},
    {"shut both", shut_both},
    {"ended by us", ended_by_us},
    {"ended by peer", ended_by_peer},
    {"ended, unread", ended_unread},
    {"reset", reset},
    {"reset, unread", reset_unread},
    {"reset and told", reset_and_told},
    {"broken", broken},
    {"broken and told", broken_and_told},
    {"full", full},
    {"dissolved", dissolved},
    {NULL, NULL},
};

/* What is no TCP socket: the kernel answers, and must be asked. */

static int minus_one(void)
{
    return -1;
}

static int closed_number(void)
{
    return 60;
}

static int regular_file(void)
{
    FILE *file = tmpfile();
    int fd = dup(fileno(file));
    fclose(file);
    if (write(fd, "0123456789abcdef", 16) == 16) lseek(fd, 4, SEEK_SET);
    return fd;
}

static int dev_null(void)
{
    return open("/dev/null", O_RDWR);
}

static int pipe_end(int which)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK) != 0) return -1;
    second = ends[!which];
    return ends[which];
}

static int pipe_reader(void)
{
    return pipe_end(0);
}

static int pipe_writer(void)
{
    return pipe_end(1);
}

static int udp(void)
{
    return socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
}

static int unix_fresh(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static int unix_pair(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) return -1;
    second = ends[1];
    return ends[0];
}

static int an_epoll(void)
{
    return epoll_create1(0);
}

static int an_eventfd(void)
{
    return eventfd(3, EFD_NONBLOCK);
}

/* A TCP connection over the loopback is the kernel's own. */
static int over_loopback(void)
{
    int listens = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listens, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bind_to(listens, "127.0.0.1", OWN_PORT);
    listen(listens, 1);
    connect_to(fd, "127.0.0.1", OWN_PORT);
    await_events(listens, POLLIN);
    second = accept(listens, NULL, NULL);
    third = listens;
    return fd;
}

const state strangers[] = {
    {"-1", minus_one},
    {"closed number", closed_number},
    {"file", regular_file},
    {"null device", dev_null},
    {"pipe to read", pipe_reader},
    {"pipe to write", pipe_writer},
    {"udp", udp},
    {"unix socket", unix_fresh},
    {"unix pair", unix_pair},
    {"epoll", an_epoll},
    {"eventfd", an_eventfd},
    {"loopback", over_loopback},
    {NULL, NULL},
};

void set_state(const state *which)
{
    current = which;
    say_where(family == 4 ? "%s" : "%s, IPv6", which->name);
}

int enter(void)
{
    return current->make();
}

/* The peer's end goes first, with a RST, so that nothing lingers in TIME-WAIT. */
void leave(int fd)
{
    if (other >= 0) peer_forget();
    if (other >= 0 && fd >= 0) {
        struct pollfd gone = {.fd = fd};
        poll(&gone, 1, 0);
    }
    other = -1;
    if (fd >= 0) close(fd);
    if (second >= 0) close(second);
    if (third >= 0) close(third);
    second = third = -1;
}
