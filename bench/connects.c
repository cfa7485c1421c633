/* Connections a second: each is opened, carries a byte each way, and is closed. Who closes
 * first, and so has TIME-WAIT, can be chosen: it is to be the same kernel in every comparison.
 *
 *     connects serve PORT first|last
 *     connects open ADDRESS PORT first|last SECONDS    prints how many a second */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define EVENTS 64

struct opener {
    struct sockaddr_in peer;
    bool first;
    double until;
    atomic_uint done;
    atomic_int error;
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int fail(const char *what)
{
    perror(what);
    return 1;
}

/* A byte is answered by a byte; the end by the end. */
static void answer(int fd, bool first)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    bool answered = n == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1;
    if (!answered || first) close(fd);
}

static int serve(uint16_t port, bool first)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int epfd = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&own, sizeof own) != 0) return fail("bind");
    if (listen(listener, 1024) != 0) return fail("listen");
    event.data.fd = listener;
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &event) != 0) return fail("epoll_ctl");
    for (;;) {
        int n = epoll_wait(epfd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR) return fail("epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd != listener) {
                answer(events[i].data.fd, first);
                continue;
            }
            while ((event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
                epoll_ctl(epfd, EPOLL_CTL_ADD, event.data.fd, &event);
        }
    }
}

static bool open_one(const struct opener *opener)
{
    char byte = 'x';
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool done = fd >= 0 &&
                connect(fd, (const struct sockaddr *)&opener->peer, sizeof opener->peer) == 0 &&
                send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1 &&
                (opener->first || recv(fd, &byte, 1, 0) == 0);
    int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    return done;
}

static void *open_many(void *arg)
{
    struct opener *opener = arg;
    while (seconds_now() < opener->until && opener->error == 0) {
        if (open_one(opener))
            opener->done++;
        else
            opener->error = errno ? errno : EIO;
    }
    return NULL;
}

static int open_all(const char *address, uint16_t port, bool first, double seconds)
{
    pthread_t threads[THREADS];
    struct opener opener = {.peer = {.sin_family = AF_INET, .sin_port = htons(port)},
                            .first = first};
    if (inet_pton(AF_INET, address, &opener.peer.sin_addr) != 1) return fail(address);
    double begin = seconds_now();
    opener.until = begin + seconds;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, open_many, &opener) != 0) return fail("threads");
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    if (opener.error) {
        fprintf(stderr, "after %u connections: %s\n", opener.done, strerror(opener.error));
        return 1;
    }
    printf("%.0f\n", opener.done / (seconds_now() - begin));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        return serve((uint16_t)atoi(argv[2]), strcmp(argv[3], "first") == 0);
    if (argc == 6 && strcmp(argv[1], "open") == 0)
        return open_all(argv[2], (uint16_t)atoi(argv[3]), strcmp(argv[4], "first") == 0,
                        atof(argv[5]));
    fprintf(stderr, "connects serve PORT first|last,\n"
                    "or connects open ADDRESS PORT first|last SECONDS\n");
    return 2;
}
