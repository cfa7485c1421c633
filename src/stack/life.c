/* A connection's life in the stack: made, settled after every call of the engine, moved to a
 * small record, reaped. Nothing else frees a TCB. */
#include <string.h>

#include "stack/stack.h"

struct nod_shared_config *nod_config_share(nod_stack *s, const nod_tcp_config *config)
{
    if (!config) {
        s->shared->refs++;
        return s->shared;
    }
    /* A server asks for the same on each connection that it accepts. Padding may differ between
     * two that mean the same: then they are not shared, and that is all. */
    for (int i = 0; i < NOD_CONFIGS_LATELY; i++) {
        struct nod_shared_config *same = s->lately[i];
        if (!same || memcmp(&same->c, config, sizeof(*config)) != 0) continue;
        same->refs++;
        return same;
    }
    struct nod_shared_config *own = nod_pool_take(s->env.pool, sizeof(*own));
    if (!own) return NULL;
    own->refs = 1;
    memcpy(&own->c, config, sizeof(own->c));
    s->lately[s->lately_next++ % NOD_CONFIGS_LATELY] = own;
    return own;
}

void nod_config_drop(nod_stack *s, struct nod_shared_config *config)
{
    if (--config->refs > 0) return;
    for (int i = 0; i < NOD_CONFIGS_LATELY; i++)
        if (s->lately[i] == config) s->lately[i] = NULL;
    nod_pool_give(s->env.pool, config, sizeof(*config));
}

/* MUST-67: the link's MTU less fixed headers, not options (RFC 6691). */
uint16_t nod_adv_mss(const nod_stack *s, const struct nod_key *key, uint8_t iface,
                     const nod_tcp_config *c)
{
    uint32_t mss = nod_net_mtu(&s->net, iface, nod_ip_family(key->local)) - nod_key_headers(key);
    if (c->mss_max) mss = min_u32(mss, c->mss_max);
    return (uint16_t)mss;
}

struct nod_tcb *nod_tcb_new(nod_stack *s, const struct nod_key *key, uint8_t iface,
                            struct nod_shared_config *config, uint32_t iss, enum nod_state state)
{
    struct nod_tcb *tcb = nod_pool_take(s->env.pool, sizeof(*tcb));
    if (!tcb) return NULL;
    memset(tcb, 0, sizeof(*tcb));
    tcb->rec.kind = NOD_RECORD_TCB;
    tcb->rec.key = *key;
    tcb->rec.iface = iface;
    tcb->slot = nod_slot_take(s, &tcb->rec);
    if (tcb->slot == NOD_NO_SLOT || !nod_tcb_wake(&s->env, tcb)) {
        if (tcb->slot != NOD_NO_SLOT) nod_slot_free(s, tcb->slot);
        nod_pool_give(s->env.pool, tcb, sizeof(*tcb));
        return NULL;
    }
    config->refs++;
    tcb->config = config;
    tcb->mss = nod_adv_mss(s, key, iface, &config->c);
    tcb->work->adv_mss = tcb->mss;
    tcb->ts_offset = nod_ts_offset(&s->env, key);
    nod_tcb_init(&s->env, tcb, iss);
    if (config->c.counters) nod_tcb_rare(&s->env, tcb); /* without memory nothing is counted */
    /* A passive open's edge to SYN-RECEIVED was its small record's. */
    if (state == NOD_SYN_RECEIVED)
        tcb->rec.state = NOD_SYN_RECEIVED;
    else
        nod_tcb_set_state(&s->env, tcb, state);
    nod_path_look(s, tcb);
    s->env.stats.connections++;
    return tcb;
}

void nod_tcb_free(nod_stack *s, struct nod_tcb *tcb)
{
    nod_not_due(s, tcb);
    nod_wheel_cancel(&s->env.wheel, &tcb->rec.timer);
    nod_tcb_flush(&s->env, tcb);
    nod_config_drop(s, tcb->config);
    nod_slot_free(s, tcb->slot);
    if (tcb->rare) nod_pool_give(s->env.pool, tcb->rare, sizeof(*tcb->rare));
    nod_pool_give(s->env.pool, tcb, sizeof(*tcb));
}

void nod_due(nod_stack *s, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    if (!w || w->due_pprev) return;
    w->due_next = NULL;
    w->due_pprev = s->due_tail;
    *s->due_tail = tcb;
    s->due_tail = &w->due_next;
}

void nod_not_due(nod_stack *s, struct nod_tcb *tcb)
{
    struct nod_work *w = tcb->work;
    if (!w || !w->due_pprev) return;
    *w->due_pprev = w->due_next;
    if (w->due_next)
        w->due_next->work->due_pprev = w->due_pprev;
    else
        s->due_tail = w->due_pprev;
    w->due_pprev = NULL;
}

/* Out of the table and the wheel; the user may still hold the name, and read. */
static void detach(nod_stack *s, struct nod_tcb *tcb)
{
    nod_not_due(s, tcb);
    nod_wheel_cancel(&s->env.wheel, &tcb->rec.timer);
    nod_demux_remove(s, &tcb->rec);
    s->env.stats.connections--;
    if (tcb->work && !tcb->work->recvq.bytes) nod_tcb_flush(&s->env, tcb);
}

static bool is_owned(const struct nod_tcb *tcb)
{
    return !(tcb->flags & TCB_RELEASED);
}

