/* ICMP (RFC 792) and ICMPv6 (RFC 4443): what comes in, and echo. */
#include <string.h>

#include "base/util.h"
#include "net/net.h"
#include "wire/bytes.h"
#include "wire/checksum.h"
#include "wire/frame.h"

enum { ICMP_HEADER = 8 };
enum icmp4 {
    ECHO_REPLY_4 = 0,
    UNREACHABLE_4 = 3,
    QUENCH_4 = 4,
    REDIRECT_4 = 5,
    ECHO_4 = 8,
    TIME_EXCEEDED_4 = 11,
    PARAMETER_4 = 12
};
enum icmp6 {
    UNREACHABLE_6 = 1,
    TOO_BIG_6 = 2,
    TIME_EXCEEDED_6 = 3,
    PARAMETER_6 = 4,
    ECHO_6 = 128,
    ECHO_REPLY_6 = 129,
    LISTENER_QUERY = 130,
    ROUTER_SOLICITATION = 133,
    REDIRECT_6 = 137
};

static bool checksum_is_good(const nod_frame *frame, const struct nod_packet *packet)
{
    struct nod_sum sum = {0};
    nod_frame part = {0};
    if (packet->ip.family == 6)
        nod_sum_add_pseudo(&sum, 6, packet->ip.src, packet->ip.dst, NOD_PROTO_ICMP6,
                           packet->ip.payload);
    /* Only what the IP header counts: Ethernet may have padded. */
    size_t in_head = frame->head_len > packet->at ? frame->head_len - packet->at : 0;
    if (in_head) nod_sum_add(&sum, frame->head + packet->at, in_head);
    size_t from = packet->at + in_head, len = packet->ip.payload - in_head;
    if (!nod_frame_share_range(frame, from, len, &part)) return false;
    nod_sum_add_frame(&sum, &part, 0);
    nod_frame_release(&part);
    return nod_sum_fold(&sum) == 0xffff;
}

void nod_icmp6_sum(nod_frame *frame, size_t at, const uint8_t src[16], const uint8_t dst[16])
{
    struct nod_sum sum = {0};
    uint32_t len = (uint32_t)(nod_frame_length(frame) - at);
    put16(frame->head + at + 2, 0);
    nod_sum_add_pseudo(&sum, 6, src, dst, NOD_PROTO_ICMP6, len);
    nod_sum_add_frame(&sum, frame, at);
    put16(frame->head + at + 2, (uint16_t)~nod_sum_fold(&sum));
}

void nod_icmp_finish(struct nod_net *net, nod_frame *frame, size_t at, const struct nod_ip *ip)
{
    if (ip->family == 6) {
        nod_icmp6_sum(frame, at, ip->src, ip->dst);
    } else {
        struct nod_sum sum = {0};
        nod_sum_add_frame(&sum, frame, at);
        put16(frame->head + at + 2, (uint16_t)~nod_sum_fold(&sum));
    }
    if (nod_net_resolve(net, frame, ip->dst)) nod_net_queue(net, frame);
}

/* From the address that was asked; to a group's or everybody's question from one of our own. */
static bool source_of(const struct nod_net *net, const struct nod_packet *packet, uint8_t src[16])
{
    memcpy(src, packet->ip.dst, 16);
    if (nod_net_is_local(net, packet->ip.dst)) return true;
    return nod_net_source(net, packet->iface, packet->ip.src, src);
}

size_t nod_icmp_begin(struct nod_net *net, const nod_frame *frame, const struct nod_packet *packet,
                      uint8_t tos, size_t from, size_t len, nod_frame *out, struct nod_ip *ip)
{
    *ip = (struct nod_ip){
        .family = packet->ip.family,
        .protocol = packet->ip.family == 6 ? NOD_PROTO_ICMP6 : NOD_PROTO_ICMP,
        .ttl = net->ttl,
        .tos = tos,
        .payload = (uint32_t)(ICMP_HEADER + len),
    };
    if (!source_of(net, packet, ip->src)) return 0;
    memcpy(ip->dst, packet->ip.src, 16);
    memset(out, 0, offsetof(nod_frame, head));
    if (ip->family == 4) { /* routers may cut it: it is no connection's, that could send less */
        ip->fragment = true;
        ip->id = nod_fragment_id(net, ip);
    }
    size_t at = nod_net_wrap(net, out, packet->iface, ip);
    out->head_len = (uint8_t)(at + ICMP_HEADER);
    memset(out->head + at, 0, ICMP_HEADER);
    if (nod_frame_share_range(frame, from, len, out)) return at;
    nod_frame_release(out);
    return 0;
}

static void echo(struct nod_net *net, const nod_frame *frame, const struct nod_packet *packet)
{
    nod_frame out;
    struct nod_ip ip;
    size_t len = packet->ip.payload - ICMP_HEADER;
    if (frame->head_len) return;         /* cannot be shared; input flattens such frames */
    uint8_t tos = packet->ip.tos & 0xfc; /* the question's (RFC 1122 3.2.2), but for ECN */
    size_t at = nod_icmp_begin(net, frame, packet, tos, packet->at + ICMP_HEADER, len, &out, &ip);
    if (!at) return;
    out.head[at] = ip.family == 6 ? ECHO_REPLY_6 : ECHO_REPLY_4;
    memcpy(out.head + at + 4, packet->l4 + 4, 4); /* identifier, sequence number */
    nod_icmp_finish(net, &out, at, &ip);
}

