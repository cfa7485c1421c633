#include "narrate.h"

static const nod_trace_segment no_segment;

static uint32_t length_of(const nod_trace_segment *seg)
{
    return seg->len + ((seg->ctl & NOD_SYN) != 0) + ((seg->ctl & NOD_FIN) != 0);
}

/* The numbers that a person is to see. The sender's stack knows them, but one that answers
 * for no connection does not: then those of the end that gets the answer. */
static void find_numbers(struct ladder_row *row)
{
    const nod_trace_segment *seg = row_segment(row);
    if (seg == NULL) return;
    if ((seg->ctl & NOD_RST) != 0 && row->arrive != NULL &&
        row->arrive->trace.type == NOD_TRACE_SEGMENT_IN)
        seg = &row->arrive->trace.u.segment;
    row->seq = seg->rel_seq;
    row->ack = (seg->ctl & NOD_ACK) != 0 ? seg->rel_ack : 0;
}

static enum sentence_key cause_of_syn(const struct flow *out, const nod_trace_segment *seg,
                                      bool again)
{
    if ((seg->ctl & NOD_ACK) == 0) return again ? S_SYN_AGAIN : S_SYN;
    if (out->syn_alone) return S_SYNACK_CROSS;
    return again ? S_SYNACK_AGAIN : S_SYNACK;
}

static enum sentence_key cause_of_fin(const struct flow *in, const nod_trace_segment *seg,
                                      uint32_t ack, bool again)
{
    if (again) return S_FIN_AGAIN;
    if (seg->len > 0) return S_DATA_FIN;
    if (in->fin && in->got > in->fin_at && in->acked <= in->fin_at && ack > in->fin_at)
        return S_FIN_WITH_ACK;
    return in->fin && in->got > in->fin_at ? S_FIN_SECOND : S_FIN;
}

static bool timer_ran(const struct ladder_end *end)
{
    for (int i = 0; i < end->act_count; i++) {
        if (end->acts[i]->kind == LADDER_TIMER) return true;
    }
    return false;
}

static enum sentence_key cause_of_data(struct flow *out, const struct ladder_row *row,
                                       const nod_trace_segment *seg, bool again)
{
    if (seg->why == NOD_WHY_WINDOW_PROBE && seg->len == 1) return again ? S_PROBE_AGAIN : S_PROBE;
    if (out->was_shut) {
        out->was_shut = false;
        return S_DATA_RESUMES;
    }
    if (seg->why == NOD_WHY_RETRANSMIT_TOO_BIG && again) return S_DATA_AGAIN_SMALLER;
    if (seg->why == NOD_WHY_MTU_PROBE) return S_MTU_PROBE;
    if (seg->why == NOD_WHY_LOSS_PROBE) return again ? S_LOSS_PROBE_AGAIN : S_LOSS_PROBE;
    if (seg->why == NOD_WHY_RETRANSMIT_FAST) {
        bool known = out->recovering;
        if (!known) out->recover = out->next;
        out->recovering = true;
        if (timer_ran(&row->end[row->from])) return S_DATA_AGAIN_LATE;
        return known ? S_DATA_AGAIN_NEXT : S_DATA_AGAIN_FAST;
    }
    if (again) return timer_ran(&row->end[row->from]) ? S_DATA_AGAIN : S_DATA_AGAIN_AFTER;
    if (out->heard < row->seq) {
        bool streams = out->streams;
        out->streams = true;
        return streams ? S_DATA_NEXT : S_DATA_MORE;
    }
    out->streams = false;
    return seg->len == 1 ? S_DATA_ONE : S_DATA;
}

static enum sentence_key cause_of_rst(const struct ladder_row *row, const nod_trace_segment *seg)
{
    switch ((enum nod_why)seg->why) {
    case NOD_WHY_RST_ABORT: return S_RST_ABORT;
    case NOD_WHY_RST_BAD_ACK:
        if (row->origin->trace.state == NOD_LISTEN || row->origin->trace.state == NOD_CLOSED)
            return S_RST_STALE;
        return S_RST_BAD_ACK;
    case NOD_WHY_RST_NO_READER: return S_RST_NO_READER;
    case NOD_WHY_RST_TIMEOUT: return S_RST_TIMEOUT;
    case NOD_WHY_RST_NO_CONNECTION:
        return (seg->ctl & NOD_ACK) != 0 && row->ack <= 1 ? S_RST_NOBODY : S_RST_STALE;
    case NOD_WHY_OPEN:
    case NOD_WHY_DATA:
    case NOD_WHY_FIN:
    case NOD_WHY_ACK_HANDSHAKE:
    case NOD_WHY_ACK_SECOND:
    case NOD_WHY_ACK_DELAYED:
    case NOD_WHY_ACK_AT_ONCE:
    case NOD_WHY_ACK_DUPLICATE:
    case NOD_WHY_ACK_FIN:
    case NOD_WHY_ACK_CHALLENGE:
    case NOD_WHY_WINDOW_UPDATE:
    case NOD_WHY_WINDOW_PROBE:
    case NOD_WHY_RETRANSMIT_TIMEOUT:
    case NOD_WHY_RETRANSMIT_FAST:
    case NOD_WHY_RETRANSMIT_TOO_BIG:
    case NOD_WHY_MTU_PROBE:
    case NOD_WHY_LOSS_PROBE:
    case NOD_WHY_KEEPALIVE:
    case NOD_WHY_ACK_TIME_WAIT:
    case NOD_WHY_ACK_MARKED:
    case NOD_WHY_COUNT: break;
    }
    return S_RST_STALE;
}

