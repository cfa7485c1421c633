/* A network's beginning and end, how another program joins it, and its lock. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "sys.h"

#define MEMORY_DEFAULT ((size_t)8 << 30) /* four times the stack's limit; less will do */
#define MEMORY_LEAST ((size_t)4 << 20)
#define NET_LAYOUT ((uint32_t)(sizeof(net) * 31 + sizeof(sock) * 7 + sizeof(nod_tcp_config)))
#define PRIVATE_FROM 900 /* descriptor numbers of our own, below the usual limit of 1024 */

net *nod_net;
here nod_here = {.device = -1, .memory = -1, .kicker = -1, .helper_stop = -1};

/* The lock. */

/* This thread holds the lock, or is about to: a signal handler that finds this set must not wait
 * for itself. */
static __thread volatile sig_atomic_t inside;
static __thread nod_usec now_us;
static __thread int cancel_state; /* a thread that is cancelled does not die with the lock */

static void *take(void *ctx, size_t size)
{
    return arena_alloc(ctx, size);
}

static void give(void *ctx, void *ptr, size_t size)
{
    arena_free(ctx, ptr, size);
}

/* The stack calls the allocator where it lies in this process: for a child where it was, for a
 * program that was executed, and kept its process's number, elsewhere. */
static void bind_stack(void)
{
    if (nod_net->bound == (uintptr_t)take) return;
    const nod_alloc alloc = {take, give, &nod_net->arena};
    nod_stack_rebind(nod_net->stack, &alloc);
    nod_net->bound = (uintptr_t)take;
}

