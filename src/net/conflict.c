/* Whose is an address? It may be tried before it is used, and it is defended afterwards: RFC 5227
 * for IPv4, duplicate address detection (RFC 4862 5.4) for IPv6. */
#include <string.h>

#include "base/util.h"
#include "net/net.h"

/* RFC 5227 section 1.1 */
#define PROBE_WAIT NOD_SEC
#define PROBE_NUM 3
#define PROBE_MIN NOD_SEC
#define PROBE_MAX (2 * NOD_SEC)
#define ANNOUNCE_WAIT (2 * NOD_SEC)
#define ANNOUNCE_NUM 2
#define ANNOUNCE_INTERVAL (2 * NOD_SEC)
#define MAX_CONFLICTS 10
#define RATE_LIMIT_INTERVAL (60 * NOD_SEC)
#define DEFEND_INTERVAL (10 * NOD_SEC)

#define DAD_TRANSMITS 1 /* RFC 4862 5.1 */

struct nod_claim *nod_claim_find(struct nod_net *net, uint8_t iface, const uint8_t ip[16])
{
    struct nod_iface *in = &net->iface[iface];
    for (unsigned c = 0; c < in->claims; c++)
        if (memcmp(in->claim[c].ip, ip, 16) == 0) return &in->claim[c];
    return NULL;
}

static bool is_ethernet(const struct nod_net *net, uint8_t iface)
{
    return net->iface[iface].config.kind == NOD_IFACE_ETHERNET;
}

static void start_using(struct nod_net *net, uint8_t iface, struct nod_claim *claim)
{
    struct nod_iface *in = &net->iface[iface];
    claim->state = NOD_ADDRESS_IN_USE;
    memcpy(in->addr[in->addrs], claim->ip, 16);
    in->prefix[in->addrs++] = claim->bits;
}

static void stop_using(struct nod_iface *in, const struct nod_claim *claim)
{
    for (unsigned a = 0; a < in->addrs; a++) {
        if (memcmp(in->addr[a], claim->ip, 16) != 0) continue;
        unsigned after = --in->addrs - a;
        memmove(in->addr[a], in->addr[a + 1], after * sizeof(in->addr[0]));
        memmove(&in->prefix[a], &in->prefix[a + 1], after);
        return;
    }
}

/* Room for one more, which may be that of an address that another host has. */
static struct nod_claim *room_for(struct nod_net *net, uint8_t iface, const uint8_t ip[16])
{
    struct nod_iface *in = &net->iface[iface];
    struct nod_claim *same = nod_claim_find(net, iface, ip);
    if (same) return same->state == NOD_ADDRESS_DUPLICATE ? same : NULL;
    if (in->claims < NOD_ADDRS_MAX) return &in->claim[in->claims++];
    for (unsigned c = 0; c < in->claims; c++)
        if (in->claim[c].state == NOD_ADDRESS_DUPLICATE && !in->claim[c].lost) return &in->claim[c];
    return NULL;
}

/* At once; but after ten conflicts one attempt a minute (RFC 5227 2.1.1). */
static nod_usec first_probe(struct nod_net *net, struct nod_link_state *link)
{
    nod_usec start = net->now;
    if (link->conflicts >= MAX_CONFLICTS)
        start = max_u64(start, link->claimed_at + RATE_LIMIT_INTERVAL);
    link->claimed_at = start;
    return start + nod_net_random(net, PROBE_WAIT + 1);
}

int nod_claim_add(struct nod_net *net, uint8_t iface, const uint8_t ip[16], uint8_t bits)
{
    struct nod_iface *in = &net->iface[iface];
    struct nod_claim *claim = room_for(net, iface, ip);
    if (!claim) return nod_claim_find(net, iface, ip) ? NOD_EEXIST : NOD_ENOMEM;
    *claim = (struct nod_claim){.bits = bits, .deadline = NOD_NEVER, .contested = NOD_NEVER};
    memcpy(claim->ip, ip, 16);
    bool six = nod_ip_family(ip) == 6;
    if (is_ethernet(net, iface) && in->config.probe) {
        claim->state = NOD_ADDRESS_TENTATIVE;
        claim->probes = six ? DAD_TRANSMITS : PROBE_NUM;
        claim->deadline = first_probe(net, &in->link);
        return 0;
    }
    start_using(net, iface, claim);
    if (is_ethernet(net, iface) && six) nod_mld_join(net, iface, claim);
    return 0;
}

