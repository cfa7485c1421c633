#include "tcp/state.h"

#include "nod/trace.h"

#define TO(state) (1u << NOD_##state)

/* What may follow each state. CLOSED follows every one: by ABORT, RST or a timeout. */
static const uint16_t edges[] = {
    [NOD_CLOSED] = TO(LISTEN) | TO(SYN_SENT) | TO(SYN_RECEIVED),
    [NOD_LISTEN] = TO(SYN_RECEIVED) | TO(SYN_SENT) | TO(CLOSED),
    [NOD_SYN_SENT] = TO(SYN_RECEIVED) | TO(ESTABLISHED) | TO(CLOSED),
    [NOD_SYN_RECEIVED] = TO(ESTABLISHED) | TO(FIN_WAIT_1) | TO(CLOSED),
    [NOD_ESTABLISHED] = TO(FIN_WAIT_1) | TO(CLOSE_WAIT) | TO(CLOSED),
    [NOD_FIN_WAIT_1] = TO(FIN_WAIT_2) | TO(CLOSING) | TO(TIME_WAIT) | TO(CLOSED),
    [NOD_FIN_WAIT_2] = TO(TIME_WAIT) | TO(CLOSED),
    [NOD_CLOSE_WAIT] = TO(LAST_ACK) | TO(CLOSED),
    [NOD_CLOSING] = TO(TIME_WAIT) | TO(CLOSED),
    [NOD_LAST_ACK] = TO(CLOSED),
    [NOD_TIME_WAIT] = TO(CLOSED),
};

bool nod_state_edge_is_legal(enum nod_state from, enum nod_state to)
{
    return edges[from] & 1u << to;
}

const char *nod_state_name(enum nod_state state)
{
    switch (state) {
    case NOD_CLOSED: return "CLOSED";
    case NOD_LISTEN: return "LISTEN";
    case NOD_SYN_SENT: return "SYN-SENT";
    case NOD_SYN_RECEIVED: return "SYN-RECEIVED";
    case NOD_ESTABLISHED: return "ESTABLISHED";
    case NOD_FIN_WAIT_1: return "FIN-WAIT-1";
    case NOD_FIN_WAIT_2: return "FIN-WAIT-2";
    case NOD_CLOSE_WAIT: return "CLOSE-WAIT";
    case NOD_CLOSING: return "CLOSING";
    case NOD_LAST_ACK: return "LAST-ACK";
    case NOD_TIME_WAIT: return "TIME-WAIT";
    }
    return "?";
}
