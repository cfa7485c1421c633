/* A stack in memory that programs share (nod_stack_rebind): whatever it has done, no word of its
 * memory points to where only this program has something: code, constants, stack, heap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "unit/peer.h"

#define ARENA ((size_t)24 << 20)

static struct arena {
    uint8_t *start, *next;
    unsigned calls[2]; /* of each pair of functions */
} arena;

/* What is given back is left as it is, for the search to find. */
static void *take(size_t size)
{
    uint8_t *at = arena.next;
    if (size > (size_t)(arena.start + ARENA - at)) return NULL;
    arena.next += (size + 63) / 64 * 64;
    return at;
}

static void *first_alloc(void *ctx, size_t size)
{
    (void)ctx;
    arena.calls[0]++;
    return take(size);
}

static void first_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)ptr, (void)size;
    arena.calls[0]++;
}

static void *second_alloc(void *ctx, size_t size)
{
    (void)ctx;
    arena.calls[1]++;
    return take(size);
}

static void second_free(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)ptr, (void)size;
    arena.calls[1]++;
}

static const nod_alloc first = {first_alloc, first_free, &arena};
static const nod_alloc second = {second_alloc, second_free, &arena};

struct range {
    uintptr_t from, to;
    char name[100];
};

/* Every mapping of this process that has a name (files, heap, stack), but the arena. */
static int read_maps(struct range *ranges, int max)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    char line[512];
    int n = 0;
    while (n < max && fgets(line, sizeof(line), maps)) {
        struct range *r = &ranges[n];
        r->name[0] = 0;
        assert_true(sscanf(line, "%lx-%lx %*s %*s %*s %*s %99s", &r->from, &r->to, r->name) >= 2);
        if (r->to > (uintptr_t)arena.start && r->from < (uintptr_t)arena.start + ARENA) continue;
        n += r->name[0] != 0;
    }
    fclose(maps);
    assert_true(n < max);
    return n;
}

static bool is_of(const nod_alloc *a, uintptr_t word)
{
    return word == (uintptr_t)a->alloc || word == (uintptr_t)a->free || word == (uintptr_t)a->ctx;
}

/* How many words point out of the arena; those of `known` are counted apart. */
static unsigned strangers(const nod_alloc *known, unsigned *of_known)
{
    static struct range ranges[400];
    int n = read_maps(ranges, 400);
    unsigned found = 0;
    *of_known = 0;
    for (const uint8_t *at = arena.start; at < arena.next; at += sizeof(uintptr_t)) {
        uintptr_t word;
        memcpy(&word, at, sizeof(word));
        if (is_of(known, word)) {
            ++*of_known;
            continue;
        }
        for (int i = 0; i < n; i++) {
            if (word < ranges[i].from || word >= ranges[i].to) continue;
            if (found++ < 5)
                print_error("at %zu of the arena: %#lx in %s\n", (size_t)(at - arena.start),
                            (unsigned long)word, ranges[i].name);
        }
    }
    return found;
}

/* All kinds of records and of queues come to be, and some of them go. */
static void live(struct peer *p)
{
    static char bytes[100000], buf[100000];
    struct conn c[6];
    nod_handle listener = peer_listen(p, 80, 8), name;
    for (uint16_t i = 0; i < 6; i++) peer_connect(p, listener, 80, (uint16_t)(2000 + i), &c[i]);
    peer_tcp(p, &(struct segment){.sport = 3000, .dport = 80, .seq = 9, .ctl = NOD_SYN});
    for (int i = 0; i < 4; i++) {
        assert_true(nod_tcp_send(p->stack, c[i].handle, bytes, sizeof(bytes), 0) > 0);
        peer_send(p, &c[i], NOD_ACK, bytes, 1400);
        c[i].seq += 1000; /* a gap */
        peer_send(p, &c[i], NOD_ACK, bytes, 1400);
        assert_true(nod_tcp_receive(p->stack, c[i].handle, buf, 100) == 100);
    }
    nod_tcp_config config;
    assert_int_equal(nod_tcp_get_config(p->stack, c[0].handle, &config), 0);
    config.nagle = false;
    assert_int_equal(nod_tcp_set_config(p->stack, c[0].handle, &config), 0);
    peer_drain(p);
    peer_tick(p, 300 * NOD_MSEC);
    peer_drain(p);
    nod_open open = {.remote = {p->far, 99}};
    assert_int_equal(nod_tcp_open(p->stack, &open, &name), 0);
    open = (nod_open){.remote = {nod_addr_ip4(10, 0, 0, 77), 99}}; /* waits for a neighbour */
    if (p->family == 4) assert_int_equal(nod_tcp_open(p->stack, &open, &name), 0);
    nod_tcp_abort(p->stack, c[1].handle);
    nod_tcp_release(p->stack, c[2].handle);
    nod_tcp_close(p->stack, c[5].handle);
    peer_drain(p);
    c[5].ack++;
    peer_send(p, &c[5], NOD_ACK | NOD_FIN, NULL, 0); /* TIME-WAIT */
    nod_trace trace;
    nod_stack_trace(p->stack, &trace, 1);
}

static void no_word_leads_out(void **state)
{
    (void)state;
    for (int ethernet = 0; ethernet < 2; ethernet++) {
        for (int family = 4; family <= 6; family += 2) {
            arena = (struct arena){0};
            arena.start = arena.next =
                mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
            assert_true(arena.start != MAP_FAILED);
            nod_config config;
            struct peer p;
            unsigned of_known;
            nod_config_default(&config);
            config.alloc = first;
            config.max_connections = 1000;
            config.trace_events = 1000;
            peer_make(&p, &config, family, ethernet);
            live(&p);
            assert_int_equal(strangers(&first, &of_known), 0);
            assert_int_equal(of_known, 3); /* and no copies */

            nod_stack_rebind(p.stack, &second);
            unsigned before = arena.calls[0];
            peer_tick(&p, NOD_SEC);
            peer_drain(&p);
            static const char more[60000];
            struct conn c;
            peer_be_called(&p, 4000, &c);
            assert_int_equal(nod_tcp_send(p.stack, c.handle, more, 60000, 0), 60000);
            peer_drain(&p);
            assert_int_equal(strangers(&second, &of_known), 0);
            assert_int_equal(of_known, 3);
            peer_free(&p);
            assert_int_equal(arena.calls[0], before); /* nobody calls the first program's */
            assert_true(arena.calls[1] > 0);
            munmap(arena.start, ARENA);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_word_leads_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
