/* ICMP and ICMPv6: echo, errors out and when never to send one, errors in and what they do. */
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

static uint8_t echo_type(int family, bool reply)
{
    return family == 6 ? (reply ? 129 : 128) : (reply ? 0 : 8);
}

static size_t make_echo(nod_rng *rng, int family, uint8_t *message, size_t data)
{
    dice_bytes(rng, message, 8 + data);
    message[0] = echo_type(family, false);
    message[1] = 0;
    return 8 + data;
}

static void assert_reply(const struct peer *p, const struct seen *s, const uint8_t *message,
                         size_t len)
{
    const uint8_t *reply = s->bytes + s->l4;
    assert_int_equal(s->len - s->l4, len);
    assert_int_equal(reply[0], echo_type(p->family, true));
    assert_int_equal(reply[1], 0);
    assert_memory_equal(reply + 4, message + 4, len - 4);
    assert_true(nod_addr_equal(&s->src, &p->host) && nod_addr_equal(&s->dst, &p->far));
}

/* Every size that fits, odd ones too: all data comes back (1122/06). */
static void echo_of_all_sizes(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s;
    nod_rng rng;
    nod_rng_seed(&rng, 1);
    peer_make(&p, NULL, family, false);
    for (size_t data = 0; data <= 1452; data += data < 100 ? 1 : 13) {
        uint8_t message[1500];
        size_t len = make_echo(&rng, family, message, data);
        peer_icmp(&p, message, len);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        assert_reply(&p, &s, message, len);
    }
    peer_free(&p);
}

static size_t whole_packet(const struct peer *p, const uint8_t *message, size_t len, uint8_t *out)
{
    size_t size = p->family == 6 ? 40 : 20;
    memset(out, 0, size);
    if (p->family == 6) {
        out[0] = 0x60, out[4] = (uint8_t)(len >> 8), out[5] = (uint8_t)len;
        out[6] = 58, out[7] = 64;
        memcpy(out + 8, p->far.bytes, 16);
        memcpy(out + 24, p->host.bytes, 16);
    } else {
        out[0] = 0x45, out[2] = (uint8_t)((20 + len) >> 8), out[3] = (uint8_t)(20 + len);
        out[8] = 64, out[9] = 1;
        memcpy(out + 12, p->far.bytes, 4);
        memcpy(out + 16, p->host.bytes, 4);
        uint16_t sum = (uint16_t)~peer_sum(0, out, 20);
        out[10] = (uint8_t)(sum >> 8), out[11] = (uint8_t)sum;
    }
    memcpy(out + size, message, len);
    uint32_t pseudo = p->family == 6 ? peer_pseudo(&p->far, &p->host, 58, len) : 0;
    uint8_t *m = out + size;
    m[2] = m[3] = 0;
    uint16_t sum = (uint16_t)~peer_sum(pseudo, m, len);
    m[2] = (uint8_t)(sum >> 8), m[3] = (uint8_t)sum;
    return size + len;
}

/* However the packet lies in memory: a header of its own, and parts cut anywhere. */
static void echo_in_pieces(nod_rng *rng)
{
    struct peer p;
    struct seen s;
    uint8_t message[1400], packet[1500];
    peer_make(&p, NULL, nod_rng_below(rng, 2) ? 4 : 6, false);
    size_t len =
        make_echo(rng, p.family, message, nod_rng_below(rng, nod_rng_below(rng, 2) ? 60 : 1390));
    size_t total = whole_packet(&p, message, len, packet);
    nod_frame f = {.iface = 0};
    size_t at = nod_rng_below(rng, NOD_FRAME_HEAD + 1);
    if (at > total) at = total;
    f.head_len = (uint8_t)at;
    memcpy(f.head, packet, at);
    while (at < total) {
        size_t n = 1 + nod_rng_below(rng, 300);
        if (n > total - at || f.parts == NOD_FRAME_PARTS - 1) n = total - at;
        nod_block *block = nod_block_new(nod_stack_pool(p.stack), n);
        memcpy(nod_block_bytes(block), packet + at, n);
        f.part[f.parts++] = nod_slice_of(block, 0, (uint32_t)n);
        nod_block_unref(block);
        at += n;
    }
    nod_stack_input(p.stack, &f, 1, p.now);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_reply(&p, &s, message, len);
    peer_free(&p);
}

