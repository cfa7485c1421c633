/* states.tsv, read at run time: one row for each state and event. */
#ifndef NOD_TEST_TABLE_H
#define NOD_TEST_TABLE_H

#include <stdbool.h>

#include "nod/tcp.h"

#define ROWS_MAX 400

struct row {
    int number; /* from 1; in the first file: its line less the heading */
    enum nod_state from;
    const char *state, *event, *next, *sent, *told, *basis, *note, *stimulus;
};

struct table {
    struct row row[ROWS_MAX];
    int rows;
    char *text[4]; /* of each file */
    int texts;
};

/* Adds the rows of a file. False, with a message on stderr, when it is not as it should be. */
bool table_load(struct table *table, const char *path);
void table_free(struct table *table);

/* The state that `text` begins with: "FIN-WAIT-1 (strict)". */
bool state_from_text(const char *text, enum nod_state *out);

bool begins(const char *text, const char *with);

#endif
