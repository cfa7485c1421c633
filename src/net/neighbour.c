/* The neighbour cache: who is where on an Ethernet, how sure of it we are, and which frames wait
 * to find out (RFC 4861 section 7; ARP's entries live by the same rules). */
#include <string.h>

#include "base/util.h"
#include "net/net.h"
#include "wire/frame.h"

#define TRIES 3
#define DELAY_US (5 * NOD_SEC)
#define STALE_US (600 * NOD_SEC) /* then it is forgotten (RFC 1122 2.3.2.1) */

bool nod_neighbours_make(struct nod_net *net)
{
    if (net->neighbours) return true;
    net->neighbours = nod_pool_take(net->pool, sizeof(*net->neighbours));
    if (!net->neighbours) return false;
    memset(net->neighbours, 0, sizeof(*net->neighbours));
    return true;
}

static void drop_queue(struct nod_net *net, struct nod_neighbour *n)
{
    for (unsigned q = 0; q < n->queued; q++) {
        nod_frame_release(n->queue[q]);
        nod_pool_give(net->pool, n->queue[q], sizeof(nod_frame));
        net->drops[NOD_DROP_QUEUE]++;
    }
    n->queued = 0;
}

void nod_neighbours_free(struct nod_net *net)
{
    if (!net->neighbours) return;
    for (int i = 0; i < NOD_NEIGHBOURS; i++) drop_queue(net, &net->neighbours->entry[i]);
    nod_pool_give(net->pool, net->neighbours, sizeof(*net->neighbours));
}

/* Who fills one bucket on purpose makes us search as if there were none: 128 entries. */
static uint8_t *bucket_of(struct nod_net *net, const uint8_t ip[16])
{
    unsigned sum = ip[12] * 7u + ip[13] * 5u + ip[14] * 3u + ip[15];
    return &net->neighbours->bucket[sum % NOD_NEIGHBOUR_BUCKETS];
}

struct nod_neighbour *nod_neighbour_find(const struct nod_net *net, uint8_t iface,
                                         const uint8_t ip[16])
{
    uint8_t at = *bucket_of((struct nod_net *)net, ip);
    while (at) {
        struct nod_neighbour *n = &net->neighbours->entry[at - 1];
        if (n->iface == iface && memcmp(n->ip, ip, 16) == 0) return n;
        at = n->next;
    }
    return NULL;
}

static bool is_doubtful(uint8_t state)
{
    return state == NEIGHBOUR_DELAY || state == NEIGHBOUR_PROBE;
}

static void set_state(struct nod_net *net, struct nod_neighbour *n, enum neighbour_state state,
                      nod_usec deadline)
{
    net->doubtful += is_doubtful((uint8_t)state);
    net->doubtful -= is_doubtful(n->state);
    n->state = (uint8_t)state;
    n->deadline = deadline;
    n->tries = 0;
}

static void forget(struct nod_net *net, struct nod_neighbour *n)
{
    if (n->state == NEIGHBOUR_FREE) return;
    uint8_t number = (uint8_t)(n - net->neighbours->entry + 1), *at = bucket_of(net, n->ip);
    while (*at != number) at = &net->neighbours->entry[*at - 1].next;
    *at = n->next;
    drop_queue(net, n);
    set_state(net, n, NEIGHBOUR_FREE, NOD_NEVER);
    *n = (struct nod_neighbour){.deadline = NOD_NEVER};
}

/* How dear an entry is: strangers that we never sent anything to go first, then questions without
 * an answer, then the others, gateways last (RFC 6583 sections 5 and 7). */
static int worth(const struct nod_neighbour *n)
{
    if (n->state == NEIGHBOUR_FREE) return 0;
    if (n->state == NEIGHBOUR_INCOMPLETE) return 2;
    if (!n->used) return 1;
    return n->gateway ? 4 : 3;
}
#define WORTH_IN_USE 3

static struct nod_neighbour *cheapest(struct nod_net *net)
{
    struct nod_neighbour *least = &net->neighbours->entry[0];
    for (int i = 1; i < NOD_NEIGHBOURS; i++) {
        struct nod_neighbour *n = &net->neighbours->entry[i];
        int cheaper = worth(least) - worth(n);
        nod_usec last = max_u64(n->used, n->made), of_least = max_u64(least->used, least->made);
        if (cheaper > 0 || (cheaper == 0 && last < of_least)) least = n;
    }
    return least;
}

