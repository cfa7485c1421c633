/* Trace points of the stack, and the names and notation of the trace. */
#include <string.h>

#include "stack/stack.h"

static void fill_segment(nod_trace_segment *t, const struct nod_tcp_header *h, uint32_t text)
{
    t->seq = h->seq;
    t->ack = h->ack;
    t->len = text;
    t->wnd = h->wnd;
    t->up = h->up;
    t->ctl = h->ctl;
    t->has_mss = h->opt.has_mss;
    t->mss = h->opt.mss;
    t->has_wscale = h->opt.has_wscale;
    t->wscale = h->opt.wscale;
    t->has_ts = h->opt.has_ts;
    t->ts_val = h->opt.ts_val;
    t->ts_ecr = h->opt.ts_ecr;
    t->sack_permitted = h->opt.sack_permitted;
    t->has_uto = h->opt.has_uto;
    t->uto = h->opt.uto;
    t->sack_count = h->opt.sack_count;
    if (h->opt.sack_count) memcpy(t->sack, h->opt.sack, sizeof(t->sack));
    t->has_fast_open = h->opt.has_fast_open;
    if (t->has_fast_open) {
        t->cookie_len = h->opt.cookie_len;
        memcpy(t->cookie, h->opt.cookie, t->cookie_len);
    }
    t->accecn_kind = h->opt.accecn_kind;
    t->accecn_fields = h->opt.accecn_fields;
    memcpy(t->accecn, h->opt.accecn, sizeof(t->accecn));
}

/* Where this side's and the peer's numbers begin, as far as the record knows. */
static bool known_starts(const nod_stack *s, const struct nod_record *rec, uint32_t *iss,
                         uint32_t *irs, uint8_t *snd_scale)
{
    if (rec->kind == NOD_RECORD_TCB) {
        const struct nod_tcb *tcb = (const struct nod_tcb *)rec;
        *iss = tcb->snd.iss;
        *irs = tcb->rcv.irs;
        *snd_scale = tcb->snd_scale;
        return rec->state != NOD_SYN_SENT;
    }
    if (rec->kind == NOD_RECORD_TIME_WAIT) {
        uint32_t slot = ((const struct nod_time_wait *)rec)->slot;
        return slot != NOD_NO_SLOT &&
               known_starts(s, nod_env_slot(&s->env, slot)->object, iss, irs, snd_scale);
    }
    if (rec->kind != NOD_RECORD_SYN_RECEIVED) return false;
    const struct nod_syn_received *r = (const struct nod_syn_received *)rec;
    *iss = r->iss;
    *irs = r->irs;
    *snd_scale = r->snd_scale;
    return true;
}

void nod_trace_in(nod_stack *s, const struct nod_record *rec, const struct nod_key *key,
                  const struct nod_segment *seg)
{
    nod_trace *event = nod_trace_add(&s->env.trace, NOD_TRACE_SEGMENT_IN, s->env.now);
    if (!event) return;
    event->frame = seg->frame;
    event->iface = seg->iface;
    event->local = nod_key_local(key);
    event->remote = nod_key_remote(key);
    event->state = rec ? rec->state : NOD_CLOSED;
    nod_trace_segment *t = &event->u.segment;
    fill_segment(t, &seg->h, seg->text);
    t->ecn = seg->ecn;
    uint32_t iss = seg->h.ack, irs = seg->h.seq;
    uint8_t scale = 0;
    if (rec && rec->kind == NOD_RECORD_TCB) {
        event->handle = nod_env_handle(&s->env, ((const struct nod_tcb *)rec)->slot);
        iss = ((const struct nod_tcb *)rec)->snd.iss;
    }
    if (rec && rec->kind != NOD_RECORD_LISTENER) known_starts(s, rec, &iss, &irs, &scale);
    if (rec && rec->state == NOD_SYN_SENT) irs = seg->h.seq;
    t->rel_seq = seg->h.seq - irs;
    t->rel_ack = seg->h.ctl & NOD_ACK ? seg->h.ack - iss : 0;
    t->wnd_bytes = (uint32_t)seg->h.wnd << (seg->h.ctl & NOD_SYN ? 0 : scale);
}

