/* Accurate ECN (RFC 9768): the receiver counts marked packets and octets, and says the counters'
 * lowest bits: three in the flags AE, CWR and ECE of every segment, 24 in an option. The sender
 * reconstructs them, and sees to it that neither a lost ACK nor a box in between misleads it. */
#include "tcp/ecn.h"
#include "tcp/tcb.h"

#define AVERAGE_SHIFT 4 /* of acked_average, in sixteenths of a packet */

static struct nod_accecn *accecn(struct nod_tcb *tcb)
{
    return &tcb->rare->accecn;
}

bool nod_accecn_begin(struct nod_env *env, struct nod_tcb *tcb)
{
    struct nod_rare *rare = nod_tcb_rare(env, tcb);
    if (!rare) return false;
    static const struct nod_marks start = {.cep = NOD_CEP_START, .e0b = 1, .e1b = 1};
    rare->accecn =
        (struct nod_accecn){.in = start, .out = start, .said = start, .cep_told = NOD_CEP_START};
    rare->accecn.edge = tcb->snd.iss + 1;
    return true;
}

/* The path changes the IP header's field, or a box the flags: what we send is not worth a mark
 * (3.2.2.3). What is heard still counts. */
static void distrust_path(struct nod_tcb *tcb)
{
    tcb->flags &= ~(uint32_t)TCB_ECT;
}

static void set_option(struct nod_tcp_options *opt, const struct nod_marks *m, uint8_t kind,
                       uint8_t fields)
{
    uint32_t first = kind == NOD_ACCECN0 ? m->e0b : m->e1b;
    uint32_t last = kind == NOD_ACCECN0 ? m->e1b : m->e0b;
    opt->accecn_kind = kind;
    opt->accecn_fields = fields;
    opt->accecn[0] = first & 0xffffff;
    opt->accecn[1] = m->ceb & 0xffffff;
    opt->accecn[2] = last & 0xffffff;
    for (unsigned i = fields; i < 3; i++) opt->accecn[i] = 0;
}

void nod_accecn_first_option(struct nod_tcp_options *opt)
{
    static const struct nod_marks start = {.e0b = 1, .e1b = 1};
    if (nod_tcp_options_size(opt) + nod_tcp_accecn_size(3) <= 40)
        set_option(opt, &start, NOD_ACCECN1, 3);
}

/* The handshake's own feedback. We send SYN and SYN,ACK without ECT: anything else that arrived
 * there was made on the way. */
static void take_reflection(struct nod_env *env, struct nod_tcb *tcb, unsigned ace)
{
    if (ace == nod_ace_of(nod_ecn_reflect(NOD_ECT1)) ||
        ace == nod_ace_of(nod_ecn_reflect(NOD_ECT0)) || ace == nod_ace_of(nod_ecn_reflect(NOD_CE)))
        distrust_path(tcb);
    if (ace == nod_ace_of(nod_ecn_reflect(NOD_CE))) nod_loss_on_ecn(env, tcb, tcb->snd.nxt);
}

/* Options that begin with zeros were zeroed on the way (3.2.3.2.4). */
static void take_first_option(struct nod_tcb *tcb, const struct nod_tcp_options *opt)
{
    struct nod_accecn *a = accecn(tcb);
    a->option_came = opt->accecn_kind;
    if (opt->accecn_fields && !opt->accecn[0]) a->option_bad = true;
    if (opt->accecn_fields == 3 && !opt->accecn[2]) a->option_bad = true;
}

static bool newer_timestamp(struct nod_accecn *a, const struct nod_segment *seg)
{
    if (!seg->h.opt.has_ts) return false;
    bool newer = a->ts_known && seq_gt(seg->h.opt.ts_val, a->ts_seen);
    if (newer || !a->ts_known) a->ts_seen = seg->h.opt.ts_val;
    a->ts_known = true;
    return newer;
}

void nod_accecn_syn_sent(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg)
{
    struct nod_accecn *a = accecn(tcb);
    a->reflect = seg->ecn;
    newer_timestamp(a, seg);
    if (!(seg->h.ctl & NOD_ACK)) return; /* a SYN: its mark is reflected, and not counted */
    take_reflection(env, tcb, nod_ace_of(seg->h.ctl));
    take_first_option(tcb, &seg->h.opt);
    a->repeat = a->option_came ? 2 : 0; /* this ACK, and the first text */
    nod_accecn_reflect(tcb, seg->ecn);
}

