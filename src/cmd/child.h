/* child.h: the command that is run at the kernel's side. */
#ifndef NOD_CMD_CHILD_H
#define NOD_CMD_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct nod_child {
    pid_t pid; /* 0: none, or ended */
    bool ended;
    int status; /* as of waitpid, when ended */
} nod_child;

/* Runs the command with the signal mask `mask`. It reads nothing, and what it says goes to
 * our standard error, for our standard output belongs to the connection. Returns 0 or the
 * errno. */
int child_start(nod_child *child, char **command, const sigset_t *mask);

/* Looks whether it has ended. */
void child_look(nod_child *child);

/* Leaves it half a second to end by itself, asks it to end, waits a second, then ends it. */
void child_stop(nod_child *child);

#endif