bool net_enter(void)
{
    if (!nod_net || inside) {
        errno = nod_net ? EAGAIN : ENETDOWN;
        return false;
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    inside = 1;
    int error = pthread_mutex_lock(&nod_net->lock);
    if (error == EOWNERDEAD) {
        /* What it was doing is half done, in the memory of all: nothing there can be trusted. */
        nod_net->broken = true;
        pthread_mutex_consistent(&nod_net->lock);
        error = 0;
    }
    if (error == 0 && !nod_net->broken) {
        bind_stack();
        now_us = nod_clock();
        nod_stack_tick(nod_net->stack, now_us);
        return true;
    }
    if (error == 0) pthread_mutex_unlock(&nod_net->lock);
    inside = 0;
    pthread_setcancelstate(cancel_state, NULL);
    errno = ENETDOWN;
    return false;
}

void net_let_go(void)
{
    pthread_mutex_unlock(&nod_net->lock);
    net_kick();
}

void net_take_again(void)
{
    if (pthread_mutex_lock(&nod_net->lock) == EOWNERDEAD) {
        nod_net->broken = true;
        pthread_mutex_consistent(&nod_net->lock);
    }
    bind_stack(); /* another program may have had it meanwhile */
    now_us = nod_clock();
    nod_stack_tick(nod_net->stack, now_us);
}

void net_leave(void)
{
    if (!inside) return;
    int keep = errno;
    net_flush();
    net_let_go();
    inside = 0;
    pthread_setcancelstate(cancel_state, NULL);
    net_send_signals();
    errno = keep;
}

nod_usec net_now(void)
{
    return now_us;
}

void *net_new(size_t size)
{
    void *ptr = arena_alloc(&nod_net->arena, size);
    if (ptr) memset(ptr, 0, size);
    return ptr;
}

void net_delete(void *ptr, size_t size)
{
    arena_free(&nod_net->arena, ptr, size);
}

/* Descriptors of our own. */

int private_add(int fd, bool inherited)
{
    if (fd < 0) return -1;
    int command = inherited ? F_DUPFD : F_DUPFD_CLOEXEC;
    int high = sys_fcntl(fd, command, PRIVATE_FROM);
    if (high < 0) high = sys_fcntl(fd, command, 0); /* the limit is low */
    int error = errno;
    sys_close(fd);
    if (high >= 0 && nod_here.private_count < PRIVATE_MAX)
        nod_here.private_fds[nod_here.private_count++] = high;
    errno = error;
    return high;
}

void private_close(int fd)
{
    for (int i = 0; i < nod_here.private_count; i++)
        if (nod_here.private_fds[i] == fd)
            nod_here.private_fds[i] = nod_here.private_fds[--nod_here.private_count];
    sys_close(fd);
}

bool nod_is_private(int fd)
{
    for (int i = 0; i < nod_here.private_count; i++)
        if (nod_here.private_fds[i] == fd) return true;
    return false;
}

/* Beginning. */

void nod_net_config_default(nod_net_config *config)
{
    *config = (nod_net_config){
        .device = -1,
        .tun = {.offload = true,
                .host4 = nod_addr_ip4(10, 110, 111, 1),
                .prefix4 = 24,
                .prefix6 = 64},
        .own4 = nod_addr_ip4(10, 110, 111, 2),
    };
    nod_addr_parse("fd6e:6f64::1", &config->tun.host6);
    nod_addr_parse("fd6e:6f64::2", &config->own6);
    config->gateway4 = config->tun.host4;
    config->gateway6 = config->tun.host6;
}

__attribute__((format(printf, 3, 4))) static int explain(char *why, int error, const char *format,
                                                         ...)
{
    va_list args;
    va_start(args, format);
    if (why) vsnprintf(why, NOD_LINK_WHY, format, args);
    va_end(args);
    return error;
}

static int init_lock(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    int error = pthread_mutex_init(&nod_net->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return error;
}

static int make_memory(size_t size, char *why)
{
    int fd = (int)syscall(SYS_memfd_create, "nod", 0);
    nod_here.memory = private_add(fd, true);
    if (nod_here.memory < 0 || ftruncate(nod_here.memory, (off_t)size) != 0)
        return explain(why, NOD_ENOMEM, "There is no shared memory of %zu bytes: %s.", size,
                       strerror(errno));
    nod_net = arena_map(nod_here.memory, size);
    if (!nod_net)
        return explain(why, NOD_ENOMEM, "Cannot map shared memory at %#" PRIxPTR ": %s.",
                       ARENA_PLACE, strerror(errno));
    nod_net->magic = NET_MAGIC;
    nod_net->layout = NET_LAYOUT;
    arena_init(&nod_net->arena, size, sizeof(net));
    ring_init(&nod_net->sockets);
    ring_init(&nod_net->processes);
    if (init_lock() != 0) return explain(why, NOD_EUNSUPPORTED, "Locks cannot be shared here.");
    return 0;
}

static int make_stack(const nod_net_config *config, size_t size, char *why)
{
    nod_config stack;
    int error = 0;
    if (config->stack)
        stack = *config->stack;
    else
        nod_config_default(&stack);
    static const uint8_t zeros[sizeof stack.secret];
    if (memcmp(stack.secret, zeros, sizeof zeros) == 0 &&
        nod_entropy(stack.secret, sizeof stack.secret) != 0)
        return explain(why, NOD_EIO, "The system gives no random bytes.");
    stack.tcp.counters = true;   /* for TCP_INFO */
    stack.tcp.nagle_tail = true; /* as Linux's sockets */
    stack.alloc = (nod_alloc){take, give, &nod_net->arena};
    /* Pieces are rounded up to powers of two, and sockets need theirs. */
    if (stack.memory_limit > size / 4) stack.memory_limit = size / 4;
    nod_net->stack = nod_stack_new(&stack, nod_clock(), &error);
    nod_net->bound = (uintptr_t)take;
    nod_net->tcp = stack.tcp;
    return error ? explain(why, error, "The stack cannot be made: %s.", nod_strerror(error)) : 0;
}

static int add_family(int iface, const nod_addr *own, int prefix, const nod_addr *gateway)
{
    static const nod_addr none4 = {.family = 4}, none6 = {.family = 6};
    if (!own->family) return 0;
    int error = nod_stack_add_addr(nod_net->stack, iface, own, prefix);
    if (error || !gateway->family) return error;
    return nod_stack_add_route(nod_net->stack, iface, own->family == 4 ? &none4 : &none6, 0,
                               gateway);
}

static int add_iface(const nod_net_config *config, char *why)
{
    nod_iface_config iface;
    nod_link_iface(nod_here.link, &iface);
    int index = nod_stack_add_iface(nod_net->stack, &iface);
    int error = index < 0 ? index : 0;
    int prefix4 = config->tun.prefix4 ? config->tun.prefix4 : 24;
    int prefix6 = config->tun.prefix6 ? config->tun.prefix6 : 64;
    if (!error) error = add_family(index, &config->own4, prefix4, &config->gateway4);
    if (!error) error = add_family(index, &config->own6, prefix6, &config->gateway6);
    return error ? explain(why, error, "The stack does not take its addresses: %s.",
                           nod_strerror(error))
                 : 0;
}

/* The link is this process's own; only the descriptor below it is shared. */
static int make_device(const nod_net_config *config, char *why)
{
    int error = 0, fd = config->device;
    if (fd < 0) {
        nod_link *tun = nod_link_tun(nod_stack_pool(nod_net->stack), &config->tun, &error, why);
        if (!tun) return error;
        fd = sys_fcntl(nod_link_fd(tun), F_DUPFD_CLOEXEC, 0);
        nod_link_close(tun);
    }
    nod_here.device = private_add(fd, true);
    nod_net->tun = config->tun;
    nod_net->tun.name = NULL;
    nod_here.link = nod_link_adopt(nod_stack_pool(nod_net->stack), nod_here.device, &nod_net->tun);
    if (!nod_here.link)
        return explain(why, NOD_ENOMEM, "There is no memory for the network's device.");
    return 0;
}

static void before_fork(void);
static void after_fork_parent(void);
static void after_fork_child(void);
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* Before it is needed: at the limit of descriptors there would be none, and a sleeper would never
 * be woken. */
static int make_kicker(char *why)
{
    nod_here.kicker = private_add(sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), false);
    if (nod_here.kicker < 0)
        return explain(why, NOD_EIO, "Cannot make a socket: %s.", strerror(errno));
    pthread_once(&fork_once, watch_forks);
    return 0;
}

static int begin(const nod_net_config *config, size_t size, char *why)
{
    nod_here.pid = getpid();
    int error = make_memory(size, why);
    if (!error) error = make_stack(config, size, why);
    if (!error) error = make_device(config, why);
    if (!error) error = add_iface(config, why);
    if (error) return error;
    const char *name = config->name ? config->name : program_invocation_short_name;
    snprintf(nod_net->name, sizeof nod_net->name, "%s", name);
    nod_net->own4 = config->own4;
    nod_net->own6 = config->own6;
    nod_here.self = process_new(nod_here.pid);
    if (!nod_here.self) return explain(why, NOD_ENOMEM, "The shared memory is too small.");
    return make_kicker(why);
}

static void forget(void)
{
    if (nod_here.link) nod_link_close(nod_here.link);
    size_t size = nod_net ? nod_net->arena.size : 0;
    nod_net = NULL;
    nod_here.link = NULL;
    nod_here.self = NULL;
    if (nod_here.device >= 0) private_close(nod_here.device);
    if (nod_here.memory >= 0) private_close(nod_here.memory);
    if (nod_here.kicker >= 0) private_close(nod_here.kicker);
    nod_here.device = nod_here.memory = nod_here.kicker = -1;
    if (size) arena_unmap(size);
}

/* The helper of those who do not run nod_net_serve. */

static void *help(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* signals are the program's */
    nod_net_serve(nod_here.helper_stop, NOD_NEVER);
    thread_forget(false);
    return unused;
}

static int start_helper(char *why)
{
    nod_here.helper_stop = private_add(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), false);
    int error =
        nod_here.helper_stop < 0 ? errno : pthread_create(&nod_here.helper, NULL, help, NULL);
    if (error) return explain(why, NOD_ENOMEM, "Cannot start a thread: %s.", strerror(error));
    nod_here.helper_runs = true;
    return 0;
}

