/* One direction of a bad network. What befalls a packet, in the order of a real road:
 * the cable may be pulled, the queue may be full, the line takes its time, and on the way
 * the packet may be lost, damaged, held back or doubled. */
#include "nod/path.h"

#include <stdlib.h>

#include "bottleneck.h"
#include "dice.h"
#include "flight.h"
#include "fq_codel.h"
#include "narrow.h"
#include "wire/frame.h"

#define FORCED_MAX 64
#define FATE_ALL \
    (NOD_FATE_GONE | NOD_FATE_DUPLICATED | NOD_FATE_REORDERED | NOD_FATE_DAMAGED | NOD_FATE_MARKED)
#define HELD_BACK_US (10 * NOD_MSEC) /* where there is no delay to go by */

struct forced {
    unsigned skip, fate;
};

struct nod_path {
    nod_path_config config;
    nod_pool *pool;
    nod_rng rng;
    bool bad; /* of the burst model */
    nod_line line;
    nod_bottleneck bottleneck; /* where the queue is a simple one */
    nod_fq_codel *fq;          /* else */
    nod_usec fq_since;         /* when what waits there began to */
    nod_narrow narrow;
    nod_flight flight;
    nod_usec latest; /* arrival of the latest packet that was not held back */
    struct forced forced[FORCED_MAX];
    unsigned forced_first, forced_count;
    nod_path_stats stats;
};

static bool probability(double p)
{
    return p >= 0 && p <= 1; /* false for a NaN */
}

static bool sound(const nod_path_config *c)
{
    /* A year is longer than anybody waits, and sums of a few of them cannot overflow. */
    const nod_usec year = 366 * 24 * 3600 * NOD_SEC, hour = 3600 * NOD_SEC;

    const nod_path_burst *burst = &c->burst;

    return probability(burst->enter) && probability(burst->leave) &&
           probability(burst->bad_passes) && probability(burst->good_loses) &&
           c->queue_kind <= NOD_QUEUE_FQ_CODEL && nod_line_trace_is_sound(&c->trace) &&
           !(c->trace.count && c->rate_bps) && probability(c->loss) && probability(c->duplicate) &&
           probability(c->reorder) && probability(c->damage) && probability(c->mark) &&
           c->delay_us <= year && c->jitter_us <= year && c->reorder_us <= year &&
           c->codel_target_us <= hour && c->codel_interval_us <= hour;
}

nod_path *nod_path_new(nod_pool *pool, const nod_path_config *config, uint64_t seed)
{
    nod_path *path;

    if (!pool || !config || !sound(config) || !(path = calloc(1, sizeof *path))) {
        return NULL;
    }
    path->pool = pool;
    path->config = *config;
    nod_rng_seed(&path->rng, seed);
    if (config->queue_kind == NOD_QUEUE_FQ_CODEL && !(path->fq = nod_fq_codel_new(seed))) {
        free(path);
        return NULL;
    }
    return path;
}

void nod_path_free(nod_path *path)
{
    if (!path) {
        return;
    }
    nod_flight_clear(&path->flight);
    nod_bottleneck_clear(&path->bottleneck);
    nod_fq_codel_free(path->fq);
    nod_narrow_clear(&path->narrow);
    free(path);
}

void nod_path_set_config(nod_path *path, const nod_path_config *config)
{
    enum nod_queue_kind kind = path->config.queue_kind;

    if (sound(config)) {
        path->config = *config;
        path->config.queue_kind = kind;
    }
}

const nod_path_config *nod_path_get_config(const nod_path *path)
{
    return &path->config;
}

/* The packet's forced fate replaces what the dice say, if its turn has come. */
static void force(nod_path *path, struct nod_dice *dice)
{
    struct forced *forced = &path->forced[path->forced_first];

    if (path->forced_count == 0 || forced->skip-- > 0) {
        return;
    }
    dice->fate = forced->fate;
    path->forced_first = (path->forced_first + 1) % FORCED_MAX;
    path->forced_count--;
}

int nod_path_force(nod_path *path, unsigned skip, unsigned fate)
{
    if (fate & ~(unsigned)FATE_ALL) {
        return NOD_EINVAL;
    }
    if (path->forced_count == FORCED_MAX) {
        return NOD_ENOMEM;
    }
    path->forced[(path->forced_first + path->forced_count++) % FORCED_MAX] =
        (struct forced){.skip = skip, .fate = fate};
    return 0;
}

/* Flips one to three bits of one 16-bit word, once there is a checksum to see it by. The Internet
 * checksum sees every such change; bits of two words cancel out once in 32, and then no TCP could
 * tell. */
