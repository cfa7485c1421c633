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

#define ALIAS(of) EXPORT __attribute__((nothrow, leaf, alias(#of)))
extern __typeof__(vfork) __vfork ALIAS(vfork);
