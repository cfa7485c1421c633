/* The line of a path, which sends one packet after the other: so many bits a second, or as a trace
 * of a real one's opportunities says. */
#ifndef NOD_SIM_LINE_H
#define NOD_SIM_LINE_H

#include "nod/path.h"

typedef struct nod_line {
    nod_usec free_at; /* when it has sent all that it was given */
    /* With a rate: the rest of the division by it, so that no time is lost to rounding. */
    uint64_t rate, rest;
    /* With a trace: the opportunity in use, counted on through all rounds, and what is left of
     * it; once one was. */
    bool begun;
    uint32_t left;
    uint64_t opportunity;
} nod_line;

/* An all-zero nod_line is an idle one. */

/* When the first bit of a packet goes onto the line that wants to at `now`. */
nod_usec nod_line_starts(const nod_line *line, const nod_path_config *config, nod_usec now);

/* It goes. Returns when its last bit leaves. */
nod_usec nod_line_send(nod_line *line, const nod_path_config *config, uint64_t bytes, nod_usec now);

/* Whether a trace makes sense: it goes on, and its end is later than its beginning. */
bool nod_line_trace_is_sound(const nod_path_trace *trace);

#endif
