/* TUN and TAP: frames to and from the Linux kernel.
 *
 * A packet is read into two blocks: a small one that holds any ordinary packet, and with
 * offload a big one for what a large segment has beyond it. Ordinary packets so never hold
 * a big block, and the big one waits for its turn without being allocated anew. */
#include "impl.h"
#include "netlink.h"
#include "nod/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define ETHERNET_ROOM 18 /* header and one VLAN tag */
#define MTU_DEFAULT 1500
#define IP_MAX 65535
#define TCP_CHECKSUM_AT 16 /* within the TCP header */
#define IOV_MAX_FRAME (2 + NOD_FRAME_PARTS)

typedef struct nod_tun {
    nod_link link;
    nod_pool *pool;
    int fd;
    bool tap, offload;
    bool adopted;   /* the descriptor is another's */
    bool is_socket; /* and gives its packets as a socket does */
    uint16_t mtu;
    uint32_t next_id;
    nod_block *small, *big; /* to be read into next; may be NULL */
    /* A large frame that the device took only some pieces of. */
    uint32_t cut_id;
    unsigned cut_next;
    nod_link_stats stats;
    char name[IFNAMSIZ];
} nod_tun;

static void tun_iface(const nod_link *link, nod_iface_config *out)
{
    const nod_tun *tun = (const nod_tun *)link;
    *out = (nod_iface_config){
        .kind = tun->tap ? NOD_IFACE_ETHERNET : NOD_IFACE_IP,
        .mtu = tun->mtu,
        .gso_max = tun->offload ? IP_MAX : 0,
        .csum_offload = tun->offload,
    };
    if (!tun->tap) return;
    /* Locally administered, unicast; the kernel's own end has a random one. */
    static const uint8_t mac[6] = {0x02, 'n', 'o', 'd', 0, 1};
    memcpy(out->mac, mac, sizeof mac);
}

static const char *tun_name(const nod_link *link)
{
    return ((const nod_tun *)link)->name;
}

static int tun_fd(const nod_link *link)
{
    return ((const nod_tun *)link)->fd;
}

static nod_usec tun_deadline(const nod_link *link)
{
    (void)link;
    return NOD_NEVER;
}

static void tun_stats(const nod_link *link, nod_link_stats *out)
{
    *out = ((const nod_tun *)link)->stats;
}

static void forget_blocks(nod_tun *tun)
{
    nod_block_unref(tun->small);
    nod_block_unref(tun->big);
    tun->small = tun->big = NULL;
}

static void tun_close(nod_link *link)
{
    nod_tun *tun = (nod_tun *)link;
    forget_blocks(tun);
    if (!tun->adopted) close(tun->fd);
    free(tun);
}

/* Receiving. */

static size_t small_room(const nod_tun *tun)
{
    return (size_t)tun->mtu + ETHERNET_ROOM;
}

