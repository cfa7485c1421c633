/* How large segments may be: what both ends take, and what the path between them lets through, as
 * far as ICMP says it (RFC 1191, RFC 8201) and may be believed (RFC 5927 section 7). */
#include "tcp/tcb.h"

static void trace(struct nod_env *env, const struct nod_tcb *tcb, uint32_t from, uint32_t to,
                  enum nod_path_news news)
{
    nod_trace *event = nod_tcb_trace(env, tcb, NOD_TRACE_PATH_MTU);
    if (!event) return;
    uint32_t headers = nod_key_headers(&tcb->rec.key);
    event->u.path.from = (uint16_t)min_u32(from + headers, UINT16_MAX);
    event->u.path.to = (uint16_t)min_u32(to + headers, UINT16_MAX);
    event->u.path.news = (uint8_t)news;
}

/* Nothing of that size has been seen to pass yet. */
void nod_mtu_set(struct nod_env *env, struct nod_tcb *tcb, uint32_t mss, enum nod_path_news news)
{
    struct nod_mtu *m = &tcb->rare->mtu;
    uint32_t from = m->cap ? m->path : tcb->mss;
    if (!m->cap) m->cap = tcb->mss;
    m->path = (uint16_t)mss;
    m->claim = 0;
    m->tell = news == NOD_PATH_ICMP;
    tcb->mss = (uint16_t)min_u32(m->cap, mss);
    tcb->flags &= ~(uint32_t)TCB_MSS_PROVEN;
    tcb->work->proof_out = false;
    trace(env, tcb, from, mss, news);
}

static void believe(struct nod_env *env, struct nod_tcb *tcb, uint32_t mss)
{
    nod_usec old = tcb->config->c.path_mtu_raise_us;
    nod_mtu_set(env, tcb, mss, NOD_PATH_ICMP);
    tcb->rare->mtu.search = (struct nod_search){0}; /* it says what a search would find */
    tcb->rare->mtu.raise_at = old == NOD_NEVER ? NOD_NEVER : env->now + old;
}

void nod_mtu_agree(struct nod_tcb *tcb, uint32_t peer_mss)
{
    peer_mss = max_u32(peer_mss, tcb->config->c.mss_min);
    tcb->mss = (uint16_t)min_u32(tcb->mss, peer_mss);
    struct nod_mtu *m = tcb->rare ? &tcb->rare->mtu : NULL;
    if (m && m->cap) m->cap = (uint16_t)min_u32(m->cap, peer_mss);
}

void nod_mtu_look(struct nod_env *env, struct nod_tcb *tcb, uint32_t mss, nod_usec until)
{
    struct nod_mtu *m = tcb->rare ? &tcb->rare->mtu : NULL;
    if (mss < tcb->mss) {
        if (!nod_tcb_rare(env, tcb)) return;
        nod_mtu_set(env, tcb, mss, NOD_PATH_KNOWN);
        tcb->rare->mtu.search = (struct nod_search){0};
        tcb->rare->mtu.raise_at = until;
    } else if (m && m->cap && env->now >= m->raise_at) {
        m->raise_at = until;
        if (mss <= m->path) return;
        if (tcb->config->c.mtu_probing == NOD_MTU_PROBING_OFF)
            nod_mtu_set(env, tcb, mss, NOD_PATH_EXPIRED);
        else
            nod_search_begin(env, tcb, min_u32(m->cap, mss));
    }
}

/* Everything that is out was too big: it goes again, beginning with one segment and with more as
 * ACKs come, while the congestion window stays (RFC 1191 6.4). */
static void resend(struct nod_env *env, struct nod_tcb *tcb)
{
    nod_board_lose_all(&tcb->work->loss.board, false);
    nod_board_forget_news(&tcb->work->loss.board);
    nod_loss_on_too_big(tcb, tcb->snd.nxt);
    tcb->rare->mtu.resend = nod_tcb_mss(tcb);
    nod_timers_on_ack(env, tcb, true); /* what goes again has an RTO of its own */
}

/* RFC 1191 6.4: only what lowers the size in use counts, so that of a burst of messages the first
 * does. RFC 5927 7.2: while no segment of this size has ever passed, the message is likely to be
 * true and waiting would cost a timeout. Later, a forged one is likelier than a new road: it waits
 * until the segment that it speaks of is found lost, or an ACK is overdue. */
bool nod_mtu_on_too_big(struct nod_env *env, struct nod_tcb *tcb, uint32_t mss, uint32_t seq)
{
    if (mss >= tcb->mss) return nod_search_on_too_big(env, tcb, mss, seq);
    if (!nod_tcb_rare(env, tcb)) return false;
    struct nod_mtu *m = &tcb->rare->mtu;
    if (tcb->flags & TCB_MSS_PROVEN) {
        if (m->claim && seq_lt(m->claim_seq, seq)) return true; /* the oldest decides */
        m->claim = (uint16_t)mss;
        m->claim_seq = seq;
        return true;
    }
    believe(env, tcb, mss);
    if (nod_tcb_syn_unacked(tcb))
        tcb->work->syn_due |= seq == tcb->snd.iss;
    else
        resend(env, tcb);
    return true;
}

void nod_mtu_on_sent(struct nod_tcb *tcb, uint32_t seq, uint32_t text)
{
    struct nod_work *w = tcb->work;
    uint32_t mss = nod_tcb_mss(tcb);
    if (text < mss || w->proof_out || tcb->flags & TCB_MSS_PROVEN) return;
    w->proof_out = true;
    w->proof_end = seq + mss;
}

void nod_mtu_on_ack(struct nod_env *env, struct nod_tcb *tcb, uint32_t acked)
{
    struct nod_work *w = tcb->work;
    if (w->proof_out && seq_ge(tcb->snd.una, w->proof_end)) {
        w->proof_out = false;
        tcb->flags |= TCB_MSS_PROVEN;
    }
    struct nod_mtu *m = tcb->rare ? &tcb->rare->mtu : NULL;
    if (!m) return;
    nod_search_on_ack(env, tcb);
    if (m->claim && seq_gt(tcb->snd.una, m->claim_seq)) m->claim = 0; /* it was a lie */
    if (!m->resend) return;
    m->resend += acked;
    if (m->resend >= tcb->cc.cwnd || w->loss.phase != NOD_LOSS_TOO_BIG) m->resend = 0;
}

bool nod_mtu_on_silence(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_mtu *m = tcb->rare ? &tcb->rare->mtu : NULL;
    if (!m || !m->claim) return false;
    believe(env, tcb, m->claim);
    resend(env, tcb);
    return true;
}

bool nod_mtu_on_loss(struct nod_env *env, struct nod_tcb *tcb)
{
    const struct nod_mtu *m = tcb->rare ? &tcb->rare->mtu : NULL;
    const struct nod_sent *run =
        m && m->claim ? nod_board_at(&tcb->work->loss.board, m->claim_seq) : NULL;
    if (run && run->state == NOD_SENT_LOST) return nod_mtu_on_silence(env, tcb);
    return nod_search_on_loss(env, tcb);
}

bool nod_mtu_on_timeout(struct nod_env *env, struct nod_tcb *tcb)
{
    if (tcb->rare) tcb->rare->mtu.resend = 0;
    if (nod_mtu_on_silence(env, tcb)) return true;
    nod_search_on_timeout(env, tcb);
    return false;
}

uint32_t nod_mtu_cwnd(const struct nod_tcb *tcb)
{
    uint32_t cwnd = tcb->cc.cwnd;
    return tcb->rare && tcb->rare->mtu.resend ? min_u32(cwnd, tcb->rare->mtu.resend) : cwnd;
}
