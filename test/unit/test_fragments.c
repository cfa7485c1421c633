/* Datagrams in parts, of both families: put together in any order, never when parts overlap, and
 * with limits on all that they hold. The answers to large pings leave in parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/dice.h"
#include "unit/peer.h"

#define FOUR_AND_SIX(test) \
    cmocka_unit_test_prestate(test, &four), cmocka_unit_test_prestate(test, &six)

static int four = 4, six = 6;

static void put16(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 8), p[1] = (uint8_t)x;
}

static void put32(uint8_t *p, uint32_t x)
{
    put16(p, x >> 16), put16(p + 2, x);
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

struct part {
    uint32_t id;
    uint8_t protocol, tos;
    uint32_t at, len;
    bool more;
    const uint8_t *bytes; /* of the part alone */
};

static size_t part_bytes(const struct peer *p, const struct part *part, uint8_t *out)
{
    size_t size = p->family == 6 ? 48 : 20;
    memset(out, 0, size);
    if (p->family == 6) {
        put16(out, 0x6000 | (uint32_t)part->tos << 4);
        put16(out + 4, 8 + part->len);
        out[6] = 44, out[7] = 64;
        memcpy(out + 8, p->far.bytes, 16);
        memcpy(out + 24, p->host.bytes, 16);
        out[40] = part->protocol;
        put16(out + 42, part->at | part->more);
        put32(out + 44, part->id);
    } else {
        out[0] = 0x45, out[1] = part->tos;
        put16(out + 2, 20 + part->len);
        put16(out + 4, part->id);
        put16(out + 6, part->at / 8 | (part->more ? 0x2000 : 0));
        out[8] = 64, out[9] = part->protocol;
        memcpy(out + 12, p->far.bytes, 4);
        memcpy(out + 16, p->host.bytes, 4);
        put16(out + 10, (uint16_t)~peer_sum(0, out, 20));
    }
    memcpy(out + size, part->bytes, part->len);
    return size + part->len;
}

static void send_part(struct peer *p, const struct part *part)
{
    uint8_t *packet = malloc(60 + part->len);
    peer_input(p, packet, part_bytes(p, part, packet));
    free(packet);
}

static uint8_t icmp_protocol(const struct peer *p)
{
    return p->family == 6 ? 58 : 1;
}

/* An echo request of `len` octets in all, with its checksum. */
static uint8_t *make_ping(const struct peer *p, nod_rng *rng, size_t len)
{
    uint8_t *m = malloc(len);
    dice_bytes(rng, m, len);
    m[0] = p->family == 6 ? 128 : 8;
    m[1] = 0;
    put16(m + 2, 0);
    uint32_t pseudo = p->family == 6 ? peer_pseudo(&p->far, &p->host, 58, len) : 0;
    put16(m + 2, (uint16_t)~peer_sum(pseudo, m, len));
    return m;
}

/* What the stack sends, put together as it came: one datagram's data. Returns its length. */
static size_t gather(struct peer *p, uint8_t *out, size_t room)
{
    nod_frame frame;
    size_t total = 0;
    uint32_t id = 0;
    bool more = true;
    while (nod_stack_output(p->stack, &frame, 1, p->now) == 1) {
        uint8_t b[2000];
        size_t len = nod_frame_length(&frame), size = p->family == 6 ? 40 : 20, at = 0;
        assert_true(len <= 1500);
        nod_frame_copy(&frame, 0, b, len);
        nod_frame_release(&frame);
        more = false;
        if (p->family == 6) {
            assert_int_equal(get16(b + 4), len - 40);
            if (b[6] == 44) {
                assert_int_equal(b[40], 58);
                at = get16(b + 42) & 0xfff8, more = b[43] & 1, size = 48;
                assert_true(at == 0 || memcmp(&id, b + 44, 4) == 0);
                memcpy(&id, b + 44, 4);
            }
        } else {
            assert_int_equal(peer_sum(0, b, 20), 0xffff);
            assert_int_equal(get16(b + 2), len);
            assert_true(at == 0 || get16(b + 4) == id);
            id = get16(b + 4);
            at = (get16(b + 6) & 0x1fffu) * 8, more = b[6] & 0x20;
            assert_false(b[6] & 0x40); /* routers may cut it further */
        }
        assert_int_equal(at, total);
        assert_true(!more || (len - size) % 8 == 0);
        assert_true(total + len - size <= room);
        memcpy(out + total, b + size, len - size);
        total += len - size;
    }
    assert_false(more);
    return total;
}

