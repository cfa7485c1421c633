/* The table's "returned_or_effect", clause by clause, as things that can be checked. */
#ifndef NOD_TEST_TOLD_H
#define NOD_TEST_TOLD_H

#include "table.h"

enum told {
    TOLD_DROPPED = 1 << 0,       /* nothing changes and nobody is told */
    TOLD_NO_CONNECTION = 1 << 1, /* what a call returns */
    TOLD_EXISTS = 1 << 2,
    TOLD_CLOSING = 1 << 3, /* NOD_ECLOSING; from RECEIVE: the end of the stream */
    TOLD_OK = 1 << 4,
    TOLD_WAITS = 1 << 5,         /* RECEIVE: nothing now */
    TOLD_REST_THEN_END = 1 << 6, /* RECEIVE: what is left, then the end of the stream */
    TOLD_ON_HAND = 1 << 7,       /* RECEIVE: what is there, then nothing now */
    TOLD_SENT_LATER = 1 << 8,    /* SEND: queued until ESTABLISHED */
    TOLD_STATUS = 1 << 9,
    TOLD_NAME = 1 << 10, /* OPEN gives a name */
    TOLD_OPEN = 1 << 11, /* open success */
    TOLD_PEER_CLOSED = 1 << 12,
    TOLD_RESET = 1 << 13, /* how a connection ended */
    TOLD_REFUSED = 1 << 14,
    TOLD_TIMEOUT = 1 << 15,
    TOLD_ABORTED = 1 << 16,
    TOLD_GONE = 1 << 17,      /* TCB deleted */
    TOLD_DELIVERED = 1 << 18, /* text, to RECEIVE */
    TOLD_HELD = 1 << 19,      /* text beyond a gap */
    TOLD_ACKED = 1 << 20,     /* SND.UNA=SEG.ACK */
    TOLD_UNA_STAYS = 1 << 21,
    TOLD_DUPLICATE_ACK = 1 << 22, /* counts: the third retransmits */
    TOLD_WINDOW = 1 << 23,        /* SND.WND is the segment's */
    TOLD_SYN_TAKEN = 1 << 24,     /* RCV.NXT=SEG.SEQ+1 */
    TOLD_WAIT_RESTARTS = 1 << 25, /* 2 MSL from now */
    TOLD_WAIT_STARTS = 1 << 26,
    TOLD_BACKS_OFF = 1 << 27, /* RTO doubles, and so on */
    TOLD_UNREAD = 1 << 28,    /* with TOLD_DROPPED: not even its ACK and window are read */
    TOLD_NEW_ISS = 1 << 29,   /* above all numbers of the old incarnation */
    TOLD_URGENT = 1 << 30,    /* the peer has urgent data */
};

/* The clauses of `text`, as bits of enum told. False, and the clause, when one is unknown: a
 * table that says something new is not passed over. */
bool told_read(const char *text, unsigned *out, char unknown[200]);

#endif
