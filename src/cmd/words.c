#include "words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tr.h"

static const nod_trace_segment nothing;

static const nod_trace_segment *segment_of(const struct ladder_row *row)
{
    const nod_trace_segment *seg = row_segment(row);
    return seg != NULL ? seg : &nothing;
}

static void add(char *buf, size_t size, const char *gap, const char *format, ...)
{
    size_t used = strlen(buf);
    va_list args;
    if (used > 0) used += (size_t)snprintf(buf + used, size - used, "%s", gap);
    if (used >= size) return;
    va_start(args, format);
    vsnprintf(buf + used, size - used, format, args);
    va_end(args);
}

char *flags_words(const struct ladder_row *row, char *buf, size_t size)
{
    static const struct {
        uint16_t bit;
        const char *name;
    } flags[] = {
        {NOD_SYN, "SYN"}, {NOD_FIN, "FIN"}, {NOD_RST, "RST"}, {NOD_PSH, "PSH"}, {NOD_URG, "URG"},
        {NOD_ACK, "ACK"}, {NOD_ECE, "ECE"}, {NOD_CWR, "CWR"}, {NOD_AE, "AE"},
    };
    const nod_trace_segment *seg = segment_of(row);
    buf[0] = 0;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if ((seg->ctl & flags[i].bit) != 0) add(buf, size, ",", "%s", flags[i].name);
    }
    if (seg->len == 1) add(buf, size, " · ", _("1 byte"));
    if (seg->len > 1) add(buf, size, " · ", _("%u bytes"), (unsigned)seg->len);
    /* How the packet came, not how it left. */
    if (row->arrive != NULL && row->arrive->trace.u.segment.ecn == NOD_CE)
        add(buf, size, " · ", "%s", _("marked"));
    if (row->copy) {
        add(buf, size, "", "%s", _(" (copy)"));
    } else if (row->again) {
        add(buf, size, "", "%s", _(" (again)"));
    }
    return buf;
}

char *numbers_words(const struct ladder_row *row, char *buf, size_t size)
{
    const nod_trace_segment *seg = segment_of(row);
    const char *gap = _(", ");
    uint8_t strong = NOD_SYN | NOD_FIN | NOD_RST;
    buf[0] = 0;
    if (seg->len > 0 || (seg->ctl & strong) != 0) add(buf, size, gap, _("seq %u"), row->seq);
    if ((seg->ctl & NOD_ACK) != 0) add(buf, size, gap, _("ack %u"), row->ack);
    if ((seg->ctl & NOD_RST) == 0) add(buf, size, gap, _("window %u"), seg->wnd_bytes);
    return buf;
}

char *options_words(const struct ladder_row *row, char *buf, size_t size)
{
    const nod_trace_segment *seg = segment_of(row);
    const char *gap = _(", ");
    uint32_t base = seg->ack - row->ack;
    buf[0] = 0;
    if (seg->has_mss) add(buf, size, gap, _("segments up to %u bytes"), (unsigned)seg->mss);
    if (seg->has_wscale) add(buf, size, gap, _("later windows ×%u"), 1u << seg->wscale);
    if ((seg->ctl & NOD_SYN) != 0 && seg->has_ts) add(buf, size, gap, _("timestamps"));
    if ((seg->ctl & NOD_URG) != 0) add(buf, size, gap, _("urgent before %u"), row->seq + seg->up);
    if (seg->has_uto) {
        uint32_t minutes = (seg->uto & 0x8000) != 0 ? 60 : 1;
        add(buf, size, gap, _("user timeout %u s"), (seg->uto & 0x7fffu) * minutes);
    }
    if (seg->sack_permitted) add(buf, size, gap, _("SACK understood"));
    for (int i = 0; i < seg->sack_count && i < 4; i++) {
        add(buf, size, gap, _("already has %u to %u"), seg->sack[i][0] - base,
            seg->sack[i][1] - base - 1);
    }
    return buf;
}

