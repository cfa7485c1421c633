#include "places.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_BUFFER 2000 /* is filled soon */

struct setting places_setting(const struct row *row)
{
    const char *s = row->stimulus, *at_least = strstr(s, "RCV.WND>=");

    return (struct setting){
        .zero_window = strstr(s, "RCV.WND=0") != NULL,
        .unacked = strstr(s, "10 octets unacked") || strstr(s, "10 octets and FIN unacked"),
        .on_hand = strstr(s, "10 octets on hand") != NULL,
        .remote_named = strstr(s, "had named the remote socket") != NULL,
        .queued = strstr(s, "SEND 10 octets issued before") != NULL,
        .unsent = strstr(s, "10 octets unsent") != NULL,
        .released = begins(s, "name given back"),
        .gone = begins(s, "after LAST-ACK"),
        .at_least = at_least ? (uint32_t)strtoul(at_least + 9, NULL, 10) : 0,
    };
}

bool places_applies(const struct row *row, struct variant v)
{
    if (begins(row->stimulus, "no TS") && v.options) {
        return false;
    }
    if (begins(row->stimulus, "TS on") && !v.options) {
        return false;
    }
    if (strstr(row->stimulus, "one listens") && !v.passive) {
        return false;
    }
    switch (row->from) {
    case NOD_CLOSED:
    case NOD_SYN_SENT: return !v.passive;
    case NOD_LISTEN: return v.passive;
    case NOD_SYN_RECEIVED:
        return !v.passive || !(begins(row->stimulus, "simultaneous open") ||
                               begins(row->event, "CLOSE-after")); /* no name before ACCEPT */
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
    case NOD_CLOSE_WAIT:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT: return true;
    }
    return false;
}

static bool listen(struct conv *c, bool name_peer)
{
    int error = conv_open_passive(c, name_peer, &c->listener->handle);

    return error == 0 || stage_fail(&c->stage, "passive OPEN: %s", nod_strerror(error));
}

static bool go_syn_sent(struct conv *c)
{
    int error = conv_open_active(c);

    return (error == 0 || stage_fail(&c->stage, "active OPEN: %s", nod_strerror(error))) &&
           conv_settle(c) && conv_wait(c, DELAY);
}

static bool go_syn_received(struct conv *c)
{
    bool begun = c->variant.passive ? listen(c, false) : go_syn_sent(c);

    return begun && conv_say(c, NOD_SYN, 0, 0, 0) && conv_wait(c, DELAY);
}

static bool go_established(struct conv *c)
{
    if (c->variant.passive) {
        if (!go_syn_received(c) || !conv_say(c, NOD_ACK, c->n.rcv_nxt, c->n.nxt, 0)) {
            return false;
        }
        int error = conv_accept(c);

        return (error == 0 || stage_fail(&c->stage, "accept: %s", nod_strerror(error))) &&
               conv_wait(c, DELAY);
    }
    return go_syn_sent(c) && conv_say(c, NOD_SYN | NOD_ACK, 0, c->n.nxt, 0) && conv_wait(c, DELAY);
}

static bool hears(struct conv *c, uint32_t octets)
{
    return conv_say(c, NOD_ACK, c->n.rcv_nxt, c->n.una, octets) && conv_wait(c, QUIET);
}

static bool peer_will_close(const struct conv *c)
{
    return c->row->from == NOD_CLOSE_WAIT || c->row->from == NOD_CLOSING ||
           c->row->from == NOD_LAST_ACK || c->row->from == NOD_TIME_WAIT;
}

/* Nobody reads; where the peer's FIN is still to come it takes the last number. */
static bool fill_window(struct conv *c)
{
    uint32_t left = c->n.rcv_wnd - (peer_will_close(c) ? 1 : 0);

    while (left > 0) {
        uint32_t n = left > 500 ? 500 : left;

        if (!hears(c, n)) {
            return false;
        }
        left -= n;
    }
    return true;
}

static bool sends(struct conv *c)
{
    return (conv_send(c, 10) == 10 || stage_fail(&c->stage, "SEND took less than 10 octets")) &&
           conv_settle(c) && conv_wait(c, DELAY);
}

static bool closes(struct conv *c)
{
    int error = nod_tcp_close(c->stage.stack, c->flow->handle);

    conv_tell(c, "CLOSE -> %d", error);
    return (error == 0 || stage_fail(&c->stage, "CLOSE: %s", nod_strerror(error))) &&
           conv_settle(c) && conv_wait(c, DELAY);
}

static bool peer_closes(struct conv *c)
{
    c->time_wait_since = c->stage.now;
    return conv_say(c, NOD_FIN | NOD_ACK, c->n.rcv_nxt, c->n.una, 0) && conv_wait(c, DELAY);
}

static bool peer_acks_fin(struct conv *c)
{
    return conv_say(c, NOD_ACK, c->n.rcv_nxt, c->n.nxt, 0) && conv_wait(c, DELAY);
}

/* The peer closes its window, so that what is sent must wait. */
static bool sends_in_vain(struct conv *c)
{
    c->peer_win = 0;
    return conv_say(c, NOD_ACK, c->n.rcv_nxt, c->n.una, 0) &&
           (conv_send(c, 10) == 10 || stage_fail(&c->stage, "SEND took less than 10 octets")) &&
           conv_settle(c);
}