static void assert_answered(struct peer *p, const uint8_t *ping, size_t len)
{
    uint8_t *back = malloc(66000);
    assert_int_equal(gather(p, back, 66000), len);
    uint32_t pseudo = p->family == 6 ? peer_pseudo(&p->host, &p->far, 58, len) : 0;
    assert_int_equal(peer_sum(pseudo, back, len), 0xffff);
    assert_int_equal(back[0], p->family == 6 ? 129 : 0);
    assert_memory_equal(back + 4, ping + 4, len - 4);
    free(back);
}

/* Cuts [0, len) at multiples of eight into at most `max` parts and sends them in any order. */
static void send_shuffled(struct peer *p, nod_rng *rng, const uint8_t *bytes, size_t len,
                          uint32_t id, unsigned max)
{
    struct part parts[128];
    unsigned n = 0;
    size_t at = 0, step = (len / max + 15) & ~(size_t)7;
    while (at < len) {
        size_t size = nod_rng_below(rng, 2) ? step : 64 + (nod_rng_below(rng, 2 * step) & ~7ull);
        if (n + 2 >= max || size < step) size = step > 64 ? step : 64;
        if (size > len - at || n + 1 == max) size = len - at;
        parts[n++] = (struct part){.id = id,
                                   .protocol = icmp_protocol(p),
                                   .at = (uint32_t)at,
                                   .len = (uint32_t)size,
                                   .more = at + size < len,
                                   .bytes = bytes + at};
        at += size;
    }
    for (unsigned left = n; left; left--) {
        unsigned pick = (unsigned)nod_rng_below(rng, left);
        assert_int_equal(peer_drain(p), 0); /* nothing before it is whole */
        send_part(p, &parts[pick]);
        if (nod_rng_below(rng, 8) == 0 && left > 1) send_part(p, &parts[pick]); /* doubled */
        parts[pick] = parts[left - 1];
    }
}

static void any_datagram(nod_rng *rng)
{
    struct peer p;
    peer_make(&p, NULL, nod_rng_below(rng, 2) ? 4 : 6, false);
    size_t before = peer_in_use(&p);
    size_t most = nod_rng_below(rng, 4) ? 5000 : 65515;
    size_t len = 72 + nod_rng_below(rng, most - 72 + 1);
    uint8_t *ping = make_ping(&p, rng, len);
    send_shuffled(&p, rng, ping, len, (uint32_t)nod_rng_next(rng), 2 + len / 1400 + 8);
    assert_answered(&p, ping, len);
    assert_int_equal(nod_stack_deadline(p.stack), NOD_NEVER);
    assert_int_equal(peer_in_use(&p), before);
    free(ping);
    peer_free(&p);
}

/* 1122/06, 1122/07, 8504/01. */
static void reassembled_in_any_order(void **state)
{
    (void)state;
    dice_each(__FILE__, 1000, any_datagram);
}

/* 1122/06: to the last octet that fits. */
static void pings_up_to_the_largest(void **state)
{
    struct peer p;
    nod_rng rng;
    nod_rng_seed(&rng, 1);
    peer_make(&p, NULL, *(int *)*state, false);
    size_t largest = p.family == 6 ? 65535 : 65515;
    static const size_t sizes[] = {1472, 1473, 1480, 1481, 2952, 2953, 2960, 2961, 10008, 65000};
    for (size_t i = 0; i < 11; i++) {
        size_t len = i < 10 ? sizes[i] : largest;
        uint8_t *ping = make_ping(&p, &rng, len);
        for (size_t at = 0; at < len; at += 1440) {
            struct part part = {.id = (uint32_t)i + 1,
                                .protocol = icmp_protocol(&p),
                                .at = (uint32_t)at,
                                .len = (uint32_t)(len - at < 1440 ? len - at : 1440),
                                .more = len - at > 1440,
                                .bytes = ping + at};
            send_part(&p, &part);
        }
        assert_answered(&p, ping, len);
        free(ping);
    }
    peer_free(&p);
}

