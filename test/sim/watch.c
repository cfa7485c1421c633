/* What the trace may and may not show: time goes forward, states change along the edges of
 * RFC 9293 figure 5, nobody sends beyond the window that was offered or after the FIN, and
 * nobody takes back an acknowledgment or a window. And the ladder, for who replays a seed. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define FLOWS 64
#define FATES 4096 /* a power of two */

/* What one host has shown of one connection so far; numbers relative to the initial ones. */
struct flow {
    uint16_t local, remote;
    bool used, fin_sent;
    uint64_t fin_at;
    uint64_t may_send_to; /* the right edge that the peer has offered */
    uint64_t acked, offered_to;
    nod_usec owes_since; /* an ACK of data that arrived then; NOD_NEVER */
    uint32_t owes_frame;
};

#define ACK_DELAY_MAX (500 * NOD_MSEC) /* MUST-40 */

struct watch {
    struct flow flow[2][FLOWS];
    nod_usec last[2];
    struct {
        uint32_t frame;
        unsigned fate;
    } fate[2][FATES];
};

struct watch *watch_new(void)
{
    return calloc(1, sizeof(struct watch));
}

void watch_free(struct watch *watch)
{
    free(watch);
}

void watch_forget(struct watch *watch, int host)
{
    memset(watch->flow[host], 0, sizeof watch->flow[host]);
}

static const unsigned legal[] = {
    [NOD_CLOSED] = 1u << NOD_LISTEN | 1u << NOD_SYN_SENT | 1u << NOD_SYN_RECEIVED,
    [NOD_LISTEN] = 1u << NOD_SYN_RECEIVED | 1u << NOD_SYN_SENT | 1u << NOD_CLOSED,
    [NOD_SYN_SENT] = 1u << NOD_SYN_RECEIVED | 1u << NOD_ESTABLISHED | 1u << NOD_CLOSED,
    [NOD_SYN_RECEIVED] = 1u << NOD_ESTABLISHED | 1u << NOD_FIN_WAIT_1 | 1u << NOD_CLOSE_WAIT |
                         1u << NOD_LISTEN | 1u << NOD_CLOSED,
    [NOD_ESTABLISHED] = 1u << NOD_FIN_WAIT_1 | 1u << NOD_CLOSE_WAIT | 1u << NOD_CLOSED,
    [NOD_FIN_WAIT_1] =
        1u << NOD_FIN_WAIT_2 | 1u << NOD_CLOSING | 1u << NOD_TIME_WAIT | 1u << NOD_CLOSED,
    [NOD_FIN_WAIT_2] = 1u << NOD_TIME_WAIT | 1u << NOD_CLOSED,
    [NOD_CLOSE_WAIT] = 1u << NOD_LAST_ACK | 1u << NOD_CLOSED,
    [NOD_CLOSING] = 1u << NOD_TIME_WAIT | 1u << NOD_CLOSED,
    [NOD_LAST_ACK] = 1u << NOD_CLOSED,
    [NOD_TIME_WAIT] = 1u << NOD_CLOSED,
};

static struct flow *flow_of(struct watch *watch, int host, const nod_trace *e)
{
    struct flow *flow = NULL;

    for (int i = 0; i < FLOWS; i++) {
        flow = &watch->flow[host][i];
        if (!flow->used || (flow->local == e->local.port && flow->remote == e->remote.port)) {
            break;
        }
        flow = NULL;
    }
    if (flow && !flow->used) {
        *flow = (struct flow){.used = true,
                              .local = e->local.port,
                              .remote = e->remote.port,
                              .owes_since = NOD_NEVER};
    }
    return flow;
}

/* Relative numbers are of 32 bits and no stream here is so long. */
static bool check_out(struct world *w, int host, struct flow *flow, const nod_trace *e)
{
    const nod_trace_segment *s = &e->u.segment;
    uint64_t end = (uint64_t)s->rel_seq + s->len, edge = (uint64_t)s->rel_ack + s->wnd_bytes;

    flow->owes_since = NOD_NEVER; /* a RST settles it too */
    if (s->ctl & NOD_SYN) {
        if (!s->retransmission) { /* a new incarnation; its SYN may have arrived already */
            flow->fin_sent = false;
            flow->acked = flow->offered_to = 0;
            flow->may_send_to = s->ctl & NOD_ACK ? flow->may_send_to : 0;
        }
        return true;
    }
    if (s->ctl & NOD_RST || e->state == NOD_TIME_WAIT || e->state == NOD_CLOSED) {
        return true;
    }
    if (end > flow->may_send_to + 1 && s->len > 0) {
        return world_fail(w, "host %d sent up to %llu, and the peer's window ends at %llu", host,
                          (unsigned long long)end, (unsigned long long)flow->may_send_to);
    }
    if (flow->fin_sent && s->len > 0 && end > flow->fin_at) {
        return world_fail(w, "host %d sent data beyond its FIN", host);
    }
    if (s->ctl & NOD_FIN) {
        flow->fin_sent = true;
        flow->fin_at = end;
    }
    /* A scaled window is rounded (RFC 7323 section 2.4). */
    uint64_t unit = s->wnd > 0 ? s->wnd_bytes / s->wnd : 16384;

    if (s->ctl & NOD_ACK && (s->rel_ack < flow->acked || edge + unit <= flow->offered_to)) {
        return world_fail(w,
                          "host %d took back an acknowledgment or a window: ack %llu, then %u; "
                          "edge %llu, then %llu",
                          host, (unsigned long long)flow->acked, s->rel_ack,
                          (unsigned long long)flow->offered_to, (unsigned long long)edge);
    }
    flow->acked = s->rel_ack;
    flow->offered_to = edge > flow->offered_to ? edge : flow->offered_to;
    return true;
}

