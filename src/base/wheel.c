#include "base/wheel.h"

#include <string.h>

#include "base/util.h"

#define TICK_SHIFT 10
#define SPAN_TICKS ((uint64_t)1 << (6 * NOD_WHEEL_LEVELS))

void nod_wheel_init(struct nod_wheel *wheel, nod_usec now)
{
    memset(wheel, 0, sizeof(*wheel));
    wheel->tick = now >> TICK_SHIFT;
}

/* The level is that of the highest group of six bits in which the tick differs from now: so
 * every timer of a lower level ends before every timer of a higher one. */
static void place(struct nod_wheel *wheel, struct nod_timer_node *node)
{
    uint64_t tick = max_u64(node->deadline >> TICK_SHIFT, wheel->tick);
    uint64_t far = wheel->tick | (SPAN_TICKS - 1);
    if (tick > far) tick = far; /* beyond two years: placed anew when that slot comes */
    uint64_t differ = tick ^ wheel->tick;
    unsigned level = differ ? (63u - (unsigned)__builtin_clzll(differ)) / 6 : 0;
    unsigned index = tick >> (6 * level) & 63;
    struct nod_timer_node **head = &wheel->slot[level][index];
    if (!*head || node->deadline < wheel->first[level][index])
        wheel->first[level][index] = node->deadline;
    node->next = *head;
    if (node->next) node->next->pprev = &node->next;
    node->pprev = head;
    *head = node;
    wheel->occupied[level] |= (uint64_t)1 << index;
}

void nod_wheel_cancel(struct nod_wheel *wheel, struct nod_timer_node *node)
{
    if (!node->pprev) return;
    *node->pprev = node->next;
    if (node->next) node->next->pprev = node->pprev;
    struct nod_timer_node **first = &wheel->slot[0][0];
    if (!*node->pprev && node->pprev >= first && node->pprev < first + NOD_WHEEL_LEVELS * 64) {
        size_t i = (size_t)(node->pprev - first);
        wheel->occupied[i / 64] &= ~((uint64_t)1 << i % 64);
    }
    node->pprev = NULL;
    node->next = NULL;
}

void nod_wheel_set(struct nod_wheel *wheel, struct nod_timer_node *node, nod_usec deadline)
{
    if (node->pprev && node->deadline == deadline) return;
    nod_wheel_cancel(wheel, node);
    node->deadline = deadline;
    if (deadline != NOD_NEVER) place(wheel, node);
}

/* The first occupied slot in time: always in the lowest occupied level. */
static bool first_slot(const struct nod_wheel *wheel, unsigned *level, unsigned *index)
{
    for (unsigned l = 0; l < NOD_WHEEL_LEVELS; l++) {
        if (!wheel->occupied[l]) continue;
        *level = l;
        *index = (unsigned)__builtin_ctzll(wheel->occupied[l]);
        return true;
    }
    return false;
}

static uint64_t slot_start(const struct nod_wheel *wheel, unsigned level, unsigned index)
{
    uint64_t above = wheel->tick >> (6 * (level + 1)) << (6 * (level + 1));
    return above | (uint64_t)index << (6 * level);
}

/* The earliest of a slot of the lowest level, if it is due. */
static struct nod_timer_node *take_due(struct nod_wheel *wheel, unsigned index, nod_usec now)
{
    if (wheel->first[0][index] > now) return NULL;
    struct nod_timer_node *best = wheel->slot[0][index];
    for (struct nod_timer_node *node = best->next; node; node = node->next)
        if (node->deadline < best->deadline) best = node;
    wheel->first[0][index] = best->deadline;
    if (best->deadline > now) return NULL;
    nod_wheel_cancel(wheel, best);
    return best;
}

static void cascade(struct nod_wheel *wheel, unsigned level, unsigned index)
{
    struct nod_timer_node *list = wheel->slot[level][index];
    wheel->slot[level][index] = NULL;
    wheel->occupied[level] &= ~((uint64_t)1 << index);
    while (list) {
        struct nod_timer_node *node = list;
        list = node->next;
        place(wheel, node);
    }
}

struct nod_timer_node *nod_wheel_expire(struct nod_wheel *wheel, nod_usec now)
{
    uint64_t now_tick = now >> TICK_SHIFT;
    unsigned level, index;
    while (first_slot(wheel, &level, &index)) {
        uint64_t start = slot_start(wheel, level, index);
        if (start > now_tick) break;
        wheel->tick = max_u64(wheel->tick, start);
        if (level > 0) {
            cascade(wheel, level, index);
            continue;
        }
        struct nod_timer_node *node = take_due(wheel, index, now);
        if (node) return node;
        if (start == now_tick) return NULL;
        wheel->tick = start + 1; /* the span's last tick is over: those beyond are placed anew */
        cascade(wheel, level, index);
    }
    wheel->tick = max_u64(wheel->tick, now_tick);
    return NULL;
}

nod_usec nod_wheel_next(const struct nod_wheel *wheel)
{
    unsigned level, index;
    if (!first_slot(wheel, &level, &index)) return NOD_NEVER;
    return wheel->first[level][index];
}
