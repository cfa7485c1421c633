/* path_options.h: options that say how bad a network is; each sets a field of nod_path_config. */
#ifndef NOD_CMD_PATH_OPTIONS_H
#define NOD_CMD_PATH_OPTIONS_H

#include "nod/path.h"

enum path_option {
    PATH_RATE,
    PATH_TRACE,
    PATH_QUEUE,
    PATH_QUEUE_KIND,
    PATH_CODEL_TARGET,
    PATH_CODEL_INTERVAL,
    PATH_DELAY,
    PATH_JITTER,
    PATH_LOSS,
    PATH_BURST_LOSS,
    PATH_DUPLICATE,
    PATH_REORDER,
    PATH_REORDER_DELAY,
    PATH_DAMAGE,
    PATH_MARK,
    PATH_MARK_QUEUE,
    PATH_OPTIONS
};

/* "rate", ... */
extern const char *const path_option_names[PATH_OPTIONS];

/* NULL; or what the option wants instead of `text`, as in "it wants ..." (good until the next
 * call). With PATH_TRACE the file is read, and its array is the config's: path_options_free. */
const char *path_option_take(nod_path_config *config, enum path_option option, const char *text);

void path_options_free(nod_path_config *config);

#endif
