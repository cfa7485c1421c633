#include "render_text.h"

#include <string.h>
#include <time.h>

#include "columns.h"
#include "tr.h"

#define CELL 13 /* columns for states and calls at each end */
#define TIME 9
#define NOTE_MIN 44 /* sentences stand beside the picture where there is so much room */
#define ROOM_FOR_TIMES 72
#define AREA_MIN 24
#define AREA_BEST 40
#define LINES 24
#define LINE 640

#define PLAIN "\033[0m"
#define BOLD "\033[1m"
#define DIM "\033[2m"

/* A row before it is printed: up to LINES lines of four columns each. */
struct block {
    int count;
    char cell[2][LINES][96];
    char area[LINES][LINE];
    char note[LINES][LINE];
    int note_count;
    int cell_count[2], area_count;
};

struct layout {
    int time, area, note, margin;
};

static struct layout layout_of(const struct text_view *view)
{
    struct layout l = {.time = view->times && view->width >= ROOM_FOR_TIMES ? TIME : 1};
    int fixed = 2 * (l.time + CELL) + 2;
    l.area = view->width - fixed;
    if (l.area - AREA_BEST - 3 >= NOTE_MIN) {
        l.note = l.area - AREA_BEST - 3;
        l.area = AREA_BEST;
    }
    if (l.area > 56) l.area = 56;
    if (l.area < AREA_MIN) l.area = AREA_MIN;
    l.margin = l.time + 1;
    return l;
}

static const char *colour_of(enum segment_look look)
{
    switch (look) {
    case LOOK_OPEN: return "\033[36m";
    case LOOK_DATA: return "\033[33m";
    case LOOK_ACK: return "\033[32m";
    case LOOK_CLOSE: return "\033[35m";
    case LOOK_RESET: return "\033[31m";
    }
    return "";
}

static void style(const struct text_view *view, const char *escape)
{
    if (view->colour) fputs(escape, view->out);
}

static void blanks(const struct text_view *view, int n)
{
    if (n > 0) fprintf(view->out, "%*s", n, "");
}

/* A text in a field of its own, at its left or its right edge. */
static void field(const struct text_view *view, const char *text, int width, bool right,
                  const char *escape)
{
    int pad = width - text_columns(text);
    if (right) blanks(view, pad);
    if (*text != 0) style(view, escape);
    fputs(text, view->out);
    if (*text != 0 && *escape != 0) style(view, PLAIN);
    if (!right) blanks(view, pad);
}

static void repeat(char *line, const char *what, int times)
{
    while (times-- > 0 && strlen(line) + strlen(what) < LINE) strcat(line, what);
}

/* How an arrow looks between the lanes. */
struct arrow {
    const char *label;
    int width;
    bool to_left, lost, leaves_only, arrives_only, dropped, copy;
};

/* Every arrow is built as if it went to the right, as runs of single columns. */
static void draw_right(const struct arrow *a, char *line)
{
    const char *dash = a->copy ? "╌" : "─";
    int label = text_columns(a->label) + 2, end = a->lost ? a->width * 3 / 4 : a->width;
    int before = (end - 1 - label) / 2, after;
    line[0] = 0;
    before = before < 1 ? 1 : before;
    after = end - 1 - label - before;
    after = after < 0 ? 0 : after;
    if (a->arrives_only && before > 6) {
        repeat(line, "  · ─ ", 1);
        repeat(line, dash, before - 6);
    } else {
        repeat(line, dash, before);
    }
    repeat(line, " ", 1);
    repeat(line, a->label, 1);
    repeat(line, " ", 1);
    if (a->leaves_only && after > 6) {
        repeat(line, dash, after - 6);
        repeat(line, " ─ ·   ", 1);
    } else {
        repeat(line, dash, after);
        repeat(line, a->lost || a->dropped ? "✗" : "▶", 1);
    }
    repeat(line, " ", a->width - text_columns(line));
}

static size_t char_bytes(const char *p)
{
    const char *after = p;
    (void)utf8_next(&after);
    return (size_t)(after - p);
}

