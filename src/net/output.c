/* From the transport to the frame, and the frames that the IP layer itself has to send. */
#include <string.h>

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

void nod_net_queue(struct nod_net *net, nod_frame *frame)
{
    nod_frame *copy = NULL;
    if (net->queue_count < NOD_NET_QUEUE) copy = nod_pool_take(net->pool, sizeof(*copy));
    if (!copy) {
        nod_frame_release(frame);
        net->drops[NOD_DROP_QUEUE]++;
        return;
    }
    nod_frame_move(frame, copy);
    net->queue[(net->queue_first + net->queue_count++) % NOD_NET_QUEUE] = copy;
}

bool nod_net_dequeue(struct nod_net *net, nod_frame *out)
{
    if (!net->queue_count) return false;
    nod_frame *frame = net->queue[net->queue_first];
    net->queue_first = (net->queue_first + 1) % NOD_NET_QUEUE;
    net->queue_count--;
    nod_frame_move(frame, out);
    nod_pool_give(net->pool, frame, sizeof(*frame));
    return true;
}
