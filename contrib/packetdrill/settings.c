/* What a script sets with sysctl, as nod's configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill.h"

/* `run` keeps what an older kernel has refused in a folder. */
static FILE *open_sysctl(const char *name)
{
    const char *refused = getenv("NOD_SYSCTLS");
    char path[256];
    snprintf(path, sizeof path, "%s/%s", refused ? refused : "", name);
    FILE *file = refused ? fopen(path, "re") : NULL;
    if (file) return file;
    snprintf(path, sizeof path, "/proc/sys/net/ipv4/%s", name);
    return fopen(path, "re");
}

/* Reads up to `count` numbers of /proc/sys/net/ipv4/NAME; how many there were. */
static int read_sysctl(const char *name, long *numbers, int count)
{
    char text[256], *at = text;
    FILE *file = open_sysctl(name);
    if (!file) return 0;
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    int found = 0;
    while (found < count) {
        char *end;
        long number = strtol(at, &end, 0);
        if (end == at) break;
        numbers[found++] = number;
        at = end;
    }
    return found;
}

/* One number: the environment's, the namespace's, or what is given. */
static long setting(const char *variable, const char *sysctl, long otherwise)
{
    const char *text = getenv(variable);
    long number;
    if (text && *text) return strtol(text, NULL, 0);
    return sysctl && read_sysctl(sysctl, &number, 1) == 1 ? number : otherwise;
}

/* Of three numbers (least, usual, most) the one that counts here. */
static uint32_t buffer(const char *variable, const char *sysctl, int which, uint32_t otherwise)
{
    long numbers[3];
    long number = setting(variable, NULL, 0);
    if (number <= 0 && read_sysctl(sysctl, numbers, 3) == 3) number = numbers[which];
    return number > 0 ? (uint32_t)number : otherwise;
}

unsigned settings_fast_open(void)
{
    return (unsigned)setting("NOD_FAST_OPEN", "tcp_fastopen", FAST_OPEN_CLIENT);
}

/* Four numbers in hexadecimal. */
bool settings_fast_open_key(uint8_t key[16])
{
    unsigned words[4];
    FILE *file = fopen("/proc/sys/net/ipv4/tcp_fastopen_key", "re");
    if (!file) return false;
    int found = fscanf(file, "%x-%x-%x-%x", &words[0], &words[1], &words[2], &words[3]);
    fclose(file);
    for (int i = 0; found == 4 && i < 16; i++) key[i] = (uint8_t)(words[i / 4] >> 8 * (i % 4));
    return found == 4;
}

/* Linux's own choice is at least tcp_min_tso_segs, and at most half of the window of congestion,
 * which is ten segments at first. */
unsigned settings_push(void)
{
    long segments = setting("NOD_PUSH_SEGMENTS", "tcp_min_tso_segs", 2);
    return segments < 0 ? 0 : segments > 5 ? 5 : (unsigned)segments;
}

void settings_stack(nod_config *config)
{
    long seed = setting("NOD_SEED", NULL, 1);
    memcpy(config->secret, &seed, sizeof seed);
    config->memory_limit = 256u << 20;
    config->max_connections = 1024;
    config->icmp_per_second = 1000;
    settings_tcp(&config->tcp);
}

/* The first of these that nod has: the environment's, the namespace's, Linux's usual one. */
static void choose_congestion(nod_tcp_config *config)
{
    char name[sizeof config->congestion] = "";
    const char *text = getenv("NOD_CONGESTION");
    FILE *file = text ? NULL : open_sysctl("tcp_congestion_control");
    if (file && fgets(name, sizeof name, file)) name[strcspn(name, "\n")] = 0;
    if (file) fclose(file);
    nod_tcp_config chosen = *config;
    snprintf(chosen.congestion, sizeof chosen.congestion, "%s", text ? text : name);
    if (nod_tcp_config_check(&chosen) != 0)
        snprintf(chosen.congestion, sizeof chosen.congestion, "cubic");
    *config = chosen;
}