/* Turns a line around, but not the words in it. */
static void mirror(const char *line, const char *label, char *out)
{
    const char *words = strstr(line, label), *p = line;
    size_t used = strlen(line);
    out[used] = 0;
    while (*p != 0) {
        size_t n = p == words ? strlen(label) : char_bytes(p);
        used -= n;
        if (strncmp(p, "▶", n) == 0 && n == 3) {
            memcpy(out + used, "◀", n);
        } else {
            memcpy(out + used, p, n);
        }
        p += n;
    }
}

static void draw_arrow(const struct ladder_row *row, int width, char *line)
{
    char label[WORDS_TEXT], right[LINE];
    const struct ladder_end *goal = &row->end[!row->from];
    struct arrow a = {
        .label = flags_words(row, label, sizeof(label)),
        .width = width,
        .to_left = row->from == RIGHT,
        .lost = row_lost(row),
        .leaves_only = row->arrive == NULL && !row_lost(row),
        .arrives_only = row->depart == NULL,
        .dropped = goal->drop != NULL,
        .copy = row->copy,
    };
    if (!a.to_left) {
        draw_right(&a, line);
        return;
    }
    draw_right(&a, right);
    mirror(right, label, line);
}

/* Breaks a text into lines of a block's column. Returns how many there are then. */
static int fold(const char *text, int columns, int count, char lines[][LINE])
{
    while (*text != 0 && count < LINES) {
        const char *start = text;
        size_t len = text_line(&text, columns);
        snprintf(lines[count++], LINE, "%.*s", (int)(len < LINE ? len : LINE - 1), start);
    }
    return count;
}

static void cell_line(struct block *block, int side, const char *text)
{
    int *n = &block->cell_count[side];
    if (*n < LINES && *text != 0) snprintf(block->cell[side][(*n)++], 96, "%s", text);
}

/* Where something leaves, its cause comes first and then the state; where it arrives, the
 * state and then what the application gets of it. */
static void fill_cell(struct block *block, const struct ladder_row *row, int side)
{
    const struct ladder_end *end = &row->end[side];
    bool arrival = row->arrive != NULL && side != row->from;
    char text[WORDS_TEXT];
    if (!end->here) return;
    if (arrival && end->changed) cell_line(block, side, nod_state_name(end->after));
    if (arrival && end->drop != NULL) cell_line(block, side, _("dropped"));
    for (int i = 0; i < end->act_count; i++)
        cell_line(block, side, act_words(end->acts[i], text, sizeof(text)));
    if (!arrival && end->changed) cell_line(block, side, nod_state_name(end->after));
}

static void fill_block(const struct text_view *view, const struct layout *l,
                       const struct ladder_row *row, struct block *block)
{
    char text[SENTENCE_TEXT];
    *block = (struct block){0};
    fill_cell(block, row, LEFT);
    fill_cell(block, row, RIGHT);
    if (row->depart != NULL || row->arrive != NULL) {
        draw_arrow(row, l->area, block->area[block->area_count++]);
        if (row->depart != NULL) {
            numbers_words(row, text, sizeof(text));
            block->area_count = fold(text, l->area - 2, block->area_count, block->area);
            options_words(row, text, sizeof(text));
            block->area_count = fold(text, l->area - 2, block->area_count, block->area);
        }
    }
    sentence_write(&row->sentence, &view->picture->teller, text, sizeof(text));
    block->note_count =
        fold(text, l->note > 0 ? l->note : view->width - l->margin - 1, 0, block->note);
    block->count = block->area_count;
    for (int side = 0; side < 2; side++) {
        if (block->cell_count[side] > block->count) block->count = block->cell_count[side];
    }
    if (l->note > 0 && block->note_count > block->count) block->count = block->note_count;
    if (block->count == 0) block->count = 1;
}

static bool is_state(const char *text)
{
    for (int s = 0; s <= NOD_TIME_WAIT; s++) {
        if (strcmp(text, nod_state_name((enum nod_state)s)) == 0) return true;
    }
    return false;
}

