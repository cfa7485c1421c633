/* The user's pointers. The kernel answers a bad one with EFAULT; here it is looked at before the
 * lock is taken, so that a program's mistake is its own and not all others'. */
#ifndef NOD_POSIX_MEMORY_H
#define NOD_POSIX_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Whether nothing can be read, or written, at the address. */
bool is_bad(const void *ptr);
bool is_bad_to_write(void *ptr);

/* The same for a range: its first 64 KiB, page by page, and its last octet. */
bool is_bad_range(const void *ptr, size_t len, bool write);

/* From here on (and not in a program that has handlers for such signals of its own) an address
 * without memory is an answer; before, it is a signal, as wherever a program uses it. */
void memory_guard(void);

#endif
