/* What is known of paths (src/net/path.c): by address, bounded, for a time; and what a message "too
 * big" may claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/net.h"

#define LINK 1500

static struct nod_net net;

static int begin(void **state)
{
    (void)state;
    memset(&net, 0, sizeof(net));
    net.ifaces = 1;
    net.iface[0].config.mtu = LINK;
    net.now = 1000;
    return 0;
}

static const uint8_t *host(unsigned n)
{
    static uint8_t addr[16];
    memset(addr, 0, sizeof(addr));
    addr[0] = 0xfd;
    addr[14] = (uint8_t)(n >> 8);
    addr[15] = (uint8_t)n;
    return addr;
}

static uint16_t mtu_to(unsigned n)
{
    nod_usec until;
    uint16_t mtu = nod_net_path_mtu(&net, host(n), 0, &until);
    assert_true(mtu == LINK ? until == NOD_NEVER : until > net.now);
    return mtu;
}

/* RFC 4821 5.2: of one address, not of its network. */
static void by_address(void **state)
{
    (void)state;
    assert_int_equal(mtu_to(1), LINK);
    nod_net_path_learn(&net, host(1), 1400, 5000);
    assert_int_equal(mtu_to(1), 1400);
    assert_int_equal(mtu_to(2), LINK);
    nod_net_path_learn(&net, host(1), 1280, 6000);
    assert_int_equal(mtu_to(1), 1280);
    assert_int_equal(net.paths, 1);
}

static void for_a_time(void **state)
{
    (void)state;
    nod_net_path_learn(&net, host(1), 1400, 5000);
    net.now = 4999;
    assert_int_equal(mtu_to(1), 1400);
    net.now = 5000;
    assert_int_equal(mtu_to(1), LINK);
}

static void never_more_than_the_link(void **state)
{
    (void)state;
    nod_net_path_learn(&net, host(1), 9000, 5000);
    assert_int_equal(mtu_to(1), LINK);
}

static void oldest_makes_room(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NOD_PATHS; i++)
        nod_net_path_learn(&net, host(i), 1400, i == 7 ? 2000 : 5000 + i);
    nod_net_path_learn(&net, host(1000), 1300, 9000);
    assert_int_equal(net.paths, NOD_PATHS);
    assert_int_equal(mtu_to(7), LINK);
    assert_int_equal(mtu_to(1000), 1300);
    for (unsigned i = 0; i < NOD_PATHS; i++)
        if (i != 7) assert_int_equal(mtu_to(i), 1400);
}

static uint16_t claim(int family, uint32_t mtu, uint32_t quoted, uint16_t in_use)
{
    struct nod_packet packet = {
        .ip.family = (uint8_t)family, .next_mtu = mtu, .quoted_size = quoted, .too_big = true};
    return nod_net_claimed_mtu(&packet, in_use, 552);
}

static void claims_of_ipv4(void **state)
{
    (void)state;
    assert_int_equal(claim(4, 1400, 1500, 1500), 1400);
    assert_int_equal(claim(4, 1499, 1500, 1500), 1499);
    assert_int_equal(claim(4, 1500, 1500, 1500), 0); /* it would have passed */
    assert_int_equal(claim(4, 9000, 1500, 1500), 0);
    assert_int_equal(claim(4, 20, 1500, 1500), 552); /* no lower than asked for */
    assert_int_equal(claim(4, 20, 552, 1500), 0);
    /* A large segment that was cut later is quoted with its whole length. */
    assert_int_equal(claim(4, 1400, 65000, 1500), 1400);
    assert_int_equal(claim(4, 1500, 65000, 1500), 0);
}

/* RFC 1191 section 7.1, table 7-1. */
static void plateaus(void **state)
{
    (void)state;
    static const uint16_t table[][2] = {{65535, 32000}, {32000, 17914}, {17914, 8166}, {9000, 8166},
                                        {8166, 4352},   {4352, 2002},   {2002, 1492},  {1500, 1492},
                                        {1492, 1006},   {1006, 552},    {600, 552},    {552, 0}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(claim(4, 0, table[i][0], table[i][0]), table[i][1]);
    assert_int_equal(claim(4, 0, 65000, 1500), 1492);
    assert_int_equal(claim(4, 0, 1520, 1500), 1492); /* a header too much */
}

/* RFC 8201 section 4. */
static void claims_of_ipv6(void **state)
{
    (void)state;
    assert_int_equal(claim(6, 1280, 1500, 1500), 1280);
    assert_int_equal(claim(6, 1400, 1500, 1500), 1400);
    assert_int_equal(claim(6, 1279, 1500, 1500), 0);
    assert_int_equal(claim(6, 0, 1500, 1500), 0);
    assert_int_equal(claim(6, 1280, 1280, 1280), 0);
    assert_int_equal(claim(6, 70000, 1500, 1500), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(by_address, begin),
        cmocka_unit_test_setup(for_a_time, begin),
        cmocka_unit_test_setup(never_more_than_the_link, begin),
        cmocka_unit_test_setup(oldest_makes_room, begin),
        cmocka_unit_test(claims_of_ipv4),
        cmocka_unit_test(plateaus),
        cmocka_unit_test(claims_of_ipv6),
    };
    return cmocka_run_group_tests_name("path_mtu", tests, NULL, NULL);
}
