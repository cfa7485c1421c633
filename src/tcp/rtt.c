/* The retransmission timeout (RFC 6298). */
#include "tcp/tcb.h"

void nod_tcb_rtt_sample(struct nod_env *env, struct nod_tcb *tcb, nod_usec rtt)
{
    uint32_t r = (uint32_t)min_u64(max_u64(rtt, 1), 100000000);
    nod_count_rtt(tcb, r);
    if (!tcb->srtt_us) {
        tcb->srtt_us = r;
        tcb->rttvar_us = r / 2;
    } else {
        uint32_t delta = tcb->srtt_us > r ? tcb->srtt_us - r : r - tcb->srtt_us;
        tcb->rttvar_us = tcb->rttvar_us - tcb->rttvar_us / 4 + delta / 4;
        tcb->srtt_us = max_u32(1, tcb->srtt_us - tcb->srtt_us / 8 + r / 8);
    }
    const nod_tcp_config *c = &tcb->config->c;
    /* On a long path without jitter RTTVAR goes to nothing, and what is late by a delayed ACK, or
     * by half a round trip, would be too late. Linux adds 200 ms at least; G = 1 ms. */
    nod_usec margin = max_u64(4 * (uint64_t)tcb->rttvar_us, 1000);
    margin = max_u64(margin, min_u64(tcb->srtt_us, c->rto_min_us));
    nod_usec rto = max_u64(tcb->srtt_us + margin, c->rto_min_us);
    tcb->rto_us = (uint32_t)min_u64(rto, c->rto_max_us);
    nod_trace *event = nod_tcb_trace(env, tcb, NOD_TRACE_RTT);
    if (!event) return;
    event->u.rtt.sample_us = rtt;
    event->u.rtt.srtt_us = tcb->srtt_us;
    event->u.rtt.rttvar_us = tcb->rttvar_us;
    event->u.rtt.rto_us = tcb->rto_us;
}
