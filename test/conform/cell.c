#include "cell.h"

#include <string.h>

#include "choices.h"
#include "notation.h"
#include "places.h"

bool cell_in_state(struct cell *cell, enum nod_state wanted)
{
    enum nod_state is;

    return conv_state(&cell->conv, &is) && (is == wanted || cell_fail_state(cell, wanted, is));
}

bool cell_sent_none(struct cell *cell)
{
    const struct stage *stage = &cell->conv.stage;
    char text[SEGMENT_TEXT];

    return stage->seen_count == 0 ||
           stage_fail(&cell->conv.stage, "nothing may be sent, and this was: %s",
                      segment_format(&stage->seen[0].segment, text));
}

static bool sent_one(struct cell *cell, const struct segment *wanted, bool may_wait)
{
    struct stage *stage = &cell->conv.stage;
    char want[SEGMENT_TEXT], came[SEGMENT_TEXT];

    segment_format(wanted, want);
    if (stage->seen_count == 0) {
        return stage_fail(stage, "nothing was sent, and this must be: %s", want);
    }
    const struct seen *seen = &stage->seen[0];

    segment_format(&seen->segment, came);
    if (!segment_matches(wanted, &seen->segment)) {
        return stage_fail(stage, "must be sent: %s; was sent: %s", want, came);
    }
    if (!may_wait && seen->time != cell->fired && seen->time != stage->now) {
        return stage_fail(stage, "it was sent too late: %s", came);
    }
    if (stage->seen_count > 1) {
        return stage_fail(stage, "%d segments were sent; the last: %s", stage->seen_count,
                          segment_format(&stage->seen[stage->seen_count - 1].segment, came));
    }
    return true;
}

bool cell_sent_one(struct cell *cell, const struct segment *wanted)
{
    cell->fired = cell->conv.stage.now;
    return sent_one(cell, wanted, false);
}

/* A new incarnation counts from its own ISS, which must be above all old numbers (MAY-2). */
static bool rebase(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (c->stage.seen_count == 0 || !(c->stage.seen[0].segment.ctl & NOD_SYN)) {
        return stage_fail(&c->stage, "there is no SYN,ACK");
    }
    struct segment *s = &c->stage.seen[0].segment;

    if ((int32_t)(s->seq - cell->before.nxt) <= 0) {
        return stage_fail(&c->stage, "the new ISS is not above the old SND.NXT");
    }
    c->flow->iss += s->seq;
    s->seq = 0;
    c->n.una = 0;
    c->n.nxt = 1;
    return true;
}

/* ---- what must be true afterwards ---- */

/* How much of the segment's text is new and fits the window. */
static uint32_t fresh(const struct cell *cell)
{
    const struct segment *seg = &cell->seg;
    uint32_t from = seg->ctl & NOD_SYN ? seg->seq : cell->before.rcv_nxt;
    uint32_t n = seg->seq + seg->length - from;

    return n < cell->before.rcv_wnd ? n : cell->before.rcv_wnd;
}

static bool takes_ack(const struct cell *cell)
{
    const struct segment *seg = &cell->seg;
    uint32_t ahead = seg->ack - cell->before.una;

    return cell->is_segment && seg->ctl & NOD_ACK && !(seg->ctl & NOD_RST) &&
           !(cell->told & (TOLD_DROPPED | TOLD_UNA_STAYS)) && ahead > 0 &&
           ahead <= cell->before.nxt - cell->before.una;
}

static void foresee(struct cell *cell)
{
    const struct segment *seg = &cell->seg;

    cell->una = takes_ack(cell) ? seg->ack : cell->before.una;
    cell->rcv_nxt = cell->before.rcv_nxt;
    if (cell->told & TOLD_SYN_TAKEN) {
        cell->rcv_nxt = seg->seq + 1;
        cell->una = 0;
    }
    if (cell->told & TOLD_OPEN && cell->row.from == NOD_SYN_SENT) {
        cell->una = seg->ack;
    }
    cell->rcv_nxt += cell->told & TOLD_DELIVERED ? fresh(cell) : 0;
    cell->rcv_nxt += cell->told & TOLD_PEER_CLOSED ? 1 : 0;
}

