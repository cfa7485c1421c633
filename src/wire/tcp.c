#include "wire/tcp.h"

#include <string.h>

#include "wire/bytes.h"

enum option_kind {
    KIND_END = 0,
    KIND_NOP = 1,
    KIND_MSS = 2,
    KIND_WSCALE = 3,
    KIND_SACK_PERMITTED = 4,
    KIND_SACK = 5,
    KIND_TIMESTAMPS = 8,
    KIND_USER_TIMEOUT = 28,
    KIND_FAST_OPEN = 34,
    KIND_EXPERIMENT = 254,
};

#define FAST_OPEN_EXPERIMENT 0xf989

static uint32_t get24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | get16(p + 1);
}

/* Whole fields of three octets; whatever is beyond them is padding (RFC 9768 section 3.2.3). */
static void parse_accecn(const uint8_t *p, uint8_t len, struct nod_tcp_options *opt)
{
    opt->accecn_kind = p[0];
    opt->accecn_fields = 0;
    for (uint8_t at = 2; at + 3 <= len && opt->accecn_fields < 3; at += 3)
        opt->accecn[opt->accecn_fields++] = get24(p + at);
}

static void parse_sack(const uint8_t *p, uint8_t len, struct nod_tcp_options *opt)
{
    if (len < 10 || (len - 2) % 8) return;
    for (uint8_t at = 2; at + 8 <= len && opt->sack_count < 4; at += 8) {
        opt->sack[opt->sack_count][0] = get32(p + at);
        opt->sack[opt->sack_count][1] = get32(p + at + 4);
        opt->sack_count++;
    }
}

/* Empty, or 4 to 16 octets of them, and an even number: no cookie is of another size. */
static void parse_cookie(const uint8_t *p, uint8_t len, bool old, struct nod_tcp_options *opt)
{
    if (len != 0 && (len < 4 || len > NOD_COOKIE_MAX || len % 2)) return;
    opt->has_fast_open = true;
    opt->fast_open_old = old;
    opt->cookie_len = len;
    memcpy(opt->cookie, p, len);
}

/* Kind 34, or an experiment by number F989, as clients older than RFC 7413 say it. */
static void parse_fast_open(const uint8_t *p, uint8_t len, struct nod_tcp_options *opt)
{
    if (p[0] == KIND_FAST_OPEN)
        parse_cookie(p + 2, (uint8_t)(len - 2), false, opt);
    else if (len >= 4 && get16(p + 2) == FAST_OPEN_EXPERIMENT)
        parse_cookie(p + 4, (uint8_t)(len - 4), true, opt);
}

/* An option of the wrong length for its kind is as good as absent (MUST-7). */
static void parse_option(const uint8_t *p, uint8_t len, bool syn, struct nod_tcp_options *opt)
{
    switch (p[0]) {
    case KIND_MSS:
        if (!syn || len != 4) break;
        opt->has_mss = true;
        opt->mss = get16(p + 2);
        break;
    case KIND_WSCALE:
        if (!syn || len != 3) break; /* RFC 7323 2.2: only on a SYN */
        opt->has_wscale = true;
        opt->wscale = p[2];
        break;
    case KIND_SACK_PERMITTED:
        if (syn && len == 2) opt->sack_permitted = true;
        break;
    case KIND_SACK:
        if (!syn) parse_sack(p, len, opt);
        break;
    case KIND_TIMESTAMPS:
        if (len != 10) break;
        opt->has_ts = true;
        opt->ts_val = get32(p + 2);
        opt->ts_ecr = get32(p + 6);
        break;
    case KIND_USER_TIMEOUT:
        if (len != 4) break;
        opt->has_uto = true;
        opt->uto = get16(p + 2);
        break;
    case KIND_FAST_OPEN:
    case KIND_EXPERIMENT:
        if (syn) parse_fast_open(p, len, opt);
        break;
    case NOD_ACCECN0:
    case NOD_ACCECN1: parse_accecn(p, len, opt); break;
    }
}

static void parse_options(const uint8_t *p, size_t len, bool syn, struct nod_tcp_options *opt)
{
    while (len) {
        if (p[0] == KIND_END) return;
        if (p[0] == KIND_NOP) {
            p++, len--;
            continue;
        }
        if (len < 2 || p[1] < 2 || p[1] > len) return;
        uint8_t size = p[1];
        parse_option(p, size, syn, opt);
        p += size;
        len -= size;
    }
}

bool nod_tcp_parse(const uint8_t *p, size_t len, struct nod_tcp_header *out)
{
    if (len < NOD_TCP_HEADER) return false;
    size_t size = (size_t)(p[12] >> 4) * 4;
    if (size < NOD_TCP_HEADER || size > len) return false;
    *out = (struct nod_tcp_header){
        .src_port = get16(p),
        .dst_port = get16(p + 2),
        .seq = get32(p + 4),
        .ack = get32(p + 8),
        .size = (uint8_t)size,
        .ctl = (uint16_t)((p[12] & 1) << 8 | p[13]),
        .wnd = get16(p + 14),
        .up = get16(p + 18),
    };
    parse_options(p + NOD_TCP_HEADER, size - NOD_TCP_HEADER, out->ctl & NOD_SYN, &out->opt);
    return true;
}

