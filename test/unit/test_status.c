/* STATUS tells which timer runs and for how long, since when it is quiet, and how full a
 * listener is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/peer.h"

static nod_status status_of(struct peer *p, nod_handle h)
{
    nod_status status;
    assert_int_equal(nod_tcp_status(p->stack, h, &status), 0);
    return status;
}

static void expect_timer(struct peer *p, nod_handle h, enum nod_timer timer, nod_usec left)
{
    nod_status status = status_of(p, h);
    assert_int_equal(status.timer, timer);
    assert_int_equal(status.timer_us, left);
}

/* Each timer in its turn, and the time that it has left. */
static void which_timer(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    char buf[10];
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    expect_timer(&p, c.handle, NOD_TIMER_NONE, NOD_NEVER);
    peer_send(&p, &c, NOD_ACK, "hello", 5);
    expect_timer(&p, c.handle, NOD_TIMER_DELAYED_ACK, 40 * NOD_MSEC);
    peer_tick(&p, 10 * NOD_MSEC);
    expect_timer(&p, c.handle, NOD_TIMER_DELAYED_ACK, 30 * NOD_MSEC);
    nod_tcp_receive(p.stack, c.handle, buf, 10);
    nod_tcp_send(p.stack, c.handle, "you", 3, 0);
    peer_drain(&p);
    c.ack += 3;
    nod_usec rto = status_of(&p, c.handle).rto_us;
    peer_tick(&p, 50 * NOD_MSEC);
    expect_timer(&p, c.handle, NOD_TIMER_RETRANSMIT, rto - 50 * NOD_MSEC);
    peer_tick(&p, rto);
    peer_drain(&p);
    assert_int_equal(status_of(&p, c.handle).retransmits, 1);
    peer_tcp(&p, &(struct segment){.sport = c.far_port,
                                   .dport = c.host_port,
                                   .seq = c.seq,
                                   .ack = c.ack,
                                   .ctl = NOD_ACK,
                                   .wnd = 0});
    nod_tcp_send(p.stack, c.handle, "!", 1, 0);
    peer_drain(&p);
    assert_int_equal(status_of(&p, c.handle).timer, NOD_TIMER_PERSIST);
    peer_tick(&p, status_of(&p, c.handle).timer_us);
    assert_int_equal(status_of(&p, c.handle).probes, 1);
    peer_drain(&p);
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    peer_drain(&p);
    c.ack++;
    nod_tcp_close(p.stack, c.handle);
    peer_drain(&p);
    c.ack++;
    peer_send(&p, &c, NOD_ACK | NOD_FIN, NULL, 0);
    peer_tick(&p, NOD_SEC);
    nod_tcp_config config;
    nod_tcp_get_config(p.stack, c.handle, &config);
    expect_timer(&p, c.handle, NOD_TIMER_TIME_WAIT, 2 * config.msl_us - NOD_SEC);
    peer_free(&p);
}

static void records_without_a_handle(void **state)
{
    (void)state;
    struct peer p;
    nod_status status;
    size_t cursor = 0;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 7);
    peer_tcp(&p, &(struct segment){.sport = 1, .dport = 80, .ctl = NOD_SYN, .wnd = 9});
    peer_tick(&p, 300 * NOD_MSEC);
    assert_true(nod_tcp_each(p.stack, &cursor, &status));
    assert_int_equal(status.state, NOD_LISTEN);
    assert_int_equal(status.timer, NOD_TIMER_NONE);
    assert_int_equal(status.backlog, 7);
    assert_string_equal(status.congestion, "cubic");
    assert_true(nod_tcp_each(p.stack, &cursor, &status));
    assert_int_equal(status.state, NOD_SYN_RECEIVED);
    assert_int_equal(status.timer, NOD_TIMER_RETRANSMIT);
    assert_int_equal(status.timer_us, 700 * NOD_MSEC);
    assert_int_equal(status.retransmits, 0);
    assert_false(nod_tcp_each(p.stack, &cursor, &status));
    assert_int_equal(status_of(&p, listener).backlog_used, 0);
    peer_free(&p);
}

static void how_long_quiet(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    nod_status status = status_of(&p, c.handle);
    assert_true(status.since_sent_us == NOD_NEVER && status.since_received_us == 0);
    peer_tick(&p, 3 * NOD_SEC);
    assert_int_equal(status_of(&p, c.handle).since_received_us, 3 * NOD_SEC); /* a silent peer */
    assert_string_equal(status.congestion, "cubic");
    peer_send(&p, &c, NOD_ACK, "hello", 5);
    peer_tick(&p, 7 * NOD_MSEC);
    assert_true(nod_tcp_send(p.stack, c.handle, "you", 3, 0) == 3);
    peer_drain(&p);
    peer_tick(&p, 5 * NOD_MSEC);
    status = status_of(&p, c.handle);
    assert_int_equal(status.since_sent_us, 5 * NOD_MSEC);
    assert_int_equal(status.since_received_us, 12 * NOD_MSEC);
    assert_int_equal(status.rcv_mss, 536);
    c.ack += 3;
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    char buf[5];
    assert_int_equal(nod_tcp_receive(p.stack, c.handle, buf, 5), 5);
    for (int i = 0; i < 10; i++) peer_tick(&p, NOD_SEC), peer_drain(&p); /* it rests */
    status = status_of(&p, c.handle);
    assert_int_equal(status.since_sent_us, NOD_NEVER);
    assert_int_equal(status.since_received_us, 10 * NOD_SEC + 12 * NOD_MSEC);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_timer),
        cmocka_unit_test(records_without_a_handle),
        cmocka_unit_test(how_long_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
