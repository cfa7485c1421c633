/* Bytes in an order: what calls take, leave, and wait for. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char buf[1 << 20];

static void say_unread(int fd)
{
    int unread = -1;
    ioctl(fd, FIONREAD, &unread);
    say(" unread %d", unread);
}

static void say_text(void)
{
    char text[40];
    say_bytes(text, peer_text(text, sizeof text));
}

/* Peeking, and reading in pieces of all sizes. */
static void pieces(void)
{
    int fd = established_blocking();
    peer_send(other, 30);
    await_unread(fd, 30);
    CALL(recv(fd, buf, 5, MSG_PEEK), say_bytes(buf, got), say_unread(fd));
    CALL(recv(fd, buf, 5, 0), say_bytes(buf, got), say_unread(fd));
    CALL(recv(fd, buf, 5, MSG_PEEK), say_bytes(buf, got), say_unread(fd));
    CALL(recv(fd, buf, 5, MSG_TRUNC), say_unread(fd));
    CALL(read(fd, buf, 0), say_unread(fd));
    CALL(read(fd, buf, 1), say_bytes(buf, got), say_unread(fd));
    peer_send(other, 4);
    await_unread(fd, 23);
    struct iovec iov[4] = {{buf, 2}, {buf + 100, 0}, {buf + 200, 3}, {buf + 300, 4}};
    CALL(readv(fd, iov, 4), say_bytes(buf, 2), say_bytes(buf + 200, 3), say_bytes(buf + 300, 4));
    CALL(recv(fd, buf, 100, MSG_PEEK | MSG_TRUNC), say_unread(fd));
    CALL(recv(fd, buf, 100, 0), say_bytes(buf, got), say_unread(fd));
    leave(fd);
}

/* MSG_WAITALL across what comes late, and across the end. */
static void wait_for_all(void)
{
    int fd = established_blocking();
    peer_send(other, 3);
    peer_after(30);
    peer_send(other, 7);
    CALL(recv(fd, buf, 10, MSG_WAITALL), say_bytes(buf, got));
    peer_after(30);
    peer_send(other, 4);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
    peer_send(other, 3);
    peer_after(20);
    peer_shut(other);
    CALL(recv(fd, buf, 10, MSG_WAITALL), say_bytes(buf, got));
    CALL(recv(fd, buf, 10, MSG_WAITALL), say_bytes(buf, got));
    leave(fd);
    fd = established_blocking();
    peer_send(other, 6);
    await_unread(fd, 6);
    CALL(recv(fd, buf, 10, MSG_WAITALL | MSG_DONTWAIT), say_bytes(buf, got));
    peer_send(other, 6);
    peer_after(20);
    peer_send(other, 6);
    CALL(recv(fd, buf, 12, MSG_WAITALL | MSG_PEEK), say_bytes(buf, got));
    CALL(recv(fd, buf, 12, MSG_WAITALL), say_bytes(buf, got));
    peer_send(other, 3);
    await_unread(fd, 3);
    peer_after(20);
    peer_reset(other);
    CALL(recv(fd, buf, 10, MSG_WAITALL), say_bytes(buf, got));
    CALL(recv(fd, buf, 10, MSG_WAITALL), say_bytes(buf, got));
    CALL(recv(fd, buf, 10, MSG_WAITALL), say_bytes(buf, got));
    leave(fd);
}

/* SO_RCVLOWAT: who waits waits for so many, and poll with him. */
static void low_water(void)
{
    struct pollfd ready = {.events = POLLIN};
    int fd = ready.fd = established_blocking();
    CALL(set(fd, SOL_SOCKET, SO_RCVLOWAT, 5));
    peer_send(other, 3);
    await_unread(fd, 3);
    CALL(poll(&ready, 1, 0));
    CALL(recv(fd, buf, 10, MSG_DONTWAIT | MSG_PEEK), say_bytes(buf, got));
    peer_after(30);
    peer_send(other, 6);
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
    peer_send(other, 4);
    await_unread(fd, 4);
    CALL(poll(&ready, 1, 0));
    peer_after(20);
    peer_send(other, 1);
    CALL(poll(&ready, 1, 3000), say_events("revents", (unsigned short)ready.revents));
    CALL(recv(fd, buf, 2, 0), say_bytes(buf, got));
    CALL(poll(&ready, 1, 0));
    peer_shut(other);
    CALL(poll(&ready, 1, 3000), say_events("revents", (unsigned short)ready.revents));
    CALL(recv(fd, buf, 10, 0), say_bytes(buf, got));
    leave(fd);
}

/* What we send, as the peer hears it. */
static void heard(void)
{
    struct iovec iov[3] = {{"one ", 4}, {NULL, 0}, {"two ", 4}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 3};
    struct iovec first = {"a", 1}, second = {"bc", 2};
    struct mmsghdr both[2] = {{.msg_hdr = {.msg_iov = &first, .msg_iovlen = 1}},
                              {.msg_hdr = {.msg_iov = &second, .msg_iovlen = 1}}};
    int fd = established_blocking();
    CALL(write(fd, "write ", 6));
    CALL(send(fd, "send ", 5, 0));
    CALL(send(fd, "more ", 5, MSG_MORE));
    CALL(writev(fd, iov, 3));
    CALL(sendmsg(fd, &msg, MSG_NOSIGNAL));
    CALL(sendmmsg(fd, both, 2, 0), say(" %u %u", both[0].msg_len, both[1].msg_len));
    CALL(send(fd, "", 0, 0));
    CALL(shutdown(fd, SHUT_WR));
    CALL(peer_end(other), say_text());
    leave(fd);
}