/* Data in order must be acknowledged soon, unless the next event says that it was dropped. */
static void note_data(struct flow *flow, const nod_trace *e)
{
    const nod_trace_segment *s = &e->u.segment;
    bool reads =
        e->state == NOD_ESTABLISHED || e->state == NOD_FIN_WAIT_1 || e->state == NOD_FIN_WAIT_2;

    if (reads && flow->owes_since == NOD_NEVER && s->rel_seq <= flow->acked &&
        s->rel_seq + s->len > flow->acked && !(s->ctl & (NOD_RST | NOD_SYN))) {
        flow->owes_since = e->time;
        flow->owes_frame = e->frame;
    }
}

static bool check_debts(struct world *w, int host, const nod_trace *e)
{
    for (int i = 0; i < FLOWS && w->watch->flow[host][i].used; i++) {
        struct flow *flow = &w->watch->flow[host][i];
        bool theirs = flow->local == e->local.port && flow->remote == e->remote.port;
        bool over = e->type == NOD_TRACE_STATE && e->u.edge.to == NOD_CLOSED;

        if ((e->type == NOD_TRACE_DROP && e->frame == flow->owes_frame) || (theirs && over)) {
            flow->owes_since = NOD_NEVER;
        }
        if (flow->owes_since != NOD_NEVER && e->time > flow->owes_since + ACK_DELAY_MAX) {
            return world_fail(w, "host %d, port %u: data that arrived at %.6f is not acknowledged",
                              host, flow->local, (double)flow->owes_since / 1e6);
        }
    }
    return true;
}

static void note_in(struct flow *flow, const nod_trace *e)
{
    const nod_trace_segment *s = &e->u.segment;
    uint64_t edge = (uint64_t)s->rel_ack + s->wnd_bytes;

    /* The ACK of a SYN cookie: what was agreed is in the cookie, and the trace does not know. */
    if (e->state == NOD_LISTEN && !(s->ctl & NOD_SYN)) {
        edge = (uint64_t)s->wnd << 14;
    }
    if (s->ctl & NOD_ACK && s->rel_ack < 1u << 31 && edge > flow->may_send_to) {
        flow->may_send_to = edge;
    } else if (s->ctl & NOD_SYN && s->wnd_bytes + 1u > flow->may_send_to) {
        flow->may_send_to = s->wnd_bytes + 1u;
    }
}

static bool check(struct world *w, int host, const nod_trace *e)
{
    struct watch *watch = w->watch;
    struct flow *flow;

    if (e->time < watch->last[host] || e->time > nod_sim_now(w->sim)) {
        return world_fail(w, "host %d: the trace's time goes back", host);
    }
    watch->last[host] = e->time;
    if (!check_debts(w, host, e)) {
        return false;
    }
    if (e->type == NOD_TRACE_STATE && !(legal[e->u.edge.from] & 1u << e->u.edge.to)) {
        return world_fail(w, "host %d: an edge from %s to %s", host, nod_state_name(e->u.edge.from),
                          nod_state_name(e->u.edge.to));
    }
    if (e->type != NOD_TRACE_SEGMENT_OUT && e->type != NOD_TRACE_SEGMENT_IN) {
        return true;
    }
    if (!(flow = flow_of(watch, host, e))) {
        return true;
    }
    if (e->type == NOD_TRACE_SEGMENT_IN) {
        note_in(flow, e);
        note_data(flow, e);
        return true;
    }
    return check_out(w, host, flow, e);
}

static unsigned fate_of(const struct watch *watch, int host, uint32_t frame)
{
    unsigned at = frame % FATES;

    return watch->fate[host][at].frame == frame ? watch->fate[host][at].fate : 0;
}