static const uint8_t zeros[4096];

static void simple_part(struct peer *p, uint32_t id, uint32_t at, uint32_t len, bool more)
{
    send_part(p, &(struct part){
                     .id = id, .protocol = 17, .at = at, .len = len, .more = more, .bytes = zeros});
}

/* RFC 5722, 8504/01: all of the datagram goes, what comes later too, and nobody is told. */
static void overlap_ends_it(void **state)
{
    static const struct {
        uint32_t at, len;
        bool more;
    } bad[] = {
        {0, 16, true},   /* a part of the first */
        {8, 24, true},   /* the middle */
        {40, 16, true},  /* the end of one, the start of the next gap */
        {0, 512, true},  /* around all */
        {88, 32, true},  /* beyond the end */
        {56, 8, false},  /* another end, with a part behind it */
        {120, 8, false}, /* another end, later */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct peer p;
        peer_make(&p, NULL, *(int *)*state, false);
        size_t before = peer_in_use(&p);
        simple_part(&p, 7, 0, 48, true);
        simple_part(&p, 7, 80, 16, false);
        assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_OVERLAP), 0);
        simple_part(&p, 7, bad[i].at, bad[i].len, bad[i].more);
        assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_OVERLAP), 3);
        simple_part(&p, 7, 48, 32, true); /* what was missing */
        simple_part(&p, 7, 0, 48, true);
        simple_part(&p, 7, 80, 16, false);
        assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_OVERLAP), 6);
        assert_int_equal(peer_drops(&p, NOD_DROP_PROTOCOL), 0);
        peer_tick(&p, 60 * NOD_SEC);
        assert_int_equal(peer_drain(&p), 0);
        assert_int_equal(peer_in_use(&p), before);
        peer_free(&p);
    }
}

/* RFC 8200 4.5: exact duplicates are the network's doing; another text in their place is not. */
static void duplicates(void **state)
{
    struct peer p;
    uint8_t other[48] = {1};
    peer_make(&p, NULL, *(int *)*state, false);
    for (int i = 0; i < 3; i++) simple_part(&p, 7, 0, 48, true);
    assert_int_equal(peer_drops(&p, NOD_DROP_DUPLICATE), 2);
    simple_part(&p, 7, 48, 16, false);
    assert_int_equal(peer_drain(&p), 1); /* port unreachable: it was whole */
    simple_part(&p, 8, 0, 48, true);
    send_part(&p, &(struct part){.id = 8, .protocol = 17, .len = 48, .more = true, .bytes = other});
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_OVERLAP), 2);
    peer_free(&p);
}

/* Datagrams are told apart by source, destination, ID, and in IPv4 protocol. */
static void not_mixed(void **state)
{
    struct peer p;
    peer_make(&p, NULL, *(int *)*state, false);
    simple_part(&p, 7, 0, 48, true);
    simple_part(&p, 8, 48, 16, false);
    p.far.bytes[p.family == 6 ? 15 : 3] = 3;
    simple_part(&p, 7, 48, 16, false);
    p.far.bytes[p.family == 6 ? 15 : 3] = 2;
    assert_int_equal(peer_drain(&p), 0);
    struct part tail = {.id = 7, .protocol = 99, .at = 48, .len = 16, .bytes = zeros};
    send_part(&p, &tail);
    assert_int_equal(peer_drain(&p), p.family == 6 ? 1 : 0); /* only the first part's counts */
    simple_part(&p, 7, 48, 16, false);
    assert_int_equal(peer_drain(&p), p.family == 6 ? 0 : 1);
    peer_free(&p);
}

