/* After an event the connection must go on as one in its state does, to its end: a number, a
 * timer or a queue that was spoilt in silence shows here. */
#include <string.h>

#include "cell.h"

static bool answers(struct cell *cell, unsigned ctl, uint32_t seq, uint32_t ack, uint32_t length)
{
    struct segment wanted = {.ctl = (uint16_t)ctl,
                             .has_seq = true,
                             .seq = seq,
                             .has_ack = (ctl & NOD_ACK) != 0,
                             .ack = ack,
                             .has_length = true,
                             .length = length};
    bool good = cell_sent_one(cell, &wanted);

    conv_mark(&cell->conv);
    return good;
}

static bool silent(struct cell *cell)
{
    bool good = cell_sent_none(cell);

    conv_mark(&cell->conv);
    return good;
}

/* The peer says something with its next number. */
static bool says(struct cell *cell, unsigned ctl, uint32_t ack, uint32_t length)
{
    conv_mark(&cell->conv);
    return conv_say(&cell->conv, ctl, cell->conv.n.rcv_nxt, ack, length);
}

static bool goes_on_closed(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_status s;
    struct segment stray = {.ctl = NOD_ACK, .seq = 12345, .ack = 54321};

    if (conv_record(c, &s)) {
        return stage_fail(&c->stage, "there still is a record");
    }
    if (!conv_inject(c, &stray) || !answers(cell, NOD_RST, 54321, 0, 0)) {
        return false;
    }
    nod_usec deadline = nod_stack_deadline(c->stage.stack);

    return deadline == NOD_NEVER || stage_fail(&c->stage, "a timer is left running");
}

static bool goes_on_listen(struct cell *cell)
{
    struct conv *c = &cell->conv;

    return conv_say(c, NOD_SYN, 7000, 0, 0) && cell_in_state(cell, NOD_SYN_RECEIVED) &&
           answers(cell, NOD_SYN | NOD_ACK, 0, 7001, 0);
}

static bool goes_on_syn_sent(struct cell *cell)
{
    struct conv *c = &cell->conv;
    uint32_t queued = cell->told & TOLD_SENT_LATER ? 10 : 0;

    return conv_say(c, NOD_SYN | NOD_ACK, 7000, 1, 0) && cell_in_state(cell, NOD_ESTABLISHED) &&
           answers(cell, NOD_ACK | (queued ? NOD_PSH : 0), 1, 7001, queued) &&
           life_goes_on(cell, NOD_ESTABLISHED);
}

/* The peer opens its window, and what waited leaves with the FIN behind it. */
static bool window_opens(struct cell *cell, enum nod_state next)
{
    struct conv *c = &cell->conv;
    uint32_t seq = c->n.nxt;

    c->peer_win = 60000;
    return says(cell, NOD_ACK, seq, 0) &&
           answers(cell, NOD_FIN | NOD_PSH | NOD_ACK, seq, c->n.rcv_nxt, 10) &&
           cell_in_state(cell, next);
}

static bool has_unsent(const struct cell *cell)
{
    return begins(cell->row.event, "CLOSE-with-unsent");
}

static bool goes_on_syn_received(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (begins(cell->row.event, "CLOSE-after-SEND")) {
        return says(cell, NOD_ACK, 1, 0) && cell_in_state(cell, NOD_FIN_WAIT_1) &&
               answers(cell, NOD_FIN | NOD_PSH | NOD_ACK, 1, c->n.rcv_nxt, 10) &&
               life_goes_on(cell, NOD_FIN_WAIT_1);
    }

    if (!says(cell, NOD_ACK, c->n.nxt, 0) || !cell_in_state(cell, NOD_ESTABLISHED)) {
        return false;
    }
    bool right = cell->told & TOLD_SENT_LATER
                     ? answers(cell, NOD_ACK | NOD_PSH, 1, c->n.rcv_nxt, 10)
                     : silent(cell);
    if (right && c->variant.passive) {
        right = conv_accept(c) == 0 || stage_fail(&c->stage, "accept: no connection waits");
    }
    c->flow->sent = c->n.nxt - 1;
    return right && conv_settle(c) && life_goes_on(cell, NOD_ESTABLISHED);
}

