#include "fuzz/host.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
static size_t taken;

static void *take(void *ctx, size_t size)
{
    (void)ctx;
    taken += size;
    return malloc(size);
}

static void give(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    taken -= size;
    free(ptr);
}

/* Interface 0 is Ethernet (10.0.0.1, fd00::1), 1 is IP (10.0.1.1, fd01::1); peers end in 2. */
static nod_addr address(int family, int iface, uint8_t last)
{
    uint8_t six[16] = {0xfd, (uint8_t)iface, [15] = last};
    return family == 6 ? nod_addr_from(6, six) : nod_addr_ip4(10, 0, (uint8_t)iface, last);
}

static void put16(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 8), p[1] = (uint8_t)x;
}

static void put32(uint8_t *p, uint32_t x)
{
    put16(p, x >> 16), put16(p + 2, x);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint16_t ip_sum(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i += 2) sum += (uint32_t)p[i] << 8 | p[i + 1];
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

void host_raw(struct host *h, int iface, const uint8_t *bytes, size_t len)
{
    nod_frame frame;
    if (nod_frame_from_bytes(nod_stack_pool(h->stack), bytes, len, &frame) < 0) return;
    frame.iface = (uint8_t)iface;
    frame.flags = NOD_FRAME_CSUM_OK; /* so that segments need no good sum to be read */
    nod_stack_input(h->stack, &frame, 1, h->now);
}

struct raw_segment {
    uint32_t seq, ack;
    uint16_t ctl;
    uint16_t wnd;
    uint8_t ecn; /* of the IP header */
    const uint8_t *options;
    size_t options_len, len;
    uint8_t lie; /* not 0: the data offset, whatever the options are */
};

/* The connections of family 6 are over Ethernet, of 4 over IP. */
static void segment(struct host *h, const struct host_conn *c, const struct raw_segment *g)
{
    static const uint8_t text[2000] = "fuzz";
    uint8_t packet[14 + 40 + 60 + sizeof(text)] = {0}, *ip = packet;
    bool six = c->family == 6;
    nod_addr from = address(c->family, six ? 0 : 1, 2), to = address(c->family, six ? 0 : 1, 1);
    size_t tcp_len = 20 + g->options_len + g->len;
    if (six) {
        memcpy(ip, mac, 6);
        memcpy(ip + 6, peer_mac, 6);
        put16(ip + 12, 0x86dd);
        ip += 14;
        ip[0] = 0x60, ip[1] = (uint8_t)(g->ecn << 4);
        put16(ip + 4, (uint32_t)tcp_len);
        ip[6] = 6, ip[7] = 64;
        memcpy(ip + 8, from.bytes, 16);
        memcpy(ip + 24, to.bytes, 16);
    } else {
        ip[0] = 0x45, ip[1] = g->ecn;
        put16(ip + 2, (uint32_t)(20 + tcp_len));
        ip[8] = 64, ip[9] = 6;
        memcpy(ip + 12, from.bytes, 4);
        memcpy(ip + 16, to.bytes, 4);
        put16(ip + 10, ip_sum(ip, 20));
    }
    uint8_t *tcp = ip + (six ? 40 : 20);
    put16(tcp, c->remote_port);
    put16(tcp + 2, c->local_port);
    put32(tcp + 4, g->seq);
    put32(tcp + 8, g->ack);
    tcp[12] = g->lie ? g->lie : (uint8_t)((20 + g->options_len) / 4 << 4);
    if (g->ctl & NOD_AE) tcp[12] |= 1;
    tcp[13] = (uint8_t)g->ctl;
    put16(tcp + 14, g->wnd);
    if (g->options_len) memcpy(tcp + 20, g->options, g->options_len);
    memcpy(tcp + 20 + g->options_len, text, g->len);
    host_raw(h, six ? 0 : 1, packet, (size_t)(tcp - packet) + tcp_len);
}

/* A cookie of Fast Open is kept for later SYNs. */
static void keep_cookie(struct host *h, int family, const uint8_t *options, size_t len)
{
    for (size_t i = 0; i + 10 <= len; i++)
        if (options[i] == 34 && options[i + 1] == 10)
            memcpy(h->cookie[family == 6], options + i + 2, 8);
}

/* What the stack sent on a connection moves what its peer has seen. */
static void follow(struct host *h, const nod_frame *frame)
{
    uint8_t p[128];
    size_t have = nod_frame_copy(frame, 0, p, sizeof(p)), l3 = frame->iface == 0 ? 14 : 0;
    if (have < l3 + 20) return;
    bool six = p[l3] >> 4 == 6;
    size_t l4 = l3 + (six ? 40 : 20), total = nod_frame_length(frame);
    if (p[l3 + (six ? 6 : 9)] != 6 || have < l4 + 20) return;
    memcpy(h->sent, p + l3, sizeof(h->sent));
    h->sent_size = (uint16_t)(total - l3);
    uint16_t local = (uint16_t)(p[l4] << 8 | p[l4 + 1]);
    uint16_t remote = (uint16_t)(p[l4 + 2] << 8 | p[l4 + 3]);
    for (int i = 0; i < h->conns; i++) {
        struct host_conn *c = &h->conn[i];
        if (c->family != (six ? 6 : 4) || c->remote_port != remote) continue;
        if (c->local_port && c->local_port != local) continue;
        c->local_port = local;
        if (p[l4 + 13] & NOD_SYN) keep_cookie(h, c->family, p + l4 + 20, have - l4 - 20);
        uint32_t text = (uint32_t)(total - l4 - (size_t)(p[l4 + 12] >> 4) * 4);
        c->ack = get32(p + l4 + 4) + text + !!(p[l4 + 13] & (NOD_SYN | NOD_FIN));
    }
}

void host_output(struct host *h, int max)
{
    nod_frame frame;
    for (int i = 0; i < max && nod_stack_output(h->stack, &frame, 1, h->now) == 1; i++) {
        NOD_ASSERT(nod_frame_length(&frame) <= 65535 + 14);
        follow(h, &frame);
        nod_frame_release(&frame);
    }
}

static struct host_conn *add_conn(struct host *h, int family, uint16_t local, uint16_t remote)
{
    struct host_conn *c = &h->conn[h->conns++];
    *c = (struct host_conn){
        .family = family, .local_port = local, .remote_port = remote, .seq = 0xffffff00};
    return c;
}

/* A handshake agrees on either kind of ECN, or on none. */
static void plain(struct host *h, struct host_conn *c, uint16_t ctl, size_t len)
{
    static const uint16_t asks[] = {0, NOD_CWR | NOD_ECE, NOD_AE | NOD_CWR | NOD_ECE};
    static const uint16_t answers[] = {0, NOD_ECE, NOD_CWR};
    unsigned kind = c->remote_port % 3;
    if (ctl & NOD_SYN) ctl |= ctl & NOD_ACK ? answers[kind] : asks[kind];
    segment(
        h, c,
        &(struct raw_segment){.seq = c->seq, .ack = c->ack, .ctl = ctl, .wnd = 20000, .len = len});
    c->seq += (uint32_t)len + !!(ctl & (NOD_SYN | NOD_FIN));
    host_output(h, 100);
}

/* An active open, as far as its peer lets it come. */
static void open_one(struct host *h, int family, uint16_t remote, enum nod_state want)
{
    nod_handle handle = 0;
    nod_open open = {.remote = {address(family, family == 6 ? 0 : 1, 2), remote}};
    struct host_conn *c = add_conn(h, family, 0, remote);
    if (nod_tcp_open(h->stack, &open, &handle) < 0) return;
    h->handle[h->handles++] = handle;
    host_output(h, 10);
    if (want == NOD_SYN_SENT) return;
    plain(h, c, NOD_SYN | (want == NOD_SYN_RECEIVED ? 0 : NOD_ACK), 0);
    if (want == NOD_SYN_RECEIVED) return;
    if (want == NOD_CLOSE_WAIT || want == NOD_LAST_ACK) plain(h, c, NOD_FIN | NOD_ACK, 0);
    if (want == NOD_ESTABLISHED || want == NOD_CLOSE_WAIT) return;
    nod_tcp_close(h->stack, handle);
    host_output(h, 10);
    if (want == NOD_FIN_WAIT_2) plain(h, c, NOD_ACK, 0);
    if (want == NOD_CLOSING) {
        c->ack--;
        plain(h, c, NOD_FIN | NOD_ACK, 0);
        c->ack++;
    }
    if (want == NOD_TIME_WAIT) plain(h, c, NOD_FIN | NOD_ACK, 0);
}

/* Listeners of other kinds, and a peer whose SYN each has seen: one that keeps no record of it, and
 * one that asks its user. */
static void other_listeners(struct host *h, const nod_config *config)
{
    nod_tcp_config cookies = config->tcp;
    cookies.syn_cookies = NOD_COOKIES_ALWAYS;
    nod_open open[] = {
        {.passive = true, .local.port = 81, .backlog = 3, .config = &cookies},
        {.passive = true, .local.port = 82, .backlog = 3, .ask_us = 10 * NOD_SEC},
    };
    for (uint16_t i = 0; i < 2; i++) {
        if (nod_tcp_open(h->stack, &open[i], &h->handle[h->handles]) == 0) h->handles++;
        plain(h, add_conn(h, i & 1 ? 6 : 4, open[i].local.port, (uint16_t)(3000 + i)), NOD_SYN, 0);
    }
    nod_open fast = {.passive = true, .local.port = 83, .backlog = 3, .fast_open = 2};
    if (nod_tcp_open(h->stack, &fast, &h->handle[h->handles]) == 0) h->handles++;
    for (uint16_t i = 0; i < 4; i++) { /* two ask for a cookie, two others will have it */
        static const uint8_t request[4] = {34, 2, 1, 1};
        struct host_conn *c = add_conn(h, i & 1 ? 6 : 4, 83, (uint16_t)(3100 + i));
        struct raw_segment syn = {
            .seq = c->seq, .ctl = NOD_SYN, .wnd = 20000, .options = request, .options_len = 4};
        if (i < 2) segment(h, c, &syn), c->seq++, host_output(h, 10);
    }
}

void host_make(struct host *h, size_t memory_limit)
{
    nod_config config;
    nod_config_default(&config);
    for (unsigned i = 0; i < sizeof(config.secret); i++) config.secret[i] = (uint8_t)i;
    config.alloc = (nod_alloc){.alloc = take, .free = give};
    config.memory_limit = memory_limit;
    config.max_connections = 64;
    config.trace_events = 64;
    config.tcp.ecn_request = config.tcp.ecn_accept = NOD_ECN_ACCURATE;
    *h = (struct host){.now = NOD_SEC, .stack = nod_stack_new(&config, NOD_SEC, NULL)};
    NOD_ASSERT(h->stack);
    nod_iface_config ethernet = {.kind = NOD_IFACE_ETHERNET, .mtu = 1500, .gso_max = 65535};
    nod_iface_config ip = {.kind = NOD_IFACE_IP, .mtu = 1500, .csum_offload = true};
    memcpy(ethernet.mac, mac, 6);
    nod_stack_add_iface(h->stack, &ethernet);
    nod_stack_add_iface(h->stack, &ip);
    for (int i = 0; i < 4; i++) {
        nod_addr addr = address(i & 1 ? 6 : 4, i / 2, 1);
        nod_stack_add_addr(h->stack, i / 2, &addr, i & 1 ? 64 : 24);
    }
    /* The peer on the Ethernet asks for us, and is known from then on. */
    uint8_t ns[86] = {[54] = 135, [78] = 1, [79] = 1};
    memcpy(ns, mac, 6);
    memcpy(ns + 6, peer_mac, 6);
    memcpy(ns + 12, (uint8_t[]){0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255}, 10);
    memcpy(ns + 22, address(6, 0, 2).bytes, 16);
    memcpy(ns + 38, address(6, 0, 1).bytes, 16);
    memcpy(ns + 62, address(6, 0, 1).bytes, 16);
    memcpy(ns + 80, peer_mac, 6);
    uint8_t pseudo[72] = {[35] = 32, [39] = 58};
    memcpy(pseudo, ns + 22, 32);
    memcpy(pseudo + 40, ns + 54, 32);
    put16(ns + 56, ip_sum(pseudo, sizeof(pseudo)));
    host_raw(h, 0, ns, sizeof(ns));
    host_output(h, 10);

    nod_open listen = {.passive = true, .local.port = 80, .backlog = 3};
    if (nod_tcp_open(h->stack, &listen, &h->handle[h->handles]) == 0) h->handles++;
    static const enum nod_state states[] = {
        NOD_SYN_SENT,   NOD_SYN_RECEIVED, NOD_ESTABLISHED, NOD_FIN_WAIT_1, NOD_FIN_WAIT_2,
        NOD_CLOSE_WAIT, NOD_CLOSING,      NOD_LAST_ACK,    NOD_TIME_WAIT,
    };
    for (uint16_t i = 0; i < 9; i++) open_one(h, i & 1 ? 6 : 4, (uint16_t)(1000 + i), states[i]);
    for (uint16_t i = 0; i < 6; i++) { /* to the listener: one half open, others waiting */
        struct host_conn *c = add_conn(h, i & 1 ? 6 : 4, 80, (uint16_t)(2000 + i));
        plain(h, c, NOD_SYN, 0);
        if (i) plain(h, c, NOD_ACK, 0);
        nod_handle handle;
        if (i > 2 && nod_tcp_accept(h->stack, h->handle[0], &handle) == 0)
            h->handle[h->handles++] = handle;
    }
    other_listeners(h, &config);
}

void host_free(struct host *h)
{
    nod_stack_free(h->stack);
    NOD_ASSERT(taken == 0);
}

/* A number that may be just right, a little off, or anything. */
static uint32_t near(struct choices *c, uint32_t right)
{
    switch (choose8(c) & 7) {
    case 0:
    case 1:
    case 2: return right;
    case 3: return right + choose8(c);
    case 4: return right - choose8(c);
    case 5: return right + choose16(c);
    case 6: return right - choose16(c);
    }
    return choose32(c);
}

void host_segment(struct host *h, struct choices *choices)
{
    uint8_t options[40], which = choose8(choices), shape = choose8(choices);
    uint8_t marks = choose8(choices);
    struct host_conn *c = &h->conn[which % (unsigned)h->conns];
    struct raw_segment g = {.options = options, .ctl = choose8(choices) & 0x3f};
    g.ctl |= (uint16_t)((marks & 7) << 6);
    g.ecn = marks >> 3 & 3;
    if (shape & 1) g.ctl |= NOD_ACK;
    if (shape & 2) g.ctl &= (uint16_t) ~(NOD_SYN | NOD_RST);
    g.seq = near(choices, c->seq);
    g.ack = near(choices, c->ack);
    g.wnd = shape & 4 ? choose16(choices) : 20000;
    if (shape & 8) g.len = choose16(choices) % 1500;
    if (shape & 16) {
        uint8_t n = choose8(choices);
        g.options_len = n > 200 ? 12 : n % 11 * 4;
        if (n > 200) {
            static const uint8_t cookie[12] = {34, 10, [10] = 1, [11] = 1};
            memcpy(options, cookie, 12);
            memcpy(options + 2, h->cookie[c->family == 6], 8);
        }
        for (size_t i = 0; n <= 200 && i < g.options_len; i++) options[i] = choose8(choices);
    }
    if ((shape & 0xc0) == 0xc0) g.lie = choose8(choices);
    segment(h, c, &g);
    if (g.seq == c->seq && shape & 32) c->seq += (uint32_t)g.len;
}

void host_too_big(struct host *h, struct choices *choices)
{
    uint8_t packet[14 + 40 + 8 + sizeof(h->sent)] = {0}, *ip = packet;
    bool six = h->sent[0] >> 4 == 6;
    size_t header = six ? 40 : 20, len = 8 + sizeof(h->sent);
    if (!h->sent_size) return;
    if (six) {
        memcpy(ip, mac, 6);
        memcpy(ip + 6, peer_mac, 6);
        put16(ip + 12, 0x86dd);
        ip += 14;
        ip[0] = 0x60;
        put16(ip + 4, (uint32_t)len);
        ip[6] = 58, ip[7] = 64;
        memcpy(ip + 8, h->sent + 24, 16);
        memcpy(ip + 24, h->sent + 8, 16);
    } else {
        ip[0] = 0x45;
        put16(ip + 2, (uint32_t)(20 + len));
        ip[8] = 64, ip[9] = 1;
        memcpy(ip + 12, h->sent + 16, 4);
        memcpy(ip + 16, h->sent + 12, 4);
        put16(ip + 10, ip_sum(ip, 20));
    }
    uint8_t *icmp = ip + header, *quote = icmp + 8;
    icmp[0] = six ? 2 : 3, icmp[1] = six ? 0 : 4;
    put16(icmp + 6, choose8(choices) & 1 ? choose16(choices) : 552 + choose16(choices) % 1000);
    memcpy(quote, h->sent, sizeof(h->sent));
    if (choose8(choices) & 1) put16(quote + (six ? 4 : 2), choose16(choices));
    put32(quote + header + 4, near(choices, get32(quote + header + 4)));
    uint8_t pseudo[40 + 8 + sizeof(h->sent)] = {0};
    memcpy(pseudo, ip + 8, 32);
    put16(pseudo + 34, (uint32_t)len);
    pseudo[39] = 58;
    memcpy(pseudo + 40, icmp, len);
    put16(icmp + 2, six ? ip_sum(pseudo, sizeof(pseudo)) : ip_sum(icmp, len));
    host_raw(h, six ? 0 : 1, packet, (size_t)(icmp - packet) + len);
}

static nod_handle any_handle(const struct host *h, struct choices *c)
{
    uint8_t which = choose8(c);
    if (which > 240) /* a guess: a slot and a generation that there may be */
        return (nod_handle)(1 + choose8(c) % 5) << 32 | (uint32_t)(1 + choose8(c) % 40);
    return h->handles ? h->handle[which % (unsigned)h->handles] : 0;
}

static void add_handle(struct host *h, nod_handle handle)
{
    if (h->handles < HOST_HANDLES)
        h->handle[h->handles++] = handle;
    else
        nod_tcp_release(h->stack, handle);
}

static void call_open(struct host *h, struct choices *c)
{
    uint8_t shape = choose8(c), more = choose8(c);
    int family = shape & 1 ? 6 : 4, iface = shape & 2 ? 1 : 0;
    nod_handle handle;
    nod_open open = {.passive = shape & 4, .backlog = more & 3, .share = more & 4};
    if (more & 8) open.defer_accept_us = choose32(c);
    if (more & 128) open.ask_us = choose32(c);
    if (shape & 64) open.fast_open = choose8(c) & 3;
    if (shape & 128) open.wait_for_text = true;
    if (more & 16) open.local.addr.family = (uint8_t)family;
    if (!open.passive || shape & 8) {
        uint8_t last = more & 32 ? 1 : choose8(c); /* 1: the stack itself */
        uint16_t port = more & 64 ? 80 : choose8(c);
        open.remote = (nod_endpoint){address(family, iface, last), port};
    }
    if (open.passive || shape & 16) open.local.port = choose8(c);
    if (shape & 32) open.local.addr = address(family, iface, 1);
    if (nod_tcp_open(h->stack, &open, &handle) == 0) add_handle(h, handle);
}

static void call_slices(struct host *h, nod_handle handle, struct choices *c)
{
    nod_slice slices[4];
    int n = choose8(c) & 3;
    if (choose8(c) & 1) {
        n = nod_tcp_receive_slices(h->stack, handle, slices, n + 1);
        for (int i = 0; i < n; i++) nod_slice_release(&slices[i]);
        return;
    }
    for (int i = 0; i < n; i++) {
        uint32_t len = choose16(c) % 3000;
        nod_block *block = nod_block_new(nod_stack_pool(h->stack), 3000);
        slices[i] = block ? nod_slice_of(block, 0, len) : (nod_slice){0};
        if (block) memset(nod_block_bytes(block), 's', len);
        nod_block_unref(block);
        if (!block) n = i;
    }
    nod_tcp_send_slices(h->stack, handle, slices, n, choose8(c) & 3);
    for (int i = 0; i < n; i++) nod_slice_release(&slices[i]);
}

static void call_config(struct host *h, nod_handle handle, struct choices *c)
{
    nod_tcp_config config;
    if (nod_tcp_get_config(h->stack, handle, &config) < 0) return;
    config.nagle = choose8(c) & 1;
    config.delayed_ack = choose8(c) & 1;
    config.send_buffer = choose16(c);
    config.receive_buffer = choose16(c);
    config.mss_max = choose16(c);
    config.rto_min_us = choose32(c);
    config.user_timeout_us = choose32(c);
    config.syn_cookies = choose8(c) % 3;
    uint8_t more = choose8(c);
    config.keepalive = more & 1;
    config.keepalive_octet = more & 2;
    config.user_timeout_set = more & 4;
    config.uto = more & 8;
    config.mtu_probing = more % 3;
    config.path_mtu_raise_us = (300 + choose16(c)) * NOD_SEC;
    config.keepalive_probes = more >> 3;
    config.keepalive_idle_us = choose32(c);
    config.keepalive_interval_us = choose32(c);
    nod_tcp_set_config(h->stack, handle, &config);
}

static void call_about_request(struct host *h, nod_handle handle, struct choices *c)
{
    nod_request request;
    switch (choose8(c) & 3) {
    case 0:
    case 1:
        if (nod_tcp_pending(h->stack, handle, &request) == 0) add_handle(h, request.handle);
        break;
    case 2: nod_tcp_grant(h->stack, handle, NULL); break;
    case 3: nod_tcp_refuse(h->stack, handle, (enum nod_refusal)(choose8(c) & 1)); break;
    }
}

void host_call(struct host *h, struct choices *c)
{
    static char buf[4000];
    uint8_t what = choose8(c);
    nod_handle handle = any_handle(h, c), other;
    nod_status status;
    size_t cursor = 0;
    switch (what % 18) {
    case 0: call_open(h, c); break;
    case 1:
        if (nod_tcp_accept(h->stack, handle, &other) == 0) add_handle(h, other);
        break;
    case 2:
    case 3: nod_tcp_send(h->stack, handle, buf, choose16(c) % sizeof(buf), choose8(c) & 3); break;
    case 4:
    case 5: nod_tcp_receive(h->stack, handle, buf, choose16(c) % sizeof(buf)); break;
    case 6:
    case 7: call_slices(h, handle, c); break;
    case 8: nod_tcp_close(h->stack, handle); break;
    case 9: nod_tcp_abort(h->stack, handle); break;
    case 10: nod_tcp_release(h->stack, handle); break;
    case 11:
        nod_tcp_status(h->stack, handle, &status);
        nod_tcp_readable(h->stack, handle);
        nod_tcp_writable(h->stack, handle);
        for (int i = 0; i < 1000 && nod_tcp_each(h->stack, &cursor, &status); i++) continue;
        break;
    case 12: call_config(h, handle, c); break;
    case 13: {
        nod_endpoint remote = {address(4, 1, 2), choose8(c)};
        nod_tcp_connect(h->stack, handle, choose8(c) & 1 ? &remote : NULL);
        break;
    }
    case 14: nod_tcp_peek(h->stack, handle, choose16(c), buf, choose16(c) % sizeof(buf)); break;
    case 15: nod_tcp_set_listen(h->stack, handle, choose8(c) & 7, choose32(c)); break;
    case 16: {
        nod_endpoint local = {address(choose8(c) & 1 ? 6 : 4, 1, choose8(c) & 1), choose8(c)};
        nod_tcp_port_use(h->stack, &local);
        nod_tcp_ack_pending(h->stack, handle);
        break;
    }
    case 17: call_about_request(h, handle, c); break;
    }
}
