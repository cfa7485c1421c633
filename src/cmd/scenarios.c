/* The plays themselves. Times are those of a link of 10 ms each way. */
#include <string.h>

#include "scenario.h"
#include "tr.h"

#define LOST NOD_FATE_LOST
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define PLAY(list) .action_count = COUNT(list), .actions = (list)
#define HARM(list) .mishap_count = COUNT(list), .mishaps = (list)

static const struct action open_close[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},        {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_WRITE, THE_BYTES}, {HEARD, 10, RIGHT, DO_WRITE, 12},
    {HEARD, 100, LEFT, DO_CLOSE, 0},          {PEER_CLOSED, 60, RIGHT, DO_CLOSE, 0},
};

static const struct action three_segment_close[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},
    {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_CLOSE, 0},
    {PEER_CLOSED, 0, RIGHT, DO_CLOSE, 0},
};

static const struct action half_close[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},        {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_WRITE, THE_BYTES}, {AT_ONCE, 0, LEFT, DO_CLOSE, 0},
    {PEER_CLOSED, 100, RIGHT, DO_WRITE, 600}, {ANSWERED, 100, RIGHT, DO_WRITE, 400},
    {ANSWERED, 100, RIGHT, DO_CLOSE, 0},
};

static const struct action simultaneous_open[] = {
    {AT_ONCE, 0, LEFT, DO_CONNECT, 0},        {AT_ONCE, 0, RIGHT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_WRITE, THE_BYTES}, {HEARD, 100, RIGHT, DO_CLOSE, 0},
    {PEER_CLOSED, 60, LEFT, DO_CLOSE, 0},
};

static const struct action simultaneous_close[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},
    {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_CLOSE, 0},
    {AT_ONCE, 0, RIGHT, DO_CLOSE, 0},
};

static const struct action lost_syn[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},
    {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_CLOSE, 0},
    {PEER_CLOSED, 0, RIGHT, DO_CLOSE, 0},
};
static const struct mishap lost_syn_harm[] = {{LEFT, 0, LOST}};

static const struct action lost_data[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},        {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_WRITE, THE_BYTES}, {ANSWERED, 100, LEFT, DO_WRITE, 100},
    {ANSWERED, 100, LEFT, DO_CLOSE, 0},       {PEER_CLOSED, 0, RIGHT, DO_CLOSE, 0},
};
/* Of five segments the second; and, after three more and its second time, the lone one. */
static const struct mishap lost_data_harm[] = {{LEFT, 3, LOST}, {LEFT, 4, LOST}};

static const struct action lost_ack[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},        {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_WRITE, THE_BYTES}, {AT_ONCE, 100, LEFT, DO_WRITE, THE_BYTES},
    {ANSWERED, 100, LEFT, DO_CLOSE, 0},       {PEER_CLOSED, 0, RIGHT, DO_CLOSE, 0},
};
static const struct mishap lost_ack_harm[] = {{RIGHT, 1, LOST}};

static const struct action one_way[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},        {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_WRITE, THE_BYTES}, {ANSWERED, 100, LEFT, DO_CLOSE, 0},
    {PEER_CLOSED, 0, RIGHT, DO_CLOSE, 0},
};
static const struct mishap duplicate_harm[] = {{LEFT, 2, NOD_FATE_DUPLICATED}};
static const struct mishap reorder_harm[] = {{LEFT, 2, NOD_FATE_REORDERED}};

static const struct action slow_reader[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},    {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 0, RIGHT, DO_IGNORE, 0},     {AT_ONCE, 100, LEFT, DO_WRITE, THE_BYTES},
    {AT_ONCE, 1500, RIGHT, DO_READ, 0},   {ANSWERED, 100, LEFT, DO_CLOSE, 0},
    {PEER_CLOSED, 0, RIGHT, DO_CLOSE, 0},
};

static const struct action plain_close[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},
    {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_CLOSE, 0},
    {PEER_CLOSED, 60, RIGHT, DO_CLOSE, 0},
};
static const struct mishap lost_last_ack_harm[] = {{LEFT, 3, LOST}};

static const struct action stray_segment[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},         {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, RIGHT, DO_WRITE, THE_BYTES}, {HEARD, 100, LEFT, DO_CLOSE, 0},
    {PEER_CLOSED, 60, RIGHT, DO_CLOSE, 0},
};
static const struct mishap stray_harm[] = {{RIGHT, 1, NOD_FATE_REORDERED}};

static const struct action port_held[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},    {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_CLOSE, 0},     {PEER_CLOSED, 60, RIGHT, DO_CLOSE, 0},
    {AT_ONCE, 1000, LEFT, DO_CONNECT, 0}, {ENDED, 1000, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_ABORT, 0},
};

static const struct action refused[] = {{AT_ONCE, 0, LEFT, DO_CONNECT, 0}};

static const struct action reset[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},
    {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_WRITE, THE_BYTES},
    {HEARD, 100, RIGHT, DO_ABORT, 0},
};

