/* A TCP segment in tcpdump's notation, with relative numbers:
 *     Flags [P.], seq 1:1001, ack 1, win 65535, options [nop,nop,TS val 1 ecr 2], length 1000
 * Further fields: urg N; ttl N and tos N (0xb8) of its IP header; reserved N, from the peer. */
#ifndef NOD_TEST_SEGMENT_H
#define NOD_TEST_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nod/trace.h"

#define SEGMENT_OPTIONS 200
#define SEGMENT_TEXT 400

struct segment {
    uint16_t ctl;                                                    /* enum nod_ctl */
    bool has_seq, has_ack, has_win, has_up, has_options, has_length; /* which were mentioned */
    bool has_ttl, has_tos;
    bool has_ecn;
    uint8_t ecn; /* enum nod_codepoint: none, ect1, ect0, ce */
    uint32_t seq, ack, win, up, length;
    uint32_t ttl, tos, reserved;   /* of the IP header; the four bits behind the data offset */
    char options[SEGMENT_OPTIONS]; /* what stands between the brackets */
};

/* Reads the notation. Returns NULL, or what is wrong with it. */
const char *segment_parse(const char *text, struct segment *out);

/* Writes it; returns buf, of SEGMENT_TEXT bytes. */
char *segment_format(const struct segment *segment, char *buf);

/* Whether what came is what was expected: whatever `expected` mentions must be equal; a `*` in
 * its options stands for any word. */
bool segment_matches(const struct segment *expected, const struct segment *came);

#endif
