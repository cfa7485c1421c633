/* The program at one end of a connection. It never polls: it goes on only when an event says
 * that it can, or when its own pause is over, so that a lost event is a connection that never
 * ends. Every byte is a function of its stream and its place. */
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define CALLS_AT_ONCE 8
#define PATIENCE (200 * NOD_SEC)
#define TRY_AGAIN (50 * NOD_MSEC) /* when there was no memory */

static uint8_t stream_byte(uint32_t key, uint64_t at)
{
    return (uint8_t)((((uint32_t)at + (uint32_t)(at >> 32)) * 0x9e3779b1u + key) >> 16);
}

static nod_stack *stack_of(const struct side *side)
{
    return nod_sim_stack(side->conn->world->sim, side->host);
}

static struct side *other(const struct side *side)
{
    return &side->conn->side[side == &side->conn->side[0] ? 1 : 0];
}

void side_make(struct side *side, struct conn *conn, int host)
{
    struct world *w = conn->world;
    static const nod_usec thinks[] = {0, 0, 1000, 30000, 400000, 3000000};

    *side = (struct side){.conn = conn, .host = host, .wake = NOD_NEVER, .patience = NOD_NEVER};
    side->send_buffer = w->tcp[host].send_buffer;
    side->key = (uint32_t)dice(w, UINT32_MAX);
    side->to_send = one_in(w, 6) ? 0 : any_size(w, 1, one_in(w, 4) ? 3000000 : 300000);
    side->write_max = (uint32_t)any_size(w, 1, 70000);
    side->read_max = (uint32_t)any_size(w, 1, 70000);
    side->think_max = thinks[dice(w, sizeof thinks / sizeof thinks[0])];
    side->slices = one_in(w, 3);
    side->sees_it_out = one_in(w, 2);
    side->ending = one_in(w, 12) ? END_ABORT : one_in(w, 12) ? END_RELEASE : END_CLOSE;
    side->ends_at = dice(w, 2 * side->to_send + 2);
}

/* No steps so small that one world takes all the time there is. */
void side_hurry(struct side *side)
{
    uint32_t write = (uint32_t)(side->to_send / 500 + 1);
    uint32_t read = (uint32_t)(other(side)->to_send / 500 + 1);

    side->write_max = side->write_max < write ? write : side->write_max;
    side->read_max = side->read_max < read ? read : side->read_max;
}

static bool fail(struct side *side, const char *call, long long result)
{
    return world_fail(side->conn->world, "connection %d, host %d: %s returned %s (%lld)",
                      side->conn->number, side->host, call,
                      result < 0 ? nod_error_name((int)result) : "a number", result);
}

/* Nobody says when there is memory again. */
static bool try_again(struct side *side)
{
    side->wake = nod_sim_now(side->conn->world->sim) + TRY_AGAIN;
    return true;
}

static bool no_memory(const struct side *side, long long result)
{
    return result == NOD_ENOMEM && side->conn->world->tight;
}

/* The name is given back; the stack sees to the rest. */
static bool let_go(struct side *side)
{
    int result = nod_tcp_release(stack_of(side), side->handle);

    side->leaving = no_memory(side, result);
    if (side->leaving) {
        return try_again(side);
    }
    if (result < 0) {
        return fail(side, "RELEASE", result);
    }
    side->handle = 0;
    side->done = true;
    side->wake = side->patience = NOD_NEVER;
    if ((side->conn->rough || side->conn->world->impatient || side->conn->world->tight) &&
        !other(side)->done) {
        /* What tells the peer may be lost, and a peer that only listens never finds out. */
        other(side)->patience = nod_sim_now(side->conn->world->sim) + PATIENCE;
    }
    return true;
}

void side_vanish(struct side *side)
{
    struct side *peer = other(side);

    side->handle = 0;
    side->done = side->was_open = side->conn->rough = true;
    if (!peer->done) {
        peer->patience = nod_sim_now(side->conn->world->sim) + PATIENCE;
    }
}

static bool give_up(struct side *side)
{
    int result = nod_tcp_abort(stack_of(side), side->handle);

    side->conn->rough = true;
    if (no_memory(side, result)) {
        return try_again(side);
    }
    if (result < 0 && result != NOD_ENOCONN) {
        return fail(side, "ABORT", result);
    }
    return let_go(side);
}

/* A call failed: well, if somebody has cut the connection off and the event that says so is
 * still to come. */
static bool call_failed(struct side *side, const char *call, long long result)
{
    bool over = result == NOD_ERESET || result == NOD_ETIMEDOUT || result == NOD_ENOCONN;

    if (over && (side->conn->rough || side->conn->world->impatient || side->conn->world->tight)) {
        side->conn->rough = true;
        return let_go(side);
    }
    return fail(side, call, result);
}

