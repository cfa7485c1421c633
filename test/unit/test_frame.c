/* Frames: copied, shared, flattened, and cut into the pieces that a device would send. Their
 * checksums are added up here by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "nod/trace.h"
#include "unit/dice.h"
#include "wire/frame.h"

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static uint32_t sum(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint32_t pseudo(const uint8_t *ip, size_t tcp_len)
{
    bool six = ip[0] >> 4 == 6;
    uint32_t s = sum(6, ip + (six ? 8 : 12), six ? 32 : 8) + (uint32_t)(tcp_len & 0xffff);
    return (s & 0xffff) + (s >> 16);
}

struct shape {
    bool ethernet, six, cwr_once;
    uint8_t tos;
    unsigned ip_options, tcp_options; /* words */
    uint32_t payload;
    uint16_t gso_size;
    uint8_t ctl;
};

static uint8_t text[70000];

/* A frame with headers in head[] and payload in random parts. */
static nod_frame build(nod_rng *rng, nod_pool *pool, const struct shape *shape)
{
    nod_frame f = {.id = 7, .iface = 2, .gso_size = shape->gso_size};
    uint8_t *p = f.head;
    if (shape->ethernet) {
        memcpy(p, (uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, 12);
        p[12] = shape->six ? 0x86 : 8, p[13] = shape->six ? 0xdd : 0;
        p += 14;
    }
    uint8_t *ip = p;
    size_t ip_size = shape->six ? 40 : 20 + 4 * shape->ip_options;
    size_t tcp_size = 20 + 4 * shape->tcp_options, len = tcp_size + shape->payload;
    memset(ip, 1, ip_size + tcp_size);
    if (shape->six) {
        ip[0] = (uint8_t)(0x60 | shape->tos >> 4), ip[1] = (uint8_t)(shape->tos << 4 | 1);
        ip[4] = (uint8_t)(len >> 8), ip[5] = (uint8_t)len, ip[6] = 6;
    } else {
        ip[0] = (uint8_t)(0x45 + shape->ip_options), ip[1] = shape->tos;
        ip[2] = (uint8_t)((ip_size + len) >> 8), ip[3] = (uint8_t)(ip_size + len);
        memset(ip + 4, 0, 8);
        ip[6] = 0x40, ip[8] = 64, ip[9] = 6;
        uint16_t s = (uint16_t)~sum(0, ip, ip_size);
        ip[10] = (uint8_t)(s >> 8), ip[11] = (uint8_t)s;
    }
    uint8_t *tcp = ip + ip_size;
    memcpy(tcp + 4, (uint8_t[]){0xff, 0xff, 0xfe, 0}, 4); /* it will wrap */
    tcp[12] = (uint8_t)(tcp_size / 4 << 4), tcp[13] = shape->ctl;
    uint32_t part = pseudo(ip, len);
    tcp[16] = (uint8_t)(part >> 8), tcp[17] = (uint8_t)part;
    f.flags = NOD_FRAME_CSUM_TODO | (shape->cwr_once ? NOD_FRAME_CWR_ONCE : 0);
    f.l4_off = (uint16_t)(tcp - f.head);
    f.head_len = (uint8_t)(tcp + tcp_size - f.head);
    for (uint32_t at = 0; at < shape->payload; f.parts++) {
        uint32_t n = 1 + (uint32_t)nod_rng_below(rng, 9000), left = shape->payload - at;
        if (n > left || f.parts == NOD_FRAME_PARTS - 1) n = left;
        nod_block *block = nod_block_new(pool, n + 3);
        memcpy(nod_block_bytes(block) + 3, text + at, n);
        f.part[f.parts] = nod_slice_of(block, 3, n);
        nod_block_unref(block);
        at += n;
    }
    return f;
}

static void check_piece(const nod_frame *piece, const struct shape *shape, uint32_t at, uint32_t n)
{
    uint8_t p[70000];
    size_t len = nod_frame_copy(piece, 0, p, sizeof(p));
    assert_int_equal(len, nod_frame_length(piece));
    size_t l3 = shape->ethernet ? 14 : 0, ip_size = shape->six ? 40 : 20 + 4 * shape->ip_options;
    const uint8_t *ip = p + l3, *tcp = ip + ip_size;
    size_t tcp_size = 20 + 4 * shape->tcp_options;
    assert_int_equal(len, l3 + ip_size + tcp_size + n);
    if (shape->six) {
        assert_int_equal(be16(ip + 4), tcp_size + n);
    } else {
        assert_int_equal(be16(ip + 2), ip_size + tcp_size + n);
        assert_int_equal(sum(0, ip, ip_size), 0xffff);
    }
    assert_int_equal(be32(tcp + 4), 0xfffffe00u + at);
    assert_int_equal(sum(pseudo(ip, tcp_size + n), tcp, tcp_size + n), 0xffff);
    assert_memory_equal(tcp + tcp_size, text + at, n);
    uint8_t want = shape->ctl;
    if (at + n < shape->payload) want &= (uint8_t) ~(NOD_FIN | NOD_PSH);
    if (at > 0 && shape->cwr_once) want &= (uint8_t)~NOD_CWR;
    assert_int_equal(tcp[13], want);
    assert_true(piece->gso_size == 0 && !(piece->flags & NOD_FRAME_CSUM_TODO));
    assert_true(piece->id == 7 && piece->iface == 2);
}

static void cut(nod_rng *rng)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    dice_bytes(rng, text, 100);
    for (size_t i = 100; i < sizeof(text); i++) text[i] = (uint8_t)(text[i - 100] + i);
    struct shape shape = {.ethernet = nod_rng_below(rng, 2),
                          .six = nod_rng_below(rng, 2),
                          .cwr_once = nod_rng_below(rng, 2),
                          .tcp_options = (unsigned)nod_rng_below(rng, 11),
                          .gso_size = (uint16_t)(1 + nod_rng_below(rng, 9000)),
                          .ctl = (uint8_t)(nod_rng_next(rng) & ~(uint64_t)NOD_SYN)};
    if (!shape.six) shape.ip_options = (unsigned)nod_rng_below(rng, 4);
    shape.payload = (uint32_t)nod_rng_below(rng, nod_rng_below(rng, 4) ? 64000 : 300);
    if (nod_rng_below(rng, 4) == 0) shape.payload -= shape.payload % shape.gso_size;
    nod_frame f = build(rng, pool, &shape);
    if (nod_rng_below(rng, 4) == 0) assert_int_equal(nod_frame_flatten(pool, &f), 0);
    uint32_t at = 0;
    for (unsigned i = 0;; i++) {
        nod_frame piece;
        memset(&piece, 0xee, sizeof(piece));
        int got = nod_frame_piece(&f, i, &piece);
        if (i > 0 && at == shape.payload) {
            assert_int_equal(got, 0);
            break;
        }
        assert_int_equal(got, 1);
        uint32_t n = shape.payload - at < shape.gso_size ? shape.payload - at : shape.gso_size;
        check_piece(&piece, &shape, at, n);
        at += n;
        nod_frame_release(&piece);
    }
    /* Its own only piece, with its sum completed; the frame itself stays as it was. */
    f.gso_size = 0;
    nod_frame piece;
    assert_int_equal(nod_frame_piece(&f, 1, &piece), 0);
    assert_int_equal(nod_frame_piece(&f, 0, &piece), 1);
    assert_true(f.flags & NOD_FRAME_CSUM_TODO);
    check_piece(&piece, &shape, 0, shape.payload);
    nod_frame_release(&piece);
    nod_frame_finish(&f);
    check_piece(&f, &shape, 0, shape.payload);
    nod_frame_release(&f);
    nod_pool_free(pool);
}

