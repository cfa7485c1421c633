/* The transmission control block (RFC 9293 section 3.3.1) and what its modules call of each
 * other. A TCB has two parts: what an idle connection needs, and `work`, which exists only
 * while anything is queued, in flight, or timed. Inside the engine `work` is always there:
 * the stack wakes a connection before it calls in, and lets it rest after output. */
#ifndef NOD_TCP_TCB_H
#define NOD_TCP_TCB_H

#include "base/pool.h"
#include "base/queue.h"
#include "base/seq.h"
#include "base/util.h"
#include "cc/validate.h"
#include "tcp/env.h"
#include "tcp/loss.h"
#include "tcp/pace.h"
#include "tcp/rare.h"
#include "tcp/reassembly.h"
#include "tcp/tune.h"

/* A connection's configuration: shared until somebody changes it. */
struct nod_shared_config {
    uint32_t refs;
    nod_tcp_config c;
};

enum nod_tcb_flags {
    TCB_ACTIVE = 1 << 0, /* came from an active OPEN (MUST-11) */
    TCB_TS = 1 << 1,     /* timestamps agreed */
    TCB_SACK = 1 << 2,
    TCB_SCALE = 1 << 3,
    TCB_CLOSED = 1 << 4, /* the user's CLOSE: a FIN follows the data */
    TCB_FIN_SENT = 1 << 5,
    TCB_FIN_SEEN = 1 << 6,   /* the peer's FIN is known, perhaps beyond a gap: work->fin_seq */
    TCB_RELEASED = 1 << 7,   /* no user any more */
    TCB_SYN_AGAIN = 1 << 8,  /* the SYN had to be sent again (RFC 6298 5.7) */
    TCB_WANTS_ROOM = 1 << 9, /* a SEND was cut short: tell when there is room */
    TCB_TOLD_R1 = 1 << 10,
    TCB_OPEN_TOLD = 1 << 11,    /* reached ESTABLISHED once */
    TCB_WAITS_ACCEPT = 1 << 12, /* in a listener's queue */
    TCB_URGENT_OUT = 1 << 13,   /* rare->snd_up is not acknowledged yet */
    TCB_URGENT_IN = 1 << 14,    /* rare->rcv_up is not reached by RECEIVE yet */
    TCB_UTO_DUE = 1 << 15,      /* the user timeout option goes with the next segment */
    TCB_FAST_OPEN = 1 << 16,    /* RFC 7413 is in use, until the SYN is acknowledged: rare->fast */
    TCB_SYN_TEXT = 1 << 17,     /* our SYN has carried text, of which nobody has spoken yet */
    TCB_SYN_TAKEN = 1 << 18,    /* text on a SYN was taken: the peer's, or all of ours */
    TCB_SYN_WAITS = 1 << 19,    /* our SYN waits for a SEND, to take the text with it */
    TCB_IN_ORDER = 1 << 20,   /* what is overtaken on this path is lost: so it was the last time */
    TCB_ORDER_TOLD = 1 << 21, /* the stack knows that; or, when it is no longer so, still does */
    TCB_MSS_PROVEN = 1 << 24, /* a segment of the size of tcb->mss has been acknowledged */

    TCB_REFLECT = 1 << 22,   /* TCB_ACCECN: the next ACK says how the SYN,ACK came */
    TCB_ECN = 1 << 23,       /* agreed on, as RFC 3168 has it */
    TCB_ACCECN = 1 << 25,    /* or as RFC 9768: rare->accecn is there */
    TCB_ECT = 1 << 26,       /* new text may be marked */
    TCB_ECE = 1 << 27,       /* TCB_ECN: marked text came, and no CWR since */
    TCB_CWR = 1 << 28,       /* TCB_ECN: the window was reduced, and no new text has said so yet */
    TCB_ECN_SEEN = 1 << 29,  /* ECT or CE came */
    TCB_PLAIN_SYN = 1 << 30, /* a SYN of ours did not ask for what others had asked for */
};

