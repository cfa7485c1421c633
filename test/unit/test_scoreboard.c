/* The scoreboard against an array that knows each octet: what was sent when, what is lost, what
 * the peer has; and that no peer can make it expensive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/seq.h"
#include "base/util.h"
#include "tcp/scoreboard.h"
#include "unit/dice.h"

#define SPAN 60000

struct octet {
    uint8_t state;
    bool again;
    nod_usec at;
};

static struct octet model[SPAN];
static uint32_t base, una, nxt; /* una and nxt count from base */
static struct nod_board f;
static nod_pool *pool;

static void compare(void)
{
    nod_board_check(&f);
    assert_int_equal(f.first, base + una);
    assert_int_equal(f.end, base + nxt);
    uint32_t first_lost = nxt;
    for (uint32_t i = una; i < nxt; i++) {
        const struct nod_sent *run = nod_board_at(&f, base + i);
        assert_int_equal(run->state, model[i].state);
        if (model[i].state != NOD_SENT_SACKED) {
            assert_int_equal(run->again, model[i].again);
            assert_int_equal(run->at, model[i].at);
        }
        if (model[i].state == NOD_SENT_LOST) first_lost = min_u32(first_lost, i);
    }
    const struct nod_sent *lost = nod_board_first_lost(&f);
    assert_int_equal(lost ? nod_sent_seq(lost) - base : nxt, first_lost);
}

/* What an ACK or a SACK of [from, to) is to report. */
static void expect(uint32_t from, uint32_t to, struct nod_delivery *d)
{
    nod_usec newest = 0;
    uint32_t octets = 0;
    bool once = false;
    for (uint32_t i = from; i < to; i++) {
        if (model[i].state == NOD_SENT_SACKED) continue;
        octets++;
        once |= !model[i].again;
        newest = max_u64(newest, model[i].at);
    }
    assert_int_equal(d->octets, octets);
    assert_int_equal(d->any, octets > 0);
    assert_int_equal(d->any_once, once);
    if (octets) assert_int_equal(d->newest.at, newest);
}

static void sack(nod_rng *rng)
{
    if (nxt == una) return;
    uint32_t from = una + (uint32_t)nod_rng_below(rng, nxt - una);
    uint32_t to = from + 1 + (uint32_t)nod_rng_below(rng, min_u32(nxt - from, 4000));
    if (to > nxt) to = nxt;
    struct nod_delivery d = {0};
    nod_board_sacked(&f, pool, base + from, base + to, &d);
    expect(from, to, &d);
    for (uint32_t i = from; i < to; i++) model[i].state = NOD_SENT_SACKED;
}

static void ack(nod_rng *rng)
{
    uint32_t to = una + (uint32_t)nod_rng_below(rng, min_u32(nxt - una, 3000) + 1);
    struct nod_delivery d = {0};
    nod_board_acked(&f, pool, base + to, &d);
    expect(una, to, &d);
    una = to;
}

static void send_new(nod_rng *rng, nod_usec now)
{
    uint32_t len = 1 + (uint32_t)nod_rng_below(rng, 3000);
    if (nxt + len > SPAN) return;
    assert_true(nod_board_ready(&f, pool));
    nod_board_sent(&f, base + nxt + len, now);
    for (uint32_t i = nxt; i < nxt + len; i++)
        model[i] = (struct octet){.state = NOD_SENT_OUT, .at = now};
    nxt += len;
}

static void send_again(nod_rng *rng, nod_usec now)
{
    struct nod_sent *run = nod_board_first_lost(&f);
    if (!run) return;
    uint32_t from = nod_sent_seq(run) - base;
    uint32_t want = 1 + (uint32_t)nod_rng_below(rng, nod_sent_len(run));
    run = nod_board_from(&f, pool, base + from, want);
    assert_int_equal(nod_sent_len(run), want);
    nod_board_again(&f, run, now);
    for (uint32_t i = from; i < from + want; i++)
        model[i] = (struct octet){.state = NOD_SENT_OUT, .again = true, .at = now};
}

static void lose(nod_rng *rng)
{
    struct nod_sent *run = f.oldest;
    if (!run || nod_rng_below(rng, 2)) return;
    uint32_t from = nod_sent_seq(run) - base, to = run->end - base;
    nod_board_lose(&f, run);
    assert_ptr_equal(nod_board_take_news(&f), run);
    assert_null(nod_board_take_news(&f));
    for (uint32_t i = from; i < to; i++) model[i].state = NOD_SENT_LOST;
}

