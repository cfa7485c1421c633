#include "cc/cc.h"

#include <string.h>

#include "base/util.h"
#include "nod/tcp.h"

uint32_t nod_cc_initial_window(uint32_t mss)
{
    return min_u32(10 * mss, max_u32(2 * mss, 14600));
}

uint32_t nod_cc_quantum(uint64_t rate, uint32_t mss)
{
    return max_u32((uint32_t)min_u64(rate / 1000, 1 << 16), 2 * mss);
}

static const struct nod_cc_ops *const all[] = {&nod_cc_reno, &nod_cc_cubic, &nod_cc_bbr};
#define ALGORITHMS (sizeof(all) / sizeof(all[0]))

int nod_cc_find(const char *name)
{
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (strcmp(all[i]->name, name) == 0) return (int)i;
    return NOD_EINVAL;
}

const char *nod_congestion_name(unsigned index)
{
    return index < ALGORITHMS ? all[index]->name : NULL;
}

const struct nod_cc_ops *nod_cc_ops(const struct nod_cc *cc)
{
    NOD_ASSERT(cc->id < ALGORITHMS);
    return all[cc->id];
}

void nod_cc_change(struct nod_cc *cc, struct nod_cc_own *own, uint32_t mss, uint8_t id)
{
    if (cc->id == id) return;
    /* What filled a pipe by its model is no threshold that was ever reached; slow start from there
     * would overflow it. A window that has not grown yet begins as any. */
    bool grown = cc->cwnd > nod_cc_initial_window(mss);
    if (nod_cc_ops(cc)->has_model && grown) cc->ssthresh = cc->cwnd;
    cc->id = id;
    if (own) *own = (struct nod_cc_own){0};
}
