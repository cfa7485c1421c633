/* `nod netem`: two TUN devices, and a bad link between them. What the kernel sends into one goes
 * through a nod_path, the simulator's, in real time, and comes out of the other. Large segments are
 * cut into packets by the path, and what arrives at the same time is joined again. */
#include "cmd.h"
#include "netem_options.h"
#include "netem_report.h"
#include "nod/link.h"
#include "nod/netns.h"
#include "tr.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256
#define QUEUE 10000 /* of the kernel's, before a device: no packet is to be lost but by us */
/* A lone packet leaves to the microsecond; of a stream, what arrives within so much time of the
 * last leaves together, which costs the kernels at both ends much less. */
#define GRAIN_US 50
#define LATE_US NOD_MSEC
#define RETRY_US NOD_MSEC /* when a device is full, and does not say when it no longer is */

struct netem {
    struct netem_options options;
    nod_pool *pool;
    nod_link *link[2];
    nod_path *to[2];
    int signals;
    struct netem_lateness late[2];
    nod_usec last[2];  /* when something left through the device */
    nod_usec retry[2]; /* NOD_NEVER unless the device was full */
    int waiting[2];    /* frames that the device did not take yet */
    nod_frame wait[2][BATCH];
    nod_frame batch[BATCH];
};

static int fail(const char *why)
{
    fprintf(stderr, "nod netem: %s\n", why);
    return CMD_SYSTEM;
}

/* --- making the devices --- */

static int make_device(struct netem *n, enum netem_side side)
{
    const struct netem_end *end = &n->options.end[side];
    char why[NOD_NETNS_WHY] = "";
    const nod_tun_config config = {.name = end->device,
                                   .offload = true,
                                   .mtu = n->options.mtu,
                                   .queue = QUEUE,
                                   .host4 = end->addr4,
                                   .host6 = end->addr6,
                                   .prefix4 = end->prefix4,
                                   .prefix6 = end->prefix6};
    if (end->netns && nod_netns_join(end->netns, why) < 0) return fail(why);
    n->link[side] = nod_link_tun(n->pool, &config, NULL, why);
    return n->link[side] ? CMD_OK : fail(why);
}

/* There may be no way back out of a namespace, so one that stays here is made first. */
static int make_devices(struct netem *n)
{
    enum netem_side first = n->options.end[LEFT].netns && !n->options.end[RIGHT].netns;
    int rc = make_device(n, first);
    return rc == CMD_OK ? make_device(n, !first) : rc;
}

static int make_paths(struct netem *n)
{
    uint64_t seed = n->options.seed;
    for (int side = LEFT; side <= RIGHT; side++) n->options.to[side].trace.begins = nod_clock();
    n->to[RIGHT] = nod_path_new(n->pool, &n->options.to[RIGHT], seed);
    /* The directions throw dice of their own. */
    n->to[LEFT] = nod_path_new(n->pool, &n->options.to[LEFT], ~seed);
    return n->to[LEFT] && n->to[RIGHT] ? CMD_OK : fail(_("There is no memory."));
}

static int catch_signals(struct netem *n)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    n->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return n->signals >= 0 ? CMD_OK : fail(strerror(errno));
}

/* --- carrying --- */

/* What the kernel sent into one device sets out for the other. Returns how many. */
static int take_in(struct netem *n, enum netem_side from)
{
    int got = nod_link_receive(n->link[from], n->batch, BATCH, 0);
    /* Not before they were all there: nobody arrives earlier than was asked for. */
    nod_usec now = nod_clock();
    /* A path without memory loses the frame, as a wire may. */
    for (int i = 0; i < got; i++) nod_path_push(n->to[!from], &n->batch[i], now, NULL, NULL);
    return got;
}

static nod_usec earlier(nod_usec a, nod_usec b)
{
    return a < b ? a : b;
}

/* When there is something to give out. */
static nod_usec due(const struct netem *n, enum netem_side side)
{
    nod_usec when = nod_path_deadline(n->to[side]), soonest = n->last[side] + GRAIN_US;
    if (n->retry[side] != NOD_NEVER) return n->retry[side];
    return when > soonest ? when : soonest;
}

/* How prompt we are is told, lest a busy machine be taken for a property of the link. */
static void note_lateness(struct netem_lateness *late, nod_usec by)
{
    late->turns++;
    late->late_turns += by > LATE_US;
    late->latest_us = by > late->latest_us ? by : late->latest_us;
}