static void wait_a_little(const struct text_view *view, double seconds)
{
    struct timespec span;
    if (!view->flows) return;
    seconds /= view->speed;
    span.tv_sec = (time_t)seconds;
    span.tv_nsec = (long)((seconds - (double)span.tv_sec) * 1e9);
    fflush(view->out);
    nanosleep(&span, NULL);
}

/* The arrow line between its lanes; `shown` columns of it, from the end at which it starts. */
static void arrow_line(const struct text_view *view, const struct layout *l,
                       const struct ladder_row *row, const char *line, int shown)
{
    const char *p = line;
    int skip = row->from == RIGHT ? l->area - shown : 0, column = 0;
    style(view, row_lost(row) ? "\033[31m" : colour_of(row_look(row)));
    while (*p != 0) {
        size_t n = char_bytes(p);
        const char *at = p;
        int width = char_columns(utf8_next(&at));
        bool visible = column >= skip && column < skip + shown;
        if (visible) {
            fwrite(p, 1, n, view->out);
        } else {
            blanks(view, width);
        }
        column += width;
        p += n;
    }
    style(view, PLAIN);
}

static void left_part(const struct text_view *view, const struct layout *l,
                      const struct ladder_row *row, const struct block *block, int i)
{
    char time[32] = "";
    const char *cell = i < block->cell_count[LEFT] ? block->cell[LEFT][i] : "";
    if (i == 0 && row->end[LEFT].here && l->time > 1)
        time_words(row->end[LEFT].time, time, sizeof(time));
    field(view, time, l->time - 1, true, DIM);
    blanks(view, 1);
    field(view, cell, CELL - 1, true, is_state(cell) ? BOLD : "");
    blanks(view, 1);
}

static void right_part(const struct text_view *view, const struct layout *l,
                       const struct ladder_row *row, const struct block *block, int i)
{
    char time[32] = "";
    const char *cell = i < block->cell_count[RIGHT] ? block->cell[RIGHT][i] : "";
    const char *note = l->note > 0 && i < block->note_count ? block->note[i] : "";
    if (i == 0 && row->end[RIGHT].here && l->time > 1)
        time_words(row->end[RIGHT].time, time, sizeof(time));
    if (*cell == 0 && *time == 0 && *note == 0) return;
    blanks(view, 1);
    field(view, cell, *time != 0 || *note != 0 ? CELL - 1 : 0, false, is_state(cell) ? BOLD : "");
    if (*time == 0 && *note == 0) return;
    field(view, time, l->time, true, DIM);
    if (*note == 0) return;
    blanks(view, 2);
    field(view, note, 0, false, "");
}

static void middle(const struct text_view *view, const struct layout *l,
                   const struct ladder_row *row, const struct block *block, int i)
{
    const char *line = i < block->area_count ? block->area[i] : "";
    bool arrow = i == 0 && block->area_count > 0;
    const char *lane = row->remark != NULL ? "┊" : "│";
    fputs(lane, view->out);
    if (arrow) {
        arrow_line(view, l, row, line, l->area);
    } else if (row->from == RIGHT) {
        field(view, line, l->area - 1, true, DIM);
        blanks(view, 1);
    } else {
        blanks(view, 1);
        field(view, line, l->area - 1, false, DIM);
    }
    fputs(lane, view->out);
}

/* The arrow's line while its head is between the lanes, to be printed over. */
static void growing_line(const struct text_view *view, const struct layout *l,
                         const struct ladder_row *row, const struct block *block, int shown)
{
    struct block bare = *block;
    struct ladder_row left = *row;
    if (row->from != LEFT) {
        bare.cell_count[LEFT] = 0; /* nothing has arrived there yet */
        left.end[LEFT].here = false;
    }
    left_part(view, l, &left, &bare, 0);
    fputs("│", view->out);
    arrow_line(view, l, row, block->area[0], shown);
    fputs("│\r", view->out);
}

