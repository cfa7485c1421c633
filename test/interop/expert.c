/* tshark reads the capture of a clean conversation, and its expert has nothing to say about
 * what nod sent. */
#include "cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES (UINT64_C(2) << 20)
#define ATTEMPTS 5

/* Runs tshark on the capture, with checksums verified and without guesses at what the bytes
 * may be (random ones look like something now and then); returns its lines. */
static int count_lines(const char *file, const char *filter, const char *fields, bool show)
{
    char command[1024], line[1024];
    int lines = 0;
    snprintf(
        command, sizeof command,
        "tshark -r %s -d tcp.port==%d,data -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE "
        "-Y '%s' -T fields %s 2>/dev/null",
        file, PORT, filter, fields);
    FILE *tshark = popen(command, "re");
    while (tshark && fgets(line, sizeof line, tshark)) {
        lines++;
        if (show && lines <= 20) fputs(line, stderr);
    }
    int status = tshark ? pclose(tshark) : -1;
    if (status == 0) return lines;
    fprintf(stderr, "this failed (%d): %s\n", status, command);
    exit(1);
}

/* A capture of a clean conversation: on a busy machine the kernel may have lost patience with
 * us and sent something again, and then it was not clean. */
static void capture_clean(const char *name, int family, bool passive, const char *file)
{
    const world_config config = {.pcap = file, .calm = true};
    char again[192];
    snprintf(again, sizeof again,
             "%s && (tcp.analysis.retransmission || frame.comment contains \"duplicate\")",
             family == 4 ? "ip.src==10.8.0.1" : "ipv6.src==fd08::1");
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        run_bulk(name, family, passive, &config, BYTES);
        if (count_lines(file, again, "-e frame.number", false) == 0) return;
        printf("the kernel sent something again; once more\n");
    }
}

void run_expert(const char *name, int family, bool passive)
{
    char file[64], ours[64], filter[256];
    if (system("tshark -v >/dev/null 2>&1") != 0) {
        printf("skipped: there is no tshark here (install it)\n");
        exit(SKIPPED);
    }
    snprintf(file, sizeof file, "/tmp/nod-expert-%ld.pcapng", (long)getpid());
    snprintf(ours, sizeof ours, family == 4 ? "ip.src==10.8.0.2" : "ipv6.src==fd08::2");
    capture_clean(name, family, passive, file);

    int packets = count_lines(file, ours, "-e frame.number", false);
    snprintf(filter, sizeof filter, "%s && tcp && !frame.comment", ours);
    int silent = count_lines(file, filter, "-e frame.number", true);
    /* Chat (that a SYN opens, that a window grew) is not an opinion; from a note on it is.
     * That a FIN begins to close is a note of Wireshark's about every connection. */
    snprintf(filter, sizeof filter,
             "%s && _ws.expert.severity >= 0x400000 && !tcp.connection.fin_active && "
             "!tcp.connection.fin_passive",
             ours);
    int remarks = count_lines(file, filter, "-e frame.number -e _ws.expert.message", true);
    snprintf(filter, sizeof filter,
             "%s && (tcp.checksum.status == 0 || tcp.analysis.flags && "
             "!tcp.analysis.window_update)",
             ours);
    remarks += count_lines(file, filter, "-e frame.number -e _ws.expert.message", true);
    printf("%d packets of nod's, %d without a comment, %d remarks\n", packets, silent, remarks);
    if (packets < 100 || silent > 0 || remarks > 0) {
        fprintf(stderr, "the capture is in %s\n", file);
        exit(1);
    }
    unlink(file);
}
