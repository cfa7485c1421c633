/* The user's calls (nod/tcp.h): find what the handle names, do it, tell the trace, settle. */
#include <string.h>

#include "stack/stack.h"

static struct nod_tcb *as_tcb(struct nod_record *object)
{
    return object && object->kind == NOD_RECORD_TCB ? (struct nod_tcb *)object : NULL;
}

static struct nod_listener *as_listener(struct nod_record *object)
{
    return object && object->kind == NOD_RECORD_LISTENER ? (struct nod_listener *)object : NULL;
}

/* Alive: the engine may be called. */
static bool is_live(const struct nod_tcb *tcb)
{
    return tcb->rec.state != NOD_CLOSED && tcb->rec.state != NOD_TIME_WAIT;
}

static int check_remote(const nod_stack *s, const nod_endpoint *remote, struct nod_key *key)
{
    if (!remote->addr.family || !remote->port) return NOD_ENOREMOTE;
    nod_ip_from_addr(key->remote, &remote->addr);
    key->remote_port = remote->port;
    if (nod_ip_family(key->remote) != remote->addr.family) return NOD_EBADADDR; /* mapped */
    if (nod_ip_is_unspecified(key->remote) || nod_net_is_broadcast(&s->net, key->remote))
        return NOD_EBADADDR; /* MUST-46 */
    return 0;
}

/* No address, or a family's zeros: any. */
static bool is_any(const nod_addr *addr)
{
    nod_addr none = {.family = addr->family};
    return nod_addr_equal(addr, &none);
}

static int check_local(const nod_stack *s, const nod_endpoint *local, struct nod_key *key)
{
    int family = local->addr.family;
    if (family != 0 && family != 4 && family != 6) return NOD_EINVAL;
    if (is_any(&local->addr)) return 0;
    nod_ip_from_addr(key->local, &local->addr);
    return nod_net_is_ours(&s->net, key->local) ? 0 : NOD_ENOTLOCAL;
}

