/* IPv4 and IPv6 below TCP: interfaces, addresses, routes, neighbours, ICMP. Knows nothing of
 * TCP: it hands up what is for a transport, and wraps what a transport sends. */
#ifndef NOD_NET_NET_H
#define NOD_NET_NET_H

#include "base/pool.h"
#include "base/trace.h"
#include "net/neighbour.h"
#include "wire/ip.h"

#define NOD_NET_QUEUE 64 /* answers and released frames that wait for output */
#define NOD_LOOPED 256   /* frames on their way from this host to itself */
#define NOD_DATAGRAMS 64 /* in reassembly at once; the oldest makes room */
#define NOD_PATHS 128    /* destinations of which the path MTU is known */
#define NOD_DATAGRAM_PARTS 128
#define NOD_REDIRECTS 16 /* routes of single hosts that gateways told us of */

/* The interface that leads back to this host. Users cannot name it. */
#define NOD_IFACE_LOOPBACK NOD_IFACES_MAX

struct nod_iface {
    nod_iface_config config;
    uint8_t addr[NOD_ADDRS_MAX][16]; /* in use */
    uint8_t prefix[NOD_ADDRS_MAX];   /* of 128 bits */
    unsigned addrs;
    struct nod_claim claim[NOD_ADDRS_MAX]; /* all that were given to it */
    unsigned claims;
    struct nod_link_state link; /* Ethernet */
};

struct nod_route {
    uint8_t prefix[16], gateway[16];
    uint8_t bits; /* of 128 */
    uint8_t iface;
    bool direct;      /* no gateway */
    nod_usec failed;  /* when the gateway did not answer; 0: never */
    nod_usec expires; /* one that a router told of; 0: this one is not there */
};

/* What is known of the path to an address. */
struct nod_path_entry {
    uint8_t dst[16];
    nod_usec until;
    uint16_t mtu;
};

/* What a gateway said: this host is reached through that other gateway. */
struct nod_redirect {
    uint8_t dst[16], gateway[16];
    uint8_t iface;
    nod_usec until; /* 0: none */
};

struct nod_net {
    nod_pool *pool;
    struct nod_iface iface[NOD_IFACES_MAX + 1]; /* the last: NOD_IFACE_LOOPBACK */
    unsigned ifaces;
    struct nod_route route[NOD_ROUTES_MAX];
    unsigned routes;
    struct nod_path_entry path[NOD_PATHS];
    unsigned paths;
    struct nod_route router[NOD_ROUTERS_MAX];  /* default routes that were advertised */
    struct nod_route on_link[NOD_ON_LINK_MAX]; /* what was said to be on the link */
    unsigned learned;                          /* how many of those there are */
    struct nod_neighbours *neighbours;         /* made with the first Ethernet */
    unsigned doubtful;                         /* neighbours that TCP may confirm now */
    bool changed;                              /* addresses did: the stack looks at them */
    uint8_t random_key[16];
    uint64_t randoms;
    nod_frame *queue[NOD_NET_QUEUE];
    unsigned queue_first, queue_count;
    nod_frame *looped[NOD_LOOPED];
    unsigned looped_first, looped_count;
    struct nod_datagram *datagrams, *datagrams_last; /* in reassembly, oldest first */
    unsigned datagram_count;
    size_t reassembly_memory, reassembly_limit;
    uint32_t cut_at, cut_id; /* of the frame at the head of `queue`: how much of it has left */
    struct nod_redirect redirect[NOD_REDIRECTS];
    uint8_t id_key[16];      /* for what IDs of datagrams start from */
    uint32_t id_counter[16]; /* RFC 7739 section 5.3: by a hash of the destination */
    uint8_t ttl;
    bool answer_echo, accept_redirects;
    uint32_t icmp_per_second, icmp_tokens;
    nod_usec icmp_filled;
    uint64_t *drops; /* nod_stack_stats.drops */
    nod_usec now;
};

/* What input found. */
enum nod_net_kind {
    NOD_NET_DONE,      /* consumed or dropped: `drop` says */
    NOD_NET_TRANSPORT, /* for a transport: ip, l4, have, at */
    NOD_NET_ERROR,     /* an ICMP error that quotes a packet of ours */
};

