/* nod/tcp.h: the user's calls of RFC 9293 section 3.9.1: OPEN, SEND, RECEIVE, CLOSE, ABORT
 * and STATUS, none of which blocks. */
#ifndef NOD_TCP_H
#define NOD_TCP_H

#include "nod/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nod_stack nod_stack;

/* RFC 9293 section 3.3.2. */
enum nod_state {
    NOD_CLOSED,
    NOD_LISTEN,
    NOD_SYN_SENT,
    NOD_SYN_RECEIVED,
    NOD_ESTABLISHED,
    NOD_FIN_WAIT_1,
    NOD_FIN_WAIT_2,
    NOD_CLOSE_WAIT,
    NOD_CLOSING,
    NOD_LAST_ACK,
    NOD_TIME_WAIT,
};
const char *nod_state_name(enum nod_state state); /* "FIN-WAIT-1" */

/* SYNs that are answered without a record, so that a flood of them finds nothing to fill (RFC 4987
 * section 3.6). What is agreed then: the MSS, rounded down to one of eight; window scale and SACK
 * only with timestamps; and a SYN,ACK that is lost comes again only if the SYN does. */
enum nod_cookies {
    NOD_COOKIES_WHEN_FULL, /* as many as the backlog are half open, or memory is short */
    NOD_COOKIES_ALWAYS,
    NOD_COOKIES_NEVER, /* a SYN too many is not answered */
};

/* Explicit congestion notification: how the receiver says which packets came marked. */
enum nod_ecn {
    NOD_ECN_NONE,
    NOD_ECN_CLASSIC,  /* RFC 3168: that there was congestion, once a round trip */
    NOD_ECN_ACCURATE, /* RFC 9768: how many packets, and octets */
};

/* Packets that came marked, and octets of text by the mark of their packet (RFC 9768 section 3.2),
 * all modulo 2^32. */
typedef struct nod_ecn_counts {
    uint32_t ce_packets, ce_bytes, ect0_bytes, ect1_bytes;
} nod_ecn_counts;

/* All times in microseconds. Set for a stack in nod_config.tcp, for one connection when it
 * is opened, and while it lives with nod_tcp_set_config; what has been agreed with the peer
 * (options, window scale) does not change any more then. */
/* Packetization layer path MTU discovery (RFC 4821): finds out without ICMP. */
enum nod_mtu_probing {
    NOD_MTU_PROBING_OFF,
    /* When full segments time out again and again, smaller ones are tried; and the way back to
     * larger ones, after that or when what ICMP said is old, is by probes. */
    NOD_MTU_PROBING_BLACK_HOLE,
    NOD_MTU_PROBING_ALWAYS, /* begins with mss_base, and probes for what is more than that */
};

/* Pacing: text leaves spread over time, and not as fast as the link takes it. Congestion control
 * says how fast; those that know only a window (Reno, CUBIC) have a bit more than that leave in a
 * round trip: 200% in slow start, 120% later. It leaves in portions of about 1 ms, of at least two
 * segments and at most 64 KiB. Unless it is asked for, the initial window leaves at once. */
enum nod_pacing {
    NOD_PACING_AUTO, /* BBR is; of the others a window of 1 MiB or more, where the RTT is 1 ms or
                        more */
    NOD_PACING_OFF,  /* none is; BBR without it is not BBR */
    NOD_PACING_ON,   /* all are, from the first RTT on that is known */
};

