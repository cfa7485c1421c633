#include "wire/ip.h"

#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void nod_ip_map4(uint8_t out[16], const uint8_t four[4])
{
    memcpy(out, mapped, 12);
    memcpy(out + 12, four, 4);
}

void nod_ip_from_addr(uint8_t out[16], const nod_addr *addr)
{
    if (addr->family == 4) {
        nod_ip_map4(out, addr->bytes);
    } else if (addr->family == 6) {
        memcpy(out, addr->bytes, 16);
    } else {
        memset(out, 0, 16);
    }
}

int nod_ip_family(const uint8_t ip[16])
{
    return memcmp(ip, mapped, 12) == 0 ? 4 : 6;
}

nod_addr nod_ip_to_addr(const uint8_t ip[16])
{
    static const uint8_t none[16];
    if (memcmp(ip, none, 16) == 0) return (nod_addr){0};
    return nod_ip_family(ip) == 4 ? nod_addr_from(4, ip + 12) : nod_addr_from(6, ip);
}

bool nod_ip_is_multicast(const uint8_t ip[16])
{
    return nod_ip_family(ip) == 4 ? (ip[12] & 0xf0) == 0xe0 : ip[0] == 0xff;
}

bool nod_ip_is_unspecified(const uint8_t ip[16])
{
    static const uint8_t none[16];
    return nod_ip_family(ip) == 4 ? ip[12] == 0 : memcmp(ip, none, 16) == 0;
}

bool nod_ip_is_loopback(const uint8_t ip[16])
{
    static const uint8_t one[16] = {[15] = 1};
    return nod_ip_family(ip) == 4 ? ip[12] == 127 : memcmp(ip, one, 16) == 0;
}

