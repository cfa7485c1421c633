/* nod/link.h: real devices, in libnod-posix. A link gives and takes arrays of frames and
 * never blocks; poll its descriptor. Messages in `why` are for a person: what is missing
 * and what to do. */
#ifndef NOD_LINK_H
#define NOD_LINK_H

#include "nod/path.h"
#include "nod/stack.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nod_link nod_link;

#define NOD_LINK_WHY 256

typedef struct nod_tun_config {
    const char *name; /* of the device; NULL or "": the kernel picks "nod0", "nod1", ... */
    bool tap;         /* Ethernet frames instead of IP packets */
    bool offload;     /* large segments and checksums both ways (vnet header) */
    uint16_t mtu;     /* 0: 1500 */
    uint32_t queue;   /* packets that the kernel keeps for us while we do not read; 0: its 500 */
    /* The kernel's own addresses at its end of the device, as the host's side of the pair.
     * family 0: none. Routes for the prefixes come with them. */
    nod_addr host4, host6;
    int prefix4, prefix6; /* 0: 24 and 64 */
} nod_tun_config;

/* Makes a TUN or TAP device in the caller's network namespace, sets its MTU and addresses
 * over netlink and brings it up. The device goes when the link is closed. Returns NULL, with
 * *error (NOD_EPERM, NOD_EUNSUPPORTED, NOD_EINVAL, NOD_ENOMEM, NOD_EIO) and a sentence in
 * why[NOD_LINK_WHY]. */
nod_link *nod_link_tun(nod_pool *pool, const nod_tun_config *config, int *error, char *why);

/* A link on a descriptor that gives and takes packets as a TUN does, one a read or write: a TUN
 * of another process that was inherited, or a SOCK_SEQPACKET socket. `offload` tells that a
 * virtio header precedes each; `tap` and `mtu` are as they were made, and nothing else is used
 * but the name. The descriptor becomes non-blocking, and stays open when the link is closed.
 * A socket whose peer is gone is NOD_EIO. Between calls it holds nothing of the pool's, which may
 * be shared with other processes: one that dies or forks leaves no doubt about whose a block is.
 * NULL: no memory, or no descriptor. */
nod_link *nod_link_adopt(nod_pool *pool, int fd, const nod_tun_config *config);

/* The same harm as the simulator's around any link: `out` for what we send, `in` for what
 * we receive. Owns `inner`. NULL: no memory or nonsense (then `inner` is left alone). */
nod_link *nod_link_harm(nod_link *inner, nod_pool *pool, const nod_path_config *out,
                        const nod_path_config *in, uint64_t seed);

/* What the stack should be told about the link (kind, MTU, gso_max, csum_offload, a MAC for
 * our own end of a TAP). */
void nod_link_iface(const nod_link *link, nod_iface_config *out);
const char *nod_link_name(const nod_link *link);
/* Readable when frames wait. Close-on-exec, until who wants it inherited clears that. */
int nod_link_fd(const nod_link *link);
/* When receive or send must be called again without the descriptor saying so; NOD_NEVER. */
nod_usec nod_link_deadline(const nod_link *link);

/* Receives up to `max` frames. Returns how many, 0 when none waits, NOD_EIO (gone). */
int nod_link_receive(nod_link *link, nod_frame *frames, int max, nod_usec now);
/* Sends and empties frames. Returns how many the device took: fewer than `count` when it is
 * full (the rest stay the caller's), or NOD_EIO. */
int nod_link_send(nod_link *link, nod_frame *frames, int count, nod_usec now);
/* As nod_link_send, but the frames stay the caller's, who releases those that were taken. With a
 * TUN that has offload (other links: NOD_EUNSUPPORTED) nothing of the pool is touched, so that it
 * can be used elsewhere meanwhile. */
int nod_link_write(nod_link *link, nod_frame *frames, int count);
void nod_link_close(nod_link *link);

/* What a link did, and what it could not do. */
typedef struct nod_link_stats {
    uint64_t frames_in, frames_out; /* through the device */
    uint64_t no_memory;             /* packets that came and were lost, for there was no block */
    uint64_t
        refused; /* packets that it took for nonsense (damaged ones), or came while it was down */
    nod_path_stats harm_out, harm_in; /* of nod_link_harm; else zero */
} nod_link_stats;
void nod_link_get_stats(const nod_link *link, nod_link_stats *out);

/* Microseconds of the monotonic clock, for those who have none. */
nod_usec nod_clock(void);
/* Fills a secret from the system's entropy. 0 or NOD_EIO. */
int nod_entropy(void *bytes, size_t len);

#ifdef __cplusplus
}
#endif
#endif
