/* Packets of one connection that follow each other become one large segment. What distinguishes
 * them beyond their place in the stream forbids it, so that nothing is lost but time. */
#include "wire/bytes.h"
#include "wire/frame.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#include <string.h>

#define FLOWS 8 /* segments that may grow at the same time */
#define IP_MAX 65535
#define DF 0x40
#define FORBIDS (NOD_FIN | NOD_SYN | NOD_RST | NOD_URG | NOD_CWR)

struct segment {
    uint8_t head[NOD_FRAME_HEAD];
    size_t l3, l4, size, payload; /* size: of all headers */
};

/* One that the next of its connection may be joined to. */
struct growing {
    nod_frame *frame; /* NULL: none */
    struct segment all;
    size_t step; /* payload of each but the last */
    bool joined, ended;
};

/* The headers are in head[] and nothing else is, or the first part holds them and more. */
static bool separable(const nod_frame *frame, size_t size)
{
    if (frame->head_len) return frame->head_len == size;
    return frame->parts && frame->part[0].len > size;
}

/* False: nothing can be joined to it, nor it to anything. */
static bool look(const nod_frame *frame, struct segment *out)
{
    size_t length = nod_frame_length(frame), l4 = frame->l4_off;
    if (!(frame->flags & NOD_FRAME_CSUM_TODO) || frame->gso_size) return false;
    size_t have = nod_frame_copy(frame, 0, out->head, sizeof out->head);
    if (l4 + NOD_TCP_HEADER > have) return false;
    out->l4 = l4;
    out->size = l4 + (size_t)(out->head[l4 + 12] >> 4) * 4;
    if (out->size > have || out->size < l4 + NOD_TCP_HEADER || out->size >= length) return false;
    out->payload = length - out->size;
    out->l3 = nod_frame_l3(frame, out->head);
    const uint8_t *ip = out->head + out->l3, *tcp = out->head + l4;
    size_t room = l4 - out->l3;
    bool plain = ip[0] >> 4 == 6 ? room == NOD_IP6_HEADER && ip[6] == NOD_PROTO_TCP
                                 : room == NOD_IP4_HEADER && ip[0] == 0x45 && ip[6] == DF &&
                                       ip[7] == 0 && ip[9] == NOD_PROTO_TCP;
    return plain && !(tcp[13] & FORBIDS) && tcp[13] & NOD_ACK && separable(frame, out->size);
}

static bool equal(const struct segment *a, const struct segment *b, size_t from, size_t to)
{
    return memcmp(a->head + from, b->head + from, to - from) == 0;
}

/* The same connection: addresses and ports. */
static bool is_of(const struct segment *a, const struct segment *b)
{
    size_t l3 = b->l3;
    bool six = b->head[l3] >> 4 == 6;
    return a->l3 == l3 && a->l4 == b->l4 && a->head[l3] >> 4 == b->head[l3] >> 4 &&
           equal(a, b, l3 + (six ? 8 : 12), b->l4 + 4);
}

/* The same headers but for lengths, sums, the sequence number, and PSH on the last. */
static bool fits(const struct growing *g, const struct segment *s)
{
    const struct segment *a = &g->all;
    size_t l3 = s->l3, l4 = s->l4;
    bool six = s->head[l3] >> 4 == 6;
    if (g->ended || a->size != s->size || s->payload > g->step ||
        a->size - l3 + a->payload + s->payload > IP_MAX ||
        get32(a->head + l4 + 4) + (uint32_t)a->payload != get32(s->head + l4 + 4))
        return false;
    bool ip = six ? equal(a, s, 0, l3 + 4) && equal(a, s, l3 + 6, l3 + 8)
                  : equal(a, s, 0, l3 + 2) && equal(a, s, l3 + 8, l3 + 9);
    return ip && equal(a, s, l4 + 8, l4 + 13) &&
           (a->head[l4 + 13] | NOD_PSH) == (s->head[l4 + 13] | NOD_PSH) &&
           equal(a, s, l4 + 14, l4 + 16) && equal(a, s, l4 + 18, s->size);
}

/* Takes over the payload. A slice that goes on where the last one ended makes that longer. */
static bool append(nod_frame *to, const nod_frame *from, const struct segment *s)
{
    nod_frame more;
    more.parts = 0;
    if (!nod_frame_share_range(from, s->size, s->payload, &more)) {
        nod_frame_release(&more);
        return false;
    }
    nod_slice *last = &to->part[to->parts - 1], *next = &more.part[0];
    bool goes_on = to->parts && last->block == next->block && last->off + last->len == next->off;
    if (to->parts + more.parts - goes_on > NOD_FRAME_PARTS) {
        nod_frame_release(&more);
        return false;
    }
    if (goes_on) {
        last->len += next->len;
        nod_slice_release(next);
    }
    memcpy(&to->part[to->parts], next + goes_on, (more.parts - goes_on) * sizeof *next);
    to->parts = (uint8_t)(to->parts + more.parts - goes_on);
    return true;
}

static bool join(struct growing *g, nod_frame *frame, const struct segment *s)
{
    if (!fits(g, s) || !append(g->frame, frame, s)) return false;
    g->all.payload += s->payload;
    g->all.head[s->l4 + 13] |= s->head[s->l4 + 13];
    g->joined = true;
    g->ended = s->payload < g->step || s->head[s->l4 + 13] & NOD_PSH;
    nod_frame_release(frame);
    return true;
}

/* It grows no more: its headers are made true. */
static void finish(struct growing *g)
{
    nod_frame *frame = g->frame;
    g->frame = NULL;
    if (!frame || !g->joined) return;
    if (frame->head_len == 0) {
        frame->part[0].off += (uint32_t)g->all.size;
        frame->part[0].len -= (uint32_t)g->all.size;
    }
    memcpy(frame->head, g->all.head, g->all.size);
    frame->head_len = (uint8_t)g->all.size;
    frame->gso_size = (uint16_t)g->step;
    nod_frame_set_size(frame, g->all.l3, g->all.payload);
}

static void begin(struct growing *g, nod_frame *frame, const struct segment *s)
{
    finish(g);
    g->frame = frame;
    g->all = *s;
    g->step = s->payload;
    g->joined = false;
    g->ended = s->head[s->l4 + 13] & NOD_PSH;
}

int nod_frames_join(nod_frame *frames, int count)
{
    struct growing growing[FLOWS];
    struct segment segment;
    int left = 0, oldest = 0;
    for (int i = 0; i < FLOWS; i++) growing[i].frame = NULL;
    for (int i = 0; i < count; i++) {
        struct growing *g = NULL;
        bool sound = look(&frames[i], &segment);
        for (int k = 0; sound && !g && k < FLOWS; k++)
            if (growing[k].frame && is_of(&growing[k].all, &segment)) g = &growing[k];
        if (g && join(g, &frames[i], &segment)) continue;
        if (left != i) nod_frame_move(&frames[i], &frames[left]);
        if (sound && !g) {
            g = &growing[oldest];
            oldest = (oldest + 1) % FLOWS;
        }
        if (sound) begin(g, &frames[left], &segment);
        left++;
    }
    for (int i = 0; i < FLOWS; i++) finish(&growing[i]);
    return left;
}
