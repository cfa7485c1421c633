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

/* Where the IP header begins in a frame with l4_off, whose first octets are `head`. */
size_t nod_frame_l3(const nod_frame *frame, const uint8_t *head);

/* The headers are in head[], the IP header at l3: writes lengths, the IP header's checksum and the
 * pseudo-header's sum for a payload of so many octets, and sets CSUM_TODO. */
void nod_frame_set_size(nod_frame *frame, size_t l3, size_t payload);

/* As nod_frame_piece of a frame with gso_size, but with CSUM_TODO: who needs the checksum, or who
 * can do it for nothing, completes it. */
int nod_frame_cut(const nod_frame *frame, unsigned index, nod_frame *out);

/* The contiguous bytes that the packet begins with. */
const uint8_t *nod_frame_start(const nod_frame *frame, size_t *have);

#endif
