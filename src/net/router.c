/* Routers: what their advertisements say of the link and of themselves (RFC 4861 section 6.3), and
 * which of several gateways to use (6.3.6, RFC 1122 3.3.1). */
#include <string.h>

#include "base/util.h"
#include "net/net.h"
#include "wire/bytes.h"

/* RFC 4861 section 10 */
#define MAX_RTR_SOLICITATIONS 3
#define RTR_SOLICITATION_INTERVAL (4 * NOD_SEC)
#define MAX_RTR_SOLICITATION_DELAY NOD_SEC
#define REACHABLE_TIME (30 * NOD_SEC)
#define RETRANS_TIMER NOD_SEC

/* What a router may make us do: AdvReachableTime is an hour at most (6.2.1), and ten questions a
 * second are enough. */
#define REACHABLE_MAX_MS 3600000u
#define RETRANS_MIN_MS 100u
#define RETRANS_MAX_MS 60000u

enum option { SOURCE_LLADDR = 1, PREFIX = 3, MTU = 5 };
#define PREFIX_ON_LINK 0x80

void nod_router_start(struct nod_net *net, uint8_t iface)
{
    struct nod_link_state *link = &net->iface[iface].link;
    *link = (struct nod_link_state){.reachable_base_us = REACHABLE_TIME,
                                    .retrans_us = RETRANS_TIMER,
                                    .solicit_at = NOD_NEVER,
                                    .report_at = NOD_NEVER,
                                    .answer_at = NOD_NEVER};
    if (net->iface[iface].config.kind != NOD_IFACE_ETHERNET) return;
    if (net->iface[iface].config.ignore_routers) return;
    link->solicitations = MAX_RTR_SOLICITATIONS;
    link->solicit_at = net->now + nod_net_random(net, MAX_RTR_SOLICITATION_DELAY + 1);
}

static bool is_the_same(const struct nod_route *a, const struct nod_route *b)
{
    return a->iface == b->iface && a->bits == b->bits && a->direct == b->direct &&
           memcmp(a->prefix, b->prefix, 16) == 0 && memcmp(a->gateway, b->gateway, 16) == 0;
}

/* Puts it in, sets its lifetime anew, or takes it out (no lifetime). When the table is full of
 * others they stay: a flood displaces nothing. */
static void set_route(struct nod_net *net, struct nod_route *table, int size,
                      const struct nod_route *route, uint32_t seconds)
{
    struct nod_route *at = NULL;
    for (int i = 0; i < size; i++) {
        if (table[i].expires && is_the_same(&table[i], route)) {
            at = &table[i];
            break;
        }
        if (!table[i].expires && !at) at = &table[i];
    }
    if (!at) return;
    net->learned -= at->expires > 0;
    if (!at->expires) *at = *route;
    bool forever = seconds == UINT32_MAX && route->direct;
    at->expires = forever ? NOD_NEVER : net->now + seconds * NOD_SEC;
    if (seconds == 0) at->expires = 0;
    net->learned += at->expires > 0;
}

static void take_prefix(struct nod_net *net, uint8_t iface, const uint8_t *value)
{
    struct nod_route on_link = {.bits = value[0], .iface = iface, .direct = true};
    if (!(value[1] & PREFIX_ON_LINK) || on_link.bits > 128) return; /* says nothing */
    for (int bit = 0; bit < on_link.bits; bit++)
        on_link.prefix[bit / 8] |= value[14 + bit / 8] & 0x80 >> bit % 8;
    if (nod_ip_family(on_link.prefix) != 6) return; /* IPv4's is none of its business */
    if (nod_ip_is_link_local(on_link.prefix) || nod_ip_is_multicast(on_link.prefix)) return;
    set_route(net, net->on_link, NOD_ON_LINK_MAX, &on_link, get32(value + 2));
}

static void take_times(struct nod_net *net, struct nod_link_state *link, const uint8_t *p)
{
    uint32_t reachable = get32(p + 8), retrans = get32(p + 12);
    nod_usec base = (nod_usec)min_u32(reachable, REACHABLE_MAX_MS) * 1000;
    if (reachable && base != link->reachable_base_us) {
        link->reachable_base_us = base;
        link->reachable_renew = net->now; /* another random value for the next to be confirmed */
    }
    if (retrans)
        link->retrans_us =
            (nod_usec)max_u32(min_u32(retrans, RETRANS_MAX_MS), RETRANS_MIN_MS) * 1000;
}

static void take_options(struct nod_net *net, const struct nod_packet *packet, uint8_t type,
                         const uint8_t *value, size_t size)
{
    struct nod_iface *in = &net->iface[packet->iface];
    if (type == SOURCE_LLADDR && size == 6) {
        struct nod_neighbour *n = nod_neighbour_hear(net, packet->iface, packet->ip.src);
        if (n) nod_neighbour_learn(net, n, value, false);
    } else if (type == MTU && size == 6) {
        uint32_t mtu = get32(value + 2);
        if (mtu >= 1280 && mtu <= in->config.mtu) in->link.mtu = (uint16_t)mtu;
    } else if (type == PREFIX && size == 30) {
        take_prefix(net, packet->iface, value);
    }
}

