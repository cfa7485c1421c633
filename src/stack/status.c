/* STATUS: what a record says about itself. */
#include <string.h>

#include "stack/stack.h"
#include "tcp/ecn.h"

static void set_timer(nod_usec now, enum nod_timer timer, nod_usec deadline, nod_status *out)
{
    out->timer = timer;
    out->timer_us = deadline > now ? deadline - now : 0;
}

static void timer_of_work(nod_usec now, const struct nod_work *w, nod_status *out)
{
    static const enum nod_timer order[] = {
        NOD_TIMER_REORDER,    NOD_TIMER_LOSS_PROBE,  NOD_TIMER_RETRANSMIT,   NOD_TIMER_PERSIST,
        NOD_TIMER_FIN_WAIT_2, NOD_TIMER_DELAYED_ACK, NOD_TIMER_SWS_OVERRIDE, NOD_TIMER_USER,
    };
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (w->at[order[i]] == NOD_NEVER) continue;
        set_timer(now, order[i], w->at[order[i]], out);
        return;
    }
}

static void keepalive_timer(nod_usec now, const struct nod_tcb *tcb, nod_status *out)
{
    nod_usec deadline = nod_keepalive_deadline(tcb);
    if (out->timer == NOD_TIMER_NONE && deadline != NOD_NEVER)
        set_timer(now, NOD_TIMER_KEEPALIVE, deadline, out);
}

static void from_work(nod_usec now, const struct nod_tcb *tcb, nod_status *out)
{
    const struct nod_work *w = tcb->work;
    uint32_t data_end = nod_tcb_data_end(tcb);
    out->send_queue = w->sendq.bytes;
    out->send_unsent =
        min_u32(seq_gt(data_end, tcb->snd.nxt) ? data_end - tcb->snd.nxt : 0, w->sendq.bytes);
    out->bytes_sent += out->send_queue - out->send_unsent;
    out->receive_queue = w->recvq.bytes;
    out->out_of_order = w->ooq.bytes;
    out->receive_buffer = nod_tune_receive_buffer(tcb);
    out->receive_rtt_us = w->tune.rtt_us;
    out->receive_space = w->tune.space;
    out->retransmits = w->retransmits;
    out->probes = w->probes;
    out->dup_acks = w->dup_acks;
    out->sacked = w->loss.board.sacked;
    out->lost = w->loss.board.lost;
    out->again = w->loss.board.again;
    out->recovery = w->loss.phase == NOD_LOSS_FAST;
    uint64_t pacing_rate = nod_pace_rate(tcb);
    if (pacing_rate) out->pacing_rate = pacing_rate;
    out->delivery_rate = w->loss.rate.told;
    out->delivery_limited = w->loss.rate.told_limited;
    out->rcv_mss = (uint16_t)min_u32(w->rcv_mss, UINT16_MAX);
    if (w->last_send) out->since_sent_us = now - w->last_send;
    if (tcb->rec.state != NOD_CLOSED && tcb->rec.state != NOD_TIME_WAIT) timer_of_work(now, w, out);
}

static nod_ecn_counts counts(const struct nod_marks *m)
{
    return (nod_ecn_counts){.ce_packets = m->cep - NOD_CEP_START,
                            .ce_bytes = m->ceb,
                            .ect0_bytes = m->e0b - 1,
                            .ect1_bytes = m->e1b - 1};
}

static void from_accecn(const struct nod_accecn *a, nod_status *out)
{
    out->ecn = NOD_ECN_ACCURATE;
    out->ecn_in = counts(&a->in);
    out->ecn_out = counts(&a->out);
}

static void from_rare(const struct nod_rare *r, nod_status *out)
{
    out->keepalive_probes = r->keep_probes;
    out->peer_user_timeout_us = nod_uto_decode(r->remote_uto);
}

