/* What ECN's flags agree on: every combination, both ways, for each of what an end is ready for.
 * RFC 3168 section 6.1.1, RFC 9768 table 2 and section 3.1.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp/ecn.h"

enum { N = NOD_ECN_NONE, C = NOD_ECN_CLASSIC, A = NOD_ECN_ACCURATE };

/* By (AE,CWR,ECE) as a number. */
static void what_a_syn_gets(void **state)
{
    static const int want[3][8] = {
        [N] = {N, N, N, N, N, N, N, N},
        [C] = {N, N, N, C, N, N, N, C},
        [A] = {N, A, A, C, A, A, A, A},
    };
    (void)state;
    for (int most = N; most <= A; most++) {
        for (unsigned ace = 0; ace < 8; ace++) {
            unsigned ctl = NOD_SYN | nod_ace_flags(ace);
            assert_int_equal(nod_ecn_of_syn(ctl, (enum nod_ecn)most), want[most][ace]);
        }
    }
}

static void what_a_syn_ack_agrees_to(void **state)
{
    static const int want[3][8] = {
        [N] = {N, N, N, N, N, N, N, N},
        [C] = {N, C, N, N, N, C, N, N},
        [A] = {N, C, A, A, A, A, A, N},
    };
    (void)state;
    for (int asked = N; asked <= A; asked++) {
        for (unsigned ace = 0; ace < 8; ace++) {
            unsigned ctl = NOD_SYN | NOD_ACK | nod_ace_flags(ace);
            assert_int_equal(nod_ecn_of_syn_ack(ctl, (enum nod_ecn)asked), want[asked][ace]);
        }
    }
}

static void what_we_say(void **state)
{
    (void)state;
    assert_int_equal(nod_ecn_asks(NOD_ECN_NONE), 0);
    assert_int_equal(nod_ecn_asks(NOD_ECN_CLASSIC), NOD_CWR | NOD_ECE);
    assert_int_equal(nod_ecn_asks(NOD_ECN_ACCURATE), NOD_AE | NOD_CWR | NOD_ECE);
    for (unsigned codepoint = 0; codepoint < 4; codepoint++) {
        assert_int_equal(nod_ecn_answers(NOD_ECN_NONE, codepoint), 0);
        assert_int_equal(nod_ecn_answers(NOD_ECN_CLASSIC, codepoint), NOD_ECE);
    }
    assert_int_equal(nod_ecn_answers(NOD_ECN_ACCURATE, NOD_NOT_ECT), NOD_CWR);
    assert_int_equal(nod_ecn_answers(NOD_ECN_ACCURATE, NOD_ECT1), NOD_CWR | NOD_ECE);
    assert_int_equal(nod_ecn_answers(NOD_ECN_ACCURATE, NOD_ECT0), NOD_AE);
    assert_int_equal(nod_ecn_answers(NOD_ECN_ACCURATE, NOD_CE), NOD_AE | NOD_CWR);
}

/* Two ends, each ready for any: they agree, and on the less of the two. */
static void two_ends_agree(void **state)
{
    (void)state;
    for (int asked = N; asked <= A; asked++) {
        for (int most = N; most <= A; most++) {
            uint16_t syn = NOD_SYN | nod_ecn_asks((enum nod_ecn)asked);
            enum nod_ecn passive = nod_ecn_of_syn(syn, (enum nod_ecn)most);
            assert_int_equal(passive, asked < most ? asked : most);
            for (unsigned codepoint = 0; codepoint < 4; codepoint++) {
                uint16_t answer = NOD_SYN | NOD_ACK | nod_ecn_answers(passive, codepoint);
                assert_int_equal(nod_ecn_of_syn_ack(answer, (enum nod_ecn)asked), passive);
            }
        }
    }
}

/* A record of a passive open: the first SYN decides, later ones only make it cautious, and two
 * that contradict each other end it (RFC 9768 section 3.1.5). */
static void record(void **state)
{
    uint8_t r;
    struct nod_segment accurate = {.h = {.ctl = NOD_SYN | NOD_ECN_FLAGS}, .ecn = NOD_CE};
    struct nod_segment classic = {.h = {.ctl = NOD_SYN | NOD_CWR | NOD_ECE}};
    struct nod_segment none = {.h = {.ctl = NOD_SYN}};

    (void)state;
    assert_true(nod_ecn_record_syn(&r, true, &accurate, NOD_ECN_ACCURATE));
    assert_int_equal(r, NOD_ECN_ACCURATE | NOD_CE << 2);
    assert_true(nod_ecn_record_syn(&r, false, &none, NOD_ECN_ACCURATE));
    assert_int_equal(r, NOD_ECN_ACCURATE | ECN_RECORD_PLAIN | ECN_RECORD_AGAIN);
    assert_false(nod_ecn_record_syn(&r, false, &classic, NOD_ECN_ACCURATE));

    assert_true(nod_ecn_record_syn(&r, true, &classic, NOD_ECN_ACCURATE));
    assert_int_equal(nod_ecn_record_mode(r), NOD_ECN_CLASSIC);
    assert_false(nod_ecn_record_syn(&r, false, &accurate, NOD_ECN_ACCURATE));

    assert_true(nod_ecn_record_syn(&r, true, &none, NOD_ECN_ACCURATE));
    assert_true(nod_ecn_record_syn(&r, false, &accurate, NOD_ECN_ACCURATE));
    assert_int_equal(nod_ecn_record_mode(r), NOD_ECN_NONE);

    assert_true(nod_ecn_record_syn(&r, true, &classic, NOD_ECN_CLASSIC));
    assert_true(nod_ecn_record_syn(&r, false, &accurate, NOD_ECN_CLASSIC));
    assert_int_equal(nod_ecn_record_mode(r), NOD_ECN_CLASSIC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_syn_gets), cmocka_unit_test(what_a_syn_ack_agrees_to),
        cmocka_unit_test(what_we_say),     cmocka_unit_test(two_ends_agree),
        cmocka_unit_test(record),
    };
    return cmocka_run_group_tests_name("ecn", tests, NULL, NULL);
}