/* Zero-window rows: the text of a probe is dropped, but its ACK counts (MUST-66). */
static bool probe_is_read(struct cell *cell, bool sends)
{
    struct conv *c = &cell->conv;
    nod_status s;

    if (sends && (conv_send(c, 5) != 5 || !conv_settle(c))) {
        return stage_fail(&c->stage, "SEND took less than 5 octets");
    }
    uint32_t nxt = c->n.nxt, rcv_nxt = c->n.rcv_nxt;

    if (!says(cell, NOD_ACK, nxt, 1) || !conv_record(c, &s)) {
        return cell->row.from == NOD_LAST_ACK; /* which this ended */
    }
    if (s.snd_una - c->flow->iss != nxt || s.rcv_nxt - c->flow->isn != rcv_nxt) {
        return stage_fail(&c->stage, "SND.UNA is %u and RCV.NXT %u after a probe",
                          s.snd_una - c->flow->iss, s.rcv_nxt - c->flow->isn);
    }
    return answers(cell, NOD_ACK, nxt, rcv_nxt, 0);
}

static bool is_window_closed(const struct cell *cell)
{
    return cell->row.from >= NOD_ESTABLISHED && strstr(cell->row.stimulus, "RCV.WND=0:");
}

/* Everything that waits is read; the window opens again. */
static bool reads_all(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (conv_receive(c, 4096) <= 0 || !conv_settle(c)) {
        return stage_fail(&c->stage, "nothing is on hand behind a closed window");
    }
    conv_mark(c);
    return c->n.rcv_wnd >= 1000 || stage_fail(&c->stage, "the window is still %u", c->n.rcv_wnd);
}

/* Duplicate ACKs were counted: the second lets nothing out, the third retransmits. Where SACK was
 * agreed on they say nothing without it (RFC 6675 section 2). */
static bool third_duplicate_retransmits(struct cell *cell)
{
    struct conv *c = &cell->conv;
    uint32_t una = c->n.una;

    if (c->variant.options) {
        return says(cell, NOD_ACK, una, 0) && silent(cell) && says(cell, NOD_ACK, una, 0) &&
               silent(cell);
    }
    return says(cell, NOD_ACK, una, 0) && silent(cell) && says(cell, NOD_ACK, una, 0) &&
           answers(cell, NOD_ACK | NOD_PSH, una, c->n.rcv_nxt, 10);
}

/* Text both ways. */
static bool goes_on_established(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (is_window_closed(cell) && !(probe_is_read(cell, true) && reads_all(cell))) {
        return false;
    }
    if (cell->told & TOLD_DUPLICATE_ACK && !third_duplicate_retransmits(cell)) {
        return false;
    }
    if (begins(cell->row.stimulus, "RCV.WND=1:")) {
        return true; /* a window of one octet leaves little to try */
    }
    uint32_t next = c->n.rcv_nxt;

    if (!says(cell, NOD_ACK, c->n.nxt, 5) || !conv_wait(c, QUIET)) {
        return false;
    }
    if (conv_receive(c, 100) != 5) {
        return stage_fail(&c->stage, "five octets were sent, and RECEIVE does not give them");
    }
    conv_mark(c);
    uint32_t seq = c->n.nxt;
    nod_status s;

    if (conv_record(c, &s) && s.retransmits) {
        return stage_fail(&c->stage, "%u retransmissions in a row, and all is acknowledged",
                          s.retransmits);
    }
    if (conv_send(c, 7) != 7 || !conv_settle(c)) {
        return stage_fail(&c->stage, "SEND took less than 7 octets");
    }
    return answers(cell, NOD_ACK | NOD_PSH, seq, next + 5, 7);
}

/* An ACK of a part starts the retransmission timer anew (RFC 6298 section 5.3). */
static bool timer_restarted(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_status s;

    if (!(cell->told & TOLD_ACKED) || c->n.una == c->n.nxt || !conv_record(c, &s)) {
        return true;
    }
    return conv_wait(c, cell->fired + s.rto_us - 1 - c->stage.now) && silent(cell) &&
           conv_wait(c, 1) && conv_settle(c) &&
           answers(cell, NOD_FIN | NOD_ACK, c->n.una, c->n.rcv_nxt, 0);
}

static bool goes_on_fin_wait_1(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (!timer_restarted(cell)) {
        return false;
    }
    if (has_unsent(cell) && !window_opens(cell, NOD_FIN_WAIT_1)) {
        return false;
    }
    if (is_window_closed(cell)) {
        return probe_is_read(cell, false) && reads_all(cell) &&
               cell_in_state(cell, NOD_FIN_WAIT_2) && life_goes_on(cell, NOD_FIN_WAIT_2);
    }
    return says(cell, NOD_ACK, c->n.nxt, 0) && cell_in_state(cell, NOD_FIN_WAIT_2) &&
           silent(cell) && life_goes_on(cell, NOD_FIN_WAIT_2);
}