/* RFC 6946, RFC 8200 4.5: whole in spite of its header, and it touches no others of its ID. */
static void atomic_fragments(void **state)
{
    (void)state;
    struct peer p;
    peer_make(&p, NULL, 6, false);
    simple_part(&p, 7, 0, 48, true);
    simple_part(&p, 7, 0, 64, false);
    assert_int_equal(peer_drain(&p), 1);
    simple_part(&p, 7, 48, 16, false);
    assert_int_equal(peer_drain(&p), 1);
    peer_free(&p);
}

/* 1122/07, RFC 8200 4.5: after 60 s it is given up, and the sender told, if the part is here that
 * the quote can be taken from. */
static void timeout(void **state)
{
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, *(int *)*state, false);
    size_t before = peer_in_use(&p), header = p.family == 6 ? 48 : 20;
    simple_part(&p, 7, 0, 800, true);
    peer_tick(&p, 10 * NOD_SEC);
    simple_part(&p, 7, 1600, 16, false); /* it does not start the time anew */
    simple_part(&p, 8, 800, 800, true);
    assert_int_equal(nod_stack_deadline(p.stack), p.now + 50 * NOD_SEC);
    peer_tick(&p, 50 * NOD_SEC - 1);
    assert_int_equal(peer_drain(&p), 0);
    peer_tick(&p, 1);
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_TIMEOUT), 2);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    const uint8_t *m = s.bytes + s.l4;
    assert_int_equal(m[0], p.family == 6 ? 3 : 11);
    assert_int_equal(m[1], 1);
    assert_int_equal(s.len, p.family == 6 ? 40 + 8 + header + 800 : 576);
    assert_int_equal(m[8] >> 4, p.family);
    assert_int_equal(m[8 + (p.family == 6 ? 40 : 9)], 17);
    assert_memory_equal(m + 8 + header, zeros, s.len - s.l4 - 8 - header);
    peer_tick(&p, 10 * NOD_SEC);
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_TIMEOUT), 3);
    assert_int_equal(peer_drain(&p), 0); /* nobody knows what it was about */
    assert_int_equal(nod_stack_deadline(p.stack), NOD_NEVER);
    assert_int_equal(peer_in_use(&p), before);
    peer_free(&p);
}

/* 1122/04, 4443/01: not about an ICMP error, which never is so large, nor to nobody. */
static void timeout_of_an_error(void **state)
{
    struct peer p;
    uint8_t error[48] = {*(int *)*state == 6 ? 1 : 3};
    peer_make(&p, NULL, *(int *)*state, false);
    struct part part = {
        .id = 7, .protocol = icmp_protocol(&p), .len = 48, .more = true, .bytes = error};
    send_part(&p, &part);
    peer_tick(&p, 60 * NOD_SEC);
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_TIMEOUT), 1);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

/* However many there are of parts that nothing will come of: memory has its limit, and the rest
 * of the stack does not notice. */
static void flood(void **state)
{
    struct peer p;
    nod_rng rng;
    nod_rng_seed(&rng, 1);
    peer_make(&p, NULL, *(int *)*state, false);
    size_t before = peer_in_use(&p), most = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        if (i % 2)
            simple_part(&p, i % 60, 8 * (uint32_t)nod_rng_below(&rng, 8000),
                        8 + (uint32_t)nod_rng_below(&rng, 22) * 8, true);
        else
            simple_part(&p, 100 + i / 2400 * 48 + i % 48, i % 2400 / 48 * 1304, 1304, true);
        if (i % 16 == 0) peer_tick(&p, NOD_MSEC), peer_drain(&p);
        size_t now = peer_in_use(&p) - before;
        if (now > most) most = now;
    }
    assert_in_range(most, 500000, (1 << 20) + (1 << 15)); /* with what it sends meanwhile */
    assert_true(peer_drops(&p, NOD_DROP_FRAGMENT_LIMIT) > 1000);
    /* Whoever comes now is served: the oldest makes room. */
    uint8_t *ping = make_ping(&p, &rng, 60000);
    peer_drain(&p);
    send_shuffled(&p, &rng, ping, 60000, 1000, 50);
    assert_answered(&p, ping, 60000);
    free(ping);
    peer_tick(&p, 120 * NOD_SEC);
    peer_drain(&p);
    assert_int_equal(peer_in_use(&p), before);
    peer_free(&p);
}