typedef struct nod_tcp_config {
    /* Bytes that wait to be sent or acknowledged, and to be read, as many as are taken: at first,
     * and at most as a connection proves to need more. A maximum that is not above it (0, say)
     * means a buffer of fixed size. What is needed is twice what the congestion window holds, three
     * times in slow start, and no more than a dozen times what a path shorter than 1 ms holds; and
     * twice what the user reads in a round trip, and room for slow start's next doubling. The
     * window scale is negotiated from receive_buffer_max, or half of nod_config.memory_limit where
     * that is less (RFC 7323 2.3). While more than half of that memory is in use buffers do not
     * grow, and windows are not held open beyond 16 KiB; when little is left only what was offered
     * is. No window that was offered shrinks, and nothing that was taken is dropped. At most 1 GiB
     * each; 128 KiB, and 512 MiB less 8 KiB. */
    uint32_t send_buffer, send_buffer_max;
    uint32_t receive_buffer, receive_buffer_max;
    /* NOD_EVENT_WRITABLE, and nod_tcp_writable, wait until less than so many bytes were not sent
     * yet: for who decides as late as possible what to send. A SEND takes more. 0: no limit */
    uint32_t unsent_low;
    uint16_t mss_max; /* segments no larger than this, both ways; 0: what the MTU allows */
    uint16_t mss_min; /* a peer that takes only less is sent segments of so much all the
                         same: dust costs us more than it (CVE-2019-11479); 64 */
    /* Path MTU, octets of an IPv4 packet: no message and no silence makes it smaller (RFC 1191
     * says 68); 552, as Linux. IPv6 has 1280. */
    uint16_t path_mtu_min;
    bool nagle; /* RFC 9293 3.7.4; true */
    /* Nagle's algorithm as appendix A.3 and Linux have it: what is not full waits only while
     * another segment that was not full is on its way. The tail of a SEND leaves at once; false */
    bool nagle_tail;
    bool delayed_ack;                    /* 3.8.6.3; true */
    bool window_scale, timestamps, sack; /* offered and accepted in the handshake; true */
    uint8_t ttl;                         /* TTL and hop limit; 64 */
    uint8_t dscp;                        /* Diffserv code point, 0 to 63 */
    uint8_t ecn_request; /* enum nod_ecn: what an active OPEN asks for; NOD_ECN_NONE */
    uint8_t ecn_accept;  /* enum nod_ecn: the most that a peer who asks gets; NOD_ECN_CLASSIC */
    bool accecn_option;  /* RFC 9768 3.2.3: octets counted in an option, too; true */
    /* ECT on all segments but SYNs of a connection with NOD_ECN_ACCURATE, as Linux does and
     * draft-ietf-tcpm-generalized-ecn tries, against RFC 3168 6.1.4 and 6.1.5; false */
    bool ecn_control;
    nod_usec delayed_ack_us; /* below 500,000 (MUST-40); 40,000 */
    /* So many octets at the beginning, and after a pause longer than the RTO, and as long as each
     * round trip brings more, are acknowledged segment by segment, if those are full (RFC 5681 4.2
     * lets): slow start waits for it. Unless it is 0, the last full segment of a burst, with PSH,
     * is acknowledged when all is read. 64 KiB */
    uint32_t quick_ack_bytes;
    nod_usec rto_initial_us; /* RFC 6298 section 2.1; 1 s */
    /* The least RTO, and its least distance from a smoothed RTT that is longer; 200 ms, as Linux.
     * RFC 6298 2.4 says 1 s. */
    nod_usec rto_min_us;
    nod_usec rto_max_us;      /* at least 60 s; 120 s */
    nod_usec msl_us;          /* maximum segment lifetime; 120 s. TIME-WAIT lasts two */
    nod_usec user_timeout_us; /* data unacknowledged for so long ends the connection: R2 of
                                 RFC 9293 3.8.3; 5 min, NOD_NEVER for no end */
    /* Somebody has chosen it: what the peer tells does not change it (CHANGEABLE of RFC 5482), and
     * it also ends keep-alive's probing, in place of the count, as in Linux. false */
    bool user_timeout_set;
    /* The user timeout option (RFC 5482): ours is told to the peer, and the peer's, with these
     * limits, lengthens or shortens the connection's. false; 100 s, 1 h */
    bool uto;
    nod_usec uto_lower_us, uto_upper_us;
    nod_usec syn_timeout_us;    /* the same for a SYN: at least 3 min (MUST-23) by default */
    nod_usec fin_wait_2_us;     /* how long FIN-WAIT-2 lasts when nobody can read any more; 60 s */
    uint16_t mss_base;          /* what is taken to get through everywhere (RFC 4821 7.2); 1024 */
    uint8_t mtu_probing;        /* enum nod_mtu_probing; BLACK_HOLE */
    nod_usec path_mtu_raise_us; /* how long a smaller path MTU is believed (RFC 1191 3: at least
                                   5 min); 10 min, NOD_NEVER for ever */
    uint8_t r1_retransmits;     /* after so many the user hears of it (SHLD-9); 3 */
    uint8_t syn_cookies;        /* enum nod_cookies, of a listener; WHEN_FULL */
    bool soft_errors;           /* NOD_EVENT_SOFT_ERROR is told (3.9.1.8, SHLD-20); true */
    /* Keep-alive (3.8.4): when so long nothing was outstanding and nothing was heard, a probe; the
     * next ones at the interval; after so many without an answer the end, NOD_ETIMEDOUT. */
    bool keepalive;                 /* false (MUST-25) */
    bool keepalive_octet;           /* a probe carries one octet, for peers that want it; false */
    uint8_t keepalive_probes;       /* at least 2 (MUST-29); 9 */
    nod_usec keepalive_idle_us;     /* 2 h (MUST-28) */
    nod_usec keepalive_interval_us; /* 75 s */
    /* Recovery from loss, all true: what each is worth shows when it is off. RACK (RFC 8985; it
     * and the loss probe need SACK), the tail loss probe (its section 7), proportional rate
     * reduction (RFC 9937), F-RTO (RFC 5682), and taking back what was a false alarm (RFC 3522, RFC
     * 3708). */
    bool rack, loss_probe, prr, frto, undo;
    /* RACK waits for 5/8 of the RTT, and as long as anything was ever late, before it takes for
     * lost what was overtaken, unless the last such was lost (to the same address). RFC 8985 6.2
     * waits for a quarter, and not at all when three later segments have arrived: with that a path
     * that only reorders has segments sent again. true */
    bool rack_patient;
    uint8_t pacing;           /* enum nod_pacing; AUTO */
    uint64_t max_pacing_rate; /* octets of text a second at most, whatever `pacing` says; 0: no
                                 limit */
    /* A congestion window that is not filled is kept for five minutes, and loss then costs more
     * (RFC 7661); true. false: after an RTO without anything in flight sending begins with the
     * initial window (RFC 5681 4.1). */
    bool cwnd_validation;
    bool hystart;  /* the first slow start ends before the queue overflows (RFC 9406); true */
    bool counters; /* nod_status.count is kept, which costs memory; false */
    /* "cubic" (RFC 9438); or "reno" (RFC 5681, 6582), or "bbr" (version 3, by its draft) */
    char congestion[12];
    /* So many percent of what is in flight may get lost, 50 at most, and BBR takes it for a fault
     * of the path, and does not slow down: for links that lose by themselves. 0: what the draft
     * says, with which 2% end each probe for more, and any loss lowers the rate in between. 0 */
    uint8_t bbr_loss;
} nod_tcp_config;

