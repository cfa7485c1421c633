/* Proportional rate reduction (RFC 9937): how much may leave on each ACK while losses are being
 * repaired, so that the window comes down to ssthresh evenly and not by silence. */
#ifndef NOD_TCP_PRR_H
#define NOD_TCP_PRR_H

#include <stdbool.h>
#include <stdint.h>

struct nod_prr {
    uint32_t delivered, out; /* octets since recovery began */
    uint32_t flight;         /* RecoverFS */
};

/* Recovery begins; `flight`: what was outstanding and not sacked before the ACK that began it. */
void nod_prr_begin(struct nod_prr *p, uint32_t flight);
/* For each ACK, with what it delivered, what is still in flight, and whether it is safe: it
 * advanced SND.UNA and told of no further loss. Returns the congestion window. */
uint32_t nod_prr_on_ack(struct nod_prr *p, uint32_t delivered, uint32_t in_flight, bool safe,
                        uint32_t ssthresh, uint32_t mss);
static inline void nod_prr_on_sent(struct nod_prr *p, uint32_t octets)
{
    p->out += octets;
}

#endif
