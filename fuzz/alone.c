/* Runs a fuzz target without libFuzzer: `fuzz-wire FILE...` replays files; `fuzz-wire --seed N
 * --runs N` makes inputs up. The number of a run that fails is printed before it is known to
 * fail, to the file that a crash leaves behind: the last line of stderr says how to repeat it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "sim/rng.h"

#define INPUT_MAX 4096

static unsigned long long seed = 1, runs = 1000, run;
static const char *name = "";

/* Only what a signal handler may do. */
static void say(const char *text)
{
    if (write(2, text, strlen(text)) < 0) return;
}

static void crashed(int sig)
{
    char digits[24];
    unsigned long long n = run;
    int at = sizeof(digits);
    digits[--at] = 0;
    do digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    say("\nto repeat it: ");
    say(name);
    say(" --seed ");
    say(digits + at);
    say(" --runs 1\n");
    signal(sig, SIG_DFL);
    raise(sig);
}

static int replay(const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    uint8_t *exact = malloc(len ? len : 1); /* AddressSanitizer sees its end */
    memcpy(exact, bytes, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 0;
}

/* Bytes of a run: of few values now and then, so that numbers meet. */
static void make_up(void)
{
    nod_rng rng;
    nod_rng_seed(&rng, run);
    size_t len = nod_rng_below(&rng, nod_rng_below(&rng, 4) ? 300 : INPUT_MAX);
    uint8_t *bytes = malloc(len ? len : 1);
    uint64_t few = nod_rng_below(&rng, 3);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)nod_rng_next(&rng);
        if (few && nod_rng_below(&rng, 3) < few) bytes[i] = (uint8_t)nod_rng_below(&rng, 8);
    }
    LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
}

int main(int argc, char **argv)
{
    static const int signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, SIGALRM};
    int files = 0, failed = 0;
    name = argv[0];
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) signal(signals[i], crashed);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            runs = strtoull(argv[++i], NULL, 0);
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "usage: %s [--seed N] [--runs N] | FILE...\n", name);
            return 2;
        } else {
            files++;
            failed |= replay(argv[i]);
        }
    }
    if (files) return failed;
    if (getenv("NOD_TEST_QUICK")) runs = (runs + 9) / 10;
    for (run = seed; run < seed + runs; run++) {
        alarm(20); /* a run that never ends is a failure too */
        make_up();
    }
    printf("%llu runs from seed %llu\n", runs, seed);
    return 0;
}