static void echo_of_any_frame(void **state)
{
    (void)state;
    dice_each(__FILE__, 1000, echo_in_pieces);
}

/* Ethernet pads small packets; the answer has only what was asked. */
static void echo_with_padding(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s;
    peer_make(&p, NULL, family, true);
    uint8_t message[9] = {echo_type(family, false), 0, 0, 0, 1, 2, 3, 4, 99}, frame[120] = {0};
    memcpy(frame, p.host_mac, 6);
    memcpy(frame + 6, p.far_mac, 6);
    frame[12] = family == 6 ? 0x86 : 8, frame[13] = family == 6 ? 0xdd : 0;
    size_t len = 14 + whole_packet(&p, message, 9, frame + 14);
    memset(frame + len, 0xaa, sizeof(frame) - len);
    peer_input(&p, frame, sizeof(frame));
    assert_int_equal(peer_output(&p, &s, 1), 1);
    assert_reply(&p, &s, message, 9);
    peer_free(&p);
}

static void no_echo(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    uint8_t message[20] = {echo_type(family, false)};
    nod_config config;
    nod_config_default(&config);
    config.answer_echo = false;
    peer_make(&p, &config, family, false);
    peer_icmp(&p, message, 20);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);

    peer_make(&p, NULL, family, false);
    uint8_t protocol = family == 6 ? 58 : 1;
    uint16_t sum =
        (uint16_t)~peer_sum(family == 6 ? peer_pseudo(&p.far, &p.host, 58, 20) : 0, message, 2);
    message[2] = (uint8_t)(sum >> 8), message[3] = (uint8_t)(sum ^ 1); /* a wrong sum */
    peer_ip(&p, &p.far, &p.host, protocol, message, 20);
    assert_int_equal(peer_drops(&p, NOD_DROP_ICMP), 1);
    for (size_t len = 0; len < 8; len++) peer_icmp(&p, (uint8_t[8]){message[0]}, len < 4 ? 4 : len);
    /* To everybody (RFC 1122 3.2.2.6 lets us be silent). */
    nod_addr all = family == 6 ? nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1})
                               : nod_addr_ip4(10, 0, 0, 255);
    memset(message, 0, sizeof(message));
    message[0] = echo_type(family, false);
    sum = (uint16_t)~peer_sum(family == 6 ? peer_pseudo(&p.far, &all, 58, 20) : 0, message, 20);
    message[2] = (uint8_t)(sum >> 8), message[3] = (uint8_t)sum;
    if (family == 4) peer_ip(&p, &p.far, &all, protocol, message, 20);
    /* The other family's protocol in this one's packet. */
    peer_ip(&p, &p.far, &p.host, family == 6 ? 1 : 58, message, 20);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

/* 4443/05: asked as one of all nodes, it answers as itself; IPv4 leaves us silent (no_echo). And
 * not to any rate, nor to groups that nobody here is in. */
static void echo_to_all_nodes(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    uint8_t message[20] = {128, [8] = 1, 2, 3}, copy[20];
    nod_addr all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
    nod_config config;
    nod_config_default(&config);
    config.icmp_per_second = 10;
    peer_make(&p, &config, 6, false);
    for (uint8_t last = 1; last <= 3; last++) {
        all.bytes[15] = last;
        memcpy(copy, message, 20);
        uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(&p.far, &all, 58, 20), copy, 20);
        copy[2] = (uint8_t)(sum >> 8), copy[3] = (uint8_t)sum;
        int sent = 0;
        for (int i = 0; i < 30; i++) {
            peer_ip(&p, &p.far, &all, 58, copy, 20);
            sent += peer_output(&p, &s, 1);
        }
        assert_int_equal(sent, last == 1 ? 10 : 0);
        if (last == 1) assert_reply(&p, &s, message, 20);
        peer_tick(&p, NOD_SEC);
    }
    peer_free(&p);
}

