/* What a line asks: states, events, the status, drops; and what befalls a flow. */
#include "checks.h"

#include <stdlib.h>
#include <string.h>

#include "words.h"

static bool find_record(struct stage *stage, const struct flow *flow, nod_status *out)
{
    size_t cursor = 0;

    if (flow->handle && nod_tcp_status(stage->stack, flow->handle, out) == 0) {
        return true;
    }
    while (nod_tcp_each(stage->stack, &cursor, out)) {
        if (out->local.port == flow->nod.port && out->remote.port == flow->peer.port &&
            nod_addr_equal(&out->remote.addr, &flow->peer.addr)) {
            return true;
        }
    }
    return false;
}

static bool check_state(struct stage *stage, struct flow *flow, struct words *w)
{
    nod_status status;
    const char *came = "gone";

    if (find_record(stage, flow, &status)) {
        came = nod_state_name(status.state);
    }
    if (w->count != 2) {
        return stage_fail(stage, "state wants the name of a state, or \"gone\"");
    }
    return strcmp(w->word[1], came) == 0 ||
           stage_fail(stage, "expected: state %s\n  came:     state %s", w->word[1], came);
}

static const char *const event_names[] = {"ACCEPT",      "OPEN",   "READABLE",     "WRITABLE",
                                          "PEER_CLOSED", "SENT",   "ERROR",        "SOFT_ERROR",
                                          "CLOSED",      "URGENT", "USER_TIMEOUT", "REQUEST"};
#define EVENTS (sizeof event_names / sizeof event_names[0])

static void heard_as_text(const struct heard *heard, char *buf, size_t size)
{
    size_t used = (size_t)snprintf(buf, size, "%s", heard->flags ? "" : "none");

    for (unsigned i = 0; i < EVENTS; i++) {
        if (heard->flags & 1u << i) {
            used +=
                (size_t)snprintf(buf + used, size - used, "%s%s", used ? " " : "", event_names[i]);
        }
    }
    if (heard->error) {
        snprintf(buf + used, size - used, " %s", nod_error_name(heard->error));
    }
}

static bool event_is(const struct heard *heard, const struct words *w, unsigned *flag)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        if (strcmp(event_names[i], w->word[1]) == 0) {
            *flag = 1u << i;
            return heard->flags & *flag &&
                   (w->count == 2 || strcmp(w->word[2], nod_error_name(heard->error)) == 0);
        }
    }
    return strcmp(w->word[1], "none") == 0 && heard->flags == 0;
}

/* "event OPEN": it was told since the last time, and with this it has been spoken of.
 * "event none": nothing was told that the script has not spoken of. */
static bool check_event(struct stage *stage, struct flow *flow, struct words *w)
{
    struct heard *heard = stage_heard(stage, flow->handle);
    char came[160];
    unsigned flag = 0;

    if (!heard || w->count < 2) {
        return stage_fail(stage, "event wants the name of an event");
    }
    if (!event_is(heard, w, &flag)) {
        heard_as_text(heard, came, sizeof came);
        return stage_fail(stage, "expected: event %s%s%s\n  came:     %s", w->word[1],
                          w->count > 2 ? " " : "", w->count > 2 ? w->word[2] : "", came);
    }
    heard->flags &= ~flag;
    if (flag & (NOD_EVENT_ERROR | NOD_EVENT_SOFT_ERROR)) {
        heard->error = 0;
    }
    return true;
}

