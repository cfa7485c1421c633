/* Opens and closes, step by step, with the kernel's own view of itself (as `ss -tan` tells
 * it) beside what nod's state says that its peer must be in. */
#include "cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HALF_BYTES (1024 * 1024)

typedef struct pair {
    world w;
    nod_handle conn, listener;
    int kernel, kernel_listener;
} pair;

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), size = strlen(end);
    return len >= size && strcmp(text + len - size, end) == 0;
}

/* What ss says of the connection (not of the listener) on the test's port: "ESTAB"; "" when
 * it knows of none. */
static void kernel_state(const world *w, char *state, size_t size)
{
    char line[512], found[32], local[80], remote[80], port[16];
    snprintf(port, sizeof port, ":%d", PORT);
    snprintf(state, size, "%s", "");
    FILE *ss = popen("ss -tanH", "re");
    CHECK(w, ss, "ss: %s", strerror(errno));
    while (fgets(line, sizeof line, ss))
        if (sscanf(line, "%31s %*s %*s %79s %79s", found, local, remote) == 3 &&
            strcmp(found, "LISTEN") != 0 && (ends_with(local, port) || ends_with(remote, port)))
            snprintf(state, size, "%s", found);
    int status = pclose(ss);
    if (status != 0) {
        printf("skipped: there is no ss here (install iproute2)\n");
        exit(SKIPPED);
    }
}

/* Ours, and the kernel's beside it. `ours` of -1: nod has no record that could be asked. */
static void expect(pair *p, const char *when, int ours, const char *theirs)
{
    char state[32];
    if (ours >= 0) {
        enum nod_state now = world_state(&p->w, p->conn);
        CHECK(&p->w, now == (enum nod_state)ours, "%s: nod is in %s, not in %s", when,
              nod_state_name(now), nod_state_name((enum nod_state)ours));
    }
    kernel_state(&p->w, state, sizeof state);
    CHECK(&p->w, strcmp(state, theirs) == 0, "%s: the kernel is in \"%s\", not in \"%s\"", when,
          state, theirs);
    printf("%-42s nod %-12s kernel %s\n", when,
           ours >= 0 ? nod_state_name((enum nod_state)ours) : "(gone)",
           *theirs ? theirs : "(none)");
}

static void begin(pair *p, const char *name, int family)
{
    const world_config config = {.msl_us = 500 * NOD_MSEC};
    memset(p, 0, sizeof *p);
    p->kernel = p->kernel_listener = -1;
    world_open(&p->w, name, family, &config);
}

static void end(pair *p)
{
    if (p->kernel >= 0) close(p->kernel);
    if (p->kernel_listener >= 0) close(p->kernel_listener);
    world_close(&p->w);
}

