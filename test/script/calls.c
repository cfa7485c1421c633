#define _POSIX_C_SOURCE 200809L
#include "calls.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 12

struct words {
    char *word[WORDS_MAX + 1];
    int count;
};

static struct words split(char *text)
{
    struct words w = {0};
    char *rest = NULL;

    for (char *p = strtok_r(text, " ", &rest); p && w.count < WORDS_MAX;
         p = strtok_r(NULL, " ", &rest)) {
        w.word[w.count++] = p;
    }
    return w;
}

/* The word after `name`, which is taken out together with it; NULL when it is not there. */
static char *take(struct words *w, const char *name)
{
    for (int i = 1; i + 1 < w->count; i++) {
        if (strcmp(w->word[i], name) == 0) {
            char *value = w->word[i + 1];

            memmove(&w->word[i], &w->word[i + 2], (size_t)(w->count - i - 1) * sizeof w->word[0]);
            w->count -= 2;
            return value;
        }
    }
    return NULL;
}

bool calls_seconds(const char *text, nod_usec *out)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || value < 0) {
        return false;
    }
    *out = (nod_usec)(value * 1e6 + 0.5);
    return true;
}

/* "10.0.0.2:80", "[fd00::2]:80", or "80" alone. */
static bool parse_endpoint(const char *text, nod_endpoint *out)
{
    char copy[80], *colon, *addr = copy;

    snprintf(copy, sizeof copy, "%s", text);
    colon = strrchr(copy, ':');
    if (!colon) {
        out->port = (uint16_t)atoi(copy);
        return out->port > 0;
    }
    *colon = 0;
    out->port = (uint16_t)atoi(colon + 1);
    if (addr[0] == '[' && colon > copy + 1 && colon[-1] == ']') {
        colon[-1] = 0;
        addr++;
    }
    return nod_addr_parse(addr, &out->addr) == 0;
}

/* ---- settings ---- */

enum kind { KIND_U32, KIND_USEC, KIND_BOOL, KIND_U16, KIND_U8 };

static const struct setting {
    const char *name;
    enum kind kind;
    size_t at;
} settings[] = {
    {"send_buffer", KIND_U32, offsetof(nod_tcp_config, send_buffer)},
    {"receive_buffer", KIND_U32, offsetof(nod_tcp_config, receive_buffer)},
    {"mss_max", KIND_U16, offsetof(nod_tcp_config, mss_max)},
    {"nagle", KIND_BOOL, offsetof(nod_tcp_config, nagle)},
    {"delayed_ack", KIND_BOOL, offsetof(nod_tcp_config, delayed_ack)},
    {"window_scale", KIND_BOOL, offsetof(nod_tcp_config, window_scale)},
    {"timestamps", KIND_BOOL, offsetof(nod_tcp_config, timestamps)},
    {"sack", KIND_BOOL, offsetof(nod_tcp_config, sack)},
    {"delayed_ack_us", KIND_USEC, offsetof(nod_tcp_config, delayed_ack_us)},
    {"rto_initial", KIND_USEC, offsetof(nod_tcp_config, rto_initial_us)},
    {"rto_min", KIND_USEC, offsetof(nod_tcp_config, rto_min_us)},
    {"rto_max", KIND_USEC, offsetof(nod_tcp_config, rto_max_us)},
    {"msl", KIND_USEC, offsetof(nod_tcp_config, msl_us)},
    {"user_timeout", KIND_USEC, offsetof(nod_tcp_config, user_timeout_us)},
    {"syn_timeout", KIND_USEC, offsetof(nod_tcp_config, syn_timeout_us)},
    {"fin_wait_2", KIND_USEC, offsetof(nod_tcp_config, fin_wait_2_us)},
    {"r1_retransmits", KIND_U8, offsetof(nod_tcp_config, r1_retransmits)},
};

static bool apply(nod_tcp_config *config, const struct setting *s, const char *value)
{
    void *at = (char *)config + s->at;

    switch (s->kind) {
    case KIND_U32: *(uint32_t *)at = (uint32_t)strtoul(value, NULL, 10); return true;
    case KIND_U16: *(uint16_t *)at = (uint16_t)strtoul(value, NULL, 10); return true;
    case KIND_U8: *(uint8_t *)at = (uint8_t)strtoul(value, NULL, 10); return true;
    case KIND_BOOL: *(bool *)at = strcmp(value, "on") == 0; return true;
    case KIND_USEC: return calls_seconds(value, at);
    }
    return false;
}

