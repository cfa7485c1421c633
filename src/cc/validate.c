#include "cc/validate.h"

#include "base/seq.h"
#include "base/util.h"

#define NVP (300 * NOD_SEC) /* the non-validated period (section 5) */

void nod_validate_wake(struct nod_validate *v, nod_usec now, uint32_t valid_s)
{
    *v = (struct nod_validate){.valid_at = now};
    if (!valid_s) return;
    uint32_t ago_s = ((uint32_t)(now / NOD_SEC) - valid_s) & NOD_CC_SECONDS;
    v->valid_at = now - min_u64(now, ago_s * NOD_SEC);
    v->known = true;
    nod_min_filter_reset(&v->unused, v->valid_at, UINT32_MAX);
}

uint32_t nod_validate_rest(const struct nod_validate *v, nod_usec now)
{
    uint32_t s = (uint32_t)((v->known ? v->valid_at : now) / NOD_SEC) & NOD_CC_SECONDS;
    return max_u32(s, 1);
}

nod_usec nod_validate_period(uint32_t srtt_us)
{
    return max_u64(3 * (nod_usec)srtt_us, NOD_SEC);
}

uint32_t nod_validate_pipe_ack(const struct nod_validate *v, nod_usec now, uint32_t srtt_us)
{
    nod_usec period = nod_validate_period(srtt_us);
    if (!v->known) return UINT32_MAX;
    for (int i = 0; i < 3; i++)
        if (now - v->unused.best[i].at <= period) return UINT32_MAX - v->unused.best[i].value;
    return 0;
}

bool nod_validate_holds(const struct nod_validate *v, nod_usec now, uint32_t srtt_us)
{
    return !v->known || now - v->valid_at <= nod_validate_period(srtt_us);
}

/* A round is held against the window that it was sent with: in slow start that of the time when it
 * is acknowledged is twice as large. */
static void end_round(struct nod_validate *v, const struct nod_cc_sample *s)
{
    uint32_t octets = s->una - v->round_from;
    if (v->known)
        nod_min_filter_add(&v->unused, s->now, nod_validate_period(s->srtt_us),
                           UINT32_MAX - octets);
    else
        nod_min_filter_reset(&v->unused, s->now, UINT32_MAX - octets);
    if (!v->known || octets >= v->round_cwnd / 2) v->valid_at = s->now;
    v->known = true;
}

void nod_validate_on_ack(struct nod_validate *v, struct nod_cc *cc, const struct nod_cc_sample *s)
{
    if (v->running && seq_le(s->una, v->round_end)) return;
    if (v->running) {
        end_round(v, s);
        nod_validate_age(v, cc, s->now, s->mss);
    }
    v->running = true;
    v->round_from = s->una;
    v->round_end = s->nxt;
    v->round_cwnd = cc->cwnd;
}

void nod_validate_age(struct nod_validate *v, struct nod_cc *cc, nod_usec now, uint32_t mss)
{
    if (!v->known) return;
    nod_usec periods = (now - v->valid_at) / NVP;
    uint32_t least = nod_cc_initial_window(mss);
    for (nod_usec i = 0; i < periods && cc->cwnd > least; i++) {
        cc->ssthresh = max_u32(cc->ssthresh, cc->cwnd - cc->cwnd / 4);
        cc->cwnd = max_u32(cc->cwnd / 2, least);
    }
    v->valid_at += periods * NVP;
}

uint32_t nod_validate_flight(const struct nod_validate *v, const struct nod_cc_sample *s)
{
    if (nod_validate_holds(v, s->now, s->srtt_us)) return s->flight;
    return max_u32(s->flight, nod_validate_pipe_ack(v, s->now, s->srtt_us));
}

void nod_validate_on_loss(struct nod_validate *v, struct nod_cc *cc, uint32_t flight, uint32_t mss)
{
    v->base = flight;
    v->again = 0;
    cc->ssthresh = min_u32(cc->ssthresh, max_u32(flight / 2, mss));
    cc->cwnd = min_u32(cc->cwnd, cc->ssthresh);
}

void nod_validate_on_recovered(struct nod_validate *v, struct nod_cc *cc, uint32_t mss)
{
    if (v->base) {
        uint32_t kept = v->base > v->again ? v->base - v->again : 0;
        cc->ssthresh = min_u32(cc->ssthresh, max_u32(kept / 2, mss));
        cc->cwnd = min_u32(cc->cwnd, cc->ssthresh);
    }
    v->base = v->again = 0;
    v->known = v->running = false;
}
