/* The path MTU without ICMP (RFC 4821, with RFC 8899's numbers): a path that swallows full segments
 * is found out by timeouts, and what it lets through by probes, which are data in segments larger
 * than those that are known to pass. A probe that is lost says nothing of congestion. */
#include "tcp/tcb.h"

#define STEP 8 /* as near as the search goes: another probe would not pay */
#define PROBES_MAX 3
#define GAP_US (15 * NOD_SEC) /* after a probe that was lost: RFC 8899 5.1.1 */
#define BEHIND 3              /* segments behind a probe: duplicate ACKs that show its loss */

static uint32_t options_of(const struct nod_tcb *tcb)
{
    return tcb->mss - nod_tcb_mss(tcb);
}

void nod_search_begin(struct nod_env *env, struct nod_tcb *tcb, uint32_t high)
{
    struct nod_mtu *m = &tcb->rare->mtu;
    m->search = (struct nod_search){
        .on = true,
        .top = true,
        .high = (uint16_t)high,
        .not_before = env->now,
    };
    m->raise_at = NOD_NEVER; /* the search ends by itself, with a new time */
}

/* RFC 4821 7.2: a size that passes nearly everywhere, and the rest by probes. */
void nod_search_on_open(struct nod_env *env, struct nod_tcb *tcb)
{
    const nod_tcp_config *c = &tcb->config->c;
    uint32_t base = max_u32(c->mss_base, nod_key_least_mss(&tcb->rec.key, c->path_mtu_min));
    uint32_t high = tcb->mss;
    if (tcb->rare && tcb->rare->mtu.cap) return; /* what is known is better than a guess */
    if (high <= base || !nod_tcb_rare(env, tcb)) return;
    nod_mtu_set(env, tcb, base, NOD_PATH_PROBED);
    nod_search_begin(env, tcb, high);
}

static void finish(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_mtu *m = &tcb->rare->mtu;
    nod_usec old = tcb->config->c.path_mtu_raise_us;
    bool whole = m->path >= m->cap; /* both ends' limit, which says nothing of the path */
    m->search = (struct nod_search){0};
    m->raise_at = whole || old == NOD_NEVER ? NOD_NEVER : env->now + old;
    m->tell = !whole;
    if (whole) m->cap = m->path = 0;
}

static void go_on(struct nod_env *env, struct nod_tcb *tcb, nod_usec pause)
{
    struct nod_mtu *m = &tcb->rare->mtu;
    m->search.probe = 0;
    m->search.not_before = env->now + pause;
    if (m->path + (m->search.top ? 1 : STEP) > m->search.high) finish(env, tcb);
}

/* It is gone, and nothing shows that its size is why: so much else is. */
static void lost_somehow(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_search *s = &tcb->rare->mtu.search;
    if (++s->lost >= PROBES_MAX) {
        s->lost = 0;
        s->top = false;
        s->high = (uint16_t)(s->probe - 1);
    }
    go_on(env, tcb, GAP_US);
}

/* RFC 4821 7.7. Segments that nobody answers, again and again, may be too big for a path that does
 * not say so: what is taken to be small enough is tried, then half of that, and so on. */
static void fall_back(struct nod_env *env, struct nod_tcb *tcb)
{
    const nod_tcp_config *c = &tcb->config->c;
    uint32_t least = nod_key_least_mss(&tcb->rec.key, c->path_mtu_min);
    uint32_t size = min_u32(tcb->mss, tcb->snd.nxt - tcb->snd.una + options_of(tcb));
    uint32_t mss = max_u32(size > c->mss_base ? c->mss_base : size / 2, least);
    if (mss >= size || !nod_tcb_rare(env, tcb)) return;
    struct nod_search *s = &tcb->rare->mtu.search;
    uint32_t high = s->on ? s->high : tcb->mss;
    nod_mtu_set(env, tcb, mss, NOD_PATH_BLACK_HOLE);
    nod_search_begin(env, tcb, high);
}

void nod_search_on_timeout(struct nod_env *env, struct nod_tcb *tcb)
{
    const nod_tcp_config *c = &tcb->config->c;
    if (c->mtu_probing == NOD_MTU_PROBING_OFF || nod_tcb_syn_unacked(tcb)) return;
    if (tcb->work->retransmits + 1u >= c->r1_retransmits) fall_back(env, tcb);
}

