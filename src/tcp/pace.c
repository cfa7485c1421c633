#include "tcp/tcb.h"

/* The schedule is in absolute time, so that a wake-up that comes late costs no rate: what was to
 * leave in the meantime leaves at once. But not more than of a millisecond; or where that is little
 * beside a round trip, of a sixteenth of it, up to what a busy machine may let a program wait. */
static nod_usec late_max(const struct nod_tcb *tcb)
{
    return min_u64(max_u64(tcb->srtt_us / 16, NOD_MSEC), 4 * NOD_MSEC);
}

/* Percent of cwnd in a round trip, as Linux has it: slow start doubles the window in that time, and
 * later there is room to come up to it. */
#define GAIN_SLOW_START 200
#define GAIN_AVOIDANCE 120

/* A burst of so much is more than queues are made for; and a timer is fine enough for round trips
 * of so long. */
#define WINDOW_MIN (1u << 20)
#define RTT_MIN 1000u /* us */

/* Of an algorithm without a rate of its own. Unless it is asked for, only a large window is paced:
 * the last flight of a short transfer would come half a round trip later, and small flows that are
 * paced take more than their share from those that are not. */
static uint64_t rate_of_window(const struct nod_tcb *tcb)
{
    bool large =
        tcb->cc.cwnd >= WINDOW_MIN && nod_min_filter_get(&tcb->work->loss.rack.min_rtt) >= RTT_MIN;
    if (!tcb->srtt_us || (tcb->config->c.pacing == NOD_PACING_AUTO && !large)) return 0;
    uint64_t window = max_u32(tcb->cc.cwnd, nod_loss_out(tcb));
    bool slow_start = tcb->cc.cwnd < tcb->cc.ssthresh / 2;
    uint64_t percent = slow_start ? GAIN_SLOW_START : GAIN_AVOIDANCE;
    return max_u64(window * (NOD_SEC / 100) * percent / tcb->srtt_us, 1);
}

uint64_t nod_pace_rate(const struct nod_tcb *tcb)
{
    const nod_tcp_config *c = &tcb->config->c;
    uint64_t rate = 0;
    if (c->pacing != NOD_PACING_OFF)
        rate =
            nod_cc_ops(&tcb->cc)->has_model ? tcb->work->cc_own.pacing_rate : rate_of_window(tcb);
    if (!c->max_pacing_rate) return rate;
    return rate ? min_u64(rate, c->max_pacing_rate) : c->max_pacing_rate;
}

/* What is left of the initial window, which leaves at once (RFC 6928; Linux): spread over a part of
 * the round trip it would make short answers slow. But who asks for pacing has it for all. */
static uint32_t initial_room(const struct nod_tcb *tcb)
{
    const struct nod_loss *l = &tcb->work->loss;
    uint64_t sent = l->rate.delivered + nod_board_octets(&l->board);
    uint32_t window = nod_cc_initial_window(nod_tcb_mss(tcb));
    const nod_tcp_config *c = &tcb->config->c;
    if (c->pacing == NOD_PACING_ON || c->max_pacing_rate || sent >= window) return 0;
    return window - (uint32_t)sent;
}

uint32_t nod_pace_room(const struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max)
{
    struct nod_pace *p = &tcb->work->pace;
    tcb->work->at[NOD_TIMER_PACING] = NOD_NEVER;
    p->rate = nod_pace_rate(tcb);
    if (!p->rate) return text_max;
    uint32_t mss = nod_tcb_mss(tcb), initial = initial_room(tcb);
    if (initial) {
        p->rate = 0;
        return min_u32(text_max, initial);
    }
    if (!p->left && p->at <= env->now) p->left = nod_cc_quantum(p->rate, mss);
    return p->left ? min_u32(text_max, max_u32(p->left, mss)) : text_max;
}

bool nod_pace_lets_go(struct nod_tcb *tcb)
{
    struct nod_pace *p = &tcb->work->pace;
    if (!p->rate || p->left) return true;
    p->waits = true;
    tcb->work->at[NOD_TIMER_PACING] = p->at;
    return false;
}

void nod_pace_on_sent(const struct nod_env *env, struct nod_tcb *tcb, uint32_t octets)
{
    struct nod_pace *p = &tcb->work->pace;
    if (!p->rate) return;
    nod_usec least = env->now - (p->waits ? min_u64(late_max(tcb), env->now) : 0);
    if (p->at < least) {
        p->at = least;
        p->crumbs = 0;
    }
    uint64_t time = octets * NOD_SEC + p->crumbs;
    p->at += time / p->rate;
    p->crumbs = time % p->rate;
    p->left -= min_u32(octets, p->left);
}

void nod_pace_done(struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    if (w->at[NOD_TIMER_PACING] == NOD_NEVER) w->pace.waits = false;
}
