/* Limits. A process that puts itself into a sandbox allows itself no more descriptors, and then
 * the library could not get those by which it waits: it gets them before. */
#include "preload.h"

#include <sys/resource.h>

static void before(int resource, bool lowers)
{
    if (resource == RLIMIT_NOFILE && lowers) nod_prepare();
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    before((int)resource, !preload_is_bad(limit));
    return REAL(setrlimit)(resource, limit);
}

EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    before((int)resource, !preload_is_bad(limit));
    return REAL(setrlimit64)(resource, limit);
}

EXPORT int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *limit,
                   struct rlimit *old)
{
    before((int)resource, !preload_is_bad(limit));
    return REAL(prlimit)(pid, resource, limit, old);
}

EXPORT int prlimit64(pid_t pid, enum __rlimit_resource resource, const struct rlimit64 *limit,
                     struct rlimit64 *old)
{
    before((int)resource, !preload_is_bad(limit));
    return REAL(prlimit64)(pid, resource, limit, old);
}