/* What nod_tcp_config.congestion may be, one after the other from index 0 on; NULL: no more. It may
 * change while a connection lives (nod_tcp_set_config). */
const char *nod_congestion_name(unsigned index);

typedef struct nod_open {
    /* Address and port may be left 0. Active: they are chosen. Passive: any address; with the
     * family 4 or 6 and an address of zeros any of that family. Of several listeners the most
     * exact one gets a connection. */
    nod_endpoint local;
    /* Passive: so many bits of the local address count, and connections to all addresses that begin
     * with them are taken, as far as they are this stack's (nod_stack_add_prefix). 0: all count. */
    uint8_t local_prefix;
    /* Passive, with a local port of 0: connections to every port are taken that nobody else listens
     * on. Of several listeners one that names the peer gets a connection, then one that names the
     * port, then the one with the longest prefix. */
    bool any_port;
    nod_endpoint remote; /* active: the peer. Passive: 0, or the only peer that may connect */
    bool passive;
    /* Passive: connections that wait for nod_tcp_accept; 0: 128. Those to which a SYN cookie was
     * sent while there was room may double that. */
    uint16_t backlog;
    /* Passive: others may listen on the same name, if every one of them says so. Each connection
     * goes to one of them, by a keyed hash of its addresses and ports. */
    bool share;
    /* Passive: a connection waits for ACCEPT when its first octets have come, or after so long,
     * when its end has answered once more that it is there. 0: at once. */
    nod_usec defer_accept_us;
    /* Passive: the user decides about each SYN while the peer waits (nod_tcp_pending), for so long
     * at most, an hour if it is more. As many as the backlog may be undecided. 0: not asked. */
    nod_usec ask_us;
    /* TCP Fast Open (RFC 7413): text travels with the SYN. Only for what does no harm when it is
     * done twice, for the network may deliver a SYN twice. 0: off.
     * Passive: so many connections may be accepted, read and answered at a time whose handshake is
     * not complete; others open as ever.
     * Active: not 0: allowed. What is SENT before the next nod_stack_output goes with the SYN, if
     * the peer has given us a cookie before (nod_tcp_fast_open_room), and we ask for one if not.
     * All that the peer does not take is sent again by itself. */
    uint16_t fast_open;
    /* Passive, with fast_open: text with a SYN is taken without a cookie, too. The cookie is what
     * shows that a peer is where it says it is; without it anybody can, in the name of others, have
     * requests acted upon, fill fast_open's places, and have the answers, which may be far larger,
     * sent to a victim (RFC 7413 section 5). For networks where addresses cannot be forged. */
    bool fast_open_anyone;
    /* Active, with fast_open: if text can go with the SYN, the SYN waits for the first SEND. */
    bool wait_for_text;
    const nod_tcp_config *config; /* NULL: the stack's. Copied */
} nod_open;

