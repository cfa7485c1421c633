/* The user's calls on a TCB (RFC 9293 sections 3.10.2 to 3.10.6), state by state. */
#include "tcp/tcb.h"

/* May a SEND be queued? 0 or the error. */
static int send_error(const struct nod_tcb *tcb)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED:
    case NOD_ESTABLISHED:
    case NOD_CLOSE_WAIT: return tcb->flags & TCB_CLOSED ? NOD_ECLOSING : 0;
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT: return NOD_ECLOSING;
    case NOD_CLOSED:
    case NOD_LISTEN: return tcb->error ? tcb->error : NOD_ENOCONN;
    }
    return NOD_ENOCONN;
}

/* The first SEND of a connection whose SYN has waited for it. */
static void release_syn(struct nod_tcb *tcb)
{
    if (!(tcb->flags & TCB_SYN_WAITS)) return;
    tcb->flags &= ~(uint32_t)TCB_SYN_WAITS;
    tcb->work->syn_due = true;
}

static uint32_t queued_octets(const struct nod_tcb *tcb)
{
    return tcb->work ? tcb->work->sendq.bytes : 0;
}

ptrdiff_t nod_tcb_send_room(const struct nod_env *env, const struct nod_tcb *tcb)
{
    int error = send_error(tcb);
    if (error) return error;
    uint32_t queued = queued_octets(tcb), buffer = nod_tune_send_buffer(env, tcb);
    return buffer > queued ? (ptrdiff_t)(buffer - queued) : 0;
}

/* Told of room only when it is worth something: a third of the buffer; and not while enough waits
 * to be sent. */
static bool is_worth_telling(const struct nod_env *env, const struct nod_tcb *tcb)
{
    uint32_t queued = queued_octets(tcb), buffer = nod_tune_send_buffer(env, tcb);
    uint32_t low = tcb->config->c.unsent_low;
    if (low && queued && nod_tcb_data_end(tcb) - tcb->snd.nxt >= low &&
        seq_gt(nod_tcb_data_end(tcb), tcb->snd.nxt))
        return false;
    return queued <= buffer - buffer / 3;
}

void nod_tcb_tell_room(const struct nod_env *env, struct nod_tcb *tcb)
{
    if (!(tcb->flags & TCB_WANTS_ROOM) || !is_worth_telling(env, tcb)) return;
    tcb->flags &= ~(uint32_t)TCB_WANTS_ROOM;
    nod_tcb_event(tcb, NOD_EVENT_WRITABLE);
}

ptrdiff_t nod_tcb_writable(const struct nod_env *env, struct nod_tcb *tcb)
{
    ptrdiff_t room = nod_tcb_send_room(env, tcb);
    if (room < 0 || is_worth_telling(env, tcb)) return room;
    tcb->flags |= TCB_WANTS_ROOM;
    return 0;
}

static ptrdiff_t room_or_wait(const struct nod_env *env, struct nod_tcb *tcb)
{
    ptrdiff_t room = nod_tcb_send_room(env, tcb);
    if (room != 0) return room;
    tcb->flags |= TCB_WANTS_ROOM;
    return NOD_EAGAIN;
}

ptrdiff_t nod_tcb_user_send(struct nod_env *env, struct nod_tcb *tcb, const void *bytes, size_t len,
                            unsigned flags)
{
    ptrdiff_t room = len ? room_or_wait(env, tcb) : nod_tcb_send_room(env, tcb);
    if (room < 0) return room;
    struct nod_work *w = tcb->work;
    bool urgent = flags & NOD_SEND_URGENT && len;
    if (urgent && !nod_tcb_rare(env, tcb)) return NOD_ENOMEM;
    release_syn(tcb);
    uint32_t want = (uint32_t)min_u64(len, (uint64_t)room);
    uint32_t n = want ? nod_queue_write(&w->sendq, env->pool, bytes, want) : 0;
    w->more = flags & NOD_SEND_MORE;
    if (urgent && n) nod_urgent_send(tcb);
    if (n < len) tcb->flags |= TCB_WANTS_ROOM;
    return n || !len ? (ptrdiff_t)n : NOD_ENOMEM;
}

int nod_tcb_user_send_slices(struct nod_env *env, struct nod_tcb *tcb, nod_slice *slices, int count,
                             unsigned flags)
{
    ptrdiff_t room = room_or_wait(env, tcb);
    if (room < 0) return (int)room;
    struct nod_work *w = tcb->work;
    int n = 0;
    /* However short memory is now, the first is not waited for in vain. */
    if (!w->sendq.bytes) room = max_u32((uint32_t)room, tcb->config->c.send_buffer);
    bool memory = true, urgent = flags & NOD_SEND_URGENT && count;
    if (urgent && !nod_tcb_rare(env, tcb)) return NOD_ENOMEM;
    release_syn(tcb);
    for (; n < count && slices[n].len <= (size_t)room && nod_tune_may_queue(env, tcb); n++) {
        room -= slices[n].len;
        memory = nod_queue_put(&w->sendq, env->pool, &slices[n]);
        if (!memory) break;
    }
    w->more = flags & NOD_SEND_MORE;
    if (urgent && n) nod_urgent_send(tcb);
    if (n < count) tcb->flags |= TCB_WANTS_ROOM;
    if (n || !count) return n;
    return memory ? NOD_EAGAIN : NOD_ENOMEM;
}

