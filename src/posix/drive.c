/* Who drives, who sleeps, and who is woken. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "net.h"
#include "sys.h"

#define TURN_FRAMES (4 * NOD_LOOP_BATCH) /* taken in before output has its turn */
#define FLUSH_ROUNDS 64                  /* of output and loopback, before others may go on */
#define FREE_ROUNDS 16                   /* of these, before the lock is kept */
#define EVENT_BATCH 64

enum { TAG_DEVICE, TAG_WAKE, TAG_NESTED };

/* What a thread needs to sleep. */
typedef struct thread {
    waiter *waiter;
    int waitset; /* an epoll instance: the device, the wake socket, perhaps the user's own one */
    int wake;
    int nested; /* the user's epoll descriptor in the waitset; -1: none */
} thread;
static __thread thread self = {NULL, -1, -1, -1};

/* Driving. */

static void kick(waiter *w);

/* The device is gone, and nobody will ever hear anything again: calls say so, and do not wait. */
static void give_up(void)
{
    nod_net->broken = true;
    for (ring *p = nod_net->processes.next; p != &nod_net->processes; p = p->next) {
        ring *waiters = &ring_entry(p, process, in_net)->waiters;
        for (ring *at = waiters->next; at != waiters; at = at->next) {
            waiter *w = ring_entry(at, waiter, in_process);
            if (w->asleep && !w->kicked) kick(w);
        }
    }
}

static void take_in(nod_usec now)
{
    nod_frame frames[NOD_LOOP_BATCH];
    for (int taken = 0; taken < TURN_FRAMES;) {
        int got = nod_link_receive(nod_here.link, frames, NOD_LOOP_BATCH, now);
        if (got == NOD_EIO) give_up();
        if (got <= 0) break;
        nod_net->link_stats.frames_in += (uint64_t)got;
        nod_stack_input(nod_net->stack, frames, got, now);
        taken += got;
        if (got < NOD_LOOP_BATCH) break;
    }
}

/* Lets go of frames that the device took. */
static void forget_held(int sent)
{
    for (int i = 0; i < sent; i++) nod_frame_release(&nod_net->held[i]);
    nod_net->held_count -= sent;
    memmove(nod_net->held, nod_net->held + sent, (size_t)nod_net->held_count * sizeof(nod_frame));
}

/* Gives the device what is held; `free` lets go of the lock meanwhile. False: it is full. A device
 * that is gone takes everything, as a cable does that was pulled. */
static bool send_held(bool free)
{
    int count = nod_net->held_count, sent;
    if (count == 0) return true;
    free = free && nod_net->tun.offload; /* else frames are cut, which takes memory */
    nod_net->writer = nod_here.pid;
    if (free) net_let_go();
    sent = nod_link_write(nod_here.link, nod_net->held, count);
    if (free) net_take_again();
    nod_net->writer = 0;
    if (sent < 0)
        sent = count;
    else
        nod_net->link_stats.frames_out += (uint64_t)sent;
    forget_held(sent);
    return sent == count;
}

static void tell(void)
{
    nod_event events[EVENT_BATCH];
    int count;
    while ((count = nod_stack_events(nod_net->stack, events, EVENT_BATCH)) > 0)
        for (int i = 0; i < count; i++) socket_event(&events[i]);
}

/* One thread writes at a time, and the lock is free while it does, for writing to the device is
 * most of the work. Others leave what they have to it; so it ends with a round in which nobody
 * can add to that. */
void net_flush(void)
{
    tell();
    for (int round = 0; nod_net->writer == 0; round++) {
        if (nod_net->held_count == 0)
            nod_net->held_count =
                nod_stack_output(nod_net->stack, nod_net->held, NOD_LOOP_BATCH, net_now());
        if (nod_net->held_count == 0) {
            if (nod_stack_deadline(nod_net->stack) > net_now() || round >= FLUSH_ROUNDS) break;
            nod_stack_tick(nod_net->stack, net_now());
        } else if (!send_held(round < FREE_ROUNDS)) {
            break;
        }
    }
    tell();
}

void net_drive(void)
{
    nod_usec now = net_now();
    take_in(now);
    nod_stack_tick(nod_net->stack, now);
    nod_net->driven_at = now;
    tell();
}

void net_glance(void)
{
    if (net_now() - nod_net->driven_at >= GLANCE_US) net_drive();
}

/* Waking. */

/* Whom to kick, when the lock is free again: they would only wait for it. */
#define KICKS_MAX 32
static __thread struct {
    int count;
    struct {
        uint8_t len;
        char name[sizeof((waiter *)NULL)->name];
    } to[KICKS_MAX];
} kicks;

void net_kick(void)
{
    int keep = errno;
    for (int i = 0; i < kicks.count; i++) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        memcpy(to.sun_path, kicks.to[i].name, kicks.to[i].len);
        sys_sendto(nod_here.kicker, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, &to,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + kicks.to[i].len));
    }
    kicks.count = 0;
    errno = keep;
}

