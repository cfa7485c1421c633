/* The end of a report that tells. It may run within a program whose C library is interposed,
 * and with the stack's lock held: so it speaks to the kernel directly, and waits for nobody. */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWERS 8 /* at one call at most; who else waits is answered at the next */
#define BACKLOG 16
#define CHUNK 32 /* records written at once */

static void shut(int fd)
{
    syscall(SYS_close, fd);
}

/* Binds and listens. 0 or an errno. */
static int listen_on(int fd, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    if (syscall(SYS_bind, fd, &name, sizeof name) != 0) return errno;
    return syscall(SYS_listen, fd, BACKLOG) == 0 ? 0 : errno;
}

/* Whether somebody listens there: a file alone may be what a process of our number has left. */
static bool alive(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool refused = syscall(SYS_connect, fd, &name, sizeof name) != 0 && errno == ECONNREFUSED;
    shut(fd);
    return !refused;
}

static int open_in(int fd, const char *folder, char path[NOD_REPORT_PATH])
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) return NOD_EIO;
    if (!nod_report_folder_sound(folder)) return NOD_EPERM;
    int len = snprintf(path, NOD_REPORT_PATH, "%s/%ld", folder, (long)getpid());
    if (len < 0 || len >= NOD_REPORT_PATH) return NOD_EIO;
    int error = listen_on(fd, path);
    if (error == EADDRINUSE) {
        if (alive(path)) return NOD_EEXIST;
        unlink(path);
        error = listen_on(fd, path);
    }
    return error ? NOD_EIO : 0;
}

int nod_report_open(char path[NOD_REPORT_PATH])
{
    char folder[NOD_REPORT_PATH];
    int error = NOD_EIO;
    int fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return NOD_EIO;
    for (int i = 0; i < REPORT_FOLDERS && error && error != NOD_EEXIST; i++)
        if (nod_report_folder(i, folder)) error = open_in(fd, folder, path);
    if (!error) return fd;
    shut(fd);
    return error;
}

void nod_report_close(int listener, const char *path)
{
    unlink(path);
    shut(listener);
}

static bool write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        long n = syscall(SYS_write, fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* Writes what all records say; counts them in the head. */
static bool write_records(int fd, nod_stack *stack, struct snapshot_head *head)
{
    nod_status chunk[CHUNK];
    size_t cursor = 0, held = 0;
    memset(chunk, 0, sizeof chunk);
    while (nod_tcp_each(stack, &cursor, &chunk[held])) {
        if (head->count == NOD_REPORT_STATUS_MAX) {
            head->left_out++;
            continue;
        }
        head->count++;
        if (++held < CHUNK) continue;
        if (!write_all(fd, chunk, sizeof chunk)) return false;
        held = 0;
    }
    return write_all(fd, chunk, held * sizeof chunk[0]);
}

static bool write_snapshot(int fd, nod_stack *stack, const nod_link_stats *link, const char *name)
{
    struct snapshot_head head;
    memset(&head, 0, sizeof head);
    memcpy(head.magic, SNAPSHOT_MAGIC, sizeof head.magic);
    head.version = SNAPSHOT_VERSION;
    head.head_size = sizeof head;
    head.status_size = sizeof(nod_status);
    head.pid = getpid();
    snprintf(head.name, sizeof head.name, "%s", name ? name : "");
    if (link) head.link = *link;
    head.has_link = link != NULL;
    nod_stack_get_stats(stack, &head.stack);
    nod_pool_get_stats(nod_stack_pool(stack), &head.pool);
    if (!write_all(fd, &head, sizeof head) || !write_records(fd, stack, &head)) return false;
    /* Now the counts are known. */
    return syscall(SYS_pwrite64, fd, &head, sizeof head, (long)0) == (long)sizeof head;
}

/* Returns the snapshot's descriptor, which nobody can change any more, or -1. */
static int make_snapshot(nod_stack *stack, const nod_link_stats *link, const char *name)
{
    int fd = (int)syscall(SYS_memfd_create, "nod report", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    if (write_snapshot(fd, stack, link, name)) {
        syscall(SYS_fcntl, fd, F_ADD_SEALS,
                (long)(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL));
        return fd;
    }
    shut(fd);
    return -1;
}

/* One message into an empty buffer: there is always room, and if not, so be it. */
static void hand_over(int peer, int snapshot)
{
    char version = (char)SNAPSHOT_VERSION;
    struct iovec iov = {&version, 1};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    memset(&control, 0, sizeof control);
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.head), &snapshot, sizeof snapshot);
    syscall(SYS_sendmsg, peer, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void nod_report_answer(int listener, nod_stack *stack, const nod_link_stats *link, const char *name)
{
    int peers[ANSWERS], count = 0;
    /* First who asks, then what is to be told: nobody hears of a time before they asked. */
    while (count < ANSWERS) {
        peers[count] =
            (int)syscall(SYS_accept4, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peers[count] < 0) break;
        count++;
    }
    if (count == 0) return;
    int snapshot = make_snapshot(stack, link, name);
    for (int i = 0; i < count; i++) {
        if (snapshot >= 0) hand_over(peers[i], snapshot);
        shut(peers[i]);
    }
    if (snapshot >= 0) shut(snapshot);
}
