/* A question of 64 bytes and its answer, over one connection: how long it takes.
 *
 *     pingpong serve PORT
 *     pingpong ask ADDRESS PORT SECONDS     prints "p50 p99 count", microseconds */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BYTES 64
#define SAMPLES 2000000

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int serve(uint16_t port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    char bytes[BYTES];
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&own, sizeof own) != 0) return fail("bind");
    if (listen(listener, 16) != 0) return fail("listen");
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) return fail("accept");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ssize_t n;
        while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
            if (send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n) break;
        close(fd);
    }
}

static int rise(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int ask(const char *address, uint16_t port, double seconds)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port)};
    char bytes[BYTES] = "ping";
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    uint32_t *took = malloc(SAMPLES * sizeof *took), count = 0;
    if (!took || inet_pton(AF_INET, address, &peer.sin_addr) != 1) return fail(address);
    if (connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0) return fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    uint64_t now = nanoseconds(), end = now + (uint64_t)(seconds * 1e9);
    while (now < end && count < SAMPLES) {
        if (send(fd, bytes, BYTES, MSG_NOSIGNAL) != BYTES) return fail("send");
        if (recv(fd, bytes, BYTES, MSG_WAITALL) != BYTES) return fail("recv");
        uint64_t then = now;
        now = nanoseconds();
        took[count++] = (uint32_t)(now - then);
    }
    close(fd);
    qsort(took, count, sizeof *took, rise);
    printf("%.2f %.2f %u\n", took[count / 2] / 1e3, took[(uint64_t)count * 99 / 100] / 1e3, count);
    free(took);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve((uint16_t)atoi(argv[2]));
    if (argc == 5 && strcmp(argv[1], "ask") == 0)
        return ask(argv[2], (uint16_t)atoi(argv[3]), atof(argv[4]));
    fprintf(stderr, "pingpong serve PORT, or pingpong ask ADDRESS PORT SECONDS\n");
    return 2;
}
