/* Calls that wait: for how long, and what wakes them. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

static char buf[65536];

/* Of a write without room a part may go all the same: how much has come to the peer by then is the
 * network's business. That it is not all of it is what we see. */
#define PART (ssize_t)sizeof buf

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long began;

static int start(void)
{
    began = now_ms();
    return 0;
}

/* Whether it waited as long as it should have; longer is the machine's business. */
static void say_waited(long ms)
{
    long waited = now_ms() - began;
    if (waited < ms - 1) say(" TOO SHORT: %ld ms", waited);
    if (waited > ms + 1500) say(" TOO LONG");
}

/* The time is checked also when the call gives an error. */
#define TIMED(ms, call, ...)           \
    do {                               \
        start();                       \
        errno = 0;                     \
        const long got = (long)(call); \
        say_begin(#call, got, errno);  \
        if (got >= 0) {                \
            __VA_ARGS__;               \
        }                              \
        say_waited(ms);                \
        say_end();                     \
    } while (0)

void deadlines(void)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    int fd = established_blocking();
    set_time(fd, SO_RCVTIMEO, 0, 40000);
    TIMED(40, recv(fd, buf, 10, 0));
    TIMED(40, read(fd, buf, 10));
    TIMED(40, recv(fd, buf, 10, MSG_PEEK));
    TIMED(0, recv(fd, buf, 10, MSG_DONTWAIT));
    peer_send(other, 4);
    TIMED(40, recv(fd, buf, 10, MSG_WAITALL), say_bytes(buf, got));
    TIMED(40,
          recvmsg(fd, &(struct msghdr){.msg_iov = &(struct iovec){buf, 1}, .msg_iovlen = 1}, 0));
    TIMED(0, poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0));
    leave(fd);
    fd = full_blocking();
    set_time(fd, SO_SNDTIMEO, 0, 40000);
    TIMED(40, send(fd, buf, sizeof buf, 0) < PART);
    TIMED(40, write(fd, buf, sizeof buf) < PART);
    TIMED(0, send(fd, buf, sizeof buf, MSG_DONTWAIT) < PART);
    leave(fd);
    fd = tcp();
    set_time(fd, SO_SNDTIMEO, 0, 40000);
    TIMED(40, connect_to(fd, silent, PEER_PORT));
    TIMED(40, connect_to(fd, silent, PEER_PORT));
    TIMED(40, send(fd, buf, 10, 0));
    set_time(fd, SO_RCVTIMEO, 0, 40000);
    TIMED(40, recv(fd, buf, 10, 0));
    close(fd);
    fd = listener(OWN_PORT);
    fcntl(fd, F_SETFL, 0);
    set_time(fd, SO_RCVTIMEO, 0, 40000);
    TIMED(40, accept(fd, (void *)&addr, &len));
    TIMED(40, poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 40));
    close(fd);
}

static int select_in(int fd, struct timeval *timeout)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    return select(fd + 1, &in, NULL, NULL, timeout);
}

static void waits_in_vain(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = established(), epfd = epoll_create1(0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
    TIMED(30, poll(&ready, 1, 30), say_events("revents", (unsigned short)ready.revents));
    TIMED(30, ppoll(&ready, 1, &(struct timespec){0, 30000000}, NULL));
    struct timeval timeout = {0, 30000};
    TIMED(30, select_in(fd, &timeout), say(" left %ld", (long)timeout.tv_usec));
    TIMED(30, epoll_wait(epfd, &event, 1, 30));
    TIMED(30, epoll_pwait(epfd, &event, 1, 30, NULL));
    TIMED(30, epoll_pwait2(epfd, &event, 1, &(struct timespec){0, 30000000}, NULL));
    TIMED(30, poll(NULL, 0, 30));
    TIMED(0, epoll_wait(epfd, &event, 0, 30));
    TIMED(0, epoll_wait(epfd, &event, -1, 30));
    TIMED(0, ppoll(&ready, 1, &(struct timespec){0, 1000000000}, NULL));
    TIMED(0, ppoll(&ready, 1, &(struct timespec){-1, 0}, NULL));
    timeout = (struct timeval){-1, 0};
    TIMED(0, select_in(fd, &timeout));
    close(epfd);
    leave(fd);
}

/* The peer acts while we wait. */
static void woken(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
    int fd = established_blocking(), epfd = epoll_create1(0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
    peer_after(20);
    peer_send(other, 3);
    TIMED(0, recv(fd, buf, 10, 0), say_bytes(buf, got));
    peer_after(20);
    peer_send(other, 3);
    TIMED(0, poll(&ready, 1, -1), say_events("revents", (unsigned short)ready.revents));
    TIMED(0, read(fd, buf, 10), say_bytes(buf, got));
    peer_after(20);
    peer_send(other, 3);
    TIMED(0, epoll_wait(epfd, &event, 1, -1), say_events("events", event.events));
    TIMED(0, read(fd, buf, 10), say_bytes(buf, got));
    peer_after(20);
    peer_send(other, 3);
    TIMED(0, select_in(fd, NULL));
    TIMED(0, read(fd, buf, 10), say_bytes(buf, got));
    peer_after(20);
    peer_shut(other);
    TIMED(0, recv(fd, buf, 10, 0), say_bytes(buf, got));
    close(epfd);
    leave(fd);
    fd = established_blocking();
    peer_after(20);
    peer_reset(other);
    TIMED(0, recv(fd, buf, 10, 0), say_bytes(buf, got));
    TIMED(0, recv(fd, buf, 10, 0), say_bytes(buf, got));
    leave(fd);
}

static void write_woken(void)
{
    int fd = full_blocking();
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    peer_after(20);
    peer_reset(other);
    TIMED(0, send(fd, buf, sizeof buf, MSG_NOSIGNAL) < PART);
    CALL(send(fd, buf, 10, MSG_NOSIGNAL) < 0);
    leave(fd);
    ready.fd = fd = established_blocking();
    int written = fill(fd);
    peer_after(20);
    peer_read(other, written);
    TIMED(0, poll(&ready, 1, 3000), say_events("revents", (unsigned short)ready.revents));
    TIMED(0, send(fd, buf, 10, 0));
    leave(fd);
}

static void accept_woken(void)
{
    int fd = listener(OWN_PORT);
    fcntl(fd, F_SETFL, 0);
    peer_after(20);
    peer_connect(family, OWN_PORT);
    start();
    int conn = OPENED(accept(fd, NULL, NULL));
    close(conn);
    peer_forget();
    close(fd);
}

void blocking(void)
{
    for (int which = 4; which <= 6; which += 2) {
        set_family(which);
        say_where("blocking, IPv%d", which);
        waits_in_vain();
        woken();
        write_woken();
        accept_woken();
    }
}
