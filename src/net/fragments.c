/* Fragments in: parts of datagrams are kept until all of one are here (RFC 791 section 3.2,
 * RFC 8200 section 4.5). Parts that overlap spoil the whole datagram (RFC 5722), in IPv4 too.
 * Memory, datagrams, parts and time are limited: what is oldest makes room, so that who wants to
 * keep others' datagrams from being completed has to go on sending. */
#include <string.h>

#include "base/util.h"
#include "net/net.h"
#include "wire/bytes.h"
#include "wire/frame.h"

#define TIMEOUT_US (60 * NOD_SEC) /* RFC 8200 4.5; within the 60 s to 120 s of RFC 1122 3.3.2 */
#define UNKNOWN UINT32_MAX

struct piece {
    struct piece *next;
    nod_slice bytes;
    uint32_t at; /* its offset in the datagram */
};

struct nod_datagram {
    struct nod_datagram *next; /* a later one */
    uint8_t src[16], dst[16];
    uint32_t id;
    uint8_t family, protocol; /* protocol: a part of the name in IPv4 */
    uint8_t iface;
    uint8_t ecn;  /* which codepoints its parts carried, a bit each */
    bool spoiled; /* parts contradicted each other: what else comes is dropped, too */
    uint16_t pieces;
    uint32_t have, total; /* octets of data; `total` is UNKNOWN until the last part is here */
    size_t memory;
    nod_usec deadline;
    struct piece *first, *last; /* by offset */
    /* Of the part with offset 0: its headers as they came, and what names the data. */
    nod_slice head;
    uint32_t next_at;
    uint8_t next_header;
};

static uint32_t end_of(const struct piece *piece)
{
    return piece->at + piece->bytes.len;
}

static struct nod_datagram *find(const struct nod_net *net, const struct nod_ip *ip)
{
    for (struct nod_datagram *d = net->datagrams; d; d = d->next) {
        bool same = d->id == ip->id && d->family == ip->family &&
                    (ip->family == 6 || d->protocol == ip->protocol);
        if (same && memcmp(d->src, ip->src, 16) == 0 && memcmp(d->dst, ip->dst, 16) == 0) return d;
    }
    return NULL;
}

static void charge(struct nod_net *net, struct nod_datagram *d, size_t size)
{
    d->memory += size;
    net->reassembly_memory += size;
}

/* Lets go of the parts, and counts them; but does not forget that they were here. */
static void release_parts(struct nod_net *net, struct nod_datagram *d, enum nod_drop reason)
{
    for (struct piece *piece = d->first, *next; piece; piece = next) {
        next = piece->next;
        nod_slice_release(&piece->bytes);
        nod_pool_give(net->pool, piece, sizeof(*piece));
    }
    nod_slice_release(&d->head);
    net->drops[reason] += d->pieces;
    net->reassembly_memory -= d->memory - sizeof(*d);
    d->memory = sizeof(*d);
    d->first = d->last = NULL;
    d->pieces = 0;
}

static void forget(struct nod_net *net, struct nod_datagram *d, enum nod_drop reason)
{
    struct nod_datagram *before = NULL, *at = net->datagrams;
    for (; at != d; at = at->next) before = at;
    *(before ? &before->next : &net->datagrams) = d->next;
    if (net->datagrams_last == d) net->datagrams_last = before;
    release_parts(net, d, reason);
    net->datagram_count--;
    net->reassembly_memory -= d->memory;
    nod_pool_give(net->pool, d, sizeof(*d));
}

static struct nod_datagram *begin(struct nod_net *net, const struct nod_packet *packet)
{
    if (net->datagram_count == NOD_DATAGRAMS) forget(net, net->datagrams, NOD_DROP_FRAGMENT_LIMIT);
    struct nod_datagram *d = nod_pool_take(net->pool, sizeof(*d));
    if (!d) return NULL;
    *d = (struct nod_datagram){
        .id = packet->ip.id,
        .family = packet->ip.family,
        .protocol = packet->ip.protocol,
        .iface = packet->iface,
        .total = UNKNOWN,
        .deadline = net->now + TIMEOUT_US,
    };
    memcpy(d->src, packet->ip.src, 16);
    memcpy(d->dst, packet->ip.dst, 16);
    *(net->datagrams ? &net->datagrams_last->next : &net->datagrams) = d;
    net->datagrams_last = d;
    net->datagram_count++;
    charge(net, d, sizeof(*d));
    return d;
}

enum fit { FITS, SEEN, CONTRADICTS };

