/* TUN devices in a private network namespace: what the kernel sends comes in as frames, what
 * we send reaches the kernel's sockets, and refusals say what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nod/link.h"
#include "nod/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 7777
#define PATIENCE_MS 2000

static char why_not[NOD_NETNS_WHY]; /* no private network here: every test is skipped */

static nod_addr addr(const char *text)
{
    nod_addr out;
    assert_int_equal(nod_addr_parse(text, &out), 0);
    return out;
}

static nod_link *open_tun(nod_pool *pool, bool offload, const char *name)
{
    char why[NOD_LINK_WHY] = "";
    int error = 0;
    nod_tun_config config = {
        .name = name, .offload = offload, .host4 = addr("10.9.0.1"), .host6 = addr("fd09::1")};
    if (*why_not) skip();
    nod_link *link = nod_link_tun(pool, &config, &error, why);
    if (!link) fail_msg("no TUN: %s", why);
    assert_int_equal(error, 0);
    return link;
}

/* Waits for a frame of this IP version and protocol; lets others go. */
static void expect_frame(nod_link *link, int version, uint8_t protocol, nod_frame *out)
{
    for (int tries = 0; tries < 50; tries++) {
        struct pollfd wait = {.fd = nod_link_fd(link), .events = POLLIN};
        assert_true(poll(&wait, 1, PATIENCE_MS) == 1);
        if (nod_link_receive(link, out, 1, nod_clock()) != 1) continue;
        uint8_t head[40];
        nod_frame_copy(out, 0, head, sizeof head);
        if (head[0] >> 4 == version && head[version == 4 ? 9 : 6] == protocol) return;
        nod_frame_release(out);
    }
    fail_msg("the frame never came");
}

static uint32_t add_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* The checksum of everything behind the IP header, pseudo-header included: 0xffff is right. */
static uint16_t transport_sum(const uint8_t *packet, size_t len)
{
    bool ip4 = packet[0] >> 4 == 4;
    size_t l4 = ip4 ? 20 : 40;
    uint32_t sum = ip4 ? add_sum(0, packet + 12, 8) : add_sum(0, packet + 8, 32);
    sum += packet[ip4 ? 9 : 6] + (uint32_t)(len - l4);
    return fold(add_sum(sum, packet + l4, len - l4));
}

static void kernel_sends(int family, const char *to, size_t len)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    bool ip4 = family == AF_INET;
    char bytes[1400];
    memset(bytes, 'x', sizeof bytes);
    inet_pton(family, to, ip4 ? (void *)&four.sin_addr : (void *)&six.sin6_addr);
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t sent = sendto(fd, bytes, len, 0, ip4 ? (void *)&four : (void *)&six,
                          ip4 ? sizeof four : sizeof six);
    if (sent < 0) fail_msg("sendto %s: %s", to, strerror(errno));
    close(fd);
}

/* Whole, and with a checksum that holds, whatever the kernel left to the device. IPv6 works
 * without waiting for anybody's objection. */
static void check_from_kernel(bool offload)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_link *link = open_tun(pool, offload, NULL);
    for (int version = 4; version <= 6; version += 2) {
        nod_frame frame;
        uint8_t packet[1500];
        size_t head = version == 4 ? 28 : 48;
        kernel_sends(version == 4 ? AF_INET : AF_INET6, version == 4 ? "10.9.0.2" : "fd09::2",
                     1400);
        expect_frame(link, version, IPPROTO_UDP, &frame);
        assert_int_equal(nod_frame_length(&frame), head + 1400);
        nod_frame_copy(&frame, 0, packet, sizeof packet);
        assert_int_equal(transport_sum(packet, head + 1400), 0xffff);
        assert_int_equal(packet[head + 1399], 'x');
        nod_frame_release(&frame);
    }
    nod_link_close(link);
    nod_pool_free(pool);
}

static void from_kernel(void **state)
{
    (void)state;
    check_from_kernel(false);
}

static void from_kernel_offload(void **state)
{
    (void)state;
    check_from_kernel(true);
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* An IPv4 packet from 10.9.0.2 to 10.9.0.1 in head[]; `payload` bytes follow in parts. */
static void ip4_head(nod_frame *frame, uint8_t protocol, unsigned l4_len, size_t payload)
{
    *frame = (nod_frame){.head_len = (uint8_t)(20 + l4_len), .l4_off = 20};
    uint8_t *ip = frame->head;
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)(20 + l4_len + payload));
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, (uint8_t[]){10, 9, 0, 2, 10, 9, 0, 1}, 8);
    put16(ip + 10, (uint16_t)~fold(add_sum(0, ip, 20)));
}

