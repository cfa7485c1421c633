/* What stands before the conversation begins: the namespace, the TUN, nod's stack, the paths
 * between them, and the server. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel.h"
#include "kernel_state.h"
#include "nod/netns.h"
#include "tr.h"

#define WHY 256
#define CLIENT_PORT 49152
#define SERVER_PORT 7
#define MSL NOD_SEC /* nobody wants to wait for the usual four minutes */
#define TRACE_EVENTS 4096

int kernel_fail(char *why, int error, const char *what)
{
    snprintf(why, WHY, "%s", what);
    size_t len = strlen(why);
    if (len > 0 && why[len - 1] == '.') why[len - 1] = 0;
    return error;
}

static int make_stack(struct kernel_watch *k, char *why)
{
    nod_config config;
    int error = 0;
    nod_config_default(&config);
    config.trace_events = TRACE_EVENTS;
    config.tcp.msl_us = k->msl;
    config.tcp.ecn_request = config.tcp.ecn_accept = k->options->world.ecn;
    if (nod_entropy(config.secret, sizeof(config.secret)) < 0)
        return kernel_fail(why, NOD_EIO, _("the system gives no random bytes"));
    k->stack = nod_stack_new(&config, 0, &error);
    if (k->stack == NULL) return kernel_fail(why, error, error_words(error));
    k->pool = nod_stack_pool(k->stack);
    return 0;
}

static int make_link(struct kernel_watch *k, char *why)
{
    char reason[NOD_LINK_WHY] = "";
    nod_tun_config config = {.mtu = k->options->world.mtu};
    nod_iface_config iface;
    int error = 0, number;
    config.host4 = nod_addr_ip4(10, 77, 0, 1);
    if (config.mtu >= 1280) nod_addr_parse("fd77::1", &config.host6);
    k->link = nod_link_tun(k->pool, &config, &error, reason);
    if (k->link == NULL) return kernel_fail(why, error, reason);
    nod_link_iface(k->link, &iface);
    number = nod_stack_add_iface(k->stack, &iface);
    if (number < 0) return kernel_fail(why, number, error_words(number));
    error = nod_stack_add_addr(k->stack, number, &k->end[LEFT].addr,
                               k->options->world.family == 6 ? 64 : 24);
    return error < 0 ? kernel_fail(why, error, error_words(error)) : 0;
}

static int make_paths(struct kernel_watch *k, char *why)
{
    nod_path_config path = k->options->world.path;
    /* On a terminal slow enough to be watched, else fast. */
    if (!k->options->delay_given) path.delay_us = (isatty(STDOUT_FILENO) ? 150 : 10) * NOD_MSEC;
    for (int side = 0; side < 2; side++) {
        k->path[side] = nod_path_new(k->pool, &path, k->options->world.seed + (uint64_t)side);
        if (k->path[side] == NULL) return kernel_fail(why, NOD_ENOMEM, error_words(NOD_ENOMEM));
    }
    return 0;
}

static socklen_t socket_address(const nod_endpoint *end, struct sockaddr_storage *out)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    *out = (struct sockaddr_storage){0};
    if (end->addr.family == 6) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(end->port);
        memcpy(&in6->sin6_addr, end->addr.bytes, 16);
        return sizeof(*in6);
    }
    in4->sin_family = AF_INET;
    in4->sin_port = htons(end->port);
    memcpy(&in4->sin_addr, end->addr.bytes, 4);
    return sizeof(*in4);
}

/* A fresh IPv6 address may still be tentative for a moment. */
static int bind_patiently(int fd, const struct sockaddr *address, socklen_t len)
{
    for (int tries = 0; tries < 40; tries++) {
        if (bind(fd, address, len) == 0) return 0;
        if (errno != EADDRNOTAVAIL) return -1;
        poll(NULL, 0, 50);
    }
    return -1;
}

static int make_server(struct kernel_watch *k, char *why)
{
    struct sockaddr_storage address;
    socklen_t len = socket_address(&k->end[RIGHT], &address);
    k->listener = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (k->listener >= 0 && bind_patiently(k->listener, (struct sockaddr *)&address, len) == 0 &&
        listen(k->listener, 1) == 0)
        return 0;
    snprintf(why, WHY, _("the kernel opens no server: %s"), strerror(errno));
    return NOD_EIO;
}

int kernel_capture(struct kernel_watch *k, char *why)
{
    const char *path = k->options->world.pcap;
    if (path == NULL) return 0;
    k->capture = nod_capture_open(path, 0);
    if (k->capture == NULL) {
        snprintf(why, WHY, _("cannot write %s: %s"), path, strerror(errno));
        return NOD_EIO;
    }
    nod_capture_iface(k->capture, nod_link_name(k->link), NOD_IFACE_IP);
    return 0;
}

int kernel_open(struct kernel_watch *k, const struct watch_options *options, char *why)
{
    char reason[NOD_NETNS_WHY] = "";
    int error;
    *k = (struct kernel_watch){.options = options, .listener = -1};
    k->msl = options->world.msl_us != 0 ? options->world.msl_us : MSL;
    if (options->world.family == 6) {
        nod_addr_parse("fd77::2", &k->end[LEFT].addr);
        nod_addr_parse("fd77::1", &k->end[RIGHT].addr);
    } else {
        k->end[LEFT].addr = nod_addr_ip4(10, 77, 0, 2);
        k->end[RIGHT].addr = nod_addr_ip4(10, 77, 0, 1);
    }
    k->end[LEFT].port = CLIENT_PORT;
    k->end[RIGHT].port = SERVER_PORT;
    error = nod_netns_enter(reason);
    if (error < 0) return kernel_fail(why, error, reason);
    if ((error = make_stack(k, why)) < 0 || (error = make_link(k, why)) < 0 ||
        (error = make_paths(k, why)) < 0 || (error = make_server(k, why)) < 0)
        kernel_close(k);
    k->state = error == 0 ? kernel_state_open() : NULL;
    return error;
}

void kernel_close(struct kernel_watch *k)
{
    if (k->capture != NULL) (void)nod_capture_close(k->capture);
    kernel_state_close(k->state);
    if (k->listener >= 0) close(k->listener);
    nod_path_free(k->path[LEFT]);
    nod_path_free(k->path[RIGHT]);
    if (k->link != NULL) nod_link_close(k->link);
    if (k->stack != NULL) nod_stack_free(k->stack);
    *k = (struct kernel_watch){.listener = -1};
}

void kernel_addresses(const struct kernel_watch *k, char address[2][64])
{
    for (int side = 0; side < 2; side++) {
        char text[NOD_ADDR_TEXT];
        nod_addr_format(&k->end[side].addr, text, sizeof(text));
        snprintf(address[side], 64, k->end[side].addr.family == 6 ? "[%s]:%u" : "%s:%u", text,
                 (unsigned)k->end[side].port);
    }
}
