/* A private network with the Linux kernel at one end of a TUN and a nod stack at the other,
 * in one process. */
#ifndef INTEROP_WORLD_H
#define INTEROP_WORLD_H

#include "nod/loop.h"

#include <stdbool.h>
#include <sys/socket.h>

#define PORT 7777
#define SKIPPED 77 /* what CTest takes for a test that was skipped */
#define PATIENCE (100 * NOD_SEC)

typedef struct world {
    nod_loop loop;
    int family;         /* 4 or 6 */
    nod_addr own, host; /* nod's address and the kernel's */
    uint64_t seed;
    nod_usec started;
    const char *name; /* of the case, for the command that runs it again */
} world;

typedef struct world_config {
    bool plain;       /* no offload */
    bool tap;         /* Ethernet, with ARP and neighbour discovery */
    bool probe;       /* addresses are probed before they are used; nod has none yet */
    bool calm;        /* the kernel sends nothing again before 200 ms, however fast the link */
    bool finds_holes; /* the kernel does as nod does by itself (RFC 4821) */
    const nod_path_config *harm; /* or NULL */
    nod_usec rto_min_us, msl_us; /* 0: the default */
    bool tunes;                  /* buffers begin as they do by default, and not with 1 MiB */
    enum nod_ecn ecn; /* what both ends ask for and accept; the kernel the classic kind */
    const char *pcap; /* or NULL */
} world_config;

/* Ends the process with SKIPPED and a reason where the system allows no such world. */
void world_open(world *w, const char *name, int family, const world_config *config);
/* Fails unless the capture could be written. */
void world_close(world *w);

/* Turns the loop once; fails if it does, or if the test has run for longer than PATIENCE. */
void world_turn(world *w, struct pollfd *extra, int extras, nod_usec until);
/* Takes in what the kernel has sent, without answering. */
void world_in(world *w);
/* Sends what is due, without taking anything in. */
void world_out(world *w);
/* Turns until nothing has happened for a moment. */
void world_settle(world *w);

/* Writes a setting of the private network, named below /proc/sys. False where that is not
 * allowed, as in some containers. */
bool world_setting(const char *name, const char *text);

/* Ends the process with a sentence, and says how to run the case again. */
__attribute__((format(printf, 2, 3), noreturn)) void world_fail(const world *w, const char *format,
                                                                ...);
#define CHECK(w, condition, ...)                      \
    do {                                              \
        if (!(condition)) world_fail(w, __VA_ARGS__); \
    } while (0)

/* A kernel socket address. Returns its length. */
socklen_t world_sockaddr(const nod_addr *addr, uint16_t port, struct sockaddr_storage *out);

/* nod's open, to the kernel's end, or passive; fails if it is refused. */
nod_handle world_nod_open(world *w, bool passive);
/* A kernel socket that listens on its end, or that connects to nod's without waiting. */
int world_kernel_listen(world *w);
int world_kernel_connect(world *w);
enum nod_state world_state(world *w, nod_handle handle);

#endif
