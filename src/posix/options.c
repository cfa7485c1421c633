/* Socket options.
 *
 * The placeholder, a socket of the kernel's own, checks and keeps every option exactly as the
 * kernel does; nod reads from there what it has a mechanism for. The few that programs set all
 * the time, and those whose answer is the connection's, are nod's alone. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "net.h"
#include "nod/linux.h"
#include "sys.h"

#define MTU 1500 /* of a device to which nothing else was said */
#define BUFFER_LEAST 2048
#define BUFFER_MOST (64u << 20)

/* Inheritance: an accepted socket has its listener's options. Its placeholder is told of them
 * when somebody asks it. */

static void remember(sock *s, int level, int name, const void *value, socklen_t len)
{
    set_option *o = net_new(sizeof *o), **at = &s->options;
    if (!o || len > sizeof o->value) {
        net_delete(o, sizeof *o);
        return;
    }
    *o = (set_option){.level = level, .name = name, .len = len};
    memcpy(o->value, value, len);
    while (*at && ((*at)->level != level || (*at)->name != name)) at = &(*at)->next;
    if (*at) {
        set_option *old = *at;
        o->next = old->next;
        net_delete(old, sizeof *old);
    }
    *at = o;
}

void option_forget(sock *s)
{
    while (s->options) {
        set_option *o = s->options;
        s->options = o->next;
        net_delete(o, sizeof *o);
    }
}

void option_inherit(sock *child, const sock *listener)
{
    child->v6only = listener->v6only;
    child->reuse_addr = listener->reuse_addr;
    child->reuse_port = listener->reuse_port;
    child->linger = listener->linger;
    child->linger_s = listener->linger_s;
    child->cork = listener->cork;
    child->oob_inline = listener->oob_inline;
    child->lowat_read = listener->lowat_read;
    child->read_timeout = listener->read_timeout;
    child->write_timeout = listener->write_timeout;
    child->config = listener->config;
    for (const set_option *o = listener->options; o; o = o->next)
        remember(child, o->level, o->name, o->value, o->len);
    child->replay = child->options != NULL;
}

void option_replay(sock *s, int fd)
{
    s->replay = false;
    for (const set_option *o = s->options; o; o = o->next)
        sys_setsockopt(fd, o->level, o->name, o->value, o->len);
}

bool option_apply(sock *s)
{
    if (!s->handle) return true;
    return nod_tcp_set_config(nod_net->stack, s->handle, &s->config) == 0;
}

/* What nod has a mechanism for, as the placeholder has understood it. */

static int read_int(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    sys_getsockopt(fd, level, name, &value, &len);
    return value;
}

static nod_usec read_time(int fd, int name)
{
    struct timeval time = {0};
    socklen_t len = sizeof time;
    sys_getsockopt(fd, SOL_SOCKET, name, &time, &len);
    nod_usec us = (nod_usec)time.tv_sec * NOD_SEC + (nod_usec)time.tv_usec;
    return us ? us : NOD_NEVER;
}

/* The kernel's number is twice what was asked for, for its own bookkeeping. */
static uint32_t read_buffer(int fd, int name)
{
    uint32_t bytes = (uint32_t)read_int(fd, SOL_SOCKET, name) / 2;
    return bytes < BUFFER_LEAST ? BUFFER_LEAST : bytes > BUFFER_MOST ? BUFFER_MOST : bytes;
}

static void take_linger(sock *s, int fd)
{
    struct linger value = {0};
    socklen_t len = sizeof value;
    sys_getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &len);
    s->linger = value.l_onoff != 0;
    s->linger_s = value.l_linger;
}

/* The kernel says that there is no limit by a number that none reaches. */
static uint64_t read_rate(int fd, int name)
{
    unsigned long rate = 0;
    socklen_t len = sizeof rate;
    sys_getsockopt(fd, SOL_SOCKET, name, &rate, &len);
    return rate == ~0ul ? 0 : rate;
}

