/* Hosts and the links between them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define LINKS_MAX 256 /* so that each has a network of its own: 10.0.n.0/24 */
#define MTU_IP6_MIN 1280

static void draw_secret(nod_sim *sim, nod_config *config)
{
    for (size_t i = 0; i < sizeof config->secret; i++) {
        config->secret[i] = (uint8_t)nod_rng_next(&sim->rng);
    }
}

int nod_sim_add_host(nod_sim *sim, const char *name, const nod_config *config)
{
    static const uint8_t none[sizeof config->secret];

    if (sim->hosts == NOD_SIM_HOSTS_MAX) {
        return NOD_ENOMEM;
    }
    struct nod_sim_host *host = &sim->host[sim->hosts];

    memset(host, 0, sizeof *host);
    for (int i = 0; i < NOD_IFACES_MAX; i++) {
        host->iface[i].link = -1;
    }
    snprintf(host->name, sizeof host->name, "%s", name);
    if (config) {
        host->config = *config;
    } else {
        nod_config_default(&host->config);
    }
    if (memcmp(host->config.secret, none, sizeof none) == 0) {
        draw_secret(sim, &host->config);
    }
    int error = nod_sim_boot(sim, sim->hosts);

    return error < 0 ? error : sim->hosts++;
}

nod_stack *nod_sim_stack(nod_sim *sim, int host)
{
    return sim->host[host].stack;
}

const char *nod_sim_name(const nod_sim *sim, int host)
{
    return sim->host[host].name;
}

nod_addr nod_sim_addr(const nod_sim *sim, int link, int end, int family)
{
    uint8_t last = (uint8_t)(end + 1);
    uint8_t ip6[16] = {0xfd, 0, [2] = (uint8_t)(link >> 8), [3] = (uint8_t)link, [15] = last};

    (void)sim;
    return family == 4 ? nod_addr_ip4(10, 0, (uint8_t)link, last) : nod_addr_from(6, ip6);
}

/* Tells a stack of its interface at this end of the link. Returns the interface's index or
 * an error. */
static int plug_in(nod_sim *sim, nod_stack *stack, int link, int end)
{
    const nod_iface_config *config = &sim->link[link].end[end].config;
    nod_addr ip4 = nod_sim_addr(sim, link, end, 4), ip6 = nod_sim_addr(sim, link, end, 6);
    int iface = nod_stack_add_iface(stack, config), error;

    if (iface < 0) {
        return iface;
    }
    error = nod_stack_add_addr(stack, iface, &ip4, 24);
    if (error == 0 && config->mtu >= MTU_IP6_MIN) {
        error = nod_stack_add_addr(stack, iface, &ip6, 64);
    }
    return error < 0 ? error : iface;
}

int nod_sim_boot(nod_sim *sim, int number)
{
    struct nod_sim_host *host = &sim->host[number];
    int error = NOD_ENOMEM;
    nod_stack *stack = nod_stack_new(&host->config, sim->now, &error);

    for (int i = 0; stack && i < host->ifaces; i++) {
        if ((error = plug_in(sim, stack, host->iface[i].link, host->iface[i].end)) < 0) {
            nod_stack_free(stack);
            return error;
        }
    }
    host->stack = stack;
    return stack ? 0 : error;
}

int nod_sim_reboot(nod_sim *sim, int number)
{
    struct nod_sim_host *host = &sim->host[number];
    nod_stack *before = host->stack;

    draw_secret(sim, &host->config);
    int error = nod_sim_boot(sim, number);

    if (error < 0) {
        host->stack = before; /* no memory: it never went down */
        return error;
    }
    nod_stack_free(before);
    return 0;
}

static const nod_iface_config plain = {.kind = NOD_IFACE_IP, .mtu = 1500};
static const nod_path_config clean = {.delay_us = 10 * NOD_MSEC};

static int make_path(nod_sim *sim, struct nod_sim_end *end, const nod_path_config *config)
{
    end->away = nod_path_new(sim->pool, config ? config : &clean, nod_rng_next(&sim->rng));
    return end->away ? 0 : config ? NOD_EINVAL : NOD_ENOMEM;
}

/* The host's end of a new link: an interface. */
static int make_end(nod_sim *sim, int link, int end, int number, const nod_iface_config *config)
{
    struct nod_sim_end *e = &sim->link[link].end[end];
    struct nod_sim_host *host = &sim->host[number];
    const uint8_t mac[6] = {2, 0, 0, (uint8_t)(link >> 8), (uint8_t)link, (uint8_t)(end + 1)};

    e->host = number;
    e->config = config ? *config : plain;
    memcpy(e->config.mac, mac, sizeof mac);
    int iface = plug_in(sim, host->stack, link, end);

    if (iface < 0) {
        return iface;
    }
    host->iface[iface].link = link;
    host->iface[iface].end = end;
    host->ifaces = iface + 1;
    return 0;
}

static int make_room(nod_sim *sim)
{
    struct nod_sim_link *more;

    if (sim->links == LINKS_MAX) {
        return NOD_ENOMEM;
    }
    more = realloc(sim->link, (size_t)(sim->links + 1) * sizeof *sim->link);
    if (!more) {
        return NOD_ENOMEM;
    }
    sim->link = more;
    memset(&sim->link[sim->links], 0, sizeof *sim->link);
    return 0;
}

int nod_sim_join_iface(nod_sim *sim, int a, int b, const nod_iface_config *iface,
                       const nod_path_config *a_to_b, const nod_path_config *b_to_a)
{
    int error;

    if (a < 0 || b < 0 || a >= sim->hosts || b >= sim->hosts || a == b) {
        return NOD_EINVAL;
    }
    if ((error = make_room(sim)) < 0) {
        return error;
    }
    struct nod_sim_end *end = sim->link[sim->links].end;

    if ((error = make_path(sim, &end[0], a_to_b)) < 0 ||
        (error = make_path(sim, &end[1], b_to_a)) < 0) {
        nod_path_free(end[0].away);
        return error;
    }
    int link = sim->links++;

    if ((error = make_end(sim, link, 0, a, iface)) < 0 ||
        (error = make_end(sim, link, 1, b, iface)) < 0) {
        /* Half a link stays, and leads nowhere. */
        nod_path_set_config(end[0].away, &(nod_path_config){.down = true});
        nod_path_set_config(end[1].away, &(nod_path_config){.down = true});
        return error;
    }
    return link;
}

int nod_sim_join(nod_sim *sim, int a, int b, const nod_path_config *a_to_b,
                 const nod_path_config *b_to_a)
{
    return nod_sim_join_iface(sim, a, b, NULL, a_to_b, b_to_a);
}

nod_path *nod_sim_path(nod_sim *sim, int link, int end)
{
    return sim->link[link].end[end].away;
}