/* Corks hold back a small rest, and let it go. */
static void corked(void)
{
    int fd = established_blocking();
    CALL(set(fd, IPPROTO_TCP, TCP_CORK, 1));
    CALL(send(fd, "head ", 5, 0));
    CALL(send(fd, "body ", 5, 0));
    CALL(set(fd, IPPROTO_TCP, TCP_CORK, 0));
    CALL(peer_read(other, 10), say_text());
    CALL(send(fd, "held ", 5, MSG_MORE));
    CALL(send(fd, "out", 3, 0));
    CALL(peer_read(other, 8), say_text());
    CALL(send(fd, "held", 4, MSG_MORE));
    CALL(set(fd, IPPROTO_TCP, TCP_NODELAY, 1));
    CALL(peer_read(other, 4), say_text());
    CALL(set(fd, IPPROTO_TCP, TCP_CORK, 1));
    CALL(send(fd, "end", 3, 0));
    CALL(shutdown(fd, SHUT_WR));
    CALL(peer_end(other), say_text());
    leave(fd);
}

/* A large write blocks until the peer reads, and all arrives. */
static void large(void)
{
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = (char)('A' + i % 23);
    int fd = established_blocking();
    peer_after(30);
    peer_read(other, 3 * (int)sizeof buf);
    CALL(write(fd, buf, sizeof buf));
    struct iovec iov[2] = {{buf, sizeof buf}, {buf, sizeof buf}};
    CALL(writev(fd, iov, 2));
    CALL(shutdown(fd, SHUT_WR));
    CALL(peer_end(other));
    leave(fd);
    fd = established_blocking();
    peer_after(1);
    peer_send(other, (int)sizeof buf);
    CALL(recv(fd, buf, sizeof buf, MSG_WAITALL), say_bytes(buf, got));
    leave(fd);
}

void streaming(void)
{
    for (int which = 4; which <= 6; which += 2) {
        set_family(which);
        say_where("streaming, IPv%d", which);
        pieces();
        wait_for_all();
        low_water();
        heard();
        corked();
        large();
    }
}

static int file_of(size_t size)
{
    char name[] = "/tmp/calls-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = (char)('a' + i % 26);
    if (write(fd, buf, size) != (ssize_t)size) perror("calls: a temporary file");
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void send_files(void)
{
    off_t offset = 10;
    int file = file_of(100), big = file_of(300000);
    int fd = established_blocking();
    CALL(sendfile(fd, file, NULL, 20), say(" at %ld", (long)lseek(file, 0, SEEK_CUR)));
    CALL(peer_read(other, 20), say_text());
    CALL(sendfile(fd, file, &offset, 5),
         say(" offset %ld at %ld", (long)offset, (long)lseek(file, 0, SEEK_CUR)));
    CALL(peer_read(other, 5), say_text());
    CALL(sendfile(fd, file, NULL, 1000));
    CALL(sendfile(fd, file, NULL, 1000));
    CALL(peer_read(other, 80), say_text());
    peer_after(20);
    peer_read(other, 300000);
    offset = 0;
    CALL(sendfile(fd, big, &offset, 400000), say(" offset %ld", (long)offset));
    CALL(sendfile(fd, big, &offset, 400000), say(" offset %ld", (long)offset));
    peer_close(other);
    await_events(fd, POLLRDHUP);
    offset = 0;
    CALL(send(fd, "x", 1, 0));
    await_events(fd, POLLHUP);
    CALL(sendfile(fd, big, &offset, 400), say(" offset %ld", (long)offset));
    CALL(sendfile(fd, big, &offset, 400), say(" offset %ld", (long)offset));
    leave(fd);
    close(file);
    close(big);
}

static void splices(void)
{
    int ends[2];
    char text[64];
    if (pipe(ends) != 0) return;
    int fd = established_blocking();
    CALL(write(ends[1], "from a pipe", 11));
    CALL(splice(ends[0], NULL, fd, NULL, 100, 0));
    CALL(peer_read(other, 11), say_text());
    peer_send(other, 12);
    await_unread(fd, 12);
    CALL(splice(fd, NULL, ends[1], NULL, 5, 0));
    CALL(splice(fd, NULL, ends[1], NULL, 100, SPLICE_F_MOVE));
    CALL(read(ends[0], text, sizeof text), say_bytes(text, got));
    peer_after(20);
    peer_send(other, 4);
    CALL(splice(fd, NULL, ends[1], NULL, 100, 0));
    CALL(read(ends[0], text, sizeof text), say_bytes(text, got));
    peer_shut(other);
    CALL(splice(fd, NULL, ends[1], NULL, 100, 0));
    close(ends[1]);
    CALL(splice(ends[0], NULL, fd, NULL, 100, 0));
    close(ends[0]);
    leave(fd);
}

void copying(void)
{
    send_files();
    splices();
}
