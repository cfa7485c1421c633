/* Harm around a link: what goes in either way meets the path's fate, nothing is sent twice by
 * mistake, and a device that is full gets the rest later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link/impl.h"

#include <stdlib.h>
#include <string.h>

#define DEVICE_MAX 256

/* A device that remembers what it was given, and gives what it was told to. */
typedef struct device {
    nod_link link;
    int room; /* frames that it still takes */
    int sent, waiting;
    uint8_t sent_first_byte[DEVICE_MAX];
    nod_frame wait[DEVICE_MAX];
    bool *closed;
} device;

static void device_iface(const nod_link *link, nod_iface_config *out)
{
    (void)link;
    *out = (nod_iface_config){.mtu = 1500};
}

static const char *device_name(const nod_link *link)
{
    (void)link;
    return "fake";
}

static int device_fd(const nod_link *link)
{
    (void)link;
    return 77;
}

static nod_usec device_deadline(const nod_link *link)
{
    (void)link;
    return NOD_NEVER;
}

static int device_receive(nod_link *link, nod_frame *frames, int max, nod_usec now)
{
    device *dev = (device *)link;
    (void)now;
    int count = dev->waiting < max ? dev->waiting : max;
    memcpy(frames, dev->wait, (size_t)count * sizeof *frames);
    memmove(dev->wait, dev->wait + count, (size_t)(dev->waiting - count) * sizeof *frames);
    dev->waiting -= count;
    return count;
}

static int device_send(nod_link *link, nod_frame *frames, int count, nod_usec now)
{
    device *dev = (device *)link;
    (void)now;
    int taken = 0;
    while (taken < count && dev->room > 0) {
        assert_true(dev->sent < DEVICE_MAX);
        nod_frame_copy(&frames[taken], 0, &dev->sent_first_byte[dev->sent++], 1);
        nod_frame_release(&frames[taken++]);
        dev->room--;
    }
    return taken;
}

static void device_stats(const nod_link *link, nod_link_stats *out)
{
    out->frames_out = (uint64_t)((const device *)link)->sent;
}

static void device_close(nod_link *link)
{
    device *dev = (device *)link;
    for (int i = 0; i < dev->waiting; i++) nod_frame_release(&dev->wait[i]);
    *dev->closed = true;
    free(dev);
}

static const nod_link_ops device_ops = {
    device_iface, device_name,  device_fd, device_deadline, device_receive, device_send,
    device_stats, device_close, NULL,
};

typedef struct world {
    nod_pool *pool;
    device *dev;
    nod_link *link;
    bool closed;
} world;

static void make(world *w, const nod_path_config *out, const nod_path_config *in)
{
    *w = (world){.pool = nod_pool_new(NULL, 0), .dev = calloc(1, sizeof(device))};
    w->dev->link.ops = &device_ops;
    w->dev->room = DEVICE_MAX;
    w->dev->closed = &w->closed;
    w->link = nod_link_harm(&w->dev->link, w->pool, out, in, 1);
    assert_non_null(w->link);
}

/* Everything comes back to the pool: no frame is lost on the way. */
static void end(world *w)
{
    nod_pool_stats stats;
    nod_link_close(w->link);
    assert_true(w->closed);
    nod_pool_get_stats(w->pool, &stats);
    assert_int_equal(stats.in_use, 0);
    nod_pool_free(w->pool);
}

static void numbered(world *w, nod_frame *frames, int count)
{
    for (int i = 0; i < count; i++) {
        uint8_t bytes[60] = {(uint8_t)i};
        assert_int_equal(nod_frame_from_bytes(w->pool, bytes, sizeof bytes, &frames[i]), 0);
    }
}

