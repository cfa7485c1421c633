/* cmd.h: the command `nod`: its subcommands, and what they share. */
#ifndef NOD_CMD_H
#define NOD_CMD_H

/* How every subcommand ends. */
enum cmd_exit {
    CMD_OK = 0,
    CMD_FAILED = 1, /* it was tried and did not work */
    CMD_USAGE = 2,  /* it was asked for in a way that makes no sense */
    CMD_SYSTEM = 3, /* the system cannot do it, or does not allow it */
};

/* argv[0] is the subcommand's own name. Each returns the exit code of the program. */
int cmd_watch(int argc, char **argv);
int cmd_listen(int argc, char **argv);
int cmd_connect(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_netem(int argc, char **argv);
int cmd_ss(int argc, char **argv);
int cmd_stat(int argc, char **argv);

#endif
