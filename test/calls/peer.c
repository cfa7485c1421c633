#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum op { ACCEPT, CONNECT, SEND, URGENT, SHUT, CLOSE, RESET, READ, END, FORGET };
enum { CONNS = 256, PATIENCE_MS = 5000 };

struct request {
    enum op op;
    int after_ms;
    int conn, port, number; /* number: bytes, a family or a port */
};

struct reply {
    long value;
    int text_len;
    char text[128];
};

/* The told side. */

static int listeners[2]; /* of PEER_PORT and PEER_TIGHT */
static struct {
    int fd;
    int sent; /* where in the alphabet it is */
} conns[CONNS];
static int conn_count;

static void give_up(const char *what)
{
    fprintf(stderr, "the peer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int make_listener(int port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    int on = 1, small = 4096;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (port == PEER_TIGHT) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (bind(fd, (void *)&any, sizeof any) != 0 || listen(fd, 64) != 0) give_up("listen");
    return fd;
}

static int add(int fd)
{
    int on = 1;
    if (fd < 0 || conn_count == CONNS) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    conns[conn_count].fd = fd;
    conns[conn_count].sent = 0;
    return conn_count++;
}

static void drop(int *fd)
{
    struct linger now = {.l_onoff = 1};
    if (*fd < 0) return;
    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(*fd);
    *fd = -1;
}

/* Connections of before, which nobody waits for any more, may still be in the queue. */
static int do_accept(int listener, int from_port)
{
    for (;;) {
        struct pollfd ready = {.fd = listener, .events = POLLIN};
        struct sockaddr_in6 from = {0};
        socklen_t len = sizeof from;
        if (poll(&ready, 1, PATIENCE_MS) != 1) return -1;
        int fd = accept4(listener, (void *)&from, &len, SOCK_CLOEXEC);
        if (fd >= 0 && (from_port == 0 || ntohs(from.sin6_port) == from_port)) return add(fd);
        drop(&fd);
    }
}

static int do_connect(int family, int port)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    inet_pton(AF_INET, "10.110.111.2", &four.sin_addr);
    inet_pton(AF_INET6, "fd6e:6f64::2", &six.sin6_addr);
    int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int rc = family == 4 ? connect(fd, (void *)&four, sizeof four)
                         : connect(fd, (void *)&six, sizeof six);
    if (rc == 0) return add(fd);
    close(fd);
    return -1;
}

static long do_send(int conn, int bytes, int flags)
{
    static char alphabet[65536];
    int done = 0;
    while (done < bytes) {
        int len = bytes - done < (int)sizeof alphabet ? bytes - done : (int)sizeof alphabet;
        for (int i = 0; i < len; i++) alphabet[i] = (char)('a' + (conns[conn].sent + i) % 26);
        if (flags) alphabet[0] = '!';
        ssize_t sent = send(conns[conn].fd, alphabet, (size_t)len, flags | MSG_NOSIGNAL);
        if (sent < 0) return -errno;
        if (!flags) conns[conn].sent += (int)sent;
        done += (int)sent;
    }
    return done;
}

