/* Handles and events: stale names are errors, events are gathered and come once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/dice.h"
#include "unit/peer.h"

/* Every call on a name that is no more says so. */
static void assert_no_connection(nod_stack *s, nod_handle h)
{
    char buf[10];
    nod_slice slices[2] = {{0}};
    nod_status status;
    nod_tcp_config config;
    nod_handle out = 77;
    nod_endpoint remote = {nod_addr_ip4(10, 0, 0, 2), 80};
    assert_int_equal(nod_tcp_connect(s, h, &remote), NOD_ENOCONN);
    assert_int_equal(nod_tcp_accept(s, h, &out), NOD_ENOCONN);
    assert_int_equal(nod_tcp_send(s, h, "x", 1, 0), NOD_ENOCONN);
    assert_int_equal(nod_tcp_send_slices(s, h, slices, 0, 0), NOD_ENOCONN);
    assert_int_equal(nod_tcp_receive(s, h, buf, sizeof(buf)), NOD_ENOCONN);
    assert_int_equal(nod_tcp_receive_slices(s, h, slices, 2), NOD_ENOCONN);
    assert_int_equal(nod_tcp_readable(s, h), NOD_ENOCONN);
    assert_int_equal(nod_tcp_writable(s, h), NOD_ENOCONN);
    assert_int_equal(nod_tcp_close(s, h), NOD_ENOCONN);
    assert_int_equal(nod_tcp_abort(s, h), NOD_ENOCONN);
    assert_int_equal(nod_tcp_release(s, h), NOD_ENOCONN);
    assert_int_equal(nod_tcp_status(s, h, &status), NOD_ENOCONN);
    assert_int_equal(nod_tcp_get_config(s, h, &config), NOD_ENOCONN);
    nod_config defaults;
    nod_config_default(&defaults);
    assert_int_equal(nod_tcp_set_config(s, h, &defaults.tcp), NOD_ENOCONN);
}

static void names_that_never_were(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    static const nod_handle none[] = {0,          1,          2,          16,
                                      UINT32_MAX, UINT64_MAX, 1ull << 32, (1ull << 32) + 1};
    for (size_t i = 0; i < 8; i++) assert_no_connection(p.stack, none[i]);
    peer_listen(&p, 80, 1);
    assert_no_connection(p.stack, 0);
    assert_no_connection(p.stack, UINT64_MAX);
    assert_no_connection(p.stack, (1ull << 32) + 2);
    peer_free(&p);
}

static void stale_names(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 8);
    peer_connect(&p, listener, 80, 5000, &c);
    nod_handle first = c.handle;
    assert_int_equal(nod_tcp_release(p.stack, first), 0);
    assert_no_connection(p.stack, first); /* though the connection itself goes on */
    nod_stack_stats stats;
    nod_stack_get_stats(p.stack, &stats);
    assert_int_equal(stats.connections, 1);
    peer_drain(&p);
    /* The name that comes after it in the same place is another one. */
    for (int i = 0; i < 40; i++) {
        peer_connect(&p, listener, 80, (uint16_t)(6000 + i), &c);
        assert_true(c.handle != first);
        assert_no_connection(p.stack, first);
        assert_int_equal(nod_tcp_abort(p.stack, c.handle), 0);
        assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
        peer_drain(&p);
        assert_no_connection(p.stack, c.handle);
    }
    assert_int_equal(nod_tcp_close(p.stack, listener), 0);
    assert_no_connection(p.stack, listener);
    peer_free(&p);
}

/* A name that nobody was given yet, or that was given back, opens nothing even if guessed. */
static void guessed_names(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 8);
    peer_connect(&p, listener, 80, 5000, &c);
    assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
    assert_no_connection(p.stack, c.handle + (1ull << 32));
    /* One that waits for ACCEPT. */
    peer_tcp(&p, &(struct segment){.sport = 9, .dport = 80, .seq = 5, .ctl = NOD_SYN, .wnd = 9000});
    peer_output(&p, &s, 0);
    nod_status status;
    size_t cursor = 0;
    uint32_t iss = 0;
    while (nod_tcp_each(p.stack, &cursor, &status))
        if (status.state == NOD_SYN_RECEIVED) iss = status.iss;
    peer_tcp(&p,
             &(struct segment){
                 .sport = 9, .dport = 80, .seq = 6, .ack = iss + 1, .ctl = NOD_ACK, .wnd = 9000});
    for (nod_handle slot = 1; slot <= 16; slot++)
        for (nod_handle generation = 1; generation < 5; generation++)
            if ((generation << 32 | slot) != listener)
                assert_no_connection(p.stack, generation << 32 | slot);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &c.handle), 0);
    assert_int_equal(nod_tcp_status(p.stack, c.handle, &status), 0);
    peer_free(&p);
}

/* Many things happen, one event tells of them all, and then there is none. */
static void gathered(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    nod_event e[8];
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 8);
    peer_connect(&p, listener, 80, 5000, &c);
    peer_events(&p, 0, NULL);
    for (int i = 0; i < 10; i++) peer_send(&p, &c, NOD_ACK, "hello", 5);
    peer_send(&p, &c, NOD_ACK | NOD_FIN, NULL, 0);
    assert_int_equal(nod_stack_events(p.stack, e, 8), 1);
    assert_true(e[0].handle == c.handle && e[0].error == 0);
    assert_int_equal(e[0].flags, NOD_EVENT_READABLE | NOD_EVENT_PEER_CLOSED);
    assert_int_equal(nod_stack_events(p.stack, e, 8), 0);
    peer_free(&p);
}

