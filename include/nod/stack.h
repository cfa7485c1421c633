/* nod/stack.h: a host. Packets, user calls and time go in; packets, events and one deadline
 * come out. The stack reads no clock, does no I/O, starts no thread and never calls back:
 * the same inputs give the same bytes out, every time.
 *
 * A program drives it with four calls and sleeps until the deadline:
 *
 *     for (;;) {
 *         n = link receive(frames);            nod_stack_input(stack, frames, n, now);
 *         nod_stack_tick(stack, now);
 *         while ((n = nod_stack_events(stack, events, 64)) > 0) ... user calls ...
 *         while ((n = nod_stack_output(stack, frames, 64, now)) > 0) link send(frames, n);
 *         poll(link, until nod_stack_deadline(stack));
 *     }
 *
 * What the stack sends to an address of its own leaves over no link: output puts it aside, and
 * the next tick takes it in.
 *
 * User calls (nod/tcp.h) happen at the time that was last given. One stack belongs to one
 * thread; many cores are many stacks. */
#ifndef NOD_STACK_H
#define NOD_STACK_H

#include "nod/buf.h"
#include "nod/tcp.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nod_config {
    /* Random bytes from a source that cannot be guessed (getrandom): they key the hash
     * table, the initial sequence numbers (RFC 6528) and the ports (RFC 6056). */
    uint8_t secret[32];
    nod_alloc alloc;          /* all zero: malloc and free */
    size_t memory_limit;      /* bytes for everything the stack owns; default 2 GiB */
    uint32_t max_connections; /* records of all kinds; default 65,536 */
    uint32_t trace_events;    /* how many trace events are kept for pulling; default 0: no trace */
    uint16_t port_first, port_last; /* ephemeral ports, RFC 6056 section 3.2: 1024 to 65535 */
    bool answer_echo;               /* answer ICMP and ICMPv6 echo requests; default true */
    bool answer_closed;             /* RST for segments to no connection, unreachables for other
                                       protocols; default true, false makes a host that stays silent */
    uint32_t icmp_per_second;       /* ICMP errors sent in a second at most (RFC 4443 2.4 f); 100 */
    bool
        accept_redirects; /* redirects by the gateway in use (RFC 1122 3.2.2.2, RFC 4861 8); true */
    bool flow_labels;     /* IPv6 packets say which connection they belong to (RFC 6437); true */
    /* Octets that parts of datagrams may hold while they wait for the rest, 60 s at most
     * (RFC 1122 3.3.2, RFC 8200 4.5): 1 MiB; 256 KiB hold any one datagram. 0: fragments are
     * dropped. */
    uint32_t reassembly_memory;
    nod_tcp_config tcp; /* defaults for every connection */
} nod_config;

/* Fills in the defaults. The secret is left zero: set it. */
void nod_config_default(nod_config *config);

/* Returns NULL when there is no memory or the configuration makes no sense; `error` (may be
 * NULL) then says which. `config` is copied. */
nod_stack *nod_stack_new(const nod_config *config, nod_usec now, int *error);

/* Ends everything at once and in silence: no segment is sent. */
void nod_stack_free(nod_stack *stack);

/* A stack may live in memory that programs share, mapped by each at the same address, if its
 * allocator gives it such memory. It keeps no other address of code or of constant data, but its
 * allocator's: tells it where the program that will call it next has those. One at a time may. */
void nod_stack_rebind(nod_stack *stack, const nod_alloc *alloc);

/* The pool of the stack's memory; links read packets into blocks from it. */
nod_pool *nod_stack_pool(nod_stack *stack);

enum nod_iface_kind {
    NOD_IFACE_IP,       /* packets begin with the IP header (TUN) */
    NOD_IFACE_ETHERNET, /* with an Ethernet header; ARP and neighbour discovery run */
};

/* What to do when another host says that an address of ours is its own (RFC 5227 section 2.4).
 * There is an event each time, for IPv6 nothing else. */
enum nod_defence {
    NOD_DEFEND_ALWAYS, /* c: say in broadcast whose it is, once in 10 s, and go on */
    NOD_DEFEND_ONCE,   /* b: the same, but give it up if that is not the last of it for 10 s */
    NOD_DEFEND_NEVER,  /* a: give it up */
};

typedef struct nod_iface_config {
    enum nod_iface_kind kind;
    uint16_t mtu;   /* bytes of an IP packet: 1280 to 65535 (128 and up without IPv6) */
    uint8_t mac[6]; /* Ethernet only */
    /* The largest IP packet that output may leave uncut (frame.gso_size): 0 when the link
     * cannot segment, up to 65535 when it can. */
    uint32_t gso_max;
    /* The link completes TCP checksums (NOD_FRAME_CSUM_TODO). */
    bool csum_offload;

    /* Ethernet: ask the others on the link before an address is used, and announce it then. Takes
     * 4 to 7 s for IPv4 (RFC 5227), 1 to 2 s for IPv6 (RFC 4862 5.4); until then the address is
     * tentative, and as if it were not there. */
    bool probe;
    enum nod_defence defence;
    /* Ethernet: neither ask for IPv6 routers nor believe what they say (RFC 4861 6.3). Default
     * routes that were given come before theirs. */
    bool ignore_routers;
} nod_iface_config;

