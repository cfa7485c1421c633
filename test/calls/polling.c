/* epoll in sequences: levels, edges, one shot; errors of epoll_ctl; the kernel's files in the same
 * set; sets in sets. And poll and select over many. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/time.h>

static char buf[65536];
static struct epoll_event events[8];

static int ctl(int epfd, int op, int fd, unsigned which, int data)
{
    struct epoll_event event = {.events = which, .data.u64 = (uint64_t)data};
    return epoll_ctl(epfd, op, fd, &event);
}

#define ADD(epfd, fd, which, data) ctl(epfd, EPOLL_CTL_ADD, fd, which, data)
#define MOD(epfd, fd, which, data) ctl(epfd, EPOLL_CTL_MOD, fd, which, data)
#define DEL(epfd, fd) ctl(epfd, EPOLL_CTL_DEL, fd, 0, 0)

/* In the order of the data: who is first in a ready list is not what we test here. */
static void say_events_of(long got)
{
    for (int data = 0; data < 20; data++)
        for (long i = 0; i < got; i++)
            if (events[i].data.u64 == (uint64_t)data) {
                say(" [%d", data);
                say_events("", events[i].events);
                say("]");
            }
}

/* Waits until there is something; with WAIT0 whatever there is. */
#define WAIT(epfd) CALL(epoll_wait(epfd, events, 8, 3000), say_events_of(got))
#define WAIT0(epfd) CALL(epoll_wait(epfd, events, 8, 0), say_events_of(got))

static void edge_in(void)
{
    int fd = established(), epfd = epoll_create1(0);
    CALL(ADD(epfd, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, 1));
    WAIT0(epfd);
    peer_send(other, 4);
    WAIT(epfd);
    WAIT0(epfd);
    CALL(recv(fd, buf, 2, 0), say_bytes(buf, got));
    WAIT0(epfd);
    peer_send(other, 4); /* more, although there was some: an edge */
    WAIT(epfd);
    WAIT0(epfd);
    CALL(recv(fd, buf, 100, 0), say_bytes(buf, got));
    CALL(recv(fd, buf, 100, 0), say_bytes(buf, got));
    WAIT0(epfd);
    peer_send(other, 1);
    await_unread(fd, 1);
    CALL(MOD(epfd, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, 2));
    WAIT0(epfd);
    WAIT0(epfd);
    peer_shut(other);
    WAIT(epfd);
    WAIT0(epfd);
    CALL(recv(fd, buf, 100, 0), say_bytes(buf, got));
    CALL(recv(fd, buf, 100, 0), say_bytes(buf, got));
    WAIT0(epfd);
    close(epfd);
    leave(fd);
}

static void edge_out(void)
{
    int fd = established(), epfd = epoll_create1(0);
    CALL(ADD(epfd, fd, EPOLLOUT | EPOLLET, 1));
    WAIT0(epfd);
    WAIT0(epfd);
    CALL(send(fd, "x", 1, 0));
    peer_read(other, 1);
    await_acked(fd);
    WAIT0(epfd);
    int written = fill(fd);
    WAIT0(epfd);
    peer_read(other, written);
    WAIT(epfd);
    WAIT0(epfd);
    peer_reset(other);
    WAIT(epfd);
    WAIT0(epfd);
    close(epfd);
    leave(fd);
}

/* The edge of a connection that opens, and of one that is refused. */
static void edge_open(void)
{
    int epfd = epoll_create1(0), fd = tcp_nonblocking();
    CALL(ADD(epfd, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 1));
    WAIT0(epfd);
    CALL(connect_to(fd, kernel, PEER_PORT));
    WAIT(epfd);
    WAIT0(epfd);
    CALL(connect_to(fd, kernel, PEER_PORT));
    close(fd);
    WAIT0(epfd);
    fd = tcp_nonblocking();
    CALL(connect_to(fd, kernel, PEER_NOBODY));
    CALL(ADD(epfd, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 2));
    WAIT(epfd);
    CALL(get(fd, SOL_SOCKET, SO_ERROR, 4), say_option());
    WAIT0(epfd);
    close(fd);
    WAIT0(epfd);
    close(epfd);
    peer_forget();
}

