/* RACK (RFC 8985 section 6): what left before something that has arrived is lost, if it has not
 * come either after a time to settle. */
#ifndef NOD_TCP_RACK_H
#define NOD_TCP_RACK_H

#include "base/min_filter.h"
#include "tcp/scoreboard.h"

#define NOD_DUP_THRESH 3

struct nod_rack {
    struct nod_min_filter min_rtt;
    nod_usec at;     /* RACK.xmit_ts: when the newest that has arrived left; 0: nothing has */
    uint32_t end;    /* RACK.end_seq */
    uint32_t fack;   /* the highest octet that has arrived */
    uint32_t rtt_us; /* 0: no sample */
    uint32_t dsack_round;
    /* A segment that was overtaken may have taken so long, or until then, if the queue was longer
     * for it than for the last that arrived; 0: it took as long as that, as RFC 8985 has it. */
    uint32_t longest_us;
    uint32_t late_us;      /* what was overtaken and came has come so much later, at most */
    uint8_t mult, persist; /* of the reordering window */
    bool reordering, in_dsack_round;
};

/* The echo of an ACK's timestamp, in milliseconds of the clock that nod_sent.at counts. */
struct nod_echo {
    bool is_there;
    uint32_t ms;
};

void nod_rack_init(struct nod_rack *r, uint32_t una);

/* Steps 1 to 3. */
void nod_rack_on_rtt(struct nod_rack *r, nod_usec now, uint32_t rtt_us);
void nod_rack_on_delivery(struct nod_rack *r, const struct nod_delivery *d, uint32_t highest,
                          struct nod_echo echo, nod_usec now);

/* Step 4: for each ACK, which may tell of a DSACK; and for each recovery that ends. */
void nod_rack_on_ack(struct nod_rack *r, bool dsack, uint32_t una, uint32_t nxt);
void nod_rack_on_recovered(struct nod_rack *r);
/* How long to wait for what may only be late. `sacked`: segments. `patient`: longer than RFC 8985
 * has it, where reordering was seen or can still be expected. */
uint32_t nod_rack_reo_wnd(const struct nod_rack *r, bool patient, bool recovering, uint32_t sacked,
                          uint32_t srtt_us);

/* Step 5. Marks what is lost; returns when to look again, or NOD_NEVER. */
nod_usec nod_rack_detect(const struct nod_rack *r, struct nod_board *b, uint32_t reo_wnd_us,
                         nod_usec now);
/* The same for a retransmission timeout (6.3): the first is lost, others only if they are late. */
void nod_rack_on_timeout(const struct nod_rack *r, struct nod_board *b, uint32_t reo_wnd_us,
                         nod_usec now);

#endif
