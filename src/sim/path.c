/* One direction of a bad network. What befalls a packet, in the order of a real road:
 * the cable may be pulled, the queue may be full, the line takes its time, and on the way
 * the packet may be lost, damaged, held back or doubled. */
#include "nod/path.h"

#include <stdlib.h>

#include "bottleneck.h"
#include "flight.h"
#include "narrow.h"
#include "rng.h"
#include "wire/frame.h"

#define FORCED_MAX 64
#define FATE_ALL \
    (NOD_FATE_GONE | NOD_FATE_DUPLICATED | NOD_FATE_REORDERED | NOD_FATE_DAMAGED | NOD_FATE_MARKED)
#define SECOND_COPY_US 1000          /* how much later a second copy comes at most */
#define HELD_BACK_US (10 * NOD_MSEC) /* where there is no delay to go by */

struct forced {
    unsigned skip, fate;
};

struct nod_path {
    nod_path_config config;
    nod_pool *pool;
    nod_rng rng;
    nod_bottleneck bottleneck;
    nod_narrow narrow;
    nod_flight flight;
    nod_usec latest; /* arrival of the latest packet that was not held back */
    struct forced forced[FORCED_MAX];
    unsigned forced_first, forced_count;
    nod_path_stats stats;
};

/* What the dice say about one packet. The same number of them is thrown for each packet,
 * whatever its fate, so that a change of one probability leaves the other dice alone. (But for
 * marks, whose die is thrown only where there may be any.) */
struct dice {
    unsigned fate;
    nod_usec jitter;
    nod_usec second_copy;
    uint64_t damage;
};

static bool probability(double p)
{
    return p >= 0 && p <= 1; /* false for a NaN */
}

static bool sound(const nod_path_config *c)
{
    /* A year is longer than anybody waits, and sums of a few of them cannot overflow. */
    const nod_usec year = 366 * 24 * 3600 * NOD_SEC;

    return probability(c->loss) && probability(c->duplicate) && probability(c->reorder) &&
           probability(c->damage) && probability(c->mark) && c->delay_us <= year &&
           c->jitter_us <= year && c->reorder_us <= year;
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
    return path;
}

void nod_path_free(nod_path *path)
{
    if (!path) {
        return;
    }
    nod_flight_clear(&path->flight);
    nod_bottleneck_clear(&path->bottleneck);
    nod_narrow_clear(&path->narrow);
    free(path);
}

void nod_path_set_config(nod_path *path, const nod_path_config *config)
{
    if (sound(config)) {
        path->config = *config;
    }
}

const nod_path_config *nod_path_get_config(const nod_path *path)
{
    return &path->config;
}

static struct dice throw_dice(nod_path *path)
{
    const nod_path_config *c = &path->config;
    nod_rng *rng = &path->rng;
    struct dice dice = {0};

    dice.fate |= nod_rng_unit(rng) < c->loss ? NOD_FATE_LOST : 0;
    dice.fate |= nod_rng_unit(rng) < c->duplicate ? NOD_FATE_DUPLICATED : 0;
    dice.fate |= nod_rng_unit(rng) < c->reorder ? NOD_FATE_REORDERED : 0;
    dice.fate |= nod_rng_unit(rng) < c->damage ? NOD_FATE_DAMAGED : 0;
    dice.jitter = (nod_usec)(nod_rng_unit(rng) * (double)(c->jitter_us + 1));
    dice.second_copy = 1 + (nod_usec)(nod_rng_unit(rng) * SECOND_COPY_US);
    dice.damage = nod_rng_next(rng);
    dice.fate |= c->mark > 0 && nod_rng_unit(rng) < c->mark ? NOD_FATE_MARKED : 0;
    return dice;
}

/* The packet's forced fate replaces what the dice say, if its turn has come. */
static void force(nod_path *path, struct dice *dice)
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
static nod_usec arrival(nod_path *path, const struct dice *dice, nod_usec leaves)
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
static int mark(nod_path *path, nod_frame *frame, struct dice *dice)
{
    int marked = dice->fate & NOD_FATE_MARKED ? nod_frame_mark(path->pool, frame) : 0;

    dice->fate &= marked > 0 ? ~0u : ~(unsigned)NOD_FATE_MARKED;
    path->stats.marked += marked > 0;
    return marked < 0 ? marked : 0;
}

/* Puts a packet that is not lost, and its second copy, on their way. */
static int send_off(nod_path *path, nod_frame *frame, struct dice *dice, nod_usec leaves)
{
    nod_usec at = arrival(path, dice, leaves);
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

static bool is_too_big(const nod_path *path, const struct dice *dice, const nod_frame *packet)
{
    return (path->config.mtu && nod_narrow_size(packet) > path->config.mtu) ||
           dice->fate & NOD_FATE_TOO_BIG;
}

static int refuse(nod_path *path, struct dice *dice, const nod_frame *packet)
{
    const nod_path_config *c = &path->config;

    path->stats.too_big++;
    dice->fate = NOD_FATE_TOO_BIG;
    return c->mtu_silent ? 0 : nod_narrow_refuse(&path->narrow, path->pool, packet, c->mtu);
}

/* Chance and the state of the road decide together; what is gone meets no other harm. */
static int decide(nod_path *path, struct dice *dice, const nod_frame *packet, nod_usec now,
                  nod_usec *leaves)
{
    const nod_path_config *c = &path->config;
    const nod_queue_limit limit = {.bytes = c->queue_bytes, .packets = c->queue_packets};
    uint64_t bytes = nod_frame_length(packet);

    if (c->down || dice->fate & NOD_FATE_DOWN) {
        path->stats.down++;
        dice->fate = NOD_FATE_DOWN;
        return 0;
    }
    if (is_too_big(path, dice, packet)) {
        return refuse(path, dice, packet);
    }
    int passed =
        dice->fate & NOD_FATE_QUEUE_FULL
            ? 0
            : nod_bottleneck_pass(&path->bottleneck, c->rate_bps, &limit, bytes, now, leaves);

    if (passed < 0) {
        return passed;
    }
    if (c->mark_bytes > 0 && path->bottleneck.queued > c->mark_bytes) {
        dice->fate |= NOD_FATE_MARKED;
    }
    if (!passed) {
        path->stats.queue_full++;
        dice->fate = NOD_FATE_QUEUE_FULL;
    } else if (dice->fate & NOD_FATE_LOST) {
        path->stats.lost++;
        dice->fate = NOD_FATE_LOST;
    }
    return 0;
}

static int push_packet(nod_path *path, nod_frame *packet, nod_usec now, uint32_t *ids,
                       unsigned *fate)
{
    struct dice dice = throw_dice(path);
    nod_usec leaves = now;

    path->stats.in++;
    path->stats.bytes_in += nod_frame_length(packet);
    if (ids) {
        packet->id = (*ids)++;
    }
    force(path, &dice);
    int error = decide(path, &dice, packet, now, &leaves);

    if (error == 0 && !(dice.fate & NOD_FATE_GONE)) {
        error = send_off(path, packet, &dice, leaves);
    }
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
    return nod_flight_next(&path->flight);
}

void nod_path_get_stats(const nod_path *path, nod_path_stats *out)
{
    *out = path->stats;
}
