/* Bulk flows that share one bottleneck, in virtual time: what congestion control is judged by. */
#ifndef NOD_TEST_UNIT_FLOWS_H
#define NOD_TEST_UNIT_FLOWS_H

#include "nod/sim.h"

#define FLOWS_MAX 4

struct flow {
    nod_handle client, server;
    uint64_t received;
    nod_status status;       /* of the sender, when it was looked at last */
    uint32_t least_cwnd;     /* of all times that it was looked at, since `since` */
    uint64_t least_delivery; /* of nod_status.delivery_rate */
    uint64_t srtt_sum;
    uint32_t looks;
    bool stopped; /* it sends no more */
};

struct flows {
    nod_sim *sim;
    nod_stack *a, *b;
    nod_path *path; /* from a to b */
    nod_addr to;
    nod_usec since; /* what is counted begins then */
    int count;
    struct flow flow[FLOWS_MAX];
};

/* Segments are large, as over a link that cuts them. The way back has the same delay, and is
 * clean. */
void flows_make(struct flows *f, uint64_t seed, const nod_path_config *path);
void flows_free(struct flows *f);
/* One more begins now: as `config` says, which may be NULL, with this congestion control. */
int flows_add(struct flows *f, const char *congestion, enum nod_pacing pacing);
/* All send as much as they can for so long; what is counted begins anew. */
void flows_run(struct flows *f, nod_usec time);

/* Octets a second that the user has received since the last flows_run began. */
double flows_rate(const struct flows *f, int flow);
double flows_jain(const struct flows *f);
/* The mean of the smoothed RTT in that time. */
nod_usec flows_srtt(const struct flows *f, int flow);

#endif
