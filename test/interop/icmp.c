/* The kernel pings nod, sends UDP where nobody listens, and tells nod that there is no way. */
#include "cases.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint16_t icmp_sum(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* Turns the loop until the socket has something to read; false after two seconds. */
static bool wait_for(world *w, int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    nod_usec until = nod_clock() + 2 * NOD_SEC;
    while (nod_clock() < until) {
        world_turn(w, &poll_fd, 1, until);
        if (poll_fd.revents) return true;
    }
    return false;
}

static size_t make_echo(int family, uint8_t *packet, size_t data)
{
    memset(packet, 0, 8);
    packet[0] = family == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
    packet[4] = 0x12, packet[5] = 0x34, packet[7] = 1;
    for (size_t i = 0; i < data; i++) packet[8 + i] = (uint8_t)(i * 7);
    if (family == 4) { /* the kernel fills in ICMPv6's */
        uint16_t sum = icmp_sum(packet, 8 + data);
        memcpy(packet + 2, &sum, 2);
    }
    return 8 + data;
}

static int icmp_socket(world *w)
{
    int fd = socket(w->family == 4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK,
                    w->family == 4 ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
    CHECK(w, fd >= 0, "no raw socket: %s", strerror(errno));
    return fd;
}

static uint8_t packet_out[66000], packet_in[66000];

static size_t send_ping(world *w, int fd, size_t data)
{
    struct sockaddr_storage to;
    socklen_t to_len = world_sockaddr(&w->own, 0, &to);
    size_t len = make_echo(w->family, packet_out, data);
    CHECK(w, sendto(fd, packet_out, len, 0, (void *)&to, to_len) == (ssize_t)len,
          "ping of %zu bytes: %s", data, strerror(errno));
    return len;
}

/* Waits for an ICMP message of this type; returns its length. */
static size_t wait_for_type(world *w, int fd, uint8_t type, const uint8_t **icmp)
{
    for (;;) {
        CHECK(w, wait_for(w, fd), "no message of type %u", type);
        ssize_t got = recv(fd, packet_in, sizeof packet_in, 0);
        *icmp = w->family == 4 ? packet_in + (packet_in[0] & 15) * 4 : packet_in;
        size_t size = got < 0 ? 0 : (size_t)(packet_in + got - *icmp);
        if (size >= 8 && (*icmp)[0] == type) return size;
    }
}

/* Both ways in parts, where it is larger than the device. */
static void ping(world *w, int fd, size_t data)
{
    size_t len = send_ping(w, fd, data);
    const uint8_t *icmp;
    size_t size = wait_for_type(w, fd, w->family == 4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY, &icmp);
    CHECK(w, size == len && memcmp(icmp + 4, packet_out + 4, len - 4) == 0,
          "the answer to a ping of %zu bytes is not the question", data);
}

static void pings(world *w)
{
    size_t largest = w->family == 4 ? 65507 : 65527;
    const size_t sizes[] = {0,    1,    56,   57,   1000, 1400,  1452,  1453,
                            1472, 1473, 3000, 8192, 9001, 32768, 65000, largest};
    int fd = icmp_socket(w);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) ping(w, fd, sizes[i]);
    close(fd);
}

/* Hop-by-hop and destination options with one that nobody knows, before pings that are whole and
 * in parts: those to be skipped are, and the kernel is told of the others. */
static void options(world *w)
{
    static const int headers[] = {IPV6_HOPOPTS, IPV6_DSTOPTS};
    for (int i = 0; i < 4; i++) {
        uint8_t header[8] = {0, 0, i & 2 ? 0x9e : 0x1e, 4, 1, 2, 3, 4};
        int fd = icmp_socket(w);
        CHECK(w, setsockopt(fd, IPPROTO_IPV6, headers[i & 1], header, sizeof header) == 0,
              "no options: %s", strerror(errno));
        if (i & 2) {
            const uint8_t *icmp;
            send_ping(w, fd, 100);
            wait_for_type(w, fd, ICMP6_PARAM_PROB, &icmp);
            CHECK(w, icmp[1] == ICMP6_PARAMPROB_OPTION && icmp[7] == 42, "code %u, pointer %u",
                  icmp[1], icmp[7]);
        } else {
            ping(w, fd, 100);
            ping(w, fd, 5000);
        }
        close(fd);
    }
}

