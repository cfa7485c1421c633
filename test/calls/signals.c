/* Signals that arrive while a call waits: EINTR, or not, by SA_RESTART and by time-outs. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

static char buf[65536];
static volatile sig_atomic_t ticks;

static void tick(int number)
{
    (void)number;
    ticks++;
}

/* A signal each 20 ms, so that none is lost that comes before the call; the first after 20 ms. */
static void ticking(bool restart)
{
    struct sigaction action = {.sa_handler = tick, .sa_flags = restart ? SA_RESTART : 0};
    struct itimerval every = {.it_value = {0, 20000}, .it_interval = {0, 20000}};
    ticks = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
}

static void still(void)
{
    struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
}

#define TICKED(restart, call, ...)             \
    do {                                       \
        ticking(restart);                      \
        errno = 0;                             \
        const long got = (long)(call);         \
        int error_ = errno;                    \
        still();                               \
        say_begin(#call, got, error_);         \
        if (got >= 0) {                        \
            __VA_ARGS__;                       \
        }                                      \
        say(ticks ? ", ticked" : ", no tick"); \
        say_end();                             \
    } while (0)

static void interrupted(void)
{
    struct iovec iov = {buf, 10};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    int fd = established_blocking();
    TICKED(false, recv(fd, buf, 10, 0));
    TICKED(false, read(fd, buf, 10));
    TICKED(false, recvmsg(fd, &msg, 0));
    TICKED(false, readv(fd, &iov, 1));
    peer_send(other, 3);
    await_unread(fd, 3);
    TICKED(false, recv(fd, buf, 10, MSG_WAITALL), say_bytes(buf, got));
    set_time(fd, SO_RCVTIMEO, 5, 0);
    TICKED(false, recv(fd, buf, 10, 0));
    TICKED(true, recv(fd, buf, 10, 0));
    leave(fd);
    fd = full_blocking();
    /* Of a write without room a part may go all the same. */
    TICKED(false, send(fd, buf, sizeof buf, 0) < (ssize_t)sizeof buf);
    TICKED(false, write(fd, buf, sizeof buf) < (ssize_t)sizeof buf);
    set_time(fd, SO_SNDTIMEO, 5, 0);
    TICKED(true, send(fd, buf, sizeof buf, 0) < (ssize_t)sizeof buf);
    leave(fd);
    fd = tcp();
    TICKED(false, connect_to(fd, silent, PEER_PORT));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    CALL(connect_to(fd, kernel, PEER_PORT));
    close(fd);
    fd = listener(OWN_PORT);
    fcntl(fd, F_SETFL, 0);
    TICKED(false, accept(fd, NULL, NULL));
    set_time(fd, SO_RCVTIMEO, 5, 0);
    TICKED(true, accept(fd, NULL, NULL));
    close(fd);
}

/* Started again: what ends them is the peer, after more than one tick. */
static void restarted(void)
{
    int fd = established_blocking();
    peer_after(70);
    peer_send(other, 3);
    TICKED(true, recv(fd, buf, 10, 0), say_bytes(buf, got));
    peer_after(70);
    peer_send(other, 3);
    TICKED(true, read(fd, buf, 10), say_bytes(buf, got));
    peer_send(other, 3);
    peer_after(70);
    peer_send(other, 7);
    TICKED(true, recv(fd, buf, 10, MSG_WAITALL), say_bytes(buf, got));
    leave(fd);
    fd = listener(OWN_PORT);
    fcntl(fd, F_SETFL, 0);
    peer_after(70);
    peer_connect(family, OWN_PORT);
    TICKED(true, accept(fd, NULL, NULL) >= 0);
    peer_forget();
    close(fd);
}

static int select_in(int fd)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    return select(fd + 1, &in, NULL, NULL, NULL);
}

static int pselect_in(int fd, const sigset_t *mask)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fd, &in);
    return pselect(fd + 1, &in, NULL, NULL, &(struct timespec){0, 60000000}, mask);
}

/* poll and its kin are interrupted whatever SA_RESTART says. */
static void polls(bool restart)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = established(), epfd = epoll_create1(0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
    TICKED(restart, poll(&ready, 1, -1));
    TICKED(restart, poll(&ready, 1, 5000));
    TICKED(restart, ppoll(&ready, 1, NULL, NULL));
    TICKED(restart, select_in(fd));
    TICKED(restart, epoll_wait(epfd, &event, 1, -1));
    TICKED(restart, epoll_pwait(epfd, &event, 1, 5000, NULL));
    close(epfd);
    leave(fd);
}

/* Masks that ppoll, pselect and epoll_pwait put on while they wait. */
static void masks(void)
{
    sigset_t alarm, none;
    struct epoll_event event = {.events = EPOLLIN};
    int fd = established(), epfd = epoll_create1(0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
    sigemptyset(&none);
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    TICKED(false, ppoll(&ready, 1, &(struct timespec){0, 60000000}, &alarm));
    TICKED(false, pselect_in(fd, &alarm));
    TICKED(false, epoll_pwait(epfd, &event, 1, 60, &alarm));
    sigprocmask(SIG_BLOCK, &alarm, NULL);
    TICKED(false, ppoll(&ready, 1, NULL, &none));
    TICKED(false, pselect_in(fd, &none));
    TICKED(false, epoll_pwait(epfd, &event, 1, -1, &none));
    TICKED(false, poll(&ready, 1, 60));
    sigprocmask(SIG_UNBLOCK, &alarm, NULL);
    CALL(ppoll(&ready, 1, &(struct timespec){0, 1000}, &none));
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CALL(sigismember(&now, SIGALRM));
    close(epfd);
    leave(fd);
}

/* SIGPIPE: who raises it, and who does not. */
static void broken_pipes(void)
{
    struct iovec iov = {"x", 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    int fd = established_blocking();
    CALL(shutdown(fd, SHUT_WR));
    CALL(send(fd, "x", 1, 0));
    CALL(send(fd, "x", 1, MSG_NOSIGNAL));
    CALL(write(fd, "x", 1));
    CALL(writev(fd, &iov, 1));
    CALL(sendmsg(fd, &msg, 0));
    CALL(sendmsg(fd, &msg, MSG_NOSIGNAL));
    CALL(sendto(fd, "x", 1, 0, NULL, 0));
    signal(SIGPIPE, SIG_IGN);
    CALL(write(fd, "x", 1));
    say_count_sigpipe();
    leave(fd);
}

void signals(void)
{
    interrupted();
    restarted();
    say_where("signals, not restarted");
    polls(false);
    say_where("signals, restarted");
    polls(true);
    say_where("signals");
    masks();
    broken_pipes();
}
