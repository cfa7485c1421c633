#define _POSIX_C_SOURCE 200809L
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct words words_split(char *text)
{
    struct words w = {0};
    char *rest = NULL;

    for (char *p = strtok_r(text, " ", &rest); p && w.count < WORDS_MAX;
         p = strtok_r(NULL, " ", &rest)) {
        w.word[w.count++] = p;
    }
    return w;
}

char *words_take(struct words *w, const char *name)
{
    for (int i = 1; i + 1 < w->count; i++) {
        if (strcmp(w->word[i], name) == 0) {
            char *value = w->word[i + 1];

            memmove(&w->word[i], &w->word[i + 2], (size_t)(w->count - i - 1) * sizeof w->word[0]);
            w->count -= 2;
            return value;
        }
    }
    return NULL;
}

bool words_seconds(const char *text, nod_usec *out)
{
    char *end;
    double value = strtod(text, &end);

    if (strcmp(text, "never") == 0) {
        *out = NOD_NEVER;
        return true;
    }
    if (end == text || *end || value < 0) {
        return false;
    }
    *out = (nod_usec)(value * 1e6 + 0.5);
    return true;
}

bool words_endpoint(const char *text, nod_endpoint *out)
{
    char copy[80], *colon, *addr = copy;

    snprintf(copy, sizeof copy, "%s", text);
    colon = strrchr(copy, ':');
    if (!colon) {
        out->port = (uint16_t)atoi(copy);
        return out->port > 0;
    }
    *colon = 0;
    out->port = (uint16_t)atoi(colon + 1);
    if (addr[0] == '[' && colon > copy + 1 && colon[-1] == ']') {
        colon[-1] = 0;
        addr++;
    }
    return nod_addr_parse(addr, &out->addr) == 0;
}