/* RFC 1122 3.2.2: the answer is of the question's type of service, an error of none. */
static void type_of_service(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    for (int protocol = 1; protocol <= 17; protocol += 16) {
        uint8_t packet[40] = {0x45, 0xbb, 0, 40, 0, 0, 0, 0, 64, (uint8_t)protocol};
        peer_make(&p, NULL, 4, false);
        memcpy(packet + 12, p.far.bytes, 4);
        memcpy(packet + 16, p.host.bytes, 4);
        uint16_t sum = (uint16_t)~peer_sum(0, packet, 20);
        packet[10] = (uint8_t)(sum >> 8), packet[11] = (uint8_t)sum;
        if (protocol == 1) packet[20] = 8, packet[22] = 0xf7, packet[23] = 0xff;
        peer_input(&p, packet, 40);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        assert_int_equal(s.bytes[1], protocol == 1 ? 0xb8 : 0);
        peer_free(&p);
    }
}

/* A datagram to a closed port, a protocol unknown: the error quotes the packet. */
static void unreachable(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen s;
    uint8_t udp[2000] = {0, 1, 0, 2, 0, 30};
    peer_make(&p, NULL, family, false);
    size_t header = family == 6 ? 40 : 20;
    static const size_t sizes[] = {0, 1, 30, 547, 548, 549, 1231, 1232, 1400};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        peer_ip(&p, &p.far, &p.host, 17, udp, sizes[i]);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        const uint8_t *m = s.bytes + s.l4;
        assert_int_equal(m[0], family == 6 ? 1 : 3);
        assert_int_equal(m[1], family == 6 ? 4 : 3);
        size_t most = family == 6 ? 1280 : 576; /* 4443 2.4 c, 1812 4.3.2.3 */
        assert_true(s.len <= most);
        size_t quote = s.len - s.l4 - 8;
        assert_int_equal(quote, header + sizes[i] + header + 8 > most ? most - header - 8
                                                                      : header + sizes[i]);
        assert_memory_equal(m + 8 + header, udp, quote - header);
        assert_true(nod_addr_equal(&s.src, &p.host) && nod_addr_equal(&s.dst, &p.far));
        peer_tick(&p, NOD_SEC);
    }
    peer_ip(&p, &p.far, &p.host, 99, udp, 20);
    assert_int_equal(peer_output(&p, &s, 1), 1);
    const uint8_t *m = s.bytes + s.l4;
    assert_int_equal(m[0], family == 6 ? 4 : 3);
    assert_int_equal(m[1], family == 6 ? 1 : 2);
    if (family == 6) assert_memory_equal(m + 4, ((uint8_t[]){0, 0, 0, 6}), 4);
    peer_free(&p);
}

/* RFC 4443 3.4: the pointer is at the field that named the unknown header. */
static void pointer_behind_extensions(void **state)
{
    (void)state;
    struct peer p;
    struct seen s;
    uint8_t body[8 + 16 + 4] = {60, 0, [8] = 99, [9] = 1};
    peer_make(&p, NULL, 6, false);
    peer_ip(&p, &p.far, &p.host, 0, body, sizeof(body));
    assert_int_equal(peer_output(&p, &s, 1), 1);
    const uint8_t *m = s.bytes + s.l4;
    assert_true(m[0] == 4 && m[1] == 1);
    assert_memory_equal(m + 4, ((uint8_t[]){0, 0, 0, 48}), 4);
    peer_free(&p);
}

