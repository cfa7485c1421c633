/* What only few connections have, apart from the TCB, so that the others do not pay for it. It is
 * there from the first need (nod_tcb_rare) until the TCB is freed. */
#ifndef NOD_TCP_RARE_H
#define NOD_TCP_RARE_H

#include "cc/cc.h"
#include "nod/trace.h"

/* TCP Fast Open, while TCB_FAST_OPEN stands: what the first SYN or SYN,ACK says of it. */
struct nod_fast_open {
    bool has_option, old; /* old: in its experimental form */
    uint8_t cookie_len;
    uint8_t cookie[NOD_COOKIE_MAX];
    uint16_t mss;        /* active: of the peer, as far as we remember */
    nod_handle listener; /* passive: which counts us */
};

/* The counters of RFC 9768 section 3.2: packets marked CE, and octets by their mark. */
struct nod_marks {
    uint32_t cep, ceb, e0b, e1b;
};

/* Accurate ECN: with TCB_ACCECN. */
struct nod_accecn {
    struct nod_marks in;   /* r.*: what arrives here */
    struct nod_marks out;  /* s.*: what arrives there, as far as we heard */
    struct nod_marks said; /* `in` when the last option left */
    nod_usec said_at;
    uint32_t edge;                /* the highest octet that any feedback knew of */
    uint32_t ts_seen;             /* the peer's latest timestamp */
    uint32_t cep_told;            /* out.cep when the last option came */
    uint32_t option_end;          /* of the text that last left with an option */
    uint16_t acked_average;       /* packets an ACK, in sixteenths */
    uint8_t unsaid;               /* marked packets since our last ACK */
    uint8_t last, counted;        /* codepoints of the last packet, of the last text */
    uint8_t reflect;              /* and of the last SYN or SYN,ACK */
    uint8_t repeat;               /* how many more segments carry the option in any case */
    uint8_t came_again;           /* text that was acknowledged with an option */
    bool option_came, option_bad; /* the peer's */
    bool option_passed, option_off, option_in_ack; /* ours */
    bool heard;                                    /* a first count */
    bool deaf;                                     /* counts are not to be believed */
    bool ts_known, ack_of_ack;
};

/* The search for what a path lets through without ICMP (search.c; RFC 4821 7.2, 7.3). */
struct nod_search {
    bool on, top;   /* top: the next probe is of all of `high`, not of the middle */
    uint8_t lost;   /* probes of this size in a row of which nobody knows why */
    uint16_t high;  /* what may get through; what does is nod_mtu.path */
    uint16_t probe; /* the size of the one that is out; 0: none is */
    uint32_t seq;   /* where it begins */
    nod_usec not_before;
};

/* A path that lets less through than both ends would take (mtu.c). Sizes are octets of text in a
 * segment without options, as an MSS is. All zero: nothing is known, and tcb->mss is the ends'. */
struct nod_mtu {
    uint16_t cap;       /* what both ends take */
    uint16_t path;      /* what the path lets through */
    uint16_t claim;     /* what ICMP says it is, not believed yet; 0: nothing */
    uint32_t claim_seq; /* the segment that this is said of */
    uint32_t resend;    /* what may be out while what was too big goes again; 0: as ever */
    nod_usec raise_at;  /* when `path` is too old to go by */
    bool tell;          /* `path` is news for other connections to the same address */
    struct nod_search search;
};

/* What a sender with something to send waits for. */
enum nod_limit {
    NOD_LIMIT_NONE, /* nothing is to be sent, nor acknowledged */
    NOD_LIMIT_BUSY, /* ACKs */
    NOD_LIMIT_WINDOW,
    NOD_LIMIT_BUFFER, /* the user, who waits for room */
    NOD_LIMITS
};

/* In segments as they are on the wire; again: octets, or segments with such, that were sent before.
 */
struct nod_counters {
    uint64_t bytes_out, bytes_again;
    nod_usec limited_us[NOD_LIMITS], limit_since;
    uint32_t segments_out, segments_in, text_out, text_again, text_in;
    uint32_t out_of_order, timeouts, min_rtt_us, dsacks, reorderings;
    uint8_t limit; /* enum nod_limit, now */
    uint8_t dscp;  /* of the last segment that came */
};

struct nod_rare {
    struct nod_fast_open fast;
    struct nod_accecn accecn;
    struct nod_mtu mtu;
    struct nod_counters count;
    struct nod_cc_rest cc; /* while the connection rests */
    nod_usec heard_at;     /* when an acceptable segment last came; at first, when this was made */
    nod_usec probed_at;    /* the last keep-alive probe */
    uint8_t keep_probes;   /* keep-alive: unanswered, in a row */
    bool keep_due;
    uint16_t remote_uto;     /* RFC 5482, as on the wire; 0: none came */
    uint32_t snd_up, rcv_up; /* the octets that follow urgent data (3.8.5), with TCB_URGENT_... */
};

#endif
