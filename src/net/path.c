/* What is known of paths: how large a packet gets through to an address (RFC 1191, RFC 8201). */
#include <string.h>

#include "base/util.h"
#include "net/net.h"

#define IP6_LEAST 1280

static struct nod_path_entry *find(const struct nod_net *net, const uint8_t dst[16])
{
    for (unsigned i = 0; i < net->path_count; i++)
        if (memcmp(net->paths[i].dst, dst, 16) == 0) return &net->paths[i];
    return NULL;
}

uint16_t nod_net_path_mtu(const struct nod_net *net, const uint8_t dst[16], uint8_t iface,
                          nod_usec *until)
{
    const struct nod_path_entry *entry = find(net, dst);
    uint16_t mtu = net->iface[iface].config.mtu;
    *until = NOD_NEVER;
    if (!entry || entry->until <= net->now || entry->mtu >= mtu) return mtu;
    *until = entry->until;
    return entry->mtu;
}

/* A place for one more: a free one, or that of the entry that would have ended first. */
static struct nod_path_entry *make_room(struct nod_net *net)
{
    if (!net->paths) net->paths = nod_pool_take(net->pool, NOD_PATHS * sizeof(*net->paths));
    if (!net->paths) return NULL;
    if (net->path_count < NOD_PATHS) return &net->paths[net->path_count++];
    struct nod_path_entry *oldest = net->paths;
    for (unsigned i = 1; i < NOD_PATHS; i++)
        if (net->paths[i].until < oldest->until) oldest = &net->paths[i];
    return oldest;
}

void nod_net_path_learn(struct nod_net *net, const uint8_t dst[16], uint16_t mtu, nod_usec until)
{
    struct nod_path_entry *entry = find(net, dst);
    if (!entry) entry = make_room(net);
    if (!entry) return; /* who found out knows, and others will */
    memcpy(entry->dst, dst, 16);
    entry->mtu = mtu;
    entry->until = until;
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