static void edge_accept(void)
{
    int epfd = epoll_create1(0), fd = listener(OWN_PORT);
    CALL(ADD(epfd, fd, EPOLLIN | EPOLLET, 1));
    WAIT0(epfd);
    peer_connect(family, OWN_PORT);
    WAIT(epfd);
    WAIT0(epfd);
    peer_connect(family, OWN_PORT);
    WAIT(epfd);
    for (int i = 0; i < 2; i++) close(OPENED(accept(fd, NULL, NULL)));
    CALL(accept(fd, NULL, NULL));
    WAIT0(epfd);
    CALL(MOD(epfd, fd, EPOLLIN, 2));
    peer_connect(family, OWN_PORT);
    WAIT(epfd);
    WAIT0(epfd);
    close(OPENED(accept(fd, NULL, NULL)));
    WAIT0(epfd);
    close(fd);
    close(epfd);
    peer_forget();
}

static void level(void)
{
    int fd = established(), epfd = epoll_create1(0);
    CALL(ADD(epfd, fd, EPOLLIN, 1));
    peer_send(other, 4);
    WAIT(epfd);
    WAIT0(epfd);
    CALL(recv(fd, buf, 2, 0), say_bytes(buf, got));
    WAIT0(epfd);
    CALL(MOD(epfd, fd, EPOLLIN | EPOLLOUT, 2));
    WAIT0(epfd);
    CALL(recv(fd, buf, 2, 0), say_bytes(buf, got));
    WAIT0(epfd);
    CALL(MOD(epfd, fd, 0, 3));
    WAIT0(epfd);
    peer_reset(other);
    WAIT(epfd); /* ERR and HUP are always asked for */
    WAIT0(epfd);
    CALL(DEL(epfd, fd));
    WAIT0(epfd);
    close(epfd);
    leave(fd);
}

static void one_shot(void)
{
    int fd = established(), epfd = epoll_create1(0);
    CALL(ADD(epfd, fd, EPOLLIN | EPOLLONESHOT, 1));
    peer_send(other, 4);
    WAIT(epfd);
    WAIT0(epfd);
    peer_send(other, 4);
    await_unread(fd, 8);
    WAIT0(epfd);
    CALL(MOD(epfd, fd, EPOLLIN | EPOLLONESHOT, 2));
    WAIT0(epfd);
    WAIT0(epfd);
    peer_reset(other);
    await_events(fd, POLLHUP);
    WAIT0(epfd);
    CALL(MOD(epfd, fd, EPOLLONESHOT, 3));
    WAIT0(epfd);
    WAIT0(epfd);
    close(epfd);
    leave(fd);
}

/* A descriptor closed is out of the set; one whose copy lives is not. */
static void closed(void)
{
    int fd = established(), epfd = epoll_create1(0);
    CALL(ADD(epfd, fd, EPOLLOUT, 1));
    WAIT0(epfd);
    int copy = dup(fd);
    CALL(ADD(epfd, copy, EPOLLOUT, 2));
    WAIT0(epfd);
    close(fd);
    WAIT0(epfd);
    CALL(DEL(epfd, fd));
    CALL(DEL(epfd, copy));
    WAIT0(epfd);
    close(copy);
    WAIT0(epfd);
    close(epfd);
    leave(-1);
}

static void limited(void)
{
    int a = established(), b = established(), epfd = epoll_create1(0);
    CALL(ADD(epfd, a, EPOLLOUT, 1));
    CALL(ADD(epfd, b, EPOLLOUT, 2));
    int seen = 0;
    for (int i = 0; i < 4; i++) { /* one at a time: both have their turn */
        if (epoll_wait(epfd, events, 1, 0) == 1) seen |= (int)events[0].data.u64;
    }
    say_line("seen in turns of one: %d", seen);
    close(epfd);
    close(b);
    leave(a);
}