/* What has arrived leaves through the device. Returns 0 or NOD_EIO. */
static int give_out(struct netem *n, enum netem_side side)
{
    nod_usec now = nod_clock(), when = due(n, side);
    nod_frame *wait = n->wait[side];
    int *waiting = &n->waiting[side];
    if (now < when) return 0;
    note_lateness(&n->late[side], now - when);
    n->retry[side] = NOD_NEVER;
    n->last[side] = now;
    for (;;) {
        int more = nod_path_pop(n->to[side], wait + *waiting, BATCH - *waiting, now);
        *waiting += nod_frames_join(wait + *waiting, more);
        if (*waiting == 0) return 0;
        int sent = nod_link_send(n->link[side], wait, *waiting, now);
        if (sent < 0) return sent;
        *waiting -= sent;
        memmove(wait, wait + sent, (size_t)*waiting * sizeof *wait);
        if (*waiting > 0) {
            n->retry[side] = now + RETRY_US;
            return 0;
        }
    }
}

/* Sleeps until packets come or arrive, or a signal, and true then. */
static bool sleep_until(struct netem *n, nod_usec when)
{
    struct pollfd fds[] = {{.fd = n->signals, .events = POLLIN},
                           {.fd = nod_link_fd(n->link[LEFT]), .events = POLLIN},
                           {.fd = nod_link_fd(n->link[RIGHT]), .events = POLLIN}};
    nod_usec now = nod_clock();
    nod_usec rest = when > now ? when - now : 0;
    struct timespec pause = {(time_t)(rest / NOD_SEC), (long)(rest % NOD_SEC) * 1000};
    ppoll(fds, 3, when == NOD_NEVER ? NULL : &pause, NULL);
    return fds[0].revents;
}

static int carry(struct netem *n)
{
    nod_usec end = n->options.time ? nod_clock() + n->options.time : NOD_NEVER;
    while (nod_clock() < end) {
        for (int side = LEFT; side <= RIGHT; side++)
            if (take_in(n, side) < 0 || give_out(n, !side) < 0 || give_out(n, side) < 0)
                return fail(_("A device is gone, or its namespace."));
        if (sleep_until(n, earlier(earlier(due(n, LEFT), due(n, RIGHT)), end))) break;
    }
    return CMD_OK;
}

static int start(struct netem *n)
{
    if (!(n->pool = nod_pool_new(NULL, 0))) return fail(_("There is no memory."));
    int rc = catch_signals(n);
    if (rc == CMD_OK) rc = make_paths(n);
    return rc == CMD_OK ? make_devices(n) : rc;
}

static void stop(struct netem *n)
{
    for (int side = LEFT; side <= RIGHT; side++) {
        for (int i = 0; i < n->waiting[side]; i++) nod_frame_release(&n->wait[side][i]);
        nod_path_free(n->to[side]);
        nod_link_close(n->link[side]);
        path_options_free(&n->options.to[side]);
    }
    if (n->signals >= 0) close(n->signals);
    if (n->pool) nod_pool_free(n->pool);
}

static int report(const struct netem *n)
{
    struct netem_counts counts[2];
    if (n->options.quiet && !n->options.json) return CMD_OK;
    for (int side = LEFT; side <= RIGHT; side++) {
        nod_path_get_stats(n->to[side], &counts[side].path);
        nod_link_get_stats(n->link[side], &counts[side].link);
        counts[side].late = n->late[side];
    }
    netem_report(&n->options, counts);
    if (fflush(stdout) == 0 && !ferror(stdout)) return CMD_OK;
    return fail(_("Standard output cannot be written."));
}

/* Where it may, it goes before all that it connects: what it carries must not be late because the
 * ends are busy. It has nothing to do when they have not. */
static void be_prompt(void)
{
    const struct sched_param first = {.sched_priority = 1};
    prctl(PR_SET_TIMERSLACK, 1UL); /* the kernel else sleeps 50 us longer, to save power */
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first) != 0)
        setpriority(PRIO_PROCESS, 0, -20);
}

int cmd_netem(int argc, char **argv)
{
    static struct netem n;
    n.signals = -1;
    n.retry[LEFT] = n.retry[RIGHT] = NOD_NEVER;
    int rc = netem_options_read(argc, argv, &n.options);
    if (rc >= 0) {
        stop(&n);
        return rc;
    }
    be_prompt();
    rc = start(&n);
    if (rc == CMD_OK) {
        puts("ready");
        fflush(stdout);
        rc = carry(&n);
        int told = report(&n);
        if (rc == CMD_OK) rc = told;
    }
    stop(&n);
    return rc;
}
