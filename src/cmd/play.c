/* Plays a scenario: two hosts in virtual time, the applications on them, and what is seen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nod/capture.h"
#include "scenario.h"
#include "tr.h"

#define CLIENT_PORT 49152
#define SERVER_PORT 7
#define PEER_PORT 5000
#define WHY 256
#define LONG_ENOUGH (3600 * NOD_SEC) /* of virtual time: no scenario needs so much */
#define STEPS_MAX 200000
#define TRACE_EVENTS 16384

/* An application at one end. */
struct app {
    nod_handle listener, conn;
    bool opened, peer_closed, ended, ignores;
    bool heard_end; /* of the other's stream */
    bool sent;      /* everything is acknowledged */
    uint64_t written, heard, to_write;
};

struct play {
    const struct scenario *scenario;
    const struct world *world;
    struct ladder *ladder;
    nod_sim *sim;
    int host[2], link;
    struct app app[2];
    int next;     /* action */
    nod_usec due; /* of the next action, once what it waits for has come; else NOD_NEVER */
    nod_capture *capture;
};

static nod_stack *stack_of(struct play *p, int side)
{
    return nod_sim_stack(p->sim, p->host[side]);
}

static uint16_t port_of(const struct play *p, int side)
{
    if (p->scenario->equals) return (uint16_t)(PEER_PORT + side);
    return side == LEFT ? CLIENT_PORT : SERVER_PORT;
}

static nod_endpoint endpoint_of(const struct play *p, int side)
{
    return (nod_endpoint){.addr = nod_sim_addr(p->sim, p->link, side, p->world->family),
                          .port = port_of(p, side)};
}

/* --- what is seen --- */

static void see_trace(struct play *p, int side)
{
    nod_trace events[64];
    int n;
    while ((n = nod_stack_trace(stack_of(p, side), events, 64)) > 0) {
        for (int i = 0; i < n; i++) {
            if (trace_is_dull(&events[i])) continue;
            ladder_trace(p->ladder, side, &events[i]);
        }
    }
}

/* The trace event of a packet's departure, for its comment in the capture. */
static const nod_trace *departure(const struct play *p, int side, uint32_t frame)
{
    for (int i = p->ladder->count - 1; i >= 0; i--) {
        const struct ladder_event *event = &p->ladder->events[i];
        if (event->side == side && event->kind == LADDER_DEPART && event->trace.frame == frame)
            return &event->trace;
    }
    return NULL;
}

static void see_packets(struct play *p)
{
    nod_sim_packet packets[32];
    int n;
    while ((n = nod_sim_packets(p->sim, packets, 32)) > 0) {
        for (int i = 0; i < n; i++) {
            nod_sim_packet *packet = &packets[i];
            if (!packet->arrival) {
                char comment[128];
                const nod_trace *trace = departure(p, packet->from, packet->frame);
                ladder_fate(p->ladder, packet->from, packet->frame, packet->fate);
                if (p->capture != NULL)
                    nod_capture_packet(
                        p->capture, 0, packet->time, packet->from == LEFT, &packet->copy,
                        trace == NULL ? NULL
                                      : nod_capture_comment(trace, comment, sizeof(comment)));
            }
            nod_frame_release(&packet->copy);
        }
    }
}

static void see(struct play *p)
{
    see_trace(p, LEFT);
    see_trace(p, RIGHT);
    see_packets(p);
}

/* --- what applications do --- */

static void read_all(struct play *p, int side)
{
    struct app *app = &p->app[side];
    char bytes[65536];
    ptrdiff_t n;
    if (app->ignores || app->conn == 0 || app->heard_end) return;
    while ((n = nod_tcp_receive(stack_of(p, side), app->conn, bytes, sizeof(bytes))) > 0)
        app->heard += (uint64_t)n;
    if (n != NOD_EAGAIN) app->heard_end = true;
}

static void write_some(struct play *p, int side)
{
    static const char text[] = "The quick brown fox jumps over the lazy dog. ";
    struct app *app = &p->app[side];
    char bytes[65536];
    while (app->to_write > 0) {
        size_t len = app->to_write < sizeof(bytes) ? (size_t)app->to_write : sizeof(bytes);
        for (size_t i = 0; i < len; i++) bytes[i] = text[(app->written + i) % (sizeof(text) - 1)];
        ptrdiff_t n = nod_tcp_send(stack_of(p, side), app->conn, bytes, len, 0);
        if (n <= 0) return;
        app->written += (uint64_t)n;
        app->to_write -= (uint64_t)n;
        app->sent = false;
    }
}

