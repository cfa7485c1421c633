/* Packets, raw or nearly right, into a host with connections in every state. */
#include "fuzz/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct choices c = {data, size};
    struct host h;
    host_make(&h, (size_t)1 << 20);
    while (c.left) {
        uint8_t what = choose8(&c);
        if (what & 3) {
            host_segment(&h, &c);
        } else if (what & 64) {
            host_too_big(&h, &c);
        } else {
            size_t len = choose16(&c) % 200;
            if (len > c.left) len = c.left;
            host_raw(&h, what >> 5 & 1, c.at, len);
            c.at += len;
            c.left -= len;
        }
        if (what & 4) host_output(&h, 3);
        if (what & 8) {
            h.now += choose16(&c) * (what & 16 ? NOD_MSEC : 10);
            nod_stack_tick(h.stack, h.now);
        }
    }
    host_free(&h);
    return 0;
}
