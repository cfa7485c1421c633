/* What recovery from loss remembers of a connection that has something in flight. */
#ifndef NOD_TCP_LOSS_H
#define NOD_TCP_LOSS_H

#include "tcp/prr.h"
#include "tcp/rack.h"
#include "tcp/rate.h"
#include "tcp/scoreboard.h"

enum nod_loss_phase {
    NOD_LOSS_NONE,
    NOD_LOSS_FAST,    /* fast recovery */
    NOD_LOSS_TIMEOUT, /* after a retransmission timeout */
    NOD_LOSS_TOO_BIG, /* what is lost was too big for the path: no congestion */
};

enum nod_frto {
    NOD_FRTO_OFF,
    NOD_FRTO_SENT_AGAIN, /* the first was sent again: what will the next ACK say? */
    NOD_FRTO_SENT_NEW,   /* it advanced, and new octets left instead of old ones */
};

struct nod_loss {
    struct nod_board board;
    struct nod_rack rack;
    struct nod_prr prr;
    struct nod_rate rate;
    uint32_t rtt_us;     /* that the last ACK measured; 0: none */
    uint8_t phase;       /* enum nod_loss_phase */
    uint8_t frto;        /* enum nod_frto */
    uint32_t recover;    /* the phase ends when this is acknowledged */
    uint32_t dup_octets; /* without SACK: what duplicate ACKs say has left the network */

    /* What a false alarm is undone by. */
    bool may_undo;
    uint32_t undo_cwnd, undo_ssthresh;
    uint32_t undo_from;  /* SND.UNA then */
    uint32_t undo_until; /* SND.NXT when the recovery ended */
    uint32_t undo_again; /* octets sent again since, of which no DSACK has told */
    nod_usec undo_at;    /* when the first of them left; 0: none has */

    /* The loss probe (RFC 8985 section 7). */
    bool probe_out, probe_again; /* one is out; it was sent before */
    bool probe_ready;            /* an RTT was measured since the last one */
    uint32_t probe_end;
};

/* What an ACK says, before it is acted on. */
struct nod_ack {
    uint32_t acked; /* octets of text and FIN by which SND.UNA moved */
    bool moved;     /* SND.UNA did */
    bool duplicate; /* RFC 5681 section 2 */
    bool old;       /* below SND.UNA: only its SACK blocks count */
    bool dsack;
    uint32_t dsack_from, dsack_to;
    struct nod_echo echo;
    struct nod_delivery d;
};

static inline uint32_t nod_usec_ms(nod_usec us)
{
    return (uint32_t)(us / NOD_MSEC);
}

#endif