static void lose_all(nod_rng *rng)
{
    bool renege = nod_rng_below(rng, 2);
    uint32_t lost = f.lost;
    nod_board_lose_all(&f, renege);
    for (struct nod_sent *run; (run = nod_board_take_news(&f));) lost += nod_sent_len(run);
    assert_int_equal(lost, f.lost); /* the news are all that was not lost before */
    for (uint32_t i = una; i < nxt; i++) {
        if (!renege && model[i].state == NOD_SENT_SACKED) continue;
        const struct nod_sent *run = nod_board_at(&f, base + i);
        model[i] = (struct octet){NOD_SENT_LOST, run->again, run->at};
    }
}

static void unlose(void)
{
    nod_board_unlose(&f);
    for (uint32_t i = una; i < nxt; i++)
        if (model[i].state == NOD_SENT_LOST) model[i].state = NOD_SENT_OUT;
}

static void run(nod_rng *rng)
{
    pool = nod_pool_new(NULL, 1 << 24);
    base = (uint32_t)nod_rng_next(rng);
    una = nxt = 0;
    nod_board_init(&f, base);
    for (nod_usec now = 1; now < 400; now++) {
        switch (nod_rng_below(rng, 12)) {
        case 0:
        case 1: ack(rng); break;
        case 2:
        case 3:
        case 4: sack(rng); break;
        case 5: lose(rng); break;
        case 6:
        case 7: send_again(rng, now); break;
        case 8:
            if (nod_rng_below(rng, 8) == 0) lose_all(rng);
            break;
        case 9:
            if (nod_rng_below(rng, 4) == 0) unlose();
            break;
        default: send_new(rng, now); break;
        }
        if (now % 16 == 0) compare();
    }
    compare();
    nod_board_clear(&f, pool);
    nod_pool_stats stats;
    nod_pool_get_stats(pool, &stats);
    assert_int_equal(stats.in_use, 0);
    nod_pool_free(pool);
}

static void random_boards(void **state)
{
    (void)state;
    dice_each(__FILE__, 100, run);
}

/* Every second octet is said to be there, one by one: the runs stay few. */
static void dust(void **state)
{
    (void)state;
    pool = nod_pool_new(NULL, 1 << 24);
    nod_board_init(&f, 0);
    assert_true(nod_board_ready(&f, pool));
    nod_board_sent(&f, 1 << 20, 1);
    struct nod_delivery d = {0};
    for (uint32_t i = 1; i < 1 << 20; i += 2) nod_board_sacked(&f, pool, i, i + 1, &d);
    nod_board_check(&f);
    assert_true(f.runs <= (1 << 20) / 256 + 66);
    nod_board_acked(&f, pool, 1 << 20, &d);
    assert_int_equal(d.octets, 1 << 20);
    assert_int_equal(f.runs, 0);
    nod_board_clear(&f, pool);
    nod_pool_free(pool);
}

/* Without memory nothing new leaves, and what cannot be cut is not sacked, or lost whole. */
static void no_memory(void **state)
{
    (void)state;
    pool = nod_pool_new(NULL, 1 << 20);
    nod_board_init(&f, 0);
    assert_true(nod_board_ready(&f, pool));
    nod_board_sent(&f, 9000, 1);
    void *all[20000];
    int n = 0;
    while (n < 20000 && (all[n] = nod_pool_take(pool, sizeof(struct nod_sent)))) n++;
    assert_false(nod_board_ready(&f, pool));
    struct nod_delivery d = {0};
    nod_board_sacked(&f, pool, 3000, 6000, &d);
    nod_board_sacked(&f, pool, 0, 3000, &d);
    assert_int_equal(d.octets, 0);
    assert_null(nod_board_from(&f, pool, 1000, 1000));
    struct nod_sent *all_of_it = nod_board_from(&f, pool, 0, 1000);
    assert_int_equal(nod_sent_len(all_of_it), 9000);
    nod_board_lose(&f, all_of_it);
    nod_board_forget_news(&f);
    nod_board_again(&f, all_of_it, 2);
    nod_board_check(&f);
    while (n--) nod_pool_give(pool, all[n], sizeof(struct nod_sent));
    nod_board_clear(&f, pool);
    nod_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_boards),
        cmocka_unit_test(dust),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
