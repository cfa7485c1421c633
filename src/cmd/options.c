#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "path_options.h"
#include "tr.h"
#include "units.h"

#define GO_ON (-1)
#define LONGEST (3600 * NOD_SEC)

enum watch_option {
    OPT_SCENARIO = 256,
    OPT_LIST,
    OPT_SEED,
    OPT_LOSS, /* to OPT_RATE: the network's */
    OPT_DUPLICATE,
    OPT_REORDER,
    OPT_DAMAGE,
    OPT_MARK,
    OPT_DELAY,
    OPT_JITTER,
    OPT_RATE,
    OPT_ECN,
    OPT_MTU,
    OPT_BYTES,
    OPT_MSL,
    OPT_PCAP,
    OPT_SVG,
    OPT_STORY,
    OPT_SPEED,
    OPT_NO_WAIT,
    OPT_COLOUR,
    OPT_WIDTH,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"scenario", required_argument, NULL, OPT_SCENARIO},
    {"list", no_argument, NULL, OPT_LIST},
    {"seed", required_argument, NULL, OPT_SEED},
    {"loss", required_argument, NULL, OPT_LOSS},
    {"duplicate", required_argument, NULL, OPT_DUPLICATE},
    {"reorder", required_argument, NULL, OPT_REORDER},
    {"damage", required_argument, NULL, OPT_DAMAGE},
    {"mark", required_argument, NULL, OPT_MARK},
    {"ecn", required_argument, NULL, OPT_ECN},
    {"delay", required_argument, NULL, OPT_DELAY},
    {"jitter", required_argument, NULL, OPT_JITTER},
    {"rate", required_argument, NULL, OPT_RATE},
    {"mtu", required_argument, NULL, OPT_MTU},
    {"bytes", required_argument, NULL, OPT_BYTES},
    {"msl", required_argument, NULL, OPT_MSL},
    {"ipv6", no_argument, NULL, '6'},
    {"pcap", required_argument, NULL, OPT_PCAP},
    {"svg", required_argument, NULL, OPT_SVG},
    {"story", no_argument, NULL, OPT_STORY},
    {"speed", required_argument, NULL, OPT_SPEED},
    {"no-wait", no_argument, NULL, OPT_NO_WAIT},
    {"color", required_argument, NULL, OPT_COLOUR},
    {"colour", required_argument, NULL, OPT_COLOUR},
    {"width", required_argument, NULL, OPT_WIDTH},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
    fputs(_("Usage: nod watch [OPTIONS]\n"
            "\n"
            "Opens a TCP connection, carries words both ways, closes it, and draws what happens:\n"
            "every segment, every state, every call, and for each step why. By default the other\n"
            "end is the Linux kernel, over a TUN in a private network namespace.\n"
            "\n"
            "What to watch:\n"
            "  --scenario NAME    a play on the simulator, in virtual time\n"
            "  --list             the scenarios, and what each of them shows\n"
            "  -6, --ipv6         over IPv6\n"
            "  --bytes N          how much the applications say\n"
            "  --msl TIME         the maximum segment lifetime; TIME-WAIT lasts two\n"
            "  --ecn KIND         congestion notification: none, classic or accurate\n"),
          stdout);
    fputs(_("\n"
            "The network between the ends:\n"
            "  --loss P           lose packets, with a probability such as 0.05 (or 5%)\n"
            "  --duplicate P      deliver them twice\n"
            "  --reorder P        hold them back, so that others overtake them\n"
            "  --damage P         turn bits of them\n"
            "  --mark P           mark them as congested, if they can be (see --ecn)\n"
            "  --delay TIME       one way, such as 20ms\n"
            "  --jitter TIME      up to so much more\n"
            "  --rate BITS        a second, such as 1M\n"
            "  --mtu N            bytes of a packet, 576 to 65535\n"
            "  --seed N           for everything random: the same seed, the same world\n"),
          stdout);
    fputs(_("\n"
            "How it is told:\n"
            "  --story            as two people who see each other in the fog\n"
            "  --lang LANGUAGE    en or zh\n"
            "  --svg FILE         write the picture as SVG too\n"
            "  --pcap FILE        keep the packets, with comments, for Wireshark\n"
            "  --speed X          on a terminal: twice as fast with 2, half with 0.5\n"
            "  --no-wait          on a terminal: everything at once\n"
            "  --color WHEN       auto, always or never\n"
            "  --width COLUMNS    of the picture\n"),
          stdout);
}

static void print_list(void)
{
    for (int i = 0; i < scenario_count; i++)
        printf("%-20s %s\n", scenarios[i].name, tr(scenarios[i].what));
}

static int refuse(const char *option, const char *wants, const char *value)
{
    fprintf(stderr, _("nod watch: %s wants %s, not '%s'.\n"), option, wants, value);
    return CMD_USAGE;
}

static int read_number(const char *option, const char *text, uint64_t least, uint64_t most,
                       uint64_t *out)
{
    char wants[96];
    if (units_number(text, least, most, out)) return GO_ON;
    snprintf(wants, sizeof(wants), _("a number from %llu to %llu"), (unsigned long long)least,
             (unsigned long long)most);
    return refuse(option, wants, text);
}

static int read_time(const char *option, const char *text, nod_usec bare, nod_usec *out)
{
    if (units_time(text, bare, out) && *out <= LONGEST) return GO_ON;
    return refuse(option, _("a time up to an hour, such as 20ms, 1.5s or 2min"), text);
}