static void from_counters(nod_usec now, const struct nod_tcb *tcb, nod_status *out)
{
    const struct nod_counters *n = nod_counters(tcb);
    nod_count *c = &out->count;
    if (!n) return;
    uint32_t flight = out->send_queue - out->send_unsent;
    flight = (flight - min_u32(flight, out->sacked) + out->mss - 1) / out->mss;
    uint32_t fresh = n->text_out - n->text_again;
    nod_usec limited[NOD_LIMITS];
    memcpy(limited, n->limited_us, sizeof(limited));
    limited[n->limit] += now - n->limit_since;
    out->counted = true;
    *c = (nod_count){
        .bytes_out = n->bytes_out,
        .bytes_again = n->bytes_again,
        .segments_out = n->segments_out,
        .segments_in = n->segments_in,
        .text_out = n->text_out,
        .text_again = n->text_again,
        .text_in = n->text_in,
        .delivered = fresh > flight ? fresh - flight : 0,
        .out_of_order = n->out_of_order,
        .timeouts = n->timeouts,
        .dsacks = n->dsacks,
        .reorderings = n->reorderings,
        .min_rtt_us = n->min_rtt_us,
        .busy_us = limited[NOD_LIMIT_BUSY] + limited[NOD_LIMIT_WINDOW] + limited[NOD_LIMIT_BUFFER],
        .window_limited_us = limited[NOD_LIMIT_WINDOW],
        .buffer_limited_us = limited[NOD_LIMIT_BUFFER],
        .since_ack_us = now - tcb->rare->heard_at,
        .dscp = n->dscp,
    };
}

static void from_tcb(const struct nod_env *env, const struct nod_tcb *tcb, nod_status *out)
{
    nod_usec now = env->now;
    out->error = tcb->error;
    out->send_buffer = nod_tune_send_buffer(env, tcb);
    out->receive_buffer = tcb->config->c.receive_buffer;
    out->snd_una = tcb->snd.una;
    out->snd_nxt = tcb->snd.nxt;
    out->snd_wnd = tcb->snd.wnd;
    out->iss = tcb->snd.iss;
    out->rcv_nxt = tcb->rcv.nxt;
    out->rcv_wnd = nod_tcb_rcv_wnd(tcb);
    out->irs = tcb->rcv.irs;
    out->mss = (uint16_t)nod_tcb_mss(tcb);
    out->snd_scale = tcb->flags & TCB_SCALE ? (int8_t)tcb->snd_scale : -1;
    out->rcv_scale = tcb->flags & TCB_SCALE ? (int8_t)tcb->rcv_scale : -1;
    out->timestamps = tcb->flags & TCB_TS;
    out->sack = tcb->flags & TCB_SACK;
    out->active = tcb->flags & TCB_ACTIVE;
    out->syn_text = tcb->flags & TCB_SYN_TAKEN;
    if (tcb->flags & TCB_ECN) out->ecn = NOD_ECN_CLASSIC;
    if (tcb->flags & TCB_ACCECN) from_accecn(&tcb->rare->accecn, out);
    out->ecn_seen = tcb->flags & TCB_ECN_SEEN;
    out->cwnd = tcb->cc.cwnd;
    out->ssthresh = tcb->cc.ssthresh;
    out->srtt_us = tcb->srtt_us;
    out->rttvar_us = tcb->rttvar_us;
    out->rto_us = tcb->rto_us;
    out->bytes_sent = out->bytes_acked = tcb->bytes_acked;
    out->bytes_received = tcb->bytes_received;
    out->segments_retransmitted = tcb->segments_retransmitted;
    memcpy(out->congestion, tcb->config->c.congestion, sizeof(out->congestion));
    if (tcb->bytes_received || tcb->flags & TCB_OPEN_TOLD)
        out->since_received_us = (uint32_t)(now / 1000 - tcb->received_ms) * NOD_MSEC;
    out->urgent = nod_urgent_unread(tcb);
    uint64_t max_pacing_rate = tcb->config->c.max_pacing_rate;
    out->pacing_rate = out->max_pacing_rate = max_pacing_rate ? max_pacing_rate : NOD_UNPACED;
    if (tcb->rare) from_rare(tcb->rare, out);
    if (tcb->work) from_work(now, tcb, out);
    keepalive_timer(now, tcb, out);
    out->delayed_ack_us = tcb->config->c.delayed_ack_us;
    from_counters(now, tcb, out);
    if (tcb->rec.state == NOD_TIME_WAIT)
        set_timer(now, NOD_TIMER_TIME_WAIT, tcb->time_wait->rec.timer.deadline, out);
}

