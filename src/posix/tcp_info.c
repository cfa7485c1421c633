/* STATUS in the layout of Linux's struct tcp_info: the only place that knows it. */
#include <linux/tcp.h>
#include <string.h>

#include "nod/linux.h"

/* Headers are older than kernels: what comes behind the last member that all of them have. */
struct long_info {
    struct tcp_info base;
    uint32_t rcv_wnd, rehash;
};
_Static_assert(sizeof(struct long_info) == NOD_LINUX_TCP_INFO, "Linux's struct tcp_info");

static uint8_t linux_state(enum nod_state state)
{
    switch (state) {
    case NOD_CLOSED: return 7;
    case NOD_LISTEN: return 10;
    case NOD_SYN_SENT: return 2;
    case NOD_SYN_RECEIVED: return 3;
    case NOD_ESTABLISHED: return 1;
    case NOD_FIN_WAIT_1: return 4;
    case NOD_FIN_WAIT_2: return 5;
    case NOD_CLOSE_WAIT: return 8;
    case NOD_CLOSING: return 11;
    case NOD_LAST_ACK: return 9;
    case NOD_TIME_WAIT: return 6;
    }
    return 7;
}

static uint8_t octet(uint32_t value)
{
    return (uint8_t)(value < 255 ? value : 255);
}

static uint32_t ms(nod_usec span)
{
    return span == NOD_NEVER ? 0 : (uint32_t)(span / NOD_MSEC);
}

static uint8_t congestion_state(const nod_status *s)
{
    if (s->recovery) return TCP_CA_Recovery;
    if (s->retransmits > 0 && s->state > NOD_SYN_RECEIVED) return TCP_CA_Loss;
    return s->sacked > 0 || s->dup_acks > 0 ? TCP_CA_Disorder : TCP_CA_Open;
}

/* Linux counts SYN and FIN as segments that are delivered, but a SYN with its text as one. */
static uint32_t delivered(const nod_status *s)
{
    uint32_t syn = s->state >= NOD_ESTABLISHED && !(s->active && s->syn_text);
    uint32_t fin = s->state == NOD_FIN_WAIT_2 || s->state == NOD_TIME_WAIT;
    return s->counted ? s->count.delivered + syn + fin : 0;
}

static void fill_state(const nod_status *s, struct tcp_info *info)
{
    uint32_t probes = s->probes > s->keepalive_probes ? s->probes : s->keepalive_probes;
    info->tcpi_state = linux_state(s->state);
    info->tcpi_ca_state = congestion_state(s);
    info->tcpi_retransmits = octet(s->retransmits);
    info->tcpi_probes = octet(probes);
    info->tcpi_backoff = octet(s->timer == NOD_TIMER_PERSIST ? s->probes : s->retransmits);
    if (s->timestamps) info->tcpi_options |= TCPI_OPT_TIMESTAMPS;
    if (s->sack) info->tcpi_options |= TCPI_OPT_SACK;
    if (s->syn_text) info->tcpi_options |= TCPI_OPT_SYN_DATA;
    if (s->ecn) info->tcpi_options |= TCPI_OPT_ECN;
    if (s->ecn_seen) info->tcpi_options |= TCPI_OPT_ECN_SEEN;
    info->tcpi_delivered_ce = s->ecn_out.ce_packets;
    if (s->snd_scale >= 0) {
        info->tcpi_options |= TCPI_OPT_WSCALE;
        info->tcpi_snd_wscale = (uint8_t)s->snd_scale & 15;
        info->tcpi_rcv_wscale = (uint8_t)s->rcv_scale & 15;
    }
}

