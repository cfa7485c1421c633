/* TCP Fast Open (RFC 7413) as Linux's sockets offer it: text with the SYN by sendto with
 * MSG_FASTOPEN, or by the first write after a connect that TCP_FASTOPEN_CONNECT has put off. */
#include <errno.h>
#include <string.h>

#include "drill.h"

#define KEY 16
#define OPTIONS_MOST 40

static uint8_t key[KEY];

void fast_open_use_key(const uint8_t wanted[KEY])
{
    if (memcmp(key, wanted, KEY) == 0) return;
    memcpy(key, wanted, KEY);
    nod_tcp_set_fast_open_key(world_stack(), key);
    nod_tcp_set_fast_open_key(world_stack(), key); /* in the place of the key before, too */
}

/* The limit of a listener. */
uint16_t fast_open_limit(const sock *s, uint16_t backlog)
{
    unsigned allowed = settings_fast_open();
    if (!(allowed & FAST_OPEN_SERVER)) return 0;
    if (s->fast_limit) return s->fast_limit;
    return allowed & FAST_OPEN_ALL_LISTENERS ? backlog : 0;
}

bool fast_open_anyone(const sock *s)
{
    return s->fast_no_cookie || settings_fast_open() & FAST_OPEN_NO_COOKIES;
}

void fast_open_listen(sock *s)
{
    uint8_t wanted[KEY];
    memcpy(wanted, s->fast_key, KEY);
    if (s->fast_key_set || settings_fast_open_key(wanted)) fast_open_use_key(wanted);
}

int fast_open_connect(sock *s, const nod_endpoint *remote)
{
    bool has_cookie = nod_tcp_fast_open_room(world_stack(), remote) > 0;
    if (!has_cookie) return socket_open(s, remote, true);
    s->fast_remote = *remote;
    s->fast_waits = true;
    s->tried = true;
    return 0;
}

/* Beside the options. */
static size_t room_with_syn(const sock *s, const nod_endpoint *remote)
{
    size_t room = nod_tcp_fast_open_room(world_stack(), remote);
    size_t most = s->config.mss_max > OPTIONS_MOST ? s->config.mss_max - OPTIONS_MOST : 0;
    return s->config.mss_max && most < room ? most : room;
}

/* What fits beside the SYN, of the first of it. */
static size_t put_with_syn(sock *s, const struct iovec *iov, int count, size_t room)
{
    size_t done = 0;
    for (int i = 0; i < count && done < room; i++) {
        size_t len = iov[i].iov_len < room - done ? iov[i].iov_len : room - done;
        if (len > 0) nod_tcp_send(world_stack(), s->handle, iov[i].iov_base, len, 0);
        done += len;
    }
    return done;
}

ssize_t fast_open_send(sock *s, const nod_endpoint *remote, const struct iovec *iov, int count,
                       bool wait)
{
    if (!(settings_fast_open() & FAST_OPEN_CLIENT) && !s->fast_waits) return -EOPNOTSUPP;
    if (s->state == SOCKET_CONNECTING) return -EALREADY;
    s->fast_waits = false;
    size_t room = room_with_syn(s, remote);
    int error = socket_open(s, remote, true);
    if (error) return -error;
    size_t done = put_with_syn(s, iov, count, room);
    if (!wait) return done ? (ssize_t)done : -EINPROGRESS;
    while (s->state == SOCKET_CONNECTING)
        if (!world_wait(NOD_NEVER)) return -ETIMEDOUT;
    if (s->state == SOCKET_CONNECTED) return (ssize_t)done;
    error = socket_take_error(s);
    return error ? -error : -EPIPE;
}