static unsigned fast_open_head(const struct nod_tcp_options *opt)
{
    return opt->fast_open_old ? 4 : 2;
}

/* Linux's and everyone's order, so that a SYN with all of them takes 20 bytes, padded with
 * NOPs in front of what wants alignment. */
size_t nod_tcp_options_size(const struct nod_tcp_options *opt)
{
    size_t size = 0;
    if (opt->has_mss) size += 4;
    if (opt->has_ts) {
        size += 12; /* SACK permitted, if any, takes the place of the two NOPs */
    } else if (opt->sack_permitted) {
        size += 4;
    }
    if (opt->has_wscale) size += 4;
    if (opt->has_uto) size += 4;
    if (opt->has_fast_open) size += (fast_open_head(opt) + (size_t)opt->cookie_len + 3) / 4 * 4;
    if (opt->accecn_kind) size += nod_tcp_accecn_size(opt->accecn_fields);
    if (opt->sack_count) size += 4 + 8 * (size_t)opt->sack_count;
    return size;
}

static uint8_t *emit_ts(uint8_t *p, const struct nod_tcp_options *opt)
{
    *p++ = opt->sack_permitted ? KIND_SACK_PERMITTED : KIND_NOP;
    *p++ = opt->sack_permitted ? 2 : KIND_NOP;
    *p++ = KIND_TIMESTAMPS;
    *p++ = 10;
    put32(p, opt->ts_val);
    put32(p + 4, opt->ts_ecr);
    return p + 8;
}

/* Padded behind. */
static uint8_t *emit_accecn(uint8_t *p, const struct nod_tcp_options *opt)
{
    uint8_t *end = p + nod_tcp_accecn_size(opt->accecn_fields);
    *p++ = opt->accecn_kind;
    *p++ = (uint8_t)(2 + 3 * opt->accecn_fields);
    for (unsigned i = 0; i < opt->accecn_fields; i++, p += 3) {
        p[0] = (uint8_t)(opt->accecn[i] >> 16);
        put16(p + 1, (uint16_t)opt->accecn[i]);
    }
    while (p < end) *p++ = KIND_NOP;
    return p;
}

static uint8_t *emit_sack(uint8_t *p, const struct nod_tcp_options *opt)
{
    *p++ = KIND_NOP;
    *p++ = KIND_NOP;
    *p++ = KIND_SACK;
    *p++ = (uint8_t)(2 + 8 * opt->sack_count);
    for (unsigned i = 0; i < opt->sack_count; i++, p += 8) {
        put32(p, opt->sack[i][0]);
        put32(p + 4, opt->sack[i][1]);
    }
    return p;
}

/* Filled up behind it, as Linux does. */
static uint8_t *emit_fast_open(uint8_t *p, const struct nod_tcp_options *opt)
{
    unsigned size = fast_open_head(opt) + opt->cookie_len;
    *p++ = opt->fast_open_old ? KIND_EXPERIMENT : KIND_FAST_OPEN;
    *p++ = (uint8_t)size;
    if (opt->fast_open_old) {
        put16(p, FAST_OPEN_EXPERIMENT);
        p += 2;
    }
    memcpy(p, opt->cookie, opt->cookie_len);
    p += opt->cookie_len;
    for (; size % 4; size++) *p++ = KIND_NOP;
    return p;
}

static uint8_t *emit_options(uint8_t *p, const struct nod_tcp_options *opt)
{
    if (opt->has_mss) {
        *p++ = KIND_MSS;
        *p++ = 4;
        put16(p, opt->mss);
        p += 2;
    }
    if (opt->has_ts) {
        p = emit_ts(p, opt);
    }
    if (opt->accecn_kind) p = emit_accecn(p, opt);
    if (!opt->has_ts && opt->sack_permitted) {
        memcpy(p, (uint8_t[]){KIND_NOP, KIND_NOP, KIND_SACK_PERMITTED, 2}, 4);
        p += 4;
    }
    if (opt->has_wscale) {
        memcpy(p, (uint8_t[]){KIND_NOP, KIND_WSCALE, 3, opt->wscale}, 4);
        p += 4;
    }
    if (opt->has_uto) {
        *p++ = KIND_USER_TIMEOUT;
        *p++ = 4;
        put16(p, opt->uto);
        p += 2;
    }
    if (opt->has_fast_open) p = emit_fast_open(p, opt);
    return opt->sack_count ? emit_sack(p, opt) : p;
}

size_t nod_tcp_emit(struct nod_tcp_header *h, uint8_t *p)
{
    h->size = (uint8_t)(emit_options(p + NOD_TCP_HEADER, &h->opt) - p);
    put16(p, h->src_port);
    put16(p + 2, h->dst_port);
    put32(p + 4, h->seq);
    put32(p + 8, h->ack);
    p[12] = (uint8_t)(h->size / 4 << 4 | (h->ctl & NOD_AE) >> 8);
    p[13] = (uint8_t)h->ctl;
    put16(p + 14, h->wnd);
    put16(p + 16, 0);
    put16(p + 18, h->up);
    return h->size;
}
