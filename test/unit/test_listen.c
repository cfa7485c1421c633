/* Listeners: the backlog, floods, and what becomes of those that wait when one closes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/peer.h"

static nod_stack_stats stats_of(const struct peer *p)
{
    nod_stack_stats stats;
    nod_stack_get_stats(p->stack, &stats);
    return stats;
}

static void syn(struct peer *p, uint16_t from, uint16_t to)
{
    peer_tcp(p, &(struct segment){
                    .sport = from, .dport = to, .seq = 1000, .ctl = NOD_SYN, .wnd = 60000});
}

/* SYN and ACK without an ACCEPT. Returns false if the SYN was not answered. */
static bool come_in(struct peer *p, uint16_t from, uint16_t to, uint32_t *iss)
{
    struct seen s;
    syn(p, from, to);
    if (peer_output(p, &s, 1) == 0) return false;
    assert_int_equal(s.ctl, NOD_SYN | NOD_ACK);
    *iss = s.seq;
    peer_tcp(p, &(struct segment){.sport = from,
                                  .dport = to,
                                  .seq = 1001,
                                  .ack = s.seq + 1,
                                  .ctl = NOD_ACK,
                                  .wnd = 60000});
    return true;
}

/* So many wait for ACCEPT and no more; a SYN too many is not answered, and may come again. */
static void backlog(void **state)
{
    (void)state;
    struct peer p;
    uint32_t iss;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 3), h;
    for (uint16_t i = 1; i <= 3; i++) assert_true(come_in(&p, i, 80, &iss));
    assert_false(come_in(&p, 4, 80, &iss));
    assert_int_equal(peer_drops(&p, NOD_DROP_BACKLOG), 1);
    nod_status status;
    assert_int_equal(nod_tcp_status(p.stack, listener, &status), 0);
    assert_true(status.state == NOD_LISTEN && status.backlog_used == 3);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
    assert_true(come_in(&p, 4, 80, &iss));
    /* The oldest first. */
    for (uint16_t i = 2; i <= 4; i++) {
        assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
        assert_int_equal(nod_tcp_status(p.stack, h, &status), 0);
        assert_int_equal(status.remote.port, i);
        assert_int_equal(status.state, NOD_ESTABLISHED);
    }
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), NOD_EAGAIN);
    peer_free(&p);
}

/* The last ACK finds the queue full: the record waits, and the next ACK finds room. */
static void full_at_the_last_ack(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[2];
    nod_config config;
    nod_config_default(&config);
    config.tcp.syn_cookies = NOD_COOKIES_NEVER;
    peer_make(&p, &config, 4, false);
    nod_handle listener = peer_listen(&p, 80, 1), h;
    syn(&p, 1, 80);
    assert_int_equal(peer_output(&p, &s[0], 1), 1);
    uint32_t iss;
    assert_false(come_in(&p, 2, 80, &iss)); /* one half open is all it may have */
    struct segment ack = {
        .sport = 1, .dport = 80, .seq = 1001, .ack = s[0].seq + 1, .ctl = NOD_ACK, .wnd = 60000};
    peer_tcp(&p, &ack);
    assert_int_equal(stats_of(&p).syn_received, 0);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
    assert_true(come_in(&p, 2, 80, &iss));
    peer_free(&p);
}

static void flood_of_syns(struct peer *p)
{
    for (int i = 0; i < 100000; i++) {
        nod_addr from = nod_addr_ip4(20, (uint8_t)(i >> 12), (uint8_t)(i >> 4), (uint8_t)(i + 1));
        struct segment g = {.sport = (uint16_t)(i + 1), .dport = 80, .ctl = NOD_SYN};
        uint8_t bytes[40];
        size_t len = peer_tcp_bytes(&from, &p->host, &g, bytes);
        peer_ip(p, &from, &p->host, 6, bytes, len);
        if (i % 100 == 0) peer_drain(p), peer_tick(p, NOD_MSEC);
    }
    peer_drain(p);
}

