/* Redirects: routes of single hosts that gateways tell of (RFC 1122 section 3.2.2.2, RFC 4861
 * section 8). They count only from the gateway that is in use, to another on the same link, and for
 * a time. */
#include <string.h>

#include "net/net.h"

#define LIFETIME_US (600 * NOD_SEC)

const struct nod_redirect *nod_redirect_find(const struct nod_net *net, uint8_t iface,
                                             const uint8_t dst[16])
{
    for (int i = 0; i < NOD_REDIRECTS; i++) {
        const struct nod_redirect *r = &net->redirect[i];
        if (r->until > net->now && r->iface == iface && memcmp(r->dst, dst, 16) == 0) return r;
    }
    return NULL;
}

static bool is_on_link(const struct nod_iface *iface, const uint8_t ip[16])
{
    if (nod_ip_is_link_local(ip)) return true;
    for (unsigned a = 0; a < iface->addrs; a++)
        if (nod_ip_prefix_match(iface->addr[a], ip, iface->prefix[a])) return true;
    return false;
}

/* Its place in the table: the one of this host, or else the one that ends first. */
static struct nod_redirect *place_for(struct nod_net *net, uint8_t iface, const uint8_t dst[16])
{
    struct nod_redirect *best = &net->redirect[0];
    for (int i = 0; i < NOD_REDIRECTS; i++) {
        struct nod_redirect *r = &net->redirect[i];
        if (r->until && r->iface == iface && memcmp(r->dst, dst, 16) == 0) return r;
        if (r->until < best->until) best = r;
    }
    return best;
}

enum nod_drop nod_redirect_input(struct nod_net *net, const struct nod_packet *packet,
                                 const uint8_t dst[16], const uint8_t gateway[16])
{
    struct nod_hop hop;
    if (!net->accept_redirects || packet->broadcast) return NOD_DROP_ICMP;
    if (!nod_net_next_hop(net, dst, -1, &hop) || hop.iface != packet->iface) return NOD_DROP_ICMP;
    bool in_use = hop.gateway && memcmp(hop.ip, packet->ip.src, 16) == 0;
    bool itself = nod_ip_family(dst) == 6 && memcmp(gateway, dst, 16) == 0; /* RFC 4861 8.3 */
    if (!in_use || (!itself && !is_on_link(&net->iface[hop.iface], gateway))) return NOD_DROP_ICMP;
    if (nod_net_is_local(net, gateway) || nod_net_is_bad_source(net, gateway)) return NOD_DROP_ICMP;
    struct nod_redirect *r = place_for(net, hop.iface, dst);
    *r = (struct nod_redirect){.iface = hop.iface, .until = net->now + LIFETIME_US};
    memcpy(r->dst, dst, 16);
    memcpy(r->gateway, gateway, 16);
    return NOD_DROP_NONE;
}