/* The Internet checksum of bytes that start at an even offset of what is summed. */
static uint16_t checksum(const uint8_t *bytes, size_t len)
{
    uint64_t sum = 0;
    for (; len > 1; bytes += 2, len -= 2) sum += (uint32_t)bytes[0] << 8 | bytes[1];
    if (len) sum += (uint32_t)bytes[0] << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* UDP and others that the kernel left to the device: TCP is completed by who needs it. */
static void complete_checksum(nod_frame *frame, size_t start, size_t at)
{
    size_t len = frame->part[0].len;
    if (frame->parts != 1 || start >= len || start + at + 2 > len) return;
    uint8_t *bytes = nod_slice_bytes(&frame->part[0]);
    uint16_t sum = checksum(bytes + start, len - start);
    if (sum == 0) sum = 0xffff;
    bytes[start + at] = (uint8_t)(sum >> 8);
    bytes[start + at + 1] = (uint8_t)sum;
}

/* What the kernel says about the packet, in the frame's words. */
static void take_vnet(nod_frame *frame, const struct virtio_net_hdr *vnet)
{
    if (vnet->flags & VIRTIO_NET_HDR_F_DATA_VALID) frame->flags |= NOD_FRAME_CSUM_OK;
    if (!(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) return;
    /* A kernel says nothing else; a peer of a socket's might. */
    if ((size_t)vnet->csum_start + vnet->csum_offset + 2 > nod_frame_length(frame)) return;
    if (vnet->csum_offset != TCP_CHECKSUM_AT) {
        complete_checksum(frame, vnet->csum_start, vnet->csum_offset);
        return;
    }
    /* It never was on a wire, so there is nothing to verify. */
    frame->flags |= NOD_FRAME_CSUM_TODO | NOD_FRAME_CSUM_OK;
    frame->l4_off = vnet->csum_start;
    unsigned type = vnet->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
    if (type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6)
        frame->gso_size = vnet->gso_size;
    if (vnet->gso_type & VIRTIO_NET_HDR_GSO_ECN) frame->flags |= NOD_FRAME_CWR_ONCE;
}

/* The part beyond the small block: its own block when it fills it well, else a fitting one,
 * so that few bytes never hold many. Returns false without memory. */
static bool take_big(nod_tun *tun, nod_frame *frame, size_t len)
{
    nod_block *block = tun->big;
    if (len * 4 < nod_block_capacity(tun->big)) {
        block = nod_block_new(tun->pool, len);
        if (!block) return false;
        memcpy(nod_block_bytes(block), nod_block_bytes(tun->big), len);
    } else {
        tun->big = NULL;
    }
    frame->part[frame->parts++] = (nod_slice){block, 0, (uint32_t)len};
    return true;
}

static bool make_frame(nod_tun *tun, nod_frame *frame, size_t len)
{
    size_t room = small_room(tun);
    size_t first = len < room ? len : room;
    memset(frame, 0, offsetof(nod_frame, head));
    frame->id = tun->next_id++;
    frame->part[0] = (nod_slice){tun->small, 0, (uint32_t)first};
    frame->parts = 1;
    tun->small = NULL;
    if (len == first || take_big(tun, frame, len - first)) return true;
    nod_frame_release(frame);
    return false;
}

/* Has both blocks ready. False: no memory; a packet will be lost. */
static bool prepare(nod_tun *tun)
{
    if (!tun->small) tun->small = nod_block_new(tun->pool, small_room(tun));
    if (tun->offload && !tun->big) tun->big = nod_block_new(tun->pool, IP_MAX + ETHERNET_ROOM);
    return tun->small && (tun->big || !tun->offload);
}

/* The device as a file, or as a socket, which neither may wait nor raise SIGPIPE. */
static ssize_t take_bytes(const nod_tun *tun, struct iovec *iov, int parts)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)parts};
    return tun->is_socket ? recvmsg(tun->fd, &msg, MSG_DONTWAIT) : readv(tun->fd, iov, parts);
}

static ssize_t give_bytes(const nod_tun *tun, struct iovec *iov, int parts)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)parts};
    return tun->is_socket ? sendmsg(tun->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
                          : writev(tun->fd, iov, parts);
}

/* Reads one packet. Returns its length (0 when it was lost), NOD_EAGAIN, or NOD_EIO. */
static int read_packet(nod_tun *tun, nod_frame *frame)
{
    struct virtio_net_hdr vnet = {0};
    uint8_t nowhere[64];
    struct iovec iov[3];
    int parts = 0;
    bool ready = prepare(tun);
    if (tun->offload) iov[parts++] = (struct iovec){&vnet, sizeof vnet};
    if (ready) {
        iov[parts++] = (struct iovec){nod_block_bytes(tun->small), small_room(tun)};
        if (tun->big)
            iov[parts++] = (struct iovec){nod_block_bytes(tun->big), nod_block_capacity(tun->big)};
    } else {
        iov[parts++] = (struct iovec){nowhere, sizeof nowhere};
    }
    ssize_t got = take_bytes(tun, iov, parts);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? NOD_EAGAIN : NOD_EIO;
    if (got == 0) return NOD_EIO; /* a socket whose peer is gone; a device has no end */
    size_t before = tun->offload ? sizeof vnet : 0;
    if ((size_t)got <= before) {
        tun->stats.refused++;
        return 0;
    }
    size_t len = (size_t)got - before;
    if (!ready || !make_frame(tun, frame, len)) {
        tun->stats.no_memory++;
        return 0;
    }
    if (tun->offload) take_vnet(frame, &vnet);
    tun->stats.frames_in++;
    return (int)len;
}

