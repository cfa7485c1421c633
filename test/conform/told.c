#include "told.h"

#include <stdio.h>
#include <string.h>

/* Clauses begin so; those with 0 say nothing that this row's stimulus can show, or what every
 * row is checked for anyway. The longer of two that fit stands first. */
static const struct {
    const char *begin;
    unsigned told;
} clauses[] = {
    {"none", TOLD_DROPPED | TOLD_UNREAD},
    {"drop", TOLD_DROPPED | TOLD_UNREAD},
    {"discard", TOLD_DROPPED | TOLD_UNREAD},
    {"silently drop", TOLD_DROPPED | TOLD_UNREAD},
    {"ignore", TOLD_DROPPED},
    {"duplicate", TOLD_DROPPED},
    {"remaining data", TOLD_REST_THEN_END},
    {"remain", TOLD_DROPPED},
    {"text ignored", TOLD_DROPPED},
    {"text dropped", TOLD_DROPPED},
    {"5961: discard segment", TOLD_DROPPED | TOLD_UNREAD},
    {"no own FIN", TOLD_DROPPED | TOLD_UNREAD},
    {"n/a", TOLD_DROPPED},
    {"ACK field unread", TOLD_DROPPED | TOLD_UNREAD},
    {"ACK=SND.NXT is ignored", TOLD_DROPPED},
    {"ACK=SND.NXT+1 ", TOLD_DROPPED},
    {"ACK=SND.NXT only updates the window", TOLD_WINDOW},
    {"2MSL timer not restarted", 0}, /* every wait in TIME-WAIT is measured */
    {"whole segment dropped", TOLD_DROPPED | TOLD_UNREAD},
    {"FIN not processed", TOLD_DROPPED},
    {"else ", 0}, /* without RFC 5961 */
    {"nothing outstanding", 0},
    {"SYN retransmission goes on", 0},
    {"keep trying", 0},
    {"valid ACK and RST still processed", 0}, /* a probe with an ACK follows, cell.c */
    {"valid ACK, URG, RST still processed", 0},
    {"valid ACK still processed: open success", TOLD_OPEN},
    {"URG ignored after FIN", 0},

    {"error: connection does not exist", TOLD_NO_CONNECTION},
    {"error: connection already exists", TOLD_EXISTS},
    {"error: connection closing", TOLD_CLOSING},
    {"error: connection aborted due to user timeout", TOLD_TIMEOUT},
    {"error: connection reset (refused)", TOLD_REFUSED},
    {"connection refused", TOLD_REFUSED},
    {"outstanding calls: reset", TOLD_RESET},
    {"unsolicited connection reset signal", TOLD_RESET},
    {"queued SENDs/RECEIVEs: connection reset", TOLD_ABORTED},
    {"queued SENDs/RECEIVEs: error: closing", 0}, /* RECEIVE again, in call.c */
    {"outstanding RECEIVEs: error: closing", 0},
    {"outstanding RECEIVEs: connection reset", 0},
    {"queues flushed", 0}, /* with TCB deleted */
    {"retransmission queue flushed", 0},
    {"TCB deleted", TOLD_GONE},
    {"ok", TOLD_OK},
    {"CLOSE ok", TOLD_ACKED},
    {"continue processing in FIN-WAIT-2", 0},

    {"connection name", TOLD_NAME},
    {"passive turned active", 0},
    {"SND.UNA=ISS, SND.NXT=ISS+1", 0}, /* numbers are compared in every row */
    {"state = ", TOLD_STATUS},
    {"queued until ESTABLISHED", TOLD_WAITS},
    {"data queued until ESTABLISHED", TOLD_SENT_LATER},
    {"data on SYN or queued until ESTABLISHED", TOLD_SENT_LATER},
    {"no room: error: insufficient resources", 0}, /* tried in call.c: NOD_EAGAIN */
    {"URGENT: ", 0},                               /* SEND has no urgent flag here */
    {"queued data (PUSH/urgent flags)", TOLD_ON_HAND},
    {"none on hand: request queued", 0},
    {"when none is left: error: connection closing (EOF)", 0},

    {"open success, data delivered", TOLD_OPEN | TOLD_DELIVERED},
    {"open success, then urgent signal", TOLD_OPEN | TOLD_URGENT},
    {"open success then connection closing", TOLD_OPEN | TOLD_PEER_CLOSED},
    {"open success", TOLD_OPEN},
    {"needs acceptable ACK", 0},
    {"continue at step 6", 0},
    {"then steps 6-8", 0},
    {"data delivered, RCV.NXT advanced, right edge not reduced", TOLD_DELIVERED},
    {"first octet delivered", TOLD_DELIVERED},
    {"FIN held", 0},
    {"window not updated", TOLD_UNREAD},
    {"held", TOLD_HELD},
    {"data held", TOLD_HELD},
    {"connection closing", TOLD_PEER_CLOSED},
    {"pending RECEIVEs returned", 0},
    {"implied PUSH", 0},
    {"RCV.NXT+1", 0},
    {"RCV.UP=max", 0}, /* with the signal */
    {"signal user if ahead", TOLD_URGENT},

    {"SND.UNA=SEG.ACK", TOLD_ACKED},
    {"acked data removed, SENDs ok", TOLD_ACKED},
    {"FIN not yet covered", 0},
    {"SND.UNA unchanged, FIN not acked", TOLD_UNA_STAYS},
    {"SND.UNA unchanged", TOLD_UNA_STAYS},
    {"dup ACK counted", TOLD_DUPLICATE_ACK},
    {"window update", 0},
    {"window may be updated", 0},
    {"text would be ignored", 0},
    {"SND.WND,WL1,WL2 set", TOLD_WINDOW},
    {"RCV.NXT=SEG.SEQ+1", TOLD_SYN_TAKEN},
    {"text queued", 0}, /* LEN=0 */
    {"other text/controls queued", 0},

    {"restart 2MSL timer", TOLD_WAIT_RESTARTS},
    {"start 2MSL timer", TOLD_WAIT_STARTS},
    {"old TCB replaced", TOLD_SYN_TAKEN},
    {"ISS > all old SEQ", TOLD_NEW_ISS},
    {"RTO doubled", TOLD_BACKS_OFF},
    {"R1 ", 0}, /* with RTO doubled */
    {"at R2 ", 0},
    {"active origin: timeout error", 0},

    {"not armed", TOLD_DROPPED},
    {"a listener must outlive", 0},
    {"half-close may last", 0},
};

bool told_read(const char *text, unsigned *out, char unknown[200])
{
    *out = 0;
    while (*text) {
        size_t i = 0, count = sizeof clauses / sizeof clauses[0];

        while (i < count && !begins(text, clauses[i].begin)) i++;
        if (i == count) {
            snprintf(unknown, 200, "%.190s", text);
            return false;
        }
        *out |= clauses[i].told;
        text += strcspn(text, ";");
        text += strspn(text, "; ");
    }
    return true;
}
