/* sendfile and splice: between sockets and files or pipes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "net.h"
#include "sys.h"

#define CHUNK (64u * 1024u)

#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

static bool is_pipe(int fd)
{
    struct stat what;
    return fstat(fd, &what) == 0 && S_ISFIFO(what.st_mode);
}

/* A socket to a pipe: what the pipe has taken is consumed. */
static ssize_t splice_out(int in, int out, size_t len, unsigned flags)
{
    uint8_t buf[16 * 1024];
    int dont_wait = flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0;
    ssize_t got = nod_recv(in, buf, len < sizeof buf ? len : sizeof buf, MSG_PEEK | dont_wait);
    if (got <= 0) return got;
    ssize_t put = sys_write(out, buf, (size_t)got);
    return put > 0 ? nod_recv(in, buf, (size_t)put, MSG_TRUNC | MSG_DONTWAIT) : put;
}

/* The file was shorter than was promised: what is held back for more is sent. */
static void push(int fd)
{
    if (!net_enter()) return;
    sock *s = as_socket(file_at(fd));
    if (s && !s->cork && s->state == SOCKET_CONNECTED && !s->shut_write)
        nod_tcp_send(nod_net->stack, s->handle, "", 0, 0);
    net_leave();
}

ssize_t nod_sendfile(int out, int in, off_t *offset, size_t count)
{
    if (!nod_is_socket(out) && nod_is_socket(in) && !offset && is_pipe(out))
        return count > 0 ? splice_out(in, out, count, 0) : 0;
    if (!nod_is_socket(out)) return syscall(SYS_sendfile, out, in, offset, count);
    if (nod_is_socket(in) || (offset && is_bad(offset))) {
        errno = nod_is_socket(in) ? EINVAL : EFAULT;
        return -1;
    }
    off_t at = offset ? *offset : lseek(in, 0, SEEK_CUR);
    uint8_t *buf = malloc(CHUNK);
    size_t done = 0;
    ssize_t put = 0;
    if (at < 0 || !buf) {
        free(buf);
        if (buf && offset) errno = EINVAL;
        if (buf && errno == ESPIPE) errno = EINVAL; /* a pipe cannot be sent from */
        return -1;
    }
    while (done < count) {
        size_t want = count - done < CHUNK ? count - done : CHUNK;
        ssize_t got = syscall(SYS_pread64, in, buf, want, at);
        put = got;
        if (got == 0 && done > 0) push(out);
        if (got <= 0) break;
        /* What the socket does not take is still in the file. */
        put = nod_send(out, buf, (size_t)got, want < count - done ? MSG_MORE : 0);
        if (put <= 0) break;
        done += (size_t)put;
        at += put;
        if (put < got) break; /* it does not wait, or a signal came */
    }
    free(buf);
    if (done == 0 && put < 0) return -1;
    if (offset)
        *offset = at;
    else
        lseek(in, at, SEEK_SET);
    return (ssize_t)done;
}

/* How much a socket that does not wait takes now; CHUNK when the send itself is to say what is. */
static size_t room_of(int fd)
{
    size_t room = CHUNK;
    if (!net_enter()) return room;
    sock *s = as_socket(file_at(fd));
    if (s && s->nonblocking && s->state == SOCKET_CONNECTED && !s->shut_write) {
        ptrdiff_t free = nod_tcp_writable(nod_net->stack, s->handle);
        if (free >= 0) room = (size_t)free;
    }
    net_leave();
    return room;
}

/* A pipe to a socket: no more is taken out of the pipe than the socket has room for. */
static ssize_t splice_in(int in, int out, size_t len)
{
    uint8_t buf[16 * 1024];
    size_t want = room_of(out);
    if (want == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (want > sizeof buf) want = sizeof buf;
    if (want > len) want = len;
    ssize_t got = sys_read(in, buf, want);
    if (got <= 0) return got;
    for (ssize_t done = 0; done < got;) {
        ssize_t put = nod_send(out, buf + done, (size_t)(got - done), 0);
        if (put < 0) return done > 0 ? done : -1;
        done += put;
    }
    return got;
}

ssize_t nod_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t len, unsigned flags)
{
    bool from = nod_is_socket(in), to = nod_is_socket(out);
    if (!from && !to) return syscall(SYS_splice, in, in_offset, out, out_offset, len, flags);
    if (len == 0) return 0;
    if (from ? out_offset : in_offset) {
        errno = ESPIPE;
        return -1;
    }
    if ((from ? in_offset : out_offset) || flags & ~SPLICE_FLAGS || !is_pipe(from ? out : in)) {
        errno = EINVAL;
        return -1;
    }
    return from ? splice_out(in, out, len, flags) : splice_in(in, out, len);
}
