#include "dice.h"

#define SECOND_COPY_US 1000 /* how much later a second copy comes at most */

static bool hits(nod_rng *rng, double probability)
{
    return nod_rng_unit(rng) < probability;
}

/* Gilbert and Elliott's channel: it goes over to the other state, or does not, and loses as that
 * state does. */
static bool is_lost_in_burst(nod_rng *rng, const nod_path_burst *burst, bool *bad)
{
    if (hits(rng, *bad ? burst->leave : burst->enter)) {
        *bad = !*bad;
    }
    return hits(rng, *bad ? 1 - burst->bad_passes : burst->good_loses);
}

struct nod_dice nod_dice_throw(nod_rng *rng, const nod_path_config *c, bool *bad)
{
    struct nod_dice dice = {0};

    dice.fate |= hits(rng, c->loss) ? NOD_FATE_LOST : 0;
    dice.fate |= hits(rng, c->duplicate) ? NOD_FATE_DUPLICATED : 0;
    dice.fate |= hits(rng, c->reorder) ? NOD_FATE_REORDERED : 0;
    dice.fate |= hits(rng, c->damage) ? NOD_FATE_DAMAGED : 0;
    dice.jitter = (nod_usec)(nod_rng_unit(rng) * (double)(c->jitter_us + 1));
    dice.second_copy = 1 + (nod_usec)(nod_rng_unit(rng) * SECOND_COPY_US);
    dice.damage = nod_rng_next(rng);
    dice.fate |= c->mark > 0 && hits(rng, c->mark) ? NOD_FATE_MARKED : 0;
    if (c->burst.enter > 0 || c->burst.good_loses > 0) {
        dice.fate |= is_lost_in_burst(rng, &c->burst, bad) ? NOD_FATE_LOST : 0;
    }
    return dice;
}
