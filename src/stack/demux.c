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

static bool matches(const struct nod_listener *l, const struct nod_key *key)
{
    const struct nod_key *want = &l->rec.key;
    static const uint8_t any[16];
    if (want->local_port != key->local_port) return false;
    bool local = memcmp(want->local, any, 16) == 0 || memcmp(want->local, key->local, 16) == 0;
    bool remote = memcmp(want->remote, any, 16) == 0 || memcmp(want->remote, key->remote, 16) == 0;
    bool port = !want->remote_port || want->remote_port == key->remote_port;
    return local && remote && port;
}

/* The most specific listener: a named peer before any, a named local address before any. */
struct nod_listener *nod_demux_listener(const nod_stack *s, const struct nod_key *key)
{
    static const uint8_t any[16];
    struct nod_listener *best = NULL;
    int best_score = -1;
    for (struct nod_listener *l = s->listeners; l; l = l->next) {
        if (!matches(l, key)) continue;
        int score = (memcmp(l->rec.key.remote, any, 16) != 0) * 2 +
                    (memcmp(l->rec.key.local, any, 16) != 0);
        if (score > best_score) best = l;
        if (score > best_score) best_score = score;
    }
    return best;
}
