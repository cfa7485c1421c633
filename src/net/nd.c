/* Neighbour discovery's messages between hosts: solicitations and advertisements (RFC 4861
 * section 7), duplicate address detection (RFC 4862 5.4), and what routers are asked. */
#include <string.h>

#include "net/net.h"
#include "wire/bytes.h"
#include "wire/frame.h"

enum nd_type {
    ROUTER_SOLICITATION = 133,
    ROUTER_ADVERTISEMENT = 134,
    SOLICITATION = 135,
    ADVERTISEMENT = 136,
    REDIRECT = 137
};
enum nd_option { SOURCE_LLADDR = 1, TARGET_LLADDR = 2 };
#define FLAG_ROUTER 0x80
#define FLAG_SOLICITED 0x40
#define FLAG_OVERRIDE 0x20

const uint8_t nod_all_nodes[16] = {0xff, 0x02, [15] = 1};
const uint8_t nod_all_routers[16] = {0xff, 0x02, [15] = 2};
static const uint8_t nobody[16];

void nod_solicited_node(const uint8_t ip[16], uint8_t group[16])
{
    static const uint8_t prefix[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};
    memcpy(group, prefix, 13);
    memcpy(group + 13, ip + 13, 3);
}

void nod_group_mac(const uint8_t group[16], uint8_t mac[6])
{
    mac[0] = mac[1] = 0x33; /* RFC 2464 section 7 */
    memcpy(mac + 2, group + 12, 4);
}

struct message {
    uint8_t type, flags, option; /* option: with our link-layer address; 0: none */
    const uint8_t *target;       /* NULL: none */
    const uint8_t *src, *dst;
    const uint8_t *mac; /* NULL: the group's */
};

static void make(const struct nod_net *net, uint8_t iface, const struct message *m,
                 nod_frame *frame)
{
    const uint8_t *ours = net->iface[iface].config.mac;
    size_t fixed = m->target ? 24 : 8, size = fixed + (m->option ? 8 : 0);
    memset(frame, 0, offsetof(nod_frame, head));
    struct nod_ethernet eth = {.type = NOD_ETH_IP6};
    memcpy(eth.src, ours, 6);
    if (m->mac)
        memcpy(eth.dst, m->mac, 6);
    else
        nod_group_mac(m->dst, eth.dst);
    nod_ethernet_emit(&eth, frame->head);
    struct nod_ip ip = {
        .family = 6, .protocol = NOD_PROTO_ICMP6, .ttl = 255, .payload = (uint32_t)size};
    memcpy(ip.src, m->src, 16);
    memcpy(ip.dst, m->dst, 16);
    size_t at = NOD_ETHERNET_HEADER + nod_ip_emit(&ip, frame->head + NOD_ETHERNET_HEADER);
    uint8_t *p = frame->head + at;
    memset(p, 0, size);
    p[0] = m->type;
    p[4] = m->flags;
    if (m->target) memcpy(p + 8, m->target, 16);
    if (m->option) {
        p[fixed] = m->option;
        p[fixed + 1] = 1;
        memcpy(p + fixed + 2, ours, 6);
    }
    frame->head_len = (uint8_t)(at + size);
    frame->iface = iface;
    nod_icmp6_sum(frame, at, m->src, m->dst);
}

static void send_nd(struct nod_net *net, uint8_t iface, const struct message *m)
{
    nod_frame frame;
    make(net, iface, m, &frame);
    nod_net_queue(net, &frame);
}

void nod_nd_ask(struct nod_net *net, const struct nod_neighbour *n, const uint8_t src[16])
{
    uint8_t group[16];
    bool known = n->state == NEIGHBOUR_PROBE;
    nod_solicited_node(n->ip, group);
    send_nd(net, n->iface,
            &(struct message){.type = SOLICITATION,
                              .option = SOURCE_LLADDR,
                              .target = n->ip,
                              .src = src,
                              .dst = known ? n->ip : group,
                              .mac = known ? n->mac : NULL});
}

/* RFC 4862 5.4.2: from nobody, and so without our link-layer address. */
void nod_nd_probe(struct nod_net *net, uint8_t iface, const uint8_t ip[16])
{
    uint8_t group[16];
    nod_solicited_node(ip, group);
    send_nd(net, iface,
            &(struct message){.type = SOLICITATION, .target = ip, .src = nobody, .dst = group});
}

static const uint8_t *link_local(const struct nod_iface *in)
{
    for (unsigned a = 0; a < in->addrs; a++)
        if (nod_ip_is_link_local(in->addr[a])) return in->addr[a];
    return NULL;
}