static void print_segment(struct world *w, int host, const nod_trace *e)
{
    static const char *const fates[] = {"lost",    "queue full", "cable pulled",
                                        "doubled", "held back",  "damaged"};
    bool out = e->type == NOD_TRACE_SEGMENT_OUT;
    unsigned fate = out ? fate_of(w->watch, host, e->frame) : 0;
    char text[NOD_TRACE_TEXT];

    fprintf(w->ladder, "%s %u %s %u: %s", out ? "->" : "<-", e->local.port, out ? ">" : "<",
            e->remote.port, nod_trace_format_segment(&e->u.segment, text, sizeof text));
    if (out) {
        fprintf(w->ladder, " (%s%s)", nod_why_name(e->u.segment.why),
                e->u.segment.retransmission ? ", again" : "");
    }
    for (unsigned i = 0; i < sizeof fates / sizeof fates[0]; i++) {
        if (fate & 1u << i) {
            fprintf(w->ladder, " [%s]", fates[i]);
        }
    }
}

static void print_event(struct world *w, const nod_trace *e)
{
    FILE *f = w->ladder;

    switch ((enum nod_trace_type)e->type) {
    case NOD_TRACE_STATE:
        fprintf(f, "%s becomes %s", nod_state_name(e->u.edge.from), nod_state_name(e->u.edge.to));
        break;
    case NOD_TRACE_CALL:
        fprintf(f, "%s %llu = %lld", nod_call_name(e->u.call.call),
                (unsigned long long)e->u.call.len, (long long)e->u.call.result);
        break;
    case NOD_TRACE_TIMER:
        fprintf(f, "timer %s, number %u", nod_timer_name(e->u.timer.timer), e->u.timer.count);
        break;
    case NOD_TRACE_RTT:
        fprintf(f, "rtt %.3f ms, rto %.3f ms", (double)e->u.rtt.sample_us / 1e3,
                (double)e->u.rtt.rto_us / 1e3);
        break;
    case NOD_TRACE_CWND:
        fprintf(f, "cwnd %u, ssthresh %u", e->u.cwnd.cwnd, e->u.cwnd.ssthresh);
        break;
    case NOD_TRACE_DROP:
        fprintf(f, "drop of packet %u: %s", e->frame, nod_drop_name(e->u.drop.reason));
        break;
    case NOD_TRACE_PATH_MTU:
        fprintf(f, "path mtu %u to %u: %s", e->u.path.from, e->u.path.to,
                nod_path_news_name(e->u.path.news));
        break;
    case NOD_TRACE_ICMP_IN: fprintf(f, "icmp: %s", nod_strerror(e->u.icmp.error)); break;
    case NOD_TRACE_SEGMENT_OUT:
    case NOD_TRACE_SEGMENT_IN: break;
    }
}

/* Host a on the left, host b to the right of it. */
static void print(struct world *w, int host, const nod_trace *e)
{
    fprintf(w->ladder, "%12.6f %*s%s %-12s ", (double)e->time / 1e6, host * 16, "",
            nod_sim_name(w->sim, host), nod_state_name(e->state));
    if (e->type == NOD_TRACE_SEGMENT_OUT || e->type == NOD_TRACE_SEGMENT_IN) {
        print_segment(w, host, e);
    } else {
        fprintf(w->ladder, "   %u: ", e->local.port);
        print_event(w, e);
    }
    fprintf(w->ladder, "\n");
}

static bool look_at_packets(struct world *w)
{
    nod_sim_packet packet[16];
    size_t most = w->iface.mtu + (w->iface.kind == NOD_IFACE_ETHERNET ? 14u : 0u);
    int n;

    while ((n = nod_sim_packets(w->sim, packet, 16)) > 0) {
        for (int i = 0; i < n; i++) {
            if (!packet[i].arrival) {
                unsigned at = packet[i].frame % FATES;

                w->watch->fate[packet[i].from][at].frame = packet[i].frame;
                w->watch->fate[packet[i].from][at].fate = packet[i].fate;
            }
            if (nod_frame_length(&packet[i].copy) > most) {
                world_fail(w, "host %d sent a packet of %zu bytes, and the MTU is %u",
                           packet[i].from, nod_frame_length(&packet[i].copy), w->iface.mtu);
            }
            nod_frame_release(&packet[i].copy);
        }
    }
    return !w->why[0];
}

/* Both hosts' events in the order of their times. */
bool watch_step(struct world *w)
{
    nod_trace event[2];
    bool have[2] = {false, false};

    if (!w->check_trace) {
        return true;
    }
    bool good = look_at_packets(w);

    for (;;) {
        for (int host = 0; host < 2; host++) {
            have[host] =
                have[host] || nod_stack_trace(nod_sim_stack(w->sim, host), &event[host], 1) > 0;
        }
        if (!have[0] && !have[1]) {
            return good;
        }
        int host = !have[0] || (have[1] && event[1].time < event[0].time);

        if (w->ladder) {
            print(w, host, &event[host]);
        }
        good = check(w, host, &event[host]) && good;
        have[host] = false;
    }
}
