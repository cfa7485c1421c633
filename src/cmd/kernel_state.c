#include "kernel_state.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#define KERNEL_NEW_SYN_RECV 12 /* TCP_NEW_SYN_RECV, which no public header names */

struct kernel_state {
    struct mnl_socket *socket;
    unsigned sequence;
    uint16_t local, remote; /* of the question that is being asked */
    enum nod_state found;
};

struct kernel_state *kernel_state_open(void)
{
    struct kernel_state *asker = calloc(1, sizeof(*asker));
    if (asker == NULL) return NULL;
    asker->socket = mnl_socket_open(NETLINK_SOCK_DIAG);
    if (asker->socket != NULL && mnl_socket_bind(asker->socket, 0, MNL_SOCKET_AUTOPID) == 0)
        return asker;
    kernel_state_close(asker);
    return NULL;
}

void kernel_state_close(struct kernel_state *asker)
{
    if (asker == NULL) return;
    if (asker->socket != NULL) mnl_socket_close(asker->socket);
    free(asker);
}

static enum nod_state state_from(uint8_t kernel)
{
    switch (kernel) {
    case TCP_ESTABLISHED: return NOD_ESTABLISHED;
    case TCP_SYN_SENT: return NOD_SYN_SENT;
    case TCP_SYN_RECV:
    case KERNEL_NEW_SYN_RECV: return NOD_SYN_RECEIVED;
    case TCP_FIN_WAIT1: return NOD_FIN_WAIT_1;
    case TCP_FIN_WAIT2: return NOD_FIN_WAIT_2;
    case TCP_TIME_WAIT: return NOD_TIME_WAIT;
    case TCP_CLOSE_WAIT: return NOD_CLOSE_WAIT;
    case TCP_LAST_ACK: return NOD_LAST_ACK;
    case TCP_LISTEN: return NOD_LISTEN;
    case TCP_CLOSING: return NOD_CLOSING;
    }
    return NOD_CLOSED;
}

static int hear_answer(const struct nlmsghdr *message, void *data)
{
    struct kernel_state *asker = data;
    const struct inet_diag_msg *answer = mnl_nlmsg_get_payload(message);
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*answer)) return MNL_CB_OK;
    if (ntohs(answer->id.idiag_sport) == asker->local &&
        ntohs(answer->id.idiag_dport) == asker->remote)
        asker->found = state_from(answer->idiag_state);
    return MNL_CB_OK;
}

static int ask(struct kernel_state *asker, int family)
{
    char buf[MNL_NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2) + 64];
    struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
    message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++asker->sequence;
    struct inet_diag_req_v2 *question = mnl_nlmsg_put_extra_header(message, sizeof(*question));
    question->sdiag_family = family == 6 ? AF_INET6 : AF_INET;
    question->sdiag_protocol = IPPROTO_TCP;
    question->idiag_states = ~0u;
    return mnl_socket_sendto(asker->socket, message, message->nlmsg_len) < 0 ? NOD_EIO : 0;
}

int kernel_state_ask(struct kernel_state *asker, int family, uint16_t local, uint16_t remote,
                     enum nod_state *out)
{
    char buf[16384];
    int more = MNL_CB_OK;
    asker->local = local;
    asker->remote = remote;
    asker->found = NOD_CLOSED;
    if (ask(asker, family) < 0) return NOD_EIO;
    while (more > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(asker->socket, buf, sizeof(buf));
        if (n <= 0) return NOD_EIO;
        more = mnl_cb_run(buf, (size_t)n, asker->sequence, mnl_socket_get_portid(asker->socket),
                          hear_answer, asker);
    }
    if (more < 0) return NOD_EIO;
    *out = asker->found;
    return 0;
}
