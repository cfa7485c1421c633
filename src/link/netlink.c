#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>

struct nod_netlink {
    struct mnl_socket *socket;
    unsigned port, sequence;
    char buffer[8192];
};

nod_netlink *nod_netlink_open(void)
{
    nod_netlink *netlink = calloc(1, sizeof *netlink);
    if (!netlink) return NULL;
    netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        int error = errno;
        nod_netlink_close(netlink);
        errno = error;
        return NULL;
    }
    netlink->port = mnl_socket_get_portid(netlink->socket);
    return netlink;
}

void nod_netlink_close(nod_netlink *netlink)
{
    if (!netlink) return;
    if (netlink->socket) mnl_socket_close(netlink->socket);
    free(netlink);
}

static struct nlmsghdr *begin(nod_netlink *netlink, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(netlink->buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message->nlmsg_seq = ++netlink->sequence;
    return message;
}

/* Sends the request and waits for its ACK; `answer` (may be NULL) sees what comes before it. */
static int ask(nod_netlink *netlink, const struct nlmsghdr *message, mnl_cb_t answer, void *ctx)
{
    if (mnl_socket_sendto(netlink->socket, message, message->nlmsg_len) < 0) return -errno;
    for (;;) {
        ssize_t got = mnl_socket_recvfrom(netlink->socket, netlink->buffer, sizeof netlink->buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        int more =
            mnl_cb_run(netlink->buffer, (size_t)got, netlink->sequence, netlink->port, answer, ctx);
        if (more < 0) return -errno;
        if (more == MNL_CB_STOP) return 0;
    }
}

static int talk(nod_netlink *netlink, const struct nlmsghdr *message)
{
    return ask(netlink, message, NULL, NULL);
}

static int family_of(const nod_addr *addr)
{
    return addr->family == 4 ? AF_INET : AF_INET6;
}

static size_t length_of(const nod_addr *addr)
{
    return addr->family == 4 ? 4 : 16;
}

int nod_netlink_up(nod_netlink *netlink, unsigned ifindex, uint16_t mtu, uint32_t queue)
{
    struct nlmsghdr *message = begin(netlink, RTM_NEWLINK, 0);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = (int)ifindex;
    info->ifi_change = info->ifi_flags = IFF_UP;
    if (mtu) mnl_attr_put_u32(message, IFLA_MTU, mtu);
    if (queue) mnl_attr_put_u32(message, IFLA_TXQLEN, queue);
    return talk(netlink, message);
}

int nod_netlink_no_link_local(nod_netlink *netlink, unsigned ifindex)
{
    struct nlmsghdr *message = begin(netlink, RTM_NEWLINK, 0);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = (int)ifindex;
    struct nlattr *families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *ip6 = mnl_attr_nest_start(message, AF_INET6);
    mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(message, ip6);
    mnl_attr_nest_end(message, families);
    return talk(netlink, message);
}

int nod_netlink_address(nod_netlink *netlink, unsigned ifindex, const nod_addr *addr, int prefix)
{
    struct nlmsghdr *message = begin(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
    info->ifa_family = (uint8_t)family_of(addr);
    info->ifa_prefixlen = (uint8_t)prefix;
    info->ifa_scope = RT_SCOPE_UNIVERSE;
    info->ifa_index = ifindex;
    /* Without it an IPv6 address is of no use until nobody has objected for a second. */
    if (addr->family == 6) info->ifa_flags = IFA_F_NODAD;
    mnl_attr_put(message, IFA_LOCAL, length_of(addr), addr->bytes);
    mnl_attr_put(message, IFA_ADDRESS, length_of(addr), addr->bytes);
    return talk(netlink, message);
}

static int take_route_type(const struct nlmsghdr *message, void *ctx)
{
    const struct rtmsg *route = mnl_nlmsg_get_payload(message);
    if (message->nlmsg_type == RTM_NEWROUTE) *(int *)ctx = route->rtm_type;
    return MNL_CB_OK;
}

bool nod_netlink_is_local(nod_netlink *netlink, const nod_addr *addr)
{
    int type = RTN_UNSPEC;
    struct nlmsghdr *message = begin(netlink, RTM_GETROUTE, 0);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof *route);
    route->rtm_family = (uint8_t)family_of(addr);
    route->rtm_dst_len = (uint8_t)(length_of(addr) * 8);
    mnl_attr_put(message, RTA_DST, length_of(addr), addr->bytes);
    return ask(netlink, message, take_route_type, &type) == 0 && type == RTN_LOCAL;
}
