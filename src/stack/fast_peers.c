/* TCP Fast Open, the client's side (RFC 7413 section 4.1.3): cookies of servers, and where it was
 * better not to try. */
#include <string.h>

#include "stack/stack.h"

#define BLOCKED_US (3600 * NOD_SEC) /* doubled with each failure in a row */
#define DOUBLINGS 5
/* 4.1.3: a cached MSS of more than usual would have the SYN cut, and dropped. */
#define MSS_MAX_4 1460
#define MSS_MAX_6 1440

static struct nod_fast_peer *find(const nod_stack *s, const struct nod_key *key)
{
    for (int i = 0; s->fast_peers && i < NOD_FAST_PEERS; i++) {
        struct nod_fast_peer *peer = &s->fast_peers[i];
        if (peer->used && peer->port == key->remote_port &&
            memcmp(peer->remote, key->remote, 16) == 0 && memcmp(peer->local, key->local, 16) == 0)
            return peer;
    }
    return NULL;
}

/* The one that was not used for longest makes room. */
static struct nod_fast_peer *find_or_make(nod_stack *s, const struct nod_key *key)
{
    struct nod_fast_peer *peer = find(s, key);
    if (peer) return peer;
    if (!s->fast_peers) {
        size_t size = NOD_FAST_PEERS * sizeof(*s->fast_peers);
        s->fast_peers = nod_pool_take(s->env.pool, size);
        if (!s->fast_peers) return NULL;
        memset(s->fast_peers, 0, size);
    }
    peer = &s->fast_peers[0];
    for (int i = 1; i < NOD_FAST_PEERS; i++)
        if (s->fast_peers[i].used < peer->used) peer = &s->fast_peers[i];
    *peer = (struct nod_fast_peer){.port = key->remote_port};
    memcpy(peer->local, key->local, 16);
    memcpy(peer->remote, key->remote, 16);
    return peer;
}

void nod_fast_peers_free(nod_stack *s)
{
    if (!s->fast_peers) return;
    nod_pool_give(s->env.pool, s->fast_peers, NOD_FAST_PEERS * sizeof(*s->fast_peers));
}

bool nod_fast_peer_begin(nod_stack *s, struct nod_tcb *tcb)
{
    struct nod_fast_peer *peer = find(s, &tcb->rec.key);
    if (peer && peer->blocked_until > s->env.now) return true;
    struct nod_rare *rare = nod_tcb_rare(&s->env, tcb);
    if (!rare) return false;
    rare->fast = (struct nod_fast_open){.has_option = true};
    tcb->flags |= TCB_FAST_OPEN;
    if (!peer) return true;
    peer->used = s->env.now;
    rare->fast.cookie_len = peer->cookie_len;
    rare->fast.mss = peer->mss;
    memcpy(rare->fast.cookie, peer->cookie, peer->cookie_len);
    return true;
}

static void block(nod_stack *s, const struct nod_key *key)
{
    struct nod_fast_peer *peer = find_or_make(s, key);
    if (!peer) return;
    peer->used = s->env.now;
    peer->cookie_len = 0;
    peer->blocked_until = s->env.now + (BLOCKED_US << min_u32(peer->failures, DOUBLINGS));
    peer->failures += peer->failures < UINT8_MAX;
}

static void remember(nod_stack *s, const struct nod_key *key, const struct nod_tcp_options *opt)
{
    struct nod_fast_peer *peer = find_or_make(s, key);
    if (!peer) return;
    bool six = nod_ip_family(key->remote) == 6;
    uint16_t mss = opt->has_mss ? opt->mss : six ? 1220 : 536;
    peer->used = s->env.now;
    peer->mss = (uint16_t)min_u32(mss, six ? MSS_MAX_6 : MSS_MAX_4);
    peer->failures = 0;
    peer->blocked_until = 0;
    if (!opt->has_fast_open || !opt->cookie_len) return;
    peer->cookie_len = opt->cookie_len;
    memcpy(peer->cookie, opt->cookie, opt->cookie_len);
}

void nod_fast_peer_heard(nod_stack *s, struct nod_tcb *tcb, const struct nod_tcp_options *opt,
                         unsigned again)
{
    bool taken = seq_gt(tcb->snd.una, tcb->snd.iss + 1); /* some of it at least */
    bool cookie = opt->has_fast_open && opt->cookie_len;
    bool had_cookie = tcb->rare->fast.cookie_len, had_text = tcb->snd.nxt != tcb->snd.iss + 1;
    if (tcb->flags & TCB_SYN_TAKEN) s->env.stats.fast_opens_active++;
    if (taken || cookie || (had_cookie && !had_text && !again))
        remember(s, &tcb->rec.key, opt);
    else /* only a plain SYN got through, or the server would have none of it (7413/04) */
        block(s, &tcb->rec.key);
}

/* Not because the user or the peer said no: but a SYN that had to be sent again is a reason. */
void nod_fast_peer_ended(nod_stack *s, struct nod_tcb *tcb)
{
    bool silence = tcb->error == NOD_ETIMEDOUT || tcb->error == NOD_EUNREACH;
    if (silence || tcb->flags & TCB_SYN_AGAIN) block(s, &tcb->rec.key);
}

uint32_t nod_tcp_fast_open_room(const nod_stack *s, const nod_endpoint *remote)
{
    struct nod_key key = {.remote_port = remote->port};
    uint8_t iface;
    nod_ip_from_addr(key.remote, &remote->addr);
    if (!nod_net_route(&s->net, key.remote, &iface, key.local)) return 0;
    const struct nod_fast_peer *peer = find(s, &key);
    if (!peer || !peer->cookie_len || peer->blocked_until > s->env.now) return 0;
    uint32_t mss = min_u32(peer->mss, nod_adv_mss(s, &key, iface, &s->config.tcp));
    return mss > NOD_TCP_OPTIONS_MAX ? mss - NOD_TCP_OPTIONS_MAX : 0;
}
