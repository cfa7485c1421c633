/* System calls by their numbers. Some programs' libraries make them so where they could make them
 * by name: libuv closes descriptors with syscall(SYS_close). What is nod's affair goes the way of
 * the name. Everything in this object that says syscall() means preload_syscall(), which is the
 * C library's own: the compiler is told so. */
#include "preload.h"

#undef syscall
long syscall(long number, ...);
long preload_syscall(long number, ...);

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>

typedef long call(long number, ...);
static call *real;

static call *find(void)
{
    call *found = __atomic_load_n(&real, __ATOMIC_RELAXED);
    if (found) return found;
    int error = errno;
    found = (call *)dlsym(RTLD_NEXT, "syscall");
    __atomic_store_n(&real, found, __ATOMIC_RELAXED);
    errno = error;
    return found;
}

/* Six registers, whatever was given: as the C library does it. */
#define TAKE_ARGUMENTS(number, a)                            \
    va_list args;                                            \
    va_start(args, number);                                  \
    for (int i = 0; i < 6; i++) (a)[i] = va_arg(args, long); \
    va_end(args)

long preload_syscall(long number, ...)
{
    long a[6];
    TAKE_ARGUMENTS(number, a);
    return find()(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long refuse(int error)
{
    errno = error;
    return -1;
}

#define FD ((int)a[0])
#define PTR(i) ((void *)a[i])
#define LEN(i) ((size_t)a[i])

/* Those of one descriptor that may be nod's. False: it is another call. */
static bool on_socket(long number, const long *a, long *result)
{
    switch (number) {
    case SYS_read: *result = read(FD, PTR(1), LEN(2)); return true;
    case SYS_write: *result = write(FD, PTR(1), LEN(2)); return true;
    case SYS_readv: *result = readv(FD, PTR(1), (int)a[2]); return true;
    case SYS_writev: *result = writev(FD, PTR(1), (int)a[2]); return true;
    case SYS_recvfrom:
        *result = recvfrom(FD, PTR(1), LEN(2), (int)a[3], PTR(4), PTR(5));
        return true;
    case SYS_sendto:
        *result = sendto(FD, PTR(1), LEN(2), (int)a[3], PTR(4), (socklen_t)a[5]);
        return true;
    case SYS_recvmsg: *result = recvmsg(FD, PTR(1), (int)a[2]); return true;
    case SYS_sendmsg: *result = sendmsg(FD, PTR(1), (int)a[2]); return true;
    case SYS_recvmmsg:
        *result = recvmmsg(FD, PTR(1), (unsigned)a[2], (int)a[3], PTR(4));
        return true;
    case SYS_sendmmsg: *result = sendmmsg(FD, PTR(1), (unsigned)a[2], (int)a[3]); return true;
    case SYS_bind: *result = bind(FD, PTR(1), (socklen_t)a[2]); return true;
    case SYS_listen: *result = listen(FD, (int)a[1]); return true;
    case SYS_accept4: *result = accept4(FD, PTR(1), PTR(2), (int)a[3]); return true;
    case SYS_connect: *result = connect(FD, PTR(1), (socklen_t)a[2]); return true;
    case SYS_shutdown: *result = shutdown(FD, (int)a[1]); return true;
    case SYS_getsockname: *result = getsockname(FD, PTR(1), PTR(2)); return true;
    case SYS_getpeername: *result = getpeername(FD, PTR(1), PTR(2)); return true;
    case SYS_getsockopt:
        *result = getsockopt(FD, (int)a[1], (int)a[2], PTR(3), PTR(4));
        return true;
    case SYS_setsockopt:
        *result = setsockopt(FD, (int)a[1], (int)a[2], PTR(3), (socklen_t)a[4]);
        return true;
    case SYS_ioctl: *result = ioctl(FD, (unsigned long)a[1], PTR(2)); return true;
    }
    return false;
}

/* Those that make, copy and close descriptors, and those on epoll's. */
static bool on_numbers(long number, const long *a, long *result)
{
    switch (number) {
    case SYS_socket: *result = socket((int)a[0], (int)a[1], (int)a[2]); return true;
    case SYS_close: *result = close(FD); return true;
    case SYS_close_range:
        *result = close_range((unsigned)a[0], (unsigned)a[1], (int)a[2]);
        return true;
    case SYS_dup: *result = dup(FD); return true;
    case SYS_dup3: *result = dup3(FD, (int)a[1], (int)a[2]); return true;
    case SYS_fcntl: *result = fcntl(FD, (int)a[1], a[2]); return true;
    case SYS_epoll_ctl: *result = epoll_ctl(FD, (int)a[1], (int)a[2], PTR(3)); return true;
    /* They would give sockets to the kernel, or judge our calls, behind our back. */
    case SYS_io_uring_setup: *result = refuse(ENOSYS); return true;
    case SYS_seccomp: *result = refuse(EINVAL); return true;
    }
    return false;
}

EXPORT long syscall(long number, ...)
{
    long a[6], result;
    TAKE_ARGUMENTS(number, a);
    if (on_numbers(number, a, &result) || on_socket(number, a, &result)) return result;
    return find()(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
