/* A conversation: standard input to the connection, the connection to standard output, each
 * direction ended by itself. */
#include "netcat.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_CHUNK 4096 /* what a pipe that polls writable takes without blocking */
#define LINGER_US NOD_SEC

/* Standard input to the send queue. */

static void read_input(netcat *nc)
{
    ssize_t got = read(STDIN_FILENO, nc->in, sizeof nc->in);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    /* A terminal that went away reads as an error; it is an end all the same. */
    if (got < 0 && errno != EIO) netcat_say(nc, "standard input cannot be read: %m");
    if (got <= 0) {
        nc->input_ended = true;
        return;
    }
    nc->in_off = 0;
    nc->in_len = (size_t)got;
}

static void send_input(netcat *nc)
{
    while (nc->in_len > 0) {
        ptrdiff_t took = nod_tcp_send(nc->loop.stack, nc->conn, nc->in + nc->in_off, nc->in_len, 0);
        if (took <= 0) {
            if (took != NOD_EAGAIN && took != NOD_ENOMEM && took < 0) nc->error = (int)took;
            return;
        }
        nc->in_off += (size_t)took;
        nc->in_len -= (size_t)took;
        nc->sent += (uint64_t)took;
    }
    /* The end of the input closes our half; the peer may go on. */
    if (nc->input_ended && !nc->closed) {
        nc->closed = true;
        nod_tcp_close(nc->loop.stack, nc->conn);
    }
}

/* The receive queue to standard output, which must not block us. */

static ssize_t write_some(const uint8_t *bytes, size_t len)
{
    struct stat kind;
    struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (fstat(STDOUT_FILENO, &kind) != 0) return -1;
    if (S_ISREG(kind.st_mode)) return write(STDOUT_FILENO, bytes, len);
    if (S_ISSOCK(kind.st_mode)) return send(STDOUT_FILENO, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (poll(&room, 1, 0) <= 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(STDOUT_FILENO, bytes, len < PIPE_CHUNK ? len : PIPE_CHUNK);
}

/* Returns false when standard output takes no more for now. */
static bool write_output(netcat *nc)
{
    while (nc->out_len > 0) {
        ssize_t wrote = write_some(nc->out + nc->out_off, nc->out_len);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            if (errno != EAGAIN) nc->output_error = errno;
            return false;
        }
        nc->out_off += (size_t)wrote;
        nc->out_len -= (size_t)wrote;
    }
    return true;
}

/* Who reads our output learns of the end when it comes, not when we end. */
static void end_output(netcat *nc)
{
    nc->peer_closed = true;
    if (nc->options.keep || nc->output_ended) return;
    nc->output_ended = true;
    if (close(STDOUT_FILENO) != 0) nc->output_error = errno;
}

static void take_output(netcat *nc)
{
    while (!nc->peer_closed && write_output(nc)) {
        ptrdiff_t got = nod_tcp_receive(nc->loop.stack, nc->conn, nc->out, sizeof nc->out);
        if (got == 0) {
            end_output(nc);
            return;
        }
        if (got == NOD_EAGAIN) return;
        if (got < 0) {
            nc->error = (int)got;
            return;
        }
        nc->out_off = 0;
        nc->out_len = (size_t)got;
        nc->received += (uint64_t)got;
    }
}

/* Events that say more than the calls do. */
static void take_events(netcat *nc)
{
    nod_event events[NOD_LOOP_BATCH];
    int got;
    while ((got = nod_stack_events(nc->loop.stack, events, NOD_LOOP_BATCH)) > 0) {
        for (int i = 0; i < got; i++) {
            if (events[i].handle != nc->conn) continue;
            if (events[i].flags & NOD_EVENT_OPEN) {
                nc->open = true;
                nc->opened = nod_clock();
            }
            if (events[i].flags & NOD_EVENT_ERROR) nc->error = events[i].error;
        }
    }
}

/* Both ends have closed, and each knows that the other knows. */
static bool over(netcat *nc)
{
    nod_status status;
    if (!nc->closed || !nc->peer_closed || nc->out_len > 0) return false;
    if (nod_tcp_status(nc->loop.stack, nc->conn, &status) != 0) return true;
    return status.state == NOD_TIME_WAIT || status.state == NOD_CLOSED;
}

static bool failed(const netcat *nc)
{
    return nc->error || nc->output_error || nc->interrupted;
}

static void wait_for_more(netcat *nc)
{
    struct pollfd fds[2] = {
        {.fd = nc->in_len || nc->input_ended || !nc->open ? -1 : STDIN_FILENO, .events = POLLIN},
        {.fd = nc->out_len ? STDOUT_FILENO : -1, .events = POLLOUT},
    };
    nod_usec until = nc->terminal && nc->open ? nc->progress_next : NOD_NEVER;
    int error = netcat_turn(nc, fds, 2, until);
    if (error) nc->error = error;
    if (fds[0].revents) read_input(nc);
    netcat_progress(nc, nod_clock());
}

/* Our last ACK may be lost, and the device goes with us: be there for the FIN that then comes
 * again. TIME-WAIT itself would last two MSL, which nobody wants to sit out. */
static void linger(netcat *nc)
{
    nod_status status;
    if (nod_tcp_status(nc->loop.stack, nc->conn, &status) != 0) return;
    if (status.state != NOD_TIME_WAIT) return;
    nod_usec wait = 3 * status.rto_us > LINGER_US ? 3 * status.rto_us : LINGER_US;
    nod_usec until = nod_clock() + wait;
    while (!nc->interrupted && nod_clock() < until)
        if (netcat_turn(nc, NULL, 0, until) != 0) return;
}

static void hang_up(netcat *nc)
{
    nod_tcp_abort(nc->loop.stack, nc->conn);
    nod_loop_flush(&nc->loop);
}

int netcat_talk(netcat *nc)
{
    for (;;) {
        take_events(nc);
        if (!nc->error && nc->open) {
            send_input(nc);
            take_output(nc);
        }
        if (failed(nc) || over(nc)) break;
        wait_for_more(nc);
    }
    netcat_progress_end(nc);
    if (!failed(nc))
        linger(nc);
    else if (!nc->error)
        hang_up(nc);
    nod_tcp_release(nc->loop.stack, nc->conn);
    nod_loop_flush(&nc->loop);
    if (nc->error) return nc->error;
    return failed(nc) ? NOD_EABORTED : 0;
}
