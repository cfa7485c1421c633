/* A network that processes share: one stack, its sockets, and who waits for what.
 *
 * Everything in `struct net` lies in the arena, at the same address in every process, under one
 * lock; so it holds no pointer to code or to private memory. What differs from process to
 * process (descriptors, the link's own state) is in `struct here`.
 *
 * Who drives. A thread that waits sleeps on the device itself. The device is in the epoll
 * instance of each with EPOLLEXCLUSIVE, so the kernel wakes one of them when a packet comes;
 * it takes the lock, runs the stack for everybody, and kicks those whose sockets have changed.
 * There is no leader to be elected or to be waited for, and a program with one thread pays for
 * none of this. */
#ifndef NOD_POSIX_NET_H
#define NOD_POSIX_NET_H

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "arena.h"
#include "memory.h"
#include "nod/loop.h"
#include "nod/posix.h"

/* A doubly linked ring; an empty one points at itself. */
typedef struct ring {
    struct ring *next, *prev;
} ring;

#define ring_entry(at, type, member) ((type *)(void *)((char *)(at)-offsetof(type, member)))

static inline void ring_init(ring *r)
{
    r->next = r->prev = r;
}

static inline bool ring_is_empty(const ring *r)
{
    return r->next == r;
}

static inline void ring_add(ring *head, ring *item) /* at the end */
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

static inline void ring_remove(ring *item) /* harmless when it is in no ring */
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    ring_init(item);
}

enum file_kind { FILE_SOCKET, FILE_EPOLL };

/* What POSIX calls an open file description: descriptors of any process refer to it. */
typedef struct file {
    uint8_t kind;   /* enum file_kind */
    bool passed;    /* the kernel's own from now on: connected or bound to a loopback address */
    uint32_t refs;  /* entries of descriptor tables, and those on their way */
    uint64_t inode; /* of the placeholder; 0: nobody had to know yet */
    ring watches;   /* struct watch: who wants to know when readiness changes */
} file;

/* Beside the events of poll: the peer has heard all that was said. */
#define WATCH_HEARD (1u << 20)

/* Somebody's interest in a file. */
typedef struct watch {
    ring in_file;
    ring of_owner; /* of a waiter's, or an epoll's */
    file *file;
    struct waiter *waiter; /* or NULL, and then it is within a struct item */
    uint32_t events;       /* of poll; POLLERR and POLLHUP always count */
} watch;

/* A thread that waits, or may. */
typedef struct waiter {
    ring in_process;  /* of its process */
    ring watches;     /* struct watch.of_owner: what it waits for now */
    watch own;        /* for who waits for one file */
    bool asleep;      /* in the kernel, with the lock free */
    bool woken;       /* something that it watches has changed */
    bool kicked;      /* a datagram is on its way to it, or will be as soon as the lock is free */
    uint8_t name_len; /* of the abstract name of its wake socket */
    char name[13];
} waiter;

enum socket_state {
    SOCKET_FRESH,
    SOCKET_BOUND,
    SOCKET_LISTENING,
    SOCKET_CONNECTING,
    SOCKET_CONNECTED,
    SOCKET_DEAD, /* the connection has ended by an error, which may still have to be told */
};

/* How far the program's connect has come, which is not how far the connection has. */
enum attempt {
    ATTEMPT_NONE,
    ATTEMPT_BEGUN,  /* how it ended has still to be told, by connect */
    ATTEMPT_TOLD,   /* as with accepted sockets */
    ATTEMPT_UNDONE, /* by shutdown, when it had come to nothing: there can be no other */
};

/* One option that a program has set, to be set on the placeholders of accepted sockets too. */
typedef struct set_option {
    struct set_option *next;
    int level, name;
    socklen_t len;
    uint8_t value[16];
} set_option;

