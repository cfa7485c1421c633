/* Numbers that nobody may guess: initial sequence numbers (RFC 6528) and
 * ephemeral ports (RFC 6056). */
#include <string.h>

#include "base/hash.h"
#include "stack/stack.h"

/* ISN = M + F(connection, secret): M ticks every 4 microseconds (MUST-8, MUST-9). */
uint32_t nod_isn(const nod_stack *s, const struct nod_key *key)
{
    return (uint32_t)(s->env.now / 4) + (uint32_t)nod_hash(s->env.isn_key, key, sizeof(*key));
}

uint32_t nod_isn_above(uint32_t iss, uint32_t last)
{
    return seq_le(iss, last) ? last + 65537 : iss;
}

bool nod_port_has_listener(const nod_stack *s, const uint8_t local[16], uint16_t port)
{
    for (const struct nod_listener *l = s->listeners; l; l = l->next)
        if (l->rec.key.local_port == port && nod_listener_is_at(l, local)) return true;
    return false;
}

/* An ephemeral port in TIME-WAIT may serve again after a second, if nobody holds the name any more
 * and the peer will tell old from new by their timestamps (what RFC 6191 says of SYNs that come,
 * for those that leave; Linux's tcp_tw_reuse). Otherwise 64,512 connections to one destination
 * would be all that there may be in four minutes. */
static bool may_serve_again(const nod_stack *s, const struct nod_record *rec)
{
    if (rec->kind != NOD_RECORD_TIME_WAIT || !(rec->flags & SMALL_TS)) return false;
    const struct nod_time_wait *tw = (const struct nod_time_wait *)rec;
    return tw->slot == NOD_NO_SLOT &&
           rec->timer.deadline + NOD_SEC <= s->env.now + 2 * s->config.tcp.msl_us;
}

static bool is_free(const nod_stack *s, const struct nod_key *key)
{
    const struct nod_record *rec = nod_demux_find(s, key);
    if (rec && !may_serve_again(s, rec)) return false;
    return !nod_port_has_listener(s, key->local, key->local_port);
}

/* Algorithm 4, "double-hash": successive ports to one destination, from a place in the range
 * that depends on it. Ports of listeners are passed over (6056/02), and the one that would make a
 * connection to itself. */
int nod_port_pick(nod_stack *s, struct nod_key *key)
{
    uint32_t first = s->config.port_first, count = s->config.port_last - first + 1u;
    bool itself = memcmp(key->local, key->remote, 16) == 0;
    key->local_port = 0;
    uint64_t hash = nod_hash(s->port_key, key, sizeof(*key));
    uint16_t *counter = &s->port_counter[(hash >> 32) % NOD_PORT_COUNTERS];
    /* No sum here wraps, so that each port of the range is tried once. */
    uint32_t start = (uint32_t)hash % count + *counter;
    for (uint32_t tries = 0; tries < count; tries++) {
        key->local_port = (uint16_t)(first + (start + tries) % count);
        if (itself && key->local_port == key->remote_port) continue;
        if (!is_free(s, key)) continue;
        *counter = (uint16_t)(*counter + tries + 1);
        return 0;
    }
    return NOD_ENOPORT;
}

/* Does an address lie within what was asked for? */
static bool is_within(const uint8_t local[16], const nod_addr *asked)
{
    nod_addr none = {.family = asked->family};
    uint8_t ip[16];
    if (!asked->family) return true;
    if (nod_addr_equal(asked, &none)) return nod_ip_family(local) == asked->family;
    nod_ip_from_addr(ip, asked);
    return memcmp(ip, local, 16) == 0;
}

static bool listens_within(const struct nod_listener *l, const nod_addr *asked)
{
    nod_addr local = nod_listener_local(l).addr, none = {.family = asked->family};
    uint8_t ip[16];
    if (!asked->family || !local.family) return true;
    if (nod_addr_equal(asked, &none)) return local.family == asked->family;
    nod_ip_from_addr(ip, asked);
    return nod_listener_is_at(l, ip);
}

unsigned nod_tcp_port_use(const nod_stack *s, const nod_endpoint *local)
{
    unsigned use = 0;
    for (const struct nod_listener *l = s->listeners; l; l = l->next)
        if (l->rec.key.local_port == local->port && listens_within(l, &local->addr))
            use |= NOD_PORT_LISTENER;
    uint32_t left = s->records;
    for (uint32_t i = 0; left && i <= s->table_mask; i++) {
        for (const struct nod_record *rec = s->table[i]; rec; rec = rec->next, left--) {
            if (rec->key.local_port != local->port || !is_within(rec->key.local, &local->addr))
                continue;
            use |= rec->kind == NOD_RECORD_TIME_WAIT ? NOD_PORT_TIME_WAIT : NOD_PORT_CONNECTION;
        }
    }
    return use;
}
