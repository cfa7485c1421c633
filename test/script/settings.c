/* Lines without a time: what the stage is like; and settings by name. */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_TEXT,
    KIND_U32,
    KIND_U64,
    KIND_USEC,
    KIND_BOOL,
    KIND_U16,
    KIND_U8,
    KIND_COOKIES,
    KIND_ECN,
    KIND_PACING,
};

static const struct setting {
    const char *name;
    enum kind kind;
    size_t at;
} settings[] = {
    {"send_buffer", KIND_U32, offsetof(nod_tcp_config, send_buffer)},
    {"send_buffer_max", KIND_U32, offsetof(nod_tcp_config, send_buffer_max)},
    {"receive_buffer_max", KIND_U32, offsetof(nod_tcp_config, receive_buffer_max)},
    {"unsent_low", KIND_U32, offsetof(nod_tcp_config, unsent_low)},
    {"receive_buffer", KIND_U32, offsetof(nod_tcp_config, receive_buffer)},
    {"mss_max", KIND_U16, offsetof(nod_tcp_config, mss_max)},
    {"mss_min", KIND_U16, offsetof(nod_tcp_config, mss_min)},
    {"path_mtu_min", KIND_U16, offsetof(nod_tcp_config, path_mtu_min)},
    {"mss_base", KIND_U16, offsetof(nod_tcp_config, mss_base)},
    {"mtu_probing", KIND_U8, offsetof(nod_tcp_config, mtu_probing)},
    {"path_mtu_raise", KIND_USEC, offsetof(nod_tcp_config, path_mtu_raise_us)},
    {"nagle", KIND_BOOL, offsetof(nod_tcp_config, nagle)},
    {"nagle_tail", KIND_BOOL, offsetof(nod_tcp_config, nagle_tail)},
    {"delayed_ack", KIND_BOOL, offsetof(nod_tcp_config, delayed_ack)},
    {"window_scale", KIND_BOOL, offsetof(nod_tcp_config, window_scale)},
    {"timestamps", KIND_BOOL, offsetof(nod_tcp_config, timestamps)},
    {"sack", KIND_BOOL, offsetof(nod_tcp_config, sack)},
    {"delayed_ack_us", KIND_USEC, offsetof(nod_tcp_config, delayed_ack_us)},
    {"quick_ack_bytes", KIND_U32, offsetof(nod_tcp_config, quick_ack_bytes)},
    {"rto_initial", KIND_USEC, offsetof(nod_tcp_config, rto_initial_us)},
    {"rto_min", KIND_USEC, offsetof(nod_tcp_config, rto_min_us)},
    {"rto_max", KIND_USEC, offsetof(nod_tcp_config, rto_max_us)},
    {"msl", KIND_USEC, offsetof(nod_tcp_config, msl_us)},
    {"user_timeout", KIND_USEC, offsetof(nod_tcp_config, user_timeout_us)},
    {"syn_timeout", KIND_USEC, offsetof(nod_tcp_config, syn_timeout_us)},
    {"fin_wait_2", KIND_USEC, offsetof(nod_tcp_config, fin_wait_2_us)},
    {"user_timeout_set", KIND_BOOL, offsetof(nod_tcp_config, user_timeout_set)},
    {"uto", KIND_BOOL, offsetof(nod_tcp_config, uto)},
    {"uto_lower", KIND_USEC, offsetof(nod_tcp_config, uto_lower_us)},
    {"uto_upper", KIND_USEC, offsetof(nod_tcp_config, uto_upper_us)},
    {"counters", KIND_BOOL, offsetof(nod_tcp_config, counters)},
    {"soft_errors", KIND_BOOL, offsetof(nod_tcp_config, soft_errors)},
    {"keepalive", KIND_BOOL, offsetof(nod_tcp_config, keepalive)},
    {"keepalive_octet", KIND_BOOL, offsetof(nod_tcp_config, keepalive_octet)},
    {"keepalive_probes", KIND_U8, offsetof(nod_tcp_config, keepalive_probes)},
    {"keepalive_idle", KIND_USEC, offsetof(nod_tcp_config, keepalive_idle_us)},
    {"keepalive_interval", KIND_USEC, offsetof(nod_tcp_config, keepalive_interval_us)},
    {"ttl", KIND_U8, offsetof(nod_tcp_config, ttl)},
    {"dscp", KIND_U8, offsetof(nod_tcp_config, dscp)},
    {"r1_retransmits", KIND_U8, offsetof(nod_tcp_config, r1_retransmits)},
    {"syn_cookies", KIND_COOKIES, offsetof(nod_tcp_config, syn_cookies)},
    {"congestion", KIND_TEXT, offsetof(nod_tcp_config, congestion)},
    {"rack", KIND_BOOL, offsetof(nod_tcp_config, rack)},
    {"loss_probe", KIND_BOOL, offsetof(nod_tcp_config, loss_probe)},
    {"prr", KIND_BOOL, offsetof(nod_tcp_config, prr)},
    {"rack_patient", KIND_BOOL, offsetof(nod_tcp_config, rack_patient)},
    {"frto", KIND_BOOL, offsetof(nod_tcp_config, frto)},
    {"hystart", KIND_BOOL, offsetof(nod_tcp_config, hystart)},
    {"cwnd_validation", KIND_BOOL, offsetof(nod_tcp_config, cwnd_validation)},
    {"undo", KIND_BOOL, offsetof(nod_tcp_config, undo)},
    {"bbr_loss", KIND_U8, offsetof(nod_tcp_config, bbr_loss)},
    {"pacing", KIND_PACING, offsetof(nod_tcp_config, pacing)},
    {"max_pacing_rate", KIND_U64, offsetof(nod_tcp_config, max_pacing_rate)},
    {"ecn_request", KIND_ECN, offsetof(nod_tcp_config, ecn_request)},
    {"ecn_accept", KIND_ECN, offsetof(nod_tcp_config, ecn_accept)},
    {"accecn_option", KIND_BOOL, offsetof(nod_tcp_config, accecn_option)},
    {"ecn_control", KIND_BOOL, offsetof(nod_tcp_config, ecn_control)},
};