typedef struct sock {
    file file;
    ring in_net;
    uint8_t state; /* enum socket_state */
    bool ip6, v6only;
    bool nonblocking;
    bool shut_read, shut_write;
    bool peer_closed; /* the peer's FIN has been reached */
    uint8_t attempt;  /* enum attempt */
    bool reuse_addr, reuse_port, port_given;
    bool cork, linger;
    bool slow_ack;       /* TCP_QUICKACK was switched off */
    bool fast_connect;   /* TCP_FASTOPEN_CONNECT */
    bool fast_anyone;    /* TCP_FASTOPEN_NO_COOKIE */
    bool waits_for_text; /* connecting, and the SYN will leave with the first write */
    uint16_t fast_open;  /* TCP_FASTOPEN */
    bool oob_inline;
    bool urgent, urgent_taken; /* there is an urgent octet ahead; MSG_OOB has fetched it */
    uint32_t mark_ahead;       /* octets before it */
    pid_t owner;               /* F_SETOWN: who hears SIGURG; 0: nobody */
    uint8_t err;               /* an errno to be told once; 0: none */
    int linger_s;
    uint32_t lowat_read;                  /* bytes */
    nod_usec read_timeout, write_timeout; /* NOD_NEVER: none */
    nod_usec defer_accept;
    int backlog;
    nod_handle handle;      /* of the listener or connection; 0: none */
    struct sock *by_handle; /* next in the table */
    nod_endpoint local;     /* as bound; family 0: not */
    nod_tcp_config config;  /* what connections of it get */
    set_option *options;    /* set on it, oldest first */
    bool replay;            /* its placeholder has not been told of `options`, which it inherited */
} sock;

/* An epoll instance that has a socket of nod's, or another such instance, in it. The kernel's
 * own instance of the same descriptor holds all else. */
typedef struct epoll {
    file file;
    ring items;              /* struct item.watch.of_owner */
    ring ready;              /* struct item.in_ready */
    unsigned kernel_members; /* 0: the kernel needs not be asked */
    unsigned turn;           /* waits so far */
} epoll;

typedef struct item {
    watch watch; /* first */
    ring in_ready;
    epoll *epoll;
    int fd;
    bool disabled; /* EPOLLONESHOT has fired */
    struct epoll_event event;
} item;

typedef struct process {
    ring in_net;
    ring waiters;
    pid_t pid; /* 0: to be born */
    nod_usec made_at;
    unsigned capacity; /* of files; it only grows, and old tables stay readable */
    file **files;      /* by descriptor; NULL: not nod's */
} process;

#define NET_MAGIC 0x6e6f6433u
#define NET_NAME 32
#define HANDLE_BUCKETS 4096

typedef struct net {
    uint32_t magic;
    uint32_t layout; /* of this structure, so that only the same build joins */
    pthread_mutex_t lock;
    bool broken;     /* somebody died while holding the lock, or the device is gone */
    uintptr_t bound; /* where the allocator is that the stack calls now */
    arena arena;
    nod_stack *stack;
    nod_tun_config tun; /* without its name: what the device speaks */
    nod_addr own4, own6;
    nod_tcp_config tcp; /* of sockets to which nothing else was said */
    char name[NET_NAME];
    nod_usec driven_at; /* when the device was last asked */
    unsigned asleep;    /* waiters that sleep on the device */
    waiter *timekeeper; /* sleeps until no later than the deadline below; or NULL */
    nod_usec timekeeper_until;
    nod_link_stats link_stats; /* of all processes together */
    pid_t writer;              /* whose thread writes the frames below, without the lock; 0 */
    int held_count;            /* frames that the device did not take yet */
    nod_frame held[NOD_LOOP_BATCH];
    ring sockets, processes;
    sock *by_handle[HANDLE_BUCKETS];
} net;

#define PRIVATE_MAX 512