static void take_socket_option(sock *s, int fd, int name)
{
    switch (name) {
    case SO_LINGER: take_linger(s, fd); break;
    case SO_REUSEADDR: s->reuse_addr = read_int(fd, SOL_SOCKET, name); break;
    case SO_REUSEPORT: s->reuse_port = read_int(fd, SOL_SOCKET, name); break;
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW: s->read_timeout = read_time(fd, SO_RCVTIMEO); break;
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW: s->write_timeout = read_time(fd, SO_SNDTIMEO); break;
    case SO_KEEPALIVE: s->config.keepalive = read_int(fd, SOL_SOCKET, name); break;
    case SO_OOBINLINE: s->oob_inline = read_int(fd, SOL_SOCKET, name); break;
    case SO_RCVLOWAT: s->lowat_read = (uint32_t)read_int(fd, SOL_SOCKET, name); break;
    case SO_RCVBUF:
    case SO_RCVBUFFORCE: /* whoever says how much gets that, and no more */
        s->config.receive_buffer = read_buffer(fd, SO_RCVBUF);
        s->config.receive_buffer_max = 0;
        break;
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        s->config.send_buffer = read_buffer(fd, SO_SNDBUF);
        s->config.send_buffer_max = 0;
        break;
    case SO_MAX_PACING_RATE: s->config.max_pacing_rate = read_rate(fd, name); break;
    }
}

/* One key for the whole network, and the one before it. */
static void take_fast_key(int fd)
{
    uint8_t keys[2][16];
    socklen_t len = sizeof keys;
    if (sys_getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, &len) != 0) return;
    if (len > sizeof keys[0]) nod_tcp_set_fast_open_key(nod_net->stack, keys[1]);
    nod_tcp_set_fast_open_key(nod_net->stack, keys[0]);
}

static void apply_fast_open(const sock *s)
{
    if (s->state == SOCKET_LISTENING)
        nod_tcp_set_fast_open(nod_net->stack, s->handle, s->fast_open, s->fast_anyone);
}

/* As in Linux it is for the SYN too; 0 gives both their defaults back. */
static void take_user_timeout(sock *s, unsigned ms)
{
    s->config.user_timeout_set = ms > 0;
    s->config.user_timeout_us = ms ? ms * NOD_MSEC : nod_net->tcp.user_timeout_us;
    s->config.syn_timeout_us = ms ? ms * NOD_MSEC : nod_net->tcp.syn_timeout_us;
}

static void take_tcp_option(sock *s, int fd, int name)
{
    int value = read_int(fd, IPPROTO_TCP, name);
    switch (name) {
    case TCP_MAXSEG: s->config.mss_max = (uint16_t)value; break;
    case TCP_DEFER_ACCEPT:
        s->defer_accept = (nod_usec)value * NOD_SEC;
        if (s->state == SOCKET_LISTENING)
            nod_tcp_set_listen(nod_net->stack, s->handle, (uint16_t)(s->backlog + 1),
                               s->defer_accept);
        break;
    case TCP_FASTOPEN:
        s->fast_open = (uint16_t)value;
        apply_fast_open(s);
        break;
    case TCP_FASTOPEN_NO_COOKIE:
        s->fast_anyone = value;
        apply_fast_open(s);
        break;
    case TCP_FASTOPEN_CONNECT: s->fast_connect = value; break;
    case TCP_FASTOPEN_KEY: take_fast_key(fd); break;
    case TCP_NOTSENT_LOWAT: s->config.unsent_low = (uint32_t)value; break;
    case TCP_USER_TIMEOUT: take_user_timeout(s, (unsigned)value); break;
    case TCP_KEEPIDLE: s->config.keepalive_idle_us = (nod_usec)value * NOD_SEC; break;
    case TCP_KEEPINTVL: s->config.keepalive_interval_us = (nod_usec)value * NOD_SEC; break;
    case TCP_KEEPCNT: s->config.keepalive_probes = (uint8_t)(value < 2 ? 2 : value); break;
    }
}

static void take_ip_option(sock *s, int fd, int level, int name)
{
    int value = read_int(fd, level, name);
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) s->v6only = value;
    bool tos = level == IPPROTO_IP ? name == IP_TOS : name == IPV6_TCLASS;
    bool ttl = level == IPPROTO_IP ? name == IP_TTL : name == IPV6_UNICAST_HOPS;
    if (tos) s->config.dscp = (uint8_t)((unsigned)value >> 2 & 63);
    if (ttl && value > 0) s->config.ttl = (uint8_t)value;
}

