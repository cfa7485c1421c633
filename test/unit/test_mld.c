/* Group membership for IPv6: MLDv2 (RFC 3810), and which groups are listened to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/ether.h"

static const nod_iface_config plain = {.ignore_routers = true};

/* A report as it must look on the wire; the groups in it, each with its record type. */
static int groups_of(const struct seen *s, uint8_t type[16], nod_addr group[16])
{
    const uint8_t *m = ether_message(s);
    if (!m || m[0] != 143) return 0;
    static const uint8_t to[16] = {0xff, 2, [15] = 0x16};
    assert_memory_equal(s->dst.bytes, to, 16);
    assert_memory_equal(s->bytes, ((uint8_t[]){0x33, 0x33, 0, 0, 0, 0x16}), 6);
    assert_int_equal(s->ttl, 1);
    /* Hop-by-hop: router alert, "MLD", padded. */
    assert_memory_equal(s->bytes + s->l4, ((uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0}), 8);
    size_t len = s->len - (size_t)(m - s->bytes);
    assert_int_equal(peer_sum(peer_pseudo(&s->src, &s->dst, 58, len), m, len), 0xffff);
    int n = m[6] << 8 | m[7];
    assert_int_equal(len, 8 + 20 * n);
    for (int i = 0; i < n; i++) {
        const uint8_t *record = m + 8 + 20 * i;
        assert_true(record[1] == 0 && record[2] == 0 && record[3] == 0); /* no sources */
        type[i] = record[0];
        group[i] = nod_addr_from(6, record + 4);
        assert_true(record[15] == 1 && record[16] == 0xff); /* never all-nodes */
    }
    return n;
}

static bool has(const nod_addr *group, int n, const nod_addr *addr)
{
    nod_addr want = ether_solicited_node(addr);
    for (int i = 0; i < n; i++)
        if (nod_addr_equal(&group[i], &want)) return true;
    return false;
}

static nod_addr own_link_local(void)
{
    return nod_addr_from(6, (uint8_t[16]){0xfe, 0x80, [8] = 0, 0, 0, 0xff, 0xfe, 0, 0, 1});
}

static void query(struct peer *p, const nod_addr *group, uint16_t max_ms, int size)
{
    uint8_t b[14 + 40 + 8 + 28] = {0}, *m = b + 62;
    nod_addr from = ether_link_local(2), all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
    memcpy(b, ((uint8_t[]){0x33, 0x33, 0, 0, 0, 1}), 6);
    memcpy(b + 6, p->far_mac, 6);
    b[12] = 0x86, b[13] = 0xdd, b[14] = 0x60;
    b[19] = (uint8_t)(8 + size), b[20] = 0, b[21] = 1;
    memcpy(b + 22, from.bytes, 16);
    memcpy(b + 38, all.bytes, 16);
    memcpy(b + 54, ((uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0}), 8);
    m[0] = 130, m[4] = (uint8_t)(max_ms >> 8), m[5] = (uint8_t)max_ms;
    if (group) memcpy(m + 8, group->bytes, 16);
    uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(&from, &all, 58, (size_t)size), m, (size_t)size);
    m[2] = (uint8_t)(sum >> 8), m[3] = (uint8_t)sum;
    peer_input(p, b, (size_t)(62 + size));
}

/* 8504/06: each address's solicited-node group is reported when it is joined, and once more within
 * a second; all of them in one message. */