/* A connected UDP socket hears of the port unreachable as ECONNREFUSED. */
static void knock(world *w)
{
    struct sockaddr_storage to;
    socklen_t to_len = world_sockaddr(&w->own, 4242, &to);
    int fd = socket(w->family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    CHECK(w, fd >= 0 && connect(fd, (void *)&to, to_len) == 0, "no UDP: %s", strerror(errno));
    CHECK(w, send(fd, "knock", 5, 0) == 5, "no UDP: %s", strerror(errno));
    CHECK(w, wait_for(w, fd), "no port unreachable");
    char byte;
    CHECK(w, recv(fd, &byte, 1, 0) < 0 && errno == ECONNREFUSED, "not refused: %s",
          strerror(errno));
    close(fd);
}

/* The kernel's end of a TAP says that it is a router. Only from its link-local address is that
 * believed, and that is tentative for a second. */
static void advertise(world *w)
{
    struct sockaddr_in6 all = {.sin6_family = AF_INET6};
    struct nd_router_advert ra = {.nd_ra_type = ND_ROUTER_ADVERT};
    int hops = 255, index = (int)if_nametoindex(nod_link_name(w->loop.link));
    int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    CHECK(w, fd >= 0, "no raw socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops);
    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index);
    inet_pton(AF_INET6, "ff02::1", &all.sin6_addr);
    ra.nd_ra_router_lifetime = htons(1800);
    sendto(fd, &ra, sizeof ra, 0, (void *)&all, sizeof all);
    close(fd);
    world_settle(w);
}

/* OPEN, to where only a router knows the way. */
static int open_beyond(world *w, const nod_open *open, bool learn, nod_handle *handle)
{
    nod_addr any = {.family = (uint8_t)w->family};
    nod_usec until = nod_clock() + 5 * NOD_SEC;
    if (!learn) {
        CHECK(w, nod_stack_add_route(w->loop.stack, 0, &any, 0, &w->host) == 0, "route");
        return nod_tcp_open(w->loop.stack, open, handle);
    }
    int error = NOD_EUNREACH;
    while (error == NOD_EUNREACH && nod_clock() < until) {
        advertise(w);
        error = nod_tcp_open(w->loop.stack, open, handle);
    }
    return error;
}

/* The kernel forwards, and has no way to where nod wants to go: that is trouble which may
 * pass, so the open goes on and the user is told. */
static void unreachable_in(world *w, bool tap)
{
    nod_open open = {.remote.port = PORT};
    nod_handle handle;
    nod_event event = {0};
    if (!world_setting(w->family == 4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding",
                       "1")) {
        printf("not tested: unreachable networks, for /proc/sys cannot be written here\n");
        return;
    }
    nod_addr_parse(w->family == 4 ? "192.0.2.1" : "2001:db8::1", &open.remote.addr);
    int error = open_beyond(w, &open, tap && w->family == 6, &handle);
    CHECK(w, error == 0, "OPEN: %s", nod_strerror(error));
    world_settle(w);
    CHECK(w, nod_stack_events(w->loop.stack, &event, 1) == 1, "nod hears nothing");
    CHECK(w, event.flags & NOD_EVENT_SOFT_ERROR, "flags %x", event.flags);
    CHECK(w, event.error == NOD_EUNREACH, "%s", nod_strerror(event.error));
    CHECK(w, world_state(w, handle) == NOD_SYN_SENT, "the open did not go on");
}

void run_icmp(const char *name, int family, const world_config *config)
{
    world w;
    world_open(&w, name, family, config);
    pings(&w);
    if (family == 6) options(&w);
    knock(&w);
    unreachable_in(&w, config->tap);
    world_close(&w);
}
