#include "calls.h"
#include "states.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>

static char buf[4096] = "hello, peer";

static const struct iovec *two(void)
{
    static const struct iovec iov[2] = {{"hello", 5}, {", peer", 6}};
    return iov;
}

static const struct iovec *many(void)
{
    static struct iovec iov[2000];
    for (int i = 0; i < 2000; i++) iov[i] = (struct iovec){"x", 1};
    return iov;
}

static ssize_t send_to(int fd, const char *address, int port, int flags)
{
    struct sockaddr_storage to;
    socklen_t len = at(&to, address, port);
    return sendto(fd, "hello", 5, flags, (void *)&to, len);
}

static ssize_t send_to_family(int fd, int which, socklen_t len)
{
    struct sockaddr_storage to = {.ss_family = (sa_family_t)which};
    return sendto(fd, "hello", 5, 0, (void *)&to, len);
}

static ssize_t send_message(int fd, int iovs, int flags)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(iovs > 2 ? many() : two()),
                         .msg_iovlen = (size_t)iovs,
                         .msg_flags = MSG_OOB}; /* which is read by nobody */
    return sendmsg(fd, &msg, flags);
}

static ssize_t send_message_to(int fd, const char *address, int port)
{
    struct sockaddr_storage to;
    socklen_t len = at(&to, address, port);
    struct msghdr msg = {
        .msg_iov = (struct iovec *)two(), .msg_iovlen = 2, .msg_name = &to, .msg_namelen = len};
    return sendmsg(fd, &msg, 0);
}

/* Control data: of the level and type, `len` octets as its own length says. */
static ssize_t send_control(int fd, int level, int type, size_t len)
{
    union {
        char bytes[64];
        struct cmsghdr header;
    } control = {.header = {.cmsg_len = len, .cmsg_level = level, .cmsg_type = type}};
    struct msghdr msg = {.msg_iov = (struct iovec *)two(),
                         .msg_iovlen = 2,
                         .msg_control = &control,
                         .msg_controllen = CMSG_SPACE(sizeof(int))};
    return sendmsg(fd, &msg, 0);
}

static struct mmsghdr *messages_of(int count)
{
    static struct mmsghdr all[8];
    for (int i = 0; i < count && i < 8; i++)
        all[i] = (struct mmsghdr){
            .msg_hdr = {.msg_iov = (struct iovec *)two(), .msg_iovlen = (size_t)(i % 3)}};
    return all;
}

static void say_lengths(long got)
{
    const struct mmsghdr *all = messages_of(0);
    for (long i = 0; i < got; i++) say(" %u", all[i].msg_len);
}

static void plain(void)
{
    EACH(write(fd, "hello", 5));
    EACH(write(fd, "hello", 0));
    EACH(writev(fd, two(), 2));
    EACH(writev(fd, two(), 0));
    EACH(writev(fd, two(), -1));
    EACH(writev(fd, many(), 1024));
    EACH(writev(fd, many(), 1025));
    EACH(pwrite(fd, "hello", 5, 0));
    EACH(pwritev(fd, two(), 2, 0));
    EACH(pwritev2(fd, two(), 2, -1, 0));
    EACH(pwritev2(fd, two(), 2, -1, RWF_NOWAIT));
}

static void flagged(void)
{
    EACH(send(fd, buf, 5, 0));
    EACH(send(fd, buf, 0, 0));
    EACH(send(fd, buf, 0, MSG_NOSIGNAL));
    EACH(send(fd, buf, 5, MSG_NOSIGNAL));
    EACH(send(fd, buf, 5, MSG_DONTWAIT | MSG_NOSIGNAL));
    EACH(send(fd, buf, 5, MSG_OOB));
    EACH(send(fd, buf, 5, MSG_MORE));
    EACH(send(fd, buf, 5, MSG_EOR));
    EACH(send(fd, buf, 5, MSG_DONTROUTE));
    EACH(send(fd, buf, 5, MSG_CONFIRM));
    EACH(send(fd, buf, 5, MSG_PEEK));
    EACH(send(fd, buf, 5, MSG_WAITALL | MSG_TRUNC));
    EACH(send(fd, buf, 5, MSG_CTRUNC));
    EACH(send(fd, buf, 5, MSG_ERRQUEUE));
    EACH(send(fd, buf, 5, MSG_ZEROCOPY));
    EACH(send(fd, buf, 5, 0x1000000));
}

static void with_addresses(void)
{
    EACH(send_to(fd, kernel, PEER_NOBODY, 0));
    EACH(send_to(fd, kernel, PEER_PORT, MSG_NOSIGNAL));
    EACH(send_to(fd, family == 4 ? "fd6e:6f64::1" : "10.110.111.1", PEER_NOBODY, MSG_NOSIGNAL));
    EACH(send_to_family(fd, AF_UNSPEC, 16));
    EACH(send_to_family(fd, AF_INET, 1));
    EACH(send_to_family(fd, AF_INET, 0));
    EACH(send_to_family(fd, AF_INET, 128));
    EACH(send_to_family(fd, AF_INET, 129));
    EACH(send_to_family(fd, AF_INET, (socklen_t)-1));
    EACH(sendto(fd, "hello", 5, 0, NULL, 0));
    EACH(sendto(fd, "hello", 5, 0, NULL, 16));
}

static void by_message(void)
{
    EACH(send_message(fd, 2, 0));
    EACH(send_message(fd, 1, MSG_NOSIGNAL));
    EACH(send_message(fd, 0, 0));
    EACH(send_message(fd, 1024, 0));
    EACH(send_message(fd, 1025, 0));
    EACH(send_message(fd, 2, MSG_OOB));
    EACH(send_message(fd, 2, MSG_MORE | MSG_DONTWAIT));
    EACH(send_message_to(fd, kernel, PEER_NOBODY));
    EACH(send_control(fd, SOL_SOCKET, 0x7777, CMSG_LEN(sizeof(int))));
    EACH(send_control(fd, SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(0)));
    EACH(send_control(fd, IPPROTO_TCP, 1, CMSG_LEN(sizeof(int))));
    EACH(send_control(fd, SOL_SOCKET, 0x7777, 0));
    EACH(send_control(fd, SOL_SOCKET, 0x7777, 1000));
    EACH(sendmmsg(fd, messages_of(2), 2, 0), say_lengths(got));
    EACH(sendmmsg(fd, messages_of(5), 5, MSG_NOSIGNAL), say_lengths(got));
    EACH(sendmmsg(fd, messages_of(1), 0, 0));
}

/* The error is told once; then EPIPE, with its signal, or not. */
static void leaves_behind(void)
{
    int fd = enter();
    CALL(send(fd, buf, 5, 0));
    CALL(send(fd, buf, 5, 0));
    CALL(send(fd, buf, 5, MSG_NOSIGNAL));
    leave(fd);
}

void calls_send(void)
{
    plain();
    flagged();
    with_addresses();
    by_message();
    leaves_behind();
}
