/* The user's calls (nod/tcp.h): every error that its header lists, and every call in every
 * state (RFC 9293 sections 3.10.1 to 3.10.6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "unit/peer.h"

static enum nod_state state_of(struct peer *p, nod_handle h)
{
    nod_status status;
    assert_int_equal(nod_tcp_status(p->stack, h, &status), 0);
    return status.state;
}

static void the_open(void **state)
{
    (void)state;
    struct peer p;
    nod_handle h;
    peer_make(&p, NULL, 4, false);
    static const struct {
        const char *local, *remote;
        uint16_t local_port, remote_port;
        int want;
    } rows[] = {
        {NULL, "10.0.0.2", 0, 80, 0},
        {"10.0.0.1", "10.0.0.2", 7000, 80, 0},
        {"10.0.0.1", "10.0.0.2", 7000, 80, NOD_EEXIST},
        {NULL, "10.0.0.2", 7000, 80, NOD_EEXIST},
        {"10.0.0.1", "10.0.0.2", 7000, 81, 0},
        {NULL, NULL, 0, 80, NOD_ENOREMOTE},
        {NULL, "10.0.0.2", 0, 0, NOD_ENOREMOTE},
        {NULL, "0.0.0.0", 0, 80, NOD_EBADADDR},
        {NULL, "224.0.0.1", 0, 80, NOD_EBADADDR},
        {NULL, "255.255.255.255", 0, 80, NOD_EBADADDR},
        {NULL, "10.0.0.255", 0, 80, NOD_EBADADDR},
        {NULL, "::", 0, 80, NOD_EBADADDR},
        {NULL, "ff02::1", 0, 80, NOD_EBADADDR},
        {NULL, "::ffff:10.0.0.2", 0, 80, NOD_EBADADDR},
        {NULL, "2001:db8::1", 0, 80, NOD_EUNREACH},
        {NULL, "10.0.0.1", 0, 80, 0}, /* oneself */
        {"10.0.0.3", "10.0.0.2", 0, 80, NOD_ENOTLOCAL},
        {"::1", "10.0.0.2", 0, 80, NOD_ENOTLOCAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        nod_open open = {.local.port = rows[i].local_port, .remote.port = rows[i].remote_port};
        if (rows[i].local) nod_addr_parse(rows[i].local, &open.local.addr);
        if (rows[i].remote) nod_addr_parse(rows[i].remote, &open.remote.addr);
        h = 99;
        int got = nod_tcp_open(p.stack, &open, &h);
        if (got != rows[i].want) print_error("row %zu\n", i);
        assert_int_equal(got, rows[i].want);
        assert_int_equal(h != 0, got == 0);
    }
    nod_open open = {.passive = true};
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_EINVAL); /* no port */
    open.local = (nod_endpoint){nod_addr_ip4(10, 0, 0, 9), 80};
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_ENOTLOCAL);
    nod_addr six = nod_addr_from(6, (uint8_t[16]){0xfd, [15] = 7});
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &six, 64), 0);
    open = (nod_open){.local.addr = six, .remote = {p.far, 80}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), NOD_EINVAL); /* two families */
    peer_free(&p);
}

/* A listener that becomes an active opener keeps its name. */
static void the_connect(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    nod_endpoint remote = {p.far, 99}, bad = {nod_addr_ip4(224, 0, 0, 1), 99};
    nod_handle l = peer_listen(&p, 80, 4);
    assert_int_equal(nod_tcp_connect(p.stack, l, NULL), NOD_ENOREMOTE);
    assert_int_equal(nod_tcp_connect(p.stack, l, &bad), NOD_EBADADDR);
    assert_int_equal(state_of(&p, l), NOD_LISTEN);
    assert_int_equal(nod_tcp_connect(p.stack, l, &remote), 0);
    assert_int_equal(state_of(&p, l), NOD_SYN_SENT);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(s.ctl == NOD_SYN && s.sport == 80 && s.dport == 99);
    assert_int_equal(nod_tcp_connect(p.stack, l, &remote), NOD_EEXIST);
    /* What happens to it is told under that name. */
    peer_tcp(&p, &(struct segment){.sport = 99,
                                   .dport = 80,
                                   .seq = 5,
                                   .ack = s.seq + 1,
                                   .ctl = NOD_SYN | NOD_ACK,
                                   .wnd = 9000});
    nod_event event = {0};
    assert_int_equal(nod_stack_events(p.stack, &event, 1), 1);
    assert_true(event.handle == l && event.flags & NOD_EVENT_OPEN);
    assert_int_equal(peer_drain(&p), 1);
    peer_be_called(&p, 5, &c);
    assert_int_equal(nod_tcp_connect(p.stack, c.handle, &remote), NOD_EEXIST);

    nod_open open = {.passive = true, .local.port = 81, .remote = {p.far, 7}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &l), 0);
    assert_int_equal(nod_tcp_connect(p.stack, l, NULL), 0); /* the peer that it waited for */
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.dport, 7);
    peer_free(&p);
}

