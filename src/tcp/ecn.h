/* Explicit congestion notification: what SYN and SYN,ACK agree on (RFC 3168 section 6.1.1, RFC 9768
 * section 3.1), and the three flags as the number that Accurate ECN makes of them. No TCB is needed
 * for any of it. */
#ifndef NOD_TCP_ECN_H
#define NOD_TCP_ECN_H

#include "tcp/env.h"

#define NOD_ECN_FLAGS (NOD_AE | NOD_CWR | NOD_ECE)
#define NOD_CEP_START 5 /* of r.cep and s.cep (RFC 9768 section 3.2.1) */

/* The three flags as a number, AE first, and back. */
static inline unsigned nod_ace_of(unsigned ctl)
{
    return ctl >> 6 & 7;
}

static inline uint16_t nod_ace_flags(uint32_t value)
{
    return (uint16_t)((value & 7) << 6);
}

/* What a SYN with these flags gets, of the most that we are ready for. */
enum nod_ecn nod_ecn_of_syn(unsigned ctl, enum nod_ecn most);
/* What a SYN,ACK with these flags agrees to, of what our SYN asked for. */
enum nod_ecn nod_ecn_of_syn_ack(unsigned ctl, enum nod_ecn asked);
/* The flags of a SYN that asks. */
uint16_t nod_ecn_asks(enum nod_ecn what);
/* How Accurate ECN says which codepoint a SYN or a SYN,ACK came with (tables 2 and 3). */
uint16_t nod_ecn_reflect(unsigned codepoint);
/* The flags of a SYN,ACK; `syn`: the codepoint of the last SYN. */
uint16_t nod_ecn_answers(enum nod_ecn mode, unsigned syn);

/* A small record's: what was agreed, and what only Accurate ECN remembers. */
enum nod_ecn_record {
    ECN_RECORD_MODE = 3 << 0,      /* enum nod_ecn */
    ECN_RECORD_CODEPOINT = 3 << 2, /* of the last SYN */
    ECN_RECORD_PLAIN = 1 << 4,     /* a SYN or a SYN,ACK did without: no ECT (RFC 9768 3.1.5) */
    ECN_RECORD_AGAIN = 1 << 5,     /* the SYN came again: the option may be what was in the way */
};

static inline enum nod_ecn nod_ecn_record_mode(uint8_t record)
{
    return (enum nod_ecn)(record & ECN_RECORD_MODE);
}

/* A SYN arrives for the record, the first or the same again. False: it contradicts the one before
 * (RFC 9768 section 3.1.5), and the connection is to be reset. */
bool nod_ecn_record_syn(uint8_t *record, bool first, const struct nod_segment *syn,
                        enum nod_ecn most);
/* What its SYN,ACK says: flags, and the option if there is room. */
void nod_ecn_record_answer(uint8_t *record, unsigned retransmits, const nod_tcp_config *config,
                           struct nod_reply *reply);

#endif
