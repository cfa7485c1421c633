/* What a connection counts when it is told to, to the exact number; and that nobody pays who has
 * not asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/peer.h"

static void make(struct peer *p, struct conn *c)
{
    nod_config config;
    nod_config_default(&config);
    config.tcp.counters = true;
    config.tcp.send_buffer = 4000;
    config.tcp.send_buffer_max = 0;
    config.tcp.nagle = false;
    peer_make(p, &config, 4, false);
    peer_be_called(p, 80, c);
}

static nod_status status_of(struct peer *p, struct conn *c)
{
    nod_status status;
    assert_int_equal(nod_tcp_status(p->stack, c->handle, &status), 0);
    return status;
}

static void acks(struct peer *p, struct conn *c, uint32_t octets, uint16_t wnd)
{
    c->ack += octets;
    peer_tcp(p, &(struct segment){.sport = c->far_port,
                                  .dport = c->host_port,
                                  .seq = c->seq,
                                  .ack = c->ack,
                                  .ctl = NOD_ACK,
                                  .wnd = wnd});
    peer_drain(p);
}

/* SYN, SYN,ACK, ACK; text out in three, of which one leaves twice; text in, and beyond a gap. */
static void segments(void **state)
{
    (void)state;
    static const char bytes[2500] = {0};
    struct peer p;
    struct conn c;
    make(&p, &c);
    nod_status s = status_of(&p, &c);
    assert_true(s.counted);
    assert_int_equal(s.count.segments_out, 2);
    assert_int_equal(s.count.segments_in, 1);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, 2500, 0), 2500);
    peer_drain(&p);
    s = status_of(&p, &c);
    assert_int_equal(s.count.segments_out, 5);
    assert_int_equal(s.count.text_out, 3);
    assert_int_equal(s.count.bytes_out, 2500);
    assert_int_equal(s.count.delivered, 0);
    assert_int_equal(s.bytes_sent, 2500);
    assert_int_equal(s.bytes_acked, 0);
    acks(&p, &c, 2000, 60000);
    s = status_of(&p, &c);
    assert_int_equal(s.count.delivered, 2);
    assert_int_equal(s.bytes_acked, 2000);
    peer_tick(&p, s.rto_us);
    peer_drain(&p);
    s = status_of(&p, &c);
    assert_int_equal(s.count.timeouts, 1);
    assert_int_equal(s.count.text_out, 4);
    assert_int_equal(s.count.text_again, 1);
    assert_int_equal(s.count.bytes_out, 3000);
    assert_int_equal(s.count.bytes_again, 500);
    assert_int_equal(s.bytes_sent, 2500);
    acks(&p, &c, 500, 60000);
    assert_int_equal(status_of(&p, &c).count.delivered, 3);
    peer_send(&p, &c, NOD_ACK, "hello", 5);
    c.seq += 10;
    peer_send(&p, &c, NOD_ACK, "there", 5);
    peer_drain(&p);
    s = status_of(&p, &c);
    assert_int_equal(s.count.text_in, 2);
    assert_int_equal(s.count.out_of_order, 1);
    assert_int_equal(s.bytes_received, 5);
    assert_int_equal(s.count.segments_in, 5);
    peer_free(&p);
}

/* What was waited for: ACKs, the peer's window, room in the buffer. */
static void limits(void **state)
{
    (void)state;
    static const char bytes[4000] = {0};
    struct peer p;
    struct conn c;
    make(&p, &c);
    peer_tick(&p, NOD_SEC); /* nothing to do: not busy */
    assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, 100, 0), 100);
    peer_drain(&p);
    peer_tick(&p, 10 * NOD_MSEC);
    acks(&p, &c, 100, 1000);
    nod_status s = status_of(&p, &c);
    assert_int_equal(s.count.busy_us, 10 * NOD_MSEC);
    assert_int_equal(s.count.since_ack_us, 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, 4000, 0), 4000);
    peer_drain(&p);
    peer_tick(&p, 20 * NOD_MSEC); /* 1000 are on their way, and no more may be */
    s = status_of(&p, &c);
    assert_int_equal(s.count.window_limited_us, 20 * NOD_MSEC);
    assert_int_equal(s.count.busy_us, 30 * NOD_MSEC);
    assert_int_equal(s.count.since_ack_us, 20 * NOD_MSEC);
    acks(&p, &c, 1000, 60000);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, 4000, 0), 1000);
    peer_drain(&p);
    peer_tick(&p, 5 * NOD_MSEC); /* all is sent, and the user waits for room */
    s = status_of(&p, &c);
    assert_int_equal(s.count.window_limited_us, 20 * NOD_MSEC);
    assert_int_equal(s.count.buffer_limited_us, 5 * NOD_MSEC);
    acks(&p, &c, 4000, 60000);
    peer_tick(&p, NOD_SEC);
    s = status_of(&p, &c);
    assert_int_equal(s.count.busy_us, 35 * NOD_MSEC);
    assert_int_equal(s.count.min_rtt_us, 1); /* the handshake took no time */
    peer_free(&p);
}

static void not_asked(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 80, &c);
    assert_false(status_of(&p, &c).counted);
    assert_int_equal(status_of(&p, &c).count.segments_out, 0);
    nod_tcp_config config;
    nod_tcp_get_config(p.stack, c.handle, &config);
    config.counters = true;
    assert_int_equal(nod_tcp_set_config(p.stack, c.handle, &config), 0);
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    peer_drain(&p);
    assert_int_equal(status_of(&p, &c).count.segments_in, 1);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments),
        cmocka_unit_test(limits),
        cmocka_unit_test(not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
