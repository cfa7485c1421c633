/* close, shutdown and SO_LINGER as both ends see them. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

static char buf[65536];

static void say_ready(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    poll(&ready, 1, 0);
    say_events("ready", (unsigned short)ready.revents);
    say(" %s", tcp_state_name(tcp_state(fd)));
}

static void by_close(void)
{
    int fd = established();
    send(fd, "bye", 3, 0);
    CALL(close(fd));
    CALL(peer_end(other));
    leave(-1);
    fd = established(); /* with unread data: the peer is reset */
    peer_send(other, 5);
    await_unread(fd, 5);
    CALL(close(fd));
    CALL(peer_end(other));
    leave(-1);
    fd = established();
    peer_send(other, 5);
    await_unread(fd, 5);
    CALL(shutdown(fd, SHUT_WR));
    CALL(close(fd));
    CALL(peer_end(other));
    leave(-1);
    fd = established();
    CALL(set_linger(fd, 1, 0));
    send(fd, "lost?", 5, 0);
    await_acked(fd);
    CALL(close(fd));
    CALL(peer_read(other, 5));
    CALL(peer_end(other));
    leave(-1);
    fd = established();
    CALL(set_linger(fd, 1, 2));
    send(fd, "bye", 3, 0);
    CALL(close(fd));
    CALL(peer_end(other));
    leave(-1);
}

static void by_copies(void)
{
    int fd = established();
    int copy = dup(fd);
    CALL(close(fd));
    CALL(send(copy, "still", 5, 0));
    CALL(peer_read(other, 5));
    CALL(send(fd, "gone", 4, 0));
    CALL(close(fd));
    CALL(close(copy));
    CALL(peer_end(other));
    leave(-1);
}

/* In both orders, step by step. */
static void by_shutdown(void)
{
    int fd = established();
    CALL(shutdown(fd, SHUT_WR));
    await_tcp_state(fd, TCP_FIN_WAIT2);
    CALL(send(fd, "x", 1, 0), say_ready(fd));
    CALL(peer_end(other), say_ready(fd));
    peer_send(other, 4);
    await_unread(fd, 4);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    peer_shut(other);
    await_events(fd, POLLRDHUP);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    CALL(shutdown(fd, SHUT_RDWR));
    leave(fd);
    fd = established();
    peer_shut(other);
    await_events(fd, POLLRDHUP);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    CALL(send(fd, "answer", 6, 0), say_ready(fd));
    CALL(peer_read(other, 6), say_ready(fd));
    CALL(shutdown(fd, SHUT_WR));
    await_tcp_state(fd, TCP_CLOSE);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    CALL(shutdown(fd, SHUT_WR));
    leave(fd);
}

static void reading_shut(void)
{
    int fd = established();
    CALL(shutdown(fd, SHUT_RD), say_ready(fd));
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
    peer_send(other, 4);
    await_unread(fd, 4);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
    CALL(send(fd, "x", 1, 0));
    CALL(peer_read(other, 1));
    leave(fd);
}

/* Where reset finds us, and how it is told. */
static void by_reset(void)
{
    int fd = established();
    peer_send(other, 6);
    await_unread(fd, 6);
    peer_reset(other);
    await_events(fd, POLLHUP);
    CALL(recv(fd, buf, 3, 0), say_bytes(buf, got), say_ready(fd));
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    CALL(send(fd, "x", 1, 0));
    CALL(shutdown(fd, SHUT_RDWR));
    leave(fd);
    fd = established();
    peer_reset(other);
    await_events(fd, POLLHUP);
    CALL(send(fd, "x", 1, 0));
    CALL(send(fd, "x", 1, 0));
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    leave(fd);
    fd = established();
    CALL(shutdown(fd, SHUT_WR));
    await_tcp_state(fd, TCP_FIN_WAIT2);
    peer_reset(other);
    await_events(fd, POLLHUP);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    leave(fd);
    fd = established();
    peer_shut(other);
    await_events(fd, POLLRDHUP);
    peer_reset(other);
    await_events(fd, POLLHUP);
    CALL(send(fd, "x", 1, 0), say_ready(fd));
    CALL(send(fd, "x", 1, 0), say_ready(fd));
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got), say_ready(fd));
    CALL(get(fd, SOL_SOCKET, SO_ERROR, 4), say_option());
    leave(fd);
}

/* The peer sends to what we have closed: a RST is its answer. */
static void written_after_close(void)
{
    int fd = established();
    CALL(close(fd));
    CALL(peer_end(other));
    peer_send(other, 1);
    CALL(peer_end(other));
    leave(-1);
}

void closing(void)
{
    for (int which = 4; which <= 6; which += 2) {
        set_family(which);
        say_where("closing, IPv%d", which);
        by_close();
        by_copies();
        by_shutdown();
        reading_shut();
        by_reset();
        written_after_close();
    }
}