static void stop_helper(void)
{
    uint64_t one = 1;
    if (!nod_here.helper_runs) return;
    nod_here.helper_runs = false;
    if (sys_write(nod_here.helper_stop, &one, sizeof one) == sizeof one)
        pthread_join(nod_here.helper, NULL);
    private_close(nod_here.helper_stop);
    nod_here.helper_stop = -1;
}

int nod_net_start(const nod_net_config *config, char *why)
{
    size_t size = config->memory ? config->memory : MEMORY_DEFAULT;
    if (nod_net) return explain(why, NOD_EEXIST, "This process has a network already.");
    if (size < MEMORY_LEAST)
        return explain(why, NOD_EINVAL, "A network needs at least %zu bytes of memory.",
                       MEMORY_LEAST);
    size = (size + 4095) & ~(size_t)4095;
    int error = begin(config, size, why);
    /* A limit of address space, or of a file's size, may be in the way. */
    while (error == NOD_ENOMEM && !config->memory && size > 16 * MEMORY_LEAST) {
        forget();
        size /= 4;
        error = begin(config, size, why);
    }
    if (!error && !config->no_helper) error = start_helper(why);
    if (error) forget();
    return error;
}

unsigned nod_net_busy(void)
{
    unsigned busy = 0;
    size_t cursor = 0;
    nod_status status;
    if (!net_enter()) return 0;
    while (nod_tcp_each(nod_net->stack, &cursor, &status))
        busy += status.state != NOD_LISTEN && status.state != NOD_TIME_WAIT &&
                status.state != NOD_CLOSED;
    net_leave();
    return busy;
}

