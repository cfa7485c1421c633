/* Explicit congestion notification: the agreement on it, and the classic kind (RFC 3168). The
 * receiver says ECE from the first marked segment of text until the sender says CWR; the sender
 * treats ECE as one loss in a window. Accurate ECN's counting is in accecn.c. */
#include "tcp/ecn.h"

#include "tcp/tcb.h"

enum nod_ecn nod_ecn_of_syn(unsigned ctl, enum nod_ecn most)
{
    static const unsigned setup = NOD_CWR | NOD_ECE;
    switch (most) {
    case NOD_ECN_NONE: break;
    case NOD_ECN_CLASSIC: return (ctl & setup) == setup ? NOD_ECN_CLASSIC : NOD_ECN_NONE;
    case NOD_ECN_ACCURATE:
        /* All combinations but two are Accurate ECN's, or will be (RFC 9768 3.1.3). */
        if (!(ctl & NOD_ECN_FLAGS)) return NOD_ECN_NONE;
        return (ctl & NOD_ECN_FLAGS) == setup ? NOD_ECN_CLASSIC : NOD_ECN_ACCURATE;
    }
    return NOD_ECN_NONE;
}

enum nod_ecn nod_ecn_of_syn_ack(unsigned ctl, enum nod_ecn asked)
{
    /* Both flags of RFC 3168, or all three, are but a mirror of what we sent (3168 6.1.1.2). */
    switch (asked) {
    case NOD_ECN_NONE: break;
    case NOD_ECN_CLASSIC:
        return (ctl & (NOD_CWR | NOD_ECE)) == NOD_ECE ? NOD_ECN_CLASSIC : NOD_ECN_NONE;
    case NOD_ECN_ACCURATE:
        switch (nod_ace_of(ctl)) {
        case 0:
        case 7: return NOD_ECN_NONE;
        case 1: return NOD_ECN_CLASSIC;
        }
        return NOD_ECN_ACCURATE;
    }
    return NOD_ECN_NONE;
}

uint16_t nod_ecn_asks(enum nod_ecn what)
{
    switch (what) {
    case NOD_ECN_NONE: break;
    case NOD_ECN_CLASSIC: return NOD_CWR | NOD_ECE;
    case NOD_ECN_ACCURATE: return NOD_ECN_FLAGS;
    }
    return 0;
}

uint16_t nod_ecn_reflect(unsigned codepoint)
{
    static const uint8_t ace[] = {[NOD_NOT_ECT] = 2, [NOD_ECT1] = 3, [NOD_ECT0] = 4, [NOD_CE] = 6};
    return nod_ace_flags(ace[codepoint & 3]);
}

uint16_t nod_ecn_answers(enum nod_ecn mode, unsigned syn)
{
    switch (mode) {
    case NOD_ECN_NONE: break;
    case NOD_ECN_CLASSIC: return NOD_ECE;
    case NOD_ECN_ACCURATE: return nod_ecn_reflect(syn);
    }
    return 0;
}

/* The first SYN decides (RFC 9768 3.1.5); later ones can only make us cautious. */
bool nod_ecn_record_syn(uint8_t *record, bool first, const struct nod_segment *syn,
                        enum nod_ecn most)
{
    enum nod_ecn asks = nod_ecn_of_syn(syn->h.ctl, most);
    if (first) *record = (uint8_t)asks;
    if (asks != NOD_ECN_NONE && nod_ecn_record_mode(*record) != NOD_ECN_NONE &&
        asks != nod_ecn_record_mode(*record))
        return false;
    if (!first) *record |= ECN_RECORD_AGAIN;
    if (asks == NOD_ECN_NONE) *record |= ECN_RECORD_PLAIN;
    *record = (uint8_t)((*record & ~ECN_RECORD_CODEPOINT) | (syn->ecn & 3) << 2);
    return true;
}

/* When the answer seems to get lost, the option is the first to be left out, the flags the next
 * (RFC 9768 3.2.3.2.2). A SYN without ECN is answered without RFC 3168's, but with RFC 9768's. */
void nod_ecn_record_answer(uint8_t *record, unsigned retransmits, const nod_tcp_config *config,
                           struct nod_reply *reply)
{
    enum nod_ecn mode = nod_ecn_record_mode(*record);
    if (mode == NOD_ECN_NONE) return;
    bool accurate = mode == NOD_ECN_ACCURATE;
    if (accurate && retransmits > 1) *record |= ECN_RECORD_PLAIN;
    if (accurate ? retransmits > 1 : *record & ECN_RECORD_PLAIN) return;
    reply->ctl |= nod_ecn_answers(mode, *record >> 2);
    if (accurate && !retransmits && !(*record & ECN_RECORD_AGAIN) && config->accecn_option)
        nod_accecn_first_option(&reply->opt);
}

bool nod_ecn_agree(struct nod_env *env, struct nod_tcb *tcb, enum nod_ecn mode, bool may_mark)
{
    switch (mode) {
    case NOD_ECN_NONE: return true;
    case NOD_ECN_CLASSIC: tcb->flags |= TCB_ECN; break;
    case NOD_ECN_ACCURATE:
        if (!nod_accecn_begin(env, tcb)) return false;
        tcb->flags |= TCB_ACCECN;
        break;
    }
    if (may_mark) tcb->flags |= TCB_ECT;
    return true;
}

