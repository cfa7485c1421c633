/* The SACK option as a sender reads it (RFC 2018, RFC 2883): hints, of which nothing is believed
 * that cannot be. */
#include "tcp/tcb.h"

/* The first block tells of octets that came twice if it lies below the ACK, or within the second
 * block (RFC 2883 section 4). */
static bool is_dsack(const struct nod_tcp_options *opt, uint32_t ack)
{
    const uint32_t *b = opt->sack[0];
    if (seq_le(b[1], ack)) return true;
    return opt->sack_count > 1 && seq_ge(b[0], opt->sack[1][0]) && seq_le(b[1], opt->sack[1][1]);
}

static void take_dsack(struct nod_tcb *tcb, const uint32_t block[2], struct nod_ack *a)
{
    if (!seq_lt(block[0], block[1]) || seq_gt(block[1], tcb->snd.nxt)) return;
    if (seq_lt(block[0], tcb->snd.una - max_u32(tcb->snd.max_wnd, 1 << 16))) return;
    a->dsack = true;
    a->dsack_from = block[0];
    a->dsack_to = block[1];
}

uint32_t nod_loss_take_sack(struct nod_env *env, struct nod_tcb *tcb, const struct nod_segment *seg,
                            struct nod_ack *a)
{
    const struct nod_tcp_options *opt = &seg->h.opt;
    struct nod_board *board = &tcb->work->loss.board;
    uint32_t highest = tcb->snd.una;
    bool dsack = opt->sack_count && is_dsack(opt, seg->h.ack);
    if (dsack) take_dsack(tcb, opt->sack[0], a);
    for (unsigned i = dsack; i < opt->sack_count; i++) {
        uint32_t from = opt->sack[i][0], to = opt->sack[i][1];
        if (seq_lt(from, seg->h.ack) || !seq_lt(from, to) || seq_gt(to, board->end)) continue;
        from = seq_max(from, board->first); /* of an old ACK: the rest has been acknowledged */
        if (!seq_lt(from, to)) continue;
        nod_board_sacked(board, env->pool, from, to, &a->d);
        highest = seq_max(highest, to);
    }
    return highest;
}
