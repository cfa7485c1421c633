#include <string.h>

#include "cell.h"

static bool returns(struct cell *cell, const char *call, ptrdiff_t is, ptrdiff_t wanted)
{
    return is == wanted ||
           stage_fail(&cell->conv.stage, "%s returns %td (%s), and must return %td (%s)", call, is,
                      is < 0 ? nod_error_name((int)is) : "no error", wanted,
                      wanted < 0 ? nod_error_name((int)wanted) : "no error");
}

static bool receives(struct cell *cell, size_t len, ptrdiff_t wanted)
{
    return returns(cell, "RECEIVE", conv_receive(&cell->conv, len), wanted);
}

/* A name that was never given, and one that was given back. */
static bool for_no_name(struct cell *cell, ptrdiff_t (*call)(nod_stack *, nod_handle))
{
    struct conv *c = &cell->conv;
    nod_open open = {.passive = true, .local = c->flow->nod};
    nod_handle deleted;
    nod_stack *stack = c->stage.stack;

    return returns(cell, "OPEN", nod_tcp_open(stack, &open, &deleted), 0) &&
           returns(cell, "release", nod_tcp_release(stack, deleted), 0) &&
           returns(cell, "on no name, it", call(stack, 0), NOD_ENOCONN) &&
           returns(cell, "on a name never given, it", call(stack, 12345), NOD_ENOCONN) &&
           returns(cell, "on a name given back, it", call(stack, deleted), NOD_ENOCONN);
}

static ptrdiff_t just_send(nod_stack *stack, nod_handle handle)
{
    return nod_tcp_send(stack, handle, "x", 1, 0);
}

static ptrdiff_t just_receive(nod_stack *stack, nod_handle handle)
{
    char byte;

    return nod_tcp_receive(stack, handle, &byte, 1);
}

static ptrdiff_t just_close(nod_stack *stack, nod_handle handle)
{
    return nod_tcp_close(stack, handle);
}

static ptrdiff_t just_abort(nod_stack *stack, nod_handle handle)
{
    return nod_tcp_abort(stack, handle);
}

static ptrdiff_t just_status(nod_stack *stack, nod_handle handle)
{
    nod_status status;

    return nod_tcp_status(stack, handle, &status);
}

/* A listener's name becomes a connection's. */
static void listener_becomes_active(struct conv *c)
{
    c->flow->handle = c->listener->handle;
    c->listener->handle = 0;
}

static bool connect_listener(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_handle name = c->listener->handle;

    if (!returns(cell, "active OPEN without a remote socket",
                 nod_tcp_connect(c->stage.stack, name, NULL), NOD_ENOREMOTE) ||
        !cell_in_state(cell, NOD_LISTEN)) {
        return false;
    }
    int error = nod_tcp_connect(c->stage.stack, name, &c->flow->peer);

    conv_tell(c, "OPEN active, on the listening name -> %d", error);
    listener_becomes_active(c);
    return returns(cell, "active OPEN", error, 0);
}

static bool fire_open_active(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (cell->told & TOLD_OK) {
        return connect_listener(cell);
    }
    int error = conv_open_active(c);

    if (cell->told & TOLD_NAME) {
        return returns(cell, "active OPEN", error, 0) && c->flow->handle != 0;
    }
    return returns(cell, "active OPEN", error, NOD_EEXIST) &&
           (!c->flow->handle ||
            returns(cell, "active OPEN on its name",
                    nod_tcp_connect(c->stage.stack, c->flow->handle, &c->flow->peer), NOD_EEXIST));
}

static bool fire_open_passive(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_handle second = 0;

    if (cell->told & TOLD_NAME) {
        int error = conv_open_passive(c, false, &c->listener->handle);

        return returns(cell, "passive OPEN", error, 0) && conv_is_listening(c);
    }
    bool name_peer = cell->row.from != NOD_LISTEN;

    return returns(cell, "passive OPEN", conv_open_passive(c, name_peer, &second), NOD_EEXIST);
}

/* A full send queue: nothing is taken, and the user is told so. */
static bool refuses_more(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_tcp_config config = c->stage.config.tcp;

    config.send_buffer = 10;
    return returns(cell, "set_config", nod_tcp_set_config(c->stage.stack, c->flow->handle, &config),
                   0) &&
           returns(cell, "SEND without room", conv_send(c, 1), NOD_EAGAIN);
}

/* Another listener, that no peer was named for. */
static bool send_needs_remote(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_open open = {.passive = true, .local = {.port = 81}};
    nod_handle other;

    return returns(cell, "passive OPEN", nod_tcp_open(c->stage.stack, &open, &other), 0) &&
           returns(cell, "SEND without a remote socket", just_send(c->stage.stack, other),
                   NOD_ENOREMOTE) &&
           returns(cell, "CLOSE", nod_tcp_close(c->stage.stack, other), 0);
}

static bool fire_send(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (cell->told & TOLD_NO_CONNECTION) {
        return for_no_name(cell, just_send);
    }
    if (cell->row.from == NOD_LISTEN) {
        if (!send_needs_remote(cell)) {
            return false;
        }
        listener_becomes_active(c);
    }
    if (cell->told & TOLD_CLOSING) {
        return returns(cell, "SEND", conv_send(c, 10), NOD_ECLOSING);
    }
    return returns(cell, "SEND", conv_send(c, 10), 10) &&
           (!(cell->told & TOLD_SENT_LATER) || refuses_more(cell));
}

