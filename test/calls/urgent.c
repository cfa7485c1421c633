/* Urgent data, as far as programs use it: MSG_OOB, POLLPRI, SIOCATMARK, SO_OOBINLINE. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

static int at_mark(int fd)
{
    int mark = -1;
    int rc = ioctl(fd, SIOCATMARK, &mark);
    return rc ? rc : mark;
}

static void arrives(int in_line)
{
    char buf[16];
    struct pollfd ready = {.events = POLLIN | POLLPRI};
    int fd = ready.fd = established();
    CALL(set(fd, SOL_SOCKET, SO_OOBINLINE, in_line));
    peer_send(other, 3);
    peer_send_urgent(other);
    peer_send(other, 2);
    await_unread(fd, in_line ? 6 : 3);
    CALL(poll(&ready, 1, 0), say_events("revents", (unsigned short)ready.revents));
    CALL(at_mark(fd));
    CALL(recv(fd, buf, 1, MSG_OOB | MSG_PEEK), say_bytes(buf, got));
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    CALL(at_mark(fd));
    CALL(recv(fd, buf, 1, MSG_OOB), say_bytes(buf, got));
    CALL(recv(fd, buf, 1, MSG_OOB), say_bytes(buf, got));
    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 200);
    CALL(recv(fd, buf, sizeof buf, 0), say_bytes(buf, got));
    CALL(poll(&ready, 1, 0), say_events("revents", (unsigned short)ready.revents));
    leave(fd);
}

void urgent(void)
{
    arrives(0);
    arrives(1);
    int fd = established();
    CALL(send(fd, "abc!", 4, MSG_OOB));
    leave(fd);
}
