/* The helper: drives where nobody waits, sees to deadlines, lets go of what the dead have left. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "nod/report.h"
#include "sys.h"

#define TICK_US (10 * NOD_MSEC)  /* how often it looks whether it is needed */
#define IDLE_US (200 * NOD_MSEC) /* the same, where no connection is alive */
#define LATE_US                                                                                    \
    (2 * NOD_MSEC)               /* a deadline that nobody has seen to for so long is the helper's \
                                  */
#define LEFT_US (2 * NOD_MSEC)   /* how long a device that nobody sleeps on may be left alone */
#define UNBORN_US (10 * NOD_SEC) /* what was made for a fork that failed */

bool process_is_alive(const process *p)
{
    char path[64], state[256] = "";
    if (p->pid == 0) return net_now() - p->made_at < UNBORN_US;
    if (kill(p->pid, 0) != 0) return errno != ESRCH;
    /* A zombie has closed everything, whoever forgets to wait for it. */
    snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno != ENOENT;
    ssize_t got = sys_read(fd, state, sizeof state - 1);
    sys_close(fd);
    const char *after_name = got > 0 ? strrchr(state, ')') : NULL;
    return !after_name || (after_name[1] && after_name[2] != 'Z' && after_name[2] != 'X');
}

void net_bury(void)
{
    bool died = false;
    for (ring *at = nod_net->processes.next, *next; at != &nod_net->processes; at = next) {
        process *p = ring_entry(at, process, in_net);
        next = at->next;
        if (p == nod_here.self || process_is_alive(p)) continue;
        if (nod_net->writer == p->pid) nod_net->writer = 0;
        process_free(p);
        died = true;
    }
    if (died) net_wake_all();
}

static bool is_late(nod_usec now)
{
    nod_usec deadline = nod_stack_deadline(nod_net->stack);
    return deadline != NOD_NEVER && deadline + LATE_US <= now;
}

typedef struct server {
    int report;
    nod_usec bury_at;
    nod_usec drove_at; /* when we did last */
    bool listens;
} server;

/* Nobody sleeps on the device, nor looks at it now and then: a program that is busy with it is
 * left alone, for two would be in each other's way. */
static bool is_needed(const server *me, nod_usec now)
{
    return nod_net->asleep == 0 &&
           (nod_net->driven_at == me->drove_at || now - nod_net->driven_at >= LEFT_US);
}

/* How long the helper may sleep, and whether packets are its to wake for. */
static nod_usec plan(server *me, nod_usec now)
{
    nod_stack_stats stats;
    nod_stack_get_stats(nod_net->stack, &stats);
    nod_usec deadline = nod_stack_deadline(nod_net->stack);
    bool quiet = stats.connections == stats.listeners && stats.syn_received == 0;
    nod_usec wake = now + (quiet ? IDLE_US : TICK_US);
    me->listens = is_needed(me, now);
    if (me->listens && deadline < wake) wake = deadline;
    if (!me->listens && nod_net->asleep == 0 && now + LEFT_US < wake) wake = now + LEFT_US;
    return wake;
}

/* One look. Returns when to look again. */
static nod_usec attend(server *me)
{
    nod_usec wake = nod_clock() + IDLE_US;
    me->listens = false;
    if (!net_enter()) return wake;
    nod_usec now = net_now();
    if (is_needed(me, now) || is_late(now)) {
        net_drive();
        me->drove_at = nod_net->driven_at;
    }
    if (now >= me->bury_at) {
        net_bury();
        me->bury_at = now + 5 * TICK_US;
    }
    if (me->report >= 0)
        nod_report_answer(me->report, nod_net->stack, &nod_net->link_stats, nod_net->name);
    net_flush();
    wake = plan(me, now);
    net_leave();
    return wake;
}

bool nod_net_serve(int until, nod_usec deadline)
{
    char path[NOD_REPORT_PATH];
    server me = {.report = nod_report_open(path)};
    bool ended = false;
    while (!ended) {
        nod_usec now = nod_clock();
        if (now >= deadline) break;
        nod_usec wake = attend(&me);
        if (wake > deadline) wake = deadline;
        now = nod_clock();
        nod_usec left = wake > now ? wake - now : 0;
        struct timespec timeout = {(time_t)(left / NOD_SEC), (long)(left % NOD_SEC) * 1000};
        struct pollfd fds[] = {
            {.fd = until, .events = POLLIN},
            {.fd = me.report, .events = POLLIN},
            {.fd = me.listens ? nod_here.device : -1, .events = POLLIN},
        };
        if (sys_poll(fds, 3, &timeout, NULL) > 0) ended = fds[0].revents != 0;
    }
    if (me.report >= 0) nod_report_close(me.report, path);
    return ended;
}
