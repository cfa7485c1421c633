/* What a simulated network is made of; only src/sim includes it. */
#ifndef NOD_SIM_WORLD_H
#define NOD_SIM_WORLD_H

#include "nod/sim.h"
#include "rng.h"

#define NOD_SIM_NAME 32
#define NOD_SIM_BATCH 64

/* One end of a link: whose it is, and the road that leads away from it. */
struct nod_sim_end {
    int host, iface;
    nod_iface_config config;
    nod_path *away;
};

struct nod_sim_link {
    struct nod_sim_end end[2];
};

struct nod_sim_host {
    char name[NOD_SIM_NAME];
    nod_config config;
    nod_stack *stack;
    struct {
        int link, end; /* where it leads; link -1: nowhere */
    } iface[NOD_IFACES_MAX];
    int ifaces;
};

/* Packet records that wait for nod_sim_packets: the first `taken` are gone. */
struct nod_sim_records {
    bool on;
    nod_sim_packet *list;
    size_t taken, count, room;
};

struct nod_sim {
    nod_usec now;
    nod_rng rng;
    nod_pool *pool; /* for damaged copies */
    bool answers_later;
    struct nod_sim_host host[NOD_SIM_HOSTS_MAX];
    int hosts;
    struct nod_sim_link *link;
    int links;
    struct nod_sim_records records;
    nod_frame batch[NOD_SIM_BATCH];
};

/* The host's stack, from its configuration, with its interfaces and addresses. Returns 0, or
 * an error (then there is no stack). */
int nod_sim_boot(nod_sim *sim, int host);

/* Writes down a packet, sharing its bytes. Without memory the record is left out. */
nod_sim_packet *nod_sim_record(nod_sim *sim, int link, int from, const nod_frame *frame);
void nod_sim_forget_records(nod_sim *sim);

#endif
