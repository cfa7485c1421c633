/* What a connection counts of itself is what the kernel at its other end counts of the same
 * segments: nod's STATUS beside TCP_INFO. */
#include "cases.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nod/linux.h"

#define EACH_WAY 300000

typedef struct talk {
    world w;
    nod_handle conn;
    int kernel;
    size_t sent[2], received[2]; /* by nod, by the kernel */
} talk;

static void talk_once(talk *t)
{
    static char bytes[20000];
    nod_stack *stack = t->w.loop.stack;
    ptrdiff_t n;
    ssize_t k;
    while (t->sent[0] < EACH_WAY && (n = nod_tcp_send(stack, t->conn, bytes, 10000, 0)) > 0)
        t->sent[0] += (size_t)n;
    while ((n = nod_tcp_receive(stack, t->conn, bytes, sizeof bytes)) > 0)
        t->received[0] += (size_t)n;
    while (t->sent[1] < EACH_WAY && (k = send(t->kernel, bytes, 10000, 0)) > 0)
        t->sent[1] += (size_t)k;
    while ((k = recv(t->kernel, bytes, sizeof bytes, 0)) > 0) t->received[1] += (size_t)k;
    world_turn(&t->w, NULL, 0, nod_clock() + NOD_MSEC);
}

static void same(talk *t, const char *what, uint64_t nod, uint64_t kernel)
{
    printf("%-52s %8llu %8llu\n", what, (unsigned long long)nod, (unsigned long long)kernel);
    CHECK(&t->w, nod == kernel, "%s: nod says %llu, the kernel %llu", what, (unsigned long long)nod,
          (unsigned long long)kernel);
}

/* The kernel's end was made by the handshake: it counts nod's SYN, and not its own SYN,ACK. */
static void compare(talk *t)
{
    struct tcp_info k = {0}, n;
    nod_status s;
    socklen_t len = sizeof k;
    CHECK(&t->w, getsockopt(t->kernel, IPPROTO_TCP, TCP_INFO, &k, &len) == 0, "TCP_INFO");
    CHECK(&t->w, nod_tcp_status(t->w.loop.stack, t->conn, &s) == 0, "STATUS");
    CHECK(&t->w, s.counted && s.count.bytes_again == 0, "nothing may be lost here");
    nod_linux_tcp_info(&s, &n, sizeof n);
    same(t, "octets, nod to kernel: sent, received", n.tcpi_bytes_sent, k.tcpi_bytes_received);
    same(t, "octets, kernel to nod: received, sent", n.tcpi_bytes_received, k.tcpi_bytes_sent);
    same(t, "octets acknowledged (the kernel's SYN counts)", n.tcpi_bytes_acked, EACH_WAY);
    same(t, "segments out, in", n.tcpi_segs_out, k.tcpi_segs_in);
    same(t, "segments in, out", n.tcpi_segs_in - 1, k.tcpi_segs_out);
    same(t, "with text: out, in", n.tcpi_data_segs_out, k.tcpi_data_segs_in);
    same(t, "with text: in, out", n.tcpi_data_segs_in, k.tcpi_data_segs_out);
    same(t, "delivered, with the SYN: of nod's", n.tcpi_delivered, k.tcpi_data_segs_in + 1);
    same(t, "delivered, with the SYN: of the kernel's", n.tcpi_data_segs_in + 1, k.tcpi_delivered);
    same(t, "MSS", n.tcpi_snd_mss, k.tcpi_snd_mss);
    same(t, "MSS as it is told", n.tcpi_advmss, k.tcpi_advmss);
    same(t, "path MTU", n.tcpi_pmtu, k.tcpi_pmtu);
    same(t, "options", n.tcpi_options & 7, k.tcpi_options & 7);
    same(t, "nothing lost, again, or not sent", 0,
         k.tcpi_total_retrans + n.tcpi_total_retrans + n.tcpi_unacked + n.tcpi_notsent_bytes);
    CHECK(&t->w, n.tcpi_busy_time > 0 && n.tcpi_min_rtt > 0 && n.tcpi_min_rtt <= n.tcpi_rtt,
          "busy %llu, min_rtt %u, rtt %u", (unsigned long long)n.tcpi_busy_time, n.tcpi_min_rtt,
          n.tcpi_rtt);
}

void run_info(const char *name, int family)
{
    /* Cut and merged segments are counted by each end as it sees them: none here. */
    const world_config config = {.plain = true, .calm = true};
    talk t = {.kernel = -1};
    world_open(&t.w, name, family, &config);
    int listener = world_kernel_listen(&t.w);
    t.conn = world_nod_open(&t.w, false);
    nod_tcp_config counting;
    nod_tcp_get_config(t.w.loop.stack, t.conn, &counting);
    counting.counters = true;
    nod_tcp_set_config(t.w.loop.stack, t.conn, &counting);
    world_settle(&t.w);
    t.kernel = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(&t.w, t.kernel >= 0, "accept: %s", strerror(errno));
    while (t.received[0] < EACH_WAY || t.received[1] < EACH_WAY) talk_once(&t);
    for (int i = 0; i < 3; i++) { /* delayed ACKs of both */
        usleep(50000);
        world_settle(&t.w);
    }
    compare(&t);
    close(t.kernel);
    close(listener);
    world_close(&t.w);
}
