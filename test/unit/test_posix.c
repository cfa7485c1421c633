/* The sockets of nod/posix.h, embedded in a program with a helper thread of the library's, against
 * the kernel's at the other end of a TUN. (Programs that know nothing of nod: test/programs,
 * test/calls.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nod/netns.h"
#include "posix/net.h"

#define PATIENCE_S 20
#define BULK (4u << 20)
#define THREADS 6

static struct sockaddr_in kernel_at, own_at;
static pid_t echo_server;

/* The kernel's side. */

static void echo_one(int fd)
{
    char bytes[65536];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof bytes)) > 0)
        for (ssize_t done = 0; done < got;) {
            ssize_t put = write(fd, bytes + done, (size_t)(got - done));
            if (put <= 0) _exit(1);
            done += put;
        }
    _exit(got < 0);
}

static void echo_forever(int listener)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) continue;
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* its peer's network may go without a word */
            close(listener);
            echo_one(fd);
        }
        close(fd);
    }
}

static void start_echo(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(7)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(listener, 64), 0);
    echo_server = fork();
    if (echo_server == 0) echo_forever(listener);
    close(listener);
}

static int start(void **state)
{
    char why[NOD_LINK_WHY];
    nod_net_config config;
    (void)state;
    alarm(100);
    start_echo();
    nod_net_config_default(&config);
    config.memory = 256u << 20;
    if (nod_net_start(&config, why) != 0) {
        kill(echo_server, SIGKILL);
        printf("skipped: %s\n", why);
        exit(77);
    }
    kernel_at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(7)};
    kernel_at.sin_addr.s_addr = htonl(0x0a6e6f01);
    own_at = kernel_at;
    own_at.sin_addr.s_addr = htonl(0x0a6e6f02);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    nod_net_stop(NOD_SEC);
    kill(echo_server, SIGKILL);
    waitpid(echo_server, NULL, 0);
    return 0;
}

static int connect_echo(int flags)
{
    int fd = nod_socket(AF_INET, SOCK_STREAM | flags, 0);
    assert_true(fd >= 0);
    assert_true(nod_is_socket(fd));
    int got = nod_connect(fd, (struct sockaddr *)&kernel_at, sizeof kernel_at);
    if (flags & SOCK_NONBLOCK)
        assert_true(got == 0 || errno == EINPROGRESS);
    else
        assert_int_equal(got, 0);
    return fd;
}

/* A byte that tells its place. */
static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

/* Says `len` bytes from a thread of its own, and hears them all. False: something else came. */
typedef struct talk {
    int fd;
    size_t len;
    bool good;
} talk;

static void *say(void *arg)
{
    talk *t = arg;
    uint8_t bytes[10000];
    for (size_t done = 0; done < t->len;) {
        size_t n = t->len - done < sizeof bytes ? t->len - done : sizeof bytes;
        for (size_t i = 0; i < n; i++) bytes[i] = byte_at(done + i);
        ssize_t put = nod_send(t->fd, bytes, n, 0);
        if (put <= 0) return NULL;
        done += (size_t)put;
    }
    nod_shutdown(t->fd, SHUT_WR);
    return NULL;
}

static void *converse(void *arg)
{
    talk *t = arg;
    pthread_t speaker;
    uint8_t bytes[7777];
    size_t heard = 0;
    ssize_t got;
    pthread_create(&speaker, NULL, say, t);
    t->good = true;
    while ((got = nod_recv(t->fd, bytes, sizeof bytes, 0)) > 0)
        for (ssize_t i = 0; i < got; i++) t->good &= bytes[i] == byte_at(heard++);
    pthread_join(speaker, NULL);
    t->good &= got == 0 && heard == t->len;
    return NULL;
}

static void test_echo(void **state)
{
    (void)state;
    talk t = {.fd = connect_echo(0), .len = BULK};
    converse(&t);
    assert_true(t.good);
    assert_int_equal(nod_close(t.fd), 0);
    assert_int_equal(nod_send(t.fd, "", 1, MSG_NOSIGNAL), -1);
    assert_int_equal(errno, EBADF);
}

static void test_threads(void **state)
{
    (void)state;
    talk talks[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) talks[i] = (talk){.fd = connect_echo(0), .len = BULK / 4};
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, converse, &talks[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(talks[i].good);
        nod_close(talks[i].fd);
    }
}

