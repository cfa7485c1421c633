/* A random world: two hosts, a bad link, and programs at both ends that do as they please. */
#ifndef NOD_TEST_WORLD_H
#define NOD_TEST_WORLD_H

#include <stdio.h>

#include "nod/sim.h"

#define CONNS_MAX 6
#define WORLD_WHY 300
#define TRACE_MAX 200 /* opportunities of a rate that varies */

/* How a program means to end its side of a connection. */
enum ending {
    END_CLOSE, /* sends all, closes, reads to the end */
    END_ABORT,
    END_RELEASE, /* lets go of the name in the middle */
};

/* One end of a connection, and the program that uses it. */
struct side {
    struct conn *conn;
    int host;
    nod_handle handle; /* 0: not opened, or let go of */
    bool leaving;      /* wants to let go, and must try again: there was no memory for it */
    bool was_open, established, done, gone; /* gone: the stack has said CLOSED */
    uint64_t to_send, sent, received;
    uint32_t key; /* of the stream that this side sends */
    bool can_read, can_write, closed, eof;
    enum ending ending;
    uint64_t ends_at; /* bytes sent and received, for those that end in the middle */
    bool close_last;  /* closes only when the peer has */
    bool sees_it_out; /* keeps the name until the stack says CLOSED */
    bool slices;      /* sends and receives without a copy */
    uint32_t write_max, read_max, send_buffer;
    nod_usec think_max; /* pauses between two calls are up to this long */
    nod_usec wake;      /* the program sleeps until then, whatever happens; NOD_NEVER */
    nod_usec patience;  /* gives up then: the peer is no more */
};

struct conn {
    struct world *world;
    int number;
    struct side side[2]; /* 0 opens; 1 accepts, or opens too */
    bool both_open;
    bool rough; /* someone ends it in the middle: the other one may see an error */
    uint16_t port;
};

struct world {
    uint64_t seed;
    nod_sim *sim;
    FILE *ladder; /* NULL: nobody watches */
    int host[2], link, family;
    nod_path_config path[2];
    uint32_t trace_ms[2][TRACE_MAX]; /* of a rate that varies */
    nod_iface_config iface;
    nod_tcp_config tcp[2];
    bool ecn;       /* marks on the way, and ends that ask for them */
    bool tight;     /* little memory: any call may fail for now, and any connection be lost */
    bool fast;      /* Fast Open: only where nothing comes twice, for a SYN may then open twice */
    bool impatient; /* a short user timeout: any connection may be cut off */
    struct conn conn[CONNS_MAX];
    int conns;
    nod_handle listener;
    nod_usec accept_at; /* the listening program is busy until then */
    bool accept_waits;
    nod_usec cable_at; /* when the cable is pulled or put back next; NOD_NEVER */
    bool pulled;
    nod_usec reboot_at; /* when one host loses its memory; NOD_NEVER */
    int reboot_host;
    size_t in_use[2]; /* of the pools, before anything happened */
    bool check_trace;
    uint64_t steps, bytes;
    struct watch *watch;
    char why[WORLD_WHY]; /* what went wrong first */
};

/* Plays one world to its end. Returns false with the reason in `why`. */
bool world_play(uint64_t seed, FILE *ladder, struct world *out);

/* What went wrong first is kept. Returns false. */
__attribute__((format(printf, 2, 3))) bool world_fail(struct world *world, const char *format, ...);

/* A number below `bound`; true once in `n`; a number whose size is random too. */
uint64_t dice(struct world *world, uint64_t bound);
bool one_in(struct world *world, unsigned n);
uint64_t any_size(struct world *world, uint64_t least, uint64_t most);

/* make.c: what the dice say. Tables that grow with the number of names never shrink, so a warm-up
 * lets them grow before memory is compared. */
bool world_make(struct world *world);
void world_warm_up(struct world *world, int host);
size_t world_in_use(struct world *world, int host);

/* side.c: the program at one end. */
void side_make(struct side *side, struct conn *conn, int host);
void side_hurry(struct side *side);
bool side_open(struct side *side);
bool side_heard(struct side *side, const nod_event *event);
bool side_act(struct side *side);
nod_usec side_wake(const struct side *side);
bool side_adopt(struct side *side, nod_handle handle);
void side_vanish(struct side *side); /* with its host */

/* watch.c: what the trace may and may not show; and the ladder. */
struct watch *watch_new(void);
void watch_free(struct watch *watch);
bool watch_step(struct world *world);
void watch_forget(struct watch *watch, int host); /* its stack is a new one */

#endif
