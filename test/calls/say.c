#include "say.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static char where[128];
static char line[4096];
static size_t used;
static volatile sig_atomic_t sigpipes;

static void append(const char *format, va_list args)
{
    int wrote = vsnprintf(line + used, sizeof line - used, format, args);
    if (wrote > 0) used += (size_t)wrote;
    if (used > sizeof line - 2) used = sizeof line - 2;
}

void say_where(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(where, sizeof where, format, args);
    va_end(args);
}

/* The source's line breaks are not the call's. */
static void say_words(const char *call)
{
    for (; *call && used < sizeof line / 2; call++)
        if (*call != '\n' && !(*call == ' ' && used > 0 && line[used - 1] == ' '))
            line[used++] = *call;
    line[used] = 0;
}

void say_begin(const char *call, long got, int error)
{
    used = 0;
    say("%s: ", where);
    say_words(call);
    say(" = %ld", got);
    if (got == -1) say(" %s", say_error(error));
    if (sigpipes) say(" SIGPIPE");
    sigpipes = 0;
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append(format, args);
    va_end(args);
}

/* In one write, so that what a crash leaves is whole lines. */
void say_end(void)
{
    int kept = errno;
    line[used++] = '\n';
    size_t from = 0;
    while (from < used) {
        ssize_t wrote = write(STDOUT_FILENO, line + from, used - from);
        if (wrote < 0 && errno != EINTR) break;
        if (wrote > 0) from += (size_t)wrote;
    }
    used = 0;
    errno = kept;
}

void say_line(const char *format, ...)
{
    va_list args;
    used = 0;
    say("%s: ", where);
    va_start(args, format);
    append(format, args);
    va_end(args);
    say_end();
}

void say_bytes(const void *bytes, long len)
{
    const unsigned char *byte = bytes;
    unsigned sum = 0;
    bool text = len <= 60;
    for (long i = 0; i < len; i++) {
        sum = sum * 31 + byte[i];
        text = text && byte[i] >= ' ' && byte[i] < 127;
    }
    if (text)
        say(" \"%.*s\"", (int)len, (const char *)bytes);
    else
        say(" %ld bytes, sum %08x", len, sum);
}

void say_addr(const struct sockaddr_storage *addr, socklen_t len)
{
    const struct sockaddr_in *four = (const void *)addr;
    const struct sockaddr_in6 *six = (const void *)addr;
    char text[INET6_ADDRSTRLEN] = "?";
    unsigned port;
    if (len < sizeof addr->ss_family) {
        say(" no address");
        return;
    }
    if (addr->ss_family == AF_INET) {
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
        port = ntohs(four->sin_port);
    } else if (addr->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
        port = ntohs(six->sin6_port);
    } else {
        say(" family %d", addr->ss_family);
        return;
    }
    say(" %s", text);
    say(port >= 1024 ? " port *" : " port %u", port);
}

void say_events(const char *name, unsigned events)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {EPOLLIN, "IN"},         {EPOLLPRI, "PRI"},       {EPOLLOUT, "OUT"},
        {EPOLLERR, "ERR"},       {EPOLLHUP, "HUP"},       {EPOLLRDHUP, "RDHUP"},
        {EPOLLRDNORM, "RDNORM"}, {EPOLLRDBAND, "RDBAND"}, {EPOLLWRNORM, "WRNORM"},
        {EPOLLWRBAND, "WRBAND"}, {0x20, "NVAL"},
    };
    say(" %s:", name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (events & names[i].bit) say(" %s", names[i].name);
    if (!events) say(" none");
}

const char *say_error(int error)
{
    const char *name = strerrorname_np(error);
    return name ? name : "?";
}

int say_opened(const char *call, int fd)
{
    int error = errno;
    say_begin(call, fd < 0 ? fd : 0, error);
    if (fd >= 0) say(", a descriptor");
    say_end();
    return fd;
}

static void count(int number)
{
    (void)number;
    sigpipes++;
}

void say_count_sigpipe(void)
{
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    sigaction(SIGPIPE, &action, NULL);
}
