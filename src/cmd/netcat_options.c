#include "netcat_options.h"

#include "cmd.h"
#include "tr.h"
#include "units.h"

#include <stdio.h>
#include <string.h>

enum { OPT_TIMEOUT = 256, OPT_HELP };

static const struct option long_options[] = {
    NET_OPTIONS,
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"keep", no_argument, NULL, 'k'},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static const char help_rest[] =
    N_("\n"
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
    net_options_help();
    fputs(tr(help_rest), stdout);
}

/* One option with its value. Returns false when the value makes no sense. */
static bool take(netcat_options *options, int opt, const char *text)
{
    switch (opt) {
    case 'k': options->keep = true; return true;
    case OPT_TIMEOUT:
        return units_time(text, NOD_SEC, &options->timeout_us) && options->timeout_us > 0;
    }
    return net_options_take(&options->net, opt, text);
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
        return net_complain(&options->net, options->listen
                                               ? N_("Say which PORT to listen on.")
                                               : N_("Say which HOST and PORT to connect to."));
    if (words > wanted)
        return net_complain(&options->net,
                            "There is no use for '%s'; a command to run comes after '--'.",
                            argv[optind + wanted]);
    if (!options->listen) options->host = argv[optind];
    const char *text = argv[optind + wanted - 1];
    if (!units_number(text, 1, 65535, &port))
        return net_complain(&options->net, "'%s' is no port: a number from 1 to 65535.", text);
    options->port = (uint16_t)port;
    if (command < argc && argv[command + 1]) options->command = argv + command + 1;
    return -1;
}

static int complete(netcat_options *options)
{
    if (options->keep && !options->listen)
        return net_complain(&options->net, "-k is for 'nod listen'.");
    if (options->timeout_us && options->listen)
        return net_complain(&options->net, "--timeout is for 'nod connect'.");
    return net_options_complete(&options->net);
}

int netcat_parse(netcat_options *options, bool listen, int argc, char **argv)
{
    int opt, command = argc;
    *options = (netcat_options){.listen = listen};
    options->net.command = listen ? "listen" : "connect";
    /* What comes after "--" is the command's own, and getopt must not reorder it. */
    for (int i = argc - 1; i > 0; i--)
        if (strcmp(argv[i], "--") == 0) command = i; /* the first one, in the end */
    opterr = 0;
    optind = 0;
    while ((opt = getopt_long(command, argv, NET_LETTERS "k", long_options, NULL)) != -1) {
        if (opt == OPT_HELP) {
            print_help(listen);
            return CMD_OK;
        }
        if (opt == '?')
            return net_complain(&options->net, "'%s' is no option, or lacks its value.",
                                argv[optind - 1]);
        if (!take(options, opt, optarg))
            return net_complain(&options->net, "--%s cannot be '%s'.", name_of(opt), optarg);
    }
    int code = take_words(options, argc, argv, command);
    return code < 0 ? complete(options) : code;
}
