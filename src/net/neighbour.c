/* Neighbours on Ethernet: the cache, ARP (RFC 826) and neighbour discovery (RFC 4861). */
#include <string.h>

#include "base/util.h"
#include "net/net.h"
#include "wire/bytes.h"
#include "wire/frame.h"

#define RETRANS_US NOD_SEC /* RFC 4861 section 10: RETRANS_TIMER; RFC 1122: 1 ARP a second */
#define TRIES 3
#define REACHABLE_US (30 * NOD_SEC)

static const uint8_t ethernet_broadcast[6] = {255, 255, 255, 255, 255, 255};

struct nod_neighbour *nod_neighbour_find(struct nod_net *net, uint8_t iface, const uint8_t ip[16],
                                         bool make)
{
    struct nod_neighbour *oldest = NULL;
    for (int i = 0; i < NOD_NEIGHBOURS; i++) {
        struct nod_neighbour *n = &net->neighbours[i];
        if (n->state != NEIGHBOUR_FREE && n->iface == iface && memcmp(n->ip, ip, 16) == 0) return n;
        if (!oldest || (oldest->state != NEIGHBOUR_FREE &&
                        (n->state == NEIGHBOUR_FREE || n->used < oldest->used)))
            oldest = n;
    }
    if (!make) return NULL;
    for (unsigned q = 0; q < oldest->queued; q++) {
        nod_frame_release(oldest->queue[q]);
        nod_pool_give(net->pool, oldest->queue[q], sizeof(nod_frame));
        net->drops[NOD_DROP_QUEUE]++;
    }
    *oldest = (struct nod_neighbour){
        .state = NEIGHBOUR_INCOMPLETE, .iface = iface, .deadline = NOD_NEVER, .used = net->now};
    memcpy(oldest->ip, ip, 16);
    return oldest;
}

static void send_arp(struct nod_net *net, uint8_t iface, const struct nod_arp *arp,
                     const uint8_t to[6])
{
    nod_frame frame;
    memset(&frame, 0, offsetof(nod_frame, head));
    struct nod_ethernet eth = {.type = NOD_ETH_ARP};
    memcpy(eth.dst, to, 6);
    memcpy(eth.src, net->iface[iface].config.mac, 6);
    nod_ethernet_emit(&eth, frame.head);
    nod_arp_emit(arp, frame.head + NOD_ETHERNET_HEADER);
    frame.head_len = NOD_ETHERNET_HEADER + NOD_ARP_SIZE;
    frame.iface = iface;
    nod_net_queue(net, &frame);
}

static bool source_for(const struct nod_net *net, uint8_t iface, const uint8_t ip[16],
                       uint8_t src[16])
{
    const struct nod_iface *in = &net->iface[iface];
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned a = 0; a < in->addrs; a++) {
            bool fits = pass || nod_ip_prefix_match(in->addr[a], ip, in->prefix[a]);
            if (nod_ip_family(in->addr[a]) != nod_ip_family(ip) || !fits) continue;
            memcpy(src, in->addr[a], 16);
            return true;
        }
    }
    return false;
}

static void ask_arp(struct nod_net *net, const struct nod_neighbour *n, const uint8_t src[16])
{
    struct nod_arp arp = {.op = 1};
    memcpy(arp.sender_mac, net->iface[n->iface].config.mac, 6);
    memcpy(arp.sender_ip, src + 12, 4);
    memcpy(arp.target_ip, n->ip + 12, 4);
    send_arp(net, n->iface, &arp, n->state == NEIGHBOUR_PROBE ? n->mac : ethernet_broadcast);
}

