/* `nod listen` and `nod connect`: what people know from netcat, over a TUN device that nod
 * makes, with nod's TCP at its end. */
#include "netcat.h"

#include "cmd.h"
#include "nod/netns.h"
#include "sentence.h"
#include "tr.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define BUFFER_BYTES (1024 * 1024)
#define COMMAND_PATIENCE (5 * NOD_SEC) /* until a command at the kernel's side listens */
#define OWN_FDS 2
#define RETRY_US (100 * NOD_MSEC)

/* What must be done before there is a world to do it in. */

/* Done in the machine's network, for a private one has no name server. */
static int resolve(netcat *nc)
{
    netcat_options *options = &nc->options;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    nc->peer.port = options->port;
    if (strcmp(options->host, "kernel") == 0) {
        nc->peer.addr = options->net.want4 ? options->net.host4 : options->net.host6;
        return 0;
    }
    if (nod_addr_parse(options->host, &nc->peer.addr) != 0) {
        hints.ai_family = !options->net.want6   ? AF_INET
                          : !options->net.want4 ? AF_INET6
                                                : AF_UNSPEC;
        int error = getaddrinfo(options->host, NULL, &hints, &found);
        if (error) {
            netcat_say(nc, "%s is not known: %s.", options->host, gai_strerror(error));
            return CMD_FAILED;
        }
        if (found->ai_family == AF_INET)
            nc->peer.addr =
                nod_addr_from(4, &((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr);
        else
            nc->peer.addr =
                nod_addr_from(6, &((struct sockaddr_in6 *)(void *)found->ai_addr)->sin6_addr);
        freeaddrinfo(found);
    }
    if (nc->peer.addr.family == 4 ? options->net.want4 : options->net.want6) return 0;
    netcat_say(nc, "%s is of the family that -4, -6 or --mtu leaves out.", options->host);
    return CMD_USAGE;
}

static int catch_signals(netcat *nc)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, &nc->old_mask);
    nc->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (nc->signals >= 0) return 0;
    netcat_say(nc, "Signals cannot be read: %m.");
    return CMD_SYSTEM;
}

/* Setting up: namespace, device, harm, stack, capture, command. */

static int explain_device(netcat *nc, int error, const char *why)
{
    /* A namespace gives the right to make a device, but not that to open a file. */
    bool advise =
        error == NOD_EPERM && !nc->options.net.netns && access("/dev/net/tun", R_OK | W_OK) == 0;
    netcat_say(nc, "%s%s", why, advise ? _(" Or try --netns, which needs no rights.") : "");
    return error == NOD_EINVAL ? CMD_USAGE : CMD_SYSTEM;
}

static int make_device(netcat *nc)
{
    const netcat_options *options = &nc->options;
    nod_pool *pool = nod_stack_pool(nc->loop.stack);
    char why[NOD_LINK_WHY] = "";
    int error;
    nod_tun_config config = {
        .name = options->net.tun,
        .offload = !options->net.no_offload,
        .mtu = options->net.mtu,
        .prefix4 = options->net.prefix4,
        .prefix6 = options->net.prefix6,
    };
    if (options->net.want4) config.host4 = options->net.host4;
    if (options->net.want6) config.host6 = options->net.host6;
    nc->loop.link = nod_link_tun(pool, &config, &error, why);
    bool need6 = options->net.only6 || nc->peer.addr.family == 6;
    if (!nc->loop.link && options->net.want4 && options->net.want6 && !need6) {
        /* A kernel without IPv6 is no reason to do without IPv4. */
        config.host6.family = 0;
        nc->loop.link = nod_link_tun(pool, &config, &error, why);
        if (nc->loop.link) {
            nc->options.net.want6 = false;
            if (options->net.verbose) netcat_say(nc, "The kernel has no IPv6 here: only IPv4.");
        }
    }
    return nc->loop.link ? 0 : explain_device(nc, error, why);
}

