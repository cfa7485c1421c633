/* kernel_state.h: the state of one of the Linux kernel's connections, asked by sock_diag. */
#ifndef NOD_CMD_KERNEL_STATE_H
#define NOD_CMD_KERNEL_STATE_H

#include "nod/tcp.h"

struct kernel_state;

/* NULL when the kernel does not answer such questions. */
struct kernel_state *kernel_state_open(void);
void kernel_state_close(struct kernel_state *asker);

/* The state of the connection from port `local` to port `remote`: CLOSED when there is none
 * (any more). Returns NOD_EIO when the kernel did not answer. */
int kernel_state_ask(struct kernel_state *asker, int family, uint16_t local, uint16_t remote,
                     enum nod_state *out);

#endif
