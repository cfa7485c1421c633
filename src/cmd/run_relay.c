#include "run_relay.h"

#include "nod/capture.h"
#include "nod/loop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64
#define MEMORY ((size_t)256 << 20) /* of packets on their way; what comes beyond is lost */
#define SOCKET_BYTES (4 << 20)
#define RETRY_US                                                                    \
    NOD_MSEC /* when the device is full, which it does not say when it no longer is \
              */

/* Packets that were taken from one side and that the other did not take yet. While there are any
 * no more are taken, so a side that is full holds back the other as a device would. */
typedef struct one_way {
    nod_link *from, *to;
    bool outbound;
    int count;
    nod_frame frames[BATCH];
} one_way;

struct run_relay {
    nod_pool *pool;
    nod_link *device; /* with the harm around it */
    nod_link *programs;
    int socket; /* our end of the pair */
    nod_capture *capture;
    int capture_iface;
    int stop; /* an eventfd */
    pthread_t thread;
    bool runs;
    one_way out, in;
};

static void capture(run_relay *relay, const one_way *lane, int from, nod_usec now)
{
    if (!relay->capture) return;
    for (int i = from; i < lane->count; i++)
        nod_capture_packet(relay->capture, relay->capture_iface, now, lane->outbound,
                           &lane->frames[i], NULL);
}

/* Takes a batch and gives what can be given. False: a side is gone. */
static bool carry(run_relay *relay, one_way *lane, nod_usec now)
{
    if (lane->count == 0) {
        int got = nod_link_receive(lane->from, lane->frames, BATCH, now);
        if (got < 0) return false;
        lane->count = got;
        capture(relay, lane, 0, now);
    }
    /* Without frames too: what the harm has delayed may be due. */
    int sent = nod_link_send(lane->to, lane->frames, lane->count, now);
    if (sent < 0) return false;
    lane->count -= sent;
    memmove(lane->frames, lane->frames + sent, (size_t)lane->count * sizeof(nod_frame));
    return true;
}

static nod_usec earlier(nod_usec a, nod_usec b)
{
    return a < b ? a : b;
}

/* Sleeps until there is something to carry. False: it is to end. */
static bool sleep_until_due(run_relay *relay)
{
    nod_usec due = earlier(nod_link_deadline(relay->device), nod_link_deadline(relay->programs));
    nod_usec now = nod_clock();
    if (relay->out.count > 0) due = earlier(due, now + RETRY_US);
    nod_usec left = due > now ? due - now : 0;
    struct timespec timeout = {(time_t)(left / NOD_SEC), (long)(left % NOD_SEC) * 1000};
    struct pollfd fds[] = {
        {.fd = relay->stop, .events = POLLIN},
        {.fd = relay->socket, .events = 0},
        {.fd = relay->in.count == 0 ? nod_link_fd(relay->device) : -1, .events = POLLIN},
    };
    if (relay->out.count == 0) fds[1].events |= POLLIN;
    if (relay->in.count > 0) fds[1].events |= POLLOUT;
    int ready = ppoll(fds, 3, due == NOD_NEVER ? NULL : &timeout, NULL);
    return ready <= 0 || !fds[0].revents;
}

static void *run(void *ctx)
{
    run_relay *relay = ctx;
    bool sound = true;
    while (sound && sleep_until_due(relay)) {
        nod_usec now = nod_clock();
        sound = carry(relay, &relay->out, now) && carry(relay, &relay->in, now);
    }
    /* Who still has the other end is told that there is no network any more. */
    if (!sound) shutdown(relay->socket, SHUT_RDWR);
    return NULL;
}

static int explain(char *why, int error, const char *sentence)
{
    snprintf(why, NOD_LINK_WHY, "%s", sentence);
    return error;
}

