/* svg.h: the few shapes that the picture is made of. */
#ifndef NOD_CMD_SVG_H
#define NOD_CMD_SVG_H

#include <stdio.h>

/* The document's beginning: size, language, title, style and paper. */
void svg_begin(FILE *out, double width, double height, const char *language, const char *title);

void svg_line(FILE *out, double x0, double y0, double x1, double y1, const char *ink, double width,
              const char *dash);
void svg_text(FILE *out, double x, double y, const char *class, const char *anchor,
              const char *text);
void svg_pill(FILE *out, double x, double y, double width, double height, const char *ink);
void svg_dot(FILE *out, double x, double y, const char *ink);

/* An arrow's head, its point at (x, y). */
void svg_head(FILE *out, double x, double y, double angle, const char *ink);

/* What follows, until svg_end, has (x, y) as its origin and is turned by so many degrees. */
void svg_turn(FILE *out, double x, double y, double degrees);
void svg_end(FILE *out);

#endif