struct nod_packet {
    enum nod_net_kind kind;
    enum nod_drop drop;
    struct nod_ip ip;
    uint8_t iface;
    const uint8_t *l4; /* the transport's header: `have` contiguous bytes of ip.payload */
    size_t have, at;   /* at: its offset in the frame */
    bool broadcast;    /* the destination or the link's was broadcast or multicast */
    /* With ERROR: the quoted packet, and what went wrong. */
    struct nod_ip quoted;
    const uint8_t *quoted_l4; /* at least 8 bytes */
    uint32_t quoted_size;     /* octets of the quoted packet */
    uint8_t icmp_type, icmp_code;
    bool too_big;      /* it was larger than a link on its way takes (RFC 1191, RFC 8201) */
    uint32_t next_mtu; /* what that link takes, as the message says; 0: it does not */
};

void nod_net_init(struct nod_net *net, nod_pool *pool, const nod_config *config, uint64_t *drops,
                  nod_usec now);
void nod_net_free(struct nod_net *net);

/* Looks at one frame, which may be flattened, or kept as a part of a datagram; the last part's
 * turns into the whole datagram. `looped`: it comes from nod_net_unloop. */
void nod_net_input(struct nod_net *net, nod_frame *frame, bool looped, struct nod_packet *out);

/* ICMP "destination unreachable" about a packet just received, as far as RFC 1122 3.2.2 and
 * RFC 4443 2.4 e let one be sent. */
enum nod_unreachable { NOD_UNREACHABLE_PORT, NOD_UNREACHABLE_PROTOCOL };
void nod_net_unreachable(struct nod_net *net, const nod_frame *frame,
                         const struct nod_packet *packet, enum nod_unreachable what);

/* Where a packet to `dst` goes and which address it should come from. False: no route. */
bool nod_net_route(const struct nod_net *net, const uint8_t dst[16], uint8_t *iface,
                   uint8_t src[16]);
/* The interface's address for packets to `dst` (MUST-44): by RFC 6724 section 5 one of the same
 * scope, and of those the one with the longest prefix in common. False: it has none; a link-local
 * one is none for packets to elsewhere. */
bool nod_net_source(const struct nod_net *net, uint8_t iface, const uint8_t dst[16],
                    uint8_t src[16]);
bool nod_net_is_local(const struct nod_net *net, const uint8_t ip[16]);
/* Broadcast of one of our subnets, 255.255.255.255, or multicast. */
bool nod_net_is_broadcast(const struct nod_net *net, const uint8_t ip[16]);
/* An address that no packet may come from (RFC 1122 3.2.1.3). */
bool nod_net_is_bad_source(const struct nod_net *net, const uint8_t ip[16]);

/* Ready to leave? False: it waits for a neighbour now, or was dropped; the frame is empty. */
bool nod_net_resolve(struct nod_net *net, nod_frame *frame, const uint8_t dst[16]);

/* path.c: the path MTU. Never less than 1280 for IPv6 (RFC 8201 4). */
/* The largest packet that gets to `dst`, as far as is known, and until when that holds. */
uint16_t nod_net_path_mtu(const struct nod_net *net, const uint8_t dst[16], uint8_t iface,
                          nod_usec *until);
/* What was found out about the path to one address, and no other (RFC 4821 5.2). */
void nod_net_path_learn(struct nod_net *net, const uint8_t dst[16], uint16_t mtu, nod_usec until);
/* What a message "too big" means to who sends packets of up to `in_use` octets, and who goes no
 * lower than `least4` with IPv4; 0: nothing. */
uint16_t nod_net_claimed_mtu(const struct nod_packet *packet, uint16_t in_use, uint16_t least4);
/* What a transport knows of the way to `dst`: it works (RFC 4861 7.3.1; worth a call only while
 * net->doubtful), or it seems not to (RFC 9293 MUST-20). */
void nod_net_confirm(struct nod_net *net, uint8_t iface, const uint8_t dst[16]);
void nod_net_doubt(struct nod_net *net, uint8_t iface, const uint8_t dst[16]);

