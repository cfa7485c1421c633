/* The body is drawn first, from top to bottom, into memory; then its height is known and the
 * document can be written around it. */
#include "render_svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "svg.h"
#include "tr.h"

#define NOTE_WIDTH 60 /* columns of a sentence */
#define OPTIONS_WIDTH 52
#define NOTE_LEADING 19.0
#define GAP 30.0        /* between two points of one lane */
#define ARROW_ROOM 46.0 /* below its start, with a line of numbers */
#define TOP 168.0
#define SLOPE_LEAST 12.0
#define SLOPE_MOST 44.0
#define SLOPE_A_MS 1.4
#define SAME_MOMENT (5 * NOD_MSEC)
#define KNOT_SLOPE 96.0 /* of arrows that cross in the middle: room for texts between them */

/* Where everything stands, from left to right. */
static const double lane_x[2] = {232, 612};
static const double time_x[2] = {84, 780};
#define NOTE_X 812.0
#define WIDTH 1240.0

struct sketch {
    FILE *out;
    FILE *labels; /* texts along arrows: they are to lie over all lines */
    const struct picture *picture;
    double lane_y[2];  /* of the last point of each lane */
    double state_y[2]; /* since when it has been in its state */
    uint8_t state[2];
    double free_y;  /* where the next row may begin */
    double note_y;  /* and its sentence */
    int knot;       /* rows that are still to come of two arrows that cross in the middle */
    double knot_y;  /* where the first left */
    double *left_y; /* of each row: where its arrow left */
    nod_usec last;
};

static const char *ink_of(enum segment_look look)
{
    switch (look) {
    case LOOK_OPEN: return "#1668b8";
    case LOOK_DATA: return "#b45f06";
    case LOOK_ACK: return "#3d8b4f";
    case LOOK_CLOSE: return "#8a3fa0";
    case LOOK_RESET: return "#c62828";
    }
    return "#000";
}