static void calls_on_a_listener(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    char buf[10];
    nod_handle out;
    nod_tcp_config config;
    nod_slice slices[1];
    peer_make(&p, NULL, 4, false);
    nod_handle l = peer_listen(&p, 80, 4);
    assert_int_equal(nod_tcp_accept(p.stack, l, &out), NOD_EAGAIN);
    assert_int_equal(nod_tcp_send(p.stack, l, "x", 1, 0), NOD_ENOREMOTE);
    assert_int_equal(nod_tcp_receive(p.stack, l, buf, 10), NOD_EAGAIN);
    assert_int_equal(nod_tcp_receive_slices(p.stack, l, slices, 1), NOD_EAGAIN);
    assert_true(nod_tcp_readable(p.stack, l) < 0);
    assert_true(nod_tcp_writable(p.stack, l) < 0);
    assert_int_equal(nod_tcp_get_config(p.stack, l, &config), 0);
    config.ttl = 33;
    assert_int_equal(nod_tcp_set_config(p.stack, l, &config), 0);
    peer_connect(&p, l, 80, 9, &c); /* what it makes from now on has that */
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "x", 1, 0), 1);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.ttl, 33);
    assert_int_equal(nod_tcp_accept(p.stack, c.handle, &out), NOD_EINVAL);
    assert_int_equal(nod_tcp_release(p.stack, l), 0);
    assert_int_equal(nod_tcp_accept(p.stack, l, &out), NOD_ENOCONN);
    /* ABORT and CLOSE do the same to a listener. */
    l = peer_listen(&p, 80, 4);
    assert_int_equal(nod_tcp_abort(p.stack, l), 0);
    l = peer_listen(&p, 80, 4);
    assert_int_equal(nod_tcp_close(p.stack, l), 0);
    assert_int_equal(nod_tcp_close(p.stack, l), NOD_ENOCONN);
    /* SEND to a peer that was named is an active OPEN (3.10.2). */
    nod_open open = {.passive = true, .local.port = 81, .remote = {p.far, 7}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &l), 0);
    assert_int_equal(nod_tcp_send(p.stack, l, "hi", 2, 0), 2);
    assert_int_equal(state_of(&p, l), NOD_SYN_SENT);
    peer_free(&p);
}

/* Brings a new connection into the state; NOD_CLOSED: by the peer's RST. */
static void reach(struct peer *p, enum nod_state want, struct conn *c)
{
    static uint16_t port = 100;
    port++;
    if (want == NOD_SYN_SENT || want == NOD_SYN_RECEIVED) {
        struct seen s;
        nod_open open = {.remote = {p->far, port}};
        *c = (struct conn){.far_port = port, .seq = 500};
        assert_int_equal(nod_tcp_open(p->stack, &open, &c->handle), 0);
        assert_int_equal(peer_output(p, &s, 1), 1);
        c->host_port = s.sport;
        c->ack = s.seq + 1;
        if (want == NOD_SYN_RECEIVED) { /* both at once */
            peer_tcp(p, &(struct segment){.sport = port,
                                          .dport = s.sport,
                                          .seq = c->seq++,
                                          .ctl = NOD_SYN,
                                          .wnd = 60000});
            peer_drain(p);
        }
    } else {
        peer_be_called(p, port, c);
    }
    if (want == NOD_CLOSED) peer_send(p, c, NOD_RST | NOD_ACK, NULL, 0);
    if (want == NOD_CLOSE_WAIT || want == NOD_LAST_ACK) peer_send(p, c, NOD_FIN | NOD_ACK, NULL, 0);
    if (want == NOD_FIN_WAIT_1 || want == NOD_FIN_WAIT_2 || want == NOD_CLOSING ||
        want == NOD_LAST_ACK || want == NOD_TIME_WAIT) {
        peer_drain(p);
        assert_int_equal(nod_tcp_close(p->stack, c->handle), 0);
        assert_int_equal(peer_drain(p), 1);
        if (want == NOD_CLOSING) peer_send(p, c, NOD_FIN | NOD_ACK, NULL, 0);
        if (want == NOD_FIN_WAIT_2 || want == NOD_TIME_WAIT) {
            c->ack++;
            peer_send(p, c, NOD_ACK | (want == NOD_TIME_WAIT ? NOD_FIN : 0), NULL, 0);
        }
    }
    peer_drain(p);
    peer_events(p, 0, NULL);
    if (state_of(p, c->handle) != want) print_error("wanted %s\n", nod_state_name(want));
    assert_int_equal(state_of(p, c->handle), want);
}