/* What RECEIVE says when nothing is on hand. */
static int receive_end(const struct nod_tcb *tcb)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED:
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2: return NOD_EAGAIN;
    case NOD_CLOSE_WAIT:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT: return 0;
    case NOD_CLOSED:
    case NOD_LISTEN: return tcb->error;
    }
    return NOD_ENOCONN;
}

ptrdiff_t nod_tcb_user_receive(struct nod_env *env, struct nod_tcb *tcb, void *buf, size_t len)
{
    if (!tcb->work || !tcb->work->recvq.bytes) return receive_end(tcb);
    uint32_t want = (uint32_t)min_u64(len, UINT32_MAX);
    uint32_t n = nod_queue_read(&tcb->work->recvq, env->pool, buf, want);
    nod_urgent_read(tcb);
    nod_tune_on_progress(env, tcb);
    nod_tcb_after_read(env, tcb);
    return (ptrdiff_t)n;
}

ptrdiff_t nod_tcb_user_peek(const struct nod_tcb *tcb, size_t skip, void *buf, size_t len)
{
    if (!tcb->work || tcb->work->recvq.bytes <= skip) return receive_end(tcb);
    uint32_t want = (uint32_t)min_u64(len, UINT32_MAX);
    return (ptrdiff_t)nod_queue_peek(&tcb->work->recvq, (uint32_t)skip, buf, want);
}

int nod_tcb_user_receive_slices(struct nod_env *env, struct nod_tcb *tcb, nod_slice *slices,
                                int max)
{
    if (!tcb->work || !tcb->work->recvq.bytes) return receive_end(tcb);
    int n = 0;
    while (n < max && nod_queue_take(&tcb->work->recvq, env->pool, &slices[n])) n++;
    nod_urgent_read(tcb);
    nod_tune_on_progress(env, tcb);
    nod_tcb_after_read(env, tcb);
    return n;
}

int nod_tcb_user_close(struct nod_env *env, struct nod_tcb *tcb)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_SYN_SENT: nod_tcb_end(env, tcb, tcb->work->sendq.bytes ? NOD_ECLOSING : 0); return 0;
    case NOD_SYN_RECEIVED:
        if (tcb->flags & TCB_CLOSED) return NOD_ECLOSING;
        tcb->flags |= TCB_CLOSED;
        if (!tcb->work->sendq.bytes) nod_tcb_set_state(env, tcb, NOD_FIN_WAIT_1);
        return 0;
    case NOD_ESTABLISHED:
        tcb->flags |= TCB_CLOSED;
        nod_tcb_set_state(env, tcb, NOD_FIN_WAIT_1);
        return 0;
    case NOD_CLOSE_WAIT:
        if (tcb->flags & TCB_CLOSED) return NOD_ECLOSING;
        tcb->flags |= TCB_CLOSED; /* LAST-ACK when the FIN leaves */
        return 0;
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT: return NOD_ECLOSING;
    case NOD_CLOSED:
    case NOD_LISTEN: return NOD_ENOCONN;
    }
    return NOD_ENOCONN;
}

int nod_tcb_user_abort(struct nod_env *env, struct nod_tcb *tcb)
{
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_SYN_RECEIVED:
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
    case NOD_CLOSE_WAIT: nod_tcb_send_rst(env, tcb, NOD_WHY_RST_ABORT); break;
    case NOD_SYN_SENT:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT: break;
    case NOD_CLOSED:
    case NOD_LISTEN: return NOD_ENOCONN;
    }
    nod_queue_clear(&tcb->work->recvq, env->pool);
    nod_tcb_end(env, tcb, NOD_EABORTED);
    return 0;
}

/* Half-duplex close (MAY-1): unread octets mean that the peer's data is lost, which it must
 * hear (SHLD-3). */
void nod_tcb_user_release(struct nod_env *env, struct nod_tcb *tcb)
{
    tcb->flags |= TCB_RELEASED;
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
    case NOD_CLOSE_WAIT:
        if (tcb->work->recvq.bytes) {
            nod_tcb_user_abort(env, tcb);
            return;
        }
        nod_tcb_user_close(env, tcb);
        nod_timers_on_state(env, tcb);
        return;
    case NOD_SYN_RECEIVED:
        if (tcb->work->recvq.bytes) { /* RFC 7413: text of the SYN */
            nod_tcb_user_abort(env, tcb);
            return;
        }
        nod_tcb_user_close(env, tcb);
        return;
    case NOD_SYN_SENT: nod_tcb_user_close(env, tcb); return;
    case NOD_CLOSING:
    case NOD_LAST_ACK: nod_queue_clear(&tcb->work->recvq, env->pool); return;
    case NOD_TIME_WAIT:
    case NOD_CLOSED:
    case NOD_LISTEN: return;
    }
}
