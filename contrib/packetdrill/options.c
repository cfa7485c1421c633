/* Socket options. */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drill.h"
#include "nod/linux.h"

#define SPACE_LEAST 2304 /* of SO_SNDBUF and SO_RCVBUF, as they are read */

/* An option that changes nothing here, but is read back as it was set. */
struct kept {
    struct kept *next;
    int level, name, value;
};

static struct kept *find_kept(const sock *s, int level, int name)
{
    struct kept *k = s->kept;
    while (k && (k->level != level || k->name != name)) k = k->next;
    return k;
}

static int keep(sock *s, int level, int name, int value)
{
    struct kept *k = find_kept(s, level, name);
    if (!k) {
        k = calloc(1, sizeof *k);
        if (!k) return ENOBUFS;
        *k = (struct kept){.next = s->kept, .level = level, .name = name};
        s->kept = k;
    }
    k->value = value;
    return 0;
}

void options_forget(sock *s)
{
    while (s->kept) {
        struct kept *k = s->kept;
        s->kept = k->next;
        free(k);
    }
}

void options_init(sock *s)
{
    nod_config config;
    nod_config_default(&config);
    s->config = config.tcp;
    s->config.counters = true; /* for TCP_INFO */
    settings_tcp(&s->config);
    s->send_space = (int)s->config.send_buffer;
    s->receive_space = (int)s->config.receive_buffer;
}

void options_inherit(sock *child, const sock *listener)
{
    child->v6only = listener->v6only;
    child->cork = listener->cork;
    child->linger = listener->linger;
    child->linger_s = listener->linger_s;
    child->lowat_unsent = listener->lowat_unsent;
    child->config = listener->config;
    child->send_space = listener->send_space;
    child->receive_space = listener->receive_space;
    for (const struct kept *k = listener->kept; k; k = k->next)
        keep(child, k->level, k->name, k->value);
}

/* Setting. */

static int *space_of(sock *s, int name)
{
    return name == SO_SNDBUF || name == SO_SNDBUFFORCE ? &s->send_space : &s->receive_space;
}

/* Read back doubled, for the kernel counts its own bookkeeping. */
static int set_space(sock *s, int name, int value)
{
    int *space = space_of(s, name);
    *space = value > SPACE_LEAST / 2 ? value * 2 : SPACE_LEAST;
    if (space == &s->send_space)
        s->config.send_buffer = (uint32_t)*space / 2;
    else
        s->config.receive_buffer = (uint32_t)*space / 2;
    socket_apply(s);
    return 0;
}

static int set_linger(sock *s, const void *value, socklen_t len)
{
    struct linger linger;
    if (len < sizeof linger) return EINVAL;
    memcpy(&linger, value, sizeof linger);
    s->linger = linger.l_onoff != 0;
    s->linger_s = linger.l_linger;
    return 0;
}

static int set_socket(sock *s, int name, int value)
{
    switch (name) {
    case SO_REUSEADDR:
    case SO_REUSEPORT:
    case SO_OOBINLINE:
    case SO_PRIORITY:
    case SO_MARK:
    case SO_BUSY_POLL:
    case SO_ZEROCOPY:
    case SO_TIMESTAMPING: return keep(s, SOL_SOCKET, name, value);
    case SO_KEEPALIVE:
        s->config.keepalive = value;
        socket_apply(s);
        return keep(s, SOL_SOCKET, name, value);
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
    case SO_RCVBUF:
    case SO_RCVBUFFORCE: return set_space(s, name, value);
    }
    return ENOPROTOOPT;
}

static void uncork(sock *s)
{
    if (s->state == SOCKET_CONNECTED && !s->shut_write)
        nod_tcp_send(world_stack(), s->handle, "", 0, 0);
}

static int set_user_timeout(sock *s, int value)
{
    nod_config config;
    if (value < 0) return EINVAL;
    nod_config_default(&config);
    s->config.user_timeout_us = value ? (nod_usec)value * NOD_MSEC : config.tcp.user_timeout_us;
    s->config.user_timeout_set = value != 0;
    socket_apply(s);
    return keep(s, IPPROTO_TCP, TCP_USER_TIMEOUT, value);
}

static int set_maxseg(sock *s, int value)
{
    if (value != 0 && (value < 88 || value > 32767)) return EINVAL;
    s->config.mss_max = (uint16_t)value;
    socket_apply(s);
    return 0;
}

static int set_keepalive(sock *s, int name, int value)
{
    if (value < 1 || value > 32767) return EINVAL;
    nod_usec time = (nod_usec)value * NOD_SEC;
    if (name == TCP_KEEPIDLE) s->config.keepalive_idle_us = time;
    if (name == TCP_KEEPINTVL) s->config.keepalive_interval_us = time;
    if (name == TCP_KEEPCNT) s->config.keepalive_probes = (uint8_t)(value < 255 ? value : 255);
    socket_apply(s);
    return keep(s, IPPROTO_TCP, name, value);
}

