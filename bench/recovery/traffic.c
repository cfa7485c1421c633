/* The traffic of bench/recovery: ordinary sockets, so that the same program runs on the kernel's
 * TCP and on nod's. Who connects is who receives, and asks the sender for so much.
 *
 *     traffic send PORT CONGESTION [SAMPLES]     serves until it is killed; one line a flow
 *     traffic flow ADDRESS PORT SECONDS [FLOWS]  as much as comes in that time; one line a flow
 *     traffic fetch ADDRESS PORT OCTETS TIMES SECONDS   one after the other; one line each
 *     traffic echo PORT                          UDP, comes back as it is
 *     traffic probe ADDRESS PORT MS SECONDS      round trips of small datagrams; one line
 *
 * Lines are TSV, and the first field says which of them it is. Times are seconds, or
 * milliseconds where the name says so. With SAMPLES, a file, a sender notes TCP_INFO each 50 ms. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (256 * 1024)
#define FLOWS 64
#define PROBES 16384
#define SAMPLE 0.05 /* seconds */

/* What a receiver asks for, in the machine's order: both ends are on it. */
struct request {
    uint64_t octets; /* 0 for as many as fit into the time */
    double seconds;
};

struct flow {
    struct sockaddr_in peer;
    double seconds;
    uint64_t octets, late_octets; /* all, and those of the second half */
    int error;
};

static FILE *samples;
static volatile sig_atomic_t stopped;
static char chunk[CHUNK];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int fail(const char *what)
{
    fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Waits until the socket is ready for `events`, at most until then. */
static bool ready(int fd, short events, double until)
{
    struct pollfd p = {.fd = fd, .events = events};
    double left = until > now() ? until - now() : 0;
    struct timespec time = {.tv_sec = (time_t)left};
    time.tv_nsec = (long)((left - (double)time.tv_sec) * 1e9);
    return ppoll(&p, 1, &time, NULL) == 1;
}

/* The sender. */

static struct tcp_info get_info(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info;
}

static void sample(int fd, double begin, uint64_t octets)
{
    struct tcp_info i = get_info(fd);
    fprintf(
        samples,
        "%d\t%.3f\t%llu\t%u\t%u\t%u\t%.3f\t%.3f\t%u\t%u\t%u\t%u\t%u\t%u\t%u\t%u\t%u\t%u\t%llu\n",
        fd, now() - begin, (unsigned long long)octets, i.tcpi_snd_cwnd,
        i.tcpi_snd_ssthresh > 999999 ? 0 : i.tcpi_snd_ssthresh, i.tcpi_snd_wnd, i.tcpi_rtt / 1e3,
        i.tcpi_rttvar / 1e3, i.tcpi_rto / 1000, i.tcpi_ca_state, i.tcpi_unacked, i.tcpi_sacked,
        i.tcpi_lost, i.tcpi_retrans, i.tcpi_total_retrans, i.tcpi_dsack_dups, i.tcpi_reord_seen,
        i.tcpi_notsent_bytes, (unsigned long long)i.tcpi_pacing_rate);
}

static void tell_sent(int fd, double begin, uint64_t octets)
{
    struct tcp_info i = get_info(fd);
    char name[16] = "?";
    socklen_t size = sizeof name;
    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size);
    flockfile(stdout);
    printf("sent\t%.16s\t%llu\t%.3f\t%u\t%llu\t%u\t%u\t%u\t%u\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%u\t%"
           "u\n",
           name, (unsigned long long)octets, now() - begin, i.tcpi_total_retrans,
           (unsigned long long)i.tcpi_bytes_retrans, i.tcpi_dsack_dups, i.tcpi_reord_seen,
           i.tcpi_snd_cwnd, i.tcpi_snd_ssthresh > 999999 ? 0 : i.tcpi_snd_ssthresh,
           i.tcpi_rtt / 1e3, i.tcpi_min_rtt == UINT32_MAX ? 0 : i.tcpi_min_rtt / 1e3,
           (double)i.tcpi_busy_time / 1e6, (double)i.tcpi_rwnd_limited / 1e6,
           (double)i.tcpi_sndbuf_limited / 1e6, i.tcpi_data_segs_out, i.tcpi_snd_mss);
    fflush(stdout);
    funlockfile(stdout);
}