static void kick(waiter *w)
{
    if (kicks.count == KICKS_MAX) net_kick();
    kicks.to[kicks.count].len = w->name_len;
    memcpy(kicks.to[kicks.count++].name, w->name, w->name_len);
    w->kicked = true;
}

static void wake(waiter *w)
{
    w->woken = true;
    if (w->asleep && !w->kicked) kick(w);
}

void net_wake(file *f, uint32_t events)
{
    for (ring *at = f->watches.next, *next; at != &f->watches; at = next) {
        watch *w = ring_entry(at, watch, in_file);
        next = at->next;
        if (!(events & (w->events | POLLERR | POLLHUP))) continue;
        if (w->waiter)
            wake(w->waiter);
        else
            epoll_fire((item *)(void *)w, events);
    }
}

void net_wake_all(void)
{
    for (ring *p = nod_net->processes.next; p != &nod_net->processes; p = p->next) {
        process *owner = ring_entry(p, process, in_net);
        for (ring *at = owner->waiters.next; at != &owner->waiters; at = at->next) {
            waiter *w = ring_entry(at, waiter, in_process);
            w->kicked = false;
            wake(w);
        }
    }
}

void watch_add(watch *w, file *f, waiter *by, uint32_t events)
{
    *w = (watch){.file = f, .waiter = by, .events = events};
    ring_add(&f->watches, &w->in_file);
    ring_add(&by->watches, &w->of_owner);
}

void watch_remove(watch *w)
{
    ring_remove(&w->in_file);
    ring_remove(&w->of_owner);
}

/* Threads. */

static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

static void close_all(void)
{
    if (self.waitset >= 0) private_close(self.waitset);
    if (self.wake >= 0) private_close(self.wake);
    self = (thread){NULL, -1, -1, -1};
}

static void free_waiter(waiter *w)
{
    while (!ring_is_empty(&w->watches)) watch_remove(ring_entry(w->watches.next, watch, of_owner));
    if (nod_net->timekeeper == w) nod_net->timekeeper = NULL;
    ring_remove(&w->in_process);
    net_delete(w, sizeof *w);
}

static void thread_ends(void *unused)
{
    (void)unused;
    thread_forget(false);
}

static void make_key(void)
{
    pthread_key_create(&thread_key, thread_ends);
}

void thread_forget(bool forked)
{
    waiter *w = self.waiter;
    close_all();
    /* A forked child's threads were the parent's, and so are their waiters. */
    if (!w || forked || !net_enter()) return;
    free_waiter(w);
    net_leave();
}

void thread_forget_epoll(int epfd)
{
    if (self.nested == epfd) self.nested = -1;
}

static bool add_to_waitset(int fd, uint32_t events, uint64_t tag)
{
    struct epoll_event event = {.events = events, .data.u64 = tag};
    return sys_epoll_ctl(self.waitset, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
}

static bool make_wake_socket(waiter *w)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t len = sizeof name;
    self.wake =
        private_add(sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), false);
    /* Bound to no name at all: the kernel gives one that nobody has. */
    if (self.wake < 0 || sys_bind(self.wake, &name, sizeof name.sun_family) != 0 ||
        sys_getsockname(self.wake, &name, &len) != 0)
        return false;
    size_t name_len = len - offsetof(struct sockaddr_un, sun_path);
    if (name_len > sizeof w->name) return false;
    memcpy(w->name, name.sun_path, name_len);
    w->name_len = (uint8_t)name_len;
    return true;
}

static bool make_thread(waiter *w)
{
    self.waitset = private_add(sys_epoll_create(), false);
    return self.waitset >= 0 && make_wake_socket(w) &&
           add_to_waitset(nod_here.device, EPOLLIN | EPOLLEXCLUSIVE, TAG_DEVICE) &&
           add_to_waitset(self.wake, EPOLLIN, TAG_WAKE);
}

waiter *net_waiter(void)
{
    if (self.waiter) return self.waiter;
    pthread_once(&thread_once, make_key);
    waiter *w = net_new(sizeof *w);
    if (!w || !make_thread(w)) {
        int error = w ? errno : ENOMEM;
        net_delete(w, sizeof *w);
        close_all();
        errno = error;
        return NULL;
    }
    ring_init(&w->watches);
    ring_add(&nod_here.self->waiters, &w->in_process);
    pthread_setspecific(thread_key, &self);
    self.waiter = w;
    return w;
}

void nod_prepare(void)
{
    int keep = errno;
    if (nod_here.self && net_enter()) {
        net_waiter();
        net_leave();
    }
    errno = keep;
}

/* Signals. */

#define SIGNALS_MAX 16
static __thread struct {
    int count;
    bool us; /* one of them was for this process, which has a handler for it */
    pid_t to[SIGNALS_MAX];
} signals;

void net_signal(pid_t owner)
{
    for (int i = 0; i < signals.count; i++)
        if (signals.to[i] == owner) return;
    if (signals.count < SIGNALS_MAX) signals.to[signals.count++] = owner;
}

static bool is_handled(int number)
{
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0) return false;
    return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
}

static bool is_us(pid_t to)
{
    return (to == nod_here.pid || to == -getpgrp()) && is_handled(SIGURG);
}