/* Many small ones: not more than so many at once, however little they hold. */
static void many_datagrams(void **state)
{
    struct peer p;
    peer_make(&p, NULL, *(int *)*state, false);
    for (uint32_t id = 0; id < 64; id++) simple_part(&p, id, 0, 48, true);
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_LIMIT), 0);
    simple_part(&p, 64, 0, 48, true);
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_LIMIT), 1);
    simple_part(&p, 0, 48, 16, false); /* the oldest was the one that went */
    assert_int_equal(peer_drain(&p), 0);
    simple_part(&p, 64, 48, 16, false);
    assert_int_equal(peer_drain(&p), 1);
    peer_free(&p);
}

/* Not cut into more parts than any link would. */
static void many_parts(void **state)
{
    struct peer p;
    peer_make(&p, NULL, *(int *)*state, false);
    size_t before = peer_in_use(&p);
    for (uint32_t i = 0; i < 128; i++) simple_part(&p, 7, 80 * i, 80, true);
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_LIMIT), 0);
    simple_part(&p, 7, 80 * 128, 80, false);
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_LIMIT), 129);
    assert_int_equal(peer_in_use(&p), before);
    for (uint32_t i = 0; i < 128; i++) simple_part(&p, 8, 80 * i, 80, i < 127);
    assert_int_equal(peer_drain(&p), 1);
    peer_free(&p);
}

static void switched_off(void **state)
{
    struct peer p;
    nod_config config;
    nod_config_default(&config);
    config.reassembly_memory = 0;
    peer_make(&p, &config, *(int *)*state, false);
    simple_part(&p, 7, 0, 48, true);
    simple_part(&p, 7, 48, 16, false);
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT), 2);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

/* To everybody: nobody here would hear of it. */
static void not_for_groups(void **state)
{
    struct peer p;
    peer_make(&p, NULL, *(int *)*state, false);
    p.host = p.family == 6 ? nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1})
                           : nod_addr_ip4(10, 0, 0, 255);
    simple_part(&p, 7, 0, 48, true);
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT), 1);
    assert_int_equal(nod_stack_deadline(p.stack), NOD_NEVER);
    peer_free(&p);
}

/* RFC 8200 4.5: what the sender is told of parts that cannot be, and RFC 7112 (8504/02). */
static void problems(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    static const struct {
        uint32_t at, len;
        bool more;
        uint8_t code, pointer;
    } rows[] = {
        {8, 33, true, 0, 4},      /* not a multiple of eight: the payload length */
        {65528, 8, false, 0, 42}, /* too long: the offset */
        {0, 16, true, 3, 0},      /* a header that is not all there */
    };
    peer_make(&p, NULL, 6, false);
    for (int i = 0; i < 3; i++) {
        struct part part = {.id = 7,
                            .protocol = 6,
                            .at = rows[i].at,
                            .len = rows[i].len,
                            .more = rows[i].more,
                            .bytes = zeros};
        send_part(&p, &part);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        const uint8_t *m = s.bytes + s.l4;
        assert_true(m[0] == 4 && m[1] == rows[i].code);
        assert_memory_equal(m + 4, ((uint8_t[]){0, 0, 0, rows[i].pointer}), 4);
    }
    assert_int_equal(nod_stack_deadline(p.stack), NOD_NEVER);
    peer_free(&p);
}

