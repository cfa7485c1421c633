/* A host to throw things at: a stack with an Ethernet and an IP interface, of both families,
 * and connections in every state. Two peers, one on each interface. */
#ifndef NOD_FUZZ_HOST_H
#define NOD_FUZZ_HOST_H

#include "fuzz/fuzz.h"
#include "nod/stack.h"
#include "nod/trace.h"

#define HOST_HANDLES 24

struct host_conn {
    int family;
    uint16_t local_port, remote_port;
    uint32_t seq, ack; /* of the peer: its next octet, and what it has seen of ours */
};

struct host {
    nod_stack *stack;
    nod_usec now;
    nod_handle handle[HOST_HANDLES]; /* listeners first; stale ones among them */
    int handles;
    struct host_conn conn[HOST_HANDLES];
    int conns;
    uint8_t sent[60]; /* the headers of the last segment that it sent, from IP's on */
    uint16_t sent_size;
};

void host_make(struct host *h, size_t memory_limit);
/* Whatever was done to it, it can be ended, and gives all its memory back. */
void host_free(struct host *h);
/* Takes and throws away what it sends; how many frames at most. Follows its SYNs and data, so
 * that later segments can be near what it expects. */
void host_output(struct host *h, int max);

/* A segment from the peer of connection `c`: its fields near what the stack expects. */
void host_segment(struct host *h, struct choices *choices);
/* A router says that the last segment, or one near it, was too big. */
void host_too_big(struct host *h, struct choices *choices);
/* Bytes as they are, on an interface. */
void host_raw(struct host *h, int iface, const uint8_t *bytes, size_t len);
/* One of the user's calls, on a handle that may be anything. */
void host_call(struct host *h, struct choices *choices);

#endif
