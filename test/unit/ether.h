/* What is said on an Ethernet besides IP: ARP, neighbour discovery, MLD, put together by hand. */
#ifndef NOD_TEST_UNIT_ETHER_H
#define NOD_TEST_UNIT_ETHER_H

#include "net/net.h"
#include "unit/peer.h"

extern const uint8_t ether_broadcast[6];
extern const uint8_t ether_stranger_mac[6], ether_other_mac[6];

/* 10.0.0.9 or fd00::1234:9, of whom the stack has not heard. */
nod_addr ether_stranger(int family);
/* fe80::last. */
nod_addr ether_link_local(uint8_t last);

/* An Ethernet with probing or whatever else, its addresses 10.0.0.1/24 or fd00::1/64. Nothing has
 * been sent yet. */
void ether_make(struct peer *p, int family, const nod_iface_config *config);

void ether_arp(struct peer *p, uint16_t op, const uint8_t sender_mac[6], const uint8_t sender_ip[4],
               const uint8_t target_ip[4]);

/* An ICMPv6 message, its checksum filled in. */
void ether_icmp6(struct peer *p, const uint8_t from_mac[6], const nod_addr *src,
                 const nod_addr *dst, uint8_t hop_limit, uint8_t *message, size_t len);
/* mac NULL: without the option. */
void ether_solicit(struct peer *p, const uint8_t from_mac[6], const nod_addr *src,
                   const nod_addr *dst, const nod_addr *target, const uint8_t *mac);
/* From the target to the stack, or to `dst`. */
void ether_advertise(struct peer *p, const nod_addr *target, const nod_addr *dst, uint8_t flags,
                     const uint8_t *mac);
/* The stranger's answer to a question of the stack's. */
void ether_answer(struct peer *p, const uint8_t mac[6]);

nod_addr ether_solicited_node(const nod_addr *of);
/* What the cache holds; NULL. */
const struct nod_neighbour *ether_entry(struct peer *p, const nod_addr *addr);
nod_handle ether_open(struct peer *p, const nod_addr *to, uint16_t port);

/* Is this the stack's question for an address, in broadcast or to the group (mac NULL), or to one?
 */
bool ether_is_question(const struct peer *p, const struct seen *s, const nod_addr *whom,
                       const uint8_t *mac);
/* The ICMPv6 message of a packet, also behind a hop-by-hop header; NULL: it is none. */
const uint8_t *ether_message(const struct seen *s);
/* Lets `us` pass, in steps; keeps the packets of that time. */
int ether_wait(struct peer *p, nod_usec us, struct seen *seen, nod_usec *when, int max);

#endif
