/* Both directions at once, every byte checked, over a good network and a bad one. */
#include "cases.h"

#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK (256 * 1024)

typedef struct transfer {
    world *w;
    nod_handle conn;
    stream out, in;
    bool open, closed, peer_closed;
    uint32_t send_buffer, receive_buffer; /* the largest that were seen */
    size_t len, off;
    uint8_t bytes[CHUNK];
} transfer;

static void take_events(transfer *t)
{
    nod_event events[16];
    int got;
    while ((got = nod_stack_events(t->w->loop.stack, events, 16)) > 0) {
        for (int i = 0; i < got; i++) {
            if (events[i].handle != t->conn) continue;
            CHECK(t->w, !(events[i].flags & NOD_EVENT_ERROR), "nod: %s, after %llu out, %llu in",
                  nod_strerror(events[i].error), (unsigned long long)t->out.bytes,
                  (unsigned long long)t->in.bytes);
            if (events[i].flags & NOD_EVENT_OPEN) t->open = true;
        }
    }
}

static void send_more(transfer *t)
{
    while (!t->closed) {
        if (t->len == 0) {
            t->off = 0;
            t->len = stream_make(&t->out, t->bytes, CHUNK);
        }
        if (t->len == 0) {
            t->closed = true;
            CHECK(t->w, nod_tcp_close(t->w->loop.stack, t->conn) == 0, "CLOSE");
            return;
        }
        ptrdiff_t took = nod_tcp_send(t->w->loop.stack, t->conn, t->bytes + t->off, t->len, 0);
        if (took == NOD_EAGAIN) return;
        CHECK(t->w, took > 0, "SEND: %s", nod_strerror((int)took));
        t->off += (size_t)took;
        t->len -= (size_t)took;
    }
}

static void take_more(transfer *t)
{
    nod_slice slices[32];
    while (!t->peer_closed) {
        int got = nod_tcp_receive_slices(t->w->loop.stack, t->conn, slices, 32);
        if (got == NOD_EAGAIN) return;
        CHECK(t->w, got >= 0, "RECEIVE: %s", nod_strerror(got));
        if (got == 0) t->peer_closed = true;
        for (int i = 0; i < got; i++) {
            stream_take(&t->in, nod_slice_bytes(&slices[i]), slices[i].len);
            nod_slice_release(&slices[i]);
        }
    }
}

static bool over(transfer *t)
{
    nod_status status;
    if (!t->closed || !t->peer_closed) return false;
    if (nod_tcp_status(t->w->loop.stack, t->conn, &status) != 0) return true;
    return status.state == NOD_TIME_WAIT || status.state == NOD_CLOSED;
}

static void note_buffers(transfer *t)
{
    nod_status status;
    if (nod_tcp_status(t->w->loop.stack, t->conn, &status) != 0) return;
    if (status.send_buffer > t->send_buffer) t->send_buffer = status.send_buffer;
    if (status.receive_buffer > t->receive_buffer) t->receive_buffer = status.receive_buffer;
}

/* Opens, or waits to be connected to; then carries both streams to their ends. */
static void converse(transfer *t, bool passive)
{
    nod_handle listener = world_nod_open(t->w, passive);
    if (!passive) t->conn = listener;
    while (!over(t)) {
        if (passive && t->conn == 0 && nod_tcp_accept(t->w->loop.stack, listener, &t->conn) == 0)
            t->open = true;
        take_events(t);
        if (t->open) {
            send_more(t);
            take_more(t);
            note_buffers(t);
        }
        if (!over(t)) world_turn(t->w, NULL, 0, nod_clock() + NOD_SEC);
    }
}

static void compare(transfer *t, const peer_result *theirs)
{
    uint8_t sent[DIGEST], received[DIGEST];
    unsigned long long out = t->out.bytes, in = t->in.bytes;
    stream_end(&t->out, sent);
    stream_end(&t->in, received);
    CHECK(t->w, theirs->received == out, "the kernel got %llu of %llu bytes",
          (unsigned long long)theirs->received, out);
    CHECK(t->w, theirs->sent == in, "nod got %llu of %llu bytes", in,
          (unsigned long long)theirs->sent);
    CHECK(t->w, memcmp(theirs->received_digest, sent, DIGEST) == 0, "nod to kernel: SHA-256");
    CHECK(t->w, memcmp(theirs->sent_digest, received, DIGEST) == 0, "kernel to nod: SHA-256");
}

