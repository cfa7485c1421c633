/* nod/loop.h: packets between a link and a stack, with a capture between them. One turn sends
 * what is due, sleeps, and takes in what came; user calls happen between turns. In
 * libnod-posix. */
#ifndef NOD_LOOP_H
#define NOD_LOOP_H

#include <poll.h>

#include "nod/capture.h"
#include "nod/link.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NOD_LOOP_BATCH 64

/* Sees every trace event, in order, once. It makes no user calls. */
typedef void nod_loop_hook(void *ctx, const nod_trace *trace);

typedef struct nod_loop {
    /* Set by the maker; nothing here is owned. */
    nod_stack *stack;
    nod_link *link;
    nod_capture *capture; /* or NULL */
    nod_loop_hook *hook;  /* or NULL */
    void *ctx;
    /* With a TAP: as in nod_iface_config. */
    bool probe, ignore_routers;
    enum nod_defence defence;
    /* The loop's own. */
    int capture_iface;
    int held_count; /* frames that the link did not take yet */
    nod_frame held[NOD_LOOP_BATCH];
} nod_loop;

/* Trace events that the stack must be able to keep (nod_config.trace_events) where there is a
 * capture or a hook: more than a batch can make. */
#define NOD_LOOP_TRACE 8192

/* After the fields are set. Returns 0, or an error of nod_stack_add_iface. */
int nod_loop_begin(nod_loop *loop);

/* One turn: sends all that is due, sleeps until packets come, `extra` descriptors are ready,
 * something is due or it is `until`, then takes the packets in and runs timers. `extra` is as
 * for poll, and may have entries with fd -1. Returns 0, or NOD_EIO when the device is gone. */
int nod_loop_turn(nod_loop *loop, struct pollfd *extra, int extras, nod_usec until);

/* Sends all that is due, without sleeping. 0 or NOD_EIO. */
int nod_loop_flush(nod_loop *loop);

/* Lets go of what was not sent. */
void nod_loop_end(nod_loop *loop);

/* An offset that turns nod_clock into UNIX time, for nod_capture_open. */
uint64_t nod_loop_epoch(void);

#ifdef __cplusplus
}
#endif
#endif