static bool status_field(const struct flow *flow, const nod_status *s, const char *name,
                         long long *out)
{
    const struct {
        const char *name;
        long long value;
    } fields[] = {
        {"mss", s->mss},
        {"path_mtu", s->path_mtu},
        {"snd_una", s->snd_una - flow->iss},
        {"snd_nxt", s->snd_nxt - flow->iss},
        {"snd_wnd", s->snd_wnd},
        {"rcv_nxt", s->rcv_nxt - flow->isn},
        {"rcv_wnd", s->rcv_wnd},
        {"send_buffer", s->send_buffer},
        {"receive_buffer", s->receive_buffer},
        {"send_queue", s->send_queue},
        {"send_unsent", s->send_unsent},
        {"receive_queue", s->receive_queue},
        {"out_of_order", s->out_of_order},
        {"snd_scale", s->snd_scale},
        {"rcv_scale", s->rcv_scale},
        {"timestamps", s->timestamps},
        {"sack", s->sack},
        {"syn_text", s->syn_text},
        {"cwnd", s->cwnd},
        {"sacked", s->sacked},
        {"lost", s->lost},
        {"ssthresh", s->ssthresh},
        {"pacing_rate", s->pacing_rate == NOD_UNPACED ? -1 : (long long)s->pacing_rate},
        {"delivery_rate", (long long)s->delivery_rate},
        {"delivery_limited", s->delivery_limited},
        {"rto_ms", (long long)(s->rto_us / 1000)},
        {"srtt_ms", (long long)(s->srtt_us / 1000)},
        {"retransmits", s->retransmits},
        {"urgent", s->urgent},
        {"sacked", s->sacked},
        {"lost", s->lost},
        {"again", s->again},
        {"bytes_out", (long long)s->count.bytes_out},
        {"bytes_again", (long long)s->count.bytes_again},
        {"text_out", s->count.text_out},
        {"text_again", s->count.text_again},
        {"delivered", s->count.delivered},
        {"dsacks", s->count.dsacks},
        {"reorderings", s->count.reorderings},
        {"timeouts", s->count.timeouts},
        {"dscp_in", s->count.dscp},
        {"peer_user_timeout", (long long)(s->peer_user_timeout_us / NOD_SEC)},
        {"keepalive_probes", s->keepalive_probes},
        {"backlog_used", s->backlog_used},
        {"segments_retransmitted", s->segments_retransmitted},
        {"ecn", s->ecn},
        {"ecn_seen", s->ecn_seen},
        {"in_ce_packets", s->ecn_in.ce_packets},
        {"in_ce_bytes", s->ecn_in.ce_bytes},
        {"out_ce_packets", s->ecn_out.ce_packets},
        {"out_ce_bytes", s->ecn_out.ce_bytes},
        {"out_ect0_bytes", s->ecn_out.ect0_bytes},
        {"out_ect1_bytes", s->ecn_out.ect1_bytes},
    };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            *out = fields[i].value;
            return true;
        }
    }
    return false;
}

static bool check_status(struct stage *stage, struct flow *flow, struct words *w)
{
    nod_status status;
    long long came;

    if (w->count != 3 || !find_record(stage, flow, &status)) {
        return stage_fail(stage, "status FIELD VALUE, of a connection that exists");
    }
    if (!status_field(flow, &status, w->word[1], &came)) {
        return stage_fail(stage, "there is no field \"%s\" in the status", w->word[1]);
    }
    return came == atoll(w->word[2]) ||
           stage_fail(stage, "expected: status %s %s\n  came:     status %s %lld", w->word[1],
                      w->word[2], w->word[1], came);
}

/* "drop paws 1": the reason's name, and how many there have been so far. */
static bool check_drop(struct stage *stage, char *text)
{
    char *count = strrchr(text, ' ');
    nod_stack_stats stats;

    nod_stack_get_stats(stage->stack, &stats);
    for (int i = 0; count && i < NOD_DROP_COUNT; i++) {
        const char *name = nod_drop_name((enum nod_drop)i);

        if (strlen(name) == (size_t)(count - text) && strncmp(name, text, strlen(name)) == 0) {
            return stats.drops[i] == strtoull(count, NULL, 10) ||
                   stage_fail(stage, "expected: drop %s\n  came:     drop %s %llu", text, name,
                              (unsigned long long)stats.drops[i]);
        }
    }
    return stage_fail(stage, "drop wants a reason that exists, and how many");
}

/* A new incarnation: nod's numbers are learned anew, the peer's begin elsewhere. */
static bool restart(struct flow *flow, struct words *w)
{
    const char *isn = words_take(w, "isn");

    stage_forget_numbers(flow);
    flow->isn = isn ? (uint32_t)strtoul(isn, NULL, 10) : flow->isn + 1000000;
    return true;
}

bool checks_run(struct stage *stage, char *text)
{
    if (strncmp(text, "drop ", 5) == 0) {
        return check_drop(stage, text + 5);
    }
    struct words w = words_split(text);
    const char *on = words_take(&w, "on");
    struct flow *flow = stage_flow(stage, on ? on : "");

    if (!flow || w.count == 0) {
        return stage_fail(stage, "there is no flow \"%s\"", on ? on : "");
    } else if (strcmp(w.word[0], "state") == 0) {
        return check_state(stage, flow, &w);
    } else if (strcmp(w.word[0], "event") == 0) {
        return check_event(stage, flow, &w);
    } else if (strcmp(w.word[0], "status") == 0) {
        return check_status(stage, flow, &w);
    } else if (strcmp(w.word[0], "restart") == 0) {
        return restart(flow, &w);
    } else if (strcmp(w.word[0], "reboot") == 0) {
        return stage_reboot(stage);
    } else if (strcmp(w.word[0], "quiet") == 0) {
        return true;
    }
    return stage_fail(stage, "no such word: %s", w.word[0]);
}
