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

bool nod_port_has_listener(const nod_stack *s, const uint8_t local[16], uint16_t port)
{
    static const uint8_t any[16];
    for (const struct nod_listener *l = s->listeners; l; l = l->next) {
        if (l->rec.key.local_port != port) continue;
        if (memcmp(l->rec.key.local, any, 16) == 0 || memcmp(l->rec.key.local, local, 16) == 0)
            return true;
    }
    return false;
}

/* Algorithm 4, "double-hash": successive ports to one destination, from a place in the range
 * that depends on it. Ports of listeners are passed over (6056/02). */
int nod_port_pick(nod_stack *s, struct nod_key *key)
{
    uint32_t first = s->config.port_first, count = s->config.port_last - first + 1u;
    key->local_port = 0;
    uint64_t hash = nod_hash(s->port_key, key, sizeof(*key));
    uint16_t *counter = &s->port_counter[(hash >> 32) % NOD_PORT_COUNTERS];
    /* No sum here wraps, so that each port of the range is tried once. */
    uint32_t start = (uint32_t)hash % count + *counter;
    for (uint32_t tries = 0; tries < count; tries++) {
        key->local_port = (uint16_t)(first + (start + tries) % count);
        if (nod_demux_find(s, key) || nod_port_has_listener(s, key->local, key->local_port))
            continue;
        *counter = (uint16_t)(*counter + tries + 1);
        return 0;
    }
    return NOD_ENOPORT;
}
