/* sentence.h: for each step a sentence that says why, plainly or as a story. */
#ifndef NOD_CMD_SENTENCE_H
#define NOD_CMD_SENTENCE_H

#include "nod/types.h"

enum sentence_key {
    S_NONE,
#define SENTENCE(key, plain, story) S_##key,
#include "sentences.def"
#undef SENTENCE
    S_COUNT
};

/* Why it happened, then what came of it; and the numbers that the texts may name. */
struct sentence {
    enum sentence_key cause, effect;
    int who;                     /* the end that {a} names; {b} is the other */
    uint32_t n;                  /* segments, or a segment's place in the stream */
    uint32_t bytes, first, last; /* of the arrow's own text */
    uint32_t ack, window;
    nod_usec waited;
    int error;
    int drop; /* enum nod_drop */
};

/* How a step is told. */
struct teller {
    bool story;
    bool rough;            /* times that differ a little from run to run are told roughly */
    const char *name[2];   /* of the ends, in the user's language: above their lanes, */
    const char *called[2]; /* and within a sentence: "the client" */
};

#define SENTENCE_TEXT 768

/* Writes the sentence in the user's language; "" when there is nothing to say. */
char *sentence_write(const struct sentence *sentence, const struct teller *teller, char *buf,
                     size_t size);

/* One text with its {placeholders} filled in. */
char *sentence_fill(const char *text, const struct sentence *sentence, const struct teller *teller,
                    char *buf, size_t size);

/* A span of time as people say it: "40 ms", "1.5 s", "4 min". */
char *span_write(nod_usec span, char *buf, size_t size);

/* As a rough teller tells it. */
char *span_write_rough(nod_usec span, char *buf, size_t size);

/* Why a packet was dropped, in the user's language. */
const char *drop_words(int drop);

/* An error, in the user's language. */
const char *error_words(int error);

#endif
