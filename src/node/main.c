/* SPDX-License-Identifier: Apache-2.0 */
#include "net/host.h"
#include "node/daemon.h"
#include "node/local_clock.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_US 1000ull

static const char usage[] =
    "usage: axcan-node --name NAME --dir DIR --token-file FILE [options]\n"
    "  --name NAME            of this node in the cluster\n"
    "  --master HOST:PORT     (default 127.0.0.1:7400)\n"
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
    "  --clock SOURCE         master (heartbeats, the default), ptp4l[:SOCKET], or\n"
    "                         ptp:INTERFACE[,l2][,domain=N]: this process is the PTP slave\n"
    "  --clock-bound US       declare at least this bound of the clock's error (default: "
    "measured;\n"
    "                         with heartbeats: no claim is made)\n"
    "  --latency-bound US     one-way latency that deadlines allow for (default 0)\n"
    "  --offload-above PPM    ask for a task to be moved when the processors are busier\n"
    "  --offload-on-stop      SIGTERM: let the tasks move away first, for at most 10 s\n"
    "  --io in:NAME=TARGET    channel; TARGET file:PATH, udp:PORT or node:PORT\n"
    "  --io out:NAME=TARGET   channel; TARGET file:PATH, udp:HOST:PORT or node:HOST:PORT\n"
    "  --skew NS:PPB          its own clock is ahead by NS and faster by PPB; for tests of clocks\n"
    "  --no-sandbox           do not confine tasks: for kernels without seccomp (qemu-user)\n"
    "  --allow-remote         go beyond loopback; the streams are not encrypted yet\n"
    "  --verbose, --quiet     more or less on stderr\n"
    "  --version, --help\n";

static const struct option names[] = {
    {"name", required_argument, NULL, 'n'},
    {"master", required_argument, NULL, 'm'},
    {"listen", required_argument, NULL, 'l'},
    {"advertise", required_argument, NULL, 'a'},
    {"dir", required_argument, NULL, 'd'},
    {"token-file", required_argument, NULL, 't'},
    {"history", required_argument, NULL, 'H'},
    {"cpu", required_argument, NULL, 'c'},
    {"fifo", required_argument, NULL, 'f'},
    {"capacity", required_argument, NULL, 'C'},
    {"slots", required_argument, NULL, 's'},
    {"region-slots", required_argument, NULL, 'r'},
    {"manager", required_argument, NULL, 'M'},
    {"notify", required_argument, NULL, 'N'},
    {"clock", required_argument, NULL, 'k'},
    {"clock-bound", required_argument, NULL, 'b'},
    {"latency-bound", required_argument, NULL, 'L'},
    {"offload-above", required_argument, NULL, 'o'},
    {"offload-on-stop", no_argument, NULL, 'O'},
    {"io", required_argument, NULL, 'i'},
    {"skew", required_argument, NULL, 'w'},
    {"no-sandbox", no_argument, NULL, 'S'},
    {"allow-remote", no_argument, NULL, 'R'},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void refuse(const char *option, const char *text, const char *wanted)
{
    (void)fprintf(stderr, "axcan-node: --%s: '%s' is not %s\n", option, text, wanted);
    exit(2);
}

static uint64_t read_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
    char wanted[64];
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value < min || value > max) {
        (void)snprintf(wanted, sizeof(wanted), "a number from %llu to %llu",
                       (unsigned long long)min, (unsigned long long)max);
        refuse(option, text, wanted);
    }
    return value;
}

static enum axi_fifo read_fifo(const char *text)
{
    static const char *const words[] = {"auto", "yes", "no"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, words[i]) == 0) {
            return (enum axi_fifo)i;
        }
    }
    refuse("fifo", text, "auto, yes or no");
    return AXI_FIFO_AUTO;
}

/* "NS:PPB", both perhaps negative. */
static void read_skew(const char *text)
{
    char *colon = NULL;
    char *end = NULL;
    long long offset_ns = strtoll(text, &colon, 10);
    long long rate_ppb = *colon == ':' ? strtoll(colon + 1, &end, 10) : 0;

    if (end == NULL || colon == text || end == colon + 1 || *end != '\0' ||
        axi_local_clock_skew(offset_ns, rate_ppb) < 0) {
        refuse("skew", text, "NS:PPB, at most an hour and 1000000 (and less than the uptime)");
    }
}

