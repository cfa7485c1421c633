/* The only place that sees TCP and IP together. */
#ifndef NOD_STACK_STACK_H
#define NOD_STACK_STACK_H

#include "net/net.h"
#include "tcp/small.h"
#include "tcp/tcb.h"

#define NOD_PORT_COUNTERS 64
#define NOD_CONFIGS_LATELY 4
#define NOD_ORDERS 64
#define NOD_REDEEMED 1024

/* A passive OPEN. */
struct nod_listener {
    struct nod_record rec;     /* kind LISTENER; the key's remote part may be unspecified */
    struct nod_listener *next; /* of all */
    struct nod_shared_config *config;
    struct nod_tcb *first, *last; /* connections that wait for ACCEPT */
    nod_usec defer_accept_us;
    uint32_t slot;
    uint8_t family; /* of a local address that is any: 4, 6, or 0 for both */
    uint8_t bits;   /* of 128: how many of the local address count; 0: it is any */
    bool share;
    nod_usec ask_us;                      /* how long a SYN waits for the user; 0: not at all */
    uint32_t pending_first, pending_last; /* slots of those that nobody has taken */
    uint16_t pending, silenced;           /* undecided; refused in silence */
    uint16_t backlog, waiting, half_open; /* half_open: SYN-RECEIVED records */
    uint16_t events;
    bool fast_anyone;      /* RFC 7413: takes text without a cookie */
    uint16_t fast_limit;   /* how many may be pending; 0: off */
    uint16_t fast_pending; /* whose handshake is not complete */
    uint16_t fast_reset;   /* ended by a RST before that: they count for a while longer */
    nod_usec fast_reset_until;
    nod_usec cookies_until; /* SYN cookies were sent not long before: ACKs may bring them back */
    uint32_t *redeemed;     /* those that did, lately; NOD_REDEEMED places, made with the first */
};

/* A SYN that waits for the user's decision, or is swallowed after it. */
struct nod_pending {
    struct nod_record rec; /* kind PENDING */
    uint32_t irs, ts_recent, iss_floor;
    uint32_t slot, listener, next; /* slots; next: of those that nobody has taken */
    uint16_t mss;                  /* 0: none said */
    uint8_t wscale;
    bool has_floor; /* a TIME-WAIT ended for it: numbers go on above */
};

/* What a client remembers of a server and the path to it (RFC 7413 section 4.1.3). */
struct nod_fast_peer {
    uint8_t local[16], remote[16];
    uint16_t port, mss;
    uint8_t cookie_len, failures; /* in a row */
    uint8_t cookie[NOD_COOKIE_MAX];
    nod_usec used, blocked_until; /* used 0: free */
};
#define NOD_FAST_PEERS 64

struct nod_stack {
    struct nod_env env;
    struct nod_net net;
    nod_config config;
    struct nod_shared_config *shared; /* every connection's that asked for nothing else */
    struct nod_shared_config *lately[NOD_CONFIGS_LATELY]; /* made last, for those who ask for the */
    unsigned lately_next;                                 /* same; without a reference */

    struct nod_record **table; /* keyed hash of the connection's key */
    uint32_t table_mask;
    uint8_t table_key[16], port_key[16];
    uint64_t flow_key[2];
    uint32_t records;

    uint32_t slot_hint;
    uint32_t event_first, event_last; /* slots */
    struct nod_tcb *due_first, **due_tail;
    bool tell_addresses; /* an event that belongs to no connection */
    struct nod_listener *listeners;
    uint16_t port_counter[NOD_PORT_COUNTERS]; /* RFC 6056 algorithm 4 */

    uint8_t fast_key[2][16];          /* of Fast Open's cookies: this one, the one before */
    bool fast_key_is_set;             /* by the user; otherwise cookies expire with the day */
    struct nod_fast_peer *fast_peers; /* NOD_FAST_PEERS; made with the first fast open */
    uint32_t in_order[NOD_ORDERS];    /* hashes of addresses: TCB_IN_ORDER there */
};

/* stack.c */
bool nod_tcp_config_is_valid(const nod_tcp_config *c);