static const char *state_ink(uint8_t state)
{
    switch ((enum nod_state)state) {
    case NOD_CLOSED: return "#c3c9d1";
    case NOD_LISTEN: return "#93a4b8";
    case NOD_SYN_SENT:
    case NOD_SYN_RECEIVED: return "#5b9bd9";
    case NOD_ESTABLISHED: return "#5aa86c";
    case NOD_FIN_WAIT_1:
    case NOD_FIN_WAIT_2:
    case NOD_CLOSE_WAIT:
    case NOD_CLOSING:
    case NOD_LAST_ACK: return "#b07cc2";
    case NOD_TIME_WAIT: return "#e0a03c";
    }
    return "#c3c9d1";
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* --- lanes and what stands beside them --- */

static void lane_to(struct sketch *s, int side, double y)
{
    svg_line(s->out, lane_x[side], s->state_y[side], lane_x[side], y, state_ink(s->state[side]), 5,
             "");
    s->state_y[side] = y;
}

static void pill(struct sketch *s, int side, double y, uint8_t state)
{
    const char *name = nod_state_name((enum nod_state)state);
    double width = 7.6 * (double)strlen(name) + 18;
    double x = side == LEFT ? lane_x[LEFT] - 14 - width : lane_x[RIGHT] + 14;
    svg_pill(s->out, x, y - 11, width, 22, state_ink(state));
    svg_text(s->out, x + width / 2, y + 4.2, "pill", "middle", name);
}

static void act_text(struct sketch *s, int side, double y, const char *text, const char *class)
{
    double x = side == LEFT ? lane_x[LEFT] - 16 : lane_x[RIGHT] + 16;
    svg_text(s->out, x, y + 4.2, class, side == LEFT ? "end" : "start", text);
}

/* One end's part in a row, at height y. What caused a departure stands above the state that
 * it led to, what came of an arrival below. Returns the height that it reaches down to. */
static double draw_end(struct sketch *s, const struct ladder_row *row, int side, double y)
{
    const struct ladder_end *end = &row->end[side];
    char text[WORDS_TEXT];
    bool arrival = row->arrive != NULL && side != row->from;
    double at = y;
    if (!end->here) return s->lane_y[side];
    svg_text(s->out, time_x[side], y + 4.2, "time", "end",
             time_words(end->time, text, sizeof(text)));
    if (!arrival) {
        for (int i = 0; i < end->act_count; i++, at += 21)
            act_text(s, side, at, act_words(end->acts[i], text, sizeof(text)), "act");
    }
    if (end->changed) {
        lane_to(s, side, y);
        s->state[side] = end->after;
        pill(s, side, at, end->after);
        at += 24;
    }
    if (end->drop != NULL) {
        act_text(s, side, at, _("dropped"), "bad");
        at += 21;
    }
    for (int i = 0; arrival && i < end->act_count; i++, at += 21)
        act_text(s, side, at, act_words(end->acts[i], text, sizeof(text)), "act");
    svg_dot(s->out, lane_x[side], y, row->remark != NULL ? "#c62828" : "#333a44");
    return at > y ? at - 21 : y;
}

/* --- arrows --- */

static void cross(FILE *out, double x, double y)
{
    svg_line(out, x - 6, y - 6, x + 6, y + 6, "#c62828", 2.6, "");
    svg_line(out, x - 6, y + 6, x + 6, y - 6, "#c62828", 2.6, "");
}

/* Texts along an arrow: above it its flags, below its numbers and options. */
static void label_texts(FILE *out, const struct ladder_row *row, const char *anchor, int width)
{
    char text[WORDS_TEXT];
    const char *rest = text;
    svg_text(out, 0, -7, "flags", anchor, flags_words(row, text, sizeof(text)));
    svg_text(out, 0, 15, "numbers", anchor, numbers_words(row, text, sizeof(text)));
    options_words(row, text, sizeof(text));
    for (double at = 29; *rest != 0; at += 13) {
        char line[WORDS_TEXT];
        const char *start = rest;
        size_t len = text_line(&rest, width);
        snprintf(line, sizeof(line), "%.*s", (int)len, start);
        svg_text(out, 0, at, "options", anchor, line);
    }
}

/* Does another arrow, cut in two, run across this one? */
static bool is_crossed(const struct ladder *ladder, const struct ladder_row *row)
{
    for (int i = 0; i < ladder->row_count; i++) {
        const struct ladder_row *late = &ladder->rows[i];
        if (late->depart != NULL || late->origin == NULL || late <= row) continue;
        for (const struct ladder_row *early = ladder->rows; early < row; early++) {
            if (early->depart == late->origin) return true;
        }
    }
    return false;
}

/* In the middle; but where arrows cross, at the end from which this one comes. */
static void label_arrow(struct sketch *s, const struct ladder_row *row, double x0, double y0,
                        double x1, double y1)
{
    bool to_left = x1 < x0;
    bool crosses = row->depart == NULL || is_crossed(s->picture->ladder, row);
    double slope = (y1 - y0) / (x1 - x0), turn = atan(slope) * 180 / 3.14159265358979;
    double x = lane_x[LEFT] + (lane_x[RIGHT] - lane_x[LEFT]) / 2;
    if (row_lost(row)) x += to_left ? 60 : -60;
    if (crosses) x = x0 + (to_left ? -12 : 12);
    svg_turn(s->labels, x, y0 + slope * (x - x0), turn);
    label_texts(s->labels, row,
                !crosses  ? "middle"
                : to_left ? "end"
                          : "start",
                crosses ? OPTIONS_WIDTH / 2 : OPTIONS_WIDTH);
    svg_end(s->labels);
}

static void draw_arrow(struct sketch *s, const struct ladder_row *row, double y0, double y1)
{
    const char *ink = ink_of(row_look(row)), *dash = row->copy ? "5 5" : "";
    int to = !row->from;
    double way = lane_x[to] - lane_x[row->from], side = way > 0 ? 1 : -1;
    double x0 = lane_x[row->from] + 5 * side, x1 = lane_x[to] - 6 * side;
    if (row_lost(row)) {
        double x = x0 + 0.68 * way, y = y0 + 0.68 * (y1 - y0);
        svg_line(s->out, x0, y0, x, y, ink, 2, dash);
        cross(s->out, x, y);
        label_arrow(s, row, x0, y0, x1, y1);
        return;
    }
    svg_line(s->out, x0, y0, x1, y1, ink, 2, dash);
    svg_head(s->out, x1, y1, atan2(y1 - y0, x1 - x0), ink);
    if (row->end[to].drop != NULL) cross(s->out, x1 - 22 * side, y1 - 22 * (y1 - y0) / fabs(way));
    label_arrow(s, row, x0, y0, x1, y1);
}

static double slope_of(nod_usec flight)
{
    double y = SLOPE_LEAST + SLOPE_A_MS * (double)flight / (double)NOD_MSEC;
    return y > SLOPE_MOST ? SLOPE_MOST : y;
}

/* The row in which the arrow of this row's packet left. */
static double departure_y(const struct sketch *s, const struct ladder_row *row, double y)
{
    const struct ladder *ladder = s->picture->ladder;
    for (int i = 0; i < ladder->row_count; i++) {
        if (row->origin != NULL && ladder->rows[i].depart == row->origin) return s->left_y[i];
    }
    return y - SLOPE_LEAST;
}

/* --- rows --- */

static double draw_note(struct sketch *s, const struct ladder_row *row, double y)
{
    char text[SENTENCE_TEXT], line[SENTENCE_TEXT];
    const char *rest = text;
    sentence_write(&row->sentence, &s->picture->teller, text, sizeof(text));
    for (; *rest != 0; y += NOTE_LEADING) {
        const char *start = rest;
        size_t len = text_line(&rest, NOTE_WIDTH);
        snprintf(line, sizeof(line), "%.*s", (int)len, start);
        svg_text(s->out, NOTE_X, y + 4.5, "note", "start", line);
    }
    return y;
}

static void draw_pause(struct sketch *s, const struct ladder_row *row)
{
    char text[WORDS_TEXT], words[WORDS_TEXT + 16];
    nod_usec now = row_time(row);
    if (now < s->last + PAUSE_SHOWN) return;
    double y = larger(larger(s->lane_y[LEFT], s->lane_y[RIGHT]) + 20,
                      larger(s->free_y, s->note_y) - 8),
           end = y + 34;
    pause_words(now - s->last, text, sizeof(text));
    snprintf(words, sizeof(words), "⋯ %s ⋯", text);
    for (int side = 0; side < 2; side++) {
        lane_to(s, side, y);
        svg_line(s->out, lane_x[side], y, lane_x[side], end, state_ink(s->state[side]), 5, "2 7");
        s->state_y[side] = s->lane_y[side] = end;
    }
    svg_text(s->out, (lane_x[LEFT] + lane_x[RIGHT]) / 2, y + 21, "pause", "middle", words);
    s->free_y = larger(s->free_y, end + GAP - 8);
}

/* How far below an arrow's start its texts reach. */
static double texts_room(const struct ladder_row *row, bool crosses)
{
    char text[WORDS_TEXT];
    const char *rest = row->depart != NULL ? options_words(row, text, sizeof(text)) : "";
    double room = ARROW_ROOM;
    for (; *rest != 0; room += 14)
        (void)text_line(&rest, crosses ? OPTIONS_WIDTH / 2 : OPTIONS_WIDTH);
    return room;
}

/* Do two ends send in the same moment, so that their arrows cross in the middle? */
static bool begins_knot(const struct sketch *s, const struct ladder_row *row)
{
    const struct ladder_row *next = row + 1, *end = s->picture->ladder->rows;
    end += s->picture->ladder->row_count;
    if (row->depart == NULL || row->arrive != NULL || next >= end) return false;
    return next->from != row->from && next->depart != NULL && next->arrive != NULL &&
           next->depart->trace.time - row->depart->trace.time <= SAME_MOMENT;
}

/* Heights of the arrow that crosses, and of the arrival of the one that it crossed: what
 * happened at once stands side by side, and sentences may lag behind. */
static void place_in_knot(const struct sketch *s, const struct ladder_row *row, double y[2])
{
    int from = row->from, to = !from;
    y[from] = row->depart == NULL ? departure_y(s, row, s->knot_y)
                                  : larger(s->lane_y[from] + GAP, s->knot_y);
    y[to] = larger(y[from] + KNOT_SLOPE, s->lane_y[to] + GAP);
}

static void place(const struct sketch *s, const struct ladder_row *row, double y[2])
{
    int from = row->from, to = !from;
    nod_usec flight = row->arrive != NULL ? row->end[to].time - row->end[from].time : 10 * NOD_MSEC;
    y[from] = y[to] = larger(s->lane_y[from] + GAP, larger(s->free_y, s->note_y));
    if (row->depart == NULL && row->arrive == NULL) return;
    if (row->depart == NULL) {
        y[to] = larger(s->lane_y[to] + GAP, larger(s->free_y, s->note_y));
        y[from] = departure_y(s, row, y[to]);
        return;
    }
    y[to] += slope_of(flight);
    if (y[to] < s->lane_y[to] + GAP) {
        y[from] += s->lane_y[to] + GAP - y[to];
        y[to] = s->lane_y[to] + GAP;
    }
}

static void draw_row(struct sketch *s, const struct ladder_row *row, int number)
{
    int from = row->from;
    double y[2], low[2];
    bool arrow = row->depart != NULL || row->arrive != NULL, knot = s->knot > 0 && arrow;
    if (!knot) draw_pause(s, row);
    if (knot) {
        place_in_knot(s, row, y);
    } else {
        place(s, row, y);
    }
    if (row->depart != NULL) s->left_y[number] = y[from];
    s->knot -= s->knot > 0;
    if (begins_knot(s, row)) {
        s->knot = 2;
        s->knot_y = y[from];
    }
    knot |= s->knot > 0;
    if (arrow && (row->arrive != NULL || row_lost(row))) draw_arrow(s, row, y[from], y[!from]);
    for (int side = 0; side < 2; side++) {
        low[side] = draw_end(s, row, side, y[side]);
        if (row->end[side].here) s->lane_y[side] = low[side];
        if (row->end[side].here && row->end[side].time > s->last) s->last = row->end[side].time;
    }
    double start = row->depart != NULL || !arrow ? y[from] : y[!from];
    s->note_y = larger(s->note_y, start);
    s->note_y = larger(s->note_y, draw_note(s, row, s->note_y) + 12);
    s->free_y = larger(s->free_y, start + (arrow ? texts_room(row, knot) : 24));
}

static void draw_head(struct sketch *s, FILE *out)
{
    const struct picture *p = s->picture;
    const char *rest = p->title;
    double y = 52;
    for (; *rest != 0; y += 30) {
        char line[512];
        const char *start = rest;
        size_t len = text_line(&rest, 96);
        snprintf(line, sizeof(line), "%.*s", (int)(len < 500 ? len : 500), start);
        svg_text(out, 48, y, "title", "start", line);
    }
    if (p->under != NULL) svg_text(out, 48, y - 4, "under", "start", p->under);
    for (int side = 0; side < 2; side++) {
        svg_text(out, lane_x[side], TOP - 38, "name", "middle", p->teller.name[side]);
        svg_text(out, lane_x[side], TOP - 20, "address", "middle", p->address[side]);
    }
    svg_text(out, time_x[LEFT], TOP - 20, "time", "end", _("seconds"));
    svg_text(out, time_x[RIGHT], TOP - 20, "time", "end", _("seconds"));
}

static void draw_legend(const struct sketch *s, FILE *out, double y)
{
    static const char *const words[] = {N_("opens"), N_("data"), N_("acknowledges"), N_("closes"),
                                        N_("resets")};
    char text[WORDS_TEXT];
    double x = 48;
    svg_line(out, 48, y - 30, WIDTH - 48, y - 30, "#e3e7ec", 1, "");
    for (int look = LOOK_OPEN; look <= LOOK_RESET; look++) {
        svg_line(out, x, y - 4, x + 26, y - 4, ink_of((enum segment_look)look), 2, "");
        svg_head(out, x + 30, y - 4, 0, ink_of((enum segment_look)look));
        svg_text(out, x + 38, y, "legend", "start", tr(words[look]));
        x += 58 + 7.0 * text_columns(tr(words[look]));
    }
    cross(out, x + 6, y - 4);
    svg_text(out, x + 20, y, "legend", "start", _("lost or dropped"));
    svg_text(out, WIDTH - 48, y, "legend", "end",
             summary_words(s->picture->ladder, text, sizeof(text)));
}

static void draw_body(struct sketch *s)
{
    const struct ladder *ladder = s->picture->ladder;
    for (int i = 0; i < ladder->row_count; i++) draw_row(s, &ladder->rows[i], i);
    double end =
        larger(larger(s->lane_y[LEFT], s->lane_y[RIGHT]) + 26, larger(s->free_y, s->note_y) - 8);
    lane_to(s, LEFT, end);
    lane_to(s, RIGHT, end);
    s->free_y = end;
}

/* Two texts that grow in memory while the picture is drawn. */
struct sheets {
    char *text[2];
    size_t size[2];
};

static bool open_sheets(struct sketch *s, struct sheets *sheets)
{
    s->left_y = calloc((size_t)s->picture->ladder->row_count + 1, sizeof(*s->left_y));
    s->out = open_memstream(&sheets->text[0], &sheets->size[0]);
    s->labels = open_memstream(&sheets->text[1], &sheets->size[1]);
    return s->left_y != NULL && s->out != NULL && s->labels != NULL;
}

static bool close_sheets(struct sketch *s)
{
    bool ok = s->out != NULL && fclose(s->out) == 0;
    return s->labels != NULL && fclose(s->labels) == 0 && ok;
}

int svg_write(const struct picture *picture, FILE *out)
{
    struct sketch s = {.picture = picture,
                       .lane_y = {TOP - 16, TOP - 16},
                       .state_y = {TOP - 8, TOP - 8},
                       .free_y = TOP + 12};
    struct sheets sheets = {0};
    bool drawn = open_sheets(&s, &sheets);
    if (drawn) draw_body(&s);
    drawn = close_sheets(&s) && drawn;
    if (drawn) {
        svg_begin(out, WIDTH, s.free_y + 84, tr_language(), picture->title);
        draw_head(&s, out);
        fwrite(sheets.text[0], 1, sheets.size[0], out);
        fwrite(sheets.text[1], 1, sheets.size[1], out);
        draw_legend(&s, out, s.free_y + 52);
        fputs("</svg>\n", out);
    }
    free(sheets.text[0]);
    free(sheets.text[1]);
    free(s.left_y);
    if (!drawn) return NOD_ENOMEM;
    return ferror(out) != 0 ? NOD_EIO : 0;
}
