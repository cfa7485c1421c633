/* Each option with values in and out of range and with all lengths, read back each time. */
#include "calls.h"
#include "option.h"
#include "states.h"

#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#ifndef IPV6_RECVERR
#define IPV6_RECVERR 25
#endif

/* As they are called, what a program reads back. */
#define OF(level, name) #name, level, name
static const struct option {
    const char *name;
    int level, number;
    int room; /* what getsockopt is asked for; 0: 4 */
} options[] = {
    {OF(SOL_SOCKET, SO_REUSEADDR), 0},
    {OF(SOL_SOCKET, SO_REUSEPORT), 0},
    {OF(SOL_SOCKET, SO_KEEPALIVE), 0},
    {OF(SOL_SOCKET, SO_DONTROUTE), 0},
    {OF(SOL_SOCKET, SO_BROADCAST), 0},
    {OF(SOL_SOCKET, SO_OOBINLINE), 0},
    {OF(SOL_SOCKET, SO_PRIORITY), 0},
    {OF(SOL_SOCKET, SO_RCVLOWAT), 0},
    {OF(SOL_SOCKET, SO_SNDLOWAT), 0},
    {OF(SOL_SOCKET, SO_RCVBUF), 0},
    {OF(SOL_SOCKET, SO_SNDBUF), 0},
    {OF(SOL_SOCKET, SO_LINGER), 8},
    {OF(SOL_SOCKET, SO_RCVTIMEO), 16},
    {OF(SOL_SOCKET, SO_SNDTIMEO), 16},
    {OF(SOL_SOCKET, SO_TIMESTAMP), 0},
    {OF(SOL_SOCKET, SO_MARK), 0},
    {OF(SOL_SOCKET, SO_PASSCRED), 0},
    {OF(SOL_SOCKET, SO_PEERCRED), 12},
    {OF(SOL_SOCKET, SO_TYPE), 0},
    {OF(SOL_SOCKET, SO_ERROR), 0},
    {OF(SOL_SOCKET, SO_DOMAIN), 0},
    {OF(SOL_SOCKET, SO_PROTOCOL), 0},
    {OF(SOL_SOCKET, SO_ACCEPTCONN), 0},
    {OF(SOL_SOCKET, SO_BUSY_POLL), 0},
    {OF(SOL_SOCKET, SO_ZEROCOPY), 0},
    {OF(SOL_SOCKET, SO_RXQ_OVFL), 0},
    {OF(SOL_SOCKET, SO_PEEK_OFF), 0},
    {OF(SOL_SOCKET, SO_NO_CHECK), 0},
    {OF(IPPROTO_TCP, TCP_NODELAY), 0},
    {OF(IPPROTO_TCP, TCP_CORK), 0},
    {OF(IPPROTO_TCP, TCP_MAXSEG), 0},
    {OF(IPPROTO_TCP, TCP_KEEPIDLE), 0},
    {OF(IPPROTO_TCP, TCP_KEEPINTVL), 0},
    {OF(IPPROTO_TCP, TCP_KEEPCNT), 0},
    {OF(IPPROTO_TCP, TCP_SYNCNT), 0},
    {OF(IPPROTO_TCP, TCP_LINGER2), 0},
    {OF(IPPROTO_TCP, TCP_DEFER_ACCEPT), 0},
    {OF(IPPROTO_TCP, TCP_WINDOW_CLAMP), 0},
    {OF(IPPROTO_TCP, TCP_QUICKACK), 0},
    {OF(IPPROTO_TCP, TCP_USER_TIMEOUT), 0},
    {OF(IPPROTO_TCP, TCP_FASTOPEN), 0},
    {OF(IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 0},
    {OF(IPPROTO_TCP, TCP_NOTSENT_LOWAT), 0},
    {OF(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS), 0},
    {OF(IPPROTO_TCP, TCP_INQ), 0},
    {OF(IPPROTO_TCP, TCP_SAVE_SYN), 0},
    {OF(IPPROTO_IP, IP_TOS), 0},
    {OF(IPPROTO_IP, IP_TTL), 0},
    {OF(IPPROTO_IP, IP_RECVERR), 0},
    {OF(IPPROTO_IP, IP_RECVTOS), 0},
    {OF(IPPROTO_IP, IP_PKTINFO), 0},
    {OF(IPPROTO_IP, IP_MTU_DISCOVER), 0},
    {OF(IPPROTO_IP, IP_FREEBIND), 0},
    {OF(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 0},
    {OF(IPPROTO_IPV6, IPV6_V6ONLY), 0},
    {OF(IPPROTO_IPV6, IPV6_TCLASS), 0},
    {OF(IPPROTO_IPV6, IPV6_UNICAST_HOPS), 0},
    {OF(IPPROTO_IPV6, IPV6_RECVPKTINFO), 0},
    {OF(IPPROTO_IPV6, IPV6_RECVERR), 0},
    {OF(IPPROTO_IPV6, IPV6_MTU_DISCOVER), 0},
};

/* A call on the option that is tested now, in words. */
static void tell(const char *call, const struct option *option, const char *how, int got, int error,
                 bool value)
{
    char words[128];
    snprintf(words, sizeof words, "%s(%s, %s)", call, option->name, how);
    say_begin(words, got, error);
    if (got == 0 && value) say_option();
    say_end();
}

static void read_back(int fd, const struct option *option, const char *how, int room)
{
    errno = 0;
    int got = get(fd, option->level, option->number, room);
    tell("get", option, how, got, errno, true);
}

static void one_value(int fd, const struct option *option, int value)
{
    char how[32];
    snprintf(how, sizeof how, "%d", value);
    errno = 0;
    int got = option->room ? set_room(fd, option->level, option->number, value, option->room)
                           : set(fd, option->level, option->number, value);
    tell("set", option, how, got, errno, false);
    read_back(fd, option, how, option->room ? option->room : 4);
}

static void lengths(int fd, const struct option *option)
{
    static const int rooms[] = {0, 1, 3, 8, 16};
    char how[32];
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        snprintf(how, sizeof how, "1 in %d octets", rooms[i]);
        errno = 0;
        int got = set_room(fd, option->level, option->number, 1, rooms[i]);
        tell("set", option, how, got, errno, false);
        snprintf(how, sizeof how, "%d octets", rooms[i]);
        read_back(fd, option, how, rooms[i]);
    }
    errno = 0;
    int got = set_room(fd, option->level, option->number, 1, -1);
    tell("set", option, "1 in -1 octets", got, errno, false);
    read_back(fd, option, "-1 octets", -1);
}

static void one_option(const struct option *option, int (*make)(void))
{
    static const int values[] = {1, 0, -1, 2, 64, 256, 1000, 50000, INT_MAX};
    int fd = make();
    read_back(fd, option, "as it is", option->room ? option->room : 4);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) one_value(fd, option, values[i]);
    leave(fd);
    fd = make();
    lengths(fd, option);
    leave(fd);
}

