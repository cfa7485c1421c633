/* Captures, read back by a reader that knows nothing of the writer: blocks and options are
 * where the format wants them, packets are whole, large ones are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nod/capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct file {
    uint8_t *bytes;
    size_t len, at;
} file;

typedef struct block {
    uint32_t type;
    const uint8_t *body;
    size_t len;
} block;

static char path[64];

static uint32_t u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint16_t u16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static file read_back(void)
{
    file f = {0};
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    f.bytes = malloc(1 << 20);
    f.len = fread(f.bytes, 1, 1 << 20, in);
    fclose(in);
    return f;
}

/* False at the end of the file. */
static bool next(file *f, block *out)
{
    if (f->at == f->len) return false;
    assert_true(f->len - f->at >= 12);
    const uint8_t *at = f->bytes + f->at;
    uint32_t total = u32(at + 4);
    assert_int_equal(total % 4, 0);
    assert_true(total <= f->len - f->at);
    assert_int_equal(u32(at + total - 4), total);
    *out = (block){u32(at), at + 8, total - 12};
    f->at += total;
    return true;
}

/* The option's value and length; NULL. The list must end as it should. */
static const uint8_t *option(const block *b, size_t from, uint16_t code, size_t *len)
{
    const uint8_t *found = NULL;
    size_t at = from;
    for (;;) {
        assert_true(at + 4 <= b->len);
        uint16_t this = u16(b->body + at), size = u16(b->body + at + 2);
        if (this == 0) break;
        if (this == code) {
            found = b->body + at + 4;
            *len = size;
        }
        at += 4 + (size + 3u) / 4 * 4;
    }
    assert_int_equal(at + 4, b->len);
    return found;
}

static void expect_text(const block *b, size_t from, uint16_t code, const char *text)
{
    size_t len = 0;
    const uint8_t *value = option(b, from, code, &len);
    assert_non_null(value);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(value, text, len);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static int name_file(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/nod-test-%ld.pcapng", (long)getpid());
    return 0;
}

static void packets_and_comments(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_capture *capture = nod_capture_open(path, UINT64_C(1700000000000000));
    assert_non_null(capture);
    assert_int_equal(nod_capture_iface(capture, "nod0", NOD_IFACE_IP), 0);
    assert_int_equal(nod_capture_iface(capture, "tap7", NOD_IFACE_ETHERNET), 1);

    /* 5 bytes in head[] and 6 in two slices: nothing about 11 is a multiple of four. */
    nod_frame frame;
    assert_int_equal(nod_frame_from_bytes(pool, "fghijk", 6, &frame), 0);
    frame.part[1] = nod_slice_of(frame.part[0].block, 3, 3);
    frame.part[0].len = 3;
    frame.parts = 2;
    memcpy(frame.head, "abcde", 5);
    frame.head_len = 5;
    assert_int_equal(nod_capture_packet(capture, 0, 42, true, &frame, "ESTABLISHED: data"), 0);
    assert_int_equal(nod_capture_packet(capture, 1, 43, false, &frame, NULL), 0);
    assert_int_equal(frame.parts, 2);
    nod_frame_release(&frame);
    assert_int_equal(nod_capture_close(capture), 0);
    nod_pool_free(pool);

    file f = read_back();
    block b;
    size_t len;
    assert_true(next(&f, &b));
    assert_int_equal(b.type, 0x0a0d0d0a);
    assert_int_equal(u32(b.body), 0x1a2b3c4d);
    assert_int_equal(u16(b.body + 4), 1);
    option(&b, 16, 0xffff, &len);

    assert_true(next(&f, &b));
    assert_int_equal(b.type, 1);
    assert_int_equal(u16(b.body), 101);
    expect_text(&b, 8, 2, "nod0");
    assert_int_equal(*option(&b, 8, 9, &len), 6);
    assert_true(next(&f, &b));
    assert_int_equal(u16(b.body), 1);
    expect_text(&b, 8, 2, "tap7");

    assert_true(next(&f, &b));
    assert_int_equal(b.type, 6);
    assert_int_equal(u32(b.body), 0);
    assert_int_equal((uint64_t)u32(b.body + 4) << 32 | u32(b.body + 8), UINT64_C(1700000000000042));
    assert_int_equal(u32(b.body + 12), 11);
    assert_int_equal(u32(b.body + 16), 11);
    assert_memory_equal(b.body + 20, "abcdefghijk", 11);
    expect_text(&b, 32, 1, "ESTABLISHED: data");
    assert_int_equal(u32(option(&b, 32, 2, &len)), 2);

    assert_true(next(&f, &b));
    assert_int_equal(u32(b.body), 1);
    assert_null(option(&b, 32, 1, &len));
    assert_int_equal(u32(option(&b, 32, 2, &len)), 1);
    assert_false(next(&f, &b));
    free(f.bytes);
}

/* A large segment is in the capture as what goes over a wire: pieces, each with its part of
 * the stream. */
static void large_segment(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_capture *capture = nod_capture_open(path, 0);
    int iface = nod_capture_iface(capture, "x", NOD_IFACE_IP);
    uint8_t packet[40 + 2500] = {0x45, 0, 0x09, 0xec};
    packet[9] = 6;
    packet[20 + 7] = 100; /* SEQ */
    packet[20 + 12] = 0x50;
    nod_frame frame;
    assert_int_equal(nod_frame_from_bytes(pool, packet, sizeof packet, &frame), 0);
    frame.gso_size = 1000;
    frame.l4_off = 20;
    frame.flags = NOD_FRAME_CSUM_TODO;
    assert_int_equal(nod_capture_packet(capture, iface, 0, true, &frame, "x"), 0);
    assert_int_equal(frame.gso_size, 1000);
    nod_frame_release(&frame);
    assert_int_equal(nod_capture_close(capture), 0);

    file f = read_back();
    block b;
    const size_t payload[] = {1000, 1000, 500};
    next(&f, &b);
    next(&f, &b);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(next(&f, &b));
        assert_int_equal(u32(b.body + 12), 40 + payload[i]);
        uint32_t seq = (uint32_t)b.body[20 + 26] << 8 | b.body[20 + 27];
        assert_int_equal(seq, 100 + 1000 * i);
    }
    assert_false(next(&f, &b));
    free(f.bytes);
    nod_pool_free(pool);
}

