/* The others on an Ethernet, and what this host says of itself there: the neighbour cache, ARP,
 * neighbour discovery, whether an address is ours alone, routers, and group membership. */
#ifndef NOD_NET_NEIGHBOUR_H
#define NOD_NET_NEIGHBOUR_H

#include "wire/ip.h"

struct nod_net;
struct nod_packet;

#define NOD_NEIGHBOURS 128 /* remembered at once */
#define NOD_NEIGHBOUR_BUCKETS 64
#define NOD_NEIGHBOUR_QUEUE 4 /* frames that wait for one address (RFC 1122 2.3.2.2) */
#define NOD_ROUTERS_MAX 8     /* believed at once, of all interfaces (RFC 4861 6.3.4: at least 2) */
#define NOD_ON_LINK_MAX 16    /* the same, of what they say is on the link */

/* RFC 4861 section 7.3.2, for ARP as well. */
enum neighbour_state {
    NEIGHBOUR_FREE,
    NEIGHBOUR_INCOMPLETE, /* asked, no answer yet */
    NEIGHBOUR_REACHABLE,
    NEIGHBOUR_STALE, /* known, but not confirmed lately */
    NEIGHBOUR_DELAY, /* in use, and TCP has a moment to confirm it */
    NEIGHBOUR_PROBE, /* in use and asked again, directly */
};

struct nod_neighbour {
    uint8_t ip[16], mac[6];
    uint8_t state, iface, tries, queued;
    uint8_t next;  /* in its bucket: the entry's number and 1, or 0 */
    bool gateway;  /* packets for others go to it */
    nod_usec made; /* when it was heard of */
    nod_usec used; /* when something was last sent to it; 0: never */
    nod_usec deadline;
    nod_frame *queue[NOD_NEIGHBOUR_QUEUE];
};

struct nod_neighbours {
    struct nod_neighbour entry[NOD_NEIGHBOURS];
    uint8_t bucket[NOD_NEIGHBOUR_BUCKETS]; /* the first entry's number and 1, or 0 */
};

/* An address that this interface has, would like to have, or has lost. Only one in use is among
 * the interface's addresses, so that nothing else has to know of the others. */
struct nod_claim {
    uint8_t ip[16], other_mac[6];
    uint8_t bits;          /* the prefix, of 128 */
    uint8_t state;         /* enum nod_address_state */
    uint8_t probes;        /* to be sent before it is in use */
    uint8_t announcements; /* to be sent when it is */
    uint8_t reports;       /* of its group (MLD), that nobody asked for */
    bool asked;            /* a query about its group is to be answered */
    bool lost;             /* given up, and its connections have to be reset */
    uint32_t conflicts;
    nod_usec deadline;  /* of the next probe or announcement */
    nod_usec contested; /* when a conflict was last answered; NOD_NEVER */
};

/* What one Ethernet needs beyond its addresses. */
struct nod_link_state {
    nod_usec reachable_base_us, reachable_us, reachable_renew; /* RFC 4861 6.3.2 */
    nod_usec retrans_us;
    nod_usec solicit_at; /* NOD_NEVER: no router is asked for */
    nod_usec report_at, answer_at, old_querier_until;
    nod_usec claimed_at; /* when an address was last tried */
    uint32_t conflicts;  /* lost or contested addresses (RFC 5227: MAX_CONFLICTS) */
    uint16_t mtu;        /* what a router says of IPv6 here; 0: nothing */
    uint8_t solicitations;
};

/* neighbour.c: the cache */
bool nod_neighbours_make(struct nod_net *net); /* false: no memory */
void nod_neighbours_free(struct nod_net *net);
struct nod_neighbour *nod_neighbour_find(const struct nod_net *net, uint8_t iface,
                                         const uint8_t ip[16]);
/* Finds or makes. What a stranger says makes no room at the cost of those who are in use: NULL. */
struct nod_neighbour *nod_neighbour_hear(struct nod_net *net, uint8_t iface, const uint8_t ip[16]);
void nod_neighbour_learn(struct nod_net *net, struct nod_neighbour *n, const uint8_t mac[6],
                         bool confirmed);
/* Somebody claims another link-layer address for it, without proof. */
void nod_neighbour_suspect(struct nod_net *net, struct nod_neighbour *n);
/* Runs the timers. True: `given_up` is a frame that nobody will take; call again. */
bool nod_neighbour_expire(struct nod_net *net, nod_frame *given_up);
nod_usec nod_neighbour_next(const struct nod_net *net);

/* arp.c */
enum nod_drop nod_arp_input(struct nod_net *net, uint8_t iface, const uint8_t *p, size_t len);
void nod_arp_ask(struct nod_net *net, const struct nod_neighbour *n, const uint8_t src[16]);
void nod_arp_probe(struct nod_net *net, uint8_t iface, const uint8_t ip[16]);
void nod_arp_announce(struct nod_net *net, uint8_t iface, const uint8_t ip[16]);

/* nd.c */
extern const uint8_t nod_all_nodes[16], nod_all_routers[16];
void nod_solicited_node(const uint8_t ip[16], uint8_t group[16]);
void nod_group_mac(const uint8_t group[16], uint8_t mac[6]);
enum nod_drop nod_nd_input(struct nod_net *net, const nod_frame *frame,
                           const struct nod_packet *packet);
void nod_nd_ask(struct nod_net *net, const struct nod_neighbour *n, const uint8_t src[16]);
void nod_nd_probe(struct nod_net *net, uint8_t iface, const uint8_t ip[16]);
void nod_nd_solicit_routers(struct nod_net *net, uint8_t iface);
/* The value of the first option of a type: `*size` octets. NULL: there is none. */
const uint8_t *nod_nd_option(const uint8_t *p, size_t len, size_t from, uint8_t type, size_t *size);

/* conflict.c: whose is an address? */
struct nod_claim *nod_claim_find(struct nod_net *net, uint8_t iface, const uint8_t ip[16]);
int nod_claim_add(struct nod_net *net, uint8_t iface, const uint8_t ip[16], uint8_t bits);
/* Another host on this link uses, or is about to use, an address of ours. */
void nod_claim_contested(struct nod_net *net, uint8_t iface, struct nod_claim *claim,
                         const uint8_t mac[6]);
void nod_claim_expire(struct nod_net *net);
nod_usec nod_claim_next(const struct nod_net *net);

/* router.c */
struct nod_route;
void nod_router_start(struct nod_net *net, uint8_t iface);
void nod_router_input(struct nod_net *net, const struct nod_packet *packet);
void nod_router_forget(struct nod_net *net, uint8_t iface, const uint8_t ip[16]);
void nod_router_expire(struct nod_net *net);
nod_usec nod_router_next(const struct nod_net *net);
/* A gateway that did not answer stands behind all others until it has been heard again. */
void nod_gateway_failed(struct nod_net *net, uint8_t iface, const uint8_t ip[16]);
/* Of two routes to the same prefix. */
bool nod_route_is_better(const struct nod_net *net, const struct nod_route *a,
                         const struct nod_route *b);

/* mld.c */
void nod_mld_join(struct nod_net *net, uint8_t iface, struct nod_claim *claim);
bool nod_mld_is_joined(const struct nod_net *net, uint8_t iface, const uint8_t group[16]);
void nod_mld_query(struct nod_net *net, const struct nod_packet *packet);
void nod_mld_expire(struct nod_net *net);
nod_usec nod_mld_next(const struct nod_net *net);

#endif
