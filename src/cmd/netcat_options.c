#include "netcat_options.h"

#include "cmd.h"
#include "tr.h"
#include "units.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    OPT_TUN = 256,
    OPT_ADDR,
    OPT_HOST,
    OPT_MTU,
    OPT_NO_OFFLOAD,
    OPT_NETNS,
    OPT_PCAP,
    OPT_LOSS,
    OPT_DUPLICATE,
    OPT_REORDER,
    OPT_DAMAGE,
    OPT_DELAY,
    OPT_JITTER,
    OPT_RATE,
    OPT_SEED,
    OPT_MSL,
    OPT_TIMEOUT,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"tun", required_argument, NULL, OPT_TUN},
    {"addr", required_argument, NULL, OPT_ADDR},
    {"host", required_argument, NULL, OPT_HOST},
    {"mtu", required_argument, NULL, OPT_MTU},
    {"no-offload", no_argument, NULL, OPT_NO_OFFLOAD},
    {"netns", no_argument, NULL, OPT_NETNS},
    {"pcap", required_argument, NULL, OPT_PCAP},
    {"loss", required_argument, NULL, OPT_LOSS},
    {"duplicate", required_argument, NULL, OPT_DUPLICATE},
    {"reorder", required_argument, NULL, OPT_REORDER},
    {"damage", required_argument, NULL, OPT_DAMAGE},
    {"delay", required_argument, NULL, OPT_DELAY},
    {"jitter", required_argument, NULL, OPT_JITTER},
    {"rate", required_argument, NULL, OPT_RATE},
    {"seed", required_argument, NULL, OPT_SEED},
    {"msl", required_argument, NULL, OPT_MSL},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"keep", no_argument, NULL, 'k'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static const char help_options[] =
    N_("\n"
       "The device:\n"
       "  --netns             in a private network namespace: needs no root, touches nothing\n"
       "  --tun NAME          its name; by default nod0, nod1, ...\n"
       "  --addr OWN/PREFIX   nod's own address; 10.110.111.2/24 and fd6e:6f64::2/64 by default;\n"
       "                      may be given once for each family\n"
       "  --host ADDR         the kernel's address at the other end; by default the first of the\n"
       "                      prefix that is not nod's\n"
       "  -4, -6              only IPv4, only IPv6\n"
       "  --mtu BYTES         1500 by default\n"
       "  --no-offload        ordinary packets only, no large segments\n"
       "\n"
       "A bad network, both ways (shares as 0.05 or 5%, times as 20ms or 1.5s):\n"
       "  --loss, --duplicate, --reorder, --damage SHARE\n"
       "  --delay TIME, --jitter TIME, --rate BITS (64k, 10M, 1G)\n"
       "  --seed NUMBER       the same seed throws the same dice\n"
       "\n"
       "And:\n"
       "  --pcap FILE         keeps every packet, with a comment, for Wireshark\n"
       "  --msl TIME          maximum segment lifetime; 120s by default\n"
       "  -v                  says each state on the way, and counters at the end\n"
       "  --help              this text\n"
       "\n"
       "Ends with 0 when both directions were closed in order, 1 when the connection failed, 2\n"
       "when asked for nonsense, 3 when the system cannot.\n");

static void print_help(bool listen)
{
    if (listen)
        fputs(_("Usage: nod listen [OPTIONS] PORT [-- COMMAND...]\n"
                "\n"
                "Waits for a TCP connection on a TUN device that nod makes, and joins it to\n"
                "standard input and output. The end of the input closes our half only.\n"
                "A COMMAND is run at the kernel's side of the device, until nod ends.\n"
                "\n"
                "  nod listen --netns 7777 -- bash -c 'ls >/dev/tcp/10.110.111.2/7777'\n"
                "\n"
                "  -k, --keep          goes on to the next connection when one has ended\n"),
              stdout);
    else
        fputs(_("Usage: nod connect [OPTIONS] HOST PORT [-- COMMAND...]\n"
                "\n"
                "Opens a TCP connection over a TUN device that nod makes, and joins it to\n"
                "standard input and output. The end of the input closes our half only. HOST is\n"
                "an address, a name, or \"kernel\": this machine's kernel, at the other end of\n"
                "the device. A COMMAND is run there, until nod ends, and has 5 s to answer.\n"
                "\n"
                "  nod connect --netns kernel 8000 -- python3 -m http.server\n"
                "\n"
                "  --timeout TIME      gives up opening after so long; 180s by default\n"),
              stdout);
    fputs(tr(help_options), stdout);
}