/* In the order in which connections first had something to tell, any number at a time. */
static void pulled_in_order(void **state)
{
    (void)state;
    struct peer p;
    static struct conn c[50];
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 64);
    for (int i = 0; i < 50; i++) peer_connect(&p, listener, 80, (uint16_t)(5000 + i), &c[i]);
    peer_events(&p, 0, NULL);
    for (int i = 49; i >= 0; i--) peer_send(&p, &c[i], NOD_ACK, "x", 1);
    for (int i = 0; i < 50; i++) peer_send(&p, &c[i], NOD_ACK, "y", 1);
    nod_event e[7];
    int at = 49, n;
    while ((n = nod_stack_events(p.stack, e, 7)) > 0)
        for (int i = 0; i < n; i++, at--) assert_true(e[i].handle == c[at].handle);
    assert_int_equal(at, -1);
    peer_free(&p);
}

/* The error is there when the connection is gone, and the name until it is given back. */
static void errors_are_told(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    int error = 0;
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 80, &c);
    assert_int_equal(peer_events(&p, c.handle, NULL) & NOD_EVENT_OPEN, NOD_EVENT_OPEN);
    peer_send(&p, &c, NOD_RST | NOD_ACK, NULL, 0);
    assert_int_equal(peer_events(&p, c.handle, &error), NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_ERESET);
    nod_status status;
    assert_int_equal(nod_tcp_status(p.stack, c.handle, &status), 0);
    assert_int_equal(status.state, NOD_CLOSED);
    assert_int_equal(status.error, NOD_ERESET);
    assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
    assert_no_connection(p.stack, c.handle);
    peer_free(&p);
}

/* Events of connections that were released in between are not told to their successors. */
static void nobody_gets_the_dead_ones_mail(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    nod_handle old[100];
    peer_make(&p, NULL, 4, false);
    for (int round = 0; round < 100; round++) {
        peer_be_called(&p, 80, &c);
        peer_send(&p, &c, NOD_RST | NOD_ACK, NULL, 0);
        old[round] = c.handle;
        assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
    }
    nod_event e;
    while (nod_stack_events(p.stack, &e, 1) == 1)
        for (int i = 0; i < 100; i++) assert_true(e.handle != old[i]);
    peer_free(&p);
}

/* What happened before ACCEPT is told after it, and not before: also when the slot is still
 * listed for the events of somebody who is gone. */
static void not_before_accept(void **state)
{
    (void)state;
    for (int gone = 0; gone < 100; gone++) {
        struct peer p;
        struct conn c;
        struct seen s;
        nod_event e[4];
        nod_handle h;
        peer_make(&p, NULL, 4, false);
        nod_handle listener = peer_listen(&p, 80, 0);
        for (int i = 0; i < gone; i++) {
            peer_be_called(&p, 80, &c);
            peer_send(&p, &c, NOD_RST | NOD_ACK, NULL, 0);
            assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
        }
        peer_tcp(&p, &(struct segment){.sport = 9, .dport = 80, .ctl = NOD_SYN, .wnd = 100});
        assert_int_equal(peer_output(&p, &s, 1), 1);
        peer_tcp(&p, &(struct segment){.sport = 9,
                                       .dport = 80,
                                       .seq = 1,
                                       .ack = s.seq + 1,
                                       .ctl = NOD_ACK,
                                       .wnd = 100,
                                       .text = "hello",
                                       .len = 5});
        assert_int_equal(nod_stack_events(p.stack, e, 4), 1);
        assert_true(e[0].handle == listener && e[0].flags == NOD_EVENT_ACCEPT);
        assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
        assert_int_equal(nod_stack_events(p.stack, e, 4), 1);
        assert_true(e[0].handle == h);
        assert_true((e[0].flags & NOD_EVENT_READABLE) && (e[0].flags & NOD_EVENT_OPEN));
        peer_free(&p);
    }
}

/* Opens and releases in any order: live names work, dead ones do not, all are different. */
static void one_history(nod_rng *rng)
{
    struct peer p;
    nod_handle live[64], dead[400];
    int lives = 0, deads = 0;
    peer_make(&p, NULL, 4, false);
    for (int step = 0; step < 400; step++) {
        if (lives < 64 && (lives == 0 || nod_rng_below(rng, 2))) {
            nod_open open = {.passive = true, .local = {.port = (uint16_t)(step + 1)}};
            if (nod_rng_below(rng, 2)) {
                open = (nod_open){.remote = {p.far, (uint16_t)(step + 1)}};
            }
            nod_handle h;
            assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
            for (int i = 0; i < lives; i++) assert_true(live[i] != h);
            for (int i = 0; i < deads; i++) assert_true(dead[i] != h);
            live[lives++] = h;
        } else {
            size_t i = nod_rng_below(rng, (uint64_t)lives);
            if (nod_rng_below(rng, 2)) nod_tcp_abort(p.stack, live[i]);
            nod_tcp_release(p.stack, live[i]); /* a listener went with ABORT already */
            dead[deads++] = live[i];
            live[i] = live[--lives];
        }
        if (nod_rng_below(rng, 20) == 0) peer_events(&p, 0, NULL);
        nod_status status;
        for (int i = 0; i < lives; i++)
            assert_int_equal(nod_tcp_status(p.stack, live[i], &status), 0);
        for (int i = 0; i < deads; i++)
            assert_int_equal(nod_tcp_status(p.stack, dead[i], &status), NOD_ENOCONN);
    }
    peer_free(&p);
}

static void random_histories(void **state)
{
    (void)state;
    dice_each(__FILE__, 60, one_history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_never_were),
        cmocka_unit_test(stale_names),
        cmocka_unit_test(guessed_names),
        cmocka_unit_test(gathered),
        cmocka_unit_test(pulled_in_order),
        cmocka_unit_test(errors_are_told),
        cmocka_unit_test(nobody_gets_the_dead_ones_mail),
        cmocka_unit_test(not_before_accept),
        cmocka_unit_test(random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
