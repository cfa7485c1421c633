#include "tcp/rack.h"

#include "base/seq.h"
#include "base/util.h"

#define MIN_RTT_WINDOW (300 * NOD_SEC) /* a path may grow longer */
#define PERSIST 16                     /* recoveries */

void nod_rack_init(struct nod_rack *r, uint32_t una)
{
    *r = (struct nod_rack){.end = una, .fack = una, .mult = 1};
}

void nod_rack_on_rtt(struct nod_rack *r, nod_usec now, uint32_t rtt_us)
{
    if (nod_min_filter_get(&r->min_rtt)) /* there is one: none is 0 */
        nod_min_filter_add(&r->min_rtt, now, MIN_RTT_WINDOW, rtt_us);
    else
        nod_min_filter_reset(&r->min_rtt, now, rtt_us);
}

/* An ACK of what was sent more than once may be of an earlier copy. */
static bool is_ambiguous(const struct nod_rack *r, const struct nod_sent *run, struct nod_echo echo,
                         nod_usec now)
{
    if (!run->again) return false;
    if (echo.is_there && seq_lt(echo.ms, (uint32_t)(run->at / NOD_MSEC))) return true;
    return now - run->at < nod_min_filter_get(&r->min_rtt);
}

static void was_overtaken(struct nod_rack *r, const struct nod_delivery *d, nod_usec now)
{
    nod_usec expected = d->overtaken ? d->overtaken : d->once_at + r->rtt_us;
    uint32_t late = now > expected ? (uint32_t)min_u64(now - expected, UINT32_MAX / 2) : 0;
    r->reordering = true;
    if (late <= r->late_us) return;
    r->late_us = late;
    r->persist = PERSIST;
}

void nod_rack_on_delivery(struct nod_rack *r, const struct nod_delivery *d, uint32_t highest,
                          struct nod_echo echo, nod_usec now)
{
    if (d->any_once && seq_lt(d->once_end, r->fack)) was_overtaken(r, d, now);
    r->fack = seq_max(r->fack, highest);
    if (!d->any) return;
    const struct nod_sent *run = &d->newest;
    if (is_ambiguous(r, run, echo, now)) {
        if (!d->any_once) return;
        run = &d->once;
    }
    r->rtt_us = (uint32_t)max_u64(min_u64(now - run->at, UINT32_MAX), 1);
    bool later = run->at > r->at || (run->at == r->at && seq_gt(run->end, r->end));
    if (!later) return;
    r->at = run->at;
    r->end = run->end;
}

void nod_rack_on_ack(struct nod_rack *r, bool dsack, uint32_t una, uint32_t nxt)
{
    if (seq_ge(una, r->dsack_round)) r->in_dsack_round = false;
    if (!dsack || r->in_dsack_round) return;
    r->in_dsack_round = true;
    r->dsack_round = nxt;
    r->mult += r->mult < UINT8_MAX;
    r->persist = PERSIST;
}

void nod_rack_on_recovered(struct nod_rack *r)
{
    if (r->persist) r->persist--;
    if (r->persist) return;
    r->mult = 1;
    r->late_us = 0;
}

uint32_t nod_rack_reo_wnd(const struct nod_rack *r, bool patient, bool recovering, uint32_t sacked,
                          uint32_t srtt_us)
{
    uint32_t min_rtt = nod_min_filter_get(&r->min_rtt);
    uint64_t wnd = (uint64_t)r->mult * min_rtt / 4;
    if (patient)
        wnd = max_u64(wnd, max_u64((uint64_t)min_rtt * 5 / 8, (uint64_t)r->late_us * 5 / 4));
    else if (!r->reordering && (recovering || sacked >= NOD_DUP_THRESH))
        return 0;
    return (uint32_t)min_u64(wnd, srtt_us);
}

static nod_usec lost_at(const struct nod_rack *r, const struct nod_sent *run, uint32_t reo_wnd_us)
{
    nod_usec took = run->overtaken ? min_u64(run->overtaken - run->at, r->longest_us) : 0;
    return run->at + max_u64(r->rtt_us, took) + reo_wnd_us;
}

nod_usec nod_rack_detect(const struct nod_rack *r, struct nod_board *b, uint32_t reo_wnd_us,
                         nod_usec now)
{
    struct nod_sent *next;
    for (struct nod_sent *run = b->oldest; run && run->at <= r->at; run = next) {
        next = run->next;
        if (run->at == r->at && seq_ge(run->end, r->end)) continue;
        nod_usec when = lost_at(r, run, reo_wnd_us);
        if (when > now) return when; /* and those behind it have longer still */
        nod_board_lose(b, run);
    }
    return NOD_NEVER;
}

void nod_rack_on_timeout(const struct nod_rack *r, struct nod_board *b, uint32_t reo_wnd_us,
                         nod_usec now)
{
    struct nod_sent *first = nod_board_at(b, b->first), *next;
    if (first && first->state == NOD_SENT_OUT) nod_board_lose(b, first);
    for (struct nod_sent *run = b->oldest; run; run = next) {
        next = run->next;
        if (lost_at(r, run, reo_wnd_us) > now) return;
        nod_board_lose(b, run);
    }
}