struct nod_work {
    struct nod_tcb *due_next, **due_pprev; /* the stack's list of those with output */
    struct nod_queue sendq;                /* base: the first unacknowledged octet */
    struct nod_queue recvq;                /* what waits for RECEIVE */
    struct nod_reassembly ooq;             /* what arrived beyond a gap */
    struct nod_cc_own cc_own;
    struct nod_validate validate;
    nod_usec at[NOD_TIMER_COUNT]; /* deadlines; NOD_NEVER */
    nod_usec stalled_since; /* the peer has owed us progress since then: R2's start. NOD_NEVER: its
                         window is closed, but it answered the last probe */
    nod_usec last_send;     /* of data, for the restart after idle */

    struct nod_tune tune;
    struct nod_loss loss;
    struct nod_pace pace;
    nod_usec timed_at;   /* when our SYN left, until its ACK; NOD_NEVER: it does not tell the RTT */
    uint32_t reduced;    /* SND.NXT when the window was reduced last: one window's worth */
    uint32_t fin_seq;    /* of the peer's FIN, with TCB_FIN_SEEN */
    uint32_t unacked_in; /* octets received since our last ACK */
    uint64_t quick_end;  /* up to so many octets received ACKs are quick; 0: not again */
    uint32_t rcv_mss;    /* the peer's segment size as we see it */
    uint32_t twice[2];   /* octets that came again, to be told once; empty: none (RFC 2883) */
    uint32_t small_end;  /* of the last segment that was not full, with small_sent */
    uint32_t sent_flight; /* octets in flight when something was last sent, that included */
    uint32_t filled_end;  /* SND.NXT when the congestion window was last filled */
    uint32_t proof_end;   /* with proof_out: an ACK of this octet means TCB_MSS_PROVEN */
    uint16_t dup_acks;
    uint16_t retransmits; /* timeouts in a row */
    uint16_t probes;      /* unanswered window probes */
    uint8_t ack_why;      /* an ACK is due now, and why (enum nod_why); 0: none */
    uint8_t rtx_why;
    uint16_t adv_mss; /* what our SYN says */
    bool syn_due, probe_due, loss_probe_due, override_due, more, limited, owed, small_sent,
        proof_out;
    bool pushed;      /* a full segment with PSH is among unacked_in */
    bool marked;      /* the ACK that is being processed told of marks */
    bool held;        /* one segment in flight was too many (RFC 3168 6.1.2): wait for the timer */
    uint8_t holds;    /* in a row */
    uint8_t dups_due; /* without SACK: ACKs of which the peer counts each */
};

struct nod_tcb {
    struct nod_record rec;
    uint32_t slot;
    uint32_t flags; /* enum nod_tcb_flags */
    struct {
        uint32_t una, nxt, wnd, wl1, wl2, iss, max_wnd;
    } snd;
    struct {
        uint32_t nxt, irs;
        uint32_t edge;  /* the right edge that we ever offered */
        uint32_t acked; /* Last.ACK.sent */
    } rcv;
    uint32_t ts_recent, ts_recent_s, ts_offset; /* RFC 7323; when, in seconds of our clock */
    uint32_t srtt_us, rttvar_us, rto_us;        /* srtt 0: no sample yet */
    uint32_t segments_retransmitted;            /* here: no octet of padding in the struct */
    struct nod_cc cc;
    uint32_t received_ms;  /* when text last came, or we opened; in the place of padding */
    struct nod_work *work; /* NULL: at rest */
    struct nod_rare *rare; /* NULL: nothing of what only few connections have */
    struct nod_shared_config *config;
    uint64_t bytes_acked, bytes_received;
    uint16_t mss; /* text of a segment without options: both sides' limit, or the path's */
    uint16_t events;
    uint8_t snd_scale : 4, rcv_scale : 4;
    uint8_t throttle; /* of challenge ACKs; here, because it must outlive `work` */
    int8_t error, soft_error;
    union {
        struct nod_tcb *accept_next;     /* TCB_WAITS_ACCEPT: in the listener's queue */
        struct nod_time_wait *time_wait; /* TIME-WAIT: the record that does the waiting */
    };
};

