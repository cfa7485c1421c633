/* A stack from its making to its end, and what it is configured with. */
#include "stack/stack.h"

#include <string.h>

#include "base/hash.h"

#define REPLIES 256

void nod_config_default(nod_config *c)
{
    *c = (nod_config){
        .memory_limit = (size_t)1 << 31,
        .max_connections = 65536,
        .port_first = 1024,
        .port_last = 65535,
        .answer_echo = true,
        .answer_closed = true,
        .icmp_per_second = 100,
        .accept_redirects = true,
        .flow_labels = true,
        .reassembly_memory = 1 << 20,
        .tcp =
            {
                .send_buffer = 128 << 10,
                .send_buffer_max = UINT16_MAX << 13,
                .receive_buffer = 128 << 10,
                .receive_buffer_max = UINT16_MAX << 13, /* all that a shift of 13 can say */
                .mss_min = 64,
                .path_mtu_min = 552,
                .mss_base = 1024,
                .mtu_probing = NOD_MTU_PROBING_BLACK_HOLE,
                .path_mtu_raise_us = 600 * NOD_SEC,
                .nagle = true,
                .delayed_ack = true,
                .window_scale = true,
                .timestamps = true,
                .sack = true,
                .ttl = 64,
                .ecn_accept = NOD_ECN_CLASSIC,
                .accecn_option = true,
                .delayed_ack_us = 40 * NOD_MSEC,
                .quick_ack_bytes = 64 << 10,
                .rto_initial_us = NOD_SEC,
                .rto_min_us = 200 * NOD_MSEC,
                .rto_max_us = 120 * NOD_SEC,
                .msl_us = 120 * NOD_SEC,
                .user_timeout_us = 300 * NOD_SEC,
                .syn_timeout_us = 255 * NOD_SEC,
                .fin_wait_2_us = 60 * NOD_SEC,
                .uto_lower_us = 100 * NOD_SEC,
                .uto_upper_us = 3600 * NOD_SEC,
                .r1_retransmits = 3,
                .soft_errors = true,
                .keepalive_probes = 9,
                .keepalive_idle_us = 7200 * NOD_SEC,
                .keepalive_interval_us = 75 * NOD_SEC,
                .rack = true,
                .loss_probe = true,
                .prr = true,
                .frto = true,
                .cwnd_validation = true,
                .hystart = true,
                .undo = true,
                .rack_patient = true,
                .congestion = "cubic",
            },
    };
}

/* Later than this there is only never: a deadline is the time now and this, and must not wrap. */
#define FAR_US ((nod_usec)1 << 62)

bool nod_tcp_config_is_valid(const nod_tcp_config *c)
{
    if (!c->send_buffer || !c->receive_buffer || c->send_buffer > 1u << 30 ||
        c->send_buffer_max > 1u << 30 || c->receive_buffer > 1u << 30 ||
        c->receive_buffer_max > 1u << 30)
        return false;
    if (!c->rto_initial_us || !c->rto_min_us || c->rto_max_us < c->rto_min_us ||
        c->rto_max_us < c->rto_initial_us || c->rto_max_us > 3600 * NOD_SEC)
        return false;
    if (!c->ttl || c->dscp > 63 || c->delayed_ack_us >= NOD_SEC / 2) return false;
    if (c->mss_min < 64 || c->mss_min > 536 || (c->mss_max && c->mss_max < c->mss_min))
        return false;
    if (c->path_mtu_min < c->mss_min + 40u || c->path_mtu_min > 1280) return false;
    if (c->mss_base < c->mss_min || c->mtu_probing > NOD_MTU_PROBING_ALWAYS) return false;
    if (c->path_mtu_raise_us < 300 * NOD_SEC) return false; /* RFC 1191 3, RFC 8201 4 */
    if (c->path_mtu_raise_us > FAR_US && c->path_mtu_raise_us != NOD_NEVER) return false;
    if (c->syn_cookies > NOD_COOKIES_NEVER) return false;
    if (c->ecn_request > NOD_ECN_ACCURATE || c->ecn_accept > NOD_ECN_ACCURATE) return false;
    if (c->msl_us > 86400 * NOD_SEC || c->fin_wait_2_us > FAR_US) return false;
    if ((c->user_timeout_us > FAR_US && c->user_timeout_us != NOD_NEVER) ||
        (c->syn_timeout_us > FAR_US && c->syn_timeout_us != NOD_NEVER))
        return false;
    /* RFC 5482 section 3.1 wants a lower limit, beyond any RTO. */
    if (c->uto && (c->uto_lower_us < NOD_SEC || c->uto_upper_us < c->uto_lower_us ||
                   c->uto_upper_us > FAR_US))
        return false;
    if (c->keepalive_probes < 2 || !c->keepalive_interval_us || c->keepalive_idle_us > FAR_US ||
        c->keepalive_interval_us > FAR_US)
        return false;
    if (c->pacing > NOD_PACING_ON) return false;
    if (c->bbr_loss > 50) return false;
    if (memchr(c->congestion, 0, sizeof(c->congestion)) == NULL) return false;
    return nod_cc_find(c->congestion) >= 0;
}