static bool changes_config(int level, int name)
{
    if (level == SOL_SOCKET)
        return name == SO_RCVBUF || name == SO_RCVBUFFORCE || name == SO_SNDBUF ||
               name == SO_SNDBUFFORCE || name == SO_KEEPALIVE || name == SO_MAX_PACING_RATE;
    if (level == IPPROTO_TCP)
        return name == TCP_MAXSEG || name == TCP_NOTSENT_LOWAT || name == TCP_USER_TIMEOUT ||
               name == TCP_KEEPIDLE || name == TCP_KEEPINTVL || name == TCP_KEEPCNT;
    return level == IPPROTO_IP || level == IPPROTO_IPV6;
}

/* Nod's alone. */

static bool is_switch(int level, int name)
{
    return level == IPPROTO_TCP &&
           (name == TCP_NODELAY || name == TCP_CORK || name == TCP_QUICKACK);
}

static void uncork(sock *s)
{
    if (s->state == SOCKET_CONNECTED && !s->shut_write)
        nod_tcp_send(nod_net->stack, s->handle, "", 0, 0);
}

static int set_switch(sock *s, int name, const void *value, socklen_t len)
{
    int on;
    if ((int)len < (int)sizeof on) return EINVAL;
    if (is_bad(value)) return EFAULT;
    memcpy(&on, value, sizeof on);
    if (name == TCP_CORK) {
        s->cork = on;
        if (!on) uncork(s);
        return 0;
    }
    if (name == TCP_NODELAY)
        s->config.nagle = !on;
    else
        s->config.delayed_ack = !(on & 1);
    if (name == TCP_QUICKACK) s->slow_ack = !on;
    option_apply(s);
    if (name == TCP_NODELAY && on) uncork(s); /* what is queued, under a cork too: tcp(7) */
    return 0;
}

static int get_switch(const sock *s, int name)
{
    if (name == TCP_CORK) return s->cork;
    if (name == TCP_NODELAY) return !s->config.nagle;
    return !s->slow_ack && !s->peer_closed; /* as Linux has it: on, until it is switched off */
}

static int set_congestion(sock *s, const void *value, socklen_t len)
{
    nod_tcp_config config = s->config;
    if ((int)len < 1) return EINVAL;
    if (is_bad(value)) return EFAULT;
    if (len > sizeof config.congestion - 1) len = sizeof config.congestion - 1;
    memset(config.congestion, 0, sizeof config.congestion);
    memcpy(config.congestion, value, strnlen(value, len));
    /* A stack knows what it can by being asked to. */
    if (nod_tcp_config_check(&config) != 0) return ENOENT;
    s->config = config;
    option_apply(s);
    return 0;
}

/* Would be kept and not obeyed, where a program relies on it. */
static bool is_refused(int level, int name)
{
    return level == IPPROTO_TCP &&
           (name == TCP_MD5SIG || name == TCP_MD5SIG_EXT || name == TCP_REPAIR);
}

static int check_tcp_state(const sock *s, int name, const void *value, socklen_t len)
{
    int number = 0;
    if (len < sizeof number || is_bad(value)) return 0; /* the placeholder says so */
    memcpy(&number, value, sizeof number);
    if (name == TCP_ULP) return ENOENT; /* no such protocol is on top of nod's TCP */
    if (name == TCP_WINDOW_CLAMP && number == 0) return socket_is_closed(s) ? 0 : EINVAL;
    if (name == TCP_FASTOPEN || name == TCP_FASTOPEN_NO_COOKIE)
        return socket_is_closed(s) || s->state == SOCKET_LISTENING ? 0 : EINVAL;
    return name == TCP_FASTOPEN_CONNECT && !socket_is_closed(s) ? EINVAL : 0;
}

