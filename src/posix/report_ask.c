/* The end of a report that asks. */
#include "report.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connects. 0, or an errno. The backlog may be full for a moment: then it is EAGAIN. */
static int reach(int fd, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    return connect(fd, (const struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* The process that a file is named after; 0 when the name is no number. */
static long pid_of(const char *name)
{
    char *end;
    long pid = strtol(name, &end, 10);
    return *name >= '1' && *name <= '9' && *end == 0 ? pid : 0;
}

/* Removes the socket of a process that is gone: nobody listens, and nobody has its number.
 * True if it was one. */
static bool remove_stale(const char *path, long pid)
{
    if (kill((pid_t)pid, 0) == 0 || errno != ESRCH) return false;
    int fd = new_socket();
    if (fd < 0) return false;
    bool stale = reach(fd, path) == ECONNREFUSED;
    close(fd);
    if (stale) unlink(path);
    return stale;
}

static int find_in(const char *folder, char (*paths)[NOD_REPORT_PATH], int max, int found)
{
    char path[NOD_REPORT_PATH];
    DIR *dir = nod_report_folder_sound(folder) ? opendir(folder) : NULL;
    if (!dir) return found;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        long pid = pid_of(entry->d_name);
        int len = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (pid == 0 || len < 0 || len >= (int)sizeof path || remove_stale(path, pid)) continue;
        if (found < max) memcpy(paths[found], path, sizeof path);
        found++;
    }
    closedir(dir);
    return found;
}

static int by_pid(const void *a, const void *b)
{
    long x = pid_of(strrchr(a, '/') + 1), y = pid_of(strrchr(b, '/') + 1);
    return (x > y) - (x < y);
}

int nod_report_find(char (*paths)[NOD_REPORT_PATH], int max)
{
    char folder[NOD_REPORT_PATH];
    int found = 0;
    for (int i = 0; i < REPORT_FOLDERS; i++)
        if (nod_report_folder(i, folder)) found = find_in(folder, paths, max, found);
    int kept = found < max ? found : max;
    if (kept > 1) qsort(paths, (size_t)kept, sizeof paths[0], by_pid);
    return found;
}

/* The descriptor in the one message that comes; or NOD_E... */
static int take_snapshot(int fd)
{
    char byte;
    int snapshot = NOD_EIO;
    struct iovec iov = {&byte, 1};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *head = n == 1 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (n == 0) return NOD_ENOCONN;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&snapshot, CMSG_DATA(head), sizeof snapshot);
    if (snapshot < 0) return NOD_EIO;
    if ((unsigned char)byte == SNAPSHOT_VERSION) return snapshot;
    close(snapshot);
    return NOD_EUNSUPPORTED;
}

static int wait_snapshot(int fd, nod_usec patience)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    nod_usec until = nod_clock() + patience;
    for (;;) {
        nod_usec now = nod_clock();
        if (now >= until) return NOD_ETIMEDOUT;
        int ready = poll(&wait, 1, (int)((until - now + 999) / 1000));
        if (ready > 0) return take_snapshot(fd);
        if (ready < 0 && errno != EINTR) return NOD_EIO;
    }
}

static bool read_all(int fd, void *bytes, size_t len, off_t at)
{
    char *to = bytes;
    while (len > 0) {
        ssize_t n = pread(fd, to, len, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        to += n;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static int read_snapshot(int fd, nod_report *out)
{
    struct snapshot_head head;
    struct stat is;
    if (fstat(fd, &is) != 0 || !S_ISREG(is.st_mode) || !read_all(fd, &head, sizeof head, 0))
        return NOD_EUNSUPPORTED;
    if (memcmp(head.magic, SNAPSHOT_MAGIC, sizeof head.magic) != 0 ||
        head.version != SNAPSHOT_VERSION || head.head_size != sizeof head ||
        head.status_size != sizeof(nod_status) || head.count > NOD_REPORT_STATUS_MAX)
        return NOD_EUNSUPPORTED;
    *out = (nod_report){.pid = head.pid,
                        .stack = head.stack,
                        .has_link = head.has_link,
                        .link = head.link,
                        .pool = head.pool,
                        .left_out = head.left_out,
                        .count = head.count};
    snprintf(out->name, sizeof out->name, "%.*s", (int)sizeof head.name - 1, head.name);
    out->status = calloc(head.count + 1u, sizeof(nod_status));
    if (!out->status) return NOD_ENOMEM;
    bool sound = read_all(fd, out->status, head.count * sizeof(nod_status), sizeof head);
    for (uint32_t i = 0; sound && i < out->count; i++)
        sound = (unsigned)out->status[i].state <= NOD_TIME_WAIT;
    if (sound) return 0;
    nod_report_free(out);
    return NOD_EUNSUPPORTED;
}

int nod_report_ask(const char *path, nod_usec patience, nod_report *out)
{
    int fd = new_socket();
    if (fd < 0) return NOD_EIO;
    int error = reach(fd, path);
    nod_usec until = nod_clock() + patience;
    while (error == EAGAIN && nod_clock() < until) {
        poll(NULL, 0, 1);
        error = reach(fd, path);
    }
    int snapshot = error == EAGAIN ? NOD_ETIMEDOUT
                   : error         ? NOD_ENOCONN
                                   : wait_snapshot(fd, patience);
    close(fd);
    if (snapshot < 0) return snapshot;
    int result = read_snapshot(snapshot, out);
    close(snapshot);
    return result;
}

void nod_report_free(nod_report *report)
{
    free(report->status);
    report->status = NULL;
    report->count = 0;
}
