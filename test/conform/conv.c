#include "conv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { NOD_PORT = 80, PEER_PORT = 40000 };

void conv_open(struct conv *c, const struct row *row, struct variant variant, FILE *listing)
{
    memset(c, 0, sizeof *c);
    stage_open(&c->stage, listing);
    c->row = row;
    c->variant = variant;
    c->flow = &c->stage.flow[0];
    c->peer_win = 60000;
    c->stage.config.max_connections = 64;
    /* More than 2 MSL, so that no user timeout comes into a cell about something else. */
    c->stage.config.tcp.syn_timeout_us = 300 * NOD_SEC;
    /* The table is of RFC 9293 alone: a probe would come in the timeout's place. */
    c->stage.config.tcp.loss_probe = false;
    if (variant.six) {
        nod_addr_parse("fd00::1", &c->stage.nod);
        nod_addr_parse("fd00::2", &c->stage.peer);
    }
    c->flow->nod = (nod_endpoint){.addr = c->stage.nod, .port = NOD_PORT};
    c->flow->peer = (nod_endpoint){.addr = c->stage.peer, .port = PEER_PORT};
    bool numbers_are_absolute =
        row->from == NOD_CLOSED || row->from == NOD_LISTEN || row->from == NOD_SYN_SENT;

    c->flow->isn = numbers_are_absolute ? 0 : 0xfffffffb; /* wraps soon */
    c->listener = stage_add_flow(&c->stage, "listener");
    c->listener->listens = true;
}

bool conv_boot(struct conv *c)
{
    return stage_boot(&c->stage);
}

void conv_close(struct conv *c)
{
    stage_close(&c->stage);
}

void conv_tell(struct conv *c, const char *format, ...)
{
    va_list args;

    fprintf(c->stage.listing, "  %10.6f   ", (double)(c->stage.now - STAGE_EPOCH) / 1e6);
    va_start(args, format);
    vfprintf(c->stage.listing, format, args);
    va_end(args);
    fputc('\n', c->stage.listing);
}

/* The right edge of what nod offers never moves to the left (SHLD-14) but for what scaling
 * rounds off, and then what was offered before is still taken (RFC 7323 section 2.4). */
static void note_window(struct conv *c, const struct segment *s)
{
    bool syn = s->ctl & NOD_SYN;
    uint8_t scale = syn ? 0 : c->n.scale;
    uint32_t before = c->n.rcv_nxt + c->n.rcv_wnd, unit = (uint32_t)1 << c->n.scale;

    c->n.rcv_nxt = s->ctl & NOD_ACK ? s->ack : c->n.rcv_nxt;
    uint32_t edge = c->n.rcv_nxt + (s->win << scale);
    int32_t gain = (int32_t)(edge - before);

    if (!syn && c->n.offered && gain <= -(int32_t)unit) {
        stage_fail(&c->stage, "the window's right edge moved from %u to %u", before, edge);
    }
    edge = syn || !c->n.offered || gain > 0 ? edge : before;
    c->n.rcv_wnd = edge - c->n.rcv_nxt;
    c->n.offered = s->ctl & NOD_ACK;
}

/* Learns from a segment of nod's. */
static void note_segment(struct conv *c, const struct seen *seen)
{
    const struct segment *s = &seen->segment;
    const char *ts = strstr(s->options, "TS val ");
    uint32_t end = s->seq + s->length + (s->ctl & NOD_SYN ? 1 : 0) + (s->ctl & NOD_FIN ? 1 : 0);

    if (ts) {
        sscanf(ts, "TS val %" SCNu32, &c->nod_ts);
    }
    if (s->ctl & NOD_RST || !c->flow->iss_known) {
        return;
    }
    /* Once agreed on, every segment but a RST has them (RFC 7323 section 3.2). */
    if (s->ctl & NOD_ACK && (ts != NULL) != c->variant.options) {
        stage_fail(&c->stage, "timestamps %s", ts ? "were not agreed on" : "are missing");
    }
    if (s->ctl & NOD_SYN && c->n.nxt == c->n.iss) {
        c->n.una = s->seq;
    }
    if (end != s->seq) {
        c->owed_since = c->n.una == c->n.nxt ? seen->time : c->owed_since;
    }
    if ((int32_t)(end - c->n.nxt) > 0) {
        c->n.nxt = end;
    }
    if (s->ctl & NOD_SYN && c->variant.options) {
        const char *scale = strstr(s->options, "wscale ");

        c->n.scale = scale ? (uint8_t)(scale[7] - '0') : 0;
    }
    note_window(c, s);
}

static void note(struct conv *c)
{
    while (c->noted < c->stage.seen_count) {
        note_segment(c, &c->stage.seen[c->noted++]);
    }
}

bool conv_settle(struct conv *c)
{
    bool good = stage_settle(&c->stage);

    note(c);
    return good;
}

bool conv_wait(struct conv *c, nod_usec time)
{
    bool good = stage_advance(&c->stage, c->stage.now + time);

    note(c);
    return good;
}

static void add_options(struct conv *c, struct segment *s)
{
    bool syn = s->ctl & NOD_SYN;
    uint32_t ms = (uint32_t)((c->stage.now - STAGE_EPOCH) / 1000) + 5000;

    if (!c->variant.options || s->has_options) {
        return;
    }
    s->has_options = true;
    if (syn) {
        snprintf(s->options, sizeof s->options, "mss 1460,sackOK,TS val %u ecr %u,nop,wscale %d",
                 ms, c->nod_ts, PEER_SCALE);
    } else {
        snprintf(s->options, sizeof s->options, "nop,nop,TS val %u ecr %u", ms, c->nod_ts);
    }
    c->n.ts_recent = ms;
}