/* tcb.c */
void nod_tcb_init(struct nod_env *env, struct nod_tcb *tcb, uint32_t iss);
bool nod_tcb_wake(struct nod_env *env, struct nod_tcb *tcb); /* false: no memory */
void nod_tcb_rest(struct nod_env *env, struct nod_tcb *tcb); /* if there is nothing to do */
void nod_tcb_set_state(struct nod_env *env, struct nod_tcb *tcb, enum nod_state state);
void nod_tcb_end(struct nod_env *env, struct nod_tcb *tcb, int error); /* to CLOSED */
void nod_tcb_time_out(struct nod_env *env, struct nod_tcb *tcb);       /* the same; why if known */
void nod_tcb_soft_error(struct nod_tcb *tcb, int error);               /* trouble that may pass */
void nod_tcb_flush(struct nod_env *env, struct nod_tcb *tcb);          /* queues and work */
struct nod_rare *nod_tcb_rare(struct nod_env *env, struct nod_tcb *tcb); /* NULL: no memory */
void nod_tcb_event(struct nod_tcb *tcb, uint32_t flags);
nod_trace *nod_tcb_trace(struct nod_env *env, const struct nod_tcb *tcb,
                         enum nod_trace_type type); /* NULL: tracing is off */
void nod_tcb_check(const struct nod_tcb *tcb);      /* the invariants; ends the program */
void nod_tcb_challenge(struct nod_env *env, struct nod_tcb *tcb);
void nod_tcb_send_rst(struct nod_env *env, struct nod_tcb *tcb, enum nod_why why);
uint32_t nod_tcb_ts(const struct nod_env *env, uint32_t offset);
/* Agrees on the options of a SYN that arrived. */
void nod_tcb_negotiate(const struct nod_env *env, struct nod_tcb *tcb,
                       const struct nod_tcp_options *opt, int family);

/* The SYN is acknowledged: text that it carried and that was not taken leaves again at once. */
void nod_tcb_after_syn_text(struct nod_tcb *tcb);

/* Effective send MSS (MUST-16): less the options of a data segment. */
static inline uint32_t nod_tcb_mss(const struct nod_tcb *tcb)
{
    return tcb->mss - (tcb->flags & TCB_TS ? 12u : 0u);
}

/* What both ends take, whatever the path does. */
static inline uint32_t nod_tcb_agreed_mss(const struct nod_tcb *tcb)
{
    return tcb->rare && tcb->rare->mtu.cap ? tcb->rare->mtu.cap : tcb->mss;
}

/* The sequence number after the last octet of the send queue: where the FIN goes. */
static inline uint32_t nod_tcb_data_end(const struct nod_tcb *tcb)
{
    return tcb->work->sendq.base + tcb->work->sendq.bytes;
}

static inline bool nod_tcb_fin_acked(const struct nod_tcb *tcb)
{
    return (tcb->flags & TCB_FIN_SENT) && tcb->snd.una == tcb->snd.nxt;
}

static inline bool nod_tcb_syn_unacked(const struct nod_tcb *tcb)
{
    return tcb->snd.una == tcb->snd.iss;
}

static inline bool nod_tcb_has_ecn(const struct nod_tcb *tcb)
{
    return tcb->flags & (TCB_ECN | TCB_ACCECN);
}

/* input.c */
void nod_tcb_input(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg);

/* syn_sent.c */
void nod_syn_sent_input(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg);

/* ack.c */
void nod_tcb_process_ack(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg);
void nod_tcb_established(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg);

/* text.c */
void nod_tcb_take_text(struct nod_env *env, struct nod_tcb *tcb, struct nod_segment *seg);
void nod_tcb_ack_now(struct nod_tcb *tcb, enum nod_why why);
void nod_tcb_came_twice(struct nod_tcb *tcb, uint32_t from, uint32_t to);

