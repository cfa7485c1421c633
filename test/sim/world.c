/* The course of a world: who hears what, who acts, what time it is, and what is left. */
#include "world.h"

#include <string.h>

#define STEPS_MAX 2000000
#define SAME_TIME_MAX 100000
#define DAYS_MAX (7 * 24 * 3600 * NOD_SEC) /* no world takes so long */

/* Both open at once, or so close together that no SYN finds a closed port. */
static bool open_both(struct world *w, struct conn *conn)
{
    nod_usec least =
        w->path[0].delay_us < w->path[1].delay_us ? w->path[0].delay_us : w->path[1].delay_us;

    if (!side_open(&conn->side[0])) {
        return false;
    }
    if (least > 0) {
        nod_sim_run_until(w->sim, nod_sim_now(w->sim) + dice(w, least));
    }
    return side_open(&conn->side[1]);
}

/* With SYN cookies the last ACK of the handshake comes again only with what the opener sends. */
static bool openers_speak(const struct world *w)
{
    for (int i = 0; i < w->conns; i++) {
        if (!w->conn[i].both_open && w->conn[i].side[0].to_send == 0) {
            return false;
        }
    }
    return true;
}

static bool begin(struct world *w)
{
    w->fast = w->seed % 3 == 0 && w->path[0].duplicate == 0;
    w->tcp[1].syn_cookies = openers_speak(w) ? NOD_COOKIES_WHEN_FULL : NOD_COOKIES_NEVER;
    nod_open listen = {.local = {.port = 80}, .passive = true, .config = &w->tcp[1]};

    listen.backlog = one_in(w, 3) ? 1 : 0;
    listen.fast_open = w->fast ? 2 : 0;
    int result = nod_tcp_open(nod_sim_stack(w->sim, 1), &listen, &w->listener);

    if (result < 0) {
        return world_fail(w, "OPEN, passive: %s", nod_strerror(result));
    }
    for (int i = 0; i < w->conns; i++) {
        struct conn *conn = &w->conn[i];

        if (one_in(w, 3)) {
            nod_sim_run_until(w->sim, nod_sim_now(w->sim) + dice(w, NOD_SEC));
        }
        if (!(conn->both_open ? open_both(w, conn) : side_open(&conn->side[0]))) {
            return false;
        }
    }
    return true;
}

static struct conn *find_conn(struct world *w, uint16_t port)
{
    for (int i = 0; i < w->conns; i++) {
        if (!w->conn[i].both_open && w->conn[i].port == port) {
            return &w->conn[i];
        }
    }
    return NULL;
}

static bool accept_all(struct world *w)
{
    nod_stack *stack = nod_sim_stack(w->sim, 1);
    nod_status status;
    nod_handle handle;
    int result;

    w->accept_waits = false;
    while ((result = nod_tcp_accept(stack, w->listener, &handle)) == 0) {
        if (nod_tcp_status(stack, handle, &status) < 0) {
            return world_fail(w, "an accepted connection has no status");
        }
        struct conn *conn = find_conn(w, status.remote.port);

        if (!conn) {
            return world_fail(w, "accepted a connection from port %u, which nobody opened",
                              status.remote.port);
        }
        if (!side_adopt(&conn->side[1], handle)) {
            return false;
        }
        if (conn->side[0].done && (conn->rough || w->impatient)) {
            conn->side[1].patience = nod_sim_now(w->sim) + 200 * NOD_SEC;
        }
    }
    if (result == NOD_ENOMEM && w->tight) {
        w->accept_waits = true;
        w->accept_at = nod_sim_now(w->sim) + 50 * NOD_MSEC;
        return true;
    }
    return result == NOD_EAGAIN || world_fail(w, "ACCEPT: %s", nod_strerror(result));
}

static struct side *whose(struct world *w, int host, nod_handle handle)
{
    for (int i = 0; i < w->conns; i++) {
        for (int end = 0; end < 2; end++) {
            struct side *side = &w->conn[i].side[end];

            if (side->host == host && side->handle == handle) {
                return side;
            }
        }
    }
    return NULL;
}

