/* socket: every domain, type and protocol that a program may think of. */
#include "calls.h"
#include "states.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>

static void make(const char *domain_name, int domain, int type, int protocol)
{
    char call[128];
    int fd = (errno = 0, socket(domain, type, protocol));
    snprintf(call, sizeof call, "socket(%s, %#x, %d)", domain_name, type, protocol);
    say_begin(call, fd < 0 ? fd : 0, errno);
    if (fd >= 0) say(", flags %x %x", fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
    say_end();
    if (fd >= 0) close(fd);
}

void make_sockets(void)
{
    static const struct {
        const char *name;
        int number;
    } domains[] = {
        {"AF_INET", AF_INET}, {"AF_INET6", AF_INET6}, {"AF_UNIX", AF_UNIX},      {"AF_UNSPEC", 0},
        {"-1", -1},           {"1000", 1000},         {"AF_NETLINK", AF_NETLINK}};
    static const int types[] = {0,
                                SOCK_STREAM,
                                SOCK_DGRAM,
                                SOCK_SEQPACKET,
                                6,
                                11,
                                -1,
                                SOCK_STREAM | SOCK_NONBLOCK,
                                SOCK_STREAM | SOCK_CLOEXEC,
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                SOCK_STREAM | 0x10,
                                SOCK_STREAM | 0x100000};
    static const int protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 255, 256, -1, 261};
    for (size_t d = 0; d < sizeof domains / sizeof *domains; d++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            for (size_t p = 0; p < sizeof protocols / sizeof *protocols; p++)
                make(domains[d].name, domains[d].number, types[t], protocols[p]);
}