static void from_listener(const struct nod_listener *l, nod_status *out)
{
    out->local = nod_listener_local(l);
    if (l->bits && l->bits < 128)
        out->local_prefix = (uint8_t)(l->bits - (out->local.addr.family == 4 ? 96 : 0));
    out->backlog = l->backlog;
    out->fast_open = l->fast_limit;
    out->backlog_used = l->waiting;
    memcpy(out->congestion, l->config->c.congestion, sizeof(out->congestion));
}

static void from_record(const struct nod_env *env, const struct nod_record *rec, nod_status *out)
{
    nod_usec now = env->now;
    *out = (nod_status){
        .state = rec->state,
        .local = nod_key_local(&rec->key),
        .remote = nod_key_remote(&rec->key),
        .snd_scale = -1,
        .rcv_scale = -1,
        .timer = NOD_TIMER_NONE,
        .timer_us = NOD_NEVER,
        .since_sent_us = NOD_NEVER,
        .since_received_us = NOD_NEVER,
    };
    switch ((enum nod_record_kind)rec->kind) {
    case NOD_RECORD_TCB: from_tcb(env, (const struct nod_tcb *)rec, out); break;
    case NOD_RECORD_SYN_RECEIVED:
        out->iss = out->snd_una = ((const struct nod_syn_received *)rec)->iss;
        out->snd_nxt = out->iss + 1;
        out->irs = ((const struct nod_syn_received *)rec)->irs;
        out->rcv_nxt = out->irs + 1;
        out->retransmits = ((const struct nod_syn_received *)rec)->retransmits;
        set_timer(now, NOD_TIMER_RETRANSMIT, rec->timer.deadline, out);
        break;
    case NOD_RECORD_TIME_WAIT:
        out->snd_nxt = out->snd_una = ((const struct nod_time_wait *)rec)->snd_nxt;
        out->rcv_nxt = ((const struct nod_time_wait *)rec)->rcv_nxt;
        set_timer(now, NOD_TIMER_TIME_WAIT, rec->timer.deadline, out);
        break;
    case NOD_RECORD_PENDING:
        out->irs = ((const struct nod_pending *)rec)->irs;
        out->rcv_nxt = out->irs + 1;
        break;
    case NOD_RECORD_LISTENER: from_listener((const struct nod_listener *)rec, out); break;
    }
}

static void add_path(const nod_stack *s, const struct nod_record *rec, nod_status *out)
{
    if (rec->kind == NOD_RECORD_LISTENER) return;
    bool is_tcb = rec->kind == NOD_RECORD_TCB;
    const nod_tcp_config *c = is_tcb ? &((const struct nod_tcb *)rec)->config->c : &s->config.tcp;
    out->path_mtu = is_tcb ? nod_path_mtu(s, (const struct nod_tcb *)rec)
                           : nod_net_mtu(&s->net, rec->iface, nod_ip_family(rec->key.local));
    out->adv_mss = nod_adv_mss(s, &rec->key, rec->iface, c);
}

int nod_tcp_status(nod_stack *s, nod_handle handle, nod_status *out)
{
    struct nod_record *object = nod_slot_object(s, handle);
    if (!object) return NOD_ENOCONN;
    from_record(&s->env, object, out);
    add_path(s, object, out);
    return 0;
}

/* The cursor counts listeners first, then walks the table: bucket above, place in it below. */
bool nod_tcp_each(nod_stack *s, size_t *cursor, nod_status *out)
{
    size_t listeners = s->env.stats.listeners;
    if (*cursor < listeners) {
        struct nod_listener *l = s->listeners;
        for (size_t i = 0; i < *cursor && l->next; i++) l = l->next;
        from_record(&s->env, &l->rec, out);
        (*cursor)++;
        return true;
    }
    size_t at = *cursor - listeners, bucket = at >> 16, place = at & 0xffff;
    for (; bucket <= s->table_mask; bucket++, place = 0) {
        const struct nod_record *rec = s->table[bucket];
        for (size_t i = 0; rec && i < place; i++) rec = rec->next;
        if (!rec) continue;
        from_record(&s->env, rec, out);
        add_path(s, rec, out);
        *cursor = listeners + (bucket << 16) + place + 1;
        return true;
    }
    return false;
}
