#include "units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number without a sign, and where it ends. */
static bool scan(const char *text, double *out, char **end)
{
    if (*text != '.' && (*text < '0' || *text > '9')) return false;
    *out = strtod(text, end);
    return *end != text && isfinite(*out);
}

bool units_number(const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    *out = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
    return errno == 0 && *end == 0 && *out >= low && *out <= high;
}

bool units_share(const char *text, double *out)
{
    char *end;
    if (!scan(text, out, &end)) return false;
    if (*end == '%') {
        *out /= 100;
        end++;
    }
    return *end == 0 && *out <= 1;
}

bool units_time(const char *text, nod_usec bare_us, nod_usec *out)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"min", 60e6}, {"h", 3600e6}};
    char *end;
    double value, factor = *text ? (double)bare_us : 0;
    if (!scan(text, &value, &end)) return false;
    if (*end) {
        factor = 0;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(end, units[i].name) == 0) factor = units[i].us;
    }
    if (factor == 0 || value * factor > 1e15) return false;
    *out = (nod_usec)(value * factor + 0.5);
    return true;
}

bool units_rate(const char *text, uint64_t *out)
{
    char *end;
    double value;
    if (!scan(text, &value, &end)) return false;
    switch (*end) {
    case 'k':
    case 'K': value *= 1e3, end++; break;
    case 'M': value *= 1e6, end++; break;
    case 'G': value *= 1e9, end++; break;
    }
    if (*end || value < 1 || value > 1e15) return false;
    *out = (uint64_t)value;
    return true;
}

bool units_size(const char *text, uint64_t *out)
{
    static const char sizes[] = "kKmMgG";
    char *end;
    double value;
    if (!scan(text, &value, &end)) return false;
    const char *letter = *end ? strchr(sizes, *end) : NULL;
    if (letter) {
        for (long power = (letter - sizes) / 2; power >= 0; power--) value *= 1024;
        end++;
        if (strcmp(end, "iB") == 0) end += 2;
    }
    if (*end || value > 1e15) return false;
    *out = (uint64_t)value;
    return true;
}

bool units_address(const char *text, nod_addr *addr, int *prefix)
{
    char address[NOD_ADDR_TEXT + 1];
    uint64_t bits = 0;
    size_t len = strcspn(text, "/");
    if (len >= sizeof address) return false;
    memcpy(address, text, len);
    address[len] = 0;
    if (nod_addr_parse(address, addr) != 0) return false;
    if (text[len] && !units_number(text + len + 1, 1, addr->family == 4 ? 32 : 128, &bits))
        return false;
    *prefix = (int)bits;
    return true;
}

char *units_bytes(uint64_t bytes, char *buf, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++) value /= 1024;
    snprintf(buf, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return buf;
}

bool units_ecn(const char *text, uint8_t *out)
{
    static const char *const names[] = {
        [NOD_ECN_NONE] = "none", [NOD_ECN_CLASSIC] = "classic", [NOD_ECN_ACCURATE] = "accurate"};
    for (uint8_t i = 0; i <= NOD_ECN_ACCURATE; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return true;
    }
    return false;
}