void nod_accecn_reflect(struct nod_tcb *tcb, unsigned codepoint)
{
    struct nod_accecn *a = accecn(tcb);
    a->reflect = (uint8_t)codepoint;
    tcb->flags |= TCB_REFLECT;
    if (codepoint == NOD_CE) a->in.cep = NOD_CEP_START + 1; /* once, however many came (3.2.2.2) */
}

/* RFC 9768 section 3.2.2.5.1: an ACK when marks begin, and for every second one; of ACKs that
 * come marked every third. What arrives as one batch is one event, with one ACK. */
static void acknowledge_marks(struct nod_tcb *tcb, const struct nod_segment *seg, bool begins)
{
    struct nod_accecn *a = accecn(tcb);
    bool text = seg->payload || tcb->work->unacked_in;
    a->unsaid = (uint8_t)min_u32(a->unsaid + seg->packets, UINT8_MAX);
    if (!(begins && seg->payload) && a->unsaid < (text ? 2 : 3)) return;
    if (!text && !tcb->work->ack_why) a->ack_of_ack = true;
    nod_tcb_ack_now(tcb, NOD_WHY_ACK_MARKED);
}

void nod_accecn_arrives(struct nod_tcb *tcb, const struct nod_segment *seg)
{
    struct nod_accecn *a = accecn(tcb);
    bool begins = seg->ecn == NOD_CE && a->last != NOD_CE;
    a->last = seg->ecn;
    if (seg->payload) a->ack_of_ack = false;
    if (seg->payload) a->came_again = 0;
    switch ((enum nod_codepoint)seg->ecn) {
    case NOD_NOT_ECT: return;
    case NOD_ECT1: a->in.e1b += seg->payload; break;
    case NOD_ECT0: a->in.e0b += seg->payload; break;
    case NOD_CE:
        a->in.cep += seg->packets;
        a->in.ceb += seg->payload;
        acknowledge_marks(tcb, seg, begins);
        break;
    }
    if (!seg->payload) return;
    /* A counter that has changed is said once, and twice when another one did before it. */
    uint8_t times = seg->ecn == a->counted ? 1 : 2;
    if (a->repeat < times) a->repeat = times;
    a->counted = seg->ecn;
}

void nod_accecn_duplicate(struct nod_tcb *tcb)
{
    /* What was acknowledged with an option comes again, and again: such ACKs do not get through
     * (3.2.3.2.2). */
    struct nod_accecn *a = accecn(tcb);
    if (a->option_in_ack && ++a->came_again >= 2) a->option_off = true;
}

void nod_accecn_timeout(struct nod_tcb *tcb)
{
    struct nod_accecn *a = accecn(tcb);
    if (!a->option_passed && seq_lt(tcb->snd.una, a->option_end)) a->option_off = true;
}

/* How many fields, from the front, hold all that has changed. */
static uint8_t fields_needed(const struct nod_accecn *a, uint8_t kind)
{
    bool first = kind == NOD_ACCECN0 ? a->in.e0b != a->said.e0b : a->in.e1b != a->said.e1b;
    bool last = kind == NOD_ACCECN0 ? a->in.e1b != a->said.e1b : a->in.e0b != a->said.e0b;
    return last ? 3 : a->in.ceb != a->said.ceb ? 2 : first;
}

/* As much as fits beside two SACK blocks, which go first (3.2.3.3). */
static void add_option(const struct nod_tcb *tcb, struct nod_tcp_options *opt)
{
    const struct nod_accecn *a = &tcb->rare->accecn;
    uint32_t room = 40 - (opt->has_ts ? 12 : 0) - (opt->has_uto ? 4 : 0);
    uint32_t blocks = min_u32(opt->sack_count, 2);
    uint32_t left = room - (blocks ? 4 + 8 * blocks : 0);
    uint8_t fields = left >= nod_tcp_accecn_size(3) ? 3 : 2;
    if (left < nod_tcp_accecn_size(2)) return;
    uint8_t kind = NOD_ACCECN1;
    if (fields_needed(a, kind) > fields) kind = NOD_ACCECN0;
    if (fields_needed(a, kind) > fields) return;
    set_option(opt, &a->in, kind, fields);
    left = room - nod_tcp_accecn_size(fields);
    if (opt->sack_count) opt->sack_count = (uint8_t)min_u32(opt->sack_count, (left - 4) / 8);
}

