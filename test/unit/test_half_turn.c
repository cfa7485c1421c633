/* Sequence numbers that a connection remembers for long: half a turn later, which is 2 GiB,
 * "before" would be "after". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stack/stack.h"
#include "unit/peer.h"

static char bytes[6000];

/* The end of the last recovery without SACK (RFC 6582 section 4.1): what is lost long after it is
 * sent again by three duplicates, as ever. */
static void last_recovery(void **state)
{
    (void)state;
    struct peer p;
    struct conn c;
    struct seen seen[10];
    peer_make(&p, NULL, 4, false);
    peer_be_called(&p, 80, &c);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, 500, 0), 500);
    peer_drain(&p);
    struct nod_tcb *tcb = (struct nod_tcb *)nod_slot_object(p.stack, c.handle);
    tcb->work->loss.recover = tcb->snd.una - 0x7fffff00u;
    c.ack += 100;
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    c.ack += 400; /* and now that is farther than half a turn */
    peer_send(&p, &c, NOD_ACK, NULL, 0);
    assert_int_equal(nod_tcp_send(p.stack, c.handle, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_in_range(peer_output(&p, seen, 10), 4, 10);
    for (int i = 0; i < 3; i++) peer_send(&p, &c, NOD_ACK, NULL, 0);
    assert_true(peer_output(&p, seen, 10) > 0);
    bool again = false;
    for (int i = 0; i < 3; i++) again |= seen[i].seq == c.ack;
    assert_true(again);
    peer_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_recovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
