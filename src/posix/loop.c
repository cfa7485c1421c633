#include "nod/loop.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define COMMENT_MAX 400
#define EXTRAS_MAX 16
#define TRACE_BATCH 64
#define TURN_FRAMES (8 * NOD_LOOP_BATCH) /* taken in before others have their turn */

/* The comments of one batch of frames, as the trace tells them. */
typedef struct batch_notes {
    const nod_frame *frames;
    int count;
    bool outbound;
    int current; /* the frame that state edges belong to; -1: none */
    char text[NOD_LOOP_BATCH][COMMENT_MAX];
} batch_notes;

static int find(const batch_notes *notes, uint32_t id)
{
    for (int i = 0; i < notes->count; i++)
        if (notes->frames[i].id == id) return i;
    return -1;
}

static void append(char *text, const char *more)
{
    size_t len = strlen(text);
    snprintf(text + len, COMMENT_MAX - len, "%s%s", len ? "; " : "", more);
}

static void note_edge(batch_notes *notes, const nod_trace *trace)
{
    char more[64];
    if (notes->current < 0) return;
    snprintf(more, sizeof more, "becomes %s", nod_state_name((enum nod_state)trace->u.edge.to));
    append(notes->text[notes->current], more);
}

static void note_drop(batch_notes *notes, const nod_trace *trace)
{
    char more[64];
    int at = find(notes, trace->frame);
    if (at < 0 || notes->outbound) return;
    snprintf(more, sizeof more, "dropped: %s", nod_drop_name((enum nod_drop)trace->u.drop.reason));
    append(notes->text[at], more);
}

static void note_segment(batch_notes *notes, const nod_trace *trace, bool outbound)
{
    if (outbound != notes->outbound) return;
    notes->current = find(notes, trace->frame);
    if (notes->current >= 0) nod_capture_comment(trace, notes->text[notes->current], COMMENT_MAX);
}

static void note(batch_notes *notes, const nod_trace *trace)
{
    switch ((enum nod_trace_type)trace->type) {
    case NOD_TRACE_SEGMENT_OUT: note_segment(notes, trace, true); break;
    case NOD_TRACE_SEGMENT_IN: note_segment(notes, trace, false); break;
    case NOD_TRACE_STATE: note_edge(notes, trace); break;
    case NOD_TRACE_DROP: note_drop(notes, trace); break;
    case NOD_TRACE_CALL:
    case NOD_TRACE_TIMER:
    case NOD_TRACE_RTT:
    case NOD_TRACE_CWND:
    case NOD_TRACE_ICMP_IN:
    case NOD_TRACE_PATH_MTU: break;
    }
}

/* Pulls the trace; `notes` may be NULL. */
static void drain(nod_loop *loop, batch_notes *notes)
{
    nod_trace events[TRACE_BATCH];
    int got;
    while ((got = nod_stack_trace(loop->stack, events, TRACE_BATCH)) > 0) {
        for (int i = 0; i < got; i++) {
            if (notes) note(notes, &events[i]);
            if (loop->hook) loop->hook(loop->ctx, &events[i]);
        }
    }
}

/* Writes a batch to the capture, each frame with what the trace has said about it since. */
static void record(nod_loop *loop, const nod_frame *frames, int count, bool outbound, nod_usec now)
{
    batch_notes notes;
    notes.frames = frames;
    notes.count = count;
    notes.outbound = outbound;
    notes.current = -1;
    for (int i = 0; i < count; i++) notes.text[i][0] = 0;
    drain(loop, &notes);
    /* A failed write is remembered, and told when the capture is closed. */
    for (int i = 0; i < count; i++)
        nod_capture_packet(loop->capture, loop->capture_iface, now, outbound, &frames[i],
                           notes.text[i]);
}

static void take_in(nod_loop *loop, nod_frame *frames, int count, nod_usec now)
{
    if (!loop->capture) {
        nod_stack_input(loop->stack, frames, count, now);
        if (loop->hook) drain(loop, NULL);
        return;
    }
    nod_frame kept[NOD_LOOP_BATCH];
    for (int i = 0; i < count; i++) nod_frame_share(&frames[i], &kept[i]);
    drain(loop, NULL);
    nod_stack_input(loop->stack, frames, count, now);
    record(loop, kept, count, false, now);
    for (int i = 0; i < count; i++) nod_frame_release(&kept[i]);
}

