#include "unit/ether.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack/stack.h"

const uint8_t ether_broadcast[6] = {255, 255, 255, 255, 255, 255};
const uint8_t ether_stranger_mac[6] = {2, 0, 0, 0, 0, 9}, ether_other_mac[6] = {2, 0, 0, 0, 0, 8};

nod_addr ether_stranger(int family)
{
    uint8_t six[16] = {0xfd, [13] = 0x12, [14] = 0x34, [15] = 9};
    return family == 6 ? nod_addr_from(6, six) : nod_addr_ip4(10, 0, 0, 9);
}

nod_addr ether_link_local(uint8_t last)
{
    return nod_addr_from(6, (uint8_t[16]){0xfe, 0x80, [15] = last});
}

void ether_make(struct peer *p, int family, const nod_iface_config *config)
{
    nod_iface_config own = *config;
    own.kind = NOD_IFACE_ETHERNET;
    if (!own.mtu) own.mtu = 1500;
    peer_make_bare(p, NULL, family, &own);
    assert_int_equal(nod_stack_add_addr(p->stack, 0, &p->host, family == 6 ? 64 : 24), 0);
}

void ether_arp(struct peer *p, uint16_t op, const uint8_t sender_mac[6], const uint8_t sender_ip[4],
               const uint8_t target_ip[4])
{
    uint8_t b[60] = {0}; /* padded, as Ethernet does */
    memcpy(b, op == 1 ? ether_broadcast : p->host_mac, 6);
    memcpy(b + 6, sender_mac, 6);
    memcpy(b + 12, (uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, (uint8_t)op}, 10);
    memcpy(b + 22, sender_mac, 6);
    memcpy(b + 28, sender_ip, 4);
    memcpy(b + 38, target_ip, 4);
    peer_input(p, b, sizeof(b));
}

void ether_icmp6(struct peer *p, const uint8_t from_mac[6], const nod_addr *src,
                 const nod_addr *dst, uint8_t hop_limit, uint8_t *message, size_t len)
{
    uint8_t b[512] = {0};
    assert_true(len <= sizeof(b) - 54);
    message[2] = message[3] = 0;
    uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(src, dst, 58, len), message, len);
    message[2] = (uint8_t)(sum >> 8), message[3] = (uint8_t)sum;
    memcpy(b, p->host_mac, 6);
    if (dst->bytes[0] == 0xff) {
        b[0] = b[1] = 0x33;
        memcpy(b + 2, dst->bytes + 12, 4);
    }
    memcpy(b + 6, from_mac, 6);
    b[12] = 0x86, b[13] = 0xdd, b[14] = 0x60;
    b[18] = (uint8_t)(len >> 8), b[19] = (uint8_t)len;
    b[20] = 58, b[21] = hop_limit;
    memcpy(b + 22, src->bytes, 16);
    memcpy(b + 38, dst->bytes, 16);
    memcpy(b + 54, message, len);
    peer_input(p, b, 54 + len);
}

void ether_solicit(struct peer *p, const uint8_t from_mac[6], const nod_addr *src,
                   const nod_addr *dst, const nod_addr *target, const uint8_t *mac)
{
    uint8_t ns[32] = {135, [24] = 1, [25] = 1};
    memcpy(ns + 8, target->bytes, 16);
    if (mac) memcpy(ns + 26, mac, 6);
    ether_icmp6(p, from_mac, src, dst, 255, ns, mac ? 32 : 24);
}

void ether_advertise(struct peer *p, const nod_addr *target, const nod_addr *dst, uint8_t flags,
                     const uint8_t *mac)
{
    uint8_t na[32] = {136, [4] = flags, [24] = 2, [25] = 1};
    memcpy(na + 8, target->bytes, 16);
    if (mac) memcpy(na + 26, mac, 6);
    ether_icmp6(p, mac ? mac : ether_stranger_mac, target, dst ? dst : &p->host, 255, na,
                mac ? 32 : 24);
}

void ether_answer(struct peer *p, const uint8_t mac[6])
{
    nod_addr who = ether_stranger(p->family);
    if (p->family == 4)
        ether_arp(p, 2, mac, who.bytes, p->host.bytes);
    else
        ether_advertise(p, &who, NULL, 0x60, mac);
}

nod_addr ether_solicited_node(const nod_addr *of)
{
    uint8_t group[16] = {0xff, 0x02, [11] = 1, [12] = 0xff};
    memcpy(group + 13, of->bytes + 13, 3);
    return nod_addr_from(6, group);
}

const struct nod_neighbour *ether_entry(struct peer *p, const nod_addr *addr)
{
    uint8_t ip[16];
    nod_ip_from_addr(ip, addr);
    return nod_neighbour_find(&p->stack->net, 0, ip);
}

nod_handle ether_open(struct peer *p, const nod_addr *to, uint16_t port)
{
    nod_open open = {.remote = {*to, port}};
    nod_handle h;
    assert_int_equal(nod_tcp_open(p->stack, &open, &h), 0);
    return h;
}

static bool is_arp_question(const struct peer *p, const struct seen *s, const nod_addr *whom,
                            const uint8_t *mac)
{
    static const uint8_t none[6];
    return s->ethertype == 0x0806 && memcmp(s->bytes, mac ? mac : ether_broadcast, 6) == 0 &&
           memcmp(s->bytes + 14, ((uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}), 8) == 0 &&
           memcmp(s->bytes + 22, p->host_mac, 6) == 0 &&
           memcmp(s->bytes + 28, p->host.bytes, 4) == 0 && memcmp(s->bytes + 32, none, 6) == 0 &&
           memcmp(s->bytes + 38, whom->bytes, 4) == 0;
}

bool ether_is_question(const struct peer *p, const struct seen *s, const nod_addr *whom,
                       const uint8_t *mac)
{
    if (whom->family == 4) return is_arp_question(p, s, whom, mac);
    const uint8_t *ns = ether_message(s);
    if (!ns || s->ttl != 255 || ns[0] != 135 || ns[1] != 0) return false;
    if (memcmp(ns + 8, whom->bytes, 16) != 0) return false;
    if (memcmp(ns + 24, ((uint8_t[]){1, 1}), 2) != 0 || memcmp(ns + 26, p->host_mac, 6) != 0)
        return false;
    if (mac) return memcmp(s->bytes, mac, 6) == 0 && nod_addr_equal(&s->dst, whom);
    nod_addr group = ether_solicited_node(whom);
    return nod_addr_equal(&s->dst, &group) && s->bytes[0] == 0x33 && s->bytes[1] == 0x33 &&
           memcmp(s->bytes + 2, group.bytes + 12, 4) == 0;
}

const uint8_t *ether_message(const struct seen *s)
{
    if (s->ethertype != 0x86dd) return NULL;
    if (s->protocol == 58) return s->bytes + s->l4;
    if (s->protocol != 0 || s->bytes[s->l4] != 58) return NULL;
    return s->bytes + s->l4 + 8u * (s->bytes[s->l4 + 1] + 1u);
}

int ether_wait(struct peer *p, nod_usec us, struct seen *seen, nod_usec *when, int max)
{
    int n = 0;
    for (nod_usec end = p->now + us;;) {
        nod_stack_tick(p->stack, p->now);
        int more = peer_output(p, n < max ? &seen[n] : NULL, n < max ? max - n : 0);
        for (int i = n; when && i < n + more && i < max; i++) when[i] = p->now;
        n += more;
        if (p->now == end) return n;
        nod_usec next = nod_stack_deadline(p->stack);
        p->now = next > p->now && next < end ? next : next <= p->now ? p->now : end;
    }
}
