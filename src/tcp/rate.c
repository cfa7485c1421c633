#include "tcp/rate.h"

#include "base/util.h"

void nod_rate_on_sent(struct nod_rate *r, struct nod_sent *run, uint32_t octets, uint32_t flight)
{
    if (flight <= octets) r->first_sent = r->delivered_at = run->at; /* nothing was in flight */
    run->rate = (struct nod_sent_rate){
        .delivered = r->delivered,
        .lost = r->lost,
        .delivered_at = r->delivered_at,
        .first_sent = r->first_sent,
        .flight = flight,
        .app_limited = r->limited_until,
    };
}

static void tell(struct nod_rate *r, const struct nod_rate_sample *s)
{
    if (s->app_limited && s->rate < r->told) return;
    r->told = s->rate;
    r->told_limited = s->app_limited;
}

void nod_rate_on_ack(struct nod_rate *r, const struct nod_delivery *d, uint32_t min_rtt_us,
                     nod_usec now)
{
    struct nod_rate_sample *s = &r->sample;
    *s = (struct nod_rate_sample){0};
    if (!d->octets) return;
    r->delivered += d->octets;
    r->delivered_at = now;
    if (r->delivered > r->limited_until) r->limited_until = 0;
    if (!d->any) return; /* duplicate ACKs without SACK: nobody knows which octets they are of */
    const struct nod_sent *run = &d->newest;
    r->first_sent = run->at;
    *s = (struct nod_rate_sample){
        .any = true,
        .app_limited = run->rate.app_limited,
        .prior_delivered = run->rate.delivered,
        .prior_lost = run->rate.lost,
        .delivered = (uint32_t)(r->delivered - run->rate.delivered),
        .flight = run->rate.flight,
        .interval_us = max_u64(run->at - run->rate.first_sent, now - run->rate.delivered_at),
    };
    if (!s->interval_us || s->interval_us < min_rtt_us) return;
    s->rate = (uint64_t)s->delivered * NOD_SEC / s->interval_us;
    tell(r, s);
}

void nod_rate_limited(struct nod_rate *r, uint32_t flight)
{
    r->limited_until = max_u64(r->delivered + flight, 1);
}
