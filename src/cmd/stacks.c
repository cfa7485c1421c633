#include "stacks.h"

#include "cmd.h"
#include "sentence.h"
#include "tr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE (2 * NOD_SEC)

static bool no_memory(const char *who)
{
    fprintf(stderr, _("nod %s: there is no memory.\n"), who);
    return false;
}

static void explain(struct stacks *stacks, const char *who, const char *path, int error)
{
    const char *pid = strrchr(path, '/') + 1;
    if (error == NOD_ENOCONN) return; /* it ended while we asked: there is nothing to tell */
    stacks->incomplete = true;
    if (error == NOD_ETIMEDOUT)
        fprintf(stderr, _("nod %s: process %s does not answer. Is it stopped?\n"), who, pid);
    else if (error == NOD_EUNSUPPORTED)
        fprintf(stderr,
                _("nod %s: process %s runs another version of nod, which only its own "
                  "'nod %s' understands.\n"),
                who, pid, who);
    else
        fprintf(stderr, _("nod %s: process %s cannot be asked: %s.\n"), who, pid,
                error_words(error));
}

static bool ask_all(struct stacks *stacks, const char *who, char (*paths)[NOD_REPORT_PATH],
                    int count)
{
    stacks->list = calloc((size_t)count + 1, sizeof *stacks->list);
    if (!stacks->list) return no_memory(who);
    for (int i = 0; i < count; i++) {
        int error = nod_report_ask(paths[i], PATIENCE, &stacks->list[stacks->count]);
        if (error == NOD_ENOMEM) return no_memory(who);
        if (error)
            explain(stacks, who, paths[i], error);
        else
            stacks->count++;
    }
    return true;
}

bool stacks_gather(struct stacks *stacks, const char *who)
{
    *stacks = (struct stacks){0};
    int count = nod_report_find(NULL, 0);
    char(*paths)[NOD_REPORT_PATH] = calloc((size_t)count + 1, sizeof *paths);
    if (!paths) return no_memory(who);
    int found = nod_report_find(paths, count);
    bool done = ask_all(stacks, who, paths, found < count ? found : count);
    free(paths);
    return done;
}

void stacks_free(struct stacks *stacks)
{
    for (int i = 0; i < stacks->count; i++) nod_report_free(&stacks->list[i]);
    free(stacks->list);
    *stacks = (struct stacks){0};
}

json_t *stacks_json(const struct stacks *stacks)
{
    json_t *list = json_array();
    for (int i = 0; i < stacks->count; i++) {
        /* A name is whatever a program is called: what is no UTF-8 does not become JSON. */
        json_t *name = json_string(stacks->list[i].name);
        json_array_append_new(list, json_pack("{s:o, s:i}", "name", name ? name : json_string("?"),
                                              "pid", stacks->list[i].pid));
    }
    return json_pack("{s:o}", "stacks", list);
}

int stacks_end(const struct stacks *stacks, const char *who)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, _("nod %s: standard output cannot be written: %m.\n"), who);
        return CMD_FAILED;
    }
    return stacks->incomplete ? CMD_FAILED : CMD_OK;
}

int stacks_print_json(const struct stacks *stacks, const char *who, json_t *root)
{
    int failed = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
    json_decref(root);
    if (failed && !ferror(stdout)) {
        no_memory(who);
        return CMD_FAILED;
    }
    putchar('\n');
    return stacks_end(stacks, who);
}
