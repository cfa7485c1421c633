/* From events to rows. Both ends' events stand in two queues; the head of one is taken at a
 * time, a departure together with its arrival where the order at both ends allows it. */
#include "ladder.h"

#include <stdlib.h>
#include <string.h>

#include "narrate.h"

struct builder {
    struct ladder *ladder;
    int head[2];                  /* index of each end's next event */
    uint8_t state[2];             /* of each end, as its edges tell */
    struct ladder_end pending[2]; /* what is waiting to be drawn with the next departure */
    struct narrator narrator;
};

void ladder_free(struct ladder *ladder)
{
    free(ladder->events);
    free(ladder->rows);
    *ladder = (struct ladder){0};
}

static struct ladder_event *add_event(struct ladder *ladder, int side, enum ladder_kind kind)
{
    if (ladder->count == ladder->room) {
        int room = ladder->room == 0 ? 64 : 2 * ladder->room;
        struct ladder_event *events = realloc(ladder->events, (size_t)room * sizeof(*events));
        if (events == NULL) {
            ladder->failed = true;
            return NULL;
        }
        ladder->events = events;
        ladder->room = room;
    }
    ladder->row_count = 0; /* they pointed into the old array */
    struct ladder_event *event = &ladder->events[ladder->count++];
    *event = (struct ladder_event){.kind = (uint8_t)kind, .side = (uint8_t)side};
    return event;
}

static bool arrived_before(const struct ladder *ladder, int side, uint32_t frame)
{
    for (int i = ladder->count - 1; i >= 0; i--) {
        const struct ladder_event *event = &ladder->events[i];
        if (event->side == side && event->kind == LADDER_ARRIVE && event->trace.frame == frame)
            return true;
    }
    return false;
}

static int kind_of(const struct ladder *ladder, int side, const nod_trace *trace)
{
    switch ((enum nod_trace_type)trace->type) {
    case NOD_TRACE_SEGMENT_OUT: return LADDER_DEPART;
    case NOD_TRACE_SEGMENT_IN: return LADDER_ARRIVE;
    case NOD_TRACE_STATE: return LADDER_STATE;
    case NOD_TRACE_CALL: return LADDER_CALL;
    case NOD_TRACE_TIMER: return LADDER_TIMER;
    case NOD_TRACE_DROP:
        if (trace->u.drop.reason == NOD_DROP_ICMP) return -1; /* no segment: no arrow */
        /* A damaged packet is dropped before it is a segment: this is its arrival. */
        return arrived_before(ladder, side, trace->frame) ? LADDER_DROP : LADDER_ARRIVE;
    case NOD_TRACE_ICMP_IN: return trace->u.icmp.error ? LADDER_ICMP : -1; /* else: PATH_MTU */
    case NOD_TRACE_RTT: return -1;
    case NOD_TRACE_CWND: return -1;
    case NOD_TRACE_PATH_MTU: return LADDER_PATH_MTU;
    }
    return -1;
}

bool trace_is_dull(const nod_trace *trace)
{
    if (trace->type != NOD_TRACE_CALL) return false;
    return trace->u.call.result == NOD_EAGAIN || trace->u.call.call == NOD_CALL_RELEASE ||
           (trace->u.call.call == NOD_CALL_RECEIVE && trace->u.call.result < 0);
}

void ladder_trace(struct ladder *ladder, int side, const nod_trace *trace)
{
    int kind = kind_of(ladder, side, trace);
    struct ladder_event *event;
    if (kind < 0 || (event = add_event(ladder, side, (enum ladder_kind)kind)) == NULL) return;
    event->trace = *trace;
}

void ladder_error(struct ladder *ladder, int side, nod_usec time, int error)
{
    struct ladder_event *event = add_event(ladder, side, LADDER_ERROR);
    if (event == NULL) return;
    event->trace.time = time;
    event->error = error;
}

void ladder_remark(struct ladder *ladder, int side, nod_usec time, enum sentence_key remark)
{
    struct ladder_event *event = add_event(ladder, side, LADDER_REMARK);
    if (event == NULL) return;
    event->trace.time = time;
    event->remark = remark;
}