/* OPEN. Active: a SYN becomes due, and NOD_EVENT_OPEN or NOD_EVENT_ERROR follows. Passive: a
 * listener; NOD_EVENT_ACCEPT tells of each connection. On 0 the handle is the caller's until
 * nod_tcp_release.
 * NOD_ENOREMOTE, NOD_EBADADDR (MUST-46), NOD_EUNREACH, NOD_ENOTLOCAL, NOD_EEXIST,
 * NOD_ENOPORT, NOD_ENOMEM, NOD_EINVAL. */
int nod_tcp_open(nod_stack *stack, const nod_open *open, nod_handle *out);

/* OPEN, active, on a listener's name (3.10.1): it stops listening and becomes the active end
 * of a connection to `remote` (NULL: to the peer that the passive OPEN named, NOD_ENOREMOTE
 * if none). NOD_EEXIST when the name is of a connection. Errors as nod_tcp_open. */
int nod_tcp_connect(nod_stack *stack, nod_handle handle, const nod_endpoint *remote);

/* Changes what the passive OPEN said; `backlog` 0: 128. NOD_ENOCONN, NOD_EINVAL: no listener. */
int nod_tcp_set_listen(nod_stack *stack, nod_handle listener, uint16_t backlog,
                       nod_usec defer_accept_us);

/* Changes nod_open.fast_open and fast_open_anyone of a listener. NOD_ENOCONN, NOD_EINVAL: no
 * listener. */
int nod_tcp_set_fast_open(nod_stack *stack, nod_handle listener, uint16_t limit, bool anyone);

/* How many octets could go with a SYN to this peer: 0 when we have no cookie of its, or when a
 * network on the way, or the peer, has lately not been able to deal with it. */
uint32_t nod_tcp_fast_open_room(const nod_stack *stack, const nod_endpoint *remote);

/* The key of the cookies that are given to clients, for those who share it between machines: the
 * cookies are as Linux makes them. The key before it is good for one more. Unless it is set there
 * is one of the stack's own, and cookies are good until the end of the next day of the stack's
 * clock. */
void nod_tcp_set_fast_open_key(nod_stack *stack, const uint8_t key[16]);

/* Takes the oldest waiting connection of a listener; its handle is the caller's.
 * NOD_EAGAIN: none waits. NOD_ENOCONN, NOD_EINVAL: no such listener. */
int nod_tcp_accept(nod_stack *stack, nod_handle listener, nod_handle *out);

/* A peer that wants to connect to a listener with nod_open.ask_us, and has no answer yet. */
typedef struct nod_request {
    nod_handle handle; /* of the request, and of the connection that a grant makes of it */
    nod_endpoint local, remote;
    /* What its SYN offers. */
    uint16_t mss;  /* 0: nothing said */
    int8_t wscale; /* -1: no window scale */
    bool timestamps, sack;
} nod_request;

