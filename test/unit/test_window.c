/* The receive window: never shrinks, opens in steps worth having, and is never larger than the
 * buffer allows (RFC 9293 section 3.8.6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp/tcb.h"
#include "unit/dice.h"

static struct nod_shared_config config;
static struct nod_work work;
static struct nod_env env;

static struct nod_tcb fresh(uint32_t buffer)
{
    config.c = (nod_tcp_config){.receive_buffer = buffer};
    work = (struct nod_work){.rcv_mss = 1000};
    struct nod_tcb t = {.config = &config, .work = &work};
    t.rec.state = NOD_ESTABLISHED;
    t.rcv_scale = nod_window_scale(buffer);
    t.rcv.nxt = t.rcv.edge = 0xfffffff0u;
    return t;
}

static uint32_t offered(struct nod_tcb *t)
{
    return (uint32_t)nod_tcb_offer_window(&env, t, false) << t->rcv_scale;
}

/* Octets arrive and wait to be read. */
static void arrive(struct nod_tcb *t, uint32_t n)
{
    t->rcv.nxt += n;
    work.recvq.bytes += n;
}

static void scales(void **state)
{
    (void)state;
    assert_int_equal(nod_window_scale(1), 0);
    assert_int_equal(nod_window_scale(65535), 0);
    assert_int_equal(nod_window_scale(65536), 1);
    assert_int_equal(nod_window_scale(256 << 10), 3);
    assert_int_equal(nod_window_scale(1u << 30), 14); /* RFC 7323 2.3: no more */
    for (unsigned bits = 0; bits < 30; bits++)
        assert_true((1u << bits) >> nod_window_scale(1u << bits) <= 65535);
}

/* The window of a SYN is never scaled (RFC 7323 2.2). */
static void of_a_syn(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(1 << 20);
    assert_int_equal(nod_tcb_offer_window(&env, &t, true), 65535);
    t = fresh(5000);
    assert_int_equal(nod_tcb_offer_window(&env, &t, true), 5000);
}

static void shrinks_only_by_what_arrives(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(10000);
    assert_int_equal(offered(&t), 10000);
    arrive(&t, 4000);
    assert_int_equal(offered(&t), 6000);
    arrive(&t, 6000);
    assert_int_equal(offered(&t), 0);
    assert_int_equal(nod_tcb_rcv_wnd(&t), 0);
}

/* MUST-39: while the user reads a little at a time the window stays closed, until a segment
 * fits, or half the buffer. */
static void no_silly_window(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(10000);
    offered(&t);
    arrive(&t, 10000);
    for (int i = 0; i < 9; i++) {
        work.recvq.bytes -= 100;
        assert_int_equal(offered(&t), 0);
    }
    work.recvq.bytes -= 100;
    assert_int_equal(offered(&t), 1000);

    t = fresh(1000); /* half of a small buffer is enough */
    offered(&t);
    arrive(&t, 1000);
    work.recvq.bytes -= 499;
    assert_int_equal(offered(&t), 0);
    work.recvq.bytes -= 1;
    assert_int_equal(offered(&t), 500);
}

/* A smaller buffer, set while the connection lives, takes nothing back (SHLD-14). */
static void never_taken_back(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(100000);
    uint32_t before = offered(&t);
    config.c.receive_buffer = 10;
    assert_int_equal(offered(&t), before);
    arrive(&t, 50000);
    assert_true(offered(&t) + 50000 >= before - 1);
    assert_true(t.rcv.nxt + nod_tcb_rcv_wnd(&t) == 0xfffffff0u + before);
}

static void only_while_data_may_come(void **state)
{
    (void)state;
    static const struct {
        enum nod_state state;
        bool tells;
    } rows[] = {{NOD_ESTABLISHED, true}, {NOD_FIN_WAIT_1, true}, {NOD_FIN_WAIT_2, true},
                {NOD_CLOSE_WAIT, false}, {NOD_LAST_ACK, false},  {NOD_CLOSING, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nod_tcb t = fresh(10000);
        t.rec.state = (uint8_t)rows[i].state;
        offered(&t);
        arrive(&t, 10000);
        work.recvq.bytes = 0;
        nod_tcb_after_read(&env, &t);
        assert_int_equal(work.ack_why, rows[i].tells ? NOD_WHY_WINDOW_UPDATE : 0);
    }
}

/* A reader of single octets does not cause an update each. */
static void updates_are_worth_it(void **state)
{
    (void)state;
    struct nod_tcb t = fresh(10000);
    offered(&t);
    arrive(&t, 10000);
    int updates = 0;
    for (int i = 0; i < 10000; i++) {
        work.recvq.bytes--;
        nod_tcb_after_read(&env, &t);
        if (!work.ack_why) continue;
        work.ack_why = 0;
        updates++;
        offered(&t);
    }
    assert_in_range(updates, 1, 10);
    assert_true(nod_tcb_rcv_wnd(&t) >= 5000);
}

static void one_history(nod_rng *rng)
{
    struct nod_tcb t = fresh(1 + (uint32_t)nod_rng_below(rng, 1u << nod_rng_below(rng, 22)));
    work.rcv_mss = 1 + (uint32_t)nod_rng_below(rng, 9000);
    t.rcv.nxt = t.rcv.edge = (uint32_t)nod_rng_next(rng);
    uint32_t buffer = config.c.receive_buffer, unit = 1u << t.rcv_scale;
    uint32_t edge = t.rcv.edge; /* the right edge that the peer has seen */
    for (int i = 0; i < 300; i++) {
        uint32_t wnd = offered(&t);
        uint32_t seen = t.rcv.nxt + wnd;
        /* Scaling may round the edge down by less than a unit, as RFC 7323 2.4 knows. */
        assert_true(seq_ge(seen + unit, edge + 1) || wnd == (uint32_t)65535 << t.rcv_scale);
        edge = seq_max(edge, seen);
        assert_true(seq_ge(t.rcv.edge, edge)); /* whatever was offered is accepted */
        assert_true(wnd <= buffer - (work.recvq.bytes < buffer ? work.recvq.bytes : buffer) + unit);
        uint32_t room = edge - t.rcv.nxt;
        if (nod_rng_below(rng, 2))
            arrive(&t, (uint32_t)nod_rng_below(rng, room + 1ull));
        else
            work.recvq.bytes -= (uint32_t)nod_rng_below(rng, work.recvq.bytes + 1ull);
    }
    work.recvq.bytes = 0; /* all is read: the window opens to at least half the buffer */
    assert_true(offered(&t) + unit > buffer / 2);
}

static void random_histories(void **state)
{
    (void)state;
    dice_each(__FILE__, 2000, one_history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales),
        cmocka_unit_test(of_a_syn),
        cmocka_unit_test(shrinks_only_by_what_arrives),
        cmocka_unit_test(no_silly_window),
        cmocka_unit_test(never_taken_back),
        cmocka_unit_test(only_while_data_may_come),
        cmocka_unit_test(updates_are_worth_it),
        cmocka_unit_test(random_histories),
    };
    env.pool = nod_pool_new(NULL, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nod_pool_free(env.pool);
    return failed;
}
