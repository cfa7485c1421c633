/* ARP (RFC 826), and what RFC 5227 has it say of our own addresses. */
#include <string.h>

#include "net/net.h"
#include "wire/frame.h"

enum arp_op { REQUEST = 1, REPLY = 2 };

static const uint8_t ethernet_broadcast[6] = {255, 255, 255, 255, 255, 255};
static const uint8_t no_ip[4];

static void send_arp(struct nod_net *net, uint8_t iface, struct nod_arp *arp, const uint8_t to[6])
{
    nod_frame frame;
    memset(&frame, 0, offsetof(nod_frame, head));
    struct nod_ethernet eth = {.type = NOD_ETH_ARP};
    memcpy(eth.dst, to, 6);
    memcpy(eth.src, net->iface[iface].config.mac, 6);
    memcpy(arp->sender_mac, eth.src, 6);
    nod_ethernet_emit(&eth, frame.head);
    nod_arp_emit(arp, frame.head + NOD_ETHERNET_HEADER);
    frame.head_len = NOD_ETHERNET_HEADER + NOD_ARP_SIZE;
    frame.iface = iface;
    nod_net_queue(net, &frame);
}

static void request(struct nod_net *net, uint8_t iface, const uint8_t sender[4],
                    const uint8_t target[16], const uint8_t to[6])
{
    struct nod_arp arp = {.op = REQUEST};
    memcpy(arp.sender_ip, sender, 4);
    memcpy(arp.target_ip, target + 12, 4);
    send_arp(net, iface, &arp, to);
}

void nod_arp_ask(struct nod_net *net, const struct nod_neighbour *n, const uint8_t src[16])
{
    bool known = n->state == NEIGHBOUR_PROBE; /* "unicast poll" (RFC 1122 2.3.2.1) */
    request(net, n->iface, src + 12, n->ip, known ? n->mac : ethernet_broadcast);
}

void nod_arp_probe(struct nod_net *net, uint8_t iface, const uint8_t ip[16])
{
    request(net, iface, no_ip, ip, ethernet_broadcast);
}

void nod_arp_announce(struct nod_net *net, uint8_t iface, const uint8_t ip[16])
{
    request(net, iface, ip + 12, ip, ethernet_broadcast);
}

/* RFC 5227 2.1.1 and 2.4: somebody else has our address, or is about to probe the one that we
 * probe. What a hub sends back to us is our own. */
static struct nod_claim *contested(struct nod_net *net, uint8_t iface, const struct nod_arp *arp,
                                   const uint8_t sender[16], const uint8_t target[16])
{
    for (unsigned i = 0; i < net->ifaces; i++)
        if (memcmp(net->iface[i].config.mac, arp->sender_mac, 6) == 0) return NULL;
    struct nod_claim *claim = nod_claim_find(net, iface, sender);
    if (claim) return claim;
    if (!nod_ip_is_unspecified(sender) || arp->op != REQUEST) return NULL;
    claim = nod_claim_find(net, iface, target);
    return claim && claim->state == NOD_ADDRESS_TENTATIVE ? claim : NULL;
}

static void reply(struct nod_net *net, uint8_t iface, const struct nod_arp *to)
{
    struct nod_arp arp = {.op = REPLY};
    memcpy(arp.sender_ip, to->target_ip, 4);
    memcpy(arp.target_mac, to->sender_mac, 6);
    memcpy(arp.target_ip, to->sender_ip, 4);
    send_arp(net, iface, &arp, to->sender_mac);
}

/* "Packet Reception", step by step. An entry that exists is updated whoever is asked; a new one is
 * made only if we are. */
enum nod_drop nod_arp_input(struct nod_net *net, uint8_t iface, const uint8_t *p, size_t len)
{
    struct nod_arp arp;
    if (!nod_arp_parse(p, len, &arp) || arp.sender_mac[0] & 1) return NOD_DROP_NEIGHBOUR;
    uint8_t sender[16], target[16];
    nod_ip_map4(sender, arp.sender_ip);
    nod_ip_map4(target, arp.target_ip);
    struct nod_claim *claim = contested(net, iface, &arp, sender, target);
    if (claim) nod_claim_contested(net, iface, claim, arp.sender_mac);
    bool nobody = nod_ip_is_unspecified(sender);
    if (!nobody && nod_net_is_bad_source(net, sender)) return NOD_DROP_NEIGHBOUR;
    claim = nod_claim_find(net, iface, target);
    bool ours = claim && claim->state == NOD_ADDRESS_IN_USE;
    if (!nobody) {
        struct nod_neighbour *n =
            ours ? nod_neighbour_hear(net, iface, sender) : nod_neighbour_find(net, iface, sender);
        if (n) nod_neighbour_learn(net, n, arp.sender_mac, arp.op == REPLY && ours);
    }
    if (ours && arp.op == REQUEST) reply(net, iface, &arp);
    return NOD_DROP_NONE;
}
