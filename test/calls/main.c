/* calls: makes the calls of sockets and prints what comes of each. Run on the kernel and,
 * unchanged, under `nod run`, it must print the same.
 *
 *     calls list              the parts that there are
 *     calls kernel PART       a part on the kernel: two namespaces joined by a veth pair
 *     calls private PART      a part on whatever sockets are, in a private network namespace that
 *                             we are in already, and the peer too */
#include "calls.h"
#include "option.h"
#include "stage.h"
#include "states.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const scenario scenarios[] = {
    {"make sockets", make_sockets},
    {"binding", binding},
    {"connecting", connecting},
    {"accepting", accepting},
    {"dual stack", dual_stack},
    {"option values", option_values},
    {"streaming", streaming},
    {"copying", copying},
    {"urgent", urgent},
    {"deadlines", deadlines},
    {"blocking", blocking},
    {"closing", closing},
    {"signals", signals},
    {"edges", edges},
    {"epoll errors", epoll_errors},
    {"epoll mixed", epoll_mixed},
    {"epoll nested", epoll_nested},
    {"poll sets", poll_sets},
    {"threads", threads},
    {"forks", forks},
    {"descriptors", descriptors},
    {"info", info},
    {"bad pointers", bad_pointers},
    {NULL, NULL},
};

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    {"receive", calls_receive}, {"send", calls_send},       {"names", calls_names},
    {"files", calls_files},     {"options", calls_options}, {"wait", calls_wait},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* All states are seen over IPv4, some over IPv6 too. */
static bool also_over_ip6(const state *which)
{
    static const char *const some[] = {"fresh",  "listening with one", "established",
                                       "unread", "peer closed",        "reset"};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        if (strcmp(which->name, some[i]) == 0) return true;
    return false;
}

static int list(void)
{
    for (int i = 0; i < KINDS; i++) {
        const char *name = kinds[i].name;
        printf("%s\n%s, IPv6\n%s, strange\n", name, name, name);
    }
    for (int i = 0; scenarios[i].name; i++) printf("%s\n", scenarios[i].name);
    return 0;
}

static void in_all(const state *all, void (*run)(void))
{
    for (; all->name; all++) {
        if (family == 6 && !also_over_ip6(all)) continue;
        set_state(all);
        run();
    }
}

static bool play(const char *part)
{
    for (int i = 0; scenarios[i].name; i++) {
        if (strcmp(part, scenarios[i].name) != 0) continue;
        say_where("%s", part);
        scenarios[i].play();
        return true;
    }
    for (int i = 0; i < KINDS; i++) {
        size_t len = strlen(kinds[i].name);
        if (strncmp(part, kinds[i].name, len) != 0) continue;
        if (strcmp(part + len, ", IPv6") == 0) set_family(6);
        if (strcmp(part + len, ", strange") == 0)
            in_all(strangers, kinds[i].run);
        else
            in_all(states, kinds[i].run);
        return true;
    }
    return false;
}

/* A new device is not ready at once: until there is an answer over both families. */
static void warm_up(void)
{
    for (int which = 6; which >= 4; which -= 2) {
        set_family(which);
        for (int i = 0; i < 3000; i++) {
            int fd = tcp();
            set_time(fd, SO_SNDTIMEO, 0, 10000);
            int rc = connect_to(fd, kernel, PEER_PORT);
            close(fd);
            if (rc == 0) break;
            usleep(1000);
        }
    }
    peer_forget();
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) return list();
    if (argc == 3 && strcmp(argv[1], "peer") == 0) return peer_main(atoi(argv[2]));
    if (argc != 3 || (strcmp(argv[1], "kernel") != 0 && strcmp(argv[1], "private") != 0)) {
        fputs("usage: calls list, calls kernel PART, calls private PART\n", stderr);
        return 2;
    }
    int netns = -1;
    if (strcmp(argv[1], "kernel") == 0)
        netns = stage_open();
    else
        stage_settings();
    say_count_sigpipe();
    set_family(4);
    peer_start(netns);
    warm_up();
    if (!play(argv[2])) {
        fprintf(stderr, "calls: there is no part \"%s\"\n", argv[2]);
        return 2;
    }
    return 0;
}
