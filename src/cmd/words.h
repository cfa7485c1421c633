/* words.h: the small texts on a picture: what an arrow, a call or a timer is called. */
#ifndef NOD_CMD_WORDS_H
#define NOD_CMD_WORDS_H

#include "ladder.h"

/* What is drawn: the same for every renderer. */
struct picture {
    const char *title; /* a sentence */
    const char *under; /* a second one, or NULL */
    const char *address[2];
    struct teller teller;
    const struct ladder *ladder;
};

#define WORDS_TEXT 256

/* "PSH,ACK · 5 bytes", with a mark when it is sent again. */
char *flags_words(const struct ladder_row *row, char *buf, size_t size);

/* The numbers: "seq 1, ack 1, window 65535". */
char *numbers_words(const struct ladder_row *row, char *buf, size_t size);

/* The options in plain words; "" when there is nothing that a person would want to know. */
char *options_words(const struct ladder_row *row, char *buf, size_t size);

/* What an application did, a timer, an error: a few words. */
char *act_words(const struct ladder_event *event, char *buf, size_t size);

/* "0.000": seconds. */
char *time_words(nod_usec time, char *buf, size_t size);

/* A silence long enough to be shown between two rows. */
#define PAUSE_SHOWN (400 * NOD_MSEC)

/* "240 s later". */
char *pause_words(nod_usec pause, char *buf, size_t size);

/* Segments sent, and lost, in all rows. */
char *summary_words(const struct ladder *ladder, char *buf, size_t size);

/* What kind of segment it is, for its colour. */
enum segment_look { LOOK_OPEN, LOOK_DATA, LOOK_ACK, LOOK_CLOSE, LOOK_RESET };
enum segment_look row_look(const struct ladder_row *row);

#endif
