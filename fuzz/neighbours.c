/* ARP, neighbour discovery and MLD, nearly right, on an Ethernet with addresses that are tried,
 * defended and lost, routers that come and go, and connections to neighbours near and far. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "stack/stack.h"

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

struct world {
    nod_stack *stack;
    nod_usec now;
    nod_handle handle[16];
    unsigned handles;
};

static void put16(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 8), p[1] = (uint8_t)x;
}

static void input(struct world *w, const uint8_t *bytes, size_t len)
{
    nod_frame frame;
    if (nod_frame_from_bytes(nod_stack_pool(w->stack), bytes, len, &frame) < 0) return;
    nod_stack_input(w->stack, &frame, 1, w->now);
}

/* Few enough that they meet each other: ours, tentative ones, neighbours, nobody, a group. */
static nod_addr any_ip4(struct choices *c)
{
    uint8_t which = choose8(c);
    if (which == 255) return nod_addr_ip4(255, 255, 255, 255);
    if (which == 254) return nod_addr_ip4(224, 0, 0, 1);
    if (which == 253) return (nod_addr){.family = 4};
    if (which & 0x80) return nod_addr_ip4(10, 0, 0, which);
    return nod_addr_ip4(10, 0, 0, which & 7);
}

static nod_addr any_ip6(struct choices *c)
{
    uint8_t which = choose8(c), a[16] = {0xfd, [15] = which & 7};
    switch (which >> 4) {
    case 0:
    case 1:
    case 2: a[0] = 0xfe, a[1] = 0x80; break;
    case 3: return (nod_addr){.family = 6};
    case 4: memcpy(a, (uint8_t[]){0xff, 2, [15] = 1}, 16); break;
    case 5:
    case 6: memcpy(a, (uint8_t[]){0xff, 2, [11] = 1, 0xff, 0, 0, which & 7}, 16); break;
    case 7: a[0] = 0x20, a[15] = choose8(c); break;
    case 8: memcpy(a, (uint8_t[]){0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 1}, 16); break;
    }
    return nod_addr_from(6, a);
}

static void any_mac(struct choices *c, uint8_t out[6])
{
    uint8_t which = choose8(c);
    memcpy(out, mac, 6);
    out[5] = which & 15;
    if (which == 255) memset(out, 255, 6);
}

static void arp(struct world *w, struct choices *c)
{
    uint8_t b[42] = {[12] = 8, 6, 0, 1, 8, 0, 6, 4, 0};
    memset(b, 255, 6);
    b[21] = choose8(c) & 3;
    any_mac(c, b + 22);
    memcpy(b + 6, b + 22, 6);
    nod_addr sender = any_ip4(c), target = any_ip4(c);
    memcpy(b + 28, sender.bytes, 4);
    memcpy(b + 38, target.bytes, 4);
    uint8_t damage = choose8(c);
    if (damage > 240) b[damage % 42] = choose8(c);
    input(w, b, damage == 240 ? choose8(c) % 42 : 42);
}

static size_t nd_option(struct choices *c, uint8_t *p)
{
    static const uint8_t types[] = {1, 2, 3, 5};
    uint8_t shape = choose8(c);
    p[0] = shape & 0x40 ? choose8(c) : types[shape & 3];
    size_t size = p[0] == 3 ? 32 : 8;
    p[1] = (uint8_t)(size / 8);
    if (p[0] <= 2) any_mac(c, p + 2);
    if (p[0] == 3) {
        p[2] = shape & 4 ? choose8(c) : 64;
        p[3] = choose8(c);
        p[7] = choose8(c);
        memcpy(p + 16, any_ip6(c).bytes, 16);
    }
    if (p[0] == 5) put16(p + 6, choose16(c));
    if (shape & 0x80 && shape & 8) p[1] = choose8(c);
    return size;
}

/* Neighbour discovery, and MLD with its router alert. */
static void icmp6(struct world *w, struct choices *c)
{
    static const uint8_t types[] = {130, 133, 134, 135, 135, 136, 136, 137};
    uint8_t b[400] = {0}, shape = choose8(c), type = types[shape & 7], *m = b + 54;
    nod_addr src = any_ip6(c), dst = any_ip6(c), target = any_ip6(c);
    bool mld = type == 130;
    any_mac(c, b + 6);
    memcpy(b, mac, 6);
    if (dst.bytes[0] == 0xff) b[0] = b[1] = 0x33;
    b[12] = 0x86, b[13] = 0xdd, b[14] = 0x60;
    if (mld) {
        memcpy(m, (uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0}, 8);
        m += 8;
    }
    m[0] = type;
    m[1] = shape & 0x80 && shape & 0x40 ? choose8(c) : 0;
    m[4] = choose8(c), m[5] = choose8(c), m[6] = choose8(c), m[7] = choose8(c);
    memcpy(m + 8, target.bytes, 16);
    size_t len = mld ? 24 + (shape & 8 ? 4 : 0) : type == 134 ? 16 : type == 133 ? 8 : 24;
    if (type == 137) memcpy(m + 24, any_ip6(c).bytes, 16), len = 40;
    for (int i = choose8(c) & 3; i && !mld; i--) len += nd_option(c, m + len);
    uint8_t damage = choose8(c);
    if (damage > 240) len -= (damage - 240u) % (len + 1);
    size_t payload = len + (mld ? 8 : 0);
    put16(b + 18, (uint32_t)payload);
    b[20] = mld ? 0 : 58;
    b[21] = damage == 239 ? choose8(c) : mld ? 1 : 255;
    memcpy(b + 22, src.bytes, 16);
    memcpy(b + 38, dst.bytes, 16);
    uint32_t sum = (uint32_t)len + 58;
    for (int i = 0; i < 32; i += 2) sum += (uint32_t)b[22 + i] << 8 | b[23 + i];
    for (size_t i = 0; i < len; i++) sum += i & 1 ? m[i] : (uint32_t)m[i] << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    put16(m + 2, ~sum & 0xffff);
    input(w, b, 54 + payload);
}

