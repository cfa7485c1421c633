/* stacks.h: the stacks of this user that run now, for `nod ss` and `nod stat`. */
#ifndef NOD_CMD_STACKS_H
#define NOD_CMD_STACKS_H

#include <jansson.h>

#include "nod/report.h"

struct stacks {
    nod_report *list;
    int count;
    bool incomplete; /* one did not answer; a sentence on standard error has said so */
};

/* Asks them all, for the subcommand `who`. False: there is no memory, and it was said. */
bool stacks_gather(struct stacks *stacks, const char *who);
void stacks_free(struct stacks *stacks);

/* {"stacks": [...]}: an object for each stack, with its name and process. Whoever prints adds
 * to the objects. */
json_t *stacks_json(const struct stacks *stacks);

/* Prints and gives up `root`. Returns an exit code; so does stacks_end for text: whether
 * everything asked could be had, and printed. */
int stacks_print_json(const struct stacks *stacks, const char *who, json_t *root);
int stacks_end(const struct stacks *stacks, const char *who);

#endif
