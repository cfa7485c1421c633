/* `nod run`: a program as it is, and all that it starts, with its TCP on nod. This process makes
 * the network and gives it to the program; it drives it where nobody else does, and outlives
 * all of them, until what they said has been heard. */
#include "cmd.h"
#include "nod/netns.h"
#include "nod/posix.h"
#include "run_options.h"
#include "run_program.h"
#include "run_relay.h"
#include "tr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_US (10 * NOD_MSEC)
#define PATIENCE_US (60 * NOD_SEC)  /* for peers to hear what was said, when all have ended */
#define LINGER_US (1100 * NOD_MSEC) /* for a last ACK that a bad network has lost, or a SYN,ACK */
#define BACKGROUND_US NOD_SEC       /* before it is said that others go on */

typedef struct runner {
    run_options options;
    char path[PATH_MAX], preload[PATH_MAX];
    run_relay *relay; /* or NULL */
    bool net;         /* there is one */
    sigset_t old_mask;
    int signals; /* a signalfd; -1 */
    pid_t program;
    bool ended; /* the program has; others that it started may go on */
    int status; /* as of waitpid */
    bool alone; /* all have ended */
    bool interrupted;
} runner;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list args;
    fputs("nod run: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* Setting up. */

static int catch_signals(runner *r)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) sigaddset(&set, ours[i]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &set, &r->old_mask);
    r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (r->signals >= 0) return 0;
    say(_("Signals cannot be read: %s."), strerror(errno));
    return CMD_SYSTEM;
}

static int explain_device(const runner *r, int error, const char *why)
{
    /* A namespace gives the right to make a device, but not that to open a file. */
    bool advise =
        error == NOD_EPERM && !r->options.net.netns && access("/dev/net/tun", R_OK | W_OK) == 0;
    say("%s%s", why, advise ? _(" Or try --netns, which needs no rights.") : "");
    return error == NOD_EINVAL ? CMD_USAGE : CMD_SYSTEM;
}

static void configure(const runner *r, nod_config *stack, nod_net_config *config)
{
    const run_options *o = &r->options;
    nod_config_default(stack);
    net_options_tcp(&o->net, &stack->tcp);
    nod_net_config_default(config);
    config->stack = stack;
    config->no_helper = true;
    const char *slash = strrchr(r->path, '/');
    config->name = slash ? slash + 1 : r->path;
    config->tun = (nod_tun_config){
        .name = o->net.tun,
        .offload = !o->net.no_offload,
        .mtu = o->net.mtu,
        .host4 = o->net.host4,
        .host6 = o->net.host6,
        .prefix4 = o->net.prefix4,
        .prefix6 = o->net.prefix6,
    };
    config->own4 = o->net.own4;
    config->own6 = o->net.own6;
    config->gateway4 = o->gateway4;
    config->gateway6 = o->gateway6;
    /* What was left out was not completed either, but may have been given. */
    if (!o->net.want4) config->own4.family = config->tun.host4.family = 0;
    if (!o->net.want6) config->own6.family = config->tun.host6.family = 0;
}

static int try_network(runner *r, nod_net_config *config, char *why)
{
    const net_options *options = &r->options.net;
    int error = 0;
    if (options->harm || options->pcap)
        r->relay = relay_start(options, &config->tun, &config->device, &error, why);
    if (!error) error = nod_net_start(config, why);
    r->net = error == 0;
    if (error && r->relay) {
        relay_stop(r->relay, NULL);
        r->relay = NULL;
        config->device = -1;
    }
    return error;
}

static int make_network(runner *r)
{
    nod_config stack;
    nod_net_config config;
    char why[NOD_LINK_WHY] = "";
    const net_options *options = &r->options.net;
    configure(r, &stack, &config);
    int error = try_network(r, &config, why);
    if (error && options->want4 && options->want6) {
        /* A kernel without IPv6 is no reason to do without IPv4. */
        char why4[NOD_LINK_WHY];
        config.own6.family = config.tun.host6.family = 0;
        if (try_network(r, &config, why4) == 0) {
            error = 0;
            if (options->verbose) say("%s", _("The kernel has no IPv6 here: only IPv4."));
        }
    }
    if (error) return explain_device(r, error, why);
    if (options->harm && options->verbose)
        say(_("the network is bad: --seed %llu"), (unsigned long long)options->seed);
    return 0;
}

static int enter_netns(const runner *r)
{
    char why[NOD_NETNS_WHY] = "";
    if (!r->options.net.netns || nod_netns_enter(why) == 0) return 0;
    say("%s", why);
    return CMD_SYSTEM;
}

static int refuse_nesting(void)
{
    if (!getenv("NOD_NET")) return 0;
    say("%s", _("This is a program that runs on nod already, and so would all that it runs: there "
                "is no second network within the first."));
    return CMD_USAGE;
}