/* A ping to everybody is answered by nobody here in IPv4 (RFC 1122 3.2.2.6 allows it), and by all
 * nodes of the link in IPv6 (RFC 4443 4.2), but not at any rate. */
static bool may_echo(struct nod_net *net, const struct nod_packet *packet)
{
    if (!net->answer_echo || nod_ip_is_unspecified(packet->ip.src)) return false;
    if (!packet->broadcast) return true;
    static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
    return memcmp(packet->ip.dst, all_nodes, 16) == 0 && nod_icmp_allowed(net);
}

static bool is_error(int family, uint8_t type)
{
    if (family == 6) return type < 128;
    return type == UNREACHABLE_4 || type == QUENCH_4 || type == REDIRECT_4 ||
           type == TIME_EXCEEDED_4 || type == PARAMETER_4;
}

/* Reads the quoted packet without its checksum, which an error may change. The length that it
 * says is of the packet, not of the quotation. */
static bool parse_quote(const uint8_t *p, size_t len, struct nod_ip *ip, uint32_t *size)
{
    if (len < 1) return false;
    *ip = (struct nod_ip){0};
    if (p[0] >> 4 == 4 && len >= NOD_IP4_HEADER) {
        ip->family = 4;
        ip->size = (p[0] & 15u) * 4;
        ip->protocol = p[9];
        *size = get16(p + 2);
        nod_ip_map4(ip->src, p + 12);
        nod_ip_map4(ip->dst, p + 16);
        return ip->size >= NOD_IP4_HEADER && !(get16(p + 6) & 0x1fff);
    }
    if (p[0] >> 4 != 6 || len < NOD_IP6_HEADER) return false;
    ip->family = 6;
    ip->size = NOD_IP6_HEADER;
    ip->protocol = p[6];
    *size = NOD_IP6_HEADER + (uint32_t)get16(p + 4);
    memcpy(ip->src, p + 8, 16);
    memcpy(ip->dst, p + 24, 16);
    return true;
}

/* Of networks, too, redirects are taken as of the host (RFC 1122 3.3.1.2 on what a host may). */
static enum nod_drop redirect(struct nod_net *net, const struct nod_packet *packet)
{
    uint8_t gateway[16];
    nod_ip_map4(gateway, packet->l4 + 4);
    if (packet->l4[1] > 3) return NOD_DROP_ICMP;
    return nod_redirect_input(net, packet, packet->quoted.dst, gateway);
}

static enum nod_drop error_in(struct nod_net *net, struct nod_packet *packet)
{
    const uint8_t *quote = packet->l4 + ICMP_HEADER;
    size_t len = min_u32((uint32_t)packet->have, packet->ip.payload) - ICMP_HEADER;
    if (!parse_quote(quote, len, &packet->quoted, &packet->quoted_size)) return NOD_DROP_ICMP;
    if (len < packet->quoted.size + 8) return NOD_DROP_ICMP;
    if (!nod_net_is_local(net, packet->quoted.src)) return NOD_DROP_ICMP;
    if (packet->ip.family == 4 && packet->l4[0] == QUENCH_4) return NOD_DROP_ICMP; /* MUST-55 */
    if (packet->ip.family == 4 && packet->l4[0] == REDIRECT_4) return redirect(net, packet);
    packet->quoted_l4 = quote + packet->quoted.size;
    packet->icmp_type = packet->l4[0];
    packet->icmp_code = packet->l4[1];
    if (packet->ip.family == 6) {
        packet->too_big = packet->icmp_type == TOO_BIG_6;
        packet->next_mtu = get32(packet->l4 + 4);
    } else {
        packet->too_big = packet->icmp_type == UNREACHABLE_4 && packet->icmp_code == 4;
        packet->next_mtu = get16(packet->l4 + 6);
    }
    packet->kind = NOD_NET_ERROR;
    return NOD_DROP_NONE;
}

void nod_icmp_input(struct nod_net *net, nod_frame *frame, struct nod_packet *packet)
{
    packet->kind = NOD_NET_DONE;
    bool six = packet->ip.family == 6;
    packet->drop = NOD_DROP_ICMP;
    if (packet->ip.payload < ICMP_HEADER || packet->have < ICMP_HEADER) return;
    if (!checksum_is_good(frame, packet)) return;
    uint8_t type = packet->l4[0];
    if (is_error(packet->ip.family, type)) {
        packet->drop = error_in(net, packet);
    } else if (type == (six ? ECHO_6 : ECHO_4)) {
        packet->drop = NOD_DROP_NONE;
        if (may_echo(net, packet)) echo(net, frame, packet);
    } else if (six && type >= ROUTER_SOLICITATION && type <= REDIRECT_6) {
        packet->drop = NOD_DROP_NEIGHBOUR;
        if (packet->ip.reassembled) return; /* RFC 6980 section 5 */
        packet->drop = NOD_DROP_NONE;
        if (net->iface[packet->iface].config.kind == NOD_IFACE_ETHERNET)
            packet->drop = nod_nd_input(net, frame, packet);
    } else if (six && type == LISTENER_QUERY) {
        packet->drop = NOD_DROP_NONE;
        if (net->iface[packet->iface].config.kind == NOD_IFACE_ETHERNET) nod_mld_query(net, packet);
    }
}
