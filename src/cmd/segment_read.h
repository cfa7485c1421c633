/* segment_read.h: the TCP segment in a packet of the kernel's, for the picture: its stack
 * keeps no trace, so what it sends and gets is read off the wire. */
#ifndef NOD_CMD_SEGMENT_READ_H
#define NOD_CMD_SEGMENT_READ_H

#include "nod/trace.h"

/* False when the packet is no TCP segment of IPv4 or IPv6. Numbers are as on the wire. */
bool segment_read(const nod_frame *frame, nod_trace_segment *out);

/* What was learned so far of one direction. */
struct numbering {
    bool known;
    uint32_t initial; /* sequence number */
    uint8_t shift;    /* of the windows that this end tells */
    bool has_shift;
};

/* Fills in the relative numbers and the scaled window of a segment that `from` sends. */
void segment_number(nod_trace_segment *segment, struct numbering *from, const struct numbering *to);

#endif
