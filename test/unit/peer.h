/* A stack under test and the rest of its world, played by hand: packets are put together and
 * taken apart here, without the code that is under test. Time moves only when told. */
#ifndef NOD_TEST_UNIT_PEER_H
#define NOD_TEST_UNIT_PEER_H

#include "nod/stack.h"
#include "nod/trace.h"

#define SEEN_BYTES 2048

struct peer {
    nod_stack *stack;
    nod_usec now;
    int iface, family;
    bool ethernet;
    nod_addr host, far; /* the stack's, ours */
    uint8_t host_mac[6], far_mac[6];
};

/* 10.0.0.1 or fd00::1 is the stack, .2 or ::2 we. Over Ethernet the stack knows our MAC from
 * the start, and has asked for routers in vain. `config` may be NULL. The secret is fixed. */
void peer_make(struct peer *p, const nod_config *config, int family, bool ethernet);
/* The same without addresses and routes, and nothing has happened yet. */
void peer_make_bare(struct peer *p, const nod_config *config, int family,
                    const nod_iface_config *iface);
void peer_free(struct peer *p);

/* A packet that the stack sent. */
struct seen {
    uint8_t bytes[SEEN_BYTES];
    size_t len, l3, l4; /* offsets of the IP header and of what it carries */
    uint8_t family, protocol, ttl;
    uint16_t ethertype; /* with Ethernet */
    nod_addr src, dst;
    /* TCP */
    uint16_t sport, dport, wnd;
    uint32_t seq, ack;
    uint8_t ctl;
    const uint8_t *text;
    size_t text_len;
    size_t tcp_size;
};

/* Lets time pass: timers run, output is left for peer_output. */
void peer_tick(struct peer *p, nod_usec us);
/* Takes what the stack sends now, cut as a device would cut it, checksums verified (a wrong
 * one fails the test). At most `max` packets are kept. Returns how many there were. */
int peer_output(struct peer *p, struct seen *seen, int max);
/* The same, thrown away. */
int peer_drain(struct peer *p);
/* The value of TCP option `kind` in a SYN or ACK; NULL when it has none. */
const uint8_t *peer_option(const struct seen *seen, uint8_t kind);

/* Gives bytes to the stack: a whole packet with its link header. */
void peer_input(struct peer *p, const void *bytes, size_t len);
/* Puts link and IP header before a payload, and sends it. Checksums in the payload are the
 * caller's; addresses as given. */
void peer_ip(struct peer *p, const nod_addr *src, const nod_addr *dst, uint8_t protocol,
             const void *payload, size_t len);

struct segment {
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint8_t ctl;
    uint16_t wnd;
    const void *options; /* a multiple of four octets */
    size_t options_len;
    const void *text;
    size_t len;
};
/* From us to the stack, with good checksums. */
void peer_tcp(struct peer *p, const struct segment *segment);
/* The TCP header and text as bytes, checksum included; returns how many. */
size_t peer_tcp_bytes(const nod_addr *src, const nod_addr *dst, const struct segment *segment,
                      uint8_t *out);
/* An ICMP or ICMPv6 message from us, its checksum filled in. */
void peer_icmp(struct peer *p, uint8_t *message, size_t len);

/* A connection as we see it. */
struct conn {
    nod_handle handle;
    uint16_t far_port, host_port;
    uint32_t seq, ack; /* our next octet; the next that we expect */
};

nod_handle peer_listen(struct peer *p, uint16_t port, uint16_t backlog);
/* Our SYN, its SYN,ACK, our ACK; then ACCEPT on the listener. MSS 1000, no other option. */
void peer_connect(struct peer *p, nod_handle listener, uint16_t host_port, uint16_t far_port,
                  struct conn *conn);
/* An active OPEN of the stack to our port, answered. */
void peer_be_called(struct peer *p, uint16_t far_port, struct conn *conn);
void peer_send(struct peer *p, struct conn *conn, uint8_t ctl, const void *text, size_t len);

uint16_t peer_sum(uint32_t start, const uint8_t *bytes, size_t len); /* folded, not inverted */
uint32_t peer_pseudo(const nod_addr *src, const nod_addr *dst, uint8_t protocol, size_t len);

/* All events that wait, or-ed; of one handle (0: of all). The last error in *error. */
uint32_t peer_events(struct peer *p, nod_handle handle, int *error);
uint64_t peer_drops(struct peer *p, enum nod_drop drop);
size_t peer_in_use(struct peer *p);

#endif
