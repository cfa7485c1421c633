/* The budgets: what a connection costs, that nothing is asked of the system in steady state,
 * and that a system which says no at any moment breaks nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nod/sim.h"
#include "stack/stack.h"
#include "unit/peer.h"

#define MANY 1000

/* Everything is counted: record, slot, and a bucket of the table for each. */
static void idle_connection(void **state)
{
    (void)state;
    struct peer p;
    static struct conn c[MANY];
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, MANY);
    peer_connect(&p, listener, 80, 1, &c[0]); /* slots and lists have begun to exist */
    size_t before = peer_in_use(&p);
    for (uint16_t i = 1; i < MANY; i++) peer_connect(&p, listener, 80, (uint16_t)(1000 + i), &c[i]);
    peer_events(&p, 0, NULL);
    size_t each = (peer_in_use(&p) - before) / (MANY - 1) + sizeof(struct nod_record *);
    if (each > 256) fprintf(stderr, "an idle connection costs %zu bytes\n", each);
    assert_true(each <= 256);

    /* The same after it has carried data both ways. */
    struct seen s;
    for (int i = 0; i < MANY; i++) {
        char buf[100];
        peer_send(&p, &c[i], NOD_ACK | NOD_PSH, "hello", 5);
        assert_int_equal(nod_tcp_receive(p.stack, c[i].handle, buf, sizeof(buf)), 5);
        assert_int_equal(nod_tcp_send(p.stack, c[i].handle, "world", 5, 0), 5);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        c[i].ack += 5;
        peer_send(&p, &c[i], NOD_ACK, NULL, 0);
        peer_drain(&p);
    }
    peer_events(&p, 0, NULL);
    peer_tick(&p, 500 * NOD_MSEC);
    peer_drain(&p);
    each = (peer_in_use(&p) - before) / (MANY - 1) + sizeof(struct nod_record *);
    if (each > 256) fprintf(stderr, "after data, an idle connection costs %zu bytes\n", each);
    assert_true(each <= 256);
    peer_free(&p);
}

static void half_open_connection(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, MANY);
    size_t before = peer_in_use(&p);
    for (uint16_t i = 0; i < MANY; i++)
        peer_tcp(&p, &(struct segment){.sport = (uint16_t)(1 + i), .dport = 80, .ctl = NOD_SYN});
    peer_drain(&p);
    nod_stack_stats stats;
    nod_stack_get_stats(p.stack, &stats);
    assert_int_equal(stats.syn_received, MANY);
    size_t each = (peer_in_use(&p) - before) / MANY;
    assert_true(each > 0 && each <= 96);
    peer_free(&p);
}

static void time_wait(void **state)
{
    (void)state;
    struct peer p;
    static struct conn c[MANY];
    peer_make(&p, NULL, 6, false);
    nod_handle listener = peer_listen(&p, 80, MANY);
    size_t before = 0;
    for (int i = 0; i < MANY; i++) {
        if (i == 1) before = peer_in_use(&p);
        peer_connect(&p, listener, 80, (uint16_t)(1 + i), &c[i]);
        assert_int_equal(nod_tcp_release(p.stack, c[i].handle), 0);
        assert_int_equal(peer_drain(&p), 1);
        c[i].ack++;
        peer_send(&p, &c[i], NOD_FIN | NOD_ACK, NULL, 0);
        assert_int_equal(peer_drain(&p), 1);
    }
    peer_events(&p, 0, NULL);
    nod_stack_stats stats;
    nod_stack_get_stats(p.stack, &stats);
    assert_int_equal(stats.time_wait, MANY);
    size_t each = (peer_in_use(&p) - before) / (MANY - 1);
    assert_true(each > 0 && each <= 96);
    peer_tick(&p, 241 * NOD_SEC); /* 2 MSL */
    nod_stack_get_stats(p.stack, &stats);
    assert_int_equal(stats.time_wait, 0);
    assert_true(peer_in_use(&p) <= before);
    peer_free(&p);
}

/* Two stacks in the simulator move data back and forth; after the first rounds neither asks
 * the system for anything. */
struct pair {
    nod_sim *sim;
    nod_stack *a, *b;
    nod_handle listener, there, here;
};