/* 100,000 SYNs from everywhere: the memory of a backlog, and the listener lives. */
static void flood(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 64), h;
    size_t before = peer_in_use(&p);
    flood_of_syns(&p);
    assert_true(stats_of(&p).syn_received <= 64);
    assert_true(peer_in_use(&p) - before <= 64 * 96);
    peer_tick(&p, 300 * NOD_SEC); /* syn_timeout: they go by themselves */
    peer_drain(&p);
    for (int i = 0; i < 60; i++) peer_tick(&p, 10 * NOD_SEC), peer_drain(&p);
    assert_int_equal(stats_of(&p).syn_received, 0);
    assert_int_equal(peer_in_use(&p), before);
    uint32_t iss;
    assert_true(come_in(&p, 9, 80, &iss));
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
    peer_free(&p);
}

/* Under that flood somebody connects all the same, and all that was agreed holds: 4987/01. */
static void flood_and_a_client(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    nod_status status;
    static const uint8_t options[20] = {2, 4, 0x05, 0xa0, 4, 2, 8, 10, 0, 0,
                                        0, 9, 0,    0,    0, 0, 1, 3,  3, 5};
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 64), h;
    flood_of_syns(&p);
    size_t before = peer_in_use(&p);
    struct segment g = {
        .sport = 9, .dport = 80, .seq = 700, .ctl = NOD_SYN, .options = options, .options_len = 20};
    peer_tcp(&p, &g);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.ctl, NOD_SYN | NOD_ACK);
    assert_int_equal(peer_in_use(&p), before);
    const uint8_t *ts = peer_option(&s, 8);
    assert_non_null(ts);
    uint8_t echo[12] = {1, 1, 8, 10, 0, 0, 0, 10, ts[0], ts[1], ts[2], ts[3]};
    peer_tick(&p, 60 * NOD_SEC); /* the answer may take long, but not for ever */
    g = (struct segment){.sport = 9,
                         .dport = 80,
                         .seq = 701,
                         .ack = s.seq + 1,
                         .ctl = NOD_ACK,
                         .wnd = 1000,
                         .options = echo,
                         .options_len = 12};
    peer_tcp(&p, &g);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
    assert_int_equal(nod_tcp_status(p.stack, h, &status), 0);
    assert_int_equal(status.state, NOD_ESTABLISHED);
    assert_int_equal(status.mss, 1440 - 12);
    assert_int_equal(status.snd_scale, 5);
    assert_true(status.sack && status.timestamps);
    assert_int_equal(status.snd_wnd, 1000 << 5);
    peer_drain(&p);
    /* A guess that is wrong by one gets a RST, and so does the right one when it is too old. */
    g.sport = 10;
    peer_tcp(&p, &g);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.ctl, NOD_RST);
    nod_tcp_abort(p.stack, h);
    peer_drain(&p);
    peer_tick(&p, 100 * NOD_SEC);
    peer_drain(&p);
    g.sport = 9;
    syn(&p, 11, 80); /* cookies are about again */
    peer_drain(&p);
    peer_tcp(&p, &g);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.ctl, NOD_RST);
    peer_free(&p);
}

/* The same of a listener that asks: the user is told of as many as the backlog, and all that they
 * cost goes with their time, or with the listener. */