/* Where [at, at+len) goes among the parts, if it overlaps none: `*link` is what it follows. */
static enum fit find_place(struct nod_datagram *d, uint32_t at, const uint8_t *bytes, uint32_t len,
                           struct piece ***link)
{
    *link = &d->first;
    if (d->last && at >= end_of(d->last)) {
        *link = &d->last->next;
        return FITS;
    }
    for (struct piece *p; (p = **link) && p->at < at + len; *link = &p->next) {
        if (end_of(p) <= at) continue;
        bool same = p->at == at && p->bytes.len == len &&
                    memcmp(nod_slice_bytes(&p->bytes), bytes, len) == 0;
        return same ? SEEN : CONTRADICTS;
    }
    return FITS;
}

/* Does what this part says of the datagram's end fit what others said? */
static bool end_fits(const struct nod_datagram *d, const struct nod_ip *ip)
{
    uint32_t end = ip->offset + ip->payload;
    if (d->total != UNKNOWN && (end > d->total || (!ip->more && end != d->total))) return false;
    return ip->more || !d->last || end >= end_of(d->last);
}

/* A slice of the packet's bytes [from, from+len), or of a copy, if it would hold far more memory
 * than it needs. */
static nod_slice keep(struct nod_net *net, const nod_slice *packet, uint32_t from, uint32_t len)
{
    if (len >= nod_block_capacity(packet->block) / 2)
        return nod_slice_of(packet->block, packet->off + from, len);
    nod_block *copy = nod_block_new(net->pool, len);
    if (!copy) return (nod_slice){0};
    memcpy(nod_block_bytes(copy), nod_slice_bytes(packet) + from, len);
    return (nod_slice){.block = copy, .len = len};
}

/* The oldest others make room for what this datagram holds. */
static bool make_room(struct nod_net *net, const struct nod_datagram *d)
{
    while (net->reassembly_memory > net->reassembly_limit && net->datagram_count > 1)
        forget(net, net->datagrams == d ? d->next : net->datagrams, NOD_DROP_FRAGMENT_LIMIT);
    return net->reassembly_memory <= net->reassembly_limit;
}

/* Keeps the part: with its headers, if it is the first. */
static enum nod_drop add(struct nod_net *net, struct nod_datagram *d, const nod_frame *frame,
                         const struct nod_packet *packet, struct piece **link)
{
    const struct nod_ip *ip = &packet->ip;
    uint32_t headers = ip->offset ? 0 : ip->size;
    struct piece *piece = nod_pool_take(net->pool, sizeof(*piece));
    if (!piece) return NOD_DROP_MEMORY;
    nod_slice kept =
        keep(net, &frame->part[0], (uint32_t)packet->at - headers, headers + ip->payload);
    if (!kept.block) {
        nod_pool_give(net->pool, piece, sizeof(*piece));
        return NOD_DROP_MEMORY;
    }
    charge(net, d, nod_block_capacity(kept.block) + sizeof(*piece));
    *piece = (struct piece){
        .next = *link,
        .bytes = {.block = kept.block, .off = kept.off + headers, .len = ip->payload},
        .at = ip->offset,
    };
    if (!piece->next) d->last = piece;
    *link = piece;
    d->pieces++;
    d->have += ip->payload;
    d->ecn |= (uint8_t)(1 << (ip->tos & 3));
    if (!ip->more) d->total = ip->offset + ip->payload;
    if (!headers) return NOD_DROP_NONE;
    d->head = nod_slice_of(kept.block, kept.off, headers);
    d->next_at = ip->next_at;
    d->next_header = ip->protocol;
    return NOD_DROP_NONE;
}

/* The header of the whole: the first part's, without what made it a part. Returns its size. */
static uint32_t write_header(const struct nod_datagram *d, uint8_t *p)
{
    bool congested = d->ecn & 1 << 3; /* RFC 3168 section 5.3 */
    if (d->family == 4) {
        memcpy(p, nod_slice_bytes(&d->head), d->head.len);
        put16(p + 2, d->head.len + d->total);
        put16(p + 6, 0);
        if (congested) p[1] |= 3;
        nod_ip4_sum(p);
        return d->head.len;
    }
    uint32_t size = d->head.len - NOD_IP6_FRAGMENT_HEADER;
    memcpy(p, nod_slice_bytes(&d->head), size);
    put16(p + 4, size - NOD_IP6_HEADER + d->total);
    p[d->next_at] = d->next_header;
    if (congested) p[1] |= 3 << 4;
    return size;
}

/* The first part is copied to stand behind the header in one block; the others go on as they are,
 * or to the same block, if a frame has not so many parts. */
