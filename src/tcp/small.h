/* The small records: SYN-RECEIVED of a passive open and TIME-WAIT, 96 octets each, and the
 * protocol of both. Their ACKs and SYN,ACKs leave as replies. */
#ifndef NOD_TCP_SMALL_H
#define NOD_TCP_SMALL_H

#include "tcp/env.h"

enum nod_small_flags {
    SMALL_TS = 1 << 0,
    SMALL_SACK = 1 << 1,
    SMALL_SCALE = 1 << 2,
    SMALL_DEFERRED = 1 << 3, /* the handshake is complete, but text is waited for */
    SMALL_OVERDUE = 1 << 4,  /* no longer: the next ACK will do */
    SMALL_ACE_SHIFT = 5,     /* TIME-WAIT: the three flags of ECN on its ACKs */
};

struct nod_syn_received {
    struct nod_record rec;
    uint32_t iss, irs, ts_recent;
    uint32_t listener; /* slot */
    uint16_t mss;
    uint8_t snd_scale;
    uint8_t retransmits;
    uint8_t throttle; /* nod_challenge_allowed */
    uint8_t ecn;      /* enum nod_ecn_record */
};

struct nod_time_wait {
    struct nod_record rec;
    uint32_t slot; /* of the TCB that the user still holds, or NOD_NO_SLOT */
    uint32_t snd_nxt, rcv_nxt, ts_recent;
    uint16_t max_wnd; /* MAX.SND.WND in units of 2^max_scale, which is exact */
    uint16_t wnd;     /* receive window in units of 2^scale */
    uint8_t scale : 4, max_scale : 4;
    uint8_t ttl, dscp;
    uint8_t throttle; /* nod_challenge_allowed */
};

enum nod_verdict {
    NOD_KEEP,    /* nothing changes */
    NOD_DELETE,  /* the record goes */
    NOD_PROMOTE, /* SYN-RECEIVED: the handshake is complete, or TIME-WAIT: a new SYN */
    NOD_RESTART, /* TIME-WAIT: 2 MSL from now */
};

struct nod_small_config {
    const nod_tcp_config *tcp;
    uint16_t adv_mss;
};

enum nod_verdict nod_syn_received_input(struct nod_env *env, struct nod_syn_received *r,
                                        const struct nod_segment *seg,
                                        const struct nod_small_config *config);
/* Makes the SYN,ACK due, for the first time or again. NULL: it is as if lost on the way. */
struct nod_reply *nod_syn_received_send(struct nod_env *env, struct nod_syn_received *r,
                                        const struct nod_small_config *config);

enum nod_verdict nod_time_wait_input(struct nod_env *env, struct nod_time_wait *r,
                                     const struct nod_segment *seg);
void nod_time_wait_ack(struct nod_env *env, struct nod_time_wait *r, enum nod_why why);

#endif
