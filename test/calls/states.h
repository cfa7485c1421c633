/* The states in which a program can find a descriptor, each made anew for each call. */
#ifndef CALLS_STATES_H
#define CALLS_STATES_H

#include "peer.h"
#include "say.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the family that is tested now: the program's address, the peer's, one that never answers. */
extern const char *own, *kernel, *silent;
extern int family; /* 4 or 6 */
void set_family(int which);

typedef struct state {
    const char *name;
    int (*make)(void); /* the descriptor; non-blocking if it is TCP */
} state;

extern const state states[], strangers[]; /* TCP sockets; all that is none. Ended by a NULL */

/* A descriptor in the state that is tested now. */
int enter(void);
/* Lets it go, and the peer's end. */
void leave(int fd);
void set_state(const state *which);

extern int other; /* the peer's end of the descriptor made last */

/* One call on a descriptor `fd` in the state that is tested now, made for this call. */
#define EACH(call, ...)                    \
    do {                                   \
        int fd = enter();                  \
        CALL_AS(#call, call, __VA_ARGS__); \
        leave(fd);                         \
    } while (0)

/* One that gives a descriptor, which is closed again. */
#define EACH_OPENS(call)                                     \
    do {                                                     \
        int fd = enter();                                    \
        int opened = say_opened(#call, (errno = 0, (call))); \
        if (opened >= 0 && opened != fd) close(opened);      \
        leave(fd);                                           \
    } while (0)

/* What the scenarios, too, begin with. */
int tcp(void);             /* a socket of the family, blocking */
int tcp_nonblocking(void); /* and not */
int established(void);     /* connected to the peer, non-blocking */
int established_blocking(void);
int full(void); /* with no room to write, and a peer that does not read; non-blocking */
int full_blocking(void);
int accepted(void); /* by us, from the peer, non-blocking */
int listener(int port);

socklen_t at(struct sockaddr_storage *out, const char *address, int port);
int bind_to(int fd, const char *address, int port);
int connect_to(int fd, const char *address, int port);
int local_port(int fd);

/* Wait until it is so, some seconds at most; a line in the print tells when it never was. */
void await_events(int fd, short events);
void await_unread(int fd, int bytes);
void await_acked(int fd);
void await_settled(int fd);              /* what we closed is acknowledged */
void await_tcp_state(int fd, int which); /* TCP_INFO's */
int tcp_state(int fd);
const char *tcp_state_name(int which);

/* Writes until there is no room, and nothing is on its way that would make some. Returns how much
 * that was. */
int fill(int fd);

#endif