/* A segment in parts is a segment: its text arrives, whatever it is cut into. */
static void segment_in_parts(void **state)
{
    struct peer p;
    struct conn c;
    nod_rng rng;
    uint8_t segment[30020], text[30000], back[30001];
    nod_rng_seed(&rng, 1);
    peer_make(&p, NULL, *(int *)*state, false);
    peer_connect(&p, peer_listen(&p, 80, 5), 80, 1000, &c);
    for (unsigned parts = 2; parts <= 60; parts += 7) {
        dice_bytes(&rng, text, sizeof(text));
        size_t len = 500 * parts, size = 0;
        struct segment g = {.sport = c.far_port,
                            .dport = c.host_port,
                            .seq = c.seq,
                            .ack = c.ack,
                            .ctl = NOD_ACK,
                            .wnd = 65535,
                            .text = text,
                            .len = len};
        size = peer_tcp_bytes(&p.far, &p.host, &g, segment);
        c.seq += (uint32_t)len;
        for (size_t at = 0; at < size; at += 504) {
            struct part part = {.id = parts,
                                .protocol = 6,
                                .at = (uint32_t)at,
                                .len = (uint32_t)(size - at < 504 ? size - at : 504),
                                .more = size - at > 504,
                                .bytes = segment + at};
            send_part(&p, &part);
        }
        assert_int_equal(nod_tcp_receive(p.stack, c.handle, back, sizeof(back)), len);
        assert_memory_equal(back, text, len);
        peer_drain(&p);
    }
    peer_free(&p);
}

/* Its text is not copied together, as long as a frame has room for all parts: the user gets the
 * slices that the parts were. */
static void parts_stay_slices(void **state)
{
    struct peer p;
    struct conn c;
    uint8_t segment[30020];
    static uint8_t text[30000];
    nod_slice slices[64];
    peer_make(&p, NULL, *(int *)*state, false);
    peer_connect(&p, peer_listen(&p, 80, 5), 80, 1000, &c);
    for (unsigned parts = 2; parts <= 20; parts++) {
        struct segment g = {.sport = c.far_port,
                            .dport = c.host_port,
                            .seq = c.seq,
                            .ack = c.ack,
                            .ctl = NOD_ACK,
                            .wnd = 65535,
                            .text = text,
                            .len = 1200 * parts - 20};
        peer_tcp_bytes(&p.far, &p.host, &g, segment);
        c.seq += (uint32_t)g.len;
        for (unsigned i = parts; i-- > 0;) {
            struct part part = {.id = parts,
                                .protocol = 6,
                                .at = 1200 * i,
                                .len = 1200,
                                .more = i + 1 < parts,
                                .bytes = segment + (size_t)1200 * i};
            send_part(&p, &part);
        }
        int n = nod_tcp_receive_slices(p.stack, c.handle, slices, 64);
        assert_int_equal(n, parts <= 18 ? parts : 1);
        for (int i = 0; i < n; i++) nod_slice_release(&slices[i]);
        peer_drain(&p);
    }
    peer_free(&p);
}

/* The stack has less memory than parts may hold: they are dropped, and nothing else happens. */
static void no_memory(void **state)
{
    struct peer p;
    nod_rng rng;
    nod_config config;
    nod_config_default(&config);
    config.max_connections = 64;
    config.memory_limit = 400000;
    nod_rng_seed(&rng, 1);
    peer_make(&p, &config, *(int *)*state, false);
    size_t before = peer_in_use(&p);
    uint8_t *packet = malloc(2000);
    for (uint32_t i = 0; i < 5000; i++) {
        nod_frame frame;
        struct part part = {.id = i % 50,
                            .protocol = 17,
                            .at = i / 50 * 1304,
                            .len = 1304,
                            .more = true,
                            .bytes = zeros};
        if (part.at > 60000) break;
        size_t len = part_bytes(&p, &part, packet);
        /* What a link could not read is lost before it gets here. */
        if (nod_frame_from_bytes(nod_stack_pool(p.stack), packet, len, &frame) < 0) continue;
        frame.iface = 0;
        nod_stack_input(p.stack, &frame, 1, p.now);
    }
    free(packet);
    assert_true(peer_in_use(&p) <= config.memory_limit);
    peer_tick(&p, 60 * NOD_SEC);
    peer_drain(&p);
    assert_int_equal(peer_in_use(&p), before);
    peer_free(&p);
}

