/* What happens below IP and matters to connections and users: an address that is no longer ours,
 * a segment that no neighbour takes. */
#include <string.h>

#include "stack/stack.h"
#include "wire/bytes.h"

static void reset(nod_stack *s, struct nod_tcb *tcb)
{
    if (!nod_tcb_wake(&s->env, tcb)) {
        nod_end_at_rest(s, tcb);
        return;
    }
    switch ((enum nod_state)tcb->rec.state) {
    case NOD_SYN_RECEIVED:
    case NOD_ESTABLISHED:
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
    case NOD_CLOSE_WAIT: nod_tcb_send_rst(&s->env, tcb, NOD_WHY_RST_ABORT); break;
    case NOD_SYN_SENT:
    case NOD_CLOSING:
    case NOD_LAST_ACK:
    case NOD_TIME_WAIT:
    case NOD_CLOSED:
    case NOD_LISTEN: break;
    }
    nod_tcb_end(&s->env, tcb, NOD_ENOTLOCAL);
    nod_settle(s, tcb);
}

/* Out of the table, and everything it stood for is over. False: it may stay. */
static bool end(nod_stack *s, struct nod_record *rec, const uint8_t ip[16])
{
    if (memcmp(rec->key.local, ip, 16) != 0) return false;
    switch ((enum nod_record_kind)rec->kind) {
    case NOD_RECORD_TCB: reset(s, (struct nod_tcb *)rec); return true;
    case NOD_RECORD_SYN_RECEIVED:
        nod_syn_received_free(s, (struct nod_syn_received *)rec);
        return true;
    case NOD_RECORD_TIME_WAIT: nod_time_wait_end(s, (struct nod_time_wait *)rec); return true;
    case NOD_RECORD_LISTENER: return false; /* the address may come back */
    }
    return false;
}

/* RFC 5227 2.4: connections are reset before an address is abandoned. Looks at all there are, and
 * that once for each address that is lost. */
static void reset_all(nod_stack *s, const uint8_t ip[16])
{
    for (uint32_t i = 0; s->records && i <= s->table_mask; i++) {
        struct nod_record *rec = s->table[i];
        while (rec) rec = end(s, rec, ip) ? s->table[i] : rec->next;
    }
}

void nod_addresses_changed(nod_stack *s)
{
    s->net.changed = false;
    s->tell_addresses = true;
    for (unsigned i = 0; i < s->net.ifaces; i++) {
        for (unsigned c = 0; c < s->net.iface[i].claims; c++) {
            struct nod_claim *claim = &s->net.iface[i].claim[c];
            if (!claim->lost) continue;
            claim->lost = false;
            reset_all(s, claim->ip);
        }
    }
}

int nod_stack_addresses(const nod_stack *s, nod_address *out, int max)
{
    int n = 0;
    for (unsigned i = 0; i < s->net.ifaces; i++) {
        for (unsigned c = 0; n < max && c < s->net.iface[i].claims; c++) {
            const struct nod_claim *claim = &s->net.iface[i].claim[c];
            int mapped = nod_ip_family(claim->ip) == 4 ? 96 : 0;
            out[n] = (nod_address){.iface = (int)i,
                                   .prefix_len = claim->bits - mapped,
                                   .addr = nod_ip_to_addr(claim->ip),
                                   .state = (enum nod_address_state)claim->state,
                                   .conflicts = claim->conflicts};
            memcpy(out[n++].other_mac, claim->other_mac, 6);
        }
    }
    return n;
}

/* RFC 4861 7.2.2: as if "destination unreachable, address unreachable" had come for it. It may
 * pass: a soft error. */
void nod_segment_undeliverable(nod_stack *s, const nod_frame *frame)
{
    uint8_t header[NOD_FRAME_HEAD];
    struct nod_ip ip = {0};
    size_t have = nod_frame_copy(frame, NOD_ETHERNET_HEADER, header, sizeof(header));
    size_t total = nod_frame_length(frame) - NOD_ETHERNET_HEADER;
    if (nod_ip_parse(header, have, total, &ip) != NOD_DROP_NONE) return;
    if (ip.protocol != NOD_PROTO_TCP || have < ip.size + 4) return;
    struct nod_key key = {.local_port = get16(header + ip.size),
                          .remote_port = get16(header + ip.size + 2)};
    memcpy(key.local, ip.src, 16);
    memcpy(key.remote, ip.dst, 16);
    struct nod_record *rec = nod_demux_find(s, &key);
    if (!rec || rec->kind != NOD_RECORD_TCB) return;
    struct nod_tcb *tcb = (struct nod_tcb *)rec;
    if (!nod_tcb_wake(&s->env, tcb)) return;
    tcb->soft_error = NOD_EUNREACH;
    nod_tcb_event(tcb, NOD_EVENT_SOFT_ERROR);
    nod_settle(s, tcb);
}
