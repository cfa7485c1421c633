/* What `nod listen` and `nod connect` say on standard error. */
#include "netcat.h"
#include "sentence.h"
#include "tr.h"
#include "units.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PROGRESS_US (250 * NOD_MSEC)

static void clear_progress(netcat *nc)
{
    if (nc->progress_shown) fputs("\r\033[K", stderr);
    nc->progress_shown = false;
}

void netcat_say(netcat *nc, const char *format, ...)
{
    va_list args;
    clear_progress(nc);
    fputs("nod: ", stderr);
    va_start(args, format);
    vfprintf(stderr, tr(format), args); /* marked for xgettext by po/update */
    va_end(args);
    fputc('\n', stderr);
}

char *netcat_endpoint(const nod_endpoint *endpoint, char *buf, size_t size)
{
    char addr[NOD_ADDR_TEXT];
    nod_addr_format(&endpoint->addr, addr, sizeof addr);
    if (endpoint->addr.family == 0) snprintf(addr, sizeof addr, "*");
    snprintf(buf, size, endpoint->addr.family == 6 ? "[%s]:%u" : "%s:%u", addr, endpoint->port);
    return buf;
}

void netcat_explain(netcat *nc, int error)
{
    char peer[NETCAT_ENDPOINT_TEXT];
    netcat_endpoint(&nc->peer, peer, sizeof peer);
    switch (error) {
    case NOD_EREFUSED:
        netcat_say(nc, "%s refused the connection: nobody listens there.", peer);
        break;
    case NOD_ERESET:
        netcat_say(nc, "%s reset the connection: what was on its way is lost.", peer);
        break;
    case NOD_ETIMEDOUT:
        if (nc->open)
            netcat_say(nc, "%s no longer answers: gave up.", peer);
        else
            netcat_say(nc, "%s does not answer: gave up. Is it up, and does a route lead back?",
                       peer);
        break;
    case NOD_EUNREACH:
        netcat_say(nc,
                   "No way leads to %s. The device ends at this machine's kernel; to go "
                   "further, let it forward (see nod-connect(1)).",
                   peer);
        break;
    case NOD_EIO: netcat_say(nc, "The device %s is gone.", nod_link_name(nc->loop.link)); break;
    default: netcat_say(nc, "%s: %s.", peer, error_words(error)); break;
    }
    if (nc->options.net.harm)
        netcat_say(nc, "--seed %llu throws the same dice again.",
                   (unsigned long long)nc->options.net.seed);
}

void netcat_progress(netcat *nc, nod_usec now)
{
    char in[16], out[16], rate[16];
    if (!nc->terminal || !nc->open || now < nc->progress_next) return;
    nc->progress_next = now + PROGRESS_US;
    nod_usec since = now - nc->opened;
    if (since < NOD_SEC || nc->sent + nc->received == 0) return;
    double seconds = (double)since / (double)NOD_SEC;
    uint64_t a_second = (uint64_t)((double)(nc->sent + nc->received) / seconds);
    fprintf(stderr, "\r\033[K");
    fprintf(stderr, _("sent %s, received %s in %.0f s: %s/s"),
            units_bytes(nc->sent, out, sizeof out), units_bytes(nc->received, in, sizeof in),
            seconds, units_bytes(a_second, rate, sizeof rate));
    nc->progress_shown = true;
}

/* The last line stays, for who looks at it later. */
void netcat_progress_end(netcat *nc)
{
    if (nc->progress_shown) fputc('\n', stderr);
    nc->progress_shown = false;
}

void netcat_hook(void *ctx, const nod_trace *trace)
{
    netcat *nc = ctx;
    char local[NETCAT_ENDPOINT_TEXT], remote[NETCAT_ENDPOINT_TEXT];
    if (nc->options.net.verbose == 0 || trace->type != NOD_TRACE_STATE) return;
    netcat_say(nc, "%s %s: %s -> %s", netcat_endpoint(&trace->local, local, sizeof local),
               netcat_endpoint(&trace->remote, remote, sizeof remote),
               nod_state_name((enum nod_state)trace->u.edge.from),
               nod_state_name((enum nod_state)trace->u.edge.to));
}

static void say_harm(netcat *nc, const char *way, const nod_path_stats *stats)
{
    if (stats->in == 0) return;
    netcat_say(nc,
               "%s: of %llu packets %llu lost, %llu doubled, %llu reordered, %llu damaged, "
               "%llu marked",
               way, (unsigned long long)stats->in, (unsigned long long)stats->lost,
               (unsigned long long)stats->duplicated, (unsigned long long)stats->reordered,
               (unsigned long long)stats->damaged, (unsigned long long)stats->marked);
}

static void say_drops(netcat *nc, const nod_stack_stats *stats)
{
    for (int i = 0; i < NOD_DROP_COUNT; i++)
        if (stats->drops[i] > 0)
            netcat_say(nc, "dropped, %s: %llu", drop_words(i), (unsigned long long)stats->drops[i]);
}

void netcat_counters(netcat *nc)
{
    char in[16], out[16];
    nod_stack_stats stats;
    nod_link_stats link;
    if (nc->options.net.verbose == 0) return;
    nod_stack_get_stats(nc->loop.stack, &stats);
    nod_link_get_stats(nc->loop.link, &link);
    netcat_say(nc, "sent %s in %llu segments, %llu of them again; received %s in %llu segments",
               units_bytes(nc->sent, out, sizeof out), (unsigned long long)stats.segments_out,
               (unsigned long long)stats.retransmitted, units_bytes(nc->received, in, sizeof in),
               (unsigned long long)stats.segments_in);
    say_harm(nc, _("outward"), &link.harm_out);
    say_harm(nc, _("inward"), &link.harm_in);
    say_drops(nc, &stats);
    if (link.no_memory > 0)
        netcat_say(nc, "lost for want of memory: %llu", (unsigned long long)link.no_memory);
}