static enum nod_drop complete(struct nod_net *net, struct nod_datagram *d, nod_frame *frame)
{
    bool flat = d->pieces > NOD_FRAME_PARTS;
    nod_block *block = nod_block_new(net->pool, d->head.len + (flat ? d->total : end_of(d->first)));
    if (!block) return NOD_DROP_MEMORY;
    uint32_t size = write_header(d, nod_block_bytes(block));
    nod_frame_release(frame);
    frame->parts = 1;
    for (struct piece *p = d->first; p; p = p->next) {
        if (flat || p == d->first) {
            memcpy(nod_block_bytes(block) + size, nod_slice_bytes(&p->bytes), p->bytes.len);
            size += p->bytes.len;
        } else {
            frame->part[frame->parts++] = p->bytes;
            p->bytes = (nod_slice){0};
        }
    }
    frame->part[0] = (nod_slice){.block = block, .len = size};
    return NOD_DROP_NONE;
}

/* All is here. Congestion that a part met which did not know of ECN is loss (RFC 3168 5.3). */
static bool is_consistent(const struct nod_datagram *d)
{
    bool lost = d->ecn & 1 << 3 && d->ecn & 1;
    uint32_t header =
        d->family == 4 ? d->head.len : d->head.len - NOD_IP6_FRAGMENT_HEADER - NOD_IP6_HEADER;
    return !lost && header + d->total <= UINT16_MAX;
}

static void spoil(struct nod_net *net, struct nod_datagram *d)
{
    release_parts(net, d, NOD_DROP_FRAGMENT_OVERLAP);
    d->spoiled = true;
}

static enum nod_drop take(struct nod_net *net, struct nod_datagram *d, const nod_frame *frame,
                          const struct nod_packet *packet)
{
    const struct nod_ip *ip = &packet->ip;
    const uint8_t *bytes = nod_slice_bytes(&frame->part[0]) + packet->at;
    struct piece **link;
    if (d->spoiled) return NOD_DROP_FRAGMENT_OVERLAP;
    enum fit fit = find_place(d, ip->offset, bytes, ip->payload, &link);
    if (fit == SEEN) return NOD_DROP_DUPLICATE;
    if (fit == CONTRADICTS || !end_fits(d, ip)) {
        spoil(net, d);
        return NOD_DROP_FRAGMENT_OVERLAP;
    }
    if (d->pieces == NOD_DATAGRAM_PARTS) {
        forget(net, d, NOD_DROP_FRAGMENT_LIMIT);
        return NOD_DROP_FRAGMENT_LIMIT;
    }
    return add(net, d, frame, packet, link);
}

bool nod_fragment_in(struct nod_net *net, nod_frame *frame, struct nod_packet *packet)
{
    packet->drop = NOD_DROP_FRAGMENT;
    /* Who is asked together with others takes no part in what needs more than one packet. */
    if (!net->reassembly_limit || packet->broadcast) return false;
    packet->drop = NOD_DROP_MEMORY;
    bool flat = !frame->head_len && frame->parts == 1;
    if (!flat && nod_frame_flatten(net->pool, frame) < 0) return false;
    struct nod_datagram *d = find(net, &packet->ip);
    if (!d && !(d = begin(net, packet))) return false;
    packet->drop = take(net, d, frame, packet);
    if (packet->drop != NOD_DROP_NONE) return false;
    if (!make_room(net, d)) {
        forget(net, d, NOD_DROP_FRAGMENT_LIMIT);
        return false;
    }
    if (d->have != d->total) return false;
    enum nod_drop failed = is_consistent(d) ? complete(net, d, frame) : NOD_DROP_FRAGMENT;
    if (failed == NOD_DROP_NONE) d->pieces = 0; /* none is dropped */
    forget(net, d, failed);
    return failed == NOD_DROP_NONE;
}

/* Too late for the rest. Who sent the first part is told (RFC 1122 3.3.2, RFC 8200 4.5). */
static void time_out(struct nod_net *net, struct nod_datagram *d)
{
    if (d->head.block) {
        struct nod_packet packet = {.iface = d->iface};
        packet.ip.family = d->family;
        packet.ip.protocol = d->next_header;
        packet.ip.size = d->head.len;
        packet.ip.payload = d->first->bytes.len;
        packet.at = d->head.len;
        memcpy(packet.ip.src, d->src, 16);
        memcpy(packet.ip.dst, d->dst, 16);
        nod_frame frame;
        memset(&frame, 0, offsetof(nod_frame, head));
        frame.parts = 2;
        frame.part[0] = d->head;
        frame.part[1] = d->first->bytes;
        nod_icmp_reassembly_timeout(net, &frame, &packet);
    }
    forget(net, d, NOD_DROP_FRAGMENT_TIMEOUT);
}

void nod_fragments_expire(struct nod_net *net)
{
    while (net->datagrams && net->datagrams->deadline <= net->now) time_out(net, net->datagrams);
}

nod_usec nod_fragments_next(const struct nod_net *net)
{
    return net->datagrams ? net->datagrams->deadline : NOD_NEVER;
}

void nod_fragments_free(struct nod_net *net)
{
    while (net->datagrams) forget(net, net->datagrams, NOD_DROP_FRAGMENT);
}
