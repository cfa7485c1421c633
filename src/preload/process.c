/* Processes: a child shares the network with its parent, and must know that it is a child. fork
 * and what the C library makes of it need nothing: the network hears of them by pthread_atfork. */
#include "preload.h"

#include <stdarg.h>

/* A child that worked in its parent's memory would change what its parent knows of sockets. */
EXPORT pid_t vfork(void)
{
    return nod_fork();
}

/* The C library's fork tells the library of the fork; this one would not. */
EXPORT pid_t _Fork(void)
{
    return nod_fork();
}

/* A filter on system calls does not know those that nod makes in the program's name, and would
 * end it for them. It is declined as by a kernel that was built without. */
EXPORT int prctl(int option, ...)
{
    va_list args;
    va_start(args, option);
    unsigned long a = va_arg(args, unsigned long), b = va_arg(args, unsigned long);
    unsigned long c = va_arg(args, unsigned long), d = va_arg(args, unsigned long);
    va_end(args);
    if (option != PR_SET_SECCOMP) return REAL(prctl)(option, a, b, c, d);
    errno = EINVAL;
    return -1;
}

/* A program that forbids itself to open anything more (sshd does, before it hears a stranger)
 * cannot know that nod will need a few descriptors to wait: those it leaves us. */
#define LEAST_FILES 32

static void leave_some(int resource, const struct rlimit *wanted, struct rlimit *given)
{
    *given = *wanted;
    if (resource != RLIMIT_NOFILE) return;
    if (given->rlim_cur < LEAST_FILES) given->rlim_cur = LEAST_FILES;
    if (given->rlim_max < LEAST_FILES) given->rlim_max = LEAST_FILES;
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    struct rlimit given;
    if (preload_is_bad(limit)) return REAL(setrlimit)(resource, limit);
    leave_some((int)resource, limit, &given);
    return REAL(setrlimit)(resource, &given);
}

EXPORT int prlimit(pid_t pid, __rlimit_resource_t resource, const struct rlimit *limit,
                   struct rlimit *old)
{
    struct rlimit given;
    if (preload_is_bad(limit)) return REAL(prlimit)(pid, resource, limit, old);
    leave_some((int)resource, limit, &given);
    return REAL(prlimit)(pid, resource, &given, old);
}

_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one and the same");

EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    return setrlimit(resource, (const struct rlimit *)(const void *)limit);
}

EXPORT int prlimit64(pid_t pid, __rlimit_resource_t resource, const struct rlimit64 *limit,
                     struct rlimit64 *old)
{
    return prlimit(pid, resource, (const struct rlimit *)(const void *)limit,
                   (struct rlimit *)(void *)old);
}

#define ALIAS(of) EXPORT __attribute__((nothrow, leaf, alias(#of)))
extern __typeof__(vfork) __vfork ALIAS(vfork);
