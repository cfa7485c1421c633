/* kernel.h: the Linux kernel's TCP at the other end of a TUN, in a private network namespace:
 * nod opens a connection to a server that is an ordinary socket of this same process. */
#ifndef NOD_CMD_KERNEL_H
#define NOD_CMD_KERNEL_H

#include "nod/capture.h"
#include "nod/link.h"
#include "options.h"

struct kernel_state;

struct kernel_watch {
    const struct watch_options *options;
    nod_pool *pool; /* the stack's */
    nod_stack *stack;
    nod_link *link;
    nod_path *path[2]; /* what leaves LEFT and RIGHT */
    nod_endpoint end[2];
    nod_capture *capture;
    nod_usec msl;
    nod_usec start;             /* of the clock: times on the picture begin at 0 */
    struct kernel_state *state; /* asks for the kernel's states; NULL where it cannot be asked */
    int listener;               /* the server's socket */

    /* Called again and again while the ladder grows: all before `settled` is known. */
    void (*draw)(void *ctx, struct ladder *ladder, nod_usec now, nod_usec settled);
    void *draw_ctx;
};

/* Makes the namespace, the TUN, the stack and the server. Returns 0, or a negative error and
 * in why[256] a phrase that says what is missing; then nothing is left open. */
int kernel_open(struct kernel_watch *kernel, const struct watch_options *options, char *why);
/* Writes the reason, without a full stop; returns the error. */
int kernel_fail(char *why, int error, const char *what);

void kernel_addresses(const struct kernel_watch *kernel, char address[2][64]);

/* Opens the capture that --pcap asks for, if it does. 0, or NOD_EIO and why. */
int kernel_capture(struct kernel_watch *kernel, char *why);

/* Runs the connection from its SYN until TIME-WAIT is over. 0, or an error and why. */
int kernel_run(struct kernel_watch *kernel, struct ladder *ladder, char *why);
void kernel_close(struct kernel_watch *kernel);

#endif
