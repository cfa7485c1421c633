/* A private network: entered by root and by an ordinary user, empty but for its loopback,
 * which works at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nod/netns.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FINE, REFUSED, SAME_NETWORK, DEVICES, LOOPBACK, NOT_ROOT, NO_REASON };

static int count_devices(void)
{
    struct if_nameindex *all = if_nameindex();
    int count = 0;
    for (; all && all[count].if_index; count++) {
    }
    if_freenameindex(all);
    return count;
}

static bool loopback_works(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    char byte = 0;
    int in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool works = bind(in, (void *)&to, len) == 0 && getsockname(in, (void *)&to, &len) == 0 &&
                 sendto(out, "x", 1, 0, (void *)&to, len) == 1 &&
                 recv(in, &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x';
    close(in);
    close(out);
    return works;
}

/* Runs in a child, for there is no way back. */
static int enter_and_look(unsigned uid)
{
    struct stat before, after;
    char why[NOD_NETNS_WHY] = "";
    if (uid != geteuid() && (setgid(uid) != 0 || setuid(uid) != 0)) return REFUSED;
    prctl(PR_SET_DUMPABLE, 1); /* setuid takes it, and our own /proc with it; a login does not */
    stat("/proc/self/ns/net", &before);
    if (nod_netns_enter(why) != 0) {
        printf("skipped: %s\n", why);
        fflush(stdout);
        return *why ? REFUSED : NO_REASON;
    }
    stat("/proc/self/ns/net", &after);
    if (before.st_ino == after.st_ino) return SAME_NETWORK;
    if (count_devices() < 1 || if_nametoindex("lo") == 0) return DEVICES;
    if (geteuid() != 0) return NOT_ROOT;
    return loopback_works() ? FINE : LOOPBACK;
}

static void check(unsigned uid)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(enter_and_look(uid));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == REFUSED) skip();
    assert_int_equal(WEXITSTATUS(status), FINE);
}

static void as_who_we_are(void **state)
{
    (void)state;
    check(geteuid());
}

/* Without rights of its own, the process gets a user namespace too and is root there. */
static void as_an_ordinary_user(void **state)
{
    (void)state;
    if (geteuid() != 0) skip();
    check(65534);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_who_we_are),
        cmocka_unit_test(as_an_ordinary_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