static void add_parts(nod_pool *pool, nod_frame *frame, int parts, size_t each)
{
    for (int i = 0; i < parts; i++) {
        nod_block *block = nod_block_new(pool, each);
        memset(nod_block_bytes(block), 'a' + i, each);
        frame->part[frame->parts++] = (nod_slice){block, 0, (uint32_t)each};
    }
}

/* A header and three slices leave as one packet, in order. */
static void to_kernel(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_link *link = open_tun(pool, false, NULL);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(bind(fd, (void *)&here, sizeof here), 0);

    nod_frame frame;
    char got[400];
    ip4_head(&frame, IPPROTO_UDP, 8, 300);
    put16(frame.head + 20, 1234);
    put16(frame.head + 22, PORT);
    put16(frame.head + 24, 308); /* no checksum: UDP over IPv4 allows it */
    add_parts(pool, &frame, 3, 100);
    assert_int_equal(nod_link_send(link, &frame, 1, nod_clock()), 1);
    assert_int_equal(frame.parts, 0);
    assert_int_equal(recv(fd, got, sizeof got, 0), 300);
    assert_int_equal(got[0], 'a');
    assert_int_equal(got[100], 'b');
    assert_int_equal(got[299], 'c');

    nod_link_stats stats;
    nod_link_get_stats(link, &stats);
    assert_int_equal(stats.frames_out, 1);
    close(fd);
    nod_link_close(link);
    nod_pool_free(pool);
}

/* 3000 bytes of TCP with gso_size 1000: the link cuts if the device cannot. Either way the
 * kernel finds every checksum right, or a raw socket would not see the packets. */
static int count_large(bool offload, size_t *bytes)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_link *link = open_tun(pool, offload, NULL);
    struct timeval patience = {0, 300000};
    int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
    assert_true(raw >= 0);
    setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

    nod_frame frame;
    ip4_head(&frame, IPPROTO_TCP, 20, 3000);
    uint8_t *tcp = frame.head + 20;
    put16(tcp, 1234);
    put16(tcp + 2, PORT);
    tcp[12] = 0x50;
    tcp[13] = 0x10;
    frame.flags = NOD_FRAME_CSUM_TODO;
    frame.gso_size = 1000;
    put16(tcp + 16, fold(add_sum(6 + 3020, frame.head + 12, 8)));
    add_parts(pool, &frame, 3, 1000);
    assert_int_equal(nod_link_send(link, &frame, 1, nod_clock()), 1);

    static uint8_t packet[65536];
    int count = 0;
    ssize_t got;
    *bytes = 0;
    while ((got = recv(raw, packet, sizeof packet, 0)) > 0) {
        if (packet[12 + 3] != 2) continue; /* the kernel's own RST goes the other way */
        count++;
        *bytes += (size_t)got - 40;
        if (!offload) assert_int_equal(transport_sum(packet, (size_t)got), 0xffff);
    }
    close(raw);
    nod_link_close(link);
    nod_pool_free(pool);
    return count;
}

static void large_is_cut(void **state)
{
    (void)state;
    size_t bytes;
    assert_int_equal(count_large(false, &bytes), 3);
    assert_int_equal(bytes, 3000);
}

static void large_offload(void **state)
{
    (void)state;
    size_t bytes;
    assert_int_equal(count_large(true, &bytes), 1);
    assert_int_equal(bytes, 3000);
}

/* A packet for which there is no block is lost and counted, and does not block the next. */
static void no_memory(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 100);
    nod_link *link = open_tun(pool, false, NULL);
    nod_link_stats stats;
    nod_frame frame;
    kernel_sends(AF_INET, "10.9.0.2", 1000);
    kernel_sends(AF_INET, "10.9.0.2", 1000);
    assert_int_equal(nod_link_receive(link, &frame, 1, nod_clock()), 0);
    nod_link_get_stats(link, &stats);
    assert_true(stats.no_memory >= 2);
    assert_int_equal(stats.frames_in, 0);
    struct pollfd wait = {.fd = nod_link_fd(link), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 0), 0);
    nod_link_close(link);
    nod_pool_free(pool);
}

/* What the kernel takes for no packet at all is lost like any damaged packet, and is no
 * failure of the device. */