static int damage(nod_path *path, nod_frame *frame, uint64_t die)
{
    size_t length = nod_frame_length(frame);
    int error = length ? nod_frame_flatten(path->pool, frame) : 0;

    if (length == 0 || error < 0) {
        return error;
    }
    nod_frame_finish(frame);
    uint8_t *bytes = nod_slice_bytes(&frame->part[0]);
    size_t at = (size_t)(die >> 32) % ((length + 1) / 2) * 2;
    unsigned flips = 1 + (unsigned)(die & 0xff) % 3, mask = 0;

    for (unsigned i = 0; i < flips; i++) {
        mask |= 1u << (die >> (8 + 4 * i)) % 16;
    }
    if (at + 1 < length) {
        bytes[at + 1] ^= (uint8_t)(mask >> 8);
        bytes[at] ^= (uint8_t)mask;
    } else {
        bytes[at] ^= (uint8_t)(mask | mask >> 8); /* an odd packet ends in half a word */
    }
    frame->flags &= (uint8_t)~NOD_FRAME_CSUM_OK;
    return 0;
}

static nod_usec held_back(const nod_path_config *c)
{
    if (c->reorder_us > 0) {
        return c->reorder_us;
    }
    return c->delay_us > 0 ? 3 * c->delay_us : HELD_BACK_US;
}

/* When the packet arrives. Jitter alone does not reorder: nobody overtakes the packet that
 * left before it, except one that is held back. */
static nod_usec arrives(nod_path *path, const struct nod_dice *dice, nod_usec leaves)
{
    nod_usec at = leaves + path->config.delay_us + dice->jitter;

    if (at < path->latest) {
        at = path->latest;
    }
    if (dice->fate & NOD_FATE_REORDERED) {
        return at + held_back(&path->config);
    }
    path->latest = at;
    return at;
}

/* A packet that cannot be marked is left as it is. 0 or NOD_ENOMEM. */
static int mark(nod_path *path, nod_frame *frame, struct nod_dice *dice)
{
    int marked = dice->fate & NOD_FATE_MARKED ? nod_frame_mark(path->pool, frame) : 0;

    dice->fate &= marked > 0 ? ~0u : ~(unsigned)NOD_FATE_MARKED;
    path->stats.marked += marked > 0;
    return marked < 0 ? marked : 0;
}

/* Puts a packet that is not lost, and its second copy, on their way. */
static int send_off(nod_path *path, nod_frame *frame, struct nod_dice *dice, nod_usec leaves)
{
    nod_usec at = arrives(path, dice, leaves);
    nod_frame second = {0};
    int error = mark(path, frame, dice);

    if (dice->fate & NOD_FATE_DUPLICATED) {
        path->stats.duplicated++;
        nod_frame_share(frame, &second);
        int put = nod_flight_put(&path->flight, &second, at + dice->second_copy);

        error = error < 0 ? error : put;
        nod_frame_release(&second);
    }
    if (dice->fate & NOD_FATE_DAMAGED) {
        path->stats.damaged++;
        error = error < 0 ? error : damage(path, frame, dice->damage);
    }
    path->stats.reordered += dice->fate & NOD_FATE_REORDERED ? 1 : 0;
    return error < 0 ? error : nod_flight_put(&path->flight, frame, at);
}

static bool is_too_big(const nod_path *path, const struct nod_dice *dice, const nod_frame *packet)
{
    return (path->config.mtu && nod_narrow_size(packet) > path->config.mtu) ||
           dice->fate & NOD_FATE_TOO_BIG;
}

static int refuse(nod_path *path, struct nod_dice *dice, const nod_frame *packet)
{
    const nod_path_config *c = &path->config;

    path->stats.too_big++;
    dice->fate = NOD_FATE_TOO_BIG;
    return c->mtu_silent ? 0 : nod_narrow_refuse(&path->narrow, path->pool, packet, c->mtu);
}

/* A packet that has come through the queue and over the line. */
static int come_through(nod_path *path, nod_frame *packet, struct nod_dice *dice, nod_usec leaves)
{
    if (!(dice->fate & NOD_FATE_LOST)) {
        return send_off(path, packet, dice, leaves);
    }
    path->stats.lost++;
    dice->fate = NOD_FATE_LOST;
    return 0;
}

static void turn_away(nod_path *path, struct nod_dice *dice)
{
    path->stats.queue_full++;
    dice->fate = NOD_FATE_QUEUE_FULL;
}

/* A simple queue: when the packet leaves it is known when it comes. */
static int pass(nod_path *path, nod_frame *packet, struct nod_dice *dice, nod_usec now)
{
    const nod_path_config *c = &path->config;
    nod_usec leaves = now;
    int passed = nod_bottleneck_pass(&path->bottleneck, &path->line, c, nod_frame_length(packet),
                                     now, &leaves);

    if (passed < 0) {
        return passed;
    }
    if (c->mark_bytes > 0 && path->bottleneck.queued > c->mark_bytes) {
        dice->fate |= NOD_FATE_MARKED;
    }
    if (passed) {
        return come_through(path, packet, dice, leaves);
    }
    turn_away(path, dice);
    return 0;
}

