/* Interfaces, their addresses, and routes. */
#include <string.h>

#include "net/net.h"

void nod_net_init(struct nod_net *net, nod_pool *pool, const nod_config *config, uint64_t *drops,
                  nod_usec now)
{
    memset(net, 0, sizeof(*net));
    net->pool = pool;
    net->answer_echo = config->answer_echo;
    net->accept_redirects = config->accept_redirects;
    net->ttl = config->tcp.ttl;
    net->reassembly_limit = config->reassembly_memory;
    net->icmp_per_second = net->icmp_tokens = config->icmp_per_second;
    net->icmp_filled = net->now = now;
    net->drops = drops;
    /* Nothing is cut and nothing summed on the way back; the MTU is as everybody's, so that the
     * peer's idea of small and large segments is, too. */
    net->iface[NOD_IFACE_LOOPBACK].config = (nod_iface_config){
        .kind = NOD_IFACE_IP, .mtu = 1500, .gso_max = UINT16_MAX, .csum_offload = true};
}

static void free_frame(struct nod_net *net, nod_frame *frame)
{
    nod_frame_release(frame);
    nod_pool_give(net->pool, frame, sizeof(*frame));
}

void nod_net_free(struct nod_net *net)
{
    nod_fragments_free(net);
    for (; net->queue_count; net->queue_count--)
        free_frame(net, net->queue[net->queue_first++ % NOD_NET_QUEUE]);
    for (; net->looped_count; net->looped_count--)
        free_frame(net, net->looped[net->looped_first++ % NOD_LOOPED]);
    if (!net->neighbours) return;
    for (int i = 0; i < NOD_NEIGHBOURS; i++)
        for (unsigned q = 0; q < net->neighbours[i].queued; q++)
            free_frame(net, net->neighbours[i].queue[q]);
    nod_pool_give(net->pool, net->neighbours, NOD_NEIGHBOURS * sizeof(*net->neighbours));
}

bool nod_net_is_local(const struct nod_net *net, const uint8_t ip[16])
{
    for (unsigned i = 0; i < net->ifaces; i++)
        for (unsigned a = 0; a < net->iface[i].addrs; a++)
            if (memcmp(net->iface[i].addr[a], ip, 16) == 0) return true;
    return false;
}

/* The last address of an IPv4 subnet, from /0 to /30 (RFC 3021 frees /31). */
static bool is_subnet_broadcast(const uint8_t addr[16], int bits, const uint8_t ip[16])
{
    if (nod_ip_family(addr) != 4 || bits > 96 + 30 || !nod_ip_prefix_match(addr, ip, bits))
        return false;
    for (int bit = bits; bit < 128; bit++)
        if (!(ip[bit / 8] & 0x80 >> bit % 8)) return false;
    return true;
}

bool nod_net_is_broadcast(const struct nod_net *net, const uint8_t ip[16])
{
    if (nod_ip_is_multicast(ip) || nod_ip_is_broadcast(ip)) return true;
    for (unsigned i = 0; i < net->ifaces; i++)
        for (unsigned a = 0; a < net->iface[i].addrs; a++)
            if (is_subnet_broadcast(net->iface[i].addr[a], net->iface[i].prefix[a], ip))
                return true;
    return false;
}

bool nod_net_is_bad_source(const struct nod_net *net, const uint8_t ip[16])
{
    return nod_ip_is_unspecified(ip) || nod_ip_is_loopback(ip) || nod_net_is_broadcast(net, ip) ||
           nod_net_is_local(net, ip);
}

/* The longest prefix wins, an address's own over a route's. */
bool nod_net_next_hop(const struct nod_net *net, const uint8_t dst[16], uint8_t *iface,
                      uint8_t next_hop[16])
{
    int best = -1;
    bool gateway = false;
    for (unsigned i = 0; i < net->ifaces; i++) {
        for (unsigned a = 0; a < net->iface[i].addrs; a++) {
            int bits = net->iface[i].prefix[a];
            if (bits <= best || !nod_ip_prefix_match(net->iface[i].addr[a], dst, bits)) continue;
            best = bits;
            *iface = (uint8_t)i;
            memcpy(next_hop, dst, 16);
        }
    }
    for (unsigned r = 0; r < net->routes; r++) {
        const struct nod_route *route = &net->route[r];
        if (route->bits <= best || !nod_ip_prefix_match(route->prefix, dst, route->bits)) continue;
        if (nod_ip_family(route->prefix) != nod_ip_family(dst)) continue;
        best = route->bits;
        *iface = route->iface;
        gateway = !route->direct;
        memcpy(next_hop, route->direct ? dst : route->gateway, 16);
    }
    const struct nod_redirect *other = gateway ? nod_redirect_find(net, *iface, dst) : NULL;
    if (other) memcpy(next_hop, other->gateway, 16);
    return best >= 0;
}

static bool is_link_local(const uint8_t ip[16])
{
    static const uint8_t start[16] = {0xfe, 0x80};
    return nod_ip_prefix_match(ip, start, 10);
}

bool nod_net_source(const struct nod_net *net, uint8_t iface, const uint8_t dst[16],
                    uint8_t src[16])
{
    const struct nod_iface *out = &net->iface[iface];
    int best = -1;
    for (unsigned a = 0; a < out->addrs; a++) {
        const uint8_t *addr = out->addr[a];
        if (nod_ip_family(addr) != nod_ip_family(dst)) continue;
        int common = nod_ip_common_bits(addr, dst);
        if (is_link_local(addr) == is_link_local(dst)) common += 128;
        if (common <= best) continue;
        best = common;
        memcpy(src, addr, 16);
    }
    return best >= 0;
}

/* To an address of our own the source is that address itself; to 127.0.0.0/8 and ::1 nothing
 * leaves (RFC 1122 3.2.1.3 g). */
bool nod_net_route(const struct nod_net *net, const uint8_t dst[16], uint8_t *iface,
                   uint8_t src[16])
{
    uint8_t hop[16];
    if (nod_net_is_local(net, dst)) {
        *iface = NOD_IFACE_LOOPBACK;
        memcpy(src, dst, 16);
        return true;
    }
    if (nod_ip_is_loopback(dst) || !nod_net_next_hop(net, dst, iface, hop)) return false;
    return nod_net_source(net, *iface, dst, src);
}
