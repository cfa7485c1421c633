/* The state machine, cell by cell: states.tsv has a row for each state and event, with what
 * RFC 9293 and its companions ask; states-more.tsv adds the cases that its notes speak of, and
 * both sides of every edge. Every row is tried in every variant that it allows: who
 * opened, IPv4 and IPv6, with and without options.
 *
 *     conform-states              all rows
 *     conform-states --list       what is checked, row by row
 *     conform-states --row N      the conversation of one row, in tcpdump's notation
 *     conform-states --state S    rows of one state
 *     conform-states --results    a line each, for scripts/conformance */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "choices.h"
#include "places.h"

#define VARIANTS 8

static struct variant variant_number(int i)
{
    return (struct variant){.passive = i & 1, .options = i & 2, .six = i & 4};
}

static void name_variant(struct variant v, char buf[80])
{
    snprintf(buf, 80, "%s open, %s, %s options", v.passive ? "passive" : "active",
             v.six ? "IPv6" : "IPv4", v.options ? "with" : "without");
}

static bool run_variant(const struct row *row, struct variant variant, bool show)
{
    char *text = NULL, why[STAGE_WHY], name[80];
    size_t size;
    FILE *listing = open_memstream(&text, &size);

    if (!listing) {
        return false;
    }
    bool good = cell_run(row, variant, listing, why);

    fclose(listing);
    name_variant(variant, name);
    if (show || !good) {
        printf("%s: %s\n%s", name, good ? "as it must be" : why, text);
    }
    free(text);
    return good;
}

static bool run_row(const struct row *row, bool show)
{
    int wrong = 0, tried = 0;

    if (show) {
        printf("row %d: %s, %s\n  stimulus: %s\n  next:     %s\n  sent:     %s\n  told:     %s\n",
               row->number, row->state, row->event, row->stimulus, row->next, row->sent, row->told);
    }
    for (int i = 0; i < VARIANTS; i++) {
        struct variant variant = variant_number(i);
        const char *why;

        if (!places_applies(row, variant)) {
            continue;
        }
        choices_row(row, &variant, &why);
        if (show && why) {
            printf("  %s\n", why);
        }
        tried++;
        wrong += !run_variant(row, variant, show);
    }
    if (wrong || tried == 0) {
        printf("FAILED: row %d, %s in %s: %d of %d variants; conform-states --row %d shows them\n",
               row->number, row->event, row->state, wrong, tried, row->number);
    }
    return tried > 0 && wrong == 0;
}

static void list_row(const struct row *row)
{
    const char *last = NULL, *why;

    printf("%3d  %-12s %-27s %-28s -> %s; %s; %s\n", row->number, row->state, row->event,
           row->stimulus, row->next, row->sent, row->told);
    for (int i = 0; i < 2; i++) {
        struct variant variant = variant_number(i);

        choices_row(row, &variant, &why);
        if (why && why != last && places_applies(row, variant)) {
            printf("     %s: %s\n", variant.passive ? "passive" : "active", why);
            last = why;
        }
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: conform-states [--list | --results | --row N | --state STATE]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static struct table table;
    bool list = argc == 2 && strcmp(argv[1], "--list") == 0;
    bool results = argc == 2 && strcmp(argv[1], "--results") == 0;
    int only = argc == 3 && strcmp(argv[1], "--row") == 0 ? atoi(argv[2]) : 0;
    const char *state = argc == 3 && strcmp(argv[1], "--state") == 0 ? argv[2] : NULL;
    int passed = 0, failed = 0, chosen = 0;

    if (argc > 1 && !list && !results && !only && !state) {
        return usage();
    }
    if (!table_load(&table, NOD_SOURCE_DIR "/test/conform/states.tsv") ||
        !table_load(&table, NOD_SOURCE_DIR "/test/conform/states-more.tsv")) {
        return 1;
    }
    for (int i = 0; i < table.rows; i++) {
        const struct row *row = &table.row[i];
        struct variant passive = {.passive = true}, active = {0};
        const char *why, *other;

        if ((only && only != row->number) || (state && strcmp(state, row->state) != 0)) {
            continue;
        }
        if (list) {
            list_row(row);
            continue;
        }
        choices_row(row, &passive, &why);
        choices_row(row, &active, &other);
        chosen += why || other;
        bool good = run_row(row, only > 0);

        good ? passed++ : failed++;
        if (results) {
            printf("%s states/%.*s/%s\n", good ? "pass" : "fail", (int)strcspn(row->state, " "),
                   row->state, row->event);
        }
    }
    table_free(&table);
    if (list) {
        return 0;
    }
    printf("%d rows tried, of which %d by a choice or a departure of nod's: see --list\n",
           passed + failed, chosen);
    printf("%d passed, %d failed\n", passed, failed);
    printf("[  PASSED  ] %d test(s).\n", passed);
    if (failed) {
        printf("[  FAILED  ] %d test(s).\n", failed);
    }
    return failed || passed == 0;
}