/* When a counter has changed; and three times in a round trip, where options are known to pass, so
 * that an ACK that is lost costs little. */
static bool option_is_due(const struct nod_env *env, const struct nod_tcb *tcb)
{
    const struct nod_accecn *a = &tcb->rare->accecn;
    if (a->option_off || !tcb->config->c.accecn_option) return false;
    if (a->repeat) return true;
    return a->option_came && !a->option_bad && tcb->srtt_us &&
           3 * (env->now - a->said_at) >= tcb->srtt_us;
}

void nod_accecn_leaves(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    if (accecn(tcb)->ack_of_ack) out->h.opt.sack_count = 0;
    if (option_is_due(env, tcb)) add_option(tcb, &out->h.opt);
}

uint32_t nod_accecn_fit(struct nod_out *out, uint32_t len, uint32_t mss, uint32_t behind)
{
    if (!out->h.opt.accecn_kind) return len;
    uint32_t room = mss - (uint32_t)nod_tcp_accecn_size(out->h.opt.accecn_fields);
    bool fits = len <= (len + mss - 1) / mss * room;
    /* It may be cut where much waits behind it, or no segment more comes of it. */
    uint32_t all = len + behind;
    bool cut = len >= mss && (behind >= mss || all <= (all + mss - 1) / mss * room);
    bool alone = !out->h.opt.sack_count && !out->h.opt.has_uto;
    if (!out->retransmission && alone && (fits || cut)) return fits ? len : len - len % room;
    out->h.opt.accecn_kind = 0;
    return len;
}

void nod_accecn_left(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out)
{
    struct nod_accecn *a = accecn(tcb);
    bool bare = !out->text && !(out->h.ctl & NOD_FIN) && !out->h.opt.sack_count;
    if (tcb->flags & TCB_REFLECT && bare) /* table 3 */
        out->h.ctl = (uint16_t)((out->h.ctl & ~NOD_ECN_FLAGS) | nod_ecn_reflect(a->reflect));
    tcb->flags &= ~(uint32_t)TCB_REFLECT;
    if (tcb->flags & TCB_ECT && tcb->config->c.ecn_control) out->ecn = NOD_ECT0;
    a->unsaid = 0;
    a->ack_of_ack = false;
    a->option_in_ack = out->h.opt.accecn_kind;
    if (!out->h.opt.accecn_kind) return;
    a->said = a->in;
    a->said_at = env->now;
    a->repeat -= a->repeat > 0;
    if (out->text) a->option_end = out->h.seq + out->text;
}

/* Has the peer seen anything since the last feedback? Else this may be older than that (A.1).
 * Returns how many packets, about; or 0. */
static uint32_t news(struct nod_tcb *tcb, const struct nod_segment *seg, bool later)
{
    struct nod_accecn *a = accecn(tcb);
    uint32_t edge = seg->h.ack, mss = nod_tcb_mss(tcb);
    for (unsigned i = 0; i < seg->h.opt.sack_count; i++) {
        uint32_t right = seg->h.opt.sack[i][1];
        if (seq_le(right, tcb->snd.nxt)) edge = seq_max(edge, right);
    }
    uint32_t packets = 0;
    if (seq_gt(edge, a->edge)) {
        packets = (edge - a->edge + mss - 1) / mss;
        a->edge = edge;
    }
    if (!packets && (later || seq_gt(seg->h.ack, tcb->snd.una))) packets = 1;
    return packets;
}

static uint32_t advance(uint32_t *counter, uint32_t low24)
{
    uint32_t by = (low24 - *counter) & 0xffffff;
    *counter += by;
    return by;
}

