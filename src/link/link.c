/* The calls of nod/link.h that only pass on to the kind of link. */
#include "impl.h"

#include <stdarg.h>
#include <stdio.h>

void nod_link_iface(const nod_link *link, nod_iface_config *out)
{
    link->ops->iface(link, out);
}

const char *nod_link_name(const nod_link *link)
{
    return link->ops->name(link);
}

int nod_link_fd(const nod_link *link)
{
    return link->ops->fd(link);
}

nod_usec nod_link_deadline(const nod_link *link)
{
    return link->ops->deadline(link);
}

int nod_link_receive(nod_link *link, nod_frame *frames, int max, nod_usec now)
{
    return link->ops->receive(link, frames, max, now);
}

int nod_link_send(nod_link *link, nod_frame *frames, int count, nod_usec now)
{
    return link->ops->send(link, frames, count, now);
}

int nod_link_write(nod_link *link, nod_frame *frames, int count)
{
    return link->ops->write ? link->ops->write(link, frames, count) : NOD_EUNSUPPORTED;
}

void nod_link_get_stats(const nod_link *link, nod_link_stats *out)
{
    *out = (nod_link_stats){0};
    link->ops->stats(link, out);
}

void nod_link_close(nod_link *link)
{
    if (link) link->ops->close(link);
}

int nod_link_explain(char *why, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (why) vsnprintf(why, NOD_LINK_WHY, format, args);
    va_end(args);
    return error;
}
