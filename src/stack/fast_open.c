/* TCP Fast Open, the server's side (RFC 7413): cookies that show that a peer is where it says it
 * is, and connections that are read and answered before their handshake is complete. */
#include <string.h>

#include "base/hash.h"
#include "stack/stack.h"

#define COOKIE 8 /* octets of ours */
#define DAY (86400 * NOD_SEC)
/* 5.1: a RST ends the connection, but not what it counts, or a flood would pay for itself. */
#define RESET_COUNTS_US (60 * NOD_SEC)

/* With a key of the user's it is Linux's, so that both kinds of host may share one: SipHash of the
 * client's and the server's address. `day` 0: none is counted. */
static void make_cookie(const uint8_t secret[16], const struct nod_key *key, uint64_t day,
                        uint8_t out[COOKIE])
{
    uint8_t text[40];
    int family = nod_ip_family(key->remote);
    size_t len = 0, size = family == 6 ? 16 : 4;
    memcpy(text, nod_ip_bytes(family, key->remote), size);
    memcpy(text + size, nod_ip_bytes(family, key->local), size);
    for (len = 2 * size; day; day >>= 8) text[len++] = (uint8_t)day;
    uint64_t h = nod_hash(secret, text, len);
    for (int i = 0; i < COOKIE; i++) out[i] = (uint8_t)(h >> 8 * i);
}

/* The cookie of now, and the one of before. */
static void cookie_of(const nod_stack *s, const struct nod_key *key, int age, uint8_t out[COOKIE])
{
    if (s->fast_key_is_set)
        make_cookie(s->fast_key[age], key, 0, out);
    else
        make_cookie(s->fast_key[0], key, s->env.now / DAY + 2 - (uint64_t)age, out);
}

/* 0: it is the one of now; 1: of before; -1: neither (7413/03). */
static int cookie_age(const nod_stack *s, const struct nod_key *key,
                      const struct nod_tcp_options *opt)
{
    if (!opt->has_fast_open || opt->cookie_len != COOKIE) return -1;
    for (int age = 0; age < 2; age++) {
        uint8_t right[COOKIE];
        cookie_of(s, key, age, right);
        if (memcmp(right, opt->cookie, COOKIE) == 0) return age;
    }
    return -1;
}

void nod_fast_open_grant(const nod_stack *s, const struct nod_listener *l,
                         const struct nod_key *key, const struct nod_tcp_options *from,
                         struct nod_tcp_options *to)
{
    if (!l->fast_limit || !from->has_fast_open || cookie_age(s, key, from) == 0) return;
    to->has_fast_open = true;
    to->fast_open_old = from->fast_open_old;
    to->cookie_len = COOKIE;
    cookie_of(s, key, 0, to->cookie);
}

/* PendingFastOpenRequests (4.2, 7413/05). */
static bool may_be_pending(const nod_stack *s, struct nod_listener *l)
{
    if (l->fast_reset_until <= s->env.now) l->fast_reset = 0;
    return (uint32_t)l->fast_pending + l->fast_reset < l->fast_limit && l->waiting < l->backlog &&
           s->records < s->config.max_connections;
}

/* Text is taken as far as the window that every SYN,ACK offers goes. */
static void take_text(nod_stack *s, struct nod_tcb *tcb, struct nod_segment *seg)
{
    seg->seq++;
    seg->syn = false;
    if (!seg->text || seg->text > nod_tcb_rcv_wnd(tcb)) return;
    nod_tcb_take_text(&s->env, tcb, seg);
    if (tcb->rcv.nxt == seg->seq) return;
    tcb->flags |= TCB_SYN_TAKEN;
    s->env.stats.fast_opens_passive++;
}

static struct nod_tcb *make_tcb(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                                const struct nod_segment *seg, uint32_t iss_floor)
{
    struct nod_syn_received r;
    nod_half_open_fill(s, &l->config->c, key, seg, &r);
    if (iss_floor) r.iss = nod_isn_above(r.iss, iss_floor);
    struct nod_tcb *tcb = nod_half_open_tcb(s, &r, l->config);
    if (!tcb) return NULL;
    struct nod_rare *rare = nod_tcb_rare(&s->env, tcb);
    if (!rare) {
        s->env.stats.connections--;
        nod_tcb_free(s, tcb);
        return NULL;
    }
    rare->fast = (struct nod_fast_open){.listener = nod_env_handle(&s->env, l->slot)};
    tcb->flags |= TCB_FAST_OPEN;
    /* Never scaled on a SYN, and for what comes after our own. */
    tcb->snd.max_wnd = seg->h.wnd;
    tcb->snd.wnd = tcb->snd.max_wnd + 1;
    return tcb;
}

bool nod_fast_open_arrives(nod_stack *s, struct nod_listener *l, const struct nod_key *key,
                           struct nod_segment *seg, uint32_t iss_floor)
{
    const struct nod_tcp_options *opt = &seg->h.opt;
    int age = l->fast_limit ? cookie_age(s, key, opt) : -1;
    bool wanted = age >= 0 || (l->fast_anyone && seg->text);
    if (!wanted || !may_be_pending(s, l) || (l->defer_accept_us && !seg->text)) return false;
    struct nod_tcb *tcb = make_tcb(s, l, key, seg, iss_floor);
    if (!tcb) return false;
    struct nod_fast_open *fast = &tcb->rare->fast;
    if (age && opt->has_fast_open) { /* an old cookie is good once more: a new one comes with it */
        fast->has_option = true;
        fast->old = opt->fast_open_old;
        fast->cookie_len = COOKIE;
        cookie_of(s, key, 0, fast->cookie);
    }
    nod_demux_add(s, &tcb->rec);
    nod_half_open_trace(s, key);
    take_text(s, tcb, seg);
    l->fast_pending++;
    tcb->work->syn_due = true;
    nod_listener_enqueue(s, l, tcb);
    nod_settle(s, tcb);
    return true;
}

void nod_fast_open_done(nod_stack *s, struct nod_tcb *tcb)
{
    tcb->flags &= ~(uint32_t)TCB_FAST_OPEN;
    bool proved = !nod_tcb_syn_unacked(tcb);
    if (tcb->flags & TCB_ACTIVE) {
        if (!proved) nod_fast_peer_ended(s, tcb);
        return;
    }
    struct nod_record *object = nod_slot_object(s, tcb->rare->fast.listener);
    if (!object || object->kind != NOD_RECORD_LISTENER) return;
    struct nod_listener *l = (struct nod_listener *)object;
    l->fast_pending--;
    if (proved || tcb->error != NOD_ERESET) return;
    l->fast_reset += l->fast_reset < UINT16_MAX;
    l->fast_reset_until = s->env.now + RESET_COUNTS_US;
}

int nod_tcp_set_fast_open(nod_stack *s, nod_handle listener, uint16_t limit, bool anyone)
{
    struct nod_record *object = nod_slot_object(s, listener);
    if (!object) return NOD_ENOCONN;
    if (object->kind != NOD_RECORD_LISTENER) return NOD_EINVAL;
    struct nod_listener *l = (struct nod_listener *)object;
    l->fast_limit = limit;
    l->fast_anyone = anyone;
    return 0;
}

void nod_tcp_set_fast_open_key(nod_stack *s, const uint8_t key[16])
{
    memcpy(s->fast_key[1], s->fast_key[0], 16);
    memcpy(s->fast_key[0], key, 16);
    s->fast_key_is_set = true;
}
