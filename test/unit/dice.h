/* Random tests: one number decides everything, and the way to repeat it is printed.
 * NOD_TEST_SEED in the environment replays one seed alone. */
#ifndef NOD_TEST_UNIT_DICE_H
#define NOD_TEST_UNIT_DICE_H

#include <stdint.h>

#include "sim/rng.h"

/* Calls `run` with the seeds 1 to `count`, fewer under NOD_TEST_QUICK; `file` is __FILE__. The
 * seed is printed when the run fails the test. */
void dice_each(const char *file, uint64_t count, void (*run)(nod_rng *rng));

/* Fills with random bytes. */
void dice_bytes(nod_rng *rng, void *bytes, uint64_t len);

#endif
