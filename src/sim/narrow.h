/* A link in the middle that takes only small packets, and says so, as a router does. */
#ifndef NOD_SIM_NARROW_H
#define NOD_SIM_NARROW_H

#include "nod/buf.h"

#define NOD_NARROW_ANSWERS 16 /* that wait; a router says no more than it can either */

typedef struct nod_narrow {
    nod_frame answer[NOD_NARROW_ANSWERS];
    unsigned count;
} nod_narrow;

/* Octets of the IP packet in this frame, which may begin with an Ethernet header; 0: none. */
uint32_t nod_narrow_size(const nod_frame *frame);

/* What the packets of one flow have in common: addresses, protocol and ports, as far as they are
 * there. Returns how many octets. */
#define NOD_FLOW_KEY 37
size_t nod_narrow_flow(const nod_frame *frame, uint8_t key[NOD_FLOW_KEY]);

/* Answers a packet that is larger than `mtu` with ICMP, to whoever sent it. Nothing is said where
 * RFC 1191 has nothing to say: of a packet that might have been fragmented. 0 or NOD_ENOMEM. */
int nod_narrow_refuse(nod_narrow *narrow, nod_pool *pool, const nod_frame *frame, uint16_t mtu);

/* Takes out what it answered. Returns how many. */
int nod_narrow_take(nod_narrow *narrow, nod_frame *frames, int max);
void nod_narrow_clear(nod_narrow *narrow);

#endif