static long do_read(int conn, long bytes, struct reply *reply)
{
    static char buffer[65536];
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    long done = 0;
    setsockopt(conns[conn].fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (bytes < 0 || done < bytes) {
        size_t want = sizeof buffer;
        if (bytes >= 0 && bytes - done < (long)want) want = (size_t)(bytes - done);
        ssize_t got = recv(conns[conn].fd, buffer, want, 0);
        if (got < 0) return -errno;
        if (got == 0) break;
        for (int i = 0; i < got && reply->text_len < (int)sizeof reply->text; i++)
            reply->text[reply->text_len++] = buffer[i];
        done += got;
    }
    return done;
}

static void do_forget(void)
{
    for (int i = 0; i < conn_count; i++) drop(&conns[i].fd);
    conn_count = 0;
    for (int i = 0; i < 2; i++) {
        struct pollfd ready = {.fd = listeners[i], .events = POLLIN};
        while (poll(&ready, 1, 0) == 1) {
            int fd = accept4(listeners[i], NULL, NULL, SOCK_CLOEXEC);
            drop(&fd);
        }
    }
}

static void do_close(int conn)
{
    close(conns[conn].fd);
    conns[conn].fd = -1;
}

static long do_op(const struct request *request, struct reply *reply)
{
    int conn = request->conn;
    if (request->op > CONNECT && request->op < FORGET && (conn < 0 || conn >= conn_count))
        return -EBADF;
    switch (request->op) {
    case ACCEPT: return do_accept(listeners[request->port != PEER_PORT], request->number);
    case CONNECT: return do_connect(request->number, request->port);
    case SEND: return do_send(conn, request->number, 0);
    case URGENT: return do_send(conn, 1, MSG_OOB);
    case SHUT: return shutdown(conns[conn].fd, SHUT_WR);
    case CLOSE: do_close(conn); return 0;
    case RESET: drop(&conns[conn].fd); return 0;
    case READ: return do_read(conn, request->number, reply);
    case END: return do_read(conn, -1, reply);
    case FORGET: do_forget(); return 0;
    }
    return -EINVAL;
}

int peer_main(int control)
{
    struct request request;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    listeners[0] = make_listener(PEER_PORT);
    listeners[1] = make_listener(PEER_TIGHT);
    struct reply hello = {0};
    if (send(control, &hello, sizeof hello, 0) < 0) give_up("control");
    while (recv(control, &request, sizeof request, 0) == sizeof request) {
        struct reply reply = {0};
        if (request.after_ms) {
            if (send(control, &reply, sizeof reply, 0) < 0) break;
            usleep((useconds_t)request.after_ms * 1000);
            do_op(&request, &reply);
            continue;
        }
        reply.value = do_op(&request, &reply);
        if (send(control, &reply, sizeof reply, MSG_NOSIGNAL) < 0) break;
    }
    return 0;
}

/* The telling side. */

static int control = -1;
static int after_ms;
static struct reply last;

/* By the system call itself: who stands between us and the C library must not see to it that the
 * new program has him between, too. */
static void become_peer(int netns, int fd)
{
    char number[16];
    char *const args[] = {"calls", "peer", number, NULL}, *const environment[] = {NULL};
    snprintf(number, sizeof number, "%d", fd);
    if (netns >= 0 && setns(netns, CLONE_NEWNET) != 0) give_up("setns");
    syscall(SYS_execve, "/proc/self/exe", args, environment);
    give_up("exec");
}

void peer_start(int netns)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) give_up("socketpair");
    pid_t child = fork();
    if (child < 0) give_up("fork");
    if (child == 0) {
        close(pair[0]);
        become_peer(netns, pair[1]);
    }
    close(pair[1]);
    control = pair[0];
    if (recv(control, &last, sizeof last, 0) != sizeof last) give_up("start");
}

static long ask(struct request request)
{
    request.after_ms = after_ms;
    after_ms = 0;
    if (send(control, &request, sizeof request, MSG_NOSIGNAL) < 0) give_up("ask");
    while (recv(control, &last, sizeof last, 0) < 0)
        if (errno != EINTR) give_up("answer");
    return last.value;
}

int peer_accept(int port, int from_port)
{
    return (int)ask((struct request){.op = ACCEPT, .port = port, .number = from_port});
}

int peer_connect(int family, int to_port)
{
    return (int)ask((struct request){.op = CONNECT, .number = family, .port = to_port});
}

void peer_send(int conn, int bytes)
{
    ask((struct request){.op = SEND, .conn = conn, .number = bytes});
}

void peer_send_urgent(int conn)
{
    ask((struct request){.op = URGENT, .conn = conn});
}

void peer_shut(int conn)
{
    ask((struct request){.op = SHUT, .conn = conn});
}

void peer_close(int conn)
{
    ask((struct request){.op = CLOSE, .conn = conn});
}

void peer_reset(int conn)
{
    ask((struct request){.op = RESET, .conn = conn});
}

long peer_read(int conn, int bytes)
{
    return ask((struct request){.op = READ, .conn = conn, .number = bytes});
}

long peer_end(int conn)
{
    return ask((struct request){.op = END, .conn = conn});
}

int peer_text(char *bytes, int size)
{
    int len = last.text_len < size ? last.text_len : size;
    memcpy(bytes, last.text, (size_t)len);
    return len;
}

void peer_forget(void)
{
    ask((struct request){.op = FORGET});
}

void peer_after(int ms)
{
    after_ms = ms;
}