/* A valid router advertisement (6.3.4). */
void nod_router_input(struct nod_net *net, const struct nod_packet *packet)
{
    struct nod_iface *in = &net->iface[packet->iface];
    const uint8_t *p = packet->l4;
    if (in->config.ignore_routers) return;
    uint32_t lifetime = get16(p + 6);
    struct nod_route router = {.iface = packet->iface};
    memcpy(router.gateway, packet->ip.src, 16);
    set_route(net, net->router, NOD_ROUTERS_MAX, &router, lifetime);
    if (lifetime && in->link.solicitations < MAX_RTR_SOLICITATIONS)
        in->link.solicit_at = NOD_NEVER; /* one question there should be in any case (6.3.7) */
    take_times(net, &in->link, p);
    for (size_t at = 16; at < packet->ip.payload; at += 8u * p[at + 1])
        take_options(net, packet, p[at], p + at + 2, 8u * p[at + 1] - 2);
}

void nod_router_forget(struct nod_net *net, uint8_t iface, const uint8_t ip[16])
{
    struct nod_route router = {.iface = iface};
    memcpy(router.gateway, ip, 16);
    set_route(net, net->router, NOD_ROUTERS_MAX, &router, 0);
}

static void solicit(struct nod_net *net, uint8_t iface)
{
    struct nod_link_state *link = &net->iface[iface].link;
    bool more = --link->solicitations > 0;
    link->solicit_at = more ? net->now + RTR_SOLICITATION_INTERVAL : NOD_NEVER;
    nod_nd_solicit_routers(net, iface);
}

static void expire_table(struct nod_net *net, struct nod_route *table, int size)
{
    for (int i = 0; i < size; i++) {
        if (!table[i].expires || table[i].expires > net->now) continue;
        table[i].expires = 0;
        net->learned--;
    }
}

void nod_router_expire(struct nod_net *net)
{
    expire_table(net, net->router, NOD_ROUTERS_MAX);
    expire_table(net, net->on_link, NOD_ON_LINK_MAX);
    for (unsigned i = 0; i < net->ifaces; i++)
        if (net->iface[i].link.solicit_at <= net->now) solicit(net, (uint8_t)i);
}

static nod_usec next_of(const struct nod_route *table, int size)
{
    nod_usec next = NOD_NEVER;
    for (int i = 0; i < size; i++)
        if (table[i].expires) next = min_u64(next, table[i].expires);
    return next;
}

nod_usec nod_router_next(const struct nod_net *net)
{
    nod_usec next =
        min_u64(next_of(net->router, NOD_ROUTERS_MAX), next_of(net->on_link, NOD_ON_LINK_MAX));
    for (unsigned i = 0; i < net->ifaces; i++) next = min_u64(next, net->iface[i].link.solicit_at);
    return next;
}

static void fail(struct nod_route *table, unsigned size, uint8_t iface, const uint8_t ip[16],
                 nod_usec now)
{
    for (unsigned i = 0; i < size; i++)
        if (!table[i].direct && table[i].iface == iface && memcmp(table[i].gateway, ip, 16) == 0)
            table[i].failed = max_u64(now, 1);
}

void nod_gateway_failed(struct nod_net *net, uint8_t iface, const uint8_t ip[16])
{
    fail(net->route, net->routes, iface, ip, net->now);
    fail(net->router, NOD_ROUTERS_MAX, iface, ip, net->now);
    for (int i = 0; i < NOD_REDIRECTS; i++) { /* what it was said to be the way to is asked anew */
        struct nod_redirect *r = &net->redirect[i];
        if (r->iface == iface && memcmp(r->gateway, ip, 16) == 0) r->until = 0;
    }
}

/* Does its gateway answer, as far as we know (6.3.6)? */
static bool is_alive(const struct nod_net *net, const struct nod_route *r)
{
    if (r->direct || net->iface[r->iface].config.kind != NOD_IFACE_ETHERNET) return true;
    const struct nod_neighbour *n = nod_neighbour_find(net, r->iface, r->gateway);
    return n && n->state != NEIGHBOUR_INCOMPLETE;
}

/* One that is alive before one that is not, and among the dead the one that failed longest ago, so
 * that all of them have their turn. What was advertised takes the place of what was given by hand
 * only when that has failed. */
bool nod_route_is_better(const struct nod_net *net, const struct nod_route *a,
                         const struct nod_route *b)
{
    if (is_alive(net, b)) return false;
    if (a->expires && !b->expires && !b->failed) return false;
    return is_alive(net, a) || a->failed < b->failed;
}
