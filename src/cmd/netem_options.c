#include "netem_options.h"

#include "cmd.h"
#include "nod/link.h"
#include "tr.h"
#include "units.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GO_ON (-1)
#define QUEUE_TIME (100 * NOD_MSEC) /* what the queue holds by default, at the full rate */
#define QUEUE_LEAST (64 * 1024)
#define FQ_CODEL_PACKETS 10240
#define NAME_ROOM 32

enum {
    OPT_LEFT_NETNS = 256,
    OPT_RIGHT_NETNS,
    OPT_LEFT_ADDR,
    OPT_RIGHT_ADDR,
    OPT_MTU,
    OPT_SEED,
    OPT_TIME,
    OPT_JSON,
    OPT_HELP,
    OPT_PATH, /* and PATH_OPTIONS for both ways, then to LEFT, then to RIGHT */
    OPT_END = OPT_PATH + 3 * PATH_OPTIONS
};

static const struct option own_options[] = {
    {"left-netns", required_argument, NULL, OPT_LEFT_NETNS},
    {"right-netns", required_argument, NULL, OPT_RIGHT_NETNS},
    {"left-addr", required_argument, NULL, OPT_LEFT_ADDR},
    {"right-addr", required_argument, NULL, OPT_RIGHT_ADDR},
    {"mtu", required_argument, NULL, OPT_MTU},
    {"seed", required_argument, NULL, OPT_SEED},
    {"time", required_argument, NULL, OPT_TIME},
    {"json", no_argument, NULL, OPT_JSON},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, OPT_HELP},
};
#define OWN (sizeof own_options / sizeof own_options[0])

/* The command's own options, and the path's with each of their prefixes. */
struct table {
    struct option options[OWN + 3 * PATH_OPTIONS + 1];
    char names[3 * PATH_OPTIONS][NAME_ROOM];
};

static const char *const prefixes[] = {"", "to-left-", "to-right-"};

static void make_table(struct table *table)
{
    *table = (struct table){0};
    memcpy(table->options, own_options, sizeof own_options);
    for (int i = 0; i < 3 * PATH_OPTIONS; i++) {
        snprintf(table->names[i], NAME_ROOM, "%s%s", prefixes[i / PATH_OPTIONS],
                 path_option_names[i % PATH_OPTIONS]);
        table->options[OWN + (size_t)i] =
            (struct option){table->names[i], required_argument, NULL, OPT_PATH + i};
    }
}

static void print_help(void)
{
    fputs(
        _("Usage: nod netem [OPTIONS] LEFT RIGHT\n"
          "\n"
          "Makes two network devices of these names and joins them by a link as bad as you like:\n"
          "what is sent into one comes out of the other, if it does. It says 'ready' when both\n"
          "are up, and runs until it is interrupted. It needs no module of the kernel but tun.\n"
          "\n"
          "The devices:\n"
          "  --left-netns NS, --right-netns NS\n"
          "                      the network namespace that each lives in: a name (ip netns),\n"
          "                      a process or a path; by default this one\n"
          "  --left-addr ADDR/PREFIX, --right-addr ADDR/PREFIX\n"
          "                      once for each family\n"
          "  --mtu BYTES         1500 by default\n"),
        stdout);
    fputs(_("\n"
            "The link, both ways; with --to-left- or --to-right- before the name, as in\n"
            "--to-right-rate 10M, only for packets that travel there:\n"
            "  --rate BITS         a second: 64k, 10M, 1G; by default as fast as it goes\n"
            "  --trace FILE        or a rate that varies: at what milliseconds 1504 octets may go\n"
            "  --queue SIZE        before the rate, in bytes (64k) or packets (100p); by default\n"
            "                      what the rate carries in 100 ms, and at least 64k\n"
            "  --queue-kind KIND   droptail, or fq_codel, whose --queue is 10240p by default\n"
            "  --codel-target TIME, --codel-interval TIME\n"
            "                      fq_codel drops where packets waited longer than the one (5ms)\n"
            "                      for longer than the other (100ms)\n"
            "  --delay TIME        one way: 20ms, 1.5s\n"
            "  --jitter TIME       up to so much more; does not reorder\n"
            "  --loss P            lose packets, with a probability such as 0.01 or 1%\n"
            "  --burst-loss P,R[,H[,K]]\n"
            "                      lose them in bursts, which begin with probability P and end\n"
            "                      with R; in bursts H pass (0), and between them K (1)\n"
            "  --duplicate P       deliver them twice\n"
            "  --reorder P         hold them back, so that others overtake them\n"
            "  --reorder-delay TIME\n"
            "                      for so long; by default three times the delay, or 10ms\n"
            "  --damage P          turn bits of them\n"
            "  --mark P            mark them as congested, if they can be (ECN)\n"
            "  --mark-queue BYTES  mark them when more than this waits before the rate\n"),
          stdout);
    fputs(_("\n"
            "Besides:\n"
            "  --seed N            for everything random; the same seed throws the same dice\n"
            "  --time TIME         end after so long\n"
            "  --json              at the end, what happened, for programs\n"
            "  -q, --quiet         nothing but 'ready'\n"),
          stdout);
}

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
    va_list args;
    fputs("nod netem: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(_(" See 'nod netem --help'.\n"), stderr);
    return CMD_USAGE;
}

static int refuse(const char *option, const char *wants, const char *text)
{
    return complain(_("--%s wants %s, not '%s'."), option, wants, text);
}

static int read_path(int option, const char *text, struct netem_options *o)
{
    enum path_option which = (enum path_option)(option % PATH_OPTIONS);
    int way = option / PATH_OPTIONS;
    const char *wants = NULL;
    for (int side = LEFT; side <= RIGHT && !wants; side++)
        if (way == 0 || way == side + 1) wants = path_option_take(&o->to[side], which, text);
    if (!wants) return GO_ON;
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s%s", prefixes[way], path_option_names[which]);
    return refuse(name, wants, text);
}

