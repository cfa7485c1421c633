/* Sockets that two processes have, and sockets that are passed on. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

static char buf[64];

/* The child's lines stand before those after end_child. */
static void end_child(pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    say_line("the child ended: %s %d", WIFSIGNALED(status) ? "by signal" : "with",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void shared_connection(void)
{
    int fd = established_blocking();
    pid_t child = fork();
    if (child == 0) {
        CALL(send(fd, "child ", 6, 0));
        CALL(recv(fd, buf, 3, MSG_WAITALL), say_bytes(buf, got));
        CALL(fcntl(fd, F_SETFL, O_NONBLOCK));
        CALL(set(fd, SOL_SOCKET, SO_KEEPALIVE, 1));
        CALL(close(fd));
        _exit(0);
    }
    long heard = peer_read(other, 6);
    peer_send(other, 3);
    end_child(child);
    say_line("the peer heard %ld", heard);
    CALL(fcntl(fd, F_GETFL));
    CALL(get(fd, SOL_SOCKET, SO_KEEPALIVE, 4), say_option());
    CALL(send(fd, "parent", 6, 0));
    CALL(peer_read(other, 6));
    peer_send(other, 2);
    await_unread(fd, 2);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
    leave(fd);
}

/* The parent goes; the child has the last word. */
static void inherited_connection(void)
{
    int fd = established_blocking();
    pid_t child = fork();
    if (child == 0) {
        CALL(recv(fd, buf, 3, MSG_WAITALL), say_bytes(buf, got));
        CALL(send(fd, "last", 4, 0));
        _exit(7); /* which closes it */
    }
    close(fd);
    peer_send(other, 3);
    end_child(child);
    CALL(peer_end(other));
    leave(-1);
}

/* Killed: the peer hears FIN all the same, or RST if there was unread data. */
static void killed(int unread)
{
    int fd = -1, ends[2];
    if (pipe(ends) != 0) return;
    pid_t child = fork();
    if (child == 0) {
        fd = established_blocking();
        if (unread) {
            peer_send(other, 5);
            await_unread(fd, 5);
        }
        if (write(ends[1], &other, sizeof other) != sizeof other) _exit(1);
        pause();
    }
    if (read(ends[0], &other, sizeof other) != sizeof other) return;
    kill(child, SIGKILL);
    end_child(child);
    CALL(peer_end(other));
    close(ends[0]);
    close(ends[1]);
    leave(-1);
}

/* Two children accept what comes to one listener, as servers do. */
static void preforked(void)
{
    int fd = listener(OWN_PORT);
    pid_t children[2];
    fcntl(fd, F_SETFL, 0);
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            int conn = accept(fd, NULL, NULL);
            ssize_t got = recv(conn, buf, 3, MSG_WAITALL);
            _exit(got == 3 && send(conn, buf, 3, 0) == 3 ? 3 : 4);
        }
    }
    for (int i = 0; i < 2; i++) {
        int conn = peer_connect(family, OWN_PORT);
        peer_send(conn, 3);
        CALL(peer_read(conn, 3));
        CALL(peer_end(conn));
    }
    for (int i = 0; i < 2; i++) end_child(children[i]);
    close(fd);
    peer_forget();
}

static void shared_epoll(void)
{
    int fd = established(), epfd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 9};
    CALL(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event));
    pid_t child = fork();
    if (child == 0) {
        CALL(epoll_wait(epfd, &event, 1, 3000), say_events("events", event.events));
        CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
        CALL(epoll_wait(epfd, &event, 1, 0));
        _exit(0);
    }
    peer_send(other, 3);
    end_child(child);
    CALL(epoll_wait(epfd, &event, 1, 0));
    close(epfd);
    leave(fd);
}

/* Over a Unix socket, as sshd and others do it. */
static int pass(int channel, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec iov = {"x", 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control.bytes};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    return (int)sendmsg(channel, &msg, 0);
}

static int take(int channel)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control;
    struct iovec iov = {buf, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control.bytes};
    int fd = -1;
    if (recvmsg(channel, &msg, 0) == 1) memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    return fd;
}

static void passed_on(void)
{
    int channel[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel) != 0) return;
    pid_t child = fork();
    if (child == 0) {
        int fd = take(channel[1]);
        CALL(send(fd, "passed", 6, 0));
        CALL(recv(fd, buf, 3, MSG_WAITALL), say_bytes(buf, got));
        _exit(0);
    }
    int fd = established_blocking();
    int passed = pass(channel[0], fd);
    close(fd);
    long heard = peer_read(other, 6);
    peer_send(other, 3);
    end_child(child);
    say_line("sendmsg gave %d, the peer heard %ld", passed, heard);
    CALL(peer_end(other));
    close(channel[0]);
    close(channel[1]);
    leave(-1);
}

/* A program that is executed finds its socket where it was: cat, in both directions. */
static void executed(void)
{
    int fd = established_blocking();
    pid_t child = fork();
    if (child == 0) {
        dup2(fd, 0);
        dup2(fd, 1);
        close(fd);
        execlp("head", "head", "-c", "5", (char *)NULL);
        _exit(9);
    }
    close(fd);
    peer_send(other, 5);
    CALL(peer_read(other, 5));
    CALL(peer_end(other));
    end_child(child);
    leave(-1);
}

void forks(void)
{
    shared_connection();
    inherited_connection();
    killed(0);
    killed(1);
    preforked();
    shared_epoll();
    passed_on();
    executed();
}