/* "in:NAME=TARGET" or "out:NAME=TARGET". */
static void read_channel(const char *text, struct axi_node_options *options)
{
    struct axi_channel_config *channel = &options->channels[options->channel_count];
    const char *name = strchr(text, ':');
    const char *equals = strchr(text, '=');
    bool is_output = strncmp(text, "out:", 4) == 0;

    if (options->channel_count == AXI_NODE_CHANNELS_MAX ||
        (!is_output && strncmp(text, "in:", 3) != 0) || equals == NULL || equals < name + 2 ||
        (size_t)(equals - name - 1) >= sizeof(channel->name)) {
        refuse("io", text, "in:NAME=TARGET or out:NAME=TARGET (at most 32)");
    }
    memcpy(channel->name, name + 1, (size_t)(equals - name - 1));
    channel->is_output = is_output;
    channel->target = equals + 1;
    options->channel_count++;
}

static int read_option(int option, struct axi_node_options *options, enum axi_log_level *level)
{
    switch (option) {
    case 'n':
        options->name = optarg;
        break;
    case 'm':
        options->master = optarg;
        break;
    case 'l':
        options->listen = optarg;
        break;
    case 'a':
        options->advertise = optarg;
        break;
    case 'd':
        options->dir = optarg;
        break;
    case 't':
        options->token_file = optarg;
        break;
    case 'H':
        options->history = optarg;
        break;
    case 'c':
        options->cpu = (int64_t)read_number("cpu", optarg, 0, 1023);
        break;
    case 'f':
        options->fifo = read_fifo(optarg);
        break;
    case 'C':
        options->capacity_ppm = read_number("capacity", optarg, 1, 1000000);
        break;
    case 's':
        options->slots = read_number("slots", optarg, 1, 1024);
        break;
    case 'r':
        options->region_slots = read_number("region-slots", optarg, 2, 64);
        break;
    case 'M':
        if (options->manager_count == AXI_NODE_MANAGERS_MAX) {
            refuse("manager", optarg, "one of at most 4");
        }
        options->managers[options->manager_count++] = optarg;
        break;
    case 'N':
        options->notify = optarg;
        break;
    case 'k':
        options->clock = strcmp(optarg, "master") == 0 ? NULL : optarg;
        break;
    case 'b':
        options->clock_bound_ns = NS_PER_US * read_number("clock-bound", optarg, 1, 10000000);
        break;
    case 'L':
        options->latency_ns = NS_PER_US * read_number("latency-bound", optarg, 0, 10000000);
        break;
    case 'o':
        options->offload_ppm = read_number("offload-above", optarg, 1, 1000000);
        break;
    case 'O':
        options->offload_on_stop = 1;
        break;
    case 'i':
        read_channel(optarg, options);
        break;
    case 'w':
        read_skew(optarg);
        break;
    case 'S':
        options->no_sandbox = 1;
        break;
    case 'R':
        options->allow_remote = 1;
        break;
    case 'v':
        *level = AXI_LOG_DEBUG;
        break;
    case 'q':
        *level = AXI_LOG_WARN;
        break;
    case 'V':
        (void)puts("axcan-node " AXI_VERSION);
        exit(0);
    case 'h':
        (void)fputs(usage, stdout);
        exit(0);
    default:
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct axi_node_options options = {.master = "127.0.0.1:7400",
                                       .listen = "127.0.0.1:0",
                                       .cpu = -1,
                                       .capacity_ppm = 900000,
                                       .slots = 16,
                                       .region_slots = 4};
    enum axi_log_level level = AXI_LOG_INFO;
    int option = 0;
    int r = 0;

    while (r == 0 && (option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        r = read_option(option, &options, &level);
    }
    if (r < 0 || optind < argc || options.name == NULL || options.dir == NULL ||
        options.token_file == NULL) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (strlen(options.name) > 31) {
        refuse("name", options.name, "at most 31 characters");
    }
    axi_host_log_to_stderr(level);
    return axi_node_daemon_run(&options);
}
