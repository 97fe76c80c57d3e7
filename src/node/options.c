/* SPDX-License-Identifier: Apache-2.0 */
#include "net/options.h"
#include "node/daemon.h"
#include "node/local_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_US 1000ull

static const char usage[] =
    "usage: axcan-node --name NAME --dir DIR --token-file FILE [options]\n"
    "  --name NAME            of this node in the cluster\n"
    "  --master HOST:PORT[,HOST:PORT...]  of all masters (default 127.0.0.1:7400)\n"
    "  --listen HOST:PORT     for other nodes (default 127.0.0.1:0: a free port)\n"
    "  --advertise HOST:PORT  how other nodes reach it (default: what it listens on)\n"
    "  --dir DIR              identity and image cache; made when missing\n"
    "  --token-file FILE      the cluster's secret; mode 0600\n"
    "  --history FILE         record what the instances do\n"
    "  --cpu N                keep tasks on this processor\n"
    "  --fifo auto|yes|no     SCHED_FIFO (default auto: when privileged)\n"
    "  --capacity PPM         density accepted, in millionths of a processor (default 900000)\n"
    "  --slots N              instances at once (default 16)\n"
    "  --region-slots N       checkpoints kept per instance, 2 to 64 (default 4)\n"
    "  --manager HOST:PORT    checkpoint manager, besides those the master names; up to 4\n"
    "  --notify udp:GROUP:PORT  notices of checkpoints go there, once for all managers\n"
    "  --clock SOURCE         master (heartbeats, the default), ptp4l[:SOCKET][,domain=N], or\n"
    "                         ptp:INTERFACE[,l2][,domain=N]: this process is the PTP slave\n"
    "  --clock-bound US       declare at least this bound of the clock's error (default: "
    "measured;\n"
    "                         with heartbeats: no claim is made)\n"
    "  --latency-bound US     one-way latency that deadlines allow for (default 0), or\n"
    "                         'measured': the longest recent round trip to the master\n"
    "  --offload-above PPM    ask for a task to be moved when the processors are busier\n"
    "  --offload-on-stop      SIGTERM: let the tasks move away first, for at most 10 s\n"
    "  --io in:NAME=TARGET    channel; TARGET file:PATH, udp:PORT or node:PORT\n"
    "  --io out:NAME=TARGET   channel; TARGET file:PATH, udp:HOST:PORT or node:HOST:PORT\n"
    "  --skew NS:PPB          its own clock is ahead by NS and faster by PPB; for tests of clocks\n"
    "  --no-sandbox           do not confine tasks: for kernels without seccomp (qemu-user)\n"
    "  --allow-remote         go beyond loopback; the streams are not encrypted yet\n"
    "  --verbose, --quiet     more or less on stderr\n"
    "  --version, --help\n";

static struct axi_node_options options = {.master = "127.0.0.1:7400",
                                          .listen = "127.0.0.1:0",
                                          .cpu = -1,
                                          .capacity_ppm = 900000,
                                          .slots = 16};
static const char *const fifo_words[] = {"auto", "yes", "no", NULL}; /* enum axi_fifo */

static const char *read_manager(void *to, const char *value)
{
    (void)to;
    if (options.manager_count == AXI_NODE_MANAGERS_MAX) {
        return "one of at most 4";
    }
    options.managers[options.manager_count++] = value;
    return NULL;
}

static const char *read_clock(void *to, const char *value)
{
    (void)to;
    options.clock = strcmp(value, "master") == 0 ? NULL : value;
    return NULL;
}

static const char *read_latency(void *to, const char *value)
{
    char *end = NULL;
    uint64_t us = strtoull(value, &end, 10);

    (void)to;
    options.is_latency_measured = strcmp(value, "measured") == 0;
    if (options.is_latency_measured) {
        return NULL;
    }
    if (*value < '0' || *value > '9' || *end != '\0' || us > 10000000) {
        return "measured, or a number from 0 to 10000000";
    }
    options.latency_ns = us * NS_PER_US;
    return NULL;
}

