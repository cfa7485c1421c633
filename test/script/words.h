/* A line as words. */
#ifndef NOD_TEST_WORDS_H
#define NOD_TEST_WORDS_H

#include "nod/types.h"

#define WORDS_MAX 12

struct words {
    char *word[WORDS_MAX + 1];
    int count;
};

struct words words_split(char *text);

/* The word after `name`, which is taken out together with it; NULL when it is not there. */
char *words_take(struct words *w, const char *name);

/* Reads seconds, as "0.2"; "never" is NOD_NEVER. */
bool words_seconds(const char *text, nod_usec *out);

/* "10.0.0.2:80", "[fd00::2]:80", or "80" alone. */
bool words_endpoint(const char *text, nod_endpoint *out);

#endif
