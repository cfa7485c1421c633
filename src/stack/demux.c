/* Which connection does a segment belong to? */
#include <string.h>

#include "base/hash.h"
#include "stack/stack.h"

static struct nod_record **bucket(const nod_stack *s, const struct nod_key *key)
{
    return &s->table[nod_hash(s->table_key, key, sizeof(*key)) & s->table_mask];
}

struct nod_record *nod_demux_find(const nod_stack *s, const struct nod_key *key)
{
    struct nod_record *rec = *bucket(s, key);
    while (rec && memcmp(&rec->key, key, sizeof(*key)) != 0) rec = rec->next;
    return rec;
}

bool nod_demux_add(nod_stack *s, struct nod_record *rec)
{
    if (s->records >= s->config.max_connections) return false;
    struct nod_record **head = bucket(s, &rec->key);
    rec->next = *head;
    *head = rec;
    s->records++;
    return true;
}

void nod_demux_remove(nod_stack *s, struct nod_record *rec)
{
    struct nod_record **at = bucket(s, &rec->key);
    while (*at && *at != rec) at = &(*at)->next;
    if (!*at) return;
    *at = rec->next;
    s->records--;
}

static const uint8_t any[16];

bool nod_listener_is_at(const struct nod_listener *l, const uint8_t local[16])
{
    if (!l->bits) return !l->family || l->family == nod_ip_family(local);
    return nod_ip_family(l->rec.key.local) == nod_ip_family(local) &&
           nod_ip_prefix_match(l->rec.key.local, local, l->bits);
}

nod_endpoint nod_listener_local(const struct nod_listener *l)
{
    nod_endpoint local = nod_key_local(&l->rec.key);
    if (!local.addr.family) local.addr.family = l->family;
    return local;
}

/* How exactly a listener names this connection: a peer before any, a port before any, a local
 * address before a prefix, a longer one before a shorter, any of a family before any at all.
 * -1: it is not for this listener. */
static int exactness(const struct nod_listener *l, const struct nod_key *key)
{
    const struct nod_key *want = &l->rec.key;
    if (want->local_port && want->local_port != key->local_port) return -1;
    if (!nod_listener_is_at(l, key->local)) return -1;
    if (want->remote_port && want->remote_port != key->remote_port) return -1;
    bool peer = memcmp(want->remote, any, 16) != 0;
    if (peer && memcmp(want->remote, key->remote, 16) != 0) return -1;
    return peer << 10 | (want->local_port != 0) << 9 | l->bits << 1 | (l->family != 0);
}

/* The most exact listener; of several that share a name, the one that the hash says. */
struct nod_listener *nod_demux_listener(const nod_stack *s, const struct nod_key *key)
{
    struct nod_listener *found = NULL;
    int best = -1;
    uint32_t sharing = 0;
    for (struct nod_listener *l = s->listeners; l; l = l->next) {
        int exact = exactness(l, key);
        if (exact < 0 || exact < best) continue;
        sharing = exact == best ? sharing + 1 : 1;
        best = exact;
        found = l;
    }
    if (sharing < 2) return found;
    uint32_t skip = (uint32_t)(nod_hash(s->table_key, key, sizeof(*key)) >> 32) % sharing;
    for (struct nod_listener *l = s->listeners; l; l = l->next)
        if (exactness(l, key) == best && skip-- == 0) return l;
    return found;
}