static void flood_of_requests(void **state)
{
    (void)state;
    struct peer p;
    nod_request request;
    peer_make(&p, NULL, 4, false);
    nod_open open = {.passive = true, .local = {.port = 80}, .backlog = 64, .ask_us = 30 * NOD_SEC};
    nod_handle listener;
    assert_int_equal(nod_tcp_open(p.stack, &open, &listener), 0);
    flood_of_syns(&p); /* within a second */
    assert_int_equal(peer_drops(&p, NOD_DROP_BACKLOG), 100000 - 64);
    assert_int_equal(peer_events(&p, listener, NULL), NOD_EVENT_REQUEST);
    size_t before = peer_in_use(&p);
    for (int i = 0; i < 32; i++) {
        assert_int_equal(nod_tcp_pending(p.stack, listener, &request), 0);
        assert_int_equal(request.remote.port, i + 1); /* the oldest first */
        if (i < 16) assert_int_equal(nod_tcp_refuse(p.stack, request.handle, NOD_REFUSE_SILENT), 0);
    }
    peer_tick(&p, 31 * NOD_SEC);
    assert_int_equal(nod_tcp_grant(p.stack, request.handle, NULL), NOD_ENOCONN);
    assert_int_equal(nod_tcp_pending(p.stack, listener, &request), NOD_EAGAIN);
    assert_in_range(before - peer_in_use(&p), 48 * 100, 48 * 128);
    syn(&p, 5000, 80);
    assert_int_equal(nod_tcp_pending(p.stack, listener, &request), 0);
    assert_int_equal(nod_tcp_close(p.stack, listener), 0);
    assert_int_equal(nod_tcp_refuse(p.stack, request.handle, NOD_REFUSE_RESET), NOD_ENOCONN);
    size_t cursor = 0;
    nod_status status;
    assert_false(nod_tcp_each(p.stack, &cursor, &status));
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

/* SYN,ACKs are sent again, ever later, and at the end the record goes without a word. */
static void nobody_there(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 0);
    syn(&p, 1, 80);
    int sent = peer_drain(&p);
    nod_usec start = p.now;
    while (stats_of(&p).syn_received && p.now < start + 1000 * NOD_SEC) {
        nod_usec next = nod_stack_deadline(p.stack);
        assert_true(next > p.now && next != NOD_NEVER);
        peer_tick(&p, next - p.now);
        sent += peer_drain(&p);
    }
    assert_in_range((p.now - start) / NOD_SEC, 180, 400); /* MUST-23: at least three minutes */
    assert_in_range(sent, 6, 9);
    peer_free(&p);
}

/* A SYN,ACK comes again for the same SYN, at once; a RST ends the record, the listener stays. */
static void half_open(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 0);
    syn(&p, 1, 80);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    peer_tcp(&p, &(struct segment){.sport = 1, .dport = 80, .seq = 1001, .ctl = NOD_RST});
    assert_int_equal(stats_of(&p).syn_received, 0);
    assert_int_equal(peer_drain(&p), 0);
    uint32_t iss;
    assert_true(come_in(&p, 1, 80, &iss));
    peer_free(&p);
}

/* CLOSE of a listener: half-open ones are forgotten, waiting ones reset. */
static void closed_with_some_inside(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[8];
    uint32_t iss[3];
    peer_make(&p, NULL, 4, false);
    size_t before = 0;
    for (int round = 0; round < 3; round++) {
        nod_handle listener = peer_listen(&p, 80, 8);
        for (uint16_t i = 0; i < 3; i++) assert_true(come_in(&p, (uint16_t)(i + 1), 80, &iss[i]));
        syn(&p, 9, 80);
        assert_int_equal(peer_output(&p, s, 8), 1);
        assert_int_equal(nod_tcp_close(p.stack, listener), 0);
        assert_int_equal(peer_output(&p, s, 8), 3);
        for (int i = 0; i < 3; i++) {
            assert_true(s[i].ctl & NOD_RST);
            assert_int_equal(s[i].seq, iss[i] + 1);
        }
        nod_stack_stats stats = stats_of(&p);
        assert_int_equal(stats.connections + stats.syn_received + stats.listeners, 0);
        assert_int_equal(peer_events(&p, 0, NULL), 0);
        if (round) assert_int_equal(peer_in_use(&p), before);
        before = peer_in_use(&p);
        /* The last ACK of the one that was half open finds nobody. */
        peer_tcp(
            &p, &(struct segment){.sport = 9, .dport = 80, .seq = 1001, .ack = 77, .ctl = NOD_ACK});
        assert_int_equal(peer_output(&p, s, 8), 1);
        assert_int_equal(s[0].ctl, NOD_RST);
        assert_int_equal(s[0].seq, 77);
    }
    peer_free(&p);
}