/* fragments.c: true when the frame has become a whole datagram, that begins with its IP header;
 * else packet->drop says what became of it. */
bool nod_fragment_in(struct nod_net *net, nod_frame *frame, struct nod_packet *packet);
void nod_fragments_expire(struct nod_net *net);
nod_usec nod_fragments_next(const struct nod_net *net);
void nod_fragments_free(struct nod_net *net);

/* cut.c: fragments out */
uint32_t nod_fragment_id(struct nod_net *net, const struct nod_ip *ip);
/* Is the frame too large for its interface, and one that may be cut? */
bool nod_must_cut(const struct nod_net *net, const nod_frame *frame);
/* Takes the next part from the frame at the head of the queue. False: that was all. */
bool nod_cut_next(struct nod_net *net, const nod_frame *whole, nod_frame *out);

/* redirect.c */
enum nod_drop nod_redirect_input(struct nod_net *net, const struct nod_packet *packet,
                                 const uint8_t dst[16], const uint8_t gateway[16]);
const struct nod_redirect *nod_redirect_find(const struct nod_net *net, uint8_t iface,
                                             const uint8_t dst[16]);

/* Runs the timers, but those of fragments. True: `given_up` is a frame that nobody will take; call
 * again. */
bool nod_net_expire(struct nod_net *net, nod_frame *given_up);
nod_usec nod_net_deadline(const struct nod_net *net);

/* The largest packet that the link takes, as its configuration or, for IPv6, a router says. */
uint16_t nod_net_mtu(const struct nod_net *net, uint8_t iface, int family);

/* From 0 to below `n`, the same for the same secret. */
uint64_t nod_net_random(struct nod_net *net, uint64_t n);

/* iface.c */
struct nod_hop {
    uint8_t ip[16];
    uint8_t iface;
    bool gateway;
};
/* The way to `dst`, over interface `iface` if one leads there; -1: any. False: no route. */
bool nod_net_next_hop(const struct nod_net *net, const uint8_t dst[16], int iface,
                      struct nod_hop *hop);

/* errors.c: ICMP errors that this host sends, as far as it may */
void nod_icmp_problem(struct nod_net *net, const nod_frame *frame, const struct nod_packet *packet);
void nod_icmp_reassembly_timeout(struct nod_net *net, const nod_frame *frame,
                                 const struct nod_packet *packet);
/* One from the bucket of messages that strangers may cause (RFC 4443 2.4 f). */
bool nod_icmp_allowed(struct nod_net *net);

/* icmp.c */
void nod_icmp_input(struct nod_net *net, nod_frame *frame, struct nod_packet *packet);
/* Begins an ICMP message to whoever sent the packet, with this TOS; its payload is the frame's
 * bytes [from, from+len). Returns where it starts, 0 if it can't be sent. */
size_t nod_icmp_begin(struct nod_net *net, const nod_frame *frame, const struct nod_packet *packet,
                      uint8_t tos, size_t from, size_t len, nod_frame *out, struct nod_ip *ip);
/* Its checksum, and on its way. */
void nod_icmp_finish(struct nod_net *net, nod_frame *frame, size_t at, const struct nod_ip *ip);
/* Completes the checksum of an ICMPv6 message that begins at `at`. */
void nod_icmp6_sum(nod_frame *frame, size_t at, const uint8_t src[16], const uint8_t dst[16]);

/* output.c */
/* Writes link and IP header to frame->head for a packet over `iface`; returns the offset of
 * what follows. */
size_t nod_net_wrap(struct nod_net *net, nod_frame *frame, uint8_t iface, const struct nod_ip *ip);

/* The net's own output: answers, and frames whose neighbour was found. */
void nod_net_queue(struct nod_net *net, nod_frame *frame); /* takes the slices over */
bool nod_net_dequeue(struct nod_net *net, nod_frame *out);

/* What this host sends to itself waits here, until it comes in again. */
void nod_net_loop(struct nod_net *net, nod_frame *frame); /* takes the slices over */
bool nod_net_unloop(struct nod_net *net, nod_frame *out);

#endif
