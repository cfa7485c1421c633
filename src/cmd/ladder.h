/* ladder.h: what happened between two ends, as rows that can be drawn.
 *
 * Events come in from traces, in order for each end. Out come rows: an arrow from end to
 * end, or something that one end did by itself. A row never breaks the order of events at
 * either end; where two segments cross, the arrow is cut in two: one row for its departure,
 * one for its arrival. All pictures (text, SVG) are drawn from the same rows. */
#ifndef NOD_CMD_LADDER_H
#define NOD_CMD_LADDER_H

#include "nod/path.h"
#include "nod/trace.h"
#include "sentence.h"

enum { LEFT, RIGHT };

enum ladder_kind {
    LADDER_DEPART,
    LADDER_ARRIVE,
    LADDER_STATE,
    LADDER_CALL,
    LADDER_TIMER,
    LADDER_DROP,
    LADDER_ICMP,
    LADDER_PATH_MTU,
    LADDER_REMARK, /* the world itself does something: a power cut */
    LADDER_ERROR,  /* an application is told of an error */
};

struct ladder_event {
    nod_trace trace; /* with REMARK and ERROR only its time counts */
    unsigned fate;   /* DEPART: enum nod_fate_flags */
    int remark;      /* REMARK: enum sentence_key */
    int error;       /* ERROR: a NOD_E... */
    uint8_t kind, side;
};

#define LADDER_ACTS 6

/* One end's part in a row. */
struct ladder_end {
    bool here;             /* the row touches this end */
    bool changed;          /* from one state into another */
    uint8_t before, after; /* enum nod_state */
    nod_usec time;
    int act_count;
    const struct ladder_event *acts[LADDER_ACTS]; /* calls, timers, errors, in order */
    const struct ladder_event *drop;              /* what arrived here was dropped, and why */
};

struct ladder_row {
    int from; /* the end that the arrow leaves; or the end that a row without arrow is of */
    const struct ladder_event *depart, *arrive; /* either or both; neither: no arrow */
    const struct ladder_event *origin;          /* the departure, even if it had a row of its own */
    const struct ladder_event *remark;
    uint32_t seq, ack; /* the segment's, relative to what the ends began with */
    bool again;        /* it carries what was sent before */
    bool copy;         /* the second arrival of one packet */
    bool on_its_way;   /* departed, and not lost, but no arrival is known (yet) */
    struct ladder_end end[2];
    struct sentence sentence;
};

struct ladder {
    struct ladder_event *events;
    int count, room;
    struct ladder_row *rows;
    int row_count, row_room;
    nod_usec together_us; /* how far apart things of one moment may be: 0 in virtual time */
    bool failed;          /* no memory */
};

void ladder_free(struct ladder *ladder);

/* A call that brought nothing, and is of no interest. */
bool trace_is_dull(const nod_trace *trace);

/* Adds an event of one end. */
void ladder_trace(struct ladder *ladder, int side, const nod_trace *trace);
void ladder_error(struct ladder *ladder, int side, nod_usec time, int error);
void ladder_remark(struct ladder *ladder, int side, nod_usec time, enum sentence_key remark);

/* Tells the fate of a packet that left `side`. */
void ladder_fate(struct ladder *ladder, int side, uint32_t frame, unsigned fate);

/* Builds the rows anew from all events so far. Rows point at events: they hold until the
 * next event is added. */
void ladder_build(struct ladder *ladder);

/* The segment of a row's arrow; NULL when it has none. */
const nod_trace_segment *row_segment(const struct ladder_row *row);

/* When the row happened: at its first end. */
nod_usec row_time(const struct ladder_row *row);

/* When its last part happened. */
nod_usec row_last_time(const struct ladder_row *row);

/* The packet is known never to arrive whole. */
bool row_lost(const struct ladder_row *row);

#endif
