/* The law by which buffers grow, on arrivals made up for it; and memory under attack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tcp/tcb.h"
#include "unit/dice.h"
#include "unit/peer.h"

#define KIB 1024u
#define RTT (50 * NOD_MSEC)

static struct nod_shared_config config;
static struct nod_work work;
static struct nod_env env;

static struct nod_tcb fresh(uint32_t start, uint32_t most)
{
    config.c = (nod_tcp_config){.receive_buffer = start,
                                .receive_buffer_max = most,
                                .send_buffer = start,
                                .send_buffer_max = most};
    work = (struct nod_work){.rcv_mss = 1000};
    env = (struct nod_env){.pool = env.pool, .now = NOD_SEC};
    struct nod_tcb t = {.config = &config, .work = &work, .flags = TCB_TS, .srtt_us = RTT};
    t.rec.state = NOD_ESTABLISHED;
    t.rcv_scale = nod_tune_scale(&env, &config.c);
    t.rcv.nxt = t.rcv.edge = work.recvq.base = 0xffff0000u;
    t.cc = (struct nod_cc){.cwnd = 10000, .ssthresh = UINT32_MAX};
    return t;
}

/* So many octets come within a round trip, in segments evenly spread, and are read as they come. */
static void one_round(struct nod_tcb *t, uint32_t octets, nod_usec rtt)
{
    uint32_t count = (octets + 999) / 1000;
    nod_usec began = env.now;
    for (uint32_t i = 0; i < count; i++) {
        struct nod_segment seg = {.text = 1000, .seq = t->rcv.nxt};
        env.now = began + rtt * i / count;
        nod_tune_on_text(&env, t, &seg);
        t->rcv.nxt += 1000;
        work.recvq.base += 1000;
        nod_tune_on_progress(&env, t);
    }
    env.now = began + rtt;
}

/* A sender that doubles finds, whatever it has sent in one round trip, room for what it will send
 * in the next two: when the measure of one is there the next is under way. */
static void ahead_of_slow_start(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(128 * KIB, 1u << 30);
    assert_int_equal(nod_tune_receive_buffer(&t), 128 * KIB);
    for (uint32_t octets = 10000; octets < 100000000; octets *= 2) {
        one_round(&t, octets, RTT);
        one_round(&t, 1000, 1); /* the round's end is seen with the first segment after it */
        assert_true(nod_tune_receive_buffer(&t) >= 4 * octets);
        assert_true(nod_tune_receive_buffer(&t) <= max_u32(128 * KIB, 7 * octets));
    }
}

/* What comes no faster is given twice what it needs, and no more however long it lasts. */
static void settles(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(16 * KIB, 1u << 30);
    one_round(&t, 100000, RTT);
    one_round(&t, 100000, RTT);
    uint32_t first = nod_tune_receive_buffer(&t);
    assert_in_range(first, 200000, 700000);
    for (int i = 0; i < 100; i++) one_round(&t, 100000, RTT);
    assert_int_equal(nod_tune_receive_buffer(&t), first);
    for (int i = 0; i < 100; i++) one_round(&t, 3000, RTT);
    assert_int_equal(nod_tune_receive_buffer(&t), first); /* a pause takes nothing back */
}

/* A sender that grows a little each round trip has twice what it uses, too. */
static void little_by_little(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(16 * KIB, 1u << 30);
    uint32_t octets = 100000;
    for (int i = 0; i < 60; i++, octets += octets / 20) one_round(&t, octets, RTT);
    octets -= octets / 21 + octets / 20; /* the last whose end was seen */
    assert_in_range(nod_tune_receive_buffer(&t), 2 * octets, 3 * octets);
}

/* Slow start's rounds are acknowledged quickly, each as far as the next can be twice as long; what
 * comes evenly, or grows by little, is not. */
