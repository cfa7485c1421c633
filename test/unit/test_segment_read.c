/* Segments read off the wire: what is there, and nothing from packets that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/cmd/segment_read.h"

/* A SYN,ACK of the Linux kernel's: MSS 1460, SACK permitted, timestamps, window scale 7. */
static const uint8_t synack[] = {
    0x45, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06, 0x26, 0x1c, 10,   77,   0,
    1,    10,   77,   0,    2,    0x00, 0x07, 0xc0, 0x00, 0x11, 0x22, 0x33, 0x44, 0xaa, 0xbb,
    0xcc, 0xdd, 0xa0, 0x12, 0xfe, 0x88, 0x00, 0x00, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x04,
    0x02, 0x08, 0x0a, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x01, 0x03, 0x03, 0x07,
};

static bool read_bytes(const uint8_t *bytes, size_t len, nod_trace_segment *out)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_frame frame;
    assert_int_equal(nod_frame_from_bytes(pool, bytes, len, &frame), 0);
    bool ok = segment_read(&frame, out);
    nod_frame_release(&frame);
    nod_pool_free(pool);
    return ok;
}

static void a_synack(void **unused)
{
    nod_trace_segment seg;
    (void)unused;
    assert_true(read_bytes(synack, sizeof(synack), &seg));
    assert_int_equal(seg.seq, 0x11223344);
    assert_int_equal(seg.ack, 0xaabbccdd);
    assert_int_equal(seg.ctl, NOD_SYN | NOD_ACK);
    assert_int_equal(seg.wnd, 0xfe88);
    assert_int_equal(seg.len, 0);
    assert_true(seg.has_mss && seg.mss == 1460);
    assert_true(seg.has_wscale && seg.wscale == 7);
    assert_true(seg.has_ts && seg.ts_val == 0x01020304 && seg.ts_ecr == 0x05060708);
    assert_true(seg.sack_permitted);
}

/* However a packet is cut or its lengths lie, reading stays within it. */
static void cut_and_lying(void **unused)
{
    nod_trace_segment seg;
    uint8_t bytes[sizeof(synack)];
    (void)unused;
    for (size_t len = 1; len < sizeof(synack); len++) assert_false(read_bytes(synack, len, &seg));
    for (size_t i = 0; i < sizeof(synack); i++) {
        for (int value = 0; value < 256; value++) {
            memcpy(bytes, synack, sizeof(bytes));
            bytes[i] = (uint8_t)value;
            (void)read_bytes(bytes, sizeof(bytes), &seg);
            assert_true(seg.sack_count <= 4 && seg.wscale <= 14);
        }
    }
}

static void other_packets(void **unused)
{
    nod_trace_segment seg;
    uint8_t bytes[sizeof(synack)];
    (void)unused;
    memcpy(bytes, synack, sizeof(bytes));
    bytes[9] = 17; /* UDP */
    assert_false(read_bytes(bytes, sizeof(bytes), &seg));
    bytes[9] = 6;
    bytes[7] = 8; /* a later fragment */
    assert_false(read_bytes(bytes, sizeof(bytes), &seg));
}

static void numbers(void **unused)
{
    struct numbering client = {0}, server = {0};
    nod_trace_segment syn = {
        .ctl = NOD_SYN, .seq = 0xffffffff, .wnd = 1000, .has_wscale = true, .wscale = 3};
    nod_trace_segment answer = {
        .ctl = NOD_SYN | NOD_ACK, .seq = 5, .ack = 0, .wnd = 1000, .has_wscale = true, .wscale = 7};
    nod_trace_segment data = {.ctl = NOD_ACK, .seq = 0, .ack = 6, .wnd = 1000, .len = 10};
    (void)unused;
    segment_number(&syn, &client, &server);
    assert_int_equal(syn.rel_seq, 0);
    assert_int_equal(syn.wnd_bytes, 1000); /* never scaled in a SYN */
    segment_number(&answer, &server, &client);
    assert_int_equal(answer.rel_seq, 0);
    assert_int_equal(answer.rel_ack, 1); /* the numbers have wrapped */
    segment_number(&data, &client, &server);
    assert_int_equal(data.rel_seq, 1);
    assert_int_equal(data.rel_ack, 1);
    assert_int_equal(data.wnd_bytes, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_synack),
        cmocka_unit_test(cut_and_lying),
        cmocka_unit_test(other_packets),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
