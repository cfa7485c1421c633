#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static const nod_path_config bad_network = {
    .loss = 0.05,
    .duplicate = 0.02,
    .reorder = 0.05,
    .damage = 0.01,
    .delay_us = 100,
    .reorder_us = 300,
};

/* Congestion that is told: nothing is lost. */
static const nod_path_config marking_network = {.mark = 0.01, .delay_us = 200};
/* A link in the middle that takes 1400 octets, and says so to both ends, or to nobody. */
static const nod_path_config narrow = {.mtu = 1400, .delay_us = 200};
static const nod_path_config far_away = {.delay_us = 25 * NOD_MSEC};
static const nod_path_config black_hole = {.mtu = 1400, .mtu_silent = true, .delay_us = 200};

static uint64_t megabytes(uint64_t usual, uint64_t quick)
{
    const char *text = getenv("NOD_TEST_QUICK");
    return (text && *text ? quick : usual) * MIB;
}

static bool run(const char *name, int family)
{
    const world_config good = {0}, plain = {.plain = true}, tap = {.tap = true};
    const world_config bad = {.harm = &bad_network, .rto_min_us = 5 * NOD_MSEC};
    const world_config ecn = {.harm = &marking_network, .ecn = NOD_ECN_CLASSIC};
    const world_config accurate = {.harm = &marking_network, .ecn = NOD_ECN_ACCURATE};
    const world_config small = {.harm = &narrow};
    const world_config hole = {.harm = &black_hole, .finds_holes = true};
    const world_config distant = {.harm = &far_away, .tunes = true};
    bool server = strstr(name, "-server") != NULL;
    if (strncmp(name, "bulk-plain", 10) == 0)
        run_bulk(name, family, false, &plain, megabytes(256, 8));
    else if (strncmp(name, "bulk-", 5) == 0)
        run_bulk(name, family, server, &good, megabytes(256, 16));
    else if (strncmp(name, "tap-", 4) == 0)
        run_bulk(name, family, server, &tap, megabytes(64, 8));
    else if (strncmp(name, "icmp", 4) == 0)
        run_icmp(name, family, strstr(name, "-tap") ? &tap : &good);
    else if (strncmp(name, "harm-", 5) == 0)
        run_bulk(name, family, server, &bad, megabytes(256, 4));
    else if (strncmp(name, "ecn-", 4) == 0)
        run_bulk(name, family, server, &ecn, megabytes(64, 4));
    else if (strncmp(name, "accecn-", 7) == 0) /* which the kernel answers with the classic kind */
        run_bulk(name, family, server, &accurate, megabytes(64, 4));
    else if (strncmp(name, "path-mtu-", 9) == 0)
        run_bulk(name, family, server, &small, megabytes(16, 4));
    else if (strncmp(name, "buffers-", 8) == 0)
        run_bulk(name, family, server, &distant, megabytes(32, 8));
    else if (strncmp(name, "black-hole-", 11) == 0)
        run_bulk(name, family, server, &hole, megabytes(16, 4));
    else if (strncmp(name, "half-close-", 11) == 0)
        run_half_close(name, family, server);
    else if (strncmp(name, "states-", 7) == 0)
        run_states(name, family, server);
    else if (strcmp(name, "simultaneous-close") == 0)
        run_simultaneous_close(name, family);
    else if (strcmp(name, "conflict") == 0)
        run_conflict(name, family);
    else if (strcmp(name, "refused") == 0)
        run_refused(name, family);
    else if (strcmp(name, "info") == 0)
        run_info(name, family);
    else if (strncmp(name, "expert-", 7) == 0)
        run_expert(name, family, server);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        return run_serve(argv[2], (uint16_t)atoi(argv[3]));
    int family = argc == 3 ? atoi(argv[2]) : 0;
    if ((family == 4 || family == 6) && run(argv[1], family)) return 0;
    fprintf(stderr, "usage: interop CASE 4|6, with a CASE of test/interop/interop.cmake\n"
                    "       interop serve echo|count|shut PORT\n");
    return 2;
}
