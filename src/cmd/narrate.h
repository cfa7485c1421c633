/* narrate.h: finds for each row of a ladder the sentence that says why, from the trace's own
 * reasons, the states, and what the streams have carried so far. */
#ifndef NOD_CMD_NARRATE_H
#define NOD_CMD_NARRATE_H

#include "ladder.h"

#define FLOW_RANGES 64
#define FLOW_SENT 256

/* One direction of the conversation, in relative numbers. */
struct flow {
    bool syn, fin;        /* sent at least once */
    bool syn_alone;       /* a SYN without an ACK was sent: this end opened actively */
    uint32_t next;        /* beyond the highest number sent */
    uint32_t acked;       /* the highest ACK that the other end has sent for it */
    uint32_t heard;       /* the highest ACK that has come back to the sender */
    uint32_t got;         /* what the receiver has without a gap */
    uint32_t fin_at;      /* the FIN's own number */
    uint32_t told_window; /* that the receiver told last, */
    bool shut;            /* and whether it was 0 */
    bool streams;         /* its last data went out before what came before was acknowledged */
    bool ack_lost;        /* an ACK for it has been lost, and none has come through since */
    bool was_shut;        /* the sender has heard of window 0, and sent nothing but probes since */
    bool recovering;      /* between a fast retransmit and the ACK of what it found missing */
    uint32_t recover;
    nod_usec unanswered_since;
    int unanswered_count, range_count, sent_count;
    uint32_t unanswered[FLOW_RANGES]; /* ends of segments with data that no ACK has covered */
    struct {
        uint32_t first, end;
    } range[FLOW_RANGES]; /* arrived beyond a gap */
    struct {
        uint32_t seq;
        unsigned ordinal; /* which sentence it was */
        nod_usec at;      /* last sent */
    } sent[FLOW_SENT];
    unsigned ordinal;
};

struct narrator {
    struct flow flow[2]; /* of what LEFT and RIGHT send */
    bool stray[2];       /* what an end in TIME-WAIT got last was a stray */
};

/* How many segments an ACK of everything before `ack` answers for the first time. */
unsigned flow_answered(const struct flow *flow, uint32_t ack);

/* Such an ACK is sent. */
void flow_answer(struct flow *flow, uint32_t ack);

enum flow_arrival { FLOW_NOTHING, FLOW_IN_ORDER, FLOW_GAP, FLOW_FILLED, FLOW_OLD };

/* Numbers [seq, seq+len) leave the sender; `text`: with data. True when the first of them was
 * sent before. Fills in how long that is ago and which sentence it was. */
bool flow_sent(struct flow *flow, uint32_t seq, uint32_t len, bool text, nod_usec now,
               struct sentence *s);

/* They reach the receiver. */
enum flow_arrival flow_arrived(struct flow *flow, uint32_t seq, uint32_t len, bool text,
                               nod_usec now);

void narrate_arrow(struct narrator *narrator, struct ladder_row *row);
void narrate_local(struct narrator *narrator, struct ladder_row *row,
                   const struct ladder_event *event);

#endif
