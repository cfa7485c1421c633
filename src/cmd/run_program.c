#include "run_program.h"

#include "cmd.h"
#include "nod/program.h"
#include "tr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef NOD_LIBDIR
#define NOD_LIBDIR "/usr/local/lib"
#endif
#define OBJECT "libnod-preload.so"

__attribute__((format(printf, 2, 3))) static int refuse(int code, const char *format, ...)
{
    va_list args;
    fputs("nod run: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

/* The program's file. */

static int no_such(const char *name)
{
    return refuse(RUN_NOT_FOUND, _("There is no program '%s'."), name);
}

static bool is_file(const char *path)
{
    struct stat what;
    return stat(path, &what) == 0 && S_ISREG(what.st_mode);
}

/* The first in PATH that may be run; else the first that is there. */
static bool search(const char *name, char path[PATH_MAX])
{
    char there[PATH_MAX];
    const char *list = getenv("PATH");
    bool found = false;
    for (list = list ? list : "/bin:/usr/bin";; list++) {
        size_t len = strcspn(list, ":");
        int need = snprintf(there, PATH_MAX, "%.*s%s%s", (int)len, list, len ? "/" : "", name);
        if (need < PATH_MAX && is_file(there)) {
            bool runs = access(there, X_OK) == 0;
            if (runs || !found) memcpy(path, there, sizeof there);
            found = true;
            if (runs) return true;
        }
        list += len;
        if (!*list) return found;
    }
}

static int explain_kind(enum nod_program kind, const char *path)
{
    switch (kind) {
    case NOD_PROGRAM_FINE: return 0;
    case NOD_PROGRAM_STATIC:
        return refuse(RUN_NOT_RUN,
                      _("%s is linked statically, so nod's TCP cannot be put beneath it: run a "
                        "build of it that is linked dynamically."),
                      path);
    case NOD_PROGRAM_PRIVILEGED:
        return refuse(RUN_NOT_RUN,
                      _("%s runs with more rights than you have (set-user-ID, set-group-ID or "
                        "capabilities), so nod's TCP cannot be put beneath it: run nod itself with "
                        "these rights, or a copy of the program without them."),
                      path);
    case NOD_PROGRAM_FOREIGN:
        return refuse(RUN_NOT_RUN,
                      _("%s is for another kind of machine or another C library than nod, so nod's "
                        "TCP cannot be put beneath it: run a nod that was built for the same."),
                      path);
    }
    return 0;
}

int run_program_find(const char *name, char path[PATH_MAX])
{
    char culprit[PATH_MAX];
    if (!*name || strlen(name) >= PATH_MAX) return no_such(name);
    if (strchr(name, '/')) {
        strcpy(path, name);
        if (access(path, F_OK) != 0) return no_such(name);
        if (!is_file(path)) return refuse(RUN_NOT_RUN, _("%s is no program."), path);
    } else if (!search(name, path)) {
        return no_such(name);
    }
    if (access(path, X_OK) != 0)
        return refuse(RUN_NOT_RUN, _("%s may not be executed: 'chmod +x' would allow it."), path);
    enum nod_program kind = nod_program_look(path, culprit);
    return explain_kind(kind, culprit);
}

/* The object. */

/* "FOLDER/rest" of the folder that this command's own file is in. */
static bool beside(const char *rest, char path[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0) return false;
    self[len] = 0;
    char *slash = strrchr(self, '/');
    if (!slash) return false;
    slash[1] = 0;
    int need = snprintf(path, PATH_MAX, "%s%s", self, rest);
    return need < PATH_MAX && is_file(path);
}

int run_preload_find(char path[PATH_MAX])
{
    const char *given = getenv("NOD_PRELOAD");
    if (given && strlen(given) < PATH_MAX) {
        strcpy(path, given);
        if (!is_file(path))
            return refuse(CMD_SYSTEM, _("There is no %s, which NOD_PRELOAD names."), path);
    } else if (!beside(OBJECT, path)) {
        snprintf(path, PATH_MAX, "%s/nod/%s", NOD_LIBDIR, OBJECT);
        if (!is_file(path) && !beside("../lib/nod/" OBJECT, path))
            return refuse(
                CMD_SYSTEM,
                _("%s is missing, which puts nod beneath a program: install nod whole, or "
                  "say where it is with NOD_PRELOAD."),
                OBJECT);
    }
    if (strpbrk(path, " :"))
        return refuse(CMD_SYSTEM,
                      _("The loader knows no way to write a space or a colon in %s: put nod into a "
                        "folder without them."),
                      path);
    return 0;
}

int run_environment(const char *preload, const char *words)
{
    const char *others = getenv("LD_PRELOAD");
    size_t size = strlen(preload) + (others ? strlen(others) : 0) + 2;
    char *list = malloc(size);
    bool done = list != NULL;
    if (done) {
        snprintf(list, size, "%s%s%s", preload, others && *others ? ":" : "", others ? others : "");
        done = setenv("LD_PRELOAD", list, 1) == 0 && setenv("NOD_NET", words, 1) == 0;
    }
    free(list);
    return done ? 0 : refuse(CMD_SYSTEM, "%s", _("There is no memory."));
}

/* Its start. */

/* In the child: tells the parent through `tell` what went wrong, if anything does. */
static void become(char **program, const char *path, const sigset_t *mask, int tell)
{
    signal(SIGPIPE, SIG_DFL);
    if (sigprocmask(SIG_SETMASK, mask, NULL) == 0) {
        execv(path, program);
        /* A script without a first line that says whose. */
        if (errno == ENOEXEC) execvp(path, program);
    }
    int error = errno;
    ssize_t told = write(tell, &error, sizeof error);
    (void)told;
    _exit(RUN_NOT_RUN);
}

int run_program_start(char **program, const char *path, const sigset_t *mask, pid_t *pid)
{
    int tell[2], error = 0;
    if (pipe2(tell, O_CLOEXEC) != 0)
        return refuse(CMD_SYSTEM, _("%s cannot be run: %s."), path, strerror(errno));
    *pid = fork();
    if (*pid == 0) become(program, path, mask, tell[1]);
    if (*pid < 0) error = errno;
    close(tell[1]);
    if (*pid > 0 && read(tell[0], &error, sizeof error) != sizeof error) error = 0;
    close(tell[0]);
    if (!error) return 0;
    if (*pid > 0) waitpid(*pid, NULL, 0);
    return refuse(RUN_NOT_RUN, _("%s cannot be run: %s."), path, strerror(error));
}