bool conv_inject(struct conv *c, const struct segment *given)
{
    struct segment s = *given;

    if (!s.has_win) {
        s.win = c->peer_win;
    }
    s.has_seq = s.has_win = s.has_length = true;
    s.has_ack = s.ctl & NOD_ACK;
    s.has_up = s.ctl & NOD_URG;
    add_options(c, &s);
    return stage_inject(&c->stage, c->flow, &s, false) && conv_settle(c);
}

/* In the setting of a scene: what the peer says here is right, and nod must take it. */
bool conv_say(struct conv *c, unsigned ctl, uint32_t seq, uint32_t ack, uint32_t length)
{
    struct segment s = {.ctl = (uint16_t)ctl, .seq = seq, .ack = ack, .length = length};
    bool scaled = c->variant.options && !(ctl & NOD_SYN);

    if (ctl & NOD_SYN) {
        c->n.irs = seq;
        c->flow->received = (uint64_t)(uint32_t)(seq + 1) - 1;
    }
    if (ctl & NOD_ACK) {
        c->n.una = ack;
    }
    c->n.snd_wnd = c->peer_win << (scaled ? PEER_SCALE : 0);
    c->n.max_wnd = c->n.snd_wnd > c->n.max_wnd ? c->n.snd_wnd : c->n.max_wnd;
    return conv_inject(c, &s);
}

void conv_mark(struct conv *c)
{
    c->stage.seen_count = c->noted = 0;
    memset(c->stage.heard, 0, sizeof c->stage.heard);
}

uint32_t conv_heard(struct conv *c)
{
    return c->flow->handle ? stage_heard(&c->stage, c->flow->handle)->flags : 0;
}

int conv_open_active(struct conv *c)
{
    nod_open open = {.local = c->flow->nod, .remote = c->flow->peer};
    nod_handle handle;
    int error = nod_tcp_open(c->stage.stack, &open, &handle);

    conv_tell(c, "OPEN active -> %d", error);
    if (error == 0) {
        c->flow->handle = handle;
    }
    return error;
}

int conv_open_passive(struct conv *c, bool name_peer, nod_handle *out)
{
    nod_open open = {.passive = true, .local = c->flow->nod};

    if (name_peer) {
        open.remote = c->flow->peer;
    }
    int error = nod_tcp_open(c->stage.stack, &open, out);

    conv_tell(c, "OPEN passive%s -> %d", name_peer ? ", remote socket named" : "", error);
    return error;
}

ptrdiff_t conv_send(struct conv *c, size_t len)
{
    uint8_t bytes[4096];

    for (size_t i = 0; i < len && i < sizeof bytes; i++) {
        bytes[i] = stream_byte(false, c->flow->sent + i);
    }
    ptrdiff_t n = nod_tcp_send(c->stage.stack, c->flow->handle, bytes, len, 0);

    conv_tell(c, "SEND %zu -> %td", len, n);
    c->flow->sent += n > 0 ? (uint64_t)n : 0;
    return n;
}

ptrdiff_t conv_receive(struct conv *c, size_t len)
{
    uint8_t bytes[4096];
    ptrdiff_t n = nod_tcp_receive(c->stage.stack, c->flow->handle, bytes,
                                  len < sizeof bytes ? len : sizeof bytes);

    conv_tell(c, "RECEIVE %zu -> %td", len, n);
    for (ptrdiff_t i = 0; i < n; i++) {
        if (bytes[i] != stream_byte(true, c->flow->received++)) {
            stage_fail(&c->stage, "RECEIVE gave a wrong byte");
            break;
        }
    }
    return n;
}

int conv_accept(struct conv *c)
{
    int error = nod_tcp_accept(c->stage.stack, c->listener->handle, &c->flow->handle);

    conv_tell(c, "accept -> %d", error);
    return error;
}

static bool is_pair(const struct conv *c, const nod_status *s)
{
    return s->local.port == c->flow->nod.port && s->remote.port == c->flow->peer.port &&
           nod_addr_equal(&s->local.addr, &c->flow->nod.addr) &&
           nod_addr_equal(&s->remote.addr, &c->flow->peer.addr) && s->state != NOD_LISTEN;
}

bool conv_record(struct conv *c, nod_status *out)
{
    size_t cursor = 0;
    nod_status status;
    int found = 0;

    while (nod_tcp_each(c->stage.stack, &cursor, &status)) {
        if (is_pair(c, &status)) {
            *out = status;
            found++;
        }
    }
    if (found > 1) {
        stage_fail(&c->stage, "one connection has %d records", found);
    }
    return found > 0;
}

bool conv_is_listening(struct conv *c)
{
    nod_status status;

    return c->listener->handle &&
           nod_tcp_status(c->stage.stack, c->listener->handle, &status) == 0 &&
           status.state == NOD_LISTEN;
}

/* A new incarnation's record is not the old name's. */
static bool is_other_incarnation(const struct conv *c, const nod_status *record)
{
    return record->state == NOD_SYN_RECEIVED && c->variant.passive;
}

bool conv_state(struct conv *c, enum nod_state *out)
{
    nod_status record = {.state = NOD_CLOSED}, status;
    bool found = conv_record(c, &record);

    bool listens = c->row->from <= NOD_LISTEN && conv_is_listening(c);

    *out = !found && listens ? NOD_LISTEN : record.state;
    if (!c->flow->handle || *out == NOD_LISTEN || (found && is_other_incarnation(c, &record))) {
        return true;
    }
    if (nod_tcp_status(c->stage.stack, c->flow->handle, &status) < 0) {
        return stage_fail(&c->stage, "STATUS does not know the name");
    }
    if (status.state != record.state) {
        return stage_fail(&c->stage, "STATUS says %s, the record %s", nod_state_name(status.state),
                          nod_state_name(record.state));
    }
    return true;
}
