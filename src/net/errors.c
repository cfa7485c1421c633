/* ICMP errors that this host sends: about what (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e),
 * how large (RFC 1812 4.3.2.3, RFC 4443 2.4 c), and how often. */
#include <string.h>

#include "base/util.h"
#include "net/net.h"
#include "wire/bytes.h"

enum { ICMP_HEADER = 8 };
enum icmp4 { UNREACHABLE_4 = 3, TIME_EXCEEDED_4 = 11, PARAMETER_4 = 12 };
enum icmp6 { UNREACHABLE_6 = 1, TIME_EXCEEDED_6 = 3, PARAMETER_6 = 4 };

struct complaint {
    uint8_t type, code;
    uint32_t about; /* the four octets after the checksum */
    bool to_group;  /* even about a packet to a group */
};

bool nod_icmp_allowed(struct nod_net *net)
{
    if (!net->icmp_per_second) return false;
    uint64_t add = (net->now - net->icmp_filled) * net->icmp_per_second / NOD_SEC;
    if (add) {
        net->icmp_tokens = (uint32_t)min_u64(net->icmp_tokens + add, net->icmp_per_second);
        net->icmp_filled = net->now;
    }
    if (!net->icmp_tokens) return false;
    net->icmp_tokens--;
    return true;
}

/* Is the packet itself an ICMP error, or a redirect, or something that we cannot tell from one? */
static bool is_error(const nod_frame *frame, const struct nod_packet *packet)
{
    uint8_t type, want = packet->ip.family == 6 ? NOD_PROTO_ICMP6 : NOD_PROTO_ICMP;
    if (packet->ip.protocol != want) return false;
    if (nod_frame_copy(frame, packet->at, &type, 1) != 1) return true;
    if (packet->ip.family == 6) return type < 128 || type == 137;
    return type != 0 && type != 8; /* of the rest none needs an answer */
}

/* Class E: no host that we know of, though its segments may be answered (RFC 1122 3.2.2). */
static bool is_reserved(const uint8_t ip[16])
{
    return nod_ip_family(ip) == 4 && ip[12] >= 240;
}

static bool may_complain(struct nod_net *net, const nod_frame *frame,
                         const struct nod_packet *packet, const struct complaint *what)
{
    bool group = packet->broadcast && !(what->to_group && packet->ip.family == 6);
    if (group || frame->head_len || nod_ip_is_unspecified(packet->ip.src) ||
        is_reserved(packet->ip.src))
        return false;
    return nod_icmp_allowed(net);
}

static void complain(struct nod_net *net, const nod_frame *frame, const struct nod_packet *packet,
                     const struct complaint *what)
{
    if (!may_complain(net, frame, packet, what)) return;
    nod_frame out;
    struct nod_ip ip;
    size_t most = (packet->ip.family == 6 ? 1280 - NOD_IP6_HEADER : 576 - NOD_IP4_HEADER);
    size_t len = min_u32(packet->ip.size + packet->ip.payload, (uint32_t)most - ICMP_HEADER);
    size_t at = nod_icmp_begin(net, frame, packet, 0, packet->at - packet->ip.size, len, &out, &ip);
    if (!at) return;
    uint8_t *p = out.head + at;
    p[0] = what->type;
    p[1] = what->code;
    put32(p + 4, what->about);
    nod_icmp_finish(net, &out, at, &ip);
}

void nod_net_unreachable(struct nod_net *net, const nod_frame *frame,
                         const struct nod_packet *packet, enum nod_unreachable what)
{
    bool six = packet->ip.family == 6, port = what == NOD_UNREACHABLE_PORT;
    struct complaint c = {.type = UNREACHABLE_4, .code = port ? 3 : 2};
    if (six) c = (struct complaint){.type = UNREACHABLE_6, .code = 4};
    if (six && !port) /* "unrecognized Next Header" (RFC 4443 3.4), at the field that said so */
        c = (struct complaint){.type = PARAMETER_6, .code = 1, .about = packet->ip.next_at};
    complain(net, frame, packet, &c);
}

void nod_icmp_problem(struct nod_net *net, const nod_frame *frame, const struct nod_packet *packet)
{
    struct complaint c = {.type = PARAMETER_6, .about = packet->ip.problem_at};
    if (packet->ip.family == 4)
        c = (struct complaint){.type = PARAMETER_4, .about = packet->ip.problem_at << 24};
    switch ((enum nod_ip_problem)packet->ip.problem) {
    case NOD_PROBLEM_NONE: return;
    case NOD_PROBLEM_FIELD: break;
    case NOD_PROBLEM_NEXT_HEADER: c.code = 1; break;
    case NOD_PROBLEM_OPTION:
        c.to_group = true;
        c.code = 2;
        break;
    case NOD_PROBLEM_OPTION_TO_US: c.code = 2; break;
    case NOD_PROBLEM_CHAIN: c.code = 3; break;
    }
    bool later = packet->ip.family == 4 && packet->ip.offset; /* RFC 1122 3.2.2 */
    if (!later && !is_error(frame, packet)) complain(net, frame, packet, &c);
}

void nod_icmp_reassembly_timeout(struct nod_net *net, const nod_frame *frame,
                                 const struct nod_packet *packet)
{
    struct complaint c = {.type = packet->ip.family == 6 ? TIME_EXCEEDED_6 : TIME_EXCEEDED_4,
                          .code = 1};
    if (!is_error(frame, packet)) complain(net, frame, packet, &c);
}
