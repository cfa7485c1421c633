/* The state machine's edges (RFC 9293 figure 5 and section 3.10). */
#ifndef NOD_TCP_STATE_H
#define NOD_TCP_STATE_H

#include "nod/tcp.h"

bool nod_state_edge_is_legal(enum nod_state from, enum nod_state to);

#endif
