#include "ss.h"

static void add(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void add_since(json_t *object, const char *key, nod_usec since)
{
    json_object_set_new(object, key,
                        since != NOD_NEVER ? json_integer((json_int_t)since) : json_null());
}

static json_t *endpoint(const nod_endpoint *end)
{
    char text[NOD_ADDR_TEXT];
    nod_addr_format(&end->addr, text, sizeof text);
    return json_pack("{s:s?, s:i}", "address", end->addr.family ? text : NULL, "port",
                     (int)end->port);
}

static void add_sequence(json_t *object, const nod_status *s)
{
    add(object, "snd_una", s->snd_una);
    add(object, "snd_nxt", s->snd_nxt);
    add(object, "snd_wnd", s->snd_wnd);
    add(object, "rcv_nxt", s->rcv_nxt);
    add(object, "rcv_wnd", s->rcv_wnd);
    add(object, "send_buffer", s->send_buffer);
    add(object, "receive_buffer", s->receive_buffer);
    add(object, "receive_rtt_us", s->receive_rtt_us);
    add(object, "receive_space", s->receive_space);
    add(object, "iss", s->iss);
    add(object, "irs", s->irs);
}

static void add_traffic(json_t *object, const nod_status *s)
{
    add(object, "receive_queue", s->receive_queue);
    add(object, "send_queue", s->send_queue);
    add(object, "unsent", s->send_unsent);
    add(object, "out_of_order", s->out_of_order);
    add(object, "bytes_sent", s->bytes_sent);
    add(object, "bytes_acked", s->bytes_acked);
    add(object, "bytes_received", s->bytes_received);
    add(object, "sacked", s->sacked);
    add(object, "lost", s->lost);
    add(object, "sent_again_in_flight", s->again);
    add(object, "segments_retransmitted", s->segments_retransmitted);
    add(object, "urgent", s->urgent);
    add(object, "keepalive_probes", s->keepalive_probes);
    add(object, "retransmits", s->retransmits);
    add(object, "probes", s->probes);
    add(object, "duplicate_acks", s->dup_acks);
    json_object_set_new(object, "recovery", json_boolean(s->recovery));
    add_since(object, "since_sent_us", s->since_sent_us);
    add_since(object, "since_received_us", s->since_received_us);
}

static void add_counted(json_t *object, const nod_count *n)
{
    add(object, "bytes_out", n->bytes_out);
    add(object, "bytes_sent_again", n->bytes_again);
    add(object, "segments_out", n->segments_out);
    add(object, "segments_in", n->segments_in);
    add(object, "text_segments_out", n->text_out);
    add(object, "text_segments_in", n->text_in);
    add(object, "text_segments_sent_again", n->text_again);
    add(object, "delivered", n->delivered);
    add(object, "segments_out_of_order", n->out_of_order);
    add(object, "timeouts", n->timeouts);
    add(object, "dsacks", n->dsacks);
    add(object, "reorderings", n->reorderings);
    add(object, "min_rtt_us", n->min_rtt_us);
    add(object, "busy_us", n->busy_us);
    add(object, "window_limited_us", n->window_limited_us);
    add(object, "buffer_limited_us", n->buffer_limited_us);
    add(object, "dscp", n->dscp);
    add_since(object, "since_ack_us", n->since_ack_us);
}

/* Octets a second; null: none is known, or there is no limit. */
static void add_rate(json_t *object, const char *name, uint64_t rate)
{
    bool none = rate == 0 || rate == NOD_UNPACED;
    json_object_set_new(object, name, none ? json_null() : json_integer((json_int_t)rate));
}

static void add_path(json_t *object, const nod_status *s)
{
    add(object, "mss", s->mss);
    add(object, "advertised_mss", s->adv_mss);
    add(object, "path_mtu", s->path_mtu);
    add(object, "delayed_ack_us", s->delayed_ack_us);
    add(object, "peer_mss_seen", s->rcv_mss);
    add(object, "cwnd", s->cwnd);
    json_object_set_new(object, "ssthresh",
                        s->ssthresh < INT32_MAX ? json_integer(s->ssthresh) : json_null());
    json_object_set_new(object, "srtt_us",
                        s->srtt_us ? json_integer((json_int_t)s->srtt_us) : json_null());
    json_object_set_new(object, "rttvar_us",
                        s->srtt_us ? json_integer((json_int_t)s->rttvar_us) : json_null());
    add(object, "rto_us", s->rto_us);
    add_rate(object, "pacing_rate", s->pacing_rate);
    add_rate(object, "max_pacing_rate", s->max_pacing_rate);
    add_rate(object, "delivery_rate", s->delivery_rate);
    json_object_set_new(object, "delivery_limited", json_boolean(s->delivery_limited));
    json_object_set_new(object, "timestamps", json_boolean(s->timestamps));
    json_object_set_new(object, "sack", json_boolean(s->sack));
    static const char *const kinds[] = {"none", "classic", "accurate"};
    json_object_set_new(object, "ecn", json_string(kinds[s->ecn]));
    json_object_set_new(object, "ecn_seen", json_boolean(s->ecn_seen));
    if (s->ecn == NOD_ECN_ACCURATE) {
        add(object, "delivered_ce", s->ecn_out.ce_packets);
        add(object, "received_ce", s->ecn_in.ce_packets);
    }
    json_object_set_new(object, "send_scale",
                        s->snd_scale >= 0 ? json_integer(s->snd_scale) : json_null());
    json_object_set_new(object, "receive_scale",
                        s->rcv_scale >= 0 ? json_integer(s->rcv_scale) : json_null());
}

static json_t *timer(const nod_status *s)
{
    const char *name = ss_timer(s);
    if (!name) return json_null();
    return json_pack("{s:s, s:I}", "kind", name, "due_in_us", (json_int_t)s->timer_us);
}

static json_t *connection(const nod_status *s)
{
    json_t *object = json_pack("{s:s, s:o, s:o}", "state", nod_state_name(s->state), "local",
                               endpoint(&s->local), "remote", endpoint(&s->remote));
    if (s->congestion[0]) json_object_set_new(object, "congestion", json_string(s->congestion));
    if (s->state == NOD_LISTEN) {
        add(object, "backlog", s->backlog);
        add(object, "backlog_used", s->backlog_used);
        return object;
    }
    json_object_set_new(object, "timer", timer(s));
    add_sequence(object, s);
    if (s->state == NOD_TIME_WAIT || s->state == NOD_SYN_RECEIVED) return object;
    add_traffic(object, s);
    add_path(object, s);
    if (s->counted) add_counted(object, &s->count);
    return object;
}

void ss_describe(const nod_report *report, const struct ss_options *options, json_t *object)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < report->count; i++)
        if (ss_wants(options, &report->status[i]))
            json_array_append_new(list, connection(&report->status[i]));
    json_object_set_new(object, "connections", list);
}
