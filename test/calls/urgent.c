/* Urgent data, as programs use it: MSG_OOB, POLLPRI, SIOCATMARK, SO_OOBINLINE, SIGURG. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <unistd.h>

static char buf[64];

static int at_mark(int fd)
{
    int mark = -1;
    int rc = ioctl(fd, SIOCATMARK, &mark);
    return rc ? rc : mark;
}

static int unread(int fd)
{
    int bytes = -1;
    int rc = ioctl(fd, FIONREAD, &bytes);
    return rc ? rc : bytes;
}

static int ready(int fd)
{
    struct pollfd asked = {.fd = fd, .events = POLLIN | POLLPRI};
    poll(&asked, 1, 0);
    return (unsigned short)asked.revents;
}

#define READY() CALL(ready(fd), say_events("revents", (unsigned)got))

/* What is beyond the mark, too, where FIONREAD does not look. */
static void await_received(int fd, unsigned octets)
{
    struct tcp_info info = {0};
    for (int i = 0; i < 3000; i++) {
        socklen_t len = sizeof info;
        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) return;
        if (info.tcpi_bytes_received >= octets) return;
        usleep(1000);
    }
    say_line("(waited in vain for %u octets)", octets);
}

static void arrives(int in_line)
{
    int fd = established();
    CALL(set(fd, SOL_SOCKET, SO_OOBINLINE, in_line));
    peer_send(other, 3);
    peer_send_urgent(other);
    peer_send(other, 2);
    await_received(fd, 6);
    READY();
    CALL(at_mark(fd));
    CALL(unread(fd));
    CALL(recv(fd, buf, 1, MSG_OOB | MSG_PEEK), say_bytes(buf, got));
    CALL(recv(fd, buf, sizeof buf, MSG_PEEK), say_bytes(buf, got));
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    CALL(at_mark(fd));
    READY();
    CALL(unread(fd));
    CALL(recv(fd, buf, sizeof buf, MSG_PEEK), say_bytes(buf, got));
    CALL(recv(fd, buf, 1, MSG_OOB), say_bytes(buf, got));
    CALL(recv(fd, buf, 1, MSG_OOB), say_bytes(buf, got));
    READY();
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    READY();
    CALL(at_mark(fd));
    CALL(recv(fd, buf, 1, MSG_OOB), say_bytes(buf, got));
    leave(fd);
}

/* A second one comes before the first is fetched: further on in the stream, or when the first is
 * the next octet. */
static void twice(bool at_the_first)
{
    int fd = established();
    peer_send(other, 3);
    peer_send_urgent(other);
    await_received(fd, 4);
    if (at_the_first) CALL(recv(fd, buf, 3, 0), say_bytes(buf, got));
    peer_send(other, 2);
    peer_send_urgent(other);
    peer_send(other, 1);
    await_received(fd, 8);
    CALL(unread(fd));
    READY();
    CALL(recv(fd, buf, 1, MSG_OOB), say_bytes(buf, got));
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    CALL(at_mark(fd));
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    leave(fd);
}

/* Alone in the stream: nothing for read, until more comes. */
static void alone(void)
{
    int fd = established();
    peer_send_urgent(other);
    await_events(fd, POLLPRI);
    READY();
    CALL(at_mark(fd));
    CALL(unread(fd));
    CALL(recv(fd, buf, sizeof buf, MSG_PEEK), say_bytes(buf, got));
    CALL(recv(fd, buf, 0, MSG_OOB));
    CALL(recv(fd, buf, 1, MSG_OOB), say_bytes(buf, got));
    READY();
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    CALL(at_mark(fd));
    peer_send(other, 2);
    await_unread(fd, 2);
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    peer_shut(other);
    await_events(fd, POLLRDHUP);
    CALL(recv(fd, buf, 1, MSG_OOB), say_bytes(buf, got));
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    leave(fd);
}

/* The ways of reading that want more than there is before the mark. */
static void stops(void)
{
    struct iovec iov[2] = {{buf, 2}, {buf + 2, 30}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    int fd = established_blocking();
    peer_send(other, 4);
    peer_send_urgent(other);
    peer_send(other, 5);
    await_received(fd, 10);
    CALL(recv(fd, buf, 30, MSG_PEEK | MSG_WAITALL), say_bytes(buf, got));
    CALL(recvmsg(fd, &msg, MSG_WAITALL), say_bytes(buf, got), say(" flags %d", msg.msg_flags));
    iov[0].iov_len = 1;
    msg.msg_iovlen = 1;
    CALL(recvmsg(fd, &msg, MSG_OOB), say_bytes(buf, got),
         say(" flags %s", msg.msg_flags & MSG_OOB ? "OOB" : "none"));
    CALL(recv(fd, buf, 5, MSG_TRUNC | MSG_WAITALL));
    leave(fd);
}

static void watched(void)
{
    struct epoll_event event = {.events = EPOLLPRI | EPOLLET}, got_event = {0};
    struct timeval none = {0};
    fd_set except;
    int fd = established(), ep = epoll_create1(0);
    CALL(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
    CALL(epoll_wait(ep, &got_event, 1, 0));
    peer_send_urgent(other);
    await_events(fd, POLLPRI);
    CALL(epoll_wait(ep, &got_event, 1, 1000), say_events("events", got_event.events));
    CALL(epoll_wait(ep, &got_event, 1, 0));
    FD_ZERO(&except);
    FD_SET(fd, &except);
    CALL(select(fd + 1, NULL, NULL, &except, &none), say("%d", FD_ISSET(fd, &except) != 0));
    CALL(recv(fd, buf, 1, MSG_OOB), say_bytes(buf, got));
    FD_SET(fd, &except);
    CALL(select(fd + 1, NULL, NULL, &except, &none), say("%d", FD_ISSET(fd, &except) != 0));
    close(ep);
    leave(fd);
}

static volatile sig_atomic_t told;
static int told_about;

static void hear(int number)
{
    (void)number;
    char octet;
    told++;
    if (recv(told_about, &octet, 1, MSG_OOB) == 1 && octet == '!') told += 10;
}

static void signalled(void)
{
    struct sigaction action = {.sa_handler = hear};
    int fd = told_about = established_blocking();
    sigaction(SIGURG, &action, NULL);
    CALL(fcntl(fd, F_SETOWN, getpid()));
    CALL(fcntl(fd, F_GETOWN) == getpid());
    peer_after(100);
    peer_send_urgent(other);
    CALL(recv(fd, buf, 1, 0), say_bytes(buf, got));
    for (int i = 0; i < 2000 && told == 0; i++) usleep(1000);
    say_line("SIGURG, and what its handler has fetched: %d", (int)told);
    signal(SIGURG, SIG_DFL);
    leave(fd);
}

static void sent(void)
{
    int fd = established();
    CALL(send(fd, "abc!", 4, MSG_OOB));
    CALL(send(fd, "", 0, MSG_OOB));
    CALL(peer_read(other, 3), say_bytes(buf, peer_text(buf, 3)));
    CALL(send(fd, "de", 2, MSG_OOB | MSG_MORE));
    leave(fd);
}

void urgent(void)
{
    arrives(0);
    arrives(1);
    twice(false);
    twice(true);
    alone();
    stops();
    watched();
    signalled();
    sent();
}
