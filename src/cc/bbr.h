/* BBR version 3 (draft-ietf-ccwg-bbr-06 and its source after that): a model of the path, how much
 * it delivers and how long it takes at least, from which window and pacing rate follow. Loss is a
 * signal among others. Names are the draft's; rates are octets a second, volumes octets. */
#ifndef NOD_CC_BBR_H
#define NOD_CC_BBR_H

#include "base/min_filter.h"

enum nod_bbr_state {
    NOD_BBR_STARTUP,
    NOD_BBR_DRAIN,
    NOD_BBR_DOWN,   /* ProbeBW: slower than the network delivers, */
    NOD_BBR_CRUISE, /* as fast, */
    NOD_BBR_REFILL, /* as fast as is known to be possible, */
    NOD_BBR_UP,     /* faster */
    NOD_BBR_PROBE_RTT,
    NOD_BBR_NONE,
};

/* What the ACKs that come say of bandwidth probing. */
enum nod_bbr_acks {
    NOD_BBR_ACKS_INIT,
    NOD_BBR_ACKS_REFILLING,
    NOD_BBR_ACKS_STARTING,
    NOD_BBR_ACKS_FEEDBACK,
    NOD_BBR_ACKS_STOPPING,
};

struct nod_bbr {
    bool started;
    uint8_t state;      /* enum nod_bbr_state */
    uint8_t undo_state; /* the same: what a loss ended; NONE: nothing */
    uint8_t ack_phase;  /* enum nod_bbr_acks */

    /* Round trips, counted by what was delivered. */
    bool round_start;
    bool filled, filled_before; /* cwnd was in the way: in this round, in the one before */
    uint32_t round_count;
    uint64_t next_round_delivered;
    uint64_t delivered; /* of the connection, as it was told last */

    /* How much the path delivers. */
    uint64_t max_bw[2]; /* in this cycle of probing, and in the one before */
    uint64_t bw;
    struct nod_min_filter extra_acked; /* a maximum: the complement, by rounds */
    uint32_t extra_acked_delivered;
    nod_usec extra_acked_start;

    /* Is the pipe full? */
    bool full_bw_reached, full_bw_now;
    uint8_t full_bw_count;
    uint8_t loss_events; /* ranges lost in this round */
    uint32_t lost_end;   /* the last of them ends there */
    uint64_t full_bw;
    uint32_t drain_start_round;

    /* Signals of congestion, and what they bound. */
    bool loss_in_round, loss_round_start;
    bool bw_probe_sample; /* samples come of what left while bandwidth was probed */
    bool prev_probe_too_high, prev_probe_precautionary;
    uint64_t loss_round_delivered;
    uint64_t bw_latest, bw_shortterm, undo_bw_shortterm;
    uint32_t inflight_latest, inflight_shortterm, undo_inflight_shortterm;
    uint32_t inflight_longterm, undo_inflight_longterm;

    /* Probing for bandwidth. */
    uint8_t bw_probe_up_rounds;
    uint8_t rounds_since_probe_up;
    uint32_t bw_probe_up_acked, probe_up_acked_per_inc;
    uint32_t bw_probe_wait_us;
    nod_usec cycle_stamp;

    /* And for the least round trip. */
    bool idle_restart, probe_rtt_expired, probe_rtt_round_done;
    uint32_t min_rtt_us, probe_rtt_min_us;
    nod_usec min_rtt_stamp, probe_rtt_min_stamp;
    nod_usec probe_rtt_done_stamp; /* 0: what is in flight is still too much */

    uint32_t prior_cwnd, initial_cwnd;
};

#define NOD_BBR_NO_LIMIT UINT32_MAX
#define NOD_BBR_NO_RATE UINT64_MAX

struct nod_cc;
struct nod_cc_own;
struct nod_cc_sample;

/* What is passed along while an ACK is looked at. */
struct nod_bbr_at {
    struct nod_cc *cc;
    struct nod_cc_own *own;
    struct nod_bbr *b;
    const struct nod_cc_sample *s;
};

/* bbr.c: what follows from the model */
uint32_t nod_bbr_bdp(const struct nod_bbr *b, uint64_t bw, uint32_t percent);
uint32_t nod_bbr_min_cwnd(const struct nod_bbr_at *at);
uint32_t nod_bbr_inflight(const struct nod_bbr_at *at, uint64_t bw, uint32_t percent);
uint32_t nod_bbr_inflight_with_headroom(const struct nod_bbr_at *at);
uint32_t nod_bbr_target_inflight(const struct nod_bbr_at *at);
uint32_t nod_bbr_probe_rtt_cwnd(const struct nod_bbr_at *at);
void nod_bbr_pace(const struct nod_bbr_at *at, uint32_t percent);
void nod_bbr_save_cwnd(const struct nod_bbr_at *at);
void nod_bbr_restore_cwnd(const struct nod_bbr_at *at);

/* bbr_model.c */
uint64_t nod_bbr_max_bw(const struct nod_bbr *b);
void nod_bbr_advance_max_bw(struct nod_bbr *b);
void nod_bbr_start_round(struct nod_bbr *b);
void nod_bbr_update_signals(const struct nod_bbr_at *at);  /* first, of an ACK */
void nod_bbr_advance_signals(const struct nod_bbr_at *at); /* last */
void nod_bbr_update_aggregation(const struct nod_bbr_at *at);
void nod_bbr_reset_signals(struct nod_bbr *b);
void nod_bbr_reset_short_term(struct nod_bbr *b);
void nod_bbr_bound_bw(struct nod_bbr *b);
void nod_bbr_reset_full_bw(struct nod_bbr *b, uint64_t from);
void nod_bbr_check_full_bw(const struct nod_bbr_at *at);
void nod_bbr_update_min_rtt(const struct nod_bbr_at *at);
void nod_bbr_note_loss(const struct nod_bbr_at *at);
bool nod_bbr_overlooks_loss(const struct nod_bbr_at *at); /* as it was told to */
bool nod_bbr_inflight_too_high(const struct nod_bbr_at *at);
uint32_t nod_bbr_inflight_at_loss(const struct nod_bbr_at *at);

/* bbr_states.c */
bool nod_bbr_probes_bw(const struct nod_bbr *b); /* one of the four states of ProbeBW */
bool nod_bbr_accelerates(const struct nod_bbr *b);
void nod_bbr_enter_startup(struct nod_bbr *b);
void nod_bbr_startup_too_high(const struct nod_bbr_at *at);
void nod_bbr_handle_too_high(const struct nod_bbr_at *at, uint32_t inflight);
void nod_bbr_start_refill(struct nod_bbr *b);
void nod_bbr_update_state(const struct nod_bbr_at *at);
void nod_bbr_check_probe_rtt(const struct nod_bbr_at *at);
void nod_bbr_check_probe_rtt_done(const struct nod_bbr_at *at);

#endif
