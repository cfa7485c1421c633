/* One line a call: where, the call in the words of the source, its result, the error's name, and
 * what it wrote. The compared prints are made of nothing else. */
#ifndef CALLS_SAY_H
#define CALLS_SAY_H

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

/* Sets what stands before each line from here on: "established". */
__attribute__((format(printf, 1, 2))) void say_where(const char *format, ...);

/* Begins the line of a call that gave `got`, and -1 means `error`. */
void say_begin(const char *call, long got, int error);
/* Adds a word to it. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
void say_end(void);

/* A line that is no call's: what a test saw. */
__attribute__((format(printf, 1, 2))) void say_line(const char *format, ...);

void say_bytes(const void *bytes, long len);
/* Addresses with their ports; a port that the system chose is "*". */
void say_addr(const struct sockaddr_storage *addr, socklen_t len);
void say_events(const char *name, unsigned events); /* poll's and epoll's are the same bits */
const char *say_error(int error);

/* SIGPIPE is counted; say_begin tells of it. */
void say_count_sigpipe(void);

/* CALL(recv(fd, buf, 10, 0), say_bytes(buf, got)): makes the call and says its line. What
 * follows the call is done when it gave no error; `got` is its result. */
#define CALL(call, ...) CALL_AS(#call, call, __VA_ARGS__)
#define CALL_AS(text, call, ...)       \
    do {                               \
        errno = 0;                     \
        const long got = (long)(call); \
        say_begin(text, got, errno);   \
        if (got >= 0) {                \
            __VA_ARGS__;               \
        }                              \
        say_end();                     \
    } while (0)

/* A call that gives a descriptor, whose number is not said. */
#define OPENED(call) say_opened(#call, (errno = 0, (call)))
int say_opened(const char *call, int fd);

#endif
