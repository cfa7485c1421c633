/* Calls of one thread that another thread's calls end, or do not. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum act { RECV, SEND_ALL, ACCEPT, POLL, EPOLL, CONNECT };

typedef struct job {
    enum act act;
    int fd, epfd;
    long result;
    int error;
    short revents;
    unsigned events;
    pthread_t thread;
    volatile bool begun;
} job;

static char bytes[1 << 16];

static long work(job *j)
{
    struct pollfd ready = {.fd = j->fd, .events = POLLIN};
    struct epoll_event event = {0};
    char buf[16];
    long got = -2;
    switch (j->act) {
    case RECV: return recv(j->fd, buf, sizeof buf, 0);
    case SEND_ALL: /* of which a part may go */
        return send(j->fd, bytes, sizeof bytes, MSG_NOSIGNAL) < (ssize_t)sizeof bytes;
    case ACCEPT: return accept(j->fd, NULL, NULL) >= 0 ? 0 : -1;
    case CONNECT: return connect_to(j->fd, silent, PEER_PORT);
    case POLL:
        got = poll(&ready, 1, 3000);
        j->revents = ready.revents;
        return got;
    case EPOLL:
        got = epoll_wait(j->epfd, &event, 1, 3000);
        j->events = event.events;
        return got;
    }
    return got;
}

static void *run(void *arg)
{
    job *j = arg;
    j->begun = true;
    j->result = work(j);
    j->error = errno;
    return NULL;
}

/* A thread in its call: it has most likely begun to wait. That it has not must change nothing. */
static void begin(job *j, enum act act, int fd)
{
    j->act = act;
    j->fd = fd;
    j->begun = false;
    pthread_create(&j->thread, NULL, run, j);
    while (!j->begun) usleep(100);
    usleep(20000);
}

static void end(job *j, const char *words)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 4;
    if (pthread_timedjoin_np(j->thread, NULL, &until) != 0) {
        say_line("%s waits for ever", words);
        pthread_detach(j->thread);
        return;
    }
    say_begin(words, j->result, j->error);
    if (j->act == POLL) say_events("revents", (unsigned short)j->revents);
    if (j->act == EPOLL) say_events("events", j->events);
    say_end();
}

static void shutdowns(void)
{
    static job j;
    int fd = established_blocking();
    begin(&j, RECV, fd);
    CALL(shutdown(fd, SHUT_RD));
    end(&j, "recv, shut down");
    leave(fd);
    fd = full_blocking();
    begin(&j, SEND_ALL, fd);
    CALL(shutdown(fd, SHUT_WR));
    end(&j, "send, shut down");
    leave(fd);
    fd = listener(OWN_PORT);
    fcntl(fd, F_SETFL, 0);
    begin(&j, ACCEPT, fd);
    CALL(shutdown(fd, SHUT_RDWR));
    end(&j, "accept, shut down");
    close(fd);
    fd = tcp();
    begin(&j, CONNECT, fd);
    CALL(shutdown(fd, SHUT_RDWR));
    end(&j, "connect, shut down");
    close(fd);
    fd = established();
    begin(&j, POLL, fd);
    CALL(shutdown(fd, SHUT_RD));
    end(&j, "poll, shut down");
    leave(fd);
}

/* close does not end the call of another thread; what comes then does. */
static void closes(void)
{
    static job j;
    int fd = established_blocking(), conn = other;
    begin(&j, RECV, fd);
    CALL(close(fd));
    peer_send(conn, 3);
    end(&j, "recv, closed");
    leave(-1);
    fd = established();
    j.epfd = epoll_create1(0);
    begin(&j, EPOLL, fd);
    CALL(epoll_ctl(j.epfd, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN}));
    peer_send(other, 3);
    end(&j, "epoll_wait, added while waiting");
    CALL(epoll_ctl(j.epfd, EPOLL_CTL_MOD, fd, &(struct epoll_event){.events = EPOLLPRI}));
    begin(&j, EPOLL, fd);
    CALL(epoll_ctl(j.epfd, EPOLL_CTL_MOD, fd, &(struct epoll_event){.events = EPOLLIN}));
    end(&j, "epoll_wait, changed while waiting");
    close(j.epfd);
    leave(fd);
}

/* One connection, one octet, one datum: as many are woken as the kernel wakes. */
static void several(void)
{
    static job jobs[3];
    int fd = listener(OWN_PORT);
    fcntl(fd, F_SETFL, 0);
    for (int i = 0; i < 3; i++) begin(&jobs[i], ACCEPT, fd);
    for (int i = 0; i < 3; i++) peer_connect(family, OWN_PORT);
    for (int i = 0; i < 3; i++) end(&jobs[i], "accept of three");
    close(fd);
    peer_forget();
    fd = established_blocking();
    for (int i = 0; i < 3; i++) begin(&jobs[i], POLL, fd);
    peer_send(other, 1);
    for (int i = 0; i < 3; i++) end(&jobs[i], "poll of three");
    peer_shut(other);
    for (int i = 0; i < 3; i++) begin(&jobs[i], RECV, fd);
    int sum = 0;
    for (int i = 0; i < 3; i++) {
        pthread_join(jobs[i].thread, NULL);
        sum += (int)jobs[i].result;
    }
    say_line("recv of three: %d octets", sum);
    leave(fd);
}

/* A reader and a writer on one socket at once. */
static void both_ways(void)
{
    static job in, out;
    int fd = full_blocking();
    begin(&in, RECV, fd);
    begin(&out, SEND_ALL, fd);
    peer_send(other, 3);
    end(&in, "recv, while another sends");
    peer_reset(other);
    end(&out, "send, reset");
    leave(fd);
}

void threads(void)
{
    shutdowns();
    closes();
    several();
    both_ways();
}
