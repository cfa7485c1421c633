/* net_options.h: what the commands that make a network of their own are asked alike: the device,
 * a bad network, the capture. */
#ifndef NOD_CMD_NET_OPTIONS_H
#define NOD_CMD_NET_OPTIONS_H

#include "nod/path.h"
#include "nod/tcp.h"
#include "nod/types.h"

#include <getopt.h>

typedef struct net_options {
    const char *command; /* "connect": who complains */

    const char *tun;   /* name of the device; NULL: the kernel picks */
    bool want4, want6; /* families of the device; both unless -4, -6 or an address says one */
    bool only4, only6; /* as asked */
    nod_addr own4, own6, host4, host6;
    int prefix4, prefix6;
    uint16_t mtu;
    bool no_offload;
    bool netns;

    bool harm;            /* any of what follows was given */
    nod_path_config path; /* both ways */
    uint64_t seed;
    bool seed_given;

    nod_usec msl_us; /* 0: the default */
    bool ecn_given;
    uint8_t ecn;            /* enum nod_ecn */
    const char *congestion; /* NULL: the default */
    uint8_t bbr_loss;       /* percent */
    int verbose;
    const char *pcap;
} net_options;

enum net_option {
    NET_TUN = 512,
    NET_LINK,
    NET_ADDR,
    NET_HOST,
    NET_MTU,
    NET_NO_OFFLOAD,
    NET_NETNS,
    NET_PCAP,
    NET_LOSS,
    NET_DUPLICATE,
    NET_REORDER,
    NET_DAMAGE,
    NET_DELAY,
    NET_JITTER,
    NET_RATE,
    NET_SEED,
    NET_MSL,
    NET_MARK,
    NET_ECN,
    NET_CONGESTION,
    NET_BBR_LOSS,
};

/* For getopt_long: the long options, to stand in a table of the command's own, and the letters. */
#define NET_OPTIONS                                                                               \
    {"tun", required_argument, NULL, NET_TUN}, {"link", required_argument, NULL, NET_LINK},       \
        {"addr", required_argument, NULL, NET_ADDR},                                              \
        {"address", required_argument, NULL, NET_ADDR},                                           \
        {"host", required_argument, NULL, NET_HOST}, {"mtu", required_argument, NULL, NET_MTU},   \
        {"no-offload", no_argument, NULL, NET_NO_OFFLOAD},                                        \
        {"netns", no_argument, NULL, NET_NETNS}, {"pcap", required_argument, NULL, NET_PCAP},     \
        {"loss", required_argument, NULL, NET_LOSS},                                              \
        {"duplicate", required_argument, NULL, NET_DUPLICATE},                                    \
        {"reorder", required_argument, NULL, NET_REORDER},                                        \
        {"damage", required_argument, NULL, NET_DAMAGE},                                          \
        {"delay", required_argument, NULL, NET_DELAY},                                            \
        {"jitter", required_argument, NULL, NET_JITTER},                                          \
        {"rate", required_argument, NULL, NET_RATE}, {"seed", required_argument, NULL, NET_SEED}, \
        {"mark", required_argument, NULL, NET_MARK}, {"ecn", required_argument, NULL, NET_ECN},   \
        {"congestion", required_argument, NULL, NET_CONGESTION},                                  \
        {"bbr-loss", required_argument, NULL, NET_BBR_LOSS},                                      \
        {"msl", required_argument, NULL, NET_MSL},                                                \
    {                                                                                             \
        "verbose", no_argument, NULL, 'v'                                                         \
    }
#define NET_LETTERS "46v"

/* Prints what --help says of them. */
void net_options_help(void);

/* One option with its value. False when it makes no sense, or is not one of these. */
bool net_options_take(net_options *options, int opt, const char *text);

/* Which families there are to be, and the addresses that were not given. -1 to go on, or
 * CMD_USAGE after a complaint. */
int net_options_complete(net_options *options);

/* What the options say of a stack's connections. */
void net_options_tcp(const net_options *options, nod_tcp_config *tcp);

/* Draws a seed where a bad network has none. 0, or CMD_SYSTEM after a complaint. */
int net_options_seed(net_options *options);

/* A complaint about the command line, with a hint where help is. Returns CMD_USAGE. */
__attribute__((format(printf, 2, 3))) int net_complain(const net_options *options,
                                                       const char *format, ...);

#endif
