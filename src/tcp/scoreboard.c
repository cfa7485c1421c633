#include "tcp/scoreboard.h"

#include <string.h>

#include "base/seq.h"
#include "base/util.h"

#define RUN_MIN 256 /* octets, on the average, of a run that the peer has cut */
#define RUNS_SPARE 64

static struct nod_sent *of(struct nod_tree_node *node)
{
    return node ? NOD_CONTAINER(node, struct nod_sent, node) : NULL;
}

/* Did `a` leave before `b`? Of two that left at once, the first octets did. */
static bool left_before(const struct nod_sent *a, const struct nod_sent *b)
{
    if (a->at != b->at) return a->at < b->at;
    return seq_lt(a->end, b->end);
}

/* Behind `before`, or first. */
static void list_insert(struct nod_board *b, struct nod_sent *before, struct nod_sent *run)
{
    struct nod_sent *after = before ? before->next : b->oldest;
    run->prev = before;
    run->next = after;
    *(before ? &before->next : &b->oldest) = run;
    *(after ? &after->prev : &b->newest) = run;
}

static void list_remove(struct nod_board *b, struct nod_sent *run)
{
    *(run->prev ? &run->prev->next : &b->oldest) = run->next;
    *(run->next ? &run->next->prev : &b->newest) = run->prev;
}

static void tree_add(struct nod_board *b, struct nod_sent *run)
{
    run->node.marked = run->state == NOD_SENT_LOST;
    b->root = nod_tree_add(b->root, &run->node);
    b->runs++;
}

static void tree_remove(struct nod_board *b, nod_pool *pool, struct nod_sent *run)
{
    b->root = nod_tree_remove(b->root, &run->node);
    b->runs--;
    if (b->spare)
        nod_pool_give(pool, run, sizeof(*run));
    else
        b->spare = run;
}

/* Adds (or with -1 takes away) a run's octets to what its state counts. */
static void count(struct nod_board *b, const struct nod_sent *run, uint32_t octets, int sign)
{
    uint32_t change = sign > 0 ? octets : 0u - octets;
    switch ((enum nod_sent_state)run->state) {
    case NOD_SENT_OUT:
        if (run->again) b->again += change;
        break;
    case NOD_SENT_LOST: b->lost += change; break;
    case NOD_SENT_SACKED: b->sacked += change; break;
    }
}

static void set_state(struct nod_board *b, struct nod_sent *run, enum nod_sent_state state)
{
    count(b, run, nod_sent_len(run), -1);
    if (run->state == NOD_SENT_OUT) list_remove(b, run);
    if ((run->state == NOD_SENT_LOST) != (state == NOD_SENT_LOST))
        nod_tree_mark(b->root, &run->node, state == NOD_SENT_LOST);
    run->state = (uint8_t)state;
    count(b, run, nod_sent_len(run), 1);
}

/* Cuts a run in two at `seq`, which is within it. False: no memory, or too many already. */
static bool cut(struct nod_board *b, nod_pool *pool, struct nod_sent *run, uint32_t seq)
{
    if (b->runs > nod_board_octets(b) / RUN_MIN + RUNS_SPARE) return false;
    struct nod_sent *rest = nod_pool_take(pool, sizeof(*rest));
    if (!rest) return false;
    *rest = *run;
    rest->node.key = seq;
    run->end = seq;
    run->rate.flight -= min_u32(nod_sent_len(rest), run->rate.flight);
    tree_add(b, rest);
    if (run->state == NOD_SENT_OUT) list_insert(b, run, rest);
    return true;
}

struct nod_sent *nod_board_at(const struct nod_board *b, uint32_t seq)
{
    struct nod_sent *run = of(nod_tree_at(b->root, seq));
    return run && seq_lt(seq, run->end) ? run : NULL;
}

struct nod_sent *nod_board_first_lost(const struct nod_board *b)
{
    return of(nod_tree_first_marked(b->root));
}

void nod_board_init(struct nod_board *b, uint32_t seq)
{
    *b = (struct nod_board){.first = seq, .end = seq};
}

bool nod_board_ready(struct nod_board *b, nod_pool *pool)
{
    if (!b->spare) b->spare = nod_pool_take(pool, sizeof(*b->spare));
    return b->spare;
}