static bool sent_right(struct cell *cell)
{
    if (strcmp(cell->row.event, "RETRANSMISSION-TIMEOUT") == 0 && !begins(cell->row.sent, "none")) {
        return true; /* timer.c saw three of them */
    }
    struct answer answer;
    struct conv *c = &cell->conv;
    struct numbers now = c->n;

    /* The names of an answer mean the numbers before; the ISS may be new. */
    uint32_t iss = c->n.iss;

    c->n = cell->before;
    c->n.iss = iss;
    bool understood = notation_answer(c, cell->row.sent, &cell->seg, cell->rcv_nxt, &answer);

    c->n = now;
    if (!understood) {
        return stage_fail(&c->stage, "\"%s\" is not understood", cell->row.sent);
    }
    if (answer.none) {
        return cell_sent_none(cell);
    }
    if (!sent_one(cell, &answer.wanted, answer.may_wait)) {
        return false;
    }
    const char *options = c->stage.seen[0].segment.options;
    char sack[64];

    snprintf(sack, sizeof sack, "sack 1 {%u:%u}", cell->seg.seq, cell->seg.seq + cell->seg.length);
    if (answer.with_sack && !strstr(options, sack)) {
        return stage_fail(&c->stage, "there is no %s but %s", sack, options);
    }
    if (answer.wanted.ctl & NOD_SYN && !strstr(options, "mss ")) {
        return stage_fail(&c->stage, "a SYN without MSS (MUST-14)");
    }
    return true;
}

static bool number_is(struct cell *cell, const char *name, uint32_t is, uint32_t wanted)
{
    return is == wanted ||
           stage_fail(&cell->conv.stage, "%s is %u, and must be %u", name, is, wanted);
}

static bool queues_right(struct cell *cell, const nod_status *s)
{
    uint32_t length = cell->seg.length;
    uint32_t queued = cell->status.receive_queue, held = 0;

    /* TIME-WAIT's record has no queues; RECEIVE will tell. */
    if (!cell->is_segment || cell->row.from == NOD_SYN_SENT || s->state == NOD_TIME_WAIT) {
        return true;
    }
    queued += cell->told & TOLD_DELIVERED ? fresh(cell) : 0;
    held += cell->told & TOLD_HELD ? length : 0;
    return number_is(cell, "urgent data", s->urgent, cell->told & TOLD_URGENT ? cell->seg.up : 0) &&
           number_is(cell, "what waits for RECEIVE", s->receive_queue, queued) &&
           number_is(cell, "what is held", s->out_of_order, held);
}

static bool window_right(struct cell *cell, const nod_status *s)
{
    bool scaled = cell->conv.variant.options && !(cell->seg.ctl & NOD_SYN);

    if (cell->told & TOLD_WINDOW && s->state != NOD_TIME_WAIT &&
        !(s->state == NOD_SYN_RECEIVED && cell->conv.variant.passive)) {
        return number_is(cell, "SND.WND", s->snd_wnd, cell->seg.win << (scaled ? PEER_SCALE : 0));
    }
    return !(cell->told & TOLD_UNREAD) || !cell->has_status ||
           number_is(cell, "SND.WND", s->snd_wnd, cell->status.snd_wnd);
}

static bool numbers_right(struct cell *cell)
{
    struct conv *c = &cell->conv;
    const struct flow *f = c->flow;
    nod_status s;

    if (!conv_record(c, &s)) {
        return true;
    }
    if (!number_is(cell, "SND.NXT", s.snd_nxt - f->iss, c->n.nxt) ||
        !number_is(cell, "SND.UNA", s.snd_una - f->iss, cell->una)) {
        return false;
    }
    if (s.state != NOD_SYN_SENT && !number_is(cell, "RCV.NXT", s.rcv_nxt - f->isn, cell->rcv_nxt)) {
        return false;
    }
    c->n.una = cell->una;
    c->n.rcv_nxt = s.state == NOD_SYN_SENT ? c->n.rcv_nxt : cell->rcv_nxt;
    return queues_right(cell, &s) && window_right(cell, &s);
}

