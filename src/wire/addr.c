/* Addresses as text (RFC 4291 section 2.2, RFC 5952), and the names of errors. */
#include <string.h>

#include "nod/types.h"
#include "wire/bytes.h"

nod_addr nod_addr_from(int family, const void *bytes)
{
    nod_addr addr = {.family = (uint8_t)family};
    memcpy(addr.bytes, bytes, family == 6 ? 16 : 4);
    return addr;
}

nod_addr nod_addr_ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return nod_addr_from(4, (uint8_t[]){a, b, c, d});
}

bool nod_addr_equal(const nod_addr *a, const nod_addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, 16) == 0;
}

static const char *parse_ip4(const char *p, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        if (i && *p++ != '.') return NULL;
        int digits = 0;
        unsigned x = 0;
        for (; *p >= '0' && *p <= '9' && digits < 4; digits++) x = x * 10 + (unsigned)(*p++ - '0');
        if (!digits || digits > 3 || x > 255) return NULL;
        out[i] = (uint8_t)x;
    }
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Reads groups into out until the text ends; `gap` is where "::" stood, or -1. Returns how
 * many bytes there were, or -1. */
static int parse_groups(const char *p, uint8_t out[16], int *gap)
{
    int n = 0;
    *gap = -1;
    if (p[0] == ':' && p[1] == ':') {
        *gap = 0;
        p += 2;
    }
    while (*p) {
        const char *start = p;
        unsigned x = 0;
        int digits = 0;
        for (; hex_digit(*p) >= 0 && digits < 5; digits++) x = x << 4 | (unsigned)hex_digit(*p++);
        if (*p == '.') {
            const char *end = n <= 12 ? parse_ip4(start, out + n) : NULL;
            return end && !*end ? n + 4 : -1;
        }
        if (!digits || digits > 4 || n > 14) return -1;
        put16(out + n, x);
        n += 2;
        if (!*p) break;
        if (*p++ != ':') return -1;
        if (*p == ':') {
            if (*gap >= 0) return -1;
            *gap = n;
            p++;
        } else if (!*p) {
            return -1;
        }
    }
    return n;
}

int nod_addr_parse(const char *text, nod_addr *out)
{
    uint8_t bytes[16] = {0};
    if (!strchr(text, ':')) {
        const char *end = parse_ip4(text, bytes);
        if (!end || *end) return NOD_EINVAL;
        *out = nod_addr_from(4, bytes);
        return 0;
    }
    int gap, n = parse_groups(text, bytes, &gap);
    if (n < 0 || (gap < 0 && n != 16) || (gap >= 0 && n > 14)) return NOD_EINVAL;
    if (gap >= 0) {
        memmove(bytes + 16 - (n - gap), bytes + gap, (size_t)(n - gap));
        memset(bytes + gap, 0, (size_t)(16 - n));
    }
    *out = nod_addr_from(6, bytes);
    return 0;
}

struct text {
    char *buf;
    size_t size, len;
};

static void put_char(struct text *t, char c)
{
    if (t->len + 1 < t->size) t->buf[t->len++] = c;
}

static void put_number(struct text *t, unsigned x, unsigned base)
{
    char digits[8];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[x % base];
        x /= base;
    } while (x);
    while (n) put_char(t, digits[--n]);
}

static void put_ip4(struct text *t, const uint8_t *p)
{
    for (int i = 0; i < 4; i++) {
        if (i) put_char(t, '.');
        put_number(t, p[i], 10);
    }
}

/* The longest run of two or more zero groups, the first of them (RFC 5952 section 4.2). */
static void find_gap(const uint8_t *p, int *from, int *len)
{
    *from = -1;
    *len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && get16(p + 2 * (i + n)) == 0) n++;
        if (n > *len) {
            *from = i;
            *len = n;
        }
        i += n;
    }
}

static void put_ip6(struct text *t, const uint8_t *p)
{
    int from, len;
    find_gap(p, &from, &len);
    for (int i = 0; i < 8; i++) {
        if (i == from) {
            put_char(t, ':');
            put_char(t, ':');
            i += len - 1;
            continue;
        }
        bool after_gap = from >= 0 && i == from + len;
        if (i && !after_gap) put_char(t, ':');
        put_number(t, get16(p + 2 * i), 16);
    }
}

char *nod_addr_format(const nod_addr *addr, char *buf, size_t size)
{
    struct text t = {.buf = buf, .size = size};
    if (addr->family == 4) {
        put_ip4(&t, addr->bytes);
    } else if (addr->family == 6) {
        put_ip6(&t, addr->bytes);
    } else {
        put_char(&t, '*');
    }
    if (size) buf[t.len] = 0;
    return buf;
}

static const struct {
    const char *name, *text;
} errors[] = {
    {"0", "no error"},
    {"NOD_EAGAIN", "nothing now, try again after the next event"},
    {"NOD_EINVAL", "an argument makes no sense"},
    {"NOD_ENOMEM", "insufficient resources"},
    {"NOD_ENOCONN", "connection does not exist"},
    {"NOD_ECLOSING", "connection closing"},
    {"NOD_ERESET", "connection reset"},
    {"NOD_EREFUSED", "connection refused"},
    {"NOD_ETIMEDOUT", "connection aborted due to user timeout"},
    {"NOD_EUNREACH", "the remote host cannot be reached"},
    {"NOD_EINUSE", "the local port is in use"},
    {"NOD_EEXIST", "connection already exists"},
    {"NOD_ENOREMOTE", "remote socket unspecified"},
    {"NOD_ENOTLOCAL", "the local address is not one of this host's"},
    {"NOD_ENOPORT", "every ephemeral port is taken"},
    {"NOD_EBADADDR", "the remote address is no host's (broadcast, multicast or unspecified)"},
    {"NOD_EABORTED", "aborted by this side"},
    {"NOD_EUNSUPPORTED", "not supported here"},
    {"NOD_EPERM", "the system does not allow it"},
    {"NOD_EIO", "a device failed"},
};
#define ERRORS (int)(sizeof(errors) / sizeof(errors[0]))

const char *nod_strerror(int error)
{
    return error <= 0 && -error < ERRORS ? errors[-error].text : "unknown error";
}

const char *nod_error_name(int error)
{
    return error <= 0 && -error < ERRORS ? errors[-error].name : "unknown";
}