static int set_up(runner *r)
{
    int code = refuse_nesting();
    if (!code) code = run_program_find(r->options.program[0], r->path);
    if (!code) code = run_preload_find(r->preload);
    if (!code) code = net_options_seed(&r->options.net);
    if (!code) code = enter_netns(r);
    if (!code) code = catch_signals(r);
    if (!code) code = make_network(r);
    return code;
}

static int start_program(runner *r)
{
    char words[NOD_NET_WORDS];
    nod_net_export(words);
    int code = run_environment(r->preload, words);
    /* Who goes on when the program has ended is ours to wait for. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return code ? code : run_program_start(r->options.program, r->path, &r->old_mask, &r->program);
}

/* Serving. */

static void reap(runner *r)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != r->program) continue;
        r->ended = true;
        r->status = status;
    }
    if (pid < 0 && errno == ECHILD) r->alone = true;
}

/* To the program; when that has ended, to those of its processes that have come to us. */
static void pass_on(const runner *r, int signal_number)
{
    char path[64];
    int child;
    if (!r->ended) {
        kill(r->program, signal_number);
        return;
    }
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *children = fopen(path, "re");
    if (!children) return;
    while (fscanf(children, "%d", &child) == 1) kill(child, signal_number);
    fclose(children);
}

static void take_signals(runner *r)
{
    struct signalfd_siginfo info;
    while (read(r->signals, &info, sizeof info) == sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGCHLD) {
            reap(r);
            continue;
        }
        /* What the terminal sends goes to all of its processes; what somebody sends is for the
         * program, which they may not know by its number. */
        if (info.ssi_code != SI_KERNEL || r->ended) pass_on(r, number);
        if (number != SIGUSR1 && number != SIGUSR2) r->interrupted = true;
    }
}

/* Until the last process that could have a socket is gone. */
static void serve(runner *r)
{
    nod_usec speak = NOD_NEVER;
    while (!r->alone) {
        if (nod_net_serve(r->signals, speak)) take_signals(r);
        if (!r->ended || r->alone) continue;
        if (speak == NOD_NEVER) {
            speak = nod_clock() + BACKGROUND_US;
        } else if (nod_clock() >= speak) {
            say(_("%s has ended, and others that it has started go on: so does their network. To "
                  "end them, end this process (%d)."),
                r->options.program[0], (int)getpid());
            break;
        }
    }
    while (!r->alone)
        if (nod_net_serve(r->signals, NOD_NEVER)) take_signals(r);
}

/* Until all that they have said is heard; a signal ends it. */
static void drain(runner *r)
{
    nod_usec until = nod_clock() + PATIENCE_US;
    r->interrupted = false;
    while (nod_net_busy() > 0 && !r->interrupted && nod_clock() < until)
        if (nod_net_serve(r->signals, nod_clock() + LOOK_US)) take_signals(r);
    if (!r->interrupted && nod_net_busy() > 0)
        say(_("%u connections were not closed in order: the peers did not answer for %d s."),
            nod_net_busy(), (int)(PATIENCE_US / NOD_SEC));
    if (!r->options.net.harm) return;
    until = nod_clock() + LINGER_US + 4 * r->options.net.path.delay_us;
    while (!r->interrupted && nod_clock() < until)
        if (nod_net_serve(r->signals, until)) take_signals(r);
}

/* The end. */

static void say_harm(const char *way, const nod_path_stats *stats)
{
    say(_("%s: of %llu packets %llu lost, %llu doubled, %llu reordered, %llu damaged, %llu marked"),
        way, (unsigned long long)stats->in, (unsigned long long)stats->lost,
        (unsigned long long)stats->duplicated, (unsigned long long)stats->reordered,
        (unsigned long long)stats->damaged, (unsigned long long)stats->marked);
}

static int tear_down(runner *r, int code)
{
    nod_link_stats stats = {0};
    const net_options *options = &r->options.net;
    if (r->net) nod_net_stop(0);
    if (r->relay && relay_stop(r->relay, &stats) != 0) {
        say(_("%s could not be written to its end: is the disk full?"), options->pcap);
        if (code == CMD_OK) code = CMD_SYSTEM;
    }
    if (options->verbose && options->harm && r->net) {
        say_harm(_("outward"), &stats.harm_out);
        say_harm(_("inward"), &stats.harm_in);
    }
    if (r->signals >= 0) close(r->signals);
    free(r);
    return code;
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int cmd_run(int argc, char **argv)
{
    runner *r = calloc(1, sizeof *r);
    if (!r) {
        say("%s", _("There is no memory."));
        return CMD_SYSTEM;
    }
    int code = run_parse(&r->options, argc, argv);
    if (code >= 0) {
        free(r);
        return code;
    }
    r->signals = -1;
    code = set_up(r);
    if (!code) code = start_program(r);
    if (!code) {
        serve(r);
        drain(r);
        code = exit_code(r->status);
    }
    return tear_down(r, code);
}