static int read_netns(struct netem_end *end, const char *option, const char *text)
{
    end->netns = text;
    return *text ? GO_ON : refuse(option, _("a name, the number of a process or a path"), text);
}

static int read_addr(struct netem_end *end, const char *option, const char *text)
{
    nod_addr addr;
    int prefix;
    if (!units_address(text, &addr, &prefix) || !prefix)
        return refuse(option, _("an address and its prefix, such as 10.0.0.1/24"), text);
    *(addr.family == 4 ? &end->addr4 : &end->addr6) = addr;
    *(addr.family == 4 ? &end->prefix4 : &end->prefix6) = prefix;
    return GO_ON;
}

static int read_option(int option, const char *text, struct netem_options *o)
{
    uint64_t n;
    switch (option) {
    case OPT_LEFT_NETNS: return read_netns(&o->end[LEFT], "left-netns", text);
    case OPT_RIGHT_NETNS: return read_netns(&o->end[RIGHT], "right-netns", text);
    case OPT_LEFT_ADDR: return read_addr(&o->end[LEFT], "left-addr", text);
    case OPT_RIGHT_ADDR: return read_addr(&o->end[RIGHT], "right-addr", text);
    case OPT_MTU:
        if (!units_number(text, 68, 65535, &n))
            return refuse("mtu", _("a number of bytes from 68 to 65535"), text);
        o->mtu = (uint16_t)n;
        return GO_ON;
    case OPT_SEED:
        o->seed_given = true;
        return units_number(text, 0, UINT64_MAX, &o->seed)
                   ? GO_ON
                   : refuse("seed", _("a whole number below 2^64"), text);
    case OPT_TIME:
        return units_time(text, NOD_SEC, &o->time) && o->time > 0
                   ? GO_ON
                   : refuse("time", _("a time above 0, such as 30s or 2min"), text);
    case OPT_JSON: o->json = true; return GO_ON;
    case 'q': o->quiet = true; return GO_ON;
    }
    return read_path(option - OPT_PATH, text, o);
}

/* What the kernel takes as it is: '%' has a meaning to it, and the others are none of a name's. */
static bool is_device_name(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len <= 15 && !strpbrk(name, "/:% \t\n") && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static int read_names(int argc, char **argv, struct netem_options *o)
{
    if (argc - optind != 2)
        return complain(_("Give the names of two devices, LEFT and RIGHT, and nothing else."));
    for (int side = LEFT; side <= RIGHT; side++) {
        o->end[side].device = argv[optind + side];
        if (!is_device_name(argv[optind + side]))
            return complain(_("'%s' is no name for a device: it has 1 to 15 letters, and none of "
                              "/, :, %% and spaces."),
                            argv[optind + side]);
    }
    const char *left = o->end[LEFT].netns, *right = o->end[RIGHT].netns;
    bool same = left && right ? strcmp(left, right) == 0 : left == right;
    if (same && strcmp(o->end[LEFT].device, o->end[RIGHT].device) == 0)
        return complain(_("Two devices in one network namespace need two names."));
    return GO_ON;
}

/* The bits a second of a rate, or of a round of a trace. */
static uint64_t mean_rate(const nod_path_config *to)
{
    const nod_path_trace *trace = &to->trace;
    if (trace->count == 0) return to->rate_bps;
    return (uint64_t)trace->count * NOD_PATH_TRACE_OCTETS * 8 * 1000 / trace->ms[trace->count - 1];
}

/* Where no queue was asked for: as FQ-CoDel's usually are, or of the usual length in time. */
static void choose_queue(nod_path_config *to)
{
    uint64_t most = mean_rate(to) / 8 * QUEUE_TIME / NOD_SEC;
    if (to->queue_bytes || to->queue_packets || most == 0) return;
    if (to->queue_kind == NOD_QUEUE_FQ_CODEL)
        to->queue_packets = FQ_CODEL_PACKETS;
    else
        to->queue_bytes = (uint32_t)(most > UINT32_MAX    ? UINT32_MAX
                                     : most < QUEUE_LEAST ? QUEUE_LEAST
                                                          : most);
}

static int complete(struct netem_options *o)
{
    for (int side = LEFT; side <= RIGHT; side++) {
        nod_path_config *to = &o->to[side];
        if (o->end[side].addr6.family && o->mtu < 1280)
            return complain(_("IPv6 needs an --mtu of at least 1280."));
        if (to->rate_bps && to->trace.count)
            return complain(_("--rate and --trace both say how fast it goes: give one of them."));
        to->checksums_later = true;
        choose_queue(to);
    }
    if (o->seed_given || nod_entropy(&o->seed, sizeof o->seed) == 0) return GO_ON;
    fputs(_("nod netem: The system has no entropy.\n"), stderr);
    return CMD_SYSTEM;
}

int netem_options_read(int argc, char **argv, struct netem_options *options)
{
    struct table table;
    int opt, rc;
    make_table(&table);
    *options = (struct netem_options){.mtu = 1500};
    opterr = 0;
    optind = 0;
    while ((opt = getopt_long(argc, argv, ":qh", table.options, NULL)) != -1) {
        if (opt == ':') return complain(_("%s needs a value."), argv[optind - 1]);
        if (opt == '?') return complain(_("There is no option '%s'."), argv[optind - 1]);
        if (opt == 'h' || opt == OPT_HELP) {
            print_help();
            return CMD_OK;
        }
        rc = read_option(opt, optarg, options);
        if (rc != GO_ON) return rc;
    }
    rc = read_names(argc, argv, options);
    return rc == GO_ON ? complete(options) : rc;
}