static int tun_receive(nod_link *link, nod_frame *frames, int max, nod_usec now)
{
    nod_tun *tun = (nod_tun *)link;
    (void)now;
    int count = 0;
    while (count < max) {
        int got = read_packet(tun, &frames[count]);
        if (got == NOD_EAGAIN) break;
        if (got == NOD_EIO && count == 0) count = NOD_EIO;
        if (got == NOD_EIO) break;
        if (got > 0) count++;
    }
    if (tun->adopted) forget_blocks(tun);
    return count;
}

/* Sending. */

static uint8_t byte_at(const nod_frame *frame, size_t at)
{
    uint8_t byte = 0;
    nod_frame_copy(frame, at, &byte, 1);
    return byte;
}

/* The frame's words, as the kernel wants to hear them. */
static void give_vnet(const nod_tun *tun, const nod_frame *frame, struct virtio_net_hdr *vnet)
{
    *vnet = (struct virtio_net_hdr){0};
    if (!(frame->flags & NOD_FRAME_CSUM_TODO)) return;
    vnet->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    vnet->csum_start = frame->l4_off;
    vnet->csum_offset = TCP_CHECKSUM_AT;
    if (!frame->gso_size) return;
    size_t ip_at = tun->tap ? 14 : 0;
    bool ip4 = byte_at(frame, ip_at) >> 4 == 4;
    vnet->gso_type = ip4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
    vnet->gso_size = frame->gso_size;
    size_t tcp_len = (size_t)(byte_at(frame, (size_t)frame->l4_off + 12) >> 4) * 4;
    vnet->hdr_len = (uint16_t)(frame->l4_off + tcp_len);
}

/* Writes the frame as it is. Returns 0, NOD_EAGAIN, or NOD_EIO. */
static int write_frame(nod_tun *tun, nod_frame *frame)
{
    struct virtio_net_hdr vnet;
    struct iovec iov[IOV_MAX_FRAME];
    int parts = 0;
    if (tun->offload) {
        give_vnet(tun, frame, &vnet);
        iov[parts++] = (struct iovec){&vnet, sizeof vnet};
    }
    if (frame->head_len > 0) iov[parts++] = (struct iovec){frame->head, frame->head_len};
    for (int i = 0; i < frame->parts; i++)
        iov[parts++] = (struct iovec){nod_slice_bytes(&frame->part[i]), frame->part[i].len};
    ssize_t wrote = give_bytes(tun, iov, parts);
    if (wrote >= 0) {
        tun->stats.frames_out++;
        return 0;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM) return NOD_EAGAIN;
    /* Not a packet, says the kernel: damage may have hit the IP version. It is lost. */
    bool down = errno == EIO && !tun->is_socket; /* and it may come up again */
    if (errno == EINVAL || errno == EMSGSIZE || down) {
        tun->stats.refused++;
        return 0;
    }
    return NOD_EIO;
}

/* A large frame for a device that cannot cut: it is done here, at the very edge. */
static int write_pieces(nod_tun *tun, const nod_frame *frame)
{
    if (tun->cut_id != frame->id) tun->cut_next = 0;
    tun->cut_id = frame->id;
    for (;; tun->cut_next++) {
        nod_frame piece;
        int error = nod_frame_piece(frame, tun->cut_next, &piece);
        if (error == NOD_ENOMEM) return NOD_EAGAIN;
        if (error == 0) break;
        error = write_frame(tun, &piece);
        nod_frame_release(&piece);
        if (error) return error;
    }
    tun->cut_next = 0;
    return 0;
}

/* The kernel would take CWR for RFC 3168's and clear it in all pieces but the first. In the large
 * segments that a stack sends it is a bit of a counter. */
static bool is_cut_here(const nod_tun *tun, const nod_frame *frame)
{
    return frame->gso_size &&
           (!tun->offload || byte_at(frame, (size_t)frame->l4_off + 13) & NOD_CWR);
}

static int send_frame(nod_tun *tun, nod_frame *frame)
{
    if (is_cut_here(tun, frame)) return write_pieces(tun, frame);
    if (!tun->offload) nod_frame_finish(frame);
    return write_frame(tun, frame);
}

static int tun_write(nod_link *link, nod_frame *frames, int count)
{
    nod_tun *tun = (nod_tun *)link;
    for (int i = 0; i < count; i++) {
        int error = send_frame(tun, &frames[i]);
        if (error == NOD_EIO && i == 0) return NOD_EIO;
        if (error) return i;
    }
    return count;
}

