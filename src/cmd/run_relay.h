/* run_relay.h: what stands between programs and the device when the network is to be bad, or to
 * be captured: programs have one end of a pair of sockets in the device's stead, and a thread
 * carries packets between the other end and the device. */
#ifndef NOD_CMD_RUN_RELAY_H
#define NOD_CMD_RUN_RELAY_H

#include "net_options.h"
#include "nod/link.h"

typedef struct run_relay run_relay;

/* Makes the device and begins. `*end` becomes the descriptor for the programs: it is the
 * caller's, gives and takes packets as a TUN does, and is at its end when the relay is. NULL:
 * *error (NOD_E...) and a sentence in why[NOD_LINK_WHY]. */
run_relay *relay_start(const net_options *options, const nod_tun_config *tun, int *end, int *error,
                       char *why);
const char *relay_device(const run_relay *relay);

/* Ends. Returns 0, or NOD_EIO when the capture could not be written to its end. */
int relay_stop(run_relay *relay, nod_link_stats *stats);

#endif