void ladder_fate(struct ladder *ladder, int side, uint32_t frame, unsigned fate)
{
    for (int i = ladder->count - 1; i >= 0; i--) {
        struct ladder_event *event = &ladder->events[i];
        if (event->side == side && event->kind == LADDER_DEPART && event->trace.frame == frame) {
            event->fate = fate;
            return;
        }
    }
}

static const struct ladder_event *next_on(const struct builder *b, int side, int from)
{
    for (int i = from; i < b->ladder->count; i++) {
        if (b->ladder->events[i].side == side) return &b->ladder->events[i];
    }
    return NULL;
}

static const struct ladder_event *head(const struct builder *b, int side)
{
    return next_on(b, side, b->head[side]);
}

static void take(struct builder *b, const struct ladder_event *event)
{
    b->head[event->side] = (int)(event - b->ladder->events) + 1;
}

/* The first arrival of a departed packet that is still to be drawn. */
static const struct ladder_event *arrival_of(const struct builder *b,
                                             const struct ladder_event *depart)
{
    int side = !depart->side;
    for (int i = b->head[side]; i < b->ladder->count; i++) {
        const struct ladder_event *event = &b->ladder->events[i];
        if (event->side == side && event->kind == LADDER_ARRIVE &&
            event->trace.frame == depart->trace.frame)
            return event;
    }
    return NULL;
}

/* The latest of its number: a host that starts anew counts its frames anew. */
static const struct ladder_event *departure_of(const struct builder *b,
                                               const struct ladder_event *arrive)
{
    for (int i = (int)(arrive - b->ladder->events) - 1; i >= 0; i--) {
        const struct ladder_event *event = &b->ladder->events[i];
        if (event->side != arrive->side && event->kind == LADDER_DEPART &&
            event->trace.frame == arrive->trace.frame)
            return event;
    }
    return NULL;
}

static bool has_departed(const struct builder *b, const struct ladder_event *arrive)
{
    const struct ladder_event *depart = departure_of(b, arrive);
    return depart == NULL || depart - b->ladder->events < b->head[depart->side];
}

/* May this head be drawn by itself, without cutting an arrow in two? */
static bool stands_alone(const struct builder *b, const struct ladder_event *event)
{
    if (event->kind == LADDER_ARRIVE) return has_departed(b, event);
    if (event->kind == LADDER_DEPART) return arrival_of(b, event) == NULL;
    return true;
}

static const struct ladder_event *earlier(const struct ladder_event *a,
                                          const struct ladder_event *b)
{
    if (a == NULL || b == NULL) return a == NULL ? b : a;
    if (a->trace.time != b->trace.time) return a->trace.time < b->trace.time ? a : b;
    return a < b ? a : b;
}

/* The event to be drawn next, and, when it is a departure that can be drawn whole, its
 * arrival. */
static const struct ladder_event *choose(const struct builder *b,
                                         const struct ladder_event **arrive)
{
    const struct ladder_event *heads[2] = {head(b, LEFT), head(b, RIGHT)}, *alone[2];
    for (int side = 0; side < 2; side++) {
        const struct ladder_event *event = heads[side], *other = heads[!side];
        if (event != NULL && event->kind == LADDER_DEPART && other != NULL &&
            arrival_of(b, event) == other) {
            *arrive = other;
            return event;
        }
        alone[side] = event != NULL && stands_alone(b, event) ? event : NULL;
    }
    *arrive = NULL;
    if (alone[LEFT] != NULL || alone[RIGHT] != NULL) return earlier(alone[LEFT], alone[RIGHT]);
    for (int side = 0; side < 2; side++) {
        if (heads[side] != NULL && heads[side]->kind != LADDER_DEPART) heads[side] = NULL;
    }
    return earlier(heads[LEFT], heads[RIGHT]);
}

static bool together(const struct builder *b, const struct ladder_event *a,
                     const struct ladder_event *c)
{
    return c->trace.time - a->trace.time <= b->ladder->together_us;
}

