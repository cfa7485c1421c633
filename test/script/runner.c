/* Conversation scripts: a peer's segments and ours in virtual time.
 *
 * A line is a time and what happens then:
 *     +0.1 < Flags [S], seq 0, win 65535, options [mss 1460], length 0      from the peer
 *     +0   > Flags [S.], seq 0, ack 1, length 0                             expected from nod
 *     +0   send 1000 -> 1000                                 a user's call and its result
 *     +0   state ESTABLISHED                                 and event, status, drop
 * `+0.1` is seconds after the line before; a time without the plus counts from the start.
 * Whatever nod sends must stand in the script, at its time. What an expected segment does not
 * mention is not looked at; `*` in its options stands for any word. Segments from the peer at
 * one moment arrive as one batch. Numbers are relative to each side's initial one, and
 * timestamps of nod to its first. Several connections have names: `open ... as b`,
 * `> b: Flags [S]`, `send 5 on b`. Lines without a time come first and set the stage: config
 * NAME VALUE, nod ADDRESS, peer [NAME] PORT to PORT, mtu N, tolerance SECONDS. `#` begins a
 * comment. `< icmp CODE` is a destination unreachable about nod's last packet; `< too-big MTU
 * [seq N] [size N]` says that it was too big, or that one at N was. `< badsum Flags ...` has a
 * wrong checksum. `restart` begins a new incarnation, `reboot` is nod's. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "checks.h"
#include "settings.h"
#include "stage.h"
#include "words.h"

#define LINE_MAX_BYTES 1000

struct script {
    struct stage stage;
    bool booted, calling; /* calling: the line before was a call, at this moment */
    bool receiving;       /* or a segment from the peer */
};

static double seconds(nod_usec time)
{
    return (double)(time - STAGE_EPOCH) / 1e6;
}

/* "NAME: rest" names a flow. */
static struct flow *take_flow(struct stage *stage, char **text)
{
    char *colon = strchr(*text, ':'), *space = strchr(*text, ' ');
    struct flow *flow;

    if (!colon || colon[1] != ' ' || (space && space < colon)) {
        return &stage->flow[0];
    }
    *colon = 0;
    flow = stage_flow(stage, *text);
    if (!flow) {
        stage_fail(stage, "there is no flow \"%s\"", *text);
    }
    *text = colon + 2;
    return flow;
}

static bool inject_icmp(struct stage *stage, struct flow *flow, const char *code)
{
    static uint8_t bytes[512];

    return stage_inject_bytes(stage, bytes,
                              packet_icmp(flow, (unsigned)strtoul(code, NULL, 10), bytes));
}

static bool inject_too_big(struct stage *stage, struct flow *flow, char *text)
{
    static uint8_t bytes[512];
    struct words w = words_split(text);
    const char *seq = words_take(&w, "seq"), *size = words_take(&w, "size");
    struct too_big what = {
        .has_seq = seq != NULL,
        .seq = seq ? (uint32_t)strtoul(seq, NULL, 10) : 0,
        .size = size ? (uint32_t)strtoul(size, NULL, 10) : 0,
    };

    if (w.count != 2) {
        return stage_fail(stage, "too-big MTU [seq N] [size N]");
    }
    what.mtu = (uint32_t)strtoul(w.word[1], NULL, 10);
    return stage_inject_bytes(stage, bytes, packet_too_big(flow, &what, bytes));
}

static bool run_inject(struct stage *stage, char *text)
{
    struct flow *flow = take_flow(stage, &text);
    bool bad_sum = strncmp(text, "badsum ", 7) == 0;
    struct segment segment;
    const char *wrong;

    if (!flow) {
        return false;
    }
    if (strncmp(text, "icmp ", 5) == 0) {
        return inject_icmp(stage, flow, text + 5);
    } else if (strncmp(text, "too-big ", 8) == 0) {
        return inject_too_big(stage, flow, text);
    }
    if ((wrong = segment_parse(text + (bad_sum ? 7 : 0), &segment))) {
        return stage_fail(stage, "%s", wrong);
    }
    return stage_inject(stage, flow, &segment, bad_sum);
}

static bool came_in_time(const struct stage *stage, nod_usec expected, nod_usec came)
{
    return came + stage->tolerance >= expected && came <= expected + stage->tolerance;
}

static bool run_expect(struct stage *stage, char *text)
{
    nod_usec expected = stage->now;
    struct flow *flow = take_flow(stage, &text);
    struct segment segment;
    struct seen seen;
    char came[SEGMENT_TEXT];
    const char *wrong = segment_parse(text, &segment);

    if (!flow || wrong) {
        return stage_fail(stage, "%s", wrong);
    }
    if (stage->seen_count == 0 && stage->tolerance > 0 &&
        (!stage_advance(stage, expected + stage->tolerance) || !stage_settle(stage))) {
        return false;
    }
    if (!stage_take_seen(stage, &seen)) {
        nod_usec next = nod_stack_deadline(stage->stack);

        return stage_fail(stage, "expected: %s\n  came:     nothing (nod's next deadline: %.6f)",
                          text, next == NOD_NEVER ? -1 : seconds(next));
    }
    segment_format(&seen.segment, came);
    if (seen.flow != flow || !segment_matches(&segment, &seen.segment)) {
        return stage_fail(stage, "expected: %s\n  came:     %s%s%s", text, seen.flow->name,
                          seen.flow->name[0] ? ": " : "", came);
    }
    return came_in_time(stage, expected, seen.time) ||
           stage_fail(stage, "expected: %s\n  at %.6f, and it came at %.6f", text,
                      seconds(expected), seconds(seen.time));
}