/* Both ways take the time that they should, and the deadline says when. */
static void delay(void **state)
{
    (void)state;
    world w;
    nod_path_config out = {.delay_us = 1000}, in = {.delay_us = 5000};
    nod_frame frames[4];
    make(&w, &out, &in);
    assert_int_equal(nod_link_deadline(w.link), NOD_NEVER);
    assert_int_equal(nod_link_fd(w.link), 77);

    numbered(&w, frames, 3);
    assert_int_equal(nod_link_send(w.link, frames, 3, 100), 3);
    assert_int_equal(w.dev->sent, 0);
    assert_int_equal(nod_link_deadline(w.link), 1100);
    numbered(&w, w.dev->wait, 2);
    w.dev->waiting = 2;
    assert_int_equal(nod_link_receive(w.link, frames, 4, 200), 0);
    assert_int_equal(nod_link_receive(w.link, frames, 4, 1100), 0);
    assert_int_equal(w.dev->sent, 3);
    assert_int_equal(w.dev->sent_first_byte[2], 2);
    assert_int_equal(nod_link_deadline(w.link), 5200);
    assert_int_equal(nod_link_receive(w.link, frames, 4, 5200), 2);
    assert_true(frames[0].id != frames[1].id);
    nod_frame_release(&frames[0]);
    nod_frame_release(&frames[1]);
    end(&w);
}

/* A full device gets the rest in order, once, after the deadline that this makes. */
static void full_device(void **state)
{
    (void)state;
    world w;
    nod_path_config clear = {0};
    nod_frame frames[100];
    make(&w, &clear, &clear);
    w.dev->room = 10;
    numbered(&w, frames, 100);
    assert_int_equal(nod_link_send(w.link, frames, 100, 0), 100);
    assert_int_equal(w.dev->sent, 10);
    assert_true(nod_link_deadline(w.link) > 0);
    assert_true(nod_link_deadline(w.link) < NOD_SEC);
    w.dev->room = DEVICE_MAX;
    assert_int_equal(nod_link_receive(w.link, frames, 4, NOD_SEC), 0);
    assert_int_equal(w.dev->sent, 100);
    for (int i = 0; i < 100; i++) assert_int_equal(w.dev->sent_first_byte[i], i);
    assert_int_equal(nod_link_deadline(w.link), NOD_NEVER);
    end(&w);
}

/* The directions have fates of their own, and the counters tell. */
static void fates(void **state)
{
    (void)state;
    world w;
    nod_path_config out = {.loss = 1}, in = {.duplicate = 1};
    nod_frame frames[10];
    nod_link_stats stats;
    make(&w, &out, &in);
    numbered(&w, frames, 5);
    nod_link_send(w.link, frames, 5, 0);
    numbered(&w, w.dev->wait, 3);
    w.dev->waiting = 3;
    int got = nod_link_receive(w.link, frames, 10, 0);
    while (got < 6) {
        nod_usec when = nod_link_deadline(w.link);
        assert_true(when != NOD_NEVER);
        got += nod_link_receive(w.link, frames + got, 10 - got, when);
    }
    for (int i = 0; i < got; i++) nod_frame_release(&frames[i]);
    assert_int_equal(got, 6);
    assert_int_equal(w.dev->sent, 0);
    nod_link_get_stats(w.link, &stats);
    assert_int_equal(stats.harm_out.lost, 5);
    assert_int_equal(stats.harm_in.duplicated, 3);
    end(&w);
}

/* What is damaged here was verified before: nobody may still vouch for it. */
static void checksum_not_trusted(void **state)
{
    (void)state;
    world w;
    nod_path_config clear = {0};
    nod_frame frame;
    make(&w, &clear, &clear);
    numbered(&w, w.dev->wait, 1);
    w.dev->wait[0].flags = NOD_FRAME_CSUM_OK;
    w.dev->waiting = 1;
    assert_int_equal(nod_link_receive(w.link, &frame, 1, 0), 1);
    assert_int_equal(frame.flags & NOD_FRAME_CSUM_OK, 0);
    nod_frame_release(&frame);
    end(&w);
}

/* Frames on their way when the link is closed are not leaked; nonsense leaves `inner` be. */
static void close_and_nonsense(void **state)
{
    (void)state;
    world w;
    nod_path_config slow = {.delay_us = NOD_SEC}, nonsense = {.loss = 2};
    nod_frame frames[8];
    make(&w, &slow, &slow);
    assert_null(nod_link_harm(&w.dev->link, w.pool, &nonsense, &slow, 1));
    assert_null(nod_link_harm(&w.dev->link, w.pool, &slow, &nonsense, 1));
    assert_false(w.closed);
    numbered(&w, frames, 8);
    assert_int_equal(nod_link_send(w.link, frames, 8, 0), 8);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delay),
        cmocka_unit_test(full_device),
        cmocka_unit_test(fates),
        cmocka_unit_test(checksum_not_trusted),
        cmocka_unit_test(close_and_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
