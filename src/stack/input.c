/* In: a batch of frames, each to its connection. Changes state and marks what is due; never
 * sends. */
#include <string.h>

#include "stack/stack.h"
#include "wire/bytes.h"
#include "wire/checksum.h"
#include "wire/frame.h"

static bool checksum_is_good(const nod_frame *frame, const struct nod_packet *packet)
{
    /* A frame that never saw a wire needs none; neither does one that its device checked. */
    if (frame->flags & (NOD_FRAME_CSUM_OK | NOD_FRAME_CSUM_TODO)) return true;
    struct nod_sum sum = {0};
    const struct nod_ip *ip = &packet->ip;
    nod_sum_add_pseudo(&sum, ip->family, nod_ip_bytes(ip->family, ip->src),
                       nod_ip_bytes(ip->family, ip->dst), NOD_PROTO_TCP, ip->payload);
    nod_sum_add_frame(&sum, frame, packet->at);
    return nod_sum_fold(&sum) == 0xffff;
}

/* Makes the frame end where the IP packet ends (Ethernet pads). */
static void cut_padding(nod_frame *frame, size_t length)
{
    size_t at = frame->head_len;
    for (unsigned i = 0; i < frame->parts; i++) {
        size_t room = length > at ? length - at : 0;
        if (frame->part[i].len > room) frame->part[i].len = (uint32_t)room;
        at += frame->part[i].len;
    }
}

/* Makes the parts the segment's text: the headers in front of it go. */
static void strip_headers(nod_frame *frame, size_t size)
{
    size_t left = size > frame->head_len ? size - frame->head_len : 0;
    for (unsigned i = 0; left && i < frame->parts; i++) {
        uint32_t n = (uint32_t)(left < frame->part[i].len ? left : frame->part[i].len);
        frame->part[i].off += n;
        frame->part[i].len -= n;
        left -= n;
    }
}

static bool make_segment(nod_stack *s, nod_frame *frame, struct nod_packet *packet,
                         struct nod_segment *seg)
{
    cut_padding(frame, packet->at + packet->ip.payload);
    if (!nod_tcp_parse(packet->l4, packet->have, &seg->h)) {
        nod_drop_segment(&s->env, NULL, frame->id, NOD_DROP_TCP_HEADER);
        return false;
    }
    if (!checksum_is_good(frame, packet)) { /* MUST-3 */
        nod_drop_segment(&s->env, NULL, frame->id, NOD_DROP_TCP_CHECKSUM);
        return false;
    }
    strip_headers(frame, packet->at + seg->h.size);
    seg->seq = seg->h.seq;
    seg->text = seg->payload = packet->ip.payload - seg->h.size;
    seg->syn = seg->h.ctl & NOD_SYN;
    seg->fin = seg->h.ctl & NOD_FIN;
    seg->parts = frame->part;
    seg->part_count = frame->parts;
    seg->frame = frame->id;
    seg->iface = frame->iface;
    seg->family = packet->ip.family;
    seg->dscp = packet->ip.tos >> 2;
    seg->ecn = packet->ip.tos & 3;
    seg->packets = frame->gso_size ? (seg->text + frame->gso_size - 1) / frame->gso_size : 1;
    return true;
}

static void to_tcb(nod_stack *s, struct nod_tcb *tcb, struct nod_segment *seg)
{
    if (!nod_tcb_wake(&s->env, tcb)) {
        nod_drop_segment(&s->env, &tcb->rec, seg->frame, NOD_DROP_MEMORY);
        return;
    }
    bool open = tcb->rec.state >= NOD_ESTABLISHED;
    bool fast = tcb->flags & TCB_FAST_OPEN && tcb->rec.state == NOD_SYN_SENT;
    unsigned again = tcb->work->retransmits;
    uint32_t una = tcb->snd.una, nxt = tcb->rcv.nxt;
    nod_tcb_input(&s->env, tcb, seg);
    nod_tcb_check(tcb);
    if (fast && tcb->rec.state >= NOD_ESTABLISHED) nod_fast_peer_heard(s, tcb, &seg->h.opt, again);
    bool progress = tcb->snd.una != una || (open && tcb->rcv.nxt != nxt);
    if (progress && s->net.doubtful) /* RFC 4861 7.3.1 */
        nod_net_confirm(&s->net, tcb->rec.iface, tcb->rec.key.remote);
    nod_settle(s, tcb);
}

