/* netem_report.h: what `nod netem` says at its end. */
#ifndef NOD_CMD_NETEM_REPORT_H
#define NOD_CMD_NETEM_REPORT_H

#include "netem_options.h"
#include "nod/link.h"

/* How often packets were given to a device, how often more than a millisecond after their time, and
 * how late at most. */
struct netem_lateness {
    uint64_t turns, late_turns, latest_us;
};

struct netem_counts {
    nod_path_stats path; /* of the way to this side */
    nod_link_stats link; /* of this side's device */
    struct netem_lateness late;
};

void netem_report(const struct netem_options *options, const struct netem_counts counts[2]);

#endif
