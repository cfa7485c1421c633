#include "stage.h"

#include <stdarg.h>
#include <string.h>

#define SETTLE_MAX 10000 /* more output than this at one moment is a stack gone mad */

bool stage_fail(struct stage *stage, const char *format, ...)
{
    va_list args;

    if (!stage->why[0]) {
        va_start(args, format);
        vsnprintf(stage->why, sizeof stage->why, format, args);
        va_end(args);
    }
    return false;
}

void stage_open(struct stage *stage, FILE *listing)
{
    memset(stage, 0, sizeof *stage);
    stage->listing = listing;
    stage->now = STAGE_EPOCH;
    nod_config_default(&stage->config);
    stage->config.tcp.pacing = NOD_PACING_OFF; /* but where it is what the script is about */
    /* Of fixed size, for scripts that state windows: those about their growth set a maximum. */
    stage->config.tcp.send_buffer = stage->config.tcp.receive_buffer = 256 << 10;
    stage->config.tcp.send_buffer_max = stage->config.tcp.receive_buffer_max = 0;
    memset(stage->config.secret, 0x5e, sizeof stage->config.secret);
    stage->iface = (nod_iface_config){.kind = NOD_IFACE_IP, .mtu = 1500};
    stage->nod = nod_addr_ip4(10, 0, 0, 1);
    stage->peer = nod_addr_ip4(10, 0, 0, 2);
    stage_add_flow(stage, "");
}

void stage_close(struct stage *stage)
{
    for (int i = 0; i < stage->batch_count; i++) {
        nod_frame_release(&stage->batch[i]);
    }
    if (stage->stack) {
        nod_stack_free(stage->stack);
    }
}

struct flow *stage_flow(struct stage *stage, const char *name)
{
    for (int i = 0; i < stage->flows; i++) {
        if (strcmp(stage->flow[i].name, name) == 0) {
            return &stage->flow[i];
        }
    }
    return NULL;
}

struct flow *stage_add_flow(struct stage *stage, const char *name)
{
    if (stage->flows == STAGE_FLOWS) {
        return NULL;
    }
    struct flow *flow = &stage->flow[stage->flows++];

    snprintf(flow->name, sizeof flow->name, "%s", name);
    flow->nod = (nod_endpoint){.addr = stage->nod, .port = 80};
    flow->peer = (nod_endpoint){.addr = stage->peer, .port = 40000};
    flow->isn = 0xffffff00; /* so that the peer's numbers wrap soon */
    flow->peer_win = 65535;
    return flow;
}

void stage_forget_numbers(struct flow *flow)
{
    flow->iss_known = flow->ts_known = false;
    flow->sent = flow->received = 0;
    flow->peer_next = 0;
}

bool stage_boot(struct stage *stage)
{
    int error;

    stage->stack = nod_stack_new(&stage->config, stage->now, &error);
    if (!stage->stack) {
        return stage_fail(stage, "there is no stack: %s", nod_strerror(error));
    }
    int iface = nod_stack_add_iface(stage->stack, &stage->iface);
    int bits = stage->nod.family == 6 ? 64 : 24;

    if (iface < 0 || (error = nod_stack_add_addr(stage->stack, iface, &stage->nod, bits)) < 0) {
        return stage_fail(stage, "no interface: %s", nod_strerror(iface < 0 ? iface : error));
    }
    for (int i = 0; i < stage->prefixes; i++) {
        const struct stage_prefix *p = &stage->prefix[i];

        error = nod_stack_add_prefix(stage->stack, iface, &p->addr, p->bits,
                                     p->echo ? NOD_PREFIX_ECHO : 0);
        if (error < 0) {
            return stage_fail(stage, "no prefix: %s", nod_strerror(error));
        }
    }
    return true;
}

bool stage_reboot(struct stage *stage)
{
    nod_stack_free(stage->stack);
    memset(stage->heard, 0, sizeof stage->heard);
    for (int i = 0; i < stage->flows; i++) {
        stage->flow[i].handle = 0;
    }
    stage->config.secret[0]++;
    return stage_boot(stage);
}

static void list(struct stage *stage, nod_usec time, const struct flow *flow, bool ours,
                 const char *text)
{
    double seconds = (double)(time - STAGE_EPOCH) / 1e6;

    fprintf(stage->listing, "  %10.6f %s %s%s%s\n", seconds, ours ? ">" : "<", flow->name,
            flow->name[0] ? ": " : "", text);
}

static struct flow *whose(struct stage *stage, const nod_endpoint *src, const nod_endpoint *dst)
{
    for (int i = stage->flows - 1; i >= 0; i--) {
        struct flow *flow = &stage->flow[i];

        if (!flow->listens && flow->nod.port == src->port && flow->peer.port == dst->port &&
            nod_addr_equal(&flow->nod.addr, &src->addr) &&
            nod_addr_equal(&flow->peer.addr, &dst->addr)) {
            return flow;
        }
    }
    return NULL;
}

static bool note_sent(struct stage *stage, const uint8_t *bytes, size_t len)
{
    nod_endpoint src, dst;
    struct seen *seen = &stage->seen[stage->seen_count];
    char why[PACKET_WHY], text[SEGMENT_TEXT];

    if (!packet_ends(bytes, len, &src, &dst)) {
        return stage_fail(stage, "nod sent a packet of %zu bytes that is no TCP", len);
    }
    struct flow *flow = whose(stage, &src, &dst);

    if (!flow) {
        return stage_fail(stage, "nod sent a segment from port %u to port %u: no such flow",
                          src.port, dst.port);
    }
    if (!packet_read(flow, bytes, len, &seen->segment, why)) {
        return stage_fail(stage, "nod sent a bad packet: %s", why);
    }
    seen->time = stage->now;
    seen->flow = flow;
    list(stage, stage->now, flow, true, segment_format(&seen->segment, text));
    if (++stage->seen_count == STAGE_SEEN) {
        return stage_fail(stage, "nod sent %d segments that the script does not know", STAGE_SEEN);
    }
    return true;
}