int nod_tcp_config_check(const nod_tcp_config *config)
{
    return nod_tcp_config_is_valid(config) ? 0 : NOD_EINVAL;
}

static void derive_key(const nod_config *config, uint8_t purpose, uint8_t key[16])
{
    uint8_t text[17];
    memcpy(text, config->secret + 16, 16);
    for (int half = 0; half < 2; half++) {
        text[16] = (uint8_t)(purpose * 2 + half);
        uint64_t h = nod_hash(config->secret, text, sizeof(text));
        memcpy(key + 8 * half, &h, 8);
    }
}

static bool make_parts(nod_stack *s)
{
    nod_pool *pool = s->env.pool;
    uint32_t buckets = 64;
    while (buckets < s->config.max_connections && buckets < 1u << 24) buckets *= 2;
    s->table = nod_pool_take(pool, buckets * sizeof(*s->table));
    if (!s->table) return false;
    memset(s->table, 0, buckets * sizeof(*s->table));
    s->table_mask = buckets - 1;
    s->env.slot_pages = nod_pool_take(pool, nod_slot_pages(&s->config) * sizeof(struct nod_slot *));
    if (!s->env.slot_pages) return false;
    s->env.replies.items = nod_pool_take(pool, REPLIES * sizeof(struct nod_reply));
    if (!s->env.replies.items) return false;
    s->env.replies.cap = REPLIES;
    if (s->config.trace_events) {
        s->env.trace.events = nod_pool_take(pool, s->config.trace_events * sizeof(nod_trace));
        if (!s->env.trace.events) return false;
        s->env.trace.cap = s->config.trace_events;
    }
    s->shared = nod_pool_take(pool, sizeof(*s->shared));
    if (!s->shared) return false;
    s->shared->refs = 1;
    s->shared->c = s->config.tcp;
    return true;
}

nod_stack *nod_stack_new(const nod_config *config, nod_usec now, int *error)
{
    int ignored;
    if (!error) error = &ignored;
    *error = NOD_EINVAL;
    if (!nod_tcp_config_is_valid(&config->tcp) || !config->max_connections ||
        config->max_connections > 1u << 24 || config->port_last < config->port_first ||
        !config->port_first || config->trace_events > 1u << 24)
        return NULL;
    *error = NOD_ENOMEM;
    nod_pool *pool = nod_pool_new(&config->alloc, config->memory_limit);
    if (!pool) return NULL;
    nod_stack *s = nod_pool_take(pool, sizeof(*s));
    if (!s) {
        nod_pool_free(pool);
        return NULL;
    }
    memset(s, 0, sizeof(*s));
    s->env.pool = pool;
    s->env.now = now;
    s->config = *config;
    s->config.alloc = (nod_alloc){0}; /* the pool's */
    nod_wheel_init(&s->env.wheel, now);
    s->env.ttl = config->tcp.ttl;
    s->env.dscp = config->tcp.dscp;
    derive_key(config, 0, s->table_key);
    derive_key(config, 1, s->env.isn_key);
    derive_key(config, 2, s->port_key);
    derive_key(config, 3, s->env.cookie_key);
    derive_key(config, 4, s->fast_key[0]);
    nod_net_init(&s->net, pool, config, s->env.stats.drops, now);
    derive_key(config, 3, s->net.id_key);
    derive_key(config, 4, (uint8_t *)s->flow_key);
    s->event_first = NOD_EVENT_END;
    s->due_tail = &s->due_first;
    if (!make_parts(s)) {
        nod_stack_free(s);
        return NULL;
    }
    nod_pool_fix(pool);
    *error = 0;
    return s;
}

static void free_record(nod_stack *s, struct nod_record *rec)
{
    switch ((enum nod_record_kind)rec->kind) {
    case NOD_RECORD_TCB: break; /* with its slot */
    case NOD_RECORD_SYN_RECEIVED: nod_syn_received_free(s, (struct nod_syn_received *)rec); break;
    case NOD_RECORD_TIME_WAIT:
        nod_demux_remove(s, rec);
        nod_wheel_cancel(&s->env.wheel, &rec->timer);
        nod_pool_give(s->env.pool, rec, sizeof(struct nod_time_wait));
        break;
    case NOD_RECORD_PENDING: nod_pending_free(s, (struct nod_pending *)rec); break;
    case NOD_RECORD_LISTENER: break;
    }
}

static void free_everything(nod_stack *s)
{
    for (uint32_t i = 0; s->table && s->records && i <= s->table_mask; i++)
        for (struct nod_record *rec = s->table[i], *next; rec; rec = next) {
            next = rec->next;
            free_record(s, rec);
        }
    for (struct nod_listener *l = s->listeners; l; l = l->next) l->first = NULL;
    for (uint32_t i = 0; i < s->env.slot_count; i++)
        if (nod_env_slot(&s->env, i)->object &&
            nod_env_slot(&s->env, i)->object->kind == NOD_RECORD_TCB)
            nod_tcb_free(s, (struct nod_tcb *)nod_env_slot(&s->env, i)->object);
    while (s->listeners) nod_listener_free(s, s->listeners, false);
}