static void add_act(struct ladder_end *end, const struct ladder_event *event)
{
    if (end->act_count < LADDER_ACTS) end->acts[end->act_count++] = event;
}

static void take_edge(struct builder *b, struct ladder_end *end, const struct ladder_event *event)
{
    int side = event->side;
    if (!end->changed) end->before = event->trace.u.edge.from;
    end->changed = true;
    end->after = b->state[side] = event->trace.u.edge.to;
}

static void touch(struct builder *b, struct ladder_end *end, int side, nod_usec time)
{
    end->here = true;
    end->time = time;
    if (!end->changed) end->before = end->after = b->state[side];
}

static bool is_call(const struct ladder_event *event, enum nod_call call)
{
    return event->kind == LADDER_CALL && event->trace.u.call.call == call;
}

/* Takes what belongs to the moment at which something left or reached this end: edges, drops,
 * and after an arrival what the application got of it. */
static void take_aftermath(struct builder *b, struct ladder_end *end, const struct ladder_event *of,
                           bool arrival)
{
    const struct ladder_event *event;
    while ((event = head(b, of->side)) != NULL && together(b, of, event)) {
        if (event->kind == LADDER_STATE) {
            take_edge(b, end, event);
        } else if (arrival && event->kind == LADDER_DROP && event->trace.frame == of->trace.frame) {
            end->drop = event;
        } else if (arrival && (is_call(event, NOD_CALL_ACCEPT) ||
                               is_call(event, NOD_CALL_RECEIVE) || event->kind == LADDER_ERROR)) {
            add_act(end, event);
        } else {
            return;
        }
        take(b, event);
    }
}

static struct ladder_row *new_row(struct builder *b, int from)
{
    struct ladder *ladder = b->ladder;
    if (ladder->row_count == ladder->row_room) {
        int room = ladder->row_room == 0 ? 64 : 2 * ladder->row_room;
        struct ladder_row *rows = realloc(ladder->rows, (size_t)room * sizeof(*rows));
        if (rows == NULL) {
            ladder->failed = true;
            return NULL;
        }
        ladder->rows = rows;
        ladder->row_room = room;
    }
    struct ladder_row *row = &ladder->rows[ladder->row_count++];
    *row = (struct ladder_row){.from = from};
    return row;
}

static void depart(struct builder *b, struct ladder_row *row, const struct ladder_event *event)
{
    struct ladder_end *end = &row->end[event->side];
    *end = b->pending[event->side];
    b->pending[event->side] = (struct ladder_end){0};
    touch(b, end, event->side, event->trace.time);
    row->depart = event;
    take(b, event);
    if ((event->trace.u.segment.ctl & (NOD_SYN | NOD_FIN | NOD_RST)) != 0)
        take_aftermath(b, end, event, false);
}

static void arrive(struct builder *b, struct ladder_row *row, const struct ladder_event *event)
{
    struct ladder_end *end = &row->end[event->side];
    touch(b, end, event->side, event->trace.time);
    row->arrive = event;
    take(b, event);
    if (event->trace.type == NOD_TRACE_DROP) end->drop = event;
    take_aftermath(b, end, event, true);
}

static void build_arrow(struct builder *b, const struct ladder_event *first,
                        const struct ladder_event *second)
{
    struct ladder_row *row = new_row(b, first->kind == LADDER_DEPART ? first->side : !first->side);
    if (row == NULL) return;
    if (first->kind == LADDER_DEPART) {
        const struct ladder_event *later = arrival_of(b, first);
        depart(b, row, first);
        if (second != NULL) arrive(b, row, second);
        row->on_its_way = later == NULL && (first->fate & NOD_FATE_GONE) == 0;
    } else {
        arrive(b, row, first);
        for (int i = 0; i < b->ladder->row_count - 1; i++) {
            const struct ladder_row *old = &b->ladder->rows[i];
            row->copy |= old->arrive != NULL && old->arrive->side == first->side &&
                         old->arrive->trace.frame == first->trace.frame;
        }
    }
    row->origin = row->depart != NULL ? row->depart : departure_of(b, first);
    narrate_arrow(&b->narrator, row);
}

