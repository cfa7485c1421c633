/* Captures as pcapng (draft-ietf-opsawg-pcapng), written in the machine's byte order, as the
 * format allows. Only this much of it is needed: a section, interfaces, packets with a
 * direction and a comment. */
#include "nod/capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define OPT_END 0
#define OPT_COMMENT 1
#define OPT_SHB_USERAPPL 4
#define OPT_IF_NAME 2
#define OPT_IF_TSRESOL 9
#define OPT_EPB_FLAGS 2
#define MICROSECONDS 6 /* ten to the minus six */
#define FLAGS_INBOUND 1u
#define FLAGS_OUTBOUND 2u
#define LINKTYPE_ETHERNET 1
#define LINKTYPE_RAW 101
#define COMMENT_MAX 1024
#define SMALL_MAX (COMMENT_MAX + 256) /* a block without its packet */

struct nod_capture {
    FILE *file;
    uint64_t epoch_us;
    int ifaces;
    bool failed;
};

/* A block, or the options at the end of one, as it grows. */
struct text {
    size_t len;
    uint8_t bytes[SMALL_MAX];
};

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

static void put(struct text *text, const void *bytes, size_t len)
{
    if (len > 0) memcpy(text->bytes + text->len, bytes, len);
    memset(text->bytes + text->len + len, 0, padded(len) - len);
    text->len += padded(len);
}

static void put_u32(struct text *text, uint32_t value)
{
    put(text, &value, sizeof value);
}

static void put_two_u16(struct text *text, uint16_t first, uint16_t second)
{
    uint16_t both[2] = {first, second};
    put(text, both, sizeof both);
}

static void put_option(struct text *text, uint16_t code, const void *bytes, size_t len)
{
    if (len > COMMENT_MAX) len = COMMENT_MAX;
    put_two_u16(text, code, (uint16_t)len);
    put(text, bytes, len);
}

static void write_bytes(nod_capture *capture, const void *bytes, size_t len)
{
    if (len > 0 && fwrite(bytes, 1, len, capture->file) != len) capture->failed = true;
}

/* Completes a block whose body starts at byte 8, and writes it. */
static void write_block(nod_capture *capture, struct text *block)
{
    uint32_t total = (uint32_t)block->len + 4;
    memcpy(block->bytes + 4, &total, sizeof total);
    put_u32(block, total);
    write_bytes(capture, block->bytes, block->len);
}

static void begin(struct text *block, uint32_t type)
{
    block->len = 0;
    put_u32(block, type);
    put_u32(block, 0); /* the length, by write_block */
}

static void write_section(nod_capture *capture)
{
    struct text block;
    begin(&block, BLOCK_SECTION);
    put_u32(&block, BYTE_ORDER_MAGIC);
    put_two_u16(&block, 1, 0);   /* version */
    put_u32(&block, UINT32_MAX); /* the section's length is not told, in eight bytes */
    put_u32(&block, UINT32_MAX);
    put_option(&block, OPT_SHB_USERAPPL, "nod", 3);
    put_option(&block, OPT_END, NULL, 0);
    write_block(capture, &block);
}

nod_capture *nod_capture_open(const char *path, uint64_t epoch_us)
{
    nod_capture *capture = calloc(1, sizeof *capture);
    if (!capture) return NULL;
    capture->file = fopen(path, "wbe");
    if (!capture->file) {
        int error = errno;
        free(capture);
        errno = error;
        return NULL;
    }
    capture->epoch_us = epoch_us;
    write_section(capture);
    return capture;
}

int nod_capture_iface(nod_capture *capture, const char *name, enum nod_iface_kind kind)
{
    struct text block;
    const uint8_t resolution = MICROSECONDS;
    begin(&block, BLOCK_INTERFACE);
    put_two_u16(&block, kind == NOD_IFACE_ETHERNET ? LINKTYPE_ETHERNET : LINKTYPE_RAW, 0);
    put_u32(&block, 0); /* packets are never cut short */
    put_option(&block, OPT_IF_NAME, name, strlen(name));
    put_option(&block, OPT_IF_TSRESOL, &resolution, sizeof resolution);
    put_option(&block, OPT_END, NULL, 0);
    write_block(capture, &block);
    return capture->ifaces++;
}

static void write_frame_bytes(nod_capture *capture, const nod_frame *frame, size_t len)
{
    static const uint8_t zeros[4];
    write_bytes(capture, frame->head, frame->head_len);
    for (int i = 0; i < frame->parts; i++)
        write_bytes(capture, nod_slice_bytes(&frame->part[i]), frame->part[i].len);
    write_bytes(capture, zeros, padded(len) - len);
}

