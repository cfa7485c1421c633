#include "choices.h"

#include <string.h>

#define ACK "<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>"
#define RST_ACK "<SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>"
#define NEW_INCARNATION "<SEQ=ISS><ACK=SEG.SEQ+1><CTL=SYN,ACK>"

#define ABORTS "departure: RST,ACK as every stack sends it, doc/deviations.md"
#define NO_NAME "cannot occur: a passive open has no name before ACCEPT, which gives none yet"

enum who { ANY, PASSIVE, ACTIVE };

/* NULL: as the table has it. */
static const struct choice {
    const char *state, *event;
    enum who who;
    const char *next, *sent, *told, *stimulus;
    const char *why;
} choices[] = {
    {"LISTEN", "OPEN-PASSIVE", ANY, NULL, NULL, "error: connection already exists", NULL,
     "choice: a second listener of one name is an error (MUST-41 lets the first be)"},
    {"SYN-RECEIVED", "SEG:RST-exact", PASSIVE, "CLOSED", NULL, "none", NULL,
     "choice: the child's record goes, the listener stays in LISTEN"},
    {"SYN-RECEIVED", "SEG:RST-exact", ACTIVE, "CLOSED", NULL, "connection refused; TCB deleted",
     NULL, "the row's text for an active OPEN"},
    {"SYN-RECEIVED", "SEG:SYN-in-window", ANY, "SYN-RECEIVED", ACK " (throttled)", "drop", NULL,
     "departure: challenge ACK whoever opened (RFC 5961 section 4), doc/deviations.md"},
    {"SYN-RECEIVED", "SEG:SYN-out-of-window", ANY, NULL, "<SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>",
     NULL, NULL, "choice: the SYN,ACK again, which a peer in SYN-SENT can use"},
    {"SYN-RECEIVED", "SEG:SYN+ACK", ANY, "ESTABLISHED", "none", "open success", NULL,
     "choice: figure 7, the SYN is trimmed and the ACK processed"},
    {"SYN-RECEIVED", "SEG:data-while-RCV.WND=0", ANY, NULL,
     "<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> with WND=0 (may be delayed)",
     "open success; first octet delivered", "RCV.WND=1: SEQ=RCV.NXT ACK=ISS+1 CTL=ACK LEN=2",
     "cannot be built: a SYN,ACK never offers 0, for a receive buffer of 0 is refused with "
     "NOD_EINVAL (checked); nearest: a window of one octet, closed by the first of two"},
    {"SYN-RECEIVED", "ABORT", PASSIVE, "SYN-RECEIVED", "none", "none", NULL, NO_NAME},
    {"SYN-RECEIVED", "ABORT", ANY, NULL, RST_ACK, NULL, NULL, ABORTS},
    {"ESTABLISHED", "ABORT", ANY, NULL, RST_ACK, NULL, NULL, ABORTS},
    {"FIN-WAIT-1", "ABORT", ANY, NULL, RST_ACK, NULL, NULL, ABORTS},
    {"FIN-WAIT-2", "ABORT", ANY, NULL, RST_ACK, NULL, NULL, ABORTS},
    {"CLOSE-WAIT", "ABORT", ANY, NULL, RST_ACK, NULL, NULL, ABORTS},
    {"SYN-RECEIVED", "USER-TIMEOUT", PASSIVE, NULL, NULL, "queues flushed", NULL,
     "no call waits and nobody has a name for it: the record goes without a word, at its first "
     "retransmission timeout past the limit"},
    {"CLOSING", "SEG:FIN-retransmitted", ANY, NULL, NULL, "ignored", NULL,
     "choice: the ACK of a retransmitted FIN is read (appendix A.2), and with it the window"},
    {"LAST-ACK", "SEG:FIN-retransmitted", ANY, NULL, NULL, "ignored", NULL,
     "choice: the ACK of a retransmitted FIN is read (appendix A.2), and with it the window"},
    {"CLOSING", "SEG:FIN+ACK-of-our-FIN", ANY, "TIME-WAIT", NULL, "start 2MSL timer", NULL,
     "choice: the ACK of a retransmitted FIN is read (appendix A.2)"},
    {"LAST-ACK", "SEG:FIN+ACK-of-our-FIN", ANY, "CLOSED", "none", "TCB deleted; CLOSE ok", NULL,
     "choice: the ACK of a retransmitted FIN is read (appendix A.2)"},
    {"TIME-WAIT", "SEG:RST-exact", ANY, "TIME-WAIT", NULL, "ignored", NULL,
     "choice: RFC 1337 fix F1, doc/deviations.md"},
    {"TIME-WAIT", "SEG:RST-in-window-not-exact", ANY, NULL, "none", NULL, NULL,
     "choice: RFC 1337 fix F1, doc/deviations.md"},
    {"TIME-WAIT", "SEG:SYN-in-window", PASSIVE, "SYN-RECEIVED", NEW_INCARNATION,
     "old TCB replaced; ISS > all old SEQ", NULL, "choice: reuse by RFC 6191 where one listens"},
    {"TIME-WAIT", "SEG:SYN-in-window", ACTIVE, "TIME-WAIT", ACK, "drop", NULL,
     "nobody listens, so nothing can take the old connection's place: no reuse"},
    {"TIME-WAIT", "SEG:SYN-out-of-window", PASSIVE, "SYN-RECEIVED", NEW_INCARNATION,
     "old TCB replaced; ISS > all old SEQ", NULL, "choice: reuse by RFC 6191 where one listens"},
    {"TIME-WAIT", "SEG:SYN-out-of-window", ACTIVE, "TIME-WAIT", ACK, "drop", NULL,
     "nobody listens, so nothing can take the old connection's place: no reuse"},
    {"SYN-RECEIVED", "SEND", PASSIVE, "SYN-RECEIVED", "none", "none", NULL, NO_NAME},
    {"SYN-RECEIVED", "RECEIVE", PASSIVE, "SYN-RECEIVED", "none", "none", NULL, NO_NAME},
    {"SYN-RECEIVED", "CLOSE", PASSIVE, "SYN-RECEIVED", "none", "none", NULL, NO_NAME},
    {"SYN-RECEIVED", "STATUS", PASSIVE, "SYN-RECEIVED", "none", "none", NULL, NO_NAME},
};

static bool fits(const struct choice *choice, const struct row *row, bool passive)
{
    return strcmp(choice->state, row->state) == 0 && strcmp(choice->event, row->event) == 0 &&
           (choice->who == ANY || (choice->who == PASSIVE) == passive);
}

struct row choices_row(const struct row *row, const struct variant *variant, const char **why)
{
    struct row made = *row;

    *why = NULL;
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        const struct choice *choice = &choices[i];

        if (!fits(choice, row, variant->passive)) {
            continue;
        }
        made.next = choice->next ? choice->next : row->next;
        made.sent = choice->sent ? choice->sent : row->sent;
        made.told = choice->told ? choice->told : row->told;
        made.stimulus = choice->stimulus ? choice->stimulus : row->stimulus;
        *why = choice->why;
        break;
    }
    return made;
}
