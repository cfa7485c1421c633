/* CoDel's law (RFC 8289), and the queues of flows that it rules in (RFC 8290). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nod/path.h"
#include "sim/codel.h"

#define FAR_BEHIND 100000
#define SIZE 1000

static const nod_codel_law law = {.target = 5 * NOD_MSEC, .interval = 100 * NOD_MSEC};

/* One packet a millisecond has waited so long, from `from` to `to`. When the n-th was dropped goes
 * to at[n]; returns how many were. */
static int run(nod_codel *codel, nod_usec waited, nod_usec from, nod_usec to, nod_usec *at)
{
    int drops = 0;

    for (nod_usec now = from; now < to; now += NOD_MSEC) {
        if (nod_codel_drops(codel, &law, waited, FAR_BEHIND, now)) {
            at[drops++] = now / NOD_MSEC;
        }
    }
    return drops;
}

/* The first drop comes an interval after packets have begun to wait too long; then one comes an
 * interval / sqrt(n) after the n-th: 100, 70.7, 57.7, 50, 44.7, 40.8 ms. */
static void test_control_law(void **state)
{
    nod_codel codel = {0};
    nod_usec at[100];

    (void)state;
    assert_int_equal(run(&codel, law.target, 0, 500 * NOD_MSEC, at), 7);
    assert_int_equal(at[0], 100);
    assert_int_equal(at[1], 200);
    assert_int_equal(at[2], 271);
    assert_int_equal(at[3], 329);
    assert_int_equal(at[4], 379);
    assert_int_equal(at[5], 424);
    assert_int_equal(at[6], 464);
}

static void test_no_drop_below_the_target(void **state)
{
    nod_codel codel = {0};
    nod_usec at[100];

    (void)state;
    assert_int_equal(run(&codel, law.target - 1, 0, 10 * NOD_SEC, at), 0);
}

/* One packet below the target begins a new interval. */
static void test_one_good_packet_is_enough(void **state)
{
    nod_codel codel = {0};
    nod_usec at[100];

    (void)state;
    assert_int_equal(run(&codel, law.target, 0, 99 * NOD_MSEC, at), 0);
    assert_false(nod_codel_drops(&codel, &law, 0, FAR_BEHIND, 99 * NOD_MSEC));
    assert_int_equal(run(&codel, law.target, 100 * NOD_MSEC, 201 * NOD_MSEC, at), 1);
    assert_int_equal(at[0], 200);
}

static void test_one_packet_is_no_queue(void **state)
{
    nod_codel codel = {0};

    (void)state;
    for (nod_usec now = 0; now < 10 * NOD_SEC; now += NOD_MSEC) {
        assert_false(nod_codel_drops(&codel, &law, NOD_SEC, 1514, now));
    }
}

/* Who comes back soon goes on as often as before; who comes back late begins anew. */
static void test_it_remembers(void **state)
{
    nod_codel codel = {0};
    nod_usec at[200];

    (void)state;
    assert_int_equal(run(&codel, law.target, 0, 500 * NOD_MSEC, at), 7);
    nod_codel_empty(&codel);
    /* Six more than when the state was last entered: 100 / sqrt(6) = 40.8 ms. */
    assert_int_equal(run(&codel, law.target, 600 * NOD_MSEC, 800 * NOD_MSEC, at), 3);
    assert_int_equal(at[0], 700);
    assert_int_equal(at[1], 741);
    nod_codel_empty(&codel);
    assert_int_equal(run(&codel, law.target, 3 * NOD_SEC, 3250 * NOD_MSEC, at), 2);
    assert_int_equal(at[0], 3100);
    assert_int_equal(at[1], 3200);
}

/* Flows: packets of UDP over IPv4, told apart by a port. */

struct world {
    nod_pool *pool;
    nod_path *path;
    uint64_t sent[4], came[4], marked[4];
    nod_usec longest[4];
};

static struct world make(const nod_path_config *config)
{
    struct world w = {.pool = nod_pool_new(NULL, 0)};

    w.path = nod_path_new(w.pool, config, 1);
    assert_non_null(w.path);
    return w;
}

static nod_path_stats done(struct world *w)
{
    nod_path_stats stats;
    nod_pool_stats pool;

    nod_path_get_stats(w->path, &stats);
    nod_path_free(w->path);
    nod_pool_get_stats(w->pool, &pool);
    assert_int_equal(pool.in_use, 0);
    nod_pool_free(w->pool);
    return stats;
}