/* RFC 1122 3.2.2, RFC 4443 2.4 e. */
static void never_answered(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    uint8_t udp[40] = {0, 1, 0, 2, 0, 30};
    peer_make(&p, NULL, family, false);
    nod_addr group = family == 6 ? nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1})
                                 : nod_addr_ip4(224, 0, 0, 1);
    peer_ip(&p, &p.far, &group, 17, udp, 30);
    if (family == 4) {
        nod_addr subnet = nod_addr_ip4(10, 0, 0, 255), all = nod_addr_ip4(255, 255, 255, 255);
        peer_ip(&p, &p.far, &subnet, 17, udp, 30);
        peer_ip(&p, &p.far, &all, 17, udp, 30);
    }
    nod_addr bad[5] = {group, {.family = (uint8_t)family}, p.host};
    bad[3] = family == 6 ? nod_addr_from(6, (uint8_t[16]){[15] = 1}) : nod_addr_ip4(127, 0, 0, 1);
    bad[4] = family == 6 ? bad[3] : nod_addr_ip4(10, 0, 0, 255);
    uint64_t before = peer_drops(&p, NOD_DROP_BAD_SOURCE);
    for (int i = 0; i < 5; i++) peer_ip(&p, &bad[i], &p.host, 17, udp, 30);
    assert_int_equal(peer_drops(&p, NOD_DROP_BAD_SOURCE), before + 5);
    if (family == 4) { /* class E: such a source may be, and is not told of errors */
        nod_addr reserved = nod_addr_ip4(240, 0, 0, 1);
        peer_ip(&p, &reserved, &p.host, 17, udp, 30);
        assert_int_equal(peer_drain(&p), 0);
    }
    nod_addr other = p.host;
    other.bytes[family == 6 ? 15 : 3] = 99;
    peer_ip(&p, &p.far, &other, 17, udp, 30); /* not to us: dropped, not answered */
    assert_int_equal(peer_drops(&p, NOD_DROP_NOT_OURS), 1);
    /* About an ICMP error, even one of a kind that nobody knows. */
    uint8_t error[60] = {family == 6 ? 1 : 3};
    peer_icmp(&p, error, sizeof(error));
    uint8_t unknown[60] = {family == 6 ? 100 : 77};
    peer_icmp(&p, unknown, sizeof(unknown));
    /* About a part of a datagram. */
    if (family == 6) {
        uint8_t part[40] = {17, 0, 0, 9};
        peer_ip(&p, &p.far, &p.host, 44, part, sizeof(part));
    } else {
        uint8_t packet[52] = {0x45, 0, 0, 52, 0, 1, 0x20, 4, 64, 17};
        memcpy(packet + 12, p.far.bytes, 4);
        memcpy(packet + 16, p.host.bytes, 4);
        uint16_t sum = (uint16_t)~peer_sum(0, packet, 20);
        packet[10] = (uint8_t)(sum >> 8), packet[11] = (uint8_t)sum;
        peer_input(&p, packet, sizeof(packet));
    }
    peer_tick(&p, 61 * NOD_SEC); /* nor that its first part never came */
    assert_int_equal(peer_drops(&p, NOD_DROP_FRAGMENT_TIMEOUT), 1);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);

    /* Broadcast by the link, whatever the IP header says. */
    peer_make(&p, NULL, family, true);
    memset(p.host_mac, 0xff, 6);
    peer_ip(&p, &p.far, &p.host, 17, udp, 30);
    memcpy(p.host_mac, (uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);

    nod_config config;
    nod_config_default(&config);
    config.answer_closed = false;
    peer_make(&p, &config, family, false);
    peer_ip(&p, &p.far, &p.host, 17, udp, 30);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

/* So many a second and no more, however they come. */
static void limited(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    uint8_t udp[30] = {0};
    nod_config config;
    nod_config_default(&config);
    config.icmp_per_second = 10;
    peer_make(&p, &config, family, false);
    int sent = 0;
    for (int i = 0; i < 50; i++) peer_ip(&p, &p.far, &p.host, 17, udp, 30), sent += peer_drain(&p);
    assert_int_equal(sent, 10);
    for (int i = 0; i < 10000; i++) { /* ten seconds of a packet every millisecond */
        peer_tick(&p, NOD_MSEC);
        peer_ip(&p, &p.far, &p.host, 17, udp, 30);
        sent += peer_drain(&p);
    }
    assert_in_range(sent, 105, 111);
    peer_free(&p);
    config.icmp_per_second = 0;
    peer_make(&p, &config, family, false);
    peer_ip(&p, &p.far, &p.host, 17, udp, 30);
    assert_int_equal(peer_drain(&p), 0);
    peer_free(&p);
}

/* An error of this type about a packet that the stack sent. */
static void complain(struct peer *p, const struct seen *about, uint8_t type, uint8_t code,
                     size_t quote)
{
    uint8_t message[SEEN_BYTES] = {type, code};
    size_t have = about->len - about->l3;
    memcpy(message + 8, about->bytes + about->l3, quote < have ? quote : have);
    peer_icmp(p, message, 8 + (quote < have ? quote : have));
}

static nod_handle opening(struct peer *p, struct seen *syn)
{
    nod_open open = {.remote = {p->far, 80}};
    nod_handle h;
    assert_int_equal(nod_tcp_open(p->stack, &open, &h), 0);
    assert_int_equal(peer_output(p, syn, 1), 1);
    return h;
}

struct error_row {
    int family;
    uint8_t type, code;
    int hard; /* what an opening connection ends with; 0: it goes on */
    int soft; /* what it hears else; 0: nothing */
};

static const struct error_row error_rows[] = {
    {4, 3, 0, 0, NOD_EUNREACH},
    {4, 3, 1, 0, NOD_EUNREACH},
    {4, 3, 2, NOD_EUNREACH, 0},
    {4, 3, 3, NOD_EREFUSED, 0},
    {4, 3, 5, 0, NOD_EUNREACH},
    {4, 3, 13, NOD_EUNREACH, 0},
    {4, 11, 0, 0, NOD_EUNREACH},
    {4, 11, 1, 0, NOD_EUNREACH},
    {4, 12, 0, 0, NOD_EUNREACH},
    {4, 4, 0, 0, 0},
    {4, 5, 1, 0, 0},
    {6, 1, 0, 0, NOD_EUNREACH},
    {6, 1, 1, NOD_EUNREACH, 0},
    {6, 1, 3, 0, NOD_EUNREACH},
    {6, 1, 4, NOD_EREFUSED, 0},
    {6, 3, 0, 0, NOD_EUNREACH},
    {6, 3, 1, 0, NOD_EUNREACH},
    {6, 4, 0, 0, NOD_EUNREACH},
    {6, 4, 1, 0, NOD_EUNREACH},
    {6, 4, 2, 0, NOD_EUNREACH},
    {6, 100, 0, 0, NOD_EUNREACH}, /* a kind that nobody knows (RFC 4443 2.4 a) */
    {6, 200, 0, 0, 0},            /* and no error at all (2.4 b) */
};

static void errors_while_opening(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(error_rows) / sizeof(error_rows[0]); i++) {
        const struct error_row *row = &error_rows[i];
        struct peer p;
        struct seen syn;
        int error = 0;
        peer_make(&p, NULL, row->family, false);
        nod_handle h = opening(&p, &syn);
        complain(&p, &syn, row->type, row->code, 128);
        uint32_t events = peer_events(&p, h, &error);
        if (events != (row->hard ? NOD_EVENT_ERROR : row->soft ? NOD_EVENT_SOFT_ERROR : 0u))
            print_error("row %zu: events %x\n", i, events);
        assert_int_equal(events, row->hard   ? NOD_EVENT_ERROR
                                 : row->soft ? NOD_EVENT_SOFT_ERROR
                                             : 0);
        assert_int_equal(error, row->hard ? row->hard : row->soft);
        nod_status status;
        assert_int_equal(nod_tcp_status(p.stack, h, &status), 0);
        assert_int_equal(status.state, row->hard ? NOD_CLOSED : NOD_SYN_SENT);
        peer_free(&p);
    }
}

