/* ICMP and ICMPv6 with the kernel: nod answers an echo, says that it has no UDP, and hears
 * that a network cannot be reached. */
#include "cases.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECHO_BYTES 1000

static uint16_t checksum(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static int raw_socket(world *w)
{
    int fd = w->family == 4
                 ? socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP)
                 : socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
    CHECK(w, fd >= 0, "raw socket: %s", strerror(errno));
    return fd;
}

/* The reply carries what was sent, byte for byte. */
static void echo(world *w)
{
    uint8_t request[8 + ECHO_BYTES] = {0}, got[2000];
    struct sockaddr_storage to;
    socklen_t len = world_sockaddr(&w->own, 0, &to);
    bool ip4 = w->family == 4;
    int fd = raw_socket(w);
    request[0] = ip4 ? 8 : 128;
    request[5] = 42;
    for (int i = 0; i < ECHO_BYTES; i++) request[8 + i] = (uint8_t)(i * 3);
    if (ip4) {
        uint16_t sum = checksum(request, sizeof request);
        request[2] = (uint8_t)(sum >> 8);
        request[3] = (uint8_t)sum;
    }
    ssize_t sent = sendto(fd, request, sizeof request, 0, (void *)&to, len);
    CHECK(w, sent == sizeof request, "sendto: %s", strerror(errno));
    world_settle(w);
    for (;;) {
        ssize_t n = recv(fd, got, sizeof got, 0);
        CHECK(w, n > 0, "no echo reply");
        const uint8_t *reply = ip4 ? got + 20 : got;
        if (reply[0] != (ip4 ? 0 : 129)) continue;
        CHECK(w, n == (ip4 ? 20 : 0) + (ssize_t)sizeof request, "a reply of %zd bytes", n);
        CHECK(w, memcmp(reply + 4, request + 4, sizeof request - 4) == 0, "another echo");
        break;
    }
    close(fd);
}

/* nod has no UDP: the port is unreachable, and the kernel's socket hears of it. */
static void unreachable_out(world *w)
{
    struct sockaddr_storage to;
    socklen_t len = world_sockaddr(&w->own, 9999, &to);
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;
    char byte = 0;
    CHECK(w, connect(fd, (void *)&to, len) == 0, "connect: %s", strerror(errno));
    CHECK(w, send(fd, "x", 1, 0) == 1, "send: %s", strerror(errno));
    world_settle(w);
    if (recv(fd, &byte, 1, 0) < 0) error = errno;
    CHECK(w, error == ECONNREFUSED, "the kernel hears: %s", strerror(error));
    close(fd);
}

static void write_setting(world *w, const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(w, fd >= 0 && write(fd, text, 1) == 1, "%s: %s", path, strerror(errno));
    close(fd);
}

/* The kernel forwards, and has no way to where nod wants to go: that is trouble which may
 * pass, so the open goes on and the user is told. */
static void unreachable_in(world *w)
{
    nod_open open = {.remote.port = PORT};
    nod_handle handle;
    nod_event event = {0};
    nod_addr any = {.family = (uint8_t)w->family};
    write_setting(w,
                  w->family == 4 ? "/proc/sys/net/ipv4/ip_forward"
                                 : "/proc/sys/net/ipv6/conf/all/forwarding",
                  "1");
    nod_addr_parse(w->family == 4 ? "192.0.2.1" : "2001:db8::1", &open.remote.addr);
    CHECK(w, nod_stack_add_route(w->loop.stack, 0, &any, 0, NULL) == 0, "route");
    int error = nod_tcp_open(w->loop.stack, &open, &handle);
    CHECK(w, error == 0, "OPEN: %s", nod_strerror(error));
    world_settle(w);
    CHECK(w, nod_stack_events(w->loop.stack, &event, 1) == 1, "nod hears nothing");
    CHECK(w, event.flags & NOD_EVENT_SOFT_ERROR, "flags %x", event.flags);
    CHECK(w, event.error == NOD_EUNREACH, "%s", nod_strerror(event.error));
    CHECK(w, world_state(w, handle) == NOD_SYN_SENT, "the open did not go on");
}

void run_icmp(const char *name, int family)
{
    const world_config config = {0};
    world w;
    world_open(&w, name, family, &config);
    echo(&w);
    unreachable_out(&w);
    unreachable_in(&w);
    world_close(&w);
}