static int set_fast_open(sock *s, int name, int value)
{
    bool closed = s->state == SOCKET_FRESH || s->state == SOCKET_BOUND;
    if (value < 0 || (!closed && s->state != SOCKET_LISTENING)) return EINVAL;
    if (name == TCP_FASTOPEN_NO_COOKIE) {
        if (value > 1) return EINVAL;
        s->fast_no_cookie = value;
    } else {
        s->fast_limit = (uint16_t)(value < UINT16_MAX ? value : UINT16_MAX);
    }
    if (s->state == SOCKET_LISTENING)
        nod_tcp_set_fast_open(world_stack(), s->handle, fast_open_limit(s, s->fast_limit),
                              fast_open_anyone(s));
    return 0;
}

static int set_fast_connect(sock *s, int value)
{
    if (value != 0 && value != 1) return EINVAL;
    if (!(settings_fast_open() & FAST_OPEN_CLIENT)) return EOPNOTSUPP;
    if (s->state != SOCKET_FRESH && s->state != SOCKET_BOUND) return EINVAL;
    s->fast_connect = value;
    return 0;
}

static int set_fast_key(sock *s, const void *value, socklen_t len)
{
    if (len != sizeof s->fast_key) return EINVAL;
    memcpy(s->fast_key, value, len);
    s->fast_key_set = true;
    if (s->state == SOCKET_LISTENING) fast_open_use_key(s->fast_key);
    return 0;
}

static int set_tcp(sock *s, int name, int value)
{
    switch (name) {
    case TCP_FASTOPEN:
    case TCP_FASTOPEN_NO_COOKIE: return set_fast_open(s, name, value);
    case TCP_FASTOPEN_CONNECT: return set_fast_connect(s, value);
    case TCP_NODELAY:
        s->config.nagle = value == 0;
        socket_apply(s);
        if (value) uncork(s); /* what is queued, under a cork too: tcp(7) */
        return 0;
    case TCP_CORK:
        s->cork = value;
        if (!value) uncork(s);
        return 0;
    case TCP_KEEPIDLE:
    case TCP_KEEPINTVL:
    case TCP_KEEPCNT: return set_keepalive(s, name, value);
    case TCP_MAXSEG: return set_maxseg(s, value);
    case TCP_USER_TIMEOUT: return set_user_timeout(s, value);
    case TCP_NOTSENT_LOWAT: s->lowat_unsent = (uint32_t)value; break;
    case TCP_DEFER_ACCEPT: s->defer_accept_us = (nod_usec)value * NOD_SEC; break;
    case TCP_SYNCNT:
        if (value < 1 || value > 127) return EINVAL;
        s->config.syn_timeout_us = settings_syn_timeout(value, s->config.rto_initial_us);
        socket_apply(s);
        break;
    case TCP_QUICKACK:
    case TCP_LINGER2:
    case TCP_WINDOW_CLAMP: break;
    default: return ENOPROTOOPT;
    }
    return keep(s, IPPROTO_TCP, name, value);
}

static int set_ip(sock *s, int level, int name, int value)
{
    bool tos = level == IPPROTO_IP ? name == IP_TOS : name == IPV6_TCLASS;
    bool ttl = level == IPPROTO_IP ? name == IP_TTL : name == IPV6_UNICAST_HOPS;
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) s->v6only = value;
    if (tos) s->config.dscp = (uint8_t)((unsigned)value >> 2 & 63);
    if (ttl && value > 0) s->config.ttl = (uint8_t)value;
    socket_apply(s);
    return keep(s, level, name, value);
}

static int set_option(sock *s, int level, int name, const void *value, socklen_t len)
{
    int number = 0;
    if (!value && len > 0) return EFAULT;
    if (level == SOL_SOCKET && name == SO_LINGER) return set_linger(s, value, len);
    if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY) return set_fast_key(s, value, len);
    bool small = level == IPPROTO_IP && len > 0; /* of whose options one octet is enough */
    if (len < sizeof number && !small) return EINVAL;
    memcpy(&number, value, len < sizeof number ? len : sizeof number);
    if (level == SOL_SOCKET) return set_socket(s, name, number);
    if (level == IPPROTO_TCP) return set_tcp(s, name, number);
    if (level == IPPROTO_IP || level == IPPROTO_IPV6) return set_ip(s, level, name, number);
    return ENOPROTOOPT;
}

int drill_setsockopt(void *ud, int fd, int level, int name, const void *value, socklen_t len)
{
    (void)ud;
    world_enter();
    sock *s = socket_at(fd);
    if (s) return leave_with(set_option(s, level, name, value, len));
    world_leave();
    return setsockopt(fd, level, name, value, len);
}

/* Asking. */

