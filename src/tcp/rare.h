/* What only few connections have, apart from the TCB, so that the others do not pay for it. It is
 * there from the first need (nod_tcb_rare) until the TCB is freed. */
#ifndef NOD_TCP_RARE_H
#define NOD_TCP_RARE_H

#include "nod/types.h"

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
    struct nod_accecn accecn;
    struct nod_counters count;
    nod_usec heard_at;   /* when an acceptable segment last came; at first, when this was made */
    nod_usec probed_at;  /* the last keep-alive probe */
    uint8_t keep_probes; /* keep-alive: unanswered, in a row */
    bool keep_due;
    uint16_t remote_uto;     /* RFC 5482, as on the wire; 0: none came */
    uint32_t snd_up, rcv_up; /* the octets that follow urgent data (3.8.5), with TCB_URGENT_... */
};

#endif
