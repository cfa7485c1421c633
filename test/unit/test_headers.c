/* What the IP header of a segment says, whoever sent it: a connection, a small record, or nobody.
 * TTL, code point, flow label. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/peer.h"

#define FOUR_AND_SIX(test) \
    cmocka_unit_test_prestate(test, &four), cmocka_unit_test_prestate(test, &six)

#define SEEN_MAX 64

struct all {
    struct peer *p;
    struct seen s[SEEN_MAX];
    int n;
    unsigned ctl; /* of all of them, or-ed */
};

/* Takes what is sent now, and says how much that was. */
static int watch(struct all *all)
{
    int n = peer_output(all->p, &all->s[all->n], SEEN_MAX - all->n);
    for (int i = all->n; i < all->n + n; i++) all->ctl |= all->s[i].ctl;
    all->n += n;
    assert_true(all->n < SEEN_MAX);
    return n;
}

static struct segment from(const struct seen *s, uint8_t ctl, uint32_t seq)
{
    return (struct segment){.sport = s->dport,
                            .dport = s->sport,
                            .seq = seq,
                            .ack =
                                s->seq + (uint32_t)s->text_len + !!(s->ctl & (NOD_SYN | NOD_FIN)),
                            .ctl = ctl,
                            .wnd = 65535};
}

static void reply(struct all *all, uint8_t ctl, uint32_t seq, int want)
{
    struct segment g = from(&all->s[all->n - 1], ctl, seq);
    peer_tcp(all->p, &g);
    assert_int_equal(watch(all), want);
}

/* SYN twice, a RST in SYN-SENT, data twice, FIN, ACKs of TIME-WAIT with and without a name. */
static void active_life(struct all *all, const nod_tcp_config *config)
{
    struct peer *p = all->p;
    nod_open open = {.remote = {p->far, 99}, .config = config};
    nod_handle h;
    assert_int_equal(nod_tcp_open(p->stack, &open, &h), 0);
    assert_int_equal(watch(all), 1);
    peer_tick(p, NOD_SEC);
    assert_int_equal(watch(all), 1);
    struct segment bad = from(&all->s[all->n - 1], NOD_SYN | NOD_ACK, 1000);
    bad.ack += 5;
    peer_tcp(p, &bad);
    assert_int_equal(watch(all), 1);
    struct segment good = from(&all->s[0], NOD_SYN | NOD_ACK, 1000);
    peer_tcp(p, &good);
    assert_int_equal(watch(all), 1);
    assert_int_equal(nod_tcp_send(p->stack, h, "hello", 5, 0), 5);
    assert_int_equal(watch(all), 1);
    peer_tick(p, 4 * NOD_SEC);
    assert_int_equal(watch(all), 1);
    reply(all, NOD_ACK, 1001, 0);
    assert_int_equal(nod_tcp_close(p->stack, h), 0);
    assert_int_equal(watch(all), 1);
    reply(all, NOD_FIN | NOD_ACK, 1001, 1);
    struct segment again = from(&all->s[all->n - 1], NOD_FIN | NOD_ACK, 1001);
    peer_tcp(p, &again);
    assert_int_equal(watch(all), 1);
    assert_int_equal(nod_tcp_release(p->stack, h), 0);
    peer_tcp(p, &again);
    assert_int_equal(watch(all), 1);
}

