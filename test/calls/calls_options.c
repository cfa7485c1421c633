#include "calls.h"
#include "option.h"
#include "states.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

static void got_of_socket(void)
{
    EACH(get(fd, SOL_SOCKET, SO_ERROR, 4), say_option());
    EACH(get(fd, SOL_SOCKET, SO_TYPE, 4), say_option());
    EACH(get(fd, SOL_SOCKET, SO_DOMAIN, 4), say_option());
    EACH(get(fd, SOL_SOCKET, SO_PROTOCOL, 4), say_option());
    EACH(get(fd, SOL_SOCKET, SO_ACCEPTCONN, 4), say_option());
    EACH(get(fd, SOL_SOCKET, SO_REUSEADDR, 4), say_option());
    EACH(get(fd, SOL_SOCKET, SO_REUSEPORT, 4), say_option());
    EACH(get(fd, SOL_SOCKET, SO_KEEPALIVE, 4), say_option());
    EACH(get(fd, SOL_SOCKET, SO_LINGER, 8), say_option());
    EACH(get(fd, SOL_SOCKET, SO_RCVTIMEO, 16), say_option());
    EACH(get(fd, SOL_SOCKET, SO_SNDTIMEO, 16), say_option());
    EACH(get(fd, SOL_SOCKET, SO_RCVLOWAT, 4), say_option());
    EACH(get(fd, SOL_SOCKET, SO_SNDLOWAT, 4), say_option());
    EACH(get(fd, SOL_SOCKET, 7777, 4), say_option());
    EACH(get(fd, 7777, 1, 4), say_option());
}

static void got_of_tcp(void)
{
    EACH(get(fd, IPPROTO_TCP, TCP_NODELAY, 4), say_option());
    EACH(get(fd, IPPROTO_TCP, TCP_CORK, 4), say_option());
    EACH(get(fd, IPPROTO_TCP, TCP_MAXSEG, 4), say_option());
    EACH(get(fd, IPPROTO_TCP, TCP_KEEPIDLE, 4), say_option());
    EACH(get(fd, IPPROTO_TCP, TCP_SYNCNT, 4), say_option());
    EACH(get(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 4), say_option());
    EACH(get(fd, IPPROTO_TCP, TCP_QUICKACK, 4), say_option());
    EACH(get(fd, IPPROTO_TCP, TCP_CONGESTION, 16), say_option());
    EACH(get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 4), say_option());
    EACH(get(fd, IPPROTO_TCP, TCP_INFO, 1), say(" %s", tcp_state_name(option_int() & 255)));
    EACH(get(fd, IPPROTO_TCP, TCP_REPAIR, 4), say_option());
    EACH(get(fd, IPPROTO_TCP, 7777, 4), say_option());
    EACH(get(fd, IPPROTO_IP, IP_TOS, 4), say_option());
    EACH(get(fd, IPPROTO_IP, IP_TTL, 4), say_option());
    EACH(get(fd, IPPROTO_IP, IP_MTU, 4), say_option());
    EACH(get(fd, IPPROTO_IPV6, IPV6_MTU, 4), say_option());
    EACH(get(fd, IPPROTO_IPV6, IPV6_V6ONLY, 4), say_option());
    EACH(get(fd, IPPROTO_IPV6, IPV6_TCLASS, 4), say_option());
    EACH(get(fd, IPPROTO_UDP, 1, 4), say_option());
}

static void were_set(void)
{
    EACH(set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
    EACH(set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
    EACH(set(fd, SOL_SOCKET, SO_KEEPALIVE, 1));
    EACH(set(fd, SOL_SOCKET, SO_RCVBUF, 20000));
    EACH(set(fd, SOL_SOCKET, SO_SNDBUF, 20000));
    EACH(set(fd, SOL_SOCKET, SO_RCVLOWAT, 5));
    EACH(set(fd, SOL_SOCKET, SO_ERROR, 5));
    EACH(set(fd, SOL_SOCKET, 7777, 1));
    EACH(set(fd, 7777, 1, 1));
    EACH(set_linger(fd, 1, 0));
    EACH(set_time(fd, SO_RCVTIMEO, 1, 0));
    EACH(set(fd, IPPROTO_TCP, TCP_NODELAY, 1));
    EACH(set(fd, IPPROTO_TCP, TCP_CORK, 1));
    EACH(set(fd, IPPROTO_TCP, TCP_MAXSEG, 1000));
    EACH(set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3));
    EACH(set(fd, IPPROTO_TCP, TCP_QUICKACK, 1));
    EACH(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 100));
    EACH(set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 10000));
    EACH(set(fd, IPPROTO_TCP, TCP_INFO, 1));
    EACH(set(fd, IPPROTO_TCP, 7777, 1));
    EACH(set_text(fd, IPPROTO_TCP, TCP_CONGESTION, "reno"));
    EACH(set_text(fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch"));
    EACH(set_text(fd, IPPROTO_TCP, TCP_ULP, "nonesuch"));
    EACH(set(fd, IPPROTO_IP, IP_TOS, 16));
    EACH(set(fd, IPPROTO_IP, IP_TTL, 10));
    EACH(set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    EACH(set(fd, IPPROTO_IPV6, IPV6_TCLASS, 16));
}

/* SO_ERROR tells once, and what it leaves. */
static void error_is_taken(void)
{
    char byte;
    int fd = enter();
    CALL(get(fd, SOL_SOCKET, SO_ERROR, 4), say_option());
    CALL(get(fd, SOL_SOCKET, SO_ERROR, 4), say_option());
    CALL(recv(fd, &byte, 1, 0));
    CALL(get(fd, SOL_SOCKET, SO_ERROR, 4), say_option());
    leave(fd);
}

void calls_options(void)
{
    got_of_socket();
    got_of_tcp();
    were_set();
    error_is_taken();
}
