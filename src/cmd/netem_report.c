#include "netem_report.h"

#include "tr.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

/* Where a number lies in struct netem_counts, what programs call it, and people. */
static const struct counter {
    size_t offset;
    const char *key, *words;
} counters[] = {
#define PATH(member) offsetof(struct netem_counts, path.member), #member
#define LINK(member) offsetof(struct netem_counts, link.member), #member
#define LATE(member) offsetof(struct netem_counts, late.member), #member
    {PATH(in), N_("packets in")},
    {PATH(out), N_("packets out")},
    {PATH(bytes_in), N_("octets in")},
    {PATH(bytes_out), N_("octets out")},
    {PATH(lost), N_("lost by chance")},
    {PATH(queue_full), N_("dropped by the full queue")},
    {PATH(codel), N_("dropped by CoDel")},
    {PATH(duplicated), N_("doubled")},
    {PATH(reordered), N_("held back")},
    {PATH(damaged), N_("damaged")},
    {PATH(marked), N_("marked as congested")},
    {LINK(no_memory), N_("lost for want of memory")},
    {LINK(refused), N_("refused by the device")},
    {LATE(turns), N_("turns in which packets left")},
    {LATE(late_turns), N_("turns that were more than 1 ms late")},
    {LATE(latest_us), N_("microseconds late at most")},
};
#define COUNTERS (sizeof counters / sizeof counters[0])

static uint64_t value(const struct netem_counts *counts, size_t i)
{
    return *(const uint64_t *)(const void *)((const char *)counts + counters[i].offset);
}

static void print_text(const struct netem_options *options, const struct netem_counts counts[2])
{
    for (int side = RIGHT; side >= LEFT; side--) {
        printf(_("%s to %s:\n"), options->end[!side].device, options->end[side].device);
        for (size_t i = 0; i < COUNTERS; i++)
            if (i < 4 || value(&counts[side], i) > 0)
                printf("  %14" PRIu64 "  %s\n", value(&counts[side], i), tr(counters[i].words));
    }
    printf(_("seed %llu\n"), (unsigned long long)options->seed);
}

static json_t *describe(const struct netem_counts *counts)
{
    json_t *object = json_object();
    for (size_t i = 0; i < COUNTERS; i++)
        json_object_set_new(object, counters[i].key, json_integer((json_int_t)value(counts, i)));
    return object;
}

static void print_json(const struct netem_options *options, const struct netem_counts counts[2])
{
    char seed[24]; /* a string, for it may be larger than a JSON number can be */
    snprintf(seed, sizeof seed, "%" PRIu64, options->seed);
    json_t *root = json_object();
    json_object_set_new(root, "seed", json_string(seed));
    json_object_set_new(root, "to_right", describe(&counts[RIGHT]));
    json_object_set_new(root, "to_left", describe(&counts[LEFT]));
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

void netem_report(const struct netem_options *options, const struct netem_counts counts[2])
{
    (options->json ? print_json : print_text)(options, counts);
}