static void push(struct world *w, uint8_t flow, uint8_t ecn, nod_usec now)
{
    uint8_t bytes[SIZE] = {0x45, ecn, SIZE >> 8, SIZE & 255, 0, 0,  0x40, 0, 64, 17, 0,
                           0,    10,  0,         0,          1, 10, 0,    0, 2,  0,  flow};
    nod_frame frame;
    uint32_t sum = 0;

    for (int i = 0; i < 20; i += 2) {
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    }
    sum = ~((sum & 0xffff) + (sum >> 16));
    bytes[10] = (uint8_t)(sum >> 8);
    bytes[11] = (uint8_t)sum;
    memcpy(bytes + 28, &now, sizeof now);
    assert_int_equal(nod_frame_from_bytes(w->pool, bytes, SIZE, &frame), 0);
    assert_int_equal(nod_path_push(w->path, &frame, now, NULL, NULL), 0);
    w->sent[flow]++;
}

/* All that arrives until `now`, at its time. */
static void take(struct world *w, nod_usec now)
{
    nod_usec at;

    while ((at = nod_path_deadline(w->path)) <= now) {
        nod_frame frame;
        uint8_t bytes[36];
        nod_usec sent;

        if (nod_path_pop(w->path, &frame, 1, at) == 0) {
            continue;
        }
        nod_frame_copy(&frame, 0, bytes, sizeof bytes);
        nod_frame_release(&frame);
        memcpy(&sent, bytes + 28, sizeof sent);
        w->came[bytes[21]]++;
        w->marked[bytes[21]] += (bytes[1] & 3) == 3;
        if (at - sent > w->longest[bytes[21]]) {
            w->longest[bytes[21]] = at - sent;
        }
    }
}

/* 8 Mbit/s: a packet takes a millisecond. */
static const nod_path_config fair = {.rate_bps = 8000000, .queue_kind = NOD_QUEUE_FQ_CODEL};

/* Flow 0 sends four times what the line carries, flow 1 a tenth: that has no loss, and waits for
 * no more than the packet on the line and one turn. */
static void test_who_sends_little_does_not_wait(void **state)
{
    struct world w = make(&fair);

    (void)state;
    for (nod_usec now = 0; now < 5 * NOD_SEC; now += 250) {
        take(&w, now);
        push(&w, 0, 0, now);
        if (now % (10 * NOD_MSEC) == 0) {
            push(&w, 1, 0, now);
        }
    }
    take(&w, 6 * NOD_SEC);
    assert_int_equal(w.came[1], w.sent[1]);
    assert_in_range(w.longest[1], 1 * NOD_MSEC, 3 * NOD_MSEC);
    assert_true(w.came[0] < w.sent[0]);
    done(&w);
}

/* Three flows that send all that they can have the same, though one sends thrice as much. */
static void test_turns_are_fair(void **state)
{
    struct world w = make(&fair);

    (void)state;
    for (nod_usec now = 0; now < 5 * NOD_SEC; now += NOD_MSEC) {
        take(&w, now);
        push(&w, 0, 0, now);
        push(&w, 0, 0, now);
        push(&w, 0, 0, now);
        push(&w, 1, 0, now);
        push(&w, 2, 0, now);
    }
    for (int i = 0; i < 3; i++) {
        assert_in_range(w.came[i], 1600, 1730);
    }
    done(&w);
}

/* A turn is of 1514 bytes: of packets of 1000 there are one or two in it. */
static void test_turns_are_short(void **state)
{
    struct world w = make(&fair);
    uint64_t behind = 0;

    (void)state;
    for (int i = 0; i < 60; i++) {
        push(&w, (uint8_t)(i / 30), 0, 0);
    }
    for (nod_usec now = NOD_MSEC; now <= 50 * NOD_MSEC; now += NOD_MSEC) {
        take(&w, now);
        behind = w.came[0] > w.came[1] ? w.came[0] - w.came[1] : w.came[1] - w.came[0];
        assert_in_range(behind, 0, 3);
    }
    done(&w);
}

/* To send a packet only when the last one has left is no way to be always among the new flows. */
static void test_no_flow_is_new_twice(void **state)
{
    struct world w = make(&fair);

    (void)state;
    for (nod_usec now = 0; now < 5 * NOD_SEC; now += NOD_MSEC) {
        take(&w, now);
        push(&w, 0, 0, now);
        push(&w, 1, 0, now);
        push(&w, 2, 0, now);
        if (w.sent[3] == w.came[3]) {
            push(&w, 3, 0, now);
        }
    }
    assert_in_range(w.came[3], 1000, 1300);
    done(&w);
}

/* An idle line takes a packet when it comes, and not before. */
static void test_idle_line(void **state)
{
    struct world w = make(&fair);

    (void)state;
    for (nod_usec now = NOD_SEC; now < 2 * NOD_SEC; now += 10 * NOD_MSEC) {
        push(&w, 0, 0, now);
        push(&w, 0, 0, now + 100);
        take(&w, now + NOD_MSEC - 1);
        assert_int_equal(w.came[0] + 2, w.sent[0]);
        take(&w, now + NOD_MSEC);
        assert_int_equal(w.came[0] + 1, w.sent[0]);
        take(&w, now + 2 * NOD_MSEC);
        assert_int_equal(w.came[0], w.sent[0]);
    }
    done(&w);
}

