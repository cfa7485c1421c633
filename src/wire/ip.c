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

static enum nod_drop parse_ip4(const uint8_t *p, size_t have, size_t total, struct nod_ip *out)
{
    if (have < NOD_IP4_HEADER) return NOD_DROP_TRUNCATED;
    size_t size = (size_t)(p[0] & 15) * 4, length = get16(p + 2);
    if (size < NOD_IP4_HEADER || length < size) return NOD_DROP_BAD_IP;
    if (length > total || size > have) return NOD_DROP_TRUNCATED;
    struct nod_sum sum = {0};
    nod_sum_add(&sum, p, size);
    if (nod_sum_fold(&sum) != 0xffff) return NOD_DROP_IP_CHECKSUM;
    out->family = 4;
    out->protocol = p[9];
    out->ttl = p[8];
    out->tos = p[1];
    out->size = (uint32_t)size;
    out->payload = (uint32_t)(length - size);
    out->fragment = get16(p + 6) & 0x3fff; /* MF, or an offset */
    nod_ip_map4(out->src, p + 12);
    nod_ip_map4(out->dst, p + 16);
    return NOD_DROP_NONE;
}

/* Walks over the extension headers that may be skipped (RFC 8200 section 4.1). */
static enum nod_drop skip_extensions(const uint8_t *p, size_t have, struct nod_ip *out)
{
    enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };
    for (int n = 0; n < 8; n++) {
        uint32_t at = out->size;
        if (out->protocol == FRAGMENT) {
            out->fragment = true;
            return NOD_DROP_NONE;
        }
        if (out->protocol != HOP_BY_HOP && out->protocol != ROUTING && out->protocol != DESTINATION)
            return NOD_DROP_NONE;
        if (at + 8 > have) return NOD_DROP_TRUNCATED;
        uint32_t size = 8u * (p[at + 1] + 1u);
        if (size > out->payload) return NOD_DROP_BAD_IP;
        if (out->protocol == ROUTING && p[at + 3] != 0) return NOD_DROP_BAD_IP; /* hops left */
        out->protocol = p[at];
        out->next_at = at;
        out->size += size;
        out->payload -= size;
    }
    return NOD_DROP_BAD_IP;
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
    return skip_extensions(p, have, out);
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

static size_t emit_ip4(const struct nod_ip *ip, uint8_t *p)
{
    memset(p, 0, NOD_IP4_HEADER);
    p[0] = 0x45;
    p[1] = ip->tos;
    put16(p + 2, NOD_IP4_HEADER + ip->payload);
    put16(p + 6, 0x4000); /* DF: an atomic datagram; its ID may be 0 (RFC 6864 section 4.1) */
    p[8] = ip->ttl;
    p[9] = ip->protocol;
    memcpy(p + 12, ip->src + 12, 4);
    memcpy(p + 16, ip->dst + 12, 4);
    struct nod_sum sum = {0};
    nod_sum_add(&sum, p, NOD_IP4_HEADER);
    put16(p + 10, (uint16_t)~nod_sum_fold(&sum));
    return NOD_IP4_HEADER;
}

size_t nod_ip_emit(const struct nod_ip *ip, uint8_t *p)
{
    if (ip->family == 4) return emit_ip4(ip, p);
    put32(p, 6u << 28 | (uint32_t)ip->tos << 20 | (ip->flow_label & 0xfffff));
    put16(p + 4, ip->payload);
    p[6] = ip->protocol;
    p[7] = ip->ttl;
    memcpy(p + 8, ip->src, 16);
    memcpy(p + 24, ip->dst, 16);
    return NOD_IP6_HEADER;
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