static bool hear(struct world *w, int host, const nod_event *event)
{
    struct side *side;

    if (host == 1 && event->handle == w->listener) {
        w->accept_waits = true;
        w->accept_at = nod_sim_now(w->sim) + (one_in(w, 4) ? dice(w, NOD_SEC) : 0);
        return true;
    }
    side = whose(w, host, event->handle);
    /* What was told before the name was given back may still be under way, no more. */
    return side ? side_heard(side, event)
                : world_fail(w, "host %d: an event 0x%x for a name that is not in use: %llx", host,
                             event->flags, (unsigned long long)event->handle);
}

static bool hear_all(struct world *w)
{
    nod_event event[8];
    int n;

    for (int host = 0; host < 2; host++) {
        while ((n = nod_stack_events(nod_sim_stack(w->sim, host), event, 8)) > 0) {
            for (int i = 0; i < n; i++) {
                if (!hear(w, host, &event[i])) {
                    return false;
                }
            }
        }
    }
    return true;
}

static bool act_all(struct world *w)
{
    if (w->accept_waits && nod_sim_now(w->sim) >= w->accept_at && !accept_all(w)) {
        return false;
    }
    for (int i = 0; i < w->conns; i++) {
        if (!side_act(&w->conn[i].side[0]) || !side_act(&w->conn[i].side[1])) {
            return false;
        }
    }
    return true;
}

/* Somebody pulls the cable, and puts it back, two or three times. */
static void touch_cable(struct world *w)
{
    if (nod_sim_now(w->sim) < w->cable_at) {
        return;
    }
    w->pulled = !w->pulled;
    for (int end = 0; end < 2; end++) {
        nod_path_config path = w->path[end];

        path.down = w->pulled;
        nod_path_set_config(nod_sim_path(w->sim, w->link, end), &path);
    }
    w->cable_at = !w->pulled && one_in(w, 2)
                      ? NOD_NEVER
                      : nod_sim_now(w->sim) + any_size(w, 1000, 20 * NOD_SEC);
}

/* One of the hosts loses its memory: its programs and connections are gone, and the others
 * find out. */
static bool reboot(struct world *w)
{
    int host = w->reboot_host;

    if (nod_sim_now(w->sim) < w->reboot_at) {
        return true;
    }
    w->reboot_at = NOD_NEVER;
    if (!watch_step(w)) {
        return false;
    }
    int result = nod_sim_reboot(w->sim, host);

    if (result < 0) {
        return world_fail(w, "no reboot: %s", nod_strerror(result));
    }
    watch_forget(w->watch, host);
    for (int i = 0; i < w->conns; i++) {
        side_vanish(&w->conn[i].side[w->conn[i].side[0].host == host ? 0 : 1]);
    }
    if (host == 1) {
        w->listener = 0;
        w->accept_waits = false;
    }
    world_warm_up(w, host);
    w->in_use[host] = world_in_use(w, host);
    return true;
}

static nod_usec earlier(nod_usec a, nod_usec b)
{
    return a < b ? a : b;
}

static nod_usec next_wake(struct world *w)
{
    nod_usec wake = w->accept_waits ? w->accept_at : NOD_NEVER;

    wake = earlier(earlier(wake, w->cable_at), w->reboot_at);
    for (int i = 0; i < w->conns; i++) {
        wake = earlier(wake, side_wake(&w->conn[i].side[0]));
        wake = earlier(wake, side_wake(&w->conn[i].side[1]));
    }
    return wake;
}

static bool all_done(const struct world *w)
{
    for (int i = 0; i < w->conns; i++) {
        const struct conn *conn = &w->conn[i];

        if (!conn->side[0].done ||
            (!conn->side[1].done && !(conn->rough && !conn->side[1].was_open))) {
            return false;
        }
    }
    return true;
}

/* After a step everything that was due is out. */
static bool deadlines_move(struct world *w)
{
    for (int host = 0; host < 2; host++) {
        if (nod_stack_deadline(nod_sim_stack(w->sim, host)) <= nod_sim_now(w->sim)) {
            return world_fail(w, "host %d: after a step its deadline is not later than now", host);
        }
    }
    return true;
}

/* Time goes on to the next thing that happens. False: nothing ever will, or something is
 * wrong. */
