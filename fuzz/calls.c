/* The user's calls, segments and time, in any order; memory may be scarce. */
#include "fuzz/host.h"

static void events(struct host *h)
{
    nod_event event[8];
    nod_trace trace[8];
    nod_stack_events(h->stack, event, 8);
    nod_stack_trace(h->stack, trace, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct choices c = {data, size};
    struct host h;
    /* The first octet says how much memory there is: from hardly any to enough. */
    host_make(&h, ((size_t)choose8(&c) << 12) + 230000);
    while (c.left) {
        switch (choose8(&c) % 9) {
        case 0:
        case 1:
        case 2: host_call(&h, &c); break;
        case 3:
        case 4: host_segment(&h, &c); break;
        case 5: host_output(&h, choose8(&c) & 15); break;
        case 6:
            h.now += choose32(&c) >> (choose8(&c) & 31);
            nod_stack_tick(h.stack, h.now);
            break;
        case 7: events(&h); break;
        case 8: host_too_big(&h, &c); break;
        }
    }
    host_free(&h);
    return 0;
}