/* This process's own part. */
typedef struct here {
    process *self;
    nod_link *link;
    int device, memory; /* descriptors; -1 */
    int kicker;         /* sends datagrams to sleepers; forks share it */
    pid_t pid;
    bool helper_runs;
    pthread_t helper;
    int helper_stop;   /* an eventfd */
    int private_count; /* of the descriptors that are the library's own */
    int private_fds[PRIVATE_MAX];
} here;
extern net *nod_net; /* NULL: there is none */
extern here nod_here;

/* The lock. Enter returns false with errno set (ENETDOWN: the network is broken; EAGAIN: a signal
 * handler has interrupted this thread within the lock) and brings the stack's time up to date. */
bool net_enter(void);
/* Sends what is due, tells who must know, kicks them, and lets go. Keeps errno. */
void net_leave(void);
nod_usec net_now(void); /* as last told to the stack */

void *net_new(size_t size); /* cleared; NULL: no memory */
void net_delete(void *ptr, size_t size);

/* The lock, for a while, within a call. */
void net_let_go(void);
void net_take_again(void);
void net_kick(void);     /* the lock is free: wakes whom net_wake has marked */
void net_wake_all(void); /* after a death: who died may have owed others a kick */

/* Driving; the lock is held. */
void net_drive(void); /* takes in what the device has, and runs timers */
/* Sends what is due and marks who must know. The lock is free while the device is written to. */
void net_flush(void);
/* Drives if nobody has for some time: for those who ask and never wait. */
#define GLANCE_US 100
void net_glance(void);
/* SIGURG, when the lock is free and this thread is out of it: a handler may use sockets. */
void net_signal(pid_t owner);
void net_send_signals(void);
bool net_is_signalled(void); /* one waits for this process, which has a handler for it */
/* Sleeps until woken, until `until`, or until a signal. `extra` (may be none) are asked of the
 * kernel in the same sleep; returns how many of them are ready, 0, or -EINTR. The lock is free
 * meanwhile. */
int net_sleep(waiter *w, nod_usec until, struct pollfd *extra, nfds_t extras, const sigset_t *mask);
/* Whether a wait that a signal has interrupted is to be taken up again: every handler of the
 * process was installed with SA_RESTART. */
bool net_restarts(void);
waiter *net_waiter(void);                /* this thread's; NULL: no memory, errno set */
void net_wake(file *f, uint32_t events); /* readiness has changed by these events */

/* Watches. */
void watch_add(watch *w, file *f, waiter *by, uint32_t events);
void watch_remove(watch *w);

void thread_forget(bool forked); /* this thread's waiter and descriptors */
void thread_forget_epoll(int epfd);

/* The library's own descriptors, at numbers where programs do not expect theirs. */
int private_add(int fd, bool inherited); /* returns its new number, or -1 */
void private_close(int fd);

/* Descriptors; the lock is held. */
file *file_at(int fd); /* NULL: not nod's */
static inline sock *as_socket(file *f)
{
    return f && f->kind == FILE_SOCKET ? (sock *)(void *)f : NULL;
}
bool file_install(int fd, file *f); /* takes over a reference; false: no memory */
file *file_remove(int fd);          /* the entry's reference becomes the caller's */
void file_ref(file *f);
void file_unref(file *f);
uint32_t file_ready(file *f); /* as poll says it */
/* Outside of the lock: F_DUPFD and F_DUPFD_CLOEXEC. */
int file_dup(int fd, int least, bool cloexec);
/* Descriptors that go and come with a message (SCM_RIGHTS); the lock is held. */
void file_send(int fd);
void file_unsend(int fd); /* it did not go */
void file_receive(int fd);
void file_peek(int fd); /* it came, and will come again */

/* Outside of the lock: one call's bytes, from and to parts of the user's memory. */
#define TRANSFER_PARTS 1024
ssize_t transfer_in(int fd, const struct iovec *iov, int count, int flags);
ssize_t transfer_out_to(int fd, const struct iovec *iov, int count, int flags,
                        const struct sockaddr *addr, socklen_t len); /* MSG_FASTOPEN */