static void to_syn_received(nod_stack *s, struct nod_syn_received *r, struct nod_segment *seg)
{
    struct nod_small_config config = nod_syn_received_config(s, r);
    nod_cookie_adopt(s, r, seg);
    switch (nod_syn_received_input(&s->env, r, seg, &config)) {
    case NOD_KEEP:
    case NOD_RESTART: return;
    case NOD_DELETE:
        s->env.stats.resets_in += (seg->h.ctl & NOD_RST) != 0;
        nod_syn_received_free(s, r);
        return;
    case NOD_PROMOTE: break;
    }
    if (nod_listen_defers(s, r, seg)) return;
    struct nod_tcb *tcb = nod_listen_promote(s, r);
    if (tcb)
        to_tcb(s, tcb, seg);
    else
        nod_drop_segment(&s->env, &r->rec, seg->frame, NOD_DROP_BACKLOG);
}

static void no_connection(nod_stack *s, const struct nod_key *key, struct nod_segment *seg)
{
    if (s->config.answer_closed)
        nod_reply_rst(&s->env, key, seg, NOD_CLOSED, NOD_WHY_RST_NO_CONNECTION);
    nod_drop_segment(&s->env, NULL, seg->frame, NOD_DROP_NO_CONNECTION);
}

static void to_time_wait(nod_stack *s, struct nod_time_wait *tw, struct nod_segment *seg)
{
    struct nod_key key = tw->rec.key;
    struct nod_listener *l;
    nod_usec left = tw->rec.timer.deadline;
    switch (nod_time_wait_input(&s->env, tw, seg)) {
    case NOD_KEEP:
    case NOD_DELETE: return;
    case NOD_RESTART:
        if (tw->slot != NOD_NO_SLOT) {
            struct nod_tcb *tcb = (struct nod_tcb *)nod_env_slot(&s->env, tw->slot)->object;
            left = s->env.now + 2 * tcb->config->c.msl_us;
        } else {
            left = s->env.now + 2 * s->config.tcp.msl_us;
        }
        nod_wheel_set(&s->env.wheel, &tw->rec.timer, left);
        return;
    case NOD_PROMOTE:
        l = nod_demux_listener(s, &key);
        if (!l || !nod_listener_has_room(l)) { /* nobody to connect to now: the wait goes on */
            nod_time_wait_ack(&s->env, tw, NOD_WHY_ACK_CHALLENGE);
            nod_drop_segment(&s->env, &tw->rec, seg->frame, NOD_DROP_SYN);
            return;
        }
        uint32_t floor = tw->snd_nxt;
        nod_time_wait_end(s, tw);
        nod_listen_input(s, l, &key, seg, floor); /* a SYN, and a record for it */
        return;
    }
}

static void segment_arrives(nod_stack *s, nod_frame *frame, struct nod_packet *packet)
{
    struct nod_segment seg;
    if (packet->broadcast) { /* MUST-57: nothing is broadcast by TCP */
        nod_drop_segment(&s->env, NULL, frame->id, NOD_DROP_BROADCAST);
        return;
    }
    if (!make_segment(s, frame, packet, &seg)) return;
    s->env.stats.segments_in++;
    struct nod_key key = {.local_port = seg.h.dst_port, .remote_port = seg.h.src_port};
    memcpy(key.local, packet->ip.dst, 16);
    memcpy(key.remote, packet->ip.src, 16);
    struct nod_record *rec = nod_demux_find(s, &key);
    struct nod_listener *l = rec ? NULL : nod_demux_listener(s, &key);
    nod_trace_in(s, l ? &l->rec : rec, &key, &seg);
    if (l) {
        struct nod_tcb *made = nod_listen_input(s, l, &key, &seg, 0);
        if (made) to_tcb(s, made, &seg);
    } else if (!rec) {
        no_connection(s, &key, &seg);
    } else {
        switch ((enum nod_record_kind)rec->kind) {
        case NOD_RECORD_TCB: to_tcb(s, (struct nod_tcb *)rec, &seg); break;
        case NOD_RECORD_SYN_RECEIVED:
            to_syn_received(s, (struct nod_syn_received *)rec, &seg);
            break;
        case NOD_RECORD_TIME_WAIT: to_time_wait(s, (struct nod_time_wait *)rec, &seg); break;
        case NOD_RECORD_PENDING: nod_pending_input(s, (struct nod_pending *)rec, &seg); break;
        case NOD_RECORD_LISTENER: break;
        }
    }
}

/* Errors that forbid the connection (SHLD-26): protocol or port unreachable, forbidden by a
 * filter. All others, those of a kind that nobody knows among them, are soft (MUST-56). */