__attribute__((format(printf, 2, 3))) static int complain(const netcat_options *options,
                                                          const char *format, ...)
{
    va_list args;
    const char *name = options->listen ? "listen" : "connect";
    fprintf(stderr, "nod %s: ", name);
    va_start(args, format);
    vfprintf(stderr, tr(format), args); /* marked for xgettext by po/update */
    va_end(args);
    fprintf(stderr, _(" See 'nod %s --help'.\n"), name);
    return CMD_USAGE;
}

/* "ADDRESS/PREFIX", or an address alone. */
static bool take_addr(netcat_options *options, const char *text)
{
    char address[NOD_ADDR_TEXT + 1];
    uint64_t prefix = 0;
    nod_addr addr;
    size_t len = strcspn(text, "/");
    if (len >= sizeof address) return false;
    memcpy(address, text, len);
    address[len] = 0;
    if (nod_addr_parse(address, &addr) != 0) return false;
    bool ip4 = addr.family == 4;
    if (text[len] == '/' && !units_number(text + len + 1, 1, ip4 ? 30 : 126, &prefix)) return false;
    *(ip4 ? &options->own4 : &options->own6) = addr;
    *(ip4 ? &options->prefix4 : &options->prefix6) = (int)prefix;
    return true;
}

static bool take_host(netcat_options *options, const char *text)
{
    nod_addr addr;
    if (nod_addr_parse(text, &addr) != 0) return false;
    *(addr.family == 4 ? &options->host4 : &options->host6) = addr;
    return true;
}

static bool take_harm(netcat_options *options, int opt, const char *text)
{
    nod_path_config *path = &options->path;
    options->harm = true;
    switch (opt) {
    case OPT_LOSS: return units_share(text, &path->loss);
    case OPT_DUPLICATE: return units_share(text, &path->duplicate);
    case OPT_REORDER: return units_share(text, &path->reorder);
    case OPT_DAMAGE: return units_share(text, &path->damage);
    case OPT_DELAY: return units_time(text, NOD_MSEC, &path->delay_us);
    case OPT_JITTER: return units_time(text, NOD_MSEC, &path->jitter_us);
    default: return units_rate(text, &path->rate_bps);
    }
}

static bool take_mtu(netcat_options *options, const char *text)
{
    uint64_t mtu;
    if (!units_number(text, 68, 65535, &mtu)) return false;
    options->mtu = (uint16_t)mtu;
    return true;
}

/* One option with its value. Returns false when the value makes no sense. */
static bool take(netcat_options *options, int opt, const char *text)
{
    switch (opt) {
    case '4': options->only4 = true; return true;
    case '6': options->only6 = true; return true;
    case 'k': options->keep = true; return true;
    case 'v': options->verbose++; return true;
    case OPT_TUN: options->tun = text; return true;
    case OPT_ADDR: return take_addr(options, text);
    case OPT_HOST: return take_host(options, text);
    case OPT_MTU: return take_mtu(options, text);
    case OPT_NO_OFFLOAD: options->no_offload = true; return true;
    case OPT_NETNS: options->netns = true; return true;
    case OPT_PCAP: options->pcap = text; return true;
    case OPT_SEED:
        options->seed_given = true;
        return units_number(text, 0, UINT64_MAX, &options->seed);
    case OPT_MSL: return units_time(text, NOD_SEC, &options->msl_us) && options->msl_us > 0;
    case OPT_TIMEOUT:
        return units_time(text, NOD_SEC, &options->timeout_us) && options->timeout_us > 0;
    default: return take_harm(options, opt, text);
    }
}

static const char *name_of(int opt)
{
    for (const struct option *o = long_options; o->name; o++)
        if (o->val == opt) return o->name;
    return "?";
}

