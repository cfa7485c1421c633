#include "world.h"

#include "nod/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void world_fail(const world *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s over IPv%d: ", w->name, w->family);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nseed %llu; again with: NOD_TEST_SEED=%llu interop %s %d\n",
            (unsigned long long)w->seed, (unsigned long long)w->seed, w->name, w->family);
    exit(1);
}

static void skip(const char *why)
{
    printf("skipped: %s\n", why);
    exit(SKIPPED);
}

static uint64_t choose_seed(void)
{
    const char *given = getenv("NOD_TEST_SEED");
    uint64_t seed = 0;
    if (given) return strtoull(given, NULL, 0);
    nod_entropy(&seed, sizeof seed);
    return seed;
}

bool world_setting(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/%s", name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool written = write(fd, text, strlen(text)) > 0;
    close(fd);
    return written;
}

static void make_link(world *w, const world_config *config)
{
    nod_pool *pool = nod_stack_pool(w->loop.stack);
    nod_tun_config tun = {.offload = !config->plain, .tap = config->tap};
    char why[NOD_LINK_WHY] = "";
    int error;
    *(w->family == 4 ? &tun.host4 : &tun.host6) = w->host;
    w->loop.link = nod_link_tun(pool, &tun, &error, why);
    if (!w->loop.link && (error == NOD_EPERM || error == NOD_EUNSUPPORTED)) skip(why);
    CHECK(w, w->loop.link, "no TUN: %s", why);
    if (!config->harm) return;
    w->loop.link = nod_link_harm(w->loop.link, pool, config->harm, config->harm, w->seed);
    CHECK(w, w->loop.link, "no harm");
}

void world_open(world *w, const char *name, int family, const world_config *config)
{
    char why[NOD_NETNS_WHY] = "";
    nod_config stack;
    *w = (world){.family = family, .name = name, .seed = choose_seed()};
    w->started = nod_clock();
    nod_addr_parse(family == 4 ? "10.8.0.2" : "fd08::2", &w->own);
    nod_addr_parse(family == 4 ? "10.8.0.1" : "fd08::1", &w->host);
    if (nod_netns_enter(why) != 0) skip(why);

    if (config->calm) world_setting("net/ipv4/tcp_early_retrans", "0"); /* no tail loss probes */

    if (config->finds_holes) world_setting("net/ipv4/tcp_mtu_probing", "1");

    nod_config_default(&stack);
    memcpy(stack.secret, &w->seed, sizeof w->seed);
    stack.secret[31] = 1;
    if (config->pcap) stack.trace_events = NOD_LOOP_TRACE;
    if (config->rto_min_us) stack.tcp.rto_min_us = config->rto_min_us;
    if (config->msl_us) stack.tcp.msl_us = config->msl_us;
    if (config->ecn) {
        stack.tcp.ecn_request = stack.tcp.ecn_accept = (uint8_t)config->ecn;
        CHECK(w, world_setting("net/ipv4/tcp_ecn", "1"), "the kernel's ECN cannot be set");
    }
    if (!config->tunes) stack.tcp.send_buffer = stack.tcp.receive_buffer = 1024 * 1024;
    w->loop.stack = nod_stack_new(&stack, nod_clock(), NULL);
    CHECK(w, w->loop.stack, "no stack");
    make_link(w, config);
    if (config->pcap) {
        w->loop.capture = nod_capture_open(config->pcap, nod_loop_epoch());
        CHECK(w, w->loop.capture, "%s: %s", config->pcap, strerror(errno));
    }
    w->loop.probe = config->probe;
    CHECK(w, nod_loop_begin(&w->loop) == 0, "the stack does not take the device");
    if (config->probe) return;
    int error = nod_stack_add_addr(w->loop.stack, 0, &w->own, family == 4 ? 24 : 64);
    CHECK(w, error == 0, "no address: %s", nod_strerror(error));
}

void world_close(world *w)
{
    nod_loop_end(&w->loop);
    nod_link_close(w->loop.link);
    nod_stack_free(w->loop.stack);
    if (w->loop.capture)
        CHECK(w, nod_capture_close(w->loop.capture) == 0, "the capture could not be written");
}

void world_turn(world *w, struct pollfd *extra, int extras, nod_usec until)
{
    int error = nod_loop_turn(&w->loop, extra, extras, until);
    CHECK(w, error == 0, "the link failed: %s", nod_strerror(error));
    CHECK(w, nod_clock() - w->started < 2 * PATIENCE, "this takes too long");
}

void world_in(world *w)
{
    nod_frame frames[NOD_LOOP_BATCH];
    int got;
    while ((got = nod_link_receive(w->loop.link, frames, NOD_LOOP_BATCH, nod_clock())) > 0)
        nod_stack_input(w->loop.stack, frames, got, nod_clock());
}

void world_out(world *w)
{
    CHECK(w, nod_loop_flush(&w->loop) == 0, "the link failed");
}

void world_settle(world *w)
{
    nod_usec until = nod_clock() + 100 * NOD_MSEC;
    while (nod_clock() < until) world_turn(w, NULL, 0, until);
}

socklen_t world_sockaddr(const nod_addr *addr, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *four = (void *)out;
    struct sockaddr_in6 *six = (void *)out;
    memset(out, 0, sizeof *out);
    if (addr->family == 4) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        memcpy(&four->sin_addr, addr->bytes, 4);
        return sizeof *four;
    }
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    memcpy(&six->sin6_addr, addr->bytes, 16);
    return sizeof *six;
}

nod_handle world_nod_open(world *w, bool passive)
{
    nod_open open = {.passive = passive};
    nod_handle handle = 0;
    if (passive)
        open.local.port = PORT;
    else
        open.remote = (nod_endpoint){w->host, PORT};
    int error = nod_tcp_open(w->loop.stack, &open, &handle);
    CHECK(w, error == 0, "OPEN: %s", nod_strerror(error));
    return handle;
}

int world_kernel_listen(world *w)
{
    struct sockaddr_storage addr;
    socklen_t len = world_sockaddr(&w->host, PORT, &addr);
    int on = 1;
    int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK(w, bind(fd, (void *)&addr, len) == 0, "bind: %s", strerror(errno));
    CHECK(w, listen(fd, 8) == 0, "listen: %s", strerror(errno));
    return fd;
}

int world_kernel_connect(world *w)
{
    struct sockaddr_storage addr;
    socklen_t len = world_sockaddr(&w->own, PORT, &addr);
    int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = connect(fd, (void *)&addr, len);
    CHECK(w, rc == 0 || errno == EINPROGRESS, "connect: %s", strerror(errno));
    return fd;
}

enum nod_state world_state(world *w, nod_handle handle)
{
    nod_status status;
    int error = nod_tcp_status(w->loop.stack, handle, &status);
    CHECK(w, error == 0, "STATUS: %s", nod_strerror(error));
    return status.state;
}
