/* What nod asks of the kernel about its devices, over rtnetlink. Each call waits for the
 * kernel's answer and returns 0 or the negative errno. */
#ifndef NOD_NETLINK_H
#define NOD_NETLINK_H

#include "nod/types.h"

typedef struct nod_netlink nod_netlink;

/* NULL with errno set. */
nod_netlink *nod_netlink_open(void);
void nod_netlink_close(nod_netlink *netlink);

/* MTU, packets in the kernel's queue; 0: unchanged. */
int nod_netlink_up(nod_netlink *netlink, unsigned ifindex, uint16_t mtu, uint32_t queue);

/* No link-local address of the kernel's making, and so no traffic to look for routers. */
int nod_netlink_no_link_local(nod_netlink *netlink, unsigned ifindex);

/* The kernel's own address on the device, usable at once; the route for its prefix comes
 * with it. */
int nod_netlink_address(nod_netlink *netlink, unsigned ifindex, const nod_addr *addr, int prefix);

/* Whether the kernel takes packets to this address for its own. For a new IPv6 address that
 * comes true a moment after nod_netlink_address. */
bool nod_netlink_is_local(nod_netlink *netlink, const nod_addr *addr);

#endif