static bool set_config(struct stage *stage, nod_tcp_config *config, const struct words *w)
{
    if (w->count == 3) {
        for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
            if (strcmp(settings[i].name, w->word[1]) == 0) {
                return apply(config, &settings[i], w->word[2]) ||
                       stage_fail(stage, "config %s: bad value", w->word[1]);
            }
        }
    }
    return stage_fail(stage, "config wants the name of a setting and its value");
}

static bool directive_peer(struct stage *stage, struct words *w)
{
    const char *to = take(w, "to"), *isn = take(w, "isn");
    const char *name = w->count == 3 ? w->word[1] : "";
    struct flow *flow = stage_flow(stage, name);

    if (!flow && !(flow = stage_add_flow(stage, name))) {
        return stage_fail(stage, "too many flows");
    }
    flow->nod.addr = stage->nod;
    flow->peer.addr = stage->peer;
    flow->nod.port = to ? (uint16_t)atoi(to) : flow->nod.port;
    flow->isn = isn ? (uint32_t)strtoul(isn, NULL, 10) : flow->isn;
    if (w->count > 1 && !parse_endpoint(w->word[w->count - 1], &flow->peer)) {
        return stage_fail(stage, "peer [NAME] [ADDRESS:]PORT [to PORT] [isn NUMBER]");
    }
    return true;
}

static bool directive_nod(struct stage *stage, const struct words *w)
{
    if (w->count != 2 || nod_addr_parse(w->word[1], &stage->nod) < 0) {
        return stage_fail(stage, "nod wants an address");
    }
    if (stage->nod.family == 6) {
        nod_addr_parse("fd00::2", &stage->peer);
    }
    stage->flow[0].nod.addr = stage->nod;
    stage->flow[0].peer.addr = stage->peer;
    return true;
}

bool calls_directive(struct stage *stage, char *text)
{
    struct words w = split(text);

    if (w.count == 0) {
        return true;
    } else if (strcmp(w.word[0], "config") == 0) {
        return set_config(stage, &stage->config.tcp, &w);
    } else if (strcmp(w.word[0], "peer") == 0) {
        return directive_peer(stage, &w);
    } else if (strcmp(w.word[0], "nod") == 0) {
        return directive_nod(stage, &w);
    } else if (strcmp(w.word[0], "mtu") == 0 && w.count == 2) {
        stage->iface.mtu = (uint16_t)atoi(w.word[1]);
        return true;
    } else if (strcmp(w.word[0], "tolerance") == 0 && w.count == 2) {
        return calls_seconds(w.word[1], &stage->tolerance);
    }
    return stage_fail(stage, "a line without a time is config, peer, nod, mtu or tolerance");
}

/* ---- user calls; each returns what the call returned ---- */

typedef long long (*call_fn)(struct stage *stage, struct flow *flow, struct words *w);

#define BAD_CALL (-1000) /* the line makes no sense; `why` says so */

static long long bad(struct stage *stage, const char *usage)
{
    stage_fail(stage, "usage: %s", usage);
    return BAD_CALL;
}

/* The program's new name of the flow, and the flow's ends as nod tells them. */
static void adopt(struct stage *stage, struct flow *flow, nod_handle handle)
{
    nod_status status;

    flow->handle = handle;
    if (nod_tcp_status(stage->stack, handle, &status) == 0 && status.remote.port != 0) {
        flow->nod = status.local;
        flow->peer = status.remote;
    }
}

static void forget_numbers(struct flow *flow)
{
    flow->iss_known = flow->ts_known = false;
    flow->sent = flow->received = 0;
    flow->peer_next = 0;
}

static long long call_open(struct stage *stage, struct flow *flow, struct words *w)
{
    const char *from = take(w, "from");
    nod_open open = {.remote = {.addr = stage->peer}};
    nod_handle handle;

    if (w->count != 2 || !parse_endpoint(w->word[1], &open.remote)) {
        return bad(stage, "open ADDRESS:PORT [from PORT] [as NAME]");
    }
    open.local.port = from ? (uint16_t)atoi(from) : 0;
    int result = nod_tcp_open(stage->stack, &open, &handle);

    if (result == 0) {
        forget_numbers(flow);
        adopt(stage, flow, handle);
    }
    return result;
}

