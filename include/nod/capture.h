/* nod/capture.h: packets into a pcapng file that Wireshark opens, each with a comment.
 * In libnod-posix. */
#ifndef NOD_CAPTURE_H
#define NOD_CAPTURE_H

#include "nod/stack.h"
#include "nod/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nod_capture nod_capture;

/* Creates the file (an existing one is overwritten). `epoch_us` is added to every time: the
 * UNIX time of 0, so that Wireshark shows wall-clock times; 0 is fine for virtual time.
 * NULL with errno set. */
nod_capture *nod_capture_open(const char *path, uint64_t epoch_us);

/* An interface of the capture; returns its index. Call before its first packet. */
int nod_capture_iface(nod_capture *capture, const char *name, enum nod_iface_kind kind);

/* One packet; large frames are cut, checksums completed, the frame is left as it was.
 * `outbound` is written as the packet's direction flag. `comment` may be NULL. Returns 0 or
 * NOD_EIO; a failed write is remembered and told again by nod_capture_close. */
int nod_capture_packet(nod_capture *capture, int iface, nod_usec time, bool outbound,
                       const nod_frame *frame, const char *comment);

/* A sentence for a packet's comment from its trace event: state and event, as in
 * "ESTABLISHED: retransmit-timeout". Returns buf. */
char *nod_capture_comment(const nod_trace *trace, char *buf, size_t size);

/* Writes out and closes. 0, or NOD_EIO if any packet could not be written. */
int nod_capture_close(nod_capture *capture);

#ifdef __cplusplus
}
#endif
#endif