/* What the user must hear, and what beside that is no harm. */
static bool events_right(struct cell *cell)
{
    struct conv *c = &cell->conv;
    uint32_t must = 0, may = 0, heard = conv_heard(c), told = cell->told;

    if (!c->flow->handle) {
        return true; /* nobody to hear it */
    }

    if (told & TOLD_OPEN) {
        must |= NOD_EVENT_OPEN;
        may |= NOD_EVENT_WRITABLE | NOD_EVENT_SENT;
    }
    if (told & TOLD_PEER_CLOSED) {
        must |= NOD_EVENT_PEER_CLOSED;
        may |= NOD_EVENT_READABLE;
    }
    if (told & TOLD_DELIVERED) {
        must |= NOD_EVENT_READABLE;
    }
    if (told & TOLD_URGENT) {
        must |= NOD_EVENT_URGENT;
    }
    if (told & TOLD_GONE || told & TOLD_NEW_ISS) {
        must |= call_end_error(cell) ? NOD_EVENT_ERROR : NOD_EVENT_CLOSED;
        may |= call_end_error(cell) ? 0 : NOD_EVENT_SENT;
    } else if (takes_ack(cell) && cell->una == c->n.nxt && !(told & TOLD_OPEN)) {
        must |= NOD_EVENT_SENT;
    }
    if ((heard & must) != must || heard & ~(must | may)) {
        return stage_fail(&c->stage, "the user hears events %#x, and must hear %#x", heard, must);
    }
    int error = stage_heard(&c->stage, c->flow->handle)->error;

    return error == call_end_error(cell) ||
           stage_fail(&c->stage, "the event says %s, and must say %s", nod_error_name(error),
                      nod_error_name(call_end_error(cell)));
}

/* The listener tells of a new connection, which gets its name by ACCEPT. */
static bool accepts(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (!c->variant.passive || !c->listener->handle) {
        return true;
    }
    uint32_t heard = stage_heard(&c->stage, c->listener->handle)->flags;
    bool opens = !c->flow->handle && cell->told & TOLD_OPEN;

    if (heard != (opens ? NOD_EVENT_ACCEPT : 0u)) {
        return stage_fail(&c->stage, "the listener hears events %#x", heard);
    }
    if (!opens) {
        return true;
    }
    int error = conv_accept(c);

    return (error == 0 || stage_fail(&c->stage, "accept: %s", nod_strerror(error))) &&
           conv_settle(c);
}

/* Who listened listens on, whatever befell a connection of its. */
static bool listener_unharmed(struct cell *cell)
{
    struct conv *c = &cell->conv;

    return !c->listener->handle || conv_is_listening(c) ||
           stage_fail(&c->stage, "the listener is gone");
}

static bool delivers(struct cell *cell)
{
    struct conv *c = &cell->conv;
    ptrdiff_t length = (ptrdiff_t)(cell->told & TOLD_DELIVERED ? fresh(cell) : cell->seg.length);

    if (cell->told & TOLD_DELIVERED) {
        ptrdiff_t n = conv_receive(c, 100);

        return (n == length || stage_fail(&c->stage, "RECEIVE gives %td octets", n)) &&
               conv_wait(c, DELAY);
    }
    if (!(cell->told & TOLD_HELD)) {
        return true;
    }
    /* The gap is filled, and both come out. */
    if (!conv_say(c, NOD_ACK, c->n.rcv_nxt, c->n.una, 10) || !conv_wait(c, QUIET)) {
        return false;
    }
    ptrdiff_t n = conv_receive(c, 100);

    return n == 10 + length || stage_fail(&c->stage, "RECEIVE gives %td octets", n);
}

/* A flood of the same is not answered by a flood (RFC 5961 section 7); a second later there
 * is an answer again. */
static bool withstands_flood(struct cell *cell, enum nod_state next)
{
    struct conv *c = &cell->conv;

    bool throttled = strstr(cell->row.sent, "throttled") || strstr(cell->row.note, "Throttle:");
    bool lost_ack = strstr(cell->row.note, "must not be throttled away") != NULL;

    /* The answer may have opened the window: then the same is not the same any more. */
    bool same = next == cell->row.from && c->n.rcv_wnd == cell->before.rcv_wnd;

    if (!same || !(throttled || lost_ack)) {
        return true;
    }
    for (int i = 0; i < 30; i++) {
        if (!conv_inject(c, &cell->seg)) {
            return false;
        }
    }
    if (lost_ack ? c->stage.seen_count != 31 : c->stage.seen_count > 10) {
        return stage_fail(&c->stage, "31 segments are answered by %d", c->stage.seen_count);
    }
    if (!conv_wait(c, NOD_SEC)) {
        return false;
    }
    conv_mark(c);
    return conv_inject(c, &cell->seg) && sent_right(cell);
}

