/* Every parser of the wire, on any bytes: no overread, and what was read makes sense. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "wire/checksum.h"
#include "wire/frame.h"
#include "wire/ip.h"
#include "wire/tcp.h"

static void tcp(const uint8_t *p, size_t len)
{
    struct nod_tcp_header h, again;
    uint8_t bytes[NOD_TCP_HEADER_MAX + 40];
    if (!nod_tcp_parse(p, len, &h)) return;
    NOD_ASSERT(h.size >= NOD_TCP_HEADER && h.size <= len && h.opt.sack_count <= 4);
    /* What was understood is written and understood again, if it fits. */
    if (NOD_TCP_HEADER + nod_tcp_options_size(&h.opt) > NOD_TCP_HEADER_MAX) return;
    size_t size = nod_tcp_emit(&h, bytes);
    NOD_ASSERT(nod_tcp_parse(bytes, size, &again));
    NOD_ASSERT(memcmp(&again.opt, &h.opt, sizeof(h.opt)) == 0);
}

static void ip(const uint8_t *p, size_t len)
{
    struct nod_ip whole, part;
    enum nod_drop drop = nod_ip_parse(p, len, len, &whole);
    if (drop == NOD_DROP_NONE) {
        NOD_ASSERT((size_t)whole.size + whole.payload <= len);
        tcp(p + whole.size, whole.payload);
    }
    for (size_t have = 0; have < len && have < 100; have++) {
        uint8_t *exact = malloc(have ? have : 1);
        memcpy(exact, p, have);
        enum nod_drop other = nod_ip_parse(exact, have, len, &part);
        NOD_ASSERT(other == drop || other == NOD_DROP_TRUNCATED || drop != NOD_DROP_NONE);
        free(exact);
    }
}

static void frames(const uint8_t *p, size_t len)
{
    nod_pool *pool = nod_pool_new(NULL, 0);
    nod_frame f, piece;
    if (len < 6 || nod_frame_from_bytes(pool, p + 5, len - 5, &f) < 0) {
        nod_pool_free(pool);
        return;
    }
    f.l4_off = p[0];
    f.gso_size = (uint16_t)(p[1] << 8 | p[2]);
    f.flags = p[3] & NOD_FRAME_CSUM_TODO;
    for (unsigned i = 0; i < 70 && nod_frame_piece(&f, i, &piece) == 1; i++) {
        NOD_ASSERT(nod_frame_length(&piece) <= len);
        nod_frame_finish(&piece);
        nod_frame_release(&piece);
    }
    nod_frame_finish(&f);
    nod_frame_release(&f);
    nod_pool_free(pool);
}

static void text(const uint8_t *p, size_t len)
{
    char in[64], out[NOD_ADDR_TEXT];
    nod_addr addr, again;
    size_t n = len < sizeof(in) - 1 ? len : sizeof(in) - 1;
    memcpy(in, p, n);
    in[n] = 0;
    if (nod_addr_parse(in, &addr) < 0) return;
    NOD_ASSERT(nod_addr_parse(nod_addr_format(&addr, out, sizeof(out)), &again) == 0);
    NOD_ASSERT(nod_addr_equal(&addr, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nod_arp arp;
    struct nod_ethernet eth;
    tcp(data, size);
    ip(data, size);
    nod_arp_parse(data, size, &arp);
    if (nod_ethernet_parse(data, size, &eth)) ip(data + NOD_ETHERNET_HEADER, size - 14);
    frames(data, size);
    text(data, size);
    return 0;
}
