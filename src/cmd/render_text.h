/* render_text.h: the picture as text: two lanes and arrows between them. */
#ifndef NOD_CMD_RENDER_TEXT_H
#define NOD_CMD_RENDER_TEXT_H

#include <stdio.h>

#include "words.h"

struct text_view {
    FILE *out;
    int width; /* columns */
    bool colour;
    bool times;   /* show when: left out where it would differ from run to run */
    bool flows;   /* at a pace that a person can follow */
    double speed; /* 1: as fast as is good to read */
    const struct picture *picture;
    nod_usec last; /* when the row before was */
    bool drawn;    /* there was one */
};

void text_head(struct text_view *view);
void text_row(struct text_view *view, const struct ladder_row *row);
/* On a coloured terminal: the first line of a row whose segment is still on its way, as far
 * as it has come (0 to 1). The next row is drawn over it. */
void text_growing(struct text_view *view, const struct ladder_row *row, double part);
void text_foot(struct text_view *view);

#endif