struct state_row {
    enum nod_state state;
    int send, receive, close;
    bool abort_resets;
};

static const struct state_row state_rows[] = {
    {NOD_SYN_SENT, 1, NOD_EAGAIN, 0, false},
    {NOD_SYN_RECEIVED, 1, NOD_EAGAIN, 0, true},
    {NOD_ESTABLISHED, 1, NOD_EAGAIN, 0, true},
    {NOD_FIN_WAIT_1, NOD_ECLOSING, NOD_EAGAIN, NOD_ECLOSING, true},
    {NOD_FIN_WAIT_2, NOD_ECLOSING, NOD_EAGAIN, NOD_ECLOSING, true},
    {NOD_CLOSE_WAIT, 1, 0, 0, true},
    {NOD_CLOSING, NOD_ECLOSING, 0, NOD_ECLOSING, false},
    {NOD_LAST_ACK, NOD_ECLOSING, 0, NOD_ECLOSING, false},
    {NOD_TIME_WAIT, NOD_ECLOSING, 0, NOD_ECLOSING, false},
    {NOD_CLOSED, NOD_ERESET, NOD_ERESET, NOD_ENOCONN, false},
};
#define STATE_ROWS (sizeof(state_rows) / sizeof(state_rows[0]))

static void every_call_in_every_state(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct conn c;
    struct seen s[4];
    char buf[10];
    nod_slice slices[2];
    nod_tcp_config config;
    nod_handle out;
    peer_make(&p, NULL, family, false);
    for (size_t i = 0; i < STATE_ROWS; i++) {
        const struct state_row *row = &state_rows[i];
        reach(&p, row->state, &c);
        assert_int_equal(nod_tcp_receive(p.stack, c.handle, buf, 10), row->receive);
        assert_int_equal(nod_tcp_receive_slices(p.stack, c.handle, slices, 2), row->receive);
        assert_int_equal(nod_tcp_readable(p.stack, c.handle), 0);
        ptrdiff_t room = nod_tcp_writable(p.stack, c.handle);
        assert_true(row->send > 0 ? room > 0 : room == row->send);
        assert_int_equal(nod_tcp_send_slices(p.stack, c.handle, NULL, 0, 0),
                         row->send > 0 ? 0 : row->send);
        assert_int_equal(nod_tcp_accept(p.stack, c.handle, &out), NOD_EINVAL);
        assert_int_equal(nod_tcp_get_config(p.stack, c.handle, &config), 0);
        assert_int_equal(nod_tcp_set_config(p.stack, c.handle, &config), 0);
        assert_int_equal(nod_tcp_send(p.stack, c.handle, "x", 1, 0), row->send);
        peer_drain(&p);
        if (row->state != NOD_SYN_SENT) { /* with something in the queue it says so: 3.10.4 */
            assert_int_equal(nod_tcp_close(p.stack, c.handle), row->close);
            int again = row->close == NOD_ENOCONN ? NOD_ENOCONN : NOD_ECLOSING;
            assert_int_equal(nod_tcp_close(p.stack, c.handle), again);
        }
        peer_drain(&p);
        nod_status status;
        assert_int_equal(nod_tcp_status(p.stack, c.handle, &status), 0);
        assert_int_equal(status.remote.port, c.far_port);

        reach(&p, row->state, &c);
        int want = row->state == NOD_CLOSED ? NOD_ENOCONN : 0, error = 0;
        assert_int_equal(nod_tcp_abort(p.stack, c.handle), want);
        assert_int_equal(peer_output(&p, s, 4), row->abort_resets);
        if (row->abort_resets) {
            assert_true(s[0].ctl & NOD_RST);
            assert_int_equal(s[0].dport, c.far_port);
        }
        assert_int_equal(state_of(&p, c.handle), NOD_CLOSED);
        if (row->state != NOD_CLOSED && row->state != NOD_TIME_WAIT) {
            assert_int_equal(peer_events(&p, c.handle, &error), NOD_EVENT_ERROR);
            assert_int_equal(error, NOD_EABORTED);
            assert_int_equal(nod_tcp_receive(p.stack, c.handle, buf, 10), NOD_EABORTED);
            assert_int_equal(nod_tcp_send(p.stack, c.handle, "x", 1, 0), NOD_EABORTED);
        }
        assert_int_equal(nod_tcp_abort(p.stack, c.handle), NOD_ENOCONN);
        assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);

        reach(&p, row->state, &c);
        assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
        assert_int_equal(nod_tcp_release(p.stack, c.handle), NOD_ENOCONN);
        peer_drain(&p);
    }
    for (int i = 0; i < 100; i++) peer_tick(&p, 10 * NOD_SEC), peer_drain(&p);
    nod_stack_stats stats;
    nod_stack_get_stats(p.stack, &stats);
    assert_int_equal(stats.time_wait, 0);
    peer_free(&p);
}

