/* Congestion window validation (RFC 7661): a window that was not filled lately is kept for five
 * minutes, so that who has paused goes on at once; but it is no measure of the path any more, and
 * when something is lost what was really in use takes its place. */
#ifndef NOD_CC_VALIDATE_H
#define NOD_CC_VALIDATE_H

#include "base/min_filter.h"
#include "cc/cc.h"

struct nod_validate {
    nod_usec valid_at;              /* when half of the window or more was last seen in use */
    struct nod_min_filter unused;   /* UINT32_MAX less what a round trip has acknowledged */
    uint32_t round_from, round_end; /* sequence numbers */
    uint32_t round_cwnd;
    uint32_t base;  /* in a recovery that began non-validated: max(pipeACK, LossFlight); or 0 */
    uint32_t again; /* octets that left again in this recovery, counted once: R */
    bool running;   /* a round is */
    bool known;     /* pipeACK is not "undefined" */
};

/* A connection that has rested: `valid_s` as nod_validate_rest said; 0: nothing was ever sent. */
void nod_validate_wake(struct nod_validate *v, nod_usec now, uint32_t valid_s);
uint32_t nod_validate_rest(const struct nod_validate *v, nod_usec now);

/* The time that pipeACK looks back over (4.2). */
nod_usec nod_validate_period(uint32_t srtt_us);
/* The largest sample in it; UINT32_MAX: undefined. */
uint32_t nod_validate_pipe_ack(const struct nod_validate *v, nod_usec now, uint32_t srtt_us);
bool nod_validate_holds(const struct nod_validate *v, nod_usec now, uint32_t srtt_us);

/* For each ACK outside of recovery. */
void nod_validate_on_ack(struct nod_validate *v, struct nod_cc *cc, const struct nod_cc_sample *s);
/* The window has not been filled for too long (4.4.3). */
void nod_validate_age(struct nod_validate *v, struct nod_cc *cc, nod_usec now, uint32_t mss);

/* 4.4.1. What congestion control takes for the flight; after it has reduced the window, of which no
 * more than half of that is left; and when recovery is over. */
uint32_t nod_validate_flight(const struct nod_validate *v, const struct nod_cc_sample *s);
void nod_validate_on_loss(struct nod_validate *v, struct nod_cc *cc, uint32_t flight, uint32_t mss);
void nod_validate_on_recovered(struct nod_validate *v, struct nod_cc *cc, uint32_t mss);

#endif
