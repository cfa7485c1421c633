/* From the transport to the frame, and the frames that the IP layer itself has to send. */
#include <string.h>

#include "base/util.h"
#include "net/net.h"
#include "wire/frame.h"

size_t nod_net_wrap(struct nod_net *net, nod_frame *frame, uint8_t iface, const struct nod_ip *ip)
{
    const struct nod_iface *out = &net->iface[iface];
    size_t at = 0;
    frame->iface = iface;
    if (out->config.kind == NOD_IFACE_ETHERNET) {
        struct nod_ethernet eth = {.type = ip->family == 6 ? NOD_ETH_IP6 : NOD_ETH_IP4};
        memcpy(eth.src, out->config.mac, 6);
        nod_ethernet_emit(&eth, frame->head); /* nod_net_resolve fills in the destination */
        at = NOD_ETHERNET_HEADER;
    }
    at += nod_ip_emit(ip, frame->head + at);
    frame->head_len = (uint8_t)at;
    return at;
}

/* The frame in memory of its own; NULL, and the frame released, when there is none. */
static nod_frame *keep(struct nod_net *net, nod_frame *frame)
{
    nod_frame *copy = nod_pool_take(net->pool, sizeof(*copy));
    if (copy) {
        nod_frame_move(frame, copy);
    } else {
        nod_frame_release(frame);
        net->drops[NOD_DROP_MEMORY]++;
    }
    return copy;
}

static void unkeep(struct nod_net *net, nod_frame *kept, nod_frame *out)
{
    nod_frame_move(kept, out);
    nod_pool_give(net->pool, kept, sizeof(*kept));
}

void nod_net_queue(struct nod_net *net, nod_frame *frame)
{
    if (net->queue_count == NOD_NET_QUEUE) {
        nod_frame_release(frame);
        net->drops[NOD_DROP_QUEUE]++;
        return;
    }
    nod_frame *kept = keep(net, frame);
    if (kept) net->queue[(net->queue_first + net->queue_count++) % NOD_NET_QUEUE] = kept;
}

static void dequeue(struct nod_net *net, nod_frame *out)
{
    unkeep(net, net->queue[net->queue_first], out);
    net->queue_first = (net->queue_first + 1) % NOD_NET_QUEUE;
    net->queue_count--;
}

bool nod_net_dequeue(struct nod_net *net, nod_frame *out)
{
    while (net->queue_count) {
        const nod_frame *first = net->queue[net->queue_first];
        if (!nod_must_cut(net, first)) {
            dequeue(net, out);
            return true;
        }
        if (nod_cut_next(net, first, out)) return true; /* it stays until all of it has left */
        nod_frame_release(out);
        dequeue(net, out);
        nod_frame_release(out);
        net->cut_at = 0;
    }
    return false;
}

void nod_net_loop(struct nod_net *net, nod_frame *frame)
{
    NOD_ASSERT(net->looped_count < NOD_LOOPED); /* output stops before */
    nod_frame *kept = keep(net, frame);
    if (kept) net->looped[(net->looped_first + net->looped_count++) % NOD_LOOPED] = kept;
}

bool nod_net_unloop(struct nod_net *net, nod_frame *out)
{
    if (!net->looped_count) return false;
    unkeep(net, net->looped[net->looped_first], out);
    net->looped_first = (net->looped_first + 1) % NOD_LOOPED;
    net->looped_count--;
    return true;
}
