/* A private network namespace; for an ordinary user inside a user namespace of its own, in
 * which that user is root and so may configure devices. */
#include "nod/netns.h"

#include "impl.h"
#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

_Static_assert(NOD_NETNS_WHY >= NOD_LINK_WHY, "one sentence fits where the other does");

/* Reads a number from /proc; -1 when there is none. */
static long read_setting(const char *path)
{
    long value = -1;
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    if (fscanf(file, "%ld", &value) != 1) value = -1;
    fclose(file);
    return value;
}

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t wrote = write(fd, text, strlen(text));
    int error = wrote < 0 ? -errno : 0;
    close(fd);
    return error;
}

static int explain_refusal(char *why, int error)
{
    if (read_setting("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        return nod_link_explain(why, NOD_EPERM,
                                "This system forbids private namespaces to ordinary users: run "
                                "as root, or set kernel.unprivileged_userns_clone to 1 with "
                                "sysctl.");
    if (read_setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
        return nod_link_explain(why, NOD_EPERM,
                                "AppArmor forbids private namespaces to ordinary users: run as "
                                "root, or set kernel.apparmor_restrict_unprivileged_userns to "
                                "0 with sysctl.");
    if (error == ENOSPC)
        return nod_link_explain(why, NOD_EPERM,
                                "This system allows no more namespaces: raise "
                                "user.max_user_namespaces and user.max_net_namespaces with "
                                "sysctl.");
    return nod_link_explain(why, NOD_EPERM,
                            "The system does not allow a private network namespace (%s): run as "
                            "root, or allow it to the container (CAP_SYS_ADMIN).",
                            strerror(error));
}

static int explain(char *why, int error)
{
    if (error == EINVAL)
        return nod_link_explain(why, NOD_EINVAL,
                                "A private network namespace is only for a process with one "
                                "thread, or the kernel has none (CONFIG_NET_NS, "
                                "CONFIG_USER_NS).");
    if (error == ENOSYS)
        return nod_link_explain(why, NOD_EUNSUPPORTED,
                                "This kernel has no namespaces: it was built without "
                                "CONFIG_NAMESPACES.");
    return explain_refusal(why, error);
}

/* We become root inside; nobody else exists there. */
static int map_ids(unsigned uid, unsigned gid)
{
    char text[64];
    /* Since Linux 3.19 this is the price of writing gid_map as an ordinary user. */
    int error = write_text("/proc/self/setgroups", "deny");
    if (error && error != -ENOENT) return error;
    snprintf(text, sizeof text, "0 %u 1", uid);
    error = write_text("/proc/self/uid_map", text);
    if (error) return error;
    snprintf(text, sizeof text, "0 %u 1", gid);
    return write_text("/proc/self/gid_map", text);
}

static int loopback_up(char *why)
{
    nod_netlink *netlink = nod_netlink_open();
    if (!netlink)
        return nod_link_explain(why, NOD_EIO, "Cannot talk to the kernel about devices: %s.",
                                strerror(errno));
    int error = nod_netlink_up(netlink, if_nametoindex("lo"), 0, 0);
    nod_netlink_close(netlink);
    if (error == -EPERM || error == -EACCES) return explain_refusal(why, -error);
    if (error)
        return nod_link_explain(why, NOD_EIO, "Cannot bring the private loopback up: %s.",
                                strerror(-error));
    return 0;
}

int nod_netns_enter(char *why)
{
    /* First without a user namespace: who may do that keeps being who they are. */
    if (unshare(CLONE_NEWNET) != 0) {
        if (errno != EPERM) return explain(why, errno);
        unsigned uid = geteuid(), gid = getegid();
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return explain(why, errno);
        int error = map_ids(uid, gid);
        if (error) return explain_refusal(why, -error);
    }
    return loopback_up(why);
}

/* The file of a namespace; -1 with errno. */
static int open_netns(const char *where)
{
    char path[4096];
    if (strchr(where, '/')) return open(where, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/run/netns/%s", where);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 || where[strspn(where, "0123456789")]) return fd;
    snprintf(path, sizeof path, "/proc/%s/ns/net", where);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Who is nobody here may be root in the user namespace that owns it. */
static int join_with_owner(int fd)
{
    int owner = ioctl(fd, NS_GET_USERNS);
    if (owner < 0) return -1;
    int joined = setns(owner, CLONE_NEWUSER);
    close(owner);
    return joined == 0 ? setns(fd, CLONE_NEWNET) : -1;
}

static int explain_join(char *why, int error, const char *where)
{
    if (error == ENOENT || error == ESRCH)
        return nod_link_explain(why, NOD_EINVAL,
                                "There is no network namespace %s: give its name in /run/netns (as "
                                "\"ip netns add\" makes it), the number of a process, or a path.",
                                where);
    if (error == EPERM || error == EACCES)
        return nod_link_explain(why, NOD_EPERM,
                                "No permission to enter the network namespace %s: run as root (or "
                                "with CAP_SYS_ADMIN), or as whoever made it.",
                                where);
    if (error == EINVAL)
        return nod_link_explain(why, NOD_EINVAL, "%s is no network namespace.", where);
    return nod_link_explain(why, NOD_EIO, "Cannot enter the network namespace %s: %s.", where,
                            strerror(error));
}

int nod_netns_join(const char *where, char *why)
{
    int fd = open_netns(where);
    if (fd < 0) return explain_join(why, errno, where);
    int error = setns(fd, CLONE_NEWNET) == 0 ? 0 : errno;
    if (error == EPERM && join_with_owner(fd) == 0) error = 0;
    close(fd);
    return error ? explain_join(why, error, where) : 0;
}
