/* Processes: a child shares the network with its parent, and must know that it is a child. */
#include "preload.h"

#include <fcntl.h>
#include <paths.h>
#include <pty.h>
#include <stdarg.h>
#include <utmp.h>

/* nod_fork may come back here for the C library's own. */
static _Thread_local bool forking;

EXPORT pid_t fork(void)
{
    if (forking) return REAL(fork)();
    forking = true;
    pid_t pid = nod_fork();
    forking = false;
    return pid;
}

/* A child that worked in its parent's memory would change what its parent knows of sockets. */
EXPORT pid_t vfork(void)
{
    return fork();
}

EXPORT pid_t _Fork(void)
{
    pid_t pid = REAL(_Fork)();
    if (pid == 0) nod_forked();
    return pid;
}

/* The C library's daemon and forkpty fork by a call of their own. */

EXPORT int daemon(int keep_folder, int keep_streams)
{
    pid_t pid = fork();
    if (pid < 0) return -1;
    if (pid > 0) _exit(0);
    if (setsid() < 0) return -1;
    if (!keep_folder && chdir("/") != 0) return -1;
    if (keep_streams) return 0;
    int nothing = open(_PATH_DEVNULL, O_RDWR);
    if (nothing < 0) return -1;
    for (int fd = 0; fd < 3; fd++) dup2(nothing, fd);
    if (nothing > 2) close(nothing);
    return 0;
}

EXPORT int forkpty(int *master, char *name, const struct termios *modes, const struct winsize *size)
{
    int ours, theirs;
    if (openpty(&ours, &theirs, name, modes, size) != 0) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(ours);
        if (login_tty(theirs) != 0) _exit(1);
        return 0;
    }
    close(theirs);
    if (pid < 0)
        close(ours);
    else
        *master = ours;
    return pid;
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
extern __typeof__(fork) __fork ALIAS(fork);
extern __typeof__(vfork) __vfork ALIAS(vfork);
