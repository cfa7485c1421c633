/* Pacing where a script cannot see it: the program that comes late, and large segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cc/cc.h"
#include "unit/peer.h"

#define MSS 1000u

static struct peer p;
static struct conn conn;

/* A connection to somebody who answers after so long. */
static void far_away(nod_usec rtt)
{
    static const uint8_t mss_1000[] = {2, 4, 1000 >> 8, 1000 & 255};
    struct seen s;
    nod_open open = {.remote = {p.far, 80}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &conn.handle), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    peer_tick(&p, rtt);
    peer_tcp(&p, &(struct segment){.sport = 80,
                                   .dport = s.sport,
                                   .seq = 1,
                                   .ack = s.seq + 1,
                                   .ctl = NOD_SYN | NOD_ACK,
                                   .wnd = 65535,
                                   .options = mss_1000,
                                   .options_len = 4});
    assert_int_equal(peer_drain(&p), 1);
}

/* A connection whose text leaves at so many octets a second, and ten segments to be sent. */
static void begin(uint64_t rate, nod_usec rtt)
{
    static const char text[10 * MSS];
    nod_config config;
    nod_config_default(&config);
    config.tcp.max_pacing_rate = rate;
    peer_make(&p, &config, 4, false);
    if (rtt)
        far_away(rtt);
    else
        peer_be_called(&p, 80, &conn);
    assert_int_equal(nod_tcp_send(p.stack, conn.handle, text, sizeof(text), 0), sizeof(text));
}

static int after(nod_usec us)
{
    peer_tick(&p, us);
    return peer_drain(&p);
}

/* Two segments each 2 ms, at fixed times: one wake-up that comes late does not make the next ones
 * late. But what was missed for longer is not made up for. */
static void late(void **state)
{
    (void)state;
    begin(1000000, 0);
    assert_int_equal(peer_drain(&p), 2);
    assert_int_equal(nod_stack_deadline(p.stack), p.now + 2000);
    assert_int_equal(after(1999), 0);
    assert_int_equal(after(1), 2);
    assert_int_equal(after(2900), 2); /* 0.9 ms late */
    assert_int_equal(after(1099), 0);
    assert_int_equal(after(1), 2);
    assert_int_equal(after(7000), 2); /* 5 ms late: the next in 1 ms, and not at once */
    assert_int_equal(nod_stack_deadline(p.stack) > p.now + 1000, true);
    peer_free(&p);
}

/* On a long path more: two portions, of which one is late, leave at once. */
static void late_on_a_long_path(void **state)
{
    (void)state;
    begin(1000000, 48 * NOD_MSEC);
    assert_int_equal(peer_drain(&p), 2);
    assert_int_equal(after(7000), 4); /* 5 ms late, of which 3 count */
    assert_int_equal(after(999), 0);
    assert_int_equal(after(1), 2);
    peer_free(&p);
    begin(1000000, 160 * NOD_MSEC);
    assert_int_equal(peer_drain(&p), 2);
    assert_int_equal(after(12000), 6); /* 10 ms late: 4 of them */
    assert_int_equal(nod_stack_deadline(p.stack), p.now + 2000);
    peer_free(&p);
}

/* Who has nothing to send saves nothing up. */
static void pause_saves_nothing(void **state)
{
    (void)state;
    begin(1000000, 0);
    peer_drain(&p);
    for (int i = 0; i < 4; i++) assert_int_equal(after(2000), 2);
    conn.ack += 10 * MSS;
    peer_tick(&p, 50 * NOD_MSEC);
    peer_send(&p, &conn, NOD_ACK, NULL, 0);
    static const char text[6 * MSS];
    nod_tcp_send(p.stack, conn.handle, text, sizeof(text), 0);
    assert_int_equal(peer_drain(&p), 2);
    assert_int_equal(after(1999), 0);
    assert_int_equal(after(1), 2);
    assert_int_equal(after(2000), 2);
    peer_free(&p);
}

/* A millisecond's worth leaves in one large segment, and the next when its time has passed. */
static void large_segments(void **state)
{
    (void)state;
    static const char text[10 * MSS];
    nod_config config;
    nod_config_default(&config);
    config.tcp.max_pacing_rate = 5000000;
    nod_iface_config iface = {.kind = NOD_IFACE_IP, .mtu = 1500, .gso_max = 65535};
    peer_make_bare(&p, &config, 4, &iface);
    assert_int_equal(nod_stack_add_addr(p.stack, p.iface, &p.host, 24), 0);
    peer_be_called(&p, 80, &conn);
    nod_tcp_send(p.stack, conn.handle, text, sizeof(text), 0);
    nod_frame frame;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(nod_stack_output(p.stack, &frame, 1, p.now), 1);
        assert_int_equal(nod_frame_length(&frame), 40 + 5 * MSS);
        assert_int_equal(frame.gso_size, MSS);
        nod_frame_release(&frame);
        assert_int_equal(nod_stack_output(p.stack, &frame, 1, p.now), 0);
        assert_int_equal(nod_stack_deadline(p.stack), p.now + (i ? 199000 : 1000));
        peer_tick(&p, 1000);
    }
    peer_free(&p);
}

static void quantum(void **state)
{
    (void)state;
    assert_int_equal(nod_cc_quantum(1, MSS), 2 * MSS);
    assert_int_equal(nod_cc_quantum(2500000, MSS), 2500);
    assert_int_equal(nod_cc_quantum(UINT64_MAX, MSS), 65536);
    assert_int_equal(nod_cc_quantum(UINT64_MAX, 40000), 80000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late),
        cmocka_unit_test(late_on_a_long_path),
        cmocka_unit_test(pause_saves_nothing),
        cmocka_unit_test(large_segments),
        cmocka_unit_test(quantum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
