/* Parts of datagrams, extension headers and IPv4 options, from a peer that cuts right most of the
 * time. Memory stays within its limit, and no part outlives its time. */
#include <string.h>

#include "base/util.h"
#include "fuzz/host.h"

#define WHOLE 512 /* of a datagram's data; cut at multiples of STEP by those who cut right */
#define STEP 64
#define MEMORY ((size_t)2 << 20)

static void put16(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 8), p[1] = (uint8_t)x;
}

static uint16_t sum(uint32_t start, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i += 2) start += (uint32_t)p[i] << 8 | p[i + 1];
    while (start >> 16) start = (start & 0xffff) + (start >> 16);
    return (uint16_t)~start;
}

/* An echo request, a SYN or a datagram to a closed port, from the peer to the stack, with a good
 * checksum. Returns the protocol. */
static uint8_t make_data(uint8_t kind, bool six, uint8_t *data)
{
    static const uint8_t from6[16] = {0xfd, 1, [15] = 2}, to6[16] = {0xfd, 1, [15] = 1};
    static const uint8_t from4[4] = {10, 0, 1, 2}, to4[4] = {10, 0, 1, 1};
    uint8_t protocol = kind % 3 == 0 ? 17 : kind % 3 == 1 ? 6 : six ? 58 : 1, pseudo[40] = {0};
    memset(data, 0, WHOLE);
    memcpy(pseudo, six ? from6 : from4, six ? 16 : 4);
    memcpy(pseudo + 16, six ? to6 : to4, six ? 16 : 4);
    put16(pseudo + 34, WHOLE);
    pseudo[39] = protocol;
    uint32_t start = (uint16_t)~sum(0, pseudo, sizeof(pseudo));
    if (protocol == 6) {
        data[1] = kind, data[3] = 80, data[12] = 0x50, data[13] = 2;
        put16(data + 16, sum(start, data, WHOLE));
    } else if (protocol != 17) {
        data[0] = six ? 128 : 8;
        put16(data + 2, sum(six ? start : 0, data, WHOLE));
    }
    return protocol;
}

/* Up to three headers, right or not; returns where they end. *next names the first. */
static size_t add_extensions(struct choices *c, uint8_t *p, uint8_t *next)
{
    static const uint8_t kinds[] = {0, 43, 60, 60};
    uint8_t shape = choose8(c), *name = next, last = *next;
    size_t at = 0;
    if (shape > 96) return 0;
    for (int n = shape % 4; n; n--) {
        uint8_t more = choose8(c);
        *name = kinds[more % 4];
        name = p + at;
        size_t size = 8u * (1 + (more >> 2 & 1));
        memset(p + at, 0, size);
        p[at + 1] = (uint8_t)(size / 8 - 1);
        if (more & 8) { /* an option */
            p[at + 2] = choose8(c);
            p[at + 3] = more & 16 ? choose8(c) : (uint8_t)(size - 4);
        }
        if (more == 255) p[at + 1] = choose8(c);
        at += size;
    }
    *name = last;
    return at;
}

struct cut {
    uint32_t at, len, id;
    bool more;
};

static struct cut choose_cut(struct choices *c)
{
    uint8_t where = choose8(c), how = choose8(c);
    struct cut cut = {.at = where % 8u * STEP, .len = STEP, .id = where >> 6};
    cut.more = cut.at + STEP < WHOLE;
    if (how < 32) cut.len = choose16(c) % 600;
    if (how % 16 == 1) cut.at = choose16(c) & 0xfff8;
    if (how % 16 == 2) cut.more = !cut.more;
    if (how % 16 > 12) cut.id = choose16(c);
    if (how % 16 == 3) cut.at = 0, cut.len = WHOLE, cut.more = false;
    return cut;
}

static void packet4(struct host *h, struct choices *c)
{
    uint8_t packet[60 + WHOLE + 600] = {0}, data[WHOLE + 600] = {0}, options = choose8(c);
    struct cut cut = choose_cut(c);
    size_t size = 20 + (options > 200 ? options % 11 * 4u : 0);
    packet[0] = (uint8_t)(0x40 | size / 4);
    packet[8] = 64;
    packet[9] = make_data(choose8(c), false, data);
    put16(packet + 2, (uint32_t)size + cut.len);
    put16(packet + 4, cut.id);
    put16(packet + 6, cut.at / 8 | (cut.more ? 0x2000 : 0));
    memcpy(packet + 12, (uint8_t[]){10, 0, 1, 2, 10, 0, 1, 1}, 8);
    for (size_t i = 20; i < size; i++) packet[i] = choose8(c);
    put16(packet + 10, sum(0, packet, size));
    if (cut.at < WHOLE) memcpy(packet + size, data + cut.at, cut.len);
    host_raw(h, 1, packet, size + cut.len);
}

static void packet6(struct host *h, struct choices *c)
{
    uint8_t packet[40 + 48 + 8 + 48 + WHOLE + 600] = {0}, data[48 + WHOLE + 600] = {0};
    struct cut cut = choose_cut(c);
    uint8_t protocol = make_data(choose8(c), true, data);
    packet[0] = 0x60;
    packet[7] = 64;
    memcpy(packet + 8, (uint8_t[]){0xfd, 1}, 2), packet[23] = 2;
    memcpy(packet + 24, (uint8_t[]){0xfd, 1}, 2), packet[39] = 1;
    uint8_t shape = choose8(c);
    if (shape & 1) { /* headers among what is cut: everything moves */
        uint8_t inner[48];
        size_t n = add_extensions(c, inner, &protocol);
        memmove(data + n, data, WHOLE);
        memcpy(data, inner, n);
    }
    bool whole = (shape & 14) == 14;
    uint8_t next = whole ? protocol : 44;
    size_t at = 40 + add_extensions(c, packet + 40, &next);
    packet[6] = next;
    if (whole) {
        cut.at = 0;
    } else {
        packet[at] = protocol;
        put16(packet + at + 2, cut.at | cut.more);
        packet[at + 7] = (uint8_t)cut.id;
        at += 8;
    }
    if (cut.at < WHOLE) memcpy(packet + at, data + cut.at, cut.len);
    put16(packet + 4, (uint32_t)(at - 40) + cut.len);
    host_raw(h, 1, packet, at + cut.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct choices c = {bytes, size};
    struct host h;
    nod_pool_stats stats;
    host_make(&h, MEMORY);
    while (c.left) {
        uint8_t what = choose8(&c);
        if (what & 1)
            packet6(&h, &c);
        else
            packet4(&h, &c);
        if (what & 2) host_output(&h, 3);
        if ((what & 60) == 60) {
            h.now += choose16(&c) * NOD_MSEC;
            nod_stack_tick(h.stack, h.now);
            NOD_ASSERT(nod_stack_deadline(h.stack) >= h.now);
        }
        nod_pool_get_stats(nod_stack_pool(h.stack), &stats);
        NOD_ASSERT(stats.in_use <= MEMORY);
    }
    h.now += 61 * NOD_SEC;
    nod_stack_tick(h.stack, h.now);
    host_output(&h, 1000);
    host_free(&h);
    return 0;
}
