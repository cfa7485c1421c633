/* Random worlds: two hosts, a bad link, programs that do as they please; every byte checked,
 * every connection ended, nothing left. A seed is a world; a seed that fails can be replayed.
 *
 *     worlds [--seeds FROM-TO] [--jobs N]     many worlds, FROM to TO, both included
 *     worlds --seed N [--ladder]              one, with the ladder of its segments */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

#define JOBS_MAX 64
#define FAILURES_TOLD 10

struct options {
    const char *program;
    uint64_t from, to;
    int jobs;
    bool ladder;
};

static void tell(const struct options *o, const struct world *w)
{
    fprintf(stderr, "seed %llu: %s\n  replay: %s --seed %llu --ladder\n",
            (unsigned long long)w->seed, w->why[0] ? w->why : "failed without a word", o->program,
            (unsigned long long)w->seed);
}

/* Every `jobs`-th seed from `first` on. Returns how many failed. */
static uint64_t play(const struct options *o, uint64_t first)
{
    static struct world world;
    uint64_t failed = 0;

    for (uint64_t seed = first; seed <= o->to; seed += (uint64_t)o->jobs) {
        if (!world_play(seed, o->ladder ? stdout : NULL, &world)) {
            fflush(stdout);
            if (failed++ < FAILURES_TOLD) {
                tell(o, &world);
            }
        } else if (o->from == o->to) {
            printf("seed %llu: %llu steps, %llu bytes\n", (unsigned long long)seed,
                   (unsigned long long)world.steps, (unsigned long long)world.bytes);
        }
    }
    return failed;
}

/* The child writes how many of its worlds failed; one that dies has written nothing. */
static pid_t start(const struct options *o, int job, int *result)
{
    int ends[2];
    pid_t child;

    if (pipe(ends) < 0 || (child = fork()) < 0) {
        perror("worlds: no second process");
        exit(2);
    }
    if (child == 0) {
        close(ends[0]);
        uint64_t failed = play(o, o->from + (uint64_t)job);

        if (write(ends[1], &failed, sizeof failed) != (ssize_t)sizeof failed) {
            exit(2);
        }
        exit(0);
    }
    close(ends[1]);
    *result = ends[0];
    return child;
}

static uint64_t play_in_jobs(const struct options *o)
{
    pid_t child[JOBS_MAX];
    int result[JOBS_MAX], status;
    uint64_t failed, all = 0;

    for (int i = 0; i < o->jobs; i++) {
        child[i] = start(o, i, &result[i]);
    }
    for (int i = 0; i < o->jobs; i++) {
        bool told = read(result[i], &failed, sizeof failed) == (ssize_t)sizeof failed;

        close(result[i]);
        waitpid(child[i], &status, 0);
        if (!told || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "worlds: process %d died; replay: %s --seeds %llu-%llu --jobs 1\n", i,
                    o->program, (unsigned long long)o->from, (unsigned long long)o->to);
            failed = 1;
        }
        all += failed;
    }
    return all;
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--seeds FROM-TO] [--jobs N] | --seed N [--ladder]\n", program);
    return 2;
}

static bool parse(int argc, char **argv, struct options *o)
{
    unsigned long long from, to;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--ladder") == 0) {
            o->ladder = true;
            continue;
        } else if (strcmp(argv[i], "--seeds") == 0 && sscanf(value, "%llu-%llu", &from, &to) == 2) {
            o->from = from;
            o->to = to;
        } else if (strcmp(argv[i], "--seed") == 0 && sscanf(value, "%llu", &from) == 1) {
            o->from = o->to = from;
        } else if (strcmp(argv[i], "--jobs") == 0 && atoi(value) >= 1 && atoi(value) <= JOBS_MAX) {
            o->jobs = atoi(value);
        } else {
            return false;
        }
        i++;
    }
    return o->from <= o->to;
}

int main(int argc, char **argv)
{
    struct options o = {.program = argv[0], .from = 1, .to = 10000, .jobs = 2};

    if (!parse(argc, argv, &o)) {
        return usage(argv[0]);
    }
    if (o.from == o.to || o.ladder) {
        o.jobs = 1;
    }
    uint64_t failed = o.jobs == 1 ? play(&o, o.from) : play_in_jobs(&o);

    printf("%llu passed, %llu failed\n", (unsigned long long)(o.to - o.from + 1 - failed),
           (unsigned long long)failed);
    return failed ? 1 : 0;
}