void nod_trace_out(nod_stack *s, uint32_t frame, const struct nod_key *key,
                   const struct nod_tcp_header *h, uint32_t text, const nod_trace *about)
{
    nod_trace *event = nod_trace_add(&s->env.trace, NOD_TRACE_SEGMENT_OUT, s->env.now);
    if (!event) return;
    event->state = about->state;
    event->iface = about->iface;
    event->handle = about->handle;
    event->frame = frame;
    event->local = nod_key_local(key);
    event->remote = nod_key_remote(key);
    event->u.segment = about->u.segment;
    fill_segment(&event->u.segment, h, text);
}

void nod_trace_call(nod_stack *s, const struct nod_record *rec, nod_handle handle,
                    enum nod_call call, uint64_t len, int64_t result)
{
    nod_trace *event = nod_trace_add(&s->env.trace, NOD_TRACE_CALL, s->env.now);
    if (!event) return;
    event->handle = handle;
    event->u.call.call = (uint8_t)call;
    event->u.call.len = len;
    event->u.call.result = result;
    if (!rec) return;
    event->state = rec->state;
    event->local = nod_key_local(&rec->key);
    event->remote = nod_key_remote(&rec->key);
}

int nod_stack_trace(nod_stack *s, nod_trace *events, int max)
{
    return nod_trace_pull(&s->env.trace, events, max);
}

const char *nod_why_name(enum nod_why why)
{
    static const char *const names[] = {
        [NOD_WHY_OPEN] = "open",
        [NOD_WHY_DATA] = "data",
        [NOD_WHY_FIN] = "fin",
        [NOD_WHY_ACK_HANDSHAKE] = "ack-handshake",
        [NOD_WHY_ACK_SECOND] = "ack-second-segment",
        [NOD_WHY_ACK_DELAYED] = "ack-delayed",
        [NOD_WHY_ACK_AT_ONCE] = "ack-at-once",
        [NOD_WHY_ACK_DUPLICATE] = "ack-duplicate",
        [NOD_WHY_ACK_FIN] = "ack-fin",
        [NOD_WHY_ACK_CHALLENGE] = "challenge-ack",
        [NOD_WHY_WINDOW_UPDATE] = "window-update",
        [NOD_WHY_WINDOW_PROBE] = "window-probe",
        [NOD_WHY_RETRANSMIT_TIMEOUT] = "retransmit-timeout",
        [NOD_WHY_RETRANSMIT_FAST] = "retransmit-fast",
        [NOD_WHY_RETRANSMIT_TOO_BIG] = "retransmit-too-big",
        [NOD_WHY_MTU_PROBE] = "mtu-probe",
        [NOD_WHY_LOSS_PROBE] = "loss-probe",
        [NOD_WHY_KEEPALIVE] = "keep-alive",
        [NOD_WHY_RST_ABORT] = "rst-abort",
        [NOD_WHY_RST_NO_CONNECTION] = "rst-no-connection",
        [NOD_WHY_RST_BAD_ACK] = "rst-bad-ack",
        [NOD_WHY_RST_NO_READER] = "rst-no-reader",
        [NOD_WHY_ACK_TIME_WAIT] = "ack-time-wait",
        [NOD_WHY_RST_TIMEOUT] = "rst-timeout",
        [NOD_WHY_ACK_MARKED] = "ack-marked",
    };
    return why < NOD_WHY_COUNT ? names[why] : "?";
}

const char *nod_path_news_name(enum nod_path_news news)
{
    static const char *const names[] = {
        [NOD_PATH_ICMP] = "icmp",       [NOD_PATH_KNOWN] = "known",
        [NOD_PATH_EXPIRED] = "expired", [NOD_PATH_BLACK_HOLE] = "black-hole",
        [NOD_PATH_PROBED] = "probed",
    };
    return news < NOD_PATH_COUNT ? names[news] : "?";
}

