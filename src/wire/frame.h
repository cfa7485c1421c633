/* What the layers above need of frames beyond nod/buf.h. */
#ifndef NOD_WIRE_FRAME_H
#define NOD_WIRE_FRAME_H

#include "nod/buf.h"

/* Adds references to bytes [from, from+len) of the frame's parts to `out`. False when the
 * frame ends before, or `out` has no more room for parts. */
bool nod_frame_share_range(const nod_frame *frame, size_t from, size_t len, nod_frame *out);

/* Makes `to` the frame and leaves `from` empty. Copies what is in use and nothing else, which is
 * little, and never carries somebody's stack to where it does not belong. */
void nod_frame_move(nod_frame *from, nod_frame *to);

/* The contiguous bytes that the packet begins with. */
const uint8_t *nod_frame_start(const nod_frame *frame, size_t *have);

#endif