static void fill_path(const nod_status *s, uint32_t mss, struct tcp_info *info)
{
    bool unlimited = s->ssthresh >= INT32_MAX; /* before the first loss */
    info->tcpi_rto = (uint32_t)s->rto_us;
    info->tcpi_ato = (uint32_t)s->delayed_ack_us;
    info->tcpi_snd_mss = mss;
    info->tcpi_rcv_mss = s->rcv_mss ? s->rcv_mss : mss < 536 ? mss : 536;
    info->tcpi_advmss = s->adv_mss ? s->adv_mss - (s->timestamps ? 12u : 0u) : mss;
    info->tcpi_pmtu = s->path_mtu;
    info->tcpi_rtt = (uint32_t)s->srtt_us;
    info->tcpi_rttvar = (uint32_t)s->rttvar_us;
    info->tcpi_snd_ssthresh = unlimited ? INT32_MAX : s->ssthresh / mss;
    info->tcpi_snd_cwnd = s->cwnd / mss;
    info->tcpi_reordering = 3;
    info->tcpi_rcv_rtt = (uint32_t)s->receive_rtt_us;
    info->tcpi_rcv_space = s->receive_space ? s->receive_space : s->rcv_wnd;
    info->tcpi_rcv_ssthresh = s->receive_buffer; /* the largest window that is offered now */
    info->tcpi_snd_wnd = s->snd_wnd;
    info->tcpi_pacing_rate = s->pacing_rate;
    info->tcpi_max_pacing_rate = s->max_pacing_rate;
    info->tcpi_delivery_rate = s->delivery_rate;
    info->tcpi_delivery_rate_app_limited = s->delivery_limited;
}

static void fill_traffic(const nod_status *s, uint32_t mss, struct tcp_info *info)
{
    uint32_t flight = s->send_queue - s->send_unsent;
    info->tcpi_unacked = (flight + mss - 1) / mss;
    info->tcpi_sacked = (s->sacked + mss - 1) / mss;
    info->tcpi_lost = (s->lost + s->again + mss - 1) / mss; /* lost until acknowledged */
    info->tcpi_retrans = (s->again + mss - 1) / mss;
    info->tcpi_last_data_sent = ms(s->since_sent_us);
    info->tcpi_last_data_recv = ms(s->since_received_us);
    info->tcpi_total_retrans = s->segments_retransmitted;
    info->tcpi_bytes_acked = s->bytes_acked;
    info->tcpi_bytes_received = s->bytes_received;
    info->tcpi_bytes_sent = s->bytes_sent;
    info->tcpi_notsent_bytes = s->send_unsent;
}

static void fill_counted(const nod_status *s, struct tcp_info *info)
{
    const nod_count *n = &s->count;
    if (!s->counted) return;
    info->tcpi_last_ack_recv = ms(n->since_ack_us);
    info->tcpi_segs_out = n->segments_out;
    info->tcpi_segs_in = n->segments_in;
    info->tcpi_min_rtt = n->min_rtt_us ? (uint32_t)n->min_rtt_us : UINT32_MAX;
    info->tcpi_data_segs_in = n->text_in;
    info->tcpi_data_segs_out = n->text_out;
    info->tcpi_busy_time = n->busy_us;
    info->tcpi_rwnd_limited = n->window_limited_us;
    info->tcpi_sndbuf_limited = n->buffer_limited_us;
    info->tcpi_delivered = delivered(s);
    info->tcpi_bytes_sent = n->bytes_out;
    info->tcpi_bytes_retrans = n->bytes_again;
    info->tcpi_rcv_ooopack = n->out_of_order;
    info->tcpi_dsack_dups = n->dsacks;
    info->tcpi_reord_seen = n->reorderings;
}

size_t nod_linux_tcp_info(const nod_status *s, void *out, size_t room)
{
    uint32_t mss = s->mss ? s->mss : 536;
    struct long_info all = {.rcv_wnd = s->rcv_wnd};
    fill_state(s, &all.base);
    fill_path(s, mss, &all.base);
    fill_traffic(s, mss, &all.base);
    fill_counted(s, &all.base);
    if (s->state == NOD_LISTEN) { /* the queue, and its limit */
        all.base.tcpi_unacked = s->backlog_used;
        all.base.tcpi_sacked = s->backlog > 0 ? s->backlog - 1 : 0;
    }
    memcpy(out, &all, room < sizeof(all) ? room : sizeof(all));
    return sizeof(all);
}
