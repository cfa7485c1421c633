/* Frames: a header of its own and slices of payload. What a device would do to a large
 * segment is done here, at the very edge. */
#include <string.h>

#include "base/util.h"
#include "wire/bytes.h"
#include "wire/checksum.h"
#include "wire/frame.h"
#include "wire/ip.h"
#include "wire/tcp.h"

size_t nod_frame_length(const nod_frame *frame)
{
    size_t len = frame->head_len;
    for (unsigned i = 0; i < frame->parts; i++) len += frame->part[i].len;
    return len;
}

void nod_frame_release(nod_frame *frame)
{
    for (unsigned i = 0; i < frame->parts; i++) nod_slice_release(&frame->part[i]);
    frame->parts = 0;
    frame->head_len = 0;
    frame->flags = 0;
    frame->gso_size = 0;
}

/* The frame without its unused room, which is most of it. */
static void copy_description(const nod_frame *from, nod_frame *to)
{
    memcpy(to, from, offsetof(nod_frame, head));
    memcpy(to->head, from->head, from->head_len);
}

void nod_frame_share(const nod_frame *frame, nod_frame *out)
{
    copy_description(frame, out);
    for (unsigned i = 0; i < frame->parts; i++) {
        out->part[i] = frame->part[i];
        nod_block_ref(out->part[i].block);
    }
}

void nod_frame_move(nod_frame *from, nod_frame *to)
{
    copy_description(from, to);
    memcpy(to->part, from->part, from->parts * sizeof(nod_slice));
    from->parts = 0;
    from->head_len = 0;
}

const uint8_t *nod_frame_start(const nod_frame *frame, size_t *have)
{
    if (frame->head_len || !frame->parts) {
        *have = frame->head_len;
        return frame->head;
    }
    *have = frame->part[0].len;
    return nod_slice_bytes(&frame->part[0]);
}

size_t nod_frame_copy(const nod_frame *frame, size_t from, void *buf, size_t len)
{
    uint8_t *to = buf;
    size_t done = 0, at = 0;
    for (int i = -1; i < frame->parts && done < len; i++) {
        const uint8_t *bytes = i < 0 ? frame->head : nod_slice_bytes(&frame->part[i]);
        size_t size = i < 0 ? frame->head_len : frame->part[i].len;
        size_t skip = from > at ? from - at : 0;
        if (skip < size) {
            size_t n = size - skip < len - done ? size - skip : len - done;
            memcpy(to + done, bytes + skip, n);
            done += n;
        }
        at += size;
    }
    return done;
}

int nod_frame_from_bytes(nod_pool *pool, const void *bytes, size_t len, nod_frame *out)
{
    nod_block *block = nod_block_new(pool, len);
    if (!block) return NOD_ENOMEM;
    memcpy(nod_block_bytes(block), bytes, len);
    memset(out, 0, offsetof(nod_frame, head));
    out->parts = 1;
    out->part[0] = (nod_slice){.block = block, .len = (uint32_t)len};
    return 0;
}

int nod_frame_flatten(nod_pool *pool, nod_frame *frame)
{
    size_t len = nod_frame_length(frame);
    nod_block *block = nod_block_new(pool, len);
    if (!block) return NOD_ENOMEM;
    nod_frame_copy(frame, 0, nod_block_bytes(block), len);
    for (unsigned i = 0; i < frame->parts; i++) nod_slice_release(&frame->part[i]);
    frame->head_len = 0;
    frame->parts = 1;
    frame->part[0] = (nod_slice){.block = block, .len = (uint32_t)len};
    return 0;
}

/* Where byte `at` of the frame lives, if it and the next can be written to without anybody
 * else seeing: frames that we finish have their headers in head[]; those from a device have
 * blocks of their own. */
static uint8_t *writable(nod_frame *frame, size_t at)
{
    if (at + 2 <= frame->head_len) return frame->head + at;
    if (frame->head_len == 0 && frame->parts && at + 2 <= frame->part[0].len)
        return nod_slice_bytes(&frame->part[0]) + at;
    return NULL;
}

