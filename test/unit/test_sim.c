/* The simulator: time, hosts, links, records of packets; and that a seed is a world. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nod/sim.h"

struct pair {
    nod_sim *sim;
    int a, b, link;
    nod_handle listener, client, server;
};

static struct pair make_with(uint64_t seed, const nod_iface_config *iface,
                             const nod_path_config *path)
{
    struct pair p = {.sim = nod_sim_new(seed)};
    nod_config config;

    assert_non_null(p.sim);
    nod_config_default(&config);
    config.trace_events = 1000;
    p.a = nod_sim_add_host(p.sim, "a", &config);
    p.b = nod_sim_add_host(p.sim, "b", &config);
    assert_int_equal(p.a, 0);
    assert_int_equal(p.b, 1);
    p.link = nod_sim_join_iface(p.sim, p.a, p.b, iface, path, path);
    assert_int_equal(p.link, 0);
    return p;
}

static struct pair make(uint64_t seed)
{
    return make_with(seed, NULL, NULL);
}

static void open_both(struct pair *p, int family)
{
    nod_open passive = {.local = {.port = 80}, .passive = true};
    nod_open active = {.remote = {.addr = nod_sim_addr(p->sim, p->link, 1, family), .port = 80}};

    assert_int_equal(nod_tcp_open(nod_sim_stack(p->sim, p->b), &passive, &p->listener), 0);
    assert_int_equal(nod_tcp_open(nod_sim_stack(p->sim, p->a), &active, &p->client), 0);
}

static enum nod_state state_of(struct pair *p, int host, nod_handle handle)
{
    nod_status status;

    assert_int_equal(nod_tcp_status(nod_sim_stack(p->sim, host), handle, &status), 0);
    return status.state;
}

static void establish(struct pair *p, int family)
{
    open_both(p, family);
    nod_sim_run_until(p->sim, nod_sim_now(p->sim) + NOD_SEC);
    assert_int_equal(state_of(p, p->a, p->client), NOD_ESTABLISHED);
    assert_int_equal(nod_tcp_accept(nod_sim_stack(p->sim, p->b), p->listener, &p->server), 0);
}

static void test_addresses(void **state)
{
    struct pair p = make(1);
    char text[NOD_ADDR_TEXT];
    nod_addr addr = nod_sim_addr(p.sim, 3, 1, 4);

    (void)state;
    assert_string_equal(nod_addr_format(&addr, text, sizeof text), "10.0.3.2");
    addr = nod_sim_addr(p.sim, 3, 0, 6);
    assert_string_equal(nod_addr_format(&addr, text, sizeof text), "fd00:3::1");
    assert_string_equal(nod_sim_name(p.sim, p.b), "b");
    nod_sim_free(p.sim);
}

static void test_handshake_takes_its_time(void **state)
{
    struct pair p = make(1);

    (void)state;
    assert_true(nod_sim_next(p.sim) == NOD_NEVER);
    assert_int_equal(nod_sim_step(p.sim), 0);
    open_both(&p, 4);
    assert_int_equal(nod_sim_next(p.sim), 0); /* the SYN is due */
    assert_int_equal(nod_sim_step(p.sim), 1);
    assert_int_equal(state_of(&p, p.a, p.client), NOD_SYN_SENT);
    assert_int_equal(nod_sim_next(p.sim), 10 * NOD_MSEC);
    assert_int_equal(nod_sim_step(p.sim), 1);
    assert_int_equal(nod_sim_step(p.sim), 1);
    assert_int_equal(nod_sim_now(p.sim), 20 * NOD_MSEC);
    assert_int_equal(state_of(&p, p.a, p.client), NOD_ESTABLISHED);
    nod_sim_free(p.sim);
}

static void test_both_families_and_ethernet(void **state)
{
    static const enum nod_iface_kind kinds[] = {NOD_IFACE_IP, NOD_IFACE_ETHERNET};

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        for (int family = 4; family <= 6; family += 2) {
            nod_iface_config iface = {.kind = kinds[kind], .mtu = 1500};
            struct pair p = make_with(1, &iface, NULL);

            establish(&p, family);
            nod_sim_free(p.sim);
        }
    }
}