static void test_poll_takes_both_kinds(void **state)
{
    (void)state;
    int ends[2], fd = connect_echo(SOCK_NONBLOCK);
    char byte;
    assert_int_equal(pipe(ends), 0);
    struct pollfd fds[] = {{.fd = fd, .events = POLLOUT}, {.fd = ends[0], .events = POLLIN}};
    assert_int_equal(nod_poll(fds, 2, PATIENCE_S * 1000), 1);
    assert_int_equal(fds[0].revents, POLLOUT);
    fds[0].events = POLLIN;
    assert_int_equal(nod_poll(fds, 2, 20), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(nod_poll(fds, 2, PATIENCE_S * 1000), 1);
    assert_int_equal(fds[1].revents, POLLIN);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(nod_send(fd, "y", 1, 0), 1);
    assert_int_equal(nod_poll(fds, 2, PATIENCE_S * 1000), 1);
    assert_int_equal(fds[0].revents, POLLIN);
    assert_int_equal(nod_recv(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(nod_recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    close(ends[0]);
    close(ends[1]);
    nod_close(fd);
}

static void test_epoll_edges(void **state)
{
    (void)state;
    int ends[2], fd = connect_echo(0), epfd = nod_epoll_create1(0);
    char byte;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 1}, got[4];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(nod_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    assert_int_equal(nod_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), -1);
    assert_int_equal(errno, EEXIST);
    event = (struct epoll_event){.events = EPOLLIN, .data.u64 = 2};
    assert_int_equal(nod_epoll_ctl(epfd, EPOLL_CTL_ADD, ends[0], &event), 0);
    assert_int_equal(nod_epoll_wait(epfd, got, 4, 20), 0);
    assert_int_equal(nod_send(fd, "ab", 2, 0), 2);
    assert_int_equal(nod_epoll_wait(epfd, got, 4, PATIENCE_S * 1000), 1);
    assert_int_equal(got[0].data.u64, 1);
    assert_int_equal(got[0].events, EPOLLIN);
    /* An edge is told once, though a byte is left. */
    assert_int_equal(nod_recv(fd, &byte, 1, 0), 1);
    assert_int_equal(nod_epoll_wait(epfd, got, 4, 20), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(nod_epoll_wait(epfd, got, 4, PATIENCE_S * 1000), 1);
    assert_int_equal(got[0].data.u64, 2);
    /* A level is told as long as it lasts. */
    event = (struct epoll_event){.events = EPOLLIN, .data.u64 = 3};
    assert_int_equal(nod_epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), 0);
    int ours = 0, pipes = 0;
    for (int i = 0; i < 16; i++) {
        int count = nod_epoll_wait(epfd, got, 4, 1000);
        for (int k = 0; k < count; k++) *(got[k].data.u64 == 3 ? &ours : &pipes) += 1;
    }
    assert_int_equal(ours, 16);
    assert_true(pipes > 0); /* busy sockets do not starve the kernel's files */
    assert_int_equal(nod_close(fd), 0);
    assert_int_equal(nod_epoll_wait(epfd, got, 4, 1000), 1);
    close(ends[0]);
    close(ends[1]);
    nod_close(epfd);
}

/* Over the stack's own loopback, so that both ends are nod's. */
static void test_listener_and_fork(void **state)
{
    (void)state;
    char bytes[16];
    int listener = nod_socket(AF_INET, SOCK_STREAM, 0);
    own_at.sin_port = htons(8080);
    assert_int_equal(nod_bind(listener, (struct sockaddr *)&own_at, sizeof own_at), 0);
    assert_int_equal(nod_listen(listener, 5), 0);
    pid_t child = nod_fork();
    if (child == 0) {
        int fd = nod_accept(listener, NULL, NULL);
        if (fd < 0 || nod_recv(fd, bytes, 5, MSG_WAITALL) != 5) _exit(1);
        _exit(nod_send(fd, "world", 5, 0) != 5);
    }
    assert_int_equal(nod_close(listener), 0); /* the child's is another name for it */
    int fd = nod_socket(AF_INET, SOCK_STREAM, 0), status;
    assert_int_equal(nod_connect(fd, (struct sockaddr *)&own_at, sizeof own_at), 0);
    assert_int_equal(nod_send(fd, "hello", 5, 0), 5);
    assert_int_equal(nod_recv(fd, bytes, 5, MSG_WAITALL), 5);
    assert_memory_equal(bytes, "world", 5);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* What the child left open is closed by the helper, which notices its end. */
    assert_int_equal(nod_recv(fd, bytes, 1, 0), 0);
    nod_close(fd);
}

static void on_alarm(int signal)
{
    (void)signal;
}

static void test_timeout_and_signal(void **state)
{
    (void)state;
    char byte;
    int fd = connect_echo(0);
    struct timeval soon = {0, 30000}, never = {0};
    assert_int_equal(nod_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon), 0);
    assert_int_equal(nod_recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(nod_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never), 0);
    struct sigaction action = {.sa_handler = on_alarm}, old;
    struct itimerval timer = {.it_value = {0, 50000}}, rest;
    sigaction(SIGALRM, &action, &old);
    setitimer(ITIMER_REAL, &timer, &rest);
    assert_int_equal(nod_recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EINTR);
    sigaction(SIGALRM, &old, NULL);
    alarm(100);
    nod_close(fd);
}

/* The kernel's end is not there any more, and says nothing. */
static void hush(bool on)
{
    char command[200];
    snprintf(command, sizeof command,
             "ip addr %s 10.110.111.1/24 dev "
             "\"$(ip -o link | awk -F ': ' '$2 != \"lo\" { print $2; exit }')\"",
             on ? "del" : "add");
    assert_int_equal(system(command), 0);
}

static void set_number(int fd, int level, int name, int value)
{
    assert_int_equal(nod_setsockopt(fd, level, name, &value, sizeof value), 0);
}

static struct tcp_info info_of(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    assert_int_equal(nod_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info;
}

/* Keep-alive and the user timeout at work: both end a connection whose peer has fallen silent. */
static void test_silence_ends(void **state)
{
    (void)state;
    char byte;
    int kept = connect_echo(0), timed = connect_echo(0), other = connect_echo(0);
    set_number(kept, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(kept, IPPROTO_TCP, TCP_KEEPIDLE, 1);
    set_number(kept, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    set_number(kept, IPPROTO_TCP, TCP_KEEPCNT, 2);
    set_number(timed, IPPROTO_TCP, TCP_USER_TIMEOUT, 700);
    uint32_t before = info_of(kept).tcpi_segs_out;
    usleep(1300000);
    assert_int_equal(info_of(kept).tcpi_segs_out, before + 1); /* asked, and answered */
    assert_int_equal(info_of(kept).tcpi_probes, 0);
    hush(true);
    nod_usec began = nod_clock();
    assert_int_equal(nod_write(timed, "x", 1), 1);
    assert_int_equal(nod_read(timed, &byte, 1), -1);
    assert_int_equal(errno, ETIMEDOUT);
    nod_usec took = nod_clock() - began;
    assert_true(took >= 700 * NOD_MSEC && took < 2 * NOD_SEC);
    assert_int_equal(nod_read(kept, &byte, 1), -1);
    assert_int_equal(errno, ETIMEDOUT);
    took = nod_clock() - began;
    assert_true(took >= 1500 * NOD_MSEC && took < 5 * NOD_SEC);
    hush(false);
    assert_int_equal(nod_write(other, "x", 1), 1); /* which asked for nothing of it */
    assert_int_equal(nod_read(other, &byte, 1), 1);
    nod_close(kept);
    nod_close(timed);
    nod_close(other);
}

static void test_kernel_descriptors_pass(void **state)
{
    (void)state;
    int ends[2];
    char bytes[4];
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(nod_write(ends[1], "abc", 3), 3);
    assert_int_equal(nod_read(ends[0], bytes, 4), 3);
    assert_int_equal(nod_close(ends[0]), 0);
    assert_int_equal(nod_close(ends[1]), 0);
    int fd = nod_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(nod_bind(fd, (struct sockaddr *)&local, sizeof local), 0);
    assert_false(nod_is_socket(fd)); /* a loopback address is the kernel's */
    assert_int_equal(listen(fd, 1), 0);
    nod_close(fd);
    assert_int_equal(nod_close(nod_here.device), -1);
    assert_int_equal(errno, EBADF);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(listener, 1), 0);
    return listener;
}

static int connect_port(uint16_t port)
{
    kernel_at.sin_port = htons(port);
    int fd = connect_echo(0);
    kernel_at.sin_port = htons(7);
    return fd;
}

/* A program asks for less than the network would take, and for another congestion control, of a
 * connection that lives. */
static void test_pacing_is_asked_for(void **state)
{
    (void)state;
    static char bytes[60000];
    char name[16] = "";
    socklen_t len = sizeof name;
    int listener = listen_on(9105), fd = connect_port(9105);
    assert_true(info_of(fd).tcpi_max_pacing_rate == UINT64_MAX);
    assert_int_equal(nod_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3), 0);
    assert_int_equal(nod_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    assert_string_equal(name, "bbr");
    set_number(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 100000);
    nod_usec began = nod_clock();
    assert_int_equal(nod_write(fd, bytes, sizeof bytes), sizeof bytes);
    assert_true(info_of(fd).tcpi_max_pacing_rate == 100000);
    while (info_of(fd).tcpi_bytes_acked < sizeof bytes && nod_clock() < began + 20 * NOD_SEC) {
        assert_true(info_of(fd).tcpi_pacing_rate <= 100000);
        usleep(10000);
    }
    nod_usec took = nod_clock() - began;
    assert_true(took > 500 * NOD_MSEC && took < 10 * NOD_SEC);
    assert_in_range(info_of(fd).tcpi_delivery_rate, 1, 200000);
    nod_close(fd);
    close(listener);
}

/* Takes one connection and reads all after 300 ms, in a process of its own, which is made before
 * the connection so that it shares no end of it; its exit status is the number of KiB. */
static pid_t read_late(int listener)
{
    pid_t reader = fork();
    if (reader != 0) return reader;
    char bytes[4096];
    size_t heard = 0;
    int peer = accept(listener, NULL, NULL);
    usleep(300000);
    for (ssize_t got; (got = read(peer, bytes, sizeof bytes)) > 0;) heard += (size_t)got;
    _exit((int)(heard / 1024 % 251));
}

static void test_linger_waits_for_what_was_not_sent(void **state)
{
    (void)state;
    struct linger patience = {1, PATIENCE_S};
    int listener = listen_on(98), status;
    pid_t reader = read_late(listener);
    int fd = connect_port(98);
    char bytes[4096] = {0};
    assert_int_equal(nod_setsockopt(fd, SOL_SOCKET, SO_LINGER, &patience, sizeof patience), 0);
    nod_fcntl(fd, F_SETFL, O_NONBLOCK);
    size_t said = 0;
    for (int calm = 0; calm < 5; calm++) { /* until the peer's window and our buffer are full */
        for (ssize_t put; (put = nod_send(fd, bytes, sizeof bytes, 0)) > 0; calm = 0)
            said += (size_t)put;
        nod_poll(NULL, 0, 2);
    }
    nod_usec began = nod_clock();
    assert_int_equal(nod_close(fd), 0);
    assert_in_range(nod_clock() - began, 100 * NOD_MSEC, PATIENCE_S * NOD_SEC);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), said / 1024 % 251);
    close(listener);
}

static unsigned long reads_so_far(void)
{
    unsigned long reads = 0;
    char line[128];
    FILE *io = fopen("/proc/self/io", "re");
    while (io && fgets(line, sizeof line, io)) sscanf(line, "syscr: %lu", &reads);
    if (io) fclose(io);
    return reads;
}

/* A full socket that does not wait is given large pieces, and a promise of more that is not kept
 * holds nothing back. */
static void test_sendfile(void **state)
{
    (void)state;
    char path[] = "/tmp/nod-test-sendfile-XXXXXX", bytes[4096];
    int in = mkstemp(path), fd = connect_echo(0);
    unlink(path);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)byte_at(i);
    assert_int_equal(write(in, bytes, 1000), 1000);
    off_t at = 0;
    nod_usec began = nod_clock();
    assert_int_equal(nod_sendfile(fd, in, &at, 1 << 20), 1000);
    assert_int_equal(at, 1000);
    assert_int_equal(nod_recv(fd, bytes + 2000, 1000, MSG_WAITALL), 1000);
    assert_true(nod_clock() - began < 150 * NOD_MSEC); /* a cork lasts 200 ms */
    assert_memory_equal(bytes, bytes + 2000, 1000);
    nod_close(fd);

    int listener = listen_on(97), calls = 0;
    assert_int_equal(ftruncate(in, 16 << 20), 0);
    fd = connect_port(97);
    int peer = accept(listener, NULL, NULL);
    nod_fcntl(fd, F_SETFL, O_NONBLOCK);
    at = 0;
    unsigned long reads = reads_so_far();
    while (nod_sendfile(fd, in, &at, 16 << 20) > 0) calls++;
    assert_int_equal(errno, EAGAIN);
    assert_in_range(calls, 1, 200);
    assert_true(at > 100000);
    assert_true(reads_so_far() - reads < 2000); /* of the file, and of the device */
    close(peer);
    close(listener);
    close(in);
    nod_close(fd);
}

/* TCP_NODELAY lets go at once of what a cork holds back. */
static void test_nodelay_under_a_cork(void **state)
{
    (void)state;
    int on = 1, fd = connect_echo(0);
    char bytes[4];
    assert_int_equal(nod_setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on), 0);
    assert_int_equal(nod_send(fd, "held", 4, 0), 4);
    nod_usec began = nod_clock();
    assert_int_equal(nod_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    assert_int_equal(nod_recv(fd, bytes, 4, MSG_WAITALL), 4);
    assert_true(nod_clock() - began < 150 * NOD_MSEC); /* a cork lasts 200 ms */
    nod_close(fd);
}

/* What goes by SCM_RIGHTS is held until it comes, and not when it does not go. */
static void test_descriptor_in_a_message(void **state)
{
    (void)state;
    int ends[2], fd = connect_echo(0), came = -1;
    char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    msg.msg_control = room;
    msg.msg_controllen = sizeof room;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    const file *f = nod_here.self->files[fd];
    assert_int_equal(nod_sendmsg(fd + 500, &msg, 0), -1); /* nobody's */
    assert_int_equal(f->refs, 1);
    assert_int_equal(nod_sendmsg(ends[0], &msg, 0), 1);
    assert_int_equal(f->refs, 2);
    assert_int_equal(nod_close(fd), 0);
    for (int flags = MSG_PEEK; flags >= 0; flags -= MSG_PEEK) {
        msg.msg_controllen = sizeof room;
        assert_int_equal(nod_recvmsg(ends[1], &msg, flags), 1);
        memcpy(&came, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof came);
        assert_true(nod_is_socket(came));
        if (flags) assert_int_equal(nod_close(came), 0);
    }
    assert_int_equal(f->refs, 1);
    assert_int_equal(nod_send(came, "y", 1, 0), 1);
    assert_int_equal(nod_recv(came, &byte, 1, 0), 1);
    assert_int_equal(byte, 'y');
    nod_close(came);
    close(ends[0]);
    close(ends[1]);
}

/* Nothing that was said is lost by a stop. Last but one, for afterwards there is no network. */
static void test_stop_waits(void **state)
{
    (void)state;
    char why[NOD_LINK_WHY];
    int listener = listen_on(99);
    int fd = connect_port(99), peer = accept(listener, NULL, NULL);
    pid_t reader = fork();
    if (reader == 0) {
        uint8_t bytes[4096];
        size_t heard = 0;
        ssize_t got;
        usleep(100000);
        while ((got = read(peer, bytes, sizeof bytes)) > 0)
            for (ssize_t i = 0; i < got; i++)
                if (bytes[i] != byte_at(heard++)) _exit(2);
        _exit(got != 0 || heard != 200000);
    }
    close(peer);
    talk t = {.fd = fd, .len = 200000};
    say(&t);
    nod_net_stop(PATIENCE_S * NOD_SEC);
    int status;
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
    close(fd);
    close(listener);
    nod_net_config config;
    nod_net_config_default(&config);
    assert_int_equal(nod_net_start(&config, why), 0);
}

/* Who dies with the lock leaves memory that nobody may trust, and a clear error. */
static void test_death_with_the_lock(void **state)
{
    (void)state;
    int fd = connect_echo(0);
    pid_t child = nod_fork();
    if (child == 0) {
        net_enter();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    assert_int_equal(nod_send(fd, "x", 1, MSG_NOSIGNAL), -1);
    assert_int_equal(errno, ENETDOWN);
    nod_close(fd);
}

int main(void)
{
    char why[NOD_NETNS_WHY];
    if (nod_netns_enter(why) != 0) {
        printf("skipped: %s\n", why);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_poll_takes_both_kinds),
        cmocka_unit_test(test_epoll_edges),
        cmocka_unit_test(test_listener_and_fork),
        cmocka_unit_test(test_timeout_and_signal),
        cmocka_unit_test(test_silence_ends),
        cmocka_unit_test(test_kernel_descriptors_pass),
        cmocka_unit_test(test_linger_waits_for_what_was_not_sent),
        cmocka_unit_test(test_sendfile),
        cmocka_unit_test(test_nodelay_under_a_cork),
        cmocka_unit_test(test_descriptor_in_a_message),
        cmocka_unit_test(test_pacing_is_asked_for),
        cmocka_unit_test(test_stop_waits),
        cmocka_unit_test(test_death_with_the_lock),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