/* TIME-WAIT costs a small record. The ACK that is due leaves as the record's. */
static void enter_time_wait(nod_stack *s, struct nod_tcb *tcb)
{
    uint8_t why = tcb->work->ack_why;
    uint16_t wnd = nod_tcb_offer_window(&s->env, tcb, false);
    struct nod_time_wait *tw = nod_pool_take(s->env.pool, sizeof(*tw));
    /* Every window was a number of 16 bits and so many zeros. */
    uint8_t max_scale = 0;
    while (tcb->snd.max_wnd >> max_scale > UINT16_MAX) max_scale++;
    detach(s, tcb);
    if (tw) {
        *tw = (struct nod_time_wait){
            .rec = {.key = tcb->rec.key,
                    .kind = NOD_RECORD_TIME_WAIT,
                    .state = NOD_TIME_WAIT,
                    .iface = tcb->rec.iface,
                    .flags = (uint8_t)((tcb->flags & TCB_TS ? SMALL_TS : 0) |
                                       nod_tcb_ace(tcb) << SMALL_ACE_SHIFT)},
            .slot = is_owned(tcb) ? tcb->slot : NOD_NO_SLOT,
            .snd_nxt = tcb->snd.nxt,
            .rcv_nxt = tcb->rcv.nxt,
            .ts_recent = tcb->ts_recent,
            .max_wnd = (uint16_t)(tcb->snd.max_wnd >> max_scale),
            .max_scale = max_scale & 15,
            .ttl = tcb->config->c.ttl,
            .dscp = tcb->config->c.dscp,
            .wnd = wnd,
            .scale = tcb->rcv_scale & 15,
        };
        nod_demux_add(s, &tw->rec);
        s->env.stats.time_wait++;
        nod_wheel_set(&s->env.wheel, &tw->rec.timer, s->env.now + 2 * tcb->config->c.msl_us);
        if (why) nod_time_wait_ack(&s->env, tw, why);
    }
    tcb->time_wait = tw;
    if (tcb->work) {
        nod_queue_clear(&tcb->work->sendq, s->env.pool);
        nod_reassembly_clear(&tcb->work->ooq, s->env.pool);
    }
    if (!tw) nod_tcb_set_state(&s->env, tcb, NOD_CLOSED);
    if (!tw) nod_tcb_event(tcb, NOD_EVENT_CLOSED);
}

static nod_trace *trace_time_wait(nod_stack *s, const struct nod_time_wait *tw,
                                  enum nod_trace_type type)
{
    nod_trace *event = nod_trace_add(&s->env.trace, type, s->env.now);
    if (!event) return NULL;
    event->handle = nod_env_handle(&s->env, tw->slot);
    event->local = nod_key_local(&tw->rec.key);
    event->remote = nod_key_remote(&tw->rec.key);
    return event;
}

void nod_time_wait_expire(nod_stack *s, struct nod_time_wait *tw)
{
    nod_trace *event = trace_time_wait(s, tw, NOD_TRACE_TIMER);
    if (event) {
        event->state = NOD_TIME_WAIT;
        event->u.timer.timer = NOD_TIMER_TIME_WAIT;
        event->u.timer.count = 1;
        event->u.timer.next_us = NOD_NEVER;
    }
    nod_time_wait_end(s, tw);
}

/* 2 MSL are over, or a new SYN or the user ended the wait. */
void nod_time_wait_end(nod_stack *s, struct nod_time_wait *tw)
{
    uint32_t slot = tw->slot;
    nod_trace *event = trace_time_wait(s, tw, NOD_TRACE_STATE);
    if (event) {
        event->state = NOD_CLOSED;
        event->u.edge.from = NOD_TIME_WAIT;
        event->u.edge.to = NOD_CLOSED;
    }
    nod_demux_remove(s, &tw->rec);
    nod_wheel_cancel(&s->env.wheel, &tw->rec.timer);
    s->env.stats.time_wait--;
    nod_pool_give(s->env.pool, tw, sizeof(*tw));
    if (slot == NOD_NO_SLOT) return;
    struct nod_tcb *tcb = (struct nod_tcb *)nod_env_slot(&s->env, slot)->object;
    tcb->time_wait = NULL;
    tcb->rec.state = NOD_CLOSED;
    nod_tcb_event(tcb, NOD_EVENT_CLOSED);
    nod_events_raise(s, slot);
}

void nod_settle(nod_stack *s, struct nod_tcb *tcb)
{
    if (tcb->flags & TCB_FAST_OPEN && (tcb->rec.state == NOD_CLOSED || !nod_tcb_syn_unacked(tcb)))
        nod_fast_open_done(s, tcb);
    nod_path_tell_order(s, tcb);
    if (tcb->rec.state == NOD_TIME_WAIT) {
        enter_time_wait(s, tcb);
    } else if (tcb->rec.state == NOD_CLOSED) {
        detach(s, tcb);
    } else {
        nod_due(s, tcb);
        /* Output sets the timer anew when all is sent that may be. Until then any will do, but one
         * there must be: output may be late, if the link is stuck, and the user timeout is not. */
        if (!tcb->rec.timer.pprev) nod_timers_schedule(&s->env, tcb);
    }
    bool gone = tcb->rec.state == NOD_CLOSED || tcb->rec.state == NOD_TIME_WAIT;
    if (gone && !is_owned(tcb)) {
        nod_tcb_free(s, tcb);
    } else if (tcb->events && is_owned(tcb) && !(tcb->flags & TCB_WAITS_ACCEPT)) {
        nod_events_raise(s, tcb->slot);
    }
}

void nod_end_at_rest(nod_stack *s, struct nod_tcb *tcb)
{
    nod_tcb_send_rst(&s->env, tcb, NOD_WHY_RST_ABORT);
    s->env.stats.established_resets++;
    tcb->error = NOD_EABORTED;
    nod_tcb_event(tcb, NOD_EVENT_ERROR);
    nod_tcb_set_state(&s->env, tcb, NOD_CLOSED);
    nod_settle(s, tcb);
}
