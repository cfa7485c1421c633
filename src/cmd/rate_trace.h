/* rate_trace.h: recordings of a rate that varies, in Mahimahi's format: text, one line for each
 * opportunity to send 1504 octets, which says at what millisecond it came. */
#ifndef NOD_CMD_RATE_TRACE_H
#define NOD_CMD_RATE_TRACE_H

#include "nod/path.h"

/* Reads a file in place of what `out` holds. NULL; or what is wanted instead of the file. */
const char *rate_trace_read(const char *file, nod_path_trace *out);
void rate_trace_free(nod_path_trace *trace);

#endif