static bool check(struct cell *cell)
{
    enum nod_state next;
    struct conv *c = &cell->conv;

    if (!state_from_text(cell->row.next, &next)) {
        return stage_fail(&c->stage, "\"%s\" is no state", cell->row.next);
    }
    foresee(cell);
    if (cell->told & TOLD_NEW_ISS && !rebase(cell)) {
        return false;
    }
    if (!cell_in_state(cell, next) || !sent_right(cell) || !listener_unharmed(cell) ||
        !numbers_right(cell) || !accepts(cell) || !events_right(cell)) {
        return false;
    }
    if (cell->told & (TOLD_WAIT_STARTS | TOLD_WAIT_RESTARTS)) {
        c->time_wait_since = cell->fired;
    }
    if (cell->told & TOLD_NEW_ISS) {
        nod_tcp_release(c->stage.stack, c->flow->handle); /* the old incarnation's name */
        c->flow->handle = 0;
    }
    if (!delivers(cell) || !withstands_flood(cell, next) ||
        (next == NOD_CLOSED && c->flow->handle && !call_after_end(cell))) {
        return false;
    }
    conv_mark(c);
    return life_goes_on(cell, next);
}

/* ---- the event ---- */

static bool fire_segment(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (!notation_stimulus(c, cell->row.stimulus, &cell->seg)) {
        return stage_fail(&c->stage, "\"%s\" is not understood", cell->row.stimulus);
    }
    /* Another window than before shows whether a segment that must go unread was read. */
    if (!cell->seg.has_win) {
        cell->seg.has_win = true;
        cell->seg.win = cell->told & TOLD_UNREAD ? c->peer_win / 2 : c->peer_win;
    }
    if (cell->told & TOLD_DUPLICATE_ACK) {
        c->peer_win = cell->seg.win; /* more of the same follow */
    }
    cell->is_segment = true;
    if (cell->told & (TOLD_SYN_TAKEN | TOLD_OPEN) && cell->seg.ctl & NOD_SYN &&
        cell->row.from != NOD_SYN_RECEIVED) {
        c->n.irs = cell->seg.seq;
        c->flow->received = (uint64_t)(uint32_t)(cell->seg.seq + 1) - 1;
    }
    return conv_inject(c, &cell->seg);
}

static bool fire(struct cell *cell)
{
    const char *event = cell->row.event;
    struct conv *c = &cell->conv;

    cell->fired = c->stage.now;
    if (strstr(event, "TIMEOUT")) {
        return timer_fire(cell);
    }
    bool fired = begins(event, "SEG:") ? fire_segment(cell) : call_fire(cell) && conv_settle(c);

    /* Whatever might still come, a delayed ACK for one, comes now. */
    return fired && conv_wait(c, QUIET);
}

/* The configuration that a window of 0 in a SYN,ACK would need is refused. */
static bool no_empty_buffer(struct cell *cell)
{
    nod_config config = cell->conv.stage.config;
    int error = 0;

    config.tcp.receive_buffer = 0;
    return (!nod_stack_new(&config, 0, &error) && error == NOD_EINVAL) ||
           stage_fail(&cell->conv.stage, "a receive buffer of 0 is taken");
}

static bool run(struct cell *cell)
{
    struct conv *c = &cell->conv;
    struct setting setting = places_setting(&cell->row);
    char unknown[200];

    if (!told_read(cell->row.told, &cell->told, unknown)) {
        return stage_fail(&c->stage, "\"%s\" is not understood", unknown);
    }
    if (!no_empty_buffer(cell) || !places_go(c, &setting)) {
        return false;
    }
    conv_tell(c, "-- %s: %s", cell->row.event, cell->row.stimulus);
    cell->before = c->n;
    cell->has_status = conv_record(c, &cell->status);
    conv_mark(c);
    return fire(cell) && check(cell);
}

bool cell_run(const struct row *row, struct variant variant, FILE *listing, char *why)
{
    static struct cell cell; /* large */

    memset(&cell, 0, sizeof cell);
    cell.row = choices_row(row, &variant, &cell.why);
    conv_open(&cell.conv, &cell.row, variant, listing);
    bool good = run(&cell) && !cell.conv.stage.why[0];

    memcpy(why, cell.conv.stage.why, STAGE_WHY);
    conv_close(&cell.conv);
    return good;
}
