/* Prefixes whose addresses are taken for our own on one interface, for programs that stand in for
 * everybody: gateways, proxies. */
#include <string.h>

#include "net/net.h"

static const struct nod_prefix *find(const struct nod_net *net, int iface, const uint8_t ip[16])
{
    if (nod_ip_is_unspecified(ip) || nod_ip_is_loopback(ip) || nod_net_is_broadcast(net, ip))
        return NULL;
    for (unsigned i = 0; i < net->prefixes; i++) {
        const struct nod_prefix *p = &net->prefix[i];
        if (iface >= 0 && p->iface != iface) continue;
        if (nod_ip_family(p->prefix) != nod_ip_family(ip)) continue;
        if (nod_ip_prefix_match(p->prefix, ip, p->bits)) return p;
    }
    return NULL;
}

bool nod_net_stands_in(const struct nod_net *net, uint8_t iface, const uint8_t ip[16], bool *echo)
{
    const struct nod_prefix *p = find(net, iface, ip);
    *echo = p && p->echo;
    return p;
}

bool nod_net_is_ours(const struct nod_net *net, const uint8_t ip[16])
{
    return nod_net_is_local(net, ip) || find(net, -1, ip);
}
