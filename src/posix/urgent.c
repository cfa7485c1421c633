/* Urgent data as programs know it from Linux: of all that the stack calls urgent only the last
 * octet, which waits apart from the stream unless SO_OOBINLINE is set. In the stack it stays in
 * line; so here is remembered how far ahead of the next read it lies. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "net.h"
#include "sys.h"

static bool has_come(const sock *s)
{
    return nod_tcp_readable(nod_net->stack, s->handle) > (ptrdiff_t)s->mark_ahead;
}

static void pass_mark(sock *s)
{
    uint8_t octet;
    nod_tcp_receive(nod_net->stack, s->handle, &octet, 1);
    s->urgent = false;
}

void urgent_arrived(sock *s)
{
    nod_status status;
    /* Nobody has fetched the octet before it, and it is next: it is gone then. */
    if (s->urgent && s->mark_ahead == 0 && !s->oob_inline && has_come(s)) pass_mark(s);
    if (nod_tcp_status(nod_net->stack, s->handle, &status) != 0 || status.urgent == 0) return;
    s->urgent = true;
    s->urgent_taken = false;
    s->mark_ahead = status.urgent - 1;
    if (s->owner) net_signal(s->owner);
}

void urgent_note_owner(int fd)
{
    int owner = sys_fcntl(fd, F_GETOWN, 0);
    sock *s = socket_enter(fd);
    if (!s) return;
    s->owner = owner;
    net_leave();
}

bool urgent_is_ready(const sock *s)
{
    return s->urgent && !s->urgent_taken && has_come(s);
}

bool urgent_is_hole(const sock *s)
{
    return s->urgent && s->mark_ahead == 0 && !s->oob_inline;
}

uint32_t urgent_readable(const sock *s, uint32_t bytes)
{
    return s->urgent && !s->oob_inline && bytes > s->mark_ahead ? s->mark_ahead : bytes;
}

int urgent_receive(sock *s, uint8_t *octet, bool peek)
{
    if (s->oob_inline || !s->urgent || s->urgent_taken) return EINVAL;
    if (s->state != SOCKET_CONNECTED) return ENOTCONN;
    if (nod_tcp_peek(nod_net->stack, s->handle, s->mark_ahead, octet, 1) == 1) {
        s->urgent_taken = !peek;
        return 0;
    }
    return s->shut_read || s->peer_closed ? EPIPE : EAGAIN;
}

bool urgent_stops(sock *s, size_t done, bool peek, size_t *skip, size_t *len)
{
    size_t at = peek ? done + *skip : 0;
    if (!s->urgent || at > s->mark_ahead) return false;
    if (at < s->mark_ahead) {
        if (*len > s->mark_ahead - at) *len = s->mark_ahead - at;
        return false;
    }
    if (done > 0) return true;
    if (s->oob_inline || !has_come(s)) return false;
    if (peek)
        *skip = 1;
    else
        pass_mark(s);
    return false;
}

void urgent_consumed(sock *s, size_t len)
{
    if (len > s->mark_ahead)
        s->urgent = false;
    else
        s->mark_ahead -= (uint32_t)len;
}