static int add_harm(netcat *nc)
{
    netcat_options *options = &nc->options;
    if (!options->net.harm) return 0;
    int code = net_options_seed(&options->net);
    if (code) return code;
    nod_link *harmed = nod_link_harm(nc->loop.link, nod_stack_pool(nc->loop.stack),
                                     &options->net.path, &options->net.path, options->net.seed);
    if (!harmed) {
        netcat_say(nc, "There is no memory for the bad network.");
        return CMD_SYSTEM;
    }
    nc->loop.link = harmed;
    if (options->net.verbose)
        netcat_say(nc, "the network is bad: --seed %llu", (unsigned long long)options->net.seed);
    return 0;
}

static int make_stack(netcat *nc)
{
    const netcat_options *options = &nc->options;
    nod_config config;
    int error = 0;
    nod_config_default(&config);
    config.tcp.counters = true; /* for nod ss */
    if (nod_entropy(config.secret, sizeof config.secret) != 0) {
        netcat_say(nc, "The system has no entropy.");
        return CMD_SYSTEM;
    }
    if (options->net.pcap || options->net.verbose) config.trace_events = NOD_LOOP_TRACE;
    net_options_tcp(&options->net, &config.tcp);
    if (options->timeout_us) config.tcp.syn_timeout_us = options->timeout_us;
    config.tcp.send_buffer = config.tcp.receive_buffer = BUFFER_BYTES;
    nc->loop.stack = nod_stack_new(&config, nod_clock(), &error);
    if (nc->loop.stack) return 0;
    netcat_say(nc, "No stack can be made: %s.", error_words(error));
    return CMD_SYSTEM;
}

static int add_family(netcat *nc, const nod_addr *own, int prefix)
{
    const nod_addr any = {.family = own->family};
    int error = nod_stack_add_addr(nc->loop.stack, 0, own, prefix);
    /* Everything goes to the kernel, which may forward it. */
    if (!error) error = nod_stack_add_route(nc->loop.stack, 0, &any, 0, NULL);
    if (!error) return 0;
    char text[NOD_ADDR_TEXT];
    netcat_say(nc, "%s cannot be nod's address: %s.", nod_addr_format(own, text, sizeof text),
               error_words(error));
    return CMD_USAGE;
}

static int join_stack(netcat *nc)
{
    const netcat_options *options = &nc->options;
    int error = nod_loop_begin(&nc->loop);
    int code = 0;
    if (error) {
        netcat_say(nc, "The stack does not take the device: %s.", error_words(error));
        return CMD_SYSTEM;
    }
    if (options->net.want4) code = add_family(nc, &options->net.own4, options->net.prefix4);
    if (!code && options->net.want6)
        code = add_family(nc, &options->net.own6, options->net.prefix6);
    return code;
}

static int open_capture(netcat *nc)
{
    const char *path = nc->options.net.pcap;
    if (!path) return 0;
    nc->loop.capture = nod_capture_open(path, nod_loop_epoch());
    if (nc->loop.capture) return 0;
    netcat_say(nc, "%s cannot be written: %m.", path);
    return CMD_SYSTEM;
}

static int start_command(netcat *nc)
{
    char **command = nc->options.command;
    int error = command ? child_start(&nc->child, command, &nc->old_mask) : 0;
    if (!error) return 0;
    netcat_say(nc, "%s cannot be run: %s.", command[0], strerror(error));
    return CMD_SYSTEM;
}

static int enter_netns(netcat *nc)
{
    char why[NOD_NETNS_WHY] = "";
    if (!nc->options.net.netns || nod_netns_enter(why) == 0) return 0;
    netcat_say(nc, "%s", why);
    return CMD_SYSTEM;
}

static int set_up(netcat *nc)
{
    int code = nc->options.listen ? 0 : resolve(nc);
    if (!code) code = open_capture(nc);
    if (!code) code = enter_netns(nc);
    if (!code) code = catch_signals(nc);
    if (!code) code = make_stack(nc);
    if (!code) code = make_device(nc);
    if (!code) code = add_harm(nc);
    if (!code) code = join_stack(nc);
    /* Without it all works, but that nobody can ask. */
    if (!code) nc->asked = nod_report_open(nc->asked_path);
    return code;
}

