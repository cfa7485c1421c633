#define _POSIX_C_SOURCE 200809L
#include "packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_ICMP6 = 58 };
enum {
    OPT_EOL,
    OPT_NOP,
    OPT_MSS,
    OPT_WSCALE,
    OPT_SACK_OK,
    OPT_SACK,
    OPT_TS = 8,
    OPT_UTO = 28,
    OPT_TFO = 34,
    OPT_ACCECN0 = 172,
    OPT_ACCECN1 = 174
};

/* The cookie that nod gave last, to whomever: "tfo cookie given" gives it back. */
static uint8_t given[16];
static size_t given_len;

uint8_t stream_byte(bool from_peer, uint64_t at)
{
    return (uint8_t)(at * 131 + (at >> 8) * 7 + (at >> 16) * 3 + (from_peer ? 59 : 17));
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

static uint32_t add(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static size_t ip_header(int family)
{
    return family == 6 ? 40 : 20;
}

/* The sum of a packet's transport part and its pseudo-header: 0xffff when it is right. */
static uint32_t transport_sum(const uint8_t *packet, size_t len, unsigned protocol)
{
    int family = packet[0] >> 4;
    size_t header = ip_header(family);
    uint32_t sum = (uint32_t)(len - header) + protocol;

    sum = family == 6 ? add(sum, packet + 8, 32) : add(sum, packet + 12, 8);
    return add(sum, packet + header, len - header);
}

/* Addresses, lengths and checksums around `len - header` bytes that are there already. */
static void wrap(const struct flow *flow, unsigned protocol, unsigned tos, uint8_t *buf, size_t len)
{
    memset(buf, 0, ip_header(flow->peer.addr.family));
    if (flow->peer.addr.family == 6) {
        buf[0] = (uint8_t)(0x60 | tos >> 4);
        buf[1] = (uint8_t)(tos << 4);
        put16(buf + 4, (uint32_t)len - 40);
        buf[6] = (uint8_t)protocol;
        buf[7] = 64;
        memcpy(buf + 8, flow->peer.addr.bytes, 16);
        memcpy(buf + 24, flow->nod.addr.bytes, 16);
        return;
    }
    buf[0] = 0x45;
    buf[1] = (uint8_t)tos;
    put16(buf + 2, (uint32_t)len);
    put16(buf + 6, 0x4000);
    buf[8] = 64;
    buf[9] = (uint8_t)protocol;
    memcpy(buf + 12, flow->peer.addr.bytes, 4);
    memcpy(buf + 16, flow->nod.addr.bytes, 4);
    put16(buf + 10, ~add(0, buf, 20) & 0xffff);
}

struct options {
    uint8_t bytes[64];
    size_t len;
};

static void option(struct options *o, unsigned kind, const void *body, size_t len)
{
    if (o->len + 2 + len <= 40) {
        o->bytes[o->len] = (uint8_t)kind;
        o->bytes[o->len + 1] = (uint8_t)(len + 2);
        memcpy(o->bytes + o->len + 2, body, len);
    }
    o->len += 2 + len;
}

static void option_ts(struct options *o, const struct flow *flow, uint32_t val, uint32_t ecr)
{
    uint8_t body[8];

    put32(body, val);
    put32(body + 4, flow->ts_known ? flow->ts_base + ecr : ecr);
    option(o, OPT_TS, body, 8);
}

/* "sack 2 {1:100}{200:300}": the edges are nod's numbers. */
static bool option_sack(struct options *o, const struct flow *flow, const char *text)
{
    uint8_t body[32];
    unsigned left, right;
    size_t len = 0;
    int n;

    for (; len < sizeof body && sscanf(text, "{%u:%u}%n", &left, &right, &n) == 2; text += n) {
        put32(body + len, flow->iss + left);
        put32(body + len + 4, flow->iss + right);
        len += 8;
    }
    option(o, OPT_SACK, body, len);
    return len > 0 && *text == 0;
}

/* "cookiereq", "cookie 0123456789abcdef", "cookie given". */
static bool option_tfo(struct options *o, const char *text)
{
    uint8_t cookie[16];
    size_t len = 0;
    unsigned byte;

    if (strcmp(text, "cookiereq") == 0) {
        option(o, OPT_TFO, "", 0);
        return true;
    }
    if (strcmp(text, "cookie given") == 0) {
        option(o, OPT_TFO, given, given_len);
        return given_len > 0;
    }
    if (strncmp(text, "cookie ", 7) != 0) {
        return false;
    }
    for (text += 7; len < sizeof cookie && sscanf(text, "%2x", &byte) == 1; text += 2) {
        cookie[len++] = (uint8_t)byte;
    }
    option(o, OPT_TFO, cookie, len);
    return true;
}

/* "accecn e0b 1 ceb 0 e1b 1", or the other way round; fewer fields, or none. */
static bool option_accecn(struct options *o, const char *text)
{
    uint8_t body[9];
    unsigned value, kind = strncmp(text, "e1b", 3) == 0 ? OPT_ACCECN1 : OPT_ACCECN0;
    size_t len = 0;
    int n;

    for (; len < sizeof body && sscanf(text, "%*1[ec]%*1[01e]b %u%n", &value, &n) == 1;
         text += n + (text[n] == ' ')) {
        body[len] = (uint8_t)(value >> 16);
        put16(body + len + 1, value & 0xffff);
        len += 3;
    }
    option(o, kind, body, len);
    return *text == 0;
}

/* Bytes as they are, in hexadecimal: for options that no sane peer sends. */
static bool option_raw(struct options *o, const char *hex)
{
    unsigned byte;

    for (; sscanf(hex, "%2x", &byte) == 1 && o->len < 40; hex += 2) {
        o->bytes[o->len++] = (uint8_t)byte;
    }
    return *hex == 0;
}

static bool build_option(struct options *o, const struct flow *flow, const char *text)
{
    unsigned a, b;
    uint8_t body[2];
    char unit;
    int n = 0;

    if (strcmp(text, "nop") == 0 || strcmp(text, "eol") == 0) {
        o->bytes[o->len++ % 40] = text[0] == 'n' ? OPT_NOP : OPT_EOL;
    } else if (strcmp(text, "sackOK") == 0) {
        option(o, OPT_SACK_OK, "", 0);
    } else if (sscanf(text, "mss %u", &a) == 1) {
        put16(body, a);
        option(o, OPT_MSS, body, 2);
    } else if (sscanf(text, "wscale %u", &a) == 1) {
        body[0] = (uint8_t)a;
        option(o, OPT_WSCALE, body, 1);
    } else if (sscanf(text, "TS val %u ecr %u", &a, &b) == 2) {
        option_ts(o, flow, a, b);
    } else if (sscanf(text, "sack %u %n", &a, &n) == 1) {
        return option_sack(o, flow, text + n);
    } else if (sscanf(text, "uto %u%c", &a, &unit) == 2) {
        put16(body, unit == 'm' ? a | 0x8000 : a);
        option(o, OPT_UTO, body, 2);
    } else if (strncmp(text, "tfo ", 4) == 0) {
        return option_tfo(o, text + 4);
    } else if (strncmp(text, "accecn", 6) == 0) {
        return option_accecn(o, text + 6 + (text[6] == ' '));
    } else if (strncmp(text, "raw ", 4) == 0) {
        return option_raw(o, text + 4);
    } else {
        return false;
    }
    return true;
}

static bool build_options(struct options *o, const struct flow *flow, const char *text, char *why)
{
    char copy[SEGMENT_OPTIONS], *rest = NULL;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *p = strtok_r(copy, ",", &rest); p; p = strtok_r(NULL, ",", &rest)) {
        if (!build_option(o, flow, p)) {
            snprintf(why, PACKET_WHY, "there is no option \"%s\"", p);
            return false;
        }
        if (o->len > 40) {
            snprintf(why, PACKET_WHY, "options take 40 bytes at most");
            return false;
        }
    }
    while (o->len % 4) {
        o->bytes[o->len++] = OPT_EOL;
    }
    return true;
}

size_t packet_build(const struct flow *flow, const struct segment *s, uint8_t *buf, char *why)
{
    struct options o = {0};
    size_t ip = ip_header(flow->peer.addr.family);
    uint8_t *tcp = buf + ip;

    if (!build_options(&o, flow, s->options, why)) {
        return 0;
    }
    size_t header = 20 + o.len, len = ip + header + s->length;

    if (len > 65535) {
        snprintf(why, PACKET_WHY, "the segment is too long");
        return 0;
    }
    memset(tcp, 0, 20);
    put16(tcp, flow->peer.port);
    put16(tcp + 2, flow->nod.port);
    put32(tcp + 4, flow->isn + s->seq);
    put32(tcp + 8, s->ctl & NOD_ACK ? flow->iss + s->ack : 0);
    tcp[12] = (uint8_t)(header / 4 << 4 | s->reserved | (s->ctl & NOD_AE ? 1 : 0));
    tcp[13] = (uint8_t)s->ctl;
    put16(tcp + 14, s->win);
    put16(tcp + 18, s->up);
    memcpy(tcp + 20, o.bytes, o.len);
    /* Text begins after the SYN, whose number is 0. */
    uint64_t at = s->ctl & NOD_SYN ? s->seq : (uint64_t)s->seq - 1;

    for (size_t i = 0; i < s->length; i++) {
        tcp[header + i] = stream_byte(true, at + i);
    }
    wrap(flow, PROTO_TCP, s->tos | s->ecn, buf, len);
    put16(tcp + 16, ~transport_sum(buf, len, PROTO_TCP) & 0xffff);
    return len;
}

bool packet_ends(const uint8_t *p, size_t len, nod_endpoint *src, nod_endpoint *dst)
{
    int family = len > 0 ? p[0] >> 4 : 0;
    size_t ip = ip_header(family);

    if ((family != 4 && family != 6) || len < ip + 20 || p[family == 6 ? 6 : 9] != PROTO_TCP ||
        (family == 4 && p[0] != 0x45)) {
        return false;
    }
    src->addr = nod_addr_from(family, p + (family == 6 ? 8 : 12));
    dst->addr = nod_addr_from(family, p + (family == 6 ? 24 : 16));
    src->port = (uint16_t)get16(p + ip);
    dst->port = (uint16_t)get16(p + ip + 2);
    return true;
}

static void say(char *text, const char *what)
{
    size_t used = strlen(text);

    snprintf(text + used, SEGMENT_OPTIONS - used, "%s%s", used ? "," : "", what);
}

static void say_sack(const struct flow *flow, const uint8_t *p, unsigned len, char *text)
{
    char what[160];
    int used = snprintf(what, sizeof what, "sack %u ", (len - 2) / 8);

    for (unsigned i = 2; i + 8 <= len; i += 8) {
        used += snprintf(what + used, sizeof what - (size_t)used, "{%u:%u}",
                         get32(p + i) - flow->isn, get32(p + i + 4) - flow->isn);
    }
    say(text, what);
}

static void say_tfo(const uint8_t *p, unsigned len, char *text)
{
    char what[64] = "tfo cookiereq";

    for (unsigned i = 2; i < len; i++) {
        snprintf(what + 7 + 2 * i, 3, "%02x", p[i]);
    }
    if (len > 2) {
        memcpy(what, "tfo cookie ", 11);
        memcpy(given, p + 2, given_len = len - 2);
    }
    say(text, what);
}

static void say_accecn(const uint8_t *p, unsigned len, char *text)
{
    static const char *const names[] = {" e0b ", " ceb ", " e1b "};
    char what[64] = "accecn";
    size_t used = strlen(what);

    for (unsigned i = 0; 2 + 3 * i < len; i++) {
        used += (size_t)snprintf(what + used, sizeof what - used, "%s%u",
                                 names[p[0] == OPT_ACCECN1 ? 2 - i : i],
                                 (unsigned)p[2 + 3 * i] << 16 | get16(p + 3 + 3 * i));
    }
    say(text, what);
}

/* One option of nod's, as text; false when its length is wrong. */
static bool say_option(struct flow *flow, const uint8_t *p, unsigned len, char *text)
{
    char what[64];

    if (p[0] == OPT_MSS && len == 4) {
        snprintf(what, sizeof what, "mss %u", get16(p + 2));
    } else if (p[0] == OPT_WSCALE && len == 3) {
        snprintf(what, sizeof what, "wscale %u", p[2]);
    } else if (p[0] == OPT_SACK_OK && len == 2) {
        snprintf(what, sizeof what, "sackOK");
    } else if (p[0] == OPT_TS && len == 10) {
        if (!flow->ts_known) {
            flow->ts_base = get32(p + 2);
            flow->ts_known = true;
        }
        snprintf(what, sizeof what, "TS val %u ecr %u", get32(p + 2) - flow->ts_base, get32(p + 6));
    } else if (p[0] == OPT_TFO && (len == 2 || (len >= 6 && len <= 18 && len % 2 == 0))) {
        say_tfo(p, len, text);
        return true;
    } else if (p[0] == OPT_UTO && len == 4) {
        unsigned uto = get16(p + 2);

        snprintf(what, sizeof what, "uto %u%c", uto & 0x7fff, uto & 0x8000 ? 'm' : 's');
    } else if (p[0] == OPT_SACK && len >= 10 && len % 8 == 2) {
        say_sack(flow, p, len, text);
        return true;
    } else if ((p[0] == OPT_ACCECN0 || p[0] == OPT_ACCECN1) && len <= 11 && len % 3 == 2) {
        say_accecn(p, len, text);
        return true;
    } else {
        return false;
    }
    say(text, what);
    return true;
}

static bool read_options(struct flow *flow, const uint8_t *p, size_t len, char *text)
{
    for (size_t i = 0; i < len;) {
        if (p[i] == OPT_EOL) {
            break;
        }
        if (p[i] == OPT_NOP) {
            say(text, "nop");
            i++;
            continue;
        }
        if (i + 2 > len || p[i + 1] < 2 || i + p[i + 1] > len ||
            !say_option(flow, p + i, p[i + 1], text)) {
            return false;
        }
        i += p[i + 1];
    }
    return true;
}

/* The IP header's lengths and checksums, and TCP's. */
static const char *wrong_frame(const uint8_t *p, size_t len)
{
    size_t ip = ip_header(p[0] >> 4);
    size_t total = p[0] >> 4 == 6 ? get16(p + 4) + 40 : get16(p + 2);

    if (total != len) {
        return "the IP header's length is not the packet's";
    }
    if (p[0] >> 4 == 4 && add(0, p, 20) != 0xffff) {
        return "the IPv4 header's checksum is wrong";
    }
    if (p[0] >> 4 == 4 && get16(p + 6) != 0x4000) {
        return "it may be fragmented, or is a fragment: not DF alone";
    }
    if (transport_sum(p, len, PROTO_TCP) != 0xffff) {
        return "the TCP checksum is wrong (MUST-2)";
    }
    if ((size_t)(p[ip + 12] >> 4) * 4 < 20 || ip + (size_t)(p[ip + 12] >> 4) * 4 > len) {
        return "the data offset is wrong";
    }
    return p[ip + 12] & 0xe ? "reserved bits are not zero" : NULL;
}

static void remember(struct flow *flow, const uint8_t *p, size_t len)
{
    flow->quote_len = len < sizeof flow->quote ? len : sizeof flow->quote;
    memcpy(flow->quote, p, flow->quote_len);
}

bool packet_read(struct flow *flow, const uint8_t *p, size_t len, struct segment *out, char *why)
{
    size_t ip = ip_header(p[0] >> 4);
    const uint8_t *tcp = p + ip;
    const char *wrong = wrong_frame(p, len);

    memset(out, 0, sizeof *out);
    if (wrong) {
        snprintf(why, PACKET_WHY, "%s", wrong);
        return false;
    }
    size_t header = (size_t)(tcp[12] >> 4) * 4;

    remember(flow, p, len);
    out->ctl = (uint16_t)((tcp[12] & 1) << 8 | tcp[13]);
    out->has_ecn = true;
    out->ecn = p[0] >> 4 == 6 ? p[1] >> 4 & 3 : p[1] & 3;
    if (out->ctl & NOD_SYN && !flow->iss_known) {
        flow->iss = get32(tcp + 4);
        flow->iss_known = true;
    }
    out->has_seq = out->has_win = out->has_length = true;
    out->ttl = p[p[0] >> 4 == 6 ? 7 : 8];
    out->tos = p[0] >> 4 == 6 ? (p[0] << 4 | p[1] >> 4) & 0xffu : p[1];
    out->seq = get32(tcp + 4) - flow->iss;
    out->has_ack = (out->ctl & NOD_ACK) != 0;
    out->ack = get32(tcp + 8) - (out->has_ack ? flow->isn : 0);
    out->win = get16(tcp + 14);
    out->up = get16(tcp + 18);
    out->has_up = (out->ctl & NOD_URG) != 0;
    out->length = (uint32_t)(len - ip - header);
    if (!read_options(flow, tcp + 20, header - 20, out->options)) {
        snprintf(why, PACKET_WHY, "an option is malformed");
        return false;
    }
    uint64_t at = out->ctl & NOD_SYN ? out->seq : (uint64_t)out->seq - 1;

    for (size_t i = 0; i < out->length; i++) {
        bool before = at + i == UINT64_MAX; /* the octet of a keep-alive probe is none of ours */

        if (!before && tcp[header + i] != stream_byte(false, at + i)) {
            snprintf(why, PACKET_WHY, "byte %llu of the stream is wrong",
                     (unsigned long long)(at + i));
            return false;
        }
    }
    return true;
}

/* Wraps the ICMP header at `icmp` and what follows it, `len` octets with the IP header. */
static size_t finish_icmp(const struct flow *flow, uint8_t *buf, size_t len)
{
    bool six = flow->peer.addr.family == 6;
    size_t ip = ip_header(six ? 6 : 4);
    uint8_t *icmp = buf + ip;

    wrap(flow, six ? PROTO_ICMP6 : PROTO_ICMP, 0, buf, len);
    put16(icmp + 2,
          ~(six ? transport_sum(buf, len, PROTO_ICMP6) : add(0, icmp, len - ip)) & 0xffff);
    return len;
}

size_t packet_icmp(const struct flow *flow, unsigned code, uint8_t *buf)
{
    bool six = flow->peer.addr.family == 6;
    size_t ip = ip_header(six ? 6 : 4);
    uint8_t *icmp = buf + ip;

    memset(icmp, 0, 8);
    icmp[0] = six ? 1 : 3;
    icmp[1] = (uint8_t)code;
    memcpy(icmp + 8, flow->quote, flow->quote_len);
    return finish_icmp(flow, buf, ip + 8 + flow->quote_len);
}

size_t packet_too_big(const struct flow *flow, const struct too_big *what, uint8_t *buf)
{
    bool six = flow->peer.addr.family == 6;
    size_t ip = ip_header(six ? 6 : 4);
    uint8_t *icmp = buf + ip, *quote = icmp + 8;

    memset(icmp, 0, 8);
    icmp[0] = six ? 2 : 3;
    icmp[1] = six ? 0 : 4;
    if (six) {
        put32(icmp + 4, what->mtu);
    } else {
        put16(icmp + 6, what->mtu);
    }
    memcpy(quote, flow->quote, flow->quote_len);
    if (what->has_seq) {
        put32(quote + ip + 4, what->seq + flow->iss);
    }
    if (what->size) {
        put16(quote + (six ? 4 : 2), what->size - (six ? (uint32_t)ip : 0));
    }
    return finish_icmp(flow, buf, ip + 8 + flow->quote_len);
}