/* RFC 5927 5.2: nothing that can be forged so easily ends an established connection. */
static void errors_while_established(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(error_rows) / sizeof(error_rows[0]); i++) {
        const struct error_row *row = &error_rows[i];
        struct peer p;
        struct conn c;
        struct seen s;
        peer_make(&p, NULL, row->family, false);
        peer_be_called(&p, 80, &c);
        assert_int_equal(nod_tcp_send(p.stack, c.handle, "hello", 5, 0), 5);
        assert_int_equal(peer_output(&p, &s, 1), 1);
        peer_events(&p, 0, NULL);
        complain(&p, &s, row->type, row->code, 128);
        bool heard = row->hard || row->soft;
        assert_int_equal(peer_events(&p, c.handle, NULL), heard ? NOD_EVENT_SOFT_ERROR : 0);
        nod_status status;
        assert_int_equal(nod_tcp_status(p.stack, c.handle, &status), 0);
        assert_int_equal(status.state, NOD_ESTABLISHED);
        peer_free(&p);
    }
}

/* SHLD-26 of a listener's half-open connection: it goes, without a word. Soft ones, and those that
 * cannot quote its number, do nothing (MUST-56, 5927/01). */
static void errors_while_half_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(error_rows) / sizeof(error_rows[0]); i++) {
        const struct error_row *row = &error_rows[i];
        struct peer p;
        struct seen s;
        nod_stack_stats stats;
        peer_make(&p, NULL, row->family, false);
        peer_listen(&p, 80, 5);
        peer_tcp(&p, &(struct segment){.sport = 9, .dport = 80, .ctl = NOD_SYN});
        assert_int_equal(peer_output(&p, &s, 1), 1);
        s.bytes[s.l4 + 7] ^= 1;
        complain(&p, &s, row->type, row->code, 128);
        nod_stack_get_stats(p.stack, &stats);
        assert_int_equal(stats.syn_received, 1);
        s.bytes[s.l4 + 7] ^= 1;
        complain(&p, &s, row->type, row->code, 128);
        nod_stack_get_stats(p.stack, &stats);
        assert_int_equal(stats.syn_received, row->hard ? 0 : 1);
        assert_int_equal(peer_drain(&p), 0);
        peer_free(&p);
    }
}