/* A neighbour solicitation or advertisement with our link-layer address as its option. */
static void send_nd(struct nod_net *net, uint8_t iface, uint8_t type, uint32_t flags,
                    const uint8_t target[16], const uint8_t src[16], const uint8_t dst[16],
                    const uint8_t mac[6])
{
    enum { MESSAGE = 32 };
    nod_frame frame;
    memset(&frame, 0, offsetof(nod_frame, head));
    struct nod_ethernet eth = {.type = NOD_ETH_IP6};
    memcpy(eth.dst, mac, 6);
    memcpy(eth.src, net->iface[iface].config.mac, 6);
    nod_ethernet_emit(&eth, frame.head);
    struct nod_ip ip = {.family = 6, .protocol = NOD_PROTO_ICMP6, .ttl = 255, .payload = MESSAGE};
    memcpy(ip.src, src, 16);
    memcpy(ip.dst, dst, 16);
    size_t at = NOD_ETHERNET_HEADER + nod_ip_emit(&ip, frame.head + NOD_ETHERNET_HEADER);
    uint8_t *p = frame.head + at;
    memset(p, 0, MESSAGE);
    p[0] = type;
    put32(p + 4, flags);
    memcpy(p + 8, target, 16);
    p[24] = type == 135 ? 1 : 2; /* source or target link-layer address */
    p[25] = 1;
    memcpy(p + 26, net->iface[iface].config.mac, 6);
    frame.head_len = (uint8_t)(at + MESSAGE);
    frame.iface = iface;
    nod_icmp6_sum(&frame, at, src, dst);
    nod_net_queue(net, &frame);
}

static void ask_nd(struct nod_net *net, const struct nod_neighbour *n, const uint8_t src[16])
{
    uint8_t dst[16] = {0xff, 0x02, [11] = 1, [12] = 0xff}, mac[6] = {0x33, 0x33};
    memcpy(dst + 13, n->ip + 13, 3); /* the solicited-node group */
    memcpy(mac + 2, dst + 12, 4);
    bool unicast = n->state == NEIGHBOUR_PROBE;
    send_nd(net, n->iface, 135, 0, n->ip, src, unicast ? n->ip : dst, unicast ? n->mac : mac);
}

static void ask(struct nod_net *net, struct nod_neighbour *n)
{
    uint8_t src[16];
    n->tries++;
    n->deadline = net->now + RETRANS_US;
    if (!source_for(net, n->iface, n->ip, src)) return;
    if (nod_ip_family(n->ip) == 4)
        ask_arp(net, n, src);
    else
        ask_nd(net, n, src);
}

static void release_queue(struct nod_net *net, struct nod_neighbour *n)
{
    for (unsigned q = 0; q < n->queued; q++) {
        nod_frame *frame = n->queue[q];
        memcpy(frame->head, n->mac, 6);
        nod_net_queue(net, frame);
        nod_pool_give(net->pool, frame, sizeof(*frame));
    }
    n->queued = 0;
}

void nod_neighbour_learn(struct nod_net *net, struct nod_neighbour *n, const uint8_t mac[6],
                         bool confirmed)
{
    bool changed = memcmp(n->mac, mac, 6) != 0;
    memcpy(n->mac, mac, 6);
    if (confirmed) {
        n->state = NEIGHBOUR_REACHABLE;
        n->deadline = net->now + REACHABLE_US;
    } else if (n->state == NEIGHBOUR_INCOMPLETE || changed) {
        n->state = NEIGHBOUR_STALE;
        n->deadline = NOD_NEVER;
    }
    n->tries = 0;
    release_queue(net, n);
}

static void forget(struct nod_net *net, struct nod_neighbour *n)
{
    for (unsigned q = 0; q < n->queued; q++) {
        nod_frame_release(n->queue[q]);
        nod_pool_give(net->pool, n->queue[q], sizeof(nod_frame));
        net->drops[NOD_DROP_UNREACHABLE]++;
    }
    *n = (struct nod_neighbour){.deadline = NOD_NEVER};
}

void nod_neighbour_expire(struct nod_net *net)
{
    for (int i = 0; net->neighbours && i < NOD_NEIGHBOURS; i++) {
        struct nod_neighbour *n = &net->neighbours[i];
        if (n->state == NEIGHBOUR_FREE || n->deadline > net->now) continue;
        if (n->state == NEIGHBOUR_REACHABLE) {
            n->state = NEIGHBOUR_STALE;
            n->deadline = NOD_NEVER;
        } else if (n->tries >= TRIES) {
            forget(net, n);
        } else {
            ask(net, n);
        }
    }
}