/* What ends a connection is what the calls say afterwards. */
static void how_it_ended(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    char buf[10];
    int error = 0;
    peer_make(&p, NULL, 4, false);
    /* Refused. */
    nod_open open = {.remote = {p.far, 9}};
    nod_handle h;
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    peer_tcp(&p, &(struct segment){
                     .sport = 9, .dport = s.sport, .ack = s.seq + 1, .ctl = NOD_RST | NOD_ACK});
    assert_true(peer_events(&p, h, &error) & NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_EREFUSED);
    assert_int_equal(nod_tcp_send(p.stack, h, "x", 1, 0), NOD_EREFUSED);
    assert_int_equal(nod_tcp_receive(p.stack, h, buf, 1), NOD_EREFUSED);
    /* No answer. */
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    for (int i = 0; i < 60; i++) peer_drain(&p), peer_tick(&p, 10 * NOD_SEC);
    assert_true(peer_events(&p, h, &error) & NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_ETIMEDOUT);
    assert_int_equal(nod_tcp_receive(p.stack, h, buf, 1), NOD_ETIMEDOUT);
    /* The peer went away in the middle. */
    peer_be_called(&p, 10, &c);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "x", 1, 0), 1);
    for (int i = 0; i < 60; i++) peer_drain(&p), peer_tick(&p, 10 * NOD_SEC);
    assert_true(peer_events(&p, c.handle, &error) & NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_ETIMEDOUT);
    /* CLOSE while a SYN is out, with something to send: "connection closing". */
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    assert_int_equal(nod_tcp_send(p.stack, h, "x", 1, 0), 1);
    assert_int_equal(nod_tcp_close(p.stack, h), 0);
    assert_true(peer_events(&p, h, &error) & NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_ECLOSING);
    /* In order. */
    reach(&p, NOD_TIME_WAIT, &c);
    peer_tick(&p, 240 * NOD_SEC);
    assert_int_equal(peer_events(&p, c.handle, NULL), NOD_EVENT_CLOSED);
    assert_int_equal(nod_tcp_receive(p.stack, c.handle, buf, 1), 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "x", 1, 0), NOD_ENOCONN);
    peer_free(&p);
}

