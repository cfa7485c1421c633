/* The table's notation: "RCV.WND>=1: SEQ=RCV.NXT+RCV.WND ACK=SND.UNA CTL=ACK LEN=10" of a
 * stimulus, and "<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> with WND=0" of an answer. */
#ifndef NOD_TEST_NOTATION_H
#define NOD_TEST_NOTATION_H

#include "conv.h"

/* Reads a stimulus that is a segment. False when it is none, or not understood. */
bool notation_stimulus(const struct conv *c, const char *text, struct segment *out);

struct answer {
    bool none;             /* nothing may be sent */
    bool may_wait;         /* a delayed ACK will do */
    bool with_sack;        /* if SACK was agreed on */
    struct segment wanted; /* what it does not mention may be anything */
};

/* Reads an answer. `seg` is the stimulus, for SEG.SEQ and the like; ACK=RCV.NXT is the number
 * after it was processed. */
bool notation_answer(const struct conv *c, const char *text, const struct segment *seg,
                     uint32_t rcv_nxt, struct answer *out);

#endif