/* Our own end of an active OPEN: the SYN,ACK, or the SYN of one who opens too and is answered as
 * by a passive end. A SYN that asked for nothing forbids ECT to RFC 3168, not to RFC 9768. */
bool nod_ecn_syn_sent(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg)
{
    const nod_tcp_config *c = &tcb->config->c;
    enum nod_ecn asked = (enum nod_ecn)c->ecn_request, mode;
    bool plain = tcb->flags & TCB_PLAIN_SYN;
    if (seg->h.ctl & NOD_ACK) {
        mode = nod_ecn_of_syn_ack(seg->h.ctl, asked);
    } else {
        enum nod_ecn accepted = (enum nod_ecn)c->ecn_accept;
        mode = nod_ecn_of_syn(seg->h.ctl, accepted > asked ? accepted : asked);
    }
    if (!nod_ecn_agree(env, tcb, mode, mode == NOD_ECN_ACCURATE || !plain)) return false;
    if (mode == NOD_ECN_ACCURATE) nod_accecn_syn_sent(env, tcb, seg);
    return true;
}

uint16_t nod_ecn_syn_flags(struct nod_tcb *tcb)
{
    const struct nod_work *w = tcb->work;
    enum nod_ecn asks = (enum nod_ecn)tcb->config->c.ecn_request;
    if (asks == NOD_ECN_NONE) return 0;
    /* One more try, and then without (RFC 3168 6.1.1.1, RFC 9768 3.1.4.1). */
    if (w->retransmits > 1) tcb->flags |= TCB_PLAIN_SYN;
    return tcb->flags & TCB_PLAIN_SYN ? 0 : nod_ecn_asks(asks);
}

/* After a simultaneous open. */
void nod_ecn_answer(struct nod_tcb *tcb, struct nod_out *out)
{
    bool again = tcb->work->retransmits > 0;
    if (tcb->flags & TCB_ECN) out->h.ctl |= NOD_ECE;
    if (!(tcb->flags & TCB_ACCECN)) return;
    out->h.ctl |= nod_ecn_answers(NOD_ECN_ACCURATE, tcb->rare->accecn.reflect);
    if (!again && tcb->config->c.accecn_option) nod_accecn_first_option(&out->h.opt);
}

bool nod_ecn_try_without(struct nod_tcb *tcb)
{
    if (tcb->config->c.ecn_request == NOD_ECN_NONE || tcb->flags & TCB_PLAIN_SYN) return false;
    tcb->flags |= TCB_PLAIN_SYN;
    tcb->work->syn_due = true;
    return true;
}

/* RFC 3168 section 6.1.3, as receiver of text. The sender's window may be so small that it waits
 * for our word: a change of it is said at once. */
static void classic_arrives(struct nod_tcb *tcb, const struct nod_segment *seg)
{
    if (!seg->payload) return;
    if (seg->h.ctl & NOD_CWR && tcb->flags & TCB_ECE) {
        tcb->flags &= ~(uint32_t)TCB_ECE;
        nod_tcb_ack_now(tcb, NOD_WHY_ACK_MARKED);
    }
    if (seg->ecn == NOD_CE && !(tcb->flags & TCB_ECE)) {
        tcb->flags |= TCB_ECE;
        nod_tcb_ack_now(tcb, NOD_WHY_ACK_MARKED);
    }
}

void nod_ecn_arrives(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                     bool opens)
{
    if (seg->ecn != NOD_NOT_ECT) tcb->flags |= TCB_ECN_SEEN;
    if (seg->h.ctl & NOD_SYN) { /* its flags are no count, and no echo */
        if (!opens || !(tcb->flags & TCB_ACCECN)) return;
        nod_accecn_syn_sent(env, tcb, seg);
        nod_tcb_ack_now(tcb, NOD_WHY_ACK_HANDSHAKE); /* which says how the SYN,ACK came */
        return;
    }
    if (tcb->flags & TCB_ACCECN) {
        nod_accecn_arrives(tcb, seg);
        nod_accecn_feedback(env, tcb, seg, opens);
        return;
    }
    classic_arrives(tcb, seg);
    if (seg->h.ctl & NOD_ECE && !opens)
        nod_loss_on_ecn(env, tcb, seg->h.ack);
    else
        tcb->work->holds = 0;
}

uint8_t nod_tcb_ace(const struct nod_tcb *tcb)
{
    if (tcb->flags & TCB_ACCECN) return tcb->rare->accecn.in.cep & 7;
    return tcb->flags & TCB_ECN && tcb->flags & TCB_ECE ? 1 : 0;
}

void nod_ecn_leaves(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    out->h.ctl |= nod_ace_flags(nod_tcb_ace(tcb));
    if (tcb->flags & TCB_ACCECN) nod_accecn_leaves(env, tcb, out);
}

/* ECT only on text that is new, and no window probe (RFC 3168 6.1.4 to 6.1.6). CWR goes with the
 * first such segment after the window was reduced (6.1.2). */
void nod_ecn_text_leaves(struct nod_tcb *tcb, struct nod_out *out)
{
    if (out->retransmission || !out->text || out->why == NOD_WHY_WINDOW_PROBE) return;
    if (tcb->flags & TCB_ECT) out->ecn = NOD_ECT0;
    if (!(tcb->flags & TCB_CWR)) return;
    out->h.ctl |= NOD_CWR;
    tcb->flags &= ~(uint32_t)TCB_CWR;
}