/* Returns by how much the octets that were marked have grown. */
static uint32_t take_option(struct nod_accecn *a, const struct nod_tcp_options *opt)
{
    bool order0 = opt->accecn_kind == NOD_ACCECN0;
    if (opt->accecn_fields > 0) advance(order0 ? &a->out.e0b : &a->out.e1b, opt->accecn[0]);
    if (opt->accecn_fields > 2) advance(order0 ? &a->out.e1b : &a->out.e0b, opt->accecn[2]);
    return opt->accecn_fields > 1 ? advance(&a->out.ceb, opt->accecn[1]) : 0;
}

/* How many more packets were marked: what three bits say, or eight more where so many were
 * acknowledged at once that they may have gone round, unless the octets tell otherwise, or the
 * peer always acknowledges so many (A.2). */
static uint32_t marked_packets(const struct nod_accecn *a, unsigned ace, uint32_t packets,
                               bool option, uint32_t octets, uint32_t mss)
{
    uint32_t least = (ace - a->out.cep) & 7;
    if (packets < 8 || least > packets || a->acked_average > 4 << AVERAGE_SHIFT) return least;
    uint32_t safe = packets - ((packets - least) & 7);
    if (option && octets <= mss * least && octets / max_u32(safe, 1) < mss / 2) return least;
    return safe;
}

static void average(struct nod_accecn *a, uint32_t packets)
{
    uint32_t now = min_u32(packets, 1000) << AVERAGE_SHIFT;
    a->acked_average =
        (uint16_t)(a->acked_average ? (7 * (uint32_t)a->acked_average + now) / 8 : now);
}

/* Table 4. The peer does not count marks, or a box wipes the flags out: then there is nothing to
 * mark for, and nothing to believe. */
static void opening_ack(struct nod_env *env, struct nod_tcb *tcb, unsigned ace)
{
    struct nod_accecn *a = accecn(tcb);
    if (ace == 0) {
        distrust_path(tcb);
        a->deaf = true;
        return;
    }
    if (ace == nod_ace_of(nod_ecn_reflect(NOD_CE))) a->out.cep = NOD_CEP_START + 1;
    take_reflection(env, tcb, ace);
}

/* The ACE field of the first segment after the handshake is never zero, unless somebody zeroed it
 * (3.2.2.4). */
static void first_count(struct nod_tcb *tcb, unsigned ace)
{
    struct nod_accecn *a = accecn(tcb);
    if (a->heard) return;
    a->heard = true;
    if (ace) return;
    distrust_path(tcb);
    a->deaf = true;
}

void nod_accecn_feedback(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                         bool opens)
{
    struct nod_accecn *a = accecn(tcb);
    unsigned ace = nod_ace_of(seg->h.ctl);
    bool bare = !seg->payload && !seg->h.opt.sack_count && !(seg->h.ctl & NOD_FIN);
    bool later = newer_timestamp(a, seg);
    if (opens) take_first_option(tcb, &seg->h.opt);
    if (opens && a->option_came) a->repeat = 1;
    if (opens && bare) {
        opening_ack(env, tcb, ace);
        return;
    }
    /* The handshake's last ACK once more: what it has in the flags is no count. */
    bool passive = !(tcb->flags & TCB_ACTIVE);
    if (passive && bare && seg->h.ack == tcb->snd.iss + 1 && !later) return;
    first_count(tcb, ace);
    uint32_t packets = news(tcb, seg, later);
    if (!packets) return;
    bool option = seg->h.opt.accecn_kind && !a->option_bad;
    if (option) a->option_came = true;
    if (seq_ge(seg->h.ack, a->option_end)) a->option_passed = true;
    uint32_t octets = option ? take_option(a, &seg->h.opt) : 0;
    average(a, packets);
    uint32_t marked = marked_packets(a, ace, packets, option, octets, nod_tcb_mss(tcb));
    a->out.cep += marked;
    /* Octets were marked, and no packets: somebody wipes the flags (3.2.3.2.5). */
    if (octets && a->out.cep == a->cep_told && packets < 8) distrust_path(tcb);
    if (option) a->cep_told = a->out.cep;
    if (!marked) tcb->work->holds = 0;
    if (marked && !a->deaf) nod_loss_on_ecn(env, tcb, seg->h.ack);
}
