#include "codel.h"

#define PACKET 1514 /* where no more than one waits, there is no queue */
#define LONG_AGO 16 /* intervals, after which it is forgotten how often it had to drop */

/* The root, rounded down. */
static uint64_t root(uint64_t x)
{
    uint64_t result = 0;

    for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1) {
        if ((result | bit) * (result | bit) <= x) {
            result |= bit;
        }
    }
    return result;
}

/* interval / sqrt(count) after `from`. */
static nod_usec next_after(nod_usec from, const nod_codel_law *law, uint32_t count)
{
    return from + root(law->interval * law->interval / count);
}

/* Have packets waited too long for an interval? */
static bool is_standing(nod_codel *codel, const nod_codel_law *law, nod_usec waited,
                        uint64_t behind, nod_usec now)
{
    if (waited < law->target || behind <= PACKET) {
        codel->above_since = 0;
    } else if (codel->above_since == 0) {
        codel->above_since = now + law->interval;
    } else {
        return now >= codel->above_since;
    }
    return false;
}

/* RFC 8289 section 5, said of one packet after the other: the time of the next drop moves on at
 * once, and not only when the packet behind is seen to be late too, which makes no other drop. */
bool nod_codel_drops(nod_codel *codel, const nod_codel_law *law, nod_usec waited, uint64_t behind,
                     nod_usec now)
{
    if (!is_standing(codel, law, waited, behind, now)) {
        codel->dropping = false;
        return false;
    }
    if (codel->dropping) {
        if (now < codel->drop_next) {
            return false;
        }
        codel->drop_next = next_after(codel->drop_next, law, ++codel->count);
        return true;
    }
    /* Not long out of it: as often as it last was enough. */
    uint32_t since = codel->count - codel->last_count;

    codel->count = since > 1 && now < codel->drop_next + LONG_AGO * law->interval ? since : 1;
    codel->last_count = codel->count;
    codel->drop_next = next_after(now, law, codel->count);
    codel->dropping = true;
    return true;
}

void nod_codel_empty(nod_codel *codel)
{
    codel->above_since = 0;
    codel->dropping = false;
}