/* Takes a listener's oldest request, of which NOD_EVENT_REQUEST told. The handle means something
 * until it is refused or its time is over: then grant and refuse say NOD_ENOCONN.
 * NOD_EAGAIN: none waits. NOD_ENOCONN, NOD_EINVAL: no such listener. */
int nod_tcp_pending(nod_stack *stack, nod_handle listener, nod_request *out);

/* Lets the peer in: the SYN,ACK becomes due, and the handle is a connection's from now on, in
 * SYN-RECEIVED, until nod_tcp_release. NOD_EVENT_OPEN or NOD_EVENT_ERROR follows; there is no
 * ACCEPT. `config` is the connection's own, NULL: the listener's. NOD_ENOCONN, NOD_ENOMEM,
 * NOD_EINVAL. */
int nod_tcp_grant(nod_stack *stack, nod_handle request, const nod_tcp_config *config);

enum nod_refusal {
    NOD_REFUSE_RESET,  /* a RST: "connection refused" at once */
    NOD_REFUSE_SILENT, /* nothing, as if nobody were there; the same SYN is swallowed for 130 s */
};
/* NOD_ENOCONN, NOD_EINVAL. */
int nod_tcp_refuse(nod_stack *stack, nod_handle request, enum nod_refusal how);

enum nod_send_flags {
    /* More follows: a segment that is not full is held back, for 200 ms at most, until a SEND
     * without this flag, which may be one of no bytes. */
    NOD_SEND_MORE = 1 << 0,
    /* All that was given so far is urgent (3.8.5): the peer is told at once where it ends. The
     * bytes stay in line. There for old protocols: new ones should not use it (SHLD-13, RFC 6093).
     */
    NOD_SEND_URGENT = 1 << 1,
};

/* SEND: copies bytes into the send queue. Returns how many were taken, which may be fewer
 * than given, or NOD_EAGAIN when there is no room (NOD_EVENT_WRITABLE follows), NOD_ECLOSING
 * after CLOSE, NOD_ENOCONN, NOD_ENOREMOTE (a listener without a peer), NOD_ENOMEM, or the
 * error that ended the connection. */
ptrdiff_t nod_tcp_send(nod_stack *stack, nod_handle handle, const void *bytes, size_t len,
                       unsigned flags);

/* SEND without a copy: takes over the references of the slices that fit whole, in order, and
 * returns how many slices those were. The bytes must not change any more. */
int nod_tcp_send_slices(nod_stack *stack, nod_handle handle, nod_slice *slices, int count,
                        unsigned flags);

/* RECEIVE: copies out up to `len` bytes. Returns how many, 0 at the end of the stream (the
 * peer's FIN), NOD_EAGAIN when there is nothing now, NOD_ENOCONN, or the error that ended the
 * connection. */
ptrdiff_t nod_tcp_receive(nod_stack *stack, nod_handle handle, void *buf, size_t len);

/* RECEIVE that takes nothing: copies out bytes behind the first `skip` that wait, and leaves them
 * there. Returns as nod_tcp_receive does when no byte waits behind those. */
ptrdiff_t nod_tcp_peek(nod_stack *stack, nod_handle handle, size_t skip, void *buf, size_t len);

/* RECEIVE without a copy: hands over up to `max` slices and their references. Returns how
 * many, else as nod_tcp_receive. */
int nod_tcp_receive_slices(nod_stack *stack, nod_handle handle, nod_slice *slices, int max);

/* How much could be read, and written, now: bytes, or a negative error. What can be read from a
 * listener are connections: how many wait for ACCEPT, or NOD_EAGAIN. To write is
 * worth while when a third of the send buffer is free: 0 before that, and NOD_EVENT_WRITABLE
 * follows then. A SEND takes what there is room for all the same. */
ptrdiff_t nod_tcp_readable(nod_stack *stack, nod_handle handle);
ptrdiff_t nod_tcp_writable(nod_stack *stack, nod_handle handle);

/* CLOSE: "I have no more data to send." What is queued is sent, then a FIN. Receiving goes
 * on. A listener is deleted, and connections that wait in its queue are reset.
 * NOD_ECLOSING the second time, NOD_ENOCONN, NOD_ENOMEM (then nothing has happened). */
int nod_tcp_close(nod_stack *stack, nod_handle handle);

