/* `nod stat`: what running stacks have counted, and why they dropped packets. */
#include "cmd.h"
#include "sentence.h"
#include "stacks.h"
#include "tr.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

/* Where a counter lies in nod_report, what programs call it, and people. */
struct counter {
    size_t offset;
    enum { WIDE, NARROW } width; /* uint64_t, uint32_t */
    const char *key, *words;
};

#define STACK(member, width, words)                               \
    {                                                             \
        offsetof(nod_report, stack.member), width, #member, words \
    }
#define POOL(member, words)                                     \
    {                                                           \
        offsetof(nod_report, pool.member), WIDE, #member, words \
    }
#define LINK(member, words)                                     \
    {                                                           \
        offsetof(nod_report, link.member), WIDE, #member, words \
    }

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "a size is read as a wide counter");

static const struct counter stack_counters[] = {
    STACK(connections, NARROW, N_("connections now, of all states")),
    STACK(listeners, NARROW, N_("listeners now")),
    STACK(syn_received, NARROW, N_("half open now, in SYN-RECEIVED")),
    STACK(time_wait, NARROW, N_("in TIME-WAIT now")),
    STACK(opens_active, WIDE, N_("active opens")),
    STACK(opens_passive, WIDE, N_("passive opens")),
    STACK(open_failures, WIDE, N_("opens that failed")),
    STACK(established_resets, WIDE, N_("connections that were reset")),
    STACK(segments_in, WIDE, N_("segments received")),
    STACK(segments_out, WIDE, N_("segments sent")),
    STACK(retransmitted, WIDE, N_("segments sent again")),
    STACK(resets_in, WIDE, N_("RSTs received")),
    STACK(resets_out, WIDE, N_("RSTs sent")),
    STACK(frames_in, WIDE, N_("frames received")),
    STACK(frames_out, WIDE, N_("frames sent")),
    STACK(bytes_in, WIDE, N_("bytes of frames received")),
    STACK(bytes_out, WIDE, N_("bytes of frames sent")),
    STACK(trace_lost, WIDE, N_("trace events that nobody read in time")),
};

static const struct counter pool_counters[] = {
    POOL(in_use, N_("bytes of memory in use")),
    POOL(taken, N_("bytes of memory taken")),
    POOL(limit, N_("bytes of memory at most")),
    POOL(system_calls, N_("times that memory was taken")),
    POOL(refused, N_("times that memory was refused")),
};

static const struct counter link_counters[] = {
    LINK(frames_in, N_("packets from the device")),
    LINK(frames_out, N_("packets to the device")),
    LINK(no_memory, N_("packets lost for want of memory")),
    LINK(refused, N_("packets that the device refused")),
};

static const struct counter harm_counters[] = {
    {offsetof(nod_path_stats, in), WIDE, "in", N_("packets into the bad network")},
    {offsetof(nod_path_stats, out), WIDE, "out", N_("packets out of it")},
    {offsetof(nod_path_stats, lost), WIDE, "lost", N_("lost in it")},
    {offsetof(nod_path_stats, queue_full), WIDE, "queue_full", N_("lost in its full queue")},
    {offsetof(nod_path_stats, down), WIDE, "down", N_("lost while it was down")},
    {offsetof(nod_path_stats, duplicated), WIDE, "duplicated", N_("doubled in it")},
    {offsetof(nod_path_stats, reordered), WIDE, "reordered", N_("reordered in it")},
    {offsetof(nod_path_stats, damaged), WIDE, "damaged", N_("damaged in it")},
    {offsetof(nod_path_stats, marked), WIDE, "marked", N_("marked in it: congestion (ECN)")},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t value_of(const struct counter *counter, const void *base)
{
    const void *at = (const char *)base + counter->offset;
    return counter->width == WIDE ? *(const uint64_t *)at : *(const uint32_t *)at;
}

static void print_value(uint64_t value, const char *words, bool all)
{
    if (value > 0 || all) printf("  %12" PRIu64 "  %s\n", value, words);
}

static void print_counters(const struct counter *counters, size_t count, const void *base, bool all)
{
    for (size_t i = 0; i < count; i++)
        print_value(value_of(&counters[i], base), tr(counters[i].words), all);
}

static bool idle(const struct counter *counters, size_t count, const void *base)
{
    for (size_t i = 0; i < count; i++)
        if (value_of(&counters[i], base) > 0) return false;
    return true;
}

static void print_harm(const char *way, const nod_path_stats *stats, bool all)
{
    if (stats->in == 0 && !all) return;
    printf(" %s\n", way);
    print_counters(harm_counters, COUNT(harm_counters), stats, all);
}

static void print_drops(const nod_stack_stats *stats, bool all)
{
    bool headed = false;
    for (int i = NOD_DROP_NONE + 1; i < NOD_DROP_COUNT; i++) {
        if (stats->drops[i] == 0 && !all) continue;
        if (!headed) printf(" %s\n", _("dropped:"));
        headed = true;
        print_value(stats->drops[i], drop_words(i), all);
    }
}

static void print_report(const nod_report *report, bool all)
{
    printf(_("%s, process %d:\n"), report->name, report->pid);
    print_counters(stack_counters, COUNT(stack_counters), report, all);
    print_counters(pool_counters, COUNT(pool_counters), report, all);
    print_drops(&report->stack, all);
    if (!report->has_link) return;
    if (idle(link_counters, COUNT(link_counters), report) && !all) return;
    printf(" %s\n", _("the device:"));
    print_counters(link_counters, COUNT(link_counters), report, all);
    print_harm(_("the bad network, outward:"), &report->link.harm_out, all);
    print_harm(_("the bad network, inward:"), &report->link.harm_in, all);
}

static json_t *json_counters(const struct counter *counters, size_t count, const void *base)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, counters[i].key,
                            json_integer((json_int_t)value_of(&counters[i], base)));
    return object;
}

