/* How fast the network delivers (draft-ietf-ccwg-bbr, "Delivery Rate Samples"): what was delivered
 * between the departure of a run and its ACK, over the longer of the times that sending and
 * acknowledging it took, so that neither a burst of ours nor one of ACKs looks like speed. */
#ifndef NOD_TCP_RATE_H
#define NOD_TCP_RATE_H

#include "tcp/scoreboard.h"

/* What the ACK that is being processed has measured. */
struct nod_rate_sample {
    bool any; /* something was delivered of which we know when it left */
    bool app_limited;
    uint64_t prior_delivered; /* of the connection, when the run left that this is about */
    uint64_t prior_lost;
    uint64_t rate;        /* octets a second; 0: not to be relied on */
    nod_usec interval_us; /* that the rate is over */
    uint32_t delivered;   /* in it */
    uint32_t flight;      /* in flight when that run had left */
};

struct nod_rate {
    uint64_t delivered, lost; /* octets, of all that was ever sent */
    uint64_t limited_until;   /* this much delivered: what left when the application had no more to
                                 send has arrived; 0: it is not limiting */
    nod_usec delivered_at;    /* when `delivered` grew last, or when sending began after a pause */
    nod_usec first_sent;      /* when the run left that was delivered last, or the same */
    struct nod_rate_sample sample;

    /* For STATUS, as Linux has it: the last sample that the application did not limit, or a higher
     * one. */
    uint64_t told;
    bool told_limited;
};

/* A run has left, or left again: its last `octets`, with which `flight` are in flight now. */
void nod_rate_on_sent(struct nod_rate *r, struct nod_sent *run, uint32_t octets, uint32_t flight);

/* An ACK has delivered this. No rate is taken from less time than `min_rtt_us`, for then an ACK of
 * an earlier copy was taken for that of a later one. */
void nod_rate_on_ack(struct nod_rate *r, const struct nod_delivery *d, uint32_t min_rtt_us,
                     nod_usec now);
/* And that is all about this ACK. */
static inline void nod_rate_done(struct nod_rate *r)
{
    r->sample = (struct nod_rate_sample){0};
}

/* There was nothing to send, and it was not for congestion control: the pipe has a bubble in it,
 * and samples say little until that has passed. */
void nod_rate_limited(struct nod_rate *r, uint32_t flight);

#endif