/* One that waits and ends before ACCEPT is still there to be accepted: its data, its error. */
static void ended_while_waiting(void **state)
{
    (void)state;
    struct peer p;
    uint32_t iss;
    char buf[10];
    nod_handle h;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 8);
    assert_true(come_in(&p, 1, 80, &iss));
    peer_tcp(&p, &(struct segment){.sport = 1,
                                   .dport = 80,
                                   .seq = 1001,
                                   .ack = iss + 1,
                                   .ctl = NOD_ACK | NOD_FIN,
                                   .wnd = 100,
                                   .text = "hi",
                                   .len = 2});
    peer_drain(&p);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
    assert_int_equal(peer_events(&p, h, NULL) & NOD_EVENT_PEER_CLOSED, NOD_EVENT_PEER_CLOSED);
    assert_int_equal(nod_tcp_receive(p.stack, h, buf, 10), 2);
    assert_int_equal(nod_tcp_receive(p.stack, h, buf, 10), 0);

    assert_true(come_in(&p, 2, 80, &iss));
    peer_tcp(&p,
             &(struct segment){
                 .sport = 2, .dport = 80, .seq = 1001, .ack = iss + 1, .ctl = NOD_RST | NOD_ACK});
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
    int error = 0;
    assert_true(peer_events(&p, h, &error) & NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_ERESET);
    assert_int_equal(nod_tcp_receive(p.stack, h, buf, 10), NOD_ERESET);
    assert_int_equal(nod_tcp_release(p.stack, h), 0);
    peer_free(&p);
}

/* The most specific listener gets the connection. */
static void whose_is_it(void **state)
{
    (void)state;
    struct peer p;
    uint32_t iss;
    nod_handle any = 0, here = 0, only = 0, other = 0, h;
    peer_make(&p, NULL, 4, false);
    nod_open open = {.passive = true, .local = {.port = 80}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &any), 0);
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_EEXIST);
    open.local.addr = p.host;
    assert_int_equal(nod_tcp_open(p.stack, &open, &here), 0);
    open.remote = (nod_endpoint){p.far, 5};
    assert_int_equal(nod_tcp_open(p.stack, &open, &only), 0);
    open.remote = (nod_endpoint){nod_addr_ip4(10, 0, 0, 3), 0};
    assert_int_equal(nod_tcp_open(p.stack, &open, &other), 0);
    assert_true(come_in(&p, 5, 80, &iss));
    assert_int_equal(nod_tcp_accept(p.stack, only, &h), 0);
    assert_true(come_in(&p, 6, 80, &iss));
    assert_int_equal(nod_tcp_accept(p.stack, here, &h), 0);
    assert_int_equal(nod_tcp_close(p.stack, here), 0);
    assert_true(come_in(&p, 7, 80, &iss));
    assert_int_equal(nod_tcp_accept(p.stack, any, &h), 0);
    assert_int_equal(nod_tcp_accept(p.stack, other, &h), NOD_EAGAIN);
    peer_free(&p);
}

/* RFC 9293 3.10.7.2: RST is ignored, an ACK reset, anything else dropped. */
static void what_is_no_syn(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 0);
    for (int ctl = 0; ctl < 64; ctl++) {
        peer_tcp(&p, &(struct segment){
                         .sport = 1, .dport = 80, .seq = 5, .ack = 7, .ctl = (uint8_t)ctl});
        int n = peer_output(&p, &s, 1);
        bool rst = ctl & NOD_RST, ack = ctl & NOD_ACK, is_syn = ctl & NOD_SYN;
        assert_int_equal(n, !rst && (ack || is_syn));
        if (n && ack) assert_true(s.ctl == NOD_RST && s.seq == 7);
        if (n && !ack) assert_true(s.ctl == (NOD_SYN | NOD_ACK) && s.ack == 6);
        if (n && !ack) /* away with it */
            peer_tcp(&p, &(struct segment){.sport = 1, .dport = 80, .seq = 6, .ctl = NOD_RST});
        assert_int_equal(stats_of(&p).syn_received, 0);
    }
    peer_free(&p);
}

/* The handshake's last ACK of 1 and, with `text`, what comes with it. */
static void last_ack(struct peer *p, const struct seen *syn_ack, const char *text)
{
    peer_tcp(p, &(struct segment){.sport = syn_ack->dport,
                                  .dport = 80,
                                  .seq = 1001,
                                  .ack = syn_ack->seq + 1,
                                  .ctl = NOD_ACK,
                                  .wnd = 60000,
                                  .text = text,
                                  .len = strlen(text)});
}

