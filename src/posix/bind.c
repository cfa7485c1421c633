/* bind: which addresses and ports a socket may have. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

#include "net.h"
#include "sys.h"

#define PORT_TRIES 4096

static bool is_own(const nod_addr *addr)
{
    return nod_addr_equal(addr, &nod_net->own4) || nod_addr_equal(addr, &nod_net->own6);
}

/* An unspecified IPv6 address without IPV6_V6ONLY is IPv4's too. */
static bool covers(const sock *s, const nod_addr *addr, const nod_addr *other)
{
    if (!address_is_any(addr)) return false;
    return addr->family == other->family || (addr->family == 6 && s->ip6 && !s->v6only);
}

static bool overlap(const sock *a, const nod_addr *addr, const sock *b)
{
    return nod_addr_equal(addr, &b->local.addr) || covers(a, addr, &b->local.addr) ||
           covers(b, &b->local.addr, addr);
}

/* Linux's rules (inet_csk_get_port): SO_REUSEADDR of both lets them share while neither listens,
 * SO_REUSEPORT of both always. */
bool socket_conflicts(const sock *s, const nod_endpoint *local)
{
    for (ring *at = nod_net->sockets.next; at != &nod_net->sockets; at = at->next) {
        const sock *other = ring_entry(at, sock, in_net);
        if (other == s || other->local.port != local->port || !other->local.addr.family) continue;
        if (other->file.passed || !overlap(s, &local->addr, other)) continue;
        if (s->reuse_port && other->reuse_port) continue;
        if (s->reuse_addr && other->reuse_addr && other->state != SOCKET_LISTENING) continue;
        return true;
    }
    if (s->reuse_addr) return false;
    nod_endpoint asked = *local;
    if (address_is_any(&asked.addr)) asked.addr.family = 0;
    return nod_tcp_port_use(nod_net->stack, &asked) & NOD_PORT_TIME_WAIT;
}

static int choose_port(const sock *s, nod_endpoint *local)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t dice;
        if (getrandom(&dice, sizeof dice, 0) != sizeof dice) break;
        local->port = (uint16_t)(32768 + dice % 28232); /* Linux's ip_local_port_range */
        nod_endpoint any = {.port = local->port};
        if (!socket_conflicts(s, local) && nod_tcp_port_use(nod_net->stack, &any) == 0) return 0;
    }
    return EADDRINUSE;
}

int socket_bind(sock *s, const nod_endpoint *to)
{
    nod_endpoint local = *to;
    bool taken = s->state == SOCKET_BOUND || s->port_given || !socket_is_closed(s);
    if (taken && s->ip6) return EINVAL;
    if (!address_is_any(&local.addr) && !is_own(&local.addr)) return EADDRNOTAVAIL;
    if (taken) return EINVAL;
    if (local.port == 0) {
        int error = choose_port(s, &local);
        if (error) return error;
    } else {
        if (socket_conflicts(s, &local)) {
            net_bury(); /* with the kernel, the dead hold nothing */
            if (socket_conflicts(s, &local)) return EADDRINUSE;
        }
        s->port_given = true;
    }
    s->local = local;
    if (s->ip6 && local.addr.family == 6 && !address_is_any(&local.addr)) s->v6only = true;
    if (s->state == SOCKET_FRESH) s->state = SOCKET_BOUND;
    return 0;
}

static bool is_multicast6(const struct sockaddr *addr)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)addr;
    return addr->sa_family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&six->sin6_addr);
}

int nod_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (!nod_is_socket(fd)) return sys_bind(fd, addr, len);
    nod_endpoint local;
    sock *s = socket_enter(fd);
    if (!s) return -1;
    struct sockaddr_in any;
    /* A historic leniency of Linux's: AF_UNSPEC with no address is AF_INET. */
    if (!s->ip6 && len >= sizeof any && !is_bad(addr) && addr->sa_family == AF_UNSPEC) {
        memcpy(&any, addr, sizeof any);
        if (any.sin_addr.s_addr == 0) {
            any.sin_family = AF_INET;
            addr = (struct sockaddr *)(void *)&any;
        }
    }
    int error = len > sizeof(struct sockaddr_storage) ? EINVAL : 0;
    if (!error) error = address_read(s, addr, len, &local);
    if (error == ENETUNREACH || (!error && (address_needs_scope(addr) || is_multicast6(addr))))
        error = EINVAL;
    if (error == 0 && address_is_loopback(&local.addr) && s->state == SOCKET_FRESH) {
        socket_pass(s);
        net_leave();
        return sys_bind(fd, addr, len);
    }
    return socket_leave(error ? error : socket_bind(s, &local));
}