static int hard_error(const struct nod_packet *packet)
{
    uint8_t type = packet->icmp_type, code = packet->icmp_code;
    if (packet->ip.family == 4) {
        if (type == 3 && code == 3) return NOD_EREFUSED;
        return type == 3 && (code == 2 || code == 9 || code == 10 || code == 13) ? NOD_EUNREACH : 0;
    }
    if (type == 1 && code == 4) return NOD_EREFUSED;
    return type == 1 && code == 1 ? NOD_EUNREACH : 0;
}

/* A half-open connection of a listener ends with what forbids it; nobody waits for it yet. */
static void half_open_error(nod_stack *s, uint32_t frame, struct nod_syn_received *r, int error,
                            uint32_t seq)
{
    if (seq != r->iss) {
        nod_drop_segment(&s->env, &r->rec, frame, NOD_DROP_ICMP);
    } else if (error) {
        nod_syn_received_free(s, r);
    }
}

/* An ICMP error about a segment of ours (MUST-54). It counts only if it quotes what is in
 * flight (RFC 5927 4.1), and ends nothing but an open (5927 5.2). */
static void icmp_error(nod_stack *s, uint32_t frame, const struct nod_packet *packet)
{
    const uint8_t *p = packet->quoted_l4;
    struct nod_key key = {.local_port = get16(p), .remote_port = get16(p + 2)};
    memcpy(key.local, packet->quoted.src, 16);
    memcpy(key.remote, packet->quoted.dst, 16);
    struct nod_record *rec =
        packet->quoted.protocol == NOD_PROTO_TCP ? nod_demux_find(s, &key) : NULL;
    uint32_t seq = get32(p + 4);
    int error = hard_error(packet);
    if (rec && rec->kind == NOD_RECORD_SYN_RECEIVED) {
        half_open_error(s, frame, (struct nod_syn_received *)rec, error, seq);
        return;
    }
    if (!rec || rec->kind != NOD_RECORD_TCB) return;
    struct nod_tcb *tcb = (struct nod_tcb *)rec;
    if (seq_lt(seq, tcb->snd.una) || seq_ge(seq, tcb->snd.nxt)) {
        nod_drop_segment(&s->env, rec, frame, NOD_DROP_ICMP);
        return;
    }
    if (packet->too_big) {
        nod_path_too_big(s, tcb, frame, seq, packet);
        return;
    }
    nod_trace *event = nod_tcb_trace(&s->env, tcb, NOD_TRACE_ICMP_IN);
    if (event) {
        event->frame = frame;
        event->u.icmp.type = packet->icmp_type;
        event->u.icmp.code = packet->icmp_code;
        event->u.icmp.error = error;
    }
    if (!nod_tcb_wake(&s->env, tcb)) return;
    bool opening = rec->state == NOD_SYN_SENT || rec->state == NOD_SYN_RECEIVED;
    if (error && opening) {
        nod_tcb_end(&s->env, tcb, error);
    } else {
        nod_tcb_soft_error(tcb, error ? error : NOD_EUNREACH);
    }
    nod_settle(s, tcb);
}

static void frame_arrives(nod_stack *s, nod_frame *frame, bool looped)
{
    struct nod_packet packet;
    s->env.stats.frames_in++;
    s->env.stats.bytes_in += nod_frame_length(frame);
    nod_net_input(&s->net, frame, looped, &packet);
    if (s->net.changed) nod_addresses_changed(s);
    switch (packet.kind) {
    case NOD_NET_DONE:
        if (packet.drop != NOD_DROP_NONE) nod_drop_segment(&s->env, NULL, frame->id, packet.drop);
        return;
    case NOD_NET_ERROR: icmp_error(s, frame->id, &packet); return;
    case NOD_NET_TRANSPORT: break;
    }
    if (packet.ip.protocol == NOD_PROTO_TCP) {
        segment_arrives(s, frame, &packet);
        return;
    }
    nod_drop_segment(&s->env, NULL, frame->id, NOD_DROP_PROTOCOL);
    if (s->config.answer_closed)
        nod_net_unreachable(&s->net, frame, &packet,
                            packet.ip.protocol == NOD_PROTO_UDP ? NOD_UNREACHABLE_PORT
                                                                : NOD_UNREACHABLE_PROTOCOL);
}

void nod_stack_input(nod_stack *s, nod_frame *frames, int count, nod_usec now)
{
    s->env.now = s->net.now = max_u64(s->env.now, now);
    for (int i = 0; i < count; i++) {
        frame_arrives(s, &frames[i], false);
        nod_frame_release(&frames[i]);
    }
}

void nod_loopback_input(nod_stack *s)
{
    nod_frame frame;
    for (unsigned n = s->net.looped_count; n && nod_net_unloop(&s->net, &frame); n--) {
        frame_arrives(s, &frame, true);
        nod_frame_release(&frame);
    }
}
