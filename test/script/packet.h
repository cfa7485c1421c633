/* A flow between nod and the peer, and segments as the bytes of an IP packet. Written apart
 * from src/wire on purpose: what checks nod's packets should not share their mistakes. */
#ifndef NOD_TEST_PACKET_H
#define NOD_TEST_PACKET_H

#include "segment.h"

#define PACKET_MAX 66000
#define PACKET_WHY 160

struct flow {
    char name[16];
    nod_endpoint nod, peer;
    uint32_t iss, isn;                 /* the initial sequence numbers of nod and of the peer */
    uint32_t ts_base;                  /* nod's first timestamp */
    bool iss_known, ts_known, listens; /* listens: a name without a peer */
    nod_handle handle;                 /* 0: the program has none */
    uint64_t sent, received;           /* by SEND, and by RECEIVE */
    uint32_t peer_next, peer_win; /* what a segment from the peer says when the line does not */
    uint8_t quote[128];           /* the first bytes of the last packet from nod, for ICMP */
    size_t quote_len;
};

/* The byte at `at` of the stream from nod, or from the peer. */
uint8_t stream_byte(bool from_peer, uint64_t at);

/* Builds the peer's packet. Returns its length, or 0 with a reason in why[PACKET_WHY]. */
size_t packet_build(const struct flow *flow, const struct segment *segment, uint8_t *buf,
                    char *why);

/* Ports and addresses of nod's packet; false when it is no TCP. */
bool packet_ends(const uint8_t *bytes, size_t len, nod_endpoint *src, nod_endpoint *dst);

/* Reads nod's packet and checks all that has one right value: checksums, lengths, padding,
 * the stream's bytes. Learns nod's initial numbers. False with a reason. */
bool packet_read(struct flow *flow, const uint8_t *bytes, size_t len, struct segment *out,
                 char *why);

/* An ICMP destination unreachable of this code about the flow's last packet. Returns its
 * length. */
size_t packet_icmp(const struct flow *flow, unsigned code, uint8_t *buf);

/* "Packet too big" or "fragmentation needed": about the flow's last packet, but for what is said
 * of it here. */
struct too_big {
    uint32_t mtu;
    bool has_seq;
    uint32_t seq;  /* relative */
    uint32_t size; /* of the packet; 0: as it was */
};
size_t packet_too_big(const struct flow *flow, const struct too_big *what, uint8_t *buf);

#endif
