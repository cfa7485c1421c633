/* Brings a conversation to the place where a row begins: its state, and what else its stimulus
 * asks for ("10 octets unacked", "RCV.WND=0"). */
#ifndef NOD_TEST_PLACES_H
#define NOD_TEST_PLACES_H

#include "conv.h"

struct setting {
    bool zero_window;  /* RCV.WND=0 */
    bool unacked;      /* 10 octets were sent */
    bool on_hand;      /* 10 octets wait for RECEIVE */
    bool remote_named; /* by the passive OPEN */
    bool gone;         /* CLOSED was LAST-ACK before */
    bool released;     /* the user gave the name back */
    bool queued;       /* SEND before ESTABLISHED */
    bool unsent;       /* 10 octets wait for the peer's window */
    uint32_t at_least; /* RCV.WND */
};

struct setting places_setting(const struct row *row);

/* Whether a row can be tried this way: who opens, with or without timestamps. */
bool places_applies(const struct row *row, struct variant variant);

/* Goes there, and checks that nod agrees on where it is. False: the stage says why. */
bool places_go(struct conv *c, const struct setting *setting);

#endif
