/* nod/report.h: what running stacks tell other processes of the same user: the ground of
 * `nod ss` and `nod stat`. In libnod-posix.
 *
 * Who serves a stack listens on a Unix socket in a folder that only this user may enter
 * ($XDG_RUNTIME_DIR/nod, else /tmp/nod-UID), and hands whoever connects a snapshot: one
 * message of a byte, and a sealed descriptor of memory. So a peer that does not read, or that
 * talks nonsense, costs nothing and holds nobody up. */
#ifndef NOD_REPORT_H
#define NOD_REPORT_H

#include "nod/link.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NOD_REPORT_PATH 108
#define NOD_REPORT_NAME 32
#define NOD_REPORT_STATUS_MAX 131072 /* records in one snapshot at most */

/* Makes a socket, named by the process's id, and listens on it. Returns its descriptor, which
 * is readable when somebody asks, and its path for nod_report_close; or NOD_EPERM (the folder
 * is somebody else's, or open to others), NOD_EEXIST (this process has one already), NOD_EIO. */
int nod_report_open(char path[NOD_REPORT_PATH]);

/* Answers all who ask now, without waiting for any. `link` may be NULL. `name` is what people
 * call the stack. The stack must not change meanwhile. */
void nod_report_answer(int listener, nod_stack *stack, const nod_link_stats *link,
                       const char *name);

void nod_report_close(int listener, const char *path);

/* A stack as it was when it was asked. */
typedef struct nod_report {
    char name[NOD_REPORT_NAME];
    int pid; /* of the process that serves it */
    nod_stack_stats stack;
    bool has_link;
    nod_link_stats link;
    nod_pool_stats pool;
    uint32_t left_out; /* records beyond NOD_REPORT_STATUS_MAX */
    uint32_t count;
    nod_status *status; /* count of them, in no order */
} nod_report;

/* The sockets of this user's processes, by rising process id; what processes that died have
 * left behind is removed. Returns how many there are, and the first `max` of them. */
int nod_report_find(char (*paths)[NOD_REPORT_PATH], int max);

/* Asks one, and waits for the answer until `patience` is over. 0, or NOD_ENOCONN (it has ended
 * meanwhile), NOD_ETIMEDOUT, NOD_EUNSUPPORTED (it is of another version of nod), NOD_ENOMEM,
 * NOD_EIO. */
int nod_report_ask(const char *path, nod_usec patience, nod_report *out);
void nod_report_free(nod_report *report);

#ifdef __cplusplus
}
#endif
#endif
