/* SPDX-License-Identifier: Apache-2.0 */
#include "host/daemon.h"
#include "net/options.h"

#include <stddef.h>

static const char usage[] =
    "usage: axcan-host --name NAME --api HOST:PORT[,...] --token-file FILE --dir DIR [options]\n"
    "Starts partitions on this machine by runax when the master finds no node for something, and\n"
    "ends them when they are idle. Ended itself, it leaves them running and finds them again.\n"
    "  --name NAME            of this host; the nodes in its partitions are NAME-p1, NAME-p2, ...\n"
    "  --api HOST:PORT[,...]  the masters' APIs\n"
    "  --token-file FILE      the cluster's secret; mode 0600\n"
    "  --dir DIR              images, bundles, runax's state\n"
    "  --max N                partitions at once, 0 to 16 (default 1)\n"
    "  --board virt|zcu102    of the nodes: platform axcan-BOARD (default zcu102)\n"
    "  --hypervisor NAME      qemu, kvm, jailhouse or xen (default qemu)\n"
    "  --advertise ADDRESS    IPv4 address of this machine at which nodes elsewhere reach those in "
    "the\n"
    "                         partitions (default 127.0.0.1: only from here, else the master "
    "relays)\n"
    "  --capacity PPM         density each node accepts (default 900000)\n"
    "  --end-partitions       end them, too, when this daemon is ended\n"
    "  --remove               end what is left of them, and nothing else\n"
    "  --allow-remote         go beyond loopback; the API is not encrypted\n"
    "  --verbose, --quiet     more or less on stderr\n"
    "  --version, --help\n";

static struct axi_host_options options = {.board = "zcu102",
                                          .hypervisor = "qemu",
                                          .advertise = "127.0.0.1",
                                          .max = 1,
                                          .capacity_ppm = 900000};

static const struct axi_option table[] = {
    {.name = "name", .kind = AXI_OPTION_TEXT, .to = &options.name, .is_required = 1},
    {.name = "api", .kind = AXI_OPTION_TEXT, .to = &options.api},
    {.name = "token-file", .kind = AXI_OPTION_TEXT, .to = &options.token_file, .is_required = 1},
    {.name = "dir", .kind = AXI_OPTION_TEXT, .to = &options.dir, .is_required = 1},
    {.name = "max", .kind = AXI_OPTION_NUMBER, .to = &options.max, .min = 0, .max = 16},
    {.name = "board", .kind = AXI_OPTION_TEXT, .to = &options.board},
    {.name = "hypervisor", .kind = AXI_OPTION_TEXT, .to = &options.hypervisor},
    {.name = "advertise", .kind = AXI_OPTION_TEXT, .to = &options.advertise},
    {.name = "capacity",
     .kind = AXI_OPTION_NUMBER,
     .to = &options.capacity_ppm,
     .min = 1,
     .max = 1000000},
    {.name = "end-partitions", .kind = AXI_OPTION_FLAG, .to = &options.ends_partitions},
    {.name = "remove", .kind = AXI_OPTION_FLAG, .to = &options.removes},
    {.name = "allow-remote", .kind = AXI_OPTION_FLAG, .to = &options.allow_remote},
    {.name = NULL},
};

int main(int argc, char **argv)
{
    const struct axi_program program = {
        .name = "axcan-host", .version = AXI_VERSION, .usage = usage};

    axi_options_read(&program, table, argc, argv);
    return axi_host_daemon_run(&options);
}