/* Comments that are too long are cut, not written over something. */
static void long_comment(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_capture *capture = nod_capture_open(path, 0);
    char comment[5000];
    memset(comment, 'c', sizeof comment - 1);
    comment[sizeof comment - 1] = 0;
    nod_capture_iface(capture, comment, NOD_IFACE_IP);
    nod_frame frame;
    assert_int_equal(nod_frame_from_bytes(pool, "abcd", 4, &frame), 0);
    assert_int_equal(nod_capture_packet(capture, 0, 0, true, &frame, comment), 0);
    nod_frame_release(&frame);
    assert_int_equal(nod_capture_close(capture), 0);
    file f = read_back();
    block b;
    size_t len = 0;
    next(&f, &b);
    next(&f, &b);
    assert_true(next(&f, &b));
    assert_non_null(option(&b, 24, 1, &len));
    assert_int_equal(len, 1024);
    assert_false(next(&f, &b));
    free(f.bytes);
    nod_pool_free(pool);
}

static void failures(void **state)
{
    (void)state;
    errno = 0;
    assert_null(nod_capture_open("/nonexistent/x.pcapng", 0));
    assert_int_equal(errno, ENOENT);
    nod_capture *capture = nod_capture_open("/dev/full", 0);
    if (!capture) skip();
    nod_capture_iface(capture, "x", NOD_IFACE_IP);
    assert_int_equal(nod_capture_close(capture), NOD_EIO);
}

static void comments(void **state)
{
    (void)state;
    char text[NOD_TRACE_TEXT];
    nod_trace trace = {.type = NOD_TRACE_SEGMENT_OUT, .state = NOD_ESTABLISHED};
    trace.u.segment.why = NOD_WHY_RETRANSMIT_TIMEOUT;
    assert_string_equal(nod_capture_comment(&trace, text, sizeof text),
                        "ESTABLISHED: retransmit-timeout");
    trace.u.segment.retransmission = true;
    assert_string_equal(nod_capture_comment(&trace, text, sizeof text),
                        "ESTABLISHED: retransmit-timeout, sent again");
    trace = (nod_trace){.type = NOD_TRACE_STATE, .state = NOD_FIN_WAIT_1};
    trace.u.edge.to = NOD_FIN_WAIT_2;
    assert_string_equal(nod_capture_comment(&trace, text, sizeof text),
                        "FIN-WAIT-1: becomes FIN-WAIT-2");
    /* However little room there is. */
    assert_string_equal(nod_capture_comment(&trace, text, 5), "FIN-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(packets_and_comments, remove_file),
        cmocka_unit_test_teardown(large_segment, remove_file),
        cmocka_unit_test_teardown(long_comment, remove_file),
        cmocka_unit_test(failures),
        cmocka_unit_test(comments),
    };
    return cmocka_run_group_tests(tests, name_file, NULL);
}