bool net_is_signalled(void)
{
    for (int i = 0; i < signals.count; i++)
        if (is_us(signals.to[i])) return true;
    return false;
}

void net_send_signals(void)
{
    while (signals.count > 0) {
        pid_t to = signals.to[--signals.count];
        signals.us |= is_us(to);
        kill(to, SIGURG);
    }
}

/* Sleeping. */

static const struct timespec *time_left(nod_usec until, nod_usec now, struct timespec *out)
{
    if (until == NOD_NEVER) return NULL;
    nod_usec left = until > now ? until - now : 0;
    *out = (struct timespec){(time_t)(left / NOD_SEC), (long)(left % NOD_SEC) * 1000};
    return out;
}

/* One sleeper sees to the stack's deadline; the helper does where none sleeps. */
static nod_usec keep_time(waiter *w, nod_usec until)
{
    nod_usec deadline = nod_stack_deadline(nod_net->stack);
    if (nod_net->held_count > 0) deadline = net_now() + NOD_MSEC; /* the device was full */
    if (deadline >= until) return until;
    if (nod_net->timekeeper && nod_net->timekeeper_until <= deadline) return until;
    nod_net->timekeeper = w;
    nod_net->timekeeper_until = deadline;
    return deadline;
}

/* The one epoll instance of the user's, so that the kernel still wakes one thread only. */
static bool nest(const struct pollfd *extra)
{
    if (self.nested == extra->fd) return true;
    if (self.nested >= 0) sys_epoll_ctl(self.waitset, EPOLL_CTL_DEL, self.nested, NULL);
    self.nested = -1;
    if (!add_to_waitset(extra->fd, EPOLLIN, TAG_NESTED)) return false;
    self.nested = extra->fd;
    return true;
}

static void unnest(void)
{
    if (self.nested >= 0) sys_epoll_ctl(self.waitset, EPOLL_CTL_DEL, self.nested, NULL);
    self.nested = -1;
}

typedef struct nap {
    bool device, kicked; /* what ended it */
    int extra;           /* how many of the user's are ready, or -errno */
} nap;

static void nap_on_waitset(nap *how, const struct timespec *timeout, const sigset_t *mask)
{
    struct epoll_event events[3];
    int got = sys_epoll_wait(self.waitset, events, 3, timeout, mask);
    if (got < 0) how->extra = -errno;
    for (int i = 0; i < got; i++) {
        how->device |= events[i].data.u64 == TAG_DEVICE;
        how->kicked |= events[i].data.u64 == TAG_WAKE;
        how->extra += events[i].data.u64 == TAG_NESTED;
    }
}

static void nap_on_poll(nap *how, struct pollfd *extra, nfds_t extras,
                        const struct timespec *timeout, const sigset_t *mask)
{
    static const struct timespec none = {0, 0};
    /* The last entry is ours: callers leave room for it. */
    extra[extras] = (struct pollfd){.fd = self.waitset, .events = POLLIN};
    int got = sys_poll(extra, extras + 1, timeout, mask);
    if (got < 0) {
        how->extra = -errno;
        for (nfds_t i = 0; i < extras; i++) extra[i].revents = 0;
        return;
    }
    if (extra[extras].revents) {
        nap_on_waitset(how, &none, NULL);
        got--;
    }
    how->extra = got;
}

static void swallow_kick(waiter *w)
{
    char byte;
    while (sys_read(self.wake, &byte, 1) > 0) continue;
    w->kicked = false;
}

int net_sleep(waiter *w, nod_usec until, struct pollfd *extra, nfds_t extras, const sigset_t *mask)
{
    nap how = {0};
    struct timespec left;
    net_flush();
    if (w->woken) {
        w->woken = false;
        return 0;
    }
    nod_usec wake_at = keep_time(w, until);
    bool nested = extras == 1 && extra->events == POLLIN && nod_is_epoll(extra->fd);
    const struct timespec *timeout = time_left(wake_at, net_now(), &left);
    w->asleep = true;
    nod_net->asleep++;
    signals.us = false;
    net_leave();
    if (signals.us) {
        how.extra = -EINTR; /* as a signal would have ended the sleep that came in it */
    } else if (nested && nest(extra)) {
        nap_on_waitset(&how, timeout, mask);
    } else if (extras == 0) {
        unnest();
        nap_on_waitset(&how, timeout, mask);
    } else {
        unnest();
        nap_on_poll(&how, extra, extras, timeout, mask);
    }
    if (!net_enter()) return -ENETDOWN;
    w->asleep = false;
    nod_net->asleep--;
    if (nod_net->timekeeper == w) nod_net->timekeeper = NULL;
    if (how.kicked) swallow_kick(w);
    if (how.device || nod_stack_deadline(nod_net->stack) <= net_now()) net_drive();
    w->woken = false; /* the caller looks for itself now */
    return how.extra;
}

bool net_restarts(void)
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) != 0) continue;
        if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) continue;
        if (!(action.sa_flags & SA_RESTART)) return false;
    }
    return true;
}
