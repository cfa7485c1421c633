/* Two paths lie between nod and the TUN, one each way, so that every packet's fate and time
 * are known; in their default they only delay. */
#include "kernel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel_state.h"
#include "segment_read.h"
#include "tr.h"

#define BATCH 64
#define TOGETHER (8 * NOD_MSEC) /* what happens within so little time belongs together */
#define SETTLED (40 * NOD_MSEC)
#define FRAME (20 * NOD_MSEC)
#define TOO_LONG (60 * NOD_SEC) /* besides TIME-WAIT */

/* The conversation, step by step; each waits for the one before. */
enum chapter {
    CHAPTER_OPEN,
    CHAPTER_WRITE,     /* nod does, once it is open */
    CHAPTER_ANSWER,    /* the server does, once it has heard all */
    CHAPTER_CLOSE,     /* nod does */
    CHAPTER_CLOSE_TOO, /* the server does */
    CHAPTER_WAIT,      /* until nod's TIME-WAIT is over */
    CHAPTER_END,
};

struct scene {
    struct kernel_watch *kernel;
    struct ladder *ladder;
    nod_handle conn;
    int server;           /* the accepted socket, or -1 */
    enum nod_state state; /* the kernel's */
    bool state_seen;      /* it had a connection */
    struct numbering numbering[2];
    struct flow_notes {
        uint32_t next, acked, window;
        nod_usec heard_at;
        uint32_t peer_fin; /* beyond nod's FIN; 0: none yet */
    } linux_notes;
    enum chapter chapter;
    nod_usec due; /* of the chapter, once what it waits for has come; else NOD_NEVER */
    nod_usec pause;
    uint64_t said[2], heard[2]; /* bytes written and read at each end */
    uint32_t to_say;
    bool open, peer_closed, ended, client_hears_end, server_hears_end;
    uint32_t frame_id;
    nod_usec now;
    bool broken; /* the device is gone */
};

/* --- what is seen of the kernel --- */

static void note_call(struct scene *s, enum nod_call call, int64_t result)
{
    nod_trace trace = {.time = s->now, .type = NOD_TRACE_CALL, .state = (uint8_t)s->state};
    trace.u.call.call = (uint8_t)call;
    trace.u.call.result = result;
    ladder_trace(s->ladder, RIGHT, &trace);
}