static void reports_on_join(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[8];
    nod_usec when[8];
    ether_make(&p, 6, &plain);
    nod_usec start = p.now;
    nod_addr own = own_link_local(), group[16];
    uint8_t type[16];
    p.host.bytes[15] = 200; /* fe80::ff:fe00:1 and fd00::1 share a group: said once */
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &p.host, 64), 0);
    int n = ether_wait(&p, 5 * NOD_SEC, s, when, 8);
    assert_int_equal(n, 2);
    for (int i = 0; i < 2; i++) {
        int groups = groups_of(&s[i], type, group);
        assert_int_equal(groups, 2);
        assert_true(type[0] == 4 && type[1] == 4); /* CHANGE_TO_EXCLUDE_MODE */
        assert_true(has(group, groups, &own) && has(group, groups, &p.host));
        assert_int_equal(s[i].src.bytes[0], 0xfe); /* from the link-local address */
    }
    assert_true(when[0] == start && when[1] - start <= NOD_SEC && when[1] > start);
    /* One more address: one more group, and nothing of the others. */
    nod_addr more = p.host;
    more.bytes[15] = 77;
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &more, 64), 0);
    n = ether_wait(&p, 5 * NOD_SEC, s, when, 8);
    assert_int_equal(n, 2);
    assert_int_equal(groups_of(&s[0], type, group), 1);
    assert_true(has(group, 1, &more));
    peer_free(&p);
}

/* With probes: the group is joined before the question, from nobody while there is no address. */
static void reports_before_probes(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[32];
    ether_make(&p, 6, &(nod_iface_config){.ignore_routers = true, .probe = true});
    p.host.bytes[15] = 200;
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &p.host, 64), 0);
    int n = ether_wait(&p, NOD_SEC, s, NULL, 32), reports = 0;
    nod_addr group[16], none = {.family = 6};
    uint8_t type[16];
    for (int i = 0; i < n; i++) {
        int groups = groups_of(&s[i], type, group);
        const uint8_t *m = ether_message(&s[i]);
        bool probe = m[0] == 135 && memcmp(m + 8, p.host.bytes, 16) == 0;
        if (probe) assert_in_range(reports, 1, 4);
        if (groups) assert_true(nod_addr_equal(&s[i].src, &none));
        if (has(group, groups, &p.host)) reports++;
    }
    assert_in_range(reports, 1, 4);
    peer_free(&p);
}

/* A general query, one for a group of ours, and one for a group of others; answered once, within
 * the time that it names. */
static void answers_to_queries(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[8];
    nod_usec when[8];
    uint8_t type[16];
    ether_make(&p, 6, &plain);
    p.host.bytes[15] = 200;
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &p.host, 64), 0);
    ether_wait(&p, 5 * NOD_SEC, NULL, NULL, 0);
    nod_addr own = own_link_local(), group[16], ours = ether_solicited_node(&p.host);
    nod_addr stranger = ether_stranger(6), others = ether_solicited_node(&stranger);
    nod_usec start = p.now;
    query(&p, NULL, 2000, 28);
    query(&p, NULL, 2000, 28);
    assert_int_equal(ether_wait(&p, 5 * NOD_SEC, s, when, 8), 1);
    assert_true(when[0] - start <= 2 * NOD_SEC);
    assert_int_equal(groups_of(&s[0], type, group), 2);
    assert_true(type[0] == 2 && type[1] == 2); /* MODE_IS_EXCLUDE */
    assert_true(has(group, 2, &own) && has(group, 2, &p.host));
    query(&p, &ours, 1000, 28);
    assert_int_equal(ether_wait(&p, 5 * NOD_SEC, s, when, 8), 1);
    assert_int_equal(groups_of(&s[0], type, group), 1);
    assert_true(type[0] == 2 && has(group, 1, &p.host));
    query(&p, &others, 1000, 28);
    assert_int_equal(ether_wait(&p, 5 * NOD_SEC, s, when, 8), 0);
    query(&p, NULL, 0x8fa0, 28); /* a large time is written as a float: 0x1fa0 << 3 ms */
    start = p.now;
    assert_int_equal(ether_wait(&p, 65 * NOD_SEC, s, when, 8), 1);
    assert_true(when[0] - start <= (0x1fa0u << 3) * NOD_MSEC);
    peer_free(&p);
}

