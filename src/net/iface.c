/* Interfaces, their addresses, and routes. */
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "net/net.h"

static void derive_key(const nod_config *config, uint8_t key[16])
{
    for (uint8_t half = 0; half < 2; half++) {
        uint8_t text[] = {'n', 'e', 't', half};
        uint64_t h = nod_hash(config->secret + 16, text, sizeof(text));
        memcpy(key + 8 * half, &h, 8);
    }
}

uint64_t nod_net_random(struct nod_net *net, uint64_t n)
{
    uint64_t turn = net->randoms++;
    return nod_hash(net->random_key, &turn, sizeof(turn)) % n;
}

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
    derive_key(config, net->random_key);
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
    nod_neighbours_free(net);
}

bool nod_net_is_local(const struct nod_net *net, const uint8_t ip[16])
{
    for (unsigned i = 0; i < net->ifaces; i++)
        for (unsigned a = 0; a < net->iface[i].addrs; a++)
            if (memcmp(net->iface[i].addr[a], ip, 16) == 0) return true;
    return false;
}

uint16_t nod_net_mtu(const struct nod_net *net, uint8_t iface, int family)
{
    const struct nod_iface *in = &net->iface[iface];
    return family == 6 && in->link.mtu ? in->link.mtu : in->config.mtu;
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

struct choice {
    const struct nod_route *route; /* NULL: an address's own prefix */
    int bits, iface;
};

static void consider(const struct nod_net *net, const uint8_t dst[16], const struct nod_route *r,
                     struct choice *best)
{
    if (r->bits < best->bits || !nod_ip_prefix_match(r->prefix, dst, r->bits)) return;
    if (nod_ip_family(r->prefix) != nod_ip_family(dst)) return;
    if (r->bits == best->bits && (!best->route || !nod_route_is_better(net, r, best->route)))
        return;
    *best = (struct choice){r, r->bits, r->iface};
}

static void consider_all(const struct nod_net *net, const uint8_t dst[16], int iface,
                         const struct nod_route *learned, int count, struct choice *best)
{
    for (int r = 0; r < count; r++)
        if (learned[r].expires && (iface < 0 || learned[r].iface == iface))
            consider(net, dst, &learned[r], best);
}

/* The longest prefix wins; of the same, an address's own before a route's, and one that was given
 * before one that a router told of. */
bool nod_net_next_hop(const struct nod_net *net, const uint8_t dst[16], int iface,
                      struct nod_hop *hop)
{
    struct choice best = {.bits = -1};
    for (int i = 0; i < (int)net->ifaces; i++) {
        for (unsigned a = 0; (iface < 0 || i == iface) && a < net->iface[i].addrs; a++) {
            int bits = net->iface[i].prefix[a];
            if (bits > best.bits && nod_ip_prefix_match(net->iface[i].addr[a], dst, bits))
                best = (struct choice){NULL, bits, i};
        }
    }
    for (unsigned r = 0; r < net->routes; r++)
        if (iface < 0 || net->route[r].iface == iface) consider(net, dst, &net->route[r], &best);
    if (net->learned) {
        consider_all(net, dst, iface, net->on_link, NOD_ON_LINK_MAX, &best);
        consider_all(net, dst, iface, net->router, NOD_ROUTERS_MAX, &best);
    }
    if (best.bits < 0) return iface >= 0 && nod_net_next_hop(net, dst, -1, hop);
    hop->gateway = best.route && !best.route->direct;
    hop->iface = (uint8_t)best.iface;
    memcpy(hop->ip, hop->gateway ? best.route->gateway : dst, 16);
    const struct nod_redirect *other =
        hop->gateway ? nod_redirect_find(net, hop->iface, dst) : NULL;
    if (other) memcpy(hop->ip, other->gateway, 16);
    return true;
}

bool nod_net_source(const struct nod_net *net, uint8_t iface, const uint8_t dst[16],
                    uint8_t src[16])
{
    const struct nod_iface *out = &net->iface[iface];
    int best = -1;
    for (unsigned a = 0; a < out->addrs; a++) {
        const uint8_t *addr = out->addr[a];
        if (nod_ip_family(addr) != nod_ip_family(dst)) continue;
        if (nod_ip_is_link_local(addr) && !nod_ip_is_link_local(dst)) continue;
        int common = nod_ip_common_bits(addr, dst);
        if (nod_ip_is_link_local(addr) == nod_ip_is_link_local(dst)) common += 128;
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
    struct nod_hop hop;
    if (nod_net_is_local(net, dst)) {
        *iface = NOD_IFACE_LOOPBACK;
        memcpy(src, dst, 16);
        return true;
    }
    if (nod_ip_is_loopback(dst) || !nod_net_next_hop(net, dst, -1, &hop)) return false;
    *iface = hop.iface;
    return nod_net_source(net, *iface, dst, src);
}

bool nod_net_expire(struct nod_net *net, nod_frame *given_up)
{
    if (!net->neighbours) return false;
    if (nod_neighbour_expire(net, given_up)) return true;
    nod_claim_expire(net);
    nod_router_expire(net);
    nod_mld_expire(net);
    return false;
}

nod_usec nod_net_deadline(const struct nod_net *net)
{
    nod_usec fragments = nod_fragments_next(net);
    if (!net->neighbours) return fragments;
    nod_usec addresses = min_u64(nod_claim_next(net), nod_mld_next(net));
    nod_usec others = min_u64(nod_neighbour_next(net), nod_router_next(net));
    return min_u64(fragments, min_u64(others, addresses));
}