static int read_msl(const char *text, nod_usec *out)
{
    int rc = read_time("--msl", text, NOD_SEC, out);
    if (rc != GO_ON || *out > 0) return rc;
    return refuse("--msl", _("a time above 0"), text);
}

static int read_scenario(const char *name, struct watch_options *options)
{
    options->scenario = scenario_find(name);
    if (options->scenario != NULL) return GO_ON;
    fprintf(stderr, _("nod watch: there is no scenario '%s'. There are:\n"), name);
    for (int i = 0; i < scenario_count; i++) fprintf(stderr, "  %s\n", scenarios[i].name);
    fputs(_("'nod watch --list' says what each of them shows.\n"), stderr);
    return CMD_USAGE;
}

static int read_colour(const char *text, enum colour_when *out)
{
    static const char *const names[] = {"auto", "always", "never"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = (enum colour_when)i;
        return GO_ON;
    }
    return refuse("--color", _("one of auto, always, never"), text);
}

static int read_speed(const char *text, double *out)
{
    char *end;
    double speed = strtod(text, &end);
    if (end == text || *end != 0 || !(speed >= 0.01 && speed <= 1000))
        return refuse("--speed", _("a factor from 0.01 to 1000"), text);
    *out = speed;
    return GO_ON;
}

/* The options that change the network. */
static int read_harm(int option, const char *text, struct watch_options *o)
{
    static const enum path_option harms[] = {
        [OPT_LOSS - OPT_LOSS] = PATH_LOSS,       [OPT_DUPLICATE - OPT_LOSS] = PATH_DUPLICATE,
        [OPT_REORDER - OPT_LOSS] = PATH_REORDER, [OPT_DAMAGE - OPT_LOSS] = PATH_DAMAGE,
        [OPT_MARK - OPT_LOSS] = PATH_MARK,       [OPT_DELAY - OPT_LOSS] = PATH_DELAY,
        [OPT_JITTER - OPT_LOSS] = PATH_JITTER,   [OPT_RATE - OPT_LOSS] = PATH_RATE,
    };
    enum path_option harm = harms[option - OPT_LOSS];
    const char *wants = path_option_take(&o->world.path, harm, text);
    char name[32];
    if (wants) {
        snprintf(name, sizeof(name), "--%s", path_option_names[harm]);
        return refuse(name, wants, text);
    }
    o->path_given = true;
    o->delay_given |= harm == PATH_DELAY;
    return GO_ON;
}

static int read_option(int option, char *text, struct watch_options *o)
{
    uint64_t n = 0;
    int rc = GO_ON;
    switch (option) {
    case OPT_SCENARIO: return read_scenario(text, o);
    case OPT_LIST: print_list(); return CMD_OK;
    case OPT_HELP: print_help(); return CMD_OK;
    case OPT_SEED: return read_number("--seed", text, 0, UINT64_MAX, &o->world.seed);
    case OPT_MTU:
        rc = read_number("--mtu", text, 576, 65535, &n);
        o->world.mtu = (uint16_t)n;
        return rc;
    case OPT_BYTES:
        rc = read_number("--bytes", text, 1, 1 << 20, &n);
        o->world.bytes = (uint32_t)n;
        return rc;
    case OPT_WIDTH:
        rc = read_number("--width", text, 64, 400, &n);
        o->width = (int)n;
        return rc;
    case OPT_ECN:
        if (units_ecn(text, &o->world.ecn)) return GO_ON;
        return refuse("--ecn", _("one of none, classic, accurate"), text);
    case OPT_MSL: return read_msl(text, &o->world.msl_us);
    case OPT_SPEED: return read_speed(text, &o->speed);
    case OPT_COLOUR: return read_colour(text, &o->colour);
    case OPT_PCAP: o->world.pcap = text; return GO_ON;
    case OPT_SVG: o->svg = text; return GO_ON;
    case OPT_STORY: o->story = true; return GO_ON;
    case OPT_NO_WAIT: o->no_wait = true; return GO_ON;
    case '6': o->world.family = 6; return GO_ON;
    }
    return read_harm(option, text, o);
}

int watch_options_read(int argc, char **argv, struct watch_options *options)
{
    int c, rc;
    *options = (struct watch_options){.speed = 1};
    options->world = (struct world){.seed = 1, .mtu = 1500, .family = 4};
    options->world.path.delay_us = 10 * NOD_MSEC;
    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, ":6h", long_options, NULL)) != -1) {
        if (c == ':') {
            fprintf(stderr, _("nod watch: %s needs a value. 'nod watch --help' says which.\n"),
                    argv[optind - 1]);
            return CMD_USAGE;
        }
        if (c == '?') {
            fprintf(stderr,
                    _("nod watch: there is no option '%s'. 'nod watch --help' lists them all.\n"),
                    argv[optind - 1]);
            return CMD_USAGE;
        }
        rc = read_option(c == 'h' ? OPT_HELP : c, optarg, options);
        if (rc != GO_ON) return rc;
    }
    if (optind < argc) {
        fprintf(stderr, _("nod watch: '%s' is not an option. For a scenario: --scenario %s\n"),
                argv[optind], argv[optind]);
        return CMD_USAGE;
    }
    if (options->world.family == 6 && options->world.mtu < 1280) {
        fputs(_("nod watch: IPv6 needs an --mtu of at least 1280.\n"), stderr);
        return CMD_USAGE;
    }
    return GO_ON;
}