void nod_nd_solicit_routers(struct nod_net *net, uint8_t iface)
{
    const uint8_t *src = link_local(&net->iface[iface]);
    send_nd(net, iface,
            &(struct message){.type = ROUTER_SOLICITATION,
                              .option = src ? SOURCE_LLADDR : 0,
                              .src = src ? src : nobody,
                              .dst = nod_all_routers});
}

/* An option of length zero, or one that goes beyond the end, spoils the message (4.6, 7.1). */
static bool options_are_valid(const uint8_t *p, size_t len, size_t from)
{
    for (size_t at = from; at < len;) {
        size_t size = at + 2 <= len ? 8u * p[at + 1] : 0;
        if (size == 0 || at + size > len) return false;
        at += size;
    }
    return true;
}

const uint8_t *nod_nd_option(const uint8_t *p, size_t len, size_t from, uint8_t type, size_t *size)
{
    for (size_t at = from; at < len; at += 8u * p[at + 1]) {
        if (p[at] != type) continue;
        *size = 8u * p[at + 1] - 2;
        return p + at + 2;
    }
    return NULL;
}

/* Where the options of a message begin, and so what it has at least; 0: none of these. */
static size_t fixed_size(uint8_t type)
{
    switch (type) {
    case ROUTER_ADVERTISEMENT: return 16;
    case SOLICITATION:
    case ADVERTISEMENT: return 24;
    case REDIRECT: return 40;
    }
    return 0;
}

static const uint8_t *lladdr_option(const struct nod_packet *packet, uint8_t type)
{
    size_t size;
    const uint8_t *p = packet->l4;
    const uint8_t *mac = nod_nd_option(p, packet->ip.payload, fixed_size(p[0]), type, &size);
    return mac && size == 6 ? mac : NULL;
}

/* RFC 4861 7.2.4: never from a router, solicited only if somebody is there to have asked. Where
 * that is, it may have said (`mac`), or we know, or have to find out. */
static void answer(struct nod_net *net, const struct nod_packet *packet, const uint8_t *target,
                   const uint8_t *mac)
{
    bool anonymous = nod_ip_is_unspecified(packet->ip.src); /* duplicate address detection */
    struct nod_neighbour *n =
        anonymous ? NULL : nod_neighbour_find(net, packet->iface, packet->ip.src);
    if (n && n->state != NEIGHBOUR_INCOMPLETE) mac = n->mac;
    struct message m = {.type = ADVERTISEMENT,
                        .flags = anonymous ? FLAG_OVERRIDE : FLAG_OVERRIDE | FLAG_SOLICITED,
                        .option = TARGET_LLADDR,
                        .target = target,
                        .src = target,
                        .dst = anonymous ? nod_all_nodes : packet->ip.src,
                        .mac = mac};
    nod_frame frame;
    make(net, packet->iface, &m, &frame);
    if (anonymous || mac || nod_net_resolve(net, &frame, m.dst)) nod_net_queue(net, &frame);
}

static enum nod_drop solicited(struct nod_net *net, const struct nod_packet *packet,
                               const uint8_t *p, const uint8_t *from_mac)
{
    const uint8_t *lladdr = lladdr_option(packet, SOURCE_LLADDR);
    if (lladdr && lladdr[0] & 1) return NOD_DROP_NEIGHBOUR; /* a group is no host */
    bool anonymous = nod_ip_is_unspecified(packet->ip.src);
    bool to_group = nod_ip_is_multicast(packet->ip.dst);
    if (anonymous && (!to_group || lladdr)) return NOD_DROP_NEIGHBOUR; /* 7.1.1 */
    struct nod_claim *claim = nod_claim_find(net, packet->iface, p + 8);
    if (!claim) return NOD_DROP_NOT_OURS;
    if (claim->state == NOD_ADDRESS_TENTATIVE) { /* RFC 4862 5.4.3 */
        if (anonymous) nod_claim_contested(net, packet->iface, claim, from_mac);
        return NOD_DROP_NONE;
    }
    if (claim->state != NOD_ADDRESS_IN_USE) return NOD_DROP_NOT_OURS;
    if (!anonymous && lladdr) {
        struct nod_neighbour *n = nod_neighbour_hear(net, packet->iface, packet->ip.src);
        if (n) nod_neighbour_learn(net, n, lladdr, false);
    }
    answer(net, packet, p + 8, lladdr);
    return NOD_DROP_NONE;
}