/* ABORT: drops the queues, sends a RST where the state asks for one. NOD_ENOCONN. */
int nod_tcp_abort(nod_stack *stack, nod_handle handle);

/* Gives the name back. Without a CLOSE before, this closes both directions (3.6.1, MAY-1):
 * unread data, or data that arrives later, is answered with a RST (SHLD-3). The stack sees
 * the rest of the connection through by itself. NOD_ENOCONN. */
int nod_tcp_release(nod_stack *stack, nod_handle handle);

/* Who uses a local port: at that address; with a family and an address of zeros at any of the
 * family, with family 0 at any at all. A listener at any address counts at each of them. */
enum nod_port_use {
    NOD_PORT_LISTENER = 1 << 0,
    NOD_PORT_CONNECTION = 1 << 1, /* in any state but TIME-WAIT */
    NOD_PORT_TIME_WAIT = 1 << 2,
};
/* enum nod_port_use, or-ed. Looks at every record: for bind, not for each connection. */
unsigned nod_tcp_port_use(const nod_stack *stack, const nod_endpoint *local);

enum nod_timer {
    NOD_TIMER_RETRANSMIT,
    NOD_TIMER_PERSIST, /* zero-window probe */
    NOD_TIMER_DELAYED_ACK,
    NOD_TIMER_SWS_OVERRIDE, /* RFC 9293 3.8.6.2.1: a small segment after all */
    NOD_TIMER_USER,         /* user timeout: R2 */
    NOD_TIMER_FIN_WAIT_2,
    NOD_TIMER_TIME_WAIT,  /* 2 MSL are over */
    NOD_TIMER_KEEPALIVE,  /* nothing was heard for long (3.8.4) */
    NOD_TIMER_REORDER,    /* RFC 8985 section 6.2: what was only late would have come */
    NOD_TIMER_LOSS_PROBE, /* RFC 8985 section 7 */
    NOD_TIMER_PACING,     /* the next may leave then: neither traced nor in a status */
    NOD_TIMER_COUNT,
    NOD_TIMER_NONE = NOD_TIMER_COUNT
};

/* What a connection has counted of itself since nod_tcp_config.counters is on. Large segments count
 * as the pieces that are on the wire; RSTs do not count, nor what was said before there was a TCB:
 * the handshake of a passive open, but for the ACK that ends it. */
typedef struct nod_count {
    uint64_t bytes_out, bytes_again; /* of text, sent: all; and of them those sent again */
    uint32_t segments_out, segments_in;
    uint32_t text_out, text_again, text_in; /* of those, with text; with text sent again */
    uint32_t delivered;                     /* with text, acknowledged */
    uint32_t out_of_order;                  /* came beyond a gap */
    uint32_t timeouts;                      /* of the retransmission timer */
    uint32_t dsacks, reorderings;           /* told of, by the peer's SACK (RFC 2883, RFC 8985) */
    nod_usec min_rtt_us;                    /* the least of all; 0: none was measured */
    /* How long there was something to send or to be acknowledged; and of that, how long the peer's
     * window was in the way, and how long the send buffer was all acknowledged too slowly for a
     * user who waited for room. */
    nod_usec busy_us, window_limited_us, buffer_limited_us;
    nod_usec since_ack_us; /* since anything acceptable came */
    uint8_t dscp;          /* of the last segment that came (MAY-9) */
} nod_count;

