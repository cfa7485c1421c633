/* The table of `nod ss`, in the shape that ss(8) gives it. It is read by programs too, so it
 * is the same in every language. */
#include "ss.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CELL 64

/* A connection's cells; addresses are set right, ports left, so that the colons align. */
enum column { STATE, RECV_Q, SEND_Q, LOCAL, LOCAL_PORT, PEER, PEER_PORT, COLUMNS };

struct row {
    char cell[COLUMNS][CELL];
};

static const struct row headings = {
    {"State", "Recv-Q", "Send-Q", "Local Address", "Port", "Peer Address", "Port"}};

const char *ss_state(enum nod_state state)
{
    switch (state) {
    case NOD_CLOSED: return "UNCONN";
    case NOD_LISTEN: return "LISTEN";
    case NOD_SYN_SENT: return "SYN-SENT";
    case NOD_SYN_RECEIVED: return "SYN-RECV";
    case NOD_ESTABLISHED: return "ESTAB";
    case NOD_FIN_WAIT_1: return "FIN-WAIT-1";
    case NOD_FIN_WAIT_2: return "FIN-WAIT-2";
    case NOD_CLOSE_WAIT: return "CLOSE-WAIT";
    case NOD_CLOSING: return "CLOSING";
    case NOD_LAST_ACK: return "LAST-ACK";
    case NOD_TIME_WAIT: return "TIME-WAIT";
    }
    return "UNKNOWN";
}

/* `family` is the other end's, which says of which kind an address is that was not given. */
static void fill_endpoint(const nod_endpoint *end, uint8_t family, char *addr, char *port)
{
    char text[NOD_ADDR_TEXT];
    if (end->addr.family == 0)
        snprintf(addr, CELL, "%s", family == 4 ? "0.0.0.0" : family == 6 ? "[::]" : "*");
    else
        snprintf(addr, CELL, end->addr.family == 6 ? "[%s]" : "%s",
                 nod_addr_format(&end->addr, text, sizeof text));
    snprintf(port, CELL, "%u", end->port);
    if (end->port == 0) snprintf(port, CELL, "*");
}

static void fill_row(const nod_status *s, struct row *row)
{
    bool listener = s->state == NOD_LISTEN;
    snprintf(row->cell[STATE], CELL, "%s", ss_state(s->state));
    snprintf(row->cell[RECV_Q], CELL, "%" PRIu32, listener ? s->backlog_used : s->receive_queue);
    snprintf(row->cell[SEND_Q], CELL, "%" PRIu32, listener ? s->backlog : s->send_queue);
    fill_endpoint(&s->local, s->remote.addr.family, row->cell[LOCAL], row->cell[LOCAL_PORT]);
    fill_endpoint(&s->remote, s->local.addr.family, row->cell[PEER], row->cell[PEER_PORT]);
}

static void widen(const struct row *row, int width[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        int len = (int)strlen(row->cell[i]);
        if (len > width[i]) width[i] = len;
    }
}

static void print_row(const struct row *row, const int width[COLUMNS])
{
    const char(*cell)[CELL] = row->cell;
    printf("%-*s %-*s %-*s %*s:%-*s %*s:%-*s", width[STATE], cell[STATE], width[RECV_Q],
           cell[RECV_Q], width[SEND_Q], cell[SEND_Q], width[LOCAL], cell[LOCAL], width[LOCAL_PORT],
           cell[LOCAL_PORT], width[PEER], cell[PEER], width[PEER_PORT], cell[PEER_PORT]);
}

/* "58sec", "1.200ms" (a second and 200 ms), "3min20sec": as ss has it. */
static void print_span(nod_usec span)
{
    nod_usec ms = span / NOD_MSEC, minutes = ms / 60000, seconds = ms / 1000 % 60;
    ms %= 1000;
    if (minutes > 0) printf("%" PRIu64 "min", minutes), ms = 0;
    if (minutes > 9) seconds = 0;
    if (seconds > 9) ms = 0;
    if (seconds > 0) printf("%" PRIu64 "%s", seconds, ms > 0 ? "." : "sec");
    if (ms > 0 || (minutes == 0 && seconds == 0)) printf("%03" PRIu64 "ms", ms);
}