static long long call_listen(struct stage *stage, struct flow *flow, struct words *w)
{
    const char *backlog = take(w, "backlog"), *peer = take(w, "peer");
    nod_open open = {.passive = true};
    nod_handle handle;

    if (w->count != 2 || (peer && !parse_endpoint(peer, &open.remote))) {
        return bad(stage, "listen PORT [backlog N] [peer ADDRESS:PORT] [as NAME]");
    }
    (void)flow;
    open.local.port = (uint16_t)atoi(w->word[1]);
    open.backlog = backlog ? (uint16_t)atoi(backlog) : 0;
    int result = nod_tcp_open(stage->stack, &open, &handle);

    if (result == 0) {
        flow->handle = handle;
        flow->listens = true;
    }
    return result;
}

static long long call_accept(struct stage *stage, struct flow *flow, struct words *w)
{
    const char *from = take(w, "from");
    struct flow *listener = stage_flow(stage, from ? from : "listener");
    nod_handle handle;

    if (!listener) {
        return bad(stage, "accept [as NAME] [from LISTENER]");
    }
    int result = nod_tcp_accept(stage->stack, listener->handle, &handle);

    if (result == 0) {
        adopt(stage, flow, handle);
    }
    return result;
}

static long long call_connect(struct stage *stage, struct flow *flow, struct words *w)
{
    nod_endpoint remote = {.addr = stage->peer};
    struct flow *listener = stage_flow(stage, "listener");

    if (!listener || (w->count == 2 && !parse_endpoint(w->word[1], &remote))) {
        return bad(stage, "connect [ADDRESS:PORT], on the listener's name");
    }
    int result = nod_tcp_connect(stage->stack, listener->handle, w->count == 2 ? &remote : NULL);

    if (result == 0) {
        forget_numbers(flow);
        adopt(stage, flow, listener->handle);
        listener->handle = 0;
    }
    return result;
}

static long long call_send(struct stage *stage, struct flow *flow, struct words *w)
{
    size_t len = w->count >= 2 ? strtoul(w->word[1], NULL, 10) : 0;
    unsigned flags = w->count == 3 && strcmp(w->word[2], "more") == 0 ? NOD_SEND_MORE : 0;
    uint8_t *bytes = malloc(len ? len : 1);

    if (!bytes) {
        return NOD_ENOMEM;
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] = stream_byte(false, flow->sent + i);
    }
    ptrdiff_t result = nod_tcp_send(stage->stack, flow->handle, bytes, len, flags);

    free(bytes);
    flow->sent += result > 0 ? (uint64_t)result : 0;
    return result;
}

static long long call_receive(struct stage *stage, struct flow *flow, struct words *w)
{
    size_t len = w->count == 2 ? strtoul(w->word[1], NULL, 10) : 1000000;
    uint8_t *bytes = malloc(len ? len : 1);

    if (!bytes) {
        return NOD_ENOMEM;
    }
    ptrdiff_t result = nod_tcp_receive(stage->stack, flow->handle, bytes, len);

    for (ptrdiff_t i = 0; i < result; i++) {
        if (bytes[i] != stream_byte(true, flow->received + (uint64_t)i)) {
            stage_fail(stage, "RECEIVE gave a wrong byte at %llu",
                       (unsigned long long)flow->received + (unsigned long long)i);
            result = BAD_CALL;
        }
    }
    free(bytes);
    flow->received += result > 0 ? (uint64_t)result : 0;
    return result;
}

static long long call_close(struct stage *stage, struct flow *flow, struct words *w)
{
    (void)w;
    return nod_tcp_close(stage->stack, flow->handle);
}

static long long call_abort(struct stage *stage, struct flow *flow, struct words *w)
{
    (void)w;
    return nod_tcp_abort(stage->stack, flow->handle);
}

static long long call_release(struct stage *stage, struct flow *flow, struct words *w)
{
    int result = nod_tcp_release(stage->stack, flow->handle);

    (void)w;
    if (result == 0) {
        flow->handle = 0;
    }
    return result;
}

