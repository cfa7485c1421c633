/* A bad network around a good device: each direction goes through a nod_path, the same that
 * the simulator uses, in real time. */
#include "impl.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 64
#define RETRY_US NOD_MSEC /* when the device is full, and does not say when it no longer is */

typedef struct harm_link {
    nod_link link;
    nod_link *inner;
    nod_path *out, *in;
    uint32_t next_id;
    nod_usec retry; /* NOD_NEVER unless the device was full */
    int waiting;    /* frames that left `out` and that the device did not take yet */
    nod_frame wait[BATCH];
} harm_link;

static void harm_iface(const nod_link *link, nod_iface_config *out)
{
    nod_link_iface(((const harm_link *)link)->inner, out);
}

static const char *harm_name(const nod_link *link)
{
    return nod_link_name(((const harm_link *)link)->inner);
}

static int harm_fd(const nod_link *link)
{
    return nod_link_fd(((const harm_link *)link)->inner);
}

static nod_usec earlier(nod_usec a, nod_usec b)
{
    return a < b ? a : b;
}

static nod_usec harm_deadline(const nod_link *link)
{
    const harm_link *harm = (const harm_link *)link;
    nod_usec when = earlier(nod_link_deadline(harm->inner), nod_path_deadline(harm->in));
    /* While the device is full, what else arrives for it need not wake anybody. */
    return earlier(when, harm->retry != NOD_NEVER ? harm->retry : nod_path_deadline(harm->out));
}

static void harm_stats(const nod_link *link, nod_link_stats *out)
{
    const harm_link *harm = (const harm_link *)link;
    nod_link_get_stats(harm->inner, out);
    nod_path_get_stats(harm->out, &out->harm_out);
    nod_path_get_stats(harm->in, &out->harm_in);
}

/* What one direction says to those whose packets it did not take goes the other way. */
static void answer(nod_path *from, nod_path *to, nod_usec now)
{
    nod_frame frame;
    while (nod_path_answers(from, &frame, 1) > 0) {
        nod_path_push(to, &frame, now, NULL, NULL);
        nod_frame_release(&frame);
    }
}

static void drop_first(harm_link *harm, int count)
{
    harm->waiting -= count;
    memmove(harm->wait, harm->wait + count, (size_t)harm->waiting * sizeof(nod_frame));
}

/* What has come through the outward path goes to the device. 0 or NOD_EIO. */
static int pump_out(harm_link *harm, nod_usec now)
{
    harm->retry = NOD_NEVER;
    for (;;) {
        harm->waiting +=
            nod_path_pop(harm->out, harm->wait + harm->waiting, BATCH - harm->waiting, now);
        if (harm->waiting == 0) return 0;
        int sent = nod_link_send(harm->inner, harm->wait, harm->waiting, now);
        if (sent < 0) return sent;
        drop_first(harm, sent);
        if (harm->waiting == 0) continue;
        harm->retry = now + RETRY_US;
        return 0;
    }
}

static int harm_send(nod_link *link, nod_frame *frames, int count, nod_usec now)
{
    harm_link *harm = (harm_link *)link;
    /* A path without memory loses the frame, as a wire may. */
    for (int i = 0; i < count; i++) {
        nod_path_push(harm->out, &frames[i], now, NULL, NULL);
        nod_frame_release(&frames[i]);
    }
    answer(harm->out, harm->in, now);
    int error = pump_out(harm, now);
    return error ? error : count;
}

/* What the device has goes into the inward path. 0 or NOD_EIO. */
static int pump_in(harm_link *harm, nod_usec now)
{
    nod_frame frames[BATCH];
    int got = nod_link_receive(harm->inner, frames, BATCH, now);
    for (int i = 0; i < got; i++) {
        /* Whoever vouched for the checksum did so before we did our worst. */
        frames[i].flags &= (uint8_t)~NOD_FRAME_CSUM_OK;
        nod_path_push(harm->in, &frames[i], now, NULL, NULL);
        nod_frame_release(&frames[i]);
    }
    answer(harm->in, harm->out, now);
    return got < 0 ? got : 0;
}

static int harm_receive(nod_link *link, nod_frame *frames, int max, nod_usec now)
{
    harm_link *harm = (harm_link *)link;
    int error = pump_out(harm, now);
    if (!error) error = pump_in(harm, now);
    int got = nod_path_pop(harm->in, frames, max, now);
    /* Two of a kind are two packets. */
    for (int i = 0; i < got; i++) frames[i].id = harm->next_id++;
    return got > 0 ? got : error;
}

static void harm_close(nod_link *link)
{
    harm_link *harm = (harm_link *)link;
    for (int i = 0; i < harm->waiting; i++) nod_frame_release(&harm->wait[i]);
    nod_path_free(harm->out);
    nod_path_free(harm->in);
    nod_link_close(harm->inner);
    free(harm);
}

static const nod_link_ops harm_ops = {
    harm_iface, harm_name,  harm_fd,    harm_deadline, harm_receive,
    harm_send,  harm_stats, harm_close, NULL,
};

nod_link *nod_link_harm(nod_link *inner, nod_pool *pool, const nod_path_config *out,
                        const nod_path_config *in, uint64_t seed)
{
    harm_link *harm = calloc(1, sizeof *harm);
    if (!harm) return NULL;
    harm->link.ops = &harm_ops;
    harm->retry = NOD_NEVER;
    /* The directions throw dice of their own. */
    harm->out = nod_path_new(pool, out, seed);
    harm->in = nod_path_new(pool, in, seed ^ UINT64_C(0x9e3779b97f4a7c15));
    if (harm->out && harm->in) {
        harm->inner = inner;
        return &harm->link;
    }
    nod_path_free(harm->out);
    nod_path_free(harm->in);
    free(harm);
    return NULL;
}