/* How often the timer has run out in a row. */
static uint32_t times(const nod_status *s)
{
    if (s->timer == NOD_TIMER_KEEPALIVE) return s->keepalive_probes;
    return s->timer == NOD_TIMER_PERSIST ? s->probes : s->retransmits;
}

static void print_timer(const nod_status *s)
{
    const char *timer = ss_timer(s);
    if (!timer) return;
    printf(" timer:(%s,", timer);
    print_span(s->timer_us);
    printf(",%" PRIu32 ")", times(s));
}

static void print_counter(const char *name, uint64_t value)
{
    if (value > 0) printf(" %s:%" PRIu64, name, value);
}

static void print_congestion(const nod_status *s)
{
    uint32_t mss = s->mss > 0 ? s->mss : 1;
    if (s->mss > 0) printf(" mss:%u", s->mss);
    print_counter("pmtu", s->path_mtu);
    print_counter("rcvmss", s->rcv_mss);
    print_counter("advmss", s->adv_mss);
    printf(" cwnd:%" PRIu32, s->cwnd / mss);
    /* Unlimited until there is a first loss. */
    if (s->ssthresh < INT32_MAX) printf(" ssthresh:%" PRIu32, s->ssthresh / mss);
}

/* "busy:35ms rwnd_limited:20ms(57.1%)" */
static void print_limit(const char *name, nod_usec span, nod_usec busy)
{
    if (span < NOD_MSEC) return;
    printf(" %s:%" PRIu64 "ms", name, span / NOD_MSEC);
    if (span < busy) printf("(%.1f%%)", 100.0 * (double)span / (double)busy);
}

static void print_counted(const nod_count *n)
{
    print_counter("segs_out", n->segments_out);
    print_counter("segs_in", n->segments_in);
    print_counter("data_segs_out", n->text_out);
    print_counter("data_segs_in", n->text_in);
}

static void print_delivery(const nod_count *n)
{
    print_counter("delivered", n->delivered);
    print_limit("busy", n->busy_us, 0);
    print_limit("rwnd_limited", n->window_limited_us, n->busy_us);
    print_limit("sndbuf_limited", n->buffer_limited_us, n->busy_us);
}

static double bits(uint64_t octets)
{
    return (double)octets * 8;
}

/* "pacing_rate 5000000bps/8000000bps", the second one the limit of SO_MAX_PACING_RATE. */
static void print_rates(const nod_status *s)
{
    if (s->pacing_rate != NOD_UNPACED) printf(" pacing_rate %.0fbps", bits(s->pacing_rate));
    if (s->max_pacing_rate != NOD_UNPACED) printf("/%.0fbps", bits(s->max_pacing_rate));
    if (s->delivery_rate > 0) printf(" delivery_rate %.0fbps", bits(s->delivery_rate));
    if (s->delivery_limited) printf(" app_limited");
}

