/* The Internet checksum (RFC 1071): sums are kept unfolded while they grow. */
#ifndef NOD_WIRE_CHECKSUM_H
#define NOD_WIRE_CHECKSUM_H

#include "nod/buf.h"

struct nod_sum {
    uint64_t sum;
    bool odd; /* an odd number of bytes so far */
};

void nod_sum_add(struct nod_sum *sum, const void *bytes, size_t len);
/* Folded to 16 bits, not inverted, in host order. */
uint16_t nod_sum_fold(const struct nod_sum *sum);
/* Adds the frame's bytes from offset `from` to its end. */
void nod_sum_add_frame(struct nod_sum *sum, const nod_frame *frame, size_t from);

/* The pseudo-header's sum. Addresses are 4 or 16 bytes. */
void nod_sum_add_pseudo(struct nod_sum *sum, int family, const uint8_t *src, const uint8_t *dst,
                        uint8_t protocol, uint32_t len);

#endif
