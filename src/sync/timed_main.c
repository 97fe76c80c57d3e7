/* SPDX-License-Identifier: Apache-2.0 */
#include "net/host.h"
#include "sync/timed.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: axcan-timed --grandmaster INTERFACE [options]\n"
    "       axcan-timed --clock ptp4l[:PATH]|ptp:INTERFACE[,l2][,domain=N] [options]\n"
    "  --grandmaster INTERFACE  serve this machine's clock by PTP\n"
    "  --l2                     Ethernet frames instead of UDP\n"
    "  --domain N               PTP domain (default 0)\n"
    "  --priority N             priority1 of the grandmaster (default 128)\n"
    "  --clock SOURCE           follow a clock and write what is seen; exit 1 when it never "
    "locked\n"
    "  --csv                    as comma-separated values (axcan analyze clock reads them)\n"
    "  --seconds N              end after N seconds\n"
    "  --offset NS, --rate PPB  make this program's clock wrong, for tests\n"
    "  --verbose, --quiet       more or less on stderr\n"
    "  --version, --help\n";

static const struct option names[] = {
    {"grandmaster", required_argument, NULL, 'g'},
    {"l2", no_argument, NULL, '2'},
    {"domain", required_argument, NULL, 'd'},
    {"priority", required_argument, NULL, 'p'},
    {"clock", required_argument, NULL, 'c'},
    {"csv", no_argument, NULL, 'C'},
    {"seconds", required_argument, NULL, 's'},
    {"offset", required_argument, NULL, 'o'},
    {"rate", required_argument, NULL, 'r'},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int64_t read_number(const char *option, int64_t min, int64_t max)
{
    char *end = NULL;
    long long value = strtoll(optarg, &end, 10);

    if (end == optarg || *end != '\0' || value < min || value > max) {
        (void)fprintf(stderr, "axcan-timed: --%s: '%s' is not a number from %lld to %lld\n", option,
                      optarg, (long long)min, (long long)max);
        exit(2);
    }
    return value;
}

static int read_option(int option, struct axi_timed_options *options, enum axi_log_level *level)
{
    switch (option) {
    case 'g':
        options->interface = optarg;
        return 0;
    case '2':
        options->transport = AXI_PTP_L2;
        return 0;
    case 'd':
        options->domain = (uint64_t)read_number("domain", 0, 255);
        return 0;
    case 'p':
        options->priority = (uint64_t)read_number("priority", 0, 255);
        return 0;
    case 'c':
        options->clock = optarg;
        return 0;
    case 'C':
        options->is_csv = true;
        return 0;
    case 's':
        options->seconds = (uint64_t)read_number("seconds", 1, 1000000);
        return 0;
    case 'o':
        options->offset_ns = read_number("offset", -1000000000000000, 1000000000000000);
        return 0;
    case 'r':
        options->rate_ppb = read_number("rate", -1000000, 1000000);
        return 0;
    case 'v':
        *level = AXI_LOG_DEBUG;
        return 0;
    case 'q':
        *level = AXI_LOG_WARN;
        return 0;
    case 'V':
        (void)puts("axcan-timed " AXI_VERSION);
        exit(0);
    case 'h':
        (void)fputs(usage, stdout);
        exit(0);
    default:
        return -1;
    }
}

int main(int argc, char **argv)
{
    struct axi_timed_options options = {.priority = 128};
    enum axi_log_level level = AXI_LOG_INFO;
    int option = 0;
    int r = 0;

    while (r == 0 && (option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        r = read_option(option, &options, &level);
    }
    if (r < 0 || optind < argc || (options.interface == NULL) == (options.clock == NULL)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    axi_host_log_to_stderr(level);
    return options.interface != NULL ? axi_timed_grandmaster(&options)
                                     : axi_timed_witness(&options);
}