static void probe(struct nod_net *net, uint8_t iface, struct nod_claim *claim)
{
    claim->probes--;
    if (nod_ip_family(claim->ip) == 6) {
        nod_mld_join(net, iface, claim); /* before, or we might not hear (RFC 4862 5.4.2) */
        nod_mld_expire(net);
        nod_nd_probe(net, iface, claim->ip);
        claim->deadline = net->now + net->iface[iface].link.retrans_us;
        return;
    }
    nod_arp_probe(net, iface, claim->ip);
    nod_usec wait = PROBE_MIN + nod_net_random(net, PROBE_MAX - PROBE_MIN + 1);
    claim->deadline = net->now + (claim->probes ? wait : ANNOUNCE_WAIT);
}

static void announce(struct nod_net *net, uint8_t iface, struct nod_claim *claim)
{
    nod_arp_announce(net, iface, claim->ip);
    claim->announcements--;
    claim->deadline = claim->announcements ? net->now + ANNOUNCE_INTERVAL : NOD_NEVER;
}

static void proceed(struct nod_net *net, uint8_t iface, struct nod_claim *claim)
{
    claim->deadline = NOD_NEVER;
    if (claim->probes) {
        probe(net, iface, claim);
        return;
    }
    if (claim->state == NOD_ADDRESS_TENTATIVE) {
        start_using(net, iface, claim);
        net->changed = true;
        claim->announcements = nod_ip_family(claim->ip) == 4 ? ANNOUNCE_NUM : 0;
    }
    if (claim->announcements) announce(net, iface, claim);
}

static void give_up(struct nod_net *net, struct nod_iface *in, struct nod_claim *claim)
{
    claim->lost = claim->state == NOD_ADDRESS_IN_USE;
    if (claim->lost) stop_using(in, claim);
    claim->state = NOD_ADDRESS_DUPLICATE;
    claim->deadline = NOD_NEVER;
    claim->probes = claim->announcements = claim->reports = 0;
    claim->asked = false;
    net->changed = true;
}

/* RFC 5227 2.4 a, b and c. For IPv6 nothing is said about an address that is in use: users are
 * told. */
void nod_claim_contested(struct nod_net *net, uint8_t iface, struct nod_claim *claim,
                         const uint8_t mac[6])
{
    struct nod_iface *in = &net->iface[iface];
    if (claim->state == NOD_ADDRESS_DUPLICATE) return;
    memcpy(claim->other_mac, mac, 6);
    claim->conflicts++;
    in->link.conflicts++;
    bool four = nod_ip_family(claim->ip) == 4;
    bool lately = claim->contested != NOD_NEVER && net->now - claim->contested < DEFEND_INTERVAL;
    bool yields =
        in->config.defence == NOD_DEFEND_NEVER || (in->config.defence == NOD_DEFEND_ONCE && lately);
    if (claim->state == NOD_ADDRESS_TENTATIVE || (four && yields)) {
        give_up(net, in, claim);
    } else if (!lately) {
        claim->contested = net->now;
        net->changed = true;
        if (four) nod_arp_announce(net, iface, claim->ip);
    }
}

void nod_claim_expire(struct nod_net *net)
{
    for (unsigned i = 0; i < net->ifaces; i++)
        for (unsigned c = 0; c < net->iface[i].claims; c++)
            if (net->iface[i].claim[c].deadline <= net->now)
                proceed(net, (uint8_t)i, &net->iface[i].claim[c]);
}

nod_usec nod_claim_next(const struct nod_net *net)
{
    nod_usec next = NOD_NEVER;
    for (unsigned i = 0; i < net->ifaces; i++)
        for (unsigned c = 0; c < net->iface[i].claims; c++)
            next = min_u64(next, net->iface[i].claim[c].deadline);
    return next;
}
