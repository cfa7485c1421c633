#include <stdio.h>

#include "nod/loop.h"

int main(void)
{
    nod_config config; /* a host of our own */
    nod_config_default(&config);
    nod_entropy(config.secret, sizeof(config.secret));
    nod_loop loop = {.stack = nod_stack_new(&config, nod_clock(), NULL)};

    int error; /* on a TUN whose other end is the kernel's, 10.1.2.1 */
    char why[NOD_LINK_WHY];
    nod_addr kernel = nod_addr_ip4(10, 1, 2, 1), self = nod_addr_ip4(10, 1, 2, 2);
    nod_tun_config tun = {.host4 = kernel};
    loop.link = nod_link_tun(nod_stack_pool(loop.stack), &tun, &error, why);
    if (!loop.link) return fprintf(stderr, "echo: %s\n", why), 1;
    nod_loop_begin(&loop);
    nod_stack_add_addr(loop.stack, 0, &self, 24);

    nod_handle conn; /* a connection to its port 7 */
    nod_open open = {.remote = {kernel, 7}};
    nod_tcp_open(loop.stack, &open, &conn);
    char bytes[4096];
    ptrdiff_t got;
    while ((got = nod_tcp_receive(loop.stack, conn, bytes, sizeof(bytes))) != 0) {
        if (got < 0 && got != NOD_EAGAIN) break;
        if (got < 0) nod_loop_turn(&loop, NULL, 0, NOD_NEVER);        /* send, sleep, receive */
        for (ptrdiff_t sent = 0, n; sent<got; sent += n> 0 ? n : 0) { /* echo it */
            n = nod_tcp_send(loop.stack, conn, bytes + sent, (size_t)(got - sent), 0);
            if (n < 0 && n != NOD_EAGAIN) break; /* RECEIVE will say so too */
            if (n < 0) nod_loop_turn(&loop, NULL, 0, NOD_NEVER);
        }
    }
    nod_tcp_close(loop.stack, conn); /* the peer has closed: so do we, */
    nod_status now;                  /* and stay until it has heard it all */
    while (nod_tcp_status(loop.stack, conn, &now) == 0 && now.state != NOD_CLOSED)
        if (nod_loop_turn(&loop, NULL, 0, NOD_NEVER) != 0) break;

    nod_loop_end(&loop);
    nod_link_close(loop.link);
    nod_stack_free(loop.stack);
    return got < 0 ? fprintf(stderr, "echo: %s\n", nod_strerror((int)got)), 1 : 0;
}
