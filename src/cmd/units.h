/* units.h: numbers as people write them. Each returns false when the text is none. */
#ifndef NOD_CMD_UNITS_H
#define NOD_CMD_UNITS_H

#include "nod/tcp.h"

/* A whole number from `low` to `high`. */
bool units_number(const char *text, uint64_t low, uint64_t high, uint64_t *out);
/* "5%" or "0.05". */
bool units_share(const char *text, double *out);
/* "250us", "20ms", "1.5s", "2min"; a bare number counts `bare_us` microseconds each. */
bool units_time(const char *text, nod_usec bare_us, nod_usec *out);
/* Bits a second: "64k", "10M", "1.5G", or a bare number. */
bool units_rate(const char *text, uint64_t *out);

/* Bytes: "1500", "64k" and "64KiB", "1M" and "1MiB", "1G"; powers of 1024. */
bool units_size(const char *text, uint64_t *out);

/* "ADDRESS/PREFIX"; 0 is left for a prefix that was not given. */
bool units_address(const char *text, nod_addr *addr, int *prefix);

/* "none", "classic" or "accurate": enum nod_ecn. */
bool units_ecn(const char *text, uint8_t *out);

/* "1.2 GiB", "17 B". Returns buf; 16 bytes are enough. */
char *units_bytes(uint64_t bytes, char *buf, size_t size);

#endif