static void make(struct nod_net *net, struct nod_neighbour *n, uint8_t iface, const uint8_t ip[16])
{
    forget(net, n);
    *n = (struct nod_neighbour){
        .state = NEIGHBOUR_INCOMPLETE, .iface = iface, .deadline = NOD_NEVER, .made = net->now};
    memcpy(n->ip, ip, 16);
    uint8_t *bucket = bucket_of(net, ip);
    n->next = *bucket;
    *bucket = (uint8_t)(n - net->neighbours->entry + 1);
}

struct nod_neighbour *nod_neighbour_hear(struct nod_net *net, uint8_t iface, const uint8_t ip[16])
{
    struct nod_neighbour *n = nod_neighbour_find(net, iface, ip);
    if (n) return n;
    n = cheapest(net);
    if (worth(n) >= WORTH_IN_USE) return NULL;
    make(net, n, iface, ip);
    return n;
}

static void ask(struct nod_net *net, struct nod_neighbour *n)
{
    const struct nod_iface *in = &net->iface[n->iface];
    const uint8_t *src = NULL;
    n->tries++;
    n->deadline = net->now + in->link.retrans_us;
    for (unsigned a = 0; a < in->addrs; a++) {
        if (nod_ip_family(in->addr[a]) != nod_ip_family(n->ip)) continue;
        if (!src || nod_ip_prefix_match(in->addr[a], n->ip, in->prefix[a])) src = in->addr[a];
    }
    if (!src) return;
    if (nod_ip_family(n->ip) == 4)
        nod_arp_ask(net, n, src);
    else
        nod_nd_ask(net, n, src);
}

static void probe(struct nod_net *net, struct nod_neighbour *n)
{
    set_state(net, n, NEIGHBOUR_PROBE, NOD_NEVER);
    ask(net, n);
}

/* Something leaves for it: used on trust, unless that is old (7.3.3). */
static void use(struct nod_net *net, struct nod_neighbour *n)
{
    n->used = net->now;
    if (n->state == NEIGHBOUR_STALE) set_state(net, n, NEIGHBOUR_DELAY, net->now + DELAY_US);
}

static void release_queue(struct nod_net *net, struct nod_neighbour *n)
{
    if (n->queued) use(net, n);
    for (unsigned q = 0; q < n->queued; q++) {
        nod_frame *frame = n->queue[q];
        memcpy(frame->head, n->mac, 6);
        nod_net_queue(net, frame);
        nod_pool_give(net->pool, frame, sizeof(*frame));
    }
    n->queued = 0;
}

static void confirm(struct nod_net *net, struct nod_neighbour *n)
{
    struct nod_link_state *link = &net->iface[n->iface].link;
    if (net->now >= link->reachable_renew) { /* a new one every few hours (6.3.4) */
        uint64_t base = link->reachable_base_us;
        link->reachable_us = base / 2 + nod_net_random(net, base + 1);
        link->reachable_renew = net->now + 7200 * NOD_SEC;
    }
    set_state(net, n, NEIGHBOUR_REACHABLE, net->now + link->reachable_us);
}

void nod_neighbour_learn(struct nod_net *net, struct nod_neighbour *n, const uint8_t mac[6],
                         bool confirmed)
{
    if (mac[0] & 1) return; /* a group is no host */
    bool changed = memcmp(n->mac, mac, 6) != 0;
    memcpy(n->mac, mac, 6);
    if (confirmed)
        confirm(net, n);
    else if (n->state == NEIGHBOUR_INCOMPLETE || changed)
        set_state(net, n, NEIGHBOUR_STALE, net->now + STALE_US);
    release_queue(net, n);
}

void nod_neighbour_suspect(struct nod_net *net, struct nod_neighbour *n)
{
    if (n->state == NEIGHBOUR_REACHABLE) set_state(net, n, NEIGHBOUR_STALE, net->now + STALE_US);
}