static bool pair_open(struct pair *w, const nod_config *config)
{
    w->sim = nod_sim_new(7);
    if (!w->sim) return false;
    int a = nod_sim_add_host(w->sim, "a", config), b = nod_sim_add_host(w->sim, "b", config);
    int link = a < 0 || b < 0 ? -1 : nod_sim_join(w->sim, a, b, NULL, NULL);
    if (link < 0) return false;
    w->a = nod_sim_stack(w->sim, a);
    w->b = nod_sim_stack(w->sim, b);
    nod_open passive = {.passive = true, .local = {.port = 80}};
    nod_open active = {.remote = {nod_sim_addr(w->sim, link, 1, 4), 80}};
    if (nod_tcp_open(w->b, &passive, &w->listener) < 0) return false;
    return nod_tcp_open(w->a, &active, &w->here) == 0;
}

static uint64_t system_calls(nod_stack *stack)
{
    nod_pool_stats stats;
    nod_pool_get_stats(nod_stack_pool(stack), &stats);
    return stats.system_calls;
}

static void steady_state(void **state)
{
    (void)state;
    static char bytes[20000], buf[20000];
    struct pair w = {0};
    nod_event events[16];
    assert_true(pair_open(&w, NULL));
    nod_sim_run_until(w.sim, nod_sim_now(w.sim) + NOD_SEC);
    assert_int_equal(nod_tcp_accept(w.b, w.listener, &w.there), 0);
    uint64_t calls = 0;
    for (int round = 0; round < 200; round++) {
        if (round == 100) calls = system_calls(w.a) + system_calls(w.b);
        nod_tcp_send(w.a, w.here, bytes, sizeof(bytes), 0);
        nod_tcp_send(w.b, w.there, bytes, sizeof(bytes), 0);
        nod_sim_run_until(w.sim, nod_sim_now(w.sim) + 300 * NOD_MSEC);
        while (nod_tcp_receive(w.a, w.here, buf, sizeof(buf)) > 0) continue;
        while (nod_tcp_receive(w.b, w.there, buf, sizeof(buf)) > 0) continue;
        while (nod_stack_events(w.a, events, 16) > 0) continue;
        while (nod_stack_events(w.b, events, 16) > 0) continue;
    }
    nod_status status;
    assert_int_equal(nod_tcp_status(w.b, w.there, &status), 0);
    assert_int_equal(status.bytes_received, 200 * sizeof(bytes));
    assert_int_equal(system_calls(w.a) + system_calls(w.b), calls);
    nod_sim_free(w.sim);
}

/* The system says no to one request, or to all from some one on. */
static struct {
    uint64_t count, fail_at;
    bool for_good;
    size_t taken;
} system_;

static void *moody_alloc(void *ctx, size_t size)
{
    (void)ctx;
    system_.count++;
    if (system_.fail_at &&
        (system_.count == system_.fail_at || (system_.for_good && system_.count > system_.fail_at)))
        return NULL;
    system_.taken += size;
    return malloc(size);
}

static void moody_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    system_.taken -= size;
    free(ptr);
}

/* A whole life: open, talk both ways with loss, close both ways, and the wait after it.
 * Returns true if it went well; whatever happens, it must end and give everything back. */