/* window.c */
uint32_t nod_tcb_rcv_wnd(const struct nod_tcb *tcb); /* what the peer may still send */
/* For a segment; moves the edge. */
uint16_t nod_tcb_offer_window(const struct nod_env *env, struct nod_tcb *tcb, bool syn);
/* A window update, if it is worth one. */
void nod_tcb_after_read(const struct nod_env *env, struct nod_tcb *tcb);
uint8_t nod_window_scale(uint32_t buffer);

/* tune.c: how large the buffers are */
uint8_t nod_tune_scale(const struct nod_env *env,
                       const nod_tcp_config *c);             /* that our SYN offers */
uint32_t nod_tune_receive_buffer(const struct nod_tcb *tcb); /* octets */
/* How far beyond RCV.NXT the window's edge may be moved now. */
uint32_t nod_tune_window(const struct nod_env *env, const struct nod_tcb *tcb);
uint32_t nod_tune_send_buffer(const struct nod_env *env, const struct nod_tcb *tcb); /* octets */
void nod_tune_wake(struct nod_tcb *tcb);
/* A segment with text has come, which is not taken yet. */
void nod_tune_on_text(const struct nod_env *env, struct nod_tcb *tcb,
                      const struct nod_segment *seg);
/* The user has read, or text has come beyond a gap. */
void nod_tune_on_progress(const struct nod_env *env, struct nod_tcb *tcb);
void nod_tune_on_sent(const struct nod_env *env, struct nod_tcb *tcb, uint32_t ts);
bool nod_tune_may_queue(const struct nod_env *env, const struct nod_tcb *tcb); /* a slice more */
bool nod_tune_may_hold(const struct nod_env *env, const struct nod_tcb *tcb);  /* beyond a gap */

/* rtt.c */
void nod_tcb_rtt_sample(struct nod_env *env, struct nod_tcb *tcb, nod_usec rtt);

/* loss.c */
uint32_t nod_loss_out(const struct nod_tcb *tcb); /* octets in flight */
void nod_loss_on_ack(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                     struct nod_ack *a);
void nod_loss_on_rtt(struct nod_env *env, struct nod_tcb *tcb, nod_usec rtt);
void nod_loss_on_timeout(struct nod_env *env, struct nod_tcb *tcb);
/* The peer says, with an ACK of `ack`, that packets came marked. */
void nod_loss_on_ecn(struct nod_env *env, struct nod_tcb *tcb, uint32_t ack);
void nod_loss_on_reorder_timer(struct nod_env *env, struct nod_tcb *tcb);
/* [board.end, end) leaves, for which nod_board_ready has said yes; or [seq, end) leaves again. */
void nod_loss_on_sent(struct nod_env *env, struct nod_tcb *tcb, uint32_t end);
void nod_loss_on_sent_again(struct nod_env *env, struct nod_tcb *tcb, uint32_t seq, uint32_t end);
void nod_loss_leave_recovery(struct nod_tcb *tcb);
/* What is lost was too big for the path: until `recover` is acknowledged, that is no congestion. */
void nod_loss_on_too_big(struct nod_tcb *tcb, uint32_t recover);

/* congestion.c: what congestion control is told */
/* An ACK acknowledges so many octets; so many were outstanding before. */
struct nod_cc_sample nod_congestion_sample(const struct nod_env *env, const struct nod_tcb *tcb,
                                           uint32_t acked, uint32_t flight);
bool nod_congestion_has_model(const struct nod_tcb *tcb);
void nod_congestion_grow(struct nod_env *env, struct nod_tcb *tcb, const struct nod_ack *a,
                         uint32_t flight);