static void write_packet(nod_capture *capture, int iface, nod_usec time, bool outbound,
                         const nod_frame *frame, const char *comment)
{
    struct text head, tail = {0};
    size_t len = nod_frame_length(frame);
    uint64_t stamp = capture->epoch_us + time;
    uint32_t flags = outbound ? FLAGS_OUTBOUND : FLAGS_INBOUND;

    if (comment && *comment) put_option(&tail, OPT_COMMENT, comment, strlen(comment));
    put_option(&tail, OPT_EPB_FLAGS, &flags, sizeof flags);
    put_option(&tail, OPT_END, NULL, 0);

    begin(&head, BLOCK_PACKET);
    put_u32(&head, (uint32_t)iface);
    put_u32(&head, (uint32_t)(stamp >> 32));
    put_u32(&head, (uint32_t)stamp);
    put_u32(&head, (uint32_t)len); /* captured */
    put_u32(&head, (uint32_t)len); /* on the wire */
    uint32_t total = (uint32_t)(head.len + padded(len) + tail.len + 4);
    memcpy(head.bytes + 4, &total, sizeof total);
    put_u32(&tail, total);

    write_bytes(capture, head.bytes, head.len);
    write_frame_bytes(capture, frame, len);
    write_bytes(capture, tail.bytes, tail.len);
}

int nod_capture_packet(nod_capture *capture, int iface, nod_usec time, bool outbound,
                       const nod_frame *frame, const char *comment)
{
    nod_frame piece;
    int more;
    for (unsigned i = 0; (more = nod_frame_piece(frame, i, &piece)) == 1; i++) {
        write_packet(capture, iface, time, outbound, &piece, comment);
        nod_frame_release(&piece);
    }
    if (more < 0) capture->failed = true;
    return capture->failed ? NOD_EIO : 0;
}

/* The event in a few words, without the state. */
static void describe(const nod_trace *trace, char *buf, size_t size)
{
    char text[NOD_TRACE_TEXT];
    switch ((enum nod_trace_type)trace->type) {
    case NOD_TRACE_SEGMENT_OUT:
        snprintf(buf, size, "%s%s", nod_why_name((enum nod_why)trace->u.segment.why),
                 trace->u.segment.retransmission ? ", sent again" : "");
        return;
    case NOD_TRACE_SEGMENT_IN:
        snprintf(buf, size, "receives %s",
                 nod_trace_format_segment(&trace->u.segment, text, sizeof text));
        return;
    case NOD_TRACE_STATE:
        snprintf(buf, size, "becomes %s", nod_state_name((enum nod_state)trace->u.edge.to));
        return;
    case NOD_TRACE_CALL:
        snprintf(buf, size, "%s", nod_call_name((enum nod_call)trace->u.call.call));
        return;
    case NOD_TRACE_TIMER:
        snprintf(buf, size, "%s timer, time %u",
                 nod_timer_name((enum nod_timer)trace->u.timer.timer), trace->u.timer.count);
        return;
    case NOD_TRACE_RTT:
        snprintf(buf, size, "round trip %llu us", (unsigned long long)trace->u.rtt.sample_us);
        return;
    case NOD_TRACE_CWND: snprintf(buf, size, "cwnd %u", trace->u.cwnd.cwnd); return;
    case NOD_TRACE_DROP:
        snprintf(buf, size, "dropped: %s", nod_drop_name((enum nod_drop)trace->u.drop.reason));
        return;
    case NOD_TRACE_PATH_MTU:
        snprintf(buf, size, "path MTU %u, was %u: %s", trace->u.path.to, trace->u.path.from,
                 nod_path_news_name((enum nod_path_news)trace->u.path.news));
        return;
    case NOD_TRACE_ICMP_IN:
        snprintf(buf, size, "ICMP error: %s",
                 trace->u.icmp.error ? nod_strerror(trace->u.icmp.error) : "too big");
        return;
    }
    snprintf(buf, size, "event %u", trace->type);
}

char *nod_capture_comment(const nod_trace *trace, char *buf, size_t size)
{
    char what[NOD_TRACE_TEXT + 16];
    describe(trace, what, sizeof what);
    if (trace->remote.addr.family == 0 && trace->state == NOD_CLOSED)
        snprintf(buf, size, "%s", what);
    else
        snprintf(buf, size, "%s: %s", nod_state_name((enum nod_state)trace->state), what);
    return buf;
}

int nod_capture_close(nod_capture *capture)
{
    bool failed = capture->failed || ferror(capture->file);
    if (fclose(capture->file) != 0) failed = true;
    free(capture);
    return failed ? NOD_EIO : 0;
}
