/* BBR over simulated paths: what it is for. A path of 100 Mbit/s and 50 ms holds 625,000 octets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "unit/flows.h"

#define SEED 5
#define RTT (50 * NOD_MSEC)
#define MBIT(n) ((n)*125000.0) /* octets a second */

static struct flows f;

/* 50 ms, and a queue of so many octets. */
static void path(double mbit, uint32_t queue, double loss)
{
    nod_path_config config = {.rate_bps = (uint64_t)(mbit * 1000000),
                              .delay_us = RTT / 2,
                              .queue_bytes = queue,
                              .loss = loss};
    flows_make(&f, SEED, &config);
}

static nod_tcp_config config_now(void)
{
    nod_tcp_config config;
    assert_int_equal(nod_tcp_get_config(f.a, f.flow[0].client, &config), 0);
    return config;
}

static void configure(const nod_tcp_config *config)
{
    assert_int_equal(nod_tcp_set_config(f.a, f.flow[0].client, config), 0);
}

static void run(nod_usec time)
{
    flows_run(&f, time);
    for (int i = 0; i < f.count; i++)
        printf("  %d: %.1f Mbit/s, SRTT %.1f ms, %u segments again\n", i,
               flows_rate(&f, i) / MBIT(1), (double)flows_srtt(&f, i) / NOD_MSEC,
               f.flow[i].status.segments_retransmitted);
}

/* The rate, without the queue that fills for those who wait for loss. */
static void alone(void **state)
{
    (void)state;
    path(100, 1250000, 0);
    flows_add(&f, "bbr", NOD_PACING_AUTO);
    run(2 * NOD_SEC); /* Startup and Drain */
    assert_true(flows_rate(&f, 0) > MBIT(70));
    run(6 * NOD_SEC);
    assert_true(flows_rate(&f, 0) > MBIT(90));
    assert_true(flows_srtt(&f, 0) < RTT * 5 / 4);
    assert_int_equal(f.flow[0].status.segments_retransmitted, 0);
    /* ProbeRTT: each five seconds half of the path, and half of a window of two. */
    assert_in_range(f.flow[0].least_cwnd, 250000, 350000);
    /* And nobody takes that for what the path delivers. */
    assert_true((double)f.flow[0].least_delivery > MBIT(80));
    flows_free(&f);

    path(100, 1250000, 0);
    flows_add(&f, "cubic", NOD_PACING_AUTO);
    run(6 * NOD_SEC);
    assert_true(flows_srtt(&f, 0) > RTT * 5 / 4);
    flows_free(&f);
}

/* Loss that is not of congestion takes little of the rate, where CUBIC loses nearly all of it. */
static void random_loss(void **state)
{
    (void)state;
    for (int percent = 1; percent <= 2; percent++) {
        double rate[2];
        for (int i = 0; i < 2; i++) {
            path(100, 1250000, percent / 100.0);
            flows_add(&f, i ? "cubic" : "bbr", NOD_PACING_AUTO);
            run(7 * NOD_SEC);
            rate[i] = flows_rate(&f, 0);
            flows_free(&f);
        }
        assert_true(rate[0] > MBIT(percent == 1 ? 75 : 55));
        assert_true(rate[1] < MBIT(10));
    }
}

/* More than 2% is congestion to the draft; unless it is known that the link loses by itself. */
static void lossy_link(void **state)
{
    (void)state;
    double rate[2];
    for (int i = 0; i < 2; i++) {
        path(100, 1250000, 0.05);
        flows_add(&f, "bbr", NOD_PACING_AUTO);
        nod_tcp_config config = config_now();
        config.bbr_loss = i ? 10 : 0;
        configure(&config);
        run(7 * NOD_SEC);
        rate[i] = flows_rate(&f, 0);
        flows_free(&f);
    }
    assert_true(rate[0] < MBIT(30));
    assert_true(rate[1] > MBIT(75));
}

/* A queue of a sixth of the path. */
static void shallow(void **state)
{
    (void)state;
    path(100, 100000, 0);
    flows_add(&f, "bbr", NOD_PACING_AUTO);
    run(5 * NOD_SEC);
    assert_true(flows_rate(&f, 0) > MBIT(85));
    nod_path_stats before, after;
    nod_path_get_stats(f.path, &before);
    run(5 * NOD_SEC);
    nod_path_get_stats(f.path, &after);
    assert_true(flows_rate(&f, 0) > MBIT(90));
    assert_true(after.queue_full - before.queue_full < (after.in - before.in) / 500);
    flows_free(&f);
}

/* Two of a kind share: at once if they begin so; with one who comes later it takes its time, for
 * each probes once in two or three seconds. */
static void two(void **state)
{
    (void)state;
    int cases = getenv("NOD_TEST_QUICK") ? 1 : 2;
    for (int late = 0; late < cases; late++) {
        path(20, 250000, 0);
        flows_add(&f, "bbr", NOD_PACING_AUTO);
        if (late) run(3 * NOD_SEC);
        flows_add(&f, "bbr", NOD_PACING_AUTO);
        run((late ? 80 : 5) * NOD_SEC);
        run(20 * NOD_SEC);
        assert_true(flows_jain(&f) > 0.9);
        assert_true(flows_rate(&f, 0) + flows_rate(&f, 1) > MBIT(18));
        flows_free(&f);
    }
}