void nod_congestion_tell_lost(struct nod_env *env, struct nod_tcb *tcb);
void nod_congestion_reduce(struct nod_tcb *tcb, struct nod_cc_sample *s, bool marked);
void nod_congestion_timeout(struct nod_env *env, struct nod_tcb *tcb);
void nod_congestion_trace(struct nod_env *env, const struct nod_tcb *tcb); /* cwnd has changed */
/* Nothing was in flight, and new text may leave now. */
void nod_congestion_resume(struct nod_env *env, struct nod_tcb *tcb);
/* How long the window may be of use without `work`: the connection rests after that. */
nod_usec nod_congestion_until_rest(const struct nod_tcb *tcb);

/* sack.c: returns the highest octet that the peer says it has */
uint32_t nod_loss_take_sack(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                            struct nod_ack *a);

/* undo.c */
void nod_loss_remember(struct nod_tcb *tcb); /* as it was, before a recovery or timeout */
void nod_loss_undo_if_false(struct nod_tcb *tcb, const struct nod_ack *a);
void nod_loss_frto(struct nod_tcb *tcb, const struct nod_ack *a);

/* probe.c: the tail loss probe */
void nod_loss_arm_probe(struct nod_env *env, struct nod_tcb *tcb);
void nod_loss_on_probe_timer(struct nod_env *env, struct nod_tcb *tcb);
void nod_loss_probe_sent(struct nod_tcb *tcb, bool again);
bool nod_loss_probe_acked(struct nod_tcb *tcb, const struct nod_ack *a);

/* mtu.c: how large segments may be */
void nod_mtu_agree(struct nod_tcb *tcb, uint32_t peer_mss); /* a SYN said so */
/* What is known of the path from others: packets of this MSS pass; ask again at `until`. */
void nod_mtu_look(struct nod_env *env, struct nod_tcb *tcb, uint32_t mss, nod_usec until);
/* ICMP says that the segment at `seq`, which is out, was larger than the path takes. False: it
 * says nothing new. */
bool nod_mtu_on_too_big(struct nod_env *env, struct nod_tcb *tcb, uint32_t mss, uint32_t seq);
void nod_mtu_on_sent(struct nod_tcb *tcb, uint32_t seq, uint32_t text); /* a segment with text */
void nod_mtu_on_ack(struct nod_env *env, struct nod_tcb *tcb, uint32_t acked); /* SND.UNA moved */
/* The retransmission timer ran out. True: the path is why, and what is out goes again already. */
bool nod_mtu_on_timeout(struct nod_env *env, struct nod_tcb *tcb);
/* Something was found lost. True: it was too big, and that is no congestion. */
bool nod_mtu_on_loss(struct nod_env *env, struct nod_tcb *tcb);
/* An ACK is overdue. True: ICMP has said why, and what is out goes again. */
bool nod_mtu_on_silence(struct nod_env *env, struct nod_tcb *tcb);
uint32_t nod_mtu_cwnd(const struct nod_tcb *tcb); /* the congestion window, or less */
/* The path takes `mss` now: tcb->mss follows. The TCB has its nod_rare. */
void nod_mtu_set(struct nod_env *env, struct nod_tcb *tcb, uint32_t mss, enum nod_path_news news);

/* search.c: the path MTU without ICMP */
void nod_search_on_open(struct nod_env *env, struct nod_tcb *tcb);
void nod_search_begin(struct nod_env *env, struct nod_tcb *tcb, uint32_t high);
void nod_search_on_timeout(struct nod_env *env, struct nod_tcb *tcb);
/* Octets of the probe that is due, with as much text behind it as shows its loss; 0: none is. */
uint32_t nod_search_size(const struct nod_env *env, const struct nod_tcb *tcb, uint32_t avail);
void nod_search_on_sent(struct nod_tcb *tcb, uint32_t seq, uint32_t size);
void nod_search_on_ack(struct nod_env *env, struct nod_tcb *tcb);
void nod_search_on_sent_again(struct nod_env *env, struct nod_tcb *tcb, uint32_t seq, uint32_t end);
/* Something was found lost. True: a probe and nothing else. */
bool nod_search_on_loss(struct nod_env *env, struct nod_tcb *tcb);
/* ICMP says that the segment at `seq` was too big, and `mss` is not. True: it was the probe. */
bool nod_search_on_too_big(struct nod_env *env, struct nod_tcb *tcb, uint32_t mss, uint32_t seq);