static bool hours_later(const struct row *row)
{
    return strstr(row->stimulus, "3 h later") != NULL;
}

/* From ESTABLISHED on, by the shortest way. */
static bool go_on(struct conv *c, const struct setting *setting, enum nod_state to)
{
    bool early = setting->unacked && to != NOD_CLOSE_WAIT;

    switch (to) {
    case NOD_ESTABLISHED: return !early || sends(c);
    case NOD_FIN_WAIT_1: return (!early || sends(c)) && closes(c);
    case NOD_FIN_WAIT_2: return go_on(c, setting, NOD_FIN_WAIT_1) && peer_acks_fin(c);
    case NOD_CLOSE_WAIT: return peer_closes(c) && (!setting->unacked || sends(c));
    case NOD_CLOSING: return go_on(c, setting, NOD_FIN_WAIT_1) && peer_closes(c);
    case NOD_LAST_ACK: return go_on(c, setting, NOD_CLOSE_WAIT) && closes(c);
    case NOD_TIME_WAIT: /* long enough for a wait that starts over to be told from one that
                           does not */
        return go_on(c, setting, NOD_FIN_WAIT_2) && peer_closes(c) &&
               conv_wait(c, (hours_later(c->row) ? 3 * 3600 : 10) * NOD_SEC);
    case NOD_CLOSED: return go_on(c, setting, NOD_LAST_ACK) && peer_acks_fin(c);
    case NOD_LISTEN:
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED: break;
    }
    return false;
}

static bool gives_back(struct conv *c)
{
    int error = nod_tcp_release(c->stage.stack, c->flow->handle);

    conv_tell(c, "release -> %d", error);
    c->flow->handle = 0;
    return (error == 0 || stage_fail(&c->stage, "release: %s", nod_strerror(error))) &&
           conv_settle(c);
}

static bool go(struct conv *c, const struct setting *setting)
{
    switch (c->row->from) {
    case NOD_CLOSED: return !setting->gone || (go_established(c) && go_on(c, setting, NOD_CLOSED));
    case NOD_LISTEN: return listen(c, setting->remote_named);
    case NOD_SYN_SENT: return go_syn_sent(c) && (!setting->queued || sends(c));
    case NOD_SYN_RECEIVED: return go_syn_received(c) && (!setting->queued || sends(c));
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
    case NOD_CLOSE_WAIT:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT:
        return go_established(c) && (!setting->zero_window || fill_window(c)) &&
               (!setting->on_hand || hears(c, 10)) && go_on(c, setting, c->row->from) &&
               (!setting->unsent || sends_in_vain(c)) && (!setting->released || gives_back(c));
    }
    return false;
}

/* STATUS and the wire must tell the same. */
static bool numbers_agree(struct conv *c)
{
    nod_status s;
    const struct flow *f = c->flow;

    if (!conv_record(c, &s)) {
        return true;
    }
    if (s.snd_nxt - f->iss != c->n.nxt || s.snd_una - f->iss != c->n.una) {
        return stage_fail(&c->stage, "STATUS says SND.UNA %u SND.NXT %u, the wire %u and %u",
                          s.snd_una - f->iss, s.snd_nxt - f->iss, c->n.una, c->n.nxt);
    }
    if (s.state != NOD_SYN_SENT && s.rcv_nxt - f->isn != c->n.rcv_nxt) {
        return stage_fail(&c->stage, "STATUS says RCV.NXT %u, the wire %u", s.rcv_nxt - f->isn,
                          c->n.rcv_nxt);
    }
    /* What scaling rounded off was not offered, and is taken all the same. Small records do
     * not tell their windows. */
    uint32_t more = s.rcv_wnd - c->n.rcv_wnd;

    if (s.state > NOD_SYN_RECEIVED && s.state != NOD_TIME_WAIT && more >= 1u << c->n.scale) {
        return stage_fail(&c->stage, "STATUS says RCV.WND %u, the wire %u", s.rcv_wnd,
                          c->n.rcv_wnd);
    }
    return true;
}

bool places_go(struct conv *c, const struct setting *setting)
{
    enum nod_state state;

    if (setting->zero_window) {
        c->stage.config.tcp.receive_buffer = SMALL_BUFFER;
    }
    if (hours_later(c->row)) {
        c->stage.config.tcp.msl_us = 2 * 3600 * NOD_SEC;
    }
    if (begins(c->row->stimulus, "RCV.WND=1:")) {
        c->stage.config.tcp.receive_buffer = 1;
    }
    if (begins(c->row->stimulus, "user timeout set below 2 MSL")) {
        c->stage.config.tcp.user_timeout_us = 30 * NOD_SEC;
    }
    if (!conv_boot(c) || !go(c, setting) || !conv_state(c, &state) || !numbers_agree(c)) {
        return false;
    }
    if (state != c->row->from) {
        return stage_fail(&c->stage, "the way to %s leads to %s", c->row->state,
                          nod_state_name(state));
    }
    if (setting->zero_window ? c->n.rcv_wnd != 0 : c->n.rcv_wnd < setting->at_least) {
        return stage_fail(&c->stage, "RCV.WND is %u", c->n.rcv_wnd);
    }
    return true;
}