static bool go_on(struct world *w, uint64_t *same_time)
{
    nod_usec wake = next_wake(w), next = nod_sim_next(w->sim), before = nod_sim_now(w->sim);

    if (wake < next) {
        nod_sim_run_until(w->sim, wake);
        return watch_step(w);
    }
    if (!nod_sim_step(w->sim)) {
        return false;
    }
    w->steps++;
    *same_time = nod_sim_now(w->sim) == before ? *same_time + 1 : 0;
    if (w->steps > STEPS_MAX || *same_time > SAME_TIME_MAX || nod_sim_now(w->sim) > DAYS_MAX) {
        return world_fail(w, "no end after %llu steps and %.0f s", (unsigned long long)w->steps,
                          (double)nod_sim_now(w->sim) / 1e6);
    }
    return watch_step(w) && deadlines_move(w);
}

static void tell_stuck(struct world *w)
{
    for (int i = 0; i < w->conns; i++) {
        for (int end = 0; end < 2; end++) {
            const struct side *s = &w->conn[i].side[end];

            if (!s->done) {
                world_fail(w,
                           "connection %d, host %d: never ends: sent %llu of %llu, received %llu "
                           "of %llu%s%s%s",
                           i, s->host, (unsigned long long)s->sent, (unsigned long long)s->to_send,
                           (unsigned long long)s->received,
                           (unsigned long long)w->conn[i].side[!end].to_send,
                           s->was_open ? "" : ", never open", s->closed ? ", closed" : "",
                           s->eof ? ", peer closed" : "");
            }
        }
    }
}

static bool live(struct world *w)
{
    uint64_t same_time = 0;

    while (!all_done(w)) {
        if (!hear_all(w) || !act_all(w)) {
            return false;
        }
        touch_cable(w);
        if (!reboot(w)) {
            return false;
        }
        if (!all_done(w) && !go_on(w, &same_time)) {
            tell_stuck(w);
            return false;
        }
    }
    return true;
}

static bool nothing_left(struct world *w, int host)
{
    nod_stack_stats stats;
    nod_status status;
    size_t cursor = 0;

    nod_stack_get_stats(nod_sim_stack(w->sim, host), &stats);
    if (nod_tcp_each(nod_sim_stack(w->sim, host), &cursor, &status)) {
        return world_fail(w, "host %d: a record in %s is left", host, nod_state_name(status.state));
    }
    if (stats.connections || stats.listeners || stats.syn_received || stats.time_wait) {
        return world_fail(w, "host %d: the counters say %u, %u, %u, %u", host, stats.connections,
                          stats.listeners, stats.syn_received, stats.time_wait);
    }
    /* What is remembered of a peer's cookie stays. */
    size_t used = world_in_use(w, host), least = w->in_use[host];

    if (used < least || used > least + (w->fast ? 8192 : 0)) {
        return world_fail(w, "host %d: %zu bytes in use, and %zu at the start", host,
                          world_in_use(w, host), w->in_use[host]);
    }
    return true;
}

/* All programs are gone: the stacks see the rest through. */
static bool fade(struct world *w)
{
    nod_stack *stack = nod_sim_stack(w->sim, 1);
    uint64_t same_time = 0;
    int result = 0;

    if (w->listener) { /* a reboot may have taken it */
        result =
            one_in(w, 2) ? nod_tcp_close(stack, w->listener) : nod_tcp_release(stack, w->listener);
    }
    if (result < 0) {
        return world_fail(w, "CLOSE of the listener: %s", nod_strerror(result));
    }
    w->listener = 0;
    nod_path_set_config(nod_sim_path(w->sim, w->link, 0), &w->path[0]);
    nod_path_set_config(nod_sim_path(w->sim, w->link, 1), &w->path[1]);
    w->cable_at = w->reboot_at = NOD_NEVER;
    w->accept_waits = false;
    while (nod_sim_next(w->sim) != NOD_NEVER) {
        if (!go_on(w, &same_time)) {
            return world_fail(w, "the end has no end");
        }
    }
    return nothing_left(w, 0) && nothing_left(w, 1);
}

bool world_play(uint64_t seed, FILE *ladder, struct world *w)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->ladder = ladder;
    w->sim = nod_sim_new(seed);
    w->check_trace = ladder || seed % 2 == 0;
    w->watch = watch_new();
    if (w->check_trace) {
        nod_sim_watch_packets(w->sim, true);
    }
    bool good = world_make(w) && begin(w) && live(w) && fade(w);

    watch_free(w->watch);
    nod_sim_free(w->sim);
    return good && !w->why[0];
}