static void describe(const nod_report *report, json_t *object)
{
    json_t *drops = json_object();
    for (int i = NOD_DROP_NONE + 1; i < NOD_DROP_COUNT; i++)
        json_object_set_new(drops, nod_drop_name((enum nod_drop)i),
                            json_integer((json_int_t)report->stack.drops[i]));
    json_object_set_new(object, "stack",
                        json_counters(stack_counters, COUNT(stack_counters), report));
    json_object_set_new(object, "drops", drops);
    json_object_set_new(object, "memory",
                        json_counters(pool_counters, COUNT(pool_counters), report));
    if (!report->has_link) return;
    json_t *link = json_counters(link_counters, COUNT(link_counters), report);
    json_object_set_new(link, "harm_out",
                        json_counters(harm_counters, COUNT(harm_counters), &report->link.harm_out));
    json_object_set_new(link, "harm_in",
                        json_counters(harm_counters, COUNT(harm_counters), &report->link.harm_in));
    json_object_set_new(object, "link", link);
}

static int print_json(const struct stacks *stacks)
{
    json_t *root = stacks_json(stacks);
    for (int i = 0; i < stacks->count; i++)
        describe(&stacks->list[i], json_array_get(json_object_get(root, "stacks"), (size_t)i));
    return stacks_print_json(stacks, "stat", root);
}

static int print_text(const struct stacks *stacks, bool all)
{
    if (stacks->count == 0 && !stacks->incomplete)
        fputs(_("nod stat: no stack of yours runs now.\n"), stderr);
    for (int i = 0; i < stacks->count; i++) print_report(&stacks->list[i], all);
    return stacks_end(stacks, "stat");
}

static void print_help(void)
{
    fputs(_("Usage: nod stat [OPTIONS]\n"
            "\n"
            "Shows what your stacks that run now have counted, and why they dropped packets.\n"
            "\n"
            "  -a, --all    also what is zero\n"
            "  --json       everything, for programs\n"
            "  --help       this text\n"),
          stdout);
}

/* Returns -1 to go on, or an exit code. */
static int read_options(int argc, char **argv, bool *all, bool *json)
{
    static const struct option options[] = {{"all", no_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int opt;
    opterr = 0;
    optind = 0;
    while ((opt = getopt_long(argc, argv, "ah", options, NULL)) != -1) {
        if (opt == 'h') {
            print_help();
            return CMD_OK;
        }
        if (opt == '?') break;
        *(opt == 'a' ? all : json) = true;
    }
    if (opt == -1 && optind == argc) return -1;
    fprintf(stderr, _("nod stat: there is no use for '%s'. 'nod stat --help' lists the options.\n"),
            argv[opt == -1 ? optind : optind - 1]);
    return CMD_USAGE;
}

int cmd_stat(int argc, char **argv)
{
    struct stacks stacks;
    bool all = false, json = false;
    int code = read_options(argc, argv, &all, &json);
    if (code >= 0) return code;
    code = CMD_FAILED;
    if (stacks_gather(&stacks, "stat"))
        code = json ? print_json(&stacks) : print_text(&stacks, all);
    stacks_free(&stacks);
    return code;
}
