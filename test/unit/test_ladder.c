/* The ladder: rows keep the order of both ends, arrows that cross are cut in two, and every
 * row gets the sentence that its trace deserves. Made by hand, without a stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/cmd/ladder.h"
#include "../../src/cmd/render_text.h"

#define MS NOD_MSEC

struct seg {
    uint8_t ctl, why, state;
    uint32_t seq, ack, len;
};

static nod_trace trace_of(nod_usec time, enum nod_trace_type type, uint32_t frame,
                          const struct seg *seg)
{
    nod_trace t = {.time = time, .type = (uint8_t)type, .frame = frame, .state = seg->state};
    t.u.segment.ctl = seg->ctl;
    t.u.segment.why = seg->why;
    t.u.segment.seq = t.u.segment.rel_seq = seg->seq;
    t.u.segment.ack = t.u.segment.rel_ack = seg->ack;
    t.u.segment.len = seg->len;
    t.u.segment.wnd_bytes = 65535;
    return t;
}

static void sends(struct ladder *l, int side, nod_usec time, uint32_t frame, struct seg seg)
{
    nod_trace t = trace_of(time, NOD_TRACE_SEGMENT_OUT, frame, &seg);
    ladder_trace(l, side, &t);
}

static void gets(struct ladder *l, int side, nod_usec time, uint32_t frame, struct seg seg)
{
    nod_trace t = trace_of(time, NOD_TRACE_SEGMENT_IN, frame, &seg);
    ladder_trace(l, side, &t);
}

static void turns(struct ladder *l, int side, nod_usec time, enum nod_state from, enum nod_state to)
{
    nod_trace t = {.time = time, .type = NOD_TRACE_STATE};
    t.u.edge.from = (uint8_t)from;
    t.u.edge.to = (uint8_t)to;
    ladder_trace(l, side, &t);
}

static void calls(struct ladder *l, int side, nod_usec time, enum nod_call call, int64_t result)
{
    nod_trace t = {.time = time, .type = NOD_TRACE_CALL};
    t.u.call.call = (uint8_t)call;
    t.u.call.result = result;
    ladder_trace(l, side, &t);
}

static void runs_out(struct ladder *l, int side, nod_usec time, enum nod_timer timer)
{
    nod_trace t = {.time = time, .type = NOD_TRACE_TIMER};
    t.u.timer.timer = (uint8_t)timer;
    ladder_trace(l, side, &t);
}

static const struct seg syn = {NOD_SYN, NOD_WHY_OPEN, NOD_SYN_SENT, 0, 0, 0};
static const struct seg synack = {NOD_SYN | NOD_ACK, NOD_WHY_OPEN, NOD_SYN_RECEIVED, 0, 1, 0};
static const struct seg ack = {NOD_ACK, NOD_WHY_ACK_HANDSHAKE, NOD_ESTABLISHED, 1, 1, 0};

static void handshake(struct ladder *l)
{
    calls(l, LEFT, 0, NOD_CALL_OPEN_ACTIVE, 0);
    turns(l, LEFT, 0, NOD_CLOSED, NOD_SYN_SENT);
    sends(l, LEFT, 0, 1, syn);
    gets(l, RIGHT, 10 * MS, 1, syn);
    turns(l, RIGHT, 10 * MS, NOD_LISTEN, NOD_SYN_RECEIVED);
    sends(l, RIGHT, 10 * MS, 1, synack);
    gets(l, LEFT, 20 * MS, 1, synack);
    turns(l, LEFT, 20 * MS, NOD_SYN_SENT, NOD_ESTABLISHED);
    sends(l, LEFT, 20 * MS, 2, ack);
    gets(l, RIGHT, 30 * MS, 2, ack);
    turns(l, RIGHT, 30 * MS, NOD_SYN_RECEIVED, NOD_ESTABLISHED);
}

static void three_arrows_make_a_handshake(void **unused)
{
    struct ladder l = {0};
    (void)unused;
    handshake(&l);
    ladder_build(&l);
    assert_int_equal(l.row_count, 3);
    assert_int_equal(l.rows[0].sentence.cause, S_SYN);
    assert_int_equal(l.rows[0].end[LEFT].after, NOD_SYN_SENT);
    assert_int_equal(l.rows[0].end[LEFT].act_count, 1);
    assert_int_equal(l.rows[0].end[RIGHT].after, NOD_SYN_RECEIVED);
    assert_int_equal(l.rows[1].sentence.cause, S_SYNACK);
    assert_int_equal(l.rows[1].sentence.effect, S_OPEN_ACTIVE);
    assert_int_equal(l.rows[1].from, RIGHT);
    assert_int_equal(l.rows[2].sentence.cause, S_ACK_OPENS);
    assert_int_equal(l.rows[2].sentence.effect, S_OPEN_PASSIVE);
    assert_int_equal(l.rows[2].end[RIGHT].time, 30 * MS);
    ladder_free(&l);
}

static void crossing_arrows_are_cut(void **unused)
{
    struct ladder l = {0};
    (void)unused;
    sends(&l, LEFT, 0, 1, syn);
    gets(&l, LEFT, 10 * MS, 1, syn);
    turns(&l, LEFT, 10 * MS, NOD_SYN_SENT, NOD_SYN_RECEIVED);
    sends(&l, RIGHT, 0, 1, syn);
    gets(&l, RIGHT, 10 * MS, 1, syn);
    turns(&l, RIGHT, 10 * MS, NOD_SYN_SENT, NOD_SYN_RECEIVED);
    ladder_build(&l);
    /* One is cut; the other then fits between its halves. */
    assert_int_equal(l.row_count, 3);
    assert_null(l.rows[0].arrive);
    assert_false(l.rows[0].on_its_way);
    assert_non_null(l.rows[1].depart);
    assert_non_null(l.rows[1].arrive);
    assert_int_equal(l.rows[1].sentence.effect, S_SYN_CROSSED);
    assert_null(l.rows[2].depart);
    assert_int_equal(l.rows[2].sentence.cause, S_ARRIVES);
    assert_int_equal(l.rows[2].sentence.effect, S_SYN_CROSSED);
    ladder_free(&l);
}