ssize_t transfer_out(int fd, const struct iovec *iov, int count, int flags);

/* Finds the socket and takes the lock; NULL: neither, and errno is set. Leaves with 0, or with an
 * errno and -1. */
sock *socket_enter(int fd);
int socket_leave(int error);

/* Sockets; the lock is held. */
sock *socket_new(bool ip6);
void socket_free(sock *s);
sock *socket_of(nod_handle handle);
void socket_set_handle(sock *s, nod_handle handle);
void socket_event(const nod_event *event);
uint32_t socket_ready(sock *s);
bool socket_is_closed(const sock *s); /* no connection, or none any more: what Linux calls CLOSE */
/* Notes that the connection has ended by this error. Returns the errno to be told now, if it has
 * not been told before, else 0. */
int socket_take_error(sock *s);
void socket_fail(sock *s, int nod_error);
/* From here on the kernel's: its socket has been there all the time, with all its options. */
void socket_pass(sock *s);
/* With text that follows at once (RFC 7413): the SYN takes it along. The first returns 0, or an
 * errno; the second waits, if the socket does, and returns 0, EINPROGRESS, or another errno. */
int connect_with_text(sock *s, const struct sockaddr *addr, socklen_t len, bool *goes_along);
int connect_finish(sock *s);
bool connect_leads_home(const sock *s, const struct sockaddr *addr, socklen_t len);
int connect_pass(sock *s, int fd); /* to the kernel, bound as it was; the lock is free then */
bool socket_conflicts(const sock *s, const nod_endpoint *local);
int socket_bind(sock *s, const nod_endpoint *to); /* 0, or an errno */
/* The connection, the attempt or the listener is given up, and the socket can be used again. */
void socket_disconnect(sock *s);
/* An errno for an error of the stack's. */

/* Urgent data. */
void urgent_arrived(sock *s);        /* the stack says so */
void urgent_note_owner(int fd);      /* outside of the lock: F_SETOWN may have changed */
bool urgent_is_ready(const sock *s); /* MSG_OOB would fetch it */
bool urgent_is_hole(const sock *s);  /* the next octet of the stream is none for read */
uint32_t urgent_readable(const sock *s, uint32_t bytes); /* of so many, how many up to it */
int urgent_receive(sock *s, uint8_t *octet, bool peek);  /* MSG_OOB: 0 or an errno */
/* Before a read: it ends at the octet (*len becomes less), stops there (true), or goes on behind it
 * (*skip, when it peeks). `done`: bytes that this call has given. */
bool urgent_stops(sock *s, size_t done, bool peek, size_t *skip, size_t *len);
void urgent_consumed(sock *s, size_t len);

void epoll_free(epoll *ep);
void epoll_fire(item *it, uint32_t events);
uint32_t epoll_ready(epoll *ep);

/* Addresses. */
socklen_t address_write(const sock *s, const nod_endpoint *from, struct sockaddr *to,
                        socklen_t room);
/* 0, or an errno. A v4-mapped address is read as the IPv4 one. */
int address_read(const sock *s, const struct sockaddr *from, socklen_t len, nod_endpoint *to);
bool address_is_loopback(const nod_addr *addr);
bool address_is_any(const nod_addr *addr);
/* An address of one link only, and which link is not said. */
bool address_needs_scope(const struct sockaddr *addr);
/* Whether a name can be written there: 0, or an errno. */
int address_room(struct sockaddr *addr, socklen_t *len);

/* Options. */
void option_inherit(sock *child, const sock *listener);
void option_forget(sock *s);
bool option_apply(sock *s);          /* what has been set, to the connection */
void option_replay(sock *s, int fd); /* outside of the lock */

/* Processes. */
process *process_new(pid_t pid);
process *process_copy(const process *from, pid_t pid);
void process_free(process *p);
bool process_is_alive(const process *p);
void net_bury(void); /* lets go of what processes that died have left */

#endif