static bool goes_on_fin_wait_2(struct cell *cell)
{
    struct conv *c = &cell->conv;
    uint32_t next = c->n.rcv_nxt + 1;

    if (is_window_closed(cell) && cell->row.from == NOD_FIN_WAIT_2 && !reads_all(cell)) {
        return false;
    }
    c->time_wait_since = c->stage.now;
    return says(cell, NOD_FIN | NOD_ACK, c->n.nxt, 0) && cell_in_state(cell, NOD_TIME_WAIT) &&
           answers(cell, NOD_ACK, c->n.nxt, next, 0) && life_goes_on(cell, NOD_TIME_WAIT);
}

static bool goes_on_close_wait(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (has_unsent(cell)) {
        return window_opens(cell, NOD_LAST_ACK) && life_goes_on(cell, NOD_LAST_ACK);
    }
    if (is_window_closed(cell) && !probe_is_read(cell, true)) {
        return false;
    }
    if (cell->told & TOLD_DUPLICATE_ACK && !third_duplicate_retransmits(cell)) {
        return false;
    }
    if (!says(cell, NOD_ACK, c->n.nxt, 0) || !silent(cell)) {
        return false;
    }
    uint32_t seq = c->n.nxt;

    if (nod_tcp_close(c->stage.stack, c->flow->handle) < 0 || !conv_settle(c)) {
        return stage_fail(&c->stage, "CLOSE fails");
    }
    return cell_in_state(cell, NOD_LAST_ACK) &&
           answers(cell, NOD_FIN | NOD_ACK, seq, c->n.rcv_nxt, 0) &&
           life_goes_on(cell, NOD_LAST_ACK);
}

static bool goes_on_closing(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (!timer_restarted(cell)) {
        return false;
    }
    c->time_wait_since = c->stage.now;
    if (is_window_closed(cell)) {
        return probe_is_read(cell, false) && cell_in_state(cell, NOD_TIME_WAIT) &&
               life_goes_on(cell, NOD_TIME_WAIT);
    }
    return says(cell, NOD_ACK, c->n.nxt, 0) && cell_in_state(cell, NOD_TIME_WAIT) && silent(cell) &&
           life_goes_on(cell, NOD_TIME_WAIT);
}

static bool goes_on_last_ack(struct cell *cell)
{
    struct conv *c = &cell->conv;
    bool closed = is_window_closed(cell) && cell->row.from == NOD_LAST_ACK;

    if (!timer_restarted(cell)) {
        return false;
    }
    if (closed ? !probe_is_read(cell, false) : !says(cell, NOD_ACK, c->n.nxt, 0)) {
        return false;
    }
    return cell_in_state(cell, NOD_CLOSED) && silent(cell);
}

/* The wait lasts 2 MSL from when it began, or began over; not a tick more or less. */
static bool goes_on_time_wait(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_usec end = c->time_wait_since + 2 * c->stage.config.tcp.msl_us;

    return conv_wait(c, end - 1 - c->stage.now) && cell_in_state(cell, NOD_TIME_WAIT) &&
           conv_wait(c, 1) && conv_settle(c) && cell_in_state(cell, NOD_CLOSED) && silent(cell);
}

bool life_goes_on(struct cell *cell, enum nod_state state)
{
    switch (state) {
    case NOD_CLOSED: return goes_on_closed(cell);
    case NOD_LISTEN: return goes_on_listen(cell);
    case NOD_SYN_SENT: return goes_on_syn_sent(cell);
    case NOD_SYN_RECEIVED: return goes_on_syn_received(cell);
    case NOD_ESTABLISHED: return goes_on_established(cell);
    case NOD_FIN_WAIT_1: return goes_on_fin_wait_1(cell);
    case NOD_FIN_WAIT_2: return goes_on_fin_wait_2(cell);
    case NOD_CLOSE_WAIT: return goes_on_close_wait(cell);
    case NOD_CLOSING: return goes_on_closing(cell);
    case NOD_LAST_ACK: return goes_on_last_ack(cell);
    case NOD_TIME_WAIT: return goes_on_time_wait(cell);
    }
    return false;
}
