/* Random worlds: two hosts, a bad link, programs that do as they please; every byte checked,
 * every connection ended, nothing left. A seed is a world; a seed that fails can be replayed.
 *
 *     worlds [--seeds FROM-TO] [--jobs N]     many worlds, FROM to TO, both included
 *     worlds --seed N [--ladder]              one, with the ladder of its segments */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

/* What a process has done so far, in memory that it shares: a world that kills it is known. */
struct progress {
    uint64_t seed, failed;
};

/* Every `jobs`-th seed from p->seed on. */
static void play(const struct options *o, struct progress *p)
{
    static struct world world;

    for (; p->seed <= o->to; p->seed += (uint64_t)o->jobs) {
        if (!world_play(p->seed, o->ladder ? stdout : NULL, &world)) {
            fflush(stdout);
            if (p->failed++ < FAILURES_TOLD) {
                tell(o, &world);
            }
        } else if (o->from == o->to) {
            printf("seed %llu: %llu steps, %llu bytes\n", (unsigned long long)p->seed,
                   (unsigned long long)world.steps, (unsigned long long)world.bytes);
        }
    }
}

static pid_t start(const struct options *o, struct progress *p)
{
    pid_t child = fork();

    if (child < 0) {
        perror("worlds: no second process");
        exit(2);
    }
    if (child == 0) {
        play(o, p);
        exit(0);
    }
    return child;
}

/* Sees a process to its end. One that dies is followed by another, from the next seed on. */
static uint64_t finish(const struct options *o, pid_t child, struct progress *p)
{
    int status;

    while (waitpid(child, &status, 0) == child && p->seed <= o->to) {
        p->failed++;
        fprintf(stderr, "seed %llu: the process died (%s %d)\n  replay: %s --seed %llu --ladder\n",
                (unsigned long long)p->seed, WIFSIGNALED(status) ? "signal" : "exit status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), o->program,
                (unsigned long long)p->seed);
        p->seed += (uint64_t)o->jobs;
        child = start(o, p);
    }
    /* A sanitizer may have something to say at the very end. */
    return p->failed + (WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1);
}

static uint64_t play_in_jobs(const struct options *o)
{
    pid_t child[JOBS_MAX];
    uint64_t failed = 0;
    struct progress *p = mmap(NULL, sizeof(struct progress) * JOBS_MAX, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("worlds: no shared memory");
        exit(2);
    }
    for (int i = 0; i < o->jobs; i++) {
        p[i].seed = o->from + (uint64_t)i;
        child[i] = start(o, &p[i]);
    }
    for (int i = 0; i < o->jobs; i++) {
        failed += finish(o, child[i], &p[i]);
    }
    return failed;
}

static uint64_t play_alone(const struct options *o)
{
    struct progress p = {.seed = o->from};

    play(o, &p);
    return p.failed;
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
    bool alone = o.from == o.to || o.ladder;

    o.jobs = alone ? 1 : o.jobs;
    uint64_t failed = alone ? play_alone(&o) : play_in_jobs(&o), all = o.to - o.from + 1;

    printf("%llu passed, %llu failed\n", (unsigned long long)(all - (failed < all ? failed : all)),
           (unsigned long long)failed);
    return failed ? 1 : 0;
}
