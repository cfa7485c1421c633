/* netcat.h: the parts of `nod listen` and `nod connect`. */
#ifndef NOD_CMD_NETCAT_H
#define NOD_CMD_NETCAT_H

#include "child.h"
#include "netcat_options.h"
#include "nod/loop.h"
#include "nod/report.h"

#define NETCAT_BUFFER (64 * 1024)

typedef struct netcat {
    netcat_options options;
    nod_loop loop;
    nod_endpoint peer; /* connect: where to */
    nod_child child;
    sigset_t old_mask;
    int signals; /* a signalfd; -1 */
    int asked;   /* where `nod ss` asks; negative: nowhere */
    char asked_path[NOD_REPORT_PATH];
    bool interrupted;
    bool progress_shown, terminal; /* of standard error */
    nod_usec progress_next;

    /* The conversation. */
    nod_handle conn;
    bool open;         /* ESTABLISHED has been seen */
    int error;         /* why it failed; 0 */
    nod_usec opened;   /* when */
    bool input_ended;  /* of standard input, for good */
    bool closed;       /* we have said CLOSE */
    bool peer_closed;  /* the peer's stream has ended, and all of it was taken */
    bool output_ended; /* standard output has been closed */
    int output_error;  /* errno of a write that failed */
    uint64_t sent, received;
    size_t in_len, in_off, out_len, out_off;
    uint8_t in[NETCAT_BUFFER], out[NETCAT_BUFFER];
} netcat;

/* talk.c: carries on the conversation on nc->conn until both directions are closed (returns
 * 0) or it has failed (NOD_E...; nc->output_error or nc->interrupted may say why). Gives the
 * handle back. */
int netcat_talk(netcat *nc);

/* netcat.c: one turn of the loop with the signals looked at, and at most NETCAT_FDS more
 * descriptors. 0, or NOD_EIO. */
#define NETCAT_FDS 3
int netcat_turn(netcat *nc, struct pollfd *fds, int count, nod_usec until);

/* report.c: all on standard error. */
__attribute__((format(printf, 2, 3))) void netcat_say(netcat *nc, const char *format, ...);
void netcat_explain(netcat *nc, int error);
void netcat_progress(netcat *nc, nod_usec now);
void netcat_progress_end(netcat *nc);
void netcat_counters(netcat *nc);
void netcat_hook(void *ctx, const nod_trace *trace);
/* "192.0.2.1:80", "[2001:db8::1]:80". Returns buf. */
#define NETCAT_ENDPOINT_TEXT (NOD_ADDR_TEXT + 8)
char *netcat_endpoint(const nod_endpoint *endpoint, char *buf, size_t size);

#endif