/* RFC 791 lets a header be cut after eight octets. IPv6 does not (RFC 7112). */
static void tiny_first_part(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    uint8_t syn[20];
    peer_make(&p, NULL, 4, false);
    peer_listen(&p, 80, 5);
    peer_tcp_bytes(&p.far, &p.host,
                   &(struct segment){.sport = 9, .dport = 80, .seq = 5, .ctl = NOD_SYN}, syn);
    send_part(&p, &(struct part){.id = 1, .protocol = 6, .at = 8, .len = 12, .bytes = syn + 8});
    send_part(&p, &(struct part){.id = 1, .protocol = 6, .len = 8, .more = true, .bytes = syn});
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_true(s.ctl == (NOD_SYN | NOD_ACK) && s.ack == 6);
    peer_free(&p);
}

/* RFC 3168 section 5.3. What the whole carries is seen in the error that quotes it. */
static void congestion_marks(void **state)
{
    static const struct {
        uint8_t first, second;
        int whole; /* -1: lost */
    } rows[] = {{0, 0, 0}, {2, 2, 2}, {2, 3, 3}, {3, 1, 3}, {1, 2, 1}, {0, 3, -1}, {3, 0, -1}};
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, *(int *)*state, false);
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct part part = {.id = i, .protocol = 17, .len = 48, .more = true, .bytes = zeros};
        part.tos = 0xb8 | rows[i].first;
        send_part(&p, &part);
        part = (struct part){.id = i, .protocol = 17, .at = 48, .len = 8, .bytes = zeros};
        part.tos = rows[i].second;
        send_part(&p, &part);
        assert_int_equal(peer_output(&p, &s, 1), rows[i].whole < 0 ? 0 : 1);
        if (rows[i].whole < 0) continue;
        const uint8_t *quote = s.bytes + s.l4 + 8;
        int tos = p.family == 6 ? get16(quote) >> 4 & 0xff : quote[1];
        assert_int_equal(tos, 0xb8 | rows[i].whole);
    }
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT), 4);
    peer_free(&p);
}

/* 8504/03, RFC 6980: neighbour discovery never comes in parts, nor says that it does. */
static void no_neighbour_discovery_in_parts(void **state)
{
    (void)state;
    struct peer p;
    uint8_t ns[32] = {135, [24] = 1, [25] = 1, [26] = 2};
    peer_make(&p, NULL, 6, true);
    memcpy(ns + 8, p.host.bytes, 16);
    put16(ns + 2, (uint16_t)~peer_sum(peer_pseudo(&p.far, &p.host, 58, 32), ns, 32));
    uint8_t frame[14 + 48 + 32];
    for (int cut = 0; cut < 3; cut++) { /* whole with the header, then the two halves */
        struct part part = {.id = 1, .protocol = 58, .len = 32, .bytes = ns};
        if (cut == 1) part.len = 16, part.more = true;
        if (cut == 2) part.len = part.at = 16, part.bytes = ns + 16;
        memcpy(frame, p.host_mac, 6);
        memcpy(frame + 6, p.far_mac, 6);
        put16(frame + 12, 0x86dd);
        size_t len = 14 + part_bytes(&p, &part, frame + 14);
        frame[14 + 7] = 255;
        peer_input(&p, frame, len);
    }
    assert_int_equal(peer_drops(&p, NOD_DROP_NEIGHBOUR), 2);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reassembled_in_any_order),
        FOUR_AND_SIX(pings_up_to_the_largest),
        FOUR_AND_SIX(overlap_ends_it),
        FOUR_AND_SIX(duplicates),
        FOUR_AND_SIX(not_mixed),
        cmocka_unit_test(atomic_fragments),
        FOUR_AND_SIX(timeout),
        FOUR_AND_SIX(timeout_of_an_error),
        FOUR_AND_SIX(flood),
        FOUR_AND_SIX(many_datagrams),
        FOUR_AND_SIX(many_parts),
        FOUR_AND_SIX(switched_off),
        FOUR_AND_SIX(not_for_groups),
        cmocka_unit_test(problems),
        FOUR_AND_SIX(segment_in_parts),
        FOUR_AND_SIX(parts_stay_slices),
        FOUR_AND_SIX(no_memory),
        cmocka_unit_test(tiny_first_part),
        FOUR_AND_SIX(congestion_marks),
        cmocka_unit_test(no_neighbour_discovery_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
