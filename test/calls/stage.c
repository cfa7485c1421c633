#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Addresses that nobody has, but that lead somewhere: to a host that keeps silent. */
static const char own_side[] = "link set lo up\n"
                               "addr add 10.110.111.2/24 dev nod0\n"
                               "addr add fd6e:6f64::2/64 dev nod0 nodad\n"
                               "link set nod0 up\n"
                               "route add default via 10.110.111.1\n"
                               "route add default via fd6e:6f64::1\n"
                               "neigh add 10.110.111.1 lladdr 02:00:00:00:00:01 dev nod0\n"
                               "neigh add fd6e:6f64::1 lladdr 02:00:00:00:00:01 dev nod0\n"
                               "neigh add 10.110.111.77 lladdr 02:00:00:00:00:01 dev nod0\n"
                               "neigh add fd6e:6f64::77 lladdr 02:00:00:00:00:01 dev nod0\n";
static const char peer_side[] = "link set lo up\n"
                                "addr add 10.110.111.1/24 dev nod0\n"
                                "addr add fd6e:6f64::1/64 dev nod0 nodad\n"
                                "link set nod0 up\n"
                                "neigh add 10.110.111.2 lladdr 02:00:00:00:00:02 dev nod0\n"
                                "neigh add fd6e:6f64::2 lladdr 02:00:00:00:00:02 dev nod0\n";

/* What a machine may have changed and a program can see. */
static const struct {
    const char *path, *value;
} settings[] = {
    {"/proc/sys/net/ipv4/tcp_congestion_control", "reno"},
    {"/proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456"},
    {"/proc/sys/net/ipv4/tcp_wmem", "4096 16384 4194304"},
    {"/proc/sys/net/ipv4/tcp_fin_timeout", "60"},
    {"/proc/sys/net/ipv4/tcp_syn_retries", "6"},
    {"/proc/sys/net/ipv4/ip_local_port_range", "32768 60999"},
};

static void fail(const char *what, int code)
{
    printf("skipped: no private network to test in: %s: %s\n", what, strerror(errno));
    exit(code);
}

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, text, strlen(text)) < 0) fprintf(stderr, "%s: %s\n", path, strerror(errno));
    close(fd);
}

static void ip(const char *commands)
{
    FILE *pipe = popen("ip -batch -", "we");
    if (!pipe) fail("ip", 77);
    fputs(commands, pipe);
    if (pclose(pipe) != 0) fail("ip (of iproute2) refused", 77);
}

static void enter(void)
{
    char map[64];
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWNET) == 0) return;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) fail("unshare", 77);
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    write_text("/proc/self/gid_map", map);
}

void stage_settings(void)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        write_text(settings[i].path, settings[i].value);
}

int stage_open(void)
{
    char commands[1024], path[64], byte = 0;
    int ready[2], go[2];
    enter();
    if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) fail("pipe", 1);
    pid_t child = fork();
    if (child < 0) fail("fork", 1);
    if (child == 0) {
        close(go[1]);
        if (unshare(CLONE_NEWNET) != 0) fail("unshare", 77);
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1) _exit(1);
        ip(peer_side);
        _exit(0);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) fail("a second namespace", 77);
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)child);
    int other = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(commands, sizeof commands,
             "link add nod0 address 02:00:00:00:00:02 type veth peer name nod0 address "
             "02:00:00:00:00:01 netns %d\n%s",
             (int)child, own_side);
    ip(commands);
    stage_settings();
    int status = 0;
    if (write(go[1], &byte, 1) != 1) fail("pipe", 1);
    waitpid(child, &status, 0);
    if (other < 0 || status != 0) fail("the other side", 77);
    close(ready[0]), close(go[0]), close(go[1]);
    return other;
}
