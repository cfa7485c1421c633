#include "tcp/prr.h"

#include "base/util.h"

void nod_prr_begin(struct nod_prr *p, uint32_t flight)
{
    *p = (struct nod_prr){.flight = max_u32(flight, 1)};
}

static uint32_t less(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

uint32_t nod_prr_on_ack(struct nod_prr *p, uint32_t delivered, uint32_t in_flight, bool safe,
                        uint32_t ssthresh, uint32_t mss)
{
    uint32_t count;
    p->delivered += delivered;
    if (in_flight > ssthresh) {
        uint64_t share = (uint64_t)p->delivered * ssthresh;
        count = less((uint32_t)min_u64((share + p->flight - 1) / p->flight, UINT32_MAX), p->out);
    } else { /* at least what was delivered leaves; more when that is safe, up to ssthresh */
        count = max_u32(less(p->delivered, p->out), delivered);
        if (safe && delivered) count += mss;
        count = min_u32(count, ssthresh - in_flight);
    }
    if (!p->out) count = max_u32(count, mss); /* one fast retransmission in any case */
    return max_u32(in_flight + count, mss);   /* whatever happens, not silence */
}