static bool fire_receive(struct cell *cell)
{
    struct conv *c = &cell->conv;

    if (cell->told & TOLD_NO_CONNECTION) {
        return for_no_name(cell, just_receive);
    }
    if (cell->row.from == NOD_LISTEN) {
        return returns(cell, "RECEIVE", just_receive(c->stage.stack, c->listener->handle),
                       NOD_EAGAIN);
    }
    if (cell->told & TOLD_CLOSING) {
        return receives(cell, 100, 0);
    }
    if (cell->told & TOLD_ON_HAND) {
        return receives(cell, 10, 10) && receives(cell, 10, NOD_EAGAIN);
    }
    if (cell->told & TOLD_REST_THEN_END) {
        return receives(cell, 100, 10) && receives(cell, 100, 0);
    }
    return receives(cell, 100, NOD_EAGAIN);
}

/* CLOSE and ABORT of a listener: its name is gone, and with it what a RECEIVE waited for. */
static bool end_listener(struct cell *cell, const char *name,
                         ptrdiff_t (*call)(nod_stack *, nod_handle))
{
    struct conv *c = &cell->conv;
    nod_handle listener = c->listener->handle;

    c->listener->handle = 0;
    return returns(cell, "RECEIVE", just_receive(c->stage.stack, listener), NOD_EAGAIN) &&
           returns(cell, name, call(c->stage.stack, listener), 0) &&
           returns(cell, "RECEIVE", just_receive(c->stage.stack, listener), NOD_ENOCONN);
}

static bool fire_end(struct cell *cell, const char *name,
                     ptrdiff_t (*call)(nod_stack *, nod_handle))
{
    struct conv *c = &cell->conv;

    if (cell->told & TOLD_NO_CONNECTION) {
        return for_no_name(cell, call);
    }
    if (cell->row.from == NOD_LISTEN) {
        return end_listener(cell, name, call);
    }
    if (strstr(cell->row.stimulus, "one RECEIVE outstanding") && !receives(cell, 100, NOD_EAGAIN)) {
        return false;
    }
    ptrdiff_t error = call(c->stage.stack, c->flow->handle);

    conv_tell(c, "%s -> %td", name, error);
    return returns(cell, name, error, cell->told & TOLD_CLOSING ? NOD_ECLOSING : 0);
}

static bool fire_status(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_status status;
    nod_handle name = c->flow->handle ? c->flow->handle : c->listener->handle;

    if (cell->told & TOLD_NO_CONNECTION) {
        return for_no_name(cell, just_status);
    }
    return returns(cell, "STATUS", nod_tcp_status(c->stage.stack, name, &status), 0) &&
           (status.state == cell->row.from || cell_fail_state(cell, cell->row.from, status.state));
}

bool call_fire(struct cell *cell)
{
    const char *event = cell->row.event;
    struct conv *c = &cell->conv;

    if (strcmp(event, "OPEN-ACTIVE") == 0) {
        return fire_open_active(cell);
    } else if (strcmp(event, "OPEN-PASSIVE") == 0) {
        return fire_open_passive(cell);
    } else if (cell->row.from == NOD_SYN_RECEIVED && c->variant.passive) {
        return returns(cell, "accept", conv_accept(c), NOD_EAGAIN);
    } else if (strcmp(event, "SEND") == 0) {
        return fire_send(cell);
    } else if (strcmp(event, "RECEIVE") == 0) {
        return fire_receive(cell);
    } else if (begins(event, "CLOSE")) {
        return fire_end(cell, "CLOSE", just_close);
    } else if (begins(event, "ABORT")) {
        return fire_end(cell, "ABORT", just_abort);
    } else if (strcmp(event, "STATUS") == 0) {
        return fire_status(cell);
    }
    return stage_fail(&c->stage, "there is no event %s", event);
}

int call_end_error(const struct cell *cell)
{
    if (cell->told & TOLD_RESET) {
        return NOD_ERESET;
    } else if (cell->told & TOLD_REFUSED) {
        return NOD_EREFUSED;
    } else if (cell->told & TOLD_TIMEOUT) {
        return NOD_ETIMEDOUT;
    } else if (begins(cell->row.event, "CLOSE-after-SEND")) {
        return cell->row.from == NOD_SYN_SENT ? NOD_ECLOSING : 0; /* the SEND failed */
    } else if (begins(cell->row.event, "ABORT") && cell->told & (TOLD_ABORTED | TOLD_GONE) &&
               cell->row.from != NOD_TIME_WAIT) {
        return NOD_EABORTED;
    }
    return 0;
}

/* What was acknowledged before a RST can still be read, doc/deviations.md. */
static bool rest_is_read(struct cell *cell)
{
    struct conv *c = &cell->conv;

    return !strstr(cell->row.stimulus, "RCV.WND=0:") || conv_receive(c, 4096) > 0 ||
           stage_fail(&c->stage, "what was acknowledged cannot be read");
}

bool call_after_end(struct cell *cell)
{
    struct conv *c = &cell->conv;
    nod_stack *stack = c->stage.stack;
    nod_handle name = c->flow->handle;
    nod_status status;
    int error = call_end_error(cell);

    if (!returns(cell, "STATUS", nod_tcp_status(stack, name, &status), 0) ||
        !returns(cell, "STATUS.error", status.error, error) ||
        !returns(cell, "what waits to be sent", status.send_queue, 0) || !rest_is_read(cell) ||
        !receives(cell, 100, error) ||
        !returns(cell, "SEND", just_send(stack, name), error ? error : NOD_ENOCONN) ||
        !returns(cell, "CLOSE", nod_tcp_close(stack, name), NOD_ENOCONN) ||
        !returns(cell, "ABORT", nod_tcp_abort(stack, name), NOD_ENOCONN) ||
        !returns(cell, "release", nod_tcp_release(stack, name), 0)) {
        return false;
    }
    c->flow->handle = 0;
    return returns(cell, "STATUS", nod_tcp_status(stack, name, &status), NOD_ENOCONN);
}
