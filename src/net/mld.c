/* Group membership for IPv6: MLDv2 (RFC 3810), the side of a listener. This host listens to the
 * solicited-node groups of its addresses, from any source; all-nodes is never reported. IPv4 has
 * no group here but all-hosts, of which IGMP says nothing. */
#include <string.h>

#include "base/util.h"
#include "net/net.h"
#include "wire/bytes.h"
#include "wire/checksum.h"
#include "wire/frame.h"

#define ROBUSTNESS 2                          /* RFC 3810 9.1: how often a change is reported */
#define UNSOLICITED_REPORT_INTERVAL NOD_SEC   /* 9.11 */
#define OLDER_QUERIER_PRESENT (260 * NOD_SEC) /* 9.12: 2 * 125 s + 10 s */

enum mld_type { QUERY = 130, REPORT_V1 = 131, REPORT_V2 = 143 };
enum record_type { MODE_IS_EXCLUDE = 2, CHANGE_TO_EXCLUDE = 4 };
enum { HOP_BY_HOP_SIZE = 8, REPORT_HEADER = 8, RECORD = 20, V1_SIZE = 24 };

static const uint8_t all_mld2_routers[16] = {0xff, 0x02, [15] = 0x16};

static bool is_in_group(const struct nod_claim *claim, const uint8_t group[16])
{
    uint8_t its[16];
    if (nod_ip_family(claim->ip) != 6 || claim->state == NOD_ADDRESS_DUPLICATE) return false;
    nod_solicited_node(claim->ip, its);
    return memcmp(its, group, 16) == 0;
}

bool nod_mld_is_joined(const struct nod_net *net, uint8_t iface, const uint8_t group[16])
{
    const struct nod_iface *in = &net->iface[iface];
    if (memcmp(group, nod_all_nodes, 16) == 0) return true;
    for (unsigned c = 0; c < in->claims; c++)
        if (is_in_group(&in->claim[c], group)) return true;
    return false;
}

void nod_mld_join(struct nod_net *net, uint8_t iface, struct nod_claim *claim)
{
    claim->reports = ROBUSTNESS;
    net->iface[iface].link.report_at = net->now;
}

/* From our link-local address if it may be used already, else from nobody (RFC 3590): hop limit 1,
 * router alert. `to` is the group itself with version 1. */
static void send_mld(struct nod_net *net, uint8_t iface, const uint8_t to[16],
                     const uint8_t *message, size_t size)
{
    static const uint8_t router_alert[HOP_BY_HOP_SIZE] = {NOD_PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0};
    uint8_t b[NOD_ETHERNET_HEADER + NOD_IP6_HEADER + HOP_BY_HOP_SIZE + REPORT_HEADER +
              NOD_ADDRS_MAX * RECORD];
    struct nod_iface *in = &net->iface[iface];
    struct nod_ethernet eth = {.type = NOD_ETH_IP6};
    memcpy(eth.src, in->config.mac, 6);
    nod_group_mac(to, eth.dst);
    nod_ethernet_emit(&eth, b);
    struct nod_ip ip = {
        .family = 6, .protocol = 0, .ttl = 1, .payload = (uint32_t)(HOP_BY_HOP_SIZE + size)};
    for (unsigned a = 0; a < in->addrs; a++)
        if (nod_ip_is_link_local(in->addr[a])) memcpy(ip.src, in->addr[a], 16);
    memcpy(ip.dst, to, 16);
    size_t at = NOD_ETHERNET_HEADER + nod_ip_emit(&ip, b + NOD_ETHERNET_HEADER);
    memcpy(b + at, router_alert, HOP_BY_HOP_SIZE);
    at += HOP_BY_HOP_SIZE;
    memcpy(b + at, message, size);
    struct nod_sum sum = {0};
    nod_sum_add_pseudo(&sum, 6, ip.src, ip.dst, NOD_PROTO_ICMP6, (uint32_t)size);
    nod_sum_add(&sum, b + at, size);
    put16(b + at + 2, (uint16_t)~nod_sum_fold(&sum));
    nod_frame frame;
    if (nod_frame_from_bytes(net->pool, b, at + size, &frame) < 0) {
        net->drops[NOD_DROP_MEMORY]++;
        return;
    }
    frame.iface = iface;
    nod_net_queue(net, &frame);
}

static void report_v1(struct nod_net *net, uint8_t iface, const uint8_t ip[16])
{
    uint8_t message[V1_SIZE] = {REPORT_V1};
    nod_solicited_node(ip, message + 8);
    send_mld(net, iface, message + 8, message, sizeof(message));
}

/* Takes a claim's group into the message, unless another address has brought it already. True: it
 * is new. */
