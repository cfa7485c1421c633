/* The kernel's run: two network namespaces joined by a veth pair, with the addresses that
 * `nod run` gives its TUN. */
#ifndef CALLS_STAGE_H
#define CALLS_STAGE_H

/* Moves this process to the one side; the descriptor of the other side's namespace is returned.
 * Exits with 77 and a sentence where that is not allowed. */
int stage_open(void);

/* What a machine's namespaces may have inherited and a program can see is made the same. */
void stage_settings(void);

#endif