static void quick_in_slow_start(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(128 * KIB, 1u << 30);
    for (uint32_t octets = 10000; octets < 1000000; octets *= 2) {
        one_round(&t, octets, RTT);
        t.bytes_received += octets;
        one_round(&t, 1000, 1);
        assert_in_range(work.quick_end, t.bytes_received + 2 * octets,
                        t.bytes_received + 2 * octets + 2000);
    }
    uint64_t end = work.quick_end;
    for (uint32_t octets = 700000; octets < 2000000; octets += octets / 5)
        one_round(&t, octets, RTT);
    assert_int_equal(work.quick_end, end);
}

/* Who reads little has enough of what there was at first; and who was told a size keeps it. */
static void no_need(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(128 * KIB, 1u << 30);
    for (int i = 0; i < 100; i++) one_round(&t, 15000, RTT);
    assert_int_equal(nod_tune_receive_buffer(&t), 128 * KIB);
    t = fresh(128 * KIB, 0);
    for (int i = 0; i < 100; i++) one_round(&t, 10000000, RTT);
    assert_int_equal(nod_tune_receive_buffer(&t), 128 * KIB);
    t = fresh(128 * KIB, 500000);
    for (int i = 0; i < 100; i++) one_round(&t, 10000000, RTT);
    assert_int_equal(nod_tune_receive_buffer(&t), 500000);
    config.c.receive_buffer = 4000; /* SO_RCVBUF on a connection that had grown */
    config.c.receive_buffer_max = 0;
    assert_int_equal(nod_tune_receive_buffer(&t), 4000);
    t.rcv_scale = 14; /* less than this could not be said, and nothing would ever come */
    assert_int_equal(nod_tune_receive_buffer(&t), 16384);
}

/* Unread octets do not count: they have not been taken away. */
static void unread(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(128 * KIB, 1u << 30);
    for (int i = 0; i < 100; i++) {
        struct nod_segment seg = {.text = 1000, .seq = t.rcv.nxt};
        nod_tune_on_text(&env, &t, &seg);
        t.rcv.nxt += 1000;
        work.recvq.bytes += 100000;
        nod_tune_on_progress(&env, &t);
        env.now += RTT;
    }
    assert_int_equal(nod_tune_receive_buffer(&t), 128 * KIB);
}

static void put_beyond_gap(struct nod_tcb *t, uint32_t at, uint32_t len)
{
    static uint8_t bytes[1000];
    nod_block *block = nod_block_new(env.pool, sizeof(bytes));
    memcpy(nod_block_bytes(block), bytes, sizeof(bytes));
    nod_slice slice = {.block = block, .len = len};
    struct nod_segment seg = {.text = len, .seq = at};
    nod_tune_on_text(&env, t, &seg);
    assert_int_equal(nod_reassembly_add(&work.ooq, env.pool, at, &slice), len);
    nod_tune_on_progress(&env, t);
}

/* A hole at the front: what comes behind it counts as read, and stands in nobody's way. */
static void behind_a_gap(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(128 * KIB, 1u << 30);
    one_round(&t, 100000, RTT);
    one_round(&t, 100000, RTT);
    uint32_t before = nod_tune_receive_buffer(&t);
    for (uint32_t i = 0; i < 1000; i++) {
        put_beyond_gap(&t, t.rcv.nxt + 1000 + 1000 * i, 1000);
        env.now += RTT / 100;
    }
    assert_true(before < 700000);
    assert_true(nod_tune_receive_buffer(&t) >= 900000 + 200000);
    nod_reassembly_clear(&work.ooq, env.pool);
}

