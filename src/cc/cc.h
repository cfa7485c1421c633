/* Congestion control behind one vtable. It owns cwnd and ssthresh, and sees samples, never a
 * TCB. All amounts are octets. */
#ifndef NOD_CC_CC_H
#define NOD_CC_CC_H

#include "cc/bbr.h"
#include "nod/types.h"

struct nod_cc;
struct nod_cc_own;
struct nod_cc_rest;

struct nod_cc_sample {
    nod_usec now;
    uint32_t acked;  /* newly acknowledged */
    uint32_t flight; /* outstanding before that */
    uint32_t mss;
    uint32_t srtt_us, rtt_us; /* rtt_us: the newest; 0: the ACK gave none */
    uint32_t una, nxt;        /* sequence numbers, after the ACK: they tell rounds apart */
    bool hystart;             /* RFC 9406 is wanted */
    uint8_t bbr_loss;         /* percent that BBR overlooks */
    bool limited;             /* the sender had filled cwnd (RFC 7661: only then may it grow) */
    bool filled;              /* cwnd was in the way when something last left */
    bool paced;               /* what leaves is spread over time */
    bool sack;                /* more than one loss in a round trip can be seen */
    bool recovering;          /* after fast retransmission or timeout, until all is repaired */
    uint32_t random;          /* nobody knows it, and it is the connection's for ever */
    uint32_t in_flight;       /* after that, and neither sacked nor lost */
    uint32_t min_rtt_us;      /* the least in a long time; 0: none */
    uint64_t delivered, lost; /* of all that was ever sent; at times counted double */

    /* With `sampled`: of what has left last of all that this ACK has delivered; for on_lost: of
     * what is lost. */
    bool sampled, app_limited;            /* the application did not give more to send then */
    uint64_t prior_delivered, prior_lost; /* `delivered` and `lost` when it left */
    uint32_t sample_flight;               /* what was in flight with it */
    /* What was delivered since then, in so long; octets a second; 0: not to be relied on. */
    uint32_t sample_delivered;
    nod_usec interval_us;
    uint64_t rate;
};

struct nod_cc_ops {
    const char *name;
    void (*init)(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss);
    void (*on_ack)(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *sample);
    /* A segment was lost, seen by duplicate ACKs. */
    void (*on_loss)(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *sample);
    /* Packets came marked (RFC 3168 6.1.2): as on_loss, but down to one segment. */
    void (*on_ecn)(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *sample);
    /* The retransmission timer ran out. `again`: for the same segment as before. */
    void (*on_timeout)(struct nod_cc *cc, struct nod_cc_own *own,
                       const struct nod_cc_sample *sample, bool again);
    /* Idle for longer than an RTO (RFC 5681 section 4.1). May be NULL. */
    void (*on_idle)(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss);
    /* The last loss or timeout was a false alarm; cwnd and ssthresh are as before it already. */
    void (*on_undo)(struct nod_cc *cc, struct nod_cc_own *own);

    /* It computes cwnd and pacing_rate from a model of the path: on_ack is called for every ACK,
     * while losses are repaired too, and nobody else reduces cwnd. */
    bool has_model;
    /* The others may be NULL.
     * A run of octets was found lost, from the sample's `una` to its `nxt`: before on_loss, and
     * before the on_ack of the same ACK. */
    void (*on_lost)(struct nod_cc *cc, struct nod_cc_own *own, const struct nod_cc_sample *sample);
    /* What was lost is repaired. */
    void (*on_recovered)(struct nod_cc *cc, struct nod_cc_own *own);
    /* Something is to leave, and nothing is in flight; app_limited: for want of data. */
    void (*on_restart)(struct nod_cc *cc, struct nod_cc_own *own,
                       const struct nod_cc_sample *sample);
    /* The connection has nothing to do for a while; and has again, with `own` all zeros. */
    void (*on_rest)(const struct nod_cc_own *own, struct nod_cc_rest *rest);
    void (*on_wake)(struct nod_cc_own *own, const struct nod_cc_rest *rest, nod_usec now);
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
    nod_usec train_from, train_to;             /* ACKs have come closely, one after the other */
    uint32_t train_end;                        /* of a round trip: until this is acknowledged */
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
    uint64_t pacing_rate; /* octets a second; 0: it has none of its own */
    bool holds_back;      /* set by an algorithm which sends less than it could, to measure: samples
                             of what leaves now are as if the user had given too little */
    union {
        struct {
            struct nod_hystart hystart;
            uint32_t acked; /* Reno: octets since cwnd last grew in congestion avoidance */
            struct nod_cubic cubic, cubic_before; /* before: the last reduction */
        };
        struct nod_bbr bbr;
    };
};

/* What is worth to be kept over a rest, where that costs no memory. */
struct nod_cc_rest {
    uint64_t bw; /* 0: nothing is known */
    nod_usec min_rtt_stamp;
    uint32_t min_rtt_us;
    uint32_t inflight;
};

extern const struct nod_cc_ops nod_cc_reno, nod_cc_cubic, nod_cc_bbr;

/* Another algorithm goes on with the window as it is. `own` is NULL at rest. */
void nod_cc_change(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss, uint8_t id);

/* The algorithm's number, or NOD_EINVAL when there is none of this name. */
int nod_cc_find(const char *name);
const struct nod_cc_ops *nod_cc_ops(const struct nod_cc *cc);

/* Slow start's step for an ACK. */
void nod_slow_start(struct nod_cc *cc, struct nod_hystart *h, const struct nod_cc_sample *s);

/* How much leaves at a time at this rate (octets a second): a millisecond's worth, at least two
 * segments, at most 64 KiB. */
uint32_t nod_cc_quantum(uint64_t rate, uint32_t mss);

/* RFC 6928: min(10*MSS, max(2*MSS, 14600)). */
uint32_t nod_cc_initial_window(uint32_t mss);

#endif
