#include "run_options.h"

#include "cmd.h"
#include "tr.h"

#include <stdio.h>

enum { OPT_GATEWAY = 256, OPT_LANG, OPT_HELP };

static const struct option long_options[] = {
    NET_OPTIONS,
    {"gateway", required_argument, NULL, OPT_GATEWAY},
    {"lang", required_argument, NULL, OPT_LANG},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static void print_help(void)
{
    fputs(
        _("Usage: nod run [OPTIONS] [--] PROGRAM [ARGUMENTS...]\n"
          "\n"
          "Runs a program, unmodified, and all that it starts, with its TCP on nod. At the other\n"
          "end of the TUN device that nod makes is this machine's kernel. All else that the\n"
          "program does passes to the kernel, connections to 127.0.0.1 and ::1 too.\n"
          "\n"
          "  sudo nod run curl http://10.110.111.1:8000/\n"
          "  sudo nod run --loss 5% --delay 20ms nginx -g 'daemon off;'\n"),
        stdout);
    net_options_help();
    fputs(
        _("\n"
          "And:\n"
          "  --gateway ADDR      where all other addresses are reached; by default the kernel's\n"
          "                      own end of the device\n"
          "  --link tun[:NAME]   the kind of link; --address is --addr\n"
          "  --pcap FILE         keeps every packet, for Wireshark\n"
          "  --msl TIME          maximum segment lifetime; 120s by default\n"
          "  -v                  says what it does, and counters at the end\n"
          "  --help              this text\n"
          "\n"
          "Ends as the program did (128 and the signal's number, if a signal ended it), after all\n"
          "that it said was heard; with 127 when there is no such program, 126 when it cannot be\n"
          "run on nod, 2 when asked for nonsense, 3 when the system cannot.\n"),
        stdout);
}

static bool take_gateway(run_options *options, const char *text)
{
    nod_addr addr;
    if (nod_addr_parse(text, &addr) != 0) return false;
    *(addr.family == 4 ? &options->gateway4 : &options->gateway6) = addr;
    return true;
}

/* One option with its value. Returns false when the value makes no sense. */
static bool take(run_options *options, int opt, const char *text)
{
    if (opt == OPT_GATEWAY) return take_gateway(options, text);
    if (opt == OPT_LANG) return tr_use(text);
    return net_options_take(&options->net, opt, text);
}

static const char *name_of(int opt)
{
    for (const struct option *o = long_options; o->name; o++)
        if (o->val == opt) return o->name;
    return "?";
}

static int complete(run_options *options)
{
    int code = net_options_complete(&options->net);
    if (code >= 0) return code;
    if (!options->gateway4.family) options->gateway4 = options->net.host4;
    if (!options->gateway6.family) options->gateway6 = options->net.host6;
    return -1;
}

int run_parse(run_options *options, int argc, char **argv)
{
    int opt;
    *options = (run_options){.net.command = "run"};
    opterr = 0;
    optind = 0;
    /* The first word that is no option is the program, and the rest are its own. */
    while ((opt = getopt_long(argc, argv, "+" NET_LETTERS, long_options, NULL)) != -1) {
        if (opt == OPT_HELP) {
            print_help();
            return CMD_OK;
        }
        if (opt == '?')
            return net_complain(&options->net, "'%s' is no option, or lacks its value.",
                                argv[optind - 1]);
        if (!take(options, opt, optarg))
            return net_complain(&options->net, "--%s cannot be '%s'.", name_of(opt), optarg);
    }
    if (optind == argc) return net_complain(&options->net, "Say which PROGRAM to run.");
    options->program = argv + optind;
    return complete(options);
}
