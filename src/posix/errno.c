/* nod's errors as the system's: the only place that knows both. */
#include <errno.h>

#include "nod/linux.h"

int nod_linux_errno(int error)
{
    switch ((enum nod_error)error) {
    case NOD_EAGAIN: return EAGAIN;
    case NOD_EINVAL: return EINVAL;
    case NOD_ENOMEM: return ENOBUFS;
    case NOD_ENOCONN: return ENOTCONN;
    case NOD_ECLOSING: return EPIPE;
    case NOD_ERESET: return ECONNRESET;
    case NOD_EREFUSED: return ECONNREFUSED;
    case NOD_ETIMEDOUT: return ETIMEDOUT;
    case NOD_EUNREACH: return EHOSTUNREACH;
    case NOD_EINUSE: return EADDRINUSE;
    case NOD_EEXIST: return EADDRINUSE;
    case NOD_ENOREMOTE: return EDESTADDRREQ;
    case NOD_ENOTLOCAL: return EADDRNOTAVAIL;
    case NOD_ENOPORT: return EADDRNOTAVAIL;
    case NOD_EBADADDR: return ENETUNREACH;
    case NOD_EABORTED: return ECONNABORTED;
    case NOD_EUNSUPPORTED: return EOPNOTSUPP;
    case NOD_EPERM: return EPERM;
    case NOD_EIO: return EIO;
    }
    return EIO;
}
