/* A server of one connection on the kernel's sockets, for tests of `nod connect` on machines
 * that have no other: `echo` sends back what comes, `count` says at the end of the stream how
 * many bytes came, `shut` closes its half at once and counts to standard error. */
#include "cases.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int listen_on(uint16_t port)
{
    /* IPv4 comes in here too, as a mapped address. */
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int on = 1;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (void *)&any, sizeof any) != 0 || listen(fd, 8) != 0) {
        perror("serve");
        exit(1);
    }
    return fd;
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0) return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

int run_serve(const char *how, uint16_t port)
{
    static char bytes[65536];
    int fd = accept(listen_on(port), NULL, NULL);
    long long count = 0;
    ssize_t got;
    if (strcmp(how, "shut") == 0) shutdown(fd, SHUT_WR);
    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        count += got;
        if (strcmp(how, "echo") == 0 && !send_all(fd, bytes, (size_t)got)) return 1;
    }
    if (got < 0) {
        perror("serve");
        return 1;
    }
    snprintf(bytes, sizeof bytes, "%lld bytes\n", count);
    if (strcmp(how, "count") == 0) send_all(fd, bytes, strlen(bytes));
    if (strcmp(how, "shut") == 0) fputs(bytes, stderr);
    close(fd);
    return 0;
}
