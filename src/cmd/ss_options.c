#include "ss.h"

#include "cmd.h"
#include "tr.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define BIT(state) (1u << NOD_##state)
#define ALL (BIT(TIME_WAIT) * 2 - 1)
#define CONNECTED (ALL & ~(BIT(CLOSED) | BIT(LISTEN)))
/* Half open or over: small records that nobody works with. */
#define BUCKET (BIT(SYN_RECEIVED) | BIT(TIME_WAIT))
#define USUAL (CONNECTED & ~BUCKET)

enum { OPT_JSON = 256, OPT_HELP };

static const struct option long_options[] = {
    {"all", no_argument, NULL, 'a'},       {"listening", no_argument, NULL, 'l'},
    {"tcp", no_argument, NULL, 't'},       {"numeric", no_argument, NULL, 'n'},
    {"info", no_argument, NULL, 'i'},      {"options", no_argument, NULL, 'o'},
    {"processes", no_argument, NULL, 'p'}, {"ipv4", no_argument, NULL, '4'},
    {"ipv6", no_argument, NULL, '6'},      {"no-header", no_argument, NULL, 'H'},
    {"oneline", no_argument, NULL, 'O'},   {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP}, {0},
};

static const struct {
    const char *name;
    unsigned states;
} sets[] = {
    {"all", ALL},
    {"connected", CONNECTED},
    {"synchronized", CONNECTED & ~BIT(SYN_SENT)},
    {"bucket", BUCKET},
    {"big", ALL & ~BUCKET},
    {"established", BIT(ESTABLISHED)},
    {"syn-sent", BIT(SYN_SENT)},
    {"syn-recv", BIT(SYN_RECEIVED)},
    {"fin-wait-1", BIT(FIN_WAIT_1)},
    {"fin-wait-2", BIT(FIN_WAIT_2)},
    {"time-wait", BIT(TIME_WAIT)},
    {"closed", BIT(CLOSED)},
    {"close-wait", BIT(CLOSE_WAIT)},
    {"last-ack", BIT(LAST_ACK)},
    {"listening", BIT(LISTEN)},
    {"closing", BIT(CLOSING)},
};
#define SETS (sizeof sets / sizeof sets[0])

static void print_help(void)
{
    fputs(_("Usage: nod ss [OPTIONS] [state STATE]... [exclude STATE]...\n"
            "\n"
            "Shows the connections of your stacks that run now, as ss(8) shows the kernel's.\n"
            "Without options: those that are neither listeners nor in SYN-RECV or TIME-WAIT.\n"
            "\n"
            "  -a, --all          all states\n"
            "  -l, --listening    listeners\n"
            "  -4, -6             only IPv4, only IPv6\n"
            "  -i, --info         what TCP knows: RTT, congestion window, retransmissions, ...\n"
            "  -o, --options      timers\n"
            "  -p, --processes    which program's stack it is, and the process that serves it\n"
            "  -H, --no-header    without the line of headings\n"
            "  -O, --oneline      a connection is one line\n"
            "  -t, -n             nothing: there is only TCP, and addresses are always numbers\n"
            "  --json             everything, for programs: bytes and microseconds\n"
            "  --help             this text\n"
            "\n"
            "STATE is one of:"),
          stdout);
    for (size_t i = 0; i < SETS; i++) printf("%s %s", i % 8 == 0 ? "\n " : "", sets[i].name);
    putchar('\n');
}

static int refuse_state(const char *name)
{
    fprintf(stderr, _("nod ss: there is no state '%s'. There are:"), name);
    for (size_t i = 0; i < SETS; i++) fprintf(stderr, " %s", sets[i].name);
    fputs(".\n", stderr);
    return CMD_USAGE;
}

/* "state NAME" and "exclude NAME": the first of them forgets what the options chose. */
static int read_words(int argc, char **argv, struct ss_options *options)
{
    bool begun = false;
    for (int i = optind; i < argc; i += 2) {
        bool exclude = strcmp(argv[i], "exclude") == 0;
        if (!exclude && strcmp(argv[i], "state") != 0) {
            fprintf(stderr,
                    _("nod ss: there is no use for '%s'. Filters are 'state STATE' and "
                      "'exclude STATE'.\n"),
                    argv[i]);
            return CMD_USAGE;
        }
        const char *name = i + 1 < argc ? argv[i + 1] : "";
        size_t at = 0;
        while (at < SETS && strcmp(sets[at].name, name) != 0) at++;
        if (at == SETS) return refuse_state(name);
        if (!begun) options->states = exclude ? ALL : 0;
        begun = true;
        if (exclude)
            options->states &= ~sets[at].states;
        else
            options->states |= sets[at].states;
    }
    return -1;
}

static void take(struct ss_options *options, int opt)
{
    switch (opt) {
    case 'a': options->states = ALL; break;
    case 'l': options->states = BIT(LISTEN) | BIT(CLOSED); break;
    case '4': options->only4 = true; break;
    case '6': options->only6 = true; break;
    case 'i': options->info = true; break;
    case 'o': options->timers = true; break;
    case 'p': options->users = true; break;
    case 'H': options->no_header = true; break;
    case 'O': options->one_line = true; break;
    case OPT_JSON: options->json = true; break;
    }
}

int ss_options_read(int argc, char **argv, struct ss_options *options)
{
    int opt;
    *options = (struct ss_options){.states = USUAL};
    opterr = 0;
    optind = 0;
    while ((opt = getopt_long(argc, argv, "altniop46HOh", long_options, NULL)) != -1) {
        if (opt == OPT_HELP || opt == 'h') {
            print_help();
            return CMD_OK;
        }
        if (opt == '?') {
            char letter[3] = {'-', (char)optopt, 0};
            fprintf(stderr, _("nod ss: there is no option '%s'. 'nod ss --help' lists them all.\n"),
                    optopt ? letter : argv[optind - 1]);
            return CMD_USAGE;
        }
        take(options, opt);
    }
    return read_words(argc, argv, options);
}

/* A listener on no address in particular is of both families. */
bool ss_wants(const struct ss_options *options, const nod_status *status)
{
    bool both = options->only4 == options->only6 || status->local.addr.family == 0;
    if (!(options->states & 1u << status->state)) return false;
    return both || (status->local.addr.family == 4) == options->only4;
}
