/* TCP Fast Open and SYN cookies of nod's sockets, against the kernel's at the other end of a TUN:
 * both directions, as programs ask for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nod/netns.h"
#include "posix/net.h"

#define PORT 4000

static struct sockaddr_in kernel_at, own_at;

static int start(void **state)
{
    char why[NOD_LINK_WHY];
    nod_net_config config;
    (void)state;
    alarm(60);
    int fd = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY);
    if (fd < 0 || write(fd, "3", 1) != 1) {
        printf("skipped: the kernel's Fast Open cannot be switched on: %s\n", strerror(errno));
        exit(77);
    }
    close(fd);
    nod_net_config_default(&config);
    if (nod_net_start(&config, why) != 0) {
        printf("skipped: %s\n", why);
        exit(77);
    }
    kernel_at = (struct sockaddr_in){.sin_family = AF_INET};
    kernel_at.sin_addr.s_addr = htonl(0x0a6e6f01);
    own_at = kernel_at;
    own_at.sin_addr.s_addr = htonl(0x0a6e6f02);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    nod_net_stop(NOD_SEC);
    return 0;
}

static struct sockaddr_in at_port(const struct sockaddr_in *host, uint16_t port)
{
    struct sockaddr_in at = *host;
    at.sin_port = htons(port);
    return at;
}

static bool took_syn_text(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    assert_int_equal(nod_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_options & TCPI_OPT_SYN_DATA;
}

/* Reads exactly so much as is expected. */
static void expect(int fd, const char *text)
{
    char got[100] = "";
    size_t len = strlen(text), done = 0;
    while (done < len) {
        ssize_t n = nod_read(fd, got + done, len - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_string_equal(got, text);
}

static int listen_on(uint16_t port, const struct sockaddr_in *host, int fast)
{
    struct sockaddr_in at = at_port(host, port);
    bool own = host == &own_at;
    int fd = own ? nod_socket(AF_INET, SOCK_STREAM, 0) : socket(AF_INET, SOCK_STREAM, 0), on = 1;
    assert_true(fd >= 0);
    assert_int_equal(nod_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(nod_setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &fast, sizeof fast), 0);
    assert_int_equal(nod_bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(nod_listen(fd, 16), 0);
    return fd;
}

/* One after the other: the first asks for a cookie, the second has it. */
static void nod_calls(int listener, uint16_t port, int round, bool by_connect)
{
    struct sockaddr_in to = at_port(&kernel_at, port);
    int fd = nod_socket(AF_INET, SOCK_STREAM, 0), on = 1;
    assert_true(fd >= 0);
    if (by_connect) {
        assert_int_equal(nod_setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on), 0);
        assert_int_equal(nod_connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        assert_int_equal(nod_write(fd, "hello", 5), 5);
    } else {
        assert_int_equal(
            nod_sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to), 5);
    }
    int other = nod_accept(listener, NULL, NULL);
    assert_true(other >= 0);
    expect(other, "hello");
    assert_int_equal(nod_write(other, "there", 5), 5);
    expect(fd, "there");
    assert_int_equal(took_syn_text(fd), round > 0);
    assert_int_equal(took_syn_text(other), round > 0);
    nod_close(fd);
    nod_close(other);
}

static void test_to_the_kernel(void **state)
{
    (void)state;
    for (int by_connect = 0; by_connect < 2; by_connect++) {
        uint16_t port = (uint16_t)(PORT + by_connect);
        int listener = listen_on(port, &kernel_at, 5);
        for (int round = 0; round < 3; round++) nod_calls(listener, port, round, by_connect);
        nod_close(listener);
    }
}

/* The kernel keeps one cookie for a host, whatever the port. */
static void test_from_the_kernel(void **state)
{
    (void)state;
    int listener = listen_on(PORT, &own_at, 5);
    for (int round = 0; round < 3; round++) {
        struct sockaddr_in to = at_port(&own_at, PORT);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to),
                         5);
        int other = nod_accept(listener, NULL, NULL);
        assert_true(other >= 0);
        expect(other, "hello");
        assert_int_equal(nod_write(other, "there", 5), 5);
        expect(fd, "there");
        assert_int_equal(took_syn_text(fd), round > 0);
        assert_int_equal(took_syn_text(other), round > 0);
        close(fd);
        nod_close(other);
    }
    /* Another key: the kernel's cookie is good once more, and replaced, and then it is not. */
    uint8_t key[16] = {1};
    for (int round = 0; round < 3; round++) {
        struct sockaddr_in to = at_port(&own_at, PORT);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        key[0]++;
        assert_int_equal(nod_setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, sizeof key),
                         0);
        if (round == 1) key[1]++;
        if (round == 1)
            assert_int_equal(
                nod_setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, sizeof key), 0);
        assert_int_equal(sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to),
                         5);
        int other = nod_accept(listener, NULL, NULL);
        assert_true(other >= 0);
        expect(other, "hello");
        assert_int_equal(took_syn_text(other), round == 2);
        close(fd);
        nod_close(other);
    }
    nod_close(listener);
}