static int tun_send(nod_link *link, nod_frame *frames, int count, nod_usec now)
{
    (void)now;
    int sent = tun_write(link, frames, count);
    for (int i = 0; i < sent; i++) nod_frame_release(&frames[i]);
    return sent;
}

static const nod_link_ops tun_ops = {
    tun_iface, tun_name,  tun_fd,    tun_deadline, tun_receive,
    tun_send,  tun_stats, tun_close, tun_write,
};

/* Making the device. */

static int explain_open(char *why, int error)
{
    if (error == ENOENT || error == ENODEV || error == ENXIO)
        return nod_link_explain(why, NOD_EUNSUPPORTED,
                                "There is no /dev/net/tun here: load its driver with "
                                "\"modprobe tun\" as root, or give the device to the container.");
    if (error == EACCES || error == EPERM)
        return nod_link_explain(why, NOD_EPERM,
                                "No permission to open /dev/net/tun: run as root, or let root "
                                "run \"chmod 666 /dev/net/tun\", as most systems have it.");
    return nod_link_explain(why, NOD_EIO, "Cannot open /dev/net/tun: %s.", strerror(error));
}

static int explain_create(char *why, int error, const char *name)
{
    char device[IFNAMSIZ + 32] = "a network device";
    if (!strchr(name, '%')) snprintf(device, sizeof device, "the network device %s", name);
    if (error == EPERM || error == EACCES)
        return nod_link_explain(why, NOD_EPERM,
                                "No permission to make %s: run as root (or with "
                                "CAP_NET_ADMIN), or in a private network namespace.",
                                device);
    if (error == EBUSY)
        return nod_link_explain(why, NOD_EIO,
                                "Cannot make %s, for it is in use by another program: choose "
                                "another name.",
                                device);
    if (error == EINVAL)
        return nod_link_explain(why, NOD_EIO,
                                "The kernel does not make %s: is the name taken by a device of "
                                "another kind?",
                                device);
    return nod_link_explain(why, NOD_EIO, "Cannot make %s: %s.", device, strerror(error));
}

