/* The stack, its packets, and time. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "drill.h"

/* Of the calls that packetdrill itself never limits; any script would have failed long before. */
#define PATIENCE (30 * 60 * NOD_SEC)
#define BEGINNING (1000 * NOD_SEC)
#define PACKET_MOST 65535

typedef struct packet {
    struct packet *next;
    nod_usec at;
    size_t len;
    uint8_t bytes[];
} packet;

typedef struct sleeper {
    struct sleeper *next;
    nod_usec until;
} sleeper;

static struct {
    pthread_mutex_t lock;
    pthread_t main;
    nod_stack *stack;
    nod_addr own4, own6;
    uint16_t mtu;
    nod_usec now;
    packet *first, **last; /* that left the stack and were not received yet */
    sleeper *sleepers;
    unsigned turn;      /* counts wakes */
    unsigned unsettled; /* threads that were woken and are still at it */
    long returned;      /* a thread whose call is over, and who has to tell packetdrill; 0: none */
    pthread_cond_t wake, settled;
} world = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .settled = PTHREAD_COND_INITIALIZER,
    .last = &world.first,
};

/* This thread was woken, and the time stands still for it. */
static _Thread_local bool is_unsettled;

static void settle(void)
{
    if (!is_unsettled) return;
    is_unsettled = false;
    if (world.unsettled > 0 && --world.unsettled == 0) pthread_cond_signal(&world.settled);
}

static bool is_asleep(long thread)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", thread);
    FILE *file = fopen(path, "re");
    if (!file) return true;
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    const char *state = strrchr(text, ')');
    return !state || strncmp(state, ") S", 3) == 0;
}

/* A call that has returned takes packetdrill's own lock, and tells what came of it. Where that
 * lock is free, we wait for it to be done: it is, when its thread sleeps again. */
static void await_return(void)
{
    const struct timespec moment = {.tv_nsec = 20000};
    long thread = world.returned;
    world.returned = 0;
    if (!thread) return;
    pthread_mutex_unlock(&world.lock);
    for (int i = 0; i < 50000 && !is_asleep(thread); i++) nanosleep(&moment, NULL);
    pthread_mutex_lock(&world.lock);
}

nod_stack *world_stack(void)
{
    return world.stack;
}

nod_usec world_now(void)
{
    return world.now;
}

/* Packets. */

/* With the checksum, whose 16 bits are the complement of a sum. */
static void set_push(uint8_t *tcp)
{
    if (tcp[13] & 8) return;
    tcp[13] |= 8;
    uint32_t sum = (uint16_t) ~(tcp[16] << 8 | tcp[17]) + 8u;
    sum = ~(sum + (sum >> 16));
    tcp[16] = (uint8_t)(sum >> 8);
    tcp[17] = (uint8_t)sum;
}

