/* System calls by number. Some programs make them with the C library's `syscall`, although they
 * have names (libuv closes so): they are as the calls by their names. */
#undef syscall /* elsewhere in this object it stands for preload_syscall: see CMakeLists.txt */
#include "preload.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>

typedef struct words {
    long at[6];
} words;

static words take_words(va_list args)
{
    words w;
    for (int i = 0; i < 6; i++) w.at[i] = va_arg(args, long);
    return w;
}

static long really(long number, const words *w)
{
    const long *at = w->at;
    return REAL(syscall)(number, at[0], at[1], at[2], at[3], at[4], at[5]);
}

long preload_syscall(long number, ...)
{
    va_list args;
    va_start(args, number);
    words w = take_words(args);
    va_end(args);
    return really(number, &w);
}

#define INT(i) ((int)w->at[i])
#define PTR(i) ((void *)w->at[i])
#define LEN(i) ((size_t)w->at[i])

/* Each of these groups returns false when the call is none of its. */

static bool moves_bytes(long number, const words *w, long *result)
{
    switch (number) {
    case SYS_read: *result = read(INT(0), PTR(1), LEN(2)); return true;
    case SYS_write: *result = write(INT(0), PTR(1), LEN(2)); return true;
    case SYS_readv: *result = readv(INT(0), PTR(1), INT(2)); return true;
    case SYS_writev: *result = writev(INT(0), PTR(1), INT(2)); return true;
    case SYS_sendto:
        *result = sendto(INT(0), PTR(1), LEN(2), INT(3), PTR(4), (socklen_t)LEN(5));
        return true;
    case SYS_recvfrom:
        *result = recvfrom(INT(0), PTR(1), LEN(2), INT(3), PTR(4), PTR(5));
        return true;
    case SYS_sendmsg: *result = sendmsg(INT(0), PTR(1), INT(2)); return true;
    case SYS_recvmsg: *result = recvmsg(INT(0), PTR(1), INT(2)); return true;
    case SYS_sendmmsg: *result = sendmmsg(INT(0), PTR(1), (unsigned)LEN(2), INT(3)); return true;
    case SYS_recvmmsg:
        *result = recvmmsg(INT(0), PTR(1), (unsigned)LEN(2), INT(3), PTR(4));
        return true;
    case SYS_sendfile: *result = sendfile(INT(0), INT(1), PTR(2), LEN(3)); return true;
    case SYS_splice:
        *result = splice(INT(0), PTR(1), INT(2), PTR(3), LEN(4), (unsigned)LEN(5));
        return true;
    }
    return false;
}

static bool makes_connections(long number, const words *w, long *result)
{
    switch (number) {
    case SYS_socket: *result = socket(INT(0), INT(1), INT(2)); return true;
    case SYS_bind: *result = bind(INT(0), PTR(1), (socklen_t)LEN(2)); return true;
    case SYS_listen: *result = listen(INT(0), INT(1)); return true;
    case SYS_accept: *result = accept(INT(0), PTR(1), PTR(2)); return true;
    case SYS_accept4: *result = accept4(INT(0), PTR(1), PTR(2), INT(3)); return true;
    case SYS_connect: *result = connect(INT(0), PTR(1), (socklen_t)LEN(2)); return true;
    case SYS_shutdown: *result = shutdown(INT(0), INT(1)); return true;
    case SYS_getsockname: *result = getsockname(INT(0), PTR(1), PTR(2)); return true;
    case SYS_getpeername: *result = getpeername(INT(0), PTR(1), PTR(2)); return true;
    case SYS_getsockopt: *result = getsockopt(INT(0), INT(1), INT(2), PTR(3), PTR(4)); return true;
    case SYS_setsockopt:
        *result = setsockopt(INT(0), INT(1), INT(2), PTR(3), (socklen_t)LEN(4));
        return true;
    }
    return false;
}

static bool names_descriptors(long number, const words *w, long *result)
{
    switch (number) {
    case SYS_close: *result = close(INT(0)); return true;
    case SYS_close_range:
        *result = close_range((unsigned)LEN(0), (unsigned)LEN(1), INT(2));
        return true;
    case SYS_dup: *result = dup(INT(0)); return true;
#ifdef SYS_dup2
    case SYS_dup2: *result = dup2(INT(0), INT(1)); return true;
#endif
    case SYS_dup3: *result = dup3(INT(0), INT(1), INT(2)); return true;
    case SYS_fcntl: *result = fcntl(INT(0), INT(1), LEN(2)); return true;
    case SYS_ioctl: *result = ioctl(INT(0), LEN(1), PTR(2)); return true;
    }
    return false;
}

static bool waits(long number, const words *w, long *result)
{
    switch (number) {
#ifdef SYS_poll
    case SYS_poll: *result = poll(PTR(0), LEN(1), INT(2)); return true;
#endif
    case SYS_ppoll: *result = ppoll(PTR(0), LEN(1), PTR(2), PTR(3)); return true;
#ifdef SYS_select
    case SYS_select: *result = select(INT(0), PTR(1), PTR(2), PTR(3), PTR(4)); return true;
#endif
    case SYS_epoll_ctl: *result = epoll_ctl(INT(0), INT(1), INT(2), PTR(3)); return true;
#ifdef SYS_epoll_wait
    case SYS_epoll_wait: *result = epoll_wait(INT(0), PTR(1), INT(2), INT(3)); return true;
#endif
    case SYS_epoll_pwait:
        *result = epoll_pwait(INT(0), PTR(1), INT(2), INT(3), PTR(4));
        return true;
    case SYS_epoll_pwait2:
        *result = epoll_pwait2(INT(0), PTR(1), INT(2), PTR(3), PTR(4));
        return true;
    }
    return false;
}

/* They would take sockets to the kernel, or judge our calls, behind our back: as on a kernel that
 * knows them not. */
static bool is_declined(long number, long *result)
{
    if (number != SYS_io_uring_setup && number != SYS_seccomp) return false;
    errno = number == SYS_seccomp ? EINVAL : ENOSYS;
    *result = -1;
    return true;
}

EXPORT long syscall(long number, ...)
{
    long result;
    va_list args;
    va_start(args, number);
    words w = take_words(args);
    va_end(args);
    if (is_declined(number, &result) || moves_bytes(number, &w, &result) ||
        makes_connections(number, &w, &result) || names_descriptors(number, &w, &result) ||
        waits(number, &w, &result))
        return result;
    return really(number, &w);
}
