/* Out: the only place where anything is sent, or counted as sent. Connections that have
 * something due take turns, one frame each. */
#include <string.h>

#include "stack/stack.h"
#include "wire/bytes.h"
#include "wire/checksum.h"

struct packet_plan {
    const struct nod_key *key;
    const struct nod_tcb *tcb; /* NULL: a reply */
    uint8_t iface, ttl, dscp, ecn;
    struct nod_tcp_header *h;
    uint32_t text;
    uint16_t gso_size;
};

/* Routers may tell flows apart by it (RFC 6437 section 3): all packets of a connection have the
 * same, from small records, retransmitted, or from nobody; and nobody can guess another's. It is
 * made of a hash that each connection has anyway, and that must not be seen. */
static uint32_t flow_label(const nod_stack *s, const struct packet_plan *plan)
{
    if (!s->config.flow_labels || nod_ip_family(plan->key->local) != 6) return 0;
    uint32_t hash = plan->tcb ? plan->tcb->ts_offset : nod_ts_offset(&s->env, plan->key);
    uint32_t label = (uint32_t)((hash + s->flow_key[0]) * (s->flow_key[1] | 1) >> 44);
    return label ? label : 1;
}

/* Writes all headers of a segment whose text is in frame->part already. */
static void build(nod_stack *s, nod_frame *frame, const struct packet_plan *plan)
{
    const struct nod_iface_config *link = &s->net.iface[plan->iface].config;
    struct nod_ip ip = {
        .family = (uint8_t)nod_ip_family(plan->key->local),
        .protocol = NOD_PROTO_TCP,
        .ttl = plan->ttl,
        .tos = (uint8_t)(plan->dscp << 2 | plan->ecn),
        .payload = (uint32_t)(NOD_TCP_HEADER + nod_tcp_options_size(&plan->h->opt) + plan->text),
        .flow_label = flow_label(s, plan),
    };
    memcpy(ip.src, plan->key->local, 16);
    memcpy(ip.dst, plan->key->remote, 16);
    frame->flags = 0;
    frame->gso_size = plan->gso_size;
    size_t at = nod_net_wrap(&s->net, frame, plan->iface, &ip);
    frame->l4_off = (uint16_t)at;
    frame->head_len = (uint8_t)(at + nod_tcp_emit(plan->h, frame->head + at));
    struct nod_sum sum = {0};
    nod_sum_add_pseudo(&sum, ip.family, nod_ip_bytes(ip.family, ip.src),
                       nod_ip_bytes(ip.family, ip.dst), NOD_PROTO_TCP, ip.payload);
    put16(frame->head + at + 16, nod_sum_fold(&sum));
    frame->flags = NOD_FRAME_CSUM_TODO;
    if (!link->csum_offload && !plan->gso_size) nod_frame_finish(frame);
}

static void count(nod_stack *s, nod_frame *frame)
{
    frame->id = (uint32_t)++s->env.stats.frames_out;
    s->env.stats.bytes_out += nod_frame_length(frame);
}

static void trace_reply(nod_stack *s, struct nod_reply *reply, const struct nod_tcp_header *h,
                        uint32_t frame)
{
    if (!s->env.trace.events) return;
    const struct nod_record *object =
        reply->slot == NOD_NO_SLOT ? NULL : nod_env_slot(&s->env, reply->slot)->object;
    if (object && object->kind == NOD_RECORD_TCB) {
        /* A small record does not remember where the numbers began; its TCB may. */
        const struct nod_tcb *tcb = (const struct nod_tcb *)object;
        reply->iss = tcb->snd.iss;
        reply->irs = tcb->rcv.irs;
    }
    nod_trace about = {.state = reply->state,
                       .iface = reply->iface,
                       .handle = nod_env_handle(&s->env, reply->slot)};
    about.u.segment.why = reply->why;
    about.u.segment.retransmission = reply->retransmission;
    about.u.segment.rel_seq = reply->seq - reply->iss;
    about.u.segment.rel_ack = reply->ctl & NOD_ACK ? reply->ack - reply->irs : 0;
    about.u.segment.wnd_bytes = (uint32_t)reply->wnd << reply->scale;
    nod_trace_out(s, frame, &reply->key, h, 0, &about);
}

