/* The object as packetdrill uses it: it is loaded, asked for its functions, and holds a
 * conversation (open, write, close) with a peer made by hand; one call blocks in a thread. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "interface.h"

#define PORT 8080
#define PEER_PORT 40000
#define PEER_ISS 1000

/* Not assert, which release leaves out. */
#define CHECK(what)                                                                          \
    do {                                                                                     \
        if (!(what)) {                                                                       \
            fprintf(stderr, "%s:%d: it does not hold that %s\n", __FILE__, __LINE__, #what); \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

struct segment {
    struct iphdr ip;
    struct tcphdr tcp;
    uint8_t rest[1500];
};

static struct packetdrill_interface drill;

static uint32_t sum(const void *bytes, size_t len, uint32_t so_far)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i + 1 < len; i += 2) so_far += (uint32_t)(b[i] << 8 | b[i + 1]);
    return so_far;
}

static uint16_t fold(uint32_t total)
{
    while (total >> 16) total = (total & 0xffff) + (total >> 16);
    return htons((uint16_t)~total);
}

/* A segment without text from the peer, `seq` and `ack` counted from their ISNs. */
static void peer_says(uint8_t flags, uint32_t seq, uint32_t ack)
{
    struct segment s = {
        .ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .tot_len = htons(40)},
        .tcp = {.source = htons(PEER_PORT), .dest = htons(PORT), .doff = 5, .window = htons(60000)},
    };
    s.ip.saddr = inet_addr("192.0.2.1");
    s.ip.daddr = inet_addr("192.168.0.1");
    s.ip.check = fold(sum(&s.ip, sizeof s.ip, 0));
    s.tcp.th_flags = flags;
    s.tcp.seq = htonl(PEER_ISS + seq);
    s.tcp.ack_seq = htonl(ack);
    uint32_t total = sum(&s.ip.saddr, 8, IPPROTO_TCP + sizeof s.tcp);
    s.tcp.check = fold(sum(&s.tcp, sizeof s.tcp, total));
    CHECK(drill.netdev_send(drill.userdata, &s, 40) == 0);
}

/* What nod sends next: flags, and octets of text. */
static struct segment nod_says(uint8_t flags, size_t text)
{
    struct segment s;
    size_t len = sizeof s;
    long long time_us;
    CHECK(drill.netdev_receive(drill.userdata, &s, &len, &time_us) == 0);
    CHECK(len > 0);
    CHECK(s.tcp.th_flags == flags);
    CHECK(len == 20u + s.tcp.doff * 4u + text);
    return s;
}

static long long clock_now(void)
{
    struct timeval time;
    CHECK(drill.gettimeofday(drill.userdata, &time, NULL) == 0);
    return time.tv_sec * 1000000LL + time.tv_usec;
}

struct accepting {
    int listener, fd;
    long long when;
};

static void *accept_in_thread(void *arg)
{
    struct accepting *a = arg;
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    a->fd = drill.accept(drill.userdata, a->listener, (struct sockaddr *)&peer, &len);
    a->when = clock_now();
    CHECK(len == sizeof peer && peer.sin_port == htons(PEER_PORT));
    return NULL;
}

static int listen_here(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = drill.socket(drill.userdata, AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK(drill.bind(drill.userdata, fd, (struct sockaddr *)&name, sizeof name) == 0);
    CHECK(drill.listen(drill.userdata, fd, 1) == 0);
    return fd;
}

/* The connection that a blocked accept gets when the handshake is over. */
static int open_from_peer(uint32_t *iss)
{
    pthread_t thread;
    struct accepting a = {.listener = listen_here()};
    CHECK(pthread_create(&thread, NULL, accept_in_thread, &a) == 0);
    usleep(50000); /* so that it blocks, most of the time */
    peer_says(TH_SYN, 0, 0);
    *iss = ntohl(nod_says(TH_SYN | TH_ACK, 0).tcp.seq);
    CHECK(drill.usleep(drill.userdata, 100000) == 0);
    long long before = clock_now();
    peer_says(TH_ACK, 1, *iss + 1);
    CHECK(drill.usleep(drill.userdata, 100000) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(a.fd >= 0);
    CHECK(a.when - before < 100); /* microseconds of the world's own time */
    return a.fd;
}

/* What packetdrill asks between the packets: edges, readiness, TCP_INFO as long as it wants it. */
static void ask(int fd)
{
    struct pollfd out = {.fd = fd, .events = POLLIN | POLLOUT};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
    uint8_t info[280];
    socklen_t len = sizeof info;
    int epfd = drill.epoll_create(drill.userdata, 1), waiting = -1;
    CHECK(drill.poll(drill.userdata, &out, 1, 0) == 1 && out.revents == POLLOUT);
    CHECK(drill.epoll_ctl(drill.userdata, epfd, EPOLL_CTL_ADD, fd, &event) == 0);
    CHECK(drill.epoll_wait(drill.userdata, epfd, &event, 1, 0) == 1);
    CHECK(event.events == EPOLLOUT);
    CHECK(drill.epoll_wait(drill.userdata, epfd, &event, 1, 10) == 0);
    CHECK(drill.close(drill.userdata, epfd) == 0);
    CHECK(drill.getsockopt(drill.userdata, fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0);
    CHECK(len == sizeof info && info[0] == TCP_ESTABLISHED);
    CHECK(drill.ioctl(drill.userdata, fd, FIONREAD, &waiting) == 0 && waiting == 0);
    CHECK(drill.fcntl(drill.userdata, fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK(drill.read(drill.userdata, fd, info, 1) == -1 && errno == EAGAIN);
    CHECK(drill.read(drill.userdata, fd, NULL, 1) == -1 && errno == EFAULT);
}

int main(int argc, char **argv)
{
    uint32_t iss;
    char text[100] = "";
    void (*init)(const char *, struct packetdrill_interface *);
    CHECK(argc == 2);
    void *object = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!object) fprintf(stderr, "%s\n", dlerror());
    CHECK(object != NULL);
    void *door = dlsym(object, "packetdrill_interface_init");
    CHECK(door != NULL);
    memcpy(&init, &door, sizeof init);
    init("", &drill);

    int fd = open_from_peer(&iss);
    ask(fd);
    CHECK(drill.write(drill.userdata, fd, text, 100) == 100);
    nod_says(TH_PUSH | TH_ACK, 100);
    peer_says(TH_ACK, 1, iss + 101);
    CHECK(drill.close(drill.userdata, fd) == 0);
    nod_says(TH_FIN | TH_ACK, 0);
    peer_says(TH_FIN | TH_ACK, 1, iss + 102);
    nod_says(TH_ACK, 0);
    drill.free(drill.userdata);
    return 0;
}