bool side_open(struct side *side)
{
    struct conn *conn = side->conn;
    struct world *w = conn->world;
    int end = side == &conn->side[0] ? 0 : 1;
    nod_open open = {
        .local = {.port =
                      (uint16_t)(conn->both_open || one_in(w, 2) ? 20000 + conn->number * 2 + end
                                                                 : 0)},
        .remote = {.addr = nod_sim_addr(w->sim, w->link, !side->host, w->family), .port = 80},
        .config = &w->tcp[side->host]};
    nod_status status;

    if (conn->both_open) {
        open.remote.port = (uint16_t)(20000 + conn->number * 2 + !end);
    }
    int result = nod_tcp_open(stack_of(side), &open, &side->handle);

    if (no_memory(side, result)) {
        side->handle = 0;
        side->done = side->was_open = conn->rough = true;
        other(side)->patience = nod_sim_now(w->sim) + PATIENCE;
        return true;
    }
    if (result < 0 || (result = nod_tcp_status(stack_of(side), side->handle, &status)) < 0) {
        return fail(side, "OPEN", result);
    }
    if (end == 0) {
        conn->port = status.local.port;
    }
    if (w->impatient) { /* the peer may give up on the handshake, and we never hear of it */
        side->patience = nod_sim_now(w->sim) + 10 * PATIENCE;
    }
    side->was_open = true;
    side->can_write = one_in(w, 2); /* may write before the peer has answered */
    side->wake = nod_sim_now(w->sim);
    return true;
}

bool side_adopt(struct side *side, nod_handle handle)
{
    if (side->was_open) {
        return world_fail(side->conn->world, "connection %d was accepted twice",
                          side->conn->number);
    }
    side->handle = handle;
    side->was_open = side->established = side->can_read = side->can_write = true;
    side->wake = nod_sim_now(side->conn->world->sim);
    return true;
}

/* TIME-WAIT may be so short here that what is sent again finds nobody: the peer has all of it
 * and has forgotten the connection. With the MSL that the RFC wants this must not happen. */
static bool peer_has_forgotten(const struct side *side, int error)
{
    const struct side *peer = other(side);

    return error == NOD_ERESET && peer->closed && (peer->gone || peer->done) &&
           side->conn->world->tcp[peer->host].msl_us < 60 * NOD_SEC;
}

static bool heard_error(struct side *side, int error)
{
    if (peer_has_forgotten(side, error)) {
        return let_go(side);
    }
    if (!side->conn->rough && !side->conn->world->impatient && !side->conn->world->tight) {
        return world_fail(side->conn->world, "connection %d, host %d: an error out of the blue: %s",
                          side->conn->number, side->host, nod_strerror(error));
    }
    side->conn->rough = true;
    return let_go(side);
}

static bool heard_closed(struct side *side)
{
    side->gone = true;
    if (side->closed && side->eof) {
        return let_go(side);
    }
    /* Unread bytes may still be there after the end. */
    side->can_read = true;
    side->wake = nod_sim_now(side->conn->world->sim);
    return true;
}

bool side_heard(struct side *side, const nod_event *event)
{
    struct world *w = side->conn->world;

    if (event->flags & NOD_EVENT_OPEN) {
        side->established = true;
    }
    if (event->flags & NOD_EVENT_ERROR) {
        return heard_error(side, event->error);
    }
    if (event->flags & (NOD_EVENT_READABLE | NOD_EVENT_PEER_CLOSED)) {
        side->can_read = true;
    }
    if (event->flags & (NOD_EVENT_WRITABLE | NOD_EVENT_OPEN)) {
        side->can_write = true;
    }
    if (side->wake == NOD_NEVER) {
        side->wake = nod_sim_now(w->sim); /* it was waiting for this */
    }
    return event->flags & NOD_EVENT_CLOSED ? heard_closed(side) : true;
}

static unsigned urgent(struct side *side)
{
    return one_in(side->conn->world, 30) ? NOD_SEND_URGENT : 0;
}

static bool write_copy(struct side *side, size_t len)
{
    uint8_t *bytes = malloc(len);
    unsigned flags =
        one_in(side->conn->world, 8) && side->sent + len < side->to_send ? NOD_SEND_MORE : 0;

    for (size_t i = 0; i < len; i++) {
        bytes[i] = stream_byte(side->key, side->sent + i);
    }
    ptrdiff_t n = nod_tcp_send(stack_of(side), side->handle, bytes, len, flags | urgent(side));

    free(bytes);
    if (no_memory(side, n)) {
        return try_again(side);
    }
    if (n < 0 && n != NOD_EAGAIN) {
        return call_failed(side, "SEND", n);
    }
    if (n == 0 || n > (ptrdiff_t)len) {
        return fail(side, "SEND", n);
    }
    side->can_write = n == (ptrdiff_t)len;
    side->sent += n > 0 ? (uint64_t)n : 0;
    return true;
}