void edges(void)
{
    for (int which = 4; which <= 6; which += 2) {
        set_family(which);
        say_where("edges, IPv%d", which);
        edge_in();
        edge_out();
        edge_open();
        edge_accept();
        level();
        one_shot();
        closed();
        limited();
    }
}

void epoll_errors(void)
{
    int fd = established(), epfd = epoll_create1(0);
    CALL(epoll_create1(1) >= 0);
    CALL(epoll_create1(-1) >= 0);
    CALL(epoll_create(0) >= 0);
    CALL(ADD(-1, fd, EPOLLIN, 1));
    CALL(ADD(epfd, -1, EPOLLIN, 1));
    CALL(ADD(epfd, 500, EPOLLIN, 1));
    CALL(ADD(500, fd, EPOLLIN, 1));
    CALL(ADD(fd, fd, EPOLLIN, 1));
    CALL(ADD(epfd, epfd, EPOLLIN, 1));
    CALL(MOD(epfd, fd, EPOLLIN, 1));
    CALL(DEL(epfd, fd));
    CALL(ctl(epfd, 0, fd, EPOLLIN, 1));
    CALL(ctl(epfd, 7, fd, EPOLLIN, 1));
    CALL(ADD(epfd, fd, EPOLLIN | EPOLLEXCLUSIVE, 1));
    CALL(ADD(epfd, fd, EPOLLIN, 1));
    CALL(MOD(epfd, fd, EPOLLIN | EPOLLEXCLUSIVE, 1));
    CALL(MOD(epfd, fd, EPOLLIN, 1));
    CALL(DEL(epfd, fd));
    CALL(DEL(epfd, fd));
    CALL(ADD(epfd, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
    CALL(ADD(epfd, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP, 1));
    CALL(ADD(epfd, fd, EPOLLWAKEUP | EPOLLOUT, 1));
    WAIT0(epfd);
    CALL(epoll_wait(epfd, events, 0, 0));
    CALL(epoll_wait(epfd, events, -5, 0));
    CALL(epoll_wait(fd, events, 1, 0));
    CALL(epoll_wait(-1, events, 1, 0));
    CALL(epoll_wait(500, events, 1, 0));
    CALL(close(epfd));
    CALL(epoll_wait(epfd, events, 1, 0));
    leave(fd);
}

/* The kernel's files and nod's sockets in one set. */
void epoll_mixed(void)
{
    int ends[2], counter = eventfd(0, EFD_NONBLOCK), epfd = epoll_create1(0);
    int fd = established(), udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (pipe2(ends, O_NONBLOCK) != 0) return;
    CALL(ADD(epfd, ends[0], EPOLLIN, 1));
    CALL(ADD(epfd, counter, EPOLLIN | EPOLLET, 2));
    CALL(ADD(epfd, fd, EPOLLIN, 3));
    CALL(ADD(epfd, udp, EPOLLIN, 4));
    WAIT0(epfd);
    CALL(write(ends[1], "x", 1));
    WAIT0(epfd);
    peer_send(other, 3);
    await_unread(fd, 3);
    WAIT0(epfd);
    CALL(eventfd_write(counter, 5));
    WAIT0(epfd);
    WAIT0(epfd);
    CALL(read(ends[0], buf, 1));
    WAIT0(epfd);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
    WAIT0(epfd);
    peer_after(20);
    peer_send(other, 3);
    WAIT(epfd);
    CALL(MOD(epfd, ends[0], EPOLLIN | EPOLLONESHOT, 5));
    CALL(write(ends[1], "x", 1));
    WAIT0(epfd);
    WAIT0(epfd);
    CALL(DEL(epfd, ends[0]));
    CALL(DEL(epfd, fd));
    CALL(close(ends[1]));
    WAIT0(epfd);
    close(ends[0]);
    close(counter);
    close(udp);
    close(epfd);
    leave(fd);
}

void epoll_nested(void)
{
    int inner = epoll_create1(0), outer = epoll_create1(0), fd = established();
    struct pollfd polled = {.fd = inner, .events = POLLIN};
    CALL(ADD(outer, inner, EPOLLIN, 1));
    CALL(ADD(inner, outer, EPOLLIN, 2));
    CALL(ADD(inner, fd, EPOLLIN, 3));
    WAIT0(outer);
    CALL(poll(&polled, 1, 0));
    peer_send(other, 3);
    await_unread(fd, 3);
    WAIT0(outer);
    WAIT0(inner);
    CALL(poll(&polled, 1, 0), say_events("revents", (unsigned short)polled.revents));
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
    CALL(poll(&polled, 1, 0));
    WAIT0(outer);
    peer_after(20);
    peer_send(other, 3);
    WAIT(outer);
    WAIT0(inner);
    peer_after(20);
    peer_send(other, 3);
    polled.revents = 0;
    CALL(poll(&polled, 1, 3000), say_events("revents", (unsigned short)polled.revents));
    close(inner);
    WAIT0(outer);
    close(outer);
    leave(fd);
}

/* poll and select over sockets, the kernel's files, and nonsense. */
static void poll_many(void)
{
    int ends[2], a = established(), b = listener(OWN_PORT), c = tcp_nonblocking();
    if (pipe2(ends, O_NONBLOCK) != 0) return;
    struct pollfd all[] = {
        {.fd = a, .events = POLLIN | POLLOUT}, {.fd = b, .events = POLLIN},
        {.fd = c, .events = POLLOUT},          {.fd = ends[0], .events = POLLIN},
        {.fd = ends[1], .events = POLLOUT},    {.fd = -1, .events = POLLIN, .revents = 7},
        {.fd = 500, .events = POLLIN},         {.fd = a, .events = POLLIN},
    };
    CALL(poll(all, 8, 0));
    for (int i = 0; i < 8; i++) {
        say_begin("in it", i, 0);
        say_events("revents", (unsigned short)all[i].revents);
        say_end();
    }
    CALL(poll(all, 0, 0));
    CALL(poll(&all[3], 1, 0));
    CALL(poll(all, 1000000000, 0));
    close(c);
    CALL(poll(&all[2], 1, 0), say_events("revents", (unsigned short)all[2].revents));
    close(b);
    close(ends[0]);
    close(ends[1]);
    leave(a);
}

static void select_many(void)
{
    int ends[2], a = established(), b = listener(OWN_PORT);
    fd_set in, out, bad;
    struct timeval zero = {0, 0};
    if (pipe2(ends, O_NONBLOCK) != 0) return;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&bad);
    FD_SET(a, &in);
    FD_SET(a, &out);
    FD_SET(a, &bad);
    FD_SET(b, &in);
    FD_SET(ends[0], &in);
    FD_SET(ends[1], &out);
    CALL(select(200, &in, &out, &bad, &zero),
         say(" %d %d %d, %d %d %d", !!FD_ISSET(a, &in), !!FD_ISSET(a, &out), !!FD_ISSET(a, &bad),
             !!FD_ISSET(b, &in), !!FD_ISSET(ends[0], &in), !!FD_ISSET(ends[1], &out)));
    peer_send(other, 3);
    await_unread(a, 3);
    CALL(write(ends[1], "x", 1));
    FD_SET(a, &in);
    FD_SET(ends[0], &in);
    CALL(select(200, &in, NULL, NULL, &zero),
         say(" %d %d", !!FD_ISSET(a, &in), !!FD_ISSET(ends[0], &in)));
    CALL(select(a, &in, NULL, NULL, &zero));
    CALL(select(-1, &in, NULL, NULL, &zero));
    CALL(select(0, NULL, NULL, NULL, &zero));
    /* Linux looks no further than its table of descriptors has room: 64, 256, ... So make it large
     * first, or the answer depends on which descriptors this process happened to have before. */
    close(dup2(ends[0], 199));
    FD_ZERO(&in);
    FD_SET(150, &in);
    CALL(select(200, &in, NULL, NULL, &zero));
    close(b);
    close(ends[0]);
    close(ends[1]);
    leave(a);
}

void poll_sets(void)
{
    poll_many();
    select_many();
}