bool nod_ip_is_link_local(const uint8_t ip[16])
{
    return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

bool nod_ip_is_broadcast(const uint8_t ip[16])
{
    static const uint8_t all[4] = {255, 255, 255, 255};
    return nod_ip_family(ip) == 4 && memcmp(ip + 12, all, 4) == 0;
}

int nod_ip_common_bits(const uint8_t a[16], const uint8_t b[16])
{
    int i = 0;
    while (i < 16 && a[i] == b[i]) i++;
    if (i == 16) return 128;
    return i * 8 + __builtin_clz((unsigned)(a[i] ^ b[i])) - 24;
}

bool nod_ip_prefix_match(const uint8_t a[16], const uint8_t b[16], int bits)
{
    int bytes = bits / 8, rest = bits % 8;
    if (memcmp(a, b, (size_t)bytes) != 0) return false;
    return !rest || ((a[bytes] ^ b[bytes]) & (0xff00 >> rest) & 0xff) == 0;
}

static enum nod_drop problem(struct nod_ip *out, enum nod_ip_problem what, uint32_t at,
                             enum nod_drop drop)
{
    out->problem = (uint8_t)what;
    out->problem_at = at;
    return drop;
}

/* Options that nobody here understands are ignored (MUST-50; Timestamp, MAY-10, and Record Route,
 * MAY-11, among them). A source route is for routers, and its packets are dropped as RFC 7126
 * sections 4.3 and 4.4 advise. */
static enum nod_drop read_options4(const uint8_t *p, struct nod_ip *out)
{
    enum { END = 0, NOP = 1, LOOSE_ROUTE = 131, STRICT_ROUTE = 137 };
    for (uint32_t at = NOD_IP4_HEADER; at < out->size && p[at] != END;) {
        if (p[at] == NOP) {
            at++;
            continue;
        }
        if (at + 2 > out->size || p[at + 1] < 2 || at + p[at + 1] > out->size)
            return problem(out, NOD_PROBLEM_FIELD, at, NOD_DROP_IP_OPTION);
        if (p[at] == LOOSE_ROUTE || p[at] == STRICT_ROUTE) return NOD_DROP_IP_OPTION;
        at += p[at + 1];
    }
    return NOD_DROP_NONE;
}

static enum nod_drop parse_ip4(const uint8_t *p, size_t have, size_t total, struct nod_ip *out)
{
    if (have < NOD_IP4_HEADER) return NOD_DROP_TRUNCATED;
    size_t size = (size_t)(p[0] & 15) * 4, length = get16(p + 2);
    if (size < NOD_IP4_HEADER || length < size) return NOD_DROP_BAD_IP;
    if (length > total || size > have) return NOD_DROP_TRUNCATED;
    struct nod_sum sum = {0};
    nod_sum_add(&sum, p, size);
    if (nod_sum_fold(&sum) != 0xffff) return NOD_DROP_IP_CHECKSUM;
    uint16_t part = get16(p + 6);
    out->family = 4;
    out->protocol = p[9];
    out->ttl = p[8];
    out->tos = p[1];
    out->size = (uint32_t)size;
    out->payload = (uint32_t)(length - size);
    out->fragment = part & 0x3fff; /* MF, or an offset */
    out->more = part & 0x2000;
    out->offset = (part & 0x1fffu) * 8;
    out->id = get16(p + 4);
    nod_ip_map4(out->src, p + 12);
    nod_ip_map4(out->dst, p + 16);
    if (out->fragment && (!out->payload || (out->more && out->payload % 8) ||
                          out->size + out->offset + out->payload > UINT16_MAX))
        return NOD_DROP_FRAGMENT;
    return read_options4(p, out);
}

enum extension { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };

#define EXTENSIONS_MAX 8 /* headers in a packet, and options in one of them (RFC 8504 5.3) */

static bool is_extension(uint8_t protocol)
{
    return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == FRAGMENT ||
           protocol == DESTINATION;
}

/* RFC 8200 section 4.2: what is to be done about an option that nobody here knows is said by the
 * two highest bits of its type. All but padding are such. */
static enum nod_drop read_options6(const uint8_t *p, uint32_t at, uint32_t end, struct nod_ip *out)
{
    enum { PAD1 = 0, PADN = 1 };
    for (int known = 0; at < end;) {
        if (p[at] == PAD1) {
            at++;
            continue;
        }
        if (at + 2 > end || at + 2u + p[at + 1] > end) return NOD_DROP_BAD_IP;
        if (p[at] != PADN && ++known > EXTENSIONS_MAX) return NOD_DROP_IP_OPTION;
        switch (p[at] >> 6) {
        case 0: break;
        case 1: return NOD_DROP_IP_OPTION;
        case 2: return problem(out, NOD_PROBLEM_OPTION, at, NOD_DROP_IP_OPTION);
        case 3: return problem(out, NOD_PROBLEM_OPTION_TO_US, at, NOD_DROP_IP_OPTION);
        }
        at += 2u + p[at + 1];
    }
    return NOD_DROP_NONE;
}

/* RFC 7112: the first fragment holds all headers, that of the transport included. `at` is where
 * the fragment's data begin. Only lengths are looked at: what the headers say is for the whole
 * datagram. */
static bool has_header_chain(const uint8_t *p, uint32_t at, uint32_t end, uint8_t protocol)
{
    for (int n = 0; n < EXTENSIONS_MAX && is_extension(protocol); n++) {
        if (at + 8 > end) return false;
        protocol = p[at];
        at += protocol == FRAGMENT ? 8u : 8u * (p[at + 1] + 1u);
    }
    uint32_t left = at < end ? end - at : 0;
    switch (protocol) {
    case NOD_PROTO_NONE: return at <= end;
    case NOD_PROTO_TCP: return left >= 20 && left >= (p[at + 12] >> 4) * 4u;
    case NOD_PROTO_UDP:
    case NOD_PROTO_ICMP6: return left >= 8;
    default: return left > 0;
    }
}

/* RFC 8200 section 4.5. */
static enum nod_drop read_fragment_header(const uint8_t *p, size_t have, struct nod_ip *out)
{
    uint32_t at = out->size;
    if (out->payload < 8 || out->reassembled) return NOD_DROP_HEADER_CHAIN;
    if (at + 8 > have) return NOD_DROP_TRUNCATED;
    out->protocol = p[at];
    out->size += 8;
    out->payload -= 8;
    out->offset = get16(p + at + 2) & 0xfff8u;
    out->more = p[at + 3] & 1;
    out->id = get32(p + at + 4);
    if (!out->offset && !out->more) { /* whole after all: on its own (RFC 6946) */
        out->reassembled = true;
        out->next_at = at;
        return NOD_DROP_NONE;
    }
    out->fragment = true;
    if (out->more && out->payload % 8) return problem(out, NOD_PROBLEM_FIELD, 4, NOD_DROP_FRAGMENT);
    if (out->size - 8 - NOD_IP6_HEADER + out->offset + out->payload > UINT16_MAX)
        return problem(out, NOD_PROBLEM_FIELD, at + 2, NOD_DROP_FRAGMENT);
    if (out->offset) return out->payload ? NOD_DROP_NONE : NOD_DROP_FRAGMENT;
    uint32_t end = out->size + out->payload;
    if (end > have) return NOD_DROP_TRUNCATED;
    if (!has_header_chain(p, out->size, end, out->protocol))
        return problem(out, NOD_PROBLEM_CHAIN, 0, NOD_DROP_HEADER_CHAIN);
    return NOD_DROP_NONE;
}

/* One extension header that is no Fragment header (RFC 8200 sections 4.3, 4.4, 4.6). */
static enum nod_drop read_extension(const uint8_t *p, size_t have, struct nod_ip *out)
{
    uint32_t at = out->size;
    if (out->payload < 8) return NOD_DROP_HEADER_CHAIN;
    if (at + 8 > have) return NOD_DROP_TRUNCATED;
    uint32_t size = 8u * (p[at + 1] + 1u);
    if (size > out->payload) return NOD_DROP_HEADER_CHAIN;
    if (at + size > have) return NOD_DROP_TRUNCATED;
    if (out->protocol == HOP_BY_HOP && at != NOD_IP6_HEADER) /* only the first may be one */
        return problem(out, NOD_PROBLEM_NEXT_HEADER, out->next_at, NOD_DROP_HEADER_CHAIN);
    if (out->protocol == ROUTING) {
        /* No type is known here, and type 0 to nobody any more (RFC 5095). */
        if (p[at + 3] != 0) return problem(out, NOD_PROBLEM_FIELD, at + 2, NOD_DROP_HEADER_CHAIN);
    } else {
        enum nod_drop drop = read_options6(p, at + 2, at + size, out);
        if (drop != NOD_DROP_NONE) return drop;
    }
    out->protocol = p[at];
    out->next_at = at;
    out->size += size;
    out->payload -= size;
    return NOD_DROP_NONE;
}

/* Past whatever comes, as far as it is there: who complains must know of what. */
static void skip_extensions(const uint8_t *p, size_t have, struct nod_ip *out)
{
    for (int n = 0; n < EXTENSIONS_MAX && is_extension(out->protocol); n++) {
        uint32_t at = out->size, size = 8;
        if (out->payload < 8 || at + 8 > have) return;
        if (out->protocol != FRAGMENT) size = 8u * (p[at + 1] + 1u);
        if (size > out->payload) return;
        out->protocol = p[at];
        out->size += size;
        out->payload -= size;
    }
}

static enum nod_drop read_extensions(const uint8_t *p, size_t have, struct nod_ip *out)
{
    for (int n = 0; is_extension(out->protocol) && !out->fragment; n++) {
        if (n == EXTENSIONS_MAX) return NOD_DROP_HEADER_CHAIN;
        enum nod_drop drop = out->protocol == FRAGMENT ? read_fragment_header(p, have, out)
                                                       : read_extension(p, have, out);
        if (out->problem) skip_extensions(p, have, out);
        if (drop != NOD_DROP_NONE) return drop;
    }
    return NOD_DROP_NONE;
}

static enum nod_drop parse_ip6(const uint8_t *p, size_t have, size_t total, struct nod_ip *out)
{
    if (have < NOD_IP6_HEADER) return NOD_DROP_TRUNCATED;
    uint32_t payload = get16(p + 4);
    if (NOD_IP6_HEADER + payload > total) return NOD_DROP_TRUNCATED;
    out->family = 6;
    out->protocol = p[6];
    out->next_at = 6;
    out->ttl = p[7];
    out->tos = (uint8_t)(get16(p) >> 4);
    out->flow_label = get32(p) & 0xfffff;
    out->size = NOD_IP6_HEADER;
    out->payload = payload;
    memcpy(out->src, p + 8, 16);
    memcpy(out->dst, p + 24, 16);
    /* Mapped addresses mean IPv4 in here, and no packet may pretend to that. */
    if (nod_ip_family(out->src) == 4 || nod_ip_family(out->dst) == 4) return NOD_DROP_BAD_IP;
    return read_extensions(p, have, out);
}

enum nod_drop nod_ip_parse(const uint8_t *p, size_t have, size_t total, struct nod_ip *out)
{
    *out = (struct nod_ip){0};
    if (have < 1) return NOD_DROP_TRUNCATED;
    switch (p[0] >> 4) {
    case 4: return parse_ip4(p, have, total, out);
    case 6: return parse_ip6(p, have, total, out);
    default: return NOD_DROP_BAD_IP;
    }
}

void nod_ip4_sum(uint8_t *p)
{
    struct nod_sum sum = {0};
    put16(p + 10, 0);
    nod_sum_add(&sum, p, (size_t)(p[0] & 15) * 4);
    put16(p + 10, (uint16_t)~nod_sum_fold(&sum));
}

static size_t emit_ip4(const struct nod_ip *ip, uint8_t *p)
{
    memset(p, 0, NOD_IP4_HEADER);
    p[0] = 0x45;
    p[1] = ip->tos;
    put16(p + 2, NOD_IP4_HEADER + ip->payload);
    if (ip->fragment) {
        put16(p + 4, ip->id);
        put16(p + 6, ip->offset / 8 | (ip->more ? 0x2000 : 0));
    } else {
        put16(p + 6, 0x4000); /* DF: an atomic datagram; its ID may be 0 (RFC 6864 section 4.1) */
    }
    p[8] = ip->ttl;
    p[9] = ip->protocol;
    memcpy(p + 12, ip->src + 12, 4);
    memcpy(p + 16, ip->dst + 12, 4);
    nod_ip4_sum(p);
    return NOD_IP4_HEADER;
}

static size_t emit_ip6(const struct nod_ip *ip, uint8_t *p)
{
    size_t extra = ip->fragment ? NOD_IP6_FRAGMENT_HEADER : 0;
    put32(p, 6u << 28 | (uint32_t)ip->tos << 20 | (ip->flow_label & 0xfffff));
    put16(p + 4, (uint32_t)(extra + ip->payload));
    p[6] = ip->fragment ? FRAGMENT : ip->protocol;
    p[7] = ip->ttl;
    memcpy(p + 8, ip->src, 16);
    memcpy(p + 24, ip->dst, 16);
    if (!ip->fragment) return NOD_IP6_HEADER;
    p += NOD_IP6_HEADER;
    p[0] = ip->protocol;
    p[1] = 0;
    put16(p + 2, ip->offset | ip->more);
    put32(p + 4, ip->id);
    return NOD_IP6_HEADER + NOD_IP6_FRAGMENT_HEADER;
}

size_t nod_ip_emit(const struct nod_ip *ip, uint8_t *p)
{
    return ip->family == 4 ? emit_ip4(ip, p) : emit_ip6(ip, p);
}

bool nod_ethernet_parse(const uint8_t *p, size_t len, struct nod_ethernet *out)
{
    if (len < NOD_ETHERNET_HEADER) return false;
    memcpy(out->dst, p, 6);
    memcpy(out->src, p + 6, 6);
    out->type = get16(p + 12);
    return true;
}

void nod_ethernet_emit(const struct nod_ethernet *eth, uint8_t *p)
{
    memcpy(p, eth->dst, 6);
    memcpy(p + 6, eth->src, 6);
    put16(p + 12, eth->type);
}

static const uint8_t arp_start[6] = {0, 1, 8, 0, 6, 4}; /* Ethernet, IPv4, their sizes */

bool nod_arp_parse(const uint8_t *p, size_t len, struct nod_arp *out)
{
    if (len < NOD_ARP_SIZE || memcmp(p, arp_start, 6) != 0) return false;
    out->op = get16(p + 6);
    memcpy(out->sender_mac, p + 8, 6);
    memcpy(out->sender_ip, p + 14, 4);
    memcpy(out->target_mac, p + 18, 6);
    memcpy(out->target_ip, p + 24, 4);
    return true;
}

void nod_arp_emit(const struct nod_arp *arp, uint8_t *p)
{
    memcpy(p, arp_start, 6);
    put16(p + 6, arp->op);
    memcpy(p + 8, arp->sender_mac, 6);
    memcpy(p + 14, arp->sender_ip, 4);
    memcpy(p + 18, arp->target_mac, 6);
    memcpy(p + 24, arp->target_ip, 4);
}