#define NOD_IFACES_MAX 8
#define NOD_ADDRS_MAX 16 /* of one interface */
#define NOD_ROUTES_MAX 32

/* Returns the interface's index, NOD_EINVAL, or NOD_ENOMEM when there are too many. */
int nod_stack_add_iface(nod_stack *stack, const nod_iface_config *config);

/* Gives the interface an address; the prefix is reached over it without a gateway.
 * NOD_EINVAL: no such interface, or not a unicast address; NOD_ENOMEM: too many; NOD_EEXIST: it
 * has that one already. An address that another host was found to have may be tried again. */
int nod_stack_add_addr(nod_stack *stack, int iface, const nod_addr *addr, int prefix_len);

enum nod_address_state {
    NOD_ADDRESS_TENTATIVE, /* being probed; not used yet */
    NOD_ADDRESS_IN_USE,
    NOD_ADDRESS_DUPLICATE, /* another host has it; not used (any more). Connections that used it
                              were reset, and have ended with NOD_ENOTLOCAL */
};

typedef struct nod_address {
    int iface, prefix_len;
    nod_addr addr;
    enum nod_address_state state;
    uint32_t conflicts;   /* packets of another host that claimed it */
    uint8_t other_mac[6]; /* with conflicts: of the last such host */
} nod_address;

/* Writes what the stack knows of up to `max` of its addresses. Returns how many. NOD_EVENT_ADDRESS
 * tells when to look. */
int nod_stack_addresses(const nod_stack *stack, nod_address *out, int max);

/* Stands in for all addresses of a prefix: what comes for one of them over this interface is this
 * stack's, and connections may be opened from them. Listeners at any address take connections to
 * them, and those at a prefix of their own (nod_open.local_prefix); the connection's local address
 * is the one that the peer named. Prefix length 0 is every address: for a gateway or a tunnel,
 * whose link brings such packets by itself, for nobody is told of them by ARP or neighbour
 * discovery. NOD_EINVAL, NOD_ENOMEM: too many. */
#define NOD_PREFIXES_MAX 16
enum nod_prefix_flags {
    NOD_PREFIX_ECHO = 1 << 0, /* answer pings to them, if nod_config.answer_echo */
};
int nod_stack_add_prefix(nod_stack *stack, int iface, const nod_addr *prefix, int prefix_len,
                         unsigned flags);

/* Adds a route. `gateway` may be NULL (the prefix is on the link). The longest prefix wins.
 * A default route is prefix length 0. Of several to the same prefix, one whose gateway does not
 * answer stands back (RFC 1122 3.3.1). */
int nod_stack_add_route(nod_stack *stack, int iface, const nod_addr *prefix, int prefix_len,
                        const nod_addr *gateway);

/* Takes a batch of frames and their slices: on return every frame is empty. Nothing is sent
 * by this call. A bad packet is no error: it is a drop, counted and traced. */
void nod_stack_input(nod_stack *stack, nod_frame *frames, int count, nod_usec now);

/* Takes in what the stack sent to itself, runs the timers that are due and moves the time of user
 * calls to `now`. */
void nod_stack_tick(nod_stack *stack, nod_usec now);

/* Writes up to `max` frames that are to be sent now; the caller owns their slices. Returns
 * how many; call again until it returns 0. */
int nod_stack_output(nod_stack *stack, nod_frame *frames, int max, nod_usec now);

/* When nod_stack_tick must be called next: at once if that is past, NOD_NEVER if nothing
 * waits. Output that is due now makes it the current time. */
nod_usec nod_stack_deadline(const nod_stack *stack);

/* What happened, a connection at most once a pull. Events of one connection are gathered
 * until pulled, so nothing is ever lost and nothing grows. */
enum nod_event_flags {
    NOD_EVENT_ACCEPT = 1 << 0,      /* a listener has a connection for nod_tcp_accept */
    NOD_EVENT_OPEN = 1 << 1,        /* the open succeeded: ESTABLISHED */
    NOD_EVENT_READABLE = 1 << 2,    /* bytes arrived */
    NOD_EVENT_WRITABLE = 1 << 3,    /* nod_tcp_writable again, after a short SEND or a 0 of it */
    NOD_EVENT_PEER_CLOSED = 1 << 4, /* "connection closing": the peer's FIN has been reached */
    NOD_EVENT_SENT = 1 << 5,        /* everything sent, a FIN included, has been acknowledged */
    NOD_EVENT_ERROR = 1 << 6,       /* the connection is gone; `error` says why */
    NOD_EVENT_SOFT_ERROR = 1 << 7,  /* trouble that may pass (R1, a soft ICMP error) */
    NOD_EVENT_CLOSED = 1 << 8,      /* ended in order: CLOSED, or TIME-WAIT is over */
    NOD_EVENT_URGENT = 1 << 9,      /* the peer has urgent data, or more of it: nod_status.urgent */
    NOD_EVENT_USER_TIMEOUT = 1 << 10, /* the peer told its own: nod_status.peer_user_timeout_us */
    NOD_EVENT_REQUEST = 1 << 11,      /* a listener has a SYN for nod_tcp_pending */
    /* With handle 0: an address is in use now, was found to be another host's, or was defended.
     * nod_stack_addresses says which. */
    NOD_EVENT_ADDRESS = 1 << 15,
};