/* What goes wrong as it does with the kernel's sockets. */
static void test_errors(void **state)
{
    (void)state;
    struct sockaddr_in to = at_port(&kernel_at, PORT + 9);
    int listener = listen_on(PORT + 9, &kernel_at, 5);
    int fd = nod_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    /* Without a cookie nothing goes along, and who does not wait is told so. */
    assert_int_equal(nod_sendto(fd, "a", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, EINPROGRESS);
    assert_int_equal(nod_sendto(fd, "a", 1, MSG_FASTOPEN, NULL, 0), -1);
    assert_int_equal(errno, EINVAL);
    struct pollfd p = {fd, POLLOUT, 0};
    assert_int_equal(nod_poll(&p, 1, 5000), 1);
    /* This tells that it has come about, and the next that there is nothing more to connect. */
    assert_int_equal(nod_sendto(fd, "a", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to), 1);
    assert_int_equal(nod_sendto(fd, "a", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, EISCONN);
    nod_close(fd);
    /* With one, it does. */
    fd = nod_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(nod_sendto(fd, "a", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to), 1);
    nod_close(fd);
    /* A connection that waits for its first write can be written to, and not read from. */
    int on = 1;
    fd = nod_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(nod_setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on), 0);
    assert_int_equal(nod_connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    p = (struct pollfd){fd, POLLIN | POLLOUT, 0};
    assert_int_equal(nod_poll(&p, 1, 0), 1);
    assert_int_equal(p.revents, POLLOUT);
    char byte;
    assert_int_equal(nod_read(fd, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    nod_close(fd);
    nod_close(listener);
    /* Nobody there. */
    fd = nod_socket(AF_INET, SOCK_STREAM, 0);
    to.sin_port = htons(1);
    assert_int_equal(nod_sendto(fd, "a", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, ECONNREFUSED);
    nod_close(fd);
    /* To this host itself it is the kernel's. */
    struct sockaddr_in home = at_port(&kernel_at, PORT + 8);
    home.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = listen_on(PORT + 8, &home, 5);
    fd = nod_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(nod_sendto(fd, "a", 1, MSG_FASTOPEN, (struct sockaddr *)&home, sizeof home),
                     1);
    nod_close(fd);
    nod_close(listener);
}

/* The kernel sends text without a cookie, which a listener takes when its program says so. */
static void test_without_cookies(void **state)
{
    (void)state;
    int listener = listen_on(PORT + 8, &own_at, 5), on = 1;
    struct sockaddr_in to = at_port(&own_at, PORT + 8);
    for (int taken = 0; taken < 2; taken++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(
            nod_setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &taken, sizeof taken), 0);
        assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof on), 0);
        assert_int_equal(sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to),
                         5);
        int other = nod_accept(listener, NULL, NULL);
        assert_true(other >= 0);
        expect(other, "hello");
        assert_int_equal(took_syn_text(other), taken);
        close(fd);
        nod_close(other);
    }
    nod_close(listener);
}

/* More of the kernel's connections at once than the backlog has records for: the others come by
 * cookies, with all that the kernel's timestamps bring back. 4987/02. */
static void test_cookies(void **state)
{
    (void)state;
    enum { MANY = 30 };
    int fds[MANY], listener = listen_on(PORT + 7, &own_at, 0);
    struct sockaddr_in to = at_port(&own_at, PORT + 7);
    assert_true(net_enter()); /* nobody answers before all have asked */
    for (int i = 0; i < MANY; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_true(connect(fds[i], (struct sockaddr *)&to, sizeof to) == -1);
        assert_int_equal(errno, EINPROGRESS);
    }
    net_leave();
    for (int i = 0; i < MANY; i++) {
        char hello[20];
        struct tcp_info info;
        socklen_t len = sizeof info;
        int fd = nod_accept(listener, NULL, NULL);
        assert_true(fd >= 0);
        assert_int_equal(nod_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
        unsigned all = TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE;
        assert_int_equal(info.tcpi_options & all, all);
        assert_int_equal(info.tcpi_snd_mss, 1448);
        snprintf(hello, sizeof hello, "number %2d", i);
        assert_int_equal(nod_write(fd, hello, 9), 9);
        nod_close(fd);
    }
    nod_stack_stats stats;
    nod_stack_get_stats(nod_net->stack, &stats);
    assert_in_range(stats.cookies_accepted, 1, MANY);
    for (int i = 0; i < MANY; i++) {
        char got[10] = "";
        assert_int_equal(fcntl(fds[i], F_SETFL, 0), 0);
        assert_int_equal(read(fds[i], got, 9), 9);
        assert_memory_equal(got, "number ", 7);
        close(fds[i]);
    }
    nod_close(listener);
}

int main(void)
{
    char why[NOD_NETNS_WHY];
    if (nod_netns_enter(why) != 0) {
        printf("skipped: %s\n", why);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_the_kernel), cmocka_unit_test(test_from_the_kernel),
        cmocka_unit_test(test_errors),        cmocka_unit_test(test_without_cookies),
        cmocka_unit_test(test_cookies),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