/* What came before the end can still be read after it. */
static void read_after_the_end(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    char buf[10];
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    peer_send(&p, &c, NOD_ACK, "hello", 5);
    peer_send(&p, &c, NOD_ACK | NOD_FIN, " you", 4);
    peer_drain(&p);
    assert_int_equal(nod_tcp_readable(p.stack, c.handle), 9);
    assert_int_equal(nod_tcp_close(p.stack, c.handle), 0);
    assert_int_equal(peer_drain(&p), 1);
    c.ack++;
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    assert_int_equal(state_of(&p, c.handle), NOD_CLOSED);
    assert_int_equal(nod_tcp_receive(p.stack, c.handle, buf, 5), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(nod_tcp_receive(p.stack, c.handle, buf, 10), 4);
    assert_int_equal(nod_tcp_receive(p.stack, c.handle, buf, 10), 0);
    assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
    peer_free(&p);
}

/* PEEK takes nothing, skips what it is told to, and says what RECEIVE will say at the end. */
static void looked_at_first(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    char buf[10];
    peer_make(&p, NULL, 4, false);
    nod_handle listener = peer_listen(&p, 80, 0);
    assert_int_equal(nod_tcp_peek(p.stack, listener, 0, buf, 1), NOD_EAGAIN);
    assert_int_equal(nod_tcp_peek(p.stack, 77, 0, buf, 1), NOD_ENOCONN);
    peer_be_called(&p, 10, &c);
    assert_int_equal(nod_tcp_peek(p.stack, c.handle, 0, buf, 1), NOD_EAGAIN);
    peer_send(&p, &c, NOD_ACK, "hello", 5);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(nod_tcp_peek(p.stack, c.handle, 0, buf, 10), 5);
        assert_memory_equal(buf, "hello", 5);
    }
    assert_int_equal(nod_tcp_peek(p.stack, c.handle, 3, buf, 10), 2);
    assert_memory_equal(buf, "lo", 2);
    assert_int_equal(nod_tcp_peek(p.stack, c.handle, 5, buf, 10), NOD_EAGAIN);
    assert_int_equal(nod_tcp_peek(p.stack, c.handle, SIZE_MAX, buf, 10), NOD_EAGAIN);
    peer_send(&p, &c, NOD_ACK | NOD_FIN, NULL, 0);
    assert_int_equal(nod_tcp_peek(p.stack, c.handle, 5, buf, 10), 0);
    assert_int_equal(nod_tcp_peek(p.stack, c.handle, 4, buf, 10), 1);
    peer_send(&p, &c, NOD_RST, NULL, 0);
    assert_int_equal(nod_tcp_peek(p.stack, c.handle, 5, buf, 10), NOD_ERESET);
    assert_int_equal(nod_tcp_receive(p.stack, c.handle, buf, 10), 5);
    assert_int_equal(nod_tcp_peek(p.stack, c.handle, 0, buf, 10), NOD_ERESET);
    peer_free(&p);
}

/* A delayed ACK can be had at once; where none is delayed, none is sent. */
static void acknowledged_now(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    assert_int_equal(nod_tcp_ack_pending(p.stack, 0), NOD_ENOCONN);
    assert_int_equal(nod_tcp_ack_pending(p.stack, c.handle), 0);
    assert_int_equal(peer_output(&p, &s, 1), 0);
    peer_send(&p, &c, NOD_ACK, "hello", 5);
    assert_int_equal(peer_output(&p, &s, 1), 0);
    assert_int_equal(nod_tcp_ack_pending(p.stack, c.handle), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(s.ctl == NOD_ACK && s.ack == c.seq);
    assert_int_equal(nod_tcp_ack_pending(p.stack, c.handle), 0);
    peer_tick(&p, NOD_SEC);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

/* A link that takes nothing: time goes on all the same, and the user hears when it is over. */
static void nobody_takes_what_is_due(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    int error;
    nod_handle h;
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    nod_open open = {.remote = {p.far, 80}};
    assert_int_equal(nod_tcp_open(p.stack, &open, &h), 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "hello", 5, 0), 5);
    peer_events(&p, 0, NULL);
    peer_tick(&p, 254 * NOD_SEC);
    assert_int_equal(peer_events(&p, 0, NULL) & NOD_EVENT_ERROR, 0);
    peer_tick(&p, NOD_SEC);
    assert_int_equal(peer_events(&p, h, &error), NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_ETIMEDOUT);
    peer_tick(&p, 45 * NOD_SEC);
    assert_true(peer_events(&p, c.handle, &error) & NOD_EVENT_ERROR);
    assert_int_equal(error, NOD_ETIMEDOUT);
    peer_free(&p);
}

/* Short writes say how short; room is told of. */
static void room(void **state)
{
    (void)state;
    static char bytes[400000];
    struct peer p;
    struct conn c;
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    ptrdiff_t n = nod_tcp_send(p.stack, c.handle, bytes, sizeof(bytes), 0);
    assert_int_equal(n, 128 << 10);
    assert_int_equal(nod_tcp_writable(p.stack, c.handle), 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, 1, 0), NOD_EAGAIN);
    peer_events(&p, 0, NULL);
    uint32_t told = 0;
    while (!(told & NOD_EVENT_WRITABLE)) {
        static struct seen s[128];
        int sent = peer_output(&p, s, 128);
        assert_in_range(sent, 1, 128);
        for (int i = 0; i < sent; i++) c.ack += (uint32_t)s[i].text_len;
        peer_send(&p, &c, NOD_ACK, NULL, 0);
        told |= peer_events(&p, c.handle, NULL);
        assert_false(told & NOD_EVENT_SENT);
    }
    assert_true(nod_tcp_writable(p.stack, c.handle) > 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, 0, 0), 0);
    peer_free(&p);
}

