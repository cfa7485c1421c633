#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In the child: tells the parent through `tell` what went wrong, if anything does. */
static void become(char **command, const sigset_t *mask, int tell)
{
    int nothing = open("/dev/null", O_RDONLY);
    signal(SIGPIPE, SIG_DFL);
    if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(2, 1) == 1 &&
        sigprocmask(SIG_SETMASK, mask, NULL) == 0)
        execvp(command[0], command);
    int error = errno;
    ssize_t told = write(tell, &error, sizeof error);
    (void)told;
    _exit(127);
}

int child_start(nod_child *child, char **command, const sigset_t *mask)
{
    int tell[2], error = 0;
    *child = (nod_child){0};
    if (pipe2(tell, O_CLOEXEC) != 0) return errno;
    pid_t pid = fork();
    if (pid < 0) {
        error = errno;
        close(tell[0]);
        close(tell[1]);
        return error;
    }
    if (pid == 0) become(command, mask, tell[1]);
    close(tell[1]);
    ssize_t got = read(tell[0], &error, sizeof error);
    close(tell[0]);
    if (got != sizeof error) {
        child->pid = pid;
        return 0;
    }
    waitpid(pid, NULL, 0);
    return error;
}

void child_look(nod_child *child)
{
    if (child->pid == 0 || waitpid(child->pid, &child->status, WNOHANG) != child->pid) return;
    child->pid = 0;
    child->ended = true;
}

static bool wait_for_end(nod_child *child, int hundredths)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    for (child_look(child); child->pid != 0 && hundredths > 0; hundredths--) {
        nanosleep(&pause, NULL);
        child_look(child);
    }
    return child->pid == 0;
}

void child_stop(nod_child *child)
{
    if (child->pid == 0 || wait_for_end(child, 50)) return;
    kill(child->pid, SIGTERM);
    if (wait_for_end(child, 100)) return;
    kill(child->pid, SIGKILL);
    waitpid(child->pid, &child->status, 0);
    child->pid = 0;
    child->ended = true;
}