static bool life(void)
{
    static char bytes[30000], buf[30000];
    struct pair w = {0};
    nod_config config;
    nod_event event;
    bool done = false;
    nod_config_default(&config);
    config.alloc = (nod_alloc){.alloc = moody_alloc, .free = moody_free};
    config.max_connections = 64;
    config.tcp.msl_us = NOD_SEC;
    config.tcp.user_timeout_us = 20 * NOD_SEC;
    config.tcp.syn_timeout_us = 10 * NOD_SEC;
    config.tcp.keepalive = true; /* and so with all that only few connections have */
    config.tcp.keepalive_idle_us = 200 * NOD_MSEC;
    system_.count = 0;
    if (!pair_open(&w, &config)) goto out;
    uint64_t got_a = 0, got_b = 0, sent_a = 0, sent_b = 0;
    bool closed_a = false, closed_b = false;
    for (int step = 0; step < 3000 && !done; step++) {
        nod_sim_run_until(w.sim, nod_sim_now(w.sim) + 50 * NOD_MSEC);
        while (nod_stack_events(w.a, &event, 1) == 1) continue;
        while (nod_stack_events(w.b, &event, 1) == 1) continue;
        if (!w.there) nod_tcp_accept(w.b, w.listener, &w.there);
        ptrdiff_t n;
        if (sent_a < 90000 && (n = nod_tcp_send(w.a, w.here, bytes, sizeof(bytes), 0)) > 0)
            sent_a += (uint64_t)n;
        if (w.there && sent_b < 60000 &&
            (n = nod_tcp_send(w.b, w.there, bytes, sizeof(bytes), 0)) > 0)
            sent_b += (uint64_t)n;
        if (sent_a >= 90000 && !closed_a) closed_a = nod_tcp_close(w.a, w.here) == 0;
        if (sent_b >= 60000 && !closed_b) closed_b = nod_tcp_close(w.b, w.there) == 0;
        while ((n = nod_tcp_receive(w.a, w.here, buf, sizeof(buf))) > 0) got_a += (uint64_t)n;
        if (w.there)
            while ((n = nod_tcp_receive(w.b, w.there, buf, sizeof(buf))) > 0) got_b += (uint64_t)n;
        nod_status status;
        if (nod_tcp_status(w.a, w.here, &status) == 0 && status.state == NOD_CLOSED) {
            done = got_a == sent_b && got_b == sent_a && got_b > 0;
            break;
        }
    }
    if (w.here) nod_tcp_release(w.a, w.here);
    if (w.there) nod_tcp_release(w.b, w.there);
    nod_tcp_close(w.b, w.listener);
    nod_sim_run_until(w.sim, nod_sim_now(w.sim) + 400 * NOD_SEC);
    /* Nothing is left behind, even of what could not be made. */
    nod_stack_stats stats;
    nod_stack_get_stats(w.a, &stats);
    assert_int_equal(stats.connections + stats.syn_received + stats.time_wait, 0);
    nod_stack_get_stats(w.b, &stats);
    assert_int_equal(stats.connections + stats.syn_received + stats.time_wait, 0);
out:
    nod_sim_free(w.sim);
    assert_int_equal(system_.taken, 0);
    return done;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    system_.fail_at = 0;
    assert_true(life());
    uint64_t total = system_.count;
    assert_true(total > 10);
    uint64_t step = getenv("NOD_TEST_QUICK") && total > 60 ? 3 : 1;
    for (int mode = 0; mode < 2; mode++) {
        for (uint64_t i = 1; i <= total; i += step) {
            system_.fail_at = i;
            system_.for_good = mode == 1;
            life();
        }
    }
    system_.fail_at = 0;
}

/* The same with a pool that is too small for what is asked of it: slower, never wrong. */
static void small_pools(void **state)
{
    (void)state;
    static char bytes[50000], buf[50000];
    size_t by = getenv("NOD_TEST_QUICK") ? 51000 : 17000;
    for (size_t limit = 100000; limit < 1000000; limit += by) {
        struct pair w = {0};
        nod_config config;
        nod_config_default(&config);
        config.memory_limit = limit;
        config.max_connections = 64;
        if (!pair_open(&w, &config)) {
            nod_sim_free(w.sim);
            continue;
        }
        uint64_t sent = 0, got = 0;
        for (int turn = 0; turn < 400; turn++) {
            nod_sim_run_until(w.sim, nod_sim_now(w.sim) + 100 * NOD_MSEC);
            nod_event event;
            while (nod_stack_events(w.a, &event, 1) == 1) continue;
            while (nod_stack_events(w.b, &event, 1) == 1) continue;
            if (!w.there) nod_tcp_accept(w.b, w.listener, &w.there);
            for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (char)((sent + i) * 11);
            ptrdiff_t n = nod_tcp_send(w.a, w.here, bytes, sizeof(bytes), 0);
            if (n > 0) sent += (uint64_t)n;
            if (!w.there) continue;
            while ((n = nod_tcp_receive(w.b, w.there, buf, sizeof(buf))) > 0)
                for (ptrdiff_t i = 0; i < n; i++, got++)
                    assert_int_equal((uint8_t)buf[i], (uint8_t)(got * 11));
        }
        assert_true(got > 0 && got <= sent);
        nod_pool_stats stats;
        nod_pool_get_stats(nod_stack_pool(w.a), &stats);
        assert_true(stats.taken <= limit);
        nod_sim_free(w.sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_connection),
        cmocka_unit_test(half_open_connection),
        cmocka_unit_test(time_wait),
        cmocka_unit_test(steady_state),
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(small_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