/* The place of a word among others; -1: it is none of them. */
static int place(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static bool apply_ecn(const char *value, uint8_t *out)
{
    static const char *const names[] = {"none", "classic", "accurate"};

    for (uint8_t i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool apply(nod_tcp_config *config, const struct setting *s, const char *value)
{
    static const char *const cookies[] = {"when-full", "always", "never"};
    static const char *const pacing[] = {"auto", "off", "on"};
    void *at = (char *)config + s->at;

    switch (s->kind) {
    case KIND_TEXT: return snprintf(at, sizeof config->congestion, "%s", value) > 0;
    case KIND_U32: *(uint32_t *)at = (uint32_t)strtoul(value, NULL, 10); return true;
    case KIND_U64: *(uint64_t *)at = strtoull(value, NULL, 10); return true;
    case KIND_U16: *(uint16_t *)at = (uint16_t)strtoul(value, NULL, 10); return true;
    case KIND_U8: *(uint8_t *)at = (uint8_t)strtoul(value, NULL, 10); return true;
    case KIND_BOOL: *(bool *)at = strcmp(value, "on") == 0; return true;
    case KIND_USEC: return words_seconds(value, at);
    case KIND_COOKIES: *(uint8_t *)at = (uint8_t)place(value, cookies, 3); return true;
    case KIND_ECN: return apply_ecn(value, at);
    case KIND_PACING: *(uint8_t *)at = (uint8_t)place(value, pacing, 3); return true;
    }
    return false;
}

bool settings_apply(struct stage *stage, nod_tcp_config *config, const struct words *w)
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
    const char *to = words_take(w, "to"), *isn = words_take(w, "isn");
    const char *name = w->count == 3 ? w->word[1] : "";
    struct flow *flow = stage_flow(stage, name);

    if (!flow && !(flow = stage_add_flow(stage, name))) {
        return stage_fail(stage, "too many flows");
    }
    flow->nod.addr = stage->nod;
    flow->peer.addr = stage->peer;
    if (to && !words_endpoint(to, &flow->nod)) {
        return stage_fail(stage, "peer ... to [ADDRESS:]PORT");
    }
    flow->isn = isn ? (uint32_t)strtoul(isn, NULL, 10) : flow->isn;
    if (w->count > 1 && !words_endpoint(w->word[w->count - 1], &flow->peer)) {
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

static bool directive_prefix(struct stage *stage, const struct words *w)
{
    struct stage_prefix *p = &stage->prefix[stage->prefixes];

    if (stage->prefixes == STAGE_PREFIXES || w->count < 2 ||
        !words_prefix(w->word[1], &p->addr, &p->bits)) {
        return stage_fail(stage, "prefix ADDRESS/BITS [echo]");
    }
    p->echo = w->count == 3 && strcmp(w->word[2], "echo") == 0;
    stage->prefixes++;
    return true;
}

bool settings_directive(struct stage *stage, char *text)
{
    struct words w = words_split(text);

    if (w.count == 0) {
        return true;
    } else if (strcmp(w.word[0], "config") == 0) {
        return settings_apply(stage, &stage->config.tcp, &w);
    } else if (strcmp(w.word[0], "peer") == 0) {
        return directive_peer(stage, &w);
    } else if (strcmp(w.word[0], "nod") == 0) {
        return directive_nod(stage, &w);
    } else if (strcmp(w.word[0], "prefix") == 0) {
        return directive_prefix(stage, &w);
    } else if (strcmp(w.word[0], "mtu") == 0 && w.count == 2) {
        stage->iface.mtu = (uint16_t)atoi(w.word[1]);
        return true;
    } else if (strcmp(w.word[0], "tolerance") == 0 && w.count == 2) {
        return words_seconds(w.word[1], &stage->tolerance);
    }
    return stage_fail(stage, "a line without a time is config, peer, nod, prefix, mtu or "
                             "tolerance");
}
