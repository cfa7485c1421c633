/* One conversation in which one cell of the table is tried: a stack, a peer made by hand, what
 * went over the wire so far, and the numbers that follow from it. */
#ifndef NOD_TEST_CONV_H
#define NOD_TEST_CONV_H

#include "script/stage.h"
#include "table.h"

/* How the conversation comes about. */
struct variant {
    bool passive; /* who opened */
    bool six;     /* IPv6 */
    bool options; /* timestamps, SACK and window scale agreed on */
};

/* RFC 9293's names, as the wire tells them; relative, as tcpdump shows them. Where there is no
 * connection yet (CLOSED, LISTEN, SYN-SENT) relative is absolute for the peer's numbers. */
struct numbers {
    uint32_t iss, irs, una, nxt, rcv_nxt, rcv_wnd, max_wnd, snd_wnd, ts_recent;
    uint8_t scale; /* of nod's windows */
    bool offered;  /* a window with an ACK, of which rcv_wnd is one */
};

struct conv {
    struct stage stage;
    struct flow *flow; /* of stage */
    struct flow *listener;
    const struct row *row;
    struct variant variant;
    struct numbers n;
    uint32_t peer_win; /* what the peer's next segment offers, unscaled */
    uint32_t nod_ts;   /* nod's last timestamp */
    int noted;         /* segments that `n` knows of */
    nod_usec time_wait_since;
    nod_usec owed_since; /* since when the peer owes an ACK */
};

/* What the peer scales its windows by, when that is agreed on. */
#define PEER_SCALE 2
/* The time that everything on the way takes. */
#define DELAY (10 * NOD_MSEC)
/* Longer than any ACK may wait, shorter than any retransmission timeout. */
#define QUIET (100 * NOD_MSEC)

void conv_open(struct conv *c, const struct row *row, struct variant variant, FILE *listing);
bool conv_boot(struct conv *c);
void conv_close(struct conv *c);

/* Lets time go by. False: the stage says why. So with all below. */
bool conv_wait(struct conv *c, nod_usec time);
/* Lets nod send what it has, at this moment. */
bool conv_settle(struct conv *c);

/* A segment from the peer now; its window is the last one's, its options what was agreed. */
bool conv_say(struct conv *c, unsigned ctl, uint32_t seq, uint32_t ack, uint32_t length);
bool conv_inject(struct conv *c, const struct segment *segment);

/* Forgets the segments seen and events heard so far. */
void conv_mark(struct conv *c);
/* Events of the connection since. */
uint32_t conv_heard(struct conv *c);

/* Writes what a user did into the listing. */
__attribute__((format(printf, 2, 3))) void conv_tell(struct conv *c, const char *format, ...);

int conv_open_active(struct conv *c);
int conv_open_passive(struct conv *c, bool name_peer, nod_handle *out);
/* SEND and RECEIVE with the bytes that the stream has at this place. */
ptrdiff_t conv_send(struct conv *c, size_t len);
ptrdiff_t conv_receive(struct conv *c, size_t len);
int conv_accept(struct conv *c);

/* The connection's record among all records; false: there is none. Fails if there are two. */
bool conv_record(struct conv *c, nod_status *out);
bool conv_is_listening(struct conv *c);
/* By the records and by STATUS, which must say the same. */
bool conv_state(struct conv *c, enum nod_state *out);

#endif
