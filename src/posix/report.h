/* report.h: what both ends of a report agree on: the folder of the sockets, and the snapshot. */
#ifndef NOD_POSIX_REPORT_H
#define NOD_POSIX_REPORT_H

#include "nod/report.h"

/* The snapshot begins with this; `count` records of nod_status follow. It is only for programs
 * of the same build of nod, so what must agree is the version and the sizes. */
struct snapshot_head {
    char magic[8];
    uint32_t version;
    uint32_t head_size, status_size;
    int32_t pid;
    char name[NOD_REPORT_NAME];
    uint32_t count, left_out;
    uint32_t has_link;
    nod_link_stats link;
    nod_stack_stats stack;
    nod_pool_stats pool;
};

#define SNAPSHOT_MAGIC "nod-said"
#define SNAPSHOT_VERSION 1u

/* Where sockets may lie, the first that can be had first: writes the folder's name. False when
 * there is no such place. */
#define REPORT_FOLDERS 2
bool nod_report_folder(int which, char folder[NOD_REPORT_PATH]);

/* Whether the folder is ours, and closed to others. */
bool nod_report_folder_sound(const char *folder);

#endif