void nod_stack_free(nod_stack *s)
{
    if (!s) return;
    nod_pool *pool = s->env.pool;
    free_everything(s);
    nod_net_free(&s->net);
    if (s->shared) nod_config_drop(s, s->shared);
    nod_slots_free(s);
    nod_fast_peers_free(s);
    nod_pool_give(pool, s->env.trace.events, s->env.trace.cap * sizeof(nod_trace));
    nod_pool_give(pool, s->env.replies.items, s->env.replies.cap * sizeof(struct nod_reply));
    nod_pool_give(pool, s->table, ((size_t)s->table_mask + 1) * sizeof(*s->table));
    nod_pool_give(pool, s, sizeof(*s));
    nod_pool_free(pool);
}

void nod_stack_rebind(nod_stack *s, const nod_alloc *alloc)
{
    nod_pool_rebind(s->env.pool, alloc);
}

nod_pool *nod_stack_pool(nod_stack *s)
{
    return s->env.pool;
}

void nod_stack_get_stats(const nod_stack *s, nod_stack_stats *out)
{
    *out = s->env.stats;
    out->trace_lost = s->env.trace.lost;
}

int nod_stack_add_iface(nod_stack *s, const nod_iface_config *config)
{
    if (config->kind != NOD_IFACE_IP && config->kind != NOD_IFACE_ETHERNET) return NOD_EINVAL;
    if (config->mtu < 128 || (config->gso_max && config->gso_max < config->mtu)) return NOD_EINVAL;
    if (s->net.ifaces == NOD_IFACES_MAX) return NOD_ENOMEM;
    if (config->kind == NOD_IFACE_ETHERNET) {
        if (config->mac[0] & 1) return NOD_EINVAL;
        if (!nod_neighbours_make(&s->net)) return NOD_ENOMEM;
    }
    int index = (int)s->net.ifaces++;
    s->net.iface[index].config = *config;
    nod_router_start(&s->net, (uint8_t)index);
    if (config->kind != NOD_IFACE_ETHERNET) return index;
    /* The link-local address that every IPv6 interface has (RFC 4291 2.5.6, appendix A). */
    const uint8_t *m = config->mac;
    nod_addr local = {.family = 6,
                      .bytes = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe,
                                m[3], m[4], m[5]}};
    nod_stack_add_addr(s, index, &local, 64);
    return index;
}

static bool prefix_is_valid(const nod_addr *addr, int len)
{
    return (addr->family == 4 && len >= 0 && len <= 32) ||
           (addr->family == 6 && len >= 0 && len <= 128);
}

/* An IPv6 address that stands for an IPv4 one belongs on no interface. */
static bool is_mapped(const nod_addr *addr, const uint8_t ip[16])
{
    return addr->family == 6 && nod_ip_family(ip) == 4;
}

static int mapped_bits(const nod_addr *addr, int len)
{
    return addr->family == 4 ? 96 + len : len;
}

int nod_stack_add_addr(nod_stack *s, int iface, const nod_addr *addr, int prefix_len)
{
    if (iface < 0 || iface >= (int)s->net.ifaces || !prefix_is_valid(addr, prefix_len))
        return NOD_EINVAL;
    uint8_t ip[16];
    nod_ip_from_addr(ip, addr);
    if (nod_ip_is_multicast(ip) || nod_ip_is_unspecified(ip) || nod_ip_is_broadcast(ip) ||
        is_mapped(addr, ip))
        return NOD_EINVAL;
    return nod_claim_add(&s->net, (uint8_t)iface, ip, (uint8_t)mapped_bits(addr, prefix_len));
}

int nod_stack_add_prefix(nod_stack *s, int iface, const nod_addr *prefix, int prefix_len,
                         unsigned flags)
{
    if (iface < 0 || iface >= (int)s->net.ifaces || !prefix_is_valid(prefix, prefix_len))
        return NOD_EINVAL;
    if (s->net.prefixes == NOD_PREFIXES_MAX) return NOD_ENOMEM;
    struct nod_prefix *to = &s->net.prefix[s->net.prefixes++];
    nod_ip_from_addr(to->prefix, prefix);
    to->bits = (uint8_t)mapped_bits(prefix, prefix_len);
    to->iface = (uint8_t)iface;
    to->echo = flags & NOD_PREFIX_ECHO;
    return 0;
}

int nod_stack_add_route(nod_stack *s, int iface, const nod_addr *prefix, int prefix_len,
                        const nod_addr *gateway)
{
    if (iface < 0 || iface >= (int)s->net.ifaces || !prefix_is_valid(prefix, prefix_len))
        return NOD_EINVAL;
    if (gateway && gateway->family != prefix->family) return NOD_EINVAL;
    if (s->net.routes == NOD_ROUTES_MAX) return NOD_ENOMEM;
    struct nod_route *route = &s->net.route[s->net.routes++];
    *route = (struct nod_route){0};
    nod_ip_from_addr(route->prefix, prefix);
    route->bits = (uint8_t)mapped_bits(prefix, prefix_len);
    route->iface = (uint8_t)iface;
    route->direct = !gateway;
    if (gateway) nod_ip_from_addr(route->gateway, gateway);
    return 0;
}