/* Deferred: the connection waits for ACCEPT with its first octets, or when the time is over and
 * it has answered once more. Until then it is a small record and says nothing. */
static void deferred(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    nod_handle listener, h;
    char buf[5];
    peer_make(&p, NULL, 4, false);
    nod_open open = {.passive = true, .local.port = 80, .defer_accept_us = 5 * NOD_SEC};
    assert_int_equal(nod_tcp_open(p.stack, &open, &listener), 0);
    syn(&p, 1, 80);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    last_ack(&p, &s, "");
    assert_int_equal(peer_events(&p, 0, NULL), 0);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), NOD_EAGAIN);
    peer_tick(&p, 3 * NOD_SEC);
    assert_int_equal(peer_drain(&p), 0);
    assert_int_equal(stats_of(&p).syn_received, 1);
    last_ack(&p, &s, "hello");
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
    assert_int_equal(nod_tcp_receive(p.stack, h, buf, 5), 5);
    nod_status status;
    assert_int_equal(nod_tcp_status(p.stack, h, &status), 0);
    assert_int_equal(status.srtt_us, 0); /* three seconds of silence are no round trip */

    syn(&p, 2, 80);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    last_ack(&p, &s, "");
    peer_tick(&p, 5 * NOD_SEC - 1);
    last_ack(&p, &s, "");
    peer_drain(&p);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), NOD_EAGAIN);
    peer_tick(&p, 1);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.ctl, NOD_SYN | NOD_ACK);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), NOD_EAGAIN);
    last_ack(&p, &s, "");
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);

    /* One that is not there any more goes as any half-open one does. */
    syn(&p, 3, 80);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    last_ack(&p, &s, "");
    for (int i = 0; i < 60; i++) peer_tick(&p, 10 * NOD_SEC), peer_drain(&p);
    assert_int_equal(stats_of(&p).syn_received, 0);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), NOD_EAGAIN);
    peer_free(&p);
}

/* What a listener said may be changed while it listens. */
static void changed_while_it_listens(void **state)
{
    (void)state;
    struct peer p;
    uint32_t iss;
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 1), h;
    assert_true(come_in(&p, 1, 80, &iss));
    assert_false(come_in(&p, 2, 80, &iss));
    assert_int_equal(nod_tcp_set_listen(p.stack, listener, 2, 5 * NOD_SEC), 0);
    assert_true(come_in(&p, 2, 80, &iss));
    assert_int_equal(nod_tcp_readable(p.stack, listener), 1); /* the other is deferred */
    assert_int_equal(nod_tcp_set_listen(p.stack, listener, 0, 0), 0);
    assert_true(come_in(&p, 3, 80, &iss));
    assert_int_equal(nod_tcp_readable(p.stack, listener), 2);
    assert_int_equal(nod_tcp_accept(p.stack, listener, &h), 0);
    assert_int_equal(nod_tcp_set_listen(p.stack, h, 1, 0), NOD_EINVAL);
    assert_int_equal(nod_tcp_set_listen(p.stack, 0, 1, 0), NOD_ENOCONN);
    peer_free(&p);
}

/* A SYN to the stack's address of either family; which of the listeners has it half open? */
static int who_hears(struct peer *p, int family, const nod_handle *listeners, int count)
{
    static uint16_t from;
    uint8_t six[16] = {0xfd, [15] = 2}, bytes[40];
    nod_addr far = family == 6 ? nod_addr_from(6, six) : nod_addr_ip4(10, 0, 0, 2), near = far;
    near.bytes[family == 6 ? 15 : 3] = 1;
    struct segment g = {.sport = ++from, .dport = 80, .ctl = NOD_SYN, .wnd = 60000};
    struct seen s;
    peer_ip(p, &far, &near, 6, bytes, peer_tcp_bytes(&far, &near, &g, bytes));
    if (!peer_output(p, &s, 1) || s.ctl & NOD_RST) return -1;
    g = (struct segment){
        .sport = from, .dport = 80, .seq = 1, .ack = s.seq + 1, .ctl = NOD_ACK, .wnd = 60000};
    peer_ip(p, &far, &near, 6, bytes, peer_tcp_bytes(&far, &near, &g, bytes));
    for (int i = 0; i < count; i++) {
        nod_handle h;
        ptrdiff_t waiting = nod_tcp_readable(p->stack, listeners[i]);
        assert_true(waiting == NOD_EAGAIN || waiting == 1);
        if (waiting != 1) continue;
        assert_int_equal(nod_tcp_accept(p->stack, listeners[i], &h), 0);
        assert_int_equal(nod_tcp_readable(p->stack, listeners[i]), NOD_EAGAIN);
        return i;
    }
    return -1;
}

