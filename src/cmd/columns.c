#include "columns.h"

#include <string.h>

uint32_t utf8_next(const char **text)
{
    const unsigned char *p = (const unsigned char *)*text;
    uint32_t c = p[0];
    int more = c < 0x80 ? 0 : (c & 0xe0) == 0xc0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : 3;
    if (c == 0) return 0;
    if ((c & 0xc0) == 0x80 || c >= 0xf8) more = -1;
    if (more > 0) c &= 0x3fu >> more;
    for (int i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            more = -1;
            break;
        }
        c = c << 6 | (p[i] & 0x3fu);
    }
    *text += more < 0 ? 1 : more + 1;
    return more < 0 ? 0xfffd : c;
}

int char_columns(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff}, {0x3400, 0x4dbf},
        {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xac00, 0xd7a3}, {0xf900, 0xfaff},
        {0xfe30, 0xfe4f},   {0xff00, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
        {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
    };
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return 0;
    if ((c >= 0x300 && c < 0x370) || (c >= 0x200b && c < 0x2010) || c == 0xfeff) return 0;
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        if (c >= wide[i].first && c <= wide[i].last) return 2;
    }
    return 1;
}

int text_columns(const char *text)
{
    int columns = 0;
    for (uint32_t c; (c = utf8_next(&text)) != 0;) columns += char_columns(c);
    return columns;
}

/* Marks that no line begins with (and that may hang over the edge by nothing). */
static bool ends_phrase(uint32_t c)
{
    return c != 0 && (c == ',' || c == '.' || c == ';' || c == ':' || c == ')' || c == '?' ||
                      c == '!' || c == 0x3001 || c == 0x3002 || c == 0xff0c || c == 0xff1a ||
                      c == 0xff1b || c == 0xff01 || c == 0xff1f || c == 0xff09 || c == 0x201d ||
                      c == 0x300d || c == 0x300b || c == 0x2026);
}

static bool begins_phrase(uint32_t c)
{
    return c == 0xff08 || c == 0x201c || c == 0x300c || c == 0x300a || c == '(';
}

/* May a line end after `c`, with `next` to follow? */
static bool may_break(uint32_t c, uint32_t next)
{
    if (next == ' ') return true;
    if (ends_phrase(next) || begins_phrase(c) || c == ' ') return false;
    return char_columns(c) == 2 || char_columns(next) == 2;
}

size_t text_line(const char **text, int columns)
{
    const char *start = *text, *p = start, *end = NULL;
    int used = 0;
    while (*p != 0 && *p != '\n') {
        const char *after = p, *peek;
        uint32_t c = utf8_next(&after);
        if (used + char_columns(c) > columns && p > start) break;
        used += char_columns(c);
        p = peek = after;
        if (*p == 0 || *p == '\n' || may_break(c, utf8_next(&peek))) end = p;
    }
    if (end == NULL) end = p; /* one word longer than the line */
    size_t len = (size_t)(end - start);
    *text = end + (*end == '\n');
    while (**text == ' ') (*text)++;
    return len;
}