/* RFC 5927 4.1: who cannot quote what is in flight has not seen it. */
static void blind_errors(void **state)
{
    int family = *(int *)*state;
    struct peer p;
    struct seen syn;
    uint8_t type = family == 6 ? 1 : 3, code = family == 6 ? 4 : 3;
    peer_make(&p, NULL, family, false);
    nod_handle h = opening(&p, &syn);
    size_t seq_at = syn.l4 + 4;
    static const int32_t off[] = {-1, 1, 1000000, -1000000, INT32_MIN};
    for (int i = 0; i < 5; i++) {
        struct seen forged = syn;
        uint32_t seq = syn.seq + (uint32_t)off[i];
        for (int b = 0; b < 4; b++)
            forged.bytes[seq_at + (size_t)b] = (uint8_t)(seq >> (24 - 8 * b));
        complain(&p, &forged, type, code, 128);
    }
    for (size_t at = 0; at < 4; at++) { /* other ports */
        struct seen forged = syn;
        forged.bytes[syn.l4 + at] ^= 1;
        complain(&p, &forged, type, code, 128);
    }
    struct seen forged = syn; /* from another host than us */
    forged.bytes[syn.l3 + (family == 6 ? 8 : 12)] ^= 1;
    complain(&p, &forged, type, code, 128);
    forged = syn; /* not TCP */
    forged.bytes[syn.l3 + (family == 6 ? 6 : 9)] = 17;
    complain(&p, &forged, type, code, 128);
    for (size_t quote = 0; quote < syn.l4 - syn.l3 + 8; quote++)
        complain(&p, &syn, type, code, quote);
    assert_int_equal(peer_events(&p, h, NULL), 0);
    complain(&p, &syn, type, code, syn.l4 - syn.l3 + 8); /* eight octets of TCP are enough */
    assert_int_equal(peer_events(&p, h, NULL), NOD_EVENT_ERROR);
    peer_free(&p);
}

int main(void)
{
    static int four = 4, six = 6;
    const struct CMUnitTest tests[] = {
        FOUR_AND_SIX(echo_of_all_sizes),
        cmocka_unit_test(echo_of_any_frame),
        FOUR_AND_SIX(echo_with_padding),
        FOUR_AND_SIX(no_echo),
        FOUR_AND_SIX(unreachable),
        cmocka_unit_test(echo_to_all_nodes),
        cmocka_unit_test(type_of_service),
        cmocka_unit_test(pointer_behind_extensions),
        FOUR_AND_SIX(never_answered),
        FOUR_AND_SIX(limited),
        cmocka_unit_test(errors_while_opening),
        cmocka_unit_test(errors_while_half_open),
        cmocka_unit_test(errors_while_established),
        FOUR_AND_SIX(blind_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
