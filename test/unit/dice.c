#include "unit/dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *running_file;
static unsigned long long running_seed;

/* cmocka leaves a failed test by longjmp, and a crash by a signal; only what was written
 * before survives both. */
static void note(const char *file, uint64_t seed)
{
    running_file = file;
    running_seed = seed;
}

static void at_exit(void)
{
    if (running_file)
        fprintf(stderr,
                "%s: the seed was %llu; NOD_TEST_SEED=%llu and the same program replay it\n",
                running_file, running_seed, running_seed);
}

void dice_each(const char *file, uint64_t count, void (*run)(nod_rng *rng))
{
    static int registered;
    const char *only = getenv("NOD_TEST_SEED");
    uint64_t first = 1, last = getenv("NOD_TEST_QUICK") ? (count + 9) / 10 : count;
    if (only) first = last = strtoull(only, NULL, 0);
    if (!registered++) atexit(at_exit);
    for (uint64_t seed = first; seed <= last; seed++) {
        nod_rng rng;
        nod_rng_seed(&rng, seed);
        note(file, seed);
        run(&rng);
    }
    note(NULL, 0);
}

void dice_bytes(nod_rng *rng, void *bytes, uint64_t len)
{
    uint8_t *p = bytes;
    for (uint64_t i = 0; i < len; i++) p[i] = (uint8_t)nod_rng_next(rng);
}
