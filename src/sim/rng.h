/* Dice: xoshiro256** (Blackman and Vigna), filled from one number with splitmix64. */
#ifndef NOD_SIM_RNG_H
#define NOD_SIM_RNG_H

#include <stdint.h>

typedef struct nod_rng {
    uint64_t s[4];
} nod_rng;

void nod_rng_seed(nod_rng *rng, uint64_t seed);
uint64_t nod_rng_next(nod_rng *rng);

/* Uniform below `bound`, without the bias of a modulo; 0 for a bound of 0 (and one number is
 * drawn all the same). */
uint64_t nod_rng_below(nod_rng *rng, uint64_t bound);

/* Uniform in [0, 1). */
double nod_rng_unit(nod_rng *rng);

#endif