static int open_capture(run_relay *relay, const char *path, char *why)
{
    if (!path) return 0;
    nod_iface_config iface;
    relay->capture = nod_capture_open(path, nod_loop_epoch());
    if (!relay->capture) {
        snprintf(why, NOD_LINK_WHY, "%s cannot be written: %s.", path, strerror(errno));
        return NOD_EIO;
    }
    nod_link_iface(relay->device, &iface);
    relay->capture_iface =
        nod_capture_iface(relay->capture, nod_link_name(relay->device), iface.kind);
    return 0;
}

static int make_device(run_relay *relay, const net_options *options, const nod_tun_config *tun,
                       char *why)
{
    int error = 0;
    relay->pool = nod_pool_new(NULL, MEMORY);
    if (!relay->pool) return explain(why, NOD_ENOMEM, "There is no memory for packets.");
    relay->device = nod_link_tun(relay->pool, tun, &error, why);
    if (!relay->device || !options->harm) return error;
    nod_link *harmed =
        nod_link_harm(relay->device, relay->pool, &options->path, &options->path, options->seed);
    if (!harmed) return explain(why, NOD_ENOMEM, "There is no memory for the bad network.");
    relay->device = harmed;
    return 0;
}

/* The more a socket takes the less it wakes; a system's limit is good enough too. */
static void widen(int fd)
{
    int bytes = SOCKET_BYTES;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static int make_pair(run_relay *relay, const nod_tun_config *tun, int *end, char *why)
{
    int ends[2];
    nod_tun_config inside = *tun;
    inside.name = nod_link_name(relay->device);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return explain(why, NOD_EIO, "The system gives no pair of sockets.");
    widen(ends[0]);
    widen(ends[1]);
    relay->socket = ends[0];
    *end = ends[1];
    relay->programs = nod_link_adopt(relay->pool, ends[0], &inside);
    return relay->programs ? 0 : explain(why, NOD_ENOMEM, "There is no memory for packets.");
}

static int make_thread(run_relay *relay, char *why)
{
    relay->stop = eventfd(0, EFD_CLOEXEC);
    relay->out = (one_way){.from = relay->programs, .to = relay->device, .outbound = true};
    relay->in = (one_way){.from = relay->device, .to = relay->programs};
    if (relay->stop < 0 || pthread_create(&relay->thread, NULL, run, relay) != 0)
        return explain(why, NOD_EIO, "The system gives no thread.");
    relay->runs = true;
    return 0;
}

static void let_go(one_way *lane)
{
    for (int i = 0; i < lane->count; i++) nod_frame_release(&lane->frames[i]);
}

int relay_stop(run_relay *relay, nod_link_stats *stats)
{
    const uint64_t one = 1;
    if (relay->runs && write(relay->stop, &one, sizeof one) == sizeof one)
        pthread_join(relay->thread, NULL);
    if (stats && relay->device) nod_link_get_stats(relay->device, stats);
    let_go(&relay->out);
    let_go(&relay->in);
    int error = relay->capture ? nod_capture_close(relay->capture) : 0;
    nod_link_close(relay->programs);
    nod_link_close(relay->device);
    if (relay->socket >= 0) close(relay->socket);
    if (relay->stop >= 0) close(relay->stop);
    nod_pool_free(relay->pool);
    free(relay);
    return error;
}

const char *relay_device(const run_relay *relay)
{
    return nod_link_name(relay->device);
}

run_relay *relay_start(const net_options *options, const nod_tun_config *tun, int *end, int *error,
                       char *why)
{
    run_relay *relay = calloc(1, sizeof *relay);
    *end = -1;
    *error = NOD_ENOMEM;
    if (!relay) {
        explain(why, NOD_ENOMEM, "There is no memory.");
        return NULL;
    }
    relay->socket = relay->stop = -1;
    *error = make_device(relay, options, tun, why);
    if (!*error) *error = open_capture(relay, options->pcap, why);
    if (!*error) *error = make_pair(relay, tun, end, why);
    if (!*error) *error = make_thread(relay, why);
    if (!*error) return relay;
    if (*end >= 0) close(*end);
    relay_stop(relay, NULL);
    return NULL;
}