/* One of the stack's own replies. False: it went to wait for a neighbour, or nowhere. */
static bool send_reply(nod_stack *s, struct nod_reply *reply, nod_frame *frame)
{
    struct nod_tcp_header h = {
        .src_port = reply->key.local_port,
        .dst_port = reply->key.remote_port,
        .seq = reply->seq,
        .ack = reply->ack,
        .ctl = reply->ctl,
        .wnd = reply->wnd,
        .opt = reply->opt,
    };
    struct packet_plan plan = {
        .key = &reply->key, .iface = reply->iface, .ttl = reply->ttl, .dscp = reply->dscp, .h = &h};
    memset(frame, 0, offsetof(nod_frame, head));
    build(s, frame, &plan);
    count(s, frame);
    s->env.stats.segments_out++;
    s->env.stats.resets_out += (reply->ctl & NOD_RST) != 0;
    s->env.stats.retransmitted += reply->retransmission;
    trace_reply(s, reply, &h, frame->id);
    return nod_net_resolve(&s->net, frame, reply->key.remote);
}

static uint32_t text_max(const nod_stack *s, const struct nod_tcb *tcb)
{
    uint32_t gso = s->net.iface[tcb->rec.iface].config.gso_max;
    return gso > 200 ? min_u32(gso, 65535) - 40 - NOD_TCP_HEADER_MAX : 0;
}

static void trace_segment(nod_stack *s, const struct nod_tcb *tcb, const struct nod_out *out,
                          uint32_t frame, uint8_t state)
{
    if (!s->env.trace.events) return;
    nod_trace about = {
        .state = state, .iface = tcb->rec.iface, .handle = nod_env_handle(&s->env, tcb->slot)};
    about.u.segment.why = out->why;
    about.u.segment.retransmission = out->retransmission;
    about.u.segment.ecn = out->ecn;
    about.u.segment.rel_seq = out->h.seq - tcb->snd.iss;
    about.u.segment.rel_ack = out->h.ctl & NOD_ACK ? out->h.ack - tcb->rcv.irs : 0;
    uint8_t scale = out->h.ctl & NOD_SYN ? 0 : tcb->rcv_scale;
    about.u.segment.wnd_bytes = (uint32_t)out->h.wnd << scale;
    nod_trace_out(s, frame, &tcb->rec.key, &out->h, out->text, &about);
}

static bool send_segment(nod_stack *s, struct nod_tcb *tcb, struct nod_out *out, nod_frame *frame,
                         uint8_t state)
{
    const nod_tcp_config *c = &tcb->config->c;
    struct packet_plan plan = {.key = &tcb->rec.key,
                               .tcb = tcb,
                               .iface = tcb->rec.iface,
                               .ttl = c->ttl,
                               .dscp = c->dscp,
                               .ecn = out->ecn,
                               .h = &out->h,
                               .text = out->text,
                               .gso_size = out->gso_size};
    memset(frame, 0, offsetof(nod_frame, head));
    memcpy(frame->part, out->part, (size_t)out->parts * sizeof(nod_slice));
    frame->parts = (uint8_t)out->parts;
    build(s, frame, &plan);
    count(s, frame);
    s->env.stats.segments_out++;
    s->env.stats.retransmitted += out->retransmission;
    trace_segment(s, tcb, out, frame->id, state);
    return nod_net_resolve(&s->net, frame, tcb->rec.key.remote);
}

