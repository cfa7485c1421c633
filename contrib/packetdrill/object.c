/* The object's door: what packetdrill loads, and what stands between it and the C library where
 * it does not come through its own interface (the object is preloaded for that). */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drill.h"
#include "interface.h"

static bool started;

/* The flags of the file are the kernel's, and tell whether the socket is to block. */
static int drill_fcntl(void *ud, int fd, int command, ...)
{
    (void)ud;
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    int result = fcntl(fd, command, argument);
    if (command != F_SETFL) return result;
    world_enter();
    sock *s = socket_at(fd);
    if (s) s->nonblocking = fcntl(fd, F_GETFL) & O_NONBLOCK;
    world_leave();
    return result;
}

/* 0 or an errno. */
static int control(sock *s, unsigned long request, int *number)
{
    nod_status status = {0};
    if (!number) return EFAULT;
    if (request == FIONBIO) {
        s->nonblocking = *number;
        return 0;
    }
    if (s->state == SOCKET_LISTENING) return EINVAL;
    if (s->handle) nod_tcp_status(world_stack(), s->handle, &status);
    switch (request) {
    case SIOCINQ: *number = (int)status.receive_queue; return 0;
    case SIOCOUTQ: *number = (int)status.send_queue; return 0;
    case SIOCOUTQNSD: *number = (int)status.send_unsent; return 0;
    }
    return ENOTTY;
}

static int drill_ioctl(void *ud, int fd, unsigned long request, ...)
{
    (void)ud;
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    world_enter();
    sock *s = socket_at(fd);
    if (s) return leave_with(control(s, request, argument));
    world_leave();
    return ioctl(fd, request, argument);
}

static int drill_netdev_send(void *ud, const void *packet, size_t len)
{
    (void)ud;
    world_enter();
    int error = world_send(packet, len);
    world_leave();
    return error;
}

static int drill_netdev_receive(void *ud, void *packet, size_t *len, long long *time_us)
{
    (void)ud;
    world_enter();
    world_receive(packet, len, time_us);
    world_leave();
    return 0;
}

static int drill_usleep(void *ud, useconds_t us)
{
    (void)ud;
    world_enter();
    world_sleep(us);
    world_leave();
    return 0;
}

static int drill_gettimeofday(void *ud, struct timeval *time, struct timezone *zone)
{
    (void)ud;
    (void)zone;
    world_enter();
    nod_usec now = world_read_clock();
    world_leave();
    time->tv_sec = (time_t)(now / NOD_SEC);
    time->tv_usec = (suseconds_t)(now % NOD_SEC);
    return 0;
}

static int drill_pipe(void *ud, int ends[2])
{
    (void)ud;
    return pipe(ends);
}

static ssize_t splice_any(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len,
                          unsigned flags)
{
    world_enter();
    bool ours = socket_at(in) || socket_at(out);
    world_leave();
    return ours ? drill_splice(in, out, len, flags)
                : splice(in, in_offset, out, out_offset, len, flags);
}

static int drill_splice_call(void *ud, int in, off64_t *in_offset, int out, off64_t *out_offset,
                             size_t len, unsigned flags)
{
    (void)ud;
    return (int)splice_any(in, in_offset, out, out_offset, len, flags);
}

static void drill_free(void *ud)
{
    (void)ud;
    started = false;
    world_end();
}

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *interface)
{
    world_start(flags);
    started = true;
    *interface = (struct packetdrill_interface){
        .free = drill_free,
        .socket = drill_socket,
        .bind = drill_bind,
        .listen = drill_listen,
        .accept = drill_accept,
        .connect = drill_connect,
        .read = drill_read,
        .readv = drill_readv,
        .recv = drill_recv,
        .recvfrom = drill_recvfrom,
        .recvmsg = drill_recvmsg,
        .write = drill_write,
        .writev = drill_writev,
        .send = drill_send,
        .sendto = drill_sendto,
        .sendmsg = drill_sendmsg,
        .fcntl = drill_fcntl,
        .ioctl = drill_ioctl,
        .close = drill_close,
        .shutdown = drill_shutdown,
        .getsockopt = drill_getsockopt,
        .setsockopt = drill_setsockopt,
        .poll = drill_poll,
        .netdev_send = drill_netdev_send,
        .netdev_receive = drill_netdev_receive,
        .usleep = drill_usleep,
        .gettimeofday = drill_gettimeofday,
        .epoll_create = drill_epoll_create,
        .epoll_ctl = drill_epoll_ctl,
        .epoll_wait = drill_epoll_wait,
        .pipe = drill_pipe,
        .splice = drill_splice_call,
    };
}

/* The C library's. */

__attribute__((visibility("default"))) int getsockopt(int fd, int level, int name, void *value,
                                                      socklen_t *len)
{
    if (!started) return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
    return drill_getsockopt(NULL, fd, level, name, value, len);
}

__attribute__((visibility("default"))) int close(int fd)
{
    if (!started) return (int)syscall(SYS_close, fd);
    return drill_close(NULL, fd);
}