/* An ACK that moves the stream forward, or shuts the window, says that before all else. */
static enum sentence_key cause_of_progress(const struct flow *in, uint32_t ack, uint32_t window)
{
    if (window == 0) return ack > in->acked ? S_ACK_SHUT : S_ACK_STILL_SHUT;
    if (in->shut && window > 0) return S_WINDOW;
    if (in->ack_lost && ack > in->acked && in->range_count == 0) return S_ACK_AFTER_LOST;
    if (flow_answered(in, ack) > 2 && ack > in->acked && in->range_count == 0) return S_ACK_MANY;
    return S_NONE;
}

static enum sentence_key cause_of_fin_ack(uint8_t state)
{
    if (state == NOD_TIME_WAIT) return S_ACK_FIN_LAST;
    if (state == NOD_CLOSING) return S_ACK_FIN_CROSS;
    return S_ACK_FIN;
}

static enum sentence_key cause_of_ack(const struct flow *in, const struct ladder_row *row,
                                      const nod_trace_segment *seg)
{
    enum sentence_key key;
    uint8_t state = row->origin->trace.state;
    switch ((enum nod_why)seg->why) {
    case NOD_WHY_ACK_HANDSHAKE: return S_ACK_OPENS;
    case NOD_WHY_ACK_CHALLENGE: return S_CHALLENGE;
    case NOD_WHY_ACK_TIME_WAIT: return S_ACK_TIME_WAIT;
    case NOD_WHY_KEEPALIVE: return S_KEEPALIVE;
    case NOD_WHY_WINDOW_PROBE: return S_PROBE;
    case NOD_WHY_OPEN:
    case NOD_WHY_DATA:
    case NOD_WHY_FIN:
    case NOD_WHY_RETRANSMIT_TIMEOUT:
    case NOD_WHY_RETRANSMIT_FAST:
    case NOD_WHY_RETRANSMIT_TOO_BIG:
    case NOD_WHY_MTU_PROBE:
    case NOD_WHY_LOSS_PROBE:
    case NOD_WHY_RST_ABORT:
    case NOD_WHY_RST_NO_CONNECTION:
    case NOD_WHY_RST_BAD_ACK:
    case NOD_WHY_RST_NO_READER:
    case NOD_WHY_RST_TIMEOUT:
    case NOD_WHY_COUNT: return S_OTHER;
    case NOD_WHY_ACK_FIN:
    case NOD_WHY_ACK_SECOND:
    case NOD_WHY_ACK_DELAYED:
    case NOD_WHY_ACK_AT_ONCE:
    case NOD_WHY_ACK_DUPLICATE:
    case NOD_WHY_ACK_MARKED:
    case NOD_WHY_WINDOW_UPDATE: break;
    }
    if (in->fin && row->ack > in->fin_at)
        return in->acked > in->fin_at ? S_ACK_DUPLICATE : cause_of_fin_ack(state);
    key = cause_of_progress(in, row->ack, seg->wnd_bytes);
    if (key != S_NONE) return key;
    if (seg->why == NOD_WHY_ACK_MARKED) return S_ACK_MARKED;
    if (in->range_count > 0) return S_ACK_GAP;
    if (row->ack <= in->acked)
        return seg->why == NOD_WHY_WINDOW_UPDATE ? S_WINDOW : S_ACK_DUPLICATE;
    if (seg->why == NOD_WHY_ACK_DELAYED) return S_ACK_DELAYED;
    return flow_answered(in, row->ack) == 2 ? S_ACK_TWO : S_ACK;
}

