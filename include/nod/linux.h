/* nod/linux.h: what a connection says of itself, and what went wrong with it, as Linux says it. In
 * libnod-posix. */
#ifndef NOD_LINUX_H
#define NOD_LINUX_H

#include "nod/tcp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes a STATUS as Linux's struct tcp_info (TCP_INFO of getsockopt), as much of it as `room`
 * bytes hold. Returns how long it is: NOD_LINUX_TCP_INFO. What nod does not know is 0, and without
 * nod_tcp_config.counters that is all that must be counted. */
#define NOD_LINUX_TCP_INFO 240
size_t nod_linux_tcp_info(const nod_status *status, void *out, size_t room);

/* The errno that a socket call has for a NOD_E..., or EIO. */
int nod_linux_errno(int error);

#ifdef __cplusplus
}
#endif
#endif