/* Nobody is called for a crumb of room: not before a third is free, and who asked is told then,
 * by an ACK or by a larger buffer. */
static void room_worth_having(void **state)
{
    (void)state;
    static char bytes[300000];
    for (int larger = 0; larger < 2; larger++) {
        struct peer p;
        struct conn c;
        nod_tcp_config config;
        peer_make(&p, NULL, 4, false);
        peer_be_called(&p, 10, &c);
        assert_int_equal(nod_tcp_get_config(p.stack, c.handle, &config), 0);
        uint32_t third = config.send_buffer / 3, left = config.send_buffer - third + 1;
        assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, left, 0), left);
        peer_events(&p, 0, NULL);
        assert_int_equal(nod_tcp_writable(p.stack, c.handle), 0);
        assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, 10, 0), 10); /* room there is */
        static struct seen s[128];
        assert_true(peer_output(&p, s, 128) > 1);
        c.ack += 10; /* a crumb */
        peer_send(&p, &c, NOD_ACK, NULL, 0);
        assert_int_equal(peer_events(&p, c.handle, NULL) & NOD_EVENT_WRITABLE, 0);
        if (larger) {
            config.send_buffer *= 2;
            assert_int_equal(nod_tcp_set_config(p.stack, c.handle, &config), 0);
        } else {
            c.ack += 1;
            peer_send(&p, &c, NOD_ACK, NULL, 0);
        }
        assert_true(peer_events(&p, c.handle, NULL) & NOD_EVENT_WRITABLE);
        assert_true(nod_tcp_writable(p.stack, c.handle) >= third);
        peer_free(&p);
    }
}

/* Slices that fit whole are taken with their references; the rest stays the caller's. */
static void slices_out(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    nod_config config;
    nod_config_default(&config);
    config.tcp.send_buffer = 10000;
    peer_make(&p, &config, 4, false);
    peer_be_called(&p, 10, &c);
    nod_slice slices[4];
    nod_block *block[4];
    for (int i = 0; i < 4; i++) {
        block[i] = nod_block_new(nod_stack_pool(p.stack), 4000);
        memset(nod_block_bytes(block[i]), 'a' + i, 4000);
        slices[i] = nod_slice_of(block[i], 0, 4000);
    }
    assert_int_equal(nod_tcp_send_slices(p.stack, c.handle, slices, 4, 0), 2);
    assert_true(!slices[0].block && !slices[1].block && slices[2].len == 4000 && slices[3].block);
    assert_int_equal(nod_tcp_send_slices(p.stack, c.handle, slices + 2, 2, 0), NOD_EAGAIN);
    assert_int_equal(nod_tcp_writable(p.stack, c.handle), 0);
    struct seen s[16];
    int n = peer_output(&p, s, 16);
    size_t got = 0;
    for (int i = 0; i < n; i++)
        for (size_t at = 0; at < s[i].text_len; at++, got++)
            assert_int_equal(s[i].text[at], 'a' + (int)(got / 4000));
    assert_int_equal(got, 8000);
    c.ack += 8000;
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    for (int i = 0; i < 2; i++) { /* acknowledged: the queue lets go */
        assert_int_equal(nod_block_refs(block[i]), 1);
        nod_block_unref(block[i]);
    }
    assert_true(peer_events(&p, c.handle, NULL) & NOD_EVENT_SENT);
    assert_int_equal(nod_tcp_abort(p.stack, c.handle), 0);
    assert_int_equal(nod_tcp_send_slices(p.stack, c.handle, slices + 2, 2, 0), NOD_EABORTED);
    for (int i = 2; i < 4; i++) {
        nod_slice_release(&slices[i]);
        nod_block_unref(block[i]);
    }
    peer_free(&p);
}

