/* The stage of one script: a stack, the flows between it and the peer, and virtual time. */
#ifndef NOD_TEST_STAGE_H
#define NOD_TEST_STAGE_H

#include <stdio.h>

#include "nod/stack.h"
#include "packet.h"

#define STAGE_FLOWS 40
#define STAGE_SEEN 512
#define STAGE_BATCH 64
#define STAGE_HANDLES 64
#define STAGE_WHY 600
#define STAGE_PREFIXES 4
/* Virtual time begins here, so that nothing may take 0 for "never", nor 32 bits for enough. */
#define STAGE_EPOCH (100000 * NOD_SEC)

/* A segment that nod has sent and the script has not yet spoken of. */
struct seen {
    nod_usec time;
    struct flow *flow;
    struct segment segment;
};

/* Events of a handle that the script has not yet asked for. */
struct heard {
    nod_handle handle;
    uint32_t flags;
    int error;
};

/* Addresses that nod stands in for. */
struct stage_prefix {
    nod_addr addr;
    uint8_t bits;
    bool echo;
};

struct stage {
    nod_stack *stack; /* made at the first line with a time */
    nod_config config;
    nod_iface_config iface;
    nod_addr nod, peer;
    struct stage_prefix prefix[STAGE_PREFIXES];
    int prefixes;
    nod_usec now, tolerance;
    struct flow flow[STAGE_FLOWS]; /* flow[0] is the one without a name */
    int flows;
    struct seen seen[STAGE_SEEN];
    int seen_count;
    nod_frame batch[STAGE_BATCH]; /* segments from the peer that arrive together */
    int batch_count;
    struct heard heard[STAGE_HANDLES];
    FILE *listing;       /* what went over the wire, as tcpdump shows it */
    char why[STAGE_WHY]; /* what went wrong first */
};

void stage_open(struct stage *stage, FILE *listing);
void stage_close(struct stage *stage);

/* Makes the stack. False: see why. So with all below. */
bool stage_boot(struct stage *stage);
bool stage_reboot(struct stage *stage);

/* The flow of this name; NULL when there is none. */
struct flow *stage_flow(struct stage *stage, const char *name);
struct flow *stage_add_flow(struct stage *stage, const char *name);

/* A new incarnation: nod's numbers are learned anew, the streams begin again. */
void stage_forget_numbers(struct flow *flow);

/* Goes to `time`, and shows the stack all that happens until then. */
bool stage_advance(struct stage *stage, nod_usec time);

/* Hands over the batch, and takes what nod has to send now and what it has to tell. */
bool stage_settle(struct stage *stage);

/* The oldest segment that nod has sent; false when there is none. */
bool stage_take_seen(struct stage *stage, struct seen *out);

/* A segment, or another packet, from the peer: arrives with the next stage_settle. */
bool stage_inject(struct stage *stage, struct flow *flow, const struct segment *segment,
                  bool bad_sum);
bool stage_inject_bytes(struct stage *stage, const uint8_t *bytes, size_t len);

/* The first thing that goes wrong is what is told. Returns false. */
__attribute__((format(printf, 2, 3))) bool stage_fail(struct stage *stage, const char *format, ...);

struct heard *stage_heard(struct stage *stage, nod_handle handle);

#endif
