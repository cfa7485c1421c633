#include "wire/checksum.h"

#include <string.h>

#include "wire/bytes.h"

/* Adds up 32-bit words as the machine reads them; the sum is byte-swapped at the end, which
 * one's complement allows (RFC 1071 section 2 B). */
static uint64_t add_even(const uint8_t *p, size_t len)
{
    uint64_t sum = 0;
    for (; len >= 16; p += 16, len -= 16) {
        uint32_t word[4];
        memcpy(word, p, 16);
        sum += (uint64_t)word[0] + word[1] + word[2] + word[3];
    }
    for (; len >= 2; p += 2, len -= 2) {
        uint16_t word;
        memcpy(&word, p, 2);
        sum += word;
    }
    if (len) {
        uint8_t last[2] = {*p, 0};
        uint16_t word;
        memcpy(&word, last, 2);
        sum += word;
    }
    return sum;
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint16_t swap16(uint16_t x)
{
    return (uint16_t)(x << 8 | x >> 8);
}

void nod_sum_add(struct nod_sum *sum, const void *bytes, size_t len)
{
    uint16_t part = fold(add_even(bytes, len));
    sum->sum += sum->odd ? swap16(part) : part;
    if (len & 1) sum->odd = !sum->odd;
}

uint16_t nod_sum_fold(const struct nod_sum *sum)
{
    uint16_t native = fold(sum->sum);
    uint8_t bytes[2];
    memcpy(bytes, &native, 2);
    return get16(bytes);
}

void nod_sum_add_frame(struct nod_sum *sum, const nod_frame *frame, size_t from)
{
    if (from < frame->head_len) nod_sum_add(sum, frame->head + from, frame->head_len - from);
    size_t at = frame->head_len;
    for (unsigned i = 0; i < frame->parts; i++) {
        const nod_slice *slice = &frame->part[i];
        size_t skip = from > at ? from - at : 0;
        if (skip < slice->len) nod_sum_add(sum, nod_slice_bytes(slice) + skip, slice->len - skip);
        at += slice->len;
    }
}

void nod_sum_add_pseudo(struct nod_sum *sum, int family, const uint8_t *src, const uint8_t *dst,
                        uint8_t protocol, uint32_t len)
{
    size_t size = family == 6 ? 16 : 4;
    uint8_t pseudo[40] = {0}, *tail = pseudo + 2 * size;
    memcpy(pseudo, src, size);
    memcpy(pseudo + size, dst, size);
    put32(tail, len);
    tail[7] = protocol;
    nod_sum_add(sum, pseudo, 2 * size + 8);
}
