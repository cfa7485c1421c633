/* Programs that are executed: they get what they need to find the network, and those that
 * cannot be carried are said. */
#include "preload.h"

#include "nod/program.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* The file that execvp would run: the first in PATH that may be. */
static bool find_in_path(const char *file, char path[PATH_MAX])
{
    const char *list = getenv("PATH");
    if (!list) list = "/bin:/usr/bin";
    for (;; list++) {
        size_t len = strcspn(list, ":");
        int need = snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, list, len ? "/" : "", file);
        if (need < PATH_MAX && access(path, X_OK) == 0) return true;
        list += len;
        if (!*list) return false;
    }
}

/* Says when a program's TCP will not be nod's. Refuses (with errno) one that was given a
 * connection, for it could do nothing with it, and whoever is at its other end would wait. */
static bool refused(const char *path)
{
    char culprit[PATH_MAX];
    enum nod_program kind = nod_program_look(path, culprit);
    if (kind == NOD_PROGRAM_FINE) return false;
    const char *words = nod_program_words(kind);
    for (int fd = 0; fd < 3; fd++) {
        if (!nod_is_socket(fd)) continue;
        preload_say("%s %s, so nod's TCP cannot be put beneath it; it was given a connection of "
                    "nod's, and so is not run.",
                    culprit, words);
        errno = EACCES;
        return true;
    }
    preload_say("%s %s, so nod's TCP cannot be put beneath it: its TCP is the kernel's.", culprit,
                words);
    return false;
}

static bool refused_by_name(const char *file)
{
    char path[PATH_MAX];
    if (strchr(file, '/')) return refused(file);
    return find_in_path(file, path) && refused(path);
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
    if (refused(path)) return -1;
    char **with = preload_env(env);
    nod_exec_prepare();
    int result = REAL(execve)(path, argv, with);
    preload_env_free(with, env);
    return result;
}

EXPORT int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
    if (refused_by_name(file)) return -1;
    char **with = preload_env(env);
    nod_exec_prepare();
    int result = REAL(execvpe)(file, argv, with);
    preload_env_free(with, env);
    return result;
}

EXPORT int execvp(const char *file, char *const argv[])
{
    return execvpe(file, argv, environ);
}

EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (refused(path)) return -1;
    char **with = preload_env(env);
    nod_exec_prepare();
    int result = REAL(fexecve)(fd, argv, with);
    preload_env_free(with, env);
    return result;
}

EXPORT int execveat(int folder, const char *path, char *const argv[], char *const env[], int flags)
{
    char **with = preload_env(env);
    nod_exec_prepare();
    int result = REAL(execveat)(folder, path, argv, with, flags);
    preload_env_free(with, env);
    return result;
}

/* The forms with the arguments one by one. */

static int count_arguments(va_list args)
{
    int count = 1;
    while (va_arg(args, char *)) count++;
    return count;
}

enum form { BY_PATH, BY_NAME, WITH_ENV };

static int exec_list(enum form form, const char *file, const char *first, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t size = ((size_t)count_arguments(again) + 1) * sizeof(char *);
    va_end(again);
    char **argv = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (argv == MAP_FAILED) return -1;
    argv[0] = (char *)first;
    for (int i = 1; first && (argv[i] = va_arg(args, char *)); i++) {
    }
    char *const *env = form == WITH_ENV ? va_arg(args, char *const *) : environ;
    int result = form == BY_NAME ? execvpe(file, argv, env) : execve(file, argv, env);
    munmap(argv, size);
    return result;
}

EXPORT int execl(const char *path, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    int result = exec_list(BY_PATH, path, first, args);
    va_end(args);
    return result;
}

EXPORT int execlp(const char *file, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    int result = exec_list(BY_NAME, file, first, args);
    va_end(args);
    return result;
}

EXPORT int execle(const char *path, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    int result = exec_list(WITH_ENV, path, first, args);
    va_end(args);
    return result;
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
    pid_t made = 0;
    if (refused(path)) return errno;
    char **with = preload_env(env);
    void *held = nod_spawn_prepare();
    int error = REAL(posix_spawn)(&made, path, actions, attributes, argv, with);
    nod_spawned(held, error ? 0 : made);
    preload_env_free(with, env);
    if (!error && pid) *pid = made;
    return error;
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
    pid_t made = 0;
    if (refused_by_name(file)) return errno;
    char **with = preload_env(env);
    void *held = nod_spawn_prepare();
    int error = REAL(posix_spawnp)(&made, file, actions, attributes, argv, with);
    nod_spawned(held, error ? 0 : made);
    preload_env_free(with, env);
    if (!error && pid) *pid = made;
    return error;
}
