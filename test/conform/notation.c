#include "notation.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct names {
    const struct numbers *n;
    const struct segment *seg;
    uint32_t rcv_nxt;
};

static bool take(const char **text, const char *word)
{
    if (!begins(*text, word)) {
        return false;
    }
    *text += strlen(word);
    return true;
}

static uint32_t segment_length(const struct segment *s)
{
    return s->length + (s->ctl & NOD_SYN ? 1 : 0) + (s->ctl & NOD_FIN ? 1 : 0);
}

static bool take_name(const char **text, const struct names *names, uint32_t *out)
{
    const struct numbers *n = names->n;
    const struct segment *seg = names->seg;
    const struct {
        const char *name;
        uint32_t value;
    } known[] = {
        {"MAX.SND.WND", n->max_wnd},
        {"SND.UNA", n->una},
        {"SND.NXT", n->nxt},
        {"RCV.NXT", names->rcv_nxt},
        {"RCV.WND", n->rcv_wnd},
        {"ISS", n->iss},
        {"IRS", n->irs},
        {"TS.Recent", n->ts_recent},
        {"SEG.SEQ", seg ? seg->seq : 0},
        {"SEG.ACK", seg ? seg->ack : 0},
        {"SEG.LEN", seg ? segment_length(seg) : 0},
    };

    take(text, "old "); /* the numbers of a connection that is gone are still known here */
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (take(text, known[i].name)) {
            *out = known[i].value;
            return true;
        }
    }
    return false;
}

static bool take_term(const char **text, const struct names *names, uint32_t *out)
{
    char *end;
    unsigned long long value = strtoull(*text, &end, 10);

    if (end == *text) {
        return take_name(text, names, out);
    }
    if (*end == '^') {
        value = 1ull << strtoul(end + 1, &end, 10);
    }
    *text = end;
    *out = (uint32_t)value; /* 2^32-1 comes out right modulo 2^32 */
    return true;
}

static bool take_sum(const char **text, const struct names *names, uint32_t *out)
{
    uint32_t term;

    if (!take_term(text, names, out)) {
        return false;
    }
    while (**text == '+' || **text == '-') {
        bool minus = *(*text)++ == '-';

        if (!take_term(text, names, &term)) {
            return false;
        }
        *out += minus ? -term : term;
    }
    return true;
}

static bool take_ctl(const char **text, struct segment *out)
{
    static const struct {
        const char *name;
        uint8_t bit;
    } ctl[] = {{"SYN", NOD_SYN}, {"ACK", NOD_ACK}, {"FIN", NOD_FIN},
               {"RST", NOD_RST}, {"URG", NOD_URG}, {"none", 0}};

    do {
        size_t i = 0;

        while (i < sizeof ctl / sizeof ctl[0] && !take(text, ctl[i].name)) {
            i++;
        }
        if (i == sizeof ctl / sizeof ctl[0]) {
            return false;
        }
        out->ctl |= ctl[i].bit;
    } while (take(text, ","));
    return true;
}

/* One KEY=value. `what` it was not: the text stays. */
static bool take_field(const char **text, const struct names *names, struct segment *out)
{
    uint32_t value;

    if (take(text, "SEQ=")) {
        out->has_seq = true;
        return take_sum(text, names, &out->seq);
    } else if (take(text, "ACK=")) {
        out->has_ack = true;
        return take_sum(text, names, &out->ack);
    } else if (take(text, "CTL=")) {
        return take_ctl(text, out);
    } else if (take(text, "LEN=")) {
        out->has_length = true;
        return take_sum(text, names, &out->length);
    } else if (take(text, "UP=")) {
        out->has_up = true;
        return take_sum(text, names, &out->up);
    } else if (take(text, "TSval=")) {
        out->has_options = take_sum(text, names, &value);
        snprintf(out->options, sizeof out->options, "mss 1460,sackOK,TS val %u ecr 0", value);
        return out->has_options;
    }
    return false;
}

bool notation_stimulus(const struct conv *c, const char *text, struct segment *out)
{
    struct names names = {.n = &c->n, .seg = NULL, .rcv_nxt = c->n.rcv_nxt};
    const char *p = strstr(text, "SEQ=");

    memset(out, 0, sizeof *out);
    while (p && *p && *p != '(') {
        if (take(&p, "same WND")) {
            out->has_win = true;
            out->win = c->n.snd_wnd >> (c->variant.options ? PEER_SCALE : 0);
        } else if (take(&p, "new WND")) {
            out->has_win = true;
            out->win = c->peer_win / 2;
        } else if (!take_field(&p, &names, out)) {
            return false;
        }
        p += *p == ' ';
    }
    return p != NULL;
}

bool notation_answer(const struct conv *c, const char *text, const struct segment *seg,
                     uint32_t rcv_nxt, struct answer *out)
{
    struct names names = {.n = &c->n, .seg = seg, .rcv_nxt = rcv_nxt};
    struct segment *s = &out->wanted;

    memset(out, 0, sizeof *out);
    out->none = begins(text, "none");
    while (take(&text, "<")) {
        if (!take_field(&text, &names, s) || !take(&text, ">")) {
            return false;
        }
    }
    out->may_wait = strstr(text, "delayed") != NULL;
    out->with_sack = strstr(text, "with SACK") != NULL && c->variant.options;
    if (strstr(text, "with WND=0")) {
        s->has_win = true;
        s->win = 0;
    }
    /* Only what says so carries text. */
    s->has_length = true;
    s->length = begins(text, "[data]") ? 10 : 0;
    s->ctl |= s->length ? NOD_PSH : 0;
    return out->none || s->has_seq;
}