static void call(struct world *w, struct choices *c)
{
    uint8_t what = choose8(c);
    nod_addr addr = what & 8 ? any_ip4(c) : any_ip6(c);
    if (what & 1) {
        nod_open open = {.remote = {addr, 80}};
        nod_handle *h = &w->handle[w->handles++ % 16];
        if (*h) nod_tcp_abort(w->stack, *h), nod_tcp_release(w->stack, *h);
        *h = 0;
        nod_tcp_open(w->stack, &open, h);
    } else if (what & 2) {
        nod_stack_add_addr(w->stack, 0, &addr, addr.family == 6 ? 64 : 24);
    } else {
        nod_addr all = {.family = addr.family};
        nod_stack_add_route(w->stack, 0, &all, 0, &addr);
    }
}

static void raw(struct world *w, struct choices *c)
{
    size_t len = choose8(c);
    if (len > c->left) len = c->left;
    input(w, c->at, len);
    c->at += len;
    c->left -= len;
}

/* What must hold whatever was said. */
static void check(const struct nod_net *net)
{
    const struct nod_iface *in = &net->iface[0];
    unsigned doubtful = 0, in_use = 0;
    for (int i = 0; i < NOD_NEIGHBOURS; i++) {
        const struct nod_neighbour *n = &net->neighbours->entry[i];
        if (n->state == NEIGHBOUR_FREE) continue;
        NOD_ASSERT(nod_neighbour_find(net, n->iface, n->ip) == n);
        NOD_ASSERT(n->state == NEIGHBOUR_INCOMPLETE || !n->queued);
        NOD_ASSERT(n->state == NEIGHBOUR_INCOMPLETE || !(n->mac[0] & 1));
        doubtful += n->state == NEIGHBOUR_DELAY || n->state == NEIGHBOUR_PROBE;
    }
    NOD_ASSERT(doubtful == net->doubtful);
    for (unsigned i = 0; i < in->claims; i++) {
        bool used = nod_net_is_local(net, in->claim[i].ip);
        NOD_ASSERT(used == (in->claim[i].state == NOD_ADDRESS_IN_USE));
        in_use += used;
        NOD_ASSERT(!in->claim[i].lost);
    }
    NOD_ASSERT(in_use == in->addrs);
    unsigned learned = 0;
    for (int i = 0; i < NOD_ROUTERS_MAX; i++) learned += net->router[i].expires > 0;
    for (int i = 0; i < NOD_ON_LINK_MAX; i++) learned += net->on_link[i].expires > 0;
    NOD_ASSERT(learned == net->learned);
    NOD_ASSERT(in->link.retrans_us >= 100 * NOD_MSEC && in->link.reachable_base_us > 0);
}

static void output(struct world *w)
{
    nod_frame frame;
    for (int n = 0; nod_stack_output(w->stack, &frame, 1, w->now) == 1; n++) {
        NOD_ASSERT(n < 1000 && nod_frame_length(&frame) <= 1514);
        nod_frame_release(&frame);
    }
}

static void pass(struct world *w, nod_usec us)
{
    w->now += us;
    int rounds = 0; /* what goes back to the stack itself takes some */
    do {
        NOD_ASSERT(rounds++ < 1000);
        nod_stack_tick(w->stack, w->now);
        output(w);
    } while (nod_stack_deadline(w->stack) <= w->now);
    nod_event events[32];
    while (nod_stack_events(w->stack, events, 32) > 0) continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct choices c = {data, size};
    struct world w = {.now = NOD_SEC};
    uint8_t shape = choose8(&c);
    nod_config config;
    nod_config_default(&config);
    config.max_connections = 64;
    config.icmp_per_second = 10;
    w.stack = nod_stack_new(&config, w.now, NULL);
    NOD_ASSERT(w.stack);
    nod_iface_config iface = {.kind = NOD_IFACE_ETHERNET,
                              .mtu = 1500,
                              .probe = shape & 1,
                              .ignore_routers = shape & 2,
                              .defence = (enum nod_defence)((shape >> 2) % 3)};
    memcpy(iface.mac, mac, 6);
    nod_stack_add_iface(w.stack, &iface);
    nod_addr four = nod_addr_ip4(10, 0, 0, 1),
             six = nod_addr_from(6, (uint8_t[16]){0xfd, [15] = 1});
    nod_stack_add_addr(w.stack, 0, &four, 24);
    nod_stack_add_addr(w.stack, 0, &six, 64);
    while (c.left) {
        uint8_t what = choose8(&c);
        switch (what & 7) {
        case 0:
        case 1: arp(&w, &c); break;
        case 2:
        case 3:
        case 4: icmp6(&w, &c); break;
        case 5: call(&w, &c); break;
        case 6: pass(&w, (nod_usec)choose8(&c) << (what >> 3)); break; /* to 2^39 us */
        case 7: raw(&w, &c); break;
        }
        if (what & 0x40) output(&w);
        check(&w.stack->net);
    }
    pass(&w, 0);
    nod_stack_free(w.stack);
    return 0;
}