/* The line takes from the flows' queues what it can until `now`. */
static void serve(nod_path *path, nod_usec now)
{
    const nod_path_config *c = &path->config;
    struct nod_dice dice;
    nod_frame packet;

    while (path->fq && nod_fq_codel_bytes(path->fq) > 0) {
        nod_usec starts = nod_line_starts(&path->line, c, path->fq_since);

        if (starts > now ||
            !nod_fq_codel_take(path->fq, c, path->pool, &packet, &dice, starts, &path->stats)) {
            return;
        }
        nod_usec leaves = nod_line_send(&path->line, c, nod_frame_length(&packet), starts);

        if (come_through(path, &packet, &dice, leaves) < 0) {
            turn_away(path, &dice); /* there is no memory to keep it in */
        }
        nod_frame_release(&packet);
    }
}

static int wait_in_turn(nod_path *path, nod_frame *packet, struct nod_dice *dice, nod_usec now)
{
    const nod_path_config *c = &path->config;

    serve(path, now);
    uint64_t waiting = nod_fq_codel_bytes(path->fq);

    if (c->mark_bytes > 0 && waiting > c->mark_bytes) {
        dice->fate |= NOD_FATE_MARKED;
    }
    path->fq_since = waiting ? path->fq_since : now;
    int error = nod_fq_codel_put(path->fq, c, packet, dice, now, &path->stats);

    serve(path, now);
    dice->fate &= ~(unsigned)NOD_FATE_MARKED; /* whether it can be is seen when it leaves */
    return error;
}

/* Chance and the state of the road decide together; what is gone meets no other harm. */
static int decide(nod_path *path, nod_frame *packet, struct nod_dice *dice, nod_usec now)
{
    if (path->config.down || dice->fate & NOD_FATE_DOWN) {
        path->stats.down++;
        dice->fate = NOD_FATE_DOWN;
        return 0;
    }
    if (is_too_big(path, dice, packet)) {
        return refuse(path, dice, packet);
    }
    if (dice->fate & NOD_FATE_QUEUE_FULL) {
        turn_away(path, dice);
        return 0;
    }
    return (path->fq ? wait_in_turn : pass)(path, packet, dice, now);
}

static int push_packet(nod_path *path, nod_frame *packet, nod_usec now, uint32_t *ids,
                       unsigned *fate)
{
    struct nod_dice dice = nod_dice_throw(&path->rng, &path->config, &path->bad);

    path->stats.in++;
    path->stats.bytes_in += nod_frame_length(packet);
    if (ids) {
        packet->id = (*ids)++;
    }
    force(path, &dice);
    int error = decide(path, packet, &dice, now);

    *fate |= dice.fate;
    nod_frame_release(packet);
    return error;
}

int nod_path_push(nod_path *path, nod_frame *frame, nod_usec now, uint32_t *ids, unsigned *fate)
{
    unsigned met = 0;
    int error = 0;
    nod_frame piece;

    if (frame->gso_size == 0) {
        if (!path->config.checksums_later) {
            nod_frame_finish(frame);
        }
        error = push_packet(path, frame, now, ids, &met);
    } else {
        int (*cut)(const nod_frame *, unsigned, nod_frame *) =
            path->config.checksums_later ? nod_frame_cut : nod_frame_piece;

        for (unsigned i = 0; (error = cut(frame, i, &piece)) == 1; i++) {
            if ((error = push_packet(path, &piece, now, ids, &met)) < 0) {
                break;
            }
        }
    }
    nod_frame_release(frame);
    if (fate) {
        *fate = met;
    }
    return error < 0 ? error : 0;
}

int nod_path_pop(nod_path *path, nod_frame *frames, int max, nod_usec now)
{
    int n = 0;

    serve(path, now);
    while (n < max && path->flight.count > 0 && nod_flight_next(&path->flight) <= now) {
        nod_flight_take(&path->flight, &frames[n]);
        path->stats.bytes_out += nod_frame_length(&frames[n++]);
    }
    path->stats.out += (uint64_t)n;
    return n;
}

int nod_path_answers(nod_path *path, nod_frame *frames, int max)
{
    return nod_narrow_take(&path->narrow, frames, max);
}

nod_usec nod_path_deadline(const nod_path *path)
{
    nod_usec arrival = nod_flight_next(&path->flight), starts = NOD_NEVER;

    if (path->fq && nod_fq_codel_bytes(path->fq) > 0) {
        starts = nod_line_starts(&path->line, &path->config, path->fq_since);
    }
    return arrival < starts ? arrival : starts;
}

void nod_path_get_stats(const nod_path *path, nod_path_stats *out)
{
    *out = path->stats;
}