/* demux.c */
struct nod_record *nod_demux_find(const nod_stack *s, const struct nod_key *key);
bool nod_demux_add(nod_stack *s, struct nod_record *rec); /* false: too many connections */
void nod_demux_remove(nod_stack *s, struct nod_record *rec);
struct nod_listener *nod_demux_listener(const nod_stack *s, const struct nod_key *key);
/* Is this address, or all that is not said of it, among those that the listener listens at? */
bool nod_listener_is_at(const struct nod_listener *l, const uint8_t local[16]);
nod_endpoint nod_listener_local(const struct nod_listener *l);

/* address.c: what the net layer has to say to connections and users */
void nod_addresses_changed(nod_stack *s);
void nod_segment_undeliverable(nod_stack *s, const nod_frame *frame); /* no neighbour took it */

/* input.c */
void nod_loopback_input(nod_stack *s); /* what this host sent to itself */

/* slots.c */
size_t nod_slot_pages(const nod_config *config); /* how many there may be */
void nod_slots_free(nod_stack *s);
uint32_t nod_slot_take(nod_stack *s, struct nod_record *object); /* NOD_NO_SLOT: no memory */
void nod_slot_release_name(nod_stack *s, uint32_t slot); /* the handle is stale from now on */
void nod_slot_free(nod_stack *s, uint32_t slot);
struct nod_record *nod_slot_object(const nod_stack *s, nod_handle handle); /* or NULL */
void nod_events_raise(nod_stack *s, uint32_t slot);

/* ports.c */
uint32_t nod_isn(const nod_stack *s, const struct nod_key *key);
/* One that an old incarnation, which got to `last`, cannot be mixed up with (MAY-2). */
uint32_t nod_isn_above(uint32_t iss, uint32_t last);
/* Fills in key->local_port, which may be one in TIME-WAIT that is to end now. */
int nod_port_pick(nod_stack *s, struct nod_key *key);
bool nod_port_has_listener(const nod_stack *s, const uint8_t local[16], uint16_t port);

/* life.c: from birth to reaping */
struct nod_shared_config *nod_config_share(nod_stack *s, const nod_tcp_config *config);
void nod_config_drop(nod_stack *s, struct nod_shared_config *config);
struct nod_tcb *nod_tcb_new(nod_stack *s, const struct nod_key *key, uint8_t iface,
                            struct nod_shared_config *config, uint32_t iss, enum nod_state state);
/* After the engine was called: reap, move to TIME-WAIT, tell, schedule. The TCB may be gone. */
void nod_settle(nod_stack *s, struct nod_tcb *tcb);
/* ABORT of a connection at rest that memory is too short to wake: a RST needs none. */
void nod_end_at_rest(nod_stack *s, struct nod_tcb *tcb);
void nod_tcb_free(nod_stack *s, struct nod_tcb *tcb);
void nod_time_wait_end(nod_stack *s, struct nod_time_wait *tw);
void nod_time_wait_expire(nod_stack *s, struct nod_time_wait *tw);
void nod_due(nod_stack *s, struct nod_tcb *tcb);
void nod_not_due(nod_stack *s, struct nod_tcb *tcb);
uint16_t nod_adv_mss(const nod_stack *s, const struct nod_key *key, uint8_t iface,
                     const nod_tcp_config *c);

/* path.c: what is known of the path to an address: its MTU, and whether it keeps the order */
uint16_t nod_path_mtu(const nod_stack *s, const struct nod_tcb *tcb); /* in use */
bool nod_path_is_due(const nod_stack *s, const struct nod_tcb *tcb);
void nod_path_look(nod_stack *s, struct nod_tcb *tcb); /* at what others know */
void nod_path_tell(nod_stack *s, struct nod_tcb *tcb); /* others, if there is news */
void nod_path_tell_order(nod_stack *s, struct nod_tcb *tcb);
void nod_path_too_big(nod_stack *s, struct nod_tcb *tcb, uint32_t frame, uint32_t seq,
                      const struct nod_packet *packet);

/* listen.c */
int nod_listener_new(nod_stack *s, const nod_open *open, const struct nod_key *key, uint8_t bits,
                     nod_handle *out);
