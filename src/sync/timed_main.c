/* SPDX-License-Identifier: Apache-2.0 */
#include "net/options.h"
#include "sync/timed.h"

#include <stdio.h>

static const char usage[] =
    "usage: axcan-timed --grandmaster INTERFACE [options]\n"
    "       axcan-timed --clock ptp4l[:PATH][,domain=N]|ptp:INTERFACE[,l2][,domain=N] [options]\n"
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

static struct axi_timed_options options = {.priority = 128};

static const struct axi_option table[] = {
    {.name = "grandmaster", .kind = AXI_OPTION_TEXT, .to = &options.interface},
    {.name = "l2", .kind = AXI_OPTION_FLAG, .to = &options.is_l2},
    {.name = "domain", .kind = AXI_OPTION_NUMBER, .to = &options.domain, .min = 0, .max = 255},
    {.name = "priority", .kind = AXI_OPTION_NUMBER, .to = &options.priority, .min = 0, .max = 255},
    {.name = "clock", .kind = AXI_OPTION_TEXT, .to = &options.clock},
    {.name = "csv", .kind = AXI_OPTION_FLAG, .to = &options.is_csv},
    {.name = "seconds",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.seconds,
     .min = 1,
     .max = 1000000},
    {.name = "offset",
     .kind = AXI_OPTION_SIGNED,
     .to = &options.offset_ns,
     .min = -1000000000000000,
     .max = 1000000000000000},
    {.name = "rate",
     .kind = AXI_OPTION_SIGNED,
     .to = &options.rate_ppb,
     .min = -1000000,
     .max = 1000000},
    {.name = NULL},
};

int main(int argc, char **argv)
{
    const struct axi_program program = {
        .name = "axcan-timed", .version = AXI_VERSION, .usage = usage};

    axi_options_read(&program, table, argc, argv);
    if ((options.interface == NULL) == (options.clock == NULL)) {
        (void)fprintf(stderr, "axcan-timed: give either --grandmaster or --clock\n%s", usage);
        return 2;
    }
    return options.interface != NULL ? axi_timed_grandmaster(&options)
                                     : axi_timed_witness(&options);
}