/* Empty if there is no memory for it. */
static nod_slice make_slice(struct side *side, uint64_t at, uint32_t len)
{
    nod_block *block = nod_block_new(nod_stack_pool(stack_of(side)), len);

    if (!block) {
        return (nod_slice){0};
    }
    uint8_t *bytes = nod_block_bytes(block);

    for (uint32_t i = 0; i < len; i++) {
        bytes[i] = stream_byte(side->key, at + i);
    }
    nod_slice slice = nod_slice_of(block, 0, len);

    nod_block_unref(block);
    return slice;
}

/* Three slices of it; what is not taken is given up and made again later. */
static bool write_slices(struct side *side, size_t len)
{
    nod_slice slice[3];
    uint32_t lens[3];
    int count = 0;

    for (uint64_t at = 0; at < len && count < 3; at += lens[count++]) {
        uint64_t left = len - at, part = count == 2 ? left : left / 2 + 1;

        lens[count] = (uint32_t)(part < 60000 ? part : 60000);
        slice[count] = make_slice(side, side->sent + at, lens[count]);
        if (!slice[count].block) {
            break;
        }
    }
    if (count == 0) {
        return side->conn->world->tight ? try_again(side) : fail(side, "a new block", NOD_ENOMEM);
    }
    int n = nod_tcp_send_slices(stack_of(side), side->handle, slice, count, urgent(side));

    for (int i = n > 0 ? n : 0; i < count; i++) {
        nod_slice_release(&slice[i]);
    }
    if (no_memory(side, n)) {
        return try_again(side);
    }
    if ((n < 0 && n != NOD_EAGAIN) || n > count) {
        return call_failed(side, "SEND of slices", n);
    }
    for (int i = 0; i < n; i++) {
        side->sent += lens[i];
    }
    side->can_write = n == count;
    return true;
}

static bool write_some(struct side *side)
{
    struct world *w = side->conn->world;
    uint64_t left = side->to_send - side->sent, len = 1 + dice(w, side->write_max);

    if (left == 0) {
        return true;
    }
    len = len < left ? len : left;
    /* A slice that is larger than the whole buffer would never be taken. */
    if (side->slices && len < side->send_buffer / 4) {
        return write_slices(side, (size_t)len);
    }
    return write_copy(side, (size_t)len);
}

static bool check_bytes(struct side *side, const uint8_t *bytes, size_t len)
{
    uint32_t key = other(side)->key;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != stream_byte(key, side->received + i)) {
            return world_fail(side->conn->world, "connection %d, host %d: byte %llu is wrong",
                              side->conn->number, side->host,
                              (unsigned long long)(side->received + i));
        }
    }
    side->received += len;
    side->conn->world->bytes += len;
    return true;
}

static bool read_end(struct side *side)
{
    side->eof = true;
    if (!side->conn->rough && side->received != other(side)->to_send) {
        return world_fail(side->conn->world,
                          "connection %d, host %d: the stream ends after %llu bytes of %llu",
                          side->conn->number, side->host, (unsigned long long)side->received,
                          (unsigned long long)other(side)->to_send);
    }
    return true;
}

static bool read_slices(struct side *side)
{
    nod_slice slice[4];
    int n = nod_tcp_receive_slices(stack_of(side), side->handle, slice, 4);
    bool good = true;

    if (n == NOD_EAGAIN) {
        side->can_read = false;
        return true;
    }
    for (int i = 0; i < n; i++) {
        good = good && check_bytes(side, nod_slice_bytes(&slice[i]), slice[i].len);
        nod_slice_release(&slice[i]);
    }
    if (n < 0) {
        return call_failed(side, "RECEIVE of slices", n);
    }
    return n == 0 ? read_end(side) : good;
}

static bool read_copy(struct side *side)
{
    size_t len = 1 + (size_t)dice(side->conn->world, side->read_max);
    uint8_t *bytes = malloc(len);
    ptrdiff_t n = nod_tcp_receive(stack_of(side), side->handle, bytes, len);
    bool good = true;

    if (n == NOD_EAGAIN) {
        side->can_read = false;
    } else if (n < 0 || n > (ptrdiff_t)len) {
        good = call_failed(side, "RECEIVE", n);
    } else if (n == 0) {
        good = read_end(side);
    } else {
        good = check_bytes(side, bytes, (size_t)n);
    }
    free(bytes);
    return good;
}

