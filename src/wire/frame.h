/* What the layers above need of frames beyond nod/buf.h. */
#ifndef NOD_WIRE_FRAME_H
#define NOD_WIRE_FRAME_H

#include "nod/buf.h"

/* Adds references to bytes [from, from+len) of the frame's parts to `out`. False when the
 * frame ends before, or `out` has no more room for parts. */
bool nod_frame_share_range(const nod_frame *frame, size_t from, size_t len, nod_frame *out);

/* The contiguous bytes that the packet begins with. */
const uint8_t *nod_frame_start(const nod_frame *frame, size_t *have);

#endif
