/* render_svg.h: the picture as an SVG: time runs down, arrows slope as long as their segments
 * were on the way. */
#ifndef NOD_CMD_RENDER_SVG_H
#define NOD_CMD_RENDER_SVG_H

#include <stdio.h>

#include "words.h"

/* Writes the whole document. Returns 0, or NOD_EIO or NOD_ENOMEM. */
int svg_write(const struct picture *picture, FILE *out);

#endif