static long long call_config(struct stage *stage, struct flow *flow, struct words *w)
{
    nod_tcp_config config;
    int result = nod_tcp_get_config(stage->stack, flow->handle, &config);

    if (result == 0 && !set_config(stage, &config, w)) {
        return BAD_CALL;
    }
    return result < 0 ? result : nod_tcp_set_config(stage->stack, flow->handle, &config);
}

static const struct call {
    const char *name, *flow; /* the flow's name when the line says none */
    call_fn run;
} calls[] = {
    {"open", "", call_open},       {"listen", "listener", call_listen},
    {"accept", "", call_accept},   {"connect", "", call_connect},
    {"send", "", call_send},       {"receive", "", call_receive},
    {"close", "", call_close},     {"abort", "", call_abort},
    {"release", "", call_release}, {"config", "", call_config},
};

static const struct call *find_call(const char *text)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        size_t n = strlen(calls[i].name);

        if (strncmp(text, calls[i].name, n) == 0 && (text[n] == ' ' || text[n] == 0)) {
            return &calls[i];
        }
    }
    return NULL;
}

bool calls_is_call(const char *text)
{
    return find_call(text) != NULL;
}

static bool check_result(struct stage *stage, const char *expected, long long result)
{
    char came[40];

    if (result == BAD_CALL) {
        return false;
    }
    snprintf(came, sizeof came, "%lld", result);
    if (result < 0) {
        snprintf(came, sizeof came, "%s", nod_error_name((int)result));
    }
    if (!expected ? result >= 0
                  : strcmp(expected, came) == 0 || (strcmp(expected, "ok") == 0 && result == 0)) {
        return true;
    }
    return stage_fail(stage, "expected: %s\n  came:     %s", expected ? expected : "success", came);
}

static bool run_call(struct stage *stage, const struct call *call, char *text)
{
    char *arrow = strstr(text, " -> ");
    const char *expected = arrow ? arrow + 4 : NULL;

    if (arrow) {
        *arrow = 0;
    }
    struct words w = split(text);
    const char *as = take(&w, "as"), *on = take(&w, "on");
    const char *name = as ? as : on ? on : call->flow;
    struct flow *flow = stage_flow(stage, name);

    if (!flow && !on) {
        flow = stage_add_flow(stage, name);
    }
    if (!flow) {
        return stage_fail(stage, "there is no flow \"%s\"", name);
    }
    return check_result(stage, expected, call->run(stage, flow, &w));
}

/* ---- expectations ---- */

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

static const char *const event_names[] = {"ACCEPT",   "OPEN",        "READABLE",
                                          "WRITABLE", "PEER_CLOSED", "SENT",
                                          "ERROR",    "SOFT_ERROR",  "CLOSED"};
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
        {"snd_una", s->snd_una - flow->iss},
        {"snd_nxt", s->snd_nxt - flow->iss},
        {"snd_wnd", s->snd_wnd},
        {"rcv_nxt", s->rcv_nxt - flow->isn},
        {"rcv_wnd", s->rcv_wnd},
        {"send_queue", s->send_queue},
        {"send_unsent", s->send_unsent},
        {"receive_queue", s->receive_queue},
        {"out_of_order", s->out_of_order},
        {"snd_scale", s->snd_scale},
        {"rcv_scale", s->rcv_scale},
        {"timestamps", s->timestamps},
        {"sack", s->sack},
        {"cwnd", s->cwnd},
        {"ssthresh", s->ssthresh},
        {"rto_ms", (long long)(s->rto_us / 1000)},
        {"srtt_ms", (long long)(s->srtt_us / 1000)},
        {"retransmits", s->retransmits},
        {"backlog_used", s->backlog_used},
        {"segments_retransmitted", s->segments_retransmitted},
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
    const char *isn = take(w, "isn");

    forget_numbers(flow);
    flow->isn = isn ? (uint32_t)strtoul(isn, NULL, 10) : flow->isn + 1000000;
    return true;
}

bool calls_run(struct stage *stage, char *text)
{
    const struct call *call = find_call(text);

    if (call) {
        return run_call(stage, call, text);
    }
    if (strncmp(text, "drop ", 5) == 0) {
        return check_drop(stage, text + 5);
    }
    struct words w = split(text);
    const char *on = take(&w, "on");
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
