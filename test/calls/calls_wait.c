/* Readiness, as each of the calls tells it. */
#include "calls.h"
#include "states.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

static struct pollfd polled;
static fd_set in, out, bad;
static struct epoll_event events[4];

static int poll_for(int fd, short which, int ms)
{
    polled = (struct pollfd){.fd = fd, .events = which, .revents = 0x5555};
    return poll(&polled, 1, ms);
}

static int ppoll_for(int fd, short which)
{
    polled = (struct pollfd){.fd = fd, .events = which};
    return ppoll(&polled, 1, &(struct timespec){0, 0}, NULL);
}

static int select_for(int fd)
{
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&bad);
    if (fd < 0 || fd >= FD_SETSIZE) return -2;
    FD_SET(fd, &in);
    FD_SET(fd, &out);
    FD_SET(fd, &bad);
    return select(fd + 1, &in, &out, &bad, &(struct timeval){0, 0});
}

static int pselect_for(int fd)
{
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&bad);
    if (fd < 0 || fd >= FD_SETSIZE) return -2;
    FD_SET(fd, &in);
    FD_SET(fd, &bad);
    return pselect(fd + 1, &in, NULL, &bad, &(struct timespec){0, 0}, NULL);
}

static void say_sets(int fd)
{
    say("%s%s%s", FD_ISSET(fd, &in) ? " in" : "", FD_ISSET(fd, &out) ? " out" : "",
        FD_ISSET(fd, &bad) ? " except" : "");
}

static void say_polled(void)
{
    say_events("revents", (unsigned short)polled.revents);
}

static void polls(void)
{
    EACH(poll_for(fd, POLLIN, 0), say_polled());
    EACH(poll_for(fd, POLLOUT, 0), say_polled());
    EACH(poll_for(fd, POLLIN | POLLOUT, 0), say_polled());
    EACH(poll_for(fd, POLLPRI, 0), say_polled());
    EACH(poll_for(fd, POLLRDHUP, 0), say_polled());
    EACH(poll_for(fd, 0, 0), say_polled());
    EACH(poll_for(fd, POLLIN | POLLRDNORM | POLLRDBAND, 0), say_polled());
    EACH(poll_for(fd, POLLWRNORM | POLLWRBAND, 0), say_polled());
    EACH(poll_for(fd, POLLIN | POLLPRI | POLLRDHUP, 1), say_polled());
    EACH(ppoll_for(fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP), say_polled());
    EACH(select_for(fd), say_sets(fd));
    EACH(pselect_for(fd), say_sets(fd));
}

static void say_first(long got)
{
    if (got > 0) say_events("events", events[0].events), say(" data %lx", (long)events[0].data.u64);
}

static int add(int epfd, int fd, unsigned which)
{
    struct epoll_event event = {.events = which, .data.u64 = 0x123456789a};
    return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
}

static int modify(int epfd, int fd, unsigned which)
{
    struct epoll_event event = {.events = which, .data.u64 = 0x77};
    return epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event);
}

/* Waits twice: a level is told again, an edge is not. */
static void epolls(unsigned which)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int fd = enter();
    CALL(add(epfd, fd, which));
    CALL(epoll_wait(epfd, events, 4, 0), say_first(got));
    CALL(epoll_wait(epfd, events, 4, 0), say_first(got));
    CALL(modify(epfd, fd, which & ~EPOLLEXCLUSIVE));
    CALL(epoll_wait(epfd, events, 4, 0), say_first(got));
    CALL(epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL));
    CALL(epoll_wait(epfd, events, 4, 0), say_first(got));
    leave(fd);
    close(epfd);
}

static void controls(void)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    EACH(modify(epfd, fd, EPOLLIN));
    EACH(epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL));
    EACH(add(epfd, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
    EACH(add(fd, epfd, EPOLLIN));
    EACH(epoll_wait(fd, events, 4, 0));
    int fd = enter();
    CALL(add(epfd, fd, EPOLLIN));
    CALL(add(epfd, fd, EPOLLIN));
    CALL(modify(epfd, fd, 0));
    CALL(epoll_wait(epfd, events, 4, 0), say_first(got));
    leave(fd);
    CALL(epoll_wait(epfd, events, 4, 0), say_first(got));
    close(epfd);
}

void calls_wait(void)
{
    polls();
    epolls(EPOLLIN);
    epolls(EPOLLOUT);
    epolls(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI);
    epolls(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    epolls(EPOLLIN | EPOLLOUT | EPOLLONESHOT);
    epolls(EPOLLIN | EPOLLEXCLUSIVE);
    epolls(0);
    controls();
}