void nod_board_sent(struct nod_board *b, uint32_t end, nod_usec at)
{
    struct nod_sent *last = b->newest;
    /* What leaves in one batch is one run. */
    if (last && last->end == b->end && last->at == at && !last->again) {
        b->end = last->end = end;
        return;
    }
    struct nod_sent *run = b->spare;
    b->spare = NULL;
    *run = (struct nod_sent){.node = {.key = b->end}, .end = end, .state = NOD_SENT_OUT, .at = at};
    tree_add(b, run);
    list_insert(b, b->newest, run);
    b->end = end;
}

struct nod_sent *nod_board_from(struct nod_board *b, nod_pool *pool, uint32_t seq, uint32_t len)
{
    struct nod_sent *run = nod_board_at(b, seq);
    if (nod_sent_seq(run) != seq) {
        if (!cut(b, pool, run, seq)) return NULL;
        run = nod_board_at(b, seq);
    }
    if (len < nod_sent_len(run)) cut(b, pool, run, seq + len);
    return run;
}

void nod_board_again(struct nod_board *b, struct nod_sent *run, nod_usec at)
{
    set_state(b, run, NOD_SENT_OUT);
    count(b, run, nod_sent_len(run), -1);
    run->again = true;
    run->at = at;
    run->overtaken = 0;
    count(b, run, nod_sent_len(run), 1);
    list_insert(b, b->newest, run);
}

/* Of [from, to), a part of the run. */
static void keep_newest(struct nod_sent *newest, bool any, const struct nod_sent *run,
                        uint32_t from, uint32_t to)
{
    if (any && (run->at != newest->at ? run->at < newest->at : seq_le(to, newest->end))) return;
    *newest = *run;
    newest->node.key = from;
    newest->end = to;
    newest->rate.flight -= min_u32(run->end - to, run->rate.flight);
}

/* Those that left before it, and are still on their way. Others behind those have been told. */
static void overtake(const struct nod_sent *run, nod_usec now)
{
    if (run->state != NOD_SENT_OUT) return;
    for (struct nod_sent *p = run->prev; p && !p->overtaken; p = p->prev) p->overtaken = now;
}

static void deliver(const struct nod_sent *run, uint32_t from, uint32_t to, struct nod_delivery *d)
{
    d->octets += to - from;
    if (d->heard) overtake(run, d->heard);
    keep_newest(&d->newest, d->any, run, from, to);
    d->any = true;
    if (run->again) return;
    if (!d->any_once || seq_lt(to, d->once_end)) {
        d->once_end = to;
        d->once_at = run->at;
        d->overtaken = run->overtaken;
    }
    keep_newest(&d->once, d->any_once, run, from, to);
    d->any_once = true;
}

void nod_board_acked(struct nod_board *b, nod_pool *pool, uint32_t ack, struct nod_delivery *d)
{
    while (seq_lt(b->first, ack)) {
        struct nod_sent *run = of(nod_tree_at(b->root, b->first));
        uint32_t to = seq_min(run->end, ack);
        if (run->state != NOD_SENT_SACKED) deliver(run, b->first, to, d);
        count(b, run, to - b->first, -1);
        if (to == run->end) {
            if (run->state == NOD_SENT_OUT) list_remove(b, run);
            tree_remove(b, pool, run);
        } else {
            run->node.key = to; /* still the first of all: the tree's order holds */
        }
        b->first = to;
    }
}

/* Two runs side by side that the peer has are one. */
static void join(struct nod_board *b, nod_pool *pool, struct nod_sent *run)
{
    struct nod_sent *after = nod_board_at(b, run->end);
    if (after && after->state == NOD_SENT_SACKED) {
        run->end = after->end;
        tree_remove(b, pool, after);
    }
    struct nod_sent *before = nod_board_at(b, nod_sent_seq(run) - 1);
    if (before && before->state == NOD_SENT_SACKED) {
        before->end = run->end;
        tree_remove(b, pool, run);
    }
}