typedef struct nod_event {
    nod_handle handle;
    uint32_t flags; /* enum nod_event_flags */
    int error;      /* with ERROR or SOFT_ERROR: a NOD_E... */
} nod_event;

/* Pulls up to `max` events. Returns how many. */
int nod_stack_events(nod_stack *stack, nod_event *events, int max);

/* Why packets were dropped: the index of nod_stack_stats.drops. */
enum nod_drop {
    NOD_DROP_NONE,
    NOD_DROP_TRUNCATED, /* shorter than its headers say */
    NOD_DROP_BAD_IP,    /* version, header length or total length */
    NOD_DROP_IP_CHECKSUM,
    NOD_DROP_NOT_OURS,     /* the destination is not this host */
    NOD_DROP_BAD_SOURCE,   /* broadcast, multicast, loopback or our own */
    NOD_DROP_IP_OPTION,    /* a source route, or an option that wants it so (RFC 8200 4.2) */
    NOD_DROP_HEADER_CHAIN, /* extension headers: a route, out of place, too many, not all there */
    NOD_DROP_FRAGMENT,     /* part of a datagram that cannot be; or none are wanted */
    NOD_DROP_FRAGMENT_OVERLAP, /* parts of a datagram overlap: all of them go (RFC 5722) */
    NOD_DROP_FRAGMENT_LIMIT,   /* too many parts, or too much memory for them */
    NOD_DROP_FRAGMENT_TIMEOUT, /* the rest of the datagram did not come in time */
    NOD_DROP_BAD_ETHERNET,     /* unknown type or not for us */
    NOD_DROP_PROTOCOL,         /* no such protocol here */
    NOD_DROP_ICMP,             /* malformed or unknown */
    NOD_DROP_NEIGHBOUR,        /* ARP or ND that proves nothing */
    NOD_DROP_TCP_HEADER,       /* data offset or length */
    NOD_DROP_TCP_CHECKSUM,
    NOD_DROP_NO_CONNECTION, /* answered with RST */
    NOD_DROP_BROADCAST,     /* a segment to a broadcast or multicast address (MUST-57) */
    NOD_DROP_LISTEN,        /* to a listener, and no SYN */
    NOD_DROP_BACKLOG,       /* the listener's queue is full */
    NOD_DROP_SEQUENCE,      /* outside the window: acknowledged and dropped */
    NOD_DROP_PAWS,          /* an old timestamp (RFC 7323 section 5) */
    NOD_DROP_NO_TIMESTAMP,  /* timestamps were agreed and this has none (RFC 7323 3.2) */
    NOD_DROP_RST,           /* a RST that is not believed (RFC 5961 section 3) */
    NOD_DROP_SYN,           /* a SYN in a synchronized state (RFC 5961 section 4) */
    NOD_DROP_ACK,           /* an ACK of what was never sent, or far too old (RFC 5961 section 5) */
    NOD_DROP_NO_ACK,        /* no ACK bit where one must be */
    NOD_DROP_DUPLICATE,     /* bytes that were here already */
    NOD_DROP_WINDOW,        /* bytes beyond the window */
    NOD_DROP_AFTER_FIN,     /* text after the peer's FIN */
    NOD_DROP_MEMORY,        /* no room to keep it; it will be sent again */
    NOD_DROP_TIME_WAIT,     /* a stray in TIME-WAIT */
    NOD_DROP_QUEUE,         /* a queue of answers or of an unresolved neighbour was full */
    NOD_DROP_UNREACHABLE,   /* no route or no neighbour to send it to */
    NOD_DROP_COUNT
};
const char *nod_drop_name(enum nod_drop drop); /* "tcp-checksum" */

typedef struct nod_stack_stats {
    uint64_t frames_in, frames_out, bytes_in, bytes_out;
    uint64_t segments_in, segments_out, retransmitted, resets_in, resets_out;
    uint64_t opens_active, opens_passive, established_resets, open_failures;
    uint64_t trace_lost;                            /* trace events that nobody pulled in time */
    uint64_t cookies_sent, cookies_accepted;        /* SYN cookies */
    uint64_t fast_opens_active, fast_opens_passive; /* text on a SYN that was taken (RFC 7413) */
    uint64_t drops[NOD_DROP_COUNT];
    uint32_t connections, listeners, syn_received, time_wait; /* now */
} nod_stack_stats;
void nod_stack_get_stats(const nod_stack *stack, nod_stack_stats *out);

#ifdef __cplusplus
}
#endif
#endif
