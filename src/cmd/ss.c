/* `nod ss`: the connections of running stacks, in the format that people know from ss(8). */
#include "ss.h"

#include "cmd.h"
#include "tr.h"

#include <stdio.h>

const char *ss_timer(const nod_status *status)
{
    switch (status->timer) {
    case NOD_TIMER_RETRANSMIT:
    case NOD_TIMER_REORDER:
    case NOD_TIMER_LOSS_PROBE:
    case NOD_TIMER_PACING: return "on";
    case NOD_TIMER_PERSIST:
    case NOD_TIMER_SWS_OVERRIDE: return "persist";
    case NOD_TIMER_TIME_WAIT:
    case NOD_TIMER_FIN_WAIT_2: return "timewait";
    case NOD_TIMER_USER: return "user";
    case NOD_TIMER_DELAYED_ACK: return "ack";
    case NOD_TIMER_KEEPALIVE: return "keepalive";
    case NOD_TIMER_NONE: break;
    }
    return NULL;
}

/* Nothing is left out in silence. */
static void tell_left_out(struct stacks *stacks)
{
    for (int i = 0; i < stacks->count; i++) {
        if (stacks->list[i].left_out == 0) continue;
        fprintf(stderr, _("nod ss: process %d has %u connections more than can be shown.\n"),
                stacks->list[i].pid, stacks->list[i].left_out);
        stacks->incomplete = true;
    }
}

static int print_all_json(const struct stacks *stacks, const struct ss_options *options)
{
    json_t *root = stacks_json(stacks);
    for (int i = 0; i < stacks->count; i++)
        ss_describe(&stacks->list[i], options,
                    json_array_get(json_object_get(root, "stacks"), (size_t)i));
    return stacks_print_json(stacks, "ss", root);
}

int cmd_ss(int argc, char **argv)
{
    struct ss_options options;
    struct stacks stacks;
    int code = ss_options_read(argc, argv, &options);
    if (code >= 0) return code;
    if (!stacks_gather(&stacks, "ss")) {
        stacks_free(&stacks);
        return CMD_FAILED;
    }
    tell_left_out(&stacks);
    if (options.json) {
        code = print_all_json(&stacks, &options);
    } else {
        ss_print(&stacks, &options);
        code = stacks_end(&stacks, "ss");
    }
    stacks_free(&stacks);
    return code;
}