/* An old querier is answered in its own version, to the group itself. */
static void version_1(void **state)
{
    (void)state;
    struct peer p;
    struct seen s[8];
    ether_make(&p, 6, &plain);
    p.host.bytes[15] = 200;
    assert_int_equal(nod_stack_add_addr(p.stack, 0, &p.host, 64), 0);
    ether_wait(&p, 5 * NOD_SEC, NULL, NULL, 0);
    nod_addr own = own_link_local(), seen[2];
    query(&p, NULL, 1000, 24);
    assert_int_equal(ether_wait(&p, 5 * NOD_SEC, s, NULL, 8), 2);
    for (int i = 0; i < 2; i++) {
        const uint8_t *m = ether_message(&s[i]);
        assert_int_equal(m[0], 131);
        assert_int_equal(s[i].ttl, 1);
        assert_memory_equal(m + 8, s[i].dst.bytes, 16);
        seen[i] = s[i].dst;
    }
    assert_true(has(seen, 2, &own) && has(seen, 2, &p.host));
    peer_tick(&p, 261 * NOD_SEC);
    query(&p, NULL, 1000, 28);
    assert_int_equal(ether_wait(&p, 5 * NOD_SEC, s, NULL, 8), 1);
    assert_int_equal(ether_message(&s[0])[0], 143);
    peer_free(&p);
}

/* Hop limit 1, link-local source, router alert: without them a query is none. */
static void invalid_queries(void **state)
{
    (void)state;
    struct peer p;
    ether_make(&p, 6, &plain);
    ether_wait(&p, 5 * NOD_SEC, NULL, NULL, 0);
    nod_addr all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1}), from = ether_link_local(2);
    uint8_t m[28] = {130, [4] = 1};
    ether_icmp6(&p, p.far_mac, &from, &all, 1, m, sizeof(m)); /* no router alert */
    for (int i = 0; i < 3; i++) {
        uint8_t b[90] = {0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60};
        nod_addr src = i == 1 ? p.far : from;
        b[19] = 36, b[21] = i == 0 ? 2 : 1;
        memcpy(b + 22, src.bytes, 16);
        memcpy(b + 38, all.bytes, 16);
        memcpy(b + 54, ((uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0}), 8);
        if (i == 2) b[56] = 1, b[57] = 4, b[60] = 0; /* padding only */
        b[62] = 130, b[66] = 1;
        uint16_t sum = (uint16_t)~peer_sum(peer_pseudo(&src, &all, 58, 28), b + 62, 28);
        b[64] = (uint8_t)(sum >> 8), b[65] = (uint8_t)sum;
        peer_input(&p, b, sizeof(b));
    }
    assert_int_equal(ether_wait(&p, 5 * NOD_SEC, NULL, NULL, 0), 0);
    query(&p, NULL, 256, 28);
    assert_int_equal(ether_wait(&p, 5 * NOD_SEC, NULL, NULL, 0), 1);
    peer_free(&p);
}

/* 4861/02: what is sent to all nodes and to our own groups is heard, and to no other group. */
static void groups_are_listened_to(void **state)
{
    (void)state;
    struct peer p;
    ether_make(&p, 6, &plain);
    ether_wait(&p, 5 * NOD_SEC, NULL, NULL, 0);
    nod_addr from = ether_stranger(6), other = ether_solicited_node(&from);
    nod_addr own = ether_solicited_node(&p.host);
    nod_addr all = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 1});
    nod_addr routers = nod_addr_from(6, (uint8_t[16]){0xff, 2, [15] = 2});
    ether_solicit(&p, ether_stranger_mac, &from, &other, &p.host, ether_stranger_mac);
    ether_solicit(&p, ether_stranger_mac, &from, &routers, &p.host, ether_stranger_mac);
    assert_int_equal(peer_drain(&p), 0);
    assert_int_equal(peer_drops(&p, NOD_DROP_NOT_OURS), 2);
    ether_solicit(&p, ether_stranger_mac, &from, &own, &p.host, ether_stranger_mac);
    assert_int_equal(peer_drain(&p), 1);
    ether_solicit(&p, ether_stranger_mac, &from, &all, &p.host, ether_stranger_mac);
    assert_int_equal(peer_drain(&p), 1);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_on_join),    cmocka_unit_test(reports_before_probes),
        cmocka_unit_test(answers_to_queries), cmocka_unit_test(version_1),
        cmocka_unit_test(invalid_queries),    cmocka_unit_test(groups_are_listened_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