/* "NS:PPB", both perhaps negative. */
static const char *read_skew(void *to, const char *value)
{
    char *colon = NULL;
    char *end = NULL;
    long long offset_ns = strtoll(value, &colon, 10);
    long long rate_ppb = *colon == ':' ? strtoll(colon + 1, &end, 10) : 0;

    (void)to;
    if (end == NULL || colon == value || end == colon + 1 || *end != '\0' ||
        axi_local_clock_skew(offset_ns, rate_ppb) < 0) {
        return "NS:PPB, at most an hour and 1000000 (and less than the uptime)";
    }
    return NULL;
}

/* "in:NAME=TARGET" or "out:NAME=TARGET". */
static const char *read_channel(void *to, const char *value)
{
    struct axi_channel_config *channel = &options.channels[options.channel_count];
    const char *name = strchr(value, ':');
    const char *equals = strchr(value, '=');
    bool is_output = strncmp(value, "out:", 4) == 0;

    (void)to;
    if (options.channel_count == AXI_NODE_CHANNELS_MAX ||
        (!is_output && strncmp(value, "in:", 3) != 0) || equals == NULL || equals < name + 2 ||
        (size_t)(equals - name - 1) >= sizeof(channel->name)) {
        return "in:NAME=TARGET or out:NAME=TARGET (at most 32)";
    }
    memcpy(channel->name, name + 1, (size_t)(equals - name - 1));
    channel->is_output = is_output;
    channel->target = equals + 1;
    options.channel_count++;
    return NULL;
}

static const struct axi_option table[] = {
    {.name = "name", .kind = AXI_OPTION_TEXT, .to = &options.name, .is_required = 1},
    {.name = "dir", .kind = AXI_OPTION_TEXT, .to = &options.dir, .is_required = 1},
    {.name = "token-file", .kind = AXI_OPTION_TEXT, .to = &options.token_file, .is_required = 1},
    {.name = "master", .kind = AXI_OPTION_TEXT, .to = &options.master},
    {.name = "listen", .kind = AXI_OPTION_TEXT, .to = &options.listen},
    {.name = "advertise", .kind = AXI_OPTION_TEXT, .to = &options.advertise},
    {.name = "history", .kind = AXI_OPTION_TEXT, .to = &options.history},
    {.name = "cpu", .kind = AXI_OPTION_SIGNED, .to = &options.cpu, .min = 0, .max = 1023},
    {.name = "fifo", .kind = AXI_OPTION_WORD, .to = &options.fifo, .words = fifo_words},
    {.name = "capacity",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.capacity_ppm,
     .min = 1,
     .max = 1000000},
    {.name = "slots", .kind = AXI_OPTION_NUMBER, .to = &options.slots, .min = 1, .max = 1024},
    {.name = "region-slots",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.region_slots,
     .min = 2,
     .max = 64},
    {.name = "manager", .kind = AXI_OPTION_CALL, .call = read_manager},
    {.name = "notify", .kind = AXI_OPTION_TEXT, .to = &options.notify},
    {.name = "clock", .kind = AXI_OPTION_CALL, .call = read_clock},
    {.name = "clock-bound",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.clock_bound_ns,
     .min = 1,
     .max = 10000000,
     .scale = NS_PER_US},
    {.name = "latency-bound", .kind = AXI_OPTION_CALL, .call = read_latency},
    {.name = "offload-above",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.offload_ppm,
     .min = 1,
     .max = 1000000},
    {.name = "offload-on-stop", .kind = AXI_OPTION_FLAG, .to = &options.offload_on_stop},
    {.name = "io", .kind = AXI_OPTION_CALL, .call = read_channel},
    {.name = "skew", .kind = AXI_OPTION_CALL, .call = read_skew},
    {.name = "no-sandbox", .kind = AXI_OPTION_FLAG, .to = &options.no_sandbox},
    {.name = "allow-remote", .kind = AXI_OPTION_FLAG, .to = &options.allow_remote},
    {.name = NULL},
};

const struct axi_node_options *axi_node_options_read(int argc, char **argv)
{
    const struct axi_program program = {
        .name = "axcan-node", .version = AXI_VERSION, .usage = usage};

    axi_options_read(&program, table, argc, argv);
    if (strlen(options.name) > 31) {
        (void)fprintf(stderr, "axcan-node: --name: at most 31 characters\n");
        exit(2);
    }
    return &options;
}