static void note_ack_sent(struct flow *in, const nod_trace_segment *seg, uint32_t ack)
{
    flow_answer(in, ack);
    in->shut = seg->wnd_bytes == 0;
    in->told_window = seg->wnd_bytes;
}

/* A new SYN begins a new conversation; but one that crosses the other's belongs to it. */
static void begin_anew(struct flow *out, struct flow *in)
{
    *out = (struct flow){0};
    if (in->acked > 0) *in = (struct flow){0};
}

static void narrate_departure(struct narrator *n, struct ladder_row *row)
{
    const nod_trace_segment *seg = row_segment(row);
    struct flow *out = &n->flow[row->from], *in = &n->flow[!row->from];
    struct sentence *s = &row->sentence;
    nod_usec now = row->depart->trace.time;
    uint32_t len = length_of(seg);
    bool again = false;

    if ((seg->ctl & NOD_SYN) != 0 && !seg->retransmission && seg->why == NOD_WHY_OPEN &&
        (seg->ctl & NOD_ACK) == 0)
        begin_anew(out, in);
    bool asks = seg->why == NOD_WHY_KEEPALIVE; /* its octet, if any, is none of the stream's */
    if (len > 0 && (seg->ctl & NOD_RST) == 0 && !asks)
        again = flow_sent(out, row->seq, len, seg->len > 0, now, s) || seg->retransmission;
    if ((seg->ctl & NOD_RST) != 0) {
        s->cause = cause_of_rst(row, seg);
    } else if ((seg->ctl & NOD_SYN) != 0) {
        s->cause = cause_of_syn(out, seg, again);
    } else if ((seg->ctl & NOD_FIN) != 0) {
        s->cause = cause_of_fin(in, seg, row->ack, again);
    } else if (seg->len > 0 && !asks) {
        s->cause = cause_of_data(out, row, seg, again);
    } else {
        s->cause = cause_of_ack(in, row, seg);
        if (s->cause == S_ACK_TIME_WAIT && n->stray[row->from]) s->cause = S_ACK_STRAY;
        s->n = flow_answered(in, row->ack);
        s->waited = now - in->unanswered_since;
    }
    row->again = again && s->cause != S_SYNACK_CROSS && s->cause != S_DATA_RESUMES;
    if ((seg->ctl & NOD_SYN) != 0) {
        out->syn = true;
        out->syn_alone |= (seg->ctl & NOD_ACK) == 0;
    }
    if ((seg->ctl & NOD_FIN) != 0) {
        out->fin = true;
        out->fin_at = row->seq + seg->len;
    }
    if ((seg->ctl & NOD_ACK) != 0 && (seg->ctl & NOD_RST) == 0) note_ack_sent(in, seg, row->ack);
}

static enum sentence_key fate_of(const struct ladder_row *row, const nod_trace_segment *seg)
{
    unsigned fate = row->depart != NULL ? row->depart->fate : 0;
    if ((fate & NOD_FATE_QUEUE_FULL) != 0) return S_QUEUE;
    if ((fate & NOD_FATE_DOWN) != 0) return S_DOWN;
    if ((fate & NOD_FATE_TOO_BIG) != 0) return S_TOO_BIG;
    if ((fate & NOD_FATE_LOST) == 0) return S_NONE;
    if ((seg->ctl & (NOD_SYN | NOD_ACK)) == NOD_SYN) return S_LOST_SYN;
    if (row->sentence.cause == S_ACK_FIN_LAST || row->sentence.cause == S_ACK_TIME_WAIT)
        return S_LOST_LAST_ACK;
    return (seg->ctl & ~NOD_PSH) == NOD_ACK && seg->len == 0 ? S_LOST_ACK : S_LOST;
}

static bool is_open(uint8_t state)
{
    return state == NOD_ESTABLISHED || state == NOD_FIN_WAIT_1 || state == NOD_FIN_WAIT_2 ||
           state == NOD_CLOSE_WAIT || state == NOD_CLOSING || state == NOD_LAST_ACK;
}

