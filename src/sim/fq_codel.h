/* FQ-CoDel (RFC 8290): flows wait in queues of their own, which take turns of so many bytes; those
 * that have just begun, or send little, come first. CoDel rules in each. */
#ifndef NOD_SIM_FQ_CODEL_H
#define NOD_SIM_FQ_CODEL_H

#include "dice.h"

typedef struct nod_fq_codel nod_fq_codel;

/* `seed`: of the hash that tells flows apart. NULL: no memory. */
nod_fq_codel *nod_fq_codel_new(uint64_t seed);
void nod_fq_codel_free(nod_fq_codel *fq);

/* A packet comes, and the frame is left empty. What it drops and marks is counted in `stats`.
 * 0 or NOD_ENOMEM (then the frame is as it was). */
int nod_fq_codel_put(nod_fq_codel *fq, const nod_path_config *config, nod_frame *frame,
                     const struct nod_dice *dice, nod_usec now, nod_path_stats *stats);

/* The packet that goes onto the line next. False: none is left. */
bool nod_fq_codel_take(nod_fq_codel *fq, const nod_path_config *config, nod_pool *pool,
                       nod_frame *frame, struct nod_dice *dice, nod_usec now,
                       nod_path_stats *stats);

/* Bytes that wait. */
uint64_t nod_fq_codel_bytes(const nod_fq_codel *fq);

#endif