/* Its state while there is a descriptor, for kernels without sock_diag. */
static enum nod_state state_of_socket(const struct scene *s)
{
    static const uint8_t states[] = {
        [TCP_ESTABLISHED] = NOD_ESTABLISHED,
        [TCP_SYN_SENT] = NOD_SYN_SENT,
        [TCP_SYN_RECV] = NOD_SYN_RECEIVED,
        [TCP_FIN_WAIT1] = NOD_FIN_WAIT_1,
        [TCP_FIN_WAIT2] = NOD_FIN_WAIT_2,
        [TCP_TIME_WAIT] = NOD_TIME_WAIT,
        [TCP_CLOSE] = NOD_CLOSED,
        [TCP_CLOSE_WAIT] = NOD_CLOSE_WAIT,
        [TCP_LAST_ACK] = NOD_LAST_ACK,
        [TCP_LISTEN] = NOD_LISTEN,
        [TCP_CLOSING] = NOD_CLOSING,
    };
    struct tcp_info info;
    socklen_t len = sizeof(info);
    if (s->server < 0 || getsockopt(s->server, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
        info.tcpi_state >= sizeof(states))
        return s->state;
    return (enum nod_state)states[info.tcpi_state];
}

static void note_state(struct scene *s, enum nod_state state)
{
    nod_trace trace = {.time = s->now, .type = NOD_TRACE_STATE, .state = (uint8_t)state};
    trace.u.edge.from = (uint8_t)s->state;
    trace.u.edge.to = (uint8_t)state;
    ladder_trace(s->ladder, RIGHT, &trace);
    s->state = state;
}

static void look_at_state(struct scene *s)
{
    const struct kernel_watch *k = s->kernel;
    enum nod_state state;
    if (k->state == NULL || kernel_state_ask(k->state, k->options->world.family, k->end[RIGHT].port,
                                             k->end[LEFT].port, &state) < 0)
        state = state_of_socket(s);
    if (state == NOD_CLOSED && !s->state_seen) state = NOD_LISTEN;
    if (state != NOD_LISTEN) s->state_seen = true;
    if (state != s->state) note_state(s, state);
}

/* Why the kernel sent it, as far as can be told from outside. */
static enum nod_why why_of(const struct scene *s, const nod_trace_segment *seg)
{
    const struct flow_notes *notes = &s->linux_notes;
    uint32_t len = seg->len + ((seg->ctl & NOD_FIN) != 0);
    if ((seg->ctl & NOD_RST) != 0)
        return s->state_seen ? NOD_WHY_RST_ABORT : NOD_WHY_RST_NO_CONNECTION;
    if ((seg->ctl & NOD_SYN) != 0)
        return notes->next > 0 ? NOD_WHY_RETRANSMIT_TIMEOUT : NOD_WHY_OPEN;
    if (len > 0 && seg->rel_seq < notes->next) return NOD_WHY_RETRANSMIT_TIMEOUT;
    if ((seg->ctl & NOD_FIN) != 0) return NOD_WHY_FIN;
    if (seg->len > 0) return NOD_WHY_DATA;
    if (notes->peer_fin != 0 && seg->rel_ack >= notes->peer_fin) return NOD_WHY_ACK_FIN;
    if (seg->rel_ack > notes->acked)
        return s->now - notes->heard_at > 20 * NOD_MSEC ? NOD_WHY_ACK_DELAYED : NOD_WHY_ACK_AT_ONCE;
    return seg->wnd_bytes > notes->window ? NOD_WHY_WINDOW_UPDATE : NOD_WHY_ACK_DUPLICATE;
}

/* Its timer cannot be seen, but what it sends again tells of it. */
static void note_timer(struct scene *s)
{
    nod_trace trace = {.time = s->now, .type = NOD_TRACE_TIMER, .state = (uint8_t)s->state};
    trace.u.timer.timer = NOD_TIMER_RETRANSMIT;
    ladder_trace(s->ladder, RIGHT, &trace);
}

static void kernel_sends(struct scene *s, const nod_frame *frame, nod_trace *trace)
{
    struct flow_notes *notes = &s->linux_notes;
    nod_trace_segment *seg = &trace->u.segment;
    segment_number(seg, &s->numbering[RIGHT], &s->numbering[LEFT]);
    seg->why = (uint8_t)why_of(s, seg);
    seg->retransmission = seg->why == NOD_WHY_RETRANSMIT_TIMEOUT;
    if (seg->retransmission) note_timer(s);
    uint32_t end = seg->rel_seq + seg->len + ((seg->ctl & (NOD_SYN | NOD_FIN)) != 0);
    if (end > notes->next && (seg->ctl & NOD_RST) == 0) notes->next = end;
    if (seg->rel_ack > notes->acked) notes->acked = seg->rel_ack;
    notes->window = seg->wnd_bytes;
    trace->frame = frame->id;
    ladder_trace(s->ladder, RIGHT, trace);
}

static void kernel_gets(struct scene *s, const nod_frame *frame)
{
    nod_trace trace = {.time = s->now, .type = NOD_TRACE_SEGMENT_IN, .state = (uint8_t)s->state};
    nod_trace_segment *seg = &trace.u.segment;
    if (!segment_read(frame, seg)) return;
    segment_number(seg, &s->numbering[LEFT], &s->numbering[RIGHT]);
    if ((seg->ctl & NOD_FIN) != 0) s->linux_notes.peer_fin = seg->rel_seq + seg->len + 1;
    s->linux_notes.heard_at = s->now;
    trace.frame = frame->id;
    ladder_trace(s->ladder, RIGHT, &trace);
}

/* --- packets --- */

static void capture(struct scene *s, const nod_frame *frame, bool outbound, const nod_trace *trace)
{
    char comment[128];
    if (s->kernel->capture == NULL) return;
    nod_capture_packet(s->kernel->capture, 0, s->now, outbound, frame,
                       trace != NULL ? nod_capture_comment(trace, comment, sizeof(comment)) : NULL);
}

static bool is_known(const struct scene *s, uint32_t frame)
{
    for (int i = s->ladder->count - 1; i >= 0; i--) {
        const struct ladder_event *event = &s->ladder->events[i];
        if (event->side == RIGHT && event->kind == LADDER_DEPART && event->trace.frame == frame)
            return true;
    }
    return false;
}

static void see_trace(struct scene *s)
{
    nod_trace events[BATCH];
    int n;
    while ((n = nod_stack_trace(s->kernel->stack, events, BATCH)) > 0) {
        for (int i = 0; i < n; i++) {
            const nod_trace *t = &events[i];
            /* The kernel says things on a new link that are no part of the conversation. */
            if (t->type == NOD_TRACE_DROP && !is_known(s, t->frame)) continue;
            if (trace_is_dull(t)) continue;
            ladder_trace(s->ladder, LEFT, t);
        }
    }
}

static const nod_trace *departure(const struct scene *s, uint32_t frame)
{
    for (int i = s->ladder->count - 1; i >= 0; i--) {
        const struct ladder_event *event = &s->ladder->events[i];
        if (event->side == LEFT && event->kind == LADDER_DEPART && event->trace.frame == frame)
            return &event->trace;
    }
    return NULL;
}

/* From nod onto its path. */
static void put_out(struct scene *s)
{
    nod_frame frames[BATCH];
    int n;
    while ((n = nod_stack_output(s->kernel->stack, frames, BATCH, s->now)) > 0) {
        see_trace(s);
        for (int i = 0; i < n; i++) {
            unsigned fate = 0;
            uint32_t id = frames[i].id;
            capture(s, &frames[i], true, departure(s, id));
            nod_path_push(s->kernel->path[LEFT], &frames[i], s->now, NULL, &fate);
            ladder_fate(s->ladder, LEFT, id, fate);
        }
    }
}

/* From nod's path into the kernel. */
static void deliver_right(struct scene *s)
{
    nod_frame frame;
    while (nod_path_pop(s->kernel->path[LEFT], &frame, 1, s->now) == 1) {
        kernel_gets(s, &frame);
        int sent = nod_link_send(s->kernel->link, &frame, 1, s->now);
        s->broken |= sent < 0;
        if (sent < 1) nod_frame_release(&frame);
        look_at_state(s);
    }
}

/* From the kernel onto its path. */
static void take_in(struct scene *s)
{
    nod_frame frames[BATCH];
    int n;
    while ((n = nod_link_receive(s->kernel->link, frames, BATCH, s->now)) > 0) {
        for (int i = 0; i < n; i++) {
            nod_trace trace = {
                .time = s->now, .type = NOD_TRACE_SEGMENT_OUT, .state = (uint8_t)s->state};
            unsigned fate = 0;
            uint32_t id = frames[i].id = ++s->frame_id;
            bool tcp = segment_read(&frames[i], &trace.u.segment);
            if (tcp) kernel_sends(s, &frames[i], &trace);
            capture(s, &frames[i], false, tcp ? &trace : NULL);
            nod_path_push(s->kernel->path[RIGHT], &frames[i], s->now, NULL, &fate);
            ladder_fate(s->ladder, RIGHT, id, fate);
        }
    }
    s->broken |= n < 0;
}

/* From the kernel's path into nod. */
static void deliver_left(struct scene *s)
{
    nod_frame frames[BATCH];
    int n;
    while ((n = nod_path_pop(s->kernel->path[RIGHT], frames, BATCH, s->now)) > 0)
        nod_stack_input(s->kernel->stack, frames, n, s->now);
    nod_stack_tick(s->kernel->stack, s->now);
    see_trace(s);
}

/* --- applications --- */

static void client_hears(struct scene *s)
{
    nod_event events[16];
    char bytes[65536];
    ptrdiff_t got;
    int n;
    while ((n = nod_stack_events(s->kernel->stack, events, 16)) > 0) {
        for (int i = 0; i < n; i++) {
            const nod_event *event = &events[i];
            if ((event->flags & NOD_EVENT_OPEN) != 0) s->open = true;
            if ((event->flags & NOD_EVENT_ERROR) != 0)
                ladder_error(s->ladder, LEFT, s->now, event->error);
            if ((event->flags & (NOD_EVENT_ERROR | NOD_EVENT_CLOSED)) != 0) s->ended = true;
        }
    }
    if (s->conn == 0 || s->client_hears_end) return;
    while ((got = nod_tcp_receive(s->kernel->stack, s->conn, bytes, sizeof(bytes))) > 0)
        s->heard[LEFT] += (uint64_t)got;
    s->client_hears_end = got != NOD_EAGAIN;
    see_trace(s);
}

static void server_hears(struct scene *s)
{
    char bytes[65536];
    ssize_t n;
    if (s->server < 0) {
        s->server = accept4(s->kernel->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (s->server < 0) return;
        note_call(s, NOD_CALL_ACCEPT, 0);
    }
    while (!s->server_hears_end && (n = read(s->server, bytes, sizeof(bytes))) >= 0) {
        if (n == 0) s->server_hears_end = true;
        if (n > 0) note_call(s, NOD_CALL_RECEIVE, n);
        s->heard[RIGHT] += (uint64_t)n;
    }
}

static void client_says(struct scene *s)
{
    static const char text[] = "hello ";
    char bytes[65536];
    while (s->to_say > 0) {
        size_t len = s->to_say < sizeof(bytes) ? s->to_say : sizeof(bytes);
        for (size_t i = 0; i < len; i++) bytes[i] = text[(s->said[LEFT] + i) % (sizeof(text) - 1)];
        ptrdiff_t n = nod_tcp_send(s->kernel->stack, s->conn, bytes, len, 0);
        if (n <= 0) break;
        s->said[LEFT] += (uint64_t)n;
        s->to_say -= (uint32_t)n;
    }
    see_trace(s);
}

static void server_says(struct scene *s)
{
    static const char text[] = "hello to you";
    ssize_t n = write(s->server, text, sizeof(text) - 1);
    if (n <= 0) return;
    s->said[RIGHT] += (uint64_t)n;
    note_call(s, NOD_CALL_SEND, n);
}

static bool has_come(const struct scene *s)
{
    switch (s->chapter) {
    case CHAPTER_OPEN: return true;
    case CHAPTER_WRITE: return s->open && s->server >= 0;
    case CHAPTER_ANSWER: return s->to_say == 0 && s->heard[RIGHT] == s->said[LEFT];
    case CHAPTER_CLOSE: return s->heard[LEFT] == s->said[RIGHT];
    case CHAPTER_CLOSE_TOO: return s->server_hears_end;
    case CHAPTER_WAIT: return s->ended;
    case CHAPTER_END: return false;
    }
    return false;
}

static int open_connection(struct scene *s)
{
    nod_open open = {.local = s->kernel->end[LEFT], .remote = s->kernel->end[RIGHT]};
    return nod_tcp_open(s->kernel->stack, &open, &s->conn);
}

static void server_closes(struct scene *s)
{
    shutdown(s->server, SHUT_WR);
    note_call(s, NOD_CALL_CLOSE, 0);
    look_at_state(s);
}

static void turn_page(struct scene *s)
{
    switch (s->chapter) {
    case CHAPTER_OPEN: s->broken |= open_connection(s) < 0; break;
    case CHAPTER_WRITE:
        s->to_say = s->kernel->options->world.bytes != 0 ? s->kernel->options->world.bytes : 5;
        client_says(s);
        break;
    case CHAPTER_ANSWER: server_says(s); break;
    case CHAPTER_CLOSE: nod_tcp_close(s->kernel->stack, s->conn); break;
    case CHAPTER_CLOSE_TOO: server_closes(s); break;
    case CHAPTER_WAIT:
    case CHAPTER_END: break;
    }
    s->chapter++;
    see_trace(s);
}

static void act_when_due(struct scene *s)
{
    if (s->due == NOD_NEVER && has_come(s))
        s->due =
            s->chapter == CHAPTER_OPEN || s->chapter == CHAPTER_WAIT ? s->now : s->now + s->pause;
    if (s->due > s->now) return;
    s->due = NOD_NEVER;
    turn_page(s);
}

/* --- the loop --- */

static nod_usec sooner(nod_usec a, nod_usec b)
{
    return a < b ? a : b;
}

static void sleep_until_due(struct scene *s)
{
    const struct kernel_watch *k = s->kernel;
    struct pollfd fds[] = {
        {.fd = nod_link_fd(k->link), .events = POLLIN},
        {.fd = s->server >= 0 ? (s->server_hears_end ? -1 : s->server) : k->listener,
         .events = POLLIN},
    };
    nod_usec due = sooner(sooner(nod_stack_deadline(k->stack), nod_link_deadline(k->link)),
                          sooner(nod_path_deadline(k->path[LEFT]),
                                 sooner(nod_path_deadline(k->path[RIGHT]), s->due)));
    nod_usec span = due <= s->now ? 0 : due - s->now;
    if (span > FRAME) span = FRAME; /* the picture grows meanwhile */
    poll(fds, 2, (int)((span + 999) / NOD_MSEC));
}

static void turn(struct scene *s)
{
    s->now = nod_clock() - s->kernel->start;
    deliver_left(s);
    client_hears(s);
    server_hears(s);
    look_at_state(s);
    act_when_due(s);
    if (s->to_say > 0) client_says(s);
    put_out(s);
    deliver_right(s);
    take_in(s);
}

int kernel_run(struct kernel_watch *k, struct ladder *ladder, char *why)
{
    struct scene s = {.kernel = k, .ladder = ladder, .server = -1, .due = NOD_NEVER};
    int error = 0;
    ladder->together_us = TOGETHER;
    s.pause = (isatty(STDOUT_FILENO) ? (nod_usec)(600 / k->options->speed) : 120) * NOD_MSEC;
    k->start = nod_clock();
    note_call(&s, NOD_CALL_OPEN_PASSIVE, 0);
    note_state(&s, NOD_LISTEN);
    while (s.chapter != CHAPTER_END && !s.broken && !ladder->failed &&
           s.now < TOO_LONG + 2 * k->msl && !(s.ended && s.chapter != CHAPTER_WAIT)) {
        turn(&s);
        if (k->draw != NULL && s.now > SETTLED)
            k->draw(k->draw_ctx, ladder, s.now, s.now - SETTLED);
        if (s.chapter != CHAPTER_END) sleep_until_due(&s);
    }
    if (s.server >= 0) close(s.server);
    if (s.broken) error = kernel_fail(why, NOD_EIO, _("the TUN device is gone"));
    if (ladder->failed) error = kernel_fail(why, NOD_ENOMEM, error_words(NOD_ENOMEM));
    if (error == 0 && s.chapter != CHAPTER_END)
        error = kernel_fail(
            why, NOD_ETIMEDOUT,
            _("the connection did not come to its end; a world with less loss may help"));
    if (k->capture != NULL && nod_capture_close(k->capture) < 0 && error == 0)
        error = kernel_fail(why, NOD_EIO,
                            _("the capture could not be written whole; is the disk full?"));
    k->capture = NULL;
    return error;
}