static char *call_words(const struct ladder_event *event, char *buf, size_t size)
{
    const char *text = "";
    int64_t result = event->trace.u.call.result;
    switch ((enum nod_call)event->trace.u.call.call) {
    case NOD_CALL_OPEN_ACTIVE: text = _("connect"); break;
    case NOD_CALL_OPEN_PASSIVE: text = _("listen"); break;
    case NOD_CALL_ACCEPT: text = _("accept"); break;
    case NOD_CALL_CLOSE: text = _("close"); break;
    case NOD_CALL_ABORT: text = _("abort"); break;
    case NOD_CALL_RELEASE: text = _("release"); break;
    case NOD_CALL_SEND:
        snprintf(buf, size, _("write %u"), (unsigned)(result > 0 ? result : 0));
        return buf;
    case NOD_CALL_RECEIVE:
        snprintf(buf, size, result == 0 ? _("read: end") : _("read %u"),
                 (unsigned)(result > 0 ? result : 0));
        return buf;
    case NOD_CALL_COUNT: break;
    }
    snprintf(buf, size, "%s%s", text, result < 0 ? " ✗" : "");
    return buf;
}

static const char *timer_words(enum nod_timer timer)
{
    switch (timer) {
    case NOD_TIMER_RETRANSMIT: return _("timeout");
    case NOD_TIMER_PERSIST: return _("probe timer");
    case NOD_TIMER_DELAYED_ACK: return _("ACK timer");
    case NOD_TIMER_SWS_OVERRIDE: return _("send timer");
    case NOD_TIMER_USER: return _("gives up");
    case NOD_TIMER_FIN_WAIT_2: return _("FIN timer");
    case NOD_TIMER_TIME_WAIT: return _("2 MSL over");
    case NOD_TIMER_KEEPALIVE: return _("keep-alive");
    case NOD_TIMER_REORDER: return _("late?");
    case NOD_TIMER_LOSS_PROBE: return _("ACK overdue");
    case NOD_TIMER_PACING:
    case NOD_TIMER_COUNT: break;
    }
    return "";
}

static const char *short_error(int error)
{
    if (error == NOD_EREFUSED) return _("refused");
    if (error == NOD_ERESET) return _("reset");
    return error == NOD_ETIMEDOUT ? _("timed out") : _("error");
}

char *act_words(const struct ladder_event *event, char *buf, size_t size)
{
    switch ((enum ladder_kind)event->kind) {
    case LADDER_CALL: return call_words(event, buf, size);
    case LADDER_TIMER:
        snprintf(buf, size, "%s", timer_words((enum nod_timer)event->trace.u.timer.timer));
        return buf;
    case LADDER_ERROR: snprintf(buf, size, "%s", short_error(event->error)); return buf;
    case LADDER_ICMP: snprintf(buf, size, "ICMP"); return buf;
    case LADDER_PATH_MTU:
        snprintf(buf, size, "MTU %u", (unsigned)event->trace.u.path.to);
        return buf;
    case LADDER_DROP: snprintf(buf, size, "%s", _("dropped")); return buf;
    case LADDER_DEPART:
    case LADDER_ARRIVE:
    case LADDER_STATE:
    case LADDER_REMARK: break;
    }
    buf[0] = 0;
    return buf;
}

char *time_words(nod_usec time, char *buf, size_t size)
{
    nod_usec ms = (time + 500) / NOD_MSEC;
    snprintf(buf, size, "%u.%03u", (unsigned)(ms / 1000), (unsigned)(ms % 1000));
    return buf;
}

char *pause_words(nod_usec pause, char *buf, size_t size)
{
    char span[48];
    snprintf(buf, size, _("%s later"), span_write(pause, span, sizeof(span)));
    return buf;
}

char *summary_words(const struct ladder *ladder, char *buf, size_t size)
{
    unsigned sent = 0, lost = 0, again = 0;
    for (int i = 0; i < ladder->row_count; i++) {
        const struct ladder_row *row = &ladder->rows[i];
        sent += row->depart != NULL;
        lost += row_lost(row);
        again += row->again;
    }
    snprintf(buf, size, _("Segments: %u; sent again: %u; lost on the way: %u."), sent, again, lost);
    return buf;
}

enum segment_look row_look(const struct ladder_row *row)
{
    const nod_trace_segment *seg = segment_of(row);
    if ((seg->ctl & NOD_RST) != 0) return LOOK_RESET;
    if ((seg->ctl & NOD_SYN) != 0) return LOOK_OPEN;
    if ((seg->ctl & NOD_FIN) != 0) return LOOK_CLOSE;
    return seg->len > 0 ? LOOK_DATA : LOOK_ACK;
}
