/* The peer: a process on the kernel's TCP at the other end of the device. It does what it is
 * told over a Unix socket, and nothing else, so that a run has no luck in it. */
#ifndef CALLS_PEER_H
#define CALLS_PEER_H

#include <stdint.h>

enum {
    PEER_PORT = 700,   /* the peer listens here */
    PEER_TIGHT = 701,  /* and here, with a small receive buffer */
    PEER_NOBODY = 709, /* and not here */
    OWN_PORT = 810,    /* where the tested program listens */
};

/* Starts the peer: this program again, without LD_PRELOAD, in the network namespace of the
 * descriptor (-1: in ours). */
void peer_start(int netns);
/* What the process does that was started so. */
int peer_main(int control);

/* Connections have numbers from 0, each family's address is the peer's. All wait until it is
 * done, 5 s at most. */
int peer_accept(int port, int from_port); /* of the connection that came from this port */
int peer_connect(int family, int to_port);
void peer_send(int conn, int bytes); /* "abcdefghijklmnopqrstuvwxyzabc..." */
void peer_send_urgent(int conn);     /* "!" */
void peer_shut(int conn);
void peer_close(int conn);
void peer_reset(int conn);
long peer_read(int conn, int bytes);  /* so many; fewer when the stream ends, -errno if in error */
long peer_end(int conn);              /* all up to the end of the stream */
int peer_text(char *bytes, int size); /* the beginning of what was read last */
void peer_forget(void);               /* resets all that it has */

/* The next command is done only after so many milliseconds, and not waited for. */
void peer_after(int ms);

#endif
