/* The kernel's side of a bulk transfer, in a process of its own so that both sides can be
 * busy at once. */
#ifndef INTEROP_PEER_H
#define INTEROP_PEER_H

#include "stream.h"
#include "world.h"

typedef struct peer {
    pid_t pid;
    int result;
} peer;

typedef struct peer_result {
    int error; /* errno, with what failed in `what`; 0 */
    char what[32];
    uint64_t sent, received;
    uint8_t sent_digest[DIGEST], received_digest[DIGEST];
} peer_result;

/* Listens or connects, sends `bytes` from `seed` and takes what comes, both at once, closing
 * its half when all is sent; ends after both. */
void peer_start(peer *p, world *w, bool passive, uint64_t seed, uint64_t bytes);
/* Waits for the end. */
void peer_finish(peer *p, world *w, peer_result *out);

#endif
