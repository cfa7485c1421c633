/* What a program that is executed needs to find the network again: NOD_NET and LD_PRELOAD.
 * Programs that make an environment of their own for their children leave them out. */
#include "preload.h"

#include <string.h>
#include <sys/mman.h>

#define NET "NOD_NET="
#define PRELOAD "LD_PRELOAD="

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Whether our path is one of those in an LD_PRELOAD, which are parted by spaces or colons. */
static bool names_us(const char *list)
{
    size_t len = strlen(preload_path);
    for (const char *at = list; (at = strstr(at, preload_path)); at++) {
        bool starts = at == list || at[-1] == ':' || at[-1] == ' ';
        if (starts && (at[len] == 0 || at[len] == ':' || at[len] == ' ')) return true;
    }
    return false;
}

typedef struct needs {
    size_t count;        /* of variables */
    const char *preload; /* what is in LD_PRELOAD now; or NULL */
    bool net_is_right;
} needs;

static needs look(char *const env[])
{
    needs found = {0};
    for (; env && env[found.count]; found.count++) {
        const char *variable = env[found.count];
        if (begins(variable, PRELOAD)) found.preload = variable + strlen(PRELOAD);
        if (strcmp(variable, preload_net_variable) == 0) found.net_is_right = true;
    }
    return found;
}

/* Both in one piece of memory from the system: its size, the variables, the text. */
char **preload_env(char *const env[])
{
    needs found = look(env);
    if (found.net_is_right && found.preload && names_us(found.preload)) return (char **)env;
    const char *others = found.preload ? found.preload : "";
    size_t slots = (found.count + 4) * sizeof(char *);
    size_t size = slots + strlen(PRELOAD) + strlen(preload_path) + strlen(others) + 2;
    char **room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return (char **)env;
    memcpy(room, &size, sizeof size);
    char **made = room + 1;
    size_t count = 0;
    for (size_t i = 0; i < found.count; i++)
        if (!begins(env[i], NET) && !begins(env[i], PRELOAD)) made[count++] = env[i];
    char *text = (char *)room + slots;
    made[count++] = preload_net_variable;
    made[count++] = text;
    made[count] = NULL;
    text = stpcpy(text, PRELOAD);
    if (names_us(others)) {
        stpcpy(text, others);
        return made;
    }
    text = stpcpy(text, preload_path);
    if (*others) stpcpy(stpcpy(text, ":"), others);
    return made;
}

void preload_env_free(char **made, char *const env[])
{
    size_t size;
    if (made == (char **)env) return;
    memcpy(&size, made - 1, sizeof size);
    munmap(made - 1, size);
}