/* The first connection in the row sends one frame and goes to the end of it. */
static bool send_due(nod_stack *s, nod_frame *frame)
{
    while (s->due_first) {
        struct nod_tcb *tcb = s->due_first;
        struct nod_out out;
        uint8_t state = tcb->rec.state;
        nod_not_due(s, tcb);
        if (nod_path_is_due(s, tcb)) nod_path_look(s, tcb);
        if (!nod_tcb_output(&s->env, tcb, text_max(s, tcb), &out)) {
            nod_timers_schedule(&s->env, tcb);
            nod_tcb_rest(&s->env, tcb);
            continue;
        }
        nod_tcb_check(tcb);
        nod_due(s, tcb);
        if (send_segment(s, tcb, &out, frame, state)) return true;
    }
    return false;
}

static bool send_replies(nod_stack *s, nod_frame *frame)
{
    struct nod_reply_ring *ring = &s->env.replies;
    while (ring->count) {
        struct nod_reply *reply = &ring->items[ring->first];
        bool ready = send_reply(s, reply, frame);
        ring->first = (ring->first + 1) % ring->cap;
        ring->count--;
        if (ready) return true;
    }
    return false;
}

static bool send_one(nod_stack *s, nod_frame *frame)
{
    if (send_replies(s, frame) || send_due(s, frame)) return true;
    if (!nod_net_dequeue(&s->net, frame)) return false;
    if (!frame->id) count(s, frame); /* frames that waited for a neighbour are counted */
    return true;
}

int nod_stack_output(nod_stack *s, nod_frame *frames, int max, nod_usec now)
{
    s->env.now = s->net.now = max_u64(s->env.now, now);
    int n = 0;
    while (n < max && s->net.looped_count < NOD_LOOPED && send_one(s, &frames[n])) {
        if (frames[n].iface == NOD_IFACE_LOOPBACK)
            nod_net_loop(&s->net, &frames[n]);
        else
            n++;
    }
    return n;
}

static void expire_tcb(nod_stack *s, struct nod_tcb *tcb)
{
    if (nod_tcb_wake(&s->env, tcb)) {
        bool told = tcb->flags & TCB_TOLD_R1;
        nod_timers_expire(&s->env, tcb);
        nod_path_tell(s, tcb);
        /* R1 is negative advice to IP (MUST-20): the first hop may be what has failed. */
        if (!told && tcb->flags & TCB_TOLD_R1)
            nod_net_doubt(&s->net, tcb->rec.iface, tcb->rec.key.remote);
        nod_settle(s, tcb);
    } else { /* keep-alive, at rest: perhaps there is memory later */
        nod_wheel_set(&s->env.wheel, &tcb->rec.timer, s->env.now + NOD_SEC);
    }
}

static void expire(nod_stack *s, struct nod_record *rec)
{
    switch ((enum nod_record_kind)rec->kind) {
    case NOD_RECORD_TCB: expire_tcb(s, (struct nod_tcb *)rec); return;
    case NOD_RECORD_SYN_RECEIVED:
        nod_syn_received_expire(s, (struct nod_syn_received *)rec);
        return;
    case NOD_RECORD_TIME_WAIT: nod_time_wait_expire(s, (struct nod_time_wait *)rec); return;
    case NOD_RECORD_PENDING: nod_pending_free(s, (struct nod_pending *)rec); return;
    case NOD_RECORD_LISTENER: return;
    }
}

void nod_stack_tick(nod_stack *s, nod_usec now)
{
    s->env.now = s->net.now = max_u64(s->env.now, now);
    struct nod_timer_node *node;
    nod_fragments_expire(&s->net);
    nod_loopback_input(s);
    while ((node = nod_wheel_expire(&s->env.wheel, s->env.now)))
        expire(s, NOD_CONTAINER(node, struct nod_record, timer));
    nod_frame given_up;
    while (nod_net_expire(&s->net, &given_up)) {
        nod_segment_undeliverable(s, &given_up);
        nod_frame_release(&given_up);
    }
    if (s->net.changed) nod_addresses_changed(s);
}

nod_usec nod_stack_deadline(const nod_stack *s)
{
    if (s->due_first || s->env.replies.count || s->net.queue_count || s->net.looped_count)
        return s->env.now;
    return min_u64(nod_wheel_next(&s->env.wheel), nod_net_deadline(&s->net));
}
