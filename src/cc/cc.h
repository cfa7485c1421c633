/* Congestion control behind one vtable. It owns cwnd and ssthresh, and sees samples, never a
 * TCB. All amounts are octets. */
#ifndef NOD_CC_CC_H
#define NOD_CC_CC_H

#include "nod/types.h"

struct nod_cc;
struct nod_cc_own;

struct nod_cc_sample {
    nod_usec now;
    uint32_t acked;  /* newly acknowledged */
    uint32_t flight; /* outstanding before that */
    uint32_t mss;
    uint32_t srtt_us, rtt_us; /* rtt_us: the newest; 0: the ACK gave none */
    uint32_t una, nxt;        /* sequence numbers, after the ACK: they tell rounds apart */
    bool hystart;             /* RFC 9406 is wanted */
    bool limited;             /* the sender had filled cwnd (RFC 7661: only then may it grow) */
};

struct nod_cc_ops {
    const char *name;
    bool validates; /* its window is one that RFC 7661 means: validate.h looks after it */
    void (*init)(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss);
    void (*on_ack)(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *sample);
    /* A segment was lost, seen by duplicate ACKs. */
    void (*on_loss)(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *sample);
    /* Packets came marked (RFC 3168 6.1.2): as on_loss, but down to one segment. */
    void (*on_ecn)(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *sample);
    /* The retransmission timer ran out. `again`: for the same segment as before. */
    void (*on_timeout)(struct nod_cc *cc, struct nod_cc_own *own,
                       const struct nod_cc_sample *sample, bool again);
    /* Idle for longer than an RTO (RFC 5681 section 4.1). */
    void (*on_idle)(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss);
    /* Nothing was in flight, and something leaves now. May be NULL. */
    void (*on_resume)(struct nod_cc *cc, struct nod_cc_own *own, nod_usec now);
    /* The last loss or timeout was a false alarm; cwnd and ssthresh are as before it already. */
    void (*on_undo)(struct nod_cc *cc, struct nod_cc_own *own);
};

/* Which algorithm it is, is a number and no pointer: programs that share a stack's memory have
 * their functions at addresses of their own. */
struct nod_cc {
    uint32_t cwnd, ssthresh;
    uint32_t id : 8;       /* nod_cc_find */
    uint32_t valid_s : 24; /* at rest: nod_validate_rest's */
};
#define NOD_CC_SECONDS 0xffffff /* of which some 194 days fit */

/* Leaving slow start before the queue overflows (RFC 9406). */
struct nod_hystart {
    uint32_t window_end;                       /* the round ends when this is acknowledged */
    uint32_t last_min_us, min_us, baseline_us; /* 0: none */
    uint8_t samples, css_rounds;               /* css_rounds 0: not in conservative slow start */
    bool running, done;
};

struct nod_cubic {
    nod_usec epoch;  /* when congestion avoidance began, idle times left out; 0: it did not */
    nod_usec last;   /* the last ACK */
    uint32_t w_max;  /* cwnd before the last reduction; 0: unknown */
    uint32_t origin; /* the plateau that the curve heads for */
    uint32_t k_ms;   /* and when it gets there */
    uint32_t w_est;  /* what Reno would have */
    uint32_t prior;  /* cwnd when it was reduced */
    uint32_t crumbs; /* of cwnd, below one octet, times cwnd */
};

/* The algorithm's own, only while the connection has something to do; zeros after a rest. */
struct nod_cc_own {
    struct nod_hystart hystart;
    uint32_t acked; /* Reno: octets since cwnd last grew in congestion avoidance */
    struct nod_cubic cubic, cubic_before; /* before: the last reduction */
};

extern const struct nod_cc_ops nod_cc_reno, nod_cc_cubic;

/* The algorithm's number, or NOD_EINVAL when there is none of this name. */
int nod_cc_find(const char *name);
const struct nod_cc_ops *nod_cc_ops(const struct nod_cc *cc);

/* Slow start's step for an ACK. */
void nod_slow_start(struct nod_cc *cc, struct nod_hystart *h, const struct nod_cc_sample *s);

/* RFC 6928: min(10*MSS, max(2*MSS, 14600)). */
uint32_t nod_cc_initial_window(uint32_t mss);

#endif
