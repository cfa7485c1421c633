#include "unit/flows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LOOK_US (10 * NOD_MSEC)

void flows_make(struct flows *f, uint64_t seed, const nod_path_config *path)
{
    nod_config config;
    nod_config_default(&config);
    config.tcp.send_buffer = config.tcp.receive_buffer = 8 << 20;
    config.memory_limit = (size_t)256 << 20;
    config.tcp.counters = true; /* and there is room to keep a model in while a flow rests */
    nod_iface_config iface = {.mtu = 1500, .gso_max = 65535, .csum_offload = true};
    nod_path_config back = {.delay_us = path->delay_us};
    *f = (struct flows){.sim = nod_sim_new(seed)};
    int a = nod_sim_add_host(f->sim, "a", &config), b = nod_sim_add_host(f->sim, "b", &config);
    int link = nod_sim_join_iface(f->sim, a, b, &iface, path, &back);
    assert_true(link >= 0);
    f->a = nod_sim_stack(f->sim, a);
    f->b = nod_sim_stack(f->sim, b);
    f->path = nod_sim_path(f->sim, link, 0);
    f->to = nod_sim_addr(f->sim, link, 1, 4);
}

void flows_free(struct flows *f)
{
    nod_sim_free(f->sim);
}

int flows_add(struct flows *f, const char *congestion, enum nod_pacing pacing)
{
    uint16_t port = (uint16_t)(80 + f->count);
    struct flow *flow = &f->flow[f->count];
    nod_open listen = {.local = {.port = port}, .passive = true};
    nod_handle listener;
    nod_tcp_config config;
    *flow = (struct flow){0};
    assert_int_equal(nod_tcp_open(f->b, &listen, &listener), 0);
    assert_int_equal(nod_tcp_get_config(f->b, listener, &config), 0);
    size_t len = 0;
    for (; congestion[len]; len++) config.congestion[len] = congestion[len];
    config.congestion[len] = 0;
    config.pacing = (uint8_t)pacing;
    nod_open open = {.remote = {f->to, port}, .config = &config};
    assert_int_equal(nod_tcp_open(f->a, &open, &flow->client), 0);
    nod_usec until = nod_sim_now(f->sim) + 60 * NOD_SEC;
    while (nod_tcp_accept(f->b, listener, &flow->server) != 0) {
        assert_true(nod_sim_now(f->sim) < until);
        assert_int_equal(nod_sim_step(f->sim), 1);
    }
    return f->count++;
}

static void pump(struct flows *f, struct flow *flow)
{
    static uint8_t bytes[1 << 16];
    ptrdiff_t n;
    while (!flow->stopped && nod_tcp_writable(f->a, flow->client) > 0 &&
           nod_tcp_send(f->a, flow->client, bytes, sizeof(bytes), 0) > 0)
        continue;
    while ((n = nod_tcp_receive(f->b, flow->server, bytes, sizeof(bytes))) > 0)
        flow->received += (uint64_t)n;
}

static void look(struct flows *f, struct flow *flow)
{
    assert_int_equal(nod_tcp_status(f->a, flow->client, &flow->status), 0);
    flow->srtt_sum += flow->status.srtt_us;
    flow->looks++;
    if (flow->status.cwnd < flow->least_cwnd) flow->least_cwnd = flow->status.cwnd;
    if (flow->status.delivery_rate < flow->least_delivery)
        flow->least_delivery = flow->status.delivery_rate;
}

void flows_run(struct flows *f, nod_usec time)
{
    nod_usec now = f->since = nod_sim_now(f->sim), look_at = now;
    for (int i = 0; i < f->count; i++) {
        f->flow[i].received = f->flow[i].srtt_sum = f->flow[i].looks = 0;
        f->flow[i].least_cwnd = UINT32_MAX;
        f->flow[i].least_delivery = UINT64_MAX;
    }
    while (now < f->since + time) {
        for (int i = 0; i < f->count; i++) pump(f, &f->flow[i]);
        if (now >= look_at) {
            for (int i = 0; i < f->count; i++) look(f, &f->flow[i]);
            look_at = now + LOOK_US;
        }
        nod_usec next = nod_sim_next(f->sim);
        if (next > f->since + time) break;
        nod_sim_step(f->sim);
        now = nod_sim_now(f->sim);
    }
    nod_sim_run_until(f->sim, f->since + time);
    for (int i = 0; i < f->count; i++) pump(f, &f->flow[i]);
}

double flows_rate(const struct flows *f, int flow)
{
    return (double)f->flow[flow].received * NOD_SEC / (double)(nod_sim_now(f->sim) - f->since);
}

double flows_jain(const struct flows *f)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < f->count; i++) {
        double rate = flows_rate(f, i);
        sum += rate;
        squares += rate * rate;
    }
    return sum * sum / (f->count * squares);
}

nod_usec flows_srtt(const struct flows *f, int flow)
{
    return f->flow[flow].looks ? f->flow[flow].srtt_sum / f->flow[flow].looks : 0;
}