/* Any address, any of one family, one address: the most exact one hears, in whatever order they
 * came to be. */
static void any_of_a_family(void **state)
{
    (void)state;
    static const struct {
        const char *local;  /* NULL: any of both */
        int hears4, hears6; /* 1: yes, while nobody more exact is there */
    } rows[] = {{NULL, 1, 1}, {"0.0.0.0", 1, 0}, {"::", 0, 1}, {"10.0.0.1", 1, 0}};
    for (int order = 0; order < 2; order++) {
        struct peer p;
        nod_handle l[4] = {0};
        peer_make(&p, NULL, 4, false);
        nod_addr six = nod_addr_from(6, (uint8_t[16]){0xfd, [15] = 1});
        assert_int_equal(nod_stack_add_addr(p.stack, 0, &six, 64), 0);
        for (int i = 0; i < 4; i++) {
            int at = order ? 3 - i : i;
            nod_open open = {.passive = true, .local.port = 80};
            if (rows[at].local) nod_addr_parse(rows[at].local, &open.local.addr);
            assert_int_equal(nod_tcp_open(p.stack, &open, &l[at]), 0);
            nod_handle again;
            assert_int_equal(nod_tcp_open(p.stack, &open, &again), NOD_EEXIST);
            nod_status status;
            assert_int_equal(nod_tcp_status(p.stack, l[at], &status), 0);
            assert_true(nod_addr_equal(&status.local.addr, &open.local.addr));
        }
        assert_int_equal(who_hears(&p, 4, l, 4), 3);
        assert_int_equal(who_hears(&p, 6, l, 4), 2);
        nod_tcp_close(p.stack, l[3]);
        l[3] = l[0];
        assert_int_equal(who_hears(&p, 4, l, 4), 1);
        nod_tcp_close(p.stack, l[2]);
        l[2] = l[0];
        assert_int_equal(who_hears(&p, 6, l, 4), 0);
        nod_tcp_close(p.stack, l[1]);
        l[1] = l[0];
        assert_int_equal(who_hears(&p, 4, l, 4), 0);
        nod_tcp_close(p.stack, l[0]);
        assert_int_equal(who_hears(&p, 4, l, 0), -1);
        for (int i = 1; i < 3; i++) { /* alone, each hears its own family only */
            nod_open open = {.passive = true, .local.port = 80};
            nod_addr_parse(rows[i].local, &open.local.addr);
            assert_int_equal(nod_tcp_open(p.stack, &open, &l[0]), 0);
            assert_int_equal(who_hears(&p, 4, l, 1), rows[i].hears4 - 1);
            assert_int_equal(who_hears(&p, 6, l, 1), rows[i].hears6 - 1);
            nod_tcp_close(p.stack, l[0]);
        }
        peer_free(&p);
    }
}

