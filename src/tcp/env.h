/* What the TCP engine may use: time as it was told, memory, timers, and a way out. No address
 * family, no link, no clock. */
#ifndef NOD_TCP_ENV_H
#define NOD_TCP_ENV_H

#include "base/trace.h"
#include "base/wheel.h"
#include "nod/stack.h"
#include "wire/tcp.h"

/* Names a connection. The addresses are opaque to TCP. */
struct nod_key {
    uint8_t local[16], remote[16];
    uint16_t local_port, remote_port;
};

enum nod_record_kind {
    NOD_RECORD_TCB,
    NOD_RECORD_SYN_RECEIVED,
    NOD_RECORD_TIME_WAIT,
    NOD_RECORD_LISTENER,
    NOD_RECORD_PENDING, /* a SYN that the user is to decide about */
};

/* What all records in the connection table begin with. */
struct nod_record {
    struct nod_timer_node timer; /* its one place in the wheel */
    struct nod_record *next;     /* in the table */
    struct nod_key key;
    uint8_t kind;  /* enum nod_record_kind */
    uint8_t state; /* enum nod_state */
    uint8_t iface;
    uint8_t flags;
};

/* A segment without text that is due, but not from a TCB's own output: RSTs, SYN,ACKs of
 * small records, ACKs of TIME-WAIT. */
struct nod_reply {
    struct nod_key key;
    uint32_t seq, ack;
    struct nod_tcp_options opt;
    uint32_t slot;     /* of the connection, for the trace; NOD_NO_SLOT */
    uint32_t iss, irs; /* what the trace's relative numbers start from */
    uint16_t wnd, ctl;
    uint8_t why, state, iface, ttl, dscp;
    uint8_t scale; /* of wnd, for the trace */
    bool retransmission;
};
#define NOD_NO_SLOT UINT32_MAX

struct nod_reply_ring {
    struct nod_reply *items;
    uint32_t cap, first, count;
};

/* A slot of the handle table. */
struct nod_slot {
    struct nod_record *object; /* a TCB or a listener; NULL: free */
    uint32_t generation;       /* changes when the name is given back */
    uint32_t event_next;       /* the next slot with events, or one of the values below */
};
#define NOD_EVENT_END (UINT32_MAX - 1)
#define NOD_EVENT_NOT_LISTED UINT32_MAX
#define NOD_SLOT_PAGE 64

struct nod_env {
    nod_usec now;
    nod_pool *pool;
    struct nod_wheel wheel;
    struct nod_reply_ring replies;
    struct nod_trace_ring trace;
    nod_stack_stats stats;
    struct nod_slot **slot_pages;   /* of NOD_SLOT_PAGE each, made as they are needed */
    uint32_t slot_count, slot_free; /* slot_free: how many are free */
    uint8_t ttl, dscp;              /* of what belongs to no connection */
    uint8_t isn_key[16];            /* for initial sequence numbers and timestamp offsets */
    uint8_t cookie_key[16];         /* for SYN cookies */
};

static inline struct nod_slot *nod_env_slot(const struct nod_env *env, uint32_t slot)
{
    return &env->slot_pages[slot / NOD_SLOT_PAGE][slot % NOD_SLOT_PAGE];
}

static inline nod_handle nod_env_handle(const struct nod_env *env, uint32_t slot)
{
    if (slot == NOD_NO_SLOT) return 0;
    return (nod_handle)nod_env_slot(env, slot)->generation << 32 | (slot + 1);
}

/* An arriving segment: the header as it was parsed, and its text, which the engine may take. */
struct nod_segment {
    struct nod_tcp_header h;
    uint32_t seq;     /* first octet, after trimming */
    uint32_t text;    /* octets of text */
    bool syn, fin;    /* still to be processed */
    nod_slice *parts; /* the text, in order; taken ones are emptied */
    unsigned part_count;
    uint32_t frame;
    uint32_t payload; /* octets of text as they came, before trimming */
    uint32_t packets; /* 1, or as many as were merged into it */
    uint8_t iface;
    uint8_t family;
    uint8_t dscp;
    uint8_t ecn; /* enum nod_codepoint */
};

/* SEG.LEN: SYN and FIN count (RFC 9293 section 3.4). */
static inline uint32_t segment_len(const struct nod_segment *seg)
{
    return seg->text + seg->syn + seg->fin;
}

/* Room for a reply, cleared, or NULL when the ring is full: then it is as if it were lost on
 * the way, which every receiver of a reply survives. */
struct nod_reply *nod_reply_add(struct nod_env *env, const struct nod_key *key, enum nod_why why);

/* <SEQ=SEG.ACK><CTL=RST>, or <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> (3.10.7.1). Never in
 * answer to a RST, and NULL then, or when the ring is full. */
struct nod_reply *nod_reply_rst(struct nod_env *env, const struct nod_key *key,
                                const struct nod_segment *seg, enum nod_state state,
                                enum nod_why why);

/* TTL and code point as a connection's or a listener's configuration wants them (MUST-49). */
static inline void nod_reply_as(struct nod_reply *reply, const nod_tcp_config *config)
{
    if (!reply) return;
    reply->ttl = config->ttl;
    reply->dscp = config->dscp;
}

/* At most ten challenge ACKs a second and connection (RFC 5961 section 7), of its own so that
 * nobody learns anything from another connection's (CVE-2016-5696). `throttle` is one octet
 * that starts as 0: the second modulo 15, and how many there were in it. What it remembers from
 * 15 seconds ago may cost a second of silence. */
bool nod_challenge_allowed(const struct nod_env *env, uint8_t *throttle);

/* Counts and traces a drop. `rec` may be NULL. */
void nod_drop_segment(struct nod_env *env, const struct nod_record *rec, uint32_t frame,
                      enum nod_drop reason);

/* What a connection's timestamps start from (RFC 7323 section 7.1): the same for each
 * incarnation, so that PAWS and RFC 6191 work across them, and unrelated between connections. */
uint32_t nod_ts_offset(const struct nod_env *env, const struct nod_key *key);
/* TSval now: a clock of 1 ms. */
uint32_t nod_ts_now(const struct nod_env *env, const struct nod_key *key);

/* Octets of the headers before text, IP's and TCP's, without options. */
uint32_t nod_key_headers(const struct nod_key *key);
/* What text every path takes, less options: IPv6's links have 1280 octets, IPv4's `least4`. */
uint32_t nod_key_least_mss(const struct nod_key *key, uint16_t least4);
nod_endpoint nod_key_local(const struct nod_key *key);
nod_endpoint nod_key_remote(const struct nod_key *key);

#endif