/* What the placeholder cannot know: it is never anything but fresh. */
static int check_state(const sock *s, int level, int name, const void *value, socklen_t len)
{
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && s->ip6)
        return s->state == SOCKET_BOUND || s->port_given || !socket_is_closed(s) ? EINVAL : 0;
    return level == IPPROTO_TCP ? check_tcp_state(s, name, value, len) : 0;
}

static void take(sock *s, int fd, int level, int name)
{
    if (level == SOL_SOCKET) take_socket_option(s, fd, name);
    if (level == IPPROTO_TCP) take_tcp_option(s, fd, name);
    if (level == IPPROTO_IP || level == IPPROTO_IPV6) take_ip_option(s, fd, level, name);
    if (changes_config(level, name)) option_apply(s);
    if (level == SOL_SOCKET && name == SO_OOBINLINE) net_wake(&s->file, POLLIN | POLLPRI);
}

int nod_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (!nod_is_socket(fd)) return sys_setsockopt(fd, level, name, value, len);
    sock *s = socket_enter(fd);
    if (!s) return -1;
    if (is_switch(level, name)) return socket_leave(set_switch(s, name, value, len));
    if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        return socket_leave(set_congestion(s, value, len));
    if (is_refused(level, name)) return socket_leave(EOPNOTSUPP);
    int error = check_state(s, level, name, value, len);
    if (error) return socket_leave(error);
    if (sys_setsockopt(fd, level, name, value, len) != 0) return socket_leave(errno);
    remember(s, level, name, value, len);
    take(s, fd, level, name);
    return socket_leave(0);
}

/* Asking. */

static int give(void *value, socklen_t *len, const void *from, socklen_t size)
{
    if (is_bad_to_write(len)) return EFAULT;
    if ((int)*len < 0) return EINVAL;
    if (*len > size) *len = size;
    if (is_bad_range(value, *len, true)) return EFAULT;
    memcpy(value, from, *len);
    return 0;
}

static unsigned device_mtu(void)
{
    return nod_net->tun.mtu ? nod_net->tun.mtu : MTU;
}

static int get_info(const sock *s, void *value, socklen_t *len)
{
    nod_status status = {.state = NOD_CLOSED};
    uint8_t info[NOD_LINUX_TCP_INFO];
    if (s->handle) nod_tcp_status(nod_net->stack, s->handle, &status);
    /* Linux has taken it away from the socket by then. */
    if (status.state == NOD_TIME_WAIT) status.state = NOD_CLOSED;
    nod_linux_tcp_info(&status, info, sizeof info);
    return give(value, len, info, sizeof info);
}

static int get_error(sock *s, void *value, socklen_t *len)
{
    if (s->state == SOCKET_CONNECTED) socket_ready(s); /* finds out if it has ended */
    int error = socket_take_error(s);
    return give(value, len, &error, sizeof error);
}

static int get_maxseg(const sock *s, int fd, void *value, socklen_t *len)
{
    nod_status status;
    int mss = read_int(fd, IPPROTO_TCP, TCP_MAXSEG);
    bool has = s->state == SOCKET_CONNECTED || s->state == SOCKET_DEAD;
    if (has && s->handle && nod_tcp_status(nod_net->stack, s->handle, &status) == 0 && status.mss)
        mss = status.mss;
    return give(value, len, &mss, sizeof mss);
}

static int path_mtu(const sock *s)
{
    nod_status status;
    if (!s->handle || nod_tcp_status(nod_net->stack, s->handle, &status) < 0)
        return (int)device_mtu();
    return status.path_mtu ? status.path_mtu : (int)device_mtu();
}

static bool is_path_mtu(const sock *s, int level, int name)
{
    if (s->attempt == ATTEMPT_NONE) return false;
    if (level == IPPROTO_IPV6) return s->ip6 && name == IPV6_MTU;
    return level == IPPROTO_IP && name == IP_MTU; /* of sockets of IPv6 too, as Linux has it */
}

/* Linux's names are up to 16 octets long, and programs are given all of them. */
static int get_congestion(const sock *s, void *value, socklen_t *len)
{
    char name[16] = "";
    memcpy(name, s->config.congestion, sizeof s->config.congestion);
    return give(value, len, name, sizeof name);
}

