/* nod/sim.h: a network in virtual time: hosts that are stacks, joined by links that delay,
 * limit, lose, double, reorder and damage. Repeatable from one seed. No clock, no threads.
 *
 *     nod_sim *sim = nod_sim_new(seed);
 *     int a = nod_sim_add_host(sim, "a", NULL), b = nod_sim_add_host(sim, "b", NULL);
 *     nod_sim_join(sim, a, b, NULL, NULL);
 *     nod_tcp_open(nod_sim_stack(sim, a), ...);
 *     while (nod_sim_step(sim) == 1) { pull events of both, call, ... }
 */
#ifndef NOD_SIM_H
#define NOD_SIM_H

#include "nod/path.h"
#include "nod/stack.h"
#include "nod/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nod_sim nod_sim;
#define NOD_SIM_HOSTS_MAX 64

nod_sim *nod_sim_new(uint64_t seed); /* NULL: no memory */
void nod_sim_free(nod_sim *sim);
nod_usec nod_sim_now(const nod_sim *sim);

/* A uniform number below `bound` from the seed, for a program's own dice. */
uint64_t nod_sim_random(nod_sim *sim, uint64_t bound);

/* `config` may be NULL: the defaults. The secret is drawn from the seed if it is zero.
 * Returns the host's number, or NOD_ENOMEM. */
int nod_sim_add_host(nod_sim *sim, const char *name, const nod_config *config);
nod_stack *nod_sim_stack(nod_sim *sim, int host);
const char *nod_sim_name(const nod_sim *sim, int host);

/* The host loses its memory and starts anew, as after a power cut: same name, addresses and
 * links, no connections, a new secret, no trace. The stack is another one then. Returns 0, or
 * NOD_ENOMEM (then nothing has happened). */
int nod_sim_reboot(nod_sim *sim, int host);

/* Joins two hosts with a link of its own interface at each end (IP packets, MTU 1500, or as
 * `iface` says). The link number n gives them 10.0.n.1 and 10.0.n.2, and fd00:n::1 and
 * fd00:n::2 (IPv6 from an MTU of 1280 on), and MACs of its own. The configurations may be
 * NULL: 10 ms, nothing harmed. Returns the link's number, NOD_EINVAL or NOD_ENOMEM. */
int nod_sim_join(nod_sim *sim, int a, int b, const nod_path_config *a_to_b,
                 const nod_path_config *b_to_a);
int nod_sim_join_iface(nod_sim *sim, int a, int b, const nod_iface_config *iface,
                       const nod_path_config *a_to_b, const nod_path_config *b_to_a);
/* family 4 or 6; end 0 is host a, 1 is host b. */
nod_addr nod_sim_addr(const nod_sim *sim, int link, int end, int family);
/* The direction away from `end`: change it, force fates, read its counters. */
nod_path *nod_sim_path(nod_sim *sim, int link, int end);

/* Goes to the next time at which anything happens (a packet arrives, a timer runs out, a
 * call made output due), and does all that happens then: input a batch, timers, output.
 * Returns 1; 0 when nothing will ever happen again by itself. */
int nod_sim_step(nod_sim *sim);
/* With `on`, what a step makes due leaves in the next step, at the same time: so that a
 * program which pulls events in between has its say in the answers, as it has around a real
 * stack (a CLOSE on the peer's FIN goes out with the ACK of it). Off by default. */
void nod_sim_answer_later(nod_sim *sim, bool on);
/* The time of the next step; NOD_NEVER. */
nod_usec nod_sim_next(const nod_sim *sim);
/* Steps until `when`, and moves the time there. Calls made after it happen then. */
void nod_sim_run_until(nod_sim *sim, nod_usec when);

/* What went over the links, pulled like the trace: one record when a packet leaves a host,
 * with its fate, and one for each arrival. Off until asked for.
 * `frame` is the number that the sender's trace gave the packet (SEGMENT_OUT), and that the
 * receiver's trace has too (SEGMENT_IN, DROP). Each host counts its own, so that the sending
 * host and `frame` together name a packet; the pieces of a large segment share its number,
 * and so do the copies of a doubled packet. */
typedef struct nod_sim_packet {
    nod_usec time;
    bool arrival;
    int link, from; /* from: the end that sent it */
    uint32_t frame; /* the id in both hosts' trace events */
    unsigned fate;  /* enum nod_fate_flags; departure only */
    nod_frame copy; /* shared bytes: release it after use */
} nod_sim_packet;
void nod_sim_watch_packets(nod_sim *sim, bool on);
int nod_sim_packets(nod_sim *sim, nod_sim_packet *out, int max);

#ifdef __cplusplus
}
#endif
#endif