static const struct action stale_half_open[] = {
    {AT_ONCE, 0, RIGHT, DO_LISTEN, 0},        {AT_ONCE, 0, LEFT, DO_CONNECT, 0},
    {OPENED, 100, LEFT, DO_WRITE, THE_BYTES}, {ANSWERED, 500, LEFT, DO_REBOOT, 0},
    {AT_ONCE, 500, LEFT, DO_CONNECT, 0},      {OPENED, 100, LEFT, DO_CLOSE, 0},
    {PEER_CLOSED, 0, RIGHT, DO_CLOSE, 0},
};

const struct scenario scenarios[] = {
    {.name = "open-close",
     .what = N_("Three segments open a connection, four close it: the whole life of one."),
     .bytes = 5,
     PLAY(open_close)},
    {.name = "three-segment-close",
     .what = N_("The FIN travels with the ACK, and a close takes three segments instead of four."),
     PLAY(three_segment_close)},
    {.name = "half-close",
     .what =
         N_("One end has said everything, the other goes on sending: a connection half-closed."),
     .bytes = 7,
     PLAY(half_close)},
    {.name = "simultaneous-open",
     .what = N_("Both ends send a SYN at the same time, and get one connection, not two."),
     .equals = true,
     .bytes = 5,
     PLAY(simultaneous_open)},
    {.name = "simultaneous-close",
     .what = N_("Both ends send a FIN at the same time, and both wait in TIME-WAIT."),
     PLAY(simultaneous_close)},
    {.name = "lost-syn",
     .what = N_("The first SYN is lost; a timer notices, and it is sent again."),
     PLAY(lost_syn),
     HARM(lost_syn_harm)},
    {.name = "lost-data",
     .what = N_("Data is lost twice: what arrives after it shows it once, a probe the other time."),
     .bytes = 5 * 1448,
     .rate_bps = 10000000,
     .path_known = true,
     PLAY(lost_data),
     HARM(lost_data_harm)},
    {.name = "lost-ack",
     .what = N_("An ACK is lost, and nothing has to be sent again: the next one says it all."),
     .bytes = 1000,
     .no_nagle = true,
     PLAY(lost_ack),
     HARM(lost_ack_harm)},
    {.name = "duplicate",
     .what = N_("The network delivers a segment twice; the application gets its bytes once."),
     .bytes = 1000,
     PLAY(one_way),
     HARM(duplicate_harm)},
    {.name = "reorder",
     .what = N_("A segment is overtaken; the receiver keeps what came early and puts it in order."),
     .bytes = 3 * 1448,
     .rate_bps = 10000000,
     .held_back_ms = 4, /* less than it takes to be called lost */
     PLAY(one_way),
     HARM(reorder_harm)},
    {.name = "batch-ack",
     .what = N_("Eight segments, one ACK: an ACK is cumulative."),
     .bytes = 8 * 1448,
     PLAY(one_way)},
    {.name = "slow-reader",
     .what = N_("The reader is slow: the window closes, is probed, and opens again."),
     .bytes = 6000,
     .receive_buffer = 4344,
     PLAY(slow_reader)},
    {.name = "lost-last-ack",
     .what = N_("The last ACK is lost, the FIN comes again, and TIME-WAIT is there to answer it."),
     PLAY(plain_close),
     HARM(lost_last_ack_harm)},
    {.name = "stray-segment",
     .what = N_("A segment strays in after the end; TIME-WAIT drops it."),
     .bytes = 500,
     .held_back_ms = 1500,
     PLAY(stray_segment),
     HARM(stray_harm)},
    {.name = "port-held",
     .what = N_("TIME-WAIT holds the port for twice the maximum segment lifetime, then frees it."),
     PLAY(port_held)},
    {.name = "path-mtu",
     .what = N_("A link in the middle takes only smaller packets, and a router says so by ICMP."),
     .bytes = 3 * 1448,
     .path_mtu = 1400,
     PLAY(one_way)},
    {.name = "black-hole",
     .what = N_("The same link, but nobody says so: the sender finds out by itself."),
     .bytes = 1448,
     .path_mtu = 1400,
     .black_hole = true,
     PLAY(one_way)},
    {.name = "refused",
     .what = N_("Nobody listens: the SYN is answered with a RST."),
     PLAY(refused)},
    {.name = "reset",
     .what = N_("One end aborts: a RST ends the connection at once."),
     .bytes = 100,
     PLAY(reset)},
    {.name = "stale-half-open",
     .what = N_("One end loses its memory in a power cut: the connection is half-open until a RST "
                "clears it away."),
     .bytes = 100,
     PLAY(stale_half_open)},
};
const int scenario_count = COUNT(scenarios);

const struct scenario *scenario_find(const char *name)
{
    for (int i = 0; i < scenario_count; i++) {
        if (strcmp(scenarios[i].name, name) == 0) return &scenarios[i];
    }
    return NULL;
}