/* Where a passive open listens: at an address, at all of a prefix, or at any (`bits` 0). */
static int listen_at(const nod_stack *s, const nod_open *open, struct nod_key *key, uint8_t *bits)
{
    const nod_addr *addr = &open->local.addr;
    *bits = is_any(addr) ? 0 : 128;
    if (!open->local_prefix) return check_local(s, &open->local, key);
    if (addr->family != 4 && addr->family != 6) return NOD_EINVAL;
    if (open->local_prefix > (addr->family == 4 ? 32 : 128)) return NOD_EINVAL;
    *bits = (uint8_t)(open->local_prefix + (addr->family == 4 ? 96 : 0));
    nod_ip_from_addr(key->local, addr);
    for (int bit = *bits; bit < 128; bit++) key->local[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return 0;
}

/* Completes the key of an active open: address (MUST-44), port, and that it is new. */
static int complete_key(nod_stack *s, const nod_open *open, struct nod_key *key, uint8_t *iface)
{
    uint8_t src[16];
    int error = check_remote(s, &open->remote, key);
    if (!error) error = check_local(s, &open->local, key);
    if (error) return error;
    if (!nod_net_route(&s->net, key->remote, iface, src)) return NOD_EUNREACH;
    if (is_any(&open->local.addr)) memcpy(key->local, src, 16);
    int family = open->local.addr.family;
    if (family && family != open->remote.addr.family) return NOD_EINVAL;
    key->local_port = open->local.port;
    if (!key->local_port) return nod_port_pick(s, key);
    return nod_demux_find(s, key) ? NOD_EEXIST : 0;
}

static int open_active(nod_stack *s, const nod_open *open, nod_handle *out)
{
    struct nod_key key = {0};
    uint8_t iface;
    int error = complete_key(s, open, &key, &iface);
    if (error) return error;
    struct nod_record *before = nod_demux_find(s, &key); /* in TIME-WAIT, if any */
    if (!before && s->records >= s->config.max_connections) return NOD_ENOMEM;
    struct nod_shared_config *config = nod_config_share(s, open->config);
    if (!config) return NOD_ENOMEM;
    uint32_t iss = nod_isn(s, &key);
    if (before) iss = nod_isn_above(iss, ((struct nod_time_wait *)before)->snd_nxt);
    struct nod_tcb *tcb = nod_tcb_new(s, &key, iface, config, iss, NOD_SYN_SENT);
    nod_config_drop(s, config);
    if (!tcb) return NOD_ENOMEM;
    if (before) nod_time_wait_end(s, (struct nod_time_wait *)before);
    nod_demux_add(s, &tcb->rec);
    tcb->flags |= TCB_ACTIVE;
    if (open->fast_open) nod_fast_peer_begin(s, tcb); /* without memory: plainly */
    bool waits = open->wait_for_text && tcb->flags & TCB_FAST_OPEN && tcb->rare->fast.cookie_len;
    if (waits) tcb->flags |= TCB_SYN_WAITS;
    tcb->work->syn_due = !waits;
    s->env.stats.opens_active++;
    *out = nod_env_handle(&s->env, tcb->slot);
    nod_settle(s, tcb);
    return 0;
}

static int open_passive(nod_stack *s, const nod_open *open, nod_handle *out)
{
    struct nod_key key = {.local_port = open->local.port};
    uint8_t bits;
    int error = listen_at(s, open, &key, &bits);
    if (error) return error;
    if (!key.local_port != open->any_port) return NOD_EINVAL;
    if (open->remote.addr.family) {
        nod_ip_from_addr(key.remote, &open->remote.addr);
        key.remote_port = open->remote.port;
    }
    if (nod_demux_find(s, &key)) return NOD_EEXIST; /* both sockets named: 3.10.1 */
    s->env.stats.opens_passive++;
    return nod_listener_new(s, open, &key, bits, out);
}

int nod_tcp_open(nod_stack *s, const nod_open *open, nod_handle *out)
{
    if (open->config && !nod_tcp_config_is_valid(open->config)) return NOD_EINVAL;
    *out = 0;
    int error = open->passive ? open_passive(s, open, out) : open_active(s, open, out);
    nod_trace_call(s, nod_slot_object(s, *out), *out,
                   open->passive ? NOD_CALL_OPEN_PASSIVE : NOD_CALL_OPEN_ACTIVE, 0, error);
    return error;
}

/* The listener's name becomes the connection's: slot and generation stay. */
int nod_tcp_connect(nod_stack *s, nod_handle handle, const nod_endpoint *remote)
{
    struct nod_record *object = nod_slot_object(s, handle);
    struct nod_listener *l = as_listener(object);
    if (!l) return object ? NOD_EEXIST : NOD_ENOCONN;
    nod_open open = {
        .local = nod_listener_local(l),
        .remote = remote ? *remote : nod_key_remote(&l->rec.key),
        .config = &l->config->c,
    };
    if (l->bits < 128) open.local.addr = (nod_addr){.family = open.local.addr.family};
    nod_handle made;
    int error = open_active(s, &open, &made);
    if (error) return error;
    uint32_t old_slot = l->slot, new_slot = (uint32_t)made - 1;
    struct nod_tcb *tcb = (struct nod_tcb *)nod_slot_object(s, made);
    nod_listener_free(s, l, true);
    nod_env_slot(&s->env, old_slot)->object = &tcb->rec;
    tcb->slot = old_slot;
    nod_slot_free(s, new_slot);
    nod_trace_call(s, &tcb->rec, handle, NOD_CALL_OPEN_ACTIVE, 0, 0);
    return 0;
}

int nod_tcp_set_listen(nod_stack *s, nod_handle listener, uint16_t backlog,
                       nod_usec defer_accept_us)
{
    struct nod_record *object = nod_slot_object(s, listener);
    struct nod_listener *l = as_listener(object);
    if (!l) return object ? NOD_EINVAL : NOD_ENOCONN;
    nod_listener_set(l, backlog, defer_accept_us);
    return 0;
}

int nod_tcp_accept(nod_stack *s, nod_handle listener, nod_handle *out)
{
    struct nod_record *object = nod_slot_object(s, listener);
    struct nod_listener *l = as_listener(object);
    if (!l) return object ? NOD_EINVAL : NOD_ENOCONN;
    struct nod_tcb *tcb = l->first;
    if (!tcb) return NOD_EAGAIN;
    l->first = tcb->accept_next;
    if (!l->first) l->last = NULL;
    l->waiting--;
    tcb->accept_next = NULL;
    tcb->flags &= ~(uint32_t)TCB_WAITS_ACCEPT;
    *out = nod_env_handle(&s->env, tcb->slot);
    if (tcb->events) nod_events_raise(s, tcb->slot);
    nod_trace_call(s, &tcb->rec, *out, NOD_CALL_ACCEPT, 0, 0);
    return 0;
}

/* A SEND on a listener that knows its peer is an active OPEN (3.10.2). */
static int send_on_listener(nod_stack *s, nod_handle handle)
{
    return nod_tcp_connect(s, handle, NULL);
}

static int find_for_send(nod_stack *s, nod_handle handle, struct nod_tcb **out)
{
    struct nod_record *object = nod_slot_object(s, handle);
    if (as_listener(object)) {
        int error = send_on_listener(s, handle);
        if (error) return error;
        object = nod_slot_object(s, handle);
    }
    *out = as_tcb(object);
    if (!*out) return NOD_ENOCONN;
    if (is_live(*out) && !nod_tcb_wake(&s->env, *out)) return NOD_ENOMEM;
    return 0;
}

ptrdiff_t nod_tcp_send(nod_stack *s, nod_handle handle, const void *bytes, size_t len,
                       unsigned flags)
{
    struct nod_tcb *tcb;
    int error = find_for_send(s, handle, &tcb);
    if (error) return error;
    ptrdiff_t n = nod_tcb_user_send(&s->env, tcb, bytes, len, flags);
    nod_trace_call(s, &tcb->rec, handle, NOD_CALL_SEND, len, n);
    if (n >= 0) nod_settle(s, tcb); /* also of nothing: what was held back may go */
    return n;
}

int nod_tcp_send_slices(nod_stack *s, nod_handle handle, nod_slice *slices, int count,
                        unsigned flags)
{
    struct nod_tcb *tcb;
    int error = find_for_send(s, handle, &tcb);
    if (error) return error;
    uint64_t len = 0;
    for (int i = 0; i < count; i++) len += slices[i].len;
    int n = nod_tcb_user_send_slices(&s->env, tcb, slices, count, flags);
    nod_trace_call(s, &tcb->rec, handle, NOD_CALL_SEND, len, n);
    if (n > 0) nod_settle(s, tcb);
    return n;
}

/* After RECEIVE: a window update may be due; what ended and is read out owns nothing more. */
static void after_receive(nod_stack *s, struct nod_tcb *tcb)
{
    if (is_live(tcb))
        nod_settle(s, tcb);
    else if (tcb->work && !tcb->work->recvq.bytes)
        nod_tcb_flush(&s->env, tcb);
}

ptrdiff_t nod_tcp_receive(nod_stack *s, nod_handle handle, void *buf, size_t len)
{
    struct nod_record *object = nod_slot_object(s, handle);
    struct nod_tcb *tcb = as_tcb(object);
    if (!tcb) return object ? NOD_EAGAIN : NOD_ENOCONN;
    ptrdiff_t n = nod_tcb_user_receive(&s->env, tcb, buf, len);
    if (n != NOD_EAGAIN) nod_trace_call(s, &tcb->rec, handle, NOD_CALL_RECEIVE, len, n);
    if (n > 0) after_receive(s, tcb);
    return n;
}

ptrdiff_t nod_tcp_peek(nod_stack *s, nod_handle handle, size_t skip, void *buf, size_t len)
{
    struct nod_record *object = nod_slot_object(s, handle);
    struct nod_tcb *tcb = as_tcb(object);
    if (!tcb) return object ? NOD_EAGAIN : NOD_ENOCONN;
    return nod_tcb_user_peek(tcb, skip, buf, len);
}

int nod_tcp_receive_slices(nod_stack *s, nod_handle handle, nod_slice *slices, int max)
{
    struct nod_record *object = nod_slot_object(s, handle);
    struct nod_tcb *tcb = as_tcb(object);
    if (!tcb) return object ? NOD_EAGAIN : NOD_ENOCONN;
    int n = nod_tcb_user_receive_slices(&s->env, tcb, slices, max);
    int64_t len = 0;
    for (int i = 0; i < n; i++) len += slices[i].len;
    if (n != NOD_EAGAIN)
        nod_trace_call(s, &tcb->rec, handle, NOD_CALL_RECEIVE, (uint64_t)len, n < 0 ? n : len);
    if (n > 0) after_receive(s, tcb);
    return n;
}

ptrdiff_t nod_tcp_readable(nod_stack *s, nod_handle handle)
{
    struct nod_record *object = nod_slot_object(s, handle);
    struct nod_listener *l = as_listener(object);
    if (l) return l->waiting ? l->waiting : NOD_EAGAIN;
    struct nod_tcb *tcb = as_tcb(object);
    if (!tcb) return NOD_ENOCONN;
    return tcb->work ? (ptrdiff_t)tcb->work->recvq.bytes : 0;
}

ptrdiff_t nod_tcp_writable(nod_stack *s, nod_handle handle)
{
    struct nod_tcb *tcb = as_tcb(nod_slot_object(s, handle));
    return tcb ? nod_tcb_writable(&s->env, tcb) : NOD_ENOCONN;
}

int nod_tcp_close(nod_stack *s, nod_handle handle)
{
    struct nod_record *object = nod_slot_object(s, handle);
    struct nod_listener *l = as_listener(object);
    if (l) {
        nod_trace_call(s, object, handle, NOD_CALL_CLOSE, 0, 0);
        nod_listener_free(s, l, false);
        return 0;
    }
    struct nod_tcb *tcb = as_tcb(object);
    if (!tcb) return NOD_ENOCONN;
    if (is_live(tcb) && !nod_tcb_wake(&s->env, tcb)) return NOD_ENOMEM;
    bool live = is_live(tcb);
    nod_trace_call(s, object, handle, NOD_CALL_CLOSE, 0, 0);
    int error = nod_tcb_user_close(&s->env, tcb);
    if (live) nod_settle(s, tcb);
    return error;
}

int nod_tcp_abort(nod_stack *s, nod_handle handle)
{
    struct nod_record *object = nod_slot_object(s, handle);
    if (as_listener(object)) return nod_tcp_close(s, handle);
    struct nod_tcb *tcb = as_tcb(object);
    if (!tcb || tcb->rec.state == NOD_CLOSED) return NOD_ENOCONN;
    nod_trace_call(s, object, handle, NOD_CALL_ABORT, 0, 0);
    if (tcb->rec.state == NOD_TIME_WAIT) {
        nod_tcb_flush(&s->env, tcb);
        nod_time_wait_end(s, tcb->time_wait);
        return 0;
    }
    if (!nod_tcb_wake(&s->env, tcb)) {
        nod_end_at_rest(s, tcb);
        return 0;
    }
    int error = nod_tcb_user_abort(&s->env, tcb);
    nod_settle(s, tcb);
    return error;
}

int nod_tcp_release(nod_stack *s, nod_handle handle)
{
    struct nod_record *object = nod_slot_object(s, handle);
    if (as_listener(object)) return nod_tcp_close(s, handle);
    struct nod_tcb *tcb = as_tcb(object);
    if (!tcb) return NOD_ENOCONN;
    nod_trace_call(s, object, handle, NOD_CALL_RELEASE, 0, 0);
    if (!is_live(tcb)) {
        if (tcb->rec.state == NOD_TIME_WAIT) tcb->time_wait->slot = NOD_NO_SLOT;
        nod_tcb_free(s, tcb);
        return 0;
    }
    nod_slot_release_name(s, tcb->slot);
    if (!nod_tcb_wake(&s->env, tcb)) {
        tcb->flags |= TCB_RELEASED;
        nod_end_at_rest(s, tcb);
        return 0;
    }
    nod_tcb_user_release(&s->env, tcb);
    nod_settle(s, tcb);
    return 0;
}

int nod_tcp_ack_pending(nod_stack *s, nod_handle handle)
{
    struct nod_tcb *tcb = as_tcb(nod_slot_object(s, handle));
    if (!tcb) return NOD_ENOCONN;
    if (!is_live(tcb) || !tcb->work || tcb->work->at[NOD_TIMER_DELAYED_ACK] == NOD_NEVER) return 0;
    nod_tcb_ack_now(tcb, NOD_WHY_ACK_AT_ONCE);
    nod_settle(s, tcb);
    return 0;
}

int nod_tcp_get_config(nod_stack *s, nod_handle handle, nod_tcp_config *out)
{
    struct nod_record *object = nod_slot_object(s, handle);
    struct nod_listener *l = as_listener(object);
    if (!l && !as_tcb(object)) return NOD_ENOCONN;
    *out = l ? l->config->c : as_tcb(object)->config->c;
    return 0;
}

int nod_tcp_set_config(nod_stack *s, nod_handle handle, const nod_tcp_config *config)
{
    struct nod_record *object = nod_slot_object(s, handle);
    struct nod_listener *l = as_listener(object);
    struct nod_tcb *tcb = as_tcb(object);
    if (!l && !tcb) return NOD_ENOCONN;
    struct nod_shared_config **at = l ? &l->config : &tcb->config;
    if (memcmp(&(*at)->c, config, sizeof(*config)) == 0) return 0;
    if (!nod_tcp_config_is_valid(config)) return NOD_EINVAL;
    struct nod_shared_config *own = nod_config_share(s, config);
    if (!own) return NOD_ENOMEM;
    bool tells =
        tcb && own->c.uto && (!(*at)->c.uto || (*at)->c.user_timeout_us != own->c.user_timeout_us);
    nod_config_drop(s, *at);
    *at = own;
    if (l || !is_live(tcb)) return 0;
    if (own->c.counters) nod_tcb_rare(&s->env, tcb);
    if (tells && tcb->rec.state != NOD_SYN_SENT) tcb->flags |= TCB_UTO_DUE;
    uint8_t algorithm = (uint8_t)nod_cc_find(own->c.congestion);
    struct nod_cc_own *cc_own = tcb->work ? &tcb->work->cc_own : NULL;
    nod_cc_change(&tcb->cc, cc_own, nod_tcb_mss(tcb), algorithm);
    if (!tcb->work) { /* keep-alive may have been switched, or its times changed */
        nod_timers_schedule(&s->env, tcb);
        return 0;
    }
    nod_tcb_tell_room(&s->env, tcb);
    nod_settle(s, tcb); /* Nagle off, a larger buffer: something may be due now */
    return 0;
}
