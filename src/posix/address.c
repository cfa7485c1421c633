/* struct sockaddr and nod's endpoints. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "net.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static socklen_t write_ip6(const nod_endpoint *from, struct sockaddr_in6 *to)
{
    *to = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(from->port)};
    if (from->addr.family == 6) {
        memcpy(&to->sin6_addr, from->addr.bytes, 16);
    } else if (from->addr.family == 4) {
        memcpy(to->sin6_addr.s6_addr, mapped, 12);
        memcpy(to->sin6_addr.s6_addr + 12, from->addr.bytes, 4);
    }
    return sizeof *to;
}

static socklen_t write_ip4(const nod_endpoint *from, struct sockaddr_in *to)
{
    *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(from->port)};
    memcpy(&to->sin_addr, from->addr.bytes, 4);
    return sizeof *to;
}

socklen_t address_write(const sock *s, const nod_endpoint *from, struct sockaddr *to,
                        socklen_t room)
{
    struct sockaddr_storage whole;
    socklen_t len = s->ip6 ? write_ip6(from, (struct sockaddr_in6 *)(void *)&whole)
                           : write_ip4(from, (struct sockaddr_in *)(void *)&whole);
    if (room > 0) memcpy(to, &whole, len < room ? len : room);
    return len;
}

static int read_ip6(const sock *s, const struct sockaddr_in6 *from, nod_endpoint *to)
{
    const uint8_t *bytes = from->sin6_addr.s6_addr;
    bool is_mapped = memcmp(bytes, mapped, 12) == 0;
    if (is_mapped && s->v6only) return ENETUNREACH;
    to->addr = is_mapped ? nod_addr_from(4, bytes + 12) : nod_addr_from(6, bytes);
    to->port = ntohs(from->sin6_port);
    return 0;
}

int address_read(const sock *s, const struct sockaddr *from, socklen_t len, nod_endpoint *to)
{
    struct sockaddr_storage whole;
    if (len < sizeof(sa_family_t)) return EINVAL;
    if (is_bad(from)) return EFAULT;
    memset(&whole, 0, sizeof whole);
    memcpy(&whole, from, len < sizeof whole ? len : sizeof whole);
    if (s->ip6) {
        if (len < 24) return EINVAL; /* SIN6_LEN_RFC2133, without the scope */
        if (whole.ss_family != AF_INET6) return EAFNOSUPPORT;
        return read_ip6(s, (struct sockaddr_in6 *)(void *)&whole, to);
    }
    if (len < sizeof(struct sockaddr_in)) return EINVAL;
    if (whole.ss_family != AF_INET) return EAFNOSUPPORT;
    const struct sockaddr_in *ip4 = (struct sockaddr_in *)(void *)&whole;
    to->addr = nod_addr_from(4, &ip4->sin_addr);
    to->port = ntohs(ip4->sin_port);
    return 0;
}

bool address_is_loopback(const nod_addr *addr)
{
    static const uint8_t one[16] = {[15] = 1};
    if (addr->family == 4) return addr->bytes[0] == 127;
    return addr->family == 6 && memcmp(addr->bytes, one, 16) == 0;
}

bool address_is_any(const nod_addr *addr)
{
    for (int i = 0; i < 16; i++)
        if (addr->bytes[i]) return false;
    return true;
}

bool address_needs_scope(const struct sockaddr *addr)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)addr;
    return addr->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) &&
           six->sin6_scope_id == 0;
}

int address_room(struct sockaddr *addr, socklen_t *len)
{
    if (is_bad_to_write(len)) return EFAULT;
    if ((int)*len < 0) return EINVAL;
    return *len > 0 && is_bad_to_write(addr) ? EFAULT : 0;
}