static void cut_like_a_device(void **state)
{
    (void)state;
    dice_each(__FILE__, 1000, cut);
}

/* Two references to the same bytes; changing one's head leaves the other's. */
static void shared(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_rng rng;
    nod_rng_seed(&rng, 1);
    struct shape shape = {.payload = 3000};
    nod_frame a = build(&rng, pool, &shape), b;
    nod_frame_share(&a, &b);
    assert_ptr_equal(a.part[0].block, b.part[0].block);
    assert_int_equal(nod_block_refs(a.part[0].block), 2);
    a.head[0] = 99;
    assert_int_equal(b.head[0], 0x45);
    nod_frame_release(&a);
    assert_int_equal(nod_frame_length(&a), 0);
    nod_frame_finish(&b);
    check_piece(&b, &shape, 0, 3000);
    nod_frame_release(&b);
    nod_pool_stats stats;
    nod_pool_get_stats(pool, &stats);
    assert_int_equal(stats.in_use, 0);
    nod_pool_free(pool);
}

static void flattened(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_rng rng;
    nod_rng_seed(&rng, 2);
    struct shape shape = {.ethernet = true, .payload = 5000};
    nod_frame f = build(&rng, pool, &shape), other;
    nod_frame_finish(&f);
    nod_frame_share(&f, &other);
    assert_int_equal(nod_frame_flatten(pool, &f), 0);
    assert_true(f.parts == 1 && f.head_len == 0);
    assert_int_equal(nod_block_refs(f.part[0].block), 1);
    check_piece(&f, &shape, 0, 5000);
    memset(nod_slice_bytes(&f.part[0]), 0, f.part[0].len);
    check_piece(&other, &shape, 0, 5000);
    nod_frame_release(&f);
    nod_frame_release(&other);
    nod_pool_free(pool);

    /* No memory: as it was. */
    pool = nod_pool_new(NULL, 100000);
    shape.payload = 9000;
    f = build(&rng, pool, &shape);
    nod_frame_finish(&f);
    nod_block *block[20];
    int blocks = 0;
    while ((block[blocks] = nod_block_new(pool, 9000))) blocks++;
    assert_int_equal(nod_frame_flatten(pool, &f), NOD_ENOMEM);
    check_piece(&f, &shape, 0, 9000);
    nod_frame_release(&f);
    while (blocks) nod_block_unref(block[--blocks]);
    nod_pool_free(pool);
}

