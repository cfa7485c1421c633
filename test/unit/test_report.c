/* What a stack tells other processes: found, asked, and unharmed by those who ask badly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "posix/report.h"
#include "unit/peer.h"

#define PATIENCE (5 * NOD_SEC)

static char home[] = "/tmp/nod-test-report-XXXXXX";

struct server {
    struct peer p;
    char path[NOD_REPORT_PATH];
    int fd;
    const nod_link_stats *link;
    pthread_t thread;
    atomic_bool stop;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    struct pollfd wait = {.fd = s->fd, .events = POLLIN};
    while (!s->stop)
        if (poll(&wait, 1, 10) > 0) nod_report_answer(s->fd, s->p.stack, s->link, "a test");
    return NULL;
}

static void server_open(struct server *s)
{
    memset(s, 0, sizeof *s);
    peer_make(&s->p, NULL, 4, false);
    s->fd = nod_report_open(s->path);
    assert_true(s->fd >= 0);
}

static void server_run(struct server *s)
{
    s->stop = false;
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_halt(struct server *s)
{
    s->stop = true;
    pthread_join(s->thread, NULL);
}

static void server_close(struct server *s)
{
    nod_report_close(s->fd, s->path);
    peer_free(&s->p);
}

static int reach(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0) return fd;
    close(fd);
    return -1;
}

static unsigned count_state(const nod_report *report, enum nod_state state)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < report->count; i++) count += report->status[i].state == state;
    return count;
}

/* All that the stack knows arrives: more records than are written at once, and the counters. */
static void told(void **state)
{
    (void)state;
    struct server s;
    struct conn conn;
    nod_report report;
    const nod_link_stats link = {.frames_in = 7, .refused = 3};
    server_open(&s);
    for (uint16_t i = 0; i < 100; i++) peer_listen(&s.p, (uint16_t)(1000 + i), 5);
    peer_connect(&s.p, peer_listen(&s.p, 80, 5), 80, 5555, &conn);
    peer_send(&s.p, &conn, NOD_ACK | NOD_PSH, "unread", 6);
    s.link = &link;
    server_run(&s);
    assert_int_equal(nod_report_ask(s.path, PATIENCE, &report), 0);
    assert_string_equal(report.name, "a test");
    assert_int_equal(report.pid, getpid());
    assert_int_equal(report.count, 102);
    assert_int_equal(report.left_out, 0);
    assert_int_equal(count_state(&report, NOD_LISTEN), 101);
    assert_int_equal(report.stack.listeners, 101);
    assert_true(report.stack.segments_in >= 3);
    assert_true(report.has_link);
    assert_int_equal(report.link.frames_in, 7);
    assert_int_equal(report.link.refused, 3);
    assert_true(report.pool.in_use > 0);
    for (uint32_t i = 0; i < report.count; i++) {
        if (report.status[i].state != NOD_ESTABLISHED) continue;
        assert_int_equal(report.status[i].receive_queue, 6);
        assert_int_equal(report.status[i].remote.port, 5555);
    }
    nod_report_free(&report);
    server_halt(&s);
    s.link = NULL;
    server_run(&s);
    assert_int_equal(nod_report_ask(s.path, PATIENCE, &report), 0);
    assert_false(report.has_link);
    nod_report_free(&report);
    server_halt(&s);
    server_close(&s);
}

static int find_one(const char *path)
{
    char paths[64][NOD_REPORT_PATH];
    int found = nod_report_find(paths, 64), here = 0;
    for (int i = 0; i < found && i < 64; i++) here += strcmp(paths[i], path) == 0;
    return here;
}

static void found(void **state)
{
    (void)state;
    struct server s;
    struct stat is;
    char path[NOD_REPORT_PATH];
    server_open(&s);
    assert_int_equal(find_one(s.path), 1);
    assert_int_equal(nod_report_open(path), NOD_EEXIST);
    assert_int_equal(nod_report_find(NULL, 0) >= 1, 1);
    memcpy(path, s.path, sizeof path);
    server_close(&s);
    assert_int_equal(find_one(path), 0);
    assert_int_not_equal(lstat(path, &is), 0);
    nod_report report;
    assert_int_equal(nod_report_ask(path, PATIENCE, &report), NOD_ENOCONN);
}