/* And with CUBIC, neither starves the other. */
static void beside_cubic(void **state)
{
    (void)state;
    path(20, 200000, 0);
    flows_add(&f, "cubic", NOD_PACING_AUTO);
    flows_add(&f, "bbr", NOD_PACING_AUTO);
    run(10 * NOD_SEC);
    run(30 * NOD_SEC);
    assert_true(flows_rate(&f, 0) > MBIT(20) / 5);
    assert_true(flows_rate(&f, 1) > MBIT(20) / 5);
    assert_true(flows_rate(&f, 0) + flows_rate(&f, 1) > MBIT(18));
    flows_free(&f);
}

/* The path gets ten times as fast, and slow again. */
static void changes(void **state)
{
    (void)state;
    path(10, 500000, 0);
    flows_add(&f, "bbr", NOD_PACING_AUTO);
    run(5 * NOD_SEC);
    assert_true(flows_rate(&f, 0) > MBIT(8));
    nod_path_config config = *nod_path_get_config(f.path);
    config.rate_bps = 100000000;
    nod_path_set_config(f.path, &config);
    run(8 * NOD_SEC);
    run(4 * NOD_SEC);
    assert_true(flows_rate(&f, 0) > MBIT(80));
    config.rate_bps = 10000000;
    nod_path_set_config(f.path, &config);
    run(8 * NOD_SEC); /* two cycles until the old bandwidth is forgotten */
    run(30 * NOD_SEC);
    assert_true(flows_rate(&f, 0) > MBIT(9));
    run(5 * NOD_SEC);
    assert_true(flows_srtt(&f, 0) < 2 * RTT);
    flows_free(&f);
}

/* It pauses, and goes on where it was: the window is there, and so is the bandwidth. */
static void pause_and_go_on(void **state)
{
    (void)state;
    path(100, 1250000, 0);
    flows_add(&f, "bbr", NOD_PACING_AUTO);
    run(3 * NOD_SEC);
    f.flow[0].stopped = true;
    run(8 * NOD_SEC); /* so long that the queue has run empty by itself, and ProbeRTT is not due */
    f.flow[0].stopped = false;
    run(NOD_SEC);
    assert_true(flows_rate(&f, 0) > MBIT(87)); /* a round trip is lost, and no more */
    flows_free(&f);
}

/* What pacing is worth: into a short queue a window's burst does not fit, but the same window
 * spread over a round trip does. */
static void pacing(void **state)
{
    (void)state;
    uint64_t lost[2];
    double rate[2];
    for (int on = 0; on < 2; on++) {
        nod_path_stats begun, stats;
        path(100, 60000, 0);
        flows_add(&f, "bbr", on ? NOD_PACING_AUTO : NOD_PACING_OFF);
        run(2 * NOD_SEC); /* Startup overflows so short a queue in either case */
        nod_path_get_stats(f.path, &begun);
        run(4 * NOD_SEC);
        nod_path_get_stats(f.path, &stats);
        lost[on] = stats.queue_full - begun.queue_full;
        rate[on] = flows_rate(&f, 0);
        flows_free(&f);
    }
    assert_true(lost[1] * 2 < lost[0]);
    assert_true(rate[1] > MBIT(75));

    for (int on = 0; on < 2; on++) {
        path(100, 60000, 0);
        flows_add(&f, "cubic", on ? NOD_PACING_ON : NOD_PACING_OFF);
        run(6 * NOD_SEC);
        rate[on] = flows_rate(&f, 0);
        flows_free(&f);
    }
    assert_true(rate[1] > rate[0] * 1.2);
}

/* One after the other, on a connection that lives. */
static void changed_while_it_lives(void **state)
{
    (void)state;
    static const char *const names[] = {"bbr", "cubic", "reno", "bbr"};
    path(100, 625000, 0);
    flows_add(&f, "cubic", NOD_PACING_AUTO);
    run(2 * NOD_SEC);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        nod_tcp_config config = config_now();
        memset(config.congestion, 0, sizeof(config.congestion));
        memcpy(config.congestion, names[i], strlen(names[i]));
        configure(&config);
        run(2 * NOD_SEC);
        assert_string_equal(f.flow[0].status.congestion, names[i]);
        assert_true(flows_rate(&f, 0) > MBIT(70));
    }
    flows_free(&f);
}

/* The same seed, the same run. */
static void repeats(void **state)
{
    (void)state;
    uint64_t received[2];
    for (int i = 0; i < 2; i++) {
        path(20, 50000, 0.01);
        flows_add(&f, "bbr", NOD_PACING_AUTO);
        run(6 * NOD_SEC);
        received[i] = f.flow[0].received;
        flows_free(&f);
    }
    assert_int_equal(received[0], received[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone),      cmocka_unit_test(random_loss),
        cmocka_unit_test(lossy_link), cmocka_unit_test(shallow),
        cmocka_unit_test(two),        cmocka_unit_test(beside_cubic),
        cmocka_unit_test(changes),    cmocka_unit_test(pause_and_go_on),
        cmocka_unit_test(pacing),     cmocka_unit_test(changed_while_it_lives),
        cmocka_unit_test(repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