static void test_run_until_moves_the_time_of_calls(void **state)
{
    struct pair p = make(1);
    nod_trace event;
    nod_usec when = 0;

    (void)state;
    establish(&p, 4);
    nod_sim_run_until(p.sim, 7 * NOD_SEC);
    assert_int_equal(nod_sim_now(p.sim), 7 * NOD_SEC);
    assert_int_equal(nod_tcp_send(nod_sim_stack(p.sim, p.a), p.client, "x", 1, 0), 1);
    while (nod_stack_trace(nod_sim_stack(p.sim, p.a), &event, 1) == 1) {
        when = event.type == NOD_TRACE_CALL ? event.time : when;
    }
    assert_int_equal(when, 7 * NOD_SEC);
    assert_int_equal(nod_sim_next(p.sim), 7 * NOD_SEC);
    nod_sim_free(p.sim);
}

/* A packet's number is the same in the sender's trace, in the records, in the receiver's. */
static void test_packets_and_traces_join(void **state)
{
    struct pair p = make(1);
    nod_sim_packet packet[8];
    nod_trace event;

    (void)state;
    nod_sim_watch_packets(p.sim, true);
    assert_int_equal(nod_path_force(nod_sim_path(p.sim, p.link, 0), 1, NOD_FATE_LOST), 0);
    open_both(&p, 4);
    nod_sim_run_until(p.sim, 500 * NOD_MSEC);
    assert_int_equal(nod_sim_packets(p.sim, packet, 8), 5);
    assert_false(packet[0].arrival);
    assert_int_equal(packet[0].from, 0);
    assert_int_equal(packet[0].time, 0);
    assert_int_equal(packet[0].fate, 0);
    assert_true(packet[1].arrival);
    assert_int_equal(packet[1].time, 10 * NOD_MSEC);
    assert_int_equal(packet[1].frame, packet[0].frame);
    assert_int_equal(packet[4].fate, NOD_FATE_LOST); /* the handshake's third segment */
    assert_int_equal(nod_stack_trace(nod_sim_stack(p.sim, p.a), &event, 1), 1);
    while (event.type != NOD_TRACE_SEGMENT_OUT) {
        assert_int_equal(nod_stack_trace(nod_sim_stack(p.sim, p.a), &event, 1), 1);
    }
    assert_int_equal(event.frame, packet[0].frame);
    while (event.type != NOD_TRACE_SEGMENT_IN) {
        assert_int_equal(nod_stack_trace(nod_sim_stack(p.sim, p.b), &event, 1), 1);
    }
    assert_int_equal(event.frame, packet[0].frame);
    for (int i = 0; i < 5; i++) {
        nod_frame_release(&packet[i].copy);
    }
    nod_sim_free(p.sim);
}

static void test_large_segments_are_cut_on_the_wire(void **state)
{
    nod_iface_config iface = {.mtu = 1500, .gso_max = 65535, .csum_offload = true};
    struct pair p = make_with(1, &iface, NULL);
    nod_sim_packet packet;
    static uint8_t bytes[14000];
    int largest = 0, count = 0;

    (void)state;
    establish(&p, 4);
    nod_sim_watch_packets(p.sim, true);
    assert_int_equal(nod_tcp_send(nod_sim_stack(p.sim, p.a), p.client, bytes, sizeof bytes, 0),
                     sizeof bytes);
    nod_sim_run_until(p.sim, nod_sim_now(p.sim) + NOD_SEC);
    while (nod_sim_packets(p.sim, &packet, 1) == 1) {
        int length = (int)nod_frame_length(&packet.copy);

        largest = length > largest ? length : largest;
        count += packet.from == 0 && packet.arrival;
        nod_frame_release(&packet.copy);
    }
    assert_int_equal(largest, 1500);
    assert_int_equal(count, 10);
    assert_int_equal(nod_tcp_readable(nod_sim_stack(p.sim, p.b), p.server), sizeof bytes);
    nod_sim_free(p.sim);
}

