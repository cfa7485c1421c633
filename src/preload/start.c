/* The beginning: the network is found before the program's first step, or there is no program.
 * Never is it on the kernel's TCP without anybody knowing. */
#include "preload.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NET "NOD_NET="
#define CANNOT 3 /* the status of the command, too, when the system cannot */

char preload_path[PATH_MAX];

char preload_net_variable[sizeof NET + NOD_NET_WORDS] = NET;

void preload_say(const char *format, ...)
{
    char text[NOD_LINK_WHY + PATH_MAX];
    va_list args;
    int error = errno;
    int len = snprintf(text, sizeof text, "nod: ");
    va_start(args, format);
    len += vsnprintf(text + len, sizeof text - (size_t)len - 1, format, args);
    va_end(args);
    if (len > (int)sizeof text - 2) len = (int)sizeof text - 2;
    text[len++] = '\n';
    ssize_t told = write(STDERR_FILENO, text, (size_t)len);
    (void)told;
    errno = error;
}

__attribute__((constructor)) static void start(void)
{
    char why[NOD_LINK_WHY] = "";
    Dl_info self;
    const char *words = getenv("NOD_NET");
    for (int i = 0; i < PRELOAD_COUNT; i++) preload_find((enum preload_call)i);
    if (dladdr(preload_path, &self) != 0 && strlen(self.dli_fname) < sizeof preload_path)
        strcpy(preload_path, self.dli_fname);
    if (!words || strlen(words) >= NOD_NET_WORDS) {
        preload_say("This program was to run on nod's TCP, but the environment does not say on "
                    "which network (NOD_NET): start it with 'nod run'.");
        _exit(CANNOT);
    }
    strcpy(preload_net_variable + strlen(NET), words);
    if (nod_net_import(words, why) != 0) {
        preload_say("%s", why);
        _exit(CANNOT);
    }
    for (int fd = 0; fd < 3; fd++) preload_follow(fd);
}
