#include "path_options.h"

#include "rate_trace.h"
#include "tr.h"
#include "units.h"

#include <string.h>

#define LONGEST (3600 * NOD_SEC)
#define SLOWEST 1000 /* bits a second */

const char *const path_option_names[PATH_OPTIONS] = {
    [PATH_RATE] = "rate",
    [PATH_TRACE] = "trace",
    [PATH_QUEUE] = "queue",
    [PATH_QUEUE_KIND] = "queue-kind",
    [PATH_CODEL_TARGET] = "codel-target",
    [PATH_CODEL_INTERVAL] = "codel-interval",
    [PATH_DELAY] = "delay",
    [PATH_JITTER] = "jitter",
    [PATH_LOSS] = "loss",
    [PATH_BURST_LOSS] = "burst-loss",
    [PATH_DUPLICATE] = "duplicate",
    [PATH_REORDER] = "reorder",
    [PATH_REORDER_DELAY] = "reorder-delay",
    [PATH_DAMAGE] = "damage",
    [PATH_MARK] = "mark",
    [PATH_MARK_QUEUE] = "mark-queue",
};

static const char *take_share(const char *text, double *out)
{
    return units_share(text, out) ? NULL
                                  : _("a probability from 0 to 1 (or in percent, such as 5%)");
}

static const char *take_time(const char *text, nod_usec *out)
{
    return units_time(text, NOD_MSEC, out) && *out <= LONGEST
               ? NULL
               : _("a time up to an hour, such as 20ms, 1.5s or 2min");
}

static const char *take_rate(const char *text, uint64_t *out)
{
    return units_rate(text, out) && *out >= SLOWEST
               ? NULL
               : _("bits a second, at least 1000, such as 64k, 1M or 1G");
}

static const char *take_size(const char *text, uint32_t *out)
{
    uint64_t size;
    if (!units_size(text, &size) || size == 0 || size > UINT32_MAX)
        return _("a number of bytes, such as 3000, 64k or 1M");
    *out = (uint32_t)size;
    return NULL;
}

/* "64k" is bytes, "100p" packets. */
static const char *take_queue(nod_path_config *config, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    char number[16];
    uint64_t packets;
    config->queue_bytes = config->queue_packets = 0;
    if (text[digits] != 'p' || text[digits + 1] || digits >= sizeof number)
        return take_size(text, &config->queue_bytes)
                   ? _("bytes, such as 64k or 1M, or packets, such as 100p")
                   : NULL;
    memcpy(number, text, digits);
    number[digits] = 0;
    if (!units_number(number, 1, 1000000, &packets))
        return _("bytes, such as 64k or 1M, or packets, such as 100p");
    config->queue_packets = (uint32_t)packets;
    return NULL;
}

static const char *take_queue_kind(const char *text, enum nod_queue_kind *out)
{
    static const char *const names[] = {
        [NOD_QUEUE_DROP_TAIL] = "droptail", [NOD_QUEUE_FQ_CODEL] = "fq_codel"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = (enum nod_queue_kind)i;
        return NULL;
    }
    return _("one of droptail, fq_codel");
}

/* "P,R", "P,R,H" or "P,R,H,K". */
static const char *take_burst(const char *text, nod_path_burst *burst)
{
    double share[4] = {0, 0, 0, 1};
    char word[32];
    int count = 0;
    for (const char *at = text; count < 4; count++) {
        size_t len = strcspn(at, ",");
        if (len >= sizeof word) break;
        memcpy(word, at, len);
        word[len] = 0;
        if (!units_share(word, &share[count])) break;
        at += len;
        if (*at == 0 && count > 0) {
            *burst = (nod_path_burst){share[0], share[1], share[2], 1 - share[3]};
            return NULL;
        }
        if (*at++ != ',') break;
    }
    return _("two to four probabilities P,R,H,K, such as 1%,25%");
}

const char *path_option_take(nod_path_config *config, enum path_option option, const char *text)
{
    switch (option) {
    case PATH_RATE: return take_rate(text, &config->rate_bps);
    case PATH_TRACE: return rate_trace_read(text, &config->trace);
    case PATH_QUEUE_KIND: return take_queue_kind(text, &config->queue_kind);
    case PATH_CODEL_TARGET: return take_time(text, &config->codel_target_us);
    case PATH_CODEL_INTERVAL: return take_time(text, &config->codel_interval_us);
    case PATH_BURST_LOSS: return take_burst(text, &config->burst);
    case PATH_QUEUE: return take_queue(config, text);
    case PATH_DELAY: return take_time(text, &config->delay_us);
    case PATH_JITTER: return take_time(text, &config->jitter_us);
    case PATH_LOSS: return take_share(text, &config->loss);
    case PATH_DUPLICATE: return take_share(text, &config->duplicate);
    case PATH_REORDER: return take_share(text, &config->reorder);
    case PATH_REORDER_DELAY: return take_time(text, &config->reorder_us);
    case PATH_DAMAGE: return take_share(text, &config->damage);
    case PATH_MARK: return take_share(text, &config->mark);
    case PATH_MARK_QUEUE: return take_size(text, &config->mark_bytes);
    case PATH_OPTIONS: break;
    }
    return NULL;
}

void path_options_free(nod_path_config *config)
{
    rate_trace_free(&config->trace);
}