const char *nod_timer_name(enum nod_timer timer)
{
    static const char *const names[] = {
        [NOD_TIMER_RETRANSMIT] = "retransmission",
        [NOD_TIMER_PERSIST] = "persist",
        [NOD_TIMER_DELAYED_ACK] = "delayed-ack",
        [NOD_TIMER_SWS_OVERRIDE] = "sws-override",
        [NOD_TIMER_USER] = "user-timeout",
        [NOD_TIMER_FIN_WAIT_2] = "fin-wait-2",
        [NOD_TIMER_TIME_WAIT] = "time-wait",
        [NOD_TIMER_KEEPALIVE] = "keep-alive",
        [NOD_TIMER_REORDER] = "reordering",
        [NOD_TIMER_LOSS_PROBE] = "loss-probe",
        [NOD_TIMER_PACING] = "pacing",
    };
    return timer < NOD_TIMER_COUNT ? names[timer] : "?";
}

const char *nod_call_name(enum nod_call call)
{
    static const char *const names[] = {"OPEN",    "OPEN (passive)", "ACCEPT", "SEND",
                                        "RECEIVE", "CLOSE",          "ABORT",  "RELEASE"};
    return call < NOD_CALL_COUNT ? names[call] : "?";
}

const char *nod_drop_name(enum nod_drop drop)
{
    static const char *const names[] = {
        [NOD_DROP_NONE] = "none",
        [NOD_DROP_TRUNCATED] = "truncated",
        [NOD_DROP_BAD_IP] = "bad-ip",
        [NOD_DROP_IP_CHECKSUM] = "ip-checksum",
        [NOD_DROP_NOT_OURS] = "not-ours",
        [NOD_DROP_BAD_SOURCE] = "bad-source",
        [NOD_DROP_IP_OPTION] = "ip-option",
        [NOD_DROP_HEADER_CHAIN] = "header-chain",
        [NOD_DROP_FRAGMENT] = "fragment",
        [NOD_DROP_FRAGMENT_OVERLAP] = "fragment-overlap",
        [NOD_DROP_FRAGMENT_LIMIT] = "fragment-limit",
        [NOD_DROP_FRAGMENT_TIMEOUT] = "fragment-timeout",
        [NOD_DROP_BAD_ETHERNET] = "bad-ethernet",
        [NOD_DROP_PROTOCOL] = "protocol",
        [NOD_DROP_ICMP] = "icmp",
        [NOD_DROP_NEIGHBOUR] = "neighbour",
        [NOD_DROP_TCP_HEADER] = "tcp-header",
        [NOD_DROP_TCP_CHECKSUM] = "tcp-checksum",
        [NOD_DROP_NO_CONNECTION] = "no-connection",
        [NOD_DROP_BROADCAST] = "broadcast",
        [NOD_DROP_LISTEN] = "listen",
        [NOD_DROP_BACKLOG] = "backlog",
        [NOD_DROP_SEQUENCE] = "sequence",
        [NOD_DROP_PAWS] = "paws",
        [NOD_DROP_NO_TIMESTAMP] = "no-timestamp",
        [NOD_DROP_RST] = "rst",
        [NOD_DROP_SYN] = "syn",
        [NOD_DROP_ACK] = "ack",
        [NOD_DROP_NO_ACK] = "no-ack",
        [NOD_DROP_DUPLICATE] = "duplicate",
        [NOD_DROP_WINDOW] = "window",
        [NOD_DROP_AFTER_FIN] = "after-fin",
        [NOD_DROP_MEMORY] = "memory",
        [NOD_DROP_TIME_WAIT] = "time-wait",
        [NOD_DROP_QUEUE] = "queue",
        [NOD_DROP_UNREACHABLE] = "unreachable",
    };
    return drop < NOD_DROP_COUNT ? names[drop] : "?";
}

struct text {
    char *buf;
    size_t size, len;
};

static void put(struct text *t, const char *s)
{
    for (; *s && t->len + 1 < t->size; s++) t->buf[t->len++] = *s;
}