/* Gives everything back. Returns the exit code, which a capture that failed makes worse. */
static int tear_down(netcat *nc, int code)
{
    child_stop(&nc->child);
    if (nc->asked >= 0) nod_report_close(nc->asked, nc->asked_path);
    if (nc->loop.stack && nc->loop.link) netcat_counters(nc);
    nod_loop_end(&nc->loop);
    nod_link_close(nc->loop.link);
    nod_stack_free(nc->loop.stack);
    if (nc->loop.capture && nod_capture_close(nc->loop.capture) != 0) {
        netcat_say(nc, "%s could not be written to its end: is the disk full?",
                   nc->options.net.pcap);
        if (code == CMD_OK) code = CMD_SYSTEM;
    }
    if (nc->signals >= 0) close(nc->signals);
    free(nc);
    return code;
}

/* What `nod ss` and `nod stat` ask. */
static void answer(netcat *nc)
{
    nod_link_stats link;
    nod_link_get_stats(nc->loop.link, &link);
    nod_report_answer(nc->asked, nc->loop.stack, &link,
                      nc->options.listen ? "nod listen" : "nod connect");
}

int netcat_turn(netcat *nc, struct pollfd *fds, int count, nod_usec until)
{
    struct pollfd all[OWN_FDS + NETCAT_FDS] = {{.fd = nc->signals, .events = POLLIN},
                                               {.fd = nc->asked, .events = POLLIN}};
    struct signalfd_siginfo info;
    if (count > 0) memcpy(all + OWN_FDS, fds, (size_t)count * sizeof *fds);
    int error = nod_loop_turn(&nc->loop, all, OWN_FDS + count, until);
    if (count > 0) memcpy(fds, all + OWN_FDS, (size_t)count * sizeof *fds);
    if (all[1].revents) answer(nc);
    while (all[0].revents && read(nc->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            child_look(&nc->child);
        else
            nc->interrupted = true;
    }
    return error;
}

/* A conversation from a clean start; what was read of standard input and not sent remains. */
static void begin_talk(netcat *nc, nod_handle conn, bool open)
{
    nc->conn = conn;
    nc->open = open;
    nc->opened = nod_clock();
    nc->progress_next = 0;
    nc->error = 0;
    nc->closed = nc->peer_closed = false;
    nc->out_len = 0;
}

/* The exit code of a conversation that ended so, and a sentence if it went wrong. */
static int outcome(netcat *nc, int error)
{
    if (nc->output_error)
        netcat_say(nc, "Standard output takes no more (%s): the connection was reset.",
                   strerror(nc->output_error));
    else if (nc->interrupted && error)
        netcat_say(nc, "Interrupted: the connection was reset.");
    else if (error)
        netcat_explain(nc, error);
    return error ? CMD_FAILED : CMD_OK;
}

/* connect */

/* The command at the kernel's side needs a while to listen. */
static bool worth_another_try(const netcat *nc, int error, nod_usec since)
{
    return error == NOD_EREFUSED && !nc->open && nc->options.command && !nc->child.ended &&
           !nc->interrupted && nod_clock() < since + COMMAND_PATIENCE;
}

static int pause_turns(netcat *nc, nod_usec length)
{
    nod_usec until = nod_clock() + length;
    int error = 0;
    while (!error && !nc->interrupted && nod_clock() < until)
        error = netcat_turn(nc, NULL, 0, until);
    return error;
}

static int connect_once(netcat *nc)
{
    const nod_open active = {.remote = nc->peer};
    nod_handle conn;
    int error = nod_tcp_open(nc->loop.stack, &active, &conn);
    if (error) return error;
    begin_talk(nc, conn, false);
    return netcat_talk(nc);
}

static int run_connect(netcat *nc)
{
    int code = start_command(nc);
    if (code) return code;
    nod_usec since = nod_clock();
    int error = connect_once(nc);
    while (worth_another_try(nc, error, since)) {
        error = pause_turns(nc, RETRY_US);
        if (!error) error = connect_once(nc);
    }
    if (nc->child.ended && error && !nc->open)
        netcat_say(nc, "%s has ended already.", nc->options.command[0]);
    return outcome(nc, error);
}

/* listen */

static int open_listener(netcat *nc, nod_handle *listener)
{
    nod_open passive = {.passive = true, .local.port = nc->options.port};
    char text[NETCAT_ENDPOINT_TEXT];
    int error = nod_tcp_open(nc->loop.stack, &passive, listener);
    if (error) {
        netcat_say(nc, "Cannot listen on port %u: %s.", nc->options.port, error_words(error));
        return CMD_FAILED;
    }
    if (nc->options.net.verbose) {
        nod_endpoint own = {nc->options.net.want4 ? nc->options.net.own4 : nc->options.net.own6,
                            nc->options.port};
        netcat_say(nc, "listening on %s, device %s", netcat_endpoint(&own, text, sizeof text),
                   nod_link_name(nc->loop.link));
    }
    return 0;
}

/* Waits for a connection. 0, or an error. */
static int wait_accept(netcat *nc, nod_handle listener, nod_handle *conn)
{
    nod_event events[NOD_LOOP_BATCH];
    nod_usec patience = NOD_NEVER;
    for (;;) {
        while (nod_stack_events(nc->loop.stack, events, NOD_LOOP_BATCH) > 0) {
        }
        int error = nod_tcp_accept(nc->loop.stack, listener, conn);
        if (error != NOD_EAGAIN) return error;
        if (nc->interrupted) return NOD_EABORTED;
        /* Without its command nobody may ever come; what it sent last still may. */
        if (nc->child.ended && patience == NOD_NEVER) patience = nod_clock() + NOD_SEC;
        if (patience != NOD_NEVER && nod_clock() >= patience) return NOD_ENOCONN;
        error = netcat_turn(nc, NULL, 0, patience);
        if (error) return error;
    }
}

static int serve(netcat *nc, nod_handle listener)
{
    nod_status status;
    nod_handle conn;
    int error = wait_accept(nc, listener, &conn);
    if (error == NOD_ENOCONN && nc->child.ended) {
        if (!nc->options.keep)
            netcat_say(nc, "%s has ended, and nobody connected.", nc->options.command[0]);
        nc->interrupted = true; /* nor will anybody, however long we keep listening */
        return nc->options.keep ? CMD_OK : CMD_FAILED;
    }
    if (error == NOD_EABORTED) return nc->options.keep ? CMD_OK : CMD_FAILED;
    if (error) return outcome(nc, error);
    if (nod_tcp_status(nc->loop.stack, conn, &status) == 0) nc->peer = status.remote;
    if (!nc->options.keep) nod_tcp_release(nc->loop.stack, listener);
    begin_talk(nc, conn, true);
    return outcome(nc, netcat_talk(nc));
}

static int run_listen(netcat *nc)
{
    nod_handle listener;
    int code = open_listener(nc, &listener);
    if (!code) code = start_command(nc);
    if (code) return code;
    do {
        code = serve(nc, listener);
    } while (nc->options.keep && !nc->interrupted && !nc->output_error && nc->error != NOD_EIO);
    return code;
}

static int run(bool listen, int argc, char **argv)
{
    netcat *nc = calloc(1, sizeof *nc);
    if (!nc) {
        fprintf(stderr, "%s", _("nod: there is no memory.\n"));
        return CMD_SYSTEM;
    }
    int code = netcat_parse(&nc->options, listen, argc, argv);
    if (code >= 0) {
        free(nc);
        return code;
    }
    nc->signals = nc->asked = -1;
    nc->terminal = isatty(STDERR_FILENO);
    nc->loop.hook = nc->options.net.verbose ? netcat_hook : NULL;
    nc->loop.ctx = nc;
    code = set_up(nc);
    if (code == 0) code = listen ? run_listen(nc) : run_connect(nc);
    return tear_down(nc, code);
}

int cmd_listen(int argc, char **argv)
{
    return run(true, argc, argv);
}

int cmd_connect(int argc, char **argv)
{
    return run(false, argc, argv);
}
