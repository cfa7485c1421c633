/* Fragments out (RFC 791 section 3.2, RFC 8200 section 4.5): answers to pings that are larger than
 * the link. TCP's own segments are never cut. */
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "net/net.h"
#include "wire/bytes.h"
#include "wire/frame.h"

/* What is told apart by it is one after the other; nobody learns from theirs what is sent to
 * others (RFC 7739 section 5.3). */
uint32_t nod_fragment_id(struct nod_net *net, const struct nod_ip *ip)
{
    uint8_t text[33];
    memcpy(text, ip->src, 16);
    memcpy(text + 16, ip->dst, 16);
    text[32] = ip->protocol;
    uint64_t hash = nod_hash(net->id_key, text, sizeof(text));
    unsigned at = (unsigned)(hash >> 32) % (sizeof(net->id_counter) / sizeof(net->id_counter[0]));
    return (uint32_t)hash + net->id_counter[at]++;
}

static size_t link_header(const struct nod_net *net, const nod_frame *frame)
{
    bool ethernet = net->iface[frame->iface].config.kind == NOD_IFACE_ETHERNET;
    return ethernet ? NOD_ETHERNET_HEADER : 0;
}

bool nod_must_cut(const struct nod_net *net, const nod_frame *frame)
{
    size_t l3 = link_header(net, frame);
    if (nod_frame_length(frame) <= l3 + net->iface[frame->iface].config.mtu) return false;
    const uint8_t *ip = frame->head + l3;
    if (ip[0] >> 4 == 6) return frame->head_len > l3 + NOD_IP6_HEADER && ip[6] == NOD_PROTO_ICMP6;
    return frame->head_len > l3 + NOD_IP4_HEADER && ip[9] == NOD_PROTO_ICMP;
}

/* The headers of one part: those of the whole, with what makes it a part. */
static void write_headers(const nod_frame *whole, size_t l3, const struct nod_ip *ip,
                          nod_frame *out)
{
    out->iface = whole->iface;
    memcpy(out->head, whole->head, l3);
    out->head_len = (uint8_t)(l3 + nod_ip_emit(ip, out->head + l3));
}

bool nod_cut_next(struct nod_net *net, const nod_frame *whole, nod_frame *out)
{
    struct nod_ip ip;
    size_t l3 = link_header(net, whole), mtu = net->iface[whole->iface].config.mtu;
    nod_ip_parse(whole->head + l3, whole->head_len - l3, nod_frame_length(whole) - l3, &ip);
    size_t at = l3 + ip.size + net->cut_at, left = ip.payload - net->cut_at;
    size_t headers = ip.size + (ip.family == 6 ? NOD_IP6_FRAGMENT_HEADER : 0);
    if (net->cut_at == 0) net->cut_id = ip.family == 6 ? nod_fragment_id(net, &ip) : ip.id;
    memset(out, 0, offsetof(nod_frame, head));
    if (!left) return false;
    uint32_t most = (uint32_t)(mtu - headers) & ~7u, n = min_u32((uint32_t)left, most);
    ip.fragment = true;
    ip.more = n < left;
    ip.id = net->cut_id;
    ip.offset = net->cut_at;
    ip.payload = n;
    write_headers(whole, l3, &ip, out);
    net->cut_at += n;
    if (at < whole->head_len) { /* what of the transport's header is in head[] */
        size_t own = whole->head_len - at;
        memcpy(out->head + out->head_len, whole->head + at, own);
        out->head_len = (uint8_t)(out->head_len + own);
        at += own;
        n -= (uint32_t)own;
    }
    return nod_frame_share_range(whole, at, n, out);
}
