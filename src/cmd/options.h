/* options.h: what `nod watch` is asked for. */
#ifndef NOD_CMD_OPTIONS_H
#define NOD_CMD_OPTIONS_H

#include "scenario.h"

enum colour_when { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct watch_options {
    const struct scenario *scenario; /* NULL: the kernel */
    struct world world;
    bool path_given; /* the world's path was changed */
    bool delay_given;
    bool story;
    bool no_wait;
    double speed;
    int width; /* columns; 0: the terminal's */
    enum colour_when colour;
    const char *svg; /* or NULL */
};

/* Reads the arguments. Returns -1 to go on, or the exit code to end with: complaints and
 * --help are printed by then. */
int watch_options_read(int argc, char **argv, struct watch_options *options);

#endif
