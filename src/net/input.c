/* From the frame to the transport: link header, IP header, and whether it is for us. */
#include <string.h>

#include "net/net.h"
#include "wire/frame.h"
#include "wire/tcp.h"

static enum nod_drop link_header(struct nod_net *net, const nod_frame *frame,
                                 struct nod_packet *out, size_t *l3)
{
    const struct nod_iface *in = &net->iface[out->iface];
    *l3 = 0;
    if (in->config.kind != NOD_IFACE_ETHERNET) return NOD_DROP_NONE;
    size_t have;
    const uint8_t *p = nod_frame_start(frame, &have);
    struct nod_ethernet eth;
    if (!nod_ethernet_parse(p, have, &eth)) return NOD_DROP_TRUNCATED;
    out->broadcast = eth.dst[0] & 1;
    if (!out->broadcast && memcmp(eth.dst, in->config.mac, 6) != 0) return NOD_DROP_BAD_ETHERNET;
    *l3 = NOD_ETHERNET_HEADER;
    if (eth.type == NOD_ETH_ARP) {
        out->drop = nod_arp_input(net, out->iface, p + *l3, have - *l3);
        *l3 = 0;
        return out->drop;
    }
    bool is_ip = eth.type == NOD_ETH_IP4 || eth.type == NOD_ETH_IP6;
    return is_ip ? NOD_DROP_NONE : NOD_DROP_BAD_ETHERNET;
}

static enum nod_drop check_addresses(const struct nod_net *net, struct nod_packet *out)
{
    const struct nod_ip *ip = &out->ip;
    if (!nod_net_is_local(net, ip->dst)) {
        bool group6 = ip->family == 6 && net->iface[out->iface].config.kind == NOD_IFACE_ETHERNET;
        if (group6 && !nod_mld_is_joined(net, out->iface, ip->dst)) return NOD_DROP_NOT_OURS;
        if (!nod_net_is_broadcast(net, ip->dst)) return NOD_DROP_NOT_OURS;
        out->broadcast = true;
    }
    bool anonymous = ip->protocol == NOD_PROTO_ICMP6 && nod_ip_is_unspecified(ip->src);
    bool ours = out->iface == NOD_IFACE_LOOPBACK; /* from ourselves, and it may say so */
    return !anonymous && !ours && nod_net_is_bad_source(net, ip->src) ? NOD_DROP_BAD_SOURCE
                                                                      : NOD_DROP_NONE;
}

/* Is all that the transport's header may need contiguous? */
static bool has_header(const struct nod_packet *p)
{
    if (p->have == p->ip.payload || p->have >= NOD_TCP_HEADER_MAX) return true;
    return p->ip.protocol == NOD_PROTO_TCP && p->have >= NOD_TCP_HEADER &&
           p->have >= (size_t)(p->l4[12] >> 4) * 4;
}

/* ICMP works on one contiguous packet, and so does a header that goes beyond head[]. */
static enum nod_drop parse_ip(struct nod_net *net, nod_frame *frame, struct nod_packet *out,
                              size_t l3)
{
    for (int flat = 0;; flat++) {
        size_t have;
        const uint8_t *p = nod_frame_start(frame, &have);
        size_t total = nod_frame_length(frame);
        if (have < l3) return NOD_DROP_TRUNCATED;
        enum nod_drop drop = nod_ip_parse(p + l3, have - l3, total - l3, &out->ip);
        out->at = l3 + out->ip.size;
        bool done = drop == NOD_DROP_NONE && have >= out->at;
        if (done) {
            out->l4 = p + out->at;
            out->have = have - out->at;
            if (out->have > out->ip.payload) out->have = out->ip.payload;
        }
        bool in_head = done && out->ip.protocol != NOD_PROTO_TCP && frame->head_len;
        bool whole = done && !in_head && has_header(out);
        if (whole || flat || (have == total && !in_head)) return drop;
        if (nod_frame_flatten(net->pool, frame) < 0) return NOD_DROP_MEMORY;
    }
}

/* IP header, addresses, and parts put together. */
static enum nod_drop network(struct nod_net *net, nod_frame *frame, struct nod_packet *out,
                             size_t l3)
{
    enum nod_drop drop = parse_ip(net, frame, out, l3);
    if (drop != NOD_DROP_NONE && !out->ip.problem) return drop;
    enum nod_drop other = check_addresses(net, out);
    if (other != NOD_DROP_NONE) return other;
    if (out->ip.problem) nod_icmp_problem(net, frame, out);
    return drop;
}

/* The last part of a datagram is here: it is looked at as if it had come whole. */
static enum nod_drop whole_datagram(struct nod_net *net, nod_frame *frame, struct nod_packet *out)
{
    enum nod_drop drop = network(net, frame, out, 0);
    if (drop == NOD_DROP_NONE && out->ip.fragment) return NOD_DROP_FRAGMENT;
    out->ip.reassembled = true;
    return drop;
}

static void transport(struct nod_net *net, nod_frame *frame, struct nod_packet *out)
{
    bool six = out->ip.family == 6;
    uint8_t protocol = out->ip.protocol;
    if (protocol == NOD_PROTO_ICMP || protocol == NOD_PROTO_ICMP6) {
        if ((protocol == NOD_PROTO_ICMP6) == six)
            nod_icmp_input(net, frame, out);
        else
            out->drop = NOD_DROP_PROTOCOL;
    } else if (six && protocol == NOD_PROTO_NONE) { /* RFC 8200 section 4.7: that was all */
        out->drop = NOD_DROP_PROTOCOL;
    } else {
        out->kind = NOD_NET_TRANSPORT;
    }
}

void nod_net_input(struct nod_net *net, nod_frame *frame, bool looped, struct nod_packet *out)
{
    memset(out, 0, sizeof(*out));
    out->iface = frame->iface;
    if (!looped && frame->iface >= net->ifaces) {
        out->drop = NOD_DROP_NOT_OURS;
        return;
    }
    size_t l3;
    out->drop = link_header(net, frame, out, &l3);
    if (out->drop != NOD_DROP_NONE) return;
    if (l3 == 0 && net->iface[out->iface].config.kind == NOD_IFACE_ETHERNET) return; /* ARP */
    out->drop = network(net, frame, out, l3);
    if (out->drop == NOD_DROP_NONE && out->ip.fragment) {
        if (!nod_fragment_in(net, frame, out)) return;
        out->drop = whole_datagram(net, frame, out);
    }
    if (out->drop == NOD_DROP_NONE) transport(net, frame, out);
}