static void give_up(struct nod_net *net, struct nod_neighbour *n)
{
    nod_gateway_failed(net, n->iface, n->ip);
    forget(net, n);
}

/* Its time is over. True: a frame that waited for it has nowhere to go. */
static bool expire(struct nod_net *net, struct nod_neighbour *n, nod_frame *given_up)
{
    switch ((enum neighbour_state)n->state) {
    case NEIGHBOUR_FREE: return false;
    case NEIGHBOUR_REACHABLE: nod_neighbour_suspect(net, n); return false;
    case NEIGHBOUR_STALE: forget(net, n); return false;
    case NEIGHBOUR_DELAY: probe(net, n); return false;
    case NEIGHBOUR_INCOMPLETE:
    case NEIGHBOUR_PROBE: break;
    }
    if (n->tries < TRIES) {
        ask(net, n);
        return false;
    }
    if (!n->queued) {
        give_up(net, n);
        return false;
    }
    nod_frame *kept = n->queue[--n->queued];
    nod_frame_move(kept, given_up);
    nod_pool_give(net->pool, kept, sizeof(*kept));
    net->drops[NOD_DROP_UNREACHABLE]++;
    return true;
}

bool nod_neighbour_expire(struct nod_net *net, nod_frame *given_up)
{
    for (int i = 0; i < NOD_NEIGHBOURS; i++) {
        struct nod_neighbour *n = &net->neighbours->entry[i];
        if (n->deadline <= net->now && expire(net, n, given_up)) return true;
    }
    return false;
}

nod_usec nod_neighbour_next(const struct nod_net *net)
{
    nod_usec next = NOD_NEVER;
    for (int i = 0; i < NOD_NEIGHBOURS; i++)
        if (net->neighbours->entry[i].state != NEIGHBOUR_FREE)
            next = min_u64(next, net->neighbours->entry[i].deadline);
    return next;
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

/* The next hop's entry. Without a route one that exists will do: when an address is given up, its
 * prefix goes with it, and RSTs have yet to leave. */
static struct nod_neighbour *entry_for(struct nod_net *net, uint8_t iface, const uint8_t dst[16])
{
    struct nod_hop hop;
    if (!nod_net_next_hop(net, dst, iface, &hop)) return nod_neighbour_find(net, iface, dst);
    struct nod_neighbour *n = nod_neighbour_find(net, iface, hop.ip);
    if (!n) make(net, n = cheapest(net), iface, hop.ip);
    n->gateway = hop.gateway;
    return n;
}

bool nod_net_resolve(struct nod_net *net, nod_frame *frame, const uint8_t dst[16])
{
    if (net->iface[frame->iface].config.kind != NOD_IFACE_ETHERNET) return true;
    struct nod_neighbour *n = entry_for(net, frame->iface, dst);
    if (!n) {
        nod_frame_release(frame);
        net->drops[NOD_DROP_UNREACHABLE]++;
        return false;
    }
    if (n->state == NEIGHBOUR_INCOMPLETE) {
        wait_for(net, n, frame);
        if (n->tries == 0) ask(net, n);
        return false;
    }
    use(net, n);
    memcpy(frame->head, n->mac, 6);
    return true;
}

static struct nod_neighbour *on_the_way(struct nod_net *net, uint8_t iface, const uint8_t dst[16])
{
    struct nod_hop hop;
    if (net->iface[iface].config.kind != NOD_IFACE_ETHERNET) return NULL;
    if (!nod_net_next_hop(net, dst, iface, &hop)) return NULL;
    return nod_neighbour_find(net, iface, hop.ip);
}

void nod_net_confirm(struct nod_net *net, uint8_t iface, const uint8_t dst[16])
{
    struct nod_neighbour *n = on_the_way(net, iface, dst);
    if (n && is_doubtful(n->state)) confirm(net, n);
}

void nod_net_doubt(struct nod_net *net, uint8_t iface, const uint8_t dst[16])
{
    struct nod_neighbour *n = on_the_way(net, iface, dst);
    if (!n || n->state == NEIGHBOUR_INCOMPLETE || n->state == NEIGHBOUR_PROBE) return;
    probe(net, n);
}
