/* run_program.h: the program that `nod run` runs: its file, what is put beneath it, its start. */
#ifndef NOD_CMD_RUN_PROGRAM_H
#define NOD_CMD_RUN_PROGRAM_H

#include <limits.h>
#include <signal.h>
#include <sys/types.h>

#define RUN_NOT_FOUND 127 /* the exit codes of a shell */
#define RUN_NOT_RUN 126

/* Finds the file as execvp would, and looks whether it can be run on nod. 0, or an exit code
 * after a complaint. */
int run_program_find(const char *name, char path[PATH_MAX]);

/* Finds the object that is to be preloaded: $NOD_PRELOAD, beside the command, or where it was
 * installed. 0, or CMD_SYSTEM after a complaint. */
int run_preload_find(char path[PATH_MAX]);

/* Puts what the program needs to find the network into our own environment. 0 or CMD_SYSTEM. */
int run_environment(const char *preload, const char *words);

/* Starts it with the signal mask `mask`. 0, or an exit code after a complaint. */
int run_program_start(char **program, const char *path, const sigset_t *mask, pid_t *pid);

#endif
