#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 8

bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool state_from_text(const char *text, enum nod_state *out)
{
    size_t n = strcspn(text, " ");

    for (int i = NOD_CLOSED; i <= NOD_TIME_WAIT; i++) {
        const char *name = nod_state_name((enum nod_state)i);

        if (strlen(name) == n && strncmp(name, text, n) == 0) {
            *out = (enum nod_state)i;
            return true;
        }
    }
    return false;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t used = 0, n;

    while (file && (text = realloc(text, used + 65537)) != NULL) {
        n = fread(text + used, 1, 65536, file);
        used += n;
        text[used] = 0;
        if (n == 0) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    return text;
}

static bool split(char *line, const char *column[COLUMNS])
{
    int n = 0;

    while (n < COLUMNS) {
        column[n++] = line;
        line += strcspn(line, "\t");
        if (*line == 0) {
            break;
        }
        *line++ = 0;
    }
    return n == COLUMNS && *line == 0;
}

static bool add_row(struct table *table, char *line)
{
    struct row *row = &table->row[table->rows];
    const char *c[COLUMNS];

    if (table->rows == ROWS_MAX || !split(line, c) || !state_from_text(c[0], &row->from)) {
        return false;
    }
    row->number = ++table->rows;
    row->state = c[0];
    row->event = c[1];
    row->next = c[2];
    row->sent = c[3];
    row->told = c[4];
    row->basis = c[5];
    row->note = c[6];
    row->stimulus = c[7];
    return true;
}

bool table_load(struct table *table, const char *path)
{
    char *text = read_file(path);

    if (!text || table->texts == 4) {
        fprintf(stderr, "cannot read %s\n", path);
        free(text);
        return false;
    }
    table->text[table->texts++] = text;
    char *line = strchr(text, '\n'); /* the heading goes */

    for (line = line ? line + 1 : text; *line;) {
        char *end = line + strcspn(line, "\n"), *next = *end ? end + 1 : end;

        *end = 0;
        if (!add_row(table, line)) {
            fprintf(stderr, "%s: row %d is no row of %d columns\n", path, table->rows + 1, COLUMNS);
            return false;
        }
        line = next;
    }
    return true;
}

void table_free(struct table *table)
{
    for (int i = 0; i < table->texts; i++) free(table->text[i]);
}