typedef struct nod_status {
    enum nod_state state;
    int error; /* why it ended, or 0 */
    nod_endpoint local, remote;
    uint32_t snd_una, snd_nxt, snd_wnd, iss; /* RFC 9293 section 3.3.1 */
    uint32_t rcv_nxt, rcv_wnd, irs;
    uint32_t send_buffer, receive_buffer; /* bytes that they have room for now, in all */
    nod_usec receive_rtt_us;              /* as the receiver measures it; 0: not lately */
    uint32_t receive_space;               /* the most bytes read in such a time; 0: none, lately */
    uint32_t send_queue;                  /* bytes not yet acknowledged, sent or not */
    uint32_t send_unsent;                 /* of those, bytes never sent */
    uint32_t receive_queue;               /* bytes that wait for RECEIVE */
    uint32_t out_of_order;                /* bytes held beyond a gap */
    uint32_t urgent;                      /* bytes not read yet up to the end of the peer's urgent
                                             data, come or not; 0: it is read, or there is none */
    nod_usec peer_user_timeout_us;        /* as the peer told it (RFC 5482); 0: it has not */
    uint16_t mss;                         /* effective send MSS */
    int8_t snd_scale, rcv_scale;          /* -1: none agreed */
    bool timestamps, sack;                /* agreed */
    bool active;                          /* it was us who opened it */
    bool syn_text;                        /* text on a SYN was taken: the peer's, or all of ours */
    enum nod_ecn ecn;                     /* agreed */
    bool ecn_seen;                        /* a packet came that may be marked, or was */
    nod_ecn_counts ecn_in, ecn_out;       /* NOD_ECN_ACCURATE: here, and at the peer */
    uint32_t cwnd, ssthresh;              /* bytes */
    nod_usec srtt_us, rttvar_us, rto_us;  /* 0 before the first sample */
    uint32_t retransmits;                 /* of the oldest segment, in a row */
    uint16_t probes;                      /* of a closed window, in a row */
    uint8_t keepalive_probes;             /* unanswered, in a row */
    uint16_t dup_acks;                    /* duplicate ACKs, in a row */
    bool recovery;                        /* fast recovery (RFC 6582) */
    uint32_t sacked, lost, again;         /* bytes of what is in flight: that the peer has beyond a
                                             gap; that are lost, and not sent again yet; that are */
    uint16_t rcv_mss;                     /* the peer's segments as we see them; 0: not lately */
    uint8_t local_prefix;                 /* listener: nod_open.local_prefix */
    uint16_t fast_open;                   /* listener: nod_open.fast_open */
    uint32_t backlog, backlog_used;       /* listener: connections that may wait, that do */
    char congestion[12];                  /* "cubic"; empty for small records */
    /* The timer that runs: of several the retransmission or the persist timer first, then one
     * that ends the connection's state, then one of an ACK, then the user timeout. */
    enum nod_timer timer;
    nod_usec timer_us; /* until it runs out; NOD_NEVER: none runs */
    /* Since octets of text were last sent; received, or before the first the connection opened.
     * NOD_NEVER: none were, or nobody knows any more (what was sent before the last pause of an
     * RTO). */
    nod_usec since_sent_us, since_received_us;
    uint64_t bytes_sent, bytes_acked, bytes_received; /* first time only; in order only */
    uint16_t adv_mss;                                 /* what our SYN says, or would say */
    uint16_t path_mtu;                                /* octets of an IP packet; 0: a listener */
    nod_usec delayed_ack_us;                          /* how long an ACK may wait */
    bool counted;                                     /* `count` is kept */
    nod_count count;
    uint32_t segments_retransmitted;
    /* Octets of text a second. How fast it leaves, NOD_UNPACED: as fast as it can; and the limit of
     * nod_tcp_config, NOD_UNPACED: none. How fast the network has delivered it lately, 0: unknown,
     * after a pause, too; and whether the user could have given it more to deliver. */
    uint64_t pacing_rate, max_pacing_rate, delivery_rate;
    bool delivery_limited;
} nod_status;
#define NOD_UNPACED UINT64_MAX

/* STATUS. 0 or NOD_ENOCONN. */
int nod_tcp_status(nod_stack *stack, nod_handle handle, nod_status *out);

/* Runs through all records of the stack, those without a handle included (SYN-RECEIVED,
 * TIME-WAIT, released ones). Start with *cursor = 0; returns false at the end. */
bool nod_tcp_each(nod_stack *stack, size_t *cursor, nod_status *out);

/* An ACK that is being delayed becomes due now. 0 or NOD_ENOCONN. */
int nod_tcp_ack_pending(nod_stack *stack, nod_handle handle);

/* Whether a configuration makes sense to this build: 0 or NOD_EINVAL. */
int nod_tcp_config_check(const nod_tcp_config *config);

int nod_tcp_get_config(nod_stack *stack, nod_handle handle, nod_tcp_config *out);
int nod_tcp_set_config(nod_stack *stack, nod_handle handle, const nod_tcp_config *config);

#ifdef __cplusplus
}
#endif
#endif