/* A RST of the listener, SYN,ACK twice, a challenge ACK and a RST in SYN-RECEIVED, and an ABORT. */
static void passive_life(struct all *all, const nod_tcp_config *config)
{
    struct peer *p = all->p;
    nod_open open = {.passive = true, .local = {.port = 80}, .config = config};
    nod_handle listener, h;
    assert_int_equal(nod_tcp_open(p->stack, &open, &listener), 0);
    struct segment g = {.sport = 50, .dport = 80, .seq = 9, .ack = 77, .ctl = NOD_ACK, .wnd = 1000};
    peer_tcp(p, &g);
    assert_int_equal(watch(all), 1);
    g = (struct segment){.sport = 50, .dport = 80, .seq = 9, .ctl = NOD_SYN, .wnd = 1000};
    peer_tcp(p, &g);
    assert_int_equal(watch(all), 1);
    peer_tick(p, NOD_SEC);
    assert_int_equal(watch(all), 1);
    uint32_t ack = from(&all->s[all->n - 1], 0, 0).ack;
    g.ctl = NOD_RST;
    g.seq = 11;
    peer_tcp(p, &g); /* in the window, not exact */
    assert_int_equal(watch(all), 1);
    g = (struct segment){.sport = 50, .dport = 80, .seq = 10, .ack = ack + 9, .ctl = NOD_ACK};
    peer_tcp(p, &g);
    assert_int_equal(watch(all), 1);
    g.ack = ack;
    peer_tcp(p, &g);
    assert_int_equal(nod_tcp_accept(p->stack, listener, &h), 0);
    assert_int_equal(watch(all), 0);
    assert_int_equal(nod_tcp_abort(p->stack, h), 0);
    assert_int_equal(watch(all), 1);
    assert_int_equal(nod_tcp_release(p->stack, h), 0);
    assert_int_equal(nod_tcp_close(p->stack, listener), 0);
}

static void nobody(struct all *all)
{
    struct segment g = {.sport = 50, .dport = 81, .seq = 9, .ctl = NOD_SYN, .wnd = 1000};
    peer_tcp(all->p, &g);
    assert_int_equal(watch(all), 1);
    assert_true(all->s[all->n - 1].ctl & NOD_RST);
}

