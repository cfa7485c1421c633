/* One address, two hosts: nod wants the kernel's, and the kernel wants nod's. */
#include "cases.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What nod knows of an address. */
static nod_address about(world *w, const nod_addr *addr)
{
    nod_address a[NOD_ADDRS_MAX];
    int n = nod_stack_addresses(w->loop.stack, a, NOD_ADDRS_MAX);
    for (int i = 0; i < n; i++)
        if (nod_addr_equal(&a[i].addr, addr)) return a[i];
    world_fail(w, "nod does not know the address");
}

/* Gives nod an address, and waits for what comes of it. */
static enum nod_address_state try(world *w, const nod_addr *addr)
{
    int error = nod_stack_add_addr(w->loop.stack, 0, addr, w->family == 4 ? 24 : 64);
    CHECK(w, error == 0, "no address: %s", nod_strerror(error));
    nod_usec until = nod_clock() + 8 * NOD_SEC;
    while (about(w, addr).state == NOD_ADDRESS_TENTATIVE) {
        CHECK(w, nod_clock() < until, "for ever tentative");
        world_turn(w, NULL, 0, nod_clock() + 10 * NOD_MSEC);
    }
    return about(w, addr).state;
}

/* The kernel's end gets one more IPv4 address, and asks for somebody in its name. */
static void kernel_takes4(world *w)
{
    struct sockaddr_storage own, somebody;
    nod_addr other = nod_addr_ip4(10, 8, 0, 77);
    struct ifreq ifr = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = world_sockaddr(&w->own, 0, &own);
    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%.12s:1", nod_link_name(w->loop.link));
    memcpy(&ifr.ifr_addr, &own, sizeof(struct sockaddr_in));
    CHECK(w, ioctl(fd, SIOCSIFADDR, &ifr) == 0, "SIOCSIFADDR: %s", strerror(errno));
    CHECK(w, bind(fd, (void *)&own, len) == 0, "bind: %s", strerror(errno));
    world_sockaddr(&other, PORT, &somebody);
    CHECK(w, sendto(fd, "?", 1, 0, (void *)&somebody, len) == 1, "sendto: %s", strerror(errno));
    for (nod_usec until = nod_clock() + 2 * NOD_SEC; !about(w, &w->own).conflicts;) {
        CHECK(w, nod_clock() < until, "nod did not notice");
        world_turn(w, NULL, 0, nod_clock() + 10 * NOD_MSEC);
    }
    close(fd);
}

/* Has the kernel found out that the address is another's? */
static bool kernel_gave_up6(world *w)
{
    char line[128], text[33];
    unsigned flags = 0, found = 0;
    FILE *f = fopen("/proc/net/if_inet6", "re");
    CHECK(w, f, "if_inet6: %s", strerror(errno));
    for (int i = 0; i < 16; i++) snprintf(text + 2 * i, 3, "%02x", w->own.bytes[i]);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, text, 32) == 0) found = sscanf(line + 32, "%*x %*x %*x %x", &flags) == 1;
    fclose(f);
    return found && flags & 0x08; /* IFA_F_DADFAILED */
}

static void kernel_tries6(world *w)
{
    struct { /* struct in6_ifreq of linux/ipv6.h, which does not go with the C library's headers */
        struct in6_addr addr;
        uint32_t prefix_len;
        int index;
    } request = {.prefix_len = 64};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(&request.addr, w->own.bytes, 16);
    request.index = (int)if_nametoindex(nod_link_name(w->loop.link));
    CHECK(w, ioctl(fd, SIOCSIFADDR, &request) == 0, "SIOCSIFADDR: %s", strerror(errno));
    close(fd);
    for (nod_usec until = nod_clock() + 5 * NOD_SEC; !kernel_gave_up6(w);) {
        CHECK(w, nod_clock() < until, "the kernel did not notice that the address is nod's");
        world_turn(w, NULL, 0, nod_clock() + 10 * NOD_MSEC);
    }
}

void run_conflict(const char *name, int family)
{
    world w;
    world_open(&w, name, family, &(world_config){.tap = true, .probe = true});
    CHECK(&w, try(&w, &w.host) == NOD_ADDRESS_DUPLICATE, "nod took the kernel's address");
    CHECK(&w, try(&w, &w.own) == NOD_ADDRESS_IN_USE, "nod did not take a free address");
    nod_handle handle = world_nod_open(&w, false); /* refused, and so there is a way */
    world_settle(&w);
    CHECK(&w, world_state(&w, handle) == NOD_CLOSED, "no answer from the kernel");
    if (family == 4)
        kernel_takes4(&w);
    else
        kernel_tries6(&w);
    CHECK(&w, about(&w, &w.own).state == NOD_ADDRESS_IN_USE, "nod gave its address up");
    world_close(&w);
}
