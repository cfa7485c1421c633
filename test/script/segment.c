#include "segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char flag_letters[] = "FSRP.UEWe"; /* in the order of enum nod_ctl's bits */
static const char *const codepoints[] = {"none", "ect1", "ect0", "ce"};

static const char *parse_flags(const char **text, struct segment *out)
{
    const char *p = *text;

    if (strncmp(p, "Flags [", 7) != 0) {
        return "a segment begins with \"Flags [\"";
    }
    p += 7;
    if (strncmp(p, "none]", 5) == 0) {
        *text = p + 5;
        return NULL;
    }
    for (; *p && *p != ']'; p++) {
        const char *letter = strchr(flag_letters, *p);

        if (!letter) {
            return "flags are letters of FSRP.UEWe, or none";
        }
        out->ctl |= (uint16_t)(1u << (letter - flag_letters));
    }
    *text = *p ? p + 1 : p;
    return *p ? NULL : "the flags' bracket is not closed";
}

static bool number(const char **text, uint32_t *out)
{
    char *end;
    unsigned long long value = strtoull(*text, &end, strncmp(*text, "0x", 2) == 0 ? 16 : 10);

    if (end == *text || value > UINT32_MAX) {
        return false;
    }
    *text = end;
    *out = (uint32_t)value;
    return true;
}

/* "seq 1" or "seq 1:1001", which also says the length. */
static const char *parse_seq(const char **text, struct segment *out)
{
    uint32_t end;

    out->has_seq = true;
    if (!number(text, &out->seq)) {
        return "seq wants a number";
    }
    if (**text == ':') {
        (*text)++;
        if (!number(text, &end)) {
            return "seq wants first:last";
        }
        out->has_length = true;
        out->length = end - out->seq;
    }
    return NULL;
}

static const char *parse_options(const char **text, struct segment *out)
{
    const char *p = *text, *end = strchr(p, ']');

    if (*p != '[' || !end || (size_t)(end - p) > sizeof out->options) {
        return "options want [brackets]";
    }
    out->has_options = true;
    memcpy(out->options, p + 1, (size_t)(end - p - 1));
    *text = end + 1;
    return NULL;
}

static const char *parse_ecn(const char **text, struct segment *out)
{
    for (uint8_t i = 0; i < 4; i++) {
        if (strncmp(*text, codepoints[i], strlen(codepoints[i])) == 0) {
            *text += strlen(codepoints[i]);
            out->has_ecn = true;
            out->ecn = i;
            return NULL;
        }
    }
    return "ecn wants none, ect0, ect1 or ce";
}

static const char *parse_length(const char **text, struct segment *out)
{
    uint32_t length;

    if (!number(text, &length)) {
        return "length wants a number";
    }
    if (out->has_length && out->length != length) {
        return "seq and length disagree";
    }
    out->has_length = true;
    out->length = length;
    return NULL;
}

static bool word(const char **text, const char *name)
{
    size_t n = strlen(name);

    if (strncmp(*text, name, n) != 0 || (*text)[n] != ' ') {
        return false;
    }
    *text += n + 1;
    return true;
}

static const char *parse_field(const char **text, struct segment *out)
{
    if (word(text, "seq")) {
        return parse_seq(text, out);
    } else if (word(text, "ack")) {
        out->has_ack = true;
        return number(text, &out->ack) ? NULL : "ack wants a number";
    } else if (word(text, "win")) {
        out->has_win = true;
        return number(text, &out->win) ? NULL : "win wants a number";
    } else if (word(text, "urg")) {
        out->has_up = true;
        return number(text, &out->up) ? NULL : "urg wants a number";
    } else if (word(text, "ttl")) {
        out->has_ttl = true;
        return number(text, &out->ttl) ? NULL : "ttl wants a number";
    } else if (word(text, "tos")) {
        out->has_tos = true;
        return number(text, &out->tos) ? NULL : "tos wants a number";
    } else if (word(text, "reserved")) {
        return number(text, &out->reserved) ? NULL : "reserved wants a number";
    } else if (word(text, "ecn")) {
        return parse_ecn(text, out);
    } else if (word(text, "options")) {
        return parse_options(text, out);
    } else if (word(text, "length")) {
        return parse_length(text, out);
    }
    return "a field is seq, ack, win, urg, ttl, tos, reserved, ecn, options or length";
}

const char *segment_parse(const char *text, struct segment *out)
{
    const char *wrong;

    memset(out, 0, sizeof *out);
    if ((wrong = parse_flags(&text, out))) {
        return wrong;
    }
    while (*text) {
        if (strncmp(text, ", ", 2) != 0) {
            return "fields are parted by a comma and a space";
        }
        text += 2;
        if ((wrong = parse_field(&text, out))) {
            return wrong;
        }
    }
    if (out->has_ack && !(out->ctl & NOD_ACK)) {
        return "an ack number needs the flag \".\"";
    }
    return NULL;
}

char *segment_format(const struct segment *s, char *buf)
{
    char flags[sizeof flag_letters] = "", *flag = flags, seq[40] = "", ack[24] = "", up[24] = "";
    char options[SEGMENT_OPTIONS + 16] = "", ip[40] = "", ecn[16] = "";

    for (unsigned i = 0; i < sizeof flag_letters - 1; i++) {
        if (s->ctl & 1u << i) {
            *flag++ = flag_letters[i];
        }
    }
    if (s->length > 0) {
        snprintf(seq, sizeof seq, ", seq %u:%u", s->seq, s->seq + s->length);
    } else {
        snprintf(seq, sizeof seq, ", seq %u", s->seq);
    }
    if (s->has_ack) {
        snprintf(ack, sizeof ack, ", ack %u", s->ack);
    }
    if (s->has_up) {
        snprintf(up, sizeof up, ", urg %u", s->up);
    }
    if (s->ecn) {
        snprintf(ecn, sizeof ecn, ", ecn %s", codepoints[s->ecn]);
    }
    if (s->options[0]) {
        snprintf(options, sizeof options, ", options [%s]", s->options);
    }
    if (s->has_ttl) {
        snprintf(ip, sizeof ip, ", ttl %u, tos 0x%x", s->ttl, s->tos);
    }
    snprintf(buf, SEGMENT_TEXT, "Flags [%s]%s%s, win %u%s%s%s%s, length %u",
             flags[0] ? flags : "none", seq, ack, s->win, up, ip, ecn, options, s->length);
    return buf;
}

/* Word by word; words end at spaces and commas. */
static bool options_match(const char *expected, const char *came)
{
    static const char ends[] = " ,";

    while (*expected && *came) {
        size_t n = strcspn(expected, ends), m = strcspn(came, ends);

        if (!(n == 1 && *expected == '*') && (n != m || memcmp(expected, came, n) != 0)) {
            return false;
        }
        expected += n;
        came += m;
        if (*expected != *came) {
            return false;
        }
        expected += *expected ? 1 : 0;
        came += *came ? 1 : 0;
    }
    return *expected == *came;
}

bool segment_matches(const struct segment *e, const struct segment *c)
{
    return e->ctl == c->ctl && (!e->has_seq || e->seq == c->seq) &&
           (!e->has_ack || e->ack == c->ack) && (!e->has_win || e->win == c->win) &&
           (!e->has_up || e->up == c->up) && (!e->has_length || e->length == c->length) &&
           (!e->has_ttl || e->ttl == c->ttl) && (!e->has_tos || e->tos == c->tos) &&
           (!e->has_ecn || e->ecn == c->ecn) &&
           (!e->has_options || options_match(e->options, c->options));
}
