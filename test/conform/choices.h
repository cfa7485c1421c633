/* Where the table leaves a choice, or nod departs from it: what nod does, and why. The same
 * notation as the table's. */
#ifndef NOD_TEST_CHOICES_H
#define NOD_TEST_CHOICES_H

#include "conv.h"

/* The row as it is for nod, in this variant. `why` becomes NULL when that is the table's. */
struct row choices_row(const struct row *row, const struct variant *variant, const char **why);

#endif
