/* Where the sockets of `nod ss` lie. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Our user as the machine knows it: in a user namespace of its own, it is root to itself. */
static unsigned outer_uid(void)
{
    unsigned inside, outside, count, own = geteuid(), found = own;
    FILE *map = fopen("/proc/self/uid_map", "re");
    while (map && fscanf(map, "%u %u %u", &inside, &outside, &count) == 3)
        if (own >= inside && own - inside < count) found = outside + (own - inside);
    if (map) fclose(map);
    return found;
}

bool nod_report_folder(int which, char folder[NOD_REPORT_PATH])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (which == 1) {
        snprintf(folder, NOD_REPORT_PATH, "/tmp/nod-%u", outer_uid());
        return true;
    }
    if (!runtime || runtime[0] != '/') return false;
    int len = snprintf(folder, NOD_REPORT_PATH, "%s/nod", runtime);
    return len > 0 && len < NOD_REPORT_PATH;
}

bool nod_report_folder_sound(const char *folder)
{
    struct stat is;
    return lstat(folder, &is) == 0 && S_ISDIR(is.st_mode) && is.st_uid == geteuid() &&
           (is.st_mode & 077) == 0;
}
