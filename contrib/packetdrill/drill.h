/* nod under packetdrill: one stack in virtual time, and sockets on it.
 *
 * packetdrill has two threads: the main one runs the script and owns the time, which moves in
 * usleep and netdev_receive only; the other makes the calls that block. It sleeps in world_wait,
 * and time does not move on before whoever was woken there sleeps again or has read the clock.
 *
 * Every function here is called with the world's lock held, unless it says otherwise. */
#ifndef NOD_DRILL_H
#define NOD_DRILL_H

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "nod/stack.h"

/* world.c: the stack, its packets, and time. */
void world_start(const char *flags); /* takes the lock itself, as does: */
void world_end(void);
void world_enter(void); /* takes the lock, and makes the stack if there is none yet */
void world_leave(void); /* sends what is due, wakes who waits; lets go of the lock */
nod_stack *world_stack(void);
nod_usec world_now(void);
uint16_t world_mtu(void);
/* Sleeps until something has changed, `until` at most. False: it is time to give up. */
bool world_wait(nod_usec until);
void world_learn(const nod_addr *addr); /* it is ours, too */
int world_send(const void *packet, size_t len);
void world_receive(void *packet, size_t *len, long long *time_us);
void world_sleep(nod_usec us);
nod_usec world_read_clock(void);

/* settings.c: the sysctls of this network namespace, and the environment, as nod's. */
void settings_stack(nod_config *config);
void settings_tcp(nod_tcp_config *config);
nod_usec settings_syn_timeout(int retries, nod_usec rto); /* a SYN is given up after so long */
unsigned settings_push(
    void); /* after how many segments of a large one PSH is said; 0: only nod's */

enum fast_open_setting {
    FAST_OPEN_CLIENT = 1,
    FAST_OPEN_SERVER = 2,
    FAST_OPEN_NO_COOKIES = 0x200, /* text of anybody's SYN is taken */
    FAST_OPEN_ALL_LISTENERS = 0x400
};
unsigned settings_fast_open(void); /* enum fast_open_setting, or-ed, and more that nod has not */
bool settings_fast_open_key(uint8_t key[16]);

/* sockets.c */
enum socket_state {
    SOCKET_FRESH,
    SOCKET_BOUND,
    SOCKET_LISTENING,
    SOCKET_CONNECTING,
    SOCKET_CONNECTED,
    SOCKET_DEAD, /* of a connection that failed */
};

typedef struct sock {
    struct sock *next;
    int fd; /* a real descriptor, of an eventfd */
    enum socket_state state;
    nod_handle handle;
    nod_endpoint local;
    nod_tcp_config config;
    int error;        /* an errno, told once */
    unsigned changes; /* counts what edge-triggered epoll tells of */
    bool ip6, v6only, nonblocking, tried, cork;
    bool shut_read, shut_write, peer_closed;
    bool reuse_addr, linger;
    int linger_s;
    nod_usec defer_accept_us;
    int send_space, receive_space; /* SO_SNDBUF, SO_RCVBUF as they are read */
    uint32_t lowat_unsent;
    bool fast_connect;        /* TCP_FASTOPEN_CONNECT */
    bool fast_waits;          /* for the first write: connect has put it off */
    nod_endpoint fast_remote; /* then: to whom */
    uint16_t fast_limit;      /* TCP_FASTOPEN */
    bool fast_no_cookie;      /* TCP_FASTOPEN_NO_COOKIE */
    bool fast_key_set;
    uint8_t fast_key[16]; /* TCP_FASTOPEN_KEY */
    struct kept *kept;    /* options that are remembered only */
} sock;

sock *socket_at(int fd); /* NULL: not ours */
sock *socket_new(bool ip6);
void socket_event(const nod_event *event);
uint32_t socket_ready(sock *s); /* POLL..., now */
bool socket_has_room(sock *s);
void socket_fail(sock *s, int nod_error);
int socket_take_error(sock *s);
void socket_disconnect(sock *s);
void socket_apply(sock *s); /* its configuration, to the connection */
int socket_address(const sock *s, const struct sockaddr *addr, socklen_t len, nod_endpoint *out);
int socket_open(sock *s, const nod_endpoint *remote, bool fast); /* a SYN is due. An errno */
int socket_connect(sock *s, const struct sockaddr *addr, socklen_t len); /* 0 or an errno */
bool socket_close(int fd);                                               /* false: not ours */
void sockets_end(void);
/* What calls return: 0, or -1 and errno. Lets go of the lock. */
int leave_with(int error);

int drill_socket(void *ud, int domain, int type, int protocol);
int drill_bind(void *ud, int fd, const struct sockaddr *addr, socklen_t len);
int drill_listen(void *ud, int fd, int backlog);
int drill_accept(void *ud, int fd, struct sockaddr *addr, socklen_t *len);
int drill_connect(void *ud, int fd, const struct sockaddr *addr, socklen_t len);
int drill_shutdown(void *ud, int fd, int how);
int drill_close(void *ud, int fd);

/* transfer.c */
ssize_t drill_readv(void *ud, int fd, const struct iovec *iov, int count);
ssize_t drill_writev(void *ud, int fd, const struct iovec *iov, int count);
ssize_t drill_read(void *ud, int fd, void *buf, size_t len);
ssize_t drill_write(void *ud, int fd, const void *buf, size_t len);
ssize_t drill_recv(void *ud, int fd, void *buf, size_t len, int flags);
ssize_t drill_recvfrom(void *ud, int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                       socklen_t *addr_len);
ssize_t drill_recvmsg(void *ud, int fd, struct msghdr *msg, int flags);
ssize_t drill_send(void *ud, int fd, const void *buf, size_t len, int flags);
ssize_t drill_sendto(void *ud, int fd, const void *buf, size_t len, int flags,
                     const struct sockaddr *addr, socklen_t addr_len);
ssize_t drill_sendmsg(void *ud, int fd, const struct msghdr *msg, int flags);
ssize_t drill_splice(int in, int out, size_t len, unsigned flags); /* one of them is a socket */

/* fast_open.c */
uint16_t fast_open_limit(const sock *s, uint16_t backlog);
bool fast_open_anyone(const sock *s);
void fast_open_listen(sock *s);
void fast_open_use_key(const uint8_t key[16]);
int fast_open_connect(sock *s, const nod_endpoint *remote); /* 0 or an errno */
/* Opens with text. What was taken, or minus an errno. */
ssize_t fast_open_send(sock *s, const nod_endpoint *remote, const struct iovec *iov, int count,
                       bool wait);

/* options.c */
void options_init(sock *s);
void options_inherit(sock *child, const sock *listener);
void options_forget(sock *s);
int drill_getsockopt(void *ud, int fd, int level, int name, void *value, socklen_t *len);
int drill_setsockopt(void *ud, int fd, int level, int name, const void *value, socklen_t len);

/* ready.c: poll and epoll. */
struct pollfd;
int drill_poll(void *ud, struct pollfd *fds, unsigned long count, int timeout_ms);
int drill_epoll_create(void *ud, int size);
int drill_epoll_ctl(void *ud, int epfd, int op, int fd, struct epoll_event *event);
int drill_epoll_wait(void *ud, int epfd, struct epoll_event *events, int max, int timeout_ms);
bool epoll_close(int fd); /* false: not ours */
void epoll_forget(const sock *s);

#endif
