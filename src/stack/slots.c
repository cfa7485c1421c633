/* Handles and pulled events. */
#include <string.h>

#include "stack/stack.h"

/* Listeners need slots too, but no place in the table. */
#define SLOTS_OF_LISTENERS 1024

size_t nod_slot_pages(const nod_config *config)
{
    return (config->max_connections + SLOTS_OF_LISTENERS) / NOD_SLOT_PAGE + 1;
}

static bool grow(nod_stack *s)
{
    size_t pages = s->env.slot_count / NOD_SLOT_PAGE;
    if (pages >= nod_slot_pages(&s->config)) return false;
    struct nod_slot *page = nod_pool_take(s->env.pool, NOD_SLOT_PAGE * sizeof(*page));
    if (!page) return false;
    for (int i = 0; i < NOD_SLOT_PAGE; i++)
        page[i] = (struct nod_slot){.generation = 1, .event_next = NOD_EVENT_NOT_LISTED};
    s->env.slot_pages[pages] = page;
    s->slot_hint = s->env.slot_count;
    s->env.slot_count += NOD_SLOT_PAGE;
    s->env.slot_free += NOD_SLOT_PAGE;
    return true;
}

void nod_slots_free(nod_stack *s)
{
    if (!s->env.slot_pages) return;
    for (uint32_t i = 0; i < s->env.slot_count / NOD_SLOT_PAGE; i++)
        nod_pool_give(s->env.pool, s->env.slot_pages[i], NOD_SLOT_PAGE * sizeof(struct nod_slot));
    nod_pool_give(s->env.pool, s->env.slot_pages,
                  nod_slot_pages(&s->config) * sizeof(*s->env.slot_pages));
}

uint32_t nod_slot_take(nod_stack *s, struct nod_record *object)
{
    /* The table is kept at most seven eighths full, so that the search stays short. */
    if (s->env.slot_free <= s->env.slot_count / 8 && !grow(s) && !s->env.slot_free)
        return NOD_NO_SLOT;
    uint32_t i = s->slot_hint;
    /* One that is still listed for the events of its last owner will do: they are gone. */
    while (nod_env_slot(&s->env, i % s->env.slot_count)->object) i++;
    i %= s->env.slot_count;
    s->slot_hint = i + 1;
    nod_env_slot(&s->env, i)->object = object;
    s->env.slot_free--;
    return i;
}

void nod_slot_release_name(nod_stack *s, uint32_t slot)
{
    if (++nod_env_slot(&s->env, slot)->generation == 0) nod_env_slot(&s->env, slot)->generation = 1;
}

void nod_slot_free(nod_stack *s, uint32_t slot)
{
    nod_slot_release_name(s, slot);
    nod_env_slot(&s->env, slot)->object = NULL;
    s->env.slot_free++;
}

struct nod_record *nod_slot_object(const nod_stack *s, nod_handle handle)
{
    uint32_t slot = (uint32_t)handle - 1, generation = (uint32_t)(handle >> 32);
    if (slot >= s->env.slot_count || nod_env_slot(&s->env, slot)->generation != generation)
        return NULL;
    struct nod_record *object = nod_env_slot(&s->env, slot)->object;
    if (!object || object->kind != NOD_RECORD_TCB) return object;
    /* A guess may name one that nobody was given yet, or that was given back: not for users. */
    const struct nod_tcb *tcb = (const struct nod_tcb *)object;
    return tcb->flags & (TCB_WAITS_ACCEPT | TCB_RELEASED) ? NULL : object;
}

void nod_events_raise(nod_stack *s, uint32_t slot)
{
    struct nod_slot *at = nod_env_slot(&s->env, slot);
    if (at->event_next != NOD_EVENT_NOT_LISTED) return;
    at->event_next = NOD_EVENT_END;
    if (s->event_first == NOD_EVENT_END)
        s->event_first = slot;
    else
        nod_env_slot(&s->env, s->event_last)->event_next = slot;
    s->event_last = slot;
}

static uint32_t take_flags(struct nod_record *object, int *error)
{
    uint32_t flags;
    *error = 0;
    if (object->kind == NOD_RECORD_LISTENER) {
        struct nod_listener *l = (struct nod_listener *)object;
        flags = l->events;
        l->events = 0;
        return flags;
    }
    struct nod_tcb *tcb = (struct nod_tcb *)object;
    if (tcb->flags & TCB_WAITS_ACCEPT) return 0;         /* ACCEPT tells them, with the name */
    flags = tcb->flags & TCB_RELEASED ? 0 : tcb->events; /* nobody has a name for it any more */
    tcb->events = 0;
    *error = flags & NOD_EVENT_ERROR ? tcb->error : tcb->soft_error;
    return flags;
}

int nod_stack_events(nod_stack *s, nod_event *events, int max)
{
    int n = 0;
    if (max > 0 && s->tell_addresses) {
        events[n++] = (nod_event){.flags = NOD_EVENT_ADDRESS};
        s->tell_addresses = false;
    }
    while (n < max && s->event_first != NOD_EVENT_END) {
        uint32_t slot = s->event_first;
        struct nod_slot *at = nod_env_slot(&s->env, slot);
        s->event_first = at->event_next;
        at->event_next = NOD_EVENT_NOT_LISTED;
        if (!at->object) continue;
        int error;
        uint32_t flags = take_flags(at->object, &error);
        if (!flags) continue;
        events[n++] =
            (nod_event){.handle = nod_env_handle(&s->env, slot), .flags = flags, .error = error};
    }
    return n;
}