/* Sends until all is with TCP or the time is over; how much TCP has taken. */
static uint64_t send_all(int fd, const struct request *request, double begin)
{
    uint64_t sent = 0;
    double end = begin + request->seconds, next = begin;
    while (now() < end && (request->octets == 0 || sent < request->octets)) {
        uint64_t left = request->octets ? request->octets - sent : CHUNK;
        ssize_t n = send(fd, chunk, left < CHUNK ? left : CHUNK, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) break;
        if (n > 0) sent += (uint64_t)n;
        double wake = end;
        if (samples) {
            if (now() >= next) {
                sample(fd, begin, sent);
                next += SAMPLE;
            }
            wake = next < end ? next : end;
        }
        if (n < 0) ready(fd, POLLOUT, wake);
    }
    return sent;
}

/* A long flow is cut off when its time is over; of a short one the peer has to hear all, and the
 * end too. */
static void *serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct request request = {0};
    if (recv(fd, &request, sizeof request, MSG_WAITALL) == sizeof request) {
        double begin = now();
        uint64_t sent = send_all(fd, &request, begin);
        if (request.octets) {
            char nothing;
            shutdown(fd, SHUT_WR);
            if (ready(fd, POLLIN, begin + request.seconds)) recv(fd, &nothing, 1, 0);
        }
        tell_sent(fd, begin, sent);
    }
    struct linger at_once = {.l_onoff = request.octets == 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    return NULL;
}

static int serve(uint16_t port, const char *congestion)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    socklen_t length = (socklen_t)strlen(congestion);
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, length) != 0)
        return fail(congestion), 4;
    if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0) return fail("bind");
    if (listen(fd, 64) != 0) return fail("listen");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int each = accept(fd, NULL, NULL);
        pthread_t thread;
        if (each < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            return fail("accept");
        }
        if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)each) != 0)
            return fail("threads");
        pthread_detach(thread);
    }
}

/* The receiver. */

static int ask(const struct sockaddr_in *peer, uint64_t octets, double seconds)
{
    struct request request = {octets, seconds};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)peer, sizeof *peer) == 0 &&
        send(fd, &request, sizeof request, MSG_NOSIGNAL) == sizeof request)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The clock runs from the request to the end of the time, whatever is still on its way then. */
