#include "net_options.h"

#include "cmd.h"
#include "nod/link.h"
#include "path_options.h"
#include "tr.h"
#include "units.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void net_options_help(void)
{
    fputs(
        _("\n"
          "The device:\n"
          "  --netns             in a private network namespace: needs no root, touches nothing\n"
          "  --tun NAME          its name; by default nod0, nod1, ...\n"
          "  --addr OWN/PREFIX   nod's own address; 10.110.111.2/24 and fd6e:6f64::2/64 by "
          "default;\n"
          "                      may be given once for each family\n"
          "  --host ADDR         the kernel's address at the other end; by default the first of "
          "the\n"
          "                      prefix that is not nod's\n"
          "  -4, -6              only IPv4, only IPv6\n"
          "  --mtu BYTES         1500 by default\n"
          "  --no-offload        ordinary packets only, no large segments\n"
          "  --congestion NAME   control of congestion: cubic, by default, reno or bbr\n"
          "  --bbr-loss SHARE    so much of loss is the path's own for bbr, up to 50%\n"
          "  --ecn KIND          congestion is told instead of suffered: none, classic (RFC 3168) "
          "or\n"
          "                      accurate (RFC 9768); by default classic, when a peer asks\n"
          "\n"
          "A bad network, both ways (shares as 0.05 or 5%, times as 20ms or 1.5s):\n"
          "  --loss, --duplicate, --reorder, --damage, --mark SHARE\n"
          "  --delay TIME, --jitter TIME, --rate BITS (64k, 10M, 1G)\n"
          "  --seed NUMBER       the same seed throws the same dice\n"),
        stdout);
}

int net_complain(const net_options *options, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "nod %s: ", options->command);
    va_start(args, format);
    vfprintf(stderr, tr(format), args); /* marked for xgettext by po/update */
    va_end(args);
    fprintf(stderr, _(" See 'nod %s --help'.\n"), options->command);
    return CMD_USAGE;
}

/* "ADDRESS/PREFIX", or an address alone. */
static bool take_addr(net_options *options, const char *text)
{
    nod_addr addr;
    int prefix;
    if (!units_address(text, &addr, &prefix)) return false;
    bool ip4 = addr.family == 4;
    if (prefix > (ip4 ? 30 : 126)) return false;
    *(ip4 ? &options->own4 : &options->own6) = addr;
    *(ip4 ? &options->prefix4 : &options->prefix6) = prefix;
    return true;
}

static bool take_host(net_options *options, const char *text)
{
    nod_addr addr;
    if (nod_addr_parse(text, &addr) != 0) return false;
    *(addr.family == 4 ? &options->host4 : &options->host6) = addr;
    return true;
}

/* "tun" or "tun:NAME": the one kind of link that there is so far. */
static bool take_link(net_options *options, const char *text)
{
    if (strncmp(text, "tun", 3) != 0 || (text[3] != 0 && text[3] != ':')) return false;
    if (text[3] == ':') options->tun = text + 4;
    return true;
}

static bool take_mtu(net_options *options, const char *text)
{
    uint64_t mtu;
    if (!units_number(text, 68, 65535, &mtu)) return false;
    options->mtu = (uint16_t)mtu;
    return true;
}

static bool take_harm(net_options *options, int opt, const char *text)
{
    nod_path_config *path = &options->path;
    options->harm = true;
    switch (opt) {
    case NET_LOSS: return !path_option_take(path, PATH_LOSS, text);
    case NET_DUPLICATE: return !path_option_take(path, PATH_DUPLICATE, text);
    case NET_REORDER: return !path_option_take(path, PATH_REORDER, text);
    case NET_DAMAGE: return !path_option_take(path, PATH_DAMAGE, text);
    case NET_MARK: return !path_option_take(path, PATH_MARK, text);
    case NET_DELAY: return !path_option_take(path, PATH_DELAY, text);
    case NET_JITTER: return !path_option_take(path, PATH_JITTER, text);
    case NET_RATE: return !path_option_take(path, PATH_RATE, text);
    }
    return false;
}

/* In whole percent, and never less than was said. */
static bool take_bbr_loss(net_options *options, const char *text)
{
    double share;
    if (!units_share(text, &share) || share > 0.5) return false;
    options->bbr_loss = (uint8_t)ceil(share * 100 - 1e-9);
    return true;
}

