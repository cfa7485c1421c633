/* User calls, and their expected results. */
#include "calls.h"

#include <stdlib.h>
#include <string.h>

#include "settings.h"
#include "words.h"

/* Each returns what the call returned. */
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

static long long call_open(struct stage *stage, struct flow *flow, struct words *w)
{
    const char *from = words_take(w, "from"), *fast = words_take(w, "fast");
    nod_open open = {.remote = {.addr = stage->peer}};
    nod_handle handle;

    if (w->count != 2 || !words_endpoint(w->word[1], &open.remote)) {
        return bad(stage, "open ADDRESS:PORT [from PORT] [fast 1|waits] [as NAME]");
    }
    open.local.port = from ? (uint16_t)atoi(from) : 0;
    open.wait_for_text = fast && strcmp(fast, "waits") == 0;
    open.fast_open = fast ? 1 : 0;
    int result = nod_tcp_open(stage->stack, &open, &handle);

    if (result == 0) {
        stage_forget_numbers(flow);
        adopt(stage, flow, handle);
    }
    return result;
}

static long long call_listen(struct stage *stage, struct flow *flow, struct words *w)
{
    const char *backlog = words_take(w, "backlog"), *peer = words_take(w, "peer");
    const char *ask = words_take(w, "ask"), *at = words_take(w, "at");
    const char *fast = words_take(w, "fast"), *cookies = words_take(w, "cookies");
    nod_open open = {.passive = true};
    nod_handle handle;

    if (w->count != 2 || (peer && !words_endpoint(peer, &open.remote)) ||
        (ask && !words_seconds(ask, &open.ask_us)) ||
        (at && !words_prefix(at, &open.local.addr, &open.local_prefix))) {
        return bad(stage, "listen PORT|any [at ADDRESS[/BITS]] [backlog N] [ask SECONDS] "
                          "[fast N [cookies no]] [peer ADDRESS:PORT] [as NAME]");
    }
    (void)flow;
    open.any_port = strcmp(w->word[1], "any") == 0;
    open.local.port = (uint16_t)atoi(w->word[1]);
    open.fast_open = fast ? (uint16_t)atoi(fast) : 0;
    open.fast_open_anyone = cookies && strcmp(cookies, "no") == 0;
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
    const char *from = words_take(w, "from");
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

/* The request's name is the flow's, as the connection's will be. */
static long long call_pending(struct stage *stage, struct flow *flow, struct words *w)
{
    struct flow *listener = stage_flow(stage, "listener");
    nod_request request;

    if (!listener || w->count != 1) {
        return bad(stage, "pending [as NAME]");
    }
    int result = nod_tcp_pending(stage->stack, listener->handle, &request);

    if (result == 0) {
        flow->handle = request.handle;
        flow->nod = request.local;
        flow->peer = request.remote;
    }
    return result;
}

/* Afterwards, what is the program's may be configured further with "config". */
static long long call_grant(struct stage *stage, struct flow *flow, struct words *w)
{
    const char *mss = words_take(w, "mss_max");
    nod_tcp_config config = stage->config.tcp;

    config.mss_max = mss ? (uint16_t)atoi(mss) : 0;
    return nod_tcp_grant(stage->stack, flow->handle, mss ? &config : NULL);
}

static long long call_refuse(struct stage *stage, struct flow *flow, struct words *w)
{
    bool silent = w->count == 2 && strcmp(w->word[1], "silently") == 0;

    return nod_tcp_refuse(stage->stack, flow->handle,
                          silent ? NOD_REFUSE_SILENT : NOD_REFUSE_RESET);
}

static long long call_connect(struct stage *stage, struct flow *flow, struct words *w)
{
    nod_endpoint remote = {.addr = stage->peer};
    struct flow *listener = stage_flow(stage, "listener");

    if (!listener || (w->count == 2 && !words_endpoint(w->word[1], &remote))) {
        return bad(stage, "connect [ADDRESS:PORT], on the listener's name");
    }
    int result = nod_tcp_connect(stage->stack, listener->handle, w->count == 2 ? &remote : NULL);

    if (result == 0) {
        stage_forget_numbers(flow);
        adopt(stage, flow, listener->handle);
        listener->handle = 0;
    }
    return result;
}

static long long call_send(struct stage *stage, struct flow *flow, struct words *w)
{
    size_t len = w->count >= 2 ? strtoul(w->word[1], NULL, 10) : 0;
    unsigned flags = 0;
    uint8_t *bytes = malloc(len ? len : 1);

    if (!bytes) {
        return NOD_ENOMEM;
    }
    for (int i = 2; i < w->count; i++) {
        flags |= strcmp(w->word[i], "more") == 0 ? NOD_SEND_MORE : 0;
        flags |= strcmp(w->word[i], "urgent") == 0 ? NOD_SEND_URGENT : 0;
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

/* A new key of Fast Open's cookies. */
static long long call_key(struct stage *stage, struct flow *flow, struct words *w)
{
    uint8_t key[16] = {0};

    (void)flow;
    if (w->count != 2) {
        return bad(stage, "key HEX");
    }
    for (size_t i = 0; w->word[1][2 * i] && i < sizeof key; i++) {
        unsigned byte = 0;

        sscanf(w->word[1] + 2 * i, "%2x", &byte);
        key[i] = (uint8_t)byte;
    }
    nod_tcp_set_fast_open_key(stage->stack, key);
    return 0;
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

    if (result == 0 && !settings_apply(stage, &config, w)) {
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
    {"pending", "", call_pending}, {"grant", "", call_grant},
    {"refuse", "", call_refuse},   {"key", "", call_key},
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
    struct words w = words_split(text);
    const char *as = words_take(&w, "as"), *on = words_take(&w, "on");
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

bool calls_run(struct stage *stage, char *text)
{
    return run_call(stage, find_call(text), text);
}
