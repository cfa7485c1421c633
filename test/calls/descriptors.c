/* Numbers and flags of descriptors: lowest first, copies, close-on-exec, limits; TCP_INFO. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

/* The lowest number that is free, which the next descriptor must have. */
static int lowest(void)
{
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd;
}

static const char *is_lowest(int fd, int expected)
{
    return fd == expected ? "the lowest" : "not the lowest";
}

static void numbers(void)
{
    int expected = lowest();
    int a = tcp();
    say_line("socket: %s", is_lowest(a, expected));
    expected = lowest();
    int b = dup(a);
    say_line("dup: %s", is_lowest(b, expected));
    close(a);
    int c = epoll_create1(0);
    say_line("epoll_create1: %s", is_lowest(c, a));
    close(c);
    int listens = listener(OWN_PORT);
    peer_connect(family, OWN_PORT);
    await_events(listens, POLLIN);
    expected = lowest();
    int d = accept(listens, NULL, NULL);
    say_line("accept: %s", is_lowest(d, expected));
    CALL(dup2(b, d) == d);
    CALL(dup2(d, 300), close(300));
    CALL(fcntl(b, F_DUPFD, 400), close(400));
    CALL(fcntl(b, F_DUPFD_CLOEXEC, 401), say(" %d", fcntl(401, F_GETFD)), close(401));
    CALL(dup3(b, 402, O_CLOEXEC), say(" %d", fcntl(402, F_GETFD)), close(402));
    close(b);
    close(d);
    close(listens);
    peer_forget();
}

/* dup2 over a connection closes it; over anything else it brings it there. */
static void replaced(void)
{
    int fd = established_blocking();
    int file = open("/dev/null", O_RDWR);
    CALL(dup2(file, fd) == fd);
    CALL(write(fd, "x", 1));
    CALL(peer_end(other));
    leave(fd);
    fd = established_blocking();
    CALL(dup2(fd, file) == file);
    CALL(close(fd));
    CALL(write(file, "hello", 5));
    CALL(peer_read(other, 5));
    CALL(close(file));
    CALL(peer_end(other));
    leave(-1);
}

static void shared_flags(void)
{
    int fd = established(), copy = dup(fd);
    CALL(fcntl(copy, F_GETFL));
    CALL(fcntl(copy, F_SETFL, 0));
    CALL(fcntl(fd, F_GETFL));
    CALL(fcntl(copy, F_SETFD, FD_CLOEXEC));
    CALL(fcntl(fd, F_GETFD));
    CALL(shutdown(copy, SHUT_WR));
    CALL(send(fd, "x", 1, 0));
    close(copy);
    leave(fd);
}

/* Without room for one more descriptor. */
static void exhausted(void)
{
    struct rlimit old, tight;
    int listens = listener(OWN_PORT);
    peer_connect(family, OWN_PORT);
    await_events(listens, POLLIN);
    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    tight.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &tight);
    int last = -1;
    for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0;) last = fd;
    CALL(socket(AF_INET, SOCK_STREAM, 0));
    CALL(accept(listens, NULL, NULL));
    CALL(dup(listens));
    CALL(epoll_create1(0));
    close(last);
    close(OPENED(accept(listens, NULL, NULL)));
    for (int fd = listens + 1; fd < last; fd++) close(fd);
    setrlimit(RLIMIT_NOFILE, &old);
    close(listens);
    peer_forget();
}

void descriptors(void)
{
    numbers();
    replaced();
    shared_flags();
    exhausted();
}

static struct tcp_info told;

static int ask_info(int fd, int room)
{
    socklen_t len = (socklen_t)room;
    memset(&told, 0xEE, sizeof told);
    int rc = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &told, &len);
    return rc ? rc : (int)len;
}

static void say_info(void)
{
    say(" %s, options %x, wscale %d %d, mss %u %u, backoff %d, probes %d",
        tcp_state_name(told.tcpi_state), told.tcpi_options & 7, !!told.tcpi_snd_wscale,
        !!told.tcpi_rcv_wscale, told.tcpi_snd_mss, told.tcpi_advmss, told.tcpi_backoff,
        told.tcpi_probes);
}

void info(void)
{
    char buf[16];
    int fd = established();
    CALL(ask_info(fd, 104), say_info());
    CALL(ask_info(fd, 8), say(" %s", tcp_state_name(told.tcpi_state)));
    CALL(ask_info(fd, 0));
    CALL(send(fd, "hello", 5, 0));
    CALL(peer_read(other, 5));
    await_acked(fd);
    peer_send(other, 7);
    await_unread(fd, 7);
    CALL(recv(fd, buf, sizeof buf, 0));
    CALL(ask_info(fd, 192),
         say(" acked %lld received %lld, unacked %u, pmtu %u", (long long)told.tcpi_bytes_acked,
             (long long)told.tcpi_bytes_received, told.tcpi_unacked, told.tcpi_pmtu));
    say_line("lost %u, sacked %u, retrans %u of %u, not sent %u, out of order %u", told.tcpi_lost,
             told.tcpi_sacked, told.tcpi_retrans, told.tcpi_total_retrans, told.tcpi_notsent_bytes,
             told.tcpi_reord_seen);
    CALL(ask_info(fd, 232), say(" octets %lld out, %lld again; %u segments with text in, %u out; "
                                "%u delivered, %u out of order",
                                (long long)told.tcpi_bytes_sent, (long long)told.tcpi_bytes_retrans,
                                told.tcpi_data_segs_in, told.tcpi_data_segs_out,
                                told.tcpi_delivered, told.tcpi_rcv_ooopack));
    say_line("min_rtt %s, rwnd_limited %lld, sndbuf_limited %lld",
             told.tcpi_min_rtt > 0 && told.tcpi_min_rtt <= told.tcpi_rtt ? "some" : "none",
             (long long)told.tcpi_rwnd_limited, (long long)told.tcpi_sndbuf_limited);
    say_line("rtt %s, rto %s, cwnd %s, rcv_space %s", told.tcpi_rtt > 0 ? "some" : "none",
             told.tcpi_rto >= 200000 ? "some" : "none", told.tcpi_snd_cwnd >= 2 ? "some" : "none",
             told.tcpi_rcv_space > 0 ? "some" : "none");
    leave(fd);
    fd = listener(OWN_PORT);
    CALL(ask_info(fd, 104), say(" %s, %u of %u", tcp_state_name(told.tcpi_state), told.tcpi_unacked,
                                told.tcpi_sacked));
    peer_connect(family, OWN_PORT);
    await_events(fd, POLLIN);
    CALL(ask_info(fd, 104), say(" %s, %u of %u", tcp_state_name(told.tcpi_state), told.tcpi_unacked,
                                told.tcpi_sacked));
    close(fd);
    peer_forget();
}