static int receive(nod_loop *loop, nod_usec now)
{
    nod_frame frames[NOD_LOOP_BATCH];
    for (int taken = 0; taken < TURN_FRAMES;) {
        int got = nod_link_receive(loop->link, frames, NOD_LOOP_BATCH, now);
        if (got < 0) return got;
        if (got == 0) break;
        take_in(loop, frames, got, now);
        taken += got;
    }
    return 0;
}

/* Gives the link what is held. Returns 0 when it took all, NOD_EAGAIN, or NOD_EIO. */
static int send_held(nod_loop *loop, nod_usec now)
{
    int sent = 0;
    if (loop->held_count > 0) sent = nod_link_send(loop->link, loop->held, loop->held_count, now);
    if (sent < 0) return sent;
    loop->held_count -= sent;
    memmove(loop->held, loop->held + sent, (size_t)loop->held_count * sizeof(nod_frame));
    return loop->held_count > 0 ? NOD_EAGAIN : 0;
}

int nod_loop_flush(nod_loop *loop)
{
    nod_usec now = nod_clock();
    int error;
    while ((error = send_held(loop, now)) == 0) {
        if (loop->capture) drain(loop, NULL);
        loop->held_count = nod_stack_output(loop->stack, loop->held, NOD_LOOP_BATCH, now);
        if (loop->held_count == 0) break;
        if (loop->capture)
            record(loop, loop->held, loop->held_count, true, now);
        else if (loop->hook)
            drain(loop, NULL);
    }
    return error == NOD_EIO ? error : 0;
}

/* At most a minute, which is early enough to look again. */
static struct timespec time_until(nod_usec when, nod_usec now)
{
    nod_usec wait = when > now ? when - now : 0;
    if (wait > 60 * NOD_SEC) wait = 60 * NOD_SEC;
    return (struct timespec){(time_t)(wait / NOD_SEC), (long)(wait % NOD_SEC) * 1000};
}

static nod_usec next_wake(const nod_loop *loop, nod_usec now, nod_usec until)
{
    nod_usec wake = until;
    nod_usec link = nod_link_deadline(loop->link);
    if (link < wake) wake = link;
    if (loop->held_count > 0) {
        /* The device is full: it is tried again soon, and the stack waits for it. */
        if (now + NOD_MSEC < wake) wake = now + NOD_MSEC;
        return wake;
    }
    nod_usec stack = nod_stack_deadline(loop->stack);
    return stack < wake ? stack : wake;
}

int nod_loop_turn(nod_loop *loop, struct pollfd *extra, int extras, nod_usec until)
{
    struct pollfd fds[1 + EXTRAS_MAX];
    int error = nod_loop_flush(loop);
    if (error) return error;
    if (extras > EXTRAS_MAX) return NOD_EINVAL;
    fds[0] = (struct pollfd){.fd = nod_link_fd(loop->link), .events = POLLIN};
    if (extras > 0) memcpy(fds + 1, extra, (size_t)extras * sizeof *extra);
    nod_usec now = nod_clock();
    struct timespec wait = time_until(next_wake(loop, now, until), now);
    if (ppoll(fds, (nfds_t)(1 + extras), &wait, NULL) < 0)
        for (int i = 0; i <= extras; i++) fds[i].revents = 0;
    if (extras > 0) memcpy(extra, fds + 1, (size_t)extras * sizeof *extra);
    now = nod_clock();
    error = receive(loop, now);
    nod_stack_tick(loop->stack, now);
    if (loop->hook) drain(loop, NULL);
    return error;
}

int nod_loop_begin(nod_loop *loop)
{
    nod_iface_config iface;
    nod_link_iface(loop->link, &iface);
    iface.probe = loop->probe;
    iface.ignore_routers = loop->ignore_routers;
    iface.defence = loop->defence;
    loop->held_count = 0;
    if (loop->capture)
        loop->capture_iface =
            nod_capture_iface(loop->capture, nod_link_name(loop->link), iface.kind);
    int index = nod_stack_add_iface(loop->stack, &iface);
    return index < 0 ? index : 0;
}

void nod_loop_end(nod_loop *loop)
{
    for (int i = 0; i < loop->held_count; i++) nod_frame_release(&loop->held[i]);
    loop->held_count = 0;
}

uint64_t nod_loop_epoch(void)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (uint64_t)wall.tv_sec * NOD_SEC + (uint64_t)wall.tv_nsec / 1000 - nod_clock();
}
