/* Limits. A program that forbids itself to open anything more (sshd does, before it hears a
 * stranger) cannot know that nod needs a few descriptors to wait. This thread's are taken before;
 * and some are left for its children. */
#include "preload.h"

#define LEAST_FILES 32

static void leave_some(int resource, const struct rlimit *wanted, struct rlimit *given)
{
    *given = *wanted;
    if (resource != RLIMIT_NOFILE) return;
    nod_prepare();
    if (given->rlim_cur < LEAST_FILES) given->rlim_cur = LEAST_FILES;
    if (given->rlim_max < LEAST_FILES) given->rlim_max = LEAST_FILES;
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    struct rlimit given;
    if (preload_is_bad(limit)) return REAL(setrlimit)(resource, limit);
    leave_some((int)resource, limit, &given);
    return REAL(setrlimit)(resource, &given);
}

EXPORT int prlimit(pid_t pid, __rlimit_resource_t resource, const struct rlimit *limit,
                   struct rlimit *old)
{
    struct rlimit given;
    if (preload_is_bad(limit)) return REAL(prlimit)(pid, resource, limit, old);
    leave_some((int)resource, limit, &given);
    return REAL(prlimit)(pid, resource, &given, old);
}

_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one and the same");

EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    return setrlimit(resource, (const struct rlimit *)(const void *)limit);
}

EXPORT int prlimit64(pid_t pid, __rlimit_resource_t resource, const struct rlimit64 *limit,
                     struct rlimit64 *old)
{
    return prlimit(pid, resource, (const struct rlimit *)(const void *)limit,
                   (struct rlimit *)(void *)old);
}
