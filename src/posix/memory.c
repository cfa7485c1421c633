#include "memory.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>

#define PAGE 4096u
#define LOOKED_AT (64u * 1024u)

/* Where a probe of this thread's goes on when it meets no memory; NULL: none is under way. */
static __thread sigjmp_buf *volatile probing;
static struct sigaction old_segv, old_bus;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (probing) siglongjmp(*probing, 1);
    /* Not ours: it happens again, without us. */
    sigaction(number, number == SIGSEGV ? &old_segv : &old_bus, NULL);
    if (info->si_code <= 0) raise(number); /* somebody sent it */
}

static void guard(int number, struct sigaction *old)
{
    struct sigaction action = {.sa_sigaction = on_fault};
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, old) == 0 && !(old->sa_flags & SA_SIGINFO) &&
        old->sa_handler == SIG_DFL)
        sigaction(number, &action, NULL);
}

void memory_guard(void)
{
    guard(SIGSEGV, &old_segv);
    guard(SIGBUS, &old_bus);
}

/* Nothing is changed by either way of touching an octet. */
static bool faults(const void *ptr, bool write)
{
    sigjmp_buf here;
    sigjmp_buf *outer = probing;
    volatile bool bad = true;
    if (sigsetjmp(here, 0) == 0) {
        probing = &here;
        if (write)
            __atomic_fetch_or((uint8_t *)(uintptr_t)ptr, 0, __ATOMIC_RELAXED);
        else
            (void)*(const volatile uint8_t *)ptr;
        bad = false;
    }
    probing = outer;
    return bad;
}

static bool is_nowhere(const void *ptr)
{
    return (uintptr_t)ptr < 65536 || (uintptr_t)ptr >> 47 != 0;
}

bool is_bad(const void *ptr)
{
    return is_nowhere(ptr) || faults(ptr, false);
}

bool is_bad_to_write(void *ptr)
{
    return is_nowhere(ptr) || faults(ptr, true);
}

bool is_bad_range(const void *ptr, size_t len, bool write)
{
    const uint8_t *first = ptr, *last = first + len - 1;
    if (len == 0) return false;
    if (is_nowhere(first) || is_nowhere(last)) return true;
    size_t near = len < LOOKED_AT ? len : LOOKED_AT;
    const uint8_t *page = (const uint8_t *)((uintptr_t)first & ~(uintptr_t)(PAGE - 1));
    if (faults(first, write)) return true;
    for (page += PAGE; page < first + near; page += PAGE)
        if (faults(page, write)) return true;
    return faults(last, write);
}