static void slices_in(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    char text[3000];
    nod_slice slices[8];
    for (size_t i = 0; i < sizeof(text); i++) text[i] = (char)(i * 3);
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    for (int i = 0; i < 3; i++) peer_send(&p, &c, NOD_ACK, text + 1000 * i, 1000);
    size_t got = 0;
    int n;
    while ((n = nod_tcp_receive_slices(p.stack, c.handle, slices, 2)) > 0) {
        for (int i = 0; i < n; i++) {
            assert_memory_equal(nod_slice_bytes(&slices[i]), text + got, slices[i].len);
            got += slices[i].len;
            nod_slice_release(&slices[i]);
        }
    }
    assert_int_equal(n, NOD_EAGAIN);
    assert_int_equal(got, 3000);
    peer_send(&p, &c, NOD_ACK | NOD_FIN, text, 1000);
    assert_int_equal(nod_tcp_receive_slices(p.stack, c.handle, slices, 8), 1);
    nod_slice_release(&slices[0]);
    assert_int_equal(nod_tcp_receive_slices(p.stack, c.handle, slices, 8), 0);
    peer_free(&p);
}

/* More follows at once: less than a segment waits for it. */
static void more_to_come(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "hello ", 6, NOD_SEND_MORE), 6);
    assert_int_equal(peer_output(&p, &s, 1), 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "world", 5, 0), 5);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.text_len, 11);
    assert_memory_equal(s.text, "hello world", 11);
    /* A SEND of nothing says that nothing more follows. */
    c.ack += 11;
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, "bye", 3, NOD_SEND_MORE), 3);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, NULL, 0, NOD_SEND_MORE), 0);
    assert_int_equal(peer_output(&p, &s, 1), 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, NULL, 0, 0), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_int_equal(s.text_len, 3);
    peer_free(&p);
}

/* Released with something unread, or with something that comes later: the peer hears that it
 * is lost (SHLD-3). */
static void released_unread(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen s;
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    peer_send(&p, &c, NOD_ACK, "hello", 5);
    assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(s.ctl & NOD_RST && s.seq == c.ack);

    peer_be_called(&p, 11, &c);
    assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(s.ctl & NOD_FIN);
    peer_send(&p, &c, NOD_ACK, "hello", 5);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(s.ctl & NOD_RST);
    nod_stack_stats stats;
    nod_stack_get_stats(p.stack, &stats);
    assert_int_equal(stats.connections, 0);
    peer_free(&p);
}

/* A peer whose stream goes on behind its FIN: that text is nobody's, and nothing breaks. */
static void text_beyond_a_fin(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    char buf[100];
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 10, &c);
    c.seq += 1;
    peer_send(&p, &c, NOD_ACK, "behind", 6);
    c.seq -= 7;
    peer_send(&p, &c, NOD_ACK | NOD_FIN, NULL, 0);
    assert_int_equal(state_of(&p, c.handle), NOD_CLOSE_WAIT);
    nod_status status;
    assert_int_equal(nod_tcp_status(p.stack, c.handle, &status), 0);
    assert_int_equal(status.out_of_order, 0);
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    assert_int_equal(nod_tcp_receive(p.stack, c.handle, buf, sizeof(buf)), 0);
    assert_int_equal(nod_tcp_close(p.stack, c.handle), 0);
    peer_drain(&p);
    peer_free(&p);
}

/* Runs through all records, also those without a name. */
static void each(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    int seen[NOD_TIME_WAIT + 1] = {0}, n = 0;
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 0);
    peer_listen(&p, 81, 0);
    peer_tcp(&p, &(struct segment){.sport = 1, .dport = 80, .ctl = NOD_SYN});
    peer_drain(&p);
    for (size_t i = 0; i < STATE_ROWS; i++) reach(&p, state_rows[i].state, &c);
    reach(&p, NOD_ESTABLISHED, &c);
    assert_int_equal(nod_tcp_release(p.stack, c.handle), 0);
    size_t cursor = 0;
    nod_status status;
    while (nod_tcp_each(p.stack, &cursor, &status)) seen[status.state]++, n++;
    assert_int_equal(n, 2 + 1 + 9 + 1);
    for (int i = NOD_SYN_SENT; i <= NOD_TIME_WAIT; i++)
        assert_int_equal(seen[i], i == NOD_FIN_WAIT_1 || i == NOD_SYN_RECEIVED ? 2 : 1);
    assert_int_equal(seen[NOD_LISTEN], 2);
    peer_free(&p);
}