/* With timestamps: from the first segment with a new one to the first that echoes it. */
static void round_trip_by_timestamps(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(128 * KIB, 1u << 30);
    t.srtt_us = 0;
    for (uint32_t i = 0; i < 50; i++) {
        struct nod_segment seg = {.text = 1000, .seq = t.rcv.nxt};
        seg.h.opt.ts_ecr = 100 + i;
        nod_tune_on_sent(&env, &t, 100 + i);
        env.now += 300; /* another with the same tells nothing new */
        nod_tune_on_sent(&env, &t, 100 + i);
        env.now += 20 * NOD_MSEC - 300;
        nod_tune_on_text(&env, &t, &seg);
        env.now += 100;
        nod_tune_on_sent(&env, &t, 100 + i);
        nod_tune_on_text(&env, &t, &seg);
        assert_int_equal(work.tune.rtt_us, 20 * NOD_MSEC);
    }
    /* The sender has paused for a minute: that is no round trip. */
    struct nod_segment seg = {.text = 1000, .seq = t.rcv.nxt};
    seg.h.opt.ts_ecr = 200;
    nod_tune_on_sent(&env, &t, 200);
    env.now += 60 * NOD_SEC;
    nod_tune_on_text(&env, &t, &seg);
    assert_in_range(work.tune.rtt_us, 20 * NOD_MSEC, 23 * NOD_MSEC);
    /* An echo of something later: the one that was timed got lost. */
    uint32_t rtt = work.tune.rtt_us;
    nod_tune_on_sent(&env, &t, 300);
    env.now += 200 * NOD_MSEC;
    seg.h.opt.ts_ecr = 301;
    nod_tune_on_text(&env, &t, &seg);
    assert_int_equal(work.tune.rtt_us, rtt);
}

/* Without: a window's worth of octets takes one round trip, or more. */
static void round_trip_by_window(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(10000, 1u << 20);
    t.srtt_us = 0;
    t.flags = 0;
    for (int i = 0; i < 20; i++) {
        nod_usec takes = i == 5 ? 30 * NOD_MSEC : 40 * NOD_MSEC;
        t.rcv.edge = t.rcv.nxt + 10000;
        for (int n = 0; n < 10; n++) {
            struct nod_segment seg = {.text = 1000, .seq = t.rcv.nxt};
            nod_tune_on_text(&env, &t, &seg);
            env.now += takes / 10;
            t.rcv.nxt += 1000;
        }
    }
    assert_int_equal(work.tune.rtt_us, 30 * NOD_MSEC);
}

/* The unit of a window that memory can never fill would be too coarse for those that it can. */
static void scale_fits_memory(void **state)
{
    (void)state;
    nod_pool *pool = env.pool;
    fresh(16 * KIB, 1u << 29);
    assert_int_equal(nod_tune_scale(&env, &config.c), 14);
    env.pool = nod_pool_new(NULL, 1u << 20);
    assert_int_equal(nod_tune_scale(&env, &config.c), 4);
    config.c.receive_buffer = 1u << 21; /* who wants it so gets it */
    assert_int_equal(nod_tune_scale(&env, &config.c), 6);
    nod_pool_free(env.pool);
    env.pool = pool;
}

static void take_memory(nod_pool *pool, void **held, int parts)
{
    for (int i = 0; i < parts; i++) assert_non_null(held[i] = nod_pool_take(pool, 60000));
}

