/* What the core asks of a system: the time, and what nobody can guess. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nod/link.h"

/* RFC 6528 section 4: a secret from the system's source of randomness, another each time, and no
 * octet of it left as it was. */
static void entropy(void **state)
{
    (void)state;
    uint8_t secret[64][32] = {{0}};
    int same[32] = {0};
    for (int i = 0; i < 64; i++) {
        assert_int_equal(nod_entropy(secret[i], sizeof(secret[i])), 0);
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(secret[i], secret[j], sizeof(secret[i]));
        for (int octet = 0; octet < 32; octet++)
            same[octet] += secret[i][octet] == secret[0][octet];
    }
    for (int octet = 0; octet < 32; octet++) assert_in_range(same[octet], 1, 16);
    assert_int_equal(nod_entropy(secret, 0), 0);
}

static void the_clock(void **state)
{
    (void)state;
    nod_usec last = nod_clock();
    for (int i = 0; i < 1000; i++) {
        nod_usec now = nod_clock();
        assert_true(now >= last);
        last = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entropy),
        cmocka_unit_test(the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
