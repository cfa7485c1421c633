/* What chance says about one packet. */
#ifndef NOD_SIM_DICE_H
#define NOD_SIM_DICE_H

#include "nod/path.h"
#include "rng.h"

struct nod_dice {
    unsigned fate; /* enum nod_fate_flags */
    nod_usec jitter;
    nod_usec second_copy; /* how much later it comes */
    uint64_t damage;
};

/* The same number of dice is thrown for each packet, whatever its fate, so that a change of one
 * probability leaves the other dice alone. (But for marks and bursts, whose dice are thrown only
 * where there may be any.) `bad` is the state of the burst model: false at the beginning. */
struct nod_dice nod_dice_throw(nod_rng *rng, const nod_path_config *config, bool *bad);

#endif
