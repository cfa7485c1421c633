/* Standard I/O on a socket of nod's. The C library's streams read and write by calls of its own
 * that nobody can stand before, so a stream on such a descriptor is made of functions. The
 * standard streams follow their descriptors: a server that is given a connection as 0 and 1, and
 * a shell that redirects to one, use them without opening anything. */
#include "preload.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <stdlib.h>

typedef struct stream {
    struct stream *next;
    FILE *file;
    int fd;
} stream;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static stream *streams; /* for fileno, which knows no descriptor of a stream of functions */

static ssize_t take(void *cookie, char *buf, size_t len)
{
    return nod_read(((const stream *)cookie)->fd, buf, len);
}

/* All of it or an error, as the C library's own streams do it. */
static ssize_t give(void *cookie, const char *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t wrote = nod_write(((const stream *)cookie)->fd, buf + done, len - done);
        if (wrote < 0) break;
        done += (size_t)wrote;
    }
    return (ssize_t)done;
}

static void forget(stream *gone)
{
    pthread_mutex_lock(&lock);
    for (stream **at = &streams; *at; at = &(*at)->next) {
        if (*at != gone) continue;
        *at = gone->next;
        break;
    }
    pthread_mutex_unlock(&lock);
    free(gone);
}

static FILE *original[3], *ours[3]; /* of the standard streams; ours: NULL, where not in use */

static FILE **standard(int fd)
{
    return fd == 0 ? &stdin : fd == 1 ? &stdout : &stderr;
}

static int end(void *cookie)
{
    stream *ended = cookie;
    int fd = ended->fd;
    if (fd >= 0 && fd < 3 && ours[fd] == ended->file) {
        *standard(fd) = original[fd];
        ours[fd] = NULL;
    }
    forget(ended);
    return fd < 0 ? 0 : close(fd);
}

static FILE *open_stream(int fd, const char *mode)
{
    stream *made = malloc(sizeof *made);
    if (!made) return NULL;
    made->fd = fd;
    made->file = fopencookie(made, mode, (cookie_io_functions_t){take, give, NULL, end});
    if (!made->file) {
        free(made);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    made->next = streams;
    streams = made;
    pthread_mutex_unlock(&lock);
    return made->file;
}

static stream *stream_of(const FILE *file)
{
    pthread_mutex_lock(&lock);
    stream *found = streams;
    while (found && found->file != file) found = found->next;
    pthread_mutex_unlock(&lock);
    return found;
}

static int number_of(FILE *file, int (*real)(FILE *))
{
    int error = errno;
    int fd = real(file);
    if (fd >= 0) return fd;
    const stream *found = stream_of(file);
    if (!found) return fd;
    errno = error;
    return found->fd;
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
    return nod_is_socket(fd) ? open_stream(fd, mode) : REAL(fdopen)(fd, mode);
}

EXPORT int fileno(FILE *file)
{
    return number_of(file, REAL(fileno));
}

EXPORT int fileno_unlocked(FILE *file)
{
    return number_of(file, REAL(fileno_unlocked));
}

/* What was printed and not written yet moves with the descriptor. */
static void move_pending(FILE *from, FILE *to)
{
    size_t len = __fpending(from);
    if (len > 0) fwrite(from->_IO_write_base, 1, len, to);
    __fpurge(from);
}

static void take_over(int fd)
{
    FILE *made = open_stream(fd, fd == 0 ? "r" : "w");
    if (!made) return;
    if (fd == 2) setvbuf(made, NULL, _IONBF, 0);
    original[fd] = *standard(fd);
    if (fd != 0) move_pending(original[fd], made);
    *standard(fd) = ours[fd] = made;
}

/* The number is somebody else's now. */
static void give_back(int fd)
{
    FILE *made = ours[fd];
    ours[fd] = NULL;
    if (*standard(fd) == made) *standard(fd) = original[fd];
    if (fd != 0) move_pending(made, original[fd]);
    stream *old = stream_of(made);
    if (old) old->fd = -1;
    fclose(made);
}

void preload_follow(int fd)
{
    if (fd < 0 || fd > 2 || nod_is_socket(fd) == (ours[fd] != NULL)) return;
    if (ours[fd])
        give_back(fd);
    else
        take_over(fd);
}

/* dprintf makes a stream for the moment. */

static int print(int fd, const char *format, va_list args)
{
    char *text;
    int len = vasprintf(&text, format, args);
    if (len < 0) return len;
    stream to = {.fd = fd};
    ssize_t wrote = give(&to, text, (size_t)len);
    free(text);
    return wrote == len ? len : -1;
}

EXPORT int vdprintf(int fd, const char *format, va_list args)
{
    return nod_is_socket(fd) ? print(fd, format, args) : REAL(vdprintf)(fd, format, args);
}

EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list args)
{
    return nod_is_socket(fd) ? print(fd, format, args)
                             : REAL(__vdprintf_chk)(fd, flag, format, args);
}

EXPORT int dprintf(int fd, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vdprintf(fd, format, args);
    va_end(args);
    return len;
}

EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = __vdprintf_chk(fd, flag, format, args);
    va_end(args);
    return len;
}
