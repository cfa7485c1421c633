/* nod: the command. It only chooses the language and the subcommand. */
#include "cmd.h"
#include "tr.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#ifndef NOD_VERSION
#define NOD_VERSION "0.1.0"
#endif

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
};

static const struct command commands[] = {
    {"watch", cmd_watch, N_("open a connection, use it, close it, and draw what happens")},
    {"listen", cmd_listen, N_("wait for a connection and join it to standard input and output")},
    {"connect", cmd_connect, N_("open a connection and join it to standard input and output")},
    {"run", cmd_run, N_("run a program that exists with its TCP on nod")},
    {"netem", cmd_netem, N_("join two network devices by a link as bad as you like")},
    {"ss", cmd_ss, N_("list the connections of your stacks that run now")},
    {"stat", cmd_stat, N_("show what they have counted, and why they dropped packets")},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(void)
{
    fputs(_("nod is TCP in user space: a library, and this command to use it and watch it.\n"
            "\n"
            "Usage: nod COMMAND [OPTIONS]\n"
            "\n"
            "Commands:\n"),
          stdout);
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-9s %s\n", commands[i].name, tr(commands[i].what));
    fputs(_("\n"
            "Options:\n"
            "  --lang LANGUAGE   speak it, whatever the environment says: en, zh\n"
            "  --help            this text; nod COMMAND --help tells more\n"
            "  --version         the version\n"
            "\n"
            "Begin with: nod watch\n"),
          stdout);
}

static int refuse_command(const char *name)
{
    fprintf(stderr, _("nod: there is no command '%s'. There are:"), name);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(stderr, "%s %s", i == 0 ? "" : ",", commands[i].name);
    fprintf(stderr, _(". 'nod --help' says what they do.\n"));
    return CMD_USAGE;
}

static int refuse_language(const char *name)
{
    char list[256];
    fprintf(stderr, _("nod: no translation into '%s' was found. There are: %s.\n"), name,
            tr_available(list, sizeof(list)));
    return CMD_USAGE;
}

/* Takes --lang out of the arguments, wherever it stands, so that even complaints about the
 * others are in the right language. Returns 0 or an exit code. */
static int take_language(int *argc, char **argv)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        const char *value = NULL;
        /* What follows 'run' is partly another program's; it looks for itself. */
        if (strcmp(argv[i], "--") == 0 || (kept == 1 && strcmp(argv[i], "run") == 0)) {
            while (i < *argc) argv[kept++] = argv[i++];
            break;
        }
        if (strncmp(argv[i], "--lang=", 7) == 0) {
            value = argv[i] + 7;
        } else if (strcmp(argv[i], "--lang") == 0) {
            if (i + 1 == *argc) {
                fprintf(stderr, _("nod: --lang needs a language: en or zh.\n"));
                return CMD_USAGE;
            }
            value = argv[++i];
        } else {
            argv[kept++] = argv[i];
            continue;
        }
        if (!tr_use(value)) return refuse_language(value);
    }
    *argc = kept;
    argv[kept] = NULL;
    return CMD_OK;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    tr_use_environment();
    int rc = take_language(&argc, argv);
    if (rc != CMD_OK) return rc;
    if (argc < 2) {
        fprintf(stderr, _("nod: say what to do: 'nod watch' shows a connection from its first "
                          "segment to its last; 'nod --help' lists the rest.\n"));
        return CMD_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help();
        return CMD_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("nod %s\n", NOD_VERSION);
        return CMD_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    }
    return refuse_command(argv[1]);
}