nod_usec nod_neighbour_next(const struct nod_net *net)
{
    nod_usec next = NOD_NEVER;
    for (int i = 0; net->neighbours && i < NOD_NEIGHBOURS; i++)
        if (net->neighbours[i].state != NEIGHBOUR_FREE)
            next = min_u64(next, net->neighbours[i].deadline);
    return next;
}

/* RFC 826, "Packet Reception": an entry that exists is updated whoever is asked; a new one is
 * made only if we are. */
enum nod_drop nod_arp_input(struct nod_net *net, uint8_t iface, const uint8_t *p, size_t len)
{
    struct nod_arp arp;
    if (!nod_arp_parse(p, len, &arp)) return NOD_DROP_NEIGHBOUR;
    uint8_t sender[16], target[16];
    nod_ip_map4(sender, arp.sender_ip);
    nod_ip_map4(target, arp.target_ip);
    if (nod_net_is_local(net, sender)) return NOD_DROP_NEIGHBOUR;
    bool ours = nod_net_is_local(net, target), usable = !nod_ip_is_unspecified(sender);
    struct nod_neighbour *n = usable ? nod_neighbour_find(net, iface, sender, ours) : NULL;
    if (n) nod_neighbour_learn(net, n, arp.sender_mac, arp.op == 2 && ours);
    if (!ours || arp.op != 1) return NOD_DROP_NONE;
    struct nod_arp reply = {.op = 2};
    memcpy(reply.sender_mac, net->iface[iface].config.mac, 6);
    memcpy(reply.sender_ip, arp.target_ip, 4);
    memcpy(reply.target_mac, arp.sender_mac, 6);
    memcpy(reply.target_ip, arp.sender_ip, 4);
    send_arp(net, iface, &reply, arp.sender_mac);
    return NOD_DROP_NONE;
}

/* The link-layer address option of the given type; NULL when there is none. *valid turns
 * false at an option of length zero (RFC 4861 7.1). */
static const uint8_t *find_option(const uint8_t *p, size_t len, uint8_t type, bool *valid)
{
    const uint8_t *found = NULL;
    for (size_t at = 24; at < len;) {
        size_t size = at + 2 <= len ? 8u * p[at + 1] : 0;
        if (size == 0 || at + size > len) {
            *valid = false;
            return NULL;
        }
        if (p[at] == type && size == 8) found = p + at + 2;
        at += size;
    }
    return found;
}

static void solicited(struct nod_net *net, const struct nod_packet *packet, const uint8_t *target,
                      const uint8_t *lladdr)
{
    static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
    static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
    bool anonymous = nod_ip_is_unspecified(packet->ip.src); /* duplicate address detection */
    if (anonymous) {
        send_nd(net, packet->iface, 136, 1u << 29, target, target, all_nodes, all_nodes_mac);
        return;
    }
    struct nod_neighbour *n =
        nod_neighbour_find(net, packet->iface, packet->ip.src, lladdr != NULL);
    if (n && lladdr) nod_neighbour_learn(net, n, lladdr, false);
    if (!n || n->state == NEIGHBOUR_INCOMPLETE) return;
    send_nd(net, packet->iface, 136, 3u << 29, target, target, packet->ip.src, n->mac);
}

/* RFC 4861 section 7.2.5, with the flags solicited and override. */
static void advertised(struct nod_net *net, const struct nod_packet *packet, const uint8_t *p,
                       const uint8_t *lladdr)
{
    struct nod_neighbour *n = nod_neighbour_find(net, packet->iface, p + 8, false);
    if (!n) return;
    bool is_answer = p[4] & 0x40, override = p[4] & 0x20;
    if (!lladdr) lladdr = n->state == NEIGHBOUR_INCOMPLETE ? NULL : n->mac;
    if (!lladdr) return;
    bool other = n->state != NEIGHBOUR_INCOMPLETE && memcmp(lladdr, n->mac, 6) != 0;
    if (other && !override) {
        if (n->state == NEIGHBOUR_REACHABLE) n->state = NEIGHBOUR_STALE, n->deadline = NOD_NEVER;
        return;
    }
    nod_neighbour_learn(net, n, lladdr, is_answer);
}

