/* IPv4 (RFC 791) and IPv6 (RFC 8200) headers, and Ethernet's, as values. Addresses are 16
 * bytes inside: IPv4's are mapped (::ffff:a.b.c.d). */
#ifndef NOD_WIRE_IP_H
#define NOD_WIRE_IP_H

#include "nod/stack.h"

#define NOD_IP4_HEADER 20
#define NOD_IP6_HEADER 40
#define NOD_IP6_FRAGMENT_HEADER 8
#define NOD_ETHERNET_HEADER 14
#define NOD_ARP_SIZE 28

enum nod_protocol {
    NOD_PROTO_ICMP = 1,
    NOD_PROTO_TCP = 6,
    NOD_PROTO_UDP = 17,
    NOD_PROTO_ICMP6 = 58,
    NOD_PROTO_NONE = 59, /* IPv6: no next header */
};
enum nod_ethertype { NOD_ETH_IP4 = 0x0800, NOD_ETH_ARP = 0x0806, NOD_ETH_IP6 = 0x86dd };

/* What is wrong with a packet that its sender should hear of: "parameter problem" of RFC 792 and
 * of RFC 4443 section 3.4, whose codes these are. */
enum nod_ip_problem {
    NOD_PROBLEM_NONE,
    NOD_PROBLEM_FIELD,        /* code 0: a field of the header */
    NOD_PROBLEM_NEXT_HEADER,  /* code 1 */
    NOD_PROBLEM_OPTION,       /* code 2: an option that asks for it, even of a group */
    NOD_PROBLEM_OPTION_TO_US, /* code 2: but not if it was sent to a group */
    NOD_PROBLEM_CHAIN,        /* code 3 (RFC 7112): the first fragment lacks headers */
};

struct nod_ip {
    uint8_t src[16], dst[16];
    uint8_t family;   /* 4 or 6 */
    uint8_t protocol; /* of what follows all headers */
    uint8_t ttl, tos; /* hop limit, traffic class */
    uint32_t size;    /* of the header, its options, and IPv6 extension headers */
    uint32_t payload; /* bytes after it */
    uint32_t
        next_at; /* IPv6: offset of the octet that names the protocol, or the Fragment header */
    uint32_t flow_label;
    /* A part of a datagram; its IPv6 Fragment header is the end of `size`. */
    bool fragment, more; /* more: parts follow this one */
    bool reassembled;    /* it came with a Fragment header, and is whole nevertheless */
    uint32_t id, offset; /* offset: octets */
    uint8_t problem;     /* enum nod_ip_problem, when parsing found a reason to drop it */
    uint32_t problem_at; /* offset of the octet in question */
};

/* Reads the header at p, of which `have` bytes are contiguous, in a packet of `total` bytes.
 * NOD_DROP_NONE or the reason; when `problem` is set the addresses are known, too. */
enum nod_drop nod_ip_parse(const uint8_t *p, size_t have, size_t total, struct nod_ip *out);
/* Writes a header without options, as a fragment's if `fragment` says so; returns its size. */
size_t nod_ip_emit(const struct nod_ip *ip, uint8_t *p);
/* Completes the checksum of the IPv4 header at p. */
void nod_ip4_sum(uint8_t *p);

static inline size_t nod_ip_header_size(int family)
{
    return family == 6 ? NOD_IP6_HEADER : NOD_IP4_HEADER;
}

/* The address as it stands in a packet: 4 or 16 bytes. */
static inline const uint8_t *nod_ip_bytes(int family, const uint8_t addr[16])
{
    return family == 6 ? addr : addr + 12;
}

void nod_ip_map4(uint8_t out[16], const uint8_t four[4]);
void nod_ip_from_addr(uint8_t out[16], const nod_addr *addr);
nod_addr nod_ip_to_addr(const uint8_t ip[16]);
int nod_ip_family(const uint8_t ip[16]);
bool nod_ip_is_multicast(const uint8_t ip[16]);
bool nod_ip_is_unspecified(const uint8_t ip[16]);
bool nod_ip_is_loopback(const uint8_t ip[16]);
bool nod_ip_is_link_local(const uint8_t ip[16]);                              /* fe80::/10 */
bool nod_ip_is_broadcast(const uint8_t ip[16]);                               /* 255.255.255.255 */
bool nod_ip_prefix_match(const uint8_t a[16], const uint8_t b[16], int bits); /* of 128 */

int nod_ip_common_bits(const uint8_t a[16], const uint8_t b[16]); /* 0 to 128, from the left */

struct nod_ethernet {
    uint8_t dst[6], src[6];
    uint16_t type;
};
bool nod_ethernet_parse(const uint8_t *p, size_t len, struct nod_ethernet *out);
void nod_ethernet_emit(const struct nod_ethernet *eth, uint8_t *p);

/* ARP for IPv4 on Ethernet (RFC 826). */
struct nod_arp {
    uint16_t op; /* 1 request, 2 reply */
    uint8_t sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
};
bool nod_arp_parse(const uint8_t *p, size_t len, struct nod_arp *out);
void nod_arp_emit(const struct nod_arp *arp, uint8_t *p);

#endif