static void test_reboot_forgets_all_connections(void **state)
{
    struct pair p = make(1);
    nod_status status;
    nod_event event[4];
    int n;

    (void)state;
    establish(&p, 4);
    while (nod_stack_events(nod_sim_stack(p.sim, p.a), event, 4) > 0) {
    }
    assert_int_equal(nod_sim_reboot(p.sim, p.b), 0);
    assert_int_equal(nod_tcp_status(nod_sim_stack(p.sim, p.b), p.server, &status), NOD_ENOCONN);
    assert_int_equal(nod_tcp_send(nod_sim_stack(p.sim, p.a), p.client, "x", 1, 0), 1);
    nod_sim_run_until(p.sim, nod_sim_now(p.sim) + NOD_SEC);
    n = nod_stack_events(nod_sim_stack(p.sim, p.a), event, 4);
    assert_int_equal(n, 1);
    assert_true(event[0].flags & NOD_EVENT_ERROR);
    assert_int_equal(event[0].error, NOD_ERESET);
    establish(&p, 4); /* same address, and it can listen again */
    nod_sim_free(p.sim);
}

/* A digest of a conversation over a bad link: every packet, its time and its fate. */
static uint64_t conversation(uint64_t seed)
{
    nod_path_config path = {.delay_us = 20000, .jitter_us = 9000, .loss = 0.1, .duplicate = 0.1};
    struct pair p = make_with(seed, NULL, &path);
    static uint8_t bytes[100000];
    nod_sim_packet packet;
    uint64_t digest = 0;

    path.reorder = path.damage = 0.05;
    nod_path_set_config(nod_sim_path(p.sim, p.link, 0), &path);
    nod_sim_watch_packets(p.sim, true);
    open_both(&p, 4);
    nod_tcp_send(nod_sim_stack(p.sim, p.a), p.client, bytes, sizeof bytes, 0);
    nod_sim_run_until(p.sim, 20 * NOD_SEC);
    while (nod_sim_packets(p.sim, &packet, 1) == 1) {
        uint8_t copy[1500];
        size_t length = nod_frame_copy(&packet.copy, 0, copy, sizeof copy);

        digest = digest * 31 + packet.time + packet.fate;
        for (size_t i = 0; i < length; i++) {
            digest = digest * 31 + copy[i];
        }
        nod_frame_release(&packet.copy);
    }
    nod_sim_free(p.sim);
    return digest;
}

static void test_same_seed_same_world(void **state)
{
    (void)state;
    assert_true(conversation(7) == conversation(7));
    assert_true(conversation(7) != conversation(8));
}

static void test_misuse_is_refused(void **state)
{
    struct pair p = make(1);

    (void)state;
    assert_int_equal(nod_sim_join(p.sim, 0, 0, NULL, NULL), NOD_EINVAL);
    assert_int_equal(nod_sim_join(p.sim, 0, 2, NULL, NULL), NOD_EINVAL);
    assert_int_equal(nod_sim_join(p.sim, 0, 1, &(nod_path_config){.loss = 2}, NULL), NOD_EINVAL);
    assert_int_equal(nod_sim_join(p.sim, 0, 1, NULL, &(nod_path_config){.loss = 2}), NOD_EINVAL);
    for (int link = 1; link < NOD_IFACES_MAX; link++) {
        assert_int_equal(nod_sim_join(p.sim, 0, 1, NULL, NULL), link);
    }
    assert_true(nod_sim_join(p.sim, 0, 1, NULL, NULL) < 0);
    assert_true(nod_sim_random(p.sim, 10) < 10);
    nod_sim_free(p.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_handshake_takes_its_time),
        cmocka_unit_test(test_both_families_and_ethernet),
        cmocka_unit_test(test_run_until_moves_the_time_of_calls),
        cmocka_unit_test(test_packets_and_traces_join),
        cmocka_unit_test(test_large_segments_are_cut_on_the_wire),
        cmocka_unit_test(test_reboot_forgets_all_connections),
        cmocka_unit_test(test_same_seed_same_world),
        cmocka_unit_test(test_misuse_is_refused),
    };

    return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