static void put_number(struct text *t, uint64_t x)
{
    char digits[24];
    int n = sizeof(digits) - 1;
    digits[n] = 0;
    do {
        digits[--n] = (char)('0' + x % 10);
        x /= 10;
    } while (x);
    put(t, digits + n);
}

static void put_field(struct text *t, const char *name, uint64_t x)
{
    put(t, name);
    put_number(t, x);
}

static void put_flags(struct text *t, uint16_t ctl)
{
    static const struct {
        uint16_t bit;
        const char *letter;
    } letters[] = {{NOD_FIN, "F"}, {NOD_SYN, "S"}, {NOD_RST, "R"}, {NOD_PSH, "P"}, {NOD_ACK, "."},
                   {NOD_URG, "U"}, {NOD_ECE, "E"}, {NOD_CWR, "W"}, {NOD_AE, "e"}};
    put(t, "Flags [");
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (ctl & letters[i].bit) put(t, letters[i].letter);
    put(t, ctl ? "]" : "none]");
}

static void put_fast_open(struct text *t, const nod_trace_segment *s)
{
    put(t, s->cookie_len ? "tfo cookie " : "tfo cookiereq");
    for (unsigned i = 0; i < s->cookie_len; i++) {
        static const char digits[] = "0123456789abcdef";
        put(t, (char[3]){digits[s->cookie[i] >> 4], digits[s->cookie[i] & 15]});
    }
}

static void put_accecn(struct text *t, const nod_trace_segment *s)
{
    static const char *const names[] = {" e0b ", " ceb ", " e1b "};
    put(t, "accecn");
    for (unsigned i = 0; i < s->accecn_fields; i++)
        put_field(t, names[s->accecn_kind == NOD_ACCECN1 ? 2 - i : i], s->accecn[i]);
}

static void put_options(struct text *t, const nod_trace_segment *s)
{
    const char *comma = ", options [";
    if (s->has_mss) put(t, comma), put_field(t, "mss ", s->mss), comma = ",";
    if (s->sack_permitted) put(t, comma), put(t, "sackOK"), comma = ",";
    if (s->has_ts) {
        put(t, comma);
        put_field(t, "TS val ", s->ts_val);
        put_field(t, " ecr ", s->ts_ecr);
        comma = ",";
    }
    if (s->accecn_kind) put(t, comma), put_accecn(t, s), comma = ",";
    if (s->has_wscale) put(t, comma), put_field(t, "wscale ", s->wscale), comma = ",";
    if (s->has_uto) {
        put(t, comma);
        put_field(t, "uto ", s->uto & 0x7fff);
        put(t, s->uto & 0x8000 ? "m" : "s");
        comma = ",";
    }
    if (s->has_fast_open) put(t, comma), put_fast_open(t, s), comma = ",";
    if (s->sack_count) {
        put(t, comma);
        put_field(t, "sack ", s->sack_count);
        /* Relative to the acknowledged direction's start, as the ACK is. */
        uint32_t start = s->ack - s->rel_ack;
        for (unsigned i = 0; i < s->sack_count; i++) {
            put_field(t, " {", s->sack[i][0] - start);
            put_field(t, ":", s->sack[i][1] - start);
            put(t, "}");
        }
        comma = ",";
    }
    if (comma[1] == 0) put(t, "]");
}

char *nod_trace_format_segment(const nod_trace_segment *s, char *buf, size_t size)
{
    struct text t = {.buf = buf, .size = size};
    put_flags(&t, s->ctl);
    put_field(&t, ", seq ", s->rel_seq);
    if (s->len) put_field(&t, ":", (uint32_t)(s->rel_seq + s->len));
    if (s->ctl & NOD_ACK) put_field(&t, ", ack ", s->rel_ack);
    put_field(&t, ", win ", s->wnd);
    if (s->ctl & NOD_URG) put_field(&t, ", urg ", s->up);
    static const char *const codepoints[] = {"", ", ecn ect1", ", ecn ect0", ", ecn ce"};
    put(&t, codepoints[s->ecn & 3]);
    put_options(&t, s);
    put_field(&t, ", length ", s->len);
    if (size) buf[t.len] = 0;
    return buf;
}