static bool is_congestion(const char *text)
{
    const char *name;
    for (unsigned i = 0; (name = nod_congestion_name(i)); i++)
        if (strcmp(name, text) == 0) return true;
    return false;
}

bool net_options_take(net_options *options, int opt, const char *text)
{
    switch (opt) {
    case '4': options->only4 = true; return true;
    case '6': options->only6 = true; return true;
    case 'v': options->verbose++; return true;
    case NET_TUN: options->tun = text; return true;
    case NET_LINK: return take_link(options, text);
    case NET_ADDR: return take_addr(options, text);
    case NET_HOST: return take_host(options, text);
    case NET_MTU: return take_mtu(options, text);
    case NET_NO_OFFLOAD: options->no_offload = true; return true;
    case NET_NETNS: options->netns = true; return true;
    case NET_PCAP: options->pcap = text; return true;
    case NET_SEED:
        options->seed_given = true;
        return units_number(text, 0, UINT64_MAX, &options->seed);
    case NET_ECN: options->ecn_given = true; return units_ecn(text, &options->ecn);
    case NET_CONGESTION: options->congestion = text; return is_congestion(text);
    case NET_BBR_LOSS: return take_bbr_loss(options, text);
    case NET_MSL: return units_time(text, NOD_SEC, &options->msl_us) && options->msl_us > 0;
    }
    return take_harm(options, opt, text);
}

/* The first address of the prefix that is not `own`. */
static nod_addr other_end(const nod_addr *own, int prefix)
{
    nod_addr other = *own;
    int bits = own->family == 4 ? 32 : 128;
    for (int i = prefix; i < bits; i++) other.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    other.bytes[bits / 8 - 1] |= 1;
    if (nod_addr_equal(&other, own)) other.bytes[bits / 8 - 1] ^= 3;
    return other;
}

static bool same_prefix(const nod_addr *a, const nod_addr *b, int prefix)
{
    for (int i = 0; i < prefix; i++) {
        unsigned bit = 0x80u >> i % 8;
        if ((a->bytes[i / 8] & bit) != (b->bytes[i / 8] & bit)) return false;
    }
    return true;
}

static int complete_family(net_options *options, nod_addr *own, nod_addr *host, int *prefix,
                           const char *usual)
{
    char text[NOD_ADDR_TEXT];
    if (!own->family) nod_addr_parse(usual, own);
    if (!*prefix) *prefix = own->family == 4 ? 24 : 64;
    if (!host->family) *host = other_end(own, *prefix);
    if (nod_addr_equal(own, host))
        return net_complain(options, "nod and the kernel cannot both be %s.",
                            nod_addr_format(own, text, sizeof text));
    if (!same_prefix(own, host, *prefix))
        return net_complain(options, "The kernel's address %s is not in nod's prefix /%d.",
                            nod_addr_format(host, text, sizeof text), *prefix);
    return -1;
}

int net_options_complete(net_options *options)
{
    if (options->only4 && options->only6)
        return net_complain(options, "-4 and -6 leave nothing to speak.");
    options->want4 = !options->only6;
    options->want6 = !options->only4 && (options->mtu == 0 || options->mtu >= 1280);
    if (options->only6 && !options->want6)
        return net_complain(options, "IPv6 needs an --mtu of at least 1280.");
    int code = -1;
    if (options->want4)
        code = complete_family(options, &options->own4, &options->host4, &options->prefix4,
                               "10.110.111.2");
    if (code < 0 && options->want6)
        code = complete_family(options, &options->own6, &options->host6, &options->prefix6,
                               "fd6e:6f64::2");
    return code;
}

void net_options_tcp(const net_options *options, nod_tcp_config *tcp)
{
    if (options->msl_us) tcp->msl_us = options->msl_us;
    if (options->congestion)
        snprintf(tcp->congestion, sizeof tcp->congestion, "%s", options->congestion);
    tcp->bbr_loss = options->bbr_loss;
    if (options->ecn_given) tcp->ecn_request = tcp->ecn_accept = options->ecn;
}

int net_options_seed(net_options *options)
{
    if (!options->harm || options->seed_given) return 0;
    if (nod_entropy(&options->seed, sizeof options->seed) == 0) return 0;
    fprintf(stderr, _("nod %s: The system has no entropy.\n"), options->command);
    return CMD_SYSTEM;
}