/* The system has no memory: an idle connection can still be aborted and given back. */
static bool no_memory;

static void *scarce(void *ctx, size_t size)
{
    (void)ctx;
    return no_memory ? NULL : malloc(size);
}

static void plenty(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)size;
    free(ptr);
}

static void without_memory(void **state)
{
    (void)state;
    struct peer p;
    struct conn c[3];
    struct seen s[4];
    struct {
        void *ptr;
        size_t size;
    } taken[2000];
    int n = 0;
    nod_config config;
    nod_config_default(&config);
    config.alloc = (nod_alloc){.alloc = scarce, .free = plenty};
    peer_make(&p, &config, 4, false);
    nod_handle l = peer_listen(&p, 80, 4), h;
    for (uint16_t i = 0; i < 2; i++) peer_connect(&p, l, 80, (uint16_t)(10 + i), &c[i]);
    peer_connect(&p, l, 80, 12, &c[2]);
    /* One more that waits for ACCEPT, at rest. */
    peer_tcp(&p, &(struct segment){.sport = 13, .dport = 80, .seq = 1, .ctl = NOD_SYN, .wnd = 9});
    assert_int_equal(peer_output(&p, s, 4), 1);
    peer_tcp(
        &p, &(struct segment){
                .sport = 13, .dport = 80, .seq = 2, .ack = s[0].seq + 1, .ctl = NOD_ACK, .wnd = 9});
    peer_drain(&p);
    peer_events(&p, 0, NULL);
    no_memory = true;
    for (size_t size = 4096; size >= 8; size -= 8) { /* whatever the pool still has */
        taken[n].size = size;
        while (n < 1999 && (taken[n].ptr = nod_pool_take(nod_stack_pool(p.stack), size)))
            taken[++n].size = size;
    }
    assert_in_range(n, 1, 1998);
    assert_int_equal(nod_tcp_send(p.stack, c[0].handle, "x", 1, 0), NOD_ENOMEM);
    assert_int_equal(nod_tcp_open(p.stack, &(nod_open){.remote = {p.far, 1}}, &h), NOD_ENOMEM);
    assert_int_equal(nod_tcp_abort(p.stack, c[0].handle), 0);
    assert_int_equal(nod_tcp_release(p.stack, c[1].handle), 0);
    assert_int_equal(nod_tcp_release(p.stack, c[0].handle), 0);
    assert_int_equal(nod_tcp_close(p.stack, l), 0);
    assert_int_equal(peer_output(&p, s, 4), 3);
    for (int i = 0; i < 3; i++) assert_true(s[i].ctl & NOD_RST);
    nod_stack_stats stats;
    nod_stack_get_stats(p.stack, &stats);
    assert_int_equal(stats.connections, 1);
    no_memory = false;
    while (n--) nod_pool_give(nod_stack_pool(p.stack), taken[n].ptr, taken[n].size);
    assert_int_equal(nod_tcp_send(p.stack, c[2].handle, "x", 1, 0), 1);
    peer_free(&p);
}

int main(void)
{
    static int four = 4, six = 6;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_open),
        cmocka_unit_test(the_connect),
        cmocka_unit_test(calls_on_a_listener),
        cmocka_unit_test_prestate(every_call_in_every_state, &four),
        cmocka_unit_test_prestate(every_call_in_every_state, &six),
        cmocka_unit_test(how_it_ended),
        cmocka_unit_test(read_after_the_end),
        cmocka_unit_test(looked_at_first),
        cmocka_unit_test(nobody_takes_what_is_due),
        cmocka_unit_test(acknowledged_now),
        cmocka_unit_test(room_worth_having),
        cmocka_unit_test(room),
        cmocka_unit_test(slices_out),
        cmocka_unit_test(slices_in),
        cmocka_unit_test(more_to_come),
        cmocka_unit_test(released_unread),
        cmocka_unit_test(text_beyond_a_fin),
        cmocka_unit_test(each),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