struct heard *stage_heard(struct stage *stage, nod_handle handle)
{
    for (int i = 0; i < STAGE_HANDLES; i++) {
        if (stage->heard[i].handle == handle || stage->heard[i].handle == 0) {
            stage->heard[i].handle = handle;
            return &stage->heard[i];
        }
    }
    return NULL;
}

/* Events are for those who hold the name. */
static bool is_held(const struct stage *stage, nod_handle handle)
{
    for (int i = 0; i < stage->flows; i++) {
        if (handle && stage->flow[i].handle == handle) {
            return true;
        }
    }
    return false;
}

static bool take_events(struct stage *stage)
{
    nod_event event[16];
    int n;

    while ((n = nod_stack_events(stage->stack, event, 16)) > 0) {
        for (int i = 0; i < n; i++) {
            struct heard *heard = stage_heard(stage, event[i].handle);

            if (!heard || event[i].flags == 0) {
                return stage_fail(stage, "an event that says nothing, or too many");
            }
            if (!is_held(stage, event[i].handle)) {
                return stage_fail(stage, "an event for a name that nobody holds");
            }
            heard->flags |= event[i].flags;
            heard->error = event[i].error ? event[i].error : heard->error;
        }
    }
    return true;
}

static bool take_output(struct stage *stage)
{
    static uint8_t bytes[PACKET_MAX];
    nod_frame frame[8];
    bool good = true;
    int n, turns = 0;

    while (good && (n = nod_stack_output(stage->stack, frame, 8, stage->now)) > 0) {
        for (int i = 0; i < n; i++) {
            size_t len = nod_frame_length(&frame[i]);

            nod_frame_copy(&frame[i], 0, bytes, sizeof bytes);
            good = good && note_sent(stage, bytes, len);
            nod_frame_release(&frame[i]);
        }
        if (++turns == SETTLE_MAX) {
            return stage_fail(stage, "nod does not stop sending");
        }
    }
    return good;
}

bool stage_settle(struct stage *stage)
{
    if (stage->batch_count > 0) {
        nod_stack_input(stage->stack, stage->batch, stage->batch_count, stage->now);
        stage->batch_count = 0;
    }
    nod_stack_tick(stage->stack, stage->now);
    if (!take_output(stage) || !take_events(stage)) {
        return false;
    }
    if (nod_stack_deadline(stage->stack) <= stage->now) {
        return stage_fail(stage, "the deadline does not move on");
    }
    return true;
}

bool stage_advance(struct stage *stage, nod_usec time)
{
    nod_usec deadline;

    if (time == stage->now) {
        return true;
    }
    if (!stage_settle(stage)) {
        return false;
    }
    while ((deadline = nod_stack_deadline(stage->stack)) <= time) {
        stage->now = deadline;
        if (!stage_settle(stage)) {
            return false;
        }
    }
    stage->now = time;
    nod_stack_tick(stage->stack, time);
    return true;
}

bool stage_take_seen(struct stage *stage, struct seen *out)
{
    if (stage->seen_count == 0) {
        return false;
    }
    *out = stage->seen[0];
    memmove(stage->seen, stage->seen + 1, (size_t)--stage->seen_count * sizeof *out);
    return true;
}

bool stage_inject_bytes(struct stage *stage, const uint8_t *bytes, size_t len)
{
    if (stage->batch_count == STAGE_BATCH) {
        return stage_fail(stage, "more than %d segments at one moment", STAGE_BATCH);
    }
    nod_frame *frame = &stage->batch[stage->batch_count];

    if (nod_frame_from_bytes(nod_stack_pool(stage->stack), bytes, len, frame) < 0) {
        return stage_fail(stage, "no memory for a packet");
    }
    stage->batch_count++;
    return true;
}

/* A segment that says no number is the peer's next one; no window: the same as before. */
static struct segment complete(struct flow *flow, const struct segment *given)
{
    struct segment s = *given;

    if (!s.has_seq) {
        s.seq = flow->peer_next;
    }
    if (!s.has_win) {
        s.win = flow->peer_win;
    }
    uint32_t next = s.seq + s.length + (s.ctl & NOD_SYN ? 1 : 0) + (s.ctl & NOD_FIN ? 1 : 0);

    if (!(s.ctl & NOD_RST) && (int32_t)(next - flow->peer_next) > 0) {
        flow->peer_next = next;
    }
    flow->peer_win = s.win;
    return s;
}

bool stage_inject(struct stage *stage, struct flow *flow, const struct segment *given, bool bad_sum)
{
    static uint8_t bytes[PACKET_MAX];
    char why[PACKET_WHY], text[SEGMENT_TEXT];
    struct segment segment = complete(flow, given);
    size_t len = packet_build(flow, &segment, bytes, why);

    if (len == 0) {
        return stage_fail(stage, "%s", why);
    }
    if (bad_sum) {
        bytes[(flow->peer.addr.family == 6 ? 40 : 20) + 17] ^= 1;
    }
    list(stage, stage->now, flow, false, segment_format(&segment, text));
    return stage_inject_bytes(stage, bytes, len);
}
