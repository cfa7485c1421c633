/* Keep-alive costs a connection at rest what it must remember, and no more: it goes on resting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nod/sim.h"
#include "tcp/rare.h"
#include "unit/peer.h"

#define IDLE (600 * NOD_SEC)

static nod_status status_of(struct peer *p, const struct conn *c)
{
    nod_status status;
    assert_int_equal(nod_tcp_status(p->stack, c->handle, &status), 0);
    return status;
}

static void switch_it(struct peer *p, const struct conn *c, bool on)
{
    nod_tcp_config config;
    assert_int_equal(nod_tcp_get_config(p->stack, c->handle, &config), 0);
    config.keepalive = on;
    config.keepalive_idle_us = IDLE;
    assert_int_equal(nod_tcp_set_config(p->stack, c->handle, &config), 0);
}

/* A probe at the time, and the connection rests before it, after it, and after the answer. */
static void rests_all_the_time(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    peer_tick(&p, NOD_SEC);
    switch_it(&p, &c, true);
    peer_drain(&p);
    size_t resting = peer_in_use(&p);
    assert_int_equal(status_of(&p, &c).timer, NOD_TIMER_KEEPALIVE);
    assert_int_equal(status_of(&p, &c).timer_us, IDLE);
    assert_int_equal(nod_stack_deadline(p.stack), p.now + IDLE);
    peer_tick(&p, IDLE - 1);
    assert_int_equal(peer_drain(&p), 0);
    peer_tick(&p, 1);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.seq, c.ack - 1);
    assert_int_equal(s.text_len, 0);
    assert_int_equal(peer_in_use(&p), resting);
    assert_int_equal(status_of(&p, &c).keepalive_probes, 1);
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    peer_drain(&p);
    assert_int_equal(peer_in_use(&p), resting);
    assert_int_equal(status_of(&p, &c).keepalive_probes, 0);
    assert_int_equal(status_of(&p, &c).timer_us, IDLE);
    switch_it(&p, &c, false);
    assert_int_equal(nod_stack_deadline(p.stack), NOD_NEVER);
    assert_int_equal(status_of(&p, &c).timer, NOD_TIMER_NONE);
    peer_free(&p);
}

/* Switched on for a listener, and so for what it accepts; the time runs from what was heard. */
static void inherited(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    nod_config config;
    nod_config_default(&config);
    config.tcp.keepalive = true;
    config.tcp.keepalive_idle_us = IDLE;
    peer_make(&p, &config, 6, false);
    nod_handle listener = peer_listen(&p, 80, 10);
    peer_connect(&p, listener, 80, 1, &c);
    peer_drain(&p);
    peer_tick(&p, 100 * NOD_SEC);
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    peer_drain(&p);
    peer_tick(&p, IDLE - 1);
    assert_int_equal(peer_drain(&p), 0);
    peer_tick(&p, 1);
    assert_int_equal(peer_drain(&p), 1);
    peer_free(&p);
}

/* A configuration that would take one lost probe for the end (MUST-29) makes no sense. */
static void one_probe_is_too_few(void **state)
{
    (void)state;
    nod_config config;
    nod_config_default(&config);
    assert_false(config.tcp.keepalive);                              /* MUST-25 */
    assert_true(config.tcp.keepalive_idle_us >= 2 * 3600 * NOD_SEC); /* MUST-28 */
    config.tcp.keepalive_probes = 1;
    assert_int_equal(nod_tcp_config_check(&config.tcp), NOD_EINVAL);
    config.tcp.keepalive_probes = 2;
    assert_int_equal(nod_tcp_config_check(&config.tcp), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rests_all_the_time),
        cmocka_unit_test(inherited),
        cmocka_unit_test(one_probe_is_too_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