/* RFC 4821 7.4: one at a time, while nothing is missing, and with enough behind it. */
uint32_t nod_search_size(const struct nod_env *env, const struct nod_tcb *tcb, uint32_t avail)
{
    const struct nod_loss *l = &tcb->work->loss;
    const struct nod_mtu *m = tcb->rare ? &tcb->rare->mtu : NULL;
    if (!m || !m->search.on || m->search.probe || env->now < m->search.not_before) return 0;
    if (l->phase != NOD_LOSS_NONE || l->board.lost || l->board.sacked) return 0;
    if (tcb->work->dup_acks || tcb->work->retransmits) return 0;
    uint32_t high = m->search.high;
    uint32_t size = (m->search.top ? high : m->path + (high - m->path + 1) / 2) - options_of(tcb);
    uint32_t with = size + BEHIND * nod_tcb_mss(tcb), used = tcb->snd.nxt - tcb->snd.una;
    if (avail < with || tcb->cc.cwnd < with || tcb->snd.wnd < used + with) return 0;
    return size;
}

void nod_search_on_sent(struct nod_tcb *tcb, uint32_t seq, uint32_t size)
{
    struct nod_search *s = &tcb->rare->mtu.search;
    s->probe = (uint16_t)(size + options_of(tcb));
    s->seq = seq;
}

/* The probe that is out, or NULL. */
static struct nod_search *probe_of(const struct nod_tcb *tcb, uint32_t *end)
{
    struct nod_search *s = tcb->rare ? &tcb->rare->mtu.search : NULL;
    if (!s || !s->probe) return NULL;
    *end = s->seq + s->probe - options_of(tcb);
    return s;
}

/* 7.6.1. The octets of the congestion window stay what they were (RFC 8899 section 3). */
void nod_search_on_ack(struct nod_env *env, struct nod_tcb *tcb)
{
    uint32_t end;
    struct nod_search *s = probe_of(tcb, &end);
    if (!s || seq_lt(tcb->snd.una, end)) return;
    nod_mtu_set(env, tcb, s->probe, NOD_PATH_PROBED);
    tcb->flags |= TCB_MSS_PROVEN;
    s->lost = 0;
    go_on(env, tcb, 0);
}

/* 7.6.3: it goes again with others, so that an ACK says nothing of its size any more. */
void nod_search_on_sent_again(struct nod_env *env, struct nod_tcb *tcb, uint32_t from, uint32_t to)
{
    uint32_t end;
    const struct nod_search *s = probe_of(tcb, &end);
    if (s && seq_lt(from, end) && seq_gt(to, s->seq)) lost_somehow(env, tcb);
}

/* What the probe carried goes again, in pieces that are known to pass. False: it is under way. */
static bool resend(struct nod_env *env, struct nod_tcb *tcb, uint32_t from, uint32_t end)
{
    struct nod_board *b = &tcb->work->loss.board;
    bool any = false;
    while (seq_lt(from, end)) {
        struct nod_sent *run = nod_board_from(b, env->pool, from, end - from);
        if (!run || seq_gt(run->end, end)) break; /* no memory: its loss will be seen */
        if (run->state == NOD_SENT_OUT) nod_board_lose(b, run);
        any |= run->state == NOD_SENT_LOST;
        from = run->end;
    }
    nod_board_forget_news(b);
    if (!any) return false;
    if (tcb->work->loss.phase == NOD_LOSS_NONE) nod_loss_on_too_big(tcb, end);
    nod_timers_on_ack(env, tcb, true); /* what goes again has an RTO of its own */
    return true;
}

/* 7.6.2: it alone is lost, so its size is why. */
bool nod_search_on_loss(struct nod_env *env, struct nod_tcb *tcb)
{
    uint32_t end;
    struct nod_search *s = probe_of(tcb, &end);
    const struct nod_board *b = &tcb->work->loss.board;
    const struct nod_sent *lost = nod_board_first_lost(b);
    if (!s || !lost || nod_sent_seq(lost) != s->seq || b->lost > end - s->seq) return false;
    if (!resend(env, tcb, s->seq, end)) return false;
    s->high = (uint16_t)(s->probe - 1);
    s->top = false;
    s->lost = 0;
    go_on(env, tcb, GAP_US);
    return true;
}

bool nod_search_on_too_big(struct nod_env *env, struct nod_tcb *tcb, uint32_t mss, uint32_t seq)
{
    uint32_t end;
    struct nod_search *s = probe_of(tcb, &end);
    if (!s || seq != s->seq || mss >= s->probe || seq_lt(seq, tcb->snd.una)) return false;
    resend(env, tcb, s->seq, end);
    s->high = (uint16_t)mss;
    s->top = true;
    s->lost = 0;
    go_on(env, tcb, 0);
    return true;
}
