#include "unit/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

uint16_t peer_sum(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

uint32_t peer_pseudo(const nod_addr *src, const nod_addr *dst, uint8_t protocol, size_t len)
{
    size_t size = src->family == 6 ? 16 : 4;
    uint32_t sum = peer_sum(protocol, src->bytes, size);
    sum = peer_sum(sum, dst->bytes, size);
    return sum + (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff);
}

static nod_addr address(int family, uint8_t last)
{
    uint8_t six[16] = {0xfd, [15] = last};
    return family == 6 ? nod_addr_from(6, six) : nod_addr_ip4(10, 0, 0, last);
}

/* Our gratuitous answers, so that the stack knows where we are. */
static void introduce(struct peer *p)
{
    if (p->family == 4) {
        uint8_t arp[42] = {0};
        memcpy(arp, p->host_mac, 6);
        memcpy(arp + 6, p->far_mac, 6);
        memcpy(arp + 12, (uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, 2}, 10);
        memcpy(arp + 22, p->far_mac, 6);
        memcpy(arp + 28, p->far.bytes, 4);
        memcpy(arp + 32, p->host_mac, 6);
        memcpy(arp + 38, p->host.bytes, 4);
        peer_input(p, arp, sizeof(arp));
        return;
    }
    /* A question and an answer: the first makes an entry, the second confirms it. */
    uint8_t ns[32] = {135, [24] = 1, [25] = 1};
    memcpy(ns + 8, p->host.bytes, 16);
    memcpy(ns + 26, p->far_mac, 6);
    peer_icmp(p, ns, sizeof(ns));
    peer_drain(p);
    uint8_t na[32] = {136, [4] = 0x60, [24] = 2, [25] = 1};
    memcpy(na + 8, p->far.bytes, 16);
    memcpy(na + 26, p->far_mac, 6);
    peer_icmp(p, na, sizeof(na));
}

void peer_make_bare(struct peer *p, const nod_config *config, int family,
                    const nod_iface_config *iface)
{
    nod_config c;
    nod_config_default(&c);
    if (config) c = *config;
    for (unsigned i = 0; i < sizeof(c.secret); i++) c.secret[i] |= (uint8_t)(i * 37 + 1);
    *p = (struct peer){.now = 990 * NOD_SEC,
                       .family = family,
                       .ethernet = iface->kind == NOD_IFACE_ETHERNET,
                       .host = address(family, 1),
                       .far = address(family, 2),
                       .host_mac = {2, 0, 0, 0, 0, 1},
                       .far_mac = {2, 0, 0, 0, 0, 2}};
    p->stack = nod_stack_new(&c, p->now, NULL);
    assert_non_null(p->stack);
    nod_iface_config own = *iface;
    memcpy(own.mac, p->host_mac, 6);
    p->iface = nod_stack_add_iface(p->stack, &own);
    assert_int_equal(p->iface, 0);
}

void peer_make(struct peer *p, const nod_config *config, int family, bool ethernet)
{
    nod_iface_config iface = {.kind = ethernet ? NOD_IFACE_ETHERNET : NOD_IFACE_IP, .mtu = 1500};
    peer_make_bare(p, config, family, &iface);
    assert_int_equal(nod_stack_add_addr(p->stack, 0, &p->host, family == 6 ? 64 : 24), 0);
    nod_addr all = {.family = (uint8_t)family};
    assert_int_equal(nod_stack_add_route(p->stack, 0, &all, 0, &p->far), 0);
    for (int i = 0; i < 10; i++) { /* to 1000 s */
        peer_tick(p, NOD_SEC);
        peer_drain(p);
    }
    if (ethernet) introduce(p);
}

void peer_free(struct peer *p)
{
    nod_stack_free(p->stack);
    p->stack = NULL;
}

void peer_tick(struct peer *p, nod_usec us)
{
    p->now += us;
    nod_stack_tick(p->stack, p->now);
}

static void see_tcp(struct seen *s)
{
    const uint8_t *tcp = s->bytes + s->l4;
    assert_true(s->len >= s->l4 + 20);
    s->sport = get16(tcp);
    s->dport = get16(tcp + 2);
    s->seq = get32(tcp + 4);
    s->ack = get32(tcp + 8);
    s->tcp_size = (size_t)(tcp[12] >> 4) * 4;
    s->ctl = tcp[13];
    s->wnd = get16(tcp + 14);
    assert_true(s->tcp_size >= 20 && s->l4 + s->tcp_size <= s->len);
    s->text = tcp + s->tcp_size;
    s->text_len = s->len - s->l4 - s->tcp_size;
    uint32_t pseudo = peer_pseudo(&s->src, &s->dst, 6, s->len - s->l4);
    assert_int_equal(peer_sum(pseudo, tcp, s->len - s->l4), 0xffff);
}

static void see(const struct peer *p, const nod_frame *frame, struct seen *s)
{
    *s = (struct seen){.len = nod_frame_length(frame)};
    assert_true(s->len <= SEEN_BYTES);
    nod_frame_copy(frame, 0, s->bytes, s->len);
    if (p->ethernet) {
        s->ethertype = get16(s->bytes + 12);
        s->l3 = 14;
        assert_memory_equal(s->bytes + 6, p->host_mac, 6);
        if (s->ethertype == 0x0806) return;
    }
    const uint8_t *ip = s->bytes + s->l3;
    s->family = ip[0] >> 4;
    if (s->family == 4) {
        s->src = nod_addr_from(4, ip + 12);
        s->dst = nod_addr_from(4, ip + 16);
        s->protocol = ip[9];
        s->ttl = ip[8];
        s->l4 = s->l3 + 20;
        assert_int_equal(peer_sum(0, ip, 20), 0xffff);
        assert_int_equal(get16(ip + 2), s->len - s->l3);
    } else {
        assert_int_equal(s->family, 6);
        s->src = nod_addr_from(6, ip + 8);
        s->dst = nod_addr_from(6, ip + 24);
        s->protocol = ip[6];
        s->ttl = ip[7];
        s->l4 = s->l3 + 40;
        assert_int_equal(get16(ip + 4), s->len - s->l4);
    }
    if (s->protocol == 6) see_tcp(s);
    if (s->protocol == 1) assert_int_equal(peer_sum(0, s->bytes + s->l4, s->len - s->l4), 0xffff);
    if (s->protocol == 58) {
        uint32_t pseudo = peer_pseudo(&s->src, &s->dst, 58, s->len - s->l4);
        assert_int_equal(peer_sum(pseudo, s->bytes + s->l4, s->len - s->l4), 0xffff);
    }
}

int peer_output(struct peer *p, struct seen *seen, int max)
{
    nod_frame frame, piece;
    int n = 0;
    while (nod_stack_output(p->stack, &frame, 1, p->now) == 1) {
        for (unsigned i = 0; nod_frame_piece(&frame, i, &piece) == 1; i++) {
            if (n < max) see(p, &piece, &seen[n]);
            n++;
            nod_frame_release(&piece);
        }
        nod_frame_release(&frame);
    }
    return n;
}

int peer_drain(struct peer *p)
{
    return peer_output(p, NULL, 0);
}

const uint8_t *peer_option(const struct seen *s, uint8_t kind)
{
    const uint8_t *at = s->bytes + s->l4 + 20, *end = s->bytes + s->l4 + s->tcp_size;
    while (at < end && *at != 0) {
        if (*at == kind) return at + 2;
        at += *at == 1 ? 1 : at[1];
    }
    return NULL;
}

void peer_input(struct peer *p, const void *bytes, size_t len)
{
    nod_frame frame;
    assert_int_equal(nod_frame_from_bytes(nod_stack_pool(p->stack), bytes, len, &frame), 0);
    frame.iface = (uint8_t)p->iface;
    nod_stack_input(p->stack, &frame, 1, p->now);
    assert_int_equal(nod_frame_length(&frame), 0);
}

void peer_ip(struct peer *p, const nod_addr *src, const nod_addr *dst, uint8_t protocol,
             const void *payload, size_t len)
{
    uint8_t *packet = calloc(1, len + 60), *ip = packet;
    if (p->ethernet) {
        memcpy(ip, p->host_mac, 6);
        memcpy(ip + 6, p->far_mac, 6);
        put16(ip + 12, src->family == 6 ? 0x86dd : 0x0800);
        ip += 14;
    }
    size_t size = src->family == 6 ? 40 : 20;
    if (src->family == 6) {
        ip[0] = 0x60;
        put16(ip + 4, (uint32_t)len);
        ip[6] = protocol;
        ip[7] = protocol == 58 ? 255 : 64;
        memcpy(ip + 8, src->bytes, 16);
        memcpy(ip + 24, dst->bytes, 16);
    } else {
        ip[0] = 0x45;
        put16(ip + 2, (uint32_t)(20 + len));
        ip[8] = 64;
        ip[9] = protocol;
        memcpy(ip + 12, src->bytes, 4);
        memcpy(ip + 16, dst->bytes, 4);
        put16(ip + 10, (uint16_t)~peer_sum(0, ip, 20));
    }
    memcpy(ip + size, payload, len);
    peer_input(p, packet, (size_t)(ip - packet) + size + len);
    free(packet);
}

size_t peer_tcp_bytes(const nod_addr *src, const nod_addr *dst, const struct segment *g,
                      uint8_t *out)
{
    size_t size = 20 + g->options_len, len = size + g->len;
    memset(out, 0, 20);
    put16(out, g->sport);
    put16(out + 2, g->dport);
    put32(out + 4, g->seq);
    put32(out + 8, g->ack);
    out[12] = (uint8_t)(size / 4 << 4);
    out[13] = g->ctl;
    put16(out + 14, g->wnd);
    if (g->options_len) memcpy(out + 20, g->options, g->options_len);
    if (g->len) memcpy(out + size, g->text, g->len);
    put16(out + 16, (uint16_t)~peer_sum(peer_pseudo(src, dst, 6, len), out, len));
    return len;
}

void peer_tcp(struct peer *p, const struct segment *g)
{
    uint8_t *bytes = malloc(60 + g->len);
    size_t len = peer_tcp_bytes(&p->far, &p->host, g, bytes);
    peer_ip(p, &p->far, &p->host, 6, bytes, len);
    free(bytes);
}

void peer_icmp(struct peer *p, uint8_t *message, size_t len)
{
    uint8_t protocol = p->family == 6 ? 58 : 1;
    uint32_t pseudo = p->family == 6 ? peer_pseudo(&p->far, &p->host, 58, len) : 0;
    put16(message + 2, 0);
    put16(message + 2, (uint16_t)~peer_sum(pseudo, message, len));
    peer_ip(p, &p->far, &p->host, protocol, message, len);
}

nod_handle peer_listen(struct peer *p, uint16_t port, uint16_t backlog)
{
    nod_open open = {.passive = true, .local = {.port = port}, .backlog = backlog};
    nod_handle listener = 0;
    assert_int_equal(nod_tcp_open(p->stack, &open, &listener), 0);
    assert_true(listener != 0);
    return listener;
}

static const uint8_t mss_1000[4] = {2, 4, 0x03, 0xe8};

void peer_send(struct peer *p, struct conn *c, uint8_t ctl, const void *text, size_t len)
{
    peer_tcp(p, &(struct segment){.sport = c->far_port,
                                  .dport = c->host_port,
                                  .seq = c->seq,
                                  .ack = c->ack,
                                  .ctl = ctl,
                                  .wnd = 65535,
                                  .text = text,
                                  .len = len});
    c->seq += (uint32_t)len + (ctl & NOD_FIN ? 1 : 0);
}

void peer_connect(struct peer *p, nod_handle listener, uint16_t host_port, uint16_t far_port,
                  struct conn *c)
{
    struct seen s = {0};
    *c = (struct conn){.host_port = host_port, .far_port = far_port, .seq = 0xfffffff0u + far_port};
    peer_tcp(p, &(struct segment){.sport = far_port,
                                  .dport = host_port,
                                  .seq = c->seq++,
                                  .ctl = NOD_SYN,
                                  .wnd = 65535,
                                  .options = mss_1000,
                                  .options_len = 4});
    assert_int_equal(peer_output(p, &s, 1), 1);
    assert_int_equal(s.ctl, NOD_SYN | NOD_ACK);
    assert_int_equal(s.ack, c->seq);
    c->ack = s.seq + 1;
    peer_send(p, c, NOD_ACK, NULL, 0);
    assert_int_equal(nod_tcp_accept(p->stack, listener, &c->handle), 0);
    assert_int_equal(peer_drain(p), 0);
}

void peer_be_called(struct peer *p, uint16_t far_port, struct conn *c)
{
    struct seen s = {0};
    nod_open open = {.remote = {p->far, far_port}};
    *c = (struct conn){.far_port = far_port, .seq = 0x7ffffff0u + far_port};
    assert_int_equal(nod_tcp_open(p->stack, &open, &c->handle), 0);
    assert_int_equal(peer_output(p, &s, 1), 1);
    assert_int_equal(s.ctl, NOD_SYN);
    assert_int_equal(s.dport, far_port);
    c->host_port = s.sport;
    c->ack = s.seq + 1;
    peer_tcp(p, &(struct segment){.sport = far_port,
                                  .dport = c->host_port,
                                  .seq = c->seq++,
                                  .ack = c->ack,
                                  .ctl = NOD_SYN | NOD_ACK,
                                  .wnd = 65535,
                                  .options = mss_1000,
                                  .options_len = 4});
    assert_int_equal(peer_output(p, &s, 1), 1);
    assert_int_equal(s.ctl, NOD_ACK);
    assert_int_equal(s.ack, c->seq);
}

uint32_t peer_events(struct peer *p, nod_handle handle, int *error)
{
    nod_event event;
    uint32_t flags = 0;
    while (nod_stack_events(p->stack, &event, 1) == 1) {
        if (handle && event.handle != handle) continue;
        flags |= event.flags;
        if (error && event.error) *error = event.error;
    }
    return flags;
}

uint64_t peer_drops(struct peer *p, enum nod_drop drop)
{
    nod_stack_stats stats;
    nod_stack_get_stats(p->stack, &stats);
    return stats.drops[drop];
}

size_t peer_in_use(struct peer *p)
{
    nod_pool_stats stats;
    nod_pool_get_stats(nod_stack_pool(p->stack), &stats);
    return stats.in_use;
}