/* A device's frame is one block that others may hold: its sum is completed in a copy. */
static void finishing_what_others_see(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_rng rng;
    nod_rng_seed(&rng, 3);
    struct shape shape = {.six = true, .payload = 1000};
    nod_frame f = build(&rng, pool, &shape), piece;
    assert_int_equal(nod_frame_flatten(pool, &f), 0);
    uint8_t before[1060], after[1060];
    nod_frame_copy(&f, 0, before, sizeof(before));
    assert_int_equal(nod_frame_piece(&f, 0, &piece), 1);
    check_piece(&piece, &shape, 0, 1000);
    nod_frame_copy(&f, 0, after, sizeof(after));
    assert_memory_equal(before, after, sizeof(before));
    nod_frame_release(&piece);
    nod_frame_release(&f);
    nod_pool_free(pool);
}

static void copied_from_anywhere(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_rng rng;
    nod_rng_seed(&rng, 4);
    struct shape shape = {.payload = 9000};
    nod_frame f = build(&rng, pool, &shape);
    uint8_t all[9040], part[9100];
    assert_int_equal(nod_frame_copy(&f, 0, all, sizeof(all)), 9040);
    for (int i = 0; i < 2000; i++) {
        size_t from = nod_rng_below(&rng, 9100), len = nod_rng_below(&rng, 9100);
        size_t want = from >= 9040 ? 0 : len < 9040 - from ? len : 9040 - from;
        assert_int_equal(nod_frame_copy(&f, from, part, len), want);
        if (want) assert_memory_equal(part, all + from, want);
    }
    nod_frame_release(&f);
    nod_pool_free(pool);
}

static void from_bytes(void **state)
{
    (void)state;
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_frame f;
    memset(&f, 0xee, sizeof(f));
    assert_int_equal(nod_frame_from_bytes(pool, "hello", 5, &f), 0);
    assert_true(f.parts == 1 && f.head_len == 0 && f.flags == 0 && f.gso_size == 0 && f.id == 0);
    assert_int_equal(nod_frame_length(&f), 5);
    nod_frame_release(&f);
    assert_int_equal(nod_frame_from_bytes(pool, text, NOD_BLOCK_MAX + 1, &f), NOD_ENOMEM);
    nod_pool_free(pool);
}