void nod_frame_finish(nod_frame *frame)
{
    if (!(frame->flags & NOD_FRAME_CSUM_TODO) || frame->gso_size) return;
    uint8_t *field = writable(frame, frame->l4_off + 16u);
    if (!field) return;
    struct nod_sum sum = {0};
    nod_sum_add_frame(&sum, frame, frame->l4_off);
    put16(field, (uint16_t)~nod_sum_fold(&sum));
    frame->flags &= (uint8_t)~NOD_FRAME_CSUM_TODO;
}

/* Copies the headers of a large frame to out->head; returns their size, 0 if they make no
 * sense. */
static size_t copy_headers(const nod_frame *frame, nod_frame *out)
{
    uint8_t head[NOD_FRAME_HEAD];
    size_t have = nod_frame_copy(frame, 0, head, sizeof(head));
    if (frame->l4_off + (size_t)NOD_TCP_HEADER > have) return 0;
    size_t size = frame->l4_off + (size_t)(head[frame->l4_off + 12] >> 4) * 4;
    if (size > have || size < frame->l4_off + (size_t)NOD_TCP_HEADER) return 0;
    memcpy(out->head, head, size);
    return size;
}

bool nod_frame_share_range(const nod_frame *frame, size_t from, size_t len, nod_frame *out)
{
    size_t at = frame->head_len;
    for (unsigned i = 0; i < frame->parts && len; i++) {
        const nod_slice *slice = &frame->part[i];
        size_t skip = from > at ? from - at : 0;
        at += slice->len;
        if (skip >= slice->len) continue;
        if (out->parts == NOD_FRAME_PARTS) return false;
        size_t n = slice->len - skip < len ? slice->len - skip : len;
        out->part[out->parts++] =
            nod_slice_of(slice->block, slice->off + (uint32_t)skip, (uint32_t)n);
        from += n;
        len -= n;
    }
    return len == 0;
}

void nod_frame_set_size(nod_frame *frame, size_t l3, size_t payload)
{
    size_t l4 = frame->l4_off, len = frame->head_len - l4 + payload;
    uint8_t *ip = frame->head + l3;
    struct nod_sum sum = {0};
    if (ip[0] >> 4 == 6) {
        put16(ip + 4, (uint32_t)(l4 - l3 - NOD_IP6_HEADER + len));
        nod_sum_add_pseudo(&sum, 6, ip + 8, ip + 24, NOD_PROTO_TCP, (uint32_t)len);
    } else {
        put16(ip + 2, (uint32_t)(l4 - l3 + len));
        put16(ip + 10, 0);
        struct nod_sum header = {0};
        nod_sum_add(&header, ip, l4 - l3);
        put16(ip + 10, (uint16_t)~nod_sum_fold(&header));
        nod_sum_add_pseudo(&sum, 4, ip + 12, ip + 16, NOD_PROTO_TCP, (uint32_t)len);
    }
    put16(frame->head + l4 + 16, nod_sum_fold(&sum));
    frame->flags |= NOD_FRAME_CSUM_TODO;
}

/* Sets sequence number and flags of one piece. */
static void fix_tcp(uint8_t *tcp, uint32_t seq_add, bool clear_cwr, bool last)
{
    put32(tcp + 4, get32(tcp + 4) + seq_add);
    if (!last) tcp[13] &= (uint8_t) ~(NOD_FIN | NOD_PSH);
    if (clear_cwr) tcp[13] &= (uint8_t)~NOD_CWR;
}

/* Ethernet if the byte where IP would begin is no IP version and an ethertype stands at 12. */
size_t nod_frame_l3(const nod_frame *frame, const uint8_t *head)
{
    size_t l4 = frame->l4_off;
    if (l4 < NOD_ETHERNET_HEADER + NOD_IP4_HEADER) return 0;
    uint16_t type = get16(head + 12);
    bool ip4_at_14 = type == NOD_ETH_IP4 && l4 >= 34 && head[14] >> 4 == 4 &&
                     l4 == NOD_ETHERNET_HEADER + (size_t)(head[14] & 15) * 4;
    bool ip6_at_14 = type == NOD_ETH_IP6 && l4 >= 54 && head[14] >> 4 == 6;
    return ip4_at_14 || ip6_at_14 ? NOD_ETHERNET_HEADER : 0;
}