static int give(const void *from, socklen_t size, void *value, socklen_t *len)
{
    if (!len || (!value && *len > 0)) return EFAULT;
    if (*len > size) *len = size;
    memcpy(value, from, *len);
    return 0;
}

/* What packetdrill knows beyond the headers of many systems: of kernels that have Accurate ECN. */
struct long_info {
    struct tcp_info base;
    uint32_t rcv_wnd, rehash;
    uint16_t total_rto, total_rto_recoveries;
    uint32_t total_rto_time;
    uint32_t received_ce;
    uint32_t delivered_e1, delivered_e0, delivered_ce;
    uint32_t received_e1, received_e0, received_ce_bytes;
    uint32_t ecn;
};
_Static_assert(sizeof(struct long_info) == 280, "as packetdrill wants it");

static int get_info(const sock *s, void *value, socklen_t *len)
{
    nod_status status = {.state = NOD_CLOSED};
    struct long_info all = {0};
    if (s->handle) nod_tcp_status(world_stack(), s->handle, &status);
    nod_linux_tcp_info(&status, &all, sizeof all);
    all.received_ce = status.ecn_in.ce_packets;
    all.received_ce_bytes = status.ecn_in.ce_bytes;
    all.received_e0 = status.ecn_in.ect0_bytes;
    all.received_e1 = status.ecn_in.ect1_bytes;
    all.delivered_ce = status.ecn_out.ce_bytes;
    all.delivered_e0 = status.ecn_out.ect0_bytes;
    all.delivered_e1 = status.ecn_out.ect1_bytes;
    return give(&all, sizeof all, value, len);
}

static int get_meminfo(const sock *s, void *value, socklen_t *len)
{
    uint32_t info[9] = {[1] = (uint32_t)s->receive_space, [3] = (uint32_t)s->send_space};
    return give(info, sizeof info, value, len);
}

/* Before the handshake what was asked for, after it what was agreed. */
static int get_maxseg(const sock *s)
{
    nod_status status;
    bool open = s->handle && s->state == SOCKET_CONNECTED;
    if (open && nod_tcp_status(world_stack(), s->handle, &status) == 0 && status.mss)
        return status.mss;
    return s->config.mss_max ? s->config.mss_max : 536;
}

static int get_congestion(const sock *s, void *value, socklen_t *len)
{
    char name[16] = "";
    memcpy(name, s->config.congestion, sizeof s->config.congestion);
    return give(name, sizeof name, value, len);
}

/* 0 or an errno. */
static int get_number(sock *s, int level, int name, int *out)
{
    const struct kept *k = find_kept(s, level, name);
    *out = k ? k->value : 0;
    if (k) return 0;
    if (level == SOL_SOCKET) {
        switch (name) {
        case SO_ERROR: *out = socket_take_error(s); return 0;
        case SO_ACCEPTCONN: *out = s->state == SOCKET_LISTENING; return 0;
        case SO_TYPE: *out = SOCK_STREAM; return 0;
        case SO_PROTOCOL: *out = IPPROTO_TCP; return 0;
        case SO_DOMAIN: *out = s->ip6 ? AF_INET6 : AF_INET; return 0;
        case SO_SNDBUF:
        case SO_RCVBUF: *out = *space_of(s, name); return 0;
        case SO_REUSEADDR:
        case SO_REUSEPORT:
        case SO_KEEPALIVE:
        case SO_OOBINLINE: return 0;
        }
        return ENOPROTOOPT;
    }
    if (level != IPPROTO_TCP) return 0;
    switch (name) {
    case TCP_NODELAY: *out = !s->config.nagle; return 0;
    case TCP_CORK: *out = s->cork; return 0;
    case TCP_MAXSEG: *out = get_maxseg(s); return 0;
    case TCP_QUICKACK: *out = 1; return 0;
    case TCP_NOTSENT_LOWAT:
    case TCP_USER_TIMEOUT:
    case TCP_DEFER_ACCEPT:
    case TCP_SYNCNT:
    case TCP_LINGER2:
    case TCP_WINDOW_CLAMP: return 0;
    }
    return ENOPROTOOPT;
}

static int get_option(sock *s, int level, int name, void *value, socklen_t *len)
{
    int number;
    if (level == IPPROTO_TCP && name == TCP_INFO) return get_info(s, value, len);
    if (level == IPPROTO_TCP && name == TCP_CC_INFO) return give("", 0, value, len);
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) return get_congestion(s, value, len);
    if (level == SOL_SOCKET && name == SO_MEMINFO) return get_meminfo(s, value, len);
    int error = get_number(s, level, name, &number);
    return error ? error : give(&number, sizeof number, value, len);
}

int drill_getsockopt(void *ud, int fd, int level, int name, void *value, socklen_t *len)
{
    (void)ud;
    world_enter();
    sock *s = socket_at(fd);
    if (s) return leave_with(get_option(s, level, name, value, len));
    world_leave();
    return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}
