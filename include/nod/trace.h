/* nod/trace.h: the only window into a stack: one stream of typed events, pulled.
 * Ladder, capture, plots and counters all read it. Off unless nod_config.trace_events says
 * how many events may wait; those that nobody pulls in time are counted as lost. */
#ifndef NOD_TRACE_H
#define NOD_TRACE_H

#include "nod/stack.h"

#ifdef __cplusplus
extern "C" {
#endif

enum nod_trace_type {
    NOD_TRACE_SEGMENT_OUT,
    NOD_TRACE_SEGMENT_IN, /* before it is processed: `state` is the state that it finds */
    NOD_TRACE_STATE,      /* a state edge */
    NOD_TRACE_CALL,       /* a user's call */
    NOD_TRACE_TIMER,      /* a timer that ran out */
    NOD_TRACE_RTT,        /* a sample */
    NOD_TRACE_CWND,       /* the congestion window changed */
    NOD_TRACE_DROP,       /* of the packet `frame`, with the reason */
    NOD_TRACE_ICMP_IN,    /* an ICMP error about a connection */
    NOD_TRACE_PATH_MTU,   /* a connection's idea of the path MTU changed */
};

enum nod_ctl {
    NOD_FIN = 1,
    NOD_SYN = 2,
    NOD_RST = 4,
    NOD_PSH = 8,
    NOD_ACK = 16,
    NOD_URG = 32,
    NOD_ECE = 64,
    NOD_CWR = 128,
    NOD_AE = 256 /* RFC 9768; the lowest of what were reserved bits */
};

/* The ECN field of the IP header (RFC 3168 section 5). */
enum nod_codepoint { NOD_NOT_ECT, NOD_ECT1, NOD_ECT0, NOD_CE };

/* Why a segment was sent. */
enum nod_why {
    NOD_WHY_OPEN,               /* SYN, or SYN,ACK */
    NOD_WHY_DATA,               /* new data */
    NOD_WHY_FIN,                /* CLOSE: a FIN, with data or without */
    NOD_WHY_ACK_HANDSHAKE,      /* the ACK that completes an open */
    NOD_WHY_ACK_SECOND,         /* enough full segments arrived */
    NOD_WHY_ACK_DELAYED,        /* the delayed-ACK timer */
    NOD_WHY_ACK_AT_ONCE,        /* RFC 5681 4.2: out of order, a gap filled, or pushed */
    NOD_WHY_ACK_DUPLICATE,      /* what arrived was outside the window, or here already */
    NOD_WHY_ACK_FIN,            /* acknowledges the peer's FIN */
    NOD_WHY_ACK_CHALLENGE,      /* RFC 5961 */
    NOD_WHY_WINDOW_UPDATE,      /* the reader made room */
    NOD_WHY_WINDOW_PROBE,       /* to a zero window */
    NOD_WHY_RETRANSMIT_TIMEOUT, /* RTO, of SYN, data or FIN */
    NOD_WHY_RETRANSMIT_FAST,    /* found lost by what arrived after it (RFC 8985, RFC 6582) */
    NOD_WHY_RETRANSMIT_TOO_BIG, /* what was too big for the path, in smaller pieces */
    NOD_WHY_MTU_PROBE,  /* new data, in a segment larger than is known to get through (RFC 4821) */
    NOD_WHY_LOSS_PROBE, /* an ACK is overdue (RFC 8985 section 7) */
    NOD_WHY_KEEPALIVE,
    NOD_WHY_RST_ABORT,         /* the user's ABORT, or unread data at release */
    NOD_WHY_RST_NO_CONNECTION, /* nobody there */
    NOD_WHY_RST_BAD_ACK,       /* an unacceptable ACK in a state that is not synchronized */
    NOD_WHY_RST_NO_READER,     /* data for a connection that was released */
    NOD_WHY_ACK_TIME_WAIT,     /* TIME-WAIT answers a FIN that came again, or a stray */
    NOD_WHY_RST_TIMEOUT,       /* keep-alive was not answered: the connection is given up */
    NOD_WHY_ACK_MARKED,        /* packets came marked: congestion (RFC 3168, RFC 9768 3.2.2.5.1) */
    NOD_WHY_COUNT
};

enum nod_call {
    NOD_CALL_OPEN_ACTIVE,
    NOD_CALL_OPEN_PASSIVE,
    NOD_CALL_ACCEPT,
    NOD_CALL_SEND,
    NOD_CALL_RECEIVE,
    NOD_CALL_CLOSE,
    NOD_CALL_ABORT,
    NOD_CALL_RELEASE,
    NOD_CALL_COUNT
};

/* Why a connection's idea of the path MTU changed. */
enum nod_path_news {
    NOD_PATH_ICMP,       /* a router says that packets were too big (RFC 1191, RFC 8201) */
    NOD_PATH_KNOWN,      /* another connection to the same address has found out */
    NOD_PATH_EXPIRED,    /* what was known is too old: larger ones are tried again */
    NOD_PATH_BLACK_HOLE, /* full segments vanish in silence (RFC 4821 7.7) */
    NOD_PATH_PROBED,     /* a probe got through (RFC 4821 7.6.1) */
    NOD_PATH_COUNT
};

#define NOD_COOKIE_MAX 16
typedef struct nod_trace_segment {
    uint32_t seq, ack, len;    /* len: payload only; seq as on the wire */
    uint32_t rel_seq, rel_ack; /* less the initial number of their direction, if known */
    uint16_t wnd;              /* as on the wire */
    uint32_t wnd_bytes;        /* scaled */
    uint16_t up;
    uint16_t ctl;        /* enum nod_ctl */
    uint8_t ecn;         /* enum nod_codepoint, of the IP header */
    uint8_t why;         /* enum nod_why; SEGMENT_OUT only */
    bool retransmission; /* SEGMENT_OUT: at least one of its octets was sent before */
    bool has_mss, has_wscale, has_ts, sack_permitted, has_uto;
    uint16_t mss;
    uint8_t wscale;
    uint16_t uto; /* RFC 5482, as on the wire */
    uint32_t ts_val, ts_ecr;
    uint8_t sack_count;
    uint32_t sack[4][2]; /* as on the wire */
    bool has_fast_open;  /* RFC 7413 */
    uint8_t cookie_len;  /* 0: a cookie is asked for */
    uint8_t cookie[NOD_COOKIE_MAX];
    /* The AccECN option (RFC 9768 section 3.2.3): which one, 172 or 174 (0: none), and how many of
     * its fields are there: ee0b, eceb, ee1b, or in the other order. */
    uint8_t accecn_kind, accecn_fields;
    uint32_t accecn[3]; /* as on the wire */
} nod_trace_segment;

typedef struct nod_trace {
    nod_usec time;
    uint8_t type;  /* enum nod_trace_type */
    uint8_t state; /* enum nod_state, of the connection when it happened */
    uint8_t iface;
    nod_handle handle;          /* 0: no connection, or one without a handle */
    uint32_t frame;             /* nod_frame.id, for SEGMENT_OUT, SEGMENT_IN, DROP, ICMP_IN */
    nod_endpoint local, remote; /* unspecified where there is no connection */
    union {
        nod_trace_segment segment; /* SEGMENT_OUT, SEGMENT_IN */
        struct {
            uint8_t from, to;
        } edge; /* STATE; enum nod_state */
        struct {
            uint8_t call;
            int64_t result;
            uint64_t len;
        } call; /* CALL; enum nod_call */
        struct {
            uint8_t timer;
            uint32_t count;
            nod_usec next_us;
        } timer; /* enum nod_timer */
        struct {
            nod_usec sample_us, srtt_us, rttvar_us, rto_us;
        } rtt;
        struct {
            uint32_t cwnd, ssthresh;
        } cwnd;
        struct {
            uint8_t reason;
        } drop; /* enum nod_drop */
        struct {
            uint8_t type, code;
            int error;
            uint16_t mtu; /* of a message "too big": what it says; 0: it does not */
        } icmp;
        struct {
            uint16_t from, to; /* octets of an IP packet */
            uint8_t news;      /* enum nod_path_news */
        } path;
    } u;
} nod_trace;

/* Pulls up to `max` events in the order in which they happened. Returns how many. */
int nod_stack_trace(nod_stack *stack, nod_trace *events, int max);

const char *nod_why_name(enum nod_why why);              /* "retransmit-timeout" */
const char *nod_path_news_name(enum nod_path_news news); /* "icmp" */
const char *nod_timer_name(enum nod_timer timer);
const char *nod_call_name(enum nod_call call); /* "SEND" */

/* One line in tcpdump's notation, without a time: "Flags [S.], seq 0, ack 1, win 65535,
 * options [mss 1460], length 0", relative numbers. Returns buf. 256 bytes are enough. */
#define NOD_TRACE_TEXT 256
char *nod_trace_format_segment(const nod_trace_segment *segment, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
