/* What a kind of link is made of. A link embeds `nod_link` as its first member. */
#ifndef NOD_LINK_IMPL_H
#define NOD_LINK_IMPL_H

#include "nod/link.h"

/* The calls of nod/link.h, one for one. */
typedef struct nod_link_ops {
    void (*iface)(const nod_link *link, nod_iface_config *out);
    const char *(*name)(const nod_link *link);
    int (*fd)(const nod_link *link);
    nod_usec (*deadline)(const nod_link *link);
    int (*receive)(nod_link *link, nod_frame *frames, int max, nod_usec now);
    int (*send)(nod_link *link, nod_frame *frames, int count, nod_usec now);
    void (*stats)(const nod_link *link, nod_link_stats *out);
    void (*close)(nod_link *link);
    int (*write)(nod_link *link, nod_frame *frames, int count); /* or NULL */
} nod_link_ops;

struct nod_link {
    const nod_link_ops *ops;
};

/* Writes a sentence for a person to why[NOD_LINK_WHY]; `why` may be NULL. Returns `error`. */
int nod_link_explain(char *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