void nod_board_sacked(struct nod_board *b, nod_pool *pool, uint32_t from, uint32_t to,
                      struct nod_delivery *d)
{
    while (seq_lt(from, to)) {
        struct nod_sent *run = nod_board_at(b, from);
        uint32_t end = run->end;
        if (run->state != NOD_SENT_SACKED) {
            /* What cannot be cut is as if not yet told. */
            if (nod_sent_seq(run) != from) {
                if (!cut(b, pool, run, from)) return;
                continue;
            }
            if (seq_lt(to, end) && !cut(b, pool, run, to)) return;
            end = run->end;
            deliver(run, from, end, d);
            set_state(b, run, NOD_SENT_SACKED);
            join(b, pool, run);
        }
        from = end;
    }
}

void nod_board_lose(struct nod_board *b, struct nod_sent *run)
{
    set_state(b, run, NOD_SENT_LOST);
    run->next = NULL;
    *(b->news ? &b->news_end->next : &b->news) = run;
    b->news_end = run;
}

struct nod_sent *nod_board_take_news(struct nod_board *b)
{
    struct nod_sent *run = b->news;
    if (run) b->news = run->next;
    return run;
}

void nod_board_lose_all(struct nod_board *b, bool renege)
{
    while (b->oldest) nod_board_lose(b, b->oldest);
    if (!renege) return;
    for (uint32_t seq = b->first; seq_lt(seq, b->end);) {
        struct nod_sent *run = nod_board_at(b, seq);
        if (run->state == NOD_SENT_SACKED) nod_board_lose(b, run);
        seq = run->end;
    }
}

/* Two lists in the order of time, as one; `prev` is left as it is. */
static struct nod_sent *merge(struct nod_sent *one, struct nod_sent *two)
{
    struct nod_sent *first, **end = &first;
    while (one && two) {
        struct nod_sent **earlier = left_before(two, one) ? &two : &one;
        *end = *earlier;
        end = &(*earlier)->next;
        *earlier = *end;
    }
    *end = one ? one : two;
    return first;
}

/* sorted[i] holds 2^i of them, or none. */
static struct nod_sent *sort(struct nod_sent *list)
{
    struct nod_sent *sorted[32] = {0};
    while (list) {
        struct nod_sent *some = list;
        list = list->next;
        some->next = NULL;
        int i = 0;
        for (; sorted[i]; i++) {
            some = merge(sorted[i], some);
            sorted[i] = NULL;
        }
        sorted[i] = some;
    }
    for (int i = 0; i < 32; i++) list = merge(list, sorted[i]);
    return list;
}

void nod_board_unlose(struct nod_board *b)
{
    struct nod_sent *lost = NULL, *run;
    while ((run = nod_board_first_lost(b))) {
        set_state(b, run, NOD_SENT_OUT);
        run->next = lost;
        lost = run;
    }
    if (!lost) return;
    b->oldest = merge(b->oldest, sort(lost));
    b->newest = NULL;
    for (run = b->oldest; run; run = run->next) {
        run->prev = b->newest;
        b->newest = run;
    }
}

void nod_board_clear(struct nod_board *b, nod_pool *pool)
{
    while (b->root) tree_remove(b, pool, of(b->root));
    if (b->spare) nod_pool_give(pool, b->spare, sizeof(*b->spare));
    nod_board_init(b, b->end);
}

void nod_board_check(const struct nod_board *b)
{
    uint32_t sacked = 0, lost = 0, again = 0, runs = 0, out = 0;
    NOD_ASSERT(!b->news);
    for (uint32_t seq = b->first; seq != b->end; runs++) {
        const struct nod_sent *run = nod_board_at(b, seq);
        NOD_ASSERT(run && nod_sent_seq(run) == seq && seq_gt(run->end, seq));
        NOD_ASSERT(run->node.marked == (run->state == NOD_SENT_LOST));
        uint32_t len = nod_sent_len(run);
        if (run->state == NOD_SENT_SACKED) sacked += len;
        if (run->state == NOD_SENT_LOST) lost += len;
        if (run->state == NOD_SENT_OUT && run->again) again += len;
        out += run->state == NOD_SENT_OUT;
        seq = run->end;
    }
    for (const struct nod_sent *run = b->oldest; run; run = run->next) {
        NOD_ASSERT(run->state == NOD_SENT_OUT);
        NOD_ASSERT(run->next ? run->at <= run->next->at : run == b->newest);
        out--;
    }
    NOD_ASSERT(out == 0 && runs == b->runs);
    NOD_ASSERT(sacked == b->sacked && lost == b->lost && again == b->again);
}