/* Whatever was sent and not expected is a failure. */
static bool nothing_left(struct stage *stage)
{
    struct seen seen;
    char came[SEGMENT_TEXT];

    if (!stage_take_seen(stage, &seen)) {
        return true;
    }
    return stage_fail(stage, "unexpected, at %.6f: %s%s%s", seconds(seen.time), seen.flow->name,
                      seen.flow->name[0] ? ": " : "", segment_format(&seen.segment, came));
}

/* Before the line, at its time: what came before it must have had its effect. */
static bool arrive_at(struct script *script, nod_usec time, bool calling, bool receiving)
{
    struct stage *stage = &script->stage;
    bool same = time == stage->now;

    if (time < stage->now) {
        return stage_fail(stage, "the time goes back");
    }
    if (!stage_advance(stage, time)) {
        return false;
    }
    if (!(same && ((calling && script->calling) || (receiving && script->receiving))) &&
        !stage_settle(stage)) {
        return false;
    }
    script->calling = calling;
    script->receiving = receiving;
    return true;
}

static bool run_at(struct script *script, nod_usec time, char *text)
{
    struct stage *stage = &script->stage;
    bool expecting = strncmp(text, "> ", 2) == 0, receiving = strncmp(text, "< ", 2) == 0;
    bool calling = calls_is_call(text);

    if (!script->booted && !(script->booted = stage_boot(stage))) {
        return false;
    }
    if (!arrive_at(script, time, calling, receiving)) {
        return false;
    }
    if (expecting) {
        return run_expect(stage, text + 2);
    }
    if (!nothing_left(stage)) {
        return false;
    }
    if (receiving) {
        return run_inject(stage, text + 2);
    }
    return calling ? calls_run(stage, text) : checks_run(stage, text);
}

static bool run_line(struct script *script, char *line)
{
    struct stage *stage = &script->stage;
    char *hash = strchr(line, '#'), *time = line + strspn(line, " \t"), *text;
    nod_usec when;

    if (hash) {
        *hash = 0;
    }
    for (size_t n = strlen(line); n > 0 && strchr(" \t\r\n", line[n - 1]); n--) {
        line[n - 1] = 0;
    }
    if (*time == 0 || (*time != '+' && (*time < '0' || *time > '9'))) {
        return script->booted && *time ? stage_fail(stage, "a line begins with a time")
                                       : settings_directive(stage, time);
    }
    text = time + strcspn(time, " \t");
    if (*text) {
        *text++ = 0;
    }
    text += strspn(text, " \t");
    if (!words_seconds(time + (*time == '+'), &when)) {
        return stage_fail(stage, "the time is not a number of seconds");
    }
    return run_at(script, when + (*time == '+' ? stage->now : STAGE_EPOCH), text);
}

static bool finish(struct script *script)
{
    return script->booted && stage_settle(&script->stage) && nothing_left(&script->stage);
}

/* Returns the number of the line that failed, or 0. */
static int run_lines(struct script *script, FILE *file, char *line)
{
    char copy[LINE_MAX_BYTES];
    int number = 0;

    while (fgets(line, LINE_MAX_BYTES, file)) {
        number++;
        line[strcspn(line, "\n")] = 0;
        memcpy(copy, line, sizeof copy);
        if (!run_line(script, copy)) {
            return number;
        }
    }
    snprintf(line, LINE_MAX_BYTES, "(the end of the script)");
    return finish(script) ? 0 : number + 1;
}

static bool run_script(const char *path, bool show)
{
    static struct script script;
    char line[LINE_MAX_BYTES] = "", *listing = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r"), *memory = open_memstream(&listing, &size);

    if (!file || !memory) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    memset(&script, 0, sizeof script);
    stage_open(&script.stage, memory);
    int failed = run_lines(&script, file, line);

    fclose(memory);
    fclose(file);
    if (failed) {
        fprintf(stderr, "FAIL %s:%d: %s\n  %s\n", path, failed, line,
                script.stage.why[0] ? script.stage.why : "the script says nothing");
        fprintf(stderr, "so far (> from nod, < from the peer):\n%s", listing);
    } else if (show) {
        printf("%s\n%s", path, listing);
    }
    stage_close(&script.stage);
    free(listing);
    return failed == 0;
}

/* For scripts/conformance: "pass script/open-close". */
static void print_result(const char *path, bool good)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    printf("%s script/%.*s\n", good ? "pass" : "fail", (int)strcspn(name, "."), name);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0, first = 1;
    bool show = argc > 1 && strcmp(argv[1], "--show") == 0;
    bool results = argc > 1 && strcmp(argv[1], "--results") == 0;

    first += show || results;
    if (argc <= first) {
        fprintf(stderr, "usage: %s [--show | --results] FILE.script ...\n", argv[0]);
        return 2;
    }
    for (int i = first; i < argc; i++) {
        bool good = run_script(argv[i], show);

        if (results) {
            print_result(argv[i], good);
        }
        if (good) {
            passed++;
        } else {
            failed++;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
