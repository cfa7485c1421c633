/* What is known of paths: how large a packet gets through to an address (RFC 1191, RFC 8201). */
#include <string.h>

#include "base/util.h"
#include "net/net.h"

#define IP6_LEAST 1280

/* Its place in the table; net->paths when it is not there. */
static unsigned find(const struct nod_net *net, const uint8_t dst[16])
{
    unsigned i = 0;
    while (i < net->paths && memcmp(net->path[i].dst, dst, 16) != 0) i++;
    return i;
}

uint16_t nod_net_path_mtu(const struct nod_net *net, const uint8_t dst[16], uint8_t iface,
                          nod_usec *until)
{
    unsigned i = find(net, dst);
    uint16_t mtu = nod_net_mtu(net, iface, nod_ip_family(dst));
    *until = NOD_NEVER;
    if (i == net->paths || net->path[i].until <= net->now || net->path[i].mtu >= mtu) return mtu;
    *until = net->path[i].until;
    return net->path[i].mtu;
}

/* A place for one more: a free one, or that of the entry that would have ended first. */
static unsigned make_room(struct nod_net *net)
{
    unsigned oldest = 0;
    if (net->paths < NOD_PATHS) return net->paths++;
    for (unsigned i = 1; i < NOD_PATHS; i++)
        if (net->path[i].until < net->path[oldest].until) oldest = i;
    return oldest;
}

void nod_net_path_learn(struct nod_net *net, const uint8_t dst[16], uint16_t mtu, nod_usec until)
{
    unsigned i = find(net, dst);
    if (i == net->paths) i = make_room(net);
    memcpy(net->path[i].dst, dst, 16);
    net->path[i].mtu = mtu;
    net->path[i].until = until;
}

/* RFC 1191 section 7.1: MTUs that links have, for routers that do not say theirs. */
static uint16_t next_plateau(uint32_t size)
{
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};
    for (size_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++)
        if (plateaus[i] < size) return plateaus[i];
    return 68;
}

uint16_t nod_net_claimed_mtu(const struct nod_packet *packet, uint16_t in_use, uint16_t least4)
{
    /* What is quoted may be a large segment that was cut later, and some routers of old quote a
     * length that is too large by a header (RFC 1191 section 5). */
    uint32_t size = min_u32(packet->quoted_size, in_use), mtu = packet->next_mtu;
    if (packet->ip.family == 6) {
        if (mtu < IP6_LEAST) return 0; /* no fragment headers for small links (RFC 8201 4) */
    } else {
        mtu = max_u32(mtu ? mtu : next_plateau(size), least4);
    }
    /* It got that far because it was smaller (RFC 5927 7.2); nothing ever grows by a message. */
    return mtu < size ? (uint16_t)mtu : 0;
}