nod_usec settings_syn_timeout(int retries, nod_usec rto)
{
    return ((1u << (retries < 10 ? retries + 1 : 11)) - 1) * rto;
}

/* tcp_ecn counts through what is asked for and what is agreed to. */
static void choose_ecn(nod_tcp_config *config)
{
    static const uint8_t request[] = {NOD_ECN_NONE,     NOD_ECN_CLASSIC, NOD_ECN_NONE,
                                      NOD_ECN_ACCURATE, NOD_ECN_CLASSIC, NOD_ECN_NONE};
    static const uint8_t accept[] = {NOD_ECN_NONE,     NOD_ECN_CLASSIC,  NOD_ECN_CLASSIC,
                                     NOD_ECN_ACCURATE, NOD_ECN_ACCURATE, NOD_ECN_ACCURATE};
    long ecn = setting("NOD_ECN", "tcp_ecn", 2);
    if (ecn < 0 || ecn > 5) return;
    config->ecn_request = request[ecn];
    config->ecn_accept = accept[ecn];
    config->accecn_option = setting("NOD_ECN_OPTION", "tcp_ecn_option", 2) != 0;
    config->ecn_control = true; /* as Linux */
}

void settings_tcp(nod_tcp_config *config)
{
    choose_ecn(config);
    config->timestamps = setting("NOD_TIMESTAMPS", "tcp_timestamps", 1) != 0;
    config->sack = setting("NOD_SACK", "tcp_sack", 1) != 0;
    config->rack = setting("NOD_RACK", "tcp_recovery", 1) & 1;
    config->loss_probe = setting("NOD_LOSS_PROBE", "tcp_early_retrans", 3) >= 3;
    long probing = setting("NOD_MTU_PROBING", "tcp_mtu_probing", config->mtu_probing);
    if (probing >= 0 && probing <= NOD_MTU_PROBING_ALWAYS) config->mtu_probing = (uint8_t)probing;
    long base = setting("NOD_BASE_MSS", "tcp_base_mss", config->mss_base);
    if (base >= config->mss_min && base <= UINT16_MAX) config->mss_base = (uint16_t)base;
    config->frto = setting("NOD_FRTO", "tcp_frto", 2) != 0;
    choose_congestion(config);
    config->window_scale = setting("NOD_WINDOW_SCALING", "tcp_window_scaling", 1) != 0;
    /* The window's scale is that of the largest buffer; nod's are as large from the start. */
    config->receive_buffer = buffer("NOD_RECEIVE_BUFFER", "tcp_rmem", 2, config->receive_buffer);
    config->send_buffer = buffer("NOD_SEND_BUFFER", "tcp_wmem", 1, config->send_buffer);
    config->receive_buffer_max = config->send_buffer_max = 0;
    config->rack_patient = setting("NOD_RACK_PATIENT", NULL, 0) != 0; /* Linux's is not */
    config->ttl = (uint8_t)setting("NOD_TTL", "ip_default_ttl", config->ttl);
    config->fin_wait_2_us = (nod_usec)setting("NOD_FIN_TIMEOUT", "tcp_fin_timeout", 60) * NOD_SEC;
    config->syn_timeout_us = settings_syn_timeout(
        (int)setting("NOD_SYN_RETRIES", "tcp_syn_retries", 6), config->rto_initial_us);
    config->keepalive_idle_us =
        (nod_usec)setting("NOD_KEEPALIVE_TIME", "tcp_keepalive_time", 7200) * NOD_SEC;
    config->keepalive_interval_us =
        (nod_usec)setting("NOD_KEEPALIVE_INTVL", "tcp_keepalive_intvl", 75) * NOD_SEC;
    config->keepalive_probes = (uint8_t)setting("NOD_KEEPALIVE_PROBES", "tcp_keepalive_probes", 9);
    config->counters = true;
    config->nagle_tail = true; /* as Linux has it */
    /* Linux acknowledges at once for as long as a connection is young. */
    config->delayed_ack = setting("NOD_DELAYED_ACK", NULL, 0) != 0;
}