void nod_listener_set(struct nod_listener *l, uint16_t backlog, nod_usec defer_accept_us);
void nod_listener_free(nod_stack *s, struct nod_listener *listener, bool keep_slot);
bool nod_listener_has_room(const struct nod_listener *l);
void nod_listener_enqueue(nod_stack *s, struct nod_listener *l, struct nod_tcb *tcb);
/* Returns a connection that the segment has made and goes on with, or NULL. */
struct nod_tcb *nod_listen_input(nod_stack *s, struct nod_listener *listener,
                                 const struct nod_key *key, struct nod_segment *seg,
                                 uint32_t iss_floor);

/* half_open.c */
/* A record for this SYN, of no listener yet. */
void nod_half_open_fill(nod_stack *s, const nod_tcp_config *c, const struct nod_key *key,
                        const struct nod_segment *seg, struct nod_syn_received *r);
bool nod_half_open_new(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                       const struct nod_segment *seg, uint32_t iss_floor); /* false: no room */
void nod_half_open_trace(nod_stack *s, const struct nod_key *key);
struct nod_tcb *nod_half_open_tcb(nod_stack *s, const struct nod_syn_received *r,
                                  struct nod_shared_config *config);
bool nod_listen_defers(nod_stack *s, struct nod_syn_received *r, const struct nod_segment *seg);
struct nod_tcb *nod_listen_promote(nod_stack *s, struct nod_syn_received *r);
void nod_syn_received_expire(nod_stack *s, struct nod_syn_received *r);
void nod_syn_received_free(nod_stack *s, struct nod_syn_received *r);
struct nod_small_config nod_syn_received_config(const nod_stack *s,
                                                const struct nod_syn_received *r);

/* pending.c */
bool nod_pending_new(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                     const struct nod_segment *seg, uint32_t iss_floor); /* false: no room */
void nod_pending_input(nod_stack *s, struct nod_pending *r, const struct nod_segment *seg);
void nod_pending_free(nod_stack *s, struct nod_pending *r); /* refused, or its time is over */
bool nod_pending_is_taken(const struct nod_pending *r);

/* fast_open.c: the server's side of RFC 7413 */
/* True: the SYN's cookie is good, and a connection that can be read and answered was made. */
bool nod_fast_open_arrives(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                           struct nod_segment *seg, uint32_t iss_floor);
/* A new cookie into a SYN,ACK, for a peer that asked or has none that is good. */
void nod_fast_open_grant(const nod_stack *s, const struct nod_listener *l,
                         const struct nod_key *key, const struct nod_tcp_options *from,
                         struct nod_tcp_options *to);
/* The handshake is complete, or the connection has ended before. */
void nod_fast_open_done(nod_stack *s, struct nod_tcb *tcb);

/* fast_peers.c: the client's */
void nod_fast_peers_free(nod_stack *s);
bool nod_fast_peer_begin(nod_stack *s, struct nod_tcb *tcb); /* false: no memory */
/* What the answer to the SYN teaches, which had been sent `again` so often. */
void nod_fast_peer_heard(nod_stack *s, struct nod_tcb *tcb, const struct nod_tcp_options *opt,
                         unsigned again);
void nod_fast_peer_ended(nod_stack *s, struct nod_tcb *tcb); /* without an answer */

/* cookies.c */
void nod_cookies_free(nod_stack *s, struct nod_listener *l);
void nod_cookie_answer(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                       const struct nod_segment *seg);
void nod_cookie_adopt(nod_stack *s, struct nod_syn_received *r, const struct nod_segment *seg);
/* False: the ACK brings no cookie back. Otherwise a connection, if there is room for one. */
bool nod_cookie_arrives(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                        const struct nod_segment *seg, struct nod_tcb **out);

/* trace.c */
void nod_trace_in(nod_stack *s, const struct nod_record *rec, const struct nod_key *key,
                  const struct nod_segment *seg);
void nod_trace_call(nod_stack *s, const struct nod_record *rec, nod_handle handle,
                    enum nod_call call, uint64_t len, int64_t result);
void nod_trace_out(nod_stack *s, uint32_t frame, const struct nod_key *key,
                   const struct nod_tcp_header *h, uint32_t text, const nod_trace *about);

#endif