/* A process that died leaves its file: whoever finds it removes it, but nothing else. */
static void stale(void **state)
{
    (void)state;
    struct server s;
    struct stat is;
    char path[NOD_REPORT_PATH], other[NOD_REPORT_PATH];
    pid_t pid = fork();
    if (pid == 0) _exit(nod_report_open(path) < 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    snprintf(path, sizeof path, "%s/nod/%d", home, (int)pid);
    snprintf(other, sizeof other, "%s/nod/notes", home);
    fclose(fopen(other, "w"));
    assert_int_equal(lstat(path, &is), 0);
    server_open(&s);
    assert_int_equal(find_one(path), 0);
    assert_int_not_equal(lstat(path, &is), 0);
    assert_int_equal(lstat(other, &is), 0);
    assert_int_equal(find_one(s.path), 1);
    unlink(other);
    server_close(&s);
    /* One of our own number, from before: it is replaced. */
    pid = fork();
    if (pid == 0) {
        int first = nod_report_open(path);
        close(first);
        _exit(first < 0 || nod_report_open(path) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(find_one(path), 0);
}

/* Many who ask and never listen, talk nonsense, or hang up at once. */
static void bad_askers(void **state)
{
    (void)state;
    struct server s;
    nod_report report;
    int fds[12];
    server_open(&s);
    for (int i = 0; i < 12; i++) {
        fds[i] = reach(s.path);
        assert_true(fds[i] >= 0);
        if (i % 3 == 0) assert_int_equal(send(fds[i], "GET / HTTP/1.1\r\n", 16, 0), 16);
        if (i % 3 == 1) close(fds[i]);
    }
    nod_usec before = nod_clock();
    nod_report_answer(s.fd, s.p.stack, NULL, NULL);
    nod_report_answer(s.fd, s.p.stack, NULL, NULL);
    nod_report_answer(s.fd, s.p.stack, NULL, NULL);
    assert_true(nod_clock() - before < NOD_SEC);
    assert_int_equal(reach("/nowhere"), -1);
    server_run(&s);
    assert_int_equal(nod_report_ask(s.path, PATIENCE, &report), 0);
    assert_int_equal(report.count, 0);
    nod_report_free(&report);
    server_halt(&s);
    /* Nobody answers: it is not waited for without end. */
    assert_int_equal(nod_report_ask(s.path, 20 * NOD_MSEC, &report), NOD_ETIMEDOUT);
    for (int i = 0; i < 12; i++)
        if (i % 3 != 1) close(fds[i]);
    server_close(&s);
}

/* What a bad teller says. */
struct lie {
    uint8_t byte;
    bool with_fd;
    size_t size; /* of the snapshot */
    struct snapshot_head head;
    uint8_t fill; /* of all that follows the head */
    int expected;
};

static int lie_file(const struct lie *lie)
{
    int fd = memfd_create("lie", 0);
    uint8_t *bytes = malloc(lie->size + sizeof lie->head);
    memset(bytes, lie->fill, lie->size + sizeof lie->head);
    memcpy(bytes, &lie->head, sizeof lie->head);
    assert_int_equal(write(fd, bytes, lie->size), lie->size);
    free(bytes);
    return fd;
}

static void tell_lie(int listener, const struct lie *lie)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec iov = {(void *)(uintptr_t)&lie->byte, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    int fd = lie_file(lie), peer = accept(listener, NULL, NULL);
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    if (lie->with_fd) msg.msg_control = &control, msg.msg_controllen = sizeof control;
    assert_true(sendmsg(peer, &msg, MSG_NOSIGNAL) == 1);
    close(fd);
    close(peer);
}

struct liar {
    int fd;
    const struct lie *lie;
};

static void *lie_once(void *arg)
{
    struct liar *liar = arg;
    tell_lie(liar->fd, liar->lie);
    return NULL;
}

static void bad_tellers(void **state)
{
    (void)state;
    char path[NOD_REPORT_PATH];
    struct snapshot_head good = {.magic = SNAPSHOT_MAGIC,
                                 .version = SNAPSHOT_VERSION,
                                 .head_size = sizeof good,
                                 .status_size = sizeof(nod_status)};
    size_t size = sizeof good;
    struct lie lies[] = {
        {1, true, size, good, 0, 0},
        {1, false, size, good, 0, NOD_EIO},
        {2, true, size, good, 0, NOD_EUNSUPPORTED},
        {1, true, 0, good, 0, NOD_EUNSUPPORTED},
        {1, true, size - 1, good, 0, NOD_EUNSUPPORTED},
        {1, true, size, good, 0, NOD_EUNSUPPORTED},                            /* 5: magic */
        {1, true, size, good, 0, NOD_EUNSUPPORTED},                            /* 6: status_size */
        {1, true, size, good, 0, NOD_EUNSUPPORTED},                            /* 7: count */
        {1, true, size + 9 * sizeof(nod_status), good, 0, NOD_EUNSUPPORTED},   /* 8: short */
        {1, true, size + 9 * sizeof(nod_status), good, 255, NOD_EUNSUPPORTED}, /* 9: nonsense */
    };
    lies[5].head.magic[0] = 'N';
    lies[6].head.status_size++;
    lies[7].head.count = UINT32_MAX;
    lies[8].head.count = 10;
    lies[9].head.count = 9;
    int fd = nod_report_open(path);
    assert_true(fd >= 0);
    fcntl(fd, F_SETFL, 0); /* accept waits */
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        nod_report report = {0};
        struct liar liar = {fd, &lies[i]};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, lie_once, &liar), 0);
        int error = nod_report_ask(path, PATIENCE, &report);
        pthread_join(thread, NULL);
        if (error != lies[i].expected) fail_msg("lie %zu: %d", i, error);
        if (!error) nod_report_free(&report);
    }
    nod_report_close(fd, path);
}

/* A folder that others may enter is not used: there is another. */
static void folders(void **state)
{
    (void)state;
    char folder[NOD_REPORT_PATH], path[NOD_REPORT_PATH];
    assert_true(nod_report_folder(0, folder));
    assert_int_equal(strncmp(folder, home, strlen(home)), 0);
    mkdir(folder, 0700);
    assert_true(nod_report_folder_sound(folder));
    chmod(folder, 0750);
    assert_false(nod_report_folder_sound(folder));
    int fd = nod_report_open(path);
    assert_true(fd >= 0);
    assert_int_equal(strncmp(path, "/tmp/nod-", 9), 0);
    assert_null(strstr(path, home));
    assert_int_equal(find_one(path), 1);
    nod_report_close(fd, path);
    chmod(folder, 0700);
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    assert_false(nod_report_folder(0, folder));
    setenv("XDG_RUNTIME_DIR", home, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told),       cmocka_unit_test(found),       cmocka_unit_test(stale),
        cmocka_unit_test(bad_askers), cmocka_unit_test(bad_tellers), cmocka_unit_test(folders),
    };
    if (!mkdtemp(home)) return 1;
    setenv("XDG_RUNTIME_DIR", home, 1);
    int failed = cmocka_run_group_tests_name("report", tests, NULL, NULL);
    char folder[NOD_REPORT_PATH];
    if (nod_report_folder(0, folder)) rmdir(folder);
    rmdir(home);
    return failed;
}
