/* nod watch: a connection from its first segment to its last, drawn. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "kernel.h"
#include "options.h"
#include "render_svg.h"
#include "render_text.h"
#include "tr.h"

#define WIDTH_PIPED 80
#define WIDTH_LEAST 64
#define WIDTH_MOST 200
#define WHY 256

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return WIDTH_PIPED;
    if (size.ws_col < WIDTH_LEAST) return WIDTH_LEAST;
    return size.ws_col < WIDTH_MOST ? size.ws_col : WIDTH_MOST;
}

static bool wants_colour(enum colour_when when)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    if (when != COLOUR_AUTO) return when == COLOUR_ALWAYS;
    return isatty(STDOUT_FILENO) && (none == NULL || *none == 0) &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

static struct text_view view_of(const struct watch_options *o, const struct picture *picture)
{
    bool terminal = isatty(STDOUT_FILENO);
    return (struct text_view){
        .out = stdout,
        .width = o->width != 0 ? o->width
                 : terminal    ? terminal_width()
                               : WIDTH_PIPED,
        .colour = wants_colour(o->colour),
        .times = true,
        .flows = terminal && !o->no_wait,
        .speed = o->speed,
        .picture = picture,
    };
}

/* What the two ends are called, on their lanes and within sentences. */
static void name_teller(struct teller *teller, bool story, bool equals)
{
    teller->story = story;
    if (story) {
        teller->name[LEFT] = teller->called[LEFT] = _("Ann");
        teller->name[RIGHT] = teller->called[RIGHT] = _("Ben");
    } else if (equals) {
        teller->name[LEFT] = teller->called[LEFT] = "A";
        teller->name[RIGHT] = teller->called[RIGHT] = "B";
    } else {
        teller->name[LEFT] = _("client");
        teller->name[RIGHT] = _("server");
        teller->called[LEFT] = _("the client");
        teller->called[RIGHT] = _("the server");
    }
}

static int write_svg(const char *path, const struct picture *picture)
{
    FILE *out = fopen(path, "w");
    int error = out == NULL ? NOD_EIO : svg_write(picture, out), saved = errno;
    if (out != NULL && fclose(out) != 0 && error == 0) {
        error = NOD_EIO;
        saved = errno;
    }
    if (error == 0) return CMD_OK;
    fprintf(stderr, _("nod watch: cannot write %s: %s.\n"), path, strerror(saved));
    return CMD_FAILED;
}

static int complain(const char *why)
{
    fflush(stdout);
    fprintf(stderr, "nod watch: %s.\n", why);
    return CMD_FAILED;
}

static int finish(const struct watch_options *o, const struct picture *picture)
{
    if (fflush(stdout) != 0 || ferror(stdout)) return complain(_("cannot write the picture"));
    return o->svg != NULL ? write_svg(o->svg, picture) : CMD_OK;
}

static int watch_scenario(const struct watch_options *o, const char *under)
{
    const struct scenario *scenario = o->scenario;
    struct ladder ladder = {0};
    char address[2][64] = {"", ""}, why[WHY] = "", title[WHY];
    struct picture picture = {.title = title, .under = under, .ladder = &ladder};
    int error = scenario_play(scenario, &o->world, &ladder, address, why), rc;

    snprintf(title, sizeof(title), "%s: %s", scenario->name, tr(scenario->what));
    name_teller(&picture.teller, o->story, scenario->equals);
    picture.address[LEFT] = address[LEFT];
    picture.address[RIGHT] = address[RIGHT];
    struct text_view view = view_of(o, &picture);
    text_head(&view);
    for (int i = 0; i < ladder.row_count; i++) text_row(&view, &ladder.rows[i]);
    text_foot(&view);
    rc = error < 0 ? complain(why) : finish(o, &picture);
    ladder_free(&ladder);
    return rc;
}

/* The kernel's side of the picture: rows are drawn as soon as they cannot change any more,
 * and on a terminal an arrow grows while its segment is on its way. */
struct live {
    struct text_view view;
    nod_usec delay; /* of a segment on its way */
    int drawn;
};

static void draw_growing(struct live *live, const struct ladder_row *row, nod_usec now)
{
    nod_usec since = now - row_time(row);
    if (!isatty(STDOUT_FILENO) || live->delay == 0 || row->arrive != NULL) return;
    text_growing(&live->view, row, since < live->delay ? (double)since / (double)live->delay : 1.0);
}

static void draw_settled(void *ctx, struct ladder *ladder, nod_usec now, nod_usec settled)
{
    struct live *live = ctx;
    ladder_build(ladder);
    for (; live->drawn < ladder->row_count; live->drawn++) {
        const struct ladder_row *row = &ladder->rows[live->drawn];
        if (settled != NOD_NEVER && row_last_time(row) >= settled) return;
        if (settled != NOD_NEVER && row->on_its_way) {
            draw_growing(live, row, now);
            return;
        }
        text_row(&live->view, row);
    }
}

static int watch_kernel(struct kernel_watch *kernel, const struct watch_options *o)
{
    struct ladder ladder = {0};
    char why[WHY] = "", address[2][64], under[WHY], span[64];
    struct picture picture = {.ladder = &ladder};
    int rc;

    picture.title = _("nod opens a connection to the Linux kernel's TCP, uses it and closes it.");
    name_teller(&picture.teller, o->story, false);
    if (!o->story) {
        picture.teller.name[LEFT] = picture.teller.called[LEFT] = "nod";
        picture.teller.name[RIGHT] = picture.teller.called[RIGHT] = "Linux";
    }
    snprintf(
        under, sizeof(under),
        _("The maximum segment lifetime (MSL) is set to %s here, and TIME-WAIT lasts twice that."),
        span_write(kernel->msl, span, sizeof(span)));
    picture.under = under;
    kernel_addresses(kernel, address);
    picture.address[LEFT] = address[LEFT];
    picture.address[RIGHT] = address[RIGHT];
    struct live live = {.view = view_of(o, &picture),
                        .delay = nod_path_get_config(kernel->path[LEFT])->delay_us};
    picture.teller.rough = !isatty(STDOUT_FILENO);
    live.view.times = isatty(STDOUT_FILENO); /* they differ from run to run */
    live.view.flows = false;                 /* it is as slow as it really is */
    if (kernel_capture(kernel, why) < 0) return complain(why);
    text_head(&live.view);
    kernel->draw = draw_settled;
    kernel->draw_ctx = &live;
    int error = kernel_run(kernel, &ladder, why);
    draw_settled(&live, &ladder, 0, NOD_NEVER);
    text_foot(&live.view);
    rc = error < 0 ? complain(why) : finish(o, &picture);
    ladder_free(&ladder);
    return rc;
}

int cmd_watch(int argc, char **argv)
{
    struct watch_options options;
    struct kernel_watch kernel;
    char why[WHY], under[WHY * 2];
    int rc = watch_options_read(argc, argv, &options);

    if (rc >= 0) return rc;
    if (options.scenario != NULL) return watch_scenario(&options, NULL);
    if (kernel_open(&kernel, &options, why) == 0) {
        rc = watch_kernel(&kernel, &options);
        kernel_close(&kernel);
        return rc;
    }
    options.scenario = scenario_find("open-close");
    snprintf(
        under, sizeof(under),
        _("The Linux kernel cannot be the other end here, so this is the simulator, with nod at "
          "both ends. %s."),
        why);
    return watch_scenario(&options, under);
}