/* The line is never idle while somebody waits, and time is exact: a packet a millisecond. */
static void test_the_line_is_busy(void **state)
{
    struct world w = make(&fair);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        push(&w, (uint8_t)(i % 4), 0, 0);
    }
    for (nod_usec now = NOD_MSEC; now <= 90 * NOD_MSEC; now += NOD_MSEC) {
        take(&w, now - 1);
        assert_int_equal(w.came[0] + w.came[1] + w.came[2] + w.came[3], now / NOD_MSEC - 1);
    }
    done(&w);
}

/* What says that it can be marked is marked and not lost. */
static void test_marks_instead_of_drops(void **state)
{
    struct world w = make(&fair);

    (void)state;
    for (nod_usec now = 0; now < 3 * NOD_SEC; now += 900) {
        take(&w, now);
        push(&w, 0, 2, now);
        push(&w, 1, 0, now);
    }
    take(&w, 60 * NOD_SEC);
    nod_path_stats stats = done(&w);

    assert_int_equal(w.came[0], w.sent[0]);
    assert_int_equal(stats.marked, w.marked[0]);
    assert_true(w.marked[0] > 50);
    assert_int_equal(w.marked[1], 0);
    assert_int_equal(w.sent[1] - w.came[1], stats.codel);
    assert_true(stats.codel > 50);
}

/* When all is full the fattest flow pays, from its head. */
static void test_the_fattest_makes_room(void **state)
{
    nod_path_config config = fair;

    (void)state;
    config.queue_packets = 100;
    struct world w = make(&config);

    for (int i = 0; i < 10; i++) {
        push(&w, 1, 0, 0);
    }
    for (int i = 0; i < 95; i++) {
        push(&w, 0, 0, 1 + (nod_usec)i);
    }
    nod_path_stats stats;

    nod_path_get_stats(w.path, &stats);
    assert_int_equal(stats.queue_full, 46); /* half of 92, for one of flow 1 was on the line */
    take(&w, NOD_SEC);
    assert_int_equal(w.came[1], 10);
    assert_int_equal(w.came[0], 49);
    done(&w);
}

static void test_limit_in_bytes(void **state)
{
    nod_path_config config = fair;

    (void)state;
    config.queue_bytes = 10 * SIZE;
    struct world w = make(&config);

    for (int i = 0; i < 11; i++) {
        push(&w, 0, 0, 0);
    }
    nod_path_stats stats;

    nod_path_get_stats(w.path, &stats);
    assert_int_equal(stats.queue_full, 0);
    push(&w, 0, 0, 0);
    nod_path_get_stats(w.path, &stats);
    assert_int_equal(stats.queue_full, 6);
    done(&w);
}

/* By a trace: the queue is served at each opportunity. */
static void test_flows_over_a_trace(void **state)
{
    static const uint32_t ms[] = {3, 10};
    struct world w =
        make(&(nod_path_config){.trace = {.ms = ms, .count = 2}, .queue_kind = NOD_QUEUE_FQ_CODEL});

    (void)state;
    for (int i = 0; i < 6; i++) {
        push(&w, 0, 0, 500);
    }
    take(&w, 3 * NOD_MSEC - 1);
    assert_int_equal(w.came[0], 0);
    take(&w, 3 * NOD_MSEC);
    assert_int_equal(w.came[0], 1); /* the second is not through yet */
    take(&w, 10 * NOD_MSEC);
    assert_int_equal(w.came[0], 3);
    take(&w, 13 * NOD_MSEC);
    assert_int_equal(w.came[0], 4);
    take(&w, 20 * NOD_MSEC);
    assert_int_equal(w.came[0], 6);
    assert_int_equal(w.longest[0], 20 * NOD_MSEC - 500);
    done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_law),
        cmocka_unit_test(test_no_drop_below_the_target),
        cmocka_unit_test(test_one_good_packet_is_enough),
        cmocka_unit_test(test_one_packet_is_no_queue),
        cmocka_unit_test(test_it_remembers),
        cmocka_unit_test(test_who_sends_little_does_not_wait),
        cmocka_unit_test(test_turns_are_fair),
        cmocka_unit_test(test_no_flow_is_new_twice),
        cmocka_unit_test(test_idle_line),
        cmocka_unit_test(test_turns_are_short),
        cmocka_unit_test(test_the_line_is_busy),
        cmocka_unit_test(test_marks_instead_of_drops),
        cmocka_unit_test(test_the_fattest_makes_room),
        cmocka_unit_test(test_limit_in_bytes),
        cmocka_unit_test(test_flows_over_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