static bool add_record(uint8_t *message, const struct nod_claim *claim, uint8_t type)
{
    unsigned records = get16(message + 6);
    uint8_t group[16], *record = message + REPORT_HEADER;
    nod_solicited_node(claim->ip, group);
    for (unsigned i = 0; i < records; i++, record += RECORD)
        if (memcmp(record + 4, group, 16) == 0) return false;
    record[0] = type;
    memcpy(record + 4, group, 16);
    put16(message + 6, records + 1);
    return true;
}

/* One message for all groups of which there is something to say: what was asked for, or what has
 * changed. A mode of "exclude nobody" is to listen to everybody. */
static void report(struct nod_net *net, uint8_t iface, bool asked)
{
    uint8_t message[REPORT_HEADER + NOD_ADDRS_MAX * RECORD] = {REPORT_V2};
    struct nod_iface *in = &net->iface[iface];
    bool old = in->link.old_querier_until > net->now;
    for (unsigned c = 0; c < in->claims; c++) {
        struct nod_claim *claim = &in->claim[c];
        if (asked ? !claim->asked : !claim->reports) continue;
        bool first = add_record(message, claim, asked ? MODE_IS_EXCLUDE : CHANGE_TO_EXCLUDE);
        if (first && old) report_v1(net, iface, claim->ip);
        if (asked)
            claim->asked = false;
        else
            claim->reports--;
    }
    unsigned records = get16(message + 6);
    if (!records || old) return;
    send_mld(net, iface, all_mld2_routers, message, REPORT_HEADER + records * RECORD);
}

static bool has_reports(const struct nod_iface *in)
{
    for (unsigned c = 0; c < in->claims; c++)
        if (in->claim[c].reports) return true;
    return false;
}

void nod_mld_expire(struct nod_net *net)
{
    for (unsigned i = 0; i < net->ifaces; i++) {
        struct nod_link_state *link = &net->iface[i].link;
        if (link->report_at <= net->now) {
            report(net, (uint8_t)i, false);
            nod_usec again = net->now + 1 + nod_net_random(net, UNSOLICITED_REPORT_INTERVAL);
            link->report_at = has_reports(&net->iface[i]) ? again : NOD_NEVER;
        }
        if (link->answer_at <= net->now) {
            link->answer_at = NOD_NEVER;
            report(net, (uint8_t)i, true);
        }
    }
}

nod_usec nod_mld_next(const struct nod_net *net)
{
    nod_usec next = NOD_NEVER;
    for (unsigned i = 0; i < net->ifaces; i++)
        next = min_u64(next, min_u64(net->iface[i].link.report_at, net->iface[i].link.answer_at));
    return next;
}

/* RFC 3810 6.2: link-local source, hop limit 1, and a hop-by-hop header with a router alert. */
static bool query_is_valid(const struct nod_packet *packet)
{
    if (!nod_ip_is_link_local(packet->ip.src) || packet->ip.ttl != 1) return false;
    if (packet->ip.reassembled || packet->ip.size < NOD_IP6_HEADER + HOP_BY_HOP_SIZE ||
        packet->have < packet->ip.payload)
        return false;
    const uint8_t *ext = packet->l4 - (packet->ip.size - NOD_IP6_HEADER);
    if (ext[-NOD_IP6_HEADER + 6] != 0) return false; /* the first header is another */
    size_t size = 8u * (ext[1] + 1u);
    for (size_t at = 2; at + 1 < size; at += ext[at] ? ext[at + 1] + 2u : 1)
        if (ext[at] == 5) return true;
    return false;
}

/* Milliseconds: RFC 3810 5.1.3. */
static uint32_t max_response_ms(const uint8_t *p, bool old)
{
    uint32_t code = get16(p + 4);
    if (old || code < 32768) return code;
    return ((code & 0xfff) | 0x1000) << ((code >> 12 & 7) + 3);
}

void nod_mld_query(struct nod_net *net, const struct nod_packet *packet)
{
    const uint8_t *p = packet->l4;
    struct nod_iface *in = &net->iface[packet->iface];
    bool old = packet->ip.payload == V1_SIZE;
    if (packet->ip.payload < V1_SIZE || (!old && packet->ip.payload < 28)) return;
    if (!query_is_valid(packet)) return;
    bool general = nod_ip_is_unspecified(p + 8), any = false;
    if (old) in->link.old_querier_until = net->now + OLDER_QUERIER_PRESENT;
    for (unsigned c = 0; c < in->claims; c++) {
        struct nod_claim *claim = &in->claim[c];
        uint8_t group[16];
        nod_solicited_node(claim->ip, group);
        if (!is_in_group(claim, general ? group : p + 8)) continue;
        any = claim->asked = true;
    }
    if (!any) return;
    nod_usec delay = nod_net_random(net, (uint64_t)max_response_ms(p, old) * 1000 + 1);
    in->link.answer_at = min_u64(in->link.answer_at, net->now + delay);
}
