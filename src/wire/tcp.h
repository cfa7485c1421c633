/* The TCP header and its options (RFC 9293 section 3.1, RFC 7323, RFC 2018, RFC 5482), as a value.
 */
#ifndef NOD_WIRE_TCP_H
#define NOD_WIRE_TCP_H

#include "nod/trace.h"

#define NOD_TCP_HEADER 20
#define NOD_TCP_HEADER_MAX 60
#define NOD_TCP_OPTIONS_MAX 40

struct nod_tcp_options {
    bool has_mss : 1, has_wscale : 1, has_ts : 1, sack_permitted : 1, has_uto : 1;
    bool has_fast_open : 1; /* RFC 7413, with errata 4238 and 4239 */
    bool fast_open_old : 1; /* in the form that it had before it had a kind of its own (RFC 6994) */
    uint8_t wscale;         /* as on the wire */
    uint16_t uto;           /* RFC 5482, as on the wire: minutes or seconds in the first bit */
    uint16_t mss;
    uint8_t sack_count : 3;
    /* RFC 9768 3.2.3: the kind (0: absent) says the order of the fields, `accecn_fields` how many
     * there are. 24 bits each. */
    uint8_t accecn_fields : 2;
    uint8_t accecn_kind;
    uint32_t ts_val, ts_ecr;
    union { /* SACK blocks are on no SYN, and cookies (with has_fast_open) on nothing else */
        uint32_t sack[4][2];
        struct {
            uint8_t cookie_len; /* 4 to 16; 0: a cookie is asked for */
            uint8_t cookie[NOD_COOKIE_MAX];
        };
    };
    uint32_t accecn[3];
};

enum nod_accecn_kind {
    NOD_ACCECN0 = 172, /* EE0B, ECEB, EE1B */
    NOD_ACCECN1 = 174  /* EE1B, ECEB, EE0B */
};

struct nod_tcp_header {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint16_t wnd, up;
    uint16_t ctl; /* enum nod_ctl */
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

/* Of those, an AccECN option of so many fields. */
static inline size_t nod_tcp_accecn_size(unsigned fields)
{
    return (2 + 3 * fields + 3) / 4 * 4;
}

#endif