static void keep_packet(const nod_frame *frame, bool push)
{
    size_t len = nod_frame_length(frame);
    packet *p = malloc(sizeof *p + len);
    if (!p) abort();
    p->next = NULL;
    p->at = world.now;
    p->len = nod_frame_copy(frame, 0, p->bytes, len);
    if (push) set_push(p->bytes + (p->bytes[0] >> 4 == 4 ? 20 : 40));
    *world.last = p;
    world.last = &p->next;
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Whether a large segment goes beyond all of its connection's before. Of two connections that share
 * a place here one may be taken for the other: then it just is new. */
static bool is_new(const nod_frame *frame)
{
    static struct {
        uint32_t ports, end;
    } seen[64];
    if (!frame->gso_size) return false;
    const uint8_t *tcp = frame->head + (frame->head[0] >> 4 == 4 ? 20 : 40);
    uint32_t ports = get32(tcp), at = (ports ^ ports >> 16) % 64;
    uint32_t end = get32(tcp + 4) + (uint32_t)nod_frame_length(frame) - frame->head_len;
    if (seen[at].ports == ports && (int32_t)(end - seen[at].end) <= 0) return false;
    seen[at].ports = ports;
    seen[at].end = end;
    return true;
}

/* Cuts a large segment as a device does. Linux sends large segments of a few, and says PSH at the
 * end of each. */
static void keep_pieces(const nod_frame *frame)
{
    nod_frame piece, after;
    unsigned run = is_new(frame) ? settings_push() : 0;
    bool more = nod_frame_piece(frame, 0, &piece) > 0;
    for (unsigned i = 1; more; i++) {
        more = nod_frame_piece(frame, i, &after) > 0;
        bool end = run && (i % run == 0 || (!more && i % run > 1));
        keep_packet(&piece, frame->gso_size && end);
        nod_frame_release(&piece);
        piece = after;
    }
}

static bool output(void)
{
    nod_frame frames[16];
    int count = nod_stack_output(world.stack, frames, 16, world.now);
    for (int i = 0; i < count; i++) {
        keep_pieces(&frames[i]);
        nod_frame_release(&frames[i]);
    }
    return count > 0;
}

static bool events(void)
{
    nod_event list[16];
    int count = nod_stack_events(world.stack, list, 16);
    for (int i = 0; i < count; i++) socket_event(&list[i]);
    return count > 0;
}

static void flush(void)
{
    if (!world.stack) return;
    bool more = true;
    while (more) {
        more = output();
        if (events()) more = true;
    }
}

/* Scripts may choose an address of their own for us: the one that is bound, or spoken to. */
void world_learn(const nod_addr *addr)
{
    const nod_addr any = {.family = addr->family};
    nod_addr *own = addr->family == 4 ? &world.own4 : &world.own6;
    if (nod_addr_equal(own, addr) || nod_addr_equal(&any, addr)) return;
    *own = *addr;
    nod_stack_add_addr(world.stack, 0, own, addr->family == 4 ? 16 : 64);
}

static void learn_from(const uint8_t *ip, size_t len)
{
    nod_addr addr = {0};
    if (len >= 20 && ip[0] >> 4 == 4) addr = nod_addr_from(4, ip + 16);
    if (len >= 40 && ip[0] >> 4 == 6) addr = nod_addr_from(6, ip + 24);
    if (addr.family) world_learn(&addr);
}

int world_send(const void *bytes, size_t len)
{
    nod_frame frame;
    learn_from(bytes, len);
    if (nod_frame_from_bytes(nod_stack_pool(world.stack), bytes, len, &frame) != 0) return -1;
    nod_stack_input(world.stack, &frame, 1, world.now);
    return 0;
}

/* Time. */

/* The blocked calls look whether they can go on, and those that can are waited for. A thread
 * that ends without a look at the clock holds the time up for a second. */
static void wake_sleepers(void)
{
    if (!world.sleepers) return;
    struct timespec patience;
    clock_gettime(CLOCK_REALTIME, &patience);
    patience.tv_sec++;
    for (sleeper *s = world.sleepers; s; s = s->next) world.unsettled++;
    world.turn++;
    pthread_cond_broadcast(&world.wake);
    while (world.unsettled > 0)
        if (pthread_cond_timedwait(&world.settled, &world.lock, &patience) != 0)
            world.unsettled = 0;
}

/* Moves the time to the next thing that happens, `until` at most. */
static void step(nod_usec until)
{
    nod_usec next = nod_stack_deadline(world.stack);
    for (sleeper *s = world.sleepers; s; s = s->next)
        if (s->until < next) next = s->until;
    if (next > until) next = until;
    world.now = next > world.now ? next : world.now + 1;
    nod_stack_tick(world.stack, world.now);
    flush();
    wake_sleepers();
}

bool world_wait(nod_usec until)
{
    if (world.now >= until) return false;
    if (pthread_equal(world.main, pthread_self())) {
        if (until > world.now + PATIENCE) until = world.now + PATIENCE;
        flush();
        step(until);
        return world.now < until;
    }
    sleeper me = {world.sleepers, until};
    world.sleepers = &me;
    flush();
    settle();
    unsigned turn = world.turn;
    while (turn == world.turn) pthread_cond_wait(&world.wake, &world.lock);
    is_unsettled = true;
    sleeper **at = &world.sleepers;
    while (*at != &me) at = &(*at)->next;
    *at = me.next;
    return world.now < until;
}

void world_sleep(nod_usec us)
{
    nod_usec until = world.now + us;
    await_return();
    while (world.now < until) {
        step(until);
        await_return();
    }
}

/* Whoever spins on the clock gets on. */
nod_usec world_read_clock(void)
{
    if (world.stack)
        step(world.now + 1);
    else
        world.now++;
    if (is_unsettled) world.returned = syscall(SYS_gettid);
    settle();
    return world.now;
}

void world_receive(void *bytes, size_t *len, long long *time_us)
{
    nod_usec until = world.now + PATIENCE;
    while (!world.first && world.now < until) step(until);
    packet *p = world.first;
    size_t room = *len;
    *time_us = (long long)world.now;
    *len = 0;
    if (!p) return;
    world.first = p->next;
    if (!world.first) world.last = &world.first;
    *time_us = (long long)p->at;
    *len = p->len < room ? p->len : room;
    memcpy(bytes, p->bytes, *len);
    free(p);
}

/* Beginning and end. */

static void add_address(int iface, const nod_addr *addr, int prefix)
{
    const nod_addr all = {.family = addr->family};
    nod_stack_add_addr(world.stack, iface, addr, prefix);
    nod_stack_add_route(world.stack, iface, &all, 0, NULL);
}

static void make_stack(void)
{
    nod_config config;
    const nod_iface_config link = {.kind = NOD_IFACE_IP, .mtu = world.mtu, .gso_max = 65535};
    nod_config_default(&config);
    settings_stack(&config);
    world.stack = nod_stack_new(&config, world.now, NULL);
    if (!world.stack) abort();
    int iface = nod_stack_add_iface(world.stack, &link);
    add_address(iface, &world.own4, 16);
    add_address(iface, &world.own6, 64);
}

void world_enter(void)
{
    pthread_mutex_lock(&world.lock);
    if (!world.stack) make_stack();
}

void world_leave(void)
{
    flush();
    if (pthread_equal(world.main, pthread_self())) wake_sleepers();
    pthread_mutex_unlock(&world.lock);
}

uint16_t world_mtu(void)
{
    return world.mtu;
}

static void read_flag(const char *text)
{
    nod_addr addr;
    if (strncmp(text, "mtu=", 4) == 0)
        world.mtu = (uint16_t)strtoul(text + 4, NULL, 10);
    else if (nod_addr_parse(text, &addr) == 0)
        *(addr.family == 4 ? &world.own4 : &world.own6) = addr;
}

/* Separated by commas: the stack's addresses and MTU, where they are not the usual ones. */
static void read_flags(const char *flags)
{
    char text[NOD_ADDR_TEXT];
    world.mtu = 1500;
    world.own4 = nod_addr_ip4(192, 168, 0, 1);
    nod_addr_parse("fd3d:a0b:17d6::1", &world.own6);
    while (flags && *flags) {
        size_t len = strcspn(flags, ",");
        if (len < sizeof text) {
            memcpy(text, flags, len);
            text[len] = 0;
            read_flag(text);
        }
        flags += len + (flags[len] == ',');
    }
}

void world_start(const char *flags)
{
    pthread_mutex_lock(&world.lock);
    world.main = pthread_self();
    world.now = BEGINNING;
    read_flags(flags);
    pthread_mutex_unlock(&world.lock);
}

void world_end(void)
{
    pthread_mutex_lock(&world.lock);
    sockets_end();
    if (world.stack) nod_stack_free(world.stack);
    world.stack = NULL;
    while (world.first) {
        packet *p = world.first;
        world.first = p->next;
        free(p);
    }
    world.last = &world.first;
    pthread_mutex_unlock(&world.lock);
}