/* Lets the arrow grow from its start before the whole line is printed over it. */
static void animate(const struct text_view *view, const struct layout *l,
                    const struct ladder_row *row, const struct block *block)
{
    if (!view->flows || !view->colour || block->area_count == 0) return;
    for (int shown = 0; shown < l->area; shown += 2) {
        growing_line(view, l, row, block, shown);
        wait_a_little(view, 0.012);
    }
}

static void print_pause(struct text_view *view, const struct layout *l,
                        const struct ladder_row *row)
{
    char text[WORDS_TEXT];
    nod_usec now = row_time(row);
    if (!view->times || !view->drawn || now < view->last + PAUSE_SHOWN) return;
    pause_words(now - view->last, text, sizeof(text));
    int free = l->area - text_columns(text) - 4, left = free / 2;
    blanks(view, l->time + CELL);
    fputs("┊", view->out);
    blanks(view, left);
    style(view, DIM);
    fprintf(view->out, "⋯ %s ⋯", text);
    style(view, PLAIN);
    blanks(view, free - left);
    fputs("┊\n", view->out);
    wait_a_little(view, 0.8);
}

void text_row(struct text_view *view, const struct ladder_row *row)
{
    struct layout l = layout_of(view);
    struct block block;
    print_pause(view, &l, row);
    fill_block(view, &l, row, &block);
    animate(view, &l, row, &block);
    for (int i = 0; i < block.count; i++) {
        left_part(view, &l, row, &block, i);
        middle(view, &l, row, &block, i);
        right_part(view, &l, row, &block, i);
        fputc('\n', view->out);
    }
    for (int i = 0; l.note == 0 && i < block.note_count; i++) {
        blanks(view, l.margin);
        field(view, block.note[i], 0, false, DIM);
        fputc('\n', view->out);
    }
    for (int side = 0; side < 2; side++) {
        if (row->end[side].here && (!view->drawn || row->end[side].time > view->last))
            view->last = row->end[side].time;
    }
    view->drawn = true;
    wait_a_little(view, 0.25 + 0.012 * text_columns(block.note_count > 0 ? block.note[0] : ""));
}

void text_growing(struct text_view *view, const struct ladder_row *row, double part)
{
    struct layout l = layout_of(view);
    struct block block;
    if (!view->colour || row->depart == NULL) return;
    print_pause(view, &l, row);
    view->last = row_time(row);
    struct ladder_row whole = *row;
    whole.arrive = row->depart; /* drawn with its head */
    fill_block(view, &l, &whole, &block);
    growing_line(view, &l, row, &block, (int)(part * l.area));
    fflush(view->out);
}

static void head_line(const struct text_view *view, const struct layout *l, const char *left,
                      const char *right, const char *escape)
{
    int half = l->time + CELL + 1 + l->area / 2;
    int place = l->time + CELL + (text_columns(left) + 1) / 2;
    field(view, left, place < half - 1 ? place : half - 1, true, escape);
    int used = place < half - 1 ? place : half - 1;
    int goal = l->time + CELL + 1 + l->area - text_columns(right) / 2;
    blanks(view, goal > used + 1 ? goal - used : 1);
    field(view, right, 0, false, escape);
    fputc('\n', view->out);
}

void text_head(struct text_view *view)
{
    struct layout l = layout_of(view);
    const struct picture *picture = view->picture;
    const char *texts[2] = {picture->title, picture->under};
    char lines[LINES][LINE];
    for (int t = 0; t < 2; t++) {
        int n = texts[t] != NULL ? fold(texts[t], view->width - 1, 0, lines) : 0;
        for (int i = 0; i < n; i++) {
            style(view, t == 0 ? BOLD : DIM);
            fputs(lines[i], view->out);
            style(view, PLAIN);
            fputc('\n', view->out);
        }
    }
    fputc('\n', view->out);
    head_line(view, &l, picture->teller.name[LEFT], picture->teller.name[RIGHT], BOLD);
    head_line(view, &l, picture->address[LEFT], picture->address[RIGHT], DIM);
}

void text_foot(struct text_view *view)
{
    char text[WORDS_TEXT];
    fprintf(view->out, "\n%s\n", summary_words(view->picture->ladder, text, sizeof(text)));
    fflush(view->out);
}