/* The three states of memory (0, 9, and 15 parts of 16 in use), and what windows are then. */
static void memory_is_short(void **state)
{
    (void)state;
    void *held[16];
    nod_pool *pool = env.pool;
    for (int parts = 0; parts < 16; parts += parts ? 6 : 9) {
        struct nod_tcb t = fresh(128 * KIB, 1u << 20);
        one_round(&t, 100000, RTT);
        one_round(&t, 1000, 1);
        uint32_t grown = nod_tune_receive_buffer(&t);
        assert_true(grown > 400000);
        env.pool = nod_pool_new(NULL, 16 * 66000);
        take_memory(env.pool, held, parts);
        t.rcv.edge = t.rcv.nxt + 100000;
        uint32_t edge = t.rcv.edge;
        uint32_t wnd = (uint32_t)nod_tcb_offer_window(&env, &t, false) << t.rcv_scale;
        if (parts)
            assert_true(wnd >= 100000 && wnd - 100000 < 1u << t.rcv_scale);
        else
            assert_true(wnd > grown - (1u << t.rcv_scale));
        assert_true(seq_ge(t.rcv.edge, edge)); /* what was offered stays offered */
        t.rcv.edge = t.rcv.nxt;
        wnd = nod_tune_window(&env, &t);
        assert_int_equal(wnd, parts == 0   ? grown
                              : parts == 9 ? 16384
                                           : 2016); /* two MSS, in units */
        work.recvq.bytes = 1000;                    /* somebody does not read */
        wnd = nod_tune_window(&env, &t);
        assert_int_equal(wnd, parts == 0 ? grown - 1000 : parts == 9 ? 16384 : 0);
        work.recvq.bytes = 0;
        one_round(&t, 1000000, RTT);
        one_round(&t, 1000, RTT);
        uint32_t after = nod_tune_receive_buffer(&t);
        assert_true(parts ? after <= grown : after == 1u << 20);
        /* And what a user may send. */
        t.cc.cwnd = 300000;
        uint32_t room = nod_tune_send_buffer(&env, &t);
        assert_int_equal(room, parts == 15 ? 16384 : 300000);
        work.sendq.bytes = 5000;
        assert_int_equal(nod_tune_send_buffer(&env, &t), parts == 15 ? 5000 : 300000);
        for (int i = 0; i < parts; i++) nod_pool_give(env.pool, held[i], 60000);
        nod_pool_free(env.pool);
        env.pool = pool;
    }
}

/* A window in flight and one to follow; two to follow in slow start; and between two sizes. */
static void send_room(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(128 * KIB, 1u << 24);
    assert_int_equal(nod_tune_send_buffer(&env, &t), 128 * KIB);
    t.cc.cwnd = 1000000;
    t.snd.nxt = work.sendq.base + 1000000;
    assert_int_equal(nod_tune_send_buffer(&env, &t), 3000000);
    t.cc.ssthresh = 900000;
    assert_int_equal(nod_tune_send_buffer(&env, &t), 2000000);
    t.cc.cwnd = t.cc.ssthresh =
        500000; /* in recovery: what is out stays until it is acknowledged */
    assert_int_equal(nod_tune_send_buffer(&env, &t), 1500000);
    t.cc.cwnd = 1u << 30;
    assert_int_equal(nod_tune_send_buffer(&env, &t), 1u << 24);
    config.c.send_buffer_max = 0;
    assert_int_equal(nod_tune_send_buffer(&env, &t), 128 * KIB);
}

/* On the shortest of paths a window means nothing: a dozen times what the path holds are enough. */
static void send_room_on_a_short_path(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(128 * KIB, 1u << 30);
    t.cc.cwnd = 100000000;
    t.cc.ssthresh = 1;
    work.loss.rate.told = 1000000000; /* octets a second: 100 KB are under way */
    nod_min_filter_reset(&work.loss.rack.min_rtt, env.now, 100);
    assert_int_equal(nod_tune_send_buffer(&env, &t), 1200000);
    work.loss.rate.told = 10000; /* what sends little has as much room as before */
    assert_int_equal(nod_tune_send_buffer(&env, &t), 128 * KIB);
    work.loss.rate.told = 0;
    assert_int_equal(nod_tune_send_buffer(&env, &t), 100000000);
    work.loss.rate.told = 1000000000;
    nod_min_filter_reset(&work.loss.rack.min_rtt, env.now, 1000);
    assert_int_equal(nod_tune_send_buffer(&env, &t), 100000000);
}

/* At rest a connection remembers nothing but the window it has offered: that is what it wakes
 * with. */
static void after_a_rest(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(128 * KIB, 1u << 30);
    t.rcv.edge = t.rcv.nxt + 3000000;
    nod_tune_wake(&t);
    assert_int_equal(nod_tune_receive_buffer(&t), 3000000);
}