static void report(world *w, uint64_t bytes, nod_usec took)
{
    nod_stack_stats stats;
    nod_link_stats link;
    nod_stack_get_stats(w->loop.stack, &stats);
    nod_link_get_stats(w->loop.link, &link);
    printf("%llu MiB each way in %.2f s, SHA-256 equal; segments out %llu, again %llu, "
           "in %llu\n",
           (unsigned long long)(bytes >> 20), (double)took / 1e6,
           (unsigned long long)stats.segments_out, (unsigned long long)stats.retransmitted,
           (unsigned long long)stats.segments_in);
    if (link.harm_out.in == 0) return;
    const nod_path_stats *h[2] = {&link.harm_out, &link.harm_in};
    for (int i = 0; i < 2; i++)
        printf("%s: %llu packets, %llu lost, %llu doubled, %llu reordered, %llu damaged\n",
               i ? "in" : "out", (unsigned long long)h[i]->in, (unsigned long long)h[i]->lost,
               (unsigned long long)h[i]->duplicated, (unsigned long long)h[i]->reordered,
               (unsigned long long)h[i]->damaged);
}

/* Both ends agreed on the classic kind, both sent packets that could be marked, and were, and nod
 * heard of it. */
static void check_ecn(transfer *t)
{
    nod_status status;
    nod_link_stats link;
    CHECK(t->w, nod_tcp_status(t->w->loop.stack, t->conn, &status) == 0, "STATUS");
    CHECK(t->w, status.ecn == NOD_ECN_CLASSIC, "no ECN: %d", (int)status.ecn);
    CHECK(t->w, status.ecn_seen, "the kernel sent nothing that may be marked");
    nod_link_get_stats(t->w->loop.link, &link);
    CHECK(t->w, link.harm_out.marked > 0, "nothing of nod's was marked");
    CHECK(t->w, link.harm_in.marked > 0, "nothing of the kernel's was marked");
    CHECK(t->w, status.ssthresh < 1u << 30, "no mark slowed nod down");
    printf("marked: %llu of %llu out, %llu of %llu in\n", (unsigned long long)link.harm_out.marked,
           (unsigned long long)link.harm_out.in, (unsigned long long)link.harm_in.marked,
           (unsigned long long)link.harm_in.in);
}

/* A long path, on which neither end's first buffer is enough: nod's have grown, both. */
static void check_buffers(transfer *t)
{
    printf("buffers: to %u for sending, to %u for receiving\n", t->send_buffer, t->receive_buffer);
    CHECK(t->w, t->send_buffer > 1024 * 1024, "%u octets to send from", t->send_buffer);
    CHECK(t->w, t->receive_buffer > 1024 * 1024, "%u octets to receive in", t->receive_buffer);
}

void run_bulk(const char *name, int family, bool passive, const world_config *config,
              uint64_t bytes)
{
    world w;
    peer p;
    peer_result theirs;
    transfer *t = calloc(1, sizeof *t);
    world_open(&w, name, family, config);
    CHECK(&w, t, "memory");
    t->w = &w;
    stream_begin(&t->out, w.seed + 1, bytes);
    stream_begin(&t->in, 0, 0);
    nod_usec began = nod_clock();
    /* The kernel's SYN waits in the device until nod looks, which then listens already. */
    peer_start(&p, &w, !passive, w.seed + 2, bytes);
    converse(t, passive);
    peer_finish(&p, &w, &theirs);
    nod_usec took = nod_clock() - began;
    compare(t, &theirs);
    if (config->ecn) check_ecn(t);
    if (config->tunes) check_buffers(t);
    report(&w, bytes, took);
    free(t);
    world_close(&w);
}
