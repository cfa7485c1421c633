/* A link on a descriptor that was there before: two of them over a socketpair give and take as
 * two ends of a wire would, large segments and all, and an end that is gone is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nod/link.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static nod_pool *pool;
static int ends[2];
static nod_link *ours, *theirs;

static void begin(bool offload)
{
    const nod_tun_config config = {.name = "pair", .offload = offload, .mtu = 1400};
    pool = nod_pool_new(NULL, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    ours = nod_link_adopt(pool, ends[0], &config);
    theirs = nod_link_adopt(pool, ends[1], &config);
    assert_non_null(ours);
    assert_non_null(theirs);
}

static void end(void)
{
    nod_link_close(ours);
    nod_link_close(theirs);
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    nod_pool_free(pool);
}

/* An IPv4 header with 20 octets of TCP, and `payload` octets behind it. */
static void segment(nod_frame *frame, size_t payload)
{
    *frame = (nod_frame){.head_len = 40, .l4_off = 20, .flags = NOD_FRAME_CSUM_TODO};
    frame->head[0] = 0x45;
    frame->head[2] = (uint8_t)((40 + payload) >> 8);
    frame->head[3] = (uint8_t)(40 + payload);
    frame->head[9] = 6;
    frame->head[32] = 0x50;
    if (payload == 0) return;
    nod_block *block = nod_block_new(pool, payload);
    memset(nod_block_bytes(block), 'x', payload);
    frame->part[frame->parts++] = (nod_slice){block, 0, (uint32_t)payload};
}

static void large_segments_pass(void **state)
{
    (void)state;
    nod_frame frame, got[2];
    nod_iface_config iface;
    begin(true);
    nod_link_iface(ours, &iface);
    assert_int_equal(iface.mtu, 1400);
    assert_true(iface.csum_offload);
    assert_string_equal(nod_link_name(ours), "pair");
    assert_int_equal(nod_link_fd(ours), ends[0]);
    segment(&frame, 50000);
    frame.gso_size = 1360;
    assert_int_equal(nod_link_send(ours, &frame, 1, 0), 1);
    segment(&frame, 100);
    assert_int_equal(nod_link_send(ours, &frame, 1, 0), 1);
    assert_int_equal(nod_link_receive(theirs, got, 2, 0), 2);
    assert_int_equal(nod_frame_length(&got[0]), 50040);
    assert_int_equal(got[0].gso_size, 1360);
    assert_int_equal(got[0].l4_off, 20);
    assert_true(got[0].flags & NOD_FRAME_CSUM_TODO);
    assert_int_equal(nod_frame_length(&got[1]), 140);
    assert_int_equal(got[1].gso_size, 0);
    nod_frame_release(&got[0]);
    nod_frame_release(&got[1]);
    end();
}

/* Without large segments they are cut before they leave. */
static void plain_is_cut(void **state)
{
    (void)state;
    nod_frame frame, got[4];
    begin(false);
    segment(&frame, 3000);
    frame.gso_size = 1360;
    assert_int_equal(nod_link_send(ours, &frame, 1, 0), 1);
    assert_int_equal(nod_link_receive(theirs, got, 4, 0), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nod_frame_length(&got[i]), i < 2 ? 1400 : 320);
        nod_frame_release(&got[i]);
    }
    assert_int_equal(nod_link_receive(theirs, got, 4, 0), 0); /* and nobody waited */
    nod_pool_stats stats;
    nod_pool_get_stats(pool, &stats);
    assert_int_equal(stats.in_use, 0); /* nor holds anything */
    end();
}

/* A full socket is a full device: the frame stays with its owner. */
static void full(void **state)
{
    (void)state;
    nod_frame frame;
    int sent = 0;
    begin(true);
    do {
        segment(&frame, 60000);
        frame.gso_size = 1360;
        sent++;
    } while (sent < 1000 && nod_link_send(ours, &frame, 1, 0) == 1);
    assert_in_range(sent, 2, 999);
    assert_int_equal(frame.parts, 1);
    nod_frame_release(&frame);
    end();
}

/* What a peer says of its packets is not believed beyond their ends. */
static void nonsense(void **state)
{
    (void)state;
    nod_frame frame, got;
    nod_link_stats stats;
    uint8_t lie[10 + 24] = {[0] = 1, [6] = 60, [8] = 16, [10] = 0x45};
    begin(true);
    assert_int_equal(send(ends[1], "short", 5, 0), 5);
    assert_int_equal(send(ends[1], lie, sizeof lie, 0), sizeof lie);
    segment(&frame, 0);
    assert_int_equal(nod_link_send(theirs, &frame, 1, 0), 1);
    assert_int_equal(nod_link_receive(ours, &got, 1, 0), 1);
    assert_int_equal(nod_frame_length(&got), 24);
    assert_int_equal(got.flags & NOD_FRAME_CSUM_TODO, 0);
    nod_frame_release(&got);
    assert_int_equal(nod_link_receive(ours, &got, 1, 0), 1);
    assert_int_equal(nod_frame_length(&got), 40);
    nod_frame_release(&got);
    nod_link_get_stats(ours, &stats);
    assert_int_equal(stats.refused, 1);
    end();
}

/* An end that is gone is an error, and no signal; the descriptor stays its owner's. */
static void gone(void **state)
{
    (void)state;
    nod_frame frame;
    begin(true);
    close(ends[1]);
    ends[1] = -1;
    assert_int_equal(nod_link_receive(ours, &frame, 1, 0), NOD_EIO);
    segment(&frame, 10);
    assert_int_equal(nod_link_send(ours, &frame, 1, 0), NOD_EIO);
    nod_frame_release(&frame);
    nod_link_close(ours);
    assert_true(fcntl(ends[0], F_GETFD) >= 0);
    ours = NULL;
    assert_null(nod_link_adopt(pool, -1, &(nod_tun_config){0}));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_segments_pass),
        cmocka_unit_test(plain_is_cut),
        cmocka_unit_test(full),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
