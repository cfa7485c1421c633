/* Pointers that lead nowhere. Each call in a process of its own: one that crashes is a line, too.
 */
#include "calls.h"
#include "states.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

static char *low = (char *)16;
static char *beyond = (char *)0xffff800000000000;
static char *gone;     /* was mapped, is not */
static char *constant; /* may only be read */
static char *edge;     /* the last four octets before an end */

static void make_pointers(void)
{
    char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    gone = pages + 4096;
    edge = gone - 4;
    constant = pages + 8192;
    memset(pages, 'x', 3 * 4096);
    munmap(gone, 4096);
    mprotect(constant, 4096, PROT_READ);
}

/* The state is made here, the call is the child's. */
#define TRY(call)                   \
    do {                            \
        int fd = enter();           \
        pid_t child = fork();       \
        if (child == 0) {           \
            alarm(3);               \
            CALL_AS(#call, call, ); \
            _exit(0);               \
        }                           \
        ended(#call, child);        \
        leave(fd);                  \
    } while (0)

static void ended(const char *call, pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) say_line("%s died of signal %d", call, WTERMSIG(status));
}

static void receiving(char *bad)
{
    struct iovec iov = {bad, 10}, half[2] = {{edge, 4}, {bad, 4}};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    TRY(recv(fd, bad, 10, 0));
    TRY(recv(fd, bad, 0, 0));
    TRY(read(fd, bad, 10));
    TRY(recv(fd, bad, 10, MSG_PEEK));
    TRY(readv(fd, &iov, 1));
    TRY(readv(fd, half, 2));
    TRY(readv(fd, (struct iovec *)bad, 1));
    TRY(recvmsg(fd, &msg, 0));
    TRY(recvmsg(fd, (struct msghdr *)bad, 0));
    TRY(recvfrom(fd, edge, 4, 0, (struct sockaddr *)bad, &(socklen_t){28}));
    TRY(recvfrom(fd, edge, 4, 0, (struct sockaddr *)edge, (socklen_t *)bad));
    TRY(recvmmsg(fd, (struct mmsghdr *)bad, 1, 0, NULL));
}

static void sending(char *bad)
{
    struct iovec iov = {bad, 10}, half[2] = {{edge, 4}, {bad, 4}};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1}, none = {.msg_iovlen = 1};
    none.msg_iov = (struct iovec *)bad;
    TRY(send(fd, bad, 10, 0));
    TRY(send(fd, bad, 0, 0));
    TRY(write(fd, bad, 10));
    TRY(writev(fd, &iov, 1));
    TRY(writev(fd, half, 2));
    TRY(writev(fd, (struct iovec *)bad, 1));
    TRY(sendmsg(fd, &msg, 0));
    TRY(sendmsg(fd, &none, 0));
    TRY(sendmsg(fd, (struct msghdr *)bad, 0));
    TRY(sendto(fd, "x", 1, 0, (struct sockaddr *)bad, 16));
    TRY(sendmmsg(fd, (struct mmsghdr *)bad, 1, 0));
}

static void naming(char *bad)
{
    TRY(bind(fd, (struct sockaddr *)bad, 16));
    TRY(connect(fd, (struct sockaddr *)bad, 16));
    TRY(accept(fd, (struct sockaddr *)bad, &(socklen_t){16}) >= 0);
    TRY(accept(fd, (struct sockaddr *)edge, (socklen_t *)bad) >= 0);
    TRY(getsockname(fd, (struct sockaddr *)bad, &(socklen_t){16}));
    TRY(getsockname(fd, (struct sockaddr *)edge, (socklen_t *)bad));
    TRY(getpeername(fd, (struct sockaddr *)bad, &(socklen_t){16}));
    TRY(getpeername(fd, (struct sockaddr *)edge, (socklen_t *)bad));
    TRY(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, bad, 4));
    TRY(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, bad, 4));
    TRY(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, bad, 4));
    TRY(setsockopt(fd, SOL_SOCKET, SO_LINGER, bad, 8));
    TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, bad, &(socklen_t){4}));
    TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, edge, (socklen_t *)bad));
    TRY(getsockopt(fd, IPPROTO_TCP, TCP_INFO, bad, &(socklen_t){104}));
    TRY(ioctl(fd, FIONREAD, bad));
    TRY(ioctl(fd, FIONBIO, bad));
}

static int epfd;

static void waiting(char *bad)
{
    TRY(poll((struct pollfd *)bad, 1, 0));
    TRY(poll((struct pollfd *)bad, 0, 0));
    if (bad) TRY(ppoll(&(struct pollfd){.fd = fd}, 1, (struct timespec *)bad, NULL));
    TRY(select(fd + 1, (fd_set *)bad, NULL, NULL, &(struct timeval){0, 0}));
    TRY(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, (struct epoll_event *)bad));
    TRY(epoll_ctl(epfd, EPOLL_CTL_DEL, fd, (struct epoll_event *)bad));
    TRY(epoll_wait(epfd, (struct epoll_event *)bad, 1, 0));
    TRY(epoll_wait(epfd, (struct epoll_event *)bad, 0, 0));
}

static void all_of(const char *name, const char *pointer, char *bad)
{
    say_where("bad pointers, %s, %s", name, pointer);
    receiving(bad);
    sending(bad);
    naming(bad);
    waiting(bad);
}

void bad_pointers(void)
{
    static const char *const in[] = {"established", "unread", "peer closed"};
    make_pointers();
    epfd = epoll_create1(0);
    for (const state *each = states; each->name; each++)
        for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
            if (strcmp(each->name, in[i]) != 0) continue;
            set_state(each);
            all_of(each->name, "NULL", NULL);
            all_of(each->name, "low", low);
            all_of(each->name, "beyond all memory", beyond);
            all_of(each->name, "unmapped", gone);
            all_of(each->name, "read-only", constant);
        }
}
