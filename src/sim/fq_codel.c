#include "fq_codel.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "codel.h"
#include "narrow.h"
#include "wire/frame.h"

#define FLOWS 1024
#define QUANTUM 1514       /* bytes of a turn */
#define DROPPED_AT_ONCE 64 /* when all is full: at most */
#define TARGET_US (5 * NOD_MSEC)
#define INTERVAL_US (100 * NOD_MSEC)

struct packet {
    struct packet *next;
    nod_usec since;
    uint64_t bytes;
    struct nod_dice dice;
    nod_frame frame;
};

struct flow {
    struct packet *first, *last;
    uint64_t bytes;
    uint32_t packets;
    int32_t deficit;
    bool listed;
    struct flow *next;
    nod_codel codel;
};

struct list {
    struct flow *first, *last;
};

struct nod_fq_codel {
    uint8_t key[16];
    uint64_t bytes, packets;
    struct list fresh, others;
    struct packet *free;
    struct flow flow[FLOWS];
};

nod_fq_codel *nod_fq_codel_new(uint64_t seed)
{
    nod_fq_codel *fq = calloc(1, sizeof *fq);
    nod_rng rng;

    if (!fq) {
        return NULL;
    }
    nod_rng_seed(&rng, seed);
    for (size_t i = 0; i < sizeof fq->key; i++) {
        fq->key[i] = (uint8_t)nod_rng_next(&rng);
    }
    return fq;
}

static void free_packets(struct packet *packet)
{
    for (struct packet *next; packet; packet = next) {
        next = packet->next;
        nod_frame_release(&packet->frame);
        free(packet);
    }
}

void nod_fq_codel_free(nod_fq_codel *fq)
{
    if (!fq) {
        return;
    }
    for (int i = 0; i < FLOWS; i++) {
        free_packets(fq->flow[i].first);
    }
    free_packets(fq->free);
    free(fq);
}

uint64_t nod_fq_codel_bytes(const nod_fq_codel *fq)
{
    return fq->bytes;
}

static void append(struct list *list, struct flow *flow)
{
    flow->next = NULL;
    *(list->first ? &list->last->next : &list->first) = flow;
    list->last = flow;
}

static struct flow *remove_first(struct list *list)
{
    struct flow *flow = list->first;

    list->first = flow->next;
    return flow;
}

/* Whose packet it is: addresses, protocol and ports. */
static struct flow *flow_of(nod_fq_codel *fq, const nod_frame *frame)
{
    uint8_t key[NOD_FLOW_KEY];
    size_t len = nod_narrow_flow(frame, key);

    return &fq->flow[nod_hash(fq->key, key, len) % FLOWS];
}

static struct packet *remove_packet(nod_fq_codel *fq, struct flow *flow)
{
    struct packet *packet = flow->first;

    if (packet) {
        flow->first = packet->next;
        flow->bytes -= packet->bytes;
        flow->packets--;
        fq->bytes -= packet->bytes;
        fq->packets--;
    }
    return packet;
}

static void forget(nod_fq_codel *fq, struct packet *packet)
{
    nod_frame_release(&packet->frame);
    packet->next = fq->free;
    fq->free = packet;
}

static bool is_too_full(const nod_fq_codel *fq, const nod_path_config *config)
{
    return (config->queue_bytes > 0 && fq->bytes > config->queue_bytes) ||
           (config->queue_packets > 0 && fq->packets > config->queue_packets);
}

/* Half of the fattest flow's packets, from their head, for that tells its sender soonest. */
static void make_room(nod_fq_codel *fq, nod_path_stats *stats)
{
    struct flow *fattest = &fq->flow[0];

    for (int i = 1; i < FLOWS; i++) {
        if (fq->flow[i].bytes > fattest->bytes) {
            fattest = &fq->flow[i];
        }
    }
    uint32_t goes = (fattest->packets + 1) / 2;

    for (uint32_t i = 0; i < goes && i < DROPPED_AT_ONCE; i++) {
        stats->queue_full++;
        forget(fq, remove_packet(fq, fattest));
    }
}

int nod_fq_codel_put(nod_fq_codel *fq, const nod_path_config *config, nod_frame *frame,
                     const struct nod_dice *dice, nod_usec now, nod_path_stats *stats)
{
    struct packet *packet = fq->free ? fq->free : malloc(sizeof *packet);
    struct flow *flow = flow_of(fq, frame);
    size_t length = nod_frame_length(frame);

    if (!packet) {
        return NOD_ENOMEM;
    }
    if (packet == fq->free) {
        fq->free = packet->next;
    }
    packet->next = NULL;
    packet->since = now;
    packet->bytes = length ? length : 1; /* whoever waits can be seen */
    packet->dice = *dice;
    nod_frame_move(frame, &packet->frame);
    *(flow->first ? &flow->last->next : &flow->first) = packet;
    flow->last = packet;
    flow->bytes += packet->bytes;
    flow->packets++;
    fq->bytes += packet->bytes;
    fq->packets++;
    if (!flow->listed) {
        flow->listed = true;
        flow->deficit = QUANTUM;
        append(&fq->fresh, flow);
    }
    while (is_too_full(fq, config)) {
        make_room(fq, stats);
    }
    return 0;
}

/* The flow's next packet that CoDel lets pass. NULL: none is left. */
static struct packet *take_packet(nod_fq_codel *fq, struct flow *flow,
                                  const nod_path_config *config, nod_pool *pool, nod_usec now,
                                  nod_path_stats *stats)
{
    const nod_codel_law law = {
        .target = config->codel_target_us ? config->codel_target_us : TARGET_US,
        .interval = config->codel_interval_us ? config->codel_interval_us : INTERVAL_US,
    };
    struct packet *packet;

    while ((packet = remove_packet(fq, flow))) {
        /* A line that was changed meanwhile may have been free before it knew. */
        nod_usec waited = now > packet->since ? now - packet->since : 0;

        if (!nod_codel_drops(&flow->codel, &law, waited, flow->bytes, now)) {
            return packet;
        }
        if (nod_frame_mark(pool, &packet->frame) > 0) {
            stats->marked++;
            packet->dice.fate &= ~(unsigned)NOD_FATE_MARKED; /* once is enough */
            return packet;
        }
        stats->codel++;
        forget(fq, packet);
    }
    nod_codel_empty(&flow->codel);
    return NULL;
}

bool nod_fq_codel_take(nod_fq_codel *fq, const nod_path_config *config, nod_pool *pool,
                       nod_frame *frame, struct nod_dice *dice, nod_usec now, nod_path_stats *stats)
{
    while (fq->fresh.first || fq->others.first) {
        struct list *list = fq->fresh.first ? &fq->fresh : &fq->others;
        struct flow *flow = list->first;
        struct packet *packet;

        if (flow->deficit <= 0) {
            flow->deficit += QUANTUM;
            append(&fq->others, remove_first(list));
        } else if ((packet = take_packet(fq, flow, config, pool, now, stats))) {
            flow->deficit -= (int32_t)packet->bytes;
            *dice = packet->dice;
            nod_frame_move(&packet->frame, frame);
            forget(fq, packet);
            return true;
        } else if (list == &fq->fresh) {
            append(&fq->others, remove_first(list)); /* lest it come back as a fresh one */
        } else {
            remove_first(list)->listed = false;
        }
    }
    return false;
}
