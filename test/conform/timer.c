#include <string.h>

#include "cell.h"

#define MSL_2 (240 * NOD_SEC)

/* Whatever was sent since the mark is the oldest unacknowledged segment, again. */
static bool only_repeats(struct cell *cell)
{
    struct conv *c = &cell->conv;

    for (int i = 0; i < c->stage.seen_count; i++) {
        const struct segment *s = &c->stage.seen[i].segment;
        char text[SEGMENT_TEXT];

        if (s->seq != c->n.una || s->ctl & NOD_RST || c->n.una == c->n.nxt) {
            return stage_fail(&c->stage, "it sent, and this is no retransmission: %s",
                              segment_format(s, text));
        }
    }
    return true;
}

static bool wait_in_vain(struct cell *cell, nod_usec time)
{
    return conv_wait(&cell->conv, time) && cell_sent_none(cell);
}

/* What the retransmission of the oldest segment looks like. */
static struct segment oldest(const struct cell *cell)
{
    const struct conv *c = &cell->conv;
    struct segment s = {.has_seq = true, .seq = c->n.una, .has_length = true};

    if (cell->row.from == NOD_SYN_SENT) {
        s.ctl = NOD_SYN;
        return s;
    }
    s.has_ack = true;
    s.ack = c->n.rcv_nxt;
    s.ctl = NOD_ACK;
    if (cell->row.from == NOD_SYN_RECEIVED) {
        s.ctl |= NOD_SYN;
    } else if (c->n.nxt - c->n.una == 10) {
        s.ctl |= NOD_PSH;
        s.length = 10;
    } else {
        s.ctl |= NOD_FIN;
    }
    return s;
}

/* One timeout: nothing a tick before, the oldest segment on time. */
static bool one_timeout(struct cell *cell, nod_usec at)
{
    struct conv *c = &cell->conv;
    struct segment wanted = oldest(cell);

    conv_mark(c);
    return wait_in_vain(cell, at - 1 - c->stage.now) && conv_wait(c, 1) && conv_settle(c) &&
           cell_sent_one(cell, &wanted);
}

/* RFC 5681 section 3.1: one segment, and half of what was in flight but two segments. */
static bool congestion_is_told(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_status s;

    if (cell->row.from <= NOD_SYN_RECEIVED || !conv_record(c, &s)) {
        return true;
    }
    if (s.cwnd != s.mss || s.ssthresh != 2u * s.mss) {
        return stage_fail(&c->stage, "cwnd is %u and ssthresh %u, with an MSS of %u", s.cwnd,
                          s.ssthresh, s.mss);
    }
    return true;
}

static bool fire_retransmission(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_usec rto = cell->status.rto_us ? cell->status.rto_us : NOD_SEC, at = c->owed_since;

    for (int i = 0; i < 3; i++) {
        at += rto << i;
        if (!one_timeout(cell, at) || (i == 0 && !congestion_is_told(cell))) {
            return false;
        }
    }
    /* R1: three retransmissions in a row (SHLD-9). */
    if (c->flow->handle && conv_heard(c) != NOD_EVENT_SOFT_ERROR) {
        return stage_fail(&c->stage, "at R1 the user hears %#x", conv_heard(c));
    }
    conv_mark(c);
    return true;
}

/* How long the peer may owe an ACK, from the first time that it did. */
static bool fire_user_timeout(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_usec end = c->owed_since + c->stage.config.tcp.user_timeout_us;

    if (!conv_wait(c, end - 1 - c->stage.now) || !only_repeats(cell) ||
        !cell_in_state(cell, cell->row.from)) {
        return false;
    }
    if (c->stage.seen_count < 5) {
        return stage_fail(&c->stage, "it gave up retransmitting after %d", c->stage.seen_count);
    }
    conv_mark(c);
    /* The small record of a passive open looks at its age only when it would retransmit. */
    bool small = cell->row.from == NOD_SYN_RECEIVED && c->variant.passive;

    return wait_in_vain(cell, small ? c->stage.config.tcp.rto_max_us : 1) && conv_settle(c);
}

static bool fire_nothing_armed(struct cell *cell, nod_usec time)
{
    struct conv *c = &cell->conv;

    conv_tell(c, "%.0f s go by", (double)time / 1e6);
    if (!conv_wait(c, time) || !only_repeats(cell)) {
        return false;
    }
    if (c->n.una == c->n.nxt && c->stage.seen_count) {
        return cell_sent_none(cell);
    }
    /* Retransmissions and R1 belong to other rows. */
    uint32_t heard = conv_heard(c);

    if (heard & ~(uint32_t)NOD_EVENT_SOFT_ERROR) {
        return stage_fail(&c->stage, "the user hears %#x", heard);
    }
    conv_mark(c);
    return true;
}

static bool fire_time_wait(struct cell *cell)
{
    struct conv *c = &cell->conv;

    return wait_in_vain(cell, c->time_wait_since + MSL_2 - 1 - c->stage.now) &&
           cell_in_state(cell, NOD_TIME_WAIT) && wait_in_vain(cell, 1) && conv_settle(c);
}

bool timer_fire(struct cell *cell)
{
    const char *event = cell->row.event;
    bool armed = !(cell->told & TOLD_DROPPED), wait = cell->row.from == NOD_TIME_WAIT;

    if (strcmp(event, "USER-TIMEOUT") == 0) {
        return armed ? fire_user_timeout(cell)
                     : fire_nothing_armed(cell, (wait ? 35 : 400) * NOD_SEC);
    } else if (strcmp(event, "RETRANSMISSION-TIMEOUT") == 0) {
        return armed ? fire_retransmission(cell) : fire_nothing_armed(cell, 60 * NOD_SEC);
    }
    return armed ? fire_time_wait(cell) : fire_nothing_armed(cell, MSL_2);
}
