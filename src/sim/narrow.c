#include "narrow.h"

#include <string.h>

#define ETHERNET 14
#define IP4 20
#define IP6 40
#define ICMP 8
#define TCP 6
#define UDP 17
#define QUOTE4 (576 - IP4 - ICMP)  /* RFC 1812 4.3.2.3 */
#define QUOTE6 (1280 - IP6 - ICMP) /* RFC 4443 2.4 c */

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned x)
{
    p[0] = (uint8_t)(x >> 8);
    p[1] = (uint8_t)x;
}

static uint32_t sum(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += (uint32_t)p[i] << (i % 2 ? 0 : 8);
    }
    return sum;
}

static unsigned fold(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum & 0xffff;
}

/* What an IP header at `p` says of its packet's length; 0: it is no IP header. */
static uint32_t said_size(const uint8_t *p, size_t have)
{
    if (have >= IP4 && p[0] >> 4 == 4) {
        return get16(p + 2);
    }
    return have >= IP6 && p[0] >> 4 == 6 ? IP6 + (uint32_t)get16(p + 4) : 0;
}

/* Where the IP header is: at once, if its length is the frame's, or behind an Ethernet header,
 * which may have padding behind the packet. */
static uint32_t find_ip(const uint8_t *p, size_t have, size_t length, size_t *at)
{
    uint32_t size = said_size(p, have);

    *at = 0;
    if (size == length) {
        return size;
    }
    *at = ETHERNET;
    size = have > ETHERNET ? said_size(p + ETHERNET, have - ETHERNET) : 0;
    return size <= length - ETHERNET ? size : 0;
}

uint32_t nod_narrow_size(const nod_frame *frame)
{
    uint8_t start[ETHERNET + IP6];
    size_t at;

    return find_ip(start, nod_frame_copy(frame, 0, start, sizeof start), nod_frame_length(frame),
                   &at);
}

size_t nod_narrow_flow(const nod_frame *frame, uint8_t key[NOD_FLOW_KEY])
{
    uint8_t start[ETHERNET + IP6 + IP6];
    size_t have = nod_frame_copy(frame, 0, start, sizeof start), at, len = 0;

    if (!find_ip(start, have, nod_frame_length(frame), &at)) {
        return 0;
    }
    const uint8_t *ip = start + at;
    bool six = ip[0] >> 4 == 6, whole = six || !((ip[6] & 0x3f) | ip[7]);
    size_t header = six ? IP6 : (size_t)(ip[0] & 15) * 4, addresses = six ? 32 : 8;

    key[len++] = ip[six ? 6 : 9];
    memcpy(key + len, ip + (six ? 8 : 12), addresses);
    len += addresses;
    if ((key[0] == TCP || key[0] == UDP) && whole && at + header + 4 <= have) {
        memcpy(key + len, ip + header, 4);
        len += 4;
    }
    return len;
}

static void answer4(uint8_t *out, const uint8_t *ip, size_t quote, uint16_t mtu)
{
    size_t len = IP4 + ICMP + quote;
    uint8_t *icmp = out + IP4;

    out[0] = 0x45;
    put16(out + 2, (unsigned)len);
    out[8] = 64;
    out[9] = 1;
    memcpy(out + 12, ip + 16, 4); /* any router's would do; this one has no address */
    memcpy(out + 16, ip + 12, 4);
    put16(out + 10, fold(sum(0, out, IP4)));
    icmp[0] = 3;
    icmp[1] = 4;
    put16(icmp + 6, mtu);
    memcpy(icmp + ICMP, ip, quote);
    put16(icmp + 2, fold(sum(0, icmp, ICMP + quote)));
}

static void answer6(uint8_t *out, const uint8_t *ip, size_t quote, uint16_t mtu)
{
    uint8_t *icmp = out + IP6;

    out[0] = 0x60;
    put16(out + 4, (unsigned)(ICMP + quote));
    out[6] = 58;
    out[7] = 64;
    memcpy(out + 8, ip + 24, 16);
    memcpy(out + 24, ip + 8, 16);
    icmp[0] = 2;
    put16(icmp + 6, mtu);
    memcpy(icmp + ICMP, ip, quote);
    uint32_t pseudo = sum((uint32_t)(ICMP + quote) + 58, out + 8, 32);

    put16(icmp + 2, fold(sum(pseudo, icmp, ICMP + quote)));
}

int nod_narrow_refuse(nod_narrow *narrow, nod_pool *pool, const nod_frame *frame, uint16_t mtu)
{
    uint8_t start[ETHERNET + QUOTE6], out[ETHERNET + 1280] = {0};
    size_t have = nod_frame_copy(frame, 0, start, sizeof start), at;

    if (!find_ip(start, have, nod_frame_length(frame), &at)) {
        return 0;
    }
    const uint8_t *ip = start + at;
    bool six = ip[0] >> 4 == 6;
    size_t quote = have - at, most = six ? QUOTE6 : QUOTE4;

    if (narrow->count == NOD_NARROW_ANSWERS || (!six && !(ip[6] & 0x40))) {
        return 0;
    }
    quote = quote < most ? quote : most;
    if (at) {
        memcpy(out, start + 6, 6);
        memcpy(out + 6, start, 6);
        memcpy(out + 12, start + 12, 2);
    }
    (six ? answer6 : answer4)(out + at, ip, quote, mtu);
    int error = nod_frame_from_bytes(pool, out, at + (six ? IP6 : IP4) + ICMP + quote,
                                     &narrow->answer[narrow->count]);

    narrow->count += error == 0;
    return error;
}

int nod_narrow_take(nod_narrow *narrow, nod_frame *frames, int max)
{
    int n = 0;

    for (; n < max && (unsigned)n < narrow->count; n++) {
        frames[n] = narrow->answer[n];
    }
    narrow->count -= (unsigned)n;
    memmove(narrow->answer, narrow->answer + n, narrow->count * sizeof narrow->answer[0]);
    return n;
}

void nod_narrow_clear(nod_narrow *narrow)
{
    for (unsigned i = 0; i < narrow->count; i++) {
        nod_frame_release(&narrow->answer[i]);
    }
    narrow->count = 0;
}