/* Words that are no options: [HOST] PORT [COMMAND...]. */
static int take_words(netcat_options *options, int argc, char **argv, int command)
{
    uint64_t port;
    int words = command - optind;
    int wanted = options->listen ? 1 : 2;
    if (words < wanted)
        return complain(options, options->listen ? N_("Say which PORT to listen on.")
                                                 : N_("Say which HOST and PORT to connect to."));
    if (words > wanted)
        return complain(options, "There is no use for '%s'; a command to run comes after '--'.",
                        argv[optind + wanted]);
    if (!options->listen) options->host = argv[optind];
    const char *text = argv[optind + wanted - 1];
    if (!units_number(text, 1, 65535, &port))
        return complain(options, "'%s' is no port: a number from 1 to 65535.", text);
    options->port = (uint16_t)port;
    if (command < argc && argv[command + 1]) options->command = argv + command + 1;
    return -1;
}

/* The first address of the prefix that is not `own`. */
static nod_addr other_end(const nod_addr *own, int prefix)
{
    nod_addr other = *own;
    int bits = own->family == 4 ? 32 : 128;
    for (int i = prefix; i < bits; i++) other.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    other.bytes[bits / 8 - 1] |= 1;
    if (nod_addr_equal(&other, own)) other.bytes[bits / 8 - 1] ^= 3;
    return other;
}

static bool same_prefix(const nod_addr *a, const nod_addr *b, int prefix)
{
    for (int i = 0; i < prefix; i++) {
        unsigned bit = 0x80u >> i % 8;
        if ((a->bytes[i / 8] & bit) != (b->bytes[i / 8] & bit)) return false;
    }
    return true;
}

static int complete_family(netcat_options *options, nod_addr *own, nod_addr *host, int *prefix,
                           const char *usual)
{
    char text[NOD_ADDR_TEXT];
    if (!own->family) nod_addr_parse(usual, own);
    if (!*prefix) *prefix = own->family == 4 ? 24 : 64;
    if (!host->family) *host = other_end(own, *prefix);
    if (nod_addr_equal(own, host))
        return complain(options, "nod and the kernel cannot both be %s.",
                        nod_addr_format(own, text, sizeof text));
    if (!same_prefix(own, host, *prefix))
        return complain(options, "The kernel's address %s is not in nod's prefix /%d.",
                        nod_addr_format(host, text, sizeof text), *prefix);
    return -1;
}

/* Which families there are to be, and the addresses that were not given. */
static int complete(netcat_options *options)
{
    if (options->only4 && options->only6)
        return complain(options, "-4 and -6 leave nothing to speak.");
    options->want4 = !options->only6;
    options->want6 = !options->only4 && (options->mtu == 0 || options->mtu >= 1280);
    if (options->only6 && !options->want6)
        return complain(options, "IPv6 needs an --mtu of at least 1280.");
    if (options->keep && !options->listen) return complain(options, "-k is for 'nod listen'.");
    if (options->timeout_us && options->listen)
        return complain(options, "--timeout is for 'nod connect'.");
    int code = -1;
    if (options->want4)
        code = complete_family(options, &options->own4, &options->host4, &options->prefix4,
                               "10.110.111.2");
    if (code < 0 && options->want6)
        code = complete_family(options, &options->own6, &options->host6, &options->prefix6,
                               "fd6e:6f64::2");
    return code;
}

int netcat_parse(netcat_options *options, bool listen, int argc, char **argv)
{
    int opt, command = argc;
    *options = (netcat_options){.listen = listen};
    /* What comes after "--" is the command's own, and getopt must not reorder it. */
    for (int i = argc - 1; i > 0; i--)
        if (strcmp(argv[i], "--") == 0) command = i; /* the first one, in the end */
    opterr = 0;
    optind = 0;
    while ((opt = getopt_long(command, argv, "46kv", long_options, NULL)) != -1) {
        if (opt == OPT_HELP) {
            print_help(listen);
            return CMD_OK;
        }
        if (opt == '?')
            return complain(options, "'%s' is no option, or lacks its value.", argv[optind - 1]);
        if (!take(options, opt, optarg))
            return complain(options, "--%s cannot be '%s'.", name_of(opt), optarg);
    }
    int code = take_words(options, argc, argv, command);
    return code < 0 ? complete(options) : code;
}