static void hear_event(struct play *p, int side, const nod_event *event)
{
    struct app *app = &p->app[side];
    if ((event->flags & NOD_EVENT_ACCEPT) != 0 && event->handle == app->listener &&
        nod_tcp_accept(stack_of(p, side), app->listener, &app->conn) == 0) {
        app->opened = true;
        app->ended = app->peer_closed = app->heard_end = false;
        app->heard = app->written = 0;
    }
    if (event->handle != app->conn) return;
    if ((event->flags & NOD_EVENT_OPEN) != 0) app->opened = true;
    if ((event->flags & NOD_EVENT_SENT) != 0) app->sent = true;
    if ((event->flags & NOD_EVENT_PEER_CLOSED) != 0) app->peer_closed = true;
    if ((event->flags & (NOD_EVENT_ERROR | NOD_EVENT_CLOSED)) == 0) return;
    if ((event->flags & NOD_EVENT_ERROR) != 0 && event->error != NOD_EABORTED)
        ladder_error(p->ladder, side, nod_sim_now(p->sim), event->error);
    app->ended = true;
}

static void hear(struct play *p, int side)
{
    nod_event events[16];
    int n;
    while ((n = nod_stack_events(stack_of(p, side), events, 16)) > 0) {
        see_trace(p, side); /* before what the application makes of it */
        for (int i = 0; i < n; i++) hear_event(p, side, &events[i]);
    }
    read_all(p, side);
    write_some(p, side);
}

static void open_actively(struct play *p, int side)
{
    struct app *app = &p->app[side];
    nod_open open = {.local = endpoint_of(p, side), .remote = endpoint_of(p, !side)};
    nod_handle handle = 0;
    if (nod_tcp_open(stack_of(p, side), &open, &handle) < 0) return; /* the trace tells */
    if (app->conn != 0) nod_tcp_release(stack_of(p, side), app->conn);
    app->conn = handle;
    app->opened = app->peer_closed = app->ended = app->heard_end = false;
    app->heard = app->written = 0;
}

static void reboot(struct play *p, int side)
{
    see(p);
    ladder_remark(p->ladder, side, nod_sim_now(p->sim), S_REBOOT);
    if (nod_sim_reboot(p->sim, p->host[side]) < 0) p->ladder->failed = true;
    p->app[side] = (struct app){0};
}

static void act(struct play *p, const struct action *action)
{
    int side = action->side;
    struct app *app = &p->app[side];
    nod_stack *stack = stack_of(p, side);
    nod_open listen = {.passive = true, .local = endpoint_of(p, side)};
    uint32_t n = action->n;
    if (n == THE_BYTES) n = p->world->bytes != 0 ? p->world->bytes : p->scenario->bytes;
    switch ((enum verb)action->verb) {
    case DO_LISTEN: (void)nod_tcp_open(stack, &listen, &app->listener); break;
    case DO_CONNECT: open_actively(p, side); break;
    case DO_WRITE:
        app->to_write += n;
        write_some(p, side);
        break;
    case DO_CLOSE: (void)nod_tcp_close(stack, app->conn); break;
    case DO_ABORT: (void)nod_tcp_abort(stack, app->conn); break;
    case DO_IGNORE: app->ignores = true; break;
    case DO_READ:
        app->ignores = false;
        read_all(p, side);
        break;
    case DO_REBOOT: reboot(p, side); break;
    }
}

static bool has_come(const struct play *p, const struct action *action)
{
    const struct app *app = &p->app[action->side], *peer = &p->app[!action->side];
    switch (action->until) {
    case AT_ONCE: return true;
    case OPENED: return app->opened;
    case HEARD: return app->heard > 0 && app->heard >= peer->written && peer->to_write == 0;
    case ANSWERED: return app->sent && app->to_write == 0;
    case PEER_CLOSED: return app->peer_closed;
    case ENDED: return app->ended;
    }
    return false;
}

/* Does what is due, and finds out when the next is. */
static void act_when_due(struct play *p)
{
    nod_usec now = nod_sim_now(p->sim);
    while (p->next < p->scenario->action_count) {
        const struct action *action = &p->scenario->actions[p->next];
        if (p->due == NOD_NEVER) {
            if (!has_come(p, action)) return;
            p->due = now + action->pause_ms * NOD_MSEC;
        }
        if (p->due > now) return;
        p->due = NOD_NEVER;
        p->next++;
        act(p, action);
        see(p);
    }
}

/* --- the stage --- */