/* Does the application's call or the timer at this head send a segment in the same moment?
 * Then it is drawn as what caused it. */
static bool causes_departure(const struct builder *b, const struct ladder_event *event)
{
    const struct ladder_event *next = event;
    if (event->kind != LADDER_CALL && event->kind != LADDER_TIMER && event->kind != LADDER_STATE)
        return false;
    do {
        next = next_on(b, event->side, (int)(next - b->ladder->events) + 1);
        if (next == NULL || !together(b, event, next)) return false;
    } while (next->kind == LADDER_STATE || next->kind == LADDER_CALL || next->kind == LADDER_TIMER);
    return next->kind == LADDER_DEPART;
}

/* What an application gets of something drawn just before is added to that row. */
static bool joins_last(struct builder *b, const struct ladder_event *event)
{
    if (!is_call(event, NOD_CALL_RECEIVE)) return false;
    for (int i = b->ladder->row_count - 1; i >= 0; i--) {
        struct ladder_end *end = &b->ladder->rows[i].end[event->side];
        if (!end->here) continue;
        if (event->trace.time - end->time > b->ladder->together_us) return false;
        add_act(end, event);
        return true;
    }
    return false;
}

static void build_local(struct builder *b, const struct ladder_event *event)
{
    int side = event->side;
    struct ladder_row *row;
    take(b, event);
    if (causes_departure(b, event)) {
        if (event->kind == LADDER_STATE) {
            take_edge(b, &b->pending[side], event);
        } else {
            add_act(&b->pending[side], event);
        }
        return;
    }
    if (joins_last(b, event) || (row = new_row(b, side)) == NULL) return;
    struct ladder_end *end = &row->end[side];
    touch(b, end, side, event->trace.time);
    if (event->kind == LADDER_STATE) take_edge(b, end, event);
    if (is_call(event, NOD_CALL_OPEN_PASSIVE) && event->trace.u.call.result >= 0) {
        end->changed = true; /* a listener is no connection, and has no edges */
        end->after = b->state[side] = NOD_LISTEN;
    }
    if (event->kind == LADDER_REMARK && event->remark == S_REBOOT) {
        end->changed = true;
        end->after = b->state[side] = NOD_CLOSED;
    }
    if (event->kind == LADDER_REMARK) row->remark = event;
    if (event->kind != LADDER_STATE && event->kind != LADDER_REMARK) add_act(end, event);
    take_aftermath(b, end, event, false);
    narrate_local(&b->narrator, row, event);
}

void ladder_build(struct ladder *ladder)
{
    struct builder b = {.ladder = ladder};
    const struct ladder_event *event, *second;
    ladder->row_count = 0;
    while ((event = choose(&b, &second)) != NULL) {
        if (event->kind == LADDER_DEPART || event->kind == LADDER_ARRIVE) {
            build_arrow(&b, event, second);
        } else {
            build_local(&b, event);
        }
    }
}

const nod_trace_segment *row_segment(const struct ladder_row *row)
{
    if (row->origin != NULL) return &row->origin->trace.u.segment;
    if (row->arrive != NULL && row->arrive->trace.type == NOD_TRACE_SEGMENT_IN)
        return &row->arrive->trace.u.segment;
    return NULL;
}

nod_usec row_time(const struct ladder_row *row)
{
    if (row->end[row->from].here) return row->end[row->from].time;
    return row->end[!row->from].time;
}

nod_usec row_last_time(const struct ladder_row *row)
{
    nod_usec last = 0;
    for (int side = 0; side < 2; side++) {
        if (row->end[side].here && row->end[side].time > last) last = row->end[side].time;
    }
    return last;
}

bool row_lost(const struct ladder_row *row)
{
    return row->depart != NULL && (row->depart->fate & NOD_FATE_GONE) != 0;
}