/* A CLOSE before the connection is open would delete it, and what was sent (3.10.4). */
static bool close_when_sent(struct side *side)
{
    if (!side->handle || side->closed || !side->established || side->sent < side->to_send ||
        (side->close_last && !side->eof)) {
        return true;
    }
    int result = nod_tcp_close(stack_of(side), side->handle);

    if (no_memory(side, result)) {
        return try_again(side);
    }
    side->closed = true;
    return result == 0 || call_failed(side, "CLOSE", result);
}

static bool can_go_on(const struct side *side)
{
    return side->handle &&
           ((side->can_read && !side->eof) || (side->can_write && side->sent < side->to_send));
}

/* A few calls at once, then a pause. */
static bool work(struct side *side)
{
    struct world *w = side->conn->world;

    for (uint64_t i = 1 + dice(w, CALLS_AT_ONCE);
         i > 0 && can_go_on(side) && side->wake == NOD_NEVER; i--) {
        bool write = side->can_write && side->sent < side->to_send;
        bool read = side->can_read && !side->eof;

        if (write && (!read || one_in(w, 2))) {
            if (!write_some(side)) {
                return false;
            }
        } else if (!(side->slices ? read_slices(side) : read_copy(side))) {
            return false;
        }
    }
    return true;
}

/* Settings may change while the connection lives. */
static bool change_settings(struct side *side)
{
    struct world *w = side->conn->world;
    nod_tcp_config config;
    int result = nod_tcp_get_config(stack_of(side), side->handle, &config);

    if (result == 0) {
        config.send_buffer = (uint32_t)any_size(w, 1000, 300000);
        config.receive_buffer = (uint32_t)any_size(w, 1000, 300000);
        config.nagle = one_in(w, 2);
        config.delayed_ack = one_in(w, 2);
        result = nod_tcp_set_config(stack_of(side), side->handle, &config);
        side->send_buffer = config.send_buffer;
    }
    return result == 0 || no_memory(side, result) ||
           call_failed(side, "change of settings", result);
}

/* The status agrees with itself and with what the program knows. */
static bool check_status(struct side *side)
{
    nod_status s;
    int result = nod_tcp_status(stack_of(side), side->handle, &s);

    if (result < 0) {
        return call_failed(side, "STATUS", result);
    }
    if (s.snd_nxt - s.snd_una > 1u << 30 || s.send_unsent > s.send_queue ||
        (s.state == NOD_ESTABLISHED && s.bytes_acked + s.send_queue != side->sent) ||
        (s.state != NOD_CLOSED && s.bytes_received != side->received + s.receive_queue)) {
        return world_fail(side->conn->world,
                          "connection %d, host %d: in %s the status says una %u, nxt %u, queue %u, "
                          "unsent %u, sent %llu of %llu; received %llu, queue %u, read %llu",
                          side->conn->number, side->host, nod_state_name(s.state),
                          s.snd_una - s.iss, s.snd_nxt - s.iss, s.send_queue, s.send_unsent,
                          (unsigned long long)s.bytes_acked, (unsigned long long)side->sent,
                          (unsigned long long)s.bytes_received, s.receive_queue,
                          (unsigned long long)side->received);
    }
    return true;
}

static bool ends_now(const struct side *side)
{
    return side->ending != END_CLOSE && side->sent + side->received >= side->ends_at;
}

bool side_act(struct side *side)
{
    struct world *w = side->conn->world;
    nod_usec now = nod_sim_now(w->sim);

    if (side->handle == 0 || now < side_wake(side)) {
        return true;
    }
    if (now >= side->patience) {
        return give_up(side);
    }
    side->wake = NOD_NEVER;
    if (side->leaving) {
        return let_go(side);
    }
    if (ends_now(side)) {
        side->conn->rough = true;
        return side->ending == END_ABORT ? give_up(side) : let_go(side);
    }
    if (!work(side) || !close_when_sent(side)) {
        return false;
    }
    if (side->handle && one_in(w, 50) && (!check_status(side) || !change_settings(side))) {
        return false;
    }
    if (side->handle && side->closed && side->eof && (side->gone || !side->sees_it_out)) {
        return let_go(side);
    }
    if (side->handle && side->wake == NOD_NEVER && (can_go_on(side) || ends_now(side))) {
        side->wake = now + 1 + dice(w, side->think_max + 1);
    }
    return true;
}

nod_usec side_wake(const struct side *side)
{
    if (side->handle == 0) {
        return NOD_NEVER;
    }
    return side->wake < side->patience ? side->wake : side->patience;
}