enum { ATTACKERS = 300, LIMIT = 6 << 20 };

static void dust(struct peer *p, struct conn *c, uint32_t at, size_t len)
{
    static const uint8_t text[1000];
    peer_tcp(p, &(struct segment){.sport = c->far_port,
                                  .dport = c->host_port,
                                  .seq = c->seq + at,
                                  .ack = c->ack,
                                  .ctl = NOD_ACK,
                                  .wnd = 65535,
                                  .text = text,
                                  .len = len});
}

/* Hundreds of connections send crumbs with gaps between them: an octet each, then pieces that are
 * just too large to be copied. Memory stays within its limit, and one who behaves is served. */
static void crumbs(void **state)
{
    (void)state;
    static struct conn bad[ATTACKERS];
    struct conn good;
    struct peer p;
    nod_config c;
    nod_config_default(&c);
    c.memory_limit = LIMIT;
    c.max_connections = 1000;
    peer_make(&p, &c, 4, false);
    nod_handle listener = peer_listen(&p, 80, 0);
    peer_connect(&p, listener, 80, 50, &good);
    for (uint16_t i = 0; i < ATTACKERS; i++)
        peer_connect(&p, listener, 80, (uint16_t)(1000 + i), &bad[i]);
    for (uint32_t at = 2; at < 60000; at += at < 3000 ? 7 : 2000) {
        for (int i = 0; i < ATTACKERS; i++) dust(&p, &bad[i], at, at < 3000 ? 1 : 1000);
        peer_drain(&p);
        assert_true(peer_in_use(&p) <= LIMIT);
    }
    assert_true(peer_in_use(&p) > LIMIT / 2); /* it was an attack */
    assert_true(peer_drops(&p, NOD_DROP_MEMORY) > 0);
    uint8_t text[1000] = {1}, got[1000];
    for (int i = 0; i < 500; i++) {
        peer_send(&p, &good, NOD_ACK | NOD_PSH, text, sizeof(text));
        assert_int_equal(nod_tcp_receive(p.stack, good.handle, got, sizeof(got)), sizeof(got));
        struct seen seen[4];
        for (int n = peer_output(&p, seen, 4); n > 0; n--) assert_true(seen[n - 1].wnd > 0);
        peer_tick(&p, 50000);
        peer_drain(&p);
    }
    for (int i = 0; i < ATTACKERS; i++) nod_tcp_abort(p.stack, bad[i].handle);
    peer_drain(&p);
    peer_free(&p);
}

/* One connection alone may not have memory for each crumb either. */
static void crumbs_of_one(void **state)
{
    (void)state;
    struct conn bad;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 0);
    peer_connect(&p, listener, 80, 50, &bad);
    size_t before = peer_in_use(&p);
    for (uint32_t at = 2; at < 60000; at += 2) dust(&p, &bad, at, 1);
    assert_true(peer_drops(&p, NOD_DROP_MEMORY) > 0);
    assert_in_range(peer_in_use(&p) - before, 32 * KIB, 512 * KIB);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ahead_of_slow_start),
        cmocka_unit_test(settles),
        cmocka_unit_test(little_by_little),
        cmocka_unit_test(no_need),
        cmocka_unit_test(unread),
        cmocka_unit_test(behind_a_gap),
        cmocka_unit_test(round_trip_by_timestamps),
        cmocka_unit_test(round_trip_by_window),
        cmocka_unit_test(memory_is_short),
        cmocka_unit_test(quick_in_slow_start),
        cmocka_unit_test(scale_fits_memory),
        cmocka_unit_test(send_room),
        cmocka_unit_test(send_room_on_a_short_path),
        cmocka_unit_test(after_a_rest),
        cmocka_unit_test(crumbs),
        cmocka_unit_test(crumbs_of_one),
    };
    env.pool = nod_pool_new(NULL, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nod_pool_free(env.pool);
    return failed;
}