/* RFC 4861 section 7.2.5. */
static void update(struct nod_net *net, const struct nod_packet *packet, const uint8_t *p,
                   struct nod_neighbour *n)
{
    const uint8_t *lladdr = lladdr_option(packet, TARGET_LLADDR);
    if (n->state == NEIGHBOUR_INCOMPLETE && !lladdr) return;
    bool other = n->state != NEIGHBOUR_INCOMPLETE && lladdr && memcmp(lladdr, n->mac, 6) != 0;
    if (other && !(p[4] & FLAG_OVERRIDE)) {
        nod_neighbour_suspect(net, n);
        return;
    }
    uint8_t mac[6];
    memcpy(mac, lladdr ? lladdr : n->mac, 6);
    nod_neighbour_learn(net, n, mac, p[4] & FLAG_SOLICITED);
    if (!(p[4] & FLAG_ROUTER)) nod_router_forget(net, packet->iface, p + 8);
}

static enum nod_drop advertised(struct nod_net *net, const struct nod_packet *packet,
                                const uint8_t *p, const uint8_t *from_mac)
{
    bool to_group = nod_ip_is_multicast(packet->ip.dst);
    if (nod_ip_is_unspecified(packet->ip.src)) return NOD_DROP_NEIGHBOUR;
    if (to_group && p[4] & FLAG_SOLICITED) return NOD_DROP_NEIGHBOUR; /* 7.1.2 */
    struct nod_claim *claim = nod_claim_find(net, packet->iface, p + 8);
    if (claim && claim->state != NOD_ADDRESS_DUPLICATE) { /* RFC 4862 5.4.4 */
        nod_claim_contested(net, packet->iface, claim, from_mac);
        return NOD_DROP_NEIGHBOUR;
    }
    struct nod_neighbour *n = nod_neighbour_find(net, packet->iface, p + 8);
    if (n) update(net, packet, p, n);
    return NOD_DROP_NONE;
}

/* Sections 8.1 and 8.3: a better router, or the destination itself, which is on the link then. */
static enum nod_drop redirected(struct nod_net *net, const struct nod_packet *packet,
                                const uint8_t *p)
{
    const uint8_t *target = p + 8, *dst = p + 24;
    bool itself = memcmp(target, dst, 16) == 0;
    if (!nod_ip_is_link_local(packet->ip.src)) return NOD_DROP_NEIGHBOUR;
    if (nod_ip_is_multicast(dst) || nod_ip_family(dst) != 6) return NOD_DROP_NEIGHBOUR;
    if (!itself && !nod_ip_is_link_local(target)) return NOD_DROP_NEIGHBOUR;
    enum nod_drop drop = nod_redirect_input(net, packet, dst, target);
    const uint8_t *lladdr = lladdr_option(packet, TARGET_LLADDR);
    if (drop != NOD_DROP_NONE || !lladdr) return drop;
    struct nod_neighbour *n = nod_neighbour_hear(net, packet->iface, target);
    if (n) nod_neighbour_learn(net, n, lladdr, false);
    return drop;
}

/* What sections 6.1, 7.1 and 8.1 call invalid is dropped, and so is a message that came in
 * fragments (RFC 6980). */
enum nod_drop nod_nd_input(struct nod_net *net, const nod_frame *frame,
                           const struct nod_packet *packet)
{
    const uint8_t *p = packet->l4;
    size_t len = packet->ip.payload, least = fixed_size(p[0]), have;
    const uint8_t *from_mac = nod_frame_start(frame, &have) + 6; /* after the destination's */
    if (p[0] == ROUTER_SOLICITATION) return NOD_DROP_NONE;       /* we are none (6.2.6) */
    if (packet->ip.ttl != 255 || p[1] != 0 || len < least || packet->have < len)
        return NOD_DROP_NEIGHBOUR;
    if (!options_are_valid(p, len, least)) return NOD_DROP_NEIGHBOUR;
    if (memcmp(from_mac, net->iface[packet->iface].config.mac, 6) == 0) return NOD_DROP_NEIGHBOUR;
    if (p[0] == ROUTER_ADVERTISEMENT) {
        if (!nod_ip_is_link_local(packet->ip.src)) return NOD_DROP_NEIGHBOUR;
        nod_router_input(net, packet);
        return NOD_DROP_NONE;
    }
    /* An IPv4 address in IPv6's clothes would speak of ARP's entries. */
    if (nod_ip_is_multicast(p + 8) || nod_ip_family(p + 8) != 6) return NOD_DROP_NEIGHBOUR;
    if (p[0] == REDIRECT) return redirected(net, packet, p);
    return p[0] == SOLICITATION ? solicited(net, packet, p, from_mac)
                                : advertised(net, packet, p, from_mac);
}
