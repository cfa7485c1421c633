#include "segment_read.h"

#include <string.h>

#define HEADERS 160
#define IP6_HEAD 40u
#define TCP_HEAD 20u
#define PROTO_TCP 6

enum { OPT_END, OPT_NOP, OPT_MSS, OPT_WSCALE, OPT_SACK_OK, OPT_SACK, OPT_TS = 8 };
enum { OPT_ACCECN0 = 172, OPT_ACCECN1 = 174 };

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void read_sack(const uint8_t *p, uint8_t len, nod_trace_segment *out)
{
    for (uint8_t at = 2; at + 8 <= len && out->sack_count < 4; at += 8) {
        out->sack[out->sack_count][0] = get32(p + at);
        out->sack[out->sack_count++][1] = get32(p + at + 4);
    }
}

static void read_accecn(const uint8_t *p, uint8_t len, nod_trace_segment *out)
{
    out->accecn_kind = p[0];
    out->accecn_fields = 0;
    for (uint8_t at = 2; at + 3 <= len && out->accecn_fields < 3; at += 3)
        out->accecn[out->accecn_fields++] = (uint32_t)p[at] << 16 | get16(p + at + 1);
}

static void read_option(const uint8_t *p, uint8_t len, nod_trace_segment *out)
{
    if (p[0] == OPT_MSS && len == 4) {
        out->has_mss = true;
        out->mss = get16(p + 2);
    } else if (p[0] == OPT_WSCALE && len == 3) {
        out->has_wscale = true;
        out->wscale = p[2] < 14 ? p[2] : 14;
    } else if (p[0] == OPT_SACK_OK && len == 2) {
        out->sack_permitted = true;
    } else if (p[0] == OPT_TS && len == 10) {
        out->has_ts = true;
        out->ts_val = get32(p + 2);
        out->ts_ecr = get32(p + 6);
    } else if (p[0] == OPT_SACK) {
        read_sack(p, len, out);
    } else if (p[0] == OPT_ACCECN0 || p[0] == OPT_ACCECN1) {
        read_accecn(p, len, out);
    }
}

static void read_options(const uint8_t *p, size_t len, nod_trace_segment *out)
{
    while (len > 0 && p[0] != OPT_END) {
        if (p[0] == OPT_NOP) {
            p++;
            len--;
            continue;
        }
        if (len < 2 || p[1] < 2 || p[1] > len) return;
        read_option(p, p[1], out);
        len -= p[1];
        p += p[1];
    }
}

/* Where the TCP header begins and the packet ends; false when it holds none. */
static bool find_tcp(const uint8_t *p, size_t len, size_t *begin, size_t *end)
{
    if (len < TCP_HEAD) return false;
    if (p[0] >> 4 == 4) {
        *begin = (size_t)(p[0] & 15) * 4;
        *end = get16(p + 2);
        return p[9] == PROTO_TCP && (get16(p + 6) & 0x1fff) == 0 && *begin + TCP_HEAD <= len &&
               *end >= *begin + TCP_HEAD;
    }
    *begin = IP6_HEAD;
    *end = IP6_HEAD + get16(p + 4);
    return p[0] >> 4 == 6 && p[6] == PROTO_TCP && len >= IP6_HEAD + TCP_HEAD &&
           *end >= IP6_HEAD + TCP_HEAD;
}

bool segment_read(const nod_frame *frame, nod_trace_segment *out)
{
    uint8_t bytes[HEADERS];
    size_t len = nod_frame_copy(frame, 0, bytes, sizeof(bytes)), begin, end;
    *out = (nod_trace_segment){0};
    if (!find_tcp(bytes, len, &begin, &end)) return false;
    const uint8_t *tcp = bytes + begin;
    size_t head = (size_t)(tcp[12] >> 4) * 4;
    if (head < TCP_HEAD || begin + head > len || begin + head > end) return false;
    out->seq = get32(tcp + 4);
    out->ack = get32(tcp + 8);
    out->ctl = (uint16_t)((tcp[12] & 1) << 8 | tcp[13]);
    out->ecn = bytes[0] >> 4 == 6 ? bytes[1] >> 4 & 3 : bytes[1] & 3;
    out->wnd = get16(tcp + 14);
    out->up = get16(tcp + 18);
    out->len = (uint32_t)(end - begin - head);
    read_options(tcp + TCP_HEAD, head - TCP_HEAD, out);
    return true;
}

void segment_number(nod_trace_segment *segment, struct numbering *from, const struct numbering *to)
{
    bool syn = (segment->ctl & NOD_SYN) != 0;
    if (syn) {
        from->known = true;
        from->initial = segment->seq;
        from->has_shift = segment->has_wscale;
        from->shift = segment->wscale;
    }
    segment->rel_seq = from->known ? segment->seq - from->initial : segment->seq;
    if ((segment->ctl & NOD_ACK) != 0)
        segment->rel_ack = to->known ? segment->ack - to->initial : segment->ack;
    segment->wnd_bytes = segment->wnd;
    if (!syn && from->has_shift && to->has_shift)
        segment->wnd_bytes = (uint32_t)segment->wnd << from->shift;
}
