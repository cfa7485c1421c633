/* What was sent and is not yet acknowledged, as runs of octets that left at the same time: the
 * scoreboard of selective acknowledgments (RFC 2018, RFC 6675) with the times that RACK needs
 * (RFC 8985 section 4). Every
 * operation costs log n for each run that it changes, and no peer can cut the flight into more
 * than one run for each 256 octets. */
#ifndef NOD_TCP_SCOREBOARD_H
#define NOD_TCP_SCOREBOARD_H

#include "base/pool.h"
#include "base/tree.h"
#include "nod/types.h"

enum nod_sent_state {
    NOD_SENT_OUT,    /* on its way, as far as we know */
    NOD_SENT_LOST,   /* found lost, and not sent again yet */
    NOD_SENT_SACKED, /* the peer has it, and may drop it again (RFC 2018 section 8) */
};

/* The connection when a run left: what the delivery rate is measured from (rate.c). */
struct nod_sent_rate {
    uint64_t delivered, lost;
    nod_usec delivered_at, first_sent;
    uint32_t flight; /* with the run's last octet in it */
    bool app_limited;
};

struct nod_sent {
    struct nod_tree_node node;    /* key: its first octet; marked: lost */
    struct nod_sent *next, *prev; /* OUT: in the order of time. LOST: the next of the news */
    uint32_t end;
    uint8_t state; /* enum nod_sent_state */
    bool again;    /* this is not the first time */
    nod_usec at;   /* when it left */
    /* OUT: when we heard of the first that left later and has arrived; 0: of none. Where the order
     * is kept it would have arrived before that, however long the queue was. */
    nod_usec overtaken;
    struct nod_sent_rate rate;
};

static inline uint32_t nod_sent_seq(const struct nod_sent *run)
{
    return run->node.key;
}

static inline uint32_t nod_sent_len(const struct nod_sent *run)
{
    return run->end - run->node.key;
}

struct nod_board {
    struct nod_tree_node *root;
    struct nod_sent *oldest, *newest; /* of those OUT, by time */
    struct nod_sent *spare;           /* for the next, or NULL */
    struct nod_sent *news, *news_end; /* found lost just now, in that order */
    uint32_t runs, first, end;        /* [first, end) */
    uint32_t sacked, lost, again;     /* octets; again: OUT, and not for the first time */
};

/* What an ACK has delivered. */
struct nod_delivery {
    uint32_t octets;        /* for the first time */
    bool any, any_once;     /* whether what follows is set */
    struct nod_sent newest; /* of the runs delivered, the one that left last */
    struct nod_sent once;   /* the same of those that were sent just once */
    uint32_t once_end;      /* and the lowest end of such, */
    nod_usec once_at;       /* which left then, */
    nod_usec overtaken;     /* and was overtaken then; 0: it was not */
    nod_usec heard;         /* set by who asks: when the ACK came; 0: nothing is overtaken */
};

/* Sees to it that the next nod_board_sent has the memory it needs. False: there is none, and
 * nothing new must leave. */
bool nod_board_ready(struct nod_board *b, nod_pool *pool);
/* Notes that [b->end, end) leaves now; it is in b->newest then. */
void nod_board_sent(struct nod_board *b, uint32_t end, nod_usec at);

/* The run that begins at `seq`, which is within [first, end), cut to at most `len` octets. Without
 * memory it may be longer, or NULL. */
struct nod_sent *nod_board_from(struct nod_board *b, nod_pool *pool, uint32_t seq, uint32_t len);

/* Notes that a run that is not sacked leaves again. */
void nod_board_again(struct nod_board *b, struct nod_sent *run, nod_usec at);

/* Everything before `ack` is done with; b->first <= ack <= b->end. */
void nod_board_acked(struct nod_board *b, nod_pool *pool, uint32_t ack, struct nod_delivery *d);

/* The peer has [from, to), within [first, end]. */
void nod_board_sacked(struct nod_board *b, nod_pool *pool, uint32_t from, uint32_t to,
                      struct nod_delivery *d);

/* An OUT run is lost. That is news, to be taken before the run may change again. */
void nod_board_lose(struct nod_board *b, struct nod_sent *run);
struct nod_sent *nod_board_take_news(struct nod_board *b); /* NULL: there is none */
/* It was no congestion, and is news to nobody. */
static inline void nod_board_forget_news(struct nod_board *b)
{
    b->news = NULL;
}

/* Everything that is not sacked is lost, with news of it; with `renege` also what was (RFC 2018
 * section 8). */
void nod_board_lose_all(struct nod_board *b, bool renege);

/* It was a false alarm: what is lost, and was not sent again, is on its way. */
void nod_board_unlose(struct nod_board *b);

/* The run that holds the octet, or NULL. */
struct nod_sent *nod_board_at(const struct nod_board *b, uint32_t seq);
struct nod_sent *nod_board_first_lost(const struct nod_board *b);

static inline uint32_t nod_board_octets(const struct nod_board *b)
{
    return b->end - b->first;
}

/* RFC 9937 section 6.2's inflight, RFC 6675's pipe. */
static inline uint32_t nod_board_out(const struct nod_board *b)
{
    return b->end - b->first - b->sacked - b->lost;
}

void nod_board_init(struct nod_board *b, uint32_t seq);
void nod_board_clear(struct nod_board *b, nod_pool *pool);
void nod_board_check(const struct nod_board *b); /* the invariants; ends the program */

#endif
