/* Waiting for what the network has to bring, never for a time. */
#include "states.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TURNS = 3000, TURN_US = 1000 };

void await_events(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    if (poll(&ready, 1, 3000) != 1) say_line("(poll has waited in vain for events)");
}

void await_unread(int fd, int bytes)
{
    int unread = -1;
    for (int i = 0; i < TURNS; i++) {
        if (ioctl(fd, FIONREAD, &unread) != 0 || unread >= bytes) return;
        struct pollfd ready = {.fd = fd, .events = POLLRDHUP};
        poll(&ready, 1, 1);
    }
    say_line("(waited in vain for %d bytes, there are %d)", bytes, unread);
}

void await_acked(int fd)
{
    int unacked = -1;
    for (int i = 0; i < TURNS; i++) {
        if (ioctl(fd, SIOCOUTQ, &unacked) != 0 || unacked == 0) return;
        usleep(TURN_US);
    }
    say_line("(waited in vain for acknowledgments)");
}

int tcp_state(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || len == 0) return 0;
    return info.tcpi_state;
}

void await_tcp_state(int fd, int which)
{
    int now = -1;
    for (int i = 0; i < TURNS; i++) {
        now = tcp_state(fd);
        if (now == which) return;
        usleep(i < 20 ? 50 : TURN_US);
    }
    say_line("(waited in vain for %s, it is %s)", tcp_state_name(which), tcp_state_name(now));
}

void await_settled(int fd)
{
    for (int i = 0; i < TURNS; i++) {
        int now = tcp_state(fd), unsent = 0;
        ioctl(fd, SIOCOUTQNSD, &unsent);
        if (unsent > 0) return; /* our end has to wait for it */
        if (now != TCP_FIN_WAIT1 && now != TCP_CLOSING && now != TCP_LAST_ACK) return;
        usleep(i < 20 ? 50 : TURN_US);
    }
    say_line("(waited in vain for the end)");
}

const char *tcp_state_name(int which)
{
    static const char *const names[] = {
        "none",  "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",    "TIME_WAIT",
        "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV",
    };
    return which >= 0 && which < (int)(sizeof names / sizeof *names) ? names[which] : "?";
}

/* As much as goes in at once, down to single octets. */
static int stuff(int fd)
{
    static char bytes[65536];
    int total = 0;
    for (size_t size = sizeof bytes; size > 0; size /= 16) {
        ssize_t sent;
        while ((sent = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) total += (int)sent;
    }
    return total;
}

/* Whether something is on its way whose acknowledgment would make room. */
static bool in_flight(int fd)
{
    int queued = 0, unsent = 0;
    ioctl(fd, SIOCOUTQ, &queued);
    ioctl(fd, SIOCOUTQNSD, &unsent);
    return queued != unsent;
}

int fill(int fd)
{
    int total = 0;
    for (int i = 0; i < TURNS; i++) {
        for (int j = 0; j < 300 && in_flight(fd); j++) usleep(TURN_US);
        int more = stuff(fd);
        total += more;
        if (more == 0) return total;
    }
    say_line("(it is never full)");
    return total;
}