static void open_from_nod(pair *p)
{
    p->kernel_listener = world_kernel_listen(&p->w);
    p->conn = world_nod_open(&p->w, false);
    world_out(&p->w);
    expect(p, "nod has sent its SYN", NOD_SYN_SENT, "SYN-RECV");
    world_in(&p->w);
    expect(p, "nod has the SYN,ACK", NOD_ESTABLISHED, "SYN-RECV");
    world_out(&p->w);
    expect(p, "nod has acknowledged", NOD_ESTABLISHED, "ESTAB");
    p->kernel = accept4(p->kernel_listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(&p->w, p->kernel >= 0, "accept: %s", strerror(errno));
}

static void open_from_kernel(pair *p)
{
    p->listener = world_nod_open(&p->w, true);
    world_out(&p->w);
    p->kernel = world_kernel_connect(&p->w);
    expect(p, "the kernel has sent its SYN", -1, "SYN-SENT");
    world_in(&p->w);
    world_out(&p->w);
    expect(p, "nod has answered SYN,ACK", -1, "ESTAB");
    world_in(&p->w);
    int error = nod_tcp_accept(p->w.loop.stack, p->listener, &p->conn);
    CHECK(&p->w, error == 0, "accept: %s", nod_strerror(error));
    expect(p, "nod has accepted", NOD_ESTABLISHED, "ESTAB");
}

static void open_pair(pair *p, bool passive)
{
    if (passive)
        open_from_kernel(p);
    else
        open_from_nod(p);
}

static void nod_close(pair *p)
{
    int error = nod_tcp_close(p->w.loop.stack, p->conn);
    CHECK(&p->w, error == 0, "CLOSE: %s", nod_strerror(error));
}

static void kernel_shutdown(pair *p)
{
    CHECK(&p->w, shutdown(p->kernel, SHUT_WR) == 0, "shutdown: %s", strerror(errno));
}

static void expect_end_of_stream(pair *p)
{
    uint8_t byte;
    ptrdiff_t got = nod_tcp_receive(p->w.loop.stack, p->conn, &byte, 1);
    CHECK(&p->w, got == 0, "RECEIVE at the end of the stream: %td", got);
}

static void close_from_nod(pair *p)
{
    nod_close(p);
    world_out(&p->w);
    expect(p, "nod has sent its FIN", NOD_FIN_WAIT_1, "CLOSE-WAIT");
    world_settle(&p->w);
    expect(p, "nod has the ACK of its FIN", NOD_FIN_WAIT_2, "CLOSE-WAIT");
    kernel_shutdown(p);
    expect(p, "the kernel has sent its FIN", NOD_FIN_WAIT_2, "LAST-ACK");
    world_in(&p->w);
    expect(p, "nod has the kernel's FIN", NOD_TIME_WAIT, "LAST-ACK");
    world_out(&p->w);
    expect(p, "nod has acknowledged it", NOD_TIME_WAIT, "");
    expect_end_of_stream(p);
}

static void close_from_kernel(pair *p)
{
    kernel_shutdown(p);
    expect(p, "the kernel has sent its FIN", NOD_ESTABLISHED, "FIN-WAIT-1");
    world_in(&p->w);
    expect(p, "nod has the kernel's FIN", NOD_CLOSE_WAIT, "FIN-WAIT-1");
    world_settle(&p->w);
    expect(p, "nod has acknowledged it", NOD_CLOSE_WAIT, "FIN-WAIT-2");
    expect_end_of_stream(p);
    nod_close(p);
    world_out(&p->w);
    expect(p, "nod has sent its FIN", NOD_LAST_ACK, "TIME-WAIT");
    world_in(&p->w);
    expect(p, "nod has the ACK of its FIN", NOD_CLOSED, "TIME-WAIT");
}

/* TIME-WAIT ends by itself, and tells. */
static void wait_for_closed(pair *p)
{
    nod_event event = {0};
    nod_usec until = nod_clock() + 5 * NOD_SEC;
    while (!(event.flags & NOD_EVENT_CLOSED)) {
        CHECK(&p->w, nod_clock() < until, "TIME-WAIT has no end");
        if (nod_stack_events(p->w.loop.stack, &event, 1) == 0) world_turn(&p->w, NULL, 0, until);
    }
    printf("%-42s\n", "TIME-WAIT is over");
}

void run_states(const char *name, int family, bool passive)
{
    pair p;
    begin(&p, name, family);
    open_pair(&p, passive);
    /* Who opened does not decide who closes: each is seen in both cases. */
    if (passive == (family == 4))
        close_from_kernel(&p);
    else {
        close_from_nod(&p);
        wait_for_closed(&p);
    }
    end(&p);
}

void run_simultaneous_close(const char *name, int family)
{
    pair p;
    begin(&p, name, family);
    open_pair(&p, false);
    world_settle(&p.w);
    nod_close(&p);
    kernel_shutdown(&p);
    expect(&p, "the kernel's FIN is on its way", -1, "FIN-WAIT-1");
    world_out(&p.w);
    expect(&p, "and nod's meets it", NOD_FIN_WAIT_1, "CLOSING");
    world_in(&p.w);
    world_out(&p.w);
    world_settle(&p.w);
    expect(&p, "each has the other's, and its ACK", NOD_TIME_WAIT, "TIME-WAIT");
    wait_for_closed(&p);
    end(&p);
}

/* Half-closed connections that go on carrying the other direction. */

static void nod_sends_half(pair *p)
{
    static uint8_t bytes[65536], got[65536];
    size_t sent = 0, received = 0;
    while (received < HALF_BYTES) {
        size_t want = HALF_BYTES - sent < sizeof bytes ? HALF_BYTES - sent : sizeof bytes;
        for (size_t i = 0; i < want; i++) bytes[i] = (uint8_t)((sent + i) * 7 >> 3);
        ptrdiff_t took = want ? nod_tcp_send(p->w.loop.stack, p->conn, bytes, want, 0) : NOD_EAGAIN;
        CHECK(&p->w, took >= 0 || took == NOD_EAGAIN, "SEND: %s", nod_strerror((int)took));
        if (took > 0) sent += (size_t)took;
        world_turn(&p->w, NULL, 0, nod_clock() + NOD_MSEC);
        ssize_t n = recv(p->kernel, got, sizeof got, 0);
        CHECK(&p->w, n > 0 || (n < 0 && errno == EAGAIN), "recv: %zd %s", n, strerror(errno));
        for (ssize_t i = 0; i < n; i++)
            CHECK(&p->w, got[i] == (uint8_t)((received + (size_t)i) * 7 >> 3), "byte %zu is wrong",
                  received + (size_t)i);
        if (n > 0) received += (size_t)n;
    }
}

static void kernel_sends_half(pair *p)
{
    static uint8_t bytes[65536], got[65536];
    size_t sent = 0, received = 0;
    while (received < HALF_BYTES) {
        size_t want = HALF_BYTES - sent < sizeof bytes ? HALF_BYTES - sent : sizeof bytes;
        for (size_t i = 0; i < want; i++) bytes[i] = (uint8_t)((sent + i) * 7 >> 3);
        ssize_t took = want ? send(p->kernel, bytes, want, MSG_NOSIGNAL) : 0;
        CHECK(&p->w, took >= 0 || errno == EAGAIN, "send: %s", strerror(errno));
        if (took > 0) sent += (size_t)took;
        world_turn(&p->w, NULL, 0, nod_clock() + NOD_MSEC);
        ptrdiff_t n = nod_tcp_receive(p->w.loop.stack, p->conn, got, sizeof got);
        CHECK(&p->w, n > 0 || n == NOD_EAGAIN, "RECEIVE: %td", n);
        for (ptrdiff_t i = 0; i < n; i++)
            CHECK(&p->w, got[i] == (uint8_t)((received + (size_t)i) * 7 >> 3), "byte %zu is wrong",
                  received + (size_t)i);
        if (n > 0) received += (size_t)n;
    }
}

static void kernel_expects_end(pair *p)
{
    uint8_t byte;
    ssize_t got = recv(p->kernel, &byte, 1, 0);
    CHECK(&p->w, got == 0, "the kernel's recv at the end of the stream: %zd %s", got,
          got < 0 ? strerror(errno) : "");
}

/* Where nod opened passively it closes first, else the kernel does. */
void run_half_close(const char *name, int family, bool passive)
{
    pair p;
    begin(&p, name, family);
    open_pair(&p, passive);
    if (passive) {
        nod_close(&p);
        world_settle(&p.w);
        kernel_expects_end(&p);
        expect(&p, "nod has closed its half", NOD_FIN_WAIT_2, "CLOSE-WAIT");
        kernel_sends_half(&p);
        world_settle(&p.w);
        expect(&p, "and has received 1 MiB since", NOD_FIN_WAIT_2, "CLOSE-WAIT");
        kernel_shutdown(&p);
        world_settle(&p.w);
        expect_end_of_stream(&p);
        expect(&p, "the kernel has closed too", NOD_TIME_WAIT, "");
    } else {
        kernel_shutdown(&p);
        world_settle(&p.w);
        expect_end_of_stream(&p);
        expect(&p, "the kernel has closed its half", NOD_CLOSE_WAIT, "FIN-WAIT-2");
        nod_sends_half(&p);
        world_settle(&p.w);
        expect(&p, "and has received 1 MiB since", NOD_CLOSE_WAIT, "FIN-WAIT-2");
        nod_close(&p);
        world_settle(&p.w);
        kernel_expects_end(&p);
        expect(&p, "nod has closed too", NOD_CLOSED, "TIME-WAIT");
    }
    end(&p);
}

/* Nobody listens: a RST answers the SYN, and each side says so, whoever asked. */
void run_refused(const char *name, int family)
{
    pair p;
    nod_event event = {0};
    int error = 0;
    socklen_t len = sizeof error;
    begin(&p, name, family);
    p.conn = world_nod_open(&p.w, false);
    world_settle(&p.w);
    CHECK(&p.w, nod_stack_events(p.w.loop.stack, &event, 1) == 1, "no event");
    CHECK(&p.w, event.error == NOD_EREFUSED, "nod says: %s", nod_strerror(event.error));
    p.kernel = world_kernel_connect(&p.w);
    world_settle(&p.w);
    getsockopt(p.kernel, SOL_SOCKET, SO_ERROR, &error, &len);
    CHECK(&p.w, error == ECONNREFUSED, "the kernel says: %s", strerror(error));
    end(&p);
}
