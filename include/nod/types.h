/* nod/types.h: the words that every other header uses.
 *
 * Time is microseconds of any clock that never goes back; the core is told it and never
 * reads one. Addresses are in network byte order, ports and all else in the host's. */
#ifndef NOD_TYPES_H
#define NOD_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t nod_usec;
#define NOD_NEVER UINT64_MAX
#define NOD_MSEC ((nod_usec)1000)
#define NOD_SEC ((nod_usec)1000000)

/* A connection's or a listener's name: RFC 9293's "local connection name". A slot and a
 * generation, so that a name outlived by its connection is an error and never a crash.
 * 0 is no name. */
typedef uint64_t nod_handle;

typedef struct nod_addr {
    uint8_t family;    /* 4, 6, or 0: unspecified */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four, the rest are 0 */
} nod_addr;

typedef struct nod_endpoint {
    nod_addr addr;
    uint16_t port; /* host order; 0: unspecified */
} nod_endpoint;

nod_addr nod_addr_ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
nod_addr nod_addr_from(int family, const void *bytes);
bool nod_addr_equal(const nod_addr *a, const nod_addr *b);

/* Reads "192.0.2.1" or "2001:db8::1" (RFC 4291 section 2.2). Returns 0 or NOD_EINVAL. */
int nod_addr_parse(const char *text, nod_addr *out);

/* Writes the address as text (IPv6 as RFC 5952 wants it), always ended by a zero. 46 bytes
 * hold every address. Returns buf. */
#define NOD_ADDR_TEXT 46
char *nod_addr_format(const nod_addr *addr, char *buf, size_t size);

/* What calls return when they fail: always negative. The comment is the RFC's own text
 * (RFC 9293 section 3.9.1) where it has one. */
enum nod_error {
    NOD_EAGAIN = -1,        /* nothing to read, or no room to write, now */
    NOD_EINVAL = -2,        /* an argument makes no sense */
    NOD_ENOMEM = -3,        /* insufficient resources */
    NOD_ENOCONN = -4,       /* connection does not exist */
    NOD_ECLOSING = -5,      /* connection closing */
    NOD_ERESET = -6,        /* connection reset */
    NOD_EREFUSED = -7,      /* connection refused */
    NOD_ETIMEDOUT = -8,     /* connection aborted due to user timeout */
    NOD_EUNREACH = -9,      /* no route, or an ICMP error that forbids the connection */
    NOD_EINUSE = -10,       /* the local port is taken */
    NOD_EEXIST = -11,       /* connection already exists */
    NOD_ENOREMOTE = -12,    /* remote socket unspecified */
    NOD_ENOTLOCAL = -13,    /* the local address is not one of this stack's */
    NOD_ENOPORT = -14,      /* every ephemeral port is taken */
    NOD_EBADADDR = -15,     /* the remote address is broadcast, multicast or otherwise no peer */
    NOD_EABORTED = -16,     /* ended by our own ABORT */
    NOD_EUNSUPPORTED = -17, /* this build or this system cannot do it */
    NOD_EPERM = -18,        /* the system does not allow it */
    NOD_EIO = -19,          /* a device failed */
};

/* The error as a sentence in English, without a full stop. Never NULL. */
const char *nod_strerror(int error);
/* The error's name: "NOD_ERESET". Never NULL. */
const char *nod_error_name(int error);

#ifdef __cplusplus
}
#endif
#endif
