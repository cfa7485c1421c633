#include "rate_trace.h"

#include "tr.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATEST (24 * 3600 * 1000) /* ms; a recording is not longer than a day */
#define LINES_MAX 10000000

static char said[256]; /* what is wanted instead */

static const char *want_lines(int line)
{
    snprintf(said, sizeof said,
             _("a file of whole milliseconds, one a line and none before the line above (line %d "
               "is different)"),
             line);
    return said;
}

/* A line that is empty counts for nothing: false without a number, and *ok false if it is wrong. */
static bool read_line(char *line, unsigned long *ms, bool *ok)
{
    char *end;
    line += strspn(line, " \t");
    if (*line == '\r' || *line == '\n' || *line == 0) return false;
    errno = 0;
    *ms = strtoul(line, &end, 10);
    *ok = isdigit((unsigned char)*line) && errno == 0 && *ms <= LATEST &&
          end[strspn(end, " \t\r\n")] == 0;
    return true;
}

static const char *read_lines(FILE *file, uint32_t **list, uint32_t *count)
{
    char line[64];
    uint32_t room = 0, last = 0;
    bool ok = true;
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        unsigned long ms;
        if (!read_line(line, &ms, &ok)) continue;
        if (!ok || ms < last || *count == LINES_MAX) return want_lines(number);
        if (*count == room) {
            room = room ? room * 2 : 1024;
            uint32_t *more = realloc(*list, room * sizeof **list);
            if (!more) return _("a shorter file, for the memory that there is");
            *list = more;
        }
        (*list)[(*count)++] = last = (uint32_t)ms;
    }
    if (ferror(file)) return _("a file that can be read");
    return last > 0 ? NULL : _("a file of milliseconds, one a line, the last one above 0");
}

const char *rate_trace_read(const char *name, nod_path_trace *out)
{
    FILE *file = fopen(name, "re");
    uint32_t *list = NULL, count = 0;
    if (!file) {
        snprintf(said, sizeof said, _("a file that can be read (%s)"), strerror(errno));
        return said;
    }
    const char *wants = read_lines(file, &list, &count);
    fclose(file);
    if (wants) {
        free(list);
        return wants;
    }
    rate_trace_free(out);
    *out = (nod_path_trace){.ms = list, .count = count};
    return NULL;
}

void rate_trace_free(nod_path_trace *trace)
{
    free((void *)(uintptr_t)trace->ms);
    *trace = (nod_path_trace){0};
}
