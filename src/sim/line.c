#include "line.h"

bool nod_line_trace_is_sound(const nod_path_trace *trace)
{
    if (trace->count > 0 && !trace->ms) {
        return false;
    }
    for (uint32_t i = 1; i < trace->count; i++) {
        if (trace->ms[i] < trace->ms[i - 1]) {
            return false;
        }
    }
    return trace->count == 0 || trace->ms[trace->count - 1] > 0;
}

/* A round lasts until its last opportunity. */
static nod_usec round_time(const nod_path_trace *trace)
{
    return trace->ms[trace->count - 1] * NOD_MSEC;
}

static nod_usec time_of(const nod_path_trace *trace, uint64_t opportunity)
{
    return trace->begins + opportunity / trace->count * round_time(trace) +
           trace->ms[opportunity % trace->count] * NOD_MSEC;
}

/* The first opportunity of the round that is not before so much of it. */
static uint32_t search(const nod_path_trace *trace, nod_usec into)
{
    uint32_t low = 0, high = trace->count - 1;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (trace->ms[middle] * NOD_MSEC < into) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first opportunity that is not over at `now`. */
static uint64_t opportunity_at(const nod_path_trace *trace, nod_usec now)
{
    nod_usec since = now > trace->begins ? now - trace->begins : 0;
    /* The end of a round belongs to it, for there is an opportunity. */
    uint64_t round = since ? (since - 1) / round_time(trace) : 0;

    return round * trace->count + search(trace, since - round * round_time(trace));
}

/* What a packet finds at `now`: the rest of what is in use, or the next opportunity; those that
 * pass while nobody wants them are lost. */
static nod_line find(const nod_line *line, const nod_path_trace *trace, nod_usec now)
{
    nod_usec soonest = now > line->free_at ? now : line->free_at;
    nod_line found = *line;

    found.opportunity = opportunity_at(trace, soonest);
    if (found.opportunity > line->opportunity) {
        found.left = NOD_PATH_TRACE_OCTETS;
    } else if (line->left > 0) {
        found.opportunity = line->opportunity;
    } else {
        /* Used up, as others of the same millisecond may be that come before it. */
        found.opportunity = line->opportunity + (line->begun ? 1 : 0);
        found.left = NOD_PATH_TRACE_OCTETS;
    }
    found.begun = true;
    return found;
}

nod_usec nod_line_starts(const nod_line *line, const nod_path_config *config, nod_usec now)
{
    if (config->trace.count > 0) {
        nod_line found = find(line, &config->trace, now);

        return time_of(&config->trace, found.opportunity);
    }
    return line->free_at > now ? line->free_at : now;
}

static void send_by_trace(nod_line *line, const nod_path_trace *trace, uint64_t bytes, nod_usec now)
{
    *line = find(line, trace, now);
    while (bytes > line->left) {
        bytes -= line->left;
        line->left = NOD_PATH_TRACE_OCTETS;
        line->opportunity++;
    }
    line->left -= (uint32_t)bytes;
    line->free_at = time_of(trace, line->opportunity);
}

static void send_by_rate(nod_line *line, uint64_t rate_bps, uint64_t bytes, nod_usec now)
{
    if (line->free_at <= now || line->rate != rate_bps) {
        line->rest = 0;
    }
    line->rate = rate_bps;
    line->free_at = line->free_at > now ? line->free_at : now;
    if (rate_bps > 0) {
        uint64_t work = bytes * 8 * NOD_SEC + line->rest;

        line->free_at += work / rate_bps;
        line->rest = work % rate_bps;
    }
}

nod_usec nod_line_send(nod_line *line, const nod_path_config *config, uint64_t bytes, nod_usec now)
{
    if (config->trace.count > 0) {
        send_by_trace(line, &config->trace, bytes, now);
    } else {
        send_by_rate(line, config->rate_bps, bytes, now);
    }
    return line->free_at;
}
