/* What one direction has carried so far: enough to tell a first from a second time, a gap
 * from its filling, and how much one ACK answers. */
#include "narrate.h"

#include <string.h>

static void flow_remember(struct flow *flow, uint32_t seq, nod_usec at)
{
    int i = flow->sent_count;
    if (i == FLOW_SENT) {
        memmove(&flow->sent[0], &flow->sent[1], sizeof(flow->sent) - sizeof(flow->sent[0]));
        i--;
    }
    flow->sent[i].seq = seq;
    flow->sent[i].ordinal = flow->ordinal;
    flow->sent[i].at = at;
    flow->sent_count = i + 1;
}

bool flow_sent(struct flow *flow, uint32_t seq, uint32_t len, bool text, nod_usec now,
               struct sentence *s)
{
    for (int i = flow->sent_count - 1; i >= 0; i--) {
        if (flow->sent[i].seq != seq) continue;
        s->waited = now - flow->sent[i].at;
        s->n = flow->sent[i].ordinal;
        flow->sent[i].at = now;
        if (seq + len > flow->next) flow->next = seq + len;
        return true;
    }
    bool again = flow->next > seq;
    if (text && !again) flow->ordinal++;
    flow_remember(flow, seq, now);
    s->n = flow->ordinal;
    if (seq + len > flow->next) flow->next = seq + len;
    return again;
}

static void keep_range(struct flow *flow, uint32_t first, uint32_t end)
{
    if (flow->range_count == FLOW_RANGES) return;
    flow->range[flow->range_count].first = first;
    flow->range[flow->range_count++].end = end;
}

static void advance(struct flow *flow)
{
    for (int i = 0; i < flow->range_count;) {
        if (flow->range[i].first > flow->got) {
            i++;
            continue;
        }
        if (flow->range[i].end > flow->got) flow->got = flow->range[i].end;
        flow->range[i] = flow->range[--flow->range_count];
        i = 0;
    }
}

unsigned flow_answered(const struct flow *flow, uint32_t ack)
{
    unsigned n = 0;
    for (int i = 0; i < flow->unanswered_count; i++) n += flow->unanswered[i] <= ack;
    return n;
}

void flow_answer(struct flow *flow, uint32_t ack)
{
    int kept = 0;
    for (int i = 0; i < flow->unanswered_count; i++) {
        if (flow->unanswered[i] > ack) flow->unanswered[kept++] = flow->unanswered[i];
    }
    flow->unanswered_count = kept;
    if (ack > flow->acked) flow->acked = ack;
}

static void await_answer(struct flow *flow, uint32_t end, nod_usec now)
{
    if (flow->unanswered_count == FLOW_RANGES) return;
    if (flow->unanswered_count == 0) flow->unanswered_since = now;
    flow->unanswered[flow->unanswered_count++] = end;
}

enum flow_arrival flow_arrived(struct flow *flow, uint32_t seq, uint32_t len, bool text,
                               nod_usec now)
{
    bool gap = flow->range_count > 0;
    uint32_t before = flow->got;
    if (len == 0) return FLOW_NOTHING;
    if (text) await_answer(flow, seq + len, now);
    if (seq + len <= flow->got) return FLOW_OLD;
    if (seq > flow->got) {
        for (int i = 0; i < flow->range_count; i++) {
            if (flow->range[i].first <= seq && flow->range[i].end >= seq + len) return FLOW_OLD;
        }
        keep_range(flow, seq, seq + len);
        return FLOW_GAP;
    }
    flow->got = seq + len;
    advance(flow);
    return gap && flow->got > before + len ? FLOW_FILLED : FLOW_IN_ORDER;
}