/* timers.c: named events */
/* Something that wants an ACK; `oldest`: what begins at SND.UNA, again. */
void nod_timers_on_sent(struct nod_env *env, struct nod_tcb *tcb, bool oldest);
void nod_timers_on_ack(struct nod_env *env, struct nod_tcb *tcb, bool moved); /* SND.UNA did */
void nod_timers_on_window(struct nod_env *env, struct nod_tcb *tcb);          /* SND.WND changed */
void nod_timers_on_hold(struct nod_env *env, struct nod_tcb *tcb); /* nothing new before it */
void nod_timers_on_state(struct nod_env *env, struct nod_tcb *tcb);
void nod_timers_schedule(struct nod_env *env, struct nod_tcb *tcb); /* into the wheel */
void nod_timers_expire(struct nod_env *env, struct nod_tcb *tcb);

void nod_timers_trace(struct nod_env *env, const struct nod_tcb *tcb, enum nod_timer timer,
                      uint32_t count, nod_usec next);

/* keepalive.c */
nod_usec nod_keepalive_deadline(const struct nod_tcb *tcb);
nod_usec nod_keepalive_schedule(struct nod_env *env, struct nod_tcb *tcb); /* makes `rare` too */
void nod_keepalive_heard(const struct nod_env *env, struct nod_tcb *tcb);
void nod_keepalive_expire(struct nod_env *env, struct nod_tcb *tcb);
bool nod_keepalive_take(struct nod_tcb *tcb); /* a probe is due; not any more after this */

/* count.c */
struct nod_out;
struct nod_counters *nod_counters(const struct nod_tcb *tcb); /* NULL: nobody counts */
void nod_count_in(struct nod_tcb *tcb, const struct nod_segment *seg);
void nod_count_out(struct nod_tcb *tcb, const struct nod_out *out, uint32_t nxt); /* before it */
void nod_count_gap(struct nod_tcb *tcb, const struct nod_segment *seg);
void nod_count_rtt(struct nod_tcb *tcb, uint32_t rtt_us);
void nod_count_timeout(struct nod_tcb *tcb);
void nod_count_ack(struct nod_tcb *tcb, const struct nod_ack *a);      /* before RACK has seen it */
void nod_count_limits(const struct nod_env *env, struct nod_tcb *tcb); /* output has ended */

/* user_timeout.c */
uint16_t nod_uto_encode(nod_usec time);
nod_usec nod_uto_decode(uint16_t value);
void nod_uto_take(struct nod_env *env, struct nod_tcb *tcb, const struct nod_tcp_options *opt);
nod_usec nod_user_timeout(const struct nod_tcb *tcb);

/* urgent.c */
void nod_urgent_send(struct nod_tcb *tcb); /* all that is queued; `rare` must be there */
void nod_urgent_say(const struct nod_tcb *tcb, struct nod_tcp_header *h);
void nod_urgent_acked(struct nod_tcb *tcb);
void nod_urgent_arrives(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg);
uint32_t nod_urgent_unread(const struct nod_tcb *tcb); /* octets up to where it ends */
void nod_urgent_read(struct nod_tcb *tcb);             /* RECEIVE has gone on */

/* output.c */
struct nod_out {
    struct nod_tcp_header h;
    uint32_t text;
    uint16_t gso_size;
    uint8_t why;
    uint8_t ecn; /* enum nod_codepoint */
    bool retransmission;
    int parts;
    nod_slice part[NOD_FRAME_PARTS];
};
/* Picks the next segment that is due and may be sent, and counts it as sent. False: none. */
bool nod_tcb_output(struct nod_env *env, struct nod_tcb *tcb, uint32_t text_max,
                    struct nod_out *out);

