/* nod/netns.h: a private network for this process, in libnod-posix: a world of its own, with
 * no device but its loopback, where nod may make devices without being root and without
 * touching the machine's. */
#ifndef NOD_NETNS_H
#define NOD_NETNS_H

#include "nod/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NOD_NETNS_WHY 256

/* Moves the process, and the children that it will have, into a new network namespace and
 * brings its loopback up. Without the right to do so it makes a user namespace as well, in
 * which the caller's user is root. The process must have one thread only. There is no way
 * back. Returns 0; or NOD_EPERM (the system forbids it), NOD_EUNSUPPORTED (it knows no
 * namespaces), NOD_EINVAL (more than one thread), NOD_EIO, and a sentence in
 * why[NOD_NETNS_WHY] that says what to do. */
int nod_netns_enter(char *why);

/* Moves the process into a network namespace that exists: `where` is its name in /run/netns, the
 * number of a process in it, or a path with a slash. One that belongs to a user namespace of the
 * caller's is entered with that. Devices that were made before stay where they are. Returns 0; or
 * NOD_EPERM, NOD_EINVAL (there is none), NOD_EIO, and a sentence in why[NOD_NETNS_WHY]. */
int nod_netns_join(const char *where, char *why);

#ifdef __cplusplus
}
#endif
#endif
