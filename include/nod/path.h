/* nod/path.h: one direction of a bad network: frames go in, and some of them come out,
 * later, in another order, twice, or damaged. Used by the simulator in virtual time and by
 * the wrapper around real links in real time; both say what time it is. Everything random
 * comes from the seed: the same frames at the same times come to the same fate. */
#ifndef NOD_PATH_H
#define NOD_PATH_H

#include "nod/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nod_path nod_path;

/* Loss in bursts, by the model of Gilbert and Elliott. Before each packet the path goes from good
 * to bad with probability `enter` (theirs: p), from bad to good with `leave` (r); in the bad state
 * a packet passes with `bad_passes` (h), in the good one it is lost with `good_loses` (1 - k).
 * All 0: no bursts. With the last two 0, the share enter / (enter + leave) is lost, in bursts of
 * 1 / leave packets on average. */
typedef struct nod_path_burst {
    double enter, leave, bad_passes, good_loses;
} nod_path_burst;

/* A rate that varies, as Mahimahi records it: at each of these milliseconds 1504 octets may go, of
 * one packet or of several; where none waits they are lost. They never decrease, and the last one
 * is the length of a round, after which they begin anew. The array is the maker's, and must
 * outlive the path. count 0: none. */
typedef struct nod_path_trace {
    const uint32_t *ms;
    uint32_t count;
    nod_usec begins; /* when the first round does */
} nod_path_trace;
#define NOD_PATH_TRACE_OCTETS 1504

enum nod_queue_kind {
    NOD_QUEUE_DROP_TAIL, /* first come, first served; who finds it full is lost */
    /* A queue for each flow, each in its turn, and CoDel in each (RFC 8290, RFC 8289): it drops,
     * or marks, where packets have waited too long. What becomes of a packet there is known
     * when it leaves, so that `fate` tells only of chance, and not of marks. */
    NOD_QUEUE_FQ_CODEL,
};

typedef struct nod_path_config {
    nod_usec delay_us;    /* one way */
    nod_usec jitter_us;   /* up to this much more, uniform; does not reorder by itself */
    uint64_t rate_bps;    /* bits a second; 0: no limit */
    nod_path_trace trace; /* instead of rate_bps: both make no sense */
    /* The queue before the rate. Its limits, 0: none but the pool's. Its kind is for ever. */
    uint32_t queue_bytes, queue_packets;
    enum nod_queue_kind queue_kind;
    /* CoDel's: how long packets may wait, and for how long they may have waited longer. 0: 5 ms
     * and 100 ms. Below 2.4 Mbit/s a packet alone takes longer, and the first should be more. */
    nod_usec codel_target_us, codel_interval_us;
    double loss, duplicate, reorder, damage; /* probability of each, 0 to 1 */
    nod_path_burst burst;                    /* besides `loss` */
    /* Congestion that is told and not suffered (RFC 3168): packets of ECN-capable transports get
     * the mark CE by chance, and when more than so much waits in the queue (0: never). */
    double mark;
    uint32_t mark_bytes;
    nod_usec reorder_us; /* how long a reordered packet is held back; 0: 3 x delay or 10 ms */
    bool down;           /* a pulled cable: everything is lost */
    uint16_t mtu;        /* octets of the largest IP packet that gets through; 0: any */
    /* Packets that came with NOD_FRAME_CSUM_TODO, or were cut, leave with it, unless they are
     * damaged: for those who hand them to a device that does checksums, or trusts. */
    bool checksums_later;
    bool mtu_silent; /* and of larger ones nobody hears: a black hole. Else nod_path_answers */
} nod_path_config;

enum nod_fate_flags {
    NOD_FATE_LOST = 1 << 0, /* by chance */
    NOD_FATE_QUEUE_FULL = 1 << 1,
    NOD_FATE_DOWN = 1 << 2,
    NOD_FATE_DUPLICATED = 1 << 3,
    NOD_FATE_REORDERED = 1 << 4,
    NOD_FATE_DAMAGED = 1 << 5,
    NOD_FATE_TOO_BIG = 1 << 6, /* larger than `mtu` */
    NOD_FATE_MARKED = 1 << 7,  /* CE */
};
#define NOD_FATE_GONE (NOD_FATE_LOST | NOD_FATE_QUEUE_FULL | NOD_FATE_DOWN | NOD_FATE_TOO_BIG)

typedef struct nod_path_stats {
    uint64_t in, out, lost, queue_full, down, duplicated, reordered, damaged, too_big, marked;
    uint64_t codel;               /* dropped by NOD_QUEUE_FQ_CODEL, besides queue_full */
    uint64_t bytes_in, bytes_out; /* of the packets, headers and all */
} nod_path_stats;

/* NULL: no memory, or a configuration that makes no sense: probabilities beyond 0 and 1, a trace
 * that goes back or takes no time, times beyond a year (CoDel's: an hour). Damage copies into
 * blocks of `pool`. */
nod_path *nod_path_new(nod_pool *pool, const nod_path_config *config, uint64_t seed);
void nod_path_free(nod_path *path);
/* From now on; but nothing changes when it makes no sense, and the kind of the queue never does. */
void nod_path_set_config(nod_path *path, const nod_path_config *config);
const nod_path_config *nod_path_get_config(const nod_path *path);

/* Takes a frame and its slices. Large frames (gso_size) are cut first, checksums completed.
 * `ids`, if not NULL, is a counter from which every packet that goes onto the wire gets a
 * frame.id of its own (the counter's value before it is raised); with NULL ids stay.
 * `fate`, if not NULL, gets the enum nod_fate_flags of the frame (of all its pieces, or-ed).
 * Returns 0 or NOD_ENOMEM (the frame is gone then too). */
int nod_path_push(nod_path *path, nod_frame *frame, nod_usec now, uint32_t *ids, unsigned *fate);

/* Takes out frames that have arrived by `now`, in order of arrival. Returns how many. */
int nod_path_pop(nod_path *path, nod_frame *frames, int max, nod_usec now);

/* What the path has to say to those whose packets were larger than `mtu`: ICMP (RFC 1191, RFC
 * 8201), which belongs onto the path of the other direction. Takes the frames out; returns how
 * many. */
int nod_path_answers(nod_path *path, nod_frame *frames, int max);

/* When to pop: when the next frame arrives, or leaves a queue of flows; NOD_NEVER when none is on
 * its way. */
nod_usec nod_path_deadline(const nod_path *path);

/* The next packet (and only it) meets this fate, whatever chance says: for scenarios. Bits
 * of enum nod_fate_flags; 0 lets it pass unharmed. At most 64 are remembered, first come
 * first served. `skip` packets pass by the usual rules before it. */
int nod_path_force(nod_path *path, unsigned skip, unsigned fate);
void nod_path_get_stats(const nod_path *path, nod_path_stats *out);

#ifdef __cplusplus
}
#endif
#endif