/* ecn.c */
/* Both halves enter this mode; `may_mark`: new text may carry ECT. False: no memory. */
bool nod_ecn_agree(struct nod_env *env, struct nod_tcb *tcb, enum nod_ecn mode, bool may_mark);
/* In SYN-SENT: the peer's SYN, or SYN,ACK. False: no memory. */
bool nod_ecn_syn_sent(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg);
uint16_t nod_ecn_syn_flags(struct nod_tcb *tcb); /* of our next SYN */
bool nod_ecn_try_without(struct nod_tcb *tcb);   /* our SYN was refused. False: it did not ask */
/* With nod_tcb_has_ecn: an acceptable segment, before its ACK is processed. `opens`: it moves the
 * connection out of SYN-RECEIVED. */
void nod_ecn_arrives(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                     bool opens);
/* A segment without SYN is made: flags and option. Then what is known when its text is. */
void nod_ecn_leaves(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out);
void nod_ecn_text_leaves(struct nod_tcb *tcb, struct nod_out *out);
void nod_ecn_answer(struct nod_tcb *tcb, struct nod_out *out); /* a SYN,ACK is made */

uint8_t nod_tcb_ace(const struct nod_tcb *tcb); /* the three flags that an ACK has now */

/* accecn.c */
bool nod_accecn_begin(struct nod_env *env, struct nod_tcb *tcb);
void nod_accecn_syn_sent(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg);
void nod_accecn_arrives(struct nod_tcb *tcb, const struct nod_segment *seg);
void nod_accecn_feedback(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                         bool opens);
/* The next ACK, if it is bare, reflects the codepoint of the SYN,ACK. */
void nod_accecn_reflect(struct nod_tcb *tcb, unsigned codepoint);
void nod_accecn_duplicate(struct nod_tcb *tcb); /* text that is here already came again */
void nod_accecn_timeout(struct nod_tcb *tcb);
void nod_accecn_leaves(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out);
/* How much of `len` octets of text leaves with the option; or the option is left out, unless so
 * much waits behind them that they need not leave whole. */
uint32_t nod_accecn_fit(struct nod_out *out, uint32_t len, uint32_t mss, uint32_t behind);
void nod_accecn_left(struct nod_env *env, struct nod_tcb *tcb, struct nod_out *out);
/* That of a SYN,ACK, if there is room. */
void nod_accecn_first_option(struct nod_tcp_options *opt);

/* user.c: the RFC's calls on a TCB */
ptrdiff_t nod_tcb_user_send(struct nod_env *env, struct nod_tcb *tcb, const void *bytes, size_t len,
                            unsigned flags);
int nod_tcb_user_send_slices(struct nod_env *env, struct nod_tcb *tcb, nod_slice *slices, int count,
                             unsigned flags);
ptrdiff_t nod_tcb_user_receive(struct nod_env *env, struct nod_tcb *tcb, void *buf, size_t len);
ptrdiff_t nod_tcb_user_peek(const struct nod_tcb *tcb, size_t skip, void *buf, size_t len);
int nod_tcb_user_receive_slices(struct nod_env *env, struct nod_tcb *tcb, nod_slice *slices,
                                int max);
int nod_tcb_user_close(struct nod_env *env, struct nod_tcb *tcb);
int nod_tcb_user_abort(struct nod_env *env, struct nod_tcb *tcb);
void nod_tcb_user_release(struct nod_env *env, struct nod_tcb *tcb);
ptrdiff_t nod_tcb_send_room(const struct nod_env *env, const struct nod_tcb *tcb);
/* And waits for room if there is too little. */
ptrdiff_t nod_tcb_writable(const struct nod_env *env, struct nod_tcb *tcb);
/* Whoever waits, when there is enough. */
void nod_tcb_tell_room(const struct nod_env *env, struct nod_tcb *tcb);

#endif