static void linger_and_times(int fd)
{
    CALL(set_linger(fd, 1, 0));
    CALL(get(fd, SOL_SOCKET, SO_LINGER, 8), say_option());
    CALL(set_linger(fd, 7, 30));
    CALL(get(fd, SOL_SOCKET, SO_LINGER, 8), say_option());
    CALL(set_linger(fd, 1, -1));
    CALL(get(fd, SOL_SOCKET, SO_LINGER, 8), say_option());
    CALL(set_linger(fd, 0, 5));
    CALL(get(fd, SOL_SOCKET, SO_LINGER, 8), say_option());
    static const int names[] = {SO_RCVTIMEO, SO_SNDTIMEO};
    for (int i = 0; i < 2; i++) {
        CALL(set_time(fd, names[i], 2, 500000));
        CALL(get(fd, SOL_SOCKET, names[i], 16), say_option());
        CALL(set_time(fd, names[i], 0, 1));
        CALL(get(fd, SOL_SOCKET, names[i], 16), say_option());
        CALL(set_time(fd, names[i], -1, 0));
        CALL(get(fd, SOL_SOCKET, names[i], 16), say_option());
        CALL(set_time(fd, names[i], 0, 1000000));
        CALL(set_time(fd, names[i], 0, -1));
        CALL(set_time(fd, names[i], 1L << 60, 0));
        CALL(get(fd, SOL_SOCKET, names[i], 16), say_option());
        CALL(set_time(fd, names[i], 0, 0));
        CALL(get(fd, SOL_SOCKET, names[i], 8), say_option());
    }
}

static void texts(int fd)
{
    CALL(get(fd, IPPROTO_TCP, TCP_CONGESTION, 16), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_CONGESTION, 4), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_CONGESTION, 0), say_option());
    CALL(get(fd, IPPROTO_TCP, TCP_CONGESTION, 100), say_option());
    CALL(set_text(fd, IPPROTO_TCP, TCP_CONGESTION, "reno"));
    CALL(set_text(fd, IPPROTO_TCP, TCP_CONGESTION, "re"));
    CALL(set_text(fd, IPPROTO_TCP, TCP_CONGESTION, ""));
    CALL(set_text(fd, IPPROTO_TCP, TCP_CONGESTION, "renorenorenorenorenoreno"));
    CALL(set_text(fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch"));
    CALL(get(fd, IPPROTO_TCP, TCP_CONGESTION, 16), say_option());
    CALL(set_text(fd, SOL_SOCKET, SO_BINDTODEVICE, "nonesuch"));
    CALL(set_text(fd, SOL_SOCKET, SO_BINDTODEVICE, ""));
    CALL(get(fd, SOL_SOCKET, SO_BINDTODEVICE, 16), say_option());
    CALL(set_text(fd, IPPROTO_TCP, TCP_ULP, "nonesuch"));
    CALL(get(fd, IPPROTO_TCP, TCP_ULP, 16), say_option());
}

static void all_options(const char *name, int (*make)(void))
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        say_where("%s", name);
        one_option(&options[i], make);
    }
    int fd = make();
    linger_and_times(fd);
    texts(fd);
    leave(fd);
}

void option_values(void)
{
    all_options("options, fresh", tcp_nonblocking);
    all_options("options, established", established);
    set_family(6);
    all_options("options, fresh, IPv6", tcp_nonblocking);
    set_family(4);
}