static enum sentence_key effect_of_drop(struct ladder_row *row, const nod_trace_segment *seg)
{
    enum nod_drop reason = (enum nod_drop)row->end[!row->from].drop->trace.u.drop.reason;
    row->sentence.drop = (int)reason;
    if (reason == NOD_DROP_TCP_CHECKSUM || reason == NOD_DROP_IP_CHECKSUM) return S_DAMAGED;
    /* A RST follows, and says it all. */
    if (reason == NOD_DROP_NO_CONNECTION && (seg->ctl & NOD_SYN) != 0) return S_NONE;
    if (reason == NOD_DROP_ACK && row->end[!row->from].before == NOD_SYN_SENT) return S_NONE;
    if (reason == NOD_DROP_NO_CONNECTION || reason == NOD_DROP_LISTEN) return S_NOBODY;
    if ((seg->ctl & NOD_SYN) != 0 && is_open(row->end[!row->from].before)) return S_NOT_BELIEVED;
    if (row->end[!row->from].before == NOD_TIME_WAIT) {
        if ((seg->ctl & NOD_RST) != 0) return S_WAIT_GOES_ON;
        return (seg->ctl & NOD_FIN) != 0 ? S_FIN_REPEATED : S_STRAY;
    }
    if ((reason == NOD_DROP_DUPLICATE || reason == NOD_DROP_SEQUENCE) && seg->len > 0)
        return S_HAD_IT;
    return S_DROPPED;
}

static enum sentence_key effect_of_edge(const struct narrator *n, const struct ladder_row *row)
{
    const struct ladder_end *end = &row->end[!row->from];
    bool crossed = n->flow[LEFT].syn_alone && n->flow[RIGHT].syn_alone;
    if (!end->changed) return S_NONE;
    switch ((enum nod_state)end->after) {
    case NOD_SYN_RECEIVED: return end->before == NOD_SYN_SENT ? S_SYN_CROSSED : S_NONE;
    case NOD_ESTABLISHED:
        if (crossed) return S_OPEN_CROSSED;
        return end->before == NOD_SYN_SENT ? S_OPEN_ACTIVE : S_OPEN_PASSIVE;
    case NOD_CLOSE_WAIT: return S_CLOSES_HALF;
    case NOD_FIN_WAIT_2: return S_FIN_ACKED;
    case NOD_CLOSING: return S_FIN_CROSSED;
    case NOD_TIME_WAIT:
        if (end->before == NOD_CLOSING) return S_TIME_WAIT_CROSSED;
        return end->before == NOD_FIN_WAIT_1 ? S_TIME_WAIT_THREE : S_TIME_WAIT;
    case NOD_CLOSED:
        if (end->before == NOD_LAST_ACK) return S_LAST_CLOSED;
        if (row->sentence.cause == S_RST_BAD_ACK || row->sentence.cause == S_RST_STALE)
            return S_CLEARED;
        return end->before == NOD_SYN_SENT ? S_REFUSED : S_RESET;
    case NOD_LISTEN:
    case NOD_SYN_SENT:
    case NOD_FIN_WAIT_1:
    case NOD_LAST_ACK: return S_NONE;
    }
    return S_NONE;
}

static enum sentence_key effect_of_arrival(struct narrator *n, struct ladder_row *row,
                                           const nod_trace_segment *seg)
{
    struct flow *out = &n->flow[row->from];
    const struct ladder_end *end = &row->end[!row->from];
    enum flow_arrival arrival = FLOW_NOTHING;
    if (end->drop != NULL && end->drop->trace.u.drop.reason == NOD_DROP_TCP_CHECKSUM)
        return effect_of_drop(row, seg);
    if (out->shut && seg->len > 0) return S_NO_ROOM;
    if ((seg->ctl & NOD_RST) == 0)
        arrival = flow_arrived(out, row->seq, length_of(seg), seg->len > 0, end->time);
    enum sentence_key edge = effect_of_edge(n, row);
    if (edge != S_NONE) return edge;
    if (arrival == FLOW_OLD && (seg->ctl & NOD_FIN) != 0 && end->before == NOD_TIME_WAIT)
        return S_FIN_REPEATED;
    if (end->drop != NULL) return effect_of_drop(row, seg);
    if (arrival == FLOW_GAP) return S_KEPT;
    if (arrival == FLOW_FILLED) return S_FILLED;
    return arrival == FLOW_OLD && seg->len > 0 ? S_HAD_IT : S_NONE;
}

static void note_arrival(struct narrator *n, struct ladder_row *row, const nod_trace_segment *seg)
{
    struct flow *in = &n->flow[!row->from];
    struct ladder_end *end = &row->end[!row->from];
    n->stray[!row->from] = row->sentence.effect == S_STRAY;
    if ((seg->ctl & NOD_RST) != 0 && end->changed && end->after == NOD_CLOSED) {
        struct flow *out = &n->flow[row->from]; /* the receiver forgets what it knew */
        out->acked = out->got = 0;
        out->unanswered_count = out->range_count = 0;
    }
    if (row->sentence.effect == S_FIN_REPEATED) end->drop = NULL; /* it is answered, after all */
    if ((seg->ctl & NOD_ACK) == 0 || end->drop != NULL) return;
    if (row->ack > in->heard) in->heard = row->ack;
    if (in->heard >= in->recover) in->recovering = false;
    if (seg->wnd_bytes == 0 && (seg->ctl & NOD_RST) == 0) in->was_shut = true;
    in->ack_lost = false;
}