void nod_net_stop(nod_usec patience)
{
    nod_usec until = nod_clock() + patience;
    if (!nod_net) return;
    stop_helper();
    thread_forget(false); /* before the process, which would take this thread's waiter along */
    if (net_enter()) {
        process_free(nod_here.self);
        nod_here.self = NULL;
        net_leave();
    }
    while (nod_net_busy() > 0 && nod_clock() < until)
        nod_net_serve(-1, nod_clock() + 10 * NOD_MSEC);
    forget();
}

/* Joining. */

size_t nod_net_export(char words[NOD_NET_WORDS])
{
    if (!nod_net) return 0;
    return (size_t)snprintf(words, NOD_NET_WORDS, "1,%d,%d,%zu", nod_here.memory, nod_here.device,
                            nod_net->arena.size);
}

static bool is_open(int fd)
{
    return sys_fcntl(fd, F_GETFD, 0) >= 0;
}

static int join(size_t size, char *why)
{
    nod_net = arena_map(nod_here.memory, size);
    if (!nod_net)
        return explain(why, NOD_ENOMEM, "The network's memory cannot be mapped: %s.",
                       strerror(errno));
    if (nod_net->magic != NET_MAGIC || nod_net->layout != NET_LAYOUT)
        return explain(why, NOD_EINVAL, "The network is of another build of nod.");
    nod_here.pid = getpid();
    if (!net_enter()) return explain(why, NOD_EIO, "The network is broken.");
    nod_here.link = nod_link_adopt(nod_stack_pool(nod_net->stack), nod_here.device, &nod_net->tun);
    nod_here.self = process_new(nod_here.pid);
    /* A thread that wrote when this process executed another program is no more. */
    if (nod_net->writer == nod_here.pid) nod_net->writer = 0;
    net_leave();
    if (!nod_here.link || !nod_here.self)
        return explain(why, NOD_ENOMEM, "The network's memory is full.");
    return make_kicker(why);
}

int nod_net_import(const char *words, char *why)
{
    size_t size;
    int memory, device;
    if (nod_net) return explain(why, NOD_EEXIST, "This process has a network already.");
    if (!words || sscanf(words, "1,%d,%d,%zu", &memory, &device, &size) != 3)
        return explain(why, NOD_EINVAL, "These words name no network of nod's.");
    if (!is_open(memory) || !is_open(device))
        return explain(why, NOD_EIO,
                       "The descriptors of nod's network were closed by the program that started "
                       "this one.");
    nod_here.memory = memory;
    nod_here.device = device;
    int error = join(size, why);
    nod_here.private_fds[nod_here.private_count++] = memory;
    nod_here.private_fds[nod_here.private_count++] = device;
    memory_guard();
    if (error) forget();
    return error;
}

/* Forks. The child's table is made in the parent, so that no reference is ever missing. */

static process *unborn;
static bool forking;

static void before_fork(void)
{
    forking = nod_here.self && net_enter();
    unborn = forking ? process_copy(nod_here.self, 0) : NULL;
}

static void after_fork_parent(void)
{
    if (forking) net_leave();
    forking = false;
}

static void after_fork_child(void)
{
    bool was_forking = forking;
    forking = false;
    inside = 0; /* the parent's thread holds the lock, and lets it go */
    if (was_forking) pthread_setcancelstate(cancel_state, NULL);
    if (!nod_net) return;
    nod_here.pid = getpid();
    nod_here.helper_runs = false; /* the parent's serves this process as well */
    thread_forget(true);
    for (int i = nod_here.private_count - 1; i >= 0; i--) {
        int fd = nod_here.private_fds[i];
        if (fd != nod_here.memory && fd != nod_here.device && fd != nod_here.kicker)
            private_close(fd);
    }
    nod_here.helper_stop = -1;
    nod_here.self = unborn;
    if (was_forking && unborn) unborn->pid = nod_here.pid;
}

pid_t nod_fork(void)
{
    return fork();
}