static int add_host(struct play *p, int side)
{
    nod_config config;
    nod_config_default(&config);
    config.trace_events = TRACE_EVENTS;
    if (p->world->msl_us != 0) config.tcp.msl_us = p->world->msl_us;
    config.tcp.ecn_request = config.tcp.ecn_accept = p->world->ecn;
    if (p->scenario->no_nagle) config.tcp.nagle = false;
    if (p->scenario->path_known) config.tcp.rack_patient = false;
    if (side == RIGHT && p->scenario->receive_buffer != 0)
        config.tcp.receive_buffer = p->scenario->receive_buffer;
    p->host[side] = nod_sim_add_host(p->sim, side == LEFT ? "left" : "right", &config);
    return p->host[side] < 0 ? p->host[side] : 0;
}

static int build_stage(struct play *p)
{
    nod_iface_config iface = {.kind = NOD_IFACE_IP, .mtu = p->world->mtu};
    nod_path_config path = p->world->path;
    int error;
    if (p->scenario->held_back_ms != 0) path.reorder_us = p->scenario->held_back_ms * NOD_MSEC;
    path.mtu = p->scenario->path_mtu;
    path.mtu_silent = p->scenario->black_hole;
    if (path.rate_bps == 0) path.rate_bps = p->scenario->rate_bps;
    p->sim = nod_sim_new(p->world->seed);
    if (p->sim == NULL) return NOD_ENOMEM;
    nod_sim_answer_later(p->sim, true);
    if ((error = add_host(p, LEFT)) < 0 || (error = add_host(p, RIGHT)) < 0) return error;
    p->link = nod_sim_join_iface(p->sim, p->host[LEFT], p->host[RIGHT], &iface, &path, &path);
    if (p->link < 0) return p->link;
    for (int i = 0; i < p->scenario->mishap_count; i++) {
        const struct mishap *mishap = &p->scenario->mishaps[i];
        error =
            nod_path_force(nod_sim_path(p->sim, p->link, mishap->side), mishap->skip, mishap->fate);
        if (error < 0) return error;
    }
    nod_sim_watch_packets(p->sim, true);
    return 0;
}

static void name_ends(const struct play *p, char address[2][64])
{
    for (int side = 0; side < 2; side++) {
        char text[NOD_ADDR_TEXT];
        nod_endpoint end = endpoint_of(p, side);
        nod_addr_format(&end.addr, text, sizeof(text));
        snprintf(address[side], 64, end.addr.family == 6 ? "[%s]:%u" : "%s:%u", text,
                 (unsigned)end.port);
    }
}

static int run(struct play *p, char *why)
{
    for (int steps = 0; steps < STEPS_MAX; steps++) {
        act_when_due(p);
        nod_usec next = nod_sim_next(p->sim), due = p->due;
        if ((next == NOD_NEVER && due == NOD_NEVER) || p->ladder->failed) return 0;
        if (due < next) {
            nod_sim_run_until(p->sim, due);
        } else {
            if (next > LONG_ENOUGH) return 0;
            nod_sim_step(p->sim);
        }
        see(p);
        hear(p, LEFT);
        hear(p, RIGHT);
        see(p);
    }
    snprintf(why, WHY, "%s",
             _("the scenario did not come to an end; try a world that is less harsh"));
    return NOD_ETIMEDOUT;
}

static int open_capture(struct play *p, char *why)
{
    if (p->world->pcap == NULL) return 0;
    p->capture = nod_capture_open(p->world->pcap, 0);
    if (p->capture == NULL) {
        snprintf(why, WHY, _("cannot write %s: %s"), p->world->pcap, strerror(errno));
        return NOD_EIO;
    }
    nod_capture_iface(p->capture, "sim0", NOD_IFACE_IP);
    return 0;
}

int scenario_play(const struct scenario *scenario, const struct world *world, struct ladder *ladder,
                  char address[2][64], char *why)
{
    struct play p = {.scenario = scenario, .world = world, .ladder = ladder, .due = NOD_NEVER};
    int error = open_capture(&p, why);
    if (error == 0 && (error = build_stage(&p)) < 0)
        snprintf(why, WHY, _("this world cannot be built: %s"), error_words(error));
    if (error == 0) {
        name_ends(&p, address);
        error = run(&p, why);
        see(&p);
    }
    if (p.capture != NULL && nod_capture_close(p.capture) < 0 && error == 0) {
        snprintf(why, WHY, _("%s could not be written whole; is the disk full?"), world->pcap);
        error = NOD_EIO;
    }
    nod_sim_free(p.sim);
    if (ladder->failed && error == 0) {
        snprintf(why, WHY, "%s", _("not enough memory for the picture"));
        error = NOD_ENOMEM;
    }
    ladder_build(ladder);
    return error;
}