static enum sentence_key cause_of_late(const struct ladder_row *row)
{
    if (row->copy) return S_COPY;
    if (row->origin != NULL && (row->origin->fate & NOD_FATE_REORDERED) != 0) return S_ARRIVES_LATE;
    return row_segment(row) != NULL && row_segment(row)->len > 1 ? S_ARRIVES_DATA : S_ARRIVES;
}

void narrate_arrow(struct narrator *n, struct ladder_row *row)
{
    const nod_trace_segment *seg = row_segment(row);
    struct sentence *s = &row->sentence;
    if (seg == NULL) seg = &no_segment;
    find_numbers(row);
    s->who = row->from;
    s->bytes = seg->len;
    s->first = row->seq;
    s->last = row->seq + (seg->len > 0 ? seg->len - 1 : 0);
    s->ack = row->ack;
    s->window = seg->wnd_bytes;
    if (row->depart != NULL) {
        narrate_departure(n, row);
        s->effect = fate_of(row, seg);
        if (s->effect == S_LOST_ACK) n->flow[!row->from].ack_lost = true;
    } else {
        s->cause = cause_of_late(row);
    }
    if (row->arrive != NULL) {
        s->effect = effect_of_arrival(n, row, seg);
        note_arrival(n, row, seg);
    }
    if (s->effect != S_NONE || row->depart == NULL) return;
    if ((row->depart->fate & NOD_FATE_REORDERED) != 0) s->effect = S_REORDERED;
    if ((row->depart->fate & NOD_FATE_DUPLICATED) != 0) s->effect = S_DUPLICATED;
}

static void narrate_call(struct ladder_row *row, const struct ladder_event *event)
{
    struct sentence *s = &row->sentence;
    int64_t result = event->trace.u.call.result;
    s->bytes = result > 0 ? (uint32_t)result : 0;
    s->error = result < 0 ? (int)result : 0;
    switch ((enum nod_call)event->trace.u.call.call) {
    case NOD_CALL_OPEN_ACTIVE:
        if (result == NOD_EINUSE || result == NOD_EEXIST) {
            s->cause = S_PORT_HELD;
        } else {
            s->cause = result < 0 ? S_OPEN_FAILS : S_NONE;
        }
        break;
    case NOD_CALL_OPEN_PASSIVE: s->cause = result < 0 ? S_OPEN_FAILS : S_LISTEN; break;
    case NOD_CALL_SEND: s->cause = result > 0 ? S_WRITE_WAITS : S_NONE; break;
    case NOD_CALL_RECEIVE: s->cause = result > 0 ? S_READ : S_NONE; break;
    case NOD_CALL_CLOSE: s->cause = row->end[row->from].changed ? S_NONE : S_CLOSE_WAITS; break;
    case NOD_CALL_ABORT: s->cause = S_GIVES_UP; break;
    case NOD_CALL_ACCEPT:
    case NOD_CALL_RELEASE:
    case NOD_CALL_COUNT: break;
    }
}

static enum sentence_key cause_of_path(enum nod_path_news news)
{
    switch (news) {
    case NOD_PATH_ICMP: return S_MTU_ICMP;
    case NOD_PATH_KNOWN: return S_MTU_KNOWN;
    case NOD_PATH_EXPIRED: return S_MTU_EXPIRED;
    case NOD_PATH_BLACK_HOLE: return S_MTU_HOLE;
    case NOD_PATH_PROBED: return S_MTU_PROBED;
    case NOD_PATH_COUNT: break;
    }
    return S_NONE;
}

void narrate_local(struct narrator *n, struct ladder_row *row, const struct ladder_event *event)
{
    struct sentence *s = &row->sentence;
    const struct ladder_end *end = &row->end[row->from];
    (void)n;
    s->who = row->from;
    if (event->kind == LADDER_CALL) narrate_call(row, event);
    if (event->kind == LADDER_PATH_MTU) {
        s->cause = cause_of_path((enum nod_path_news)event->trace.u.path.news);
        s->n = event->trace.u.path.to;
    }
    if (event->kind == LADDER_REMARK) s->cause = (enum sentence_key)event->remark;
    if (event->kind == LADDER_ERROR) {
        s->cause = S_TOLD;
        s->error = event->error;
    }
    if (end->changed && end->before == NOD_TIME_WAIT && end->after == NOD_CLOSED)
        s->cause = S_TIME_WAIT_OVER;
}
