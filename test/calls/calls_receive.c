#include "calls.h"
#include "states.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char buf[4096], more[16];
static struct sockaddr_storage from;
static socklen_t from_len;
static char control[256];

static const struct iovec *two(void)
{
    static const struct iovec iov[2] = {{buf, 3}, {more, 4}};
    return iov;
}

static const struct iovec *many(void)
{
    static struct iovec iov[2000];
    for (int i = 0; i < 2000; i++) iov[i] = (struct iovec){buf, 1};
    return iov;
}

static socklen_t *room(socklen_t len)
{
    memset(&from, 0, sizeof from);
    from_len = len;
    return &from_len;
}

static struct msghdr *message(int iovs, int name_len, int control_len)
{
    static struct msghdr msg;
    msg = (struct msghdr){.msg_iov = (struct iovec *)(iovs > 2 ? many() : two()),
                          .msg_iovlen = (size_t)iovs,
                          .msg_name = name_len ? &from : NULL,
                          .msg_namelen = (socklen_t)name_len,
                          .msg_control = control_len ? control : NULL,
                          .msg_controllen = (size_t)control_len,
                          .msg_flags = 0x5555};
    return &msg;
}

static void say_message(long got)
{
    const struct msghdr *msg = message(0, 0, 0);
    (void)msg;
    say_bytes(buf, got < 3 ? got : 3);
    if (got > 3) say_bytes(more, got - 3);
}

/* recvmsg, and what it wrote into the header. */
static ssize_t recv_message(int fd, struct msghdr *msg, int flags, char *text, size_t size)
{
    ssize_t got = recvmsg(fd, msg, flags);
    int error = errno;
    *text = 0;
    if (got >= 0)
        snprintf(text, size, " flags %x, name %d, control %d", msg->msg_flags,
                 (int)msg->msg_namelen, (int)msg->msg_controllen);
    errno = error;
    return got;
}