static void nonsense_is_refused(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_link *link = open_tun(pool, false, NULL);
    nod_link_stats stats;
    nod_frame frames[2];
    assert_int_equal(nod_frame_from_bytes(pool, "\xf0 no IP version", 16, &frames[0]), 0);
    ip4_head(&frames[1], IPPROTO_UDP, 8, 0);
    assert_int_equal(nod_link_send(link, frames, 2, nod_clock()), 2);
    nod_link_get_stats(link, &stats);
    assert_int_equal(stats.refused, 1);
    assert_int_equal(stats.frames_out, 1);
    nod_link_close(link);
    nod_pool_free(pool);
}

static void set_up(const char *name, bool up)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
    request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

/* A device that is down loses packets, as a cable that is pulled does, and is no failure. */
static void down_and_up(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_link *link = open_tun(pool, false, NULL);
    nod_link_stats stats;
    nod_frame frame;
    set_up(nod_link_name(link), false);
    ip4_head(&frame, IPPROTO_UDP, 8, 0);
    assert_int_equal(nod_link_send(link, &frame, 1, nod_clock()), 1);
    assert_int_equal(nod_link_receive(link, &frame, 1, nod_clock()), 0);
    nod_link_get_stats(link, &stats);
    assert_int_equal(stats.refused, 1);
    set_up(nod_link_name(link), true);
    ip4_head(&frame, IPPROTO_UDP, 8, 0);
    assert_int_equal(nod_link_send(link, &frame, 1, nod_clock()), 1);
    nod_link_get_stats(link, &stats);
    assert_int_equal(stats.frames_out, 1);
    nod_link_close(link);
    nod_pool_free(pool);
}

/* The device lives as long as the link, and the kernel picks names when asked to. */
static void names(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_iface_config iface;
    nod_link *link = open_tun(pool, true, "");
    assert_string_equal(nod_link_name(link), "nod0");
    assert_true(if_nametoindex("nod0") != 0);
    nod_link_iface(link, &iface);
    assert_int_equal(iface.mtu, 1500);
    assert_int_equal(iface.gso_max, 65535);
    assert_true(iface.csum_offload);
    nod_link_close(link);
    assert_int_equal(if_nametoindex("nod0"), 0);
    nod_pool_free(pool);
}

static void expect_refusal(const nod_tun_config *config, int expected, const char *word)
{
    char why[NOD_LINK_WHY] = "";
    int error = 0;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_link *link = nod_link_tun(pool, config, &error, why);
    assert_null(link);
    assert_int_equal(error, expected);
    if (!strstr(why, word)) fail_msg("\"%s\" does not say \"%s\"", why, word);
    nod_pool_free(pool);
}

static void refusals(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_link *link = open_tun(pool, false, "taken");
    expect_refusal(&(nod_tun_config){.name = "taken"}, NOD_EIO, "in use");
    expect_refusal(&(nod_tun_config){.name = "longer-than-sixteen"}, NOD_EINVAL, "too long");
    expect_refusal(&(nod_tun_config){.name = "lo"}, NOD_EIO, "taken");
    expect_refusal(&(nod_tun_config){.host4 = addr("::1")}, NOD_EINVAL, "no sense");
    expect_refusal(&(nod_tun_config){.host6 = addr("fd00::1"), .mtu = 1000}, NOD_EINVAL, "1280");
    nod_link_close(link);
    nod_pool_free(pool);
}

/* Who may not make devices is told so, in a sentence. */
static void no_permission(void **state)
{
    (void)state;
    if (*why_not || geteuid() != 0) skip();
    pid_t child = fork();
    if (child == 0) {
        char why[NOD_LINK_WHY] = "";
        int error = 0;
        nod_pool *pool = nod_pool_new(NULL, 0);
        /* In a user namespace with one user, there is no other to become. */
        if (setuid(65534) != 0) _exit(77);
        nod_link *link = nod_link_tun(pool, &(nod_tun_config){0}, &error, why);
        nod_pool_free(pool);
        _exit(link == NULL && error == NOD_EPERM && strstr(why, "permission") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int enter(void **state)
{
    (void)state;
    if (nod_netns_enter(why_not) != 0)
        printf("skipped: %s\n", why_not);
    else if (access("/dev/net/tun", R_OK | W_OK) != 0)
        printf("skipped: %s\n", strcpy(why_not, "/dev/net/tun cannot be opened here."));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_kernel),
        cmocka_unit_test(from_kernel_offload),
        cmocka_unit_test(to_kernel),
        cmocka_unit_test(large_is_cut),
        cmocka_unit_test(large_offload),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(down_and_up),
        cmocka_unit_test(names),
        cmocka_unit_test(refusals),
        cmocka_unit_test(no_permission),
    };
    return cmocka_run_group_tests(tests, enter, NULL);
}