static void *receive_flow(void *arg)
{
    struct flow *flow = arg;
    char *room = malloc(CHUNK);
    int fd = ask(&flow->peer, 0, flow->seconds);
    if (fd < 0 || !room) {
        flow->error = errno;
        free(room);
        return NULL;
    }
    double begin = now(), end = begin + flow->seconds, half = begin + flow->seconds / 2;
    while (now() < end) {
        if (!ready(fd, POLLIN, end)) continue;
        ssize_t n = recv(fd, room, CHUNK, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break;
        if (n > 0 && now() < end) flow->octets += (uint64_t)n;
        if (n > 0 && now() >= half) flow->late_octets += (uint64_t)n;
    }
    close(fd);
    free(room);
    return NULL;
}

static int receive_flows(const struct sockaddr_in *peer, double seconds, int count)
{
    struct flow flows[FLOWS];
    pthread_t threads[FLOWS];
    int error = 0;
    if (count < 1 || count > FLOWS) return fail("number of flows");
    for (int i = 0; i < count; i++) {
        flows[i] = (struct flow){.peer = *peer, .seconds = seconds};
        if (pthread_create(&threads[i], NULL, receive_flow, &flows[i]) != 0) return fail("threads");
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        if (flows[i].error) error = errno = flows[i].error;
        printf("flow\t%.6f\t%.6f\n", (double)flows[i].octets * 8e-6 / seconds,
               (double)flows[i].late_octets * 8e-6 / (seconds / 2));
    }
    return error ? fail("connect") : 0;
}

/* From the first SYN to the last octet. */
static double fetch_one(const struct sockaddr_in *peer, uint64_t octets, double limit)
{
    static char room[CHUNK];
    double begin = now();
    uint64_t got = 0;
    int fd = ask(peer, octets, limit);
    if (fd < 0) return -1;
    while (got < octets && ready(fd, POLLIN, begin + limit)) {
        ssize_t n = recv(fd, room, sizeof room, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break;
        if (n > 0) got += (uint64_t)n;
    }
    double took = now() - begin;
    close(fd);
    return got == octets ? took : -1;
}

/* Stops when the time is over: then fewer were fetched than was asked for. */
static int fetch(const struct sockaddr_in *peer, uint64_t octets, int times, double seconds)
{
    double begin = now();
    for (int i = 0; i < times && now() < begin + seconds; i++) {
        double limit = begin + seconds - now() + 10;
        printf("fetched\t%llu\t%.3f\n", (unsigned long long)octets,
               1000 * fetch_one(peer, octets, limit));
        fflush(stdout);
    }
    return 0;
}

/* The probe. */

struct datagram {
    uint32_t number;
    double sent;
};

static int echo(uint16_t port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)}, peer;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0) return fail("bind");
    for (;;) {
        struct datagram d;
        socklen_t size = sizeof peer;
        ssize_t n = recvfrom(fd, &d, sizeof d, 0, (struct sockaddr *)&peer, &size);
        if (n < 0 && errno != EINTR) return fail("recvfrom");
        if (n > 0) sendto(fd, &d, (size_t)n, 0, (struct sockaddr *)&peer, size);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double nth(const double *sorted, size_t count, double share)
{
    return count ? sorted[(size_t)(share * (double)(count - 1) + 0.5)] : -1;
}

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

/* Until the time is over, or SIGTERM. Median, 95th of a hundred, least; how many went and came
 * back; and by how much one in twenty was sent too late, which tells what the machine had to spare.
 */
static int probe(const struct sockaddr_in *peer, double every, double seconds)
{
    static double trips[PROBES], late[PROBES];
    size_t count = 0;
    struct datagram d = {0};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    double begin = now(), next = begin, end = begin + seconds;
    signal(SIGTERM, stop);
    if (connect(fd, (const struct sockaddr *)peer, sizeof *peer) != 0) return fail("connect");
    while (!stopped && now() < end) {
        if (now() >= next && d.number < PROBES) {
            struct datagram out = {d.number, now()};
            late[d.number++] = 1000 * (out.sent - next);
            send(fd, &out, sizeof out, 0);
            next += every;
        }
        struct datagram in;
        if (!ready(fd, POLLIN, next < end ? next : end)) continue;
        if (recv(fd, &in, sizeof in, MSG_DONTWAIT) == sizeof in && count < PROBES)
            trips[count++] = 1000 * (now() - in.sent);
    }
    qsort(trips, count, sizeof trips[0], compare);
    qsort(late, d.number, sizeof late[0], compare);
    printf("probe\t%.3f\t%.3f\t%.3f\t%u\t%zu\t%.3f\n", nth(trips, count, 0.5),
           nth(trips, count, 0.95), nth(trips, count, 0), d.number, count,
           nth(late, d.number, 0.95));
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "traffic send PORT CONGESTION [SAMPLES],\n"
                    "flow ADDRESS PORT SECONDS [FLOWS], fetch ADDRESS PORT OCTETS TIMES SECONDS,\n"
                    "echo PORT, or probe ADDRESS PORT MS SECONDS\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    struct sockaddr_in peer = {.sin_family = AF_INET};
    if (strcmp(what, "send") == 0 && (argc == 4 || argc == 5)) {
        if (argc == 5 && !(samples = fopen(argv[4], "w"))) return fail(argv[4]);
        if (samples) setvbuf(samples, NULL, _IOLBF, BUFSIZ);
        return serve((uint16_t)atoi(argv[2]), argv[3]);
    }
    if (strcmp(what, "echo") == 0 && argc == 3) return echo((uint16_t)atoi(argv[2]));
    if (argc < 5 || inet_pton(AF_INET, argv[2], &peer.sin_addr) != 1) return usage();
    peer.sin_port = htons((uint16_t)atoi(argv[3]));
    if (strcmp(what, "flow") == 0)
        return receive_flows(&peer, atof(argv[4]), argc > 5 ? atoi(argv[5]) : 1);
    if (strcmp(what, "fetch") == 0 && argc == 7)
        return fetch(&peer, strtoull(argv[4], NULL, 10), atoi(argv[5]), atof(argv[6]));
    if (strcmp(what, "probe") == 0 && argc == 6)
        return probe(&peer, atof(argv[4]) / 1000, atof(argv[5]));
    return usage();
}