static struct mmsghdr *messages_of(unsigned count)
{
    static struct mmsghdr all[8];
    static struct iovec iov[8];
    static char bytes[8][8];
    for (unsigned i = 0; i < count && i < 8; i++) {
        iov[i] = (struct iovec){bytes[i], 4};
        all[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
    }
    return all;
}

static void say_lengths(long got)
{
    const struct mmsghdr *all = messages_of(0);
    for (long i = 0; i < got; i++) say(" %u", all[i].msg_len);
}

static void plain(void)
{
    EACH(read(fd, buf, 4), say_bytes(buf, got));
    EACH(read(fd, buf, 100), say_bytes(buf, got));
    EACH(read(fd, buf, 0));
    EACH(readv(fd, two(), 2), say_message(got));
    EACH(readv(fd, two(), 0));
    EACH(readv(fd, two(), -1));
    EACH(readv(fd, many(), 1024), say_bytes(buf, 1));
    EACH(readv(fd, many(), 1025));
    EACH(pread(fd, buf, 4, 0), say_bytes(buf, got));
    EACH(preadv(fd, two(), 2, 0), say_message(got));
    EACH(preadv2(fd, two(), 2, -1, 0), say_message(got));
    EACH(preadv2(fd, two(), 2, -1, RWF_NOWAIT), say_message(got));
    EACH(preadv2(fd, two(), 2, -1, 0x4000));
}

static void flagged(void)
{
    EACH(recv(fd, buf, 4, 0), say_bytes(buf, got));
    EACH(recv(fd, buf, 100, 0), say_bytes(buf, got));
    EACH(recv(fd, buf, 0, 0));
    EACH(recv(fd, buf, 0, MSG_PEEK));
    EACH(recv(fd, buf, 4, MSG_PEEK), say_bytes(buf, got));
    EACH(recv(fd, buf, 100, MSG_PEEK), say_bytes(buf, got));
    EACH(recv(fd, buf, 4, MSG_TRUNC));
    EACH(recv(fd, buf, 100, MSG_TRUNC));
    EACH(recv(fd, NULL, 100, MSG_TRUNC));
    EACH(recv(fd, buf, 4, MSG_TRUNC | MSG_PEEK));
    EACH(recv(fd, buf, 4, MSG_WAITALL), say_bytes(buf, got));
    EACH(recv(fd, buf, 100, MSG_WAITALL), say_bytes(buf, got));
    EACH(recv(fd, buf, 4, MSG_DONTWAIT), say_bytes(buf, got));
    EACH(recv(fd, buf, 100, MSG_DONTWAIT | MSG_WAITALL), say_bytes(buf, got));
    EACH(recv(fd, buf, 1, MSG_OOB));
    EACH(recv(fd, buf, 1, MSG_OOB | MSG_PEEK));
    EACH(recv(fd, buf, 100, MSG_ERRQUEUE));
    EACH(recv(fd, buf, 4, MSG_NOSIGNAL | MSG_CMSG_CLOEXEC), say_bytes(buf, got));
    EACH(recv(fd, buf, 4, MSG_CTRUNC | MSG_EOR), say_bytes(buf, got));
    EACH(recv(fd, buf, 4, 0x800000), say_bytes(buf, got));
}

static void with_addresses(void)
{
    EACH(recvfrom(fd, buf, 4, 0, (void *)&from, room(sizeof from)), say(" len %u", from_len),
         say_bytes(buf, got));
    EACH(recvfrom(fd, buf, 4, 0, (void *)&from, room(0)), say(" len %u", from_len));
    EACH(recvfrom(fd, buf, 4, 0, NULL, room(16)), say(" len %u", from_len));
    EACH(recvfrom(fd, buf, 4, 0, (void *)&from, room((socklen_t)-1)), say_bytes(buf, got));
    EACH(recvfrom(fd, buf, 4, MSG_PEEK, (void *)&from, room(8)), say(" len %u", from_len));
}

static void by_message(void)
{
    char text[128];
    EACH(recv_message(fd, message(2, 0, 0), 0, text, sizeof text), say("%s", text),
         say_message(got));
    EACH(recv_message(fd, message(1, 28, 0), 0, text, sizeof text), say("%s", text),
         say_message(got));
    EACH(recv_message(fd, message(2, 0, 200), MSG_PEEK, text, sizeof text), say("%s", text),
         say_message(got));
    EACH(recv_message(fd, message(0, 0, 0), 0, text, sizeof text), say("%s", text));
    EACH(recv_message(fd, message(1, 0, 1), MSG_TRUNC, text, sizeof text), say("%s", text));
    EACH(recv_message(fd, message(2, 0, 0), MSG_WAITALL, text, sizeof text), say("%s", text),
         say_message(got));
    EACH(recv_message(fd, message(1025, 0, 0), 0, text, sizeof text), say("%s", text));
    EACH(recv_message(fd, message(1, 0, 100), MSG_ERRQUEUE, text, sizeof text), say("%s", text));
    EACH(recv_message(fd, message(1, 0, 0), MSG_OOB, text, sizeof text), say("%s", text));
    EACH(recvmmsg(fd, messages_of(2), 2, 0, NULL), say_lengths(got));
    EACH(recvmmsg(fd, messages_of(4), 4, MSG_WAITFORONE, NULL), say_lengths(got));
    EACH(recvmmsg(fd, messages_of(0), 0, 0, NULL));
    EACH(recvmmsg(fd, messages_of(2), 2, MSG_PEEK, &(struct timespec){10, 0}), say_lengths(got));
    EACH(recvmmsg(fd, messages_of(2), 2, 0, &(struct timespec){0, 1000000000}));
    EACH(recvmmsg(fd, messages_of(2), 2, 0, &(struct timespec){-1, 0}));
}

/* After it, what is left. */
static void leaves_behind(void)
{
    int fd = enter();
    CALL(recv(fd, buf, 4, MSG_PEEK), say_bytes(buf, got));
    CALL(recv(fd, buf, 4, 0), say_bytes(buf, got));
    CALL(recv(fd, buf, 4, 0), say_bytes(buf, got));
    CALL(recv(fd, buf, 4, 0), say_bytes(buf, got));
    CALL(recv(fd, buf, 4, 0), say_bytes(buf, got));
    CALL(recv(fd, buf, 4, 0), say_bytes(buf, got));
    leave(fd);
}

void calls_receive(void)
{
    plain();
    flagged();
    with_addresses();
    by_message();
    leaves_behind();
}
