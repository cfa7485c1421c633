#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK (256 * 1024)

typedef struct talk {
    int fd;
    stream out, in;
    bool closed, peer_closed;
    size_t len, off;
    uint8_t bytes[CHUNK], taken[CHUNK];
} talk;

static int wait_for(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    int rc = poll(&ready, 1, (int)(PATIENCE / 1000));
    if (rc == 0) errno = ETIMEDOUT;
    return rc > 0 ? 0 : -1;
}

/* Returns the connected socket; -1 with *what. */
static int join(world *w, int listener, const char **what)
{
    if (listener >= 0) {
        *what = "accept";
        if (wait_for(listener, POLLIN) != 0) return -1;
        return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    *what = "connect";
    int fd = world_kernel_connect(w), error = 0;
    socklen_t len = sizeof error;
    if (wait_for(fd, POLLOUT) != 0) return -1;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    errno = error;
    return error ? -1 : fd;
}

static const char *send_more(talk *t)
{
    if (t->len == 0) {
        t->off = 0;
        t->len = stream_make(&t->out, t->bytes, CHUNK);
    }
    if (t->len == 0) {
        t->closed = true;
        return shutdown(t->fd, SHUT_WR) == 0 ? NULL : "shutdown";
    }
    ssize_t sent = send(t->fd, t->bytes + t->off, t->len, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? NULL : "send";
    t->off += (size_t)sent;
    t->len -= (size_t)sent;
    return NULL;
}

static const char *take_more(talk *t)
{
    ssize_t got = recv(t->fd, t->taken, CHUNK, 0);
    if (got < 0) return errno == EAGAIN ? NULL : "recv";
    if (got == 0)
        t->peer_closed = true;
    else
        stream_take(&t->in, t->taken, (size_t)got);
    return NULL;
}

/* Returns what failed, with errno, or NULL. */
static const char *converse(talk *t)
{
    const char *what = NULL;
    while (!what && !(t->closed && t->peer_closed)) {
        struct pollfd ready = {.fd = t->fd};
        ready.events = (short)((t->closed ? 0 : POLLOUT) | (t->peer_closed ? 0 : POLLIN));
        int rc = poll(&ready, 1, (int)(PATIENCE / 1000));
        if (rc == 0) errno = ETIMEDOUT;
        if (rc <= 0) return "poll";
        if (!t->peer_closed && (ready.revents & (POLLIN | POLLERR | POLLHUP))) what = take_more(t);
        if (!what && !t->closed && (ready.revents & (POLLOUT | POLLERR))) what = send_more(t);
    }
    return what;
}

static void run(world *w, int listener, uint64_t seed, uint64_t bytes, peer_result *out)
{
    const char *what = "memory";
    talk *t = calloc(1, sizeof *t);
    if (!t) exit(1);
    stream_begin(&t->out, seed, bytes);
    stream_begin(&t->in, 0, 0);
    t->fd = join(w, listener, &what);
    if (t->fd >= 0) what = converse(t);
    if (what) {
        out->error = errno;
        snprintf(out->what, sizeof out->what, "%s", what);
    }
    out->sent = t->out.bytes;
    out->received = t->in.bytes;
    stream_end(&t->out, out->sent_digest);
    stream_end(&t->in, out->received_digest);
    if (t->fd >= 0) close(t->fd);
    free(t);
}

void peer_start(peer *p, world *w, bool passive, uint64_t seed, uint64_t bytes)
{
    int pipe_fds[2];
    int listener = passive ? world_kernel_listen(w) : -1;
    CHECK(w, pipe2(pipe_fds, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    p->pid = fork();
    CHECK(w, p->pid >= 0, "fork: %s", strerror(errno));
    if (p->pid == 0) {
        peer_result result = {0};
        close(nod_link_fd(w->loop.link)); /* or the device would outlive the test */
        run(w, listener, seed, bytes, &result);
        _exit(write(pipe_fds[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
    close(pipe_fds[1]);
    if (listener >= 0) close(listener);
    p->result = pipe_fds[0];
}

void peer_finish(peer *p, world *w, peer_result *out)
{
    struct pollfd ready = {.fd = p->result, .events = POLLIN};
    while (!ready.revents) world_turn(w, &ready, 1, nod_clock() + NOD_SEC);
    ssize_t got = read(p->result, out, sizeof *out);
    close(p->result);
    waitpid(p->pid, NULL, 0);
    CHECK(w, got == sizeof *out, "the kernel's side died");
    CHECK(w, out->error == 0, "the kernel's %s: %s, after %llu bytes out and %llu in", out->what,
          strerror(out->error), (unsigned long long)out->sent, (unsigned long long)out->received);
}