static int create_device(nod_tun *tun, const nod_tun_config *config, char *why)
{
    const char *name = config->name && *config->name ? config->name : "nod%d";
    struct ifreq request = {0};
    if (strlen(name) >= IFNAMSIZ)
        return nod_link_explain(why, NOD_EINVAL,
                                "The device name %s is too long: at most %d letters.", name,
                                IFNAMSIZ - 1);
    tun->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun->fd < 0) return explain_open(why, errno);
    memcpy(request.ifr_name, name, strlen(name));
    unsigned flags = (config->tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI;
    if (config->offload) flags |= IFF_VNET_HDR;
    request.ifr_flags = (short)flags;
    if (ioctl(tun->fd, TUNSETIFF, &request) != 0) return explain_create(why, errno, name);
    memcpy(tun->name, request.ifr_name, IFNAMSIZ);
    if (config->offload && ioctl(tun->fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
        return nod_link_explain(why, NOD_EUNSUPPORTED,
                                "The device %s cannot take large segments (%s): open it "
                                "without offload.",
                                tun->name, strerror(errno));
    return 0;
}

static int explain_configure(char *why, int error, const char *what, const char *name)
{
    if (error == -EPERM || error == -EACCES)
        return nod_link_explain(why, NOD_EPERM,
                                "No permission to set the %s of %s: run as root (or with "
                                "CAP_NET_ADMIN). If it is an IPv6 address, IPv6 may be switched "
                                "off (net.ipv6.conf.all.disable_ipv6).",
                                what, name);
    if (error == -EOPNOTSUPP || error == -EAFNOSUPPORT)
        return nod_link_explain(why, NOD_EUNSUPPORTED,
                                "This kernel cannot set the %s of %s: it lacks that family.", what,
                                name);
    return nod_link_explain(why, NOD_EIO, "Cannot set the %s of %s: %s.", what, name,
                            strerror(-error));
}

/* The kernel gives a new IPv6 address its local route in a work queue of its own; packets that
 * come before that are lost. A device is made rarely, so a moment's wait is no harm. */
static void wait_until_local(nod_netlink *netlink, const nod_addr *addr)
{
    const struct timespec pause = {0, 1000 * 1000};
    for (int i = 0; i < 1000 && !nod_netlink_is_local(netlink, addr); i++) nanosleep(&pause, NULL);
}

static int configure_device(nod_tun *tun, nod_netlink *netlink, unsigned ifindex,
                            const nod_tun_config *config, char *why)
{
    /* Only tidiness, and a kernel without IPv6 has none: a failure is no harm. */
    if (!tun->tap) nod_netlink_no_link_local(netlink, ifindex);
    int error = nod_netlink_up(netlink, ifindex, tun->mtu, config->queue);
    if (error) return explain_configure(why, error, "MTU", tun->name);
    if (config->host4.family) {
        int prefix = config->prefix4 ? config->prefix4 : 24;
        error = nod_netlink_address(netlink, ifindex, &config->host4, prefix);
        if (error) return explain_configure(why, error, "IPv4 address", tun->name);
    }
    if (config->host6.family) {
        int prefix = config->prefix6 ? config->prefix6 : 64;
        error = nod_netlink_address(netlink, ifindex, &config->host6, prefix);
        if (error) return explain_configure(why, error, "IPv6 address", tun->name);
        wait_until_local(netlink, &config->host6);
    }
    return 0;
}

static int configure(nod_tun *tun, const nod_tun_config *config, char *why)
{
    struct ifreq request = {0};
    memcpy(request.ifr_name, tun->name, IFNAMSIZ);
    int asker = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int failed = asker < 0 || ioctl(asker, SIOCGIFINDEX, &request) != 0;
    int error = errno;
    if (asker >= 0) close(asker);
    if (failed)
        return nod_link_explain(why, NOD_EIO, "The device %s is gone already: %s.", tun->name,
                                strerror(error));
    nod_netlink *netlink = nod_netlink_open();
    if (!netlink)
        return nod_link_explain(why, NOD_EIO, "Cannot talk to the kernel about devices: %s.",
                                strerror(errno));
    error = configure_device(tun, netlink, (unsigned)request.ifr_ifindex, config, why);
    nod_netlink_close(netlink);
    return error;
}

static bool makes_sense(const nod_tun_config *config)
{
    return (config->host4.family == 0 || config->host4.family == 4) &&
           (config->host6.family == 0 || config->host6.family == 6) && config->prefix4 >= 0 &&
           config->prefix4 <= 32 && config->prefix6 >= 0 && config->prefix6 <= 128 &&
           (config->mtu == 0 || config->mtu >= 68);
}

static int make_tun(nod_tun *tun, const nod_tun_config *config, char *why)
{
    if (!makes_sense(config))
        return nod_link_explain(why, NOD_EINVAL,
                                "The device's addresses, prefixes or MTU make no sense.");
    if (config->host6.family && tun->mtu < 1280)
        return nod_link_explain(why, NOD_EINVAL, "IPv6 needs an MTU of at least 1280.");
    int error = create_device(tun, config, why);
    return error ? error : configure(tun, config, why);
}

/* NULL without memory. */
static nod_tun *new_tun(nod_pool *pool, const nod_tun_config *config, int fd)
{
    nod_tun *tun = calloc(1, sizeof *tun);
    if (!tun) return NULL;
    tun->link.ops = &tun_ops;
    tun->pool = pool;
    tun->fd = fd;
    tun->tap = config->tap;
    tun->offload = config->offload;
    tun->mtu = config->mtu ? config->mtu : MTU_DEFAULT;
    return tun;
}

nod_link *nod_link_adopt(nod_pool *pool, int fd, const nod_tun_config *config)
{
    struct stat what;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &what) != 0) return NULL;
    nod_tun *tun = new_tun(pool, config, fd);
    if (!tun) return NULL;
    tun->adopted = true;
    tun->is_socket = S_ISSOCK(what.st_mode);
    if (config->name) snprintf(tun->name, sizeof tun->name, "%s", config->name);
    /* A socket is asked not to wait each time. */
    if (!tun->is_socket && !(flags & O_NONBLOCK)) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return &tun->link;
}

nod_link *nod_link_tun(nod_pool *pool, const nod_tun_config *config, int *error, char *why)
{
    nod_tun *tun = new_tun(pool, config, -1);
    int status = NOD_ENOMEM;
    if (!tun)
        nod_link_explain(why, NOD_ENOMEM, "There is no memory for a network device.");
    else
        status = make_tun(tun, config, why);
    if (error) *error = status;
    if (status == 0) return &tun->link;
    if (tun && tun->fd >= 0) close(tun->fd);
    free(tun);
    return NULL;
}