/* What the other end does by itself meanwhile is no reason to cut an arrow in two. */
static void flight_is_not_cut(void **unused)
{
    struct ladder l = {0};
    struct seg data = {NOD_ACK, NOD_WHY_DATA, NOD_ESTABLISHED, 1, 1, 100};
    (void)unused;
    handshake(&l);
    sends(&l, LEFT, 50 * MS, 3, data);
    calls(&l, RIGHT, 55 * MS, NOD_CALL_SEND, 10);
    gets(&l, RIGHT, 60 * MS, 3, data);
    ladder_build(&l);
    assert_int_equal(l.row_count, 5);
    assert_int_equal(l.rows[3].sentence.cause, S_WRITE_WAITS);
    assert_non_null(l.rows[4].depart);
    assert_non_null(l.rows[4].arrive);
    ladder_free(&l);
}

static void loss_and_its_repair(void **unused)
{
    struct ladder l = {0};
    struct seg data = {NOD_PSH | NOD_ACK, NOD_WHY_DATA, NOD_ESTABLISHED, 1, 1, 100};
    struct seg again = data;
    again.why = NOD_WHY_RETRANSMIT_TIMEOUT;
    (void)unused;
    handshake(&l);
    sends(&l, LEFT, 50 * MS, 3, data);
    ladder_fate(&l, LEFT, 3, NOD_FATE_LOST);
    runs_out(&l, LEFT, 250 * MS, NOD_TIMER_RETRANSMIT);
    sends(&l, LEFT, 250 * MS, 4, again);
    gets(&l, RIGHT, 260 * MS, 4, again);
    ladder_build(&l);
    assert_int_equal(l.row_count, 5);
    assert_true(row_lost(&l.rows[3]));
    assert_int_equal(l.rows[3].sentence.cause, S_DATA);
    assert_int_equal(l.rows[3].sentence.effect, S_LOST);
    assert_int_equal(l.rows[4].sentence.cause, S_DATA_AGAIN);
    assert_int_equal(l.rows[4].sentence.waited, 200 * MS);
    assert_int_equal(l.rows[4].sentence.n, 1);
    assert_true(l.rows[4].again);
    ladder_free(&l);
}