static void print_traffic(const nod_status *s)
{
    uint32_t mss = s->mss > 0 ? s->mss : 1, flight = s->snd_nxt - s->snd_una;
    print_counter("bytes_sent", s->counted ? s->count.bytes_out : s->bytes_sent);
    print_counter("bytes_retrans", s->count.bytes_again);
    print_counter("bytes_acked", s->bytes_acked);
    print_counter("bytes_received", s->bytes_received);
    if (s->counted) print_counted(&s->count);
    if (s->srtt_us > 0)
        printf(" send %.0fbps", (double)s->cwnd * 8 * (double)NOD_SEC / (double)s->srtt_us);
    if (s->since_sent_us != NOD_NEVER) printf(" lastsnd:%" PRIu64, s->since_sent_us / NOD_MSEC);
    if (s->since_received_us != NOD_NEVER)
        printf(" lastrcv:%" PRIu64, s->since_received_us / NOD_MSEC);
    if (s->counted) printf(" lastack:%" PRIu64, s->count.since_ack_us / NOD_MSEC);
    print_rates(s);
    if (s->counted) print_delivery(&s->count);
    print_counter("unacked", (flight + mss - 1) / mss);
    if (s->segments_retransmitted > 0)
        printf(" retrans:%" PRIu32 "/%" PRIu32, (s->again + mss - 1) / mss,
               s->segments_retransmitted);
    print_counter("lost", (s->lost + mss - 1) / mss);
    print_counter("sacked", (s->sacked + mss - 1) / mss);
    print_counter("dsack_dups", s->count.dsacks);
    print_counter("reord_seen", s->count.reorderings);
    print_counter("delivered_ce", s->ecn_out.ce_packets);
    print_counter("received_ce", s->ecn_in.ce_packets);
    print_counter("notsent", s->send_unsent);
    if (s->count.min_rtt_us > 0) printf(" minrtt:%g", (double)s->count.min_rtt_us / 1000);
    print_counter("rcv_ooopack", s->count.out_of_order);
    print_counter("rcv_ooo", s->out_of_order);
    if (s->receive_rtt_us > 0) printf(" rcv_rtt:%g", (double)s->receive_rtt_us / 1000);
    print_counter("rcv_space", s->receive_space);
    printf(" snd_wnd:%" PRIu32 " rcv_wnd:%" PRIu32, s->snd_wnd, s->rcv_wnd);
    printf(" snd_buf:%" PRIu32 " rcv_buf:%" PRIu32, s->send_buffer, s->receive_buffer);
}

/* Small records, half open or over, know nothing of it. */
static bool has_info(const nod_status *s)
{
    return s->state != NOD_TIME_WAIT && s->state != NOD_SYN_RECEIVED;
}

static void print_info(const nod_status *s)
{
    if (s->timestamps) printf(" ts");
    if (s->sack) printf(" sack");
    if (s->ecn != NOD_ECN_NONE) printf(s->ecn == NOD_ECN_ACCURATE ? " accecn" : " ecn");
    if (s->ecn_seen) printf(" ecnseen");
    if (s->congestion[0]) printf(" %s", s->congestion);
    if (s->state == NOD_LISTEN) return;
    if (s->snd_scale >= 0) printf(" wscale:%d,%d", s->snd_scale, s->rcv_scale);
    if (s->rto_us > 0) printf(" rto:%g", (double)s->rto_us / 1000);
    print_counter("backoff", s->timer == NOD_TIMER_PERSIST ? s->probes : s->retransmits);
    if (s->srtt_us > 0)
        printf(" rtt:%g/%g", (double)s->srtt_us / 1000, (double)s->rttvar_us / 1000);
    if (s->delayed_ack_us > 0) printf(" ato:%g", (double)s->delayed_ack_us / 1000);
    print_congestion(s);
    print_traffic(s);
}

static void print_connection(const nod_report *report, const nod_status *s,
                             const struct ss_options *options, const int width[COLUMNS])
{
    struct row row;
    fill_row(s, &row);
    print_row(&row, width);
    if (options->users) printf(" users:((\"%s\",pid=%d))", report->name, report->pid);
    if (options->timers) print_timer(s);
    if (options->info && has_info(s)) {
        if (!options->one_line) printf("\n\t");
        print_info(s);
    }
    putchar('\n');
}

void ss_print(const struct stacks *stacks, const struct ss_options *options)
{
    int width[COLUMNS] = {0};
    struct row row;
    if (!options->no_header) widen(&headings, width);
    for (int i = 0; i < stacks->count; i++) {
        for (uint32_t j = 0; j < stacks->list[i].count; j++) {
            if (!ss_wants(options, &stacks->list[i].status[j])) continue;
            fill_row(&stacks->list[i].status[j], &row);
            widen(&row, width);
        }
    }
    if (!options->no_header) {
        print_row(&headings, width);
        puts(" Process");
    }
    for (int i = 0; i < stacks->count; i++) {
        for (uint32_t j = 0; j < stacks->list[i].count; j++) {
            if (ss_wants(options, &stacks->list[i].status[j]))
                print_connection(&stacks->list[i], &stacks->list[i].status[j], options, width);
        }
    }
}
