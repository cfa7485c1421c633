/* One cell of the table, tried in one variant. */
#ifndef NOD_TEST_CELL_H
#define NOD_TEST_CELL_H

#include "conv.h"
#include "told.h"

struct cell {
    struct conv conv;
    struct row row;  /* as it is for nod */
    const char *why; /* what makes it differ from the table's, or NULL */
    unsigned told;   /* enum told */
    bool is_segment;
    struct segment seg;    /* the stimulus */
    struct numbers before; /* on the wire */
    nod_status status;     /* and as STATUS told them */
    bool has_status;
    uint32_t una, rcv_nxt; /* what they must be afterwards */
    nod_usec fired;        /* when */
};

/* False, with a reason in why[STAGE_WHY]. What was said goes to `listing`. */
bool cell_run(const struct row *row, struct variant variant, FILE *listing, char *why);

static inline bool cell_fail_state(struct cell *cell, enum nod_state wanted, enum nod_state is)
{
    return stage_fail(&cell->conv.stage, "the state is %s, and must be %s", nod_state_name(is),
                      nod_state_name(wanted));
}

/* Segments that nod has sent since the last mark: exactly this one, at this moment. */
bool cell_sent_one(struct cell *cell, const struct segment *wanted);
bool cell_sent_none(struct cell *cell);
bool cell_in_state(struct cell *cell, enum nod_state wanted);

/* call.c: a user's call, and what it must return. */
bool call_fire(struct cell *cell);
/* How a connection's end is told to its user: events, RECEIVE, SEND, STATUS and release. */
bool call_after_end(struct cell *cell);
/* The error that the connection ends with, or 0. */
int call_end_error(const struct cell *cell);

/* timer.c: the clock. */
bool timer_fire(struct cell *cell);

/* life.c: the connection goes on from `state` as one in that state must. */
bool life_goes_on(struct cell *cell, enum nod_state state);

#endif