/* Listeners that share a name share what comes; one that does not say so is alone. */
static void shared_names(void **state)
{
    (void)state;
    struct peer p;
    nod_handle l[4], other;
    int heard[4] = {0};
    peer_make(&p, NULL, 4, false);
    nod_open open = {.passive = true, .share = true, .local.port = 80}, alone = open;
    alone.share = false;
    for (int i = 0; i < 4; i++) assert_int_equal(nod_tcp_open(p.stack, &open, &l[i]), 0);
    assert_int_equal(nod_tcp_open(p.stack, &alone, &other), NOD_EEXIST);
    for (int i = 0; i < 400; i++) {
        int who = who_hears(&p, 4, l, 4);
        assert_in_range(who, 0, 3);
        heard[who]++;
    }
    for (int i = 0; i < 4; i++) assert_in_range(heard[i], 60, 140);
    for (int i = 0; i < 3; i++) nod_tcp_close(p.stack, l[i]);
    assert_int_equal(who_hears(&p, 4, l + 3, 1), 0);
    nod_tcp_close(p.stack, l[3]);
    assert_int_equal(nod_tcp_open(p.stack, &alone, &other), 0);
    assert_int_equal(nod_tcp_open(p.stack, &open, &l[0]), NOD_EEXIST);
    peer_free(&p);
}

static unsigned use_of(struct peer *p, const char *addr, uint16_t port)
{
    nod_endpoint local = {.port = port};
    if (addr) assert_int_equal(nod_addr_parse(addr, &local.addr), 0);
    return nod_tcp_port_use(p->stack, &local);
}

static void who_uses_a_port(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    peer_make(&p, NULL, 4, false);
    assert_int_equal(use_of(&p, NULL, 80), 0);
    nod_open open = {.passive = true, .local = {nod_addr_ip4(0, 0, 0, 0), 80}};
    nod_handle any4, one;
    assert_int_equal(nod_tcp_open(p.stack, &open, &any4), 0);
    assert_int_equal(use_of(&p, NULL, 80), NOD_PORT_LISTENER);
    assert_int_equal(use_of(&p, "10.0.0.1", 80), NOD_PORT_LISTENER);
    assert_int_equal(use_of(&p, "0.0.0.0", 80), NOD_PORT_LISTENER);
    assert_int_equal(use_of(&p, "::", 80), 0);
    assert_int_equal(use_of(&p, "fd00::1", 80), 0);
    assert_int_equal(use_of(&p, "10.0.0.1", 81), 0);
    peer_connect(&p, any4, 80, 1000, &c);
    nod_tcp_close(p.stack, any4);
    assert_int_equal(use_of(&p, NULL, 80), NOD_PORT_CONNECTION);
    assert_int_equal(use_of(&p, "10.0.0.1", 80), NOD_PORT_CONNECTION);
    assert_int_equal(use_of(&p, "10.0.0.9", 80), 0);
    assert_int_equal(use_of(&p, "::", 80), 0);
    open.local = (nod_endpoint){nod_addr_ip4(10, 0, 0, 1), 80};
    assert_int_equal(nod_tcp_open(p.stack, &open, &one), 0);
    assert_int_equal(use_of(&p, "0.0.0.0", 80), NOD_PORT_CONNECTION | NOD_PORT_LISTENER);
    assert_int_equal(use_of(&p, "10.0.0.2", 80), 0);
    nod_tcp_close(p.stack, one);
    nod_tcp_close(p.stack, c.handle);
    peer_drain(&p);
    c.ack++;
    peer_send(&p, &c, NOD_ACK | NOD_FIN, NULL, 0);
    assert_int_equal(use_of(&p, NULL, 80), NOD_PORT_TIME_WAIT);
    assert_int_equal(use_of(&p, "10.0.0.1", 80), NOD_PORT_TIME_WAIT);
    peer_tick(&p, 300 * NOD_SEC);
    assert_int_equal(use_of(&p, NULL, 80), 0);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backlog),
        cmocka_unit_test(full_at_the_last_ack),
        cmocka_unit_test(flood),
        cmocka_unit_test(flood_and_a_client),
        cmocka_unit_test(flood_of_requests),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(half_open),
        cmocka_unit_test(closed_with_some_inside),
        cmocka_unit_test(ended_while_waiting),
        cmocka_unit_test(whose_is_it),
        cmocka_unit_test(what_is_no_syn),
        cmocka_unit_test(deferred),
        cmocka_unit_test(changed_while_it_listens),
        cmocka_unit_test(any_of_a_family),
        cmocka_unit_test(shared_names),
        cmocka_unit_test(who_uses_a_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