int nod_frame_piece(const nod_frame *frame, unsigned index, nod_frame *out)
{
    if (frame->gso_size) {
        int cut = nod_frame_cut(frame, index, out);
        if (cut == 1) nod_frame_finish(out);
        return cut;
    }
    if (index) return 0;
    nod_frame_share(frame, out);
    if (!(out->flags & NOD_FRAME_CSUM_TODO)) return 1;
    if (out->head_len == 0) {
        /* A device's frame: the header moves to head[], the shared block stays as it is. */
        nod_frame head = *out;
        head.parts = 0;
        size_t size = copy_headers(frame, &head);
        if (!size) return 1;
        head.head_len = (uint8_t)size;
        nod_frame_share_range(frame, size, nod_frame_length(frame) - size, &head);
        nod_frame_release(out);
        *out = head;
    }
    nod_frame_finish(out);
    return 1;
}

int nod_frame_cut(const nod_frame *frame, unsigned index, nod_frame *out)
{
    memcpy(out, frame, offsetof(nod_frame, head));
    out->parts = 0;
    out->gso_size = 0;
    out->flags = 0;
    size_t size = copy_headers(frame, out);
    size_t length = nod_frame_length(frame);
    if (!size || size > length) return 0;
    size_t payload = length - size, from = (size_t)index * frame->gso_size;
    if (from >= payload && !(index == 0 && payload == 0)) return 0;
    out->head_len = (uint8_t)size;
    size_t n = payload - from < frame->gso_size ? payload - from : frame->gso_size;
    if (!nod_frame_share_range(frame, size + from, n, out)) return 0;
    fix_tcp(out->head + frame->l4_off, (uint32_t)from,
            index > 0 && frame->flags & NOD_FRAME_CWR_ONCE, from + n == payload);
    nod_frame_set_size(out, nod_frame_l3(frame, out->head), n);
    return 1;
}

/* Is this an IP packet of exactly so many octets? An IPv4 header proves it by its checksum. */
static bool is_ip(const uint8_t *p, size_t have, size_t total)
{
    if (have >= NOD_IP6_HEADER && p[0] >> 4 == 6)
        return (size_t)get16(p + 4) + NOD_IP6_HEADER == total;
    size_t size = have ? (size_t)(p[0] & 15) * 4 : 0;
    if (have < size || size < NOD_IP4_HEADER || p[0] >> 4 != 4) return false;
    struct nod_sum sum = {0};
    nod_sum_add(&sum, p, size);
    return nod_sum_fold(&sum) == 0xffff;
}

/* Where the IP header begins, or `have` when there is none. */
static size_t find_ip(const uint8_t *p, size_t have, size_t total)
{
    if (is_ip(p, have, total)) return 0;
    if (have < NOD_ETHERNET_HEADER + NOD_IP4_HEADER) return have;
    uint16_t type = get16(p + 12);
    bool six = p[NOD_ETHERNET_HEADER] >> 4 == 6;
    return type == (six ? NOD_ETH_IP6 : NOD_ETH_IP4) ? NOD_ETHERNET_HEADER : have;
}

static void set_ce(uint8_t *ip)
{
    if (ip[0] >> 4 == 6) {
        ip[1] |= NOD_CE << 4;
        return;
    }
    uint16_t before = get16(ip);
    ip[1] |= NOD_CE;
    uint32_t sum = (uint16_t)~get16(ip + 10) + (uint32_t)(uint16_t)~before + get16(ip);
    sum = (sum & 0xffff) + (sum >> 16); /* RFC 1624 */
    put16(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

int nod_frame_mark(nod_pool *pool, nod_frame *frame)
{
    size_t have;
    const uint8_t *p = nod_frame_start(frame, &have);
    size_t at = find_ip(p, have, nod_frame_length(frame));
    if (at + NOD_IP4_HEADER > have) return 0;
    unsigned ecn = p[at] >> 4 == 6 ? p[at + 1] >> 4 & 3 : p[at + 1] & 3;
    if (ecn == NOD_NOT_ECT) return 0;
    /* Others may hold the same bytes, unless the header is the frame's own. */
    if (!frame->head_len && nod_frame_flatten(pool, frame) < 0) return NOD_ENOMEM;
    set_ce(frame->head_len ? frame->head + at : nod_slice_bytes(&frame->part[0]) + at);
    return 1;
}