/* Random headers in a frame that says it is large: no overread, no endless pieces. */
static void nonsense(nod_rng *rng)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    uint8_t bytes[300];
    nod_frame f, piece;
    size_t len = nod_rng_below(rng, sizeof(bytes));
    dice_bytes(rng, bytes, sizeof(bytes));
    assert_int_equal(nod_frame_from_bytes(pool, bytes, len, &f), 0);
    f.gso_size = (uint16_t)nod_rng_below(rng, 50);
    f.l4_off = (uint16_t)nod_rng_below(rng, 120);
    f.flags = NOD_FRAME_CSUM_TODO;
    unsigned n = 0;
    while (n < 1000 && nod_frame_piece(&f, n, &piece) == 1) {
        nod_frame_release(&piece);
        n++;
    }
    assert_true(n < 1000);
    f.gso_size = 0;
    nod_frame_finish(&f);
    nod_frame_release(&f);
    nod_pool_stats stats;
    nod_pool_get_stats(pool, &stats);
    assert_int_equal(stats.in_use, 0);
    nod_pool_free(pool);
}

static void any_bytes(void **state)
{
    (void)state;
    dice_each(__FILE__, 20000, nonsense);
}

/* A router's mark: on packets that can carry one and on no others; the rest of the header stays,
 * its checksum is right, and who holds the same bytes sees nothing of it. */
static void mark(nod_rng *rng)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    struct shape shape = {.ethernet = nod_rng_below(rng, 2),
                          .six = nod_rng_below(rng, 2),
                          .tos = (uint8_t)nod_rng_next(rng),
                          .payload = (uint32_t)nod_rng_below(rng, 2000)};
    if (!shape.six) shape.ip_options = (unsigned)nod_rng_below(rng, 4);
    nod_frame f = build(rng, pool, &shape), other;
    nod_frame_finish(&f);
    if (nod_rng_below(rng, 2)) assert_int_equal(nod_frame_flatten(pool, &f), 0);
    nod_frame_share(&f, &other);
    uint8_t before[2200], after[2200];
    size_t len = nod_frame_copy(&f, 0, before, sizeof(before)), l3 = shape.ethernet ? 14 : 0;
    assert_int_equal(nod_frame_mark(pool, &f), (shape.tos & 3) != 0);
    assert_int_equal(nod_frame_copy(&f, 0, after, sizeof(after)), len);
    if (shape.tos & 3) {
        before[l3 + 1] |= shape.six ? 0x30 : 3;
        if (!shape.six) assert_int_equal(sum(0, after + l3, 20 + 4 * shape.ip_options), 0xffff);
        if (!shape.six) memcpy(before + l3 + 10, after + l3 + 10, 2);
    }
    assert_memory_equal(after, before, len);
    check_piece(&other, &shape, 0, shape.payload);
    nod_frame_copy(&other, 0, after, len);
    assert_int_equal(shape.six ? after[l3 + 1] >> 4 & 3 : after[l3 + 1] & 3, shape.tos & 3);
    nod_frame_release(&f);
    nod_frame_release(&other);
    nod_pool_free(pool);
}

static void marked_like_a_router(void **state)
{
    (void)state;
    dice_each(__FILE__, 2000, mark);
}

static void only_ip_is_marked(nod_rng *rng)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    uint8_t bytes[80];
    nod_frame f;
    size_t len = nod_rng_below(rng, sizeof(bytes));
    dice_bytes(rng, bytes, sizeof(bytes));
    assert_int_equal(nod_frame_from_bytes(pool, bytes, len, &f), 0);
    nod_frame_mark(pool, &f); /* reads nothing that is not there */
    assert_int_equal(nod_frame_length(&f), len);
    nod_frame_release(&f);
    nod_pool_free(pool);
}

static void any_bytes_to_mark(void **state)
{
    (void)state;
    dice_each(__FILE__, 20000, only_ip_is_marked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_like_a_device),
        cmocka_unit_test(shared),
        cmocka_unit_test(flattened),
        cmocka_unit_test(finishing_what_others_see),
        cmocka_unit_test(copied_from_anywhere),
        cmocka_unit_test(from_bytes),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(marked_like_a_router),
        cmocka_unit_test(any_bytes_to_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
