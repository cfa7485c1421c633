/* columns.h: UTF-8 text in terminal columns, whatever the locale: a Chinese character takes
 * two columns, a combining mark none. */
#ifndef NOD_CMD_COLUMNS_H
#define NOD_CMD_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes one character off the text; returns it and moves *text on. A byte that is no UTF-8
 * comes back as U+FFFD. 0 at the end. */
uint32_t utf8_next(const char **text);

/* Columns of one character and of a whole text. */
int char_columns(uint32_t c);
int text_columns(const char *text);

/* The first line of `text` broken to at most `columns`: between words, and between Chinese
 * characters, though not before a mark that ends a phrase. Returns its length in bytes and
 * moves *text past it and the space at which it was broken. Always moves on. */
size_t text_line(const char **text, int columns);

#endif