/* What RFC 4861 sections 7.1.1 and 7.1.2 call invalid is dropped. */
enum nod_drop nod_nd_input(struct nod_net *net, const nod_frame *frame,
                           const struct nod_packet *packet)
{
    const uint8_t *p = packet->l4;
    size_t len = packet->ip.payload;
    (void)frame;
    if (packet->ip.ttl != 255 || p[1] != 0 || len < 24 || packet->have < len)
        return NOD_DROP_NEIGHBOUR;
    bool valid = true;
    const uint8_t *lladdr = find_option(p, len, p[0] == 135 ? 1 : 2, &valid);
    if (!valid || nod_ip_is_multicast(p + 8)) return NOD_DROP_NEIGHBOUR;
    bool to_group = nod_ip_is_multicast(packet->ip.dst);
    if (p[0] == 136 && to_group && p[4] & 0x40) return NOD_DROP_NEIGHBOUR;
    if (nod_ip_is_unspecified(packet->ip.src) && (p[0] == 136 || !to_group || lladdr))
        return NOD_DROP_NEIGHBOUR;
    if (p[0] == 136) {
        advertised(net, packet, p, lladdr);
        return NOD_DROP_NONE;
    }
    if (!nod_net_is_local(net, p + 8)) return NOD_DROP_NOT_OURS;
    solicited(net, packet, p + 8, lladdr);
    return NOD_DROP_NONE;
}

static void wait_for(struct nod_net *net, struct nod_neighbour *n, nod_frame *frame)
{
    nod_frame *copy = nod_pool_take(net->pool, sizeof(*copy));
    if (!copy) {
        nod_frame_release(frame);
        net->drops[NOD_DROP_MEMORY]++;
        return;
    }
    if (n->queued == NOD_NEIGHBOUR_QUEUE) { /* the oldest makes room */
        nod_frame_release(n->queue[0]);
        nod_pool_give(net->pool, n->queue[0], sizeof(nod_frame));
        memmove(&n->queue[0], &n->queue[1], --n->queued * sizeof(n->queue[0]));
        net->drops[NOD_DROP_QUEUE]++;
    }
    nod_frame_move(frame, copy);
    n->queue[n->queued++] = copy;
}

bool nod_net_resolve(struct nod_net *net, nod_frame *frame, const uint8_t dst[16])
{
    uint8_t iface, hop[16];
    if (net->iface[frame->iface].config.kind != NOD_IFACE_ETHERNET) return true;
    if (!nod_net_next_hop(net, dst, &iface, hop)) {
        nod_frame_release(frame);
        net->drops[NOD_DROP_UNREACHABLE]++;
        return false;
    }
    struct nod_neighbour *n = nod_neighbour_find(net, frame->iface, hop, true);
    n->used = net->now;
    if (n->state == NEIGHBOUR_INCOMPLETE) {
        wait_for(net, n, frame);
        if (n->tries == 0) ask(net, n);
        return false;
    }
    memcpy(frame->head, n->mac, 6);
    if (n->state == NEIGHBOUR_STALE) { /* used on trust, and confirmed meanwhile */
        n->state = NEIGHBOUR_PROBE;
        n->tries = 0;
        ask(net, n);
    }
    return true;
}

void nod_neighbour_doubt(struct nod_net *net, const uint8_t dst[16])
{
    uint8_t iface, hop[16];
    if (!net->neighbours || !nod_net_next_hop(net, dst, &iface, hop)) return;
    struct nod_neighbour *n = nod_neighbour_find(net, iface, hop, false);
    if (!n || n->state != NEIGHBOUR_REACHABLE) return;
    n->state = NEIGHBOUR_STALE; /* the next packet asks whether it is still there */
    n->deadline = NOD_NEVER;
}