static void overtaken(void **unused)
{
    struct ladder l = {0};
    struct seg first = {NOD_ACK, NOD_WHY_DATA, NOD_ESTABLISHED, 1, 1, 100}, second = first;
    second.seq = 101;
    (void)unused;
    handshake(&l);
    sends(&l, LEFT, 50 * MS, 3, first);
    ladder_fate(&l, LEFT, 3, NOD_FATE_REORDERED);
    sends(&l, LEFT, 50 * MS, 4, second);
    gets(&l, RIGHT, 60 * MS, 4, second);
    gets(&l, RIGHT, 90 * MS, 3, first);
    ladder_build(&l);
    assert_int_equal(l.row_count, 6);
    assert_int_equal(l.rows[3].sentence.effect, S_REORDERED);
    assert_int_equal(l.rows[4].sentence.cause, S_DATA_MORE);
    assert_int_equal(l.rows[4].sentence.effect, S_KEPT);
    assert_int_equal(l.rows[5].sentence.cause, S_ARRIVES_LATE);
    assert_int_equal(l.rows[5].sentence.effect, S_FILLED);
    ladder_free(&l);
}

static void eight_segments_one_ack(void **unused)
{
    struct ladder l = {0};
    struct seg one = {NOD_ACK, NOD_WHY_ACK_AT_ONCE, NOD_ESTABLISHED, 1, 801, 0};
    (void)unused;
    handshake(&l);
    for (uint32_t i = 0; i < 8; i++) {
        struct seg data = {NOD_ACK, NOD_WHY_DATA, NOD_ESTABLISHED, 1 + 100 * i, 1, 100};
        sends(&l, LEFT, 50 * MS, 10 + i, data);
        gets(&l, RIGHT, 60 * MS, 10 + i, data);
    }
    sends(&l, RIGHT, 60 * MS, 9, one);
    gets(&l, LEFT, 70 * MS, 9, one);
    ladder_build(&l);
    assert_int_equal(l.row_count, 12);
    assert_int_equal(l.rows[11].sentence.cause, S_ACK_MANY);
    assert_int_equal(l.rows[11].sentence.n, 8);
    ladder_free(&l);
}

/* Every line of the text fits, and no line of a plain one holds an escape code. */
static void text_fits(void **unused)
{
    struct ladder l = {0};
    struct picture picture = {
        .title = "title",
        .address = {"10.0.0.1", "10.0.0.2"},
        .teller = {.name = {"客户端", "server"}, .called = {"客户端", "the server"}},
        .ladder = &l};
    char *text = NULL;
    size_t size = 0;
    (void)unused;
    handshake(&l);
    ladder_build(&l);
    for (int width = 72; width < 180; width += 9) {
        FILE *out = open_memstream(&text, &size);
        struct text_view view = {
            .out = out, .width = width, .times = true, .speed = 1, .picture = &picture};
        text_head(&view);
        for (int i = 0; i < l.row_count; i++) text_row(&view, &l.rows[i]);
        text_foot(&view);
        fclose(out);
        assert_null(strchr(text, 033));
        assert_non_null(strstr(text, "SYN-RECEIVED"));
        if (getenv("SHOW") != NULL) puts(text);
        free(text);
    }
    ladder_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_arrows_make_a_handshake),
        cmocka_unit_test(crossing_arrows_are_cut),
        cmocka_unit_test(flight_is_not_cut),
        cmocka_unit_test(loss_and_its_repair),
        cmocka_unit_test(overtaken),
        cmocka_unit_test(eight_segments_one_ack),
        cmocka_unit_test(text_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
