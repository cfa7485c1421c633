/* SipHash-2-4 against the table of its authors: key 00 01 .. 0f, input 00 01 .. of each length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

static uint8_t key[16], input[64];

static void fill(void)
{
    for (unsigned i = 0; i < sizeof(key); i++) key[i] = (uint8_t)i;
    for (unsigned i = 0; i < sizeof(input); i++) input[i] = (uint8_t)i;
}

static void published(void **state)
{
    (void)state;
    fill();
    assert_true(nod_hash(key, input, 0) == 0x726fdb47dd0e0e31u);
    assert_true(nod_hash(key, input, 1) == 0x74f839c593dc67fdu);
    assert_true(nod_hash(key, input, 8) == 0x93f5f5799a932462u);
    assert_true(nod_hash(key, input, 15) == 0xa129ca6149be45e5u);
}

/* Every bit of key, input and length counts. */
static void every_bit(void **state)
{
    (void)state;
    fill();
    uint64_t whole = nod_hash(key, input, 40);
    for (unsigned bit = 0; bit < 128; bit++) {
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(nod_hash(key, input, 40) == whole);
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (unsigned bit = 0; bit < 320; bit++) {
        input[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(nod_hash(key, input, 40) == whole);
        input[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (unsigned len = 0; len < 40; len++) assert_false(nod_hash(key, input, len) == whole);
    assert_true(nod_hash(key, input, 40) == whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published),
        cmocka_unit_test(every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
