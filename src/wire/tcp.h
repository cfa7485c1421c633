/* The TCP header and its options (RFC 9293 section 3.1, RFC 7323, RFC 2018, RFC 5482), as a value.
 */
#ifndef NOD_WIRE_TCP_H
#define NOD_WIRE_TCP_H

#include "nod/trace.h"

#define NOD_TCP_HEADER 20
#define NOD_TCP_HEADER_MAX 60
#define NOD_TCP_OPTIONS_MAX 40

struct nod_tcp_options {
    bool has_mss, has_wscale, has_ts, sack_permitted, has_uto;
    bool has_fast_open; /* RFC 7413, with errata 4238 and 4239 */
    uint8_t wscale;     /* as on the wire */
    uint16_t uto;       /* RFC 5482, as on the wire: minutes or seconds in the first bit */
    uint16_t mss;
    uint32_t ts_val, ts_ecr;
    uint8_t sack_count;
    bool fast_open_old; /* in the form that it had before it had a kind of its own (RFC 6994) */
    uint8_t cookie_len; /* 4 to 16; 0: a cookie is asked for */
    union {             /* SACK blocks are on no SYN, and cookies on nothing else */
        uint32_t sack[4][2];
        uint8_t cookie[NOD_COOKIE_MAX];
    };
};

struct nod_tcp_header {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint16_t wnd, up;
    uint8_t ctl;  /* enum nod_ctl */
    uint8_t size; /* of the header, options included */
    struct nod_tcp_options opt;
};

/* Reads a header of which `len` bytes are there. False: it is no TCP header. Options that
 * are unknown or malformed are passed over (MUST-6, MUST-7): they never fail the segment. */
bool nod_tcp_parse(const uint8_t *p, size_t len, struct nod_tcp_header *out);

/* Writes the header and its options, checksum zero; sets header->size. Returns its size. */
size_t nod_tcp_emit(struct nod_tcp_header *header, uint8_t *p);

/* Bytes that the options take on the wire. */
size_t nod_tcp_options_size(const struct nod_tcp_options *opt);

#endif