static uint8_t tos(const struct seen *s)
{
    const uint8_t *ip = s->bytes + s->l3;
    return s->family == 4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

static uint32_t label(const struct seen *s)
{
    const uint8_t *ip = s->bytes + s->l3;
    return (uint32_t)(ip[1] & 15) << 16 | (uint32_t)ip[2] << 8 | ip[3];
}

static void assert_all(const struct all *all, uint8_t ttl, uint8_t dscp)
{
    for (int i = 0; i < all->n; i++) {
        if (all->s[i].ttl != ttl || tos(&all->s[i]) >> 2 != dscp)
            print_error("segment %d: TTL %u, DSCP %u\n", i, all->s[i].ttl, tos(&all->s[i]) >> 2);
        assert_int_equal(all->s[i].ttl, ttl);
        assert_int_equal(tos(&all->s[i]) >> 2, dscp);
    }
}

/* MUST-49: all segments, with what the stack was told. */
static void ttl_of_the_stack(void **state)
{
    struct peer p;
    nod_config config;
    nod_config_default(&config);
    config.tcp.ttl = 7;
    config.tcp.dscp = 46;
    peer_make(&p, &config, *(int *)*state, false);
    struct all all = {.p = &p};
    active_life(&all, NULL);
    passive_life(&all, NULL);
    nobody(&all);
    assert_all(&all, 7, 46);
    assert_int_equal(all.ctl & (NOD_SYN | NOD_ACK | NOD_RST | NOD_FIN),
                     NOD_SYN | NOD_ACK | NOD_RST | NOD_FIN);
    peer_free(&p);
}

/* MUST-49: or what the connection, or the listener was told. */
static void ttl_of_a_connection(void **state)
{
    struct peer p;
    nod_config config;
    nod_config_default(&config);
    nod_tcp_config own = config.tcp;
    own.ttl = 255;
    own.dscp = 10;
    peer_make(&p, &config, *(int *)*state, false);
    struct all all = {.p = &p};
    active_life(&all, &own);
    passive_life(&all, &own);
    assert_all(&all, 255, 10);
    all.n = 0;
    nobody(&all);
    assert_all(&all, 64, 0);
    peer_free(&p);
}

/* 1122/03: 0 is never sent; nothing is dropped for what its TTL says. */
static void ttl_of_0_and_1(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    nod_config config;
    nod_config_default(&config);
    config.tcp.ttl = 0;
    assert_null(nod_stack_new(&config, 0, NULL));
    peer_make(&p, NULL, family, false);
    peer_listen(&p, 80, 5);
    for (uint8_t ttl = 0; ttl <= 2; ttl++) {
        uint8_t packet[60] = {0}, *l4 = packet + (family == 6 ? 40 : 20);
        struct segment syn = {.sport = 10u + ttl, .dport = 80, .ctl = NOD_SYN};
        peer_tcp_bytes(&p.far, &p.host, &syn, l4);
        if (family == 6) {
            packet[0] = 0x60, packet[5] = 20, packet[6] = 6, packet[7] = ttl;
            memcpy(packet + 8, p.far.bytes, 16), memcpy(packet + 24, p.host.bytes, 16);
        } else {
            packet[0] = 0x45, packet[3] = 40, packet[8] = ttl, packet[9] = 6;
            memcpy(packet + 12, p.far.bytes, 4), memcpy(packet + 16, p.host.bytes, 4);
            uint16_t sum = (uint16_t)~peer_sum(0, packet, 20);
            packet[10] = (uint8_t)(sum >> 8), packet[11] = (uint8_t)sum;
        }
        peer_input(&p, packet, family == 6 ? 60 : 40);
        assert_int_equal(peer_drain(&p), 1);
    }
    peer_free(&p);
}

/* 8504/08, 4987/03, RFC 6437 section 3: one label for a connection, from its SYN or SYN,ACK to the
 * RST of nobody, that says nothing of others'. */
static void flow_labels(void **state)
{
    (void)state;
    struct peer p;
    uint32_t seen[40];
    int different = 0;
    peer_make(&p, NULL, 6, false);
    struct all all = {.p = &p};
    active_life(&all, NULL);
    for (int i = 0; i < all.n; i++) assert_int_equal(label(&all.s[i]), label(&all.s[0]));
    assert_true(label(&all.s[0]) != 0);
    seen[0] = label(&all.s[0]);
    all.n = 0;
    passive_life(&all, NULL);
    assert_true(all.s[1].ctl == (NOD_SYN | NOD_ACK));
    struct segment g = {.sport = 50, .dport = 80, .seq = 9, .ctl = NOD_SYN, .wnd = 1000};
    peer_tcp(&p, &g); /* the same ports, when all is over */
    assert_int_equal(watch(&all), 1);
    for (int i = 0; i < all.n; i++) assert_int_equal(label(&all.s[i]), label(&all.s[0]));
    seen[1] = label(&all.s[0]);
    for (int i = 2; i < 40; i++) {
        g.sport = (uint16_t)(100 + i);
        all.n = 0;
        peer_tcp(&p, &g);
        assert_int_equal(watch(&all), 1);
        seen[i] = label(&all.s[0]);
        assert_true(seen[i] != 0);
    }
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < i; j++) different += seen[i] != seen[j];
    assert_true(different >= 40 * 39 / 2 - 2); /* of a million: hardly two are the same */
    peer_free(&p);

    nod_config config; /* another secret, other labels */
    nod_config_default(&config);
    memset(config.secret, 0xa5, sizeof(config.secret));
    peer_make(&p, &config, 6, false);
    all = (struct all){.p = &p};
    passive_life(&all, NULL);
    assert_true(label(&all.s[0]) != seen[1]);
    peer_free(&p);

    config.flow_labels = false;
    peer_make(&p, &config, 6, false);
    all = (struct all){.p = &p};
    passive_life(&all, NULL);
    for (int i = 0; i < all.n; i++) assert_int_equal(label(&all.s[i]), 0);
    peer_free(&p);
}

int main(void)
{
    static int four = 4, six = 6;
    const struct CMUnitTest tests[] = {
        FOUR_AND_SIX(ttl_of_the_stack),
        FOUR_AND_SIX(ttl_of_a_connection),
        FOUR_AND_SIX(ttl_of_0_and_1),
        cmocka_unit_test(flow_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