/* True when the answer is nod's; *error is it then. */
static bool get_own(sock *s, int fd, int level, int name, void *value, socklen_t *len, int *error)
{
    int number = 0;
    if (is_switch(level, name))
        number = get_switch(s, name);
    else if (level == SOL_SOCKET && name == SO_ACCEPTCONN)
        number = s->state == SOCKET_LISTENING;
    else if (level == SOL_SOCKET && name == SO_ERROR)
        return *error = get_error(s, value, len), true;
    else if (level == IPPROTO_TCP && name == TCP_INFO)
        return *error = get_info(s, value, len), true;
    else if (level == IPPROTO_TCP && name == TCP_MAXSEG)
        return *error = get_maxseg(s, fd, value, len), true;
    else if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        return *error = get_congestion(s, value, len), true;
    else if (is_path_mtu(s, level, name))
        number = path_mtu(s);
    else if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && s->ip6 && s->local.addr.family)
        number = s->v6only;
    else
        return false;
    return *error = give(value, len, &number, sizeof number), true;
}

int nod_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    int error;
    if (!nod_is_socket(fd)) return sys_getsockopt(fd, level, name, value, len);
    sock *s = socket_enter(fd);
    if (!s) return -1;
    if (get_own(s, fd, level, name, value, len, &error)) return socket_leave(error);
    if (s->replay) option_replay(s, fd);
    error = sys_getsockopt(fd, level, name, value, len) != 0 ? errno : 0;
    return socket_leave(error);
}

/* fcntl and ioctl. */

static int set_nonblocking(int fd, bool on)
{
    sock *s = socket_enter(fd);
    if (!s) return -1;
    s->nonblocking = on;
    return socket_leave(0);
}

int nod_fcntl(int fd, int command, unsigned long argument)
{
    if (nod_is_private(fd)) {
        errno = EBADF;
        return -1;
    }
    if (!nod_is_socket(fd) && !nod_is_epoll(fd)) return sys_fcntl(fd, command, argument);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        return file_dup(fd, (int)argument, command == F_DUPFD_CLOEXEC);
    int got = sys_fcntl(fd, command, argument);
    if (got >= 0 && command == F_SETFL && nod_is_socket(fd))
        set_nonblocking(fd, argument & O_NONBLOCK);
    if (got >= 0 && (command == F_SETOWN || command == F_SETOWN_EX) && nod_is_socket(fd))
        urgent_note_owner(fd);
    return got;
}

static int count_bytes(const sock *s, unsigned long request, int *count)
{
    nod_status status;
    *count = 0;
    if (s->state == SOCKET_LISTENING) return EINVAL;
    if (!s->handle || nod_tcp_status(nod_net->stack, s->handle, &status) != 0) return 0;
    switch (request) {
    case SIOCINQ: *count = (int)urgent_readable(s, status.receive_queue); break;
    case SIOCOUTQ: *count = (int)status.send_queue; break;
    case SIOCOUTQNSD: *count = (int)status.send_unsent; break;
    }
    return 0;
}

int nod_ioctl(int fd, unsigned long request, void *argument)
{
    int count = 0;
    if (!nod_is_socket(fd)) return sys_ioctl(fd, request, argument);
    if (request == FIONBIO) {
        int got = sys_ioctl(fd, request, argument);
        return got < 0 ? got : set_nonblocking(fd, *(int *)argument != 0);
    }
    if (request == FIOSETOWN || request == SIOCSPGRP) {
        int got = sys_ioctl(fd, request, argument);
        if (got == 0) urgent_note_owner(fd);
        return got;
    }
    if (request != SIOCINQ && request != SIOCOUTQ && request != SIOCOUTQNSD &&
        request != SIOCATMARK)
        return sys_ioctl(fd, request, argument);
    sock *s = socket_enter(fd);
    if (!s) return -1;
    int error = request == SIOCATMARK ? 0 : count_bytes(s, request, &count);
    if (request == SIOCATMARK) count = s->urgent && s->mark_ahead == 0;
    if (!error && is_bad_range(argument, sizeof count, true)) error = EFAULT;
    if (!error) memcpy(argument, &count, sizeof count);
    return socket_leave(error);
}
